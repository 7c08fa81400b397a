"""Text as it came: byte for byte into a pipe, filtered but not rendered on a terminal."""

from __future__ import annotations

import os
from typing import TextIO

from arawn.render.safe import Filter


class PlainStream:
    """Writes each piece at once. `safe` filters it first, as a terminal needs; a pipe gets what came."""

    def __init__(self, out: TextIO, safe: bool = False) -> None:
        self._out = out
        self._filter = Filter() if safe else None
        self._ends_in_newline = True
        out.flush()
        try:
            self._handle = out.fileno()
        except (OSError, ValueError):
            self._handle = -1

    def feed(self, text: str) -> None:
        """Write a piece. Raises OSError (BrokenPipeError among them) where it cannot be written."""
        if self._filter is not None:
            text = self._filter.feed(text)
        self._write(text)

    def close(self) -> None:
        """Write what is held back and end the last line."""
        if self._filter is not None:
            self._write(self._filter.flush())
        if not self._ends_in_newline:
            self._write("\n")

    def _write(self, text: str) -> None:
        if not text:
            return
        self._ends_in_newline = text.endswith("\n")
        if self._handle < 0:
            self._out.write(text)
            self._out.flush()
            return
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(self._handle, data) :]
