"""Running text on a terminal, filtered and wrapped at words, in one style; it knows no Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO, cast

from arawn.render.safe import Filter
from arawn.render.writer import Writer


class Out:
    """As much of a file as a Writer needs."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write

    def flush(self) -> None:
        """Nothing: `write` has done it."""


class Prose:
    """Takes text in pieces. `style`: SGR parameters, "" for none."""

    def __init__(self, write: Callable[[str], None], width: Callable[[], int], style: str) -> None:
        self._writer = Writer(cast(TextIO, Out(write)), width, bool(style))
        self._style = style
        self._filter = Filter()

    def feed(self, text: str) -> None:
        """Show a piece, as far as its words are clear."""
        self._put(self._filter.feed(text))
        self._writer.flush()

    def close(self) -> None:
        """Show the rest and end the last line."""
        self._put(self._filter.flush())
        self._writer.fresh()
        self._writer.flush()

    def _put(self, text: str) -> None:
        for number, part in enumerate(text.split("\n")):
            if number:
                self._writer.newline()
            if part:
                self._writer.text(part, self._style)
