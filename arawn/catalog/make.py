"""Makes the price table beside it: `python -m arawn.catalog.make` with the package genai-prices installed.

Source: https://github.com/pydantic/genai-prices (MIT licence, Copyright (c) 2025 Pydantic Services Inc.).
Kept of it are, for each service of ours, the models' match rules, context windows and prices in USD per
million tokens; batch and priority tariffs are left out. The output is the same for the same input.
"""

from __future__ import annotations

import json
from datetime import date
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

NAMES = {
    "anthropic": "anthropic", "openai": "openai", "google": "google", "groq": "groq", "mistral": "mistral",
    "deepseek": "deepseek", "cohere": "cohere", "azure": "azure", "openrouter": "openrouter", "xai": "x-ai",
    "together": "together", "fireworks": "fireworks", "cerebras": "cerebras", "perplexity": "perplexity",
    "moonshot": "moonshotai", "zai": "zai",
}  # fmt: skip
"""Our rows and the names that genai-prices has for them; a service it does not have has no prices here."""
ELSEWHERE = {"google": ("claude",)}
"""Models of that beginning are sold by another service of the same company, which is not the one here."""
PRICES = (
    "input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok",
    "input_audio_mtok", "output_reasoning_mtok", "requests_kcount", "web_searches_kcount",
)  # fmt: skip
OUTPUT = Path(__file__).with_name("prices.jsonl")


def rule(match: Any) -> Any:
    """A match rule: `=` equals, `^` begins, `$` ends, `*` contains, `/` regex, or [`|` or `&`, rules...]."""
    kind = type(match).__name__
    signs = {
        "ClauseEquals": ("=", "equals"),
        "ClauseStartsWith": ("^", "starts_with"),
        "ClauseEndsWith": ("$", "ends_with"),
        "ClauseContains": ("*", "contains"),
        "ClauseRegex": ("/", "regex"),
    }
    if kind in signs:
        sign, field = signs[kind]
        return sign + str(getattr(match, field))
    many = match.or_ if kind == "ClauseOr" else match.and_
    return ["|" if kind == "ClauseOr" else "&", *(rule(part) for part in many)]


def price(value: Any) -> Any:
    """A number, or [base, [tokens from which, number], ...]; None where none is known."""
    if value is None:
        return None
    if type(value).__name__ == "TieredPrices":
        return [float(value.base), *([tier.start, float(tier.price)] for tier in value.tiers)]
    return float(value)


def model(info: Any, today: date) -> list[Any]:
    """[id, rule, context window, prices], of dated prices those of `today`.

    Where some hours of the day have prices of their own there is a fifth item, [from, to, prices] for each:
    minutes of the day in UTC.
    """
    prices = info.prices
    hours: list[Any] = []
    if isinstance(prices, list):
        dated = [
            one
            for one in prices
            if one.constraint is None
            or (type(one.constraint).__name__ == "StartDateConstraint" and one.constraint.start_date <= today)
        ]
        hours = [hour(one) for one in prices if type(one.constraint).__name__ == "TimeOfDateConstraint"]
        prices = (dated or prices)[-1].prices
    return [info.id, rule(info.match), info.context_window, columns(prices), *([hours] if hours else [])]


def hour(one: Any) -> list[Any]:
    """[from, to, prices] of a price that holds at some hours of the day."""
    begins, ends = one.constraint.start_time, one.constraint.end_time
    return [begins.hour * 60 + begins.minute, ends.hour * 60 + ends.minute, columns(one.prices)]


def columns(prices: Any) -> list[Any]:
    """The prices in the order of PRICES, without what is unknown at the end."""
    found = [price(getattr(prices, name, None)) for name in PRICES]
    while found and found[-1] is None:
        found.pop()
    return found


def make(today: date) -> str:
    """The file: a line that says where it is from, then a line a service."""
    providers = {one.id: one for one in import_module("genai_prices.data").providers}
    head = {"source": f"genai-prices {version('genai-prices')}", "date": today.isoformat(), "licence": "MIT"}
    lines: list[dict[str, Any]] = [head]
    for ours, theirs in NAMES.items():
        found = providers[theirs].models
        models = [model(one, today) for one in found if not one.id.startswith(ELSEWHERE.get(ours, ()))]
        lines.append({"provider": ours, "models": models})
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


if __name__ == "__main__":
    OUTPUT.write_text(make(date.today()), encoding="utf-8")
    print(OUTPUT.name, OUTPUT.stat().st_size)
