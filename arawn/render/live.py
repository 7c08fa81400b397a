"""A line at the foot of a terminal, drawn again and again until it is taken away; it knows no words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from arawn.threads import start

ERASE = "\r\x1b[K"
TICK = 0.1
"""Seconds between two draws."""
LATE = 0.4
"""Seconds without an answer after which a terminal is told that something is going on."""
FRAMES, ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"


class LiveLine:
    """The line. `write` puts text on the terminal; `dress` makes a line fit and gives it its colours.

    What moves is drawn by a thread of its own, so any method may be called by any thread.
    """

    def __init__(
        self, write: Callable[[str], None], dress: Callable[[str], str], here: Callable[[], bool], ascii: bool
    ) -> None:
        self._write = write
        self._dress = dress
        self._here = here
        self._frames = ASCII_FRAMES if ascii else FRAMES
        self._lock = threading.RLock()
        self._text: Callable[[], str] = str
        self._stop: threading.Event | None = None
        self._shown = ""
        self._held = 0.0

    def move(self, text: Callable[[], str], late: float = LATE) -> None:
        """Draw `text()` behind a mark that turns, from `late` seconds on; at once where it moves already.

        `text` is asked in the thread and may take a moment.
        """
        with self._lock:
            self._text = text
            if self._stop is None:
                self._stop = stop = threading.Event()
                start(threading.Thread(target=self._run, args=(stop, late), daemon=True))

    def hold(self, text: str, seconds: float) -> None:
        """Draw a text now, and leave it for so long before what moves is drawn again."""
        with self._lock:
            self._held = time.monotonic() + seconds
            self._draw(text)

    def still(self, text: str) -> None:
        """Draw a text that stays until something else does."""
        with self._lock:
            self._end()
            self._draw(text)

    def above(self, line: str) -> None:
        """Write a whole line that stays; what moves goes on below it."""
        with self._lock:
            self._erase()
            self._write(line)

    def clear(self) -> None:
        """Take the line away."""
        with self._lock:
            self._end()
            self._erase()

    @property
    def moves(self) -> bool:
        """Whether something is drawn again and again, or will be."""
        return self._stop is not None

    def _end(self) -> None:
        if self._stop is not None:
            self._stop.set()
            self._stop = None
        self._held = 0.0

    def _erase(self) -> None:
        if self._shown:
            self._write(ERASE)
            self._shown = ""

    def _draw(self, text: str) -> None:
        line = self._dress(text)
        if line != self._shown:
            self._write(ERASE + line)
            self._shown = line

    def _run(self, stop: threading.Event, late: float) -> None:
        number = 0
        while not stop.wait(TICK if number else late):
            text = self._text()
            with self._lock:
                if stop.is_set():
                    return
                if time.monotonic() >= self._held and self._here():
                    self._draw(f"{self._frames[number % len(self._frames)]} {text}")
            number += 1
