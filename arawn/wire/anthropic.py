"""Anthropic's messages, streamed or whole; pure, it knows no provider.

Source: https://docs.anthropic.com/en/api/messages and .../messages-streaming.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arawn.errors import Cut
from arawn.events import Event, Finish, Reasoning, Text, ToolCall, Usage
from arawn.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from arawn.wire import Call, Target
from arawn.wire.calls import as_object, reason
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame, Surrogates, parse

MEDIA = frozenset({"image", "pdf"})
MAX_TOKENS = 4096
"""Sent where nothing is said, because the service demands a number."""


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request. Opaque reasoning goes back only to the backend and model it came from."""
    body: dict[str, Any] = {
        "model": target.model,
        "max_tokens": request.max_tokens or MAX_TOKENS,
        "messages": [made for message in request.messages if (made := _message(message, target))["content"]],
        "stream": request.stream,
    }
    if request.system:
        body["system"] = request.system
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
    body |= request.extra
    base = target.base_url.rstrip("/").removesuffix("/messages").removesuffix("/v1")
    return Call(base + "/v1/messages", body)


def _message(message: Message, target: Target) -> dict[str, Any]:
    role = "assistant" if message.role == "assistant" else "user"
    blocks = [block for part in message.parts if (block := _block(part, target)) is not None]
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return {"role": role, "content": blocks[0]["text"]}
    return {"role": role, "content": blocks}


def _block(part: Part, target: Target) -> dict[str, Any] | None:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text} if part.text else None
        case FilePart():
            source = {"type": "base64", "media_type": part.media_type, "data": part.base64}
            return {"type": "document" if part.kind == "pdf" else "image", "source": source}
        case ReasoningPart():
            ours = part.opaque is not None and part.origin == (target.backend, target.model)
            return dict(part.opaque) if ours and part.opaque is not None else None
        case ToolCallPart():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": as_object(part.arguments)}
        case ToolResultPart():
            return {
                "type": "tool_result",
                "tool_use_id": part.call_id,
                "content": part.content,
                "is_error": part.failed,
            }


class _Reply:
    """What is known of a reply so far."""

    def __init__(self) -> None:
        self.blocks: dict[Any, dict[str, Any]] = {}
        self.json: dict[Any, list[str]] = {}
        self.calls: list[ToolCall] = []
        self.usage: dict[str, Any] = {}
        self.raw = ""
        self.model = ""
        self.citations: list[Mapping[str, Any]] = []
        self.surrogates = Surrogates()
        self.ended = False

    def message(self, message: Mapping[str, Any]) -> None:
        self.model = message.get("model") or self.model
        self.raw = message.get("stop_reason") or self.raw
        self.add_usage(message.get("usage"))

    def add_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self.usage |= {key: value for key, value in usage.items() if value is not None}


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event]:
    """The events of a reply, streamed or whole.

    Raises the service's own error where one stands in the stream, Cut where neither a stop reason nor
    `message_stop` came.
    """
    reply = _Reply()
    for frame in frames:
        if reply.ended or frame.data.startswith("[DONE]") or not frame.data.strip():
            continue
        data = parse(frame)
        if not isinstance(data, dict):
            continue
        if frame.event == "error" or data.get("type") == "error" or "error" in data:
            raise from_payload(data, target)
        yield from _event(data, reply)
    if not reply.raw and not reply.ended:
        raise Cut(
            f'The answer of backend "{target.backend}" was cut off before its end',
            hints=("what came is above", "ask again"),
        )
    held = reply.surrogates.flush()
    if held:
        yield Text(held)
    yield from reply.calls
    yield _usage(reply.usage)
    why = reason(reply.raw, bool(reply.calls))
    yield Finish(why, reply.raw, reply.model, "" if why == "refusal" else None, tuple(reply.citations))


def _event(data: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    index = data.get("index")
    match data.get("type"):
        case "message_start" if isinstance(data.get("message"), dict):
            reply.message(data["message"])
        case "content_block_start" if isinstance(data.get("content_block"), dict):
            yield from _start(index, dict(data["content_block"]), reply)
        case "content_block_delta" if isinstance(data.get("delta"), dict):
            yield from _delta(index, data["delta"], reply)
        case "content_block_stop":
            yield from _stop(index, reply)
        case "message_delta":
            delta = data.get("delta")
            reply.raw = (isinstance(delta, dict) and delta.get("stop_reason")) or reply.raw
            reply.add_usage(data.get("usage"))
        case "message_stop":
            for open_index in list(reply.blocks):
                yield from _stop(open_index, reply)
            reply.ended = True
        case "message":
            yield from _whole(data, reply)


def _whole(message: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    reply.message(message)
    content = message.get("content")
    for index, block in enumerate(content if isinstance(content, list) else ()):
        if isinstance(block, dict):
            yield from _start(index, dict(block), reply)
            yield from _stop(index, reply)
    reply.ended = True


def _start(index: Any, block: dict[str, Any], reply: _Reply) -> Iterator[Event]:
    reply.blocks[index] = block
    kind = block.get("type")
    if kind == "text" and block.get("text"):
        yield from _text(str(block["text"]), reply)
        _cite(block.get("citations"), reply)
    elif kind == "thinking" and block.get("thinking"):
        yield Reasoning(str(block["thinking"]))


def _text(piece: str, reply: _Reply) -> Iterator[Event]:
    whole = reply.surrogates.feed(piece)
    if whole:
        yield Text(whole)


def _cite(citations: Any, reply: _Reply) -> None:
    for citation in citations if isinstance(citations, list) else ():
        if isinstance(citation, dict) and citation.get("url"):
            made = {"url": str(citation["url"]), "title": str(citation.get("title") or "")}
            if made not in reply.citations:
                reply.citations.append(made)


def _delta(index: Any, delta: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    """A delta may come before its block was started: its kind then says what the block is."""
    match delta.get("type"):
        case "text_delta":
            yield from _text(str(delta.get("text") or ""), reply)
        case "thinking_delta":
            block = reply.blocks.setdefault(index, {"type": "thinking", "thinking": ""})
            thought = str(delta.get("thinking") or "")
            block["thinking"] = str(block.get("thinking") or "") + thought
            if thought:
                yield Reasoning(thought)
        case "signature_delta":
            block = reply.blocks.setdefault(index, {"type": "thinking", "thinking": ""})
            block["signature"] = str(block.get("signature") or "") + str(delta.get("signature") or "")
        case "input_json_delta":
            reply.json.setdefault(index, []).append(str(delta.get("partial_json") or ""))
        case "citations_delta":
            _cite([delta.get("citation")], reply)


def _stop(index: Any, reply: _Reply) -> Iterator[Event]:
    block = reply.blocks.pop(index, {})
    match block.get("type"):
        case "thinking" if block.get("signature"):
            yield Reasoning("", block)
        case "redacted_thinking":
            yield Reasoning("", block)
        case "tool_use":
            fragments = "".join(reply.json.pop(index, []))
            given = block.get("input")
            arguments = fragments or json.dumps(given if given is not None else {}, ensure_ascii=False)
            reply.calls.append(ToolCall(_unique(block, reply), str(block.get("name") or ""), arguments))


def _unique(block: Mapping[str, Any], reply: _Reply) -> str:
    call_id = str(block.get("id") or f"call_{len(reply.calls)}")
    taken = {call.id for call in reply.calls}
    return call_id if call_id not in taken else f"{call_id}_{len(reply.calls)}"


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic counts cached input beside `input_tokens`; ours counts all prompt tokens."""

    def count(key: str, where: Any = usage) -> int | None:
        value = where.get(key) if isinstance(where, Mapping) else None
        return value if isinstance(value, int) and value >= 0 else None

    sent, read_, written = (
        count("input_tokens"),
        count("cache_read_input_tokens"),
        count("cache_creation_input_tokens"),
    )
    total = None if sent is None else sent + (read_ or 0) + (written or 0)
    reasoning = count("thinking_tokens", usage.get("output_tokens_details"))
    return Usage(total, count("output_tokens"), read_, reasoning)


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
