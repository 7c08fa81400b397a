"""Backends around backends: Retry and Regions; they know events and errors, not HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from arawn.errors import Overloaded, RateLimited, ServiceFault, TimedOut, Unreachable
from arawn.events import Attempt, Event, Finish, Notice, Reasoning, Text, ToolCall, Wait
from arawn.messages import Request
from arawn.ports import Backend

if TYPE_CHECKING:
    from arawn.backends.health import Health

LONGEST_ASKED = 120.0
"""Seconds a service may ask to wait; for more it is better to stop and say so."""
WAITS_ALTOGETHER = 30.0
"""Seconds that all waits of a turn last at most, where the service asks for none."""
TICK = 0.25
SHOWN = (Text, Reasoning, ToolCall, Finish)
"""Events after which a person has seen something of an answer."""


class RetryPolicy(NamedTuple):
    """`[backends.NAME.retry]`: requests at most, the first counted, and the waits in seconds.

    `longest_asked`: a service that asks for a longer wait is not waited for.
    """

    max_attempts: int = 3
    initial_delay: float = 1.0
    max_delay: float = 30.0
    backoff_multiplier: float = 2.0
    longest_asked: float = LONGEST_ASKED


class Retry:
    """Asks again where that may help, and never after the first piece of an answer was shown.

    Waits grow with full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/);
    what the service asks for comes first. While it waits it yields Wait events.
    """

    def __init__(
        self,
        inner: Backend,
        policy: RetryPolicy,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._inner = inner
        self._policy = policy
        self._sleep = sleep
        self._clock = clock
        self._chance = chance
        self.name = inner.name
        self.model = inner.model

    def close(self) -> None:
        """Close what is inside."""
        self._inner.close()

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply of the first attempt that gives one; raises what the last one raised."""
        waited_before, waited_all = 0.0, 0.0
        for attempt in range(1, self._policy.max_attempts + 1):
            shown = False
            try:
                for event in self._inner.stream(request):
                    shown = shown or isinstance(event, SHOWN)
                    if waited_before and isinstance(event, Attempt):
                        yield event._replace(waited_s=waited_before)
                    else:
                        yield event
                return
            except ServiceFault as fault:
                if shown or not fault.retryable or attempt >= self._policy.max_attempts:
                    raise
                wait = self._wait(fault, attempt, waited_all)
                waited_before = wait
                waited_all += wait
                reason = fault.sentence
            yield from self._pause(wait, reason, attempt + 1)

    def _wait(self, fault: ServiceFault, attempt: int, waited: float) -> float:
        """Seconds until the next attempt. Raises the fault where waiting is no use."""
        asked = fault.retry_after
        if asked is not None:
            if asked > self._policy.longest_asked:
                fault.hints = (f"it asks to wait {_span(asked)}: try again then", *fault.hints)
                raise fault
            return asked + asked * 0.1 * self._chance()
        policy = self._policy
        ceiling = min(policy.max_delay, policy.initial_delay * policy.backoff_multiplier ** (attempt - 1))
        wait = ceiling * self._chance()
        if waited + wait > WAITS_ALTOGETHER:
            raise fault
        return wait

    def _pause(self, wait: float, reason: str, attempt: int) -> Iterator[Event]:
        until = self._clock() + wait
        while (left := until - self._clock()) > 0:
            yield Wait(left, wait, reason, attempt, self._policy.max_attempts)
            self._sleep(min(TICK, left))


class Place(Backend, Protocol):
    """A Backend that another thread can end."""

    def abort(self) -> None:
        """End what it is at work on."""

    @property
    def connecting(self) -> bool:
        """Whether nothing could be sent yet."""


class Regions:
    """One service at several places: one of them by chance, then the one that answered last.

    Where it fails the next is asked: the switch is told, and costs no wait, for the next attempt of the Retry
    around it goes there at once. With a `health` those that are better left in peace for now come last, in
    later runs too.
    """

    def __init__(
        self,
        doors: Sequence[Place],
        places: Sequence[str],
        health: Health | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._doors = tuple(doors)
        self._places = tuple(places)
        self._health = health
        self.name = doors[0].name
        self.model = doors[0].model
        self._order = sorted(range(len(doors)), key=lambda at: chance() if health else at)
        self._failed: set[int] = set()
        self._switch = ""

    def close(self) -> None:
        """Close all doors."""
        for door in self._doors:
            door.close()

    def abort(self) -> None:
        """End what is at work at any of them."""
        for door in self._doors:
            door.abort()

    @property
    def connecting(self) -> bool:
        """Whether nothing could be sent yet to the one whose turn it is."""
        return self._doors[self._order[0]].connecting

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply of the place whose turn it is. Raises its fault, made retryable where a place is left."""
        yield from self._left_out()
        at = self._order[0]
        if self._switch:
            yield Notice(f"{self._switch}; asking {self._places[at]}", warning=True)
            self._switch = ""
        shown = False
        try:
            for event in self._doors[at].stream(request):
                shown = shown or isinstance(event, SHOWN)
                if isinstance(event, Attempt) and self._health is not None:
                    self._health.note(event._replace(backend=self._key(at)))
                yield event
        except (Unreachable, TimedOut, RateLimited, Overloaded) as fault:
            self._failed.add(at)
            self._order = [*self._order[1:], at]
            if len(self._failed) == len(self._doors):
                self._failed.clear()
            elif not shown:
                self._switch = f"{self._places[at]}: {fault.sentence}"
                fault.retryable, fault.retry_after = True, 0.0
            raise
        self._failed.clear()

    def _left_out(self) -> Iterator[Event]:
        """Those that are better left in peace go last; it is told where that changes who is asked."""
        if self._health is None or self._failed:
            return
        rests = {at: self._health.rest(self._key(at), self.model) for at in self._order}
        order = sorted(self._order, key=lambda at: rests[at] > 0)
        if order[0] != self._order[0]:
            left = self._order[0]
            yield Notice(f"{self._places[left]} is left out for {rests[left]:.0f} s more")
        self._order = order

    def _key(self, at: int) -> str:
        """The name under which the health of a place is remembered."""
        return f"{self.name} at {self._places[at]}"


def _span(seconds: float) -> str:
    """A wait in words: 90 s, 15 min, 24 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
