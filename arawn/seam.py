"""Going on with an answer that broke off: how to ask for the rest, say no word twice, and who wrote what."""

from __future__ import annotations

from collections.abc import Iterator

from arawn.events import Attempt, Collector, Event, Finish, Reasoning, Text, ToolCall, close
from arawn.messages import Message, TextPart
from arawn.session import Seam

GO_ON = (
    "Your answer above was cut off before its end. Go on exactly where it stops, in the middle of the word "
    "if need be. Repeat nothing of it and say nothing about the interruption."
)
LONGEST = 400
"""Characters at the end of what came that the rest may begin with again."""
SHORTEST = 3
"""Fewer characters in common may be chance."""


def ask_to_go_on(before: str) -> tuple[Message, ...]:
    """What follows the prompt so that a model goes on after `before`; nothing where nothing came.

    Said in words: to put words into a model's mouth (prefill) is refused by the newer ones.
    """
    if not before.strip():
        return ()
    return (Message("assistant", (TextPart(before),)), Message("user", (TextPart(GO_ON),)))


def prompt_of(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The last message that puts a question, in a tuple: what only asks to go on with an answer puts none."""
    while len(messages) > 2 and messages[-1].text == GO_ON:
        messages = messages[:-2]
    return messages[-1:]


def without_overlap(before: str, events: Iterator[Event]) -> Iterator[Event]:
    """The events of the rest, less what of `before` they say again; closing it closes them.

    Text is held back only while it could still be a repetition.
    """
    held: str | None = ""
    try:
        for event in events:
            if held is not None and isinstance(event, Text):
                held += event.text
                if _may_grow(before, held):
                    continue
            elif held is None or not isinstance(event, ToolCall | Finish):
                yield event
                continue
            if rest(before, held):
                yield Text(rest(before, held))
            held = None
            if not isinstance(event, Text):
                yield event
        if held and rest(before, held):
            yield Text(rest(before, held))
    finally:
        close(events)


class Writers(Collector):
    """A Collector that knows who wrote which part of an answer, `before` characters of which came earlier."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self._start = self._end = before
        self._shown = False
        self._seams: list[Seam] = []
        self._makers: set[tuple[str, str]] = set()

    def add(self, event: Event) -> None:
        """Take one event. An Attempt ends what its backend wrote."""
        super().add(event)
        if type(event) is Text:
            self._end += len(event.text)
            self._shown = True
        elif isinstance(event, (Reasoning, ToolCall)):
            self._shown = True
        elif isinstance(event, Attempt):
            self._ended(event.backend, event.model)

    def seams(self, writing: tuple[str, str]) -> tuple[Seam, ...]:
        """Where another went on; `writing` wrote what no attempt was told for yet."""
        self._ended(*writing)
        return tuple(self._seams)

    @property
    def mixed(self) -> bool:
        """Whether several had a part in it: what goes back to one alone can't be told apart then."""
        return len(self._makers) > 1

    def _ended(self, backend: str, model: str) -> None:
        if self._shown:
            self._makers.add((backend, model))
        if self._end > self._start > 0:
            self._seams.append(Seam(self._start, backend, model))
        self._start, self._shown = self._end, False


def _may_grow(before: str, held: str) -> bool:
    """Whether what came could, with more to come, still be a repetition of what there was."""
    return len(held) < len(before) and (held in before[-LONGEST:] or before.startswith(held))


def rest(before: str, text: str) -> str:
    """`text` without what it says again: all of `before`, or the longest part that `before` ends with."""
    if text.startswith(before):
        return text[len(before) :]
    tail = before[-LONGEST:]
    for length in range(min(len(tail), len(text)), SHORTEST - 1, -1):
        if tail.endswith(text[:length]):
            return text[length:]
    return text
