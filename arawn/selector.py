"""Which model suits a piece of work: by its words, what models are known for, window, speed, cost, quality.

It asks nobody. Quality is no benchmark: it is guessed from what the catalogue has, and says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from arawn.backends.names import set_up
from arawn.catalog import Facts, models
from arawn.providers import FAMILIES
from arawn.quote import Offer

if TYPE_CHECKING:
    from arawn.config.load import Config

ASPECTS = ("context", "speed", "cost", "quality", "specialisation")
LEVELS = {"low": 0.002, "medium": 0.02, "high": 0.2}
"""USD for an answer, by the words of `--max-cost`."""
SLOW_S, QUICK_S = 8.0, 0.3
"""Seconds to the first token, between which a model is more or less quick."""
WIDE, NARROW = 1_000_000, 8_000
"""Tokens of a window, the same."""
FREE, DEAR = 0.00005, 0.2
"""USD for an answer, the same."""
CHEAP_MADE, DEAR_MADE = 0.2, 60.0
"""USD for a million tokens of answer, between which prices tell of the size of a model."""
SMALL, LARGE = 1.0, 400.0
"""Billions of parameters, the same."""
LARGE_WINDOW = 128_000
UNKNOWN = 0.4
"""What an aspect counts of which nothing is known."""


class Kind(NamedTuple):
    """A kind of work: words that tell it, patterns of names known for it, the abilities it wants."""

    name: str
    words: str
    known: str = ""
    wants: tuple[str, ...] = ()


KINDS = (
    Kind(
        "code",
        r"code|coding|program\w*|python|javascript|typescript|rust|golang|java|c\+\+|sql|regex\w*|refactor\w*|"
        r"debug\w*|bugs?|function\w*|unit tests?|type hints?|scripts?|compile\w*|api|html|css|stack ?trace",
        r"code|codex|coder|codestral|devstral|claude|gpt-5|gpt-4\.1|deepseek-(?:chat|v3|v4)|kimi-k2|glm-4\.[56]",
        ("tools",),
    ),
    Kind(
        "vision",
        r"images?|pictures?|photos?|screenshots?|diagrams?|charts?|ocr|look at|draw\w*|scan\w*",
        r"vision|-vl|pixtral|llava|gpt-4o|gemini|claude",
        ("vision",),
    ),
    Kind(
        "audio",
        r"audio|speech|recordings?|transcri\w*|podcasts?|voice",
        r"audio|voxtral|whisper|gemini",
        ("audio",),
    ),
    Kind(
        "long documents",
        r"long|books?|documents?|pdfs?|papers?|reports?|contracts?|whole|entire|thousands? of|pages|"
        r"transcripts?",
        r"gemini|gpt-4\.1|claude|kimi|jamba|command-r|command-a|qwen.*(?:turbo|long|1m)|llama-4",
        ("context",),
    ),
    Kind(
        "reasoning",
        r"reason\w*|prove|proofs?|math\w*|logic\w*|puzzles?|plan\w*|analy[sz]\w*|think\w*|step by step|why|"
        r"derive|theorems?|strateg\w*|complex",
        r"o[134](?:-|$)|gpt-5|reason|think|r1|qwq|magistral|opus|sonnet-4|2\.5-pro|3-pro|grok-[34]",
        ("reasoning",),
    ),
    Kind(
        "translation",
        r"translat\w*|übersetz\w*|tradui\w*|localis\w*|localiz\w*|into (?:english|german|french|spanish|"
        r"chinese|japanese|italian|russian|arabic|korean)",
        r"gpt-4o|gpt-4\.1|gemini|claude|mistral|aya|command|qwen|translate",
    ),
    Kind(
        "embeddings",
        r"embed\w*|vectors?|similarit\w*|semantic search",
        r"embed|bge|minilm|e5",
        ("embedding",),
    ),
    Kind(
        "structured data",
        r"json|schema|extract\w*|fields|structured|table|csv|classif\w*",
        r"gpt-4o|gpt-4\.1|gpt-5|gemini|claude|mistral|command",
        ("schema",),
    ),
    Kind(
        "quick small work",
        r"quick\w*|short|simple|tiny|fast|summari[sz]\w*|headlines?|titles?|tag\w*|spell\w*",
        r"mini|nano|flash|haiku|small|instant|8b|lite|tiny|ministral|[1-9]b\b",
    ),
    Kind(
        "search of the web",
        r"search the web|latest|today|news|current events|sources|cite\w*|citations?",
        r"sonar|search|online|deep-research",
    ),
    Kind(
        "writing",
        r"write|writing|story|stories|poems?|essays?|novels?|blog|creative|letters?|speech(?:es)?",
        r"claude|opus|sonnet|gpt-4\.5|gpt-4o|gpt-5|kimi|mistral-large|gemini.*pro",
    ),
)


class Score(NamedTuple):
    """How an offer suits, from 0 to 1, its aspects by name, and the reasons in words."""

    offer: Offer
    total: float
    aspects: Mapping[str, float]
    reasons: tuple[str, ...]


def kinds(text: str) -> list[Kind]:
    """The kinds of work that the words of a request speak of, most words first."""
    low = text.lower()
    found = [(len(re.findall(rf"(?<!\w)(?:{kind.words})(?!\w)", low)), kind) for kind in KINDS]
    return [kind for count, kind in sorted(found, key=lambda pair: -pair[0]) if count]


def scored(
    offers: Sequence[Offer], text: str, weights: Mapping[str, float] | None = None, most: float | None = None
) -> list[Score]:
    """Offers that can be asked, best first; `most` is what an answer may cost in USD.

    One of unknown price is left out where there is such a limit. The weights of aspects are 1 unless said.
    """
    wanted = kinds(text)
    usable = [one for one in offers if one.usable and _sort_fits(one.facts, wanted)]
    if most is not None:
        usable = [one for one in usable if one.cost is not None and one.cost.likely <= most]
    made = [_score(one, wanted, weights or {}) for one in usable]
    return sorted(made, key=lambda one: (-one.total, one.offer.backend, one.offer.model))


def _sort_fits(facts: Facts, wanted: Sequence[Kind]) -> bool:
    """Whether a model embeds where that is wanted, and answers where that is."""
    embeds = bool(wanted) and wanted[0].name == "embeddings"
    return facts.embedding is True if embeds else facts.embedding is not True


def best(offers: Sequence[Offer], text: str) -> tuple[Offer | None, tuple[str, ...]]:
    """The offer that suits best by quality and fitness alone, and why."""
    found = scored(offers, text, {"context": 0, "speed": 0, "cost": 0})
    return (found[0].offer, found[0].reasons) if found else (None, ())


def _score(offer: Offer, wanted: Sequence[Kind], weights: Mapping[str, float]) -> Score:
    parts = {
        "context": _context(offer),
        "speed": _speed(offer),
        "cost": _cost(offer),
        "quality": quality(offer.facts),
        "specialisation": _special(offer, wanted),
    }
    weigh = {name: max(0.0, float(weights.get(name, 1.0))) for name in ASPECTS}
    whole = sum(weigh.values())
    total = sum(weigh[name] * parts[name][0] for name in ASPECTS) / whole if whole else 0.0
    reasons = tuple(f"{name}: {parts[name][1]}" for name in ASPECTS if weigh[name] > 0)
    return Score(offer, total, {name: parts[name][0] for name in ASPECTS}, reasons)


def _between(value: float, low: float, high: float) -> float:
    """Where a value stands between two others, by its logarithm, 0 to 1."""
    if value <= 0:
        return 0.0
    return min(1.0, max(0.0, math.log(value / low) / math.log(high / low)))


def _context(offer: Offer) -> tuple[float, str]:
    if offer.window is None:
        return UNKNOWN, "its window is not known"
    return _between(offer.window, NARROW, WIDE), f"a window of {offer.window:,} tokens"


def _speed(offer: Offer) -> tuple[float, str]:
    """Measured here, else guessed by the price, as smaller models are quicker and cheaper."""
    if offer.first_s is not None:
        quick = 1 - _between(offer.first_s, QUICK_S, SLOW_S)
        return quick, f"first token after {offer.first_s:.2f} s, measured here"
    price = offer.facts.output_price
    if not price:
        return UNKNOWN, "not measured here yet"
    small = 1 - _between(price, CHEAP_MADE, DEAR_MADE)
    return 0.2 + 0.6 * small, "not measured here yet; guessed by its price"


def _cost(offer: Offer) -> tuple[float, str]:
    if offer.cost is None:
        return UNKNOWN / 2, "its price is not known"
    if offer.cost.likely <= 0:
        return 1.0, "free: it runs here" if offer.facts.priced is None else "free"
    cheap = 1 - _between(offer.cost.likely, FREE, DEAR)
    return cheap, f"about ${offer.cost.likely:.4f} for this and a typical answer"


def quality(facts: Facts) -> tuple[float, str]:
    """A guess from 0 to 1, and what it is based on: price tier or size, reasoning, abilities, window.

    Prices alone would praise old models: what newer ones can do counts as much.
    """
    said = []
    found = UNKNOWN / 2
    size = _size(facts.name)
    if facts.output_price:
        found = 0.15 + 0.35 * _between(facts.output_price, CHEAP_MADE, DEAR_MADE)
        said.append(f"${facts.output_price:g} for a million tokens out")
    elif size is not None:
        found = 0.1 + 0.4 * _between(size, SMALL, LARGE)
        said.append(f"{size:g} billion parameters by its name")
    more = (
        ("it reasons", facts.reasoning, 0.2),
        ("it calls tools", facts.tools, 0.1),
        ("it holds to schemas", facts.schema, 0.1),
        ("its window is large", (facts.context or 0) >= LARGE_WINDOW, 0.1),
    )
    for what, can, worth in more:
        if can:
            found += worth
            said.append(what)
    basis = ", ".join(said) or "nothing is known that tells"
    return min(1.0, found), f"a guess by {basis}" if said else basis


def _size(name: str) -> float | None:
    """Billions of parameters, as names tell them (70b, 8x7b)."""
    found = re.search(r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z0-9])", name.lower())
    return float(found[1] or 1) * float(found[2]) if found else None


def _special(offer: Offer, wanted: Sequence[Kind]) -> tuple[float, str]:
    """How well a model is known for the kinds of work, the first counting most."""
    if not wanted:
        return UNKNOWN, "the request names no kind of work"
    name, score, whole, said = offer.model.lower(), 0.0, 0.0, []
    for place, kind in enumerate(wanted[:3]):
        weight = 1 / (place + 1)
        can = [_can(offer.facts, ability) for ability in kind.wants]
        known = bool(kind.known) and re.search(kind.known, name) is not None
        ability = UNKNOWN if None in can or not can else float(all(can))
        score += weight * (0.6 * known + 0.4 * ability if kind.wants else float(known))
        whole += weight
        if known:
            said.append(f"known for {kind.name}")
        elif can and all(can):
            said.append(f"can do {kind.name}")
        elif False in can:
            said.append(f"not for {kind.name}")
    return score / whole, ", ".join(said) or f"not known for {wanted[0].name}"


def _can(facts: Facts, ability: str) -> bool | None:
    if ability == "context":
        return None if facts.context is None else facts.context >= 200_000
    found = getattr(facts, ability)
    return None if found is None else bool(found)


def most_for(text: str) -> float | None:
    """USD meant by `--max-cost`: low, medium, high, or an amount; None where it is none of these."""
    if text.lower() in LEVELS:
        return LEVELS[text.lower()]
    try:
        found = float(text.removeprefix("$"))
    except ValueError:
        return None
    return found if found >= 0 and math.isfinite(found) else None


_AROUND = re.compile(
    r"^(?:my|the|our)\s+|\s+(?:settings?|setup|config|backend|provider|model|account)$", re.I
)


def named(words: str, config: Config, env: Mapping[str, str]) -> tuple[str | None, str | None] | None:
    """(backend, model) that a person's words mean; None where they mean nothing that is set up.

    Words may name a backend, a provider, an alias, @KEY, BACKEND:MODEL, a model or its family.
    """
    word = _AROUND.sub("", _AROUND.sub("", words.strip())).strip()
    low = word.lower()
    usable = set_up(config, env)
    tables = {name.lower(): name for name in usable}
    rows = {name: str(config.backends.get(name, {}).get("provider", name)) for name in usable}
    if low in tables:
        return tables[low], None
    if word in config.values.get("aliases", {}) or (word[:1] == "@" and len(word) > 1):
        return None, word
    head, _, tail = word.partition(":")
    if tail and head.lower() in tables:
        return tables[head.lower()], tail
    maker = FAMILIES.get(low, low)
    of_maker = next((name for name, row in rows.items() if row == maker), None)
    if of_maker is not None:
        return of_maker, None
    return _of_model(low, config, rows)


def _of_model(low: str, config: Config, rows: Mapping[str, str]) -> tuple[str, str] | None:
    """The first backend that has a model of that name: one of its table, or of the catalogue."""
    for name in rows:
        table = config.backends.get(name, {})
        own = [table.get("model"), *table.get("models", {}).values()]
        found = next((str(model) for model in own if str(model).lower() == low), None)
        if found is not None:
            return name, found
    for name, row in rows.items():
        found = next((model for model in models(row) if model.lower() == low), None)
        if found is not None:
            return name, found
    return None
