"""What the engine needs from the outside, as protocols; it does not know who fulfils them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple, Protocol

from arawn.errors import ContextFault
from arawn.events import Event
from arawn.messages import Message, Request
from arawn.session import Session, Turn


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


class Entry(Protocol):
    """A turn while it is said. Nothing here raises: trouble with storing never costs an answer."""

    @property
    def id(self) -> str:
        """The turn's id, which no other has."""

    @property
    def at(self) -> float:
        """When it began, seconds since 1970."""

    def add(self, event: Event) -> None:
        """An event came."""

    def end(self, turn: Turn) -> Turn:
        """The turn is over; returns it with what is known besides."""


class Journal(Protocol):
    """Where turns are kept as they are said."""

    def begin(
        self, session: Session, parent: str | None, message: Message, before: str, backend: Backend
    ) -> Entry:
        """Keep what `backend` is about to be asked, before it is sent; it follows the turn `parent`.

        `before` is text of the answer that came earlier, where an answer is gone on with.
        """


class Planned(NamedTuple):
    """What is sent of a session: messages, what they follow, our guess of their tokens, messages left out."""

    messages: tuple[Message, ...]
    parent: str | None
    estimate: int | None = None
    left_out: int = 0


class Planner(Protocol):
    """Sees that what is sent fits the model."""

    def plan(
        self, session: Session, parent: str | None, message: Message, request: Request, backend: Backend
    ) -> Generator[Event, None, Planned]:
        """What to send so that `message` is answered after `parent`; yields what the person should know.

        `request` has the settings, and the messages that follow `message`. May add a summary to the session
        and let the message follow that. Raises ContextFault where nothing would fit, before anything is sent.
        """

    def again(
        self,
        fault: ContextFault,
        planned: Planned,
        session: Session,
        message: Message,
        request: Request,
        backend: Backend,
    ) -> Generator[Event, None, Planned | None]:
        """Less than `planned`, which the service refused as too long; None where there is no less to send."""
