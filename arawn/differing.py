"""What differs between two texts, word by word; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

MOST_WORDS = 4000
"""Longer texts are compared by lines: word by word takes the square of their length."""


class Piece(NamedTuple):
    """A run of text that both have (`same`), or that only the one or the other has (`gone`, `new`)."""

    kind: Literal["same", "gone", "new"]
    text: str


def pieces(one: str, other: str) -> Iterator[Piece]:
    """What makes `other` out of `one`; joining same and gone gives `one`, same and new gives `other`."""
    split = _words if max(len(one), len(other)) < MOST_WORDS * 6 else _lines
    a, b = split(one), split(other)
    for tag, start, end, new_start, new_end in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Piece("same", "".join(a[start:end]))
            continue
        if end > start:
            yield Piece("gone", "".join(a[start:end]))
        if new_end > new_start:
            yield Piece("new", "".join(b[new_start:new_end]))


def likeness(one: str, other: str) -> float:
    """How much of two texts is the same, 0 to 1."""
    total = len(one) + len(other)
    same = sum(len(piece.text) for piece in pieces(one, other) if piece.kind == "same")
    return 2 * same / total if total else 1.0


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|[^\W_]+|.", text, re.DOTALL)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
