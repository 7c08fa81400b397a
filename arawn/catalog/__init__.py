"""Facts about models: context window, output limit, prices, what they take and can do. It asks no service.

From a generated table (`make`, prices and windows), a small one kept by hand (`known`, what models can do),
and what the person's config says, which goes over both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from arawn.catalog.known import known
from arawn.providers import PROVIDERS

FILE = Path(__file__).with_name("prices.jsonl")
ELSEWHERE = {"azure": ("openai",)}
"""Services that sell the models of others at their makers' prices."""


class Facts(NamedTuple):
    """What is known of a model; None is unknown, which is not the same as no.

    `context` and `output` in tokens, prices in USD per million tokens, `priced` is the date of the table.
    Above `dear_from` prompt tokens prices are higher: `dear` are then input, output and cached price.
    """

    name: str
    provider: str
    context: int | None = None
    output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    cache_write_price: float | None = None
    vision: bool | None = None
    audio: bool | None = None
    pdf: bool | None = None
    tools: bool | None = None
    schema: bool | None = None
    reasoning: bool | None = None
    embedding: bool | None = None
    priced: str | None = None
    dear_from: int | None = None
    dear: tuple[float | None, float | None, float | None] | None = None


def facts(provider: str, model: str, said: Mapping[str, Any] | None = None) -> Facts:
    """What is known of `model` at `provider` (a row's name); `said` are the person's own facts."""
    found: dict[str, Any] = _known(model)
    for name in (provider, *ELSEWHERE.get(provider, ())):
        row = _row(name, model)
        if row is not None:
            found |= _priced(row)
            break
    if provider in PROVIDERS and PROVIDERS[provider].local:
        found |= dict.fromkeys(("input_price", "output_price", "cached_price", "cache_write_price"), 0.0)
    found |= {key: value for key, value in (said or {}).items() if key in Facts._fields}
    return Facts(model, provider, **found)


def models(provider: str) -> list[str]:
    """Names of the models that the price table has for `provider`."""
    return [str(row[0]) for row in _rows(provider)]


def dated() -> str:
    """The date of the price table, ISO 8601."""
    with FILE.open(encoding="utf-8") as lines:
        return str(json.loads(lines.readline())["date"])


@cache
def _rows(provider: str) -> list[list[Any]]:
    """The rows of one service; only its line of the file is parsed."""
    beginning = f'{{"provider":"{provider}",'
    with FILE.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(beginning):
                rows: list[list[Any]] = json.loads(line)["models"]
                return rows
    return []


def _row(provider: str, model: str) -> list[Any] | None:
    for name in _spellings(model):
        for row in _rows(provider):
            if _fits(row[1], name):
                return row
    return None


def _spellings(model: str) -> Iterator[str]:
    """A name as it is, and without what stands before a slash or behind a colon."""
    low = model.lower().removeprefix("models/")
    yield low
    bare = low.partition(":")[0]
    if bare != low:
        yield bare
    if "/" in bare:
        yield bare.rpartition("/")[2]


def _fits(rule: Any, name: str) -> bool:
    if isinstance(rule, list):
        return (any if rule[0] == "|" else all)(_fits(part, name) for part in rule[1:])
    sign, text = rule[0], rule[1:]
    if sign == "/":
        return re.search(text, name) is not None
    text = text.lower()
    return (
        name == text
        if sign == "="
        else name.startswith(text)
        if sign == "^"
        else name.endswith(text)
        if sign == "$"
        else text in name
    )


def _priced(row: list[Any]) -> dict[str, Any]:
    prices = row[3]
    base = [price[0] if isinstance(price, list) else price for price in prices]
    names = ("input_price", "output_price", "cached_price", "cache_write_price")
    made: dict[str, Any] = {"priced": dated(), **dict(zip(names, base, strict=True))}
    if row[2]:
        made["context"] = row[2]
    tiers = [price[1][0] for price in prices if isinstance(price, list) and len(price) > 1]
    if tiers:
        made["dear_from"] = min(tiers)
        made["dear"] = tuple(price[1][1] if isinstance(price, list) else price for price in prices[:3])
    return made


def _known(model: str) -> dict[str, Any]:
    """What the table kept by hand says; for each fact the first row that has it."""
    made: dict[str, Any] = {}
    names = list(_spellings(model))
    for pattern, row in known():
        if any(fnmatchcase(name, pattern) for name in names):
            made = {**row, **made}
    return made
