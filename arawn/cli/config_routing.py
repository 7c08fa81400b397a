"""What `arawn config check` says of several backends: who is asked, in which order, when; nobody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arawn.backends.router import Candidate
    from arawn.cli.context import Context
    from arawn.config.load import Config

FIRST = {
    "fallback": "in this order",
    "round-robin": "each first in turn",
    "weighted": "the first by chance, in proportion to llm.weights",
    "cost-optimized": "the cheapest first",
    "fastest": "beginning with the one whose first tokens came soonest",
}


def explained(context: Context) -> list[str]:
    """Lines for people; none where one backend is asked alone."""
    from arawn.backends.names import standing_in
    from arawn.config.check_routing import said_twice, wrong_routes

    config = context.load()
    lines = wrong_routes(config)
    if not standing_in(config):
        if config.get("llm.fallback_backends"):
            return [*lines, "llm.fallback.enabled is false: one backend is asked alone"]
        if config.origin("llm.strategy").layer != "default":
            strategy = config.get("llm.strategy")
            lines.append(f"llm.strategy {strategy} has no effect: one backend is asked alone")
        return lines
    backend = context.app.open(None, None).backend
    candidates: list[Candidate] = getattr(backend, "candidates", [])
    lines += said_twice(config)
    if not candidates:
        return lines
    return [*lines, *_order(config, candidates), *_when(config)]


def _order(config: Config, candidates: list[Candidate]) -> list[str]:
    strategy = str(config.get("llm.strategy"))
    after = float(config.get("llm.hedge_after"))
    how = FIRST.get(strategy, f"the next beside the one before after {after:g} s of silence")
    lines = [f"These are asked, {how} (llm.strategy {strategy}):"]
    for number, one in enumerate(candidates, 1):
        lines.append(f"  {number}. {one.label}{_more(config, strategy, one)}")
    return lines


def _more(config: Config, strategy: str, one: Candidate) -> str:
    """What else is known of one: its weight, its price, how often it is asked."""
    if one.broken:
        return f": cannot be asked: {one.broken}"
    words = []
    if strategy == "weighted":
        words.append(f"weight {one.weight:g}")
    if strategy == "cost-optimized":
        price = one.price()
        words.append("price unknown" if price is None else f"${price:g} a million tokens in and out")
    most, last = (_requests(config, one.name, last) for last in (False, True))
    words.append(f"{_times(most)}, as the last one left {_times(last)}" if most != last else _times(most))
    return f" ({', '.join(words)})"


def _requests(config: Config, name: str, last: bool) -> int:
    """How often one is asked for an answer, at most."""
    from arawn.backends.routing import RetryPolicy

    table = config.backends.get(name, {})
    own = table.get("retry", {}).get("max_attempts")
    common = config.values.get("llm", {}).get("fallback", {}).get("max_retries")
    if own is not None:
        return int(own)
    if common is not None:
        return int(common) + 1
    if last or "retry" in table:
        return RetryPolicy().max_attempts
    return max(1, len(table.get("endpoints", ())))


def _times(number: int) -> str:
    return "once" if number == 1 else f"up to {number} times"


def _when(config: Config) -> list[str]:
    on = ", ".join(config.get("llm.fallback.on")) or "nothing"
    lines = [f"The next is asked after: {on}; and where one cannot be asked at all"]
    if config.get("llm.strategy") == "hedge":
        lines.append("Once an answer has begun nobody else is asked")
    elif config.get("llm.fallback.mid_stream"):
        lines.append("An answer that is cut in its middle is gone on with by the next")
    else:
        lines.append("Once an answer has begun nobody else is asked (llm.fallback.mid_stream)")
    lines.append("With -b NAME that backend is asked alone; with --private none that is not on this machine")
    return lines
