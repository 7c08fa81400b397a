"""What an answer costs by the price table; it knows no service."""

from __future__ import annotations

import time
from itertools import zip_longest

from arawn.catalog import PRICES, Facts
from arawn.events import Usage


def cost(usage: Usage, facts: Facts, at: float | None = None) -> float | None:
    """USD for these tokens. None where a price or a count that it needs is not known: never a guess.

    `usage.input` counts cached tokens too and `usage.output` reasoning ones. Where a kind of tokens has no
    price of its own the plain one holds: cached, written to the cache, heard, thought. `at` is when it was
    asked, in seconds since 1970, now unless said: some services have other prices at night.
    """
    prices = prices_at(facts, usage.input or 0, time.time() if at is None else at)
    sent, said = prices["input_price"], prices["output_price"]
    if usage.input is None or usage.output is None or sent is None or said is None:
        return None

    def price(name: str, else_: float) -> float:
        found = prices[name]
        return else_ if found is None else found

    cached = min(usage.cached or 0, usage.input)
    written = min(usage.cache_write or 0, usage.input - cached)
    lasting = min(usage.cache_write_1h or 0, written)
    heard = min(usage.audio or 0, usage.input - cached - written)
    thought = min(usage.reasoning or 0, usage.output)
    writing = price("cache_write_price", sent)
    tokens = (
        (usage.input - cached - written - heard + (usage.tooling or 0)) * sent
        + cached * price("cached_price", sent)
        + (written - lasting) * writing
        + lasting * price("cache_write_1h_price", writing)
        + heard * price("audio_price", sent)
        + (usage.output - thought) * said
        + thought * price("reasoning_price", said)
    )
    counted = price("request_price", 0.0) + (usage.searches or 0) * price("search_price", 0.0)
    return tokens / 1e6 + counted / 1e3


def prices_at(facts: Facts, tokens: int, at: float) -> dict[str, float | None]:
    """The prices by name for a prompt of so many tokens, at a time in seconds since 1970."""
    base: tuple[float | None, ...] = tuple(getattr(facts, name) for name in PRICES)
    minute = int(at // 60) % 1440
    for begins, ends, there in reversed(facts.hours or ()):
        if begins <= minute < ends or (ends < begins and not ends <= minute < begins):
            base = _over(base, there)
            break
    steps = ((facts.dear_from, facts.dear), *(facts.dearer or ()))
    for start, dear in steps:
        if start is not None and dear is not None and tokens > start:
            base = _over(base, dear)
    return dict(zip(PRICES, base, strict=True))


def _over(base: tuple[float | None, ...], other: tuple[float | None, ...]) -> tuple[float | None, ...]:
    """The other prices where they are known."""
    return tuple(one if new is None else new for one, new in zip_longest(base, other))
