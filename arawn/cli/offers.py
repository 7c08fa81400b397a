"""Who could be asked a question and at what cost, and which of them `--pick` chooses; it asks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arawn.errors import ConfigFault, UsageFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arawn.backends.choose import Choice
    from arawn.cli.context import Context
    from arawn.cli.prompt import Prompt
    from arawn.engine import Conversation
    from arawn.messages import Request
    from arawn.quote import ModelsOf, Offer

PICKS = ("cheapest", "fastest", "best")


def pick_for(context: Context, conversation: Conversation, prompt: Prompt) -> str:
    """Have this run ask whom `--pick` chooses; returns why it is that one. Raises UsageFault, ConfigFault."""
    from arawn.messages import user

    if context.backend or context.model or context.race:
        raise UsageFault("--pick chooses the backend, so it goes with no --backend, --model or --race")
    messages = (*conversation.session.messages, user(prompt.text, prompt.parts))
    request = conversation.request(messages)
    one, why = pick(offers(context, request), context.pick or "", request)
    context.take(one.backend, one.model)
    return why


def offers(context: Context, request: Request, models: ModelsOf | None = None) -> Sequence[Offer]:
    """What each backend, or the `models` of it, would make of a request.

    In a private run those elsewhere cannot be asked. Raises ConfigFault where there is none.
    """
    from arawn import quote as quoting
    from arawn.backends.choose import check_local

    def check(choice: Choice) -> None:
        if context.app.private:
            check_local(choice)

    facts, times = context.app.models.facts, measured(context)
    found = quoting.offers(
        context.load(), context.env, facts, request, times, check, models or quoting.own_model
    )
    if not found:
        raise ConfigFault(
            "No backend is set up", hints=("arawn config init", "or set a key: arawn help start")
        )
    return found


def measured(context: Context) -> dict[tuple[str, str], float]:
    """Seconds to the last first token, by backend and model: by receipts in the store, else as remembered."""
    from arawn.config.paths import paths
    from arawn.errors import StoreFault
    from arawn.store.sessions import FILE, Store
    from arawn.store.usage import first_tokens

    found = {
        key: seen.first_event_s
        for key, seen in context.app.health.all().items()
        if seen.first_event_s is not None
    }
    folder = paths(context.env).data_dir
    if not (folder / FILE).exists():
        return found
    try:
        store = Store(folder, context.status.warn)
        try:
            return {**found, **store.read(first_tokens)}
        finally:
            store.close()
    except StoreFault as fault:
        context.status.warn(fault.sentence)
        return found


def pick(found: Sequence[Offer], how: str, request: Request) -> tuple[Offer, str]:
    """The one to ask, and why. Raises UsageFault for another word, ConfigFault where none can be asked."""
    from arawn import quote as quoting
    from arawn.render.receipt import money
    from arawn.selector import best

    if how not in PICKS:
        raise UsageFault(f"--pick takes {', '.join(PICKS)}, not {how!r}")
    text = " ".join(message.text for message in request.messages)
    reasons: tuple[str, ...] = ()
    if how == "best":
        one, reasons = best(found, text)
    else:
        one = quoting.cheapest(found) if how == "cheapest" else quoting.fastest(found)
    if one is None:
        told = [f"{offer.backend}: {_why_not(offer)}" for offer in found]
        raise ConfigFault("None of the backends can be asked this", hints=tuple(told))
    cost = "unknown" if one.cost is None else f"about {money(one.cost.likely)}"
    usable = sum(offer.usable for offer in found)
    what = how if how != "fastest" or one.first_s is not None else "cheapest, as none was measured yet,"
    why = f"the {what} of {usable} that can be asked this: {one.backend} · {one.model}, cost {cost}"
    if one.first_s is not None:
        why += f", first token {one.first_s:.2f} s last time"
    return one, "; ".join([why, *reasons])


def _why_not(one: Offer) -> str:
    if one.trouble:
        return one.trouble
    return ", ".join([*([] if one.fits else ["it does not fit"]), *(f"no {what}" for what in one.missing)])
