"""Puts words on a terminal: wraps them, indents what follows, changes colours sparingly; never goes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

RESET = "\x1b[0m"
ROOM = 24
"""Columns that must be free for the beginning of a word to be shown before its end is known."""


def cells(text: str) -> int:
    """Columns that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


class Writer:
    """A cursor at the end of what was written. `width` is asked anew for every line."""

    def __init__(self, out: TextIO, width: Callable[[], int], color: bool) -> None:
        self._out = out
        self._width = width
        self._color = color
        self._buffer: list[str] = []
        self._style = ""
        self._column = 0
        self._space = 0
        self._hang = ""
        self._word = False
        self._columns = max(1, width())

    def hang(self, prefix: str) -> None:
        """What every further line of this item begins with."""
        self._hang = prefix

    def raw(self, text: str, style: str = "") -> None:
        """Text without wrapping: code, tables, list marks."""
        self._flush_space()
        self._to(style)
        self._buffer.append(text)
        self._column += cells(text)

    def words(self, text: str, style: str = "", *, more: bool = False) -> int:
        """Text with wrapping; returns how many characters were taken.

        With `more` the last word may go on: it is left out where it might not fit.
        """
        at, size = 0, len(text)
        while at < size:
            if text[at] in " \t":
                self._space += 1
                self._word = False
                at += 1
                continue
            end = at + 1
            while end < size and text[end] not in " \t":
                end += 1
            if more and end == size and not self._early(text[at:end]):
                return at
            self._put(text[at:end], style)
            at = end
        return at

    def text(self, text: str, style: str = "") -> None:
        """Text with wrapping, all of it."""
        self.words(text, style)

    def _early(self, word: str) -> bool:
        return self._column + self._space + cells(word) + ROOM <= self._columns

    def _put(self, word: str, style: str) -> None:
        length = cells(word)
        column = self._column + self._space
        if not self._word and self._column > cells(self._hang) and column + length > self._columns:
            if word.isascii() or length > self._columns // 2:
                if word.isascii() or column + 2 > self._columns:
                    self._wrap()
            else:
                self._wrap()
        if style != self._style:
            self._to("")
        self._flush_space()
        self._word = True
        while self._column + length > self._columns and not word.isascii():
            taken = self._fitting(word)
            if taken >= len(word):
                break
            self._to(style)
            self._buffer.append(word[:taken])
            self._wrap()
            word, length = word[taken:], cells(word[taken:])
        self._to(style)
        self._buffer.append(word)
        self._column += length
        if self._column > self._columns:
            self._column %= self._columns  # the terminal broke the line itself

    def _fitting(self, word: str) -> int:
        room = self._columns - self._column
        for number, char in enumerate(word):
            room -= cells(char)
            if room < 0:
                return max(1, number)
        return len(word)

    def _flush_space(self) -> None:
        if self._space:
            self._buffer.append(" " * self._space)
            self._column += self._space
            self._space = 0

    def _wrap(self) -> None:
        self._to("")
        self._buffer.append("\n" + self._hang)
        self._column, self._space = cells(self._hang), 0
        self._columns = max(1, self._width())

    def newline(self) -> None:
        """End the line; spaces at its end are never written."""
        self._to("")
        self._buffer.append("\n")
        self._column, self._space, self._hang, self._word = 0, 0, "", False
        self._columns = max(1, self._width())

    @property
    def at_start(self) -> bool:
        """Whether nothing stands on this line yet."""
        return self._column == 0

    @property
    def columns(self) -> int:
        """The width of the terminal, as it was at the beginning of the line."""
        return self._columns

    def _to(self, style: str) -> None:
        if not self._color or style == self._style:
            return
        if self._style:
            self._buffer.append(RESET)
        if style:
            self._buffer.append(f"\x1b[{style}m")
        self._style = style

    def flush(self) -> None:
        """Hand what was collected to the terminal in one write."""
        if self._buffer:
            self._out.write("".join(self._buffer).encode("utf-8", "replace").decode("utf-8"))
            self._out.flush()
            self._buffer.clear()
