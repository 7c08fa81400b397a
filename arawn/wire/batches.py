"""Batch services of providers: what is sent to them and what they say, read alike. Pure; no I/O, no clock.

A style module `arawn.wire.batches_NAME` has

    DIALECTS: tuple[str, ...]                             whose bodies it takes
    MOST_LINES, MOST_BYTES: int                           of one job; what is more becomes several
    upload(lines, target, name) -> Call | None            a file that goes before the job, where one does
    create(lines, target, name, file) -> Call             `file` is the id of what was uploaded
    look(id, target), cancel(id, target) -> Call
    state(reply, target) -> State
    results(value) -> Iterator[Result]                    of one line of an output, or of a whole one

The name is the key (the option `batch` of a provider's row); there is no registry. `FileJobs` is what those
have in common that take a file of requests and give files of results. All take half the price:
platform.openai.com/docs/guides/batch, docs.anthropic.com/en/docs/build-with-claude/batch-processing,
docs.mistral.ai/capabilities/batch, ai.google.dev/gemini-api/docs/batch-api, console.groq.com/docs/batch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from importlib import import_module
from typing import Any, Literal, NamedTuple

from arawn.wire import Call, Target
from arawn.wire.reading import count, table, tables, word

SHARE = 0.5
"""Of the price of the same tokens asked one by one."""
USUAL_BYTES = 60 * 1024 * 1024
"""Services take 200 MB and more; a job of this size still goes through the memory of a small machine."""

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


def created(reply: Any) -> str:
    """The id of a job, or of a file; Google calls it a name."""
    said = table(reply)
    return name_of(said.get("id")) or name_of(said.get("name"))


class FileJobs(NamedTuple):
    """Jobs over files, as OpenAI has them and others after it, with what those call otherwise.

    `path` is where jobs are, below the base URL. `outputs` name the files of results and of errors in what is
    said of a job, `counts` the requests in all, answered and failed.
    """

    path: str
    phases: Mapping[str, Phase]
    outputs: tuple[str, str]
    counts: tuple[str, str, str]

    def endpoint(self, line: Line, target: Target) -> str:
        """The path that OpenAI calls the same work by, wherever the service has it."""
        return "/v1" + line.call.url.removeprefix(root(target)).partition("?")[0]

    def upload(self, lines: Iterable[Mapping[str, Any]], target: Target, name: str) -> Call:
        """The file of requests."""
        return multipart(f"{root(target)}/files", {"purpose": "batch"}, f"{name}.jsonl", jsonl(lines))

    def create(self, body: Mapping[str, Any], target: Target, name: str) -> Call:
        """The job, labelled with our name for it."""
        return Call(f"{root(target)}/{self.path}", {**body, "metadata": {"arawn": name}})

    def look(self, id: str, target: Target) -> Call:
        """How the job stands."""
        return get(f"{root(target)}/{self.path}/{id}")

    def cancel(self, id: str, target: Target) -> Call:
        """End the job."""
        return Call(f"{root(target)}/{self.path}/{id}/cancel", {})

    def state(self, reply: Any, target: Target) -> State:
        """What the service says of a job; counts and errors stand in it, or in a table of their own there."""
        said = table(reply)
        counts, errors = said.get("request_counts", said), said.get("errors")
        total, done, failed = (count(counts, name) for name in self.counts)
        told = [word(error.get("message")) for error in tables(table(errors).get("data", errors))]
        files = [name_of(said.get(name)) for name in self.outputs]
        raw = word(said.get("status"))
        return State(
            phase_of(self.phases, raw),
            raw,
            total,
            done,
            failed,
            "; ".join(error for error in told if error)[:500],
            tuple(get(f"{root(target)}/files/{file}/content") for file in files if file),
        )

    def results(self, value: Any) -> Iterator[Result]:
        """The result in a line."""
        found = _result(value)
        if found is not None:
            yield found


def _result(value: Any) -> Result | None:
    """A line of an output of FileJobs; None for what is none."""
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
