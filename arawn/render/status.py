"""The line for people on stderr: who answers, waits, warnings, errors, reasoning; never the answer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TextIO

from arawn.errors import ArawnError
from arawn.events import Wait
from arawn.render.safe import Filter, clean
from arawn.threads import start

DIM, YELLOW, RED, BOLD, RESET = "\x1b[2m", "\x1b[33m", "\x1b[31m", "\x1b[1m", "\x1b[0m"
LATE = 0.4
"""Seconds without an answer after which a terminal is told that something is going on."""


class Status:
    """Writes to stderr. `quiet` keeps all but errors; `live` means a terminal: a line may be redrawn."""

    def __init__(self, err: TextIO | None, color: bool, quiet: bool, live: bool) -> None:
        self._err = err
        self._color = color
        self._quiet = quiet
        self._live = live
        self._shown = False
        self._told_wait = -1
        self._thinking: Filter | None = None
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def _write(self, text: str) -> None:
        """A closed or full stderr must not cost the answer."""
        if self._err is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._err.write(text.encode("utf-8", "replace").decode("utf-8"))
            self._err.flush()

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{RESET}" if self._color else text

    def note(self, text: str) -> None:
        """One dim line."""
        if not self._quiet:
            self.clear()
            self._write(self._styled(DIM, clean(text, newlines=False)) + "\n")

    def warn(self, text: str) -> None:
        """One line that matters."""
        if not self._quiet:
            self.clear()
            self._write(self._styled(YELLOW, "Note: " + clean(text, newlines=False)) + "\n")

    def wait(self, event: Wait) -> None:
        """The line that counts down before another attempt; once where stderr is no terminal."""
        if self._quiet:
            return
        text = f"waiting {event.remaining:.0f} s: {event.reason} (attempt {event.attempt} of {event.of}"
        if self._live:
            self._stop_timer()
            self._line(clean(text + "), Ctrl-C stops", newlines=False))
        elif self._told_wait != event.attempt:
            self._write(clean(text + ")", newlines=False) + "\n")
        self._told_wait = event.attempt

    def working(self, label: Callable[[], str]) -> None:
        """After a moment without an answer, say on a terminal what is waited for; `clear` takes it away.

        `label` is asked then, in a thread of its own: it may take a moment to find out.
        """
        if self._quiet or not self._live:
            return
        self._stop_timer()

        def late() -> None:
            text = clean(label(), newlines=False) + " …"
            with self._lock:
                if self._timer is timer:
                    self._passing(text)

        timer = threading.Timer(LATE, late)
        timer.daemon = True
        self._timer = timer
        start(timer)

    @property
    def live(self) -> bool:
        """Whether a line can be shown and taken away again."""
        return self._live and not self._quiet

    def passing(self, text: str) -> None:
        """Show a line until something else is; nothing where it could not be taken away again."""
        if self.live:
            self._stop_timer()
            self._line(clean(text, newlines=False))

    def _line(self, text: str) -> None:
        with self._lock:
            self._passing(text)

    def _passing(self, text: str) -> None:
        self._write("\r\x1b[K" + self._styled(DIM, self._fitted(text)))
        self._shown = True

    def _fitted(self, text: str) -> str:
        """As much of a line as the terminal has room for: what wraps cannot be taken away again."""
        from arawn.render.terminal import width
        from arawn.render.writer import cells

        columns = 80
        with contextlib.suppress(OSError, ValueError, AttributeError):
            columns = width(self._err.fileno(), {}) if self._err is not None else columns
        text = text[: columns - 1]
        while text and cells(text) >= columns:
            text = text[:-1]
        return text

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def clear(self) -> None:
        """Take away the passing line and end what is open."""
        with self._lock:
            self._stop_timer()
            if self._shown:
                self._write("\r\x1b[K")
                self._shown = False
        self._told_wait = -1
        if self._thinking is not None:
            self._write(self._thinking.flush() + (RESET if self._color else "") + "\n")
            self._thinking = None

    def reasoning(self, text: str) -> None:
        """A piece of reasoning, dim, on a terminal only."""
        if self._quiet or not self._live or not text:
            return
        if self._thinking is None:
            self.clear()
            self._thinking = Filter()
            self._write(DIM if self._color else "")
        self._write(self._thinking.feed(text))

    def error(self, fault: ArawnError) -> None:
        """An error: its sentence, what the service said, what to check."""
        self.clear()
        first, *others = clean(fault.sentence).split("\n")
        lines = [self._styled(BOLD + RED, "Error:") + " " + first, *(f"  {line}" for line in others)]
        if fault.detail:
            lines.append("  it said: " + clean(fault.detail, newlines=False, limit=600))
        if fault.hints:
            lines.append("Check:")
            lines += ["  - " + clean(hint, newlines=False) for hint in fault.hints]
        self._write("\n".join(lines) + "\n")
