"""What was spent as a table with bars, or as CSV; it knows no store."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from arawn.render.measure import cells
from arawn.render.receipt import money
from arawn.render.safe import clean
from arawn.sums import Sum, total

LONGEST_BAR, SHORTEST_BAR = 40, 4
WIDEST_KEY, LEAST_KEY = 40, 10
HEADS = ("COST", "TURNS", "OUT", "IN", "CACHED")
"""By what matters most, which is left out last on a narrow terminal; SHOWN is their order there."""
SHOWN = (1, 3, 4, 2, 0)
T = TypeVar("T")


def lines(rows: Sequence[Sum], by: str, columns: int | None) -> Iterator[str]:
    """A head, a line for each row with a bar as long as its cost (or its tokens, where nothing cost), a sum.

    `columns` is the width of the terminal; without one there are no bars.
    """
    whole = total(rows)
    if whole is None:
        return
    shown = [*rows, whole] if len(rows) > 1 else list(rows)
    keys = [_key(one) for one in shown]
    table = [
        (_cost(one), f"{one.turns:,}", _tokens(one.made), _tokens(one.sent), _tokens(one.cached))
        for one in shown
    ]
    widths = [max(len(head), *(len(row[place]) for row in table)) for place, head in enumerate(HEADS)]
    left = max(cells(by), *(cells(key) for key in keys))
    there = _places(widths, min(left, LEAST_KEY), columns)
    heads, widths = _chosen(HEADS, there), _chosen(widths, there)
    numbers = [_chosen(row, there) for row in table]
    if columns is not None:
        left = max(1, min(left, columns - sum(widths) - 2 * len(widths)))
    room = 0 if columns is None else min(LONGEST_BAR, columns - left - sum(widths) - 2 * len(widths) - 2)
    bars = _bars(rows, room) if len(rows) > 1 and room >= SHORTEST_BAR else []
    yield _line(by.upper(), left, heads, widths, "")
    for place, (key, row) in enumerate(zip(keys, numbers, strict=True)):
        yield _line(_cut(key, left), left, row, widths, bars[place] if place < len(bars) else "")


def spoken(rows: Sequence[Sum], by: str) -> Iterator[str]:
    """The same for who has it read aloud: a line for each row, a name before each number."""
    whole = total(rows)
    for one in [*rows, whole] if whole is not None and len(rows) > 1 else rows:
        yield (
            f"{by.capitalize()}: {_key(one)}; cost: {_cost(one)}; turns: {one.turns:,};"
            f" tokens out: {one.made:,}; in: {one.sent:,}; of them cached: {one.cached:,}"
        )


def _places(widths: Sequence[int], left: int, columns: int | None) -> list[int]:
    """Which of the numbers have room, as they are shown; the cost always has."""
    found = len(widths)
    while columns is not None and found > 1 and left + sum(widths[:found]) + 2 * found > columns:
        found -= 1
    return [place for place in SHOWN if place < found]


def _chosen(row: Sequence[T], places: Sequence[int]) -> list[T]:
    return [row[place] for place in places]


def _line(key: str, left: int, row: Sequence[str], widths: Sequence[int], bar: str) -> str:
    numbers = "  ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
    return f"{key}{' ' * (left - cells(key))}  {numbers}  {bar}".rstrip()


def _key(one: Sum) -> str:
    text = clean(f"{one.key} {one.title}".strip(), newlines=False)
    return _cut(text, WIDEST_KEY)


def _cut(text: str, width: int) -> str:
    while cells(text) > width:
        text = text[: max(0, len(text) - 2)] + "~" if len(text) > 1 else ""
    return text


def _tokens(count: int) -> str:
    return f"{count:,}" if count < 10_000_000 else f"{count / 1e6:,.1f}M"


def _cost(one: Sum) -> str:
    if not one.unknown:
        return money(one.cost)
    return f"{one.unknown:,} unknown" if not one.cost else f"{money(one.cost)} + {one.unknown:,} unknown"


def _bars(rows: Sequence[Sum], room: int) -> list[str]:
    sizes = [one.cost for one in rows]
    if not any(sizes):
        sizes = [float(one.sent + one.made) for one in rows]
    most = max(sizes)
    return ["#" * max(1, round(size / most * room)) if size > 0 else "" for size in sizes] if most > 0 else []


def table(rows: Sequence[Sum], by: str) -> str:
    """The rows as CSV (RFC 4180), numbers as they are."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((by, "turns", "input", "cached", "output", "cost_usd", "unknown", "title"))
    for one in rows:
        writer.writerow((_plain(one.key), *one[1:5], f"{one.cost:.10g}", one.unknown, _plain(one.title)))
    return out.getvalue()


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = clean(text, newlines=False)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def document(rows: Sequence[Sum], by: str, since: float) -> dict[str, Any]:
    """The same as one JSON value; `since` in seconds since 1970."""

    def row(one: Sum) -> dict[str, Any]:
        made = {"key": one.key, "turns": one.turns, "input": one.sent, "cached": one.cached}
        made |= {"output": one.made, "cost_usd": round(one.cost, 10), "unknown": one.unknown}
        return {**made, **({"title": one.title} if by == "session" else {})}

    whole = total(rows)
    return {
        "version": 1,
        "by": by,
        "since": since,
        "rows": [row(one) for one in rows],
        "total": None if whole is None else row(whole),
    }
