"""OpenAI's batches, which Groq has copied: a file of requests, a job over it, a file of results. Pure.

Source: https://platform.openai.com/docs/api-reference/batch, .../files and .../guides/batch (states, limits,
form of the lines); https://console.groq.com/docs/batch.
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

DIALECTS = ("openai", "openai-responses")
MOST_LINES = 50_000
MOST_BYTES = 60 * 1024 * 1024
"""OpenAI takes 200 MB; a job of this size still goes through the memory of a small machine."""
PHASES: dict[str, Phase] = {
    "validating": "waiting",
    "in_progress": "running",
    "finalizing": "running",
    "cancelling": "cancelling",
    "completed": "ended",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}


def _endpoint(line: Line, target: Target) -> str:
    """The path that OpenAI calls the same work by, wherever the service has it."""
    return "/v1" + line.call.url.removeprefix(root(target)).partition("?")[0]


def upload(lines: Sequence[Line], target: Target, name: str) -> Call | None:
    """The file of requests."""
    data = jsonl(
        {"custom_id": line.id, "method": "POST", "url": _endpoint(line, target), "body": whole(line.call)}
        for line in lines
    )
    return multipart(f"{root(target)}/files", {"purpose": "batch"}, f"{name}.jsonl", data)


def create(lines: Sequence[Line], target: Target, name: str, file: str) -> Call:
    """The job."""
    body = {
        "input_file_id": file,
        "endpoint": _endpoint(lines[0], target),
        "completion_window": "24h",
        "metadata": {"arawn": name},
    }
    return Call(f"{root(target)}/batches", body)


def created(reply: Any) -> str:
    """The id of a job, or of a file."""
    return name_of(table(reply).get("id"))


def look(id: str, target: Target) -> Call:
    """How the job stands."""
    return get(f"{root(target)}/batches/{id}")


def cancel(id: str, target: Target) -> Call:
    """End the job."""
    return Call(f"{root(target)}/batches/{id}/cancel", {})


def state(reply: Any, target: Target) -> State:
    """What the service says of a job."""
    said = table(reply)
    counts = said.get("request_counts")
    files = [name_of(said.get(name)) for name in ("output_file_id", "error_file_id")]
    errors = [word(error.get("message")) for error in tables(table(said.get("errors")).get("data"))]
    raw = word(said.get("status"))
    return State(
        phase_of(PHASES, raw),
        raw,
        count(counts, "total"),
        count(counts, "completed"),
        count(counts, "failed"),
        "; ".join(error for error in errors if error)[:500],
        tuple(get(f"{root(target)}/files/{file}/content") for file in files if file),
    )


def results(value: Any) -> Iterator[Result]:
    """The result in a line."""
    found = openai_result(value)
    if found is not None:
        yield found
