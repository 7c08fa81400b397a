"""Markdown on a terminal while it streams: append-only, nothing that was shown is ever drawn again.

Words are shown as they come, as soon as it is clear what line they stand in; fences grow by lines, tables by
rows. What is shown depends on the text alone, not on how it was cut into pieces. Everything passes the filter
for foreign text first. Runs alone: `python -m arawn.render.markdown`.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TextIO

from arawn.render.blocks import Step, blank, head
from arawn.render.safe import Filter
from arawn.render.sheet import LONGEST, Sheet
from arawn.render.styles import STYLES
from arawn.render.writer import Writer
from arawn.threads import start

LATER = 0.1
"""Seconds before the parser is loaded in the background: the request goes first."""
POURED = 2_000
"""A line of code longer than this is shown as it comes, without colours."""
_CERTAIN = re.compile(
    r"\d{1,9}[.)][^ \t]|\d{10}|\d+[^\d.)]|(?:[*_]{1,3}|[~`]{1,2}|\$|#{1,6}|[-+=])[^ \t>*+\-_=#:|~`.)<$\\]"
)  # beginnings of text that a mark may stand in, but none of a list, a rule or a heading
_MAYBE_TASK = re.compile(r"\[(?:[ xX](?:\][ \t]*)?)?\Z")


class MarkdownStream(Sheet):
    """Takes pieces of Markdown with `feed`, ends with `close`. `width` tells the columns at any moment.

    `styles`: SGR parameters by name, over those of STYLES. `synchronised`: the terminal knows DEC mode 2026.
    `ascii_only`: our own marks are drawn in ASCII.
    """

    def __init__(
        self,
        out: TextIO,
        width: Callable[[], int],
        color: bool,
        styles: Mapping[str, str] | None = None,
        synchronised: bool = False,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(Writer(out, width, color, synchronised), {**STYLES, **(styles or {})}, ascii_only)
        self._filter = Filter()
        self._line = ""
        self._whole = self._poured = False  # whether the line must be whole first; whether it is on its way
        if "markdown_it" not in sys.modules:
            start(threading.Thread(target=_load, daemon=True))

    def feed(self, text: str) -> None:
        """Show a piece as far as it is clear."""
        self._take(self._filter.feed(text))
        self._writer.flush()

    def close(self) -> None:
        """Show everything that was held back and end the last line."""
        self._take(self._filter.flush())
        if self._line or self._live or self._poured:
            self._end()
        self._finish()
        self._writer.fresh()
        self._writer.flush()

    def _take(self, text: str) -> None:
        for number, piece in enumerate(text.split("\n")):
            if number:
                self._end()
            if not piece:
                continue
            if self._live:
                self._grow(piece)
            elif self._poured:
                self._writer.raw(piece)
            else:
                self._line += piece
                self._advance()

    def _advance(self) -> None:
        """Show of the growing line what is decided."""
        while not self._live and not self._poured:
            long = len(self._line) > LONGEST
            if self._fence and not self._blocks.containers and len(self._line) > POURED:
                self._writer.start()
                self._writer.raw(self._line)
                self._line, self._poured = "", True
            elif self._whole or self._fence or self._formula or not self._decide(final=False):
                if not long:
                    return
                rest, self._line = self._line[LONGEST:], self._line[:LONGEST]
                self._end()
                self._line = rest

    def _end(self) -> None:
        """A line is whole."""
        if self._poured:
            self._writer.newline()
        elif self._live:
            self._end_live()
        elif self._line.isspace() or not self._line or (blank(self._line) and not self._inside):
            self._rest()
        else:
            self._decide(final=True)
            if self._live:
                self._end_live()
        self._line, self._whole, self._poured = "", False, False

    @property
    def _inside(self) -> bool:
        """Whether marks of quotes may be text of the block that is open."""
        return self._blocks.leaf in ("fence", "html", "formula")

    def _rest(self) -> None:
        """A line with nothing on it but, perhaps, marks of quotes."""
        blocks = self._blocks
        if self._fence or self._ends:
            step = blocks.step(self._line, False) if blocks.containers else Step(0, (), "fence", True)
            if step.goes_on:
                self._writer.line([])
                return
        self._finish()
        blocks.rest(self._line)
        self._gaps += 1

    def _decide(self, *, final: bool) -> bool:
        """Find out what kind of line this is and begin to show it; False where more of it is needed."""
        line = self._line
        if self._formula or (self._fence and not self._blocks.containers):
            self._line = ""
            (self._in_formula if self._formula else self._in_fence)(line)
            return True
        begins = head(line)
        if self._blocks.leaf == "table" and "|" in begins:
            begins = begins[: begins.index("|")]
        if self._blocks.plain and _CERTAIN.match(line):
            begins = ""
        more = len(begins) < len(line)
        if not final and not more:
            return False
        if not final and self._must_be_whole(begins, line):
            self._whole = True
            return True
        if more and "<" not in begins and "`" * 3 not in begins and "~~~" not in begins:
            step = self._blocks.step(begins, True)
        elif len(line) > len(begins) or "<" in begins:
            step = self._blocks.whole(line)
        else:
            step = self._blocks.step(begins, False)
        if not final and (step.leaf == "code" or self._maybe_task(step, line)):
            self._whole = step.leaf == "code"
            return self._whole
        self._line = ""
        if not step.leaf and blank(line):
            self._finish()
            self._blocks.rest(line)
            self._gaps += 1
        else:
            self._show(step, line)
        return True

    def _must_be_whole(self, begins: str, line: str) -> bool:
        """Whether what follows on the line decides what it is, or it is shown only whole."""
        return (
            self._blocks.leaf in ("table", "html", "fence")
            or "<" in begins
            or "```" in begins
            or "~~~" in begins
            or (begins.endswith("\\") and line[len(begins)] == "[")
        )

    def _maybe_task(self, step: Step, line: str) -> bool:
        if not step.fresh or step.leaf != "paragraph":
            return False
        return _MAYBE_TASK.match(self._blocks.walk(line, step)[0]) is not None


def warm() -> None:
    """Load what the first list, table or code would have to wait for; plain words wait for nothing."""
    from arawn.render import blocks, code, measure

    blocks.warm()
    measure.warm()
    code.warm()


def _load() -> None:
    time.sleep(LATER)
    with suppress(Exception):  # told where it is used
        warm()


if __name__ == "__main__":
    shown = MarkdownStream(sys.stdout, lambda: 80, True)
    for piece in sys.stdin:
        shown.feed(piece)
    shown.close()
