"""`arawn model pick`: which model suits a piece of work, of those that can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.cli import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arawn.backends.choose import Choice
    from arawn.cli.context import Context
    from arawn.messages import Request
    from arawn.quote import Offer
    from arawn.selector import Score


def pick(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="The work, in your words.")],
    max_cost: Annotated[
        str | None, typer.Option(metavar="low|medium|high|USD", help="What an answer may cost at most.")
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, max=50, help="How many to show.")] = 3,
    explain: Annotated[bool, typer.Option("--explain", help="Tell of each how it was scored.")] = False,
    json: Json = False,
) -> None:
    """Which model suits a piece of work. By context, speed, cost, quality and what it is known for."""
    from arawn.cli.stored import print_json
    from arawn.errors import ModelFault, UsageFault
    from arawn.messages import Request, user
    from arawn.selector import kinds, most_for, scored

    context: Context = ctx.find_root().obj
    text = " ".join(words)
    if not text.strip():
        raise UsageFault("There is no work to pick a model for")
    most = most_for(max_cost) if max_cost is not None else None
    if max_cost is not None and most is None:
        raise UsageFault(f"--max-cost takes low, medium, high or an amount in USD, not {max_cost!r}")
    weights = context.load().values.get("model_selector", {}).get("weights", {})
    found = scored(_candidates(context, Request((user(text),))), text, weights, most)
    if not found:
        raise ModelFault(
            "No model that can be asked suits this", hints=("a higher --max-cost", "arawn model list")
        )
    if json:
        work = [kind.name for kind in kinds(text)]
        print_json({"version": 1, "kinds": work, "picks": [_row(one) for one in found[:top]]})
        return
    _show(found[:top], explain)


def _show(found: Sequence[Score], explain: bool) -> None:
    from arawn.render.receipt import money
    from arawn.render.safe import clean

    names = [clean(f"{one.offer.backend}:{one.offer.model}", newlines=False) for one in found]
    width = max(len(name) for name in names)
    for place, (name, one) in enumerate(zip(names, found, strict=True), 1):
        cost = money(None if one.offer.cost is None else one.offer.cost.likely)
        told = f"{place}. {name:<{width}}  {one.total:.2f}  {cost}"
        print(told if explain or not one.reasons else f"{told}  {clean(one.reasons[-1], newlines=False)}")
        for reason in one.reasons if explain else ():
            aspect, _, why = reason.partition(": ")
            print(f"     {aspect:<14} {one.aspects[aspect]:.2f}  {clean(why, newlines=False)}")


def _row(one: Score) -> dict[str, Any]:
    offer = one.offer
    return {
        "backend": offer.backend,
        "model": offer.model,
        "score": round(one.total, 4),
        "aspects": {name: round(value, 4) for name, value in one.aspects.items()},
        "reasons": list(one.reasons),
        "cost_usd": None if offer.cost is None else round(offer.cost.likely, 10),
        "window": offer.window,
        "first_token_s": offer.first_s,
    }


def _candidates(context: Context, request: Request) -> Sequence[Offer]:
    """Every model of the backends that are set up, as far as they are known without asking anybody."""
    from arawn.catalog import models
    from arawn.cli.offers import offers
    from arawn.config.paths import paths
    from arawn.models import Kept

    folder = paths(context.env).cache_dir

    def of(choice: Choice) -> list[str]:
        kept = Kept(folder, choice.name, choice.base_url).read()
        listed = [entry.name.removeprefix("models/") for entry in kept.entries] if kept is not None else []
        own = [choice.model or choice.provider.model, *map(str, choice.table.get("models", {}).values())]
        return [name for name in dict.fromkeys((*own, *(listed or models(choice.provider.name)))) if name]

    return offers(context, request, models=of)
