"""Anthropic's message batches: all requests in one body, results as JSON lines. Pure.

Source: https://docs.anthropic.com/en/api/creating-message-batches, .../retrieving-message-batches,
.../retrieving-message-batch-results and .../canceling-message-batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from arawn.wire import Call, Target
from arawn.wire.batches import (
    USUAL_BYTES,
    Line,
    Phase,
    Result,
    State,
    get,
    name_of,
    phase_of,
    root,
    whole,
)
from arawn.wire.reading import count, table, word

DIALECTS = ("anthropic",)
MOST_LINES, MOST_BYTES = 100_000, USUAL_BYTES
PHASES: dict[str, Phase] = {"in_progress": "running", "canceling": "cancelling", "ended": "ended"}
ENDED = {"expired": "expired", "canceled": "cancelled"}


def _base(target: Target) -> str:
    base = root(target).removesuffix("/messages").removesuffix("/v1")
    return f"{base}/v1/messages/batches"


def upload(lines: Sequence[Line], target: Target, name: str) -> Call | None:
    """Nothing goes before the job."""
    return None


def create(lines: Sequence[Line], target: Target, name: str, file: str) -> Call:
    """The job with its requests."""
    return Call(
        _base(target), {"requests": [{"custom_id": line.id, "params": whole(line.call)} for line in lines]}
    )


def look(id: str, target: Target) -> Call:
    """How the job stands."""
    return get(f"{_base(target)}/{id}")


def cancel(id: str, target: Target) -> Call:
    """End the job."""
    return Call(f"{_base(target)}/{id}/cancel", {})


def state(reply: Any, target: Target) -> State:
    """What the service says of a job. Its `results_url` is not followed: the place is known."""
    said = table(reply)
    counts = table(said.get("request_counts"))
    figures = {
        name: count(counts, name) for name in ("processing", "succeeded", "errored", "canceled", "expired")
    }
    known = [figure for figure in figures.values() if figure is not None]
    raw = word(said.get("processing_status"))
    phase = phase_of(PHASES, raw)
    output = get(f"{_base(target)}/{name_of(said.get('id'))}/results")
    failed = [figures[name] or 0 for name in ("errored", "canceled", "expired")]
    return State(
        phase,
        raw,
        sum(known) if known else None,
        figures["succeeded"],
        sum(failed) if known else None,
        outputs=(output,) if phase == "ended" else (),
    )


def results(value: Any) -> Iterator[Result]:
    """The result in a line."""
    line = table(value)
    id, result = word(line.get("custom_id")), table(line.get("result"))
    kind, message = word(result.get("type")), result.get("message")
    if not id:
        return
    if kind == "succeeded" and isinstance(message, dict):
        yield Result(id, message)
    elif kind in ENDED:
        yield Result(id, None, 0, None, ENDED[kind])
    else:
        yield Result(id, None, 0, result.get("error") or "no answer and no reason")
