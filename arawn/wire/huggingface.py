"""Hugging Face's older text generation, as its inference API and its servers speak it; pure.

Source: https://huggingface.co/docs/text-generation-inference/reference/api_reference and
https://huggingface.co/docs/inference-providers/tasks/feature-extraction. Its router speaks OpenAI's
chat completions instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from arawn.events import Event, Finish, Usage
from arawn.messages import Request
from arawn.wire import Call, Target
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame, parse
from arawn.wire.openai_write import sampling
from arawn.wire.reading import Speech, count, reason, table, torn, word
from arawn.wire.transcript import transcript

MEDIA: frozenset[str] = frozenset()
TEXTS = ("generated_text", "summary_text", "translation_text", "answer", "text")
"""Under these names the tasks of the API give their text."""


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request: to the model below a `/models` base, else to the base itself."""
    parameters: dict[str, Any] = {"return_full_text": False, **sampling(request, "max_new_tokens")}
    if request.stop:
        parameters["stop"] = list(request.stop)
    extra = dict(request.extra)
    parameters |= table(extra.pop("parameters", None))
    body = {"inputs": transcript(request), "parameters": parameters, "stream": request.stream, **extra}
    base = target.base_url.rstrip("/")
    return Call(f"{base}/{target.model}" if base.endswith("/models") else base, body)


class _Reply:
    def __init__(self) -> None:
        self.speech = Speech()
        self.raw = ""
        self.ended = False
        self.usage: Usage | None = None


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event]:
    """The events of a reply. Raises the service's own error, or Cut where a stream has no last event."""
    reply = _Reply()
    for frame in frames:
        if frame.data.startswith("[DONE]") or not frame.data.strip():
            continue
        data = parse(frame)
        for item in data if isinstance(data, list) else [data]:
            if not isinstance(item, Mapping):
                continue
            if item.get("error"):
                raise from_payload(item, target)
            yield from _token(item, reply) if "token" in item else _whole(item, reply)
        if reply.ended:
            break
    yield from reply.speech.flush()
    if not reply.ended:
        raise torn(target)
    if reply.usage is not None:
        yield reply.usage
    yield Finish(reason(reply.raw, False), reply.raw)


def _token(item: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    token = table(item.get("token"))
    if not token.get("special"):
        yield from reply.speech.text(token.get("text"))
    if isinstance(item.get("generated_text"), str):
        reply.ended = True
    _details(item, reply)


def _whole(item: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    for name in TEXTS:
        if isinstance(item.get(name), str):
            yield from reply.speech.text(item[name])
            reply.ended = True
            break
    _details(item, reply)


def _details(item: Mapping[str, Any], reply: _Reply) -> None:
    details = table(item.get("details"))
    if details:
        reply.raw = word(details.get("finish_reason")) or reply.raw
        made = count(details, "generated_tokens")
        sent = count(details, "prefill_tokens") or count(details, "input_length")
        if made is not None:
            reply.usage = Usage(sent, made)


def embed(
    texts: Sequence[str], target: Target, *, purpose: str | None = None, dimensions: int | None = None
) -> Call:
    """The HTTP call that asks for the vectors of `texts`: of the router's own inference, or of a server.

    There is no word for a purpose.
    """
    body: dict[str, Any] = {"inputs": list(texts)}
    if dimensions is not None:
        body["dimensions"] = dimensions
    base = target.base_url.rstrip("/")
    if base.endswith("/v1"):
        base = f"{base.removesuffix('/v1')}/hf-inference/models/{target.model}/pipeline/feature-extraction"
    return Call(base, body)


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
