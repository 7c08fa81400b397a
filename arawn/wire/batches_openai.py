"""OpenAI's batches, which Groq has copied: a file of requests, a job over it, a file of results. Pure.

Source: https://platform.openai.com/docs/api-reference/batch, .../files and .../guides/batch (states, limits,
form of the lines); https://console.groq.com/docs/batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from arawn.wire import Call, Target
from arawn.wire.batches import USUAL_BYTES, FileJobs, Line, whole

DIALECTS = ("openai", "openai-responses")
MOST_LINES, MOST_BYTES = 50_000, USUAL_BYTES
JOBS = FileJobs(
    "batches",
    {
        "validating": "waiting",
        "in_progress": "running",
        "finalizing": "running",
        "cancelling": "cancelling",
        "completed": "ended",
        "failed": "failed",
        "expired": "expired",
        "cancelled": "cancelled",
    },
    outputs=("output_file_id", "error_file_id"),
    counts=("total", "completed", "failed"),
)
look, cancel, state, results = JOBS.look, JOBS.cancel, JOBS.state, JOBS.results


def upload(lines: Sequence[Line], target: Target, name: str) -> Call:
    """The file of requests, each with where it would go alone."""
    written = (
        {
            "custom_id": line.id,
            "method": "POST",
            "url": JOBS.endpoint(line, target),
            "body": whole(line.call),
        }
        for line in lines
    )
    return JOBS.upload(written, target, name)


def create(lines: Sequence[Line], target: Target, name: str, file: str) -> Call:
    """The job."""
    endpoint = JOBS.endpoint(lines[0], target)
    body = {"input_file_id": file, "endpoint": endpoint, "completion_window": "24h"}
    return JOBS.create(body, target, name)
