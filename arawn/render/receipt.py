"""A receipt as lines for people; what a service said is filtered by whoever prints them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arawn.record import Json, digest, receipt_out
from arawn.session import Receipt, Turn


def money(cost: float | None) -> str:
    """A cost in USD as people read it; "unknown" where it is not known."""
    if cost is None:
        return "unknown"
    if cost == 0:
        return "$0"
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}" if cost >= 0.0001 else "under $0.0001"


def lines(turn: Turn) -> Iterator[tuple[str, str]]:
    """(what, value) of all that is known of a turn."""
    receipt = turn.receipt
    yield "turn", f"{turn.id} of session {turn.session}" if turn.session else turn.id
    yield (
        "asked",
        f"{receipt.backend} · {receipt.asked}" + (f" ({receipt.provider})" if receipt.provider else ""),
    )
    yield "answered", receipt.model if turn.answer else "nothing came"
    yield "ended", _ended(receipt)
    for number, attempt in enumerate(receipt.attempts, 1):
        status = f"status {attempt.status}" if attempt.status else "no status"
        waited = f", waited {attempt.waited_s:.1f} s before" if attempt.waited_s >= 0.05 else ""
        first = f", first {attempt.first_event_s:.2f} s" if attempt.first_event_s is not None else ""
        yield (
            f"attempt {number}",
            f"{attempt.backend} · {attempt.model}: {status}, {attempt.error or 'ok'}{waited}{first}, "
            f"{attempt.total_s:.2f} s",
        )
    yield "time", _times(receipt)
    yield "tokens", _tokens(receipt)
    dated = f" (prices of {receipt.prices})" if receipt.prices and receipt.cost_usd is not None else ""
    yield "cost", money(receipt.cost_usd) + dated
    if receipt.settings:
        yield "settings", ", ".join(f"{key} {value}" for key, value in receipt.settings.items())
    for file in turn.files:
        yield (
            "file",
            f"{file.name or file.kind}, {file.media_type}, {len(file.data):,} bytes, {digest(file.data)}",
        )
    if receipt.left_out:
        yield "left out", f"messages of the session that were not sent: {receipt.left_out}"
    for seam in receipt.seams:
        yield "seam", f"from character {seam.at:,} on {seam.backend} · {seam.model} went on"


def aligned(turn: Turn) -> Iterator[str]:
    """The same as lines of text, the values one below the other."""
    found = list(lines(turn))
    width = max(len(what) for what, _ in found)
    return (f"{what:<{width}}  {value}" for what, value in found)


def document(turn: Turn) -> Json:
    """The same as one JSON value: the receipt, its times, and its files by their SHA-256."""
    receipt = turn.receipt
    made: Json = {
        "version": 1,
        "turn": turn.id,
        "session": turn.session or None,
        "at": turn.at,
        **{key: None for key in ("error", "told", "cost_usd", "prices", "estimate")},
        **receipt_out(receipt),
        "usage": receipt.usage._asdict(),
        "first_event_s": _rounded(receipt.first_event_s),
        "total_s": _rounded(receipt.total_s),
        "tokens_per_s": _rounded(receipt.tokens_per_s),
        "left_out": receipt.left_out,
    }
    made["files"] = [
        {
            "name": file.name,
            "media_type": file.media_type,
            "bytes": len(file.data),
            "sha256": digest(file.data),
        }
        for file in turn.files
    ]
    return made


def _rounded(value: float | None) -> Any:
    return None if value is None else round(value, 4)


def _ended(receipt: Receipt) -> str:
    raw = receipt.finish_raw if receipt.finish_raw != receipt.finish else ""
    words = receipt.finish + (f" ({raw})" if raw else "")
    return f"{words}: {receipt.told}" if receipt.told else words


def _times(receipt: Receipt) -> str:
    if not receipt.attempts:
        return "unknown: it ended before it could be measured"
    first = receipt.first_event_s
    words = [f"{receipt.total_s:.2f} s"]
    if first is not None:
        words.insert(0, f"first token {first:.2f} s")
    if receipt.tokens_per_s is not None:
        words.append(f"{receipt.tokens_per_s:.0f} tokens/s")
    return ", ".join(words)


def _tokens(receipt: Receipt) -> str:
    usage = receipt.usage
    words = []
    for count, what in (
        (usage.input, "in"), (usage.cached, "of them cached"), (usage.output, "out"),
        (usage.reasoning, "of them reasoning"),
    ):  # fmt: skip
        if count is not None:
            words.append(f"{count:,} {what}")
    if receipt.estimate:
        words.append(f"{receipt.estimate:,} in were estimated")
    return ", ".join(words) or "the service did not say"
