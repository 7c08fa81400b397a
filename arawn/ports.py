"""What the engine needs from the outside, as protocols; it does not know who fulfils them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Literal, NamedTuple, Protocol

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


class Asked(NamedTuple):
    """What is asked: `message` in a session, after the turn `parent`, by `backend`.

    `request` has the settings, and the messages that follow `message`.
    """

    session: Session
    parent: str | None
    message: Message
    request: Request
    backend: Backend


Policy = Literal["refuse", "drop", "compact"]


class Outlook(NamedTuple):
    """How a request would stand: tokens by kind, the room for it, and what would be left out of it now.

    `counted` is the last real request: tokens as the service counted them and as we had guessed, or None.
    """

    kinds: tuple[tuple[str, int], ...]
    total: int
    window: int | None
    reserve: int
    left_out: int
    policy: Policy
    counted: tuple[int, int] | None = None


class Planned(NamedTuple):
    """What is sent of a session: messages, what they follow, our guess of their tokens, messages left out."""

    messages: tuple[Message, ...]
    parent: str | None
    estimate: int | None = None
    left_out: int = 0


class Planner(Protocol):
    """Sees that what is sent fits the model."""

    def plan(self, asked: Asked) -> Generator[Event, None, Planned]:
        """What to send so that the message is answered; yields what the person should know.

        May add a summary to the session and let the message follow that. Raises ContextFault where nothing
        would fit, before anything is sent.
        """

    def again(
        self, asked: Asked, planned: Planned, fault: ContextFault
    ) -> Generator[Event, None, Planned | None]:
        """Less than `planned`, which the service refused as too long; None where there is no less to send."""

    def compact(self, asked: Asked, focus: str = "") -> Generator[Event, None, Turn | None]:
        """Sum up what was said before the message, now; None where it is too little. Raises an ArawnError."""

    def outlook(self, asked: Asked) -> Outlook:
        """How the request would stand now; asks nobody."""
