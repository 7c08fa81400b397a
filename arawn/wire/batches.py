"""Batch services of providers: what is sent to them and what they say, read alike. Pure; no I/O, no clock.

A style module `arawn.wire.batches_NAME` has

    DIALECTS: tuple[str, ...]                             whose bodies it takes
    MOST_LINES, MOST_BYTES: int                           of one job; what is more becomes several
    upload(lines, target, name) -> Call | None            a file that goes before the job, where one does
    create(lines, target, name, file) -> Call             `file` is the id of what was uploaded
    created(reply) -> str                                 the job's id
    look(id, target), cancel(id, target) -> Call
    state(reply, target) -> State
    results(value) -> Iterator[Result]                    of one line of an output, or of a whole one

The name is the key (the option `batch` of a provider's row); there is no registry. All take half the price:
platform.openai.com/docs/guides/batch, docs.anthropic.com/en/docs/build-with-claude/batch-processing,
docs.mistral.ai/capabilities/batch, ai.google.dev/gemini-api/docs/batch-api, console.groq.com/docs/batch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from importlib import import_module
from typing import Any, Literal, NamedTuple

from arawn.wire import Call, Target
from arawn.wire.reading import table, word

SHARE = 0.5
"""Of the price of the same tokens asked one by one."""

Phase = Literal["waiting", "running", "cancelling", "ended", "failed", "expired", "cancelled"]
NAME = re.compile(r"[\w.-]+(/[\w.-]+)*", re.A)
OVER: tuple[Phase, ...] = ("ended", "failed", "expired", "cancelled")


class Line(NamedTuple):
    """A request of a job: our id for it, and the call that would ask it alone."""

    id: str
    call: Call


class Result(NamedTuple):
    """What became of a request: a reply in the dialect's form, or `error` as the service has it.

    `status` is an HTTP status, 0 where none is told; `ended` says that it was not asked: expired, cancelled.
    """

    id: str
    body: Mapping[str, Any] | None
    status: int = 200
    error: Any = None
    ended: str = ""


class State(NamedTuple):
    """How a job stands. Counts are None where they are not told; `said` is what went wrong with all of it.

    `outputs` are calls for the results, `inline` results that came along.
    """

    phase: Phase
    raw: str = ""
    total: int | None = None
    done: int | None = None
    failed: int | None = None
    said: str = ""
    outputs: tuple[Call, ...] = ()
    inline: tuple[Result, ...] = ()


def style(name: str) -> Any:
    """The module of a style."""
    return import_module("arawn.wire.batches_" + name)


def get(url: str) -> Call:
    """A call that only looks."""
    return Call(url, {}, method="GET")


def multipart(url: str, fields: Mapping[str, str], name: str, data: bytes) -> Call:
    """A file and fields as a form (RFC 7578)."""
    mark = "arawn-" + blake2b(data, digest_size=12).hexdigest()
    parts = [
        f'--{mark}\r\ncontent-disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{mark}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n'
    parts.append(head.encode() + b"content-type: application/jsonl\r\n\r\n" + data + b"\r\n")
    content = b"".join([*parts, f"--{mark}--\r\n".encode()])
    return Call(url, {}, {"content-type": f"multipart/form-data; boundary={mark}"}, content=content)


def jsonl(values: Iterable[Mapping[str, Any]]) -> bytes:
    """One JSON object a line."""
    lines = [json.dumps(value, ensure_ascii=False) for value in values]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def whole(call: Call) -> dict[str, Any]:
    """The body of a call without what a batch has no use for."""
    return {name: value for name, value in call.body.items() if name not in ("stream", "stream_options")}


def name_of(value: Any) -> str:
    """An id or a name of the service as it may stand in a path; "" for what may not."""
    said = word(value)
    return said if NAME.fullmatch(said) and ".." not in said else ""


def root(target: Target) -> str:
    """The base URL up to its version: `https://api.openai.com/v1`."""
    return target.base_url.rstrip("/")


def phase_of(words: Mapping[str, Phase], raw: str) -> Phase:
    """What a service's word for a state means; one that is unknown is taken for work going on."""
    return words.get(raw, "running")


def openai_result(value: Any) -> Result | None:
    """A line of an output as OpenAI, Groq and Mistral write it; None for what is none."""
    line = table(value)
    id, response, error = word(line.get("custom_id")), table(line.get("response")), line.get("error")
    if not id:
        return None
    status = response.get("status_code")
    status = status if isinstance(status, int) else 0
    body = response.get("body")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            body = None
    if isinstance(body, Mapping) and not error and (not status or 200 <= status < 300):
        return Result(id, body, status or 200)
    if word(table(error).get("code")) in ("batch_expired", "batch_cancelled"):
        return Result(id, None, 0, error, word(table(error).get("code")).removeprefix("batch_"))
    return Result(id, None, status, error or body or "no answer and no reason")
