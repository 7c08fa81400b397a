"""What the engine needs from the outside, as protocols; it does not know who fulfils them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from arawn.events import Event
from arawn.messages import Request


class Backend(Protocol):
    """Something that answers a request.

    `stream` yields events in order and ends after a Finish. It raises an ArawnError where there is no
    whole answer; what was yielded before stays valid. Closing the iterator ends the request at once.
    """

    @property
    def name(self) -> str:
        """The `[backends.NAME]` name."""

    @property
    def model(self) -> str:
        """The model that is asked."""

    def stream(self, request: Request) -> Iterator[Event]:
        """Answer, event by event."""

    def close(self) -> None:
        """Let go of connections; may be called twice."""
