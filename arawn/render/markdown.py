"""Markdown on a terminal while it streams: append-only, nothing that was shown is ever drawn again.

A line is shown as it comes, as soon as it is clear what it is; fences colour whole lines, tables wait for
their end. Everything passes the filter for foreign text first. Runs alone: `python -m arawn.render.markdown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from arawn.render import inline
from arawn.render.safe import Filter
from arawn.render.writer import Writer

if TYPE_CHECKING:
    from arawn.render.code import Colours

HEADING, QUOTE_MARK, DIM = "1;35", "│ ", "2"
TABLE_ROWS = 500
_RULE = re.compile(r"^ {0,3}([-*_])( *\1){2,} *$")
_MAYBE_RULE = re.compile(r"^[-*_ ]*$")
_HEAD = re.compile(r"(#{1,6}) +")
_BULLET = re.compile(r"[-*+] +")
_NUMBER = re.compile(r"\d{1,9}[.)] +")
_MAYBE_NUMBER = re.compile(r"^\d{1,9}[.)]?$")
_QUOTES = re.compile(r"^(> ?)+")
_FENCE = re.compile(r"^( *)(`{3,}|~{3,})\s*([^\s`]*)")


class MarkdownStream:
    """Takes pieces of Markdown with `feed`, ends with `close`. `width` tells the columns at any moment."""

    def __init__(self, out: TextIO, width: Callable[[], int], color: bool) -> None:
        self._writer = Writer(out, width, color)
        self._filter = Filter()
        self._color = color
        self._line = ""
        self._state = "open"  # of the line: open (not known what it is), text, whole (wait for its end)
        self._style = ""
        self._before = ""
        self._fence = ""
        self._fence_indent = 0
        self._colours: Colours | None = None
        self._table: list[str] = []
        self._blank = True

    def feed(self, text: str) -> None:
        """Show a piece as far as it is clear."""
        self._take(self._filter.feed(text))
        self._writer.flush()

    def close(self) -> None:
        """Show everything that was held back and end the last line."""
        self._take(self._filter.flush())
        if self._line or self._state != "open":
            self._end()
        self._draw_table()
        if not self._writer.at_start:
            self._writer.newline()
        self._writer.flush()

    def _take(self, text: str) -> None:
        while text:
            piece, newline, text = text.partition("\n")
            self._line += piece
            if newline:
                self._end()
            else:
                self._advance()

    def _advance(self) -> None:
        """Show of the growing line what is decided."""
        if self._fence:
            if len(self._line) > 2000:  # not a closing fence any more, and nothing to wait for
                self._writer.raw(self._line)
                self._line = ""
            return
        if self._state == "open":
            self._decide(final=False)
        if self._state == "text":
            self._text(final=False)
        elif self._state == "whole" and len(self._line) > 20_000:
            self._state = "text"

    def _end(self) -> None:
        """A line is whole."""
        line = self._line
        if self._fence:
            self._code(line)
        elif self._state == "open" and not line.strip():
            self._gap()
        else:
            if self._state == "open":
                self._decide(final=True)
            if self._state == "text":
                self._text(final=True)
                self._writer.newline()
            elif self._state == "whole":
                self._whole(line)
        self._line, self._state, self._style, self._before = "", "open", "", ""

    def _gap(self) -> None:
        """At most one empty line between blocks."""
        self._draw_table()
        if not self._blank:
            self._writer.newline()
            self._blank = True

    def _decide(self, *, final: bool) -> None:
        """Find out what kind of line this is, and write its mark; leaves it open where more is needed."""
        indent = len(self._line) - len(self._line.lstrip(" \t"))
        rest = self._line[indent:]
        if not rest:
            return
        mark = rest[0]
        if mark == "|":
            self._state = "whole"
            return
        if mark in "`~" and (
            rest[:3] == mark * 3 or (rest == mark * len(rest) and len(rest) < 3 and not final)
        ):
            self._state = "whole" if len(rest) >= 3 else "open"
            return
        if not final and _undecided(rest):
            return
        self._draw_table()
        if final and _RULE.match(self._line):
            self._writer.raw("─" * min(self._writer.columns, 40), DIM)
            self._line, self._state, self._blank = "", "text", False
            return
        self._begin(indent, rest)

    def _begin(self, indent: int, rest: str) -> None:
        """Write the mark of a text line: heading, quote, list item or none."""
        self._state, self._blank = "text", False
        prefix = " " * min(indent, 40)
        while rest.startswith(">"):
            prefix += QUOTE_MARK
            rest = rest[2:] if rest[1:2] == " " else rest[1:]
        head = _HEAD.match(rest)
        item = _BULLET.match(rest) or _NUMBER.match(rest)
        if prefix:
            self._writer.raw(prefix, DIM if prefix.strip() else "")
        hang = prefix
        if head:
            self._style = HEADING
            if not self._color:
                self._writer.raw(head[1] + " ")
            rest = rest[head.end() :]
        elif item:
            shown = "• " if rest[0] in "-*+" else item.group()
            self._writer.raw(shown)
            hang += " " * len(shown)
            rest = rest[item.end() :]
        self._writer.hang(hang)
        self._line = rest

    def _text(self, *, final: bool) -> None:
        """Show the decided part of a text line."""
        line = self._line
        kept = 0
        pieces: list[tuple[str, str]] = []
        taken = inline.scan(
            line, self._style, final, lambda text, style: pieces.append((text, style)), self._before
        )
        for number, (text, style) in enumerate(pieces):
            last = number == len(pieces) - 1 and not final and style == self._style and taken == len(line)
            used = self._writer.words(text, style, more=last)
            if last:
                kept = len(text) - used
        cut = taken - kept
        if cut:
            self._before = line[cut - 1]
        self._line = line[cut:]

    def _whole(self, line: str) -> None:
        fence = _FENCE.match(line)
        if fence and not line.lstrip().startswith("|"):
            self._draw_table()
            self._open_fence(fence)
        elif len(self._table) < TABLE_ROWS:
            self._table.append(line)
        else:
            self._draw_table()
            self._table.append(line)

    def _open_fence(self, fence: re.Match[str]) -> None:
        self._fence, self._fence_indent = fence[2], len(fence[1])
        if self._color:
            from arawn.render.code import Colours

            self._colours = Colours(fence[3])
        else:
            self._writer.raw(fence.group().rstrip())
            self._writer.newline()
        self._blank = False

    def _code(self, line: str) -> None:
        bare = line.strip()
        if bare.startswith(self._fence) and not bare.strip(self._fence[0]):
            if not self._color:
                self._writer.raw(line.rstrip())
                self._writer.newline()
            self._fence, self._colours = "", None
            return
        lead = len(line) - len(line.lstrip(" "))
        line = line[min(lead, self._fence_indent) :]
        if self._colours is None:
            self._writer.raw(line)
        else:
            for text, style in self._colours.line(line):
                self._writer.raw(text, style)
        self._writer.newline()

    def _draw_table(self) -> None:
        """Draw the rows that were collected; rows that make no table are shown as they came."""
        lines, self._table = self._table, []
        if not lines:
            return
        from arawn.render import table

        self._blank = False
        if table.is_table(lines):
            table.draw(lines, self._writer)
            return
        for line in lines:
            inline.scan(line, "", True, self._writer.text)
            self._writer.newline()


def _undecided(rest: str) -> bool:
    """Whether the beginning of a line may still become a mark: a rule, heading, list item or quote."""
    core = _QUOTES.sub("", rest)
    if not core or core == "+" or core.strip("#") == "":
        return True
    return bool((core[0] in "-*_" and _MAYBE_RULE.match(core)) or _MAYBE_NUMBER.match(core))


if __name__ == "__main__":
    import sys

    shown = MarkdownStream(sys.stdout, lambda: 80, True)
    for piece in sys.stdin:
        shown.feed(piece)
    shown.close()
