"""Draws the blocks of a Markdown text one after the other; which line is what, it is told.

It holds what is open on the screen: the prefix of lists and quotes, a paragraph that grows, code, a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from arawn.render.blocks import CLOSING, FENCE, FORMULAS, TASK, Blocks, Container, Step, html_kind, split
from arawn.render.growing import Growing
from arawn.render.inline import Inline
from arawn.render.measure import cells
from arawn.render.styles import ASCII, Marks
from arawn.render.writer import Piece, Writer

if TYPE_CHECKING:
    from arawn.render.code import Colours
    from arawn.render.table import Table

LONGEST = 16_384
"""Characters of a line that may be held back until it is whole; a longer one is cut there."""
_HASHES = re.compile(r" {0,3}#{1,6}(?:[ \t]+|\Z)")
_TAIL = re.compile(r"[ \t]+#*[ \t]*\Z")
_ONLY_TAIL = re.compile(r"#+[ \t]*\Z")
_CELL = re.compile(r"(?:(?<=\\)\||[^|])*")


class Sheet:
    """What was drawn last, and how what follows goes on from there."""

    def __init__(self, writer: Writer, styles: Mapping[str, str], ascii_only: bool) -> None:
        self._writer = writer
        self._styles = styles
        self._marks = ASCII if ascii_only else Marks()
        self._color = writer.color
        self._inline = Inline(self._put, "", styles)
        self._blocks = Blocks()
        self._live = ""  # what grows by words: paragraph, heading or nothing
        self._growing = Growing(self._inline.feed)
        self._size = 0
        self._first = True
        self._tail = ""
        self._table: Table | None = None
        self._colours: Colours | None = None
        self._fence = self._language = ""
        self._indent = 0
        self._ends: re.Pattern[str] | None = None
        self._formula = ""
        self._gaps = 0
        self._prefix: tuple[Piece, ...] = ()  # of each container, what a further line begins with
        self._marked = False  # whether the mark of an item stands there, and nothing behind it
        self._shown = False

    def _show(self, step: Step, line: str) -> None:
        """Show a line, of which at least the beginning is there, as what it is."""
        step, rest, begun = self._blocks.placed(line, step)
        if step.goes_on:
            self._more[step.leaf](self, step, rest)
            return
        self._finish()
        self._open(step, begun, rest)
        self._new[step.leaf](self, step, rest)
        self._gaps = 0
        self._shown = True

    # What is open

    def _open(self, step: Step, begun: tuple[Container, ...], rest: str) -> None:
        """Go to where the block begins: an empty line if there was one, marks of lists and quotes."""
        kept = self._prefix[: step.kept]
        here = self._marked and not begun and step.kept == len(self._prefix) and not self._gaps
        if not here:
            self._writer.fresh()
            if self._gaps and self._shown:
                self._writer.begin(kept)
                self._writer.newline()
            self._writer.begin(kept)
        prefix = kept
        for number, container in enumerate(begun):
            task = TASK.match(rest) if number == len(begun) - 1 and step.leaf == "paragraph" else None
            mark = self._mark(container, task)
            self._writer.begin((mark, (" ", "")))
            quote = container.quote
            prefix += ((mark[0] + " ", mark[1]),) if quote else (((" " * (cells(mark[0]) + 1), "")),)
        self._marked = bool(begun)
        self._prefix = prefix
        self._writer.hang(prefix)
        leaf = step.leaf or "empty"
        self._blocks.enter(self._blocks.containers[: step.kept] + begun, leaf)

    def _mark(self, container: Container, task: re.Match[str] | None) -> Piece:
        if container.quote:
            return self._marks.bar, self._styles["quote"]
        box = (self._marks.open if task[1] == " " else self._marks.done) if task else ""
        if container.number >= 0:
            return f"{container.number}{container.marker[-1]}" + (f" {box}" if box else ""), self._styles[
                "bullet"
            ]
        return box or self._marks.bullet, self._styles["bullet"]

    def _finish(self) -> None:
        """The leaf that was open is over."""
        self._growing.release()
        if self._tail:
            if not _ONLY_TAIL.match(self._tail.lstrip(" \t")):
                self._inline.feed(self._tail)
            self._tail = ""
        self._inline.close()
        self._live = ""
        if self._table is not None:
            self._table.draw()
            self._table = None
        self._fence, self._colours, self._ends, self._formula = "", None, None, ""

    # Paragraphs and headings

    def _put(self, text: str, style: str, solid: bool) -> None:
        if text == "\n":
            self._writer.soft()
        else:
            self._writer.text(text, style, solid)

    def _paragraph(self, step: Step, rest: str) -> None:
        rest = rest.lstrip(" \t")
        task = TASK.match(rest) if step.fresh else None
        self._inline.base = ""
        self._begin_line(rest[task.end() :] if task else rest, first=True)

    def _more_paragraph(self, step: Step, rest: str) -> None:
        self._growing.release()
        if self._blocks.text:
            self._blocks.enter(self._blocks.containers, "paragraph")
        self._inline.feed("\n")
        self._begin_line(rest.lstrip(" \t"), first=False)

    def _begin_line(self, rest: str, *, first: bool) -> None:
        self._live, self._first, self._size = "paragraph", first, 0
        self._growing.begin()
        self._marked = False
        self._grow(rest)

    def _heading(self, step: Step, rest: str) -> None:
        self._live, self._inline.base, self._size = "heading", self._styles["heading"], 0
        if not self._color:
            self._writer.begin((("#" * step.level + " ", ""),))
        self._marked = False
        self._grow(_HASHES.sub("", rest, count=1))

    def _grow(self, text: str) -> None:
        """More of the line that is shown by words."""
        if self._live == "heading":
            self._tail += text
            found = None if self._size else _ONLY_TAIL.match(self._tail)
            found = found or _TAIL.search(self._tail)
            cut = found.start() if found else len(self._tail)
            self._size += cut
            self._inline.feed(self._tail[:cut])
            self._tail = self._tail[cut:]
            return
        self._size += len(text)
        if self._size > LONGEST:
            self._growing.release()
            self._inline.feed(text)
        else:
            self._growing.add(text)

    def _end_live(self) -> None:
        if self._live == "heading":
            self._finish()
            self._blocks.enter(self._blocks.containers, "closed")
        elif (said := self._growing.head) is not None:
            self._blocks.enter(self._blocks.containers, "paragraph", said, self._first)
        self._live = ""

    def _underline(self, step: Step, rest: str) -> None:
        """The text above is a heading: it stands there already, so that it gets its rule."""
        self._finish()
        self._writer.fresh()
        width = self._writer.widest
        mark = self._marks.double if step.level == 1 else self._marks.rule
        self._writer.line([(mark * width, self._styles["heading"])])
        self._blocks.enter(self._blocks.containers, "closed")

    # Blocks that are shown line by line

    def _rule(self, step: Step, rest: str) -> None:
        room = self._writer.columns - sum(cells(text) for text, _ in self._writer.prefix)
        self._writer.line([(self._marks.rule * max(1, min(room, 40)), self._styles["rule"])])
        self._close_leaf()

    def _close_leaf(self) -> None:
        self._marked = False
        self._blocks.enter(self._blocks.containers, "closed")

    def _open_fence(self, step: Step, rest: str) -> None:
        found = FENCE.match(rest)
        if found is None:
            return
        self._fence = found[1]
        self._indent = len(rest) - len(rest.lstrip(" "))
        self._blocks.enter(self._blocks.containers, "fence", self._fence)
        self._language = found[2]
        self._writer.line([(rest.strip(), self._styles["rule"])])

    def _more_fence(self, step: Step, rest: str) -> None:
        self._in_fence(rest)

    def _in_fence(self, line: str) -> None:
        closing = CLOSING.match(line)
        if closing and closing[1].startswith(self._fence):
            self._writer.line([(line.strip(), self._styles["rule"])])
            self._finish()
            self._close_leaf()
            return
        line = line[min(len(line) - len(line.lstrip(" ")), self._indent) :]
        self._marked = False
        if self._color and self._colours is None:
            self._writer.flush()  # so that the fence stands there while this is loaded
            from arawn.render.code import Colours

            self._colours = Colours(self._language, self._styles)
        self._writer.line([(line, "")] if self._colours is None else list(self._colours.line(line)))

    def _html(self, step: Step, rest: str) -> None:
        sample, self._ends = html_kind(rest.lstrip(" "))
        self._blocks.enter(self._blocks.containers, "html", sample)
        self._more_html(step, rest)

    def _more_html(self, step: Step, rest: str) -> None:
        self._marked = False
        text = rest.rstrip(" ")
        self._writer.start()
        self._writer.raw(" " * (len(text) - len(text.lstrip(" "))))
        self._writer.text(text.lstrip(" "))
        self._writer.newline()
        if self._ends is not None and self._ends.search(rest):
            self._finish()
            self._close_leaf()

    def _code(self, step: Step, rest: str) -> None:
        self._blocks.enter(self._blocks.containers, "code", "    x")
        self._raw(rest[4:])

    def _more_code(self, step: Step, rest: str) -> None:
        for _ in range(self._gaps):
            self._writer.line([])
        if self._gaps:
            self._blocks.enter(self._blocks.containers, "code", "    x")
            self._gaps = 0
        self._raw(rest[4:])

    def _raw(self, text: str) -> None:
        self._marked = False
        self._writer.line([(text.rstrip(" "), "")])

    def _open_formula(self, step: Step, rest: str) -> None:
        self._formula = FORMULAS[rest.strip()]
        self._raw(rest.strip())

    def _in_formula(self, line: str) -> None:
        rest = self._blocks.walk(line, Step(len(self._blocks.containers), (), "formula"))[0]
        self._raw(rest)
        if rest.rstrip().endswith(self._formula):
            self._finish()
            self._close_leaf()

    def _head(self, step: Step, rest: str) -> None:
        """The line under the head of a table: what was taken for text is that head."""
        from arawn.render.table import Table

        names = split(self._blocks.text)
        shown = len(self._blocks.text) - len(self._growing.taken())
        rest_of_cell = _CELL.match(self._blocks.text, shown)
        if shown and rest_of_cell:
            self._inline.feed(rest_of_cell.group())
        self._inline.close()
        if shown:
            self._writer.settle()
        self._blocks.enter_table(len(names))
        self._table = Table(self._writer, self._styles, self._marks, names, split(rest), bool(shown))
        self._marked = False

    def _row(self, step: Step, rest: str) -> None:
        if self._table is not None:
            self._table.row(split(rest))

    def _nothing(self, step: Step, rest: str) -> None:
        """An item without text."""

    _new: Mapping[str, Callable[[Sheet, Step, str], None]] = {
        "paragraph": _paragraph, "heading": _heading, "rule": _rule, "fence": _open_fence, "html": _html,
        "code": _code, "formula": _open_formula, "underline": _underline, "": _nothing,
        "head": _paragraph, "table": _paragraph,
    }  # fmt: skip
    _more: Mapping[str, Callable[[Sheet, Step, str], None]] = {
        "paragraph": _more_paragraph, "fence": _more_fence, "html": _more_html, "code": _more_code,
        "underline": _underline, "head": _head, "table": _row,
    }  # fmt: skip
