"""Markdown for people who have the screen read to them: labels and sentences, no signs and no drawing.

Headings, lists, quotes, code and tables are told in words; nothing depends on colour or on columns, nothing
is drawn again, and what is written does not depend on how the text was cut into pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from arawn.render.blocks import Step, blank, head
from arawn.render.safe import Filter, clean
from arawn.render.sentences import PATIENCE_S, Sentences
from arawn.render.telling import Telling

LONGEST = 16_384
"""Characters of a line that may be held back until it is whole."""


class AccessibleStream(Telling):
    """Takes pieces of Markdown with `feed`, ends with `close`; what is told is as the module says.

    label: a line that says whose text this is. columns: of the terminal, to break lines between words.
    raw: it is no Markdown, and lines stay as they are. patience: seconds after which half a sentence is told.
    """

    def __init__(
        self,
        out: TextIO,
        label: str = "",
        columns: Callable[[], int] | None = None,
        raw: bool = False,
        patience: float = PATIENCE_S,
    ) -> None:
        super().__init__(Sentences(out, columns, patience))
        self._label = clean(label, newlines=False)
        self._raw = raw
        self._filter = Filter()
        self._line = ""  # what came of a line that is not told yet

    def feed(self, text: str) -> None:
        """Take a piece. Raises OSError where the output cannot be written."""
        self._take(self._filter.feed(text))

    def close(self) -> None:
        """Tell what is held back, and that nothing follows."""
        self._take(self._filter.flush())
        if self._line or self._live:
            self._end()
        self.finish()
        self._say.close()

    def _take(self, text: str) -> None:
        if text and self._label:
            self._say.line(self._label)
            self._label = ""
        for number, piece in enumerate(text.split("\n")):
            if number:
                self._end()
            if piece and self._live:
                self._growing.add(piece)
            elif piece:
                self._line += piece
                if len(self._line) > LONGEST:
                    self._decide(final=True)
                elif not self._raw:
                    self._decide(final=False)

    def _end(self) -> None:
        """A line is whole."""
        if self._raw:
            self._say.line(self._line)
            self._line = ""
        elif self._live:
            self._end_live()
        elif blank(self._line):
            self._rest()
        else:
            self._decide(final=True)
            if self._live:
                self._end_live()
        self._line = ""

    def _end_live(self) -> None:
        if (said := self._growing.head) is not None:
            self._blocks.enter(self._blocks.containers, "paragraph", said)
        self._live = False

    def _rest(self) -> None:
        """An empty line."""
        blocks = self._blocks
        if self._fence or self._ends:
            step = blocks.step(self._line, False) if blocks.containers else Step(0, (), "fence", True)
            if step.goes_on:
                self._say.line("")
                return
        if blocks.leaf != "code":
            self._finish()
        blocks.rest(self._line)
        self._gap = True

    def _decide(self, *, final: bool) -> None:
        """Find out what the line is; a growing one may be told only where it is text."""
        line = self._line
        if self._raw or self._formula or (self._fence and not self._blocks.containers):
            if final:
                self._line = ""
                self._as_it_is(line)
            return
        start = head(line)
        if self._blocks.leaf == "table" and "|" in start:
            start = start[: start.index("|")]
        more = len(start) < len(line)
        signs = "<" in start or "```" in start or "~~~" in start
        if not final and (not more or signs or self._blocks.leaf in ("table", "html", "fence")):
            return
        step = self._blocks.step(start, more) if not signs and (more or not line[len(start) :]) else None
        if step is None:
            step = self._blocks.whole(line)
        if not final and (step.leaf != "paragraph" or self._unclear(step, line)):
            return
        self._line = ""
        self._show(step, line)

    def _as_it_is(self, line: str) -> None:
        if self._raw:
            self._say.line(line)
        elif self._formula:
            self._in_formula(line)
        else:
            self._in_fence(line)

    def _unclear(self, step: Step, line: str) -> bool:
        """Whether the text may still turn out to be a task, a table or a formula."""
        rest = self._blocks.walk(line, step)[0].lstrip()
        return rest.startswith("|") or (bool(step.fresh) and rest[:1] == "[") or rest[:1] in ("$", "\\")
