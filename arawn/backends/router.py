"""Several backends as one: they stand in for each other or take turns, and every switch is told.

It knows backends, events and errors, and neither HTTP nor config.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Generator, Iterator, Sequence
from typing import NamedTuple

from arawn.backends.health import Health
from arawn.backends.routing import SHOWN
from arawn.errors import ArawnError, ConfigFault, Cut, EmptyAnswer, Refused, ServiceFault
from arawn.events import Attempt, Event, Finish, Notice, Text, ToolCall
from arawn.messages import FilePart, Request, user
from arawn.ports import Backend
from arawn.seam import ask_to_go_on, without_overlap

BROKEN = ("cut", "timeout", "unreachable", "overloaded")
"""Faults in the middle of an answer that another may go on after, where they are those to switch on."""


class Ready(NamedTuple):
    """A backend to ask; `abort` ends what it is at work on, for good, from any thread."""

    backend: Backend
    abort: Callable[[], None] = lambda: None


class Candidate(NamedTuple):
    """One that may be asked.

    open: makes the backend, the argument telling whether it is the last that is left; raises ConfigFault
    where it can't be asked at all. unfit: why a request is not for it, "" where it is. price: USD for a
    million tokens in and out together, None where unknown. weight: its share. cancelled: what a request
    that nobody waits for any more may have cost, in words. broken: why it cannot be asked, where it is known.
    """

    name: str
    model: str
    open: Callable[[bool], Ready]
    unfit: Callable[[Request], str] = lambda request: ""
    price: Callable[[], float | None] = lambda: None
    weight: float = 1.0
    cancelled: Callable[[Request], str] = lambda request: "unknown"
    broken: str = ""

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.name} · {self.model}"


def any_fits(candidates: Sequence[Candidate], files: Sequence[FilePart]) -> bool:
    """Whether one of them takes these files."""
    request = Request((user("", tuple(files)),))
    return any(not one.unfit(request) for one in candidates)


def rested(order: Sequence[Candidate], health: Health) -> list[Candidate]:
    """Who is asked in which order: those that are better left in peace for now come last."""
    return sorted(order, key=lambda one: health.rest(one.name, one.model) > 0)


def sorted_out(
    order: Sequence[Candidate], request: Request, health: Health
) -> Generator[Event, None, list[Candidate]]:
    """Those of `order` that take a request, the first where none does; tells who is not asked, or later.

    One that can't be asked is left out, and told where its turn would have come first.
    """
    able = [one for one in order if not one.broken]
    for one in order[: order.index(able[0])] if able else ():
        yield Notice(f"{one.label}: {one.broken}; asking {able[0].label}", warning=True)
    order = able or order
    fit, resting = [], []
    for one in order:
        why = one.unfit(request)
        if why:
            yield Notice(f"{one.label} is passed over: {why}", warning=True)
        else:
            fit.append(one)
            resting += [one] if health.rest(one.name, one.model) > 0 else []
    if not fit:
        yield Notice(f"None of them takes this; {order[0].label} is asked all the same", warning=True)
        return [order[0]]
    for one in resting if len(resting) < len(fit) else ():
        why = health.of(one.name, one.model).last_error or "its limit is used up"
        rest = health.rest(one.name, one.model)
        yield Notice(f"{one.label} is asked last: {why}, for {rest:.0f} s more", warning=True)
    return fit


class Policy(NamedTuple):
    """When the next is asked (error codes), and whether in the middle of an answer too."""

    on: frozenset[str]
    mid_stream: bool = False


def is_listed(fault: ArawnError, on: Container[str]) -> bool:
    """Whether another is asked after this fault, where nothing was shown yet.

    One that can't be asked at all, by its own settings, never stands in the way.
    """
    code = "unreachable" if fault.code == "cut" else fault.code
    return isinstance(fault, ConfigFault) or code in on or fault.code in on


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

    def usd(one: Candidate) -> float:
        price = one.price()
        return float("inf") if price is None else price

    return sorted(candidates, key=usd)


def by_speed(candidates: Sequence[Candidate], health: Health) -> Sequence[Candidate]:
    """The one whose first tokens came soonest.

    One that was never measured comes before them, so that it is; it comes last where that failed just now.
    """

    def seconds(one: Candidate) -> float:
        if health.stumbled(one.name, one.model):
            return float("inf")
        return health.of(one.name, one.model).first_event_s or 0.0

    return sorted(candidates, key=seconds)


def by_weight(chance: Callable[[], float] = random.random) -> Order:
    """By chance, in proportion to the weights (Efraimidis and Spirakis, 2006)."""

    def order(candidates: Sequence[Candidate], health: Health) -> Sequence[Candidate]:
        return sorted(candidates, key=lambda one: -(chance() ** (1 / one.weight)) if one.weight > 0 else 1.0)

    return order


class Router:
    """A Backend over candidates. `name` and `model` are those of the one that is asked now, or first."""

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
        self._opened: dict[tuple[str, str, bool], Backend] = {}
        self._next: list[Candidate] | None = self._ranked()
        self.name = self._next[0].name
        self.model = self._next[0].model

    def fits(self, files: Sequence[FilePart]) -> bool:
        """Whether one of them takes these files."""
        return any_fits(self.candidates, files)

    def close(self) -> None:
        """Close all that were opened."""
        for backend in self._opened.values():
            backend.close()
        self._opened.clear()

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply of the first that gives one. Raises the fault of the last that was asked."""
        order, self._next = self._next, None
        left = yield from sorted_out(order or self._ranked(), request, self._health)
        said = ""
        for place, one in enumerate(left):
            following = left[place + 1] if place + 1 < len(left) else None
            course = Course()
            try:
                yield from self._one(one, request, said, following is None, course)
                return
            except (ServiceFault, ConfigFault) as fault:
                said += course.text
                if following is None or not self._switches(fault, course, bool(said), request):
                    raise
                then = "continued by" if said else "asking"
                yield Notice(f"{one.label}: {fault.sentence}; {then} {following.label}", warning=True)

    def _ranked(self) -> list[Candidate]:
        return rested(self._order(self.candidates, self._health), self._health)

    def _one(
        self, one: Candidate, request: Request, said: str, last: bool, course: Course
    ) -> Iterator[Event]:
        """The reply of one, going on with what was said before."""
        self.name, self.model = one.name, one.model
        key = (one.name, one.model, last)
        backend = self._opened[key] = self._opened.get(key) or one.open(last).backend
        asked = request._replace(messages=(*request.messages, *ask_to_go_on(said)))
        events = backend.stream(asked)
        fault: ServiceFault | None = None
        for event in without_overlap(said, events) if said else events:
            found = None if last or fault is not None else course.spoilt(event, one.name)
            if found is not None and self._switches(found, course, bool(said), request):
                fault = found
            if isinstance(event, Attempt):
                told = event if fault is None else event._replace(error=fault.code)
                self._health.note(told)
                yield told
            elif fault is None:
                course.take(event)
                yield event
        if fault is not None:
            raise fault

    def _switches(self, fault: ArawnError, course: Course, said: bool, request: Request) -> bool:
        """Whether the next is asked after this fault; only a plain answer can be gone on with."""
        listed = is_listed(fault, self._policy.on)
        if course.shown:
            broken = isinstance(fault, Cut) or (listed and fault.code in BROKEN)
            return self._policy.mid_stream and broken and not course.closed and request.format is None
        return listed or (said and fault.code == "cut")


class Course:
    """What came of one attempt."""

    def __init__(self) -> None:
        self.shown = False
        self.closed = False
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """What it said."""
        return "".join(self._pieces)

    def take(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, SHOWN):
            self.shown = True
        if isinstance(event, Text):
            self._pieces.append(event.text)
        if isinstance(event, Finish | ToolCall):
            self.closed = True

    def spoilt(self, event: Event, name: str) -> ServiceFault | None:
        """What is wrong with a reply that ends with this event, though the service calls it whole."""
        if not isinstance(event, Finish) or self.closed:
            return None
        if event.refusal or event.reason in ("refusal", "content_filter"):
            return Refused(f'Backend "{name}" refused to answer')
        if event.reason == "error":
            return Cut(f'Backend "{name}" broke off its answer')
        if not self.text.strip():
            return EmptyAnswer(f'Backend "{name}" gave an empty answer')
        return None
