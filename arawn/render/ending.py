"""What is told when an answer has ended: a line of who, how much and how fast, and a notice for who left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from arawn.render.receipt import money
from arawn.render.safe import clean
from arawn.render.status import span

if TYPE_CHECKING:
    from arawn.events import Usage
    from arawn.render.status import Status
    from arawn.session import Receipt, Turn

PARTS = ("backend", "model", "tokens", "cost", "first", "speed", "time")


class Ending(NamedTuple):
    """By `[ui]`: the parts of the line in their order, what tells of a long answer, and its seconds."""

    footer: Sequence[str] = PARTS
    notify: Literal["off", "bell", "osc9"] = "off"
    after_s: float = 10.0

    def tell(self, status: Status, turn: Turn | None, usage: Usage, seconds: float) -> None:
        """The line, where anything is known of the answer; `seconds` are those that the person waited."""
        told = line(self.footer, turn, usage, seconds)
        if told and status.tty:
            status.note(status.fitting(told), "footer")

    def ring(self, status: Status, seconds: float) -> None:
        """Tell whoever looks elsewhere, where the answer took long."""
        if self.notify == "off" or seconds < self.after_s:
            return
        text = f"Arawn: the answer is there, after {span(seconds)}"
        status.ring("\x07" if self.notify == "bell" else f"\x1b]9;{text}\x07")


def ending_of(get: Callable[[str], Any]) -> Ending:
    """The ending by `[ui]`, whose values `get` gives by their dotted path."""
    return Ending(get("ui.footer"), get("ui.notify"), get("ui.notify_after"))


def line(parts: Sequence[str], turn: Turn | None, usage: Usage, seconds: float) -> list[str]:
    """What is known of an answer, part by part; nothing of one that no service gave."""
    from arawn.session import Receipt

    receipt = turn.receipt if turn is not None else Receipt()
    if usage.output is None and not receipt.attempts:
        return []
    found = dict(_known(receipt, usage, seconds))
    return [clean(found[part], newlines=False) for part in parts if found.get(part)]


def _known(receipt: Receipt, usage: Usage, seconds: float) -> Iterator[tuple[str, str]]:
    yield "backend", receipt.backend
    yield "model", receipt.model or receipt.asked
    if usage.output is not None:
        sent = "?" if usage.input is None else f"{usage.input:,}"
        thought = f" ({usage.reasoning:,} thinking)" if usage.reasoning else ""
        yield "tokens", f"{sent} in / {usage.output:,} out tokens{thought}"
    if receipt.cost_usd is not None:
        yield "cost", money(receipt.cost_usd)
    if receipt.first_event_s is not None:
        yield "first", f"first {span(receipt.first_event_s)}"
    if receipt.tokens_per_s is not None:
        yield "speed", f"{receipt.tokens_per_s:.0f} tokens/s"
    yield "time", span(seconds)
