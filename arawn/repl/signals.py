"""What Ctrl-C, SIGTERM and SIGHUP do while a chat runs; it knows neither terminal nor conversation."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from arawn import interrupt
from arawn.interrupt import Terminated

TWICE = 1.0  # seconds within which a second Ctrl-C means: leave


class Ended(Terminated):
    """The same while a chat runs."""


class Signals:
    """Handlers for as long as the context lasts; those that were there before come back after it.

    Ctrl-C raises KeyboardInterrupt at one place alone: inside `waiting()` ... `busy()`. Anywhere else it
    would tear a line half drawn or a clean-up half done, so it is only remembered there.
    """

    def __init__(self, last_resort: Callable[[], None] = lambda: None) -> None:
        self.leave = False
        self.on_end: Callable[[Ended], None] | None = None
        self._last_resort = last_resort
        self._waiting = False
        self._raised = False
        self._stop = False
        self._correcting = False
        self._lost = False
        self.ended: Ended | None = None
        self._pressed = float("-inf")
        self.twice = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        ours = {"SIGINT": self._interrupt, "SIGTERM": self._end, "SIGHUP": self._end, "SIGQUIT": self._quit}
        for name, handler in ours.items():
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, handler)
        self._on_lost, interrupt.on_lost = interrupt.on_lost, self._once_more
        return self

    def __exit__(self, *_: object) -> None:
        interrupt.on_lost = self._on_lost
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def begin(self) -> None:
        """A turn begins: a Ctrl-C that came before it does not count against it."""
        self._stop = False

    def waiting(self) -> None:
        """From now on Ctrl-C raises KeyboardInterrupt; at once where it came since `begin`."""
        self._waiting = True
        if self._stop:
            self._stop = self._waiting = False
            raise KeyboardInterrupt

    def busy(self) -> None:
        """From now on Ctrl-C is only remembered."""
        self._waiting = self._raised = False

    @property
    def asked_to_stop(self) -> bool:
        """Whether Ctrl-C came since `begin`, and nothing was stopped by it yet."""
        return self._stop

    def press(self) -> bool:
        """Note that Ctrl-C was pressed; whether it is the second time within a second."""
        now = time.monotonic()
        self.twice = now - self._pressed < TWICE
        self._pressed = now
        return self.twice

    def correct(self) -> None:
        """Stop an answer as Ctrl-C does, from any thread; it does not count as Ctrl-C pressed."""
        if signal.SIGINT in self._before:
            self._correcting = True
            interrupt.send(signal.SIGINT)

    def _once_more(self, number: int) -> None:
        """What was raised in vain is raised again, from any thread; it does not count either."""
        if number == signal.SIGINT:
            self._lost = True
            self.correct()
        else:
            self.ended = None
            interrupt.send(number)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        twice = not self._correcting and self.press()
        self._waiting = self._waiting or (self._lost and self._raised)
        self._correcting = self._lost = False
        if self._waiting:
            self._waiting, self._raised = False, True
            raise KeyboardInterrupt
        self._stop = True
        if not twice:
            return
        if self.leave:  # asked twice and still here: something hangs
            self._last_resort()
            os._exit(130)
        self.leave = True

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.ended is not None:
            return
        self.ended = Ended(number)
        if self.on_end is None:
            raise self.ended
        self.on_end(self.ended)

    def _quit(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-\\: gone at once, as the person wants it, but the terminal is as it was."""
        self._last_resort()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
