"""Models with what is known of each, a line each; it knows neither services nor where the facts are from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from arawn.render.measure import cells
from arawn.render.safe import clean

if TYPE_CHECKING:
    from arawn.catalog import Facts

MARKS = ("vision", "audio", "pdf", "tools", "schema", "reasoning", "embedding")
LEGEND = "  ".join(f"{mark[0]} {mark}" for mark in MARKS)
LONGEST = 240
PLAIN_WIDTH = 44
SMALLEST = 12
NARROW = 48
UNITS = {"request_price": "thousand requests", "search_price": "thousand searches"}


def lines(models: Sequence[tuple[str, Facts]], columns: int | None) -> Iterator[str]:
    """A line each: name, window, prices in USD per million tokens, what it can do.

    With `columns` there is a head, and what a model can do is cut to letters (LEGEND) where words are too
    long; a name is never cut, for it is what one copies. A very narrow terminal shows names alone.
    """
    rows = [(clean(name, newlines=False, limit=LONGEST), facts) for name, facts in models]
    if columns is None:
        for name, facts in rows:
            yield _line(name, PLAIN_WIDTH, facts, _words(facts))
        return
    if columns < NARROW:
        yield from (name for name, _ in rows)
        return
    short = letters(models, columns)
    marks = [_letters(facts) if short else _words(facts) for _, facts in rows]
    width = min(
        max((cells(name) for name, _ in rows), default=0),
        max(SMALLEST, columns - 23 - max((len(mark) for mark in marks), default=0)),
    )
    yield f"{'MODEL':<{width}} WINDOW  USD IN/OUT  CAN"
    for (name, facts), mark in zip(rows, marks, strict=True):
        yield _line(name, width, facts, mark)


def letters(models: Iterable[tuple[str, Facts]], columns: int) -> bool:
    """Whether the words for what models can do do not fit beside their names."""
    return any(cells(name) + 23 + len(_words(facts)) > columns for name, facts in models)


def _line(name: str, width: int, facts: Facts, marks: str) -> str:
    known = facts.input_price is not None or facts.output_price is not None
    prices = f"{_number(facts.input_price)}/{_number(facts.output_price)}" if known else "-"
    padded = name + " " * (width - cells(name))
    return f"{padded} {tokens(facts.context):>6} {prices:>12}  {marks}".rstrip()


def _words(facts: Facts) -> str:
    return ",".join(mark for mark in MARKS if getattr(facts, mark)) or "-"


def _letters(facts: Facts) -> str:
    return "".join(mark[0] if getattr(facts, mark) else "-" for mark in MARKS)


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


def tokens(count: int | None) -> str:
    """A number of tokens, short."""
    if count is None:
        return "-"
    if count >= 1_000_000:
        return f"{count / 1e6:.3g}M"
    return f"{count / 1000:.3g}k" if count >= 1000 else str(count)


def span(seconds: float) -> str:
    """A time that is over, in the unit that fits."""
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.0f} days"
    return f"{seconds / 3600:.0f} h" if seconds >= 5400 else f"{max(1, seconds / 60):.0f} min"


def fact(field: str, value: Any, facts: Facts) -> str:
    """One fact in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field.endswith("_price"):
        from arawn.catalog import PRICES

        place = PRICES.index(field)
        dear = facts.dear[place] if facts.dear and place < len(facts.dear) else None
        above = f" ({_number(dear)} beyond {facts.dear_from} tokens)" if dear and dear != value else ""
        return f"{_number(value)} USD per {UNITS.get(field, 'million tokens')}{above}"
    if field in ("context", "output"):
        return f"{value} tokens"
    if field == "size":
        return size(value)
    return clean(str(value), newlines=False, limit=LONGEST)


def size(count: float) -> str:
    """A number of bytes, short."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
