"""How many requests of a batch go to a backend at once; told to wait, all wait. It knows no backend."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

TICK = 0.5


class Gate:
    """The way to one backend, `width` wide at first.

    A rate limit closes it for the time the service names and halves its width; answers widen it again, one by
    one (additive increase, multiplicative decrease, as in RFC 5681).
    """

    def __init__(self, width: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = width
        self._clock = clock
        self._room = Condition()
        self._inside = 0
        self._answers = 0
        self._until = 0.0
        self.width = width

    @property
    def closed_s(self) -> float:
        """Seconds for which it is closed."""
        return max(0.0, self._until - self._clock())

    def enter(self, stopped: Callable[[], bool]) -> bool:
        """Wait for room, and take it; False where `stopped` said so meanwhile."""
        with self._room:
            while not stopped():
                closed = self.closed_s
                if not closed and self._inside < self.width:
                    self._inside += 1
                    return True
                self._room.wait(min(closed, TICK) if closed else TICK)
        return False

    def leave(self, answered: bool) -> None:
        """Give the room back."""
        with self._room:
            self._inside -= 1
            if answered and self.width < self._most:
                self._answers += 1
                if self._answers >= self.width:
                    self.width += 1
                    self._answers = 0
            if self._inside < self.width:
                self._room.notify()

    def hold(self, seconds: float) -> None:
        """Nobody enters for so long. What many are told at the same moment halves the width once."""
        with self._room:
            if not self.closed_s:
                self.width = max(1, min(self.width, self._inside or 1) // 2)
                self._answers = 0
            self._until = max(self._until, self._clock() + seconds)
