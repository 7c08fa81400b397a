"""Tells the blocks of a Markdown text in words, one after the other; which line is what, it is told.

It holds what is open: the lists and quotes around, a paragraph that grows, code, a table. It cuts no lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from arawn.render.blocks import CLOSING, FENCE, FORMULAS, TASK, Blocks, Container, Step, html_kind, split
from arawn.render.growing import Growing
from arawn.render.inline import Inline, pieces
from arawn.render.sentences import Sentences

_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]+|\Z)")
_CLOSED = re.compile(r"(?:\A|[ \t]+)#+[ \t]*\Z")
_BREAK = re.compile(r"<br\s*/?>", re.I)
_MARKED: Mapping[str, str] = dict.fromkeys(
    ("heading", "strong", "emphasis", "link", "url", "quote", "rule", "bullet", "math", "html", "table"), ""
) | {"code": "code", "strike": "strike"}


class Telling:
    """What was told last, and how what follows goes on from there."""

    def __init__(self, say: Sentences) -> None:
        self._say = say
        self._inline = Inline(self._put, "", _MARKED)
        self._blocks = Blocks()
        self._live = False  # whether the rest of the line goes on with a paragraph
        self._growing = Growing(self._inline.feed)
        self._prefix = ""  # of an item of which nothing is told yet
        self._marks: tuple[str, ...] = ()
        self._styles: tuple[str, ...] = ()
        self._fence = self._formula = self._end_word = ""
        self._indent = 0
        self._ends: re.Pattern[str] | None = None
        self._names: list[str] = []
        self._rows = 0
        self._gap = self._shown = False

    def finish(self) -> None:
        """Tell the end of all that is open."""
        self._finish()
        self._leave(())
        self._bare()

    def _show(self, step: Step, line: str) -> None:
        step, rest, begun = self._blocks.placed(line, step)
        if step.goes_on:
            self._more[step.leaf](self, step, rest)
            return
        self._finish()
        self._open(step, begun)
        self._new[step.leaf](self, step, rest)

    # ---- where it stands

    def _open(self, step: Step, begun: tuple[Container, ...]) -> None:
        """Tell what begins and ends around the block."""
        self._leave(self._marks[: step.kept])
        if begun:
            self._bare()
        quoted = [container.quote for container in begun]
        inside = any(mark != ">" for mark in self._marks) or (any(step.fresh) and not all(quoted))
        if self._gap and self._shown and not inside:
            self._say.line("")
        self._gap, self._shown = False, True
        for container in begun:
            if container.quote:
                self._bare()
                level = self._marks.count(">") + 1
                self._say.line("Quote:" if level == 1 else f"Quote, level {level}:")
            else:
                level = sum(mark != ">" for mark in self._marks) + 1
                number = f"{container.number}." if container.number >= 0 else "-"
                self._bare()
                self._prefix = f"{number} " if level == 1 else f"Level {level}: {number} "
            self._marks += (container.marker,)
        self._blocks.enter(self._blocks.containers[: step.kept] + begun, step.leaf or "empty")

    def _leave(self, marks: tuple[str, ...]) -> None:
        """Tell the quotes that end."""
        for mark in reversed(self._marks[len(marks) :]):
            if mark == ">":
                self._bare()
                self._say.line("End of quote.")
        self._marks = marks

    def _bare(self) -> None:
        """Tell an item of which nothing but its sign is there, or whose content has lines of its own."""
        if self._prefix:
            prefix, self._prefix = self._prefix, ""
            self._say.line(prefix.rstrip())

    def _finish(self) -> None:
        """The block that was open is over."""
        self._growing.release()
        self._inline.close()
        self._put("", "", False)
        self._say.end()
        if self._end_word:
            self._say.line(self._end_word)
        self._fence = self._formula = self._end_word = ""
        self._ends = None
        self._live = False

    def _closed(self) -> None:
        self._finish()
        self._blocks.enter(self._blocks.containers, "closed")

    # ---- paragraphs

    def _put(self, text: str, style: str, solid: bool) -> None:
        """Text inside a paragraph: code keeps its backquotes, what is struck out is told to be."""
        marks = tuple(mark for mark in style.split(";") if mark)
        if text == "\n" and self._styles:
            marks = self._styles
        for mark in reversed([mark for mark in self._styles if mark not in marks]):
            self._say.text("`" if mark == "code" else ")")
        for mark in (mark for mark in marks if mark not in self._styles):
            self._say.text("`" if mark == "code" else "(struck out: ")
        self._styles = marks
        if text:
            self._say.text(text)

    def _paragraph(self, step: Step, rest: str) -> None:
        rest = rest.lstrip(" \t")
        task = TASK.match(rest) if step.fresh else None
        prefix, self._prefix = self._prefix, ""
        if task:
            prefix += "To do: " if task[1] == " " else "Done: "
            rest = rest[task.end() :]
        self._say.begin(prefix)
        self._begin_line(rest)

    def _more_paragraph(self, step: Step, rest: str) -> None:
        self._growing.release()
        if self._blocks.text:
            self._blocks.enter(self._blocks.containers, "paragraph", first=False)
        self._inline.feed("\n")
        self._begin_line(rest.lstrip(" \t"))

    def _begin_line(self, rest: str) -> None:
        self._live = True
        self._growing.begin()
        self._growing.add(rest)

    def _heading(self, step: Step, rest: str) -> None:
        prefix, self._prefix = self._prefix, ""
        self._say.begin(f"{prefix}Heading level {step.level}: ")
        self._inline.feed(_CLOSED.sub("", _HEADING.sub("", rest, count=1)))
        self._closed()

    def _underline(self, step: Step, rest: str) -> None:
        self._growing.release()
        self._inline.close()
        if not self._say.said:
            self._say.label(f"Heading level {step.level}: ")
        self._closed()

    def _rule(self, step: Step, rest: str) -> None:
        self._bare()
        self._say.line("Section break.")
        self._closed()

    # ---- what has lines of its own

    def _open_fence(self, step: Step, rest: str) -> None:
        found = FENCE.match(rest)
        if found is None:
            return
        self._bare()
        self._fence, self._indent = found[1], len(rest) - len(rest.lstrip(" "))
        self._blocks.enter(self._blocks.containers, "fence", self._fence)
        self._say.line(f"Code, {found[2]}:" if found[2] else "Code:")
        self._end_word = "End of code."

    def _more_fence(self, step: Step, rest: str) -> None:
        self._in_fence(rest)

    def _in_fence(self, line: str) -> None:
        closing = CLOSING.match(line)
        if closing and closing[1].startswith(self._fence):
            self._closed()
        else:
            self._say.line(line[min(len(line) - len(line.lstrip(" ")), self._indent) :].rstrip(" "))

    def _html(self, step: Step, rest: str) -> None:
        self._bare()
        sample, self._ends = html_kind(rest.lstrip(" "))
        self._blocks.enter(self._blocks.containers, "html", sample)
        self._more_html(step, rest)

    def _more_html(self, step: Step, rest: str) -> None:
        self._say.line(rest.rstrip(" "))
        if self._ends is not None and self._ends.search(rest):
            self._closed()

    def _code(self, step: Step, rest: str) -> None:
        self._bare()
        self._say.line("Code:")
        self._end_word = "End of code."
        self._more_code(step, rest)

    def _more_code(self, step: Step, rest: str) -> None:
        if self._gap:
            self._say.line("")
            self._gap = False
        self._blocks.enter(self._blocks.containers, "code", "    x")
        self._say.line(rest[4:].rstrip(" "))

    def _open_formula(self, step: Step, rest: str) -> None:
        self._bare()
        self._formula = FORMULAS[rest.strip()]
        self._say.line("Formula:")
        self._end_word = "End of formula."

    def _in_formula(self, line: str) -> None:
        rest = self._blocks.walk(line, Step(len(self._blocks.containers), (), "formula"))[0].rstrip()
        ended = rest.endswith(self._formula)
        if rest := rest.removesuffix(self._formula):
            self._say.line(rest)
        if ended:
            self._closed()

    def _head(self, step: Step, rest: str) -> None:
        """The line under the head of a table: what was taken for text is that head."""
        self._names = [self._cell(name) for name in split(self._blocks.text)]
        self._growing.taken()
        self._rows = 0
        self._inline.close()
        self._say.drop()
        self._say.end()
        count = len(self._names)
        self._blocks.enter_table(count)
        told = ", ".join(name for name in self._names if name)
        self._say.line(f"Table, {count} column{'s' * (count != 1)}" + (f": {told}." if told else "."))
        self._end_word = "End of table."

    def _row(self, step: Step, rest: str) -> None:
        """A row as "Header: value"; cells that are too many go to the last."""
        cells, last = [self._cell(cell) for cell in split(rest)], len(self._names) - 1
        cells = [*cells[:last], " | ".join(cells[last:])]
        self._rows += 1
        told = (
            f"{name}: {cell}" if name else cell
            for name, cell in zip(self._names, cells, strict=False)
            if cell
        )
        self._say.begin(f"Row {self._rows}. ")
        self._say.text("; ".join(told))
        self._say.end()

    def _cell(self, text: str) -> str:
        parts: list[str] = []
        for piece, style in pieces(_BREAK.sub(" ", text), "", _MARKED):
            marks = style.split(";")
            told = f"`{piece}`" if "code" in marks else piece
            parts.append(f"(struck out: {told})" if "strike" in marks else told)
        return " ".join("".join(parts).split())

    def _nothing(self, step: Step, rest: str) -> None:
        """An item without text."""

    _new: Mapping[str, Callable[[Telling, Step, str], None]] = {
        "paragraph": _paragraph, "heading": _heading, "rule": _rule, "fence": _open_fence, "html": _html,
        "code": _code, "formula": _open_formula, "underline": _underline, "": _nothing,
        "head": _paragraph, "table": _paragraph,
    }  # fmt: skip
    _more: Mapping[str, Callable[[Telling, Step, str], None]] = {
        "paragraph": _more_paragraph, "fence": _more_fence, "html": _more_html, "code": _more_code,
        "underline": _underline, "head": _head, "table": _row,
    }  # fmt: skip
