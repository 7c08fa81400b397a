"""Several answers shown together as they come: in columns, or one below the other; append-only.

It knows neither backends nor turns. Everything passes the filter for foreign text first.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from arawn.render.measure import cells
from arawn.render.safe import Filter, clean

if TYPE_CHECKING:
    from arawn.render.look import Look, Sink

LEAST = 40
"""Columns that each answer needs beside others."""
BAR = " │ "
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"\s*(?:[-*+] +|\d{1,9}[.)] +|> ?)?")
_WIDE = "\u1100-\u115f\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff"
_WORD = re.compile(
    rf" *(?:[{_WIDE}][\u3001\u3002\uff01\uff09\uff0c\uff0e\uff1a\uff1f\u300d\u300f]*|[^ {_WIDE}]+)"
)
"""A word, or a character before which a line may break, with the spaces in front of it."""
DIM, BOLD, RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")
Make = Callable[[TextIO, int], "Sink"]
"""Makes what draws an answer at a width, without an escape sequence but those of style."""


class Display(Protocol):
    """Where answers are shown. They are counted from 0."""

    def feed(self, number: int, text: str) -> None:
        """More of an answer."""

    def end(self, number: int, footer: str) -> None:
        """An answer is over; `footer` says how it went."""

    def close(self, footers: Sequence[str]) -> None:
        """Nothing more comes: show what is held back, and how those went that are not over."""

    @property
    def free(self) -> bool:
        """Whether no line is open, so that something may be told below."""


def fits(count: int, columns: int | None) -> bool:
    """Whether so many answers have room beside each other."""
    return columns is not None and columns >= count * LEAST + (count - 1) * len(BAR)


def numbered(labels: Sequence[str], look: Look) -> list[str]:
    """The heads of answers, with their numbers; read aloud they say how many there are."""
    if look.accessible:
        return [f"Answer {number} of {len(labels)}: {label}" for number, label in enumerate(labels, 1)]
    return [f"{number}. {label}" for number, label in enumerate(labels, 1)]


def beside(out: TextIO, heads: Sequence[str], columns: int, look: Look, raw: bool = False) -> Columns:
    """The columns for a terminal of this look; `raw`: the answers are no Markdown."""
    if raw or not look.markdown:
        return Columns(out, heads, columns, look.color, look.ascii)
    from arawn.render.markdown import MarkdownStream

    styles = look.theme.table() if look.theme is not None and look.color else None

    def make(lines: TextIO, width: int) -> Sink:
        return MarkdownStream(lines, lambda: width, look.color, styles, False, look.ascii)

    return Columns(out, heads, columns, look.color, look.ascii, make)


class Columns:
    """Answers beside each other. A row is written once every answer has a line for it, and never again."""

    def __init__(
        self,
        out: TextIO,
        heads: Sequence[str],
        columns: int,
        color: bool,
        ascii: bool,
        make: Make | None = None,
    ) -> None:
        self._out = out
        self._color = color
        self._bar = " | " if ascii else BAR
        self._rule = "-" if ascii else "─"
        width = (columns - (len(heads) - 1) * len(BAR)) // len(heads)
        self._columns = [_Column(width, make) for _ in heads]
        self._width = width
        self._began = False
        self._heads = [_wrapped(clean(head, newlines=False), width, "") for head in heads]

    def feed(self, number: int, text: str) -> None:
        """More of an answer; the rows that are whole by it are written."""
        self._columns[number].feed(text)
        self._flush()

    def end(self, number: int, footer: str) -> None:
        """An answer is over."""
        self._columns[number].end(clean(footer))
        self._flush()

    @property
    def free(self) -> bool:
        """Whole lines alone are written."""
        return True

    def close(self, footers: Sequence[str]) -> None:
        """Write all that came, and how each went below it."""
        for column, footer in zip(self._columns, footers, strict=True):
            if not column.over:
                column.end(clean(footer))
        self._flush()
        self._line([self._rule * self._width] * len(self._columns), DIM)
        self._rows([column.footer for column in self._columns], DIM)
        self._out.flush()

    def _flush(self) -> None:
        if not any(column.ready for column in self._columns):
            return
        if not self._began:
            self._began = True
            self._rows(self._heads, BOLD)
            self._line([self._rule * self._width] * len(self._columns), DIM)
        while any(column.ready for column in self._columns) and all(
            column.ready or column.over for column in self._columns
        ):
            self._line([column.ready.pop(0) if column.ready else "" for column in self._columns])
        self._out.flush()

    def _rows(self, blocks: Sequence[Sequence[str]], style: str) -> None:
        for row in range(max(map(len, blocks), default=0)):
            self._line([block[row] if row < len(block) else "" for block in blocks], style)

    def _line(self, parts: Sequence[str], style: str = "") -> None:
        bar = f"{DIM}{self._bar}{RESET}" if self._color else self._bar
        begin, end = (style, RESET) if style and self._color else ("", "")
        padded = [part + " " * (self._width - _size(part)) for part in parts[:-1]] + [parts[-1]]
        self._out.write((bar.join(f"{begin}{part}{end}" if part else "" for part in padded)).rstrip() + "\n")


class _Column:
    """The lines of one answer at its width. Those that are `ready` do not change any more."""

    def __init__(self, width: int, make: Make | None) -> None:
        self.ready: list[str] = []
        self.footer: list[str] = []
        self.over = False
        self._width = width
        self._lines = _Drawn(width, make) if make is not None else _Source(width)

    def feed(self, text: str) -> None:
        """More of it."""
        self._lines.feed(text)
        self._take()

    def end(self, footer: str) -> None:
        """It is over."""
        self._lines.end()
        self._take()
        while self.ready and not _STYLE.sub("", self.ready[-1]).strip():
            self.ready.pop()
        self.footer = [part for line in footer.split("\n") for part in _wrapped(line, self._width, "")]
        self.over = True

    def _take(self) -> None:
        self.ready += self._lines.ready
        self._lines.ready = []


class _Drawn:
    """An answer as something else draws it, its lines cut where they are too long."""

    def __init__(self, width: int, make: Make) -> None:
        self.ready: list[str] = []
        self._out = io.StringIO()
        self._sink = make(self._out, width)
        self._width = width
        self._rest = ""

    def feed(self, text: str) -> None:
        """More of it."""
        self._sink.feed(text.replace("\t", "    "))  # a tab stop counts from the edge of the terminal
        *whole, self._rest = (self._rest + self._out.getvalue()).split("\n")
        self._out.seek(0)
        self._out.truncate()
        for line in whole:
            self.ready += _cut(line, self._width)

    def end(self) -> None:
        """It is over."""
        self._sink.close()
        self.ready += [
            part
            for line in (self._rest + self._out.getvalue()).rstrip("\n").split("\n")
            for part in _cut(line, self._width)
        ]


class _Source:
    """An answer as it came, its lines wrapped."""

    def __init__(self, width: int) -> None:
        self.ready: list[str] = []
        self._width = width
        self._filter = Filter()
        self._line = ""
        self._hang: str | None = None
        self._fence = ""

    def feed(self, text: str) -> None:
        """More of it."""
        *whole, self._line = (self._line + self._filter.feed(text).expandtabs(4)).split("\n")
        for line in whole:
            self._take(line)
        if not self._fence and len(self._line) > 2 * self._width and not _FENCE.match(self._line):
            self._advance()

    def end(self) -> None:
        """It is over."""
        rest, self._line = self._line + self._filter.flush(), ""
        for line in rest.split("\n") if rest else ():
            self._take(line)

    def _take(self, line: str) -> None:
        """A whole line of the answer, or the end of one."""
        fence = _FENCE.match(line) if self._hang is None else None
        if self._fence or fence:
            self.ready += _cut(line, self._width)
            if (
                self._fence
                and line.strip().strip(self._fence[0]) == ""
                and line.strip().startswith(self._fence)
            ):
                self._fence = ""
            elif fence and not self._fence:
                self._fence = fence[1]
            return
        hang = _hang(line) if self._hang is None else self._hang
        self.ready += _wrapped(line if self._hang is None else hang + line, self._width, hang)
        self._hang = None

    def _advance(self) -> None:
        """The lines of a growing paragraph that are full."""
        hang = _hang(self._line) if self._hang is None else self._hang
        *sure, last = _wrapped(self._line if self._hang is None else hang + self._line, self._width, hang)
        if sure:
            spaces = self._line[len(self._line.rstrip()) :]
            self.ready += sure
            self._hang, self._line = hang, last.removeprefix(hang) + spaces


def _hang(line: str) -> str:
    """What further lines of a paragraph or an item begin with."""
    found = _ITEM.match(line)
    return " " * min(found.end() if found else 0, 12)


def _wrapped(text: str, width: int, hang: str) -> list[str]:
    """`text` in lines of so many cells, broken between words where that is possible."""
    indent = text[: len(text) - len(text.lstrip(" "))]
    lines: list[str] = []
    line = indent if len(indent) < width // 2 else ""
    empty = True
    for token in _WORD.findall(text):
        word = token.lstrip(" ")
        gap = " " if token != word and not empty else ""
        if not empty and cells(line) + len(gap) + cells(word) > width:
            lines.append(line)
            line, gap = hang, ""
        *full, line = _cut(line + gap + word, width)
        lines += full
        empty = False
    return [*lines, line]


def _size(text: str) -> int:
    """The cells of a text that may have styles."""
    return cells(_STYLE.sub("", text))


def _cut(text: str, width: int) -> list[str]:
    """`text` in lines of so many cells, broken anywhere; a style that goes on is begun again."""
    if _size(text) <= width:
        return [text]
    lines, line, room, style = [], "", width, ""
    for token in _STYLE.split(text):
        if _STYLE.fullmatch(token):
            line += token
            style = "" if token in (RESET, "\x1b[m") else style + token
            continue
        for char in token:
            size = cells(char)
            if size > room:
                lines.append(line + (RESET if style else ""))
                line, room = style, width
            line += char
            room -= size
    return [*lines, line]


class Stacked:
    """Answers one below the other, under their heads. The first that is not over is shown as it comes."""

    def __init__(
        self,
        heads: Sequence[str],
        sink: Callable[[], Sink],
        say: Callable[[str], None],
        aside: Callable[[str], None],
    ) -> None:
        self._heads = heads
        self._make = sink
        self._say = say
        self._aside = aside
        self._held: list[list[str]] = [[] for _ in heads]
        self._footers: dict[int, str] = {}
        self._at = 0
        self._sink: Sink | None = None

    def feed(self, number: int, text: str) -> None:
        """More of an answer; one whose turn has not come is held."""
        if number == self._at:
            self._open().feed(text)
        else:
            self._held[number].append(text)

    def end(self, number: int, footer: str) -> None:
        """An answer is over; what waited for it is shown."""
        self._footers[number] = footer
        while self._at in self._footers:
            self._finish(self._footers[self._at])

    @property
    def free(self) -> bool:
        """Whether no answer has begun to be shown."""
        return self._sink is None

    def close(self, footers: Sequence[str]) -> None:
        """Show what is held back."""
        while self._at < len(self._heads):
            self._finish(self._footers.get(self._at, footers[self._at]))

    def _open(self) -> Sink:
        if self._sink is None:
            if self._at:
                self._say("")
            self._say(self._heads[self._at])
            self._sink = self._make()
        return self._sink

    def _finish(self, footer: str) -> None:
        sink = self._caught_up()
        sink.close()
        if footer:
            self._aside(footer)
        self._sink = None
        self._at += 1
        if self._at < len(self._heads) and self._held[self._at]:
            self._caught_up()

    def _caught_up(self) -> Sink:
        """The sink of the answer whose turn it is, with what was held of it."""
        sink, held = self._open(), "".join(self._held[self._at])
        self._held[self._at] = []
        if held:
            sink.feed(held)
        return sink


class Nowhere:
    """For where all answers are told at the end."""

    free = True

    def feed(self, number: int, text: str) -> None:
        """Nothing."""

    def end(self, number: int, footer: str) -> None:
        """Nothing."""

    def close(self, footers: Sequence[str]) -> None:
        """Nothing."""
