"""Mistral's batch jobs: files as OpenAI has them, a job with one model for all. Pure.

Source: https://docs.mistral.ai/capabilities/batch/ and https://docs.mistral.ai/api/ (batch/jobs, files).
"""

from __future__ import annotations

from collections.abc import Sequence

from arawn.wire import Call, Target
from arawn.wire.batches import USUAL_BYTES, FileJobs, Line, whole

DIALECTS = ("openai",)
MOST_LINES, MOST_BYTES = 100_000, USUAL_BYTES
JOBS = FileJobs(
    "batch/jobs",
    {
        "QUEUED": "waiting",
        "RUNNING": "running",
        "CANCELLATION_REQUESTED": "cancelling",
        "SUCCESS": "ended",
        "FAILED": "failed",
        "TIMEOUT_EXCEEDED": "expired",
        "CANCELLED": "cancelled",
    },
    outputs=("output_file", "error_file"),
    counts=("total_requests", "succeeded_requests", "failed_requests"),
)
look, cancel, state, results = JOBS.look, JOBS.cancel, JOBS.state, JOBS.results


def upload(lines: Sequence[Line], target: Target, name: str) -> Call:
    """The file of requests; the model stands in the job."""
    bodies = ((line.id, whole(line.call)) for line in lines)
    written = (
        {"custom_id": id, "body": {key: value for key, value in body.items() if key != "model"}}
        for id, body in bodies
    )
    return JOBS.upload(written, target, name)


def create(lines: Sequence[Line], target: Target, name: str, file: str) -> Call:
    """The job."""
    endpoint = JOBS.endpoint(lines[0], target)
    return JOBS.create({"input_files": [file], "model": target.model, "endpoint": endpoint}, target, name)
