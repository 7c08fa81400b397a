"""What happens while a reply comes, as a closed union of frozen values, and `collect`, which folds them.

Named tuples rather than dataclasses: a start makes all of these classes, and a tuple takes a seventh of
the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, assert_never

from arawn.errors import ArawnError

FinishReason = Literal[
    "stop", "length", "tool_calls", "content_filter", "refusal", "cut", "interrupted", "error"
]


class Text(NamedTuple):
    """A piece of the answer."""

    text: str


class Reasoning(NamedTuple):
    """A piece of reasoning; `opaque` is what must go back to the same backend and model (or None)."""

    text: str
    opaque: Mapping[str, Any] | None = None


class ToolCall(NamedTuple):
    """A whole tool call; `arguments` is JSON text as it came. Ids are unique within a reply.

    `opaque` is what must go back with the call to the same backend and model (or None).
    """

    id: str
    name: str
    arguments: str
    opaque: Mapping[str, Any] | None = None


class Usage(NamedTuple):
    """Tokens, normalised: `input` counts cached ones too, `output` counts reasoning ones too.

    Of `input` so many were read from a cache, written to one (`cache_write`, of them `cache_write_1h` for an
    hour), heard (`audio`); `tooling` were read by the service's own tools, and are not in `input`; `searches`
    are its searches of the web. None: the service did not say. The last Usage of a reply holds.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    audio: int | None = None
    tooling: int | None = None
    searches: int | None = None


def total(usages: Iterable[Usage]) -> Usage:
    """What several requests took together; None where none of them said."""
    known = ([count for count in counts if count is not None] for counts in zip(*usages, strict=True))
    return Usage(*(sum(counts) if counts else None for counts in known))


class Finish(NamedTuple):
    """The end of a reply. `raw` is the service's own word; `model` is what it says answered."""

    reason: FinishReason
    raw: str = ""
    model: str = ""
    refusal: str | None = None
    citations: tuple[Mapping[str, Any], ...] = ()


class Notice(NamedTuple):
    """A line for the person that is not part of the answer (untrusted text possible)."""

    text: str
    warning: bool = False


class Progress(NamedTuple):
    """Something came that cannot be shown yet: a piece of a tool call, a state of the work."""

    label: str


class Wait(NamedTuple):
    """A pause before the next attempt: `remaining` of `total` seconds. Sent several times a second."""

    remaining: float
    total: float
    reason: str
    attempt: int
    of: int


class Attempt(NamedTuple):
    """One request that was made, told when it ended; `error` is an error code or None. Times in seconds.

    `reset_s`: for so long the service said it takes no more. `hold`: under which a budget knows its cost, "".
    `left`: so many requests the service said it still takes for now.
    """

    backend: str
    model: str
    status: int | None = None
    error: str | None = None
    waited_s: float = 0.0
    first_event_s: float | None = None
    total_s: float = 0.0
    reset_s: float | None = None
    hold: str = ""
    left: int | None = None

    @property
    def told(self) -> str:
        """It in a line, for those who want every one told."""
        how = f"status {self.status or '-'} {self.error or 'ok'} {self.total_s:.2f} s"
        return f"attempt: {self.backend} {self.model} {how}"


Event = Text | Reasoning | ToolCall | Usage | Finish | Notice | Progress | Wait | Attempt


def close(events: Iterator[Event]) -> None:
    """End the request behind `events` at once, where they are of a kind that can be ended."""
    end = getattr(events, "close", None)
    if end is not None:
        end()


class Reply:
    """A folded reply. It may be partial: `finish` is None until a Finish was seen.

    `parts` are its texts, pieces of reasoning and tool calls in their order, neighbours joined.
    """

    def __init__(self) -> None:
        self.parts: list[Text | Reasoning | ToolCall] = []
        self.usage = Usage()
        self.finish: Finish | None = None
        self.attempts: list[Attempt] = []
        self.notices: list[Notice] = []

    @property
    def text(self) -> str:
        """The answer."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def reasoning(self) -> str:
        """All reasoning."""
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls."""
        return [part for part in self.parts if isinstance(part, ToolCall)]


class Collector:
    """Folds events one by one; `reply` is valid at any moment, so a partial answer is never lost."""

    def __init__(self) -> None:
        self._kind: type[Text] | type[Reasoning] = Text
        self._pieces: list[str] = []
        self._reply = Reply()

    def add(self, event: Event) -> None:
        """Take one event."""
        if type(event) is Text:  # nearly all are, and `match` is slow
            self._piece(event)
            return
        reply = self._reply
        match event:
            case Text() | Reasoning():
                self._piece(event)
            case ToolCall():
                self._join()
                reply.parts.append(event)
            case Usage():
                reply.usage = event
            case Finish():
                reply.finish = event
            case Attempt():
                reply.attempts.append(event)
            case Notice():
                reply.notices.append(event)
            case Wait() | Progress():
                pass
            case _:
                assert_never(event)

    def _piece(self, event: Text | Reasoning) -> None:
        if type(event) is not self._kind:
            self._join()
            self._kind = type(event)
        self._pieces.append(event.text)
        if type(event) is Reasoning and event.opaque is not None:
            self._join(event.opaque)

    def _join(self, opaque: Mapping[str, Any] | None = None) -> None:
        text, self._pieces = "".join(self._pieces), []
        parts = self._reply.parts
        if not text and opaque is None:
            return
        last = parts[-1] if parts else None
        if isinstance(last, self._kind) and getattr(last, "opaque", None) is None:
            text = last.text + text
            parts.pop()
        parts.append(Text(text) if self._kind is Text else Reasoning(text, opaque))

    @property
    def reply(self) -> Reply:
        """What came so far."""
        self._join()
        return self._reply


def collect(events: Iterable[Event]) -> Reply:
    """Fold a whole reply."""
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.reply


def outcome(reply: Reply, fault: ArawnError | None, stopped: bool) -> FinishReason:
    """How a turn ended, in one word."""
    if stopped:
        return "interrupted"
    if reply.finish is not None:
        return reply.finish.reason
    return "cut" if fault is not None and (fault.code == "cut" or reply.text) else "error"
