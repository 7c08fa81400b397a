"""What a request would be at each backend: tokens, window, what is missing, cost. Nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.backends.choose import Choice, choose
from arawn.backends.names import set_up
from arawn.catalog import Facts
from arawn.doors import settings_of, system_of
from arawn.errors import ArawnError
from arawn.events import Usage
from arawn.fitting import FactsOf, kinds
from arawn.messages import FilePart, Request
from arawn.money import cost, prices_at
from arawn.tokens import PATCHES, PictureRule, of_request

if TYPE_CHECKING:
    from arawn.config.load import Config

TYPICAL = 1000
"""Tokens of a typical answer, where neither the config nor the request says how long one may be."""
UNSURE = 1.1
"""By how much a prompt may be longer than we guess."""
THINKING = {"low": 2048, "medium": 8192, "high": 24576}
"""Tokens of reasoning by effort, as the dialects ask for it."""


class Cost(NamedTuple):
    """What an answer would cost in USD: its prompt, each token of the answer, and all of it as a rule.

    `tokens` is our guess of the prompt, `length` how many tokens the answer has then.
    """

    prompt: float
    token: float
    likely: float
    tokens: int
    length: int


class Offer(NamedTuple):
    """What one backend would make of a request.

    tokens: our guess of the prompt. window: None where unknown. missing: what it cannot take or do. cost:
    None where the price is unknown. first_s: how long the first token took last, None where it was not
    measured. trouble: why it cannot be asked at all, "".
    """

    backend: str
    model: str
    provider: str
    facts: Facts
    tokens: int
    window: int | None
    missing: tuple[str, ...]
    cost: Cost | None
    first_s: float | None = None
    trouble: str = ""

    @property
    def fits(self) -> bool:
        """Whether prompt and answer fit the window, as far as is known."""
        length = self.cost.length if self.cost is not None else TYPICAL
        return self.window is None or self.tokens + min(length, self.window // 4) <= self.window

    @property
    def usable(self) -> bool:
        """Whether it can be asked this."""
        return self.fits and not self.missing and not self.trouble


def projected(
    request: Request,
    facts: Facts,
    settings: Mapping[str, Any],
    at: float,
    pictures: PictureRule = PATCHES,
) -> Cost | None:
    """The cost of an answer before it is asked; None where the price is unknown.

    By our guess of the prompt's tokens, and the longest answer that the request or the settings allow, else a
    typical one. `at` is seconds since 1970.
    """
    tokens = round(of_request(request, pictures) * UNSURE)
    length = (request.max_tokens or settings.get("max_tokens") or TYPICAL) + thinking(request, settings)
    prompt, whole = cost(Usage(tokens, 0), facts, at), cost(Usage(tokens, length), facts, at)
    if prompt is None or whole is None:
        return None
    return Cost(prompt, (prices_at(facts, tokens, at)["output_price"] or 0.0) / 1e6, whole, tokens, length)


def thinking(request: Request, settings: Mapping[str, Any]) -> int:
    """Tokens that the model may think first."""
    thought = request.reasoning if request.reasoning is not None else settings.get("reasoning")
    return thought if isinstance(thought, int) else THINKING.get(str(thought), 0)


ModelsOf = Callable[[Choice], Sequence[str]]


def own_model(choice: Choice) -> Sequence[str]:
    """The one model that a backend is asked by itself."""
    return (choice.model or choice.provider.model,)


def offers(
    config: Config,
    env: Mapping[str, str],
    facts: FactsOf,
    request: Request,
    measured: Mapping[tuple[str, str], float] | None = None,
    check: Callable[[Choice], None] = lambda choice: None,
    models: ModelsOf = own_model,
) -> list[Offer]:
    """Of each backend its own model, or the `models` of it: who can be asked first, cheapest first.

    `check` raises for a backend that must not be asked.
    """
    found = []
    for name in set_up(config, env):
        choice, trouble = _chosen(config, env, name, check)
        if choice is None:
            found.append(_trouble(name, "", trouble))
            continue
        asked = request if request.system is not None else request._replace(system=system_of(config, choice))
        settings = settings_of(config, choice)
        for model in models(choice) or ("",):
            one = choice._replace(model=model)
            found.append(_offer(one, settings, facts, asked, (measured or {}).get((name, model))))
    return sorted(found, key=_rank)


def _rank(one: Offer) -> tuple[bool, float, float, str]:
    price = float("inf") if one.cost is None else one.cost.likely
    return not one.usable, price, float("inf") if one.first_s is None else one.first_s, one.backend


def _chosen(
    config: Config, env: Mapping[str, str], name: str, check: Callable[[Choice], None]
) -> tuple[Choice | None, str]:
    """The backend, or None and why it cannot be asked."""
    try:
        choice = choose(config, env, name, None)
        if choice is None:
            return None, "it answers of itself alone"
        check(choice)
    except ArawnError as fault:
        return None, fault.sentence
    return choice, ""


def _trouble(name: str, provider: str, why: str) -> Offer:
    return Offer(name, "", provider, Facts("", ""), 0, None, (), None, None, why)


def _offer(
    choice: Choice, settings: Mapping[str, Any], facts: FactsOf, request: Request, took: float | None
) -> Offer:
    name, provider = choice.name, choice.provider.name
    if not choice.model:
        return _trouble(name, provider, "no model is named")
    known = facts(name, provider, choice.model)
    pictures = choice.options.get("pictures", PATCHES)
    price = projected(request, known, settings, time.time(), pictures)
    tokens = price.tokens if price is not None else round(of_request(request, pictures) * UNSURE)
    window = choice.table.get("num_ctx") or choice.table.get("context") or known.context
    missing = _missing(request, choice, known)
    return Offer(name, choice.model, provider, known, tokens, window, missing, price, took)


def _missing(request: Request, choice: Choice, facts: Facts) -> tuple[str, ...]:
    """What of a request a model cannot take or do: image, pdf, audio, schema, tools."""
    takes = kinds(choice.dialect, choice.provider.options) - facts.lacking
    sent = {part.kind for message in request.messages for part in message.parts if isinstance(part, FilePart)}
    lacking = sorted(sent - takes)
    if request.format is not None and request.format.schema is not None and facts.schema is False:
        lacking.append("schema")
    if request.tools and facts.tools is False:
        lacking.append("tools")
    return tuple(lacking)


def cheapest(found: Sequence[Offer], most: float | None = None) -> Offer | None:
    """The cheapest that can be asked, for at most so many USD; of unknown price only without such a limit."""
    usable = [one for one in found if one.usable]
    if most is not None:
        usable = [one for one in usable if one.cost is not None and one.cost.likely <= most]
    return min(usable, key=_rank, default=None)  # those of unknown price rank last


def fastest(found: Sequence[Offer]) -> Offer | None:
    """The one whose first token came soonest last time; the cheapest where none was measured."""
    timed = [(one.first_s, one) for one in found if one.usable and one.first_s is not None]
    return min(timed, key=lambda pair: pair[0])[1] if timed else cheapest(found)
