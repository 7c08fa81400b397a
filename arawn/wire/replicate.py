"""Replicate's predictions: made, then followed as a stream or asked after; pure, it knows no provider.

Source: https://replicate.com/docs/reference/http and .../docs/topics/predictions/streaming. A model takes
what inputs its maker named; those of the language models are `prompt`, `system_prompt`, `max_tokens`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arawn.errors import Cut, Overloaded, ServiceFault
from arawn.events import Event, Finish, Progress, Usage
from arawn.messages import FilePart, Request
from arawn.wire import Call, Next, Target
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame, loads, parse
from arawn.wire.openai_write import sampling
from arawn.wire.reading import Speech, count, reason, table, torn, word
from arawn.wire.transcript import transcript

MEDIA = frozenset({"image"})
POLL_S = 0.5
STREAM_HEADERS = {"accept": "text/event-stream", "cache-control": "no-store"}
WAITING = ("starting", "processing", "queued")


def write(request: Request, target: Target) -> Call:
    """The HTTP call that makes a prediction: by model, or by version where one is named behind a colon."""
    given: dict[str, Any] = {"prompt": transcript(request, system=False)}
    if request.system:
        given["system_prompt"] = request.system
    given |= sampling(request, str(target.options.get("max_tokens_field", "max_tokens")))
    if request.stop:
        given["stop_sequences"] = ",".join(request.stop)
    images = [
        f"data:{part.media_type};base64,{part.base64}"
        for message in request.messages
        for part in message.parts
        if isinstance(part, FilePart)
    ]
    if images:
        given[str(target.options.get("image_field", "image"))] = images[-1]
    notices = (f"{target.label} takes one image: the last one is sent",) if len(images) > 1 else ()
    if request.reasoning is not None:
        given["reasoning_effort"] = str(request.reasoning)
    extra = dict(request.extra)
    body = {"input": {**given, **table(extra.pop("input", None))}, "stream": request.stream, **extra}
    owner, colon, version = target.model.partition(":")
    base = target.base_url.rstrip("/")
    if colon or "/" not in owner:
        return Call(f"{base}/predictions", {**body, "version": version or owner}, notices=notices)
    return Call(f"{base}/models/{owner}/predictions", body, notices=notices)


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event | Next]:
    """The events of one reply: a prediction as it stands, or its stream.

    A prediction that is still at work ends in a Next: its stream, or itself again a little later. Raises
    the service's own error, Cut where a stream ends without saying so.
    """
    reply = _Reply()
    for frame in frames:
        match frame.event:
            case "output":
                yield from reply.speech.text(frame.data)
            case "error":
                raise _failed(_json(frame.data), target)
            case "done":
                reply.raw = word(table(_json(frame.data)).get("reason")) or "done"
                break
            case "logs" if frame.data.strip():
                yield Progress("working")
            case "" | "message" if frame.data.strip():
                prediction = table(parse(frame))
                following = _following(prediction, target)
                if following is not None:
                    yield following  # first, so that the work can be ended from here on
                    yield Progress(str(prediction.get("status")))
                    return
                yield from _ended(prediction, reply, target)
    yield from reply.speech.flush()
    yield from _end(reply, target)


class _Reply:
    """What is known of a reply so far."""

    def __init__(self) -> None:
        self.speech = Speech()
        self.raw = ""
        self.model = ""
        self.usage: Usage | None = None


def _ended(prediction: Mapping[str, Any], reply: _Reply, target: Target) -> Iterator[Event]:
    """What a prediction that is at its end gave. Raises what it failed with."""
    status = prediction.get("status")
    if status in ("failed", "aborted"):
        raise _failed({"error": prediction.get("error") or status}, target)
    if not isinstance(status, str) and {"detail", "error", "title"} & prediction.keys():
        raise _failed(prediction, target)
    reply.raw = word(status)
    reply.model = word(prediction.get("model"))
    yield from reply.speech.text(_output(prediction.get("output")))
    metrics = table(prediction.get("metrics"))
    sent, made = count(metrics, "input_token_count"), count(metrics, "output_token_count")
    if sent is not None or made is not None:
        reply.usage = Usage(sent, made)


def _end(reply: _Reply, target: Target) -> Iterator[Event]:
    if reply.raw == "canceled":
        raise Cut(f'The prediction of backend "{target.backend}" was canceled', retryable=False)
    if reply.raw == "error":
        raise Overloaded(f'Backend "{target.backend}" failed while answering', detail=reply.raw)
    if not reply.raw:
        raise torn(target)
    if reply.usage is not None:
        yield reply.usage
    yield Finish(reason(reply.raw, False), reply.raw, reply.model)


def _following(prediction: Mapping[str, Any], target: Target) -> Next | None:
    """Where a prediction that is still at work goes on."""
    if prediction.get("status") not in WAITING:
        return None
    urls = table(prediction.get("urls"))
    cancel, stream, get = word(urls.get("cancel")), word(urls.get("stream")), word(urls.get("get"))
    stop = Call(cancel, {}) if cancel else None
    if stream and not target.options.get("followed"):
        return Next(Call(stream, {}, STREAM_HEADERS, "GET", {"followed": True}), stop)
    if not get:
        from urllib.parse import quote

        name = quote(word(prediction.get("id")), safe="")
        if not name:
            raise torn(target)
        get = f"{target.base_url.rstrip('/')}/predictions/{name}"
    pause = float(target.options.get("poll_s", POLL_S))
    return Next(Call(get, {}, method="GET", memo={"followed": True}), stop, pause)


def _failed(said: Any, target: Target) -> ServiceFault:
    """A failed prediction, or a problem of the API itself: a status of its own tells them apart."""
    fault = from_payload(said, target)
    if fault.status is None and fault.code == "refused":
        return Overloaded(f'Backend "{target.backend}" failed while answering', detail=fault.detail)
    return fault


def _output(output: Any) -> str:
    """A text, a list of pieces, or what else a model gives, as text."""
    if isinstance(output, str):
        return output
    if isinstance(output, list) and all(isinstance(piece, str) for piece in output):
        return "".join(output)
    return "" if output is None else json.dumps(output, ensure_ascii=False)


def _json(text: str) -> Any:
    try:
        return loads(text)
    except (ValueError, RecursionError):
        return text


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
