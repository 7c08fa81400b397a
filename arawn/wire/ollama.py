"""Ollama's own /api/chat (and what /api/generate replies), streamed or whole; pure, it knows no provider.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md. Unlike its /v1 copy of OpenAI's API this one
takes `num_ctx`, without which a long prompt is cut in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from arawn.events import Event, Finish, Notice, Progress, Usage
from arawn.messages import FilePart, Message, Request, ToolCallPart, ToolResultPart
from arawn.wire import Call, Target
from arawn.wire.calls import Calls, as_object, functions
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame
from arawn.wire.reading import Speech, count, objects, reason, table, tables, torn, word

RUNNING = "/api/ps"
"""Where the server lists the models that it holds in memory."""
MEDIA = frozenset({"image"})
LEAST_CONTEXT = 4096
ANSWER_ROOM = 1024
"""Tokens kept for the answer where max_tokens is not said."""


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request; `num_ctx` is sized so that prompt and answer fit."""
    messages = [made for message in request.messages for made in _message(message)]
    if request.system:
        messages.insert(0, {"role": "system", "content": request.system})
    options: dict[str, Any] = {"num_ctx": _num_ctx(request, messages, target)}
    if request.max_tokens is not None:
        options["num_predict"] = request.max_tokens
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.top_p is not None:
        options["top_p"] = request.top_p
    if request.stop:
        options["stop"] = list(request.stop)
    body: dict[str, Any] = {"model": target.model, "messages": messages, "stream": request.stream}
    if request.tools:
        body["tools"] = functions(request.tools)
    if request.format is not None:
        body["format"] = "json" if request.format.schema is None else dict(request.format.schema)
    if request.reasoning is not None:
        body["think"] = _think(request.reasoning, target)
    if target.options.get("keep_alive") is not None:
        body["keep_alive"] = target.options["keep_alive"]
    extra = dict(request.extra)
    said = table(extra.pop("options", None))
    body |= extra
    body["options"] = {**options, **said}
    memo = {"sent_num_ctx": body["options"].get("num_ctx"), "estimate": estimate(messages)}
    return Call(address(target.base_url, "/api/chat"), body, memo=memo)


def address(base: str, path: str) -> str:
    """`path` at the server of `base`, which people also give with /v1 or /api behind it."""
    base = base.rstrip("/")
    for ending in ("/api/chat", "/api", "/v1"):
        base = base.removesuffix(ending)
    return base + path


def _think(effort: str | int, target: Target) -> bool | str:
    """On or off, or for a model that has levels (`think_levels`) the level."""
    if effort in ("off", 0):
        return False
    if isinstance(effort, str) and target.model.startswith(tuple(target.options.get("think_levels", ()))):
        return effort
    return True


def _num_ctx(request: Request, messages: list[dict[str, Any]], target: Target) -> int:
    """The user's own `num_ctx`, else the next power of two that holds prompt and answer, up to `context`."""
    said = target.options.get("num_ctx")
    if said:
        return int(said)
    size = LEAST_CONTEXT
    while size < estimate(messages) + (request.max_tokens or ANSWER_ROOM):
        size *= 2
    limit = target.options.get("context")
    return min(size, int(limit)) if limit else size


def estimate(messages: list[dict[str, Any]]) -> int:
    """Tokens of the prompt, guessed high: a token for every three bytes of UTF-8."""
    return sum(
        len(str(message.get("content") or "").encode("utf-8", "replace")) // 3 + 8 for message in messages
    )


def _message(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            {"role": "tool", "tool_name": part.name, "content": part.content}
            for part in message.parts
            if isinstance(part, ToolResultPart)
        ]
    made: dict[str, Any] = {
        "role": message.role,
        "content": message.text,
    }
    images = [part.base64 for part in message.parts if isinstance(part, FilePart)]
    if images:
        made["images"] = images
    calls = [
        {"function": {"name": part.name, "arguments": as_object(part.arguments)}}
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if calls:
        made["tool_calls"] = calls
    return [made]


class _Reply:
    """What is known of a reply so far."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.speech = Speech()
        self.last: Mapping[str, Any] = {}
        self.model = ""
        self.usage = Usage()


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event]:
    """The events of a reply, streamed or whole.

    Raises the service's own error where one stands in the stream, Cut where no object said `done`.
    """
    reply = _Reply()
    for _, data in objects(frames):
        if data.get("error"):
            raise from_payload(data, target)
        yield from _object_events(data, reply)
        if data.get("done"):
            reply.last = data
            break
    yield from reply.speech.flush()
    if not reply.last:
        raise torn(target)
    calls = reply.calls.done()
    yield from calls
    yield from _end(reply.last, target)
    raw = word(reply.last.get("done_reason"))
    yield Finish(reason(raw, bool(calls)), raw, reply.model)


def _object_events(data: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    reply.model = word(data.get("model")) or reply.model
    message = table(data.get("message"))
    yield from reply.speech.thought(message.get("thinking") or data.get("thinking"))
    yield from reply.speech.text(message.get("content") or data.get("response"))
    for call in tables(message.get("tool_calls")):
        function = call.get("function")
        if isinstance(function, dict):
            # every object is a whole call: `index` repeats from 0 in each chunk of some versions
            number = ("call", len(reply.calls))
            name = reply.calls.add(number, call.get("id"), function.get("name"), function.get("arguments"))
            yield Progress(f"wrote a call of {name}")


def _end(last: Mapping[str, Any], target: Target) -> Iterator[Event]:
    sent, made = count(last, "prompt_eval_count"), count(last, "eval_count")
    window, expected = target.options.get("sent_num_ctx"), target.options.get("estimate", 0)
    if sent is not None and window and (sent >= int(window) - 1 or expected > int(window) >= sent):
        yield Notice(
            f"the prompt filled the context of {window} tokens and was probably cut: "
            f"raise num_ctx or context under [backends.{target.backend}]",
            warning=True,
        )
    if sent is not None or made is not None:
        yield Usage(sent, made)


def pull(name: str, target: Target) -> Call:
    """The HTTP call that fetches a model; its reply are lines with a status, and bytes of each part."""
    return Call(address(target.base_url, "/api/pull"), {"model": name, "stream": True})


def describe(target: Target) -> Call:
    """The HTTP call that asks for all that is known of the model."""
    return Call(address(target.base_url, "/api/show"), {"model": target.model})


def described(payload: Any) -> dict[str, Any]:
    """The facts in the reply to `describe`: window, abilities, and what the file is."""
    from arawn.wire.listing import about_file

    said = {key: value for key, value in about_file(table(payload)).items() if value is not None}
    for key, value in table(table(payload).get("model_info")).items():
        if key.endswith(".context_length") and count({"n": value}, "n"):
            said["context"] = value
    able = table(payload).get("capabilities")
    if isinstance(able, list):
        names = {"vision": "vision", "tools": "tools", "reasoning": "thinking", "embedding": "embedding"}
        said |= {fact: word in able for fact, word in names.items()}
    return said


def is_loaded(running: Any, model: str) -> bool:
    """Whether the reply of RUNNING names `model`; without a tag the service means `latest`."""
    wanted = model if ":" in model.rpartition("/")[2] else f"{model}:latest"
    listed = tables(table(running).get("models"))
    return any(wanted in (entry.get("name"), entry.get("model")) for entry in listed)


def embed(
    texts: Sequence[str], target: Target, *, purpose: str | None = None, dimensions: int | None = None
) -> Call:
    """The HTTP call that asks for the vectors of `texts`; Ollama knows no purpose."""
    body: dict[str, Any] = {"model": target.model, "input": list(texts)}
    if dimensions is not None:
        body["dimensions"] = dimensions
    if target.options.get("keep_alive") is not None:
        body["keep_alive"] = target.options["keep_alive"]
    return Call(address(target.base_url, "/api/embed"), body)


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
