"""Google's batchGenerateContent: requests inside the job, answers inside the operation or in a file. Pure.

Source: https://ai.google.dev/api/batch-api and https://ai.google.dev/gemini-api/docs/batch-api.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from arawn.wire import Call, Target
from arawn.wire.batches import Line, Phase, Result, State, get, name_of, phase_of, root, whole
from arawn.wire.reading import count, table, tables, word

DIALECTS = ("gemini",)
MOST_LINES = 50_000
MOST_BYTES = 18 * 1024 * 1024
"""Requests inside a job may have 20 MB together."""
PHASES: dict[str, Phase] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "ended",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}


def upload(lines: Sequence[Line], target: Target, name: str) -> Call | None:
    """Nothing goes before the job."""
    return None


def create(lines: Sequence[Line], target: Target, name: str, file: str) -> Call:
    """The job with its requests."""
    model = target.model if "/" in target.model else f"models/{target.model}"
    requests = [{"request": whole(line.call), "metadata": {"key": line.id}} for line in lines]
    batch = {"display_name": name, "input_config": {"requests": {"requests": requests}}}
    return Call(f"{root(target)}/{model}:batchGenerateContent", {"batch": batch})


def look(id: str, target: Target) -> Call:
    """How the job stands."""
    return get(f"{root(target)}/{id}")


def cancel(id: str, target: Target) -> Call:
    """End the job."""
    return Call(f"{root(target)}/{id}:cancel", {})


def state(reply: Any, target: Target) -> State:
    """What the service says of a job."""
    said = table(reply)
    about = table(said.get("metadata"))
    raw = word(about.get("state")) or word(said.get("state"))
    stats = {key: _number(value) for key, value in table(about.get("batchStats")).items()}
    answer = table(said.get("response")) or table(about.get("output"))
    inline = table(answer.get("inlinedResponses"))
    file = name_of(answer.get("responsesFile"))
    phase = phase_of(PHASES, raw.removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_"))
    if said.get("error"):
        phase = "failed"
    return State(
        phase,
        raw,
        count(stats, "requestCount"),
        count(stats, "successfulRequestCount"),
        count(stats, "failedRequestCount"),
        word(table(said.get("error")).get("message"))[:500],
        (get(_download(target, file)),) if file else (),
        tuple(found for one in tables(inline.get("inlinedResponses")) for found in results(one)),
    )


def _number(value: Any) -> Any:
    """Counts come as texts, as all 64-bit numbers do there."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 16 else value


def _download(target: Target, file: str) -> str:
    head, _, version = root(target).rpartition("/")
    return f"{head}/download/{version}/{file}:download?alt=media"


def results(value: Any) -> Iterator[Result]:
    """The result in a line of a file, or in one element of the answers inside the operation."""
    line = table(value)
    id = word(line.get("key")) or word(table(line.get("metadata")).get("key"))
    body, error = line.get("response"), line.get("error")
    if not id:
        return
    if isinstance(body, dict) and not error:
        yield Result(id, body)
    else:
        yield Result(id, None, 0, error or "no answer and no reason")
