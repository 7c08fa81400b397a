"""Puts words on a terminal: wraps them, indents what follows, changes colours sparingly; never goes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TextIO

from arawn.render.measure import NARROW, atoms, cells, clusters, fitting

RESET = "\x1b[0m"
SYNC_ON, SYNC_OFF = "\x1b[?2026h", "\x1b[?2026l"
ROOM = 40
"""Columns that must be free for the beginning of a word to be shown before its end is known.

A word that then turns out longer than the line is broken at the edge, also where it comes whole: what is
shown must not depend on how it was cut."""

_CLOSING = frozenset("、。，．・：；！？）」』】〕〉》〗〙ーァィゥェォッャュョ々…％”’,.;:!?)]}%")
_OPENING = frozenset("（「『【〔〈《〖〘“‘([{")
_JOINED = "[\u200d\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]"  # what follows may belong to it
_TAIL = 16
_PLAIN = re.compile(f"(?! ){NARROW}+(?<! )(?= )")

Piece = tuple[str, str]


class Writer:
    """A cursor at the end of what was written. `width` is asked anew for every line.

    `synchronised`: the terminal knows DEC mode 2026, so that a draw of several lines appears at once.
    """

    def __init__(
        self, out: TextIO, width: Callable[[], int], color: bool, synchronised: bool = False
    ) -> None:
        self._out = out
        self._width = width
        self._color = color
        self._synchronised = synchronised
        self._together = False
        self._buffer: list[str] = []
        self._style = ""
        self._column = 0
        self._start = 0  # the column in which the text of this line begins
        self._space = 0
        self._hang: tuple[Piece, ...] = ()
        self._word: list[tuple[str, str, int]] = []  # of a word whose end is not known, what is not written
        self._length = 0
        self._east = False
        self._solid = False
        self._started = False  # whether the beginning of that word is written
        self._tail = ""
        self._ready = False  # whether a line was begun and holds nothing but its prefix or a mark
        self._most = 0  # the longest line since a block was begun
        self._broken = False  # whether a new line of the paragraph has to begin before the next word
        self._columns = max(1, width())

    @property
    def columns(self) -> int:
        """The width of the terminal, as it was at the beginning of the line."""
        return self._columns

    @property
    def column(self) -> int:
        """Where the next character goes, spaces that wait not counted."""
        return self._column

    @property
    def color(self) -> bool:
        """Whether styles are written at all."""
        return self._color

    def hang(self, prefix: tuple[Piece, ...]) -> None:
        """What every further line of this block begins with; it takes at most half of a line."""
        self._hang = prefix

    @property
    def prefix(self) -> tuple[Piece, ...]:
        """What a further line begins with, as far as it fits."""
        room = self._columns // 2
        fitted: list[Piece] = []
        for text, style in self._hang:
            room -= cells(text)
            if room < 0:
                break
            fitted.append((text, style))
        return tuple(fitted)

    def raw(self, text: str, style: str = "") -> None:
        """Text without wrapping: code, tables, list marks."""
        self._commit()
        self._flush_space()
        self._to(style)
        self._buffer.append(text)
        self._column += cells(text)
        self._start = self._column

    def begin(self, prefix: tuple[Piece, ...]) -> None:
        """Begin a line with this; spaces at its end are written only when something follows."""
        if not self._column:
            self._most = 0
        for text, style in prefix:
            bare = text.rstrip(" ")
            if bare:
                self.raw(bare, style)
            self._space += len(text) - len(bare)
        self._start = self._column + self._space
        self._ready = True

    def start(self) -> None:
        """Be behind the prefix of a line, or behind the mark that was just written."""
        if self._broken or not self._ready:
            self.fresh()
            self.begin(self.prefix)

    def line(self, pieces: tuple[Piece, ...] | list[Piece], here: bool = False) -> None:
        """A whole line behind the prefix, unwrapped; with `here` the rest of the line that is begun."""
        if not here:
            self.start()
        for text, style in pieces:
            if text:
                self.raw(text, style)
        self.newline()

    def text(self, text: str, style: str = "", solid: bool = False) -> None:
        """Text with wrapping. `solid`: it comes whole and goes to a line of its own sooner than be broken."""
        if "\t" in text:
            text = text.replace("\t", " ")
        at = 0
        while at < len(text):
            if text[at] == " ":
                self._commit()
                self._space += 1
                at = self._fill(text, at + 1, style)
                continue
            end = text.find(" ", at)
            end = len(text) if end < 0 else end
            word = text[at:end]
            for part, east in [(word, False)] if word.isascii() else atoms(word):
                self._add(part, style, solid, east)
            at = end

    def _fill(self, text: str, at: int, style: str) -> int:
        """Write as many whole plain words of `text`, from `at` on, as fit on this line; where they end."""
        room = self._columns - self._column - self._space
        words = _PLAIN.match(text, at, max(at, at + room + 1))
        if words is None or self._broken:
            return at
        self._emit([(words[0], style, len(words[0]))])
        return words.end()

    def _add(self, part: str, style: str, solid: bool, east: bool) -> None:
        if (self._word or self._started) and (self._east or east):
            before = self._word[-1][0][-1] if self._word else self._tail[-1:]
            if part[0] not in _CLOSING and before not in _OPENING:
                self._commit()
        if not self._word and not self._started:
            self._solid, self._tail = solid, ""
        length = self._measure(part)
        self._length += length
        self._tail = (self._tail + part)[-_TAIL:]
        self._east = east
        if self._word and self._word[-1][1] == style:
            last = self._word[-1]
            self._word[-1] = (last[0] + part, style, last[2] + length)
        else:
            self._word.append((part, style, length))

    def _measure(self, part: str) -> int:
        """Columns that the word grows by: marks and joiners change what stands before them."""
        if part.isascii():
            return len(part)
        return cells(self._tail + part) - cells(self._tail) if self._tail else cells(part)

    def _commit(self) -> None:
        """The word is whole."""
        if not self._word:
            self._started = False
            return
        if not self._started:
            self._place()
        self._emit(self._word)
        self._word, self._length, self._started = [], 0, False

    def _place(self) -> None:
        """Go to a new line where the word does not fit on this one."""
        if self._broken:
            self._wrap()
            return
        room = self._columns - self._column - self._space
        at_start = self._column + self._space <= self._start
        if self._length > room and not at_start and (room < ROOM or self._solid or self._address):
            self._wrap()

    @property
    def _address(self) -> bool:
        """Whether the word is, or may become, an address: those are not broken if it can be helped."""
        first = self._word[0][0].lstrip("(\"'<")[:4]
        return first == "http"[: len(first)]

    def _early(self) -> bool:
        """Whether the beginning of a growing word is certain to stand here."""
        column = self._column + self._space
        if self._broken or column <= self._start:
            return not self._broken or self._columns > 8
        return self._columns - column >= ROOM and not self._solid and not self._address

    def _emit(self, pieces: list[tuple[str, str, int]]) -> None:
        for word, style, length in pieces:
            if style != self._style:
                self._to("")
            self._flush_space()
            self._to(style)
            if self._column + length <= self._columns:
                self._buffer.append(word)
                self._column += length
            else:
                self._break(word, style)

    def _break(self, word: str, style: str) -> None:
        """Write a word that is longer than what is left of the line."""
        while word:
            taken = fitting(word, self._columns - self._column)
            if not taken and self._column <= self._start:
                taken = len(next(clusters(word)))
            self._to(style)
            self._buffer.append(word[:taken])
            self._column += cells(word[:taken])
            word = word[taken:]
            if word:
                self._wrap()
                self._flush_space()

    def _flush_space(self) -> None:
        if self._space:
            self._buffer.append(" " * self._space)
            self._column += self._space
            self._space = 0

    def _wrap(self) -> None:
        self._to("")
        self._buffer.append("\n")
        self._most = max(self._most, self._column)
        self._column = self._space = self._start = 0
        self._columns = max(1, self._width())
        self._broken = False
        for text, style in self.prefix:
            bare = text.rstrip(" ")
            if bare:
                self._to(style)
                self._buffer.append(bare)
            self._column += cells(bare)
            self._to("")
            self._flush_space()
            self._space = len(text) - len(bare)
        self._start = self._column + self._space

    def soft(self) -> None:
        """The paragraph goes on in a new line, once there is something to write there."""
        self._commit()
        self._space = 0
        self._broken = True

    def settle(self) -> None:
        """The word is whole, and what goes on behind it needs no space."""
        self._commit()
        self._space = 0

    def newline(self) -> None:
        """End the line; spaces at its end are never written."""
        self._commit()
        self._to("")
        self._buffer.append("\n")
        self._most = max(self._most, self._column)
        self._column = self._space = self._start = 0
        self._broken = self._ready = False
        self._columns = max(1, self._width())

    def fresh(self) -> None:
        """Be at the beginning of a line."""
        self._commit()
        if self._column or self._broken:
            self.newline()
        self._space = self._start = 0
        self._ready = False

    @property
    def widest(self) -> int:
        """Columns of the longest line of the paragraph that was written last."""
        before = sum(cells(text) for text, _ in self.prefix)
        return max(1, min(self._most, self._columns) - before)

    def _to(self, style: str) -> None:
        if not self._color or style == self._style:
            return
        if self._style:
            self._buffer.append(RESET)
        if style:
            self._buffer.append(f"\x1b[{style}m")
        self._style = style

    def together(self) -> None:
        """What is written until the next flush is to appear at once."""
        self._together = self._synchronised

    def flush(self) -> None:
        """Hand what is certain to the terminal in one write."""
        if self._word and (self._started or self._early()):
            self._begin_word()
        if self._buffer:
            text = "".join(self._buffer)
            self._buffer.clear()
            self._out.write(f"{SYNC_ON}{text}{SYNC_OFF}" if self._together else text)
            self._out.flush()
        self._together = False

    def _begin_word(self) -> None:
        """Write of a growing word what cannot change any more; near the edge the last of it waits."""
        last = self._word[-1][0][-1]
        if not last.isascii() and re.match(_JOINED, last):
            return
        if self._broken:
            self._wrap()
        room = self._columns - self._column - self._space
        if self._length <= room - 2:
            self._emit(self._word)
            self._word, self._length, self._started = [], 0, True
        elif self._length > room + _TAIL * 2:
            text, style, _ = self._word.pop()
            whole = list(clusters(text))
            sure, kept = "".join(whole[:-_TAIL]), "".join(whole[-_TAIL:])
            self._emit([*self._word, (sure, style, cells(sure))] if sure else self._word)
            self._word, self._length, self._started = [(kept, style, cells(kept))], cells(kept), True
