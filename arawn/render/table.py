"""A Markdown table drawn once it is whole: columns as wide as needed, the widest shrunk first."""

from __future__ import annotations

import re

from arawn.render.inline import plain, scan
from arawn.render.writer import Writer, cells

MOST_COLUMNS = 40
_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")


def is_table(lines: list[str]) -> bool:
    """Whether the lines are a head, a rule and perhaps rows."""
    return len(lines) >= 2 and _RULE.match(lines[1]) is not None and lines[0].count("|") <= MOST_COLUMNS


def split(line: str) -> list[str]:
    """The cells of a line."""
    text = line.strip()
    text = text[1:] if text.startswith("|") else text
    text = text[:-1] if text.endswith("|") and not text.endswith("\\|") else text
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", text)]


def draw(lines: list[str], writer: Writer) -> None:
    """Write the table."""
    head, _, *rows = (split(line) for line in lines)
    count = len(head)
    grid = [(row + [""] * count)[:count] for row in rows]
    texts = [[plain(cell) for cell in row] for row in (head, *grid)]
    widths = _widths(texts, writer.columns)
    _row(head, widths, writer, "1")
    writer.raw("─┼─".join("─" * width for width in widths), "2")
    writer.newline()
    for row in grid:
        _row(row, widths, writer, "")


def _widths(texts: list[list[str]], columns: int) -> list[int]:
    wanted = [max(1, *(cells(row[number]) for row in texts)) for number in range(len(texts[0]))]
    room = columns - 3 * (len(wanted) - 1)
    while sum(wanted) > room and max(wanted) > 3:
        widest = wanted.index(max(wanted))
        second = sorted(wanted)[-2] if len(wanted) > 1 else 3
        over = sum(wanted) - room
        wanted[widest] = max(3, min(wanted[widest] - 1, max(second, wanted[widest] - over)))
    return wanted


def _row(row: list[str], widths: list[int], writer: Writer, style: str) -> None:
    fits = all(cells(plain(cell)) <= width for cell, width in zip(row, widths, strict=True))
    lines = (
        [[cell] for cell in row]
        if fits
        else [_wrapped(plain(c), w) for c, w in zip(row, widths, strict=True)]
    )
    for number in range(max(len(cell) for cell in lines)):
        parts = [cell[number] if number < len(cell) else "" for cell in lines]
        last = max((index for index, part in enumerate(parts) if part), default=-1)
        for index, part in enumerate(parts[: last + 1]):
            if index:
                writer.raw(" │ ", "2")
            shown = part
            if fits:
                scan(part, style, True, writer.raw)
                shown = plain(part)
            else:
                writer.raw(part, style)
            if index < last:
                writer.raw(" " * (widths[index] - cells(shown)))
        writer.newline()


def _wrapped(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for long in text.split(" "):
        word = long
        while cells(word) > width:
            room = width - cells(line) - (1 if line else 0)
            if room < 1:
                lines.append(line)
                line = ""
                continue
            taken = _fit(word, room)
            line, word = (f"{line} " if line else "") + word[:taken], word[taken:]
            lines.append(line)
            line = ""
        if cells(line) + cells(word) + (1 if line else 0) > width:
            lines.append(line)
            line = word
        elif word:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line or not lines else lines


def _fit(word: str, room: int) -> int:
    for number, char in enumerate(word):
        room -= cells(char)
        if room < 0:
            return max(1, number)
    return len(word)
