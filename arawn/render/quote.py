"""Offers of backends as lines and as JSON; it knows no price and no backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from arawn.render.measure import cells
from arawn.render.models import tokens as short
from arawn.render.receipt import money
from arawn.render.safe import clean

HEADS = ("BACKEND", "MODEL", "TOKENS", "WINDOW", "PROMPT", "IN ALL", "FIRST", "")


class Cost(Protocol):
    """What an answer costs, in USD."""

    @property
    def prompt(self) -> float:
        """Its prompt."""

    @property
    def likely(self) -> float:
        """Prompt and answer."""

    @property
    def length(self) -> int:
        """Tokens of the answer."""


class Offer(Protocol):
    """What one backend would make of a request; as `arawn.quote` has it."""

    @property
    def backend(self) -> str:
        """Its name."""

    @property
    def model(self) -> str:
        """The model."""

    @property
    def tokens(self) -> int:
        """The prompt."""

    @property
    def window(self) -> int | None:
        """Of the model, None where unknown."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What it cannot take or do."""

    @property
    def cost(self) -> Cost | None:
        """None where unknown."""

    @property
    def first_s(self) -> float | None:
        """Seconds to the first token, last time."""

    @property
    def trouble(self) -> str:
        """Why it cannot be asked at all."""

    @property
    def fits(self) -> bool:
        """Whether the window holds it."""

    @property
    def usable(self) -> bool:
        """Whether it can be asked this."""


def lines(offers: Sequence[Offer], picked: Offer | None, redact: Any) -> Iterator[str]:
    """A head and a line each, `*` before the one that is picked."""
    rows = [HEADS, *(_row(one, redact) for one in offers)]
    widths = [max(cells(row[place]) for row in rows) for place in range(len(HEADS))]
    for place, row in enumerate(rows):
        mark = "* " if place and offers[place - 1] is picked else "  "
        parts = [
            text + " " * (width - cells(text)) if number in (0, 1, 7) else " " * (width - cells(text)) + text
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield (mark + "  ".join(parts)).rstrip()


def _row(one: Offer, redact: Any) -> tuple[str, ...]:
    name, model = clean(one.backend, newlines=False), clean(one.model, newlines=False) or "-"
    if one.trouble:
        return name, model, "-", "-", "-", "-", "-", clean(redact(one.trouble), newlines=False, limit=100)
    prompt, whole = (one.cost.prompt, one.cost.likely) if one.cost is not None else (None, None)
    first = "-" if one.first_s is None else f"{one.first_s:.2f} s"
    return name, model, f"{one.tokens:,}", short(one.window), money(prompt), money(whole), first, _note(one)


def _note(one: Offer) -> str:
    words = [] if one.fits else ["does not fit"]
    return "; ".join([*words, *(f"no {what}" for what in one.missing)])


def document(offers: Sequence[Offer], picked: Offer | None, why: str, redact: Any) -> dict[str, Any]:
    """All of them as one JSON value; costs in USD, times in seconds, unknown is null."""

    def row(one: Offer) -> dict[str, Any]:
        cost = one.cost
        return {
            "backend": one.backend,
            "model": one.model or None,
            "usable": one.usable,
            "tokens": one.tokens,
            "window": one.window,
            "fits": one.fits,
            "missing": list(one.missing),
            "prompt_usd": None if cost is None else round(cost.prompt, 10),
            "answer_tokens": None if cost is None else cost.length,
            "total_usd": None if cost is None else round(cost.likely, 10),
            "first_token_s": one.first_s,
            "trouble": redact(one.trouble) or None,
        }

    pick = None if picked is None else {"backend": picked.backend, "model": picked.model, "why": why}
    return {"version": 1, "offers": [row(one) for one in offers], "pick": pick}
