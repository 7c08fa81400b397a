"""Backends around backends: Retry and Regions; they know events and errors, not HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from arawn.errors import Overloaded, RateLimited, ServiceFault, TimedOut, Unreachable
from arawn.events import Attempt, Event, Finish, Notice, Reasoning, Text, ToolCall, Wait
from arawn.messages import Request
from arawn.ports import Backend

LONGEST_ASKED = 120.0
"""Seconds a service may ask to wait; for more it is better to stop and say so."""
WAITS_ALTOGETHER = 30.0
"""Seconds that all waits of a turn last at most, where the service asks for none."""
TICK = 0.25


class RetryPolicy(NamedTuple):
    """`[backends.NAME.retry]`: requests at most, the first counted, and the waits in seconds."""

    max_attempts: int = 3
    initial_delay: float = 1.0
    max_delay: float = 30.0
    backoff_multiplier: float = 2.0


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
                    shown = shown or isinstance(event, Text | Reasoning | ToolCall | Finish)
                    yield (event._replace(waited_s=waited_before) if isinstance(event, Attempt) else event)
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
            if asked > LONGEST_ASKED:
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


class Regions:
    """One service at several places: the one that answered last is asked, and the next where it fails.

    A switch is told, and costs no wait: the next attempt of the Retry around it goes there at once.
    """

    def __init__(self, doors: Sequence[Backend], places: Sequence[str]) -> None:
        self._doors = tuple(doors)
        self._places = tuple(places)
        self._at = 0
        self._failed: set[int] = set()
        self.name = doors[0].name
        self.model = doors[0].model

    def close(self) -> None:
        """Close all doors."""
        for door in self._doors:
            door.close()

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply of the place whose turn it is. Raises its fault, made retryable where a place is left."""
        try:
            yield from self._doors[self._at].stream(request)
        except (Unreachable, TimedOut, RateLimited, Overloaded) as fault:
            self._failed.add(self._at)
            left = [place for place in range(len(self._doors)) if place not in self._failed]
            if left:
                yield Notice(f"{self._places[self._at]}: {fault.sentence}; asking {self._places[left[0]]}")
                self._at = left[0]
                fault.retryable, fault.retry_after = True, 0.0
            else:
                self._failed.clear()
            raise
        self._failed.clear()


def _span(seconds: float) -> str:
    """A wait in words: 90 s, 15 min, 24 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
