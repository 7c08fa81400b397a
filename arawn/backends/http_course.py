"""What one request to a model service may take, and what is known of it while it lasts; it sends nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from arawn.backends.http_connect import Deadline
from arawn.events import Attempt

if TYPE_CHECKING:
    from arawn.errors import ArawnError
    from arawn.wire import Call, Target


class Limits(NamedTuple):
    """`[limits]`: seconds and bytes."""

    connect: float = 10.0
    first_event: float = 120.0
    idle: float = 90.0
    frame: int = 8 * 1024 * 1024
    reply: int = 32 * 1024 * 1024
    error_body: int = 64 * 1024
    cancel: float = 2.0


class Course:
    """What is known of one attempt: times in seconds from its beginning."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._began = time.monotonic()
        self.status: int | None = None
        self.first: float | None = None
        self.reset: float | None = None
        self.left: int | None = None
        self.cancel: Call | None = None
        """Ends what the service is at work on; None where there is nothing to end."""

    def passed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def attempt(self, error: str | None) -> Attempt:
        """What is told of it when it ended, with the code of its error or None."""
        return Attempt(
            self._target.backend, self._target.model, self.status, error, first_event_s=self.first,
            total_s=self.passed(), reset_s=self.reset, left=self.left,
        )  # fmt: skip


class Exchange:
    """The state of one request and its reply. `failure` says why the body ended before its time.

    `spent` are the seconds that earlier requests for the same answer took.
    """

    def __init__(self, limits: Limits, spent: float = 0.0) -> None:
        self.limits = limits
        self.spent = spent
        self.wait = Deadline("first_event", limits.first_event)
        self.status: int | None = None
        self.failure: ArawnError | None = None
        self.resent = False
