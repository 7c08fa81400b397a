"""A Markdown table: columns as wide as needed, the widest shrunk first, cells wrapped; never torn.

The first rows are held back to find the widths, the others are drawn as they come. Where the screen is too
narrow for columns, each row is a list of "Header: value". It knows no Markdown but what is in cells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from arawn.render.inline import pieces
from arawn.render.measure import cells, clusters, fitting
from arawn.render.styles import Marks
from arawn.render.writer import Piece, Writer

HELD = 30
"""Rows that are waited for before the table is drawn."""
SPARE = 5
"""Columns that each column of a long table has at least, for rows that come later."""
NARROWEST = 5
_BREAK = re.compile(r"<br\s*/?>", re.I)
_WORDS = re.compile(r"( +)|([^ ]+)")


class Table:
    """One table. `begun`: the text of the first head cell stands on the screen already."""

    def __init__(
        self,
        writer: Writer,
        styles: Mapping[str, str],
        marks: Marks,
        head: Sequence[str],
        rule: Sequence[str],
        begun: bool,
    ) -> None:
        self._writer, self._styles, self._marks = writer, styles, marks
        self._begun = begun
        self.count = len(head)
        self._sides = [(cell[:1] == ":", cell[-1:] == ":") for cell in rule]
        self._head = [self._cell(cell, "" if begun and not at else "strong") for at, cell in enumerate(head)]
        self._rows: list[list[list[list[Piece]]]] = []
        self._widths: list[int] | None = None
        self._most = [1] * self.count  # columns that each cell would like to have
        self._drawn = False

    def row(self, texts: Sequence[str]) -> None:
        """Take a row; missing cells are empty, those too many go to the last, so that nothing is lost."""
        last = self.count - 1
        texts = [*texts[:last], " | ".join(texts[last:]), *[""] * (last - len(texts))]
        row = [self._cell(text, "") for text in texts]
        self._rows.append(row)
        if self._drawn:
            self.draw()
        elif len(self._rows) >= HELD:
            self._most = [SPARE] * self.count
            self.draw()

    def draw(self) -> None:
        """Draw what was taken."""
        self._writer.together()
        for row in (self._head, *self._rows):
            for at, cell in enumerate(row):
                self._most[at] = max(self._most[at], *(_width(line) for line in cell))
        room = self._writer.columns - sum(cells(text) for text, _ in self._writer.prefix)
        self._widths = _widths(self._most, room)
        if not self._drawn:
            self._draw_head()
        for row in self._rows:
            if self._widths is None:
                self._list(row, room)
            else:
                self._row(row, self._widths)
        self._rows.clear()
        self._drawn = True

    def _cell(self, text: str, style: str) -> list[list[Piece]]:
        base = self._styles[style] if style else ""
        return [
            [(piece.replace("\n", " "), look) for piece, look in pieces(line.strip(), base, self._styles)]
            for line in _BREAK.split(text)
        ]

    def _draw_head(self) -> None:
        widths, begun = self._widths, self._begun
        if widths is None:
            if begun:
                self._writer.newline()
            return
        if begun:
            first = _width(self._head[0][0])
            here = sum(cells(text) for text, _ in self._writer.prefix)
            if len(self._head[0]) > 1 or first > widths[0] or self._writer.column != here + first:
                self._writer.newline()
                self._head[0], self._begun = [[]], False
        self._row(self._head, widths, head=True)
        self._begun = False
        rule = f"{self._marks.rule}{self._marks.cross}{self._marks.rule}".join(
            self._marks.rule * width for width in widths
        )
        self._writer.line([(rule, self._styles["rule"])])

    def _row(self, row: list[list[list[Piece]]], widths: list[int], head: bool = False) -> None:
        columns = [
            [folded for line in cell for folded in fold(line, width)]
            for cell, width in zip(row, widths, strict=True)
        ]
        bar = (f" {self._marks.bar} ", self._styles["rule"])
        for number in range(max(len(lines) for lines in columns)):
            made: list[Piece] = []
            for at, lines in enumerate(columns):
                line = lines[number] if number < len(lines) else []
                if at:
                    made.append(bar)
                spare = widths[at] - _width(line)
                before = self._before(at, spare) if line else 0
                made += [(" " * before, ""), *line, (" " * (spare - before), "")]
            if head and self._begun and not number:
                made = made[len(columns[0][0]) + 1 :]
            self._writer.line(_trimmed(made), here=head and self._begun and not number)

    def _before(self, at: int, spare: int) -> int:
        left, right = self._sides[at] if at < len(self._sides) else (False, False)
        if self._begun and not at:
            return 0
        return spare // 2 if left and right else spare if right else 0

    def _list(self, row: list[list[list[Piece]]], room: int) -> None:
        """A row as lines of "Header: value", for screens that are too narrow for columns."""
        if self._drawn or row is not self._rows[0]:
            self._writer.line([(self._marks.rule * min(room, 3), self._styles["rule"])])
        for name, cell in zip(self._head, row, strict=True):
            if not any(cell):
                continue
            label = [piece for line in name for piece in line]
            joined = [*label, (": ", ""), *[piece for line in cell for piece in [*line, (" ", "")]]]
            for number, line in enumerate(fold(joined, max(1, room - 2))):
                self._writer.line([("  " if number and room > 4 else "", ""), *_trimmed(line)])


def _trimmed(line: list[Piece]) -> list[Piece]:
    """The line without spaces at its end, nor anything empty."""
    kept = [piece for piece in line if piece[0]]
    while kept and not kept[-1][0].strip(" "):
        kept.pop()
    if kept:
        kept[-1] = (kept[-1][0].rstrip(" "), kept[-1][1])
    return kept


def _width(line: list[Piece]) -> int:
    return cells("".join(text for text, _ in line))


def _widths(most: list[int], room: int) -> list[int] | None:
    """Columns for each; None where there is no room for so many."""
    wanted = [max(1, width) for width in most]
    room -= 3 * (len(wanted) - 1)
    if sum(min(width, NARROWEST) for width in wanted) > room:
        return None
    if sum(wanted) <= room:
        return wanted
    low, high = NARROWEST, max(wanted)
    while low < high:  # the widest that all can have
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(w, middle) for w in wanted) <= room else (low, middle - 1)
    spare = room - sum(min(width, low) for width in wanted)
    made = []
    for width in wanted:
        extra = 1 if width > low and spare > 0 else 0
        spare -= extra
        made.append(min(width, low) + extra)
    return made


def fold(line: list[Piece], width: int) -> list[list[Piece]]:
    """A styled line folded at words; a word that is too long is cut."""
    if _width(line) <= width:
        return [line]
    made: list[list[Piece]] = [[]]
    room = width
    for text, style in ((word, style) for piece, style in line for word in _atoms(piece)):
        length = cells(text)
        if text == " ":
            if made[-1] and room > 0:
                made[-1].append((text, style))
                room -= 1
            continue
        if length > room and made[-1] and (length <= width or room < NARROWEST):
            made.append([])
            room = width
        rest = text
        while rest:
            taken = fitting(rest, room) or (len(next(clusters(rest))) if room == width else 0)
            made[-1].append((rest[:taken], style))
            room -= cells(rest[:taken])
            rest = rest[taken:]
            if rest:
                made.append([])
                room = width
    return [_merged(_trimmed(each)) for each in made if each] or [[]]


def _atoms(text: str) -> list[str]:
    """Spaces one by one, words whole, East Asian characters one by one."""
    if text.isascii():
        return [part for space, word in _WORDS.findall(text) for part in (" " * bool(space), word) if part]
    found: list[str] = []
    for cluster in clusters(text):
        wide = cluster == " " or "\u2e80" <= cluster[0] < "\ua4d0" or "\uf900" <= cluster[0] < "\uffe7"
        if wide or not found or not found[-1].strip(" ") or "\u2e80" <= found[-1][0] < "\ua4d0":
            found.append(cluster)
        else:
            found[-1] += cluster
    return found


def _merged(line: list[Piece]) -> list[Piece]:
    made: list[Piece] = []
    for text, style in line:
        if made and (made[-1][1] == style):
            made[-1] = (made[-1][0] + text, style)
        else:
            made.append((text, style))
    return made
