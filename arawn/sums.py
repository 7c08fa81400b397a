"""Sums of turns and of figures of which some may not be known; it does not know where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

Figure = TypeVar("Figure", int, float)


class Sum(NamedTuple):
    """Turns under one `key`. Tokens as services counted them; `cost` in USD of those of known price.

    `unknown` is how many answers have no known price: they are in no sum. `title` is a session's.
    """

    key: str
    turns: int
    sent: int
    cached: int
    made: int
    cost: float
    unknown: int
    title: str = ""


def total(rows: Sequence[Sum]) -> Sum | None:
    """All rows as one; None where there are none."""
    if not rows:
        return None
    return rows[0]._replace(
        key="all",
        turns=sum(one.turns for one in rows),
        sent=sum(one.sent for one in rows),
        cached=sum(one.cached for one in rows),
        made=sum(one.made for one in rows),
        cost=sum(one.cost for one in rows),
        unknown=sum(one.unknown for one in rows),
        title="",
    )


def whole(figures: Sequence[Figure | None]) -> Figure | None:
    """The sum of all; None where one is not known, and where there are none."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known and len(known) == len(figures) else None
