"""What was spent, summed over the turns in the store by SQL; it knows no budget."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from arawn.sums import Sum

By = Literal["day", "backend", "model", "session"]
BYS: tuple[By, ...] = ("day", "backend", "model", "session")
RECENT = 20_000
"""Turns, the newest, that are looked at for how fast a model was last."""
FOREVER = 4e11


_SUMS = (
    "count(*), coalesce(sum(sent), 0), coalesce(sum(cached), 0), coalesce(sum(made), 0),"
    " coalesce(sum(cost), 0), coalesce(sum(unpriced), 0)"
)


def sums(db: sqlite3.Connection, by: By, since: float, until: float = FOREVER) -> list[Sum]:
    """What was spent from `since` to before `until` (seconds since 1970), dearest first, days in order."""
    if by == "day":
        return _days(db, since, until)
    column = {"backend": "backend", "model": "backend, model", "session": "session"}[by]
    rows = db.execute(
        f"SELECT {column}, {_SUMS} FROM turn WHERE at >= ? AND at < ? GROUP BY {column}", (since, until)
    ).fetchall()
    width = len(column.split(","))
    names = dict(db.execute("SELECT id, name || ' ' || title FROM session")) if by == "session" else {}
    found = [_sum(names, row[:width], row[width:]) for row in rows]
    return sorted(found, key=lambda one: (-one.cost, -one.sent - one.made, one.key))


def _sum(names: dict[int, str], key: Sequence[object], counts: Sequence[float]) -> Sum:
    turns, sent, cached, made, cost, unknown = counts
    name, _, title = ":".join(map(str, key)), "", ""
    if names:
        name, _, title = names.get(int(str(key[0])), "").partition(" ")
    return Sum(name, int(turns), int(sent), int(cached), int(made), float(cost), int(unknown), title)


def _days(db: sqlite3.Connection, since: float, until: float) -> list[Sum]:
    """The days of this place's calendar that had turns."""
    found = []
    query = f"SELECT {_SUMS} FROM turn WHERE at >= ? AND at < ?"
    start = since
    while (at := _next(db, start, until)) is not None:
        day, following = day_of(at)
        end = min(following, until)
        counts = db.execute(query, (max(since, day), end)).fetchone()
        found.append(_sum({}, (datetime.fromtimestamp(at).date().isoformat(),), counts))
        start = end
    return found


def _next(db: sqlite3.Connection, at: float, until: float) -> float | None:
    """When the next turn was said."""
    query = "SELECT at FROM turn WHERE at >= ? AND at < ? ORDER BY at LIMIT 1"
    found = db.execute(query, (at, until)).fetchone()
    return None if found is None else float(found[0])


def day_of(at: float) -> tuple[float, float]:
    """When the day of `at` begins and the next one does, by the clock of this place."""
    day = datetime.fromtimestamp(at).replace(hour=0, minute=0, second=0, microsecond=0)
    return day.timestamp(), (day + timedelta(days=1)).timestamp()


def month_of(at: float) -> float:
    """When the month of `at` begins, by the clock of this place."""
    day = datetime.fromtimestamp(at).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return day.timestamp()


def first_tokens(db: sqlite3.Connection) -> dict[tuple[str, str], float]:
    """How many seconds the first token took last, by backend and model as it was asked."""
    found: dict[tuple[str, str], float] = {}
    last = db.execute("SELECT coalesce(max(id), 0) FROM turn").fetchone()[0]
    pairs = db.execute(
        "SELECT backend, model, max(id) FROM turn WHERE id > ? AND NOT unfinished GROUP BY backend, model",
        (last - RECENT,),
    )
    for backend, model, row in pairs.fetchall():
        (text,) = db.execute("SELECT receipt FROM turn WHERE id = ?", (row,)).fetchone()
        try:
            attempt = json.loads(text)["attempts"][-1]
            took = float(attempt["first_event_s"])
        except (ValueError, TypeError, LookupError, RecursionError):
            continue
        found[backend, str(attempt.get("model") or model)] = took
    return found
