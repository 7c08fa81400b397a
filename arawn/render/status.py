"""The line for people on stderr: who answers, waits, warnings, errors, reasoning; never the answer."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from arawn.errors import ArawnError
from arawn.events import Wait
from arawn.render.live import TICK, LiveLine
from arawn.render.safe import Filter, clean
from arawn.render.terminal import in_ascii

if TYPE_CHECKING:
    from arawn.render.prose import Prose
    from arawn.render.theme import Theme

RESET = "\x1b[0m"
FRESH = 0.7
"""Seconds for which a countdown stands that is told several times a second."""
TAIL = 600
"""Characters of reasoning that a line could show at most."""


def span(seconds: float) -> str:
    """A time as people say it: 0.4 s, 12 s, 2 min 5 s, 1 h 2 min."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


class Status:
    """Writes to stderr. `quiet` keeps all but errors; `live` means a terminal: a line may be redrawn.

    `tty`: a terminal, even one that cannot redraw; as `live` where it is not said. Without a theme the
    sixteen colours hold. `beside`: what stands beside the line that moves, clean, in so many columns.
    """

    def __init__(
        self, err: TextIO | None, color: bool, quiet: bool, live: bool,
        theme: Theme | None = None, ascii: bool = False, tty: bool | None = None,
    ) -> None:  # fmt: skip
        self._err = err
        self._color = color
        self._quiet = quiet
        self._live = live
        self._theme = theme
        self._ascii = ascii
        self.tty = (live if tty is None else tty) and not quiet
        self.beside: Callable[[int], str] | None = None
        self._told_wait = -1
        self._shown: Prose | None = None
        self._thought: Filter | None = None
        self._tail = ""
        self._line = LiveLine(self._write, self._dressed, self._in_front, ascii)

    def _write(self, text: str) -> None:
        """A closed or full stderr must not cost the answer."""
        if self._err is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._err.write(text.encode("utf-8", "replace").decode("utf-8"))
            self._err.flush()

    def styled(self, name: str, text: str) -> str:
        """`text` in a style of the theme, where there is colour; it must be clean."""
        begin = self._sgr(name)
        return f"\x1b[{begin}m{text}{RESET}" if begin else text

    def _sgr(self, name: str) -> str:
        if not self._color:
            return ""
        if self._theme is None:
            from arawn.render.theme import Theme

            self._theme = Theme()
        return self._theme.sgr(name)

    def note(self, text: str, style: str = "dim") -> None:
        """One dim line. What moves goes on below it."""
        if not self._quiet:
            self._above(self.styled(style, self._folded(self._said(text))) + "\n")

    def warn(self, text: str) -> None:
        """One line that matters."""
        if not self._quiet:
            self._above(self.styled("warning", self._folded("Note: " + self._said(text))) + "\n")

    def _said(self, text: str) -> str:
        text = clean(text, newlines=False)
        return in_ascii(text) if self._ascii else text

    def _folded(self, line: str, indent: str = "") -> str:
        """A clean line, where it goes to a terminal that is narrower, ended between words."""
        try:
            columns = os.get_terminal_size(self._err.fileno()).columns if self._err is not None else 0
        except (OSError, ValueError, AttributeError):
            return line
        if not 0 < columns < 2 * len(line):
            return line
        from arawn.folding import fold

        return fold(line, columns, indent)

    def _above(self, line: str) -> None:
        self._end_shown()
        self._line.above(line)

    def wait(self, event: Wait) -> None:
        """The line that counts down before another attempt; once where stderr is no terminal."""
        if self._quiet:
            return
        seconds = -int(-event.remaining // 1)
        text = f"waiting {seconds} s for attempt {event.attempt} of {event.of}: {event.reason}"
        if self._live:
            self._end_shown()
            self._line.hold(clean(text + " (Ctrl-C stops)", newlines=False), FRESH)
        elif self._told_wait != event.attempt:
            self._write(clean(text, newlines=False) + "\n")
        self._told_wait = event.attempt

    def working(self, label: Callable[[], str]) -> None:
        """After a moment without an answer, say on a terminal what is waited for; `clear` takes it away.

        `label` is asked then and now and then again, in a thread of its own: it may take a moment.
        """
        if self.live:
            told = _Label(label)
            self._line.clear()
            self._line.move(lambda: self._lasting(told(), told.began))

    def stage(self, label: str) -> None:
        """What is being done meanwhile, where something is waited for."""
        if self._line.moves and self._thought is None:
            began = time.monotonic()
            self._line.move(lambda: self._lasting(label, began))

    def _lasting(self, label: str, since: float) -> str:
        seconds = int(time.monotonic() - since)
        dots = "..." if self._ascii else "…"
        return clean(label, newlines=False) + (f" {span(seconds)}" if seconds else dots)

    @property
    def live(self) -> bool:
        """Whether a line can be shown and taken away again."""
        return self._live and not self._quiet

    def passing(self, text: str) -> None:
        """Show a line until something else is; nothing where it could not be taken away again."""
        if self.live:
            self._line.still(clean(text, newlines=False))

    def _in_front(self) -> bool:
        """Whether the terminal is ours now: a program in the background leaves it alone."""
        try:
            handle = self._err.fileno() if self._err is not None else -1
            return os.tcgetpgrp(handle) == os.getpgrp()
        except (OSError, ValueError, AttributeError):
            return True

    def _columns(self) -> int:
        from arawn.render.terminal import width

        with contextlib.suppress(OSError, ValueError, AttributeError):
            return width(self._err.fileno(), {}) if self._err is not None else 80
        return 80

    def _dressed(self, text: str) -> str:
        """The line, with what `beside` tells in at most half of it."""
        more = self.beside(self._columns() // 2) if self.beside is not None else ""
        if not more:
            return self.styled("spinner", self.fitted(text))
        from arawn.render.measure import cells, fitting

        text = text[: fitting(text, self._columns() - 3 - cells(more))]
        return self.styled("spinner", text) + "  " + self.styled("dim", more)

    def fitting(self, parts: Sequence[str]) -> str:
        """So many of the parts, from the first, as fit on a line; of the first what fits."""
        from arawn.render.measure import cells

        between = " - " if self._ascii else " · "
        taken = list(parts)
        while len(taken) > 1 and cells(between.join(taken)) >= self._columns():
            taken.pop()
        return self.fitted(between.join(taken))

    def fitted(self, text: str) -> str:
        """As much of a line as the terminal has room for: what wraps cannot be taken away again."""
        from arawn.render.measure import fitting

        return text[: fitting(text, self._columns() - 1)]

    def clear(self) -> None:
        """Take away the passing line and end what is open."""
        self._line.clear()
        self._told_wait = -1
        self._thought = None
        self._end_shown()

    def _end_shown(self) -> None:
        if self._shown is not None:
            self._shown.close()
            self._write("\n")  # without colour nothing else would set it apart
            self._shown = None

    def reasoning(self, text: str) -> None:
        """A piece of reasoning, dim and whole, on a terminal only."""
        if not self.tty or not text:
            return
        if self._shown is None:
            self.clear()
            from arawn.render.prose import Prose

            self._shown = Prose(self._write, self._columns, self._sgr("reasoning"))
        self._shown.feed(text)

    def thinking(self, text: str) -> None:
        """A piece of reasoning, whose end is shown in one passing line; only how long it takes for ""."""
        if not self.live:
            return
        if self._thought is None:
            self._end_shown()
            self._thought, self._tail = Filter(), ""
            began = time.monotonic()
            self._line.move(lambda: self._thinks(began), TICK)
        self._tail = (self._tail + self._thought.feed(text))[-TAIL:]

    def _thinks(self, since: float) -> str:
        from arawn.render.measure import cells

        seconds = int(time.monotonic() - since)
        head = "thinking" + (f" {span(seconds)}" if seconds else "") + (" - " if self._ascii else " · ")
        room = self._columns() - 4 - cells(head)
        whole = tail = " ".join(self._tail.split()) if room > 20 else ""
        while tail and cells(tail) > room - 4:
            tail = tail.partition(" ")[2] if " " in tail[:20] else tail[1:]
        cut = "" if tail == whole else "..." if self._ascii else "…"
        return head + cut + tail if tail else head[:-3]

    def ring(self, sequence: str) -> None:
        """Send the terminal something that is heard or noticed, not seen; nothing into a file."""
        if self.live:
            self._write(sequence)

    def error(self, fault: ArawnError) -> None:
        """An error: its sentence, what the service said, what to check."""
        self.clear()
        first, *others = clean(fault.sentence).split("\n")
        lines = [("Error: " + first, "  "), *((f"  {line}", "  ") for line in others)]
        if fault.detail:
            lines.append(("  it said: " + clean(fault.detail, newlines=False, limit=600), "  "))
        if fault.hints:
            lines.append(("Check:", ""))
            lines += [("  - " + clean(hint, newlines=False), "    ") for hint in fault.hints]
        told = "\n".join(self._folded(line, indent) for line, indent in lines)
        self._write(self.styled("error", "Error:") + told.removeprefix("Error:") + "\n")


class _Label:
    """What is waited for, asked again each second, seldom where asking takes long."""

    def __init__(self, label: Callable[[], str]) -> None:
        self.began = time.monotonic()
        self._label = label
        self._said = ""
        self._again = 0.0

    def __call__(self) -> str:
        now = time.monotonic()
        if now >= self._again:
            with contextlib.suppress(ArawnError, OSError):
                self._said = self._label()
            self._again = time.monotonic() + max(1.0, 10 * (time.monotonic() - now))
        return self._said
