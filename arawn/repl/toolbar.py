"""The line below the prompt: who answers, how full the window is, the cost; it only puts words together."""

from __future__ import annotations

from typing import NamedTuple

from arawn.render.measure import cells, fitting

LEAST = 30
"""Columns under which there is no such line."""
METER = 8


class Bar(NamedTuple):
    """What the line tells. `used` and `window` in tokens, `cost` in USD, None: not known."""

    backend: str
    model: str
    used: int | None = None
    window: int | None = None
    cost: float | None = None
    state: tuple[str, ...] = ()


def fitted(bar: Bar, columns: int, ascii: bool = False) -> str:
    """The line, in fewer than `columns`; "" where there is no room for one.

    What is least needed goes first: the figures, the cost, the meter, the end of the model's name.
    """
    if columns < LEAST:
        return ""
    gap = " | " if ascii else " │ "
    dot = " - " if ascii else " · "
    state, cost = list(bar.state), _cost(bar.cost)
    for context in (_context(bar, ascii, True), _context(bar, ascii, False)):
        for more in (cost, ""):
            line = gap.join(
                part for part in (f"{bar.backend}{dot}{bar.model}", context, more, *state) if part
            )
            if cells(line) < columns:
                return line
    line = gap.join([f"{bar.backend}{dot}{bar.model}", *state])
    if cells(line) < columns:
        return line
    tail = gap.join(["", *state]) if state else ""
    if cells(tail) > columns // 2:
        tail = ""
    name, more = f"{bar.backend}{dot}{bar.model}", "..." if ascii else "…"
    return name[: fitting(name, columns - 1 - cells(more + tail))] + more + tail


def _context(bar: Bar, ascii: bool, numbers: bool) -> str:
    """The meter with its figures, or as much as is known of it."""
    if bar.used is None:
        return f"0/{short(bar.window)}" if bar.window and numbers else ""
    if not bar.window:
        return f"{short(bar.used)} tokens"
    share = bar.used / bar.window
    full = min(METER, round(share * METER))
    meter = f"[{'#' * full}{'.' * (METER - full)}]" if ascii else "█" * full + "░" * (METER - full)
    told = f"{meter} {100 * share:.0f} %"
    return f"{told} {short(bar.used)}/{short(bar.window)}" if numbers else told


def _cost(cost: float | None) -> str:
    if cost is None:
        return ""
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}"


def short(count: int | None) -> str:
    """A count in a few characters: 950, 3.2k, 128k, 1.5M."""
    if count is None:
        return "?"
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            figure = count / size
            return f"{figure:.1f}{unit}" if figure < 10 and round(figure, 1) % 1 else f"{figure:.0f}{unit}"
    return str(count)
