"""How wide texts are in the cells of a terminal, and fitting them in: pure, it knows no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from unicodedata import combining, east_asian_width

LEAST, ENOUGH = 4, 20
"""Columns that a text has at the least, and that it does not need more of while another text has none."""


def cells(text: str) -> int:
    """The columns that `text`, a line without control characters, takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def clipped(text: str, columns: int) -> str:
    """`text` in at most `columns`, with an ellipsis where it was longer."""
    if cells(text) <= columns:
        return text
    while text and cells(text) > columns - 1:
        text = text[:-1]
    return text.rstrip(" …,.;:") + "…"


def shared(text: str, aside: str, columns: int) -> str:
    """Two texts in `columns`: first `aside` gets shorter, or goes, then `text`."""
    columns = max(LEAST, columns)
    text = clipped(text, max(min(ENOUGH, columns), columns - cells(aside)))
    left = columns - cells(text)
    return text + (clipped(aside, left) if left > LEAST else "")


def fold(text: str, columns: int | None, indent: str = "") -> str:
    """A line with its end in the place of some spaces, so that it fits; a long word stays whole."""
    if columns is None:
        return text
    return "".join(piece for piece, _ in folded([(text, False)], 0, columns, indent))


def folded(
    pieces: Iterable[tuple[str, bool]], at: int, columns: int, indent: str
) -> Iterator[tuple[str, bool]]:
    """The same for a line in pieces that begins in column `at`; what stands beside each stays there."""
    pieces = list(pieces)
    whole = "".join(text for text, _ in pieces)
    ends: set[int] = set()
    space, since = -1, 0  # the last place to end a line at, and how wide what stands after it is
    for place, char in enumerate(whole):
        wide = cells(char)
        at, since = at + wide, since + wide
        if char == " ":
            space, since = place, 0
        elif at > columns and space >= 0:
            ends.add(space)
            space, at = -1, len(indent) + since
    begun = 0
    for text, mark in pieces:
        yield "".join(f"\n{indent}" if begun + n in ends else char for n, char in enumerate(text)), mark
        begun += len(text)
