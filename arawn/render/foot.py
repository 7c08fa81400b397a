"""A line under the end of an answer that grows: drawn, erased and drawn again; it knows no words.

The answer stays append-only: the line stands in the row below the cursor, where there is nothing yet, and is
erased before the answer goes there. Nothing of it gets into the scrollback.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO, cast

from arawn.render.measure import cells

if TYPE_CHECKING:
    from arawn.render.look import Sink

Line = Callable[[int], str]
"""What a line tells in so many columns, clean; "" for nothing."""

ERASE = "\x1b7\x1b[0m\x1b[J\x1b8"
"""From the cursor, which stays with its colours, to the end of the screen."""
_ROW = "\x1bD\x1b[A\x1b7\x1b[0m\x1b[B\r\x1b[K{}\x1b8"
"""A row down (at the bottom the screen scrolls), up, save, down, draw, restore: no column need be known."""
LEAST_ROWS, LEAST_COLUMNS = 3, 10
MOST = 8
"""Rows that a line is wrapped to by the terminal, after which it is not followed any more."""
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_DISPUTED = re.compile("[\t\u200d\ufe0e\ufe0f\u20e3\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")
"""What terminals count in ways of their own: tabs, and the parts of a picture that is put together."""


class Foot:
    """As much of the file `out`, a terminal, as a sink needs. What is told stands below what is written.

    `dress` gives it its colours. Any method may be called by any thread.
    """

    def __init__(self, out: TextIO, line: Line, dress: Callable[[str], str]) -> None:
        self._out = out
        self._line = line
        self._dress = dress
        self._lock = threading.Lock()
        self._open = False
        self._wanted = False
        self._shown = ""
        self._row: list[str] = []  # what was written since the last line ended

    def open(self) -> None:
        """An answer begins, in the first column."""
        with self._lock:
            self._open, self._row = True, []
            self._renew()

    def close(self) -> None:
        """The answer is over: the line goes."""
        with self._lock:
            self._open = False
            self._renew()

    def renew(self) -> None:
        """The line tells something else now."""
        with self._lock:
            if self._open:
                self._renew()

    def write(self, text: str) -> None:
        """More of the answer."""
        with self._lock:
            if self._wanted:
                self._put(text)
            else:
                self._out.write(text)
                self._follow(text)

    def flush(self) -> None:
        """As of a file."""
        with self._lock:
            self._out.flush()

    def fileno(self) -> int:
        """As of a file."""
        return self._out.fileno()

    def _renew(self) -> None:
        self._wanted = self._open and bool(self._line(LEAST_COLUMNS))
        if self._wanted or self._shown:
            self._put("")

    def _put(self, text: str) -> None:
        """Write `text`, and below it the line, in one piece: nothing flickers."""
        columns, rows = self._size()
        row = self._last(columns)
        self._follow(text)
        fits = rows >= LEAST_ROWS and columns >= LEAST_COLUMNS
        at = self._last(columns)
        line = self._line(columns - 1) if self._wanted and fits and at is not None else ""
        line = self._dress(line) if line else ""
        if line == self._shown and "\n" not in text and row == at:
            self._out.write(text)
        else:
            below = _ROW.format(line) if line else ""
            self._out.write((ERASE if self._shown else "") + text + below)
            self._shown = line
        self._out.flush()

    def _size(self) -> os.terminal_size:
        try:
            return os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            return os.terminal_size((0, 0))

    def _follow(self, text: str) -> None:
        ended = text.rfind("\n")
        if ended >= 0:
            self._row.clear()
        self._row.append(text[ended + 1 :])

    def _last(self, columns: int) -> int | None:
        """How many rows the line that grows filled; None where that is not certain, and where the cursor is
        behind the last column, whence it cannot come back."""
        if columns < LEAST_COLUMNS:
            return None
        row = _SEQUENCE.sub("", "".join(self._row))[: (MOST + 1) * columns]
        self._row[:] = [row]
        at = cells(row)
        wide = at >= columns and not row.isascii()  # one of two columns may have left a column free
        if wide or _DISPUTED.search(row) or at > MOST * columns or (at and not at % columns):
            return None
        return at // columns


class Over:
    """A sink over the line, which stands there as long as the answer grows. `sink` makes it for a file."""

    def __init__(self, foot: Foot, sink: Callable[[TextIO], Sink]) -> None:
        self._foot = foot
        foot.open()
        self._sink = sink(cast(TextIO, foot))

    def feed(self, text: str) -> None:
        """Show a piece."""
        self._sink.feed(text)

    def close(self) -> None:
        """Show what is held back, and take the line away."""
        self._sink.close()
        self._foot.close()
