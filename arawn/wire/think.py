"""Reasoning that a model wrote into its text as `<think>...</think>`, taken apart as it streams."""

from __future__ import annotations

from collections.abc import Iterator

from arawn.events import Reasoning, Text

OPEN, CLOSE = "<think>", "</think>"
BLANK = 256
"""Most white space that is held back before the first word."""


class Think:
    """Splits text into answer and reasoning; only a block at the very beginning of the answer counts.

    White space before and after the block belongs to neither. Tags may be split anywhere.
    """

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"

    def feed(self, text: str) -> Iterator[Text | Reasoning]:
        """Yield what is decided; what may still become a tag is held back."""
        if self._state == "text":
            yield Text(text)
            return
        self._held += text
        if self._state == "start":
            begun = self._held.lstrip()
            if begun.startswith(OPEN):
                self._state, self._held = "think", begun[len(OPEN) :]
            elif OPEN.startswith(begun) and len(self._held) <= BLANK:
                return
            else:
                self._state, held, self._held = "text", self._held, ""
                yield Text(held)
                return
        if self._state == "think":
            yield from self._thinking()
        if self._state == "after":
            rest, self._held = self._held.lstrip(), ""
            if rest:
                self._state = "text"
                yield Text(rest)

    def _thinking(self) -> Iterator[Reasoning]:
        thought, found, rest = self._held.partition(CLOSE)
        if found:
            self._state, self._held = "after", rest
        else:
            keep = next((n for n in range(len(CLOSE) - 1, 0, -1) if thought.endswith(CLOSE[:n])), 0)
            thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        if thought:
            yield Reasoning(thought)

    def flush(self) -> Iterator[Text | Reasoning]:
        """What is still held back at the end."""
        held, self._held = self._held, ""
        if held and self._state == "start":
            yield Text(held)
        elif held and self._state == "think":
            yield Reasoning(held)
