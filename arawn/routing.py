"""What `[llm]` says of several backends, made a backend: who stands in, in which order, asked how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.backends.choose import Choice, choose
from arawn.backends.health import Health
from arawn.backends.names import standing_in
from arawn.backends.race import Race
from arawn.backends.router import (
    Candidate,
    Order,
    Policy,
    Ready,
    Router,
    as_given,
    by_price,
    by_speed,
    by_weight,
    in_turn,
)
from arawn.errors import ArawnError, ConfigFault, UsageFault
from arawn.messages import FilePart, Request
from arawn.providers import GUIDE
from arawn.seam import prompt_of

if TYPE_CHECKING:
    from arawn.catalog import Facts
    from arawn.config.load import Config

SHORT = 3000
"""Characters that are no more tokens than any window holds, in any language."""
ORDERS: dict[str, Order] = {
    "fallback": as_given,
    "round-robin": in_turn,
    "weighted": by_weight(),
    "cost-optimized": by_price,
    "fastest": by_speed,
}
"""Who is asked first, by `llm.strategy`; "hedge" is a race."""


class Parts(NamedTuple):
    """What routing needs of the program around it.

    open: a backend by name and model, the number of requests it may make at most (None: as configured), and
    whether it is the last that is left. facts: what is known of a model. takes: the kinds of file that go to
    a choice.
    """

    config: Config
    env: Mapping[str, str]
    open: Callable[[str, str | None, int | None, bool], Ready]
    facts: Callable[[Choice, str], Facts]
    takes: Callable[[Choice], frozenset[str]]
    health: Health


def first_by_priority(config: Config) -> str | None:
    """The backend that comes first where `[llm].backend` names none."""
    if config.get("llm.backend"):
        return None
    ranked = standing_in(config) if not config.get("llm.fallback_backends") else []
    return ranked[0] if ranked else None


def several(parts: Parts, first: str | None, model: str | None) -> Router | Race | None:
    """The backend that asks `first` (None: the config's) and those that stand in; None for one alone."""
    names = standing_in(parts.config)
    if not names:
        return None
    found = distinct([*_first(parts, first, model), *(_by_name(parts, name) for name in names)])
    if len(found) < 2:
        return None
    strategy, on = str(parts.config.get("llm.strategy")), frozenset(parts.config.get("llm.fallback.on"))
    if strategy == "hedge":
        return Race(found, float(parts.config.get("llm.hedge_after")), parts.health, on)
    policy = Policy(on, bool(parts.config.get("llm.fallback.mid_stream")))
    return Router(found, policy, parts.health, ORDERS[strategy], strategy)


def distinct(found: Sequence[Candidate]) -> list[Candidate]:
    """Each backend and model once, where it comes first."""
    first: dict[tuple[str, str], Candidate] = {}
    for one in found:
        first.setdefault((one.name, one.model), one)
    return list(first.values())


def _first(parts: Parts, name: str | None, model: str | None) -> list[Candidate]:
    """The one that the config would ask alone; none where that is the guide and nobody said so."""
    try:
        choice = choose(parts.config, parts.env, name, model)
    except ArawnError as fault:
        return [_broken(name or str(parts.config.get("llm.backend") or "?"), model, fault)]
    if choice is None:
        return [_guide()] if parts.config.get("llm.backend") else []
    return [_candidate(parts, choice)]


def _guide() -> Candidate:
    from arawn.backends.guide import Guide

    guide = Guide()
    return Candidate(guide.name, guide.model, lambda last: Ready(guide), price=lambda: 0.0)


def _broken(name: str, model: str | None, fault: ArawnError) -> Candidate:
    """One that cannot be asked at all: it says so when its turn comes."""

    def fail(last: bool) -> Ready:
        raise fault

    return Candidate(name, model or "?", fail, broken=fault.sentence)


def at_once(parts: Parts, names: Sequence[str]) -> Race:
    """The backend that asks all of `names` at once. Raises UsageFault for fewer than two, ConfigFault."""
    found = distinct([_candidate(parts, _choice(parts, name)) for name in names])
    if len(found) < 2:
        raise UsageFault("--race takes two backends or more: --race groq,openai")
    return Race(found, 0.0, parts.health)


def _choice(parts: Parts, name: str) -> Choice:
    """What a name, or NAME:MODEL, means. Raises ConfigFault."""
    backend, _, model = name.partition(":")
    choice = choose(parts.config, parts.env, backend, model or None)
    if choice is None:
        raise ConfigFault(f"{name} cannot stand in for another")
    return choice


def _by_name(parts: Parts, name: str) -> Candidate:
    """One that stands in."""
    if name == GUIDE:
        return _guide()
    try:
        return _candidate(parts, _choice(parts, name))
    except ArawnError as fault:
        backend, _, model = name.partition(":")
        return _broken(backend, model, fault)


def _candidate(parts: Parts, choice: Choice) -> Candidate:
    named = choice.model or choice.provider.model
    weights: Mapping[str, Any] = parts.config.values.get("llm", {}).get("weights", {})
    retries = parts.config.values.get("llm", {}).get("fallback", {}).get("max_retries")

    @cache
    def facts() -> Facts:
        return parts.facts(choice, named)

    def open_(last: bool) -> Ready:
        many = last or retries is not None or "retry" in choice.table
        return parts.open(choice.name, choice.model or None, None if many else 1 + len(choice.regions), last)

    def unfit(request: Request) -> str:
        return _unfit(request, parts.takes(choice), facts, 0 if "catalog" in parts.config.values else SHORT)

    return Candidate(
        choice.name,
        named or "?",
        open_,
        unfit,
        lambda: _price(choice, facts()),
        float(weights.get(choice.name, 1.0)),
        lambda request: _at_most(request, facts()),
    )


def _unfit(request: Request, takes: frozenset[str], known: Callable[[], Facts], short: int) -> str:
    """Why a request is not for a model: files it does not take, tools, a window that is too small.

    What is known of the model is only looked up for a request that not every model takes, one of fewer
    characters than `short`.
    """
    asked = prompt_of(request.messages)
    files = [part for message in asked for part in message.parts if isinstance(part, FilePart)]
    size = sum(len(message.text) for message in request.messages) + len(request.system or "")
    if not files and not request.tools and size < short:
        return ""
    facts = known()
    missing = sorted({part.kind for part in files} - (takes - facts.lacking))
    if missing:
        return f"it takes no {' and no '.join(missing)}"
    if request.tools and facts.tools is False:
        return "it calls no tools"
    if facts.context is not None:
        tokens = _tokens(request)
        if tokens > facts.context:
            return f"about {tokens:,} tokens do not fit its window of {facts.context:,}"
    return ""


def _tokens(request: Request) -> int:
    from arawn.tokens import of_request

    return round(of_request(request))


def _price(choice: Choice, facts: Facts) -> float | None:
    if facts.input_price is None or facts.output_price is None:
        return 0.0 if choice.provider.local else None
    return facts.input_price + facts.output_price


def _at_most(request: Request, facts: Facts) -> str:
    """What a cancelled request may cost: its prompt, counted by characters."""
    if facts.input_price is None:
        return "unknown"
    return f"about ${_tokens(request) * facts.input_price / 1e6:.4f} for its prompt, and what it had written"
