"""What an answer costs by the price table; it knows no service."""

from __future__ import annotations

from arawn.catalog import Facts
from arawn.events import Usage


def cost(usage: Usage, facts: Facts) -> float | None:
    """USD for these tokens. None where a price or a count that it needs is not known: never a guess.

    `usage.input` counts cached tokens too and `usage.output` reasoning ones, which cost what output costs.
    """
    if usage.input is None or usage.output is None:
        return None
    sent, said, again = facts.input_price, facts.output_price, facts.cached_price
    if facts.dear is not None and facts.dear_from is not None and usage.input > facts.dear_from:
        dear = facts.dear
        sent, said, again = dear[0] or sent, dear[1] or said, dear[2] or again
    if sent is None or said is None:
        return None
    cached = min(usage.cached or 0, usage.input)
    fresh = usage.input - cached
    return (fresh * sent + cached * (sent if again is None else again) + usage.output * said) / 1e6
