"""Mistral's batch jobs: files as OpenAI has them, a job with one model for all. Pure.

Source: https://docs.mistral.ai/capabilities/batch/ and https://docs.mistral.ai/api/ (batch/jobs, files).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from arawn.wire import Call, Target
from arawn.wire.batches import (
    Line,
    Phase,
    Result,
    State,
    get,
    jsonl,
    multipart,
    name_of,
    openai_result,
    phase_of,
    root,
    whole,
)
from arawn.wire.reading import count, table, tables, word

DIALECTS = ("openai",)
MOST_LINES = 100_000
MOST_BYTES = 60 * 1024 * 1024
PHASES: dict[str, Phase] = {
    "QUEUED": "waiting",
    "RUNNING": "running",
    "CANCELLATION_REQUESTED": "cancelling",
    "SUCCESS": "ended",
    "FAILED": "failed",
    "TIMEOUT_EXCEEDED": "expired",
    "CANCELLED": "cancelled",
}


def upload(lines: Sequence[Line], target: Target, name: str) -> Call | None:
    """The file of requests; the model stands in the job."""
    bodies = [(line.id, whole(line.call)) for line in lines]
    data = jsonl(
        {"custom_id": id, "body": {key: value for key, value in body.items() if key != "model"}}
        for id, body in bodies
    )
    return multipart(f"{root(target)}/files", {"purpose": "batch"}, f"{name}.jsonl", data)


def create(lines: Sequence[Line], target: Target, name: str, file: str) -> Call:
    """The job."""
    body = {
        "input_files": [file],
        "model": target.model,
        "endpoint": "/v1" + lines[0].call.url.removeprefix(root(target)).partition("?")[0],
        "metadata": {"arawn": name},
    }
    return Call(f"{root(target)}/batch/jobs", body)


def created(reply: Any) -> str:
    """The id of a job, or of a file."""
    return name_of(table(reply).get("id"))


def look(id: str, target: Target) -> Call:
    """How the job stands."""
    return get(f"{root(target)}/batch/jobs/{id}")


def cancel(id: str, target: Target) -> Call:
    """End the job."""
    return Call(f"{root(target)}/batch/jobs/{id}/cancel", {})


def state(reply: Any, target: Target) -> State:
    """What the service says of a job."""
    said = table(reply)
    files = [name_of(said.get(name)) for name in ("output_file", "error_file")]
    errors = [word(error.get("message")) for error in tables(said.get("errors"))]
    raw = word(said.get("status"))
    return State(
        phase_of(PHASES, raw),
        raw,
        count(said, "total_requests"),
        count(said, "succeeded_requests"),
        count(said, "failed_requests"),
        "; ".join(error for error in errors if error)[:500],
        tuple(get(f"{root(target)}/files/{file}/content") for file in files if file),
    )


def results(value: Any) -> Iterator[Result]:
    """The result in a line."""
    found = openai_result(value)
    if found is not None:
        yield found
