"""Several backends as one: they stand in for each other or take turns, and every switch is told.

It knows backends, events and errors, and neither HTTP nor config.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from arawn.backends.health import Health
from arawn.errors import ArawnError, ConfigFault, Cut, ServiceFault
from arawn.events import Attempt, Event, Finish, Notice, Reasoning, Text, ToolCall
from arawn.messages import FilePart, Message, Request, user
from arawn.ports import Backend
from arawn.seam import ask_to_go_on, without_overlap

SHOWN = (Text, Reasoning, ToolCall, Finish)


class Candidate(NamedTuple):
    """One that may be asked.

    open: makes the backend, the argument telling whether it is the last that is left; raises ConfigFault
    where it can't be asked at all. unfit: why a request is not for it, "" where it is. price: USD for a
    million tokens in and out together, None where unknown. weight: its share. cancel: end what it is at
    work on, from any thread. cancelled: what that may have cost, in words.
    """

    name: str
    model: str
    open: Callable[[bool], Backend]
    unfit: Callable[[Request], str] = lambda request: ""
    price: float | None = None
    weight: float = 1.0
    cancel: Callable[[], None] = lambda: None
    cancelled: Callable[[Request], str] = lambda request: "unknown"

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.name} · {self.model}"


def any_fits(candidates: Sequence[Candidate], files: Sequence[FilePart]) -> bool:
    """Whether one of them takes these files."""
    request = Request((user("", tuple(files)),))
    return any(not one.unfit(request) for one in candidates)


class Policy(NamedTuple):
    """When the next is asked (error codes), and whether in the middle of an answer too."""

    on: frozenset[str]
    mid_stream: bool = False


Order = Callable[[Sequence[Candidate], Health], Sequence[Candidate]]


def as_given(candidates: Sequence[Candidate], health: Health) -> Sequence[Candidate]:
    """The order of the config."""
    return candidates


def in_turn(candidates: Sequence[Candidate], health: Health) -> Sequence[Candidate]:
    """Each is the first once, over all processes."""
    start = health.turn() % len(candidates)
    return [*candidates[start:], *candidates[:start]]


def by_price(candidates: Sequence[Candidate], health: Health) -> Sequence[Candidate]:
    """The cheapest first, those of unknown price last."""
    return sorted(candidates, key=lambda one: float("inf") if one.price is None else one.price)


def by_speed(candidates: Sequence[Candidate], health: Health) -> Sequence[Candidate]:
    """The one whose first tokens came soonest; one that was never measured before them, so that it is."""
    return sorted(candidates, key=lambda one: health.of(one.name, one.model).first_event_s or 0.0)


def by_weight(chance: Callable[[], float] = random.random) -> Order:
    """By chance, in proportion to the weights (Efraimidis and Spirakis, 2006)."""

    def order(candidates: Sequence[Candidate], health: Health) -> Sequence[Candidate]:
        return sorted(candidates, key=lambda one: -(chance() ** (1 / one.weight)) if one.weight > 0 else 1.0)

    return order


class Router:
    """A Backend over candidates. `name` and `model` are those of the one that is asked first."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        policy: Policy,
        health: Health,
        order: Order = as_given,
        why: str = "fallback",
    ) -> None:
        self.candidates = list(candidates)
        self.why = f"strategy {why}"
        self._policy = policy
        self._health = health
        self._order = order
        self._opened: list[Backend] = []
        self._next: list[Candidate] | None = self._ordered()
        self.name = self._next[0].name
        self.model = self._next[0].model

    def fits(self, files: Sequence[FilePart]) -> bool:
        """Whether one of them takes these files."""
        return any_fits(self.candidates, files)

    def close(self) -> None:
        """Close all that were opened."""
        for backend in self._opened:
            backend.close()
        self._opened.clear()

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply of the first that gives one. Raises the fault of the last that was asked."""
        order, self._next = self._next or self._ordered(), None
        yield from self._sorted_out(request)
        left = [one for one in order if not one.unfit(request)] or order[:1]
        said = ""
        for place, one in enumerate(left):
            following = left[place + 1] if place + 1 < len(left) else None
            course = _Course()
            try:
                for event in self._one(one, request, said, following is None):
                    course.take(event)
                    yield event
                return
            except (ServiceFault, ConfigFault) as fault:
                said += course.text
                if following is None or not self._switches(fault, course, bool(said), request.format is None):
                    raise
                yield self._told(fault, one, following, said)

    def _one(self, one: Candidate, request: Request, said: str, last: bool) -> Iterator[Event]:
        """The reply of one, going on with what was said before."""
        backend = one.open(last)
        if backend not in self._opened:
            self._opened.append(backend)
        more: tuple[Message, ...] = ask_to_go_on(said)
        events = backend.stream(request._replace(messages=(*request.messages, *more)))
        for event in without_overlap(said, events) if said else events:
            if isinstance(event, Attempt):
                self._health.note(event)
            yield event

    def _switches(self, fault: ArawnError, course: _Course, said: bool, plain: bool) -> bool:
        """Whether the next is asked after this fault; only a `plain` answer can be gone on with."""
        if isinstance(fault, ConfigFault):
            return True
        if course.shown:
            return self._policy.mid_stream and isinstance(fault, Cut) and not course.closed and plain
        code = "unreachable" if fault.code == "cut" else fault.code
        return code in self._policy.on or fault.code in self._policy.on or (said and fault.code == "cut")

    def _told(self, fault: ArawnError, one: Candidate, following: Candidate, said: str) -> Notice:
        if said:
            return Notice(f"{one.label}: {fault.sentence}; continued by {following.label}", warning=True)
        return Notice(f"{one.label}: {fault.sentence}; asking {following.label}", warning=True)

    def _ordered(self) -> list[Candidate]:
        """Who is asked in which order: those that are better left in peace for now come last."""
        order = list(self._order(self.candidates, self._health))
        return sorted(order, key=lambda one: self._health.rest(one.name, one.model) > 0)

    def _sorted_out(self, request: Request) -> Iterator[Event]:
        """What is told of those that are not asked, or later than their turn."""
        resting = [one for one in self.candidates if self._health.rest(one.name, one.model) > 0]
        for one in self.candidates:
            why = one.unfit(request)
            if why:
                yield Notice(f"{one.label} is passed over: {why}", warning=True)
            elif one in resting and len(resting) < len(self.candidates):
                why = self._health.of(one.name, one.model).last_error or "its limit is used up"
                rest = self._health.rest(one.name, one.model)
                yield Notice(f"{one.label} is asked last: {why}, for {rest:.0f} s more", warning=True)


class _Course:
    """What came of one attempt."""

    def __init__(self) -> None:
        self.shown = False
        self.closed = False
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def take(self, event: Event) -> None:
        if isinstance(event, SHOWN):
            self.shown = True
        if isinstance(event, Text):
            self._pieces.append(event.text)
        if isinstance(event, Finish | ToolCall):
            self.closed = True
