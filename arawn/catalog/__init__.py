"""Facts about models: context window, output limit, prices, what they take and can do. It asks no service.

From a generated table (`make`, prices and windows), a small one kept by hand (`known`, what models can do),
and what the person's config says, which goes over both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from arawn.catalog.known import known
from arawn.providers import PROVIDERS

FILE = Path(__file__).with_name("prices.jsonl")
ELSEWHERE = {"azure": ("openai", "anthropic", "deepseek", "xai", "moonshot")}
"""Services that sell the models of others at their makers' prices."""
PRICES = (
    "input_price", "output_price", "cached_price", "cache_write_price", "cache_write_1h_price",
    "audio_price", "reasoning_price", "request_price", "search_price",
)  # fmt: skip
"""The columns of the table: USD per million tokens, the last two per thousand."""


class Facts(NamedTuple):
    """What is known of a model; None is unknown, which is not the same as no.

    `context` and `output` in tokens, prices in USD per million tokens (per thousand requests or searches),
    `priced` is the date of the table. Above `dear_from` prompt tokens prices are higher: `dear` are then the
    prices in the order of PRICES, as they are in `dearer`, steps above that one: (from tokens, prices), and
    in `hours`: (from, to, prices), minutes of the day in UTC.
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
    dear: tuple[float | None, ...] | None = None
    cache_write_1h_price: float | None = None
    audio_price: float | None = None
    reasoning_price: float | None = None
    request_price: float | None = None
    search_price: float | None = None
    dearer: tuple[tuple[int, tuple[float | None, ...]], ...] | None = None
    hours: tuple[tuple[int, int, tuple[float | None, ...]], ...] | None = None

    @property
    def lacking(self) -> frozenset[str]:
        """The kinds of file that the model is known not to take."""
        kinds = (("image", self.vision), ("audio", self.audio), ("pdf", self.pdf))
        return frozenset(kind for kind, can in kinds if can is False)


def facts(provider: str, model: str, said: Mapping[str, Any] | None = None) -> Facts:
    """What is known of `model` at `provider` (a row's name); `said` are the person's own facts."""
    weak, known = _known(provider, model)
    found: dict[str, Any] = {**weak, **_priced(provider, model), **known}
    if provider in PROVIDERS and PROVIDERS[provider].local:
        found |= dict.fromkeys(PRICES[:4], 0.0)
        found |= dict.fromkeys(("priced", "dear_from", "dear", "dearer", "hours", *PRICES[4:]))
    found |= {key: value for key, value in (said or {}).items() if key in Facts._fields}
    if said and "input_price" in said:  # the table's other prices are none of this one's
        found |= dict.fromkeys(("dear_from", "dear", "dearer", "hours"))
    return Facts(model, provider, **found)


def models(provider: str) -> list[str]:
    """Names of the models that the price table has for `provider`, as they are asked for."""
    return [_usable(row) for row in _rows(provider)]


@cache
def services() -> tuple[str, ...]:
    """The services that the price table has."""
    with FILE.open(encoding="utf-8") as lines:
        next(lines)
        return tuple(line.split('"', 4)[3] for line in lines)


@cache
def dated() -> str:
    """The date of the price table, ISO 8601."""
    with FILE.open(encoding="utf-8") as lines:
        return str(json.loads(lines.readline())["date"])


@cache
def _rows(provider: str) -> list[list[Any]]:
    """The rows of one service; only its line of the file is parsed."""
    beginning = f'{{"provider":{json.dumps(provider)},'
    with FILE.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(beginning):
                rows: list[list[Any]] = json.loads(line)["models"]
                return rows
    return []


def _usable(row: list[Any]) -> str:
    """The name of a row, or where its own rule does not know that name, the first one the rule spells out."""
    name, rule = str(row[0]), row[1]
    if _fits(rule, name.lower()):
        return name
    spelt = rule[1:] if isinstance(rule, list) and rule[0] == "|" else [rule]
    return next((part[1:] for part in spelt if isinstance(part, str) and part[0] == "="), name)


def _row(provider: str, names: Iterable[str]) -> list[Any] | None:
    """The first row whose rule knows one of the names, a name after the other."""
    rows = _rows(provider)
    spelt, others = _index(provider)
    for name in names:
        found = next((number for number in others if _fits(rows[number][1], name)), len(rows))
        found = min(found, spelt.get(name, len(rows)))
        if found < len(rows):
            return rows[found]
    return None


@cache
def _index(provider: str) -> tuple[dict[str, int], list[int]]:
    """Where the rows stand whose rules spell names out, by name, and where the others do."""
    spelt: dict[str, int] = {}
    others: list[int] = []
    for number, row in enumerate(_rows(provider)):
        rule = row[1][1:] if isinstance(row[1], list) and row[1][0] == "|" else [row[1]]
        plain = [part[1:].lower() for part in rule if isinstance(part, str) and part[0] == "="]
        for name in plain:
            spelt.setdefault(name, number)
        if len(plain) < len(rule):
            others.append(number)
    return spelt, others


def _spellings(model: str) -> Iterator[str]:
    """A name as it is, and without what stands before a slash or behind a colon."""
    low = model.lower().removeprefix("models/")
    yield low
    bare = low.partition(":")[0]
    if bare != low:
        yield bare
    if "/" in bare:
        yield bare.rpartition("/")[2]
    if bare == "ft":  # ft:MODEL:ORGANISATION::ID
        yield low.split(":")[1]


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


@lru_cache(256)
def _priced(provider: str, model: str) -> dict[str, Any]:
    """What the price table says. A tag may stand for another price, but not for another window."""
    for service in (provider, *ELSEWHERE.get(provider, ())):
        names = list(_spellings(model))
        plain = [name for name in names if name == names[0] or ":" not in model]
        row = _row(service, plain)
        if row is not None:
            return _prices(row)
        tagged = _row(service, names) if not names[0].startswith("ft:") else None
        if tagged is not None and tagged[2]:
            return {"context": tagged[2]}
    return {}


def _prices(row: list[Any]) -> dict[str, Any]:
    prices = row[3]
    base = [price[0] if isinstance(price, list) else price for price in prices]
    made: dict[str, Any] = {"priced": dated(), **dict(zip(PRICES, base, strict=False))}
    if row[2]:
        made["context"] = row[2]
    steps = sorted({step[0] for price in prices if isinstance(price, list) for step in price[1:]})
    if steps:
        first, *others = [(start, tuple(_beyond(price, start) for price in prices)) for start in steps]
        made["dear_from"], made["dear"] = first
        made["dearer"] = tuple(others) or None
    if len(row) > 4:
        made["hours"] = tuple((begins, ends, tuple(there)) for begins, ends, there in row[4])
    return made


def _beyond(price: Any, start: int) -> float | None:
    """A price of the table as it is above `start` prompt tokens."""
    if not isinstance(price, list):
        return None if price is None else float(price)
    return float([price[0], *(step[1] for step in price[1:] if step[0] <= start)][-1])


@lru_cache(256)
def _known(provider: str, model: str) -> tuple[dict[str, int], dict[str, Any]]:
    """What the table kept by hand says: what only fills in, and what goes over the price table."""
    weak: dict[str, int] = {}
    made: dict[str, Any] = {}
    names = list(_spellings(model))
    names += [f"{provider}:{name}" for name in names]
    for row in known():
        if any(_like(name, pattern) for pattern in row.patterns for name in names):
            weak, made = {**row.weak, **weak}, {**row.facts, **made}
            if row.last:
                break
    return weak, {key: value for key, value in made.items() if value is not None}


def _like(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern; its plain beginning is compared first, which is quick."""
    begins = re.split(r"[*?[]", pattern, maxsplit=1)[0]
    return name.startswith(begins) and fnmatchcase(name, pattern)
