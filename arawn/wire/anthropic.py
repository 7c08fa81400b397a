"""Anthropic's messages, streamed or whole; pure, it knows no provider.

Source: https://docs.anthropic.com/en/api/messages and .../messages-streaming.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arawn.events import Event, Finish, Progress, Reasoning, ToolCall, Usage
from arawn.messages import (
    FilePart,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from arawn.wire import Call, Target
from arawn.wire.calls import as_object, fit_id, unique
from arawn.wire.faults import from_payload, instead
from arawn.wire.frames import Frame, encodable, parse
from arawn.wire.openai_write import effort_of
from arawn.wire.reading import Speech, count, key, reason, table, tables, word

MEDIA = frozenset({"image", "pdf"})
MAX_TOKENS = 4096
"""Sent where nothing is said, because the service demands a number."""
BUDGETS = {"low": 2048, "medium": 8192, "high": 24576}
LEAST_BUDGET = 1024
WORTH_CACHING = 4000
"""Characters from which a prompt is long enough for the service to cache it (about 1024 tokens)."""
THOUGHTS = ("thinking", "redacted_thinking")
MARK = {"cache_control": {"type": "ephemeral"}}


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request. Opaque reasoning goes back only to the backend and model it came from."""
    body: dict[str, Any] = {
        "model": target.model,
        "max_tokens": request.max_tokens or MAX_TOKENS,
        "messages": _messages(request, target),
        "stream": request.stream,
    }
    if request.system:
        long = len(request.system) >= WORTH_CACHING and target.options.get("cache", True)
        body["system"] = [{"type": "text", "text": request.system, **MARK}] if long else request.system
    given = {"temperature": request.temperature, "top_p": request.top_p}
    sampled = {name: value for name, value in given.items() if value is not None}
    notices: tuple[str, ...] = ()
    if sampled and _samples_alone(target):
        notices = (f"{target.model} takes no {' and no '.join(sampled)}: not sent",)
    else:
        body |= sampled
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
    if request.tool_choice:
        body["tool_choice"] = {"type": "tool", "name": request.tool_choice}
    if request.format is not None and request.format.schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": dict(request.format.schema)}}
    _think(request, target, body)
    body |= request.extra
    base = target.base_url.rstrip("/").removesuffix("/messages").removesuffix("/v1")
    return Call(base + "/v1/messages", body, notices=notices)


def _samples_alone(target: Target) -> bool:
    """Whether the model refuses a temperature, as all do since those that choose their budget themselves."""
    options, model = target.options, target.model
    old = (*options.get("budgeted", ()), *options.get("sampled", ()))
    return model.startswith(tuple(options.get("adaptive", ()))) and not model.startswith(old)


def _think(request: Request, target: Target, body: dict[str, Any]) -> None:
    """Thinking by effort where the model chooses its budget itself, else by budget.

    The answer's own room comes on top of the budget, and a temperature would be refused beside it.
    """
    effort = request.reasoning
    if effort is None or effort in ("off", 0):
        return
    options, model = target.options, target.model
    adaptive = model.startswith(tuple(options.get("adaptive", ())))
    if adaptive and not model.startswith(tuple(options.get("budgeted", ()))):
        word = effort if isinstance(effort, str) else effort_of(effort)
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": word, **body.get("output_config", {})}
    else:
        budget = max(LEAST_BUDGET, BUDGETS[effort] if isinstance(effort, str) else effort)
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
        body["max_tokens"] += budget
    body.pop("temperature", None)
    body.pop("top_p", None)


def _messages(request: Request, target: Target) -> list[dict[str, Any]]:
    """Messages as the service takes them: neighbours of one role become one, empty ones go.

    From the second turn on a long history is marked to be cached; a single question is not, as writing
    to the cache costs more than reading the prompt once.
    """
    made: list[dict[str, Any]] = []
    for message in request.messages:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [block for part in message.parts if (block := _block(part, target)) is not None]
        while blocks and blocks[-1]["type"] in THOUGHTS:
            blocks.pop()  # refused at the end of a message, where what it led to did not come
        if made and made[-1]["role"] == role:
            made[-1]["content"] += blocks
        elif blocks:
            made.append({"role": role, "content": blocks})
    size = sum(len(message.text) for message in request.messages)
    if len(made) > 2 and size >= WORTH_CACHING and target.options.get("cache", True):
        made[-1]["content"][-1] |= MARK
    for message_ in made:
        blocks = message_["content"]
        if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            message_["content"] = blocks[0]["text"]
    return made


def _block(part: Part, target: Target) -> dict[str, Any] | None:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text} if part.text.strip() else None
        case FilePart():
            source = {"type": "base64", "media_type": part.media_type, "data": part.base64}
            return {"type": "document" if part.kind == "pdf" else "image", "source": source}
        case ReasoningPart():
            opaque, ours = part.opaque or {}, part.origin == (target.backend, target.model)
            return dict(opaque) if ours and opaque.get("type") in THOUGHTS else None
        case ToolCallPart():
            given = as_object(part.arguments)
            return {"type": "tool_use", "id": fit_id(part.id), "name": part.name, "input": given}
        case ToolResultPart():
            return {
                "type": "tool_result",
                "tool_use_id": fit_id(part.call_id),
                "content": part.content,
                "is_error": part.failed,
            }


class _Reply:
    """What is known of a reply so far."""

    def __init__(self) -> None:
        self.blocks: dict[Any, dict[str, Any]] = {}
        self.json: dict[Any, list[str]] = {}
        self.ids: set[str] = set()
        self.usage: dict[str, Any] = {}
        self.raw = ""
        self.first: Any = None
        self.refusal = ""
        self.model = ""
        self.citations: list[Mapping[str, Any]] = []
        self.speech = Speech()
        self.ended = False

    def message(self, message: Mapping[str, Any]) -> None:
        self.model = word(message.get("model")) or self.model
        self.raw = word(message.get("stop_reason")) or self.raw
        self.refusal = word(table(message.get("stop_details")).get("explanation")) or self.refusal
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
        if frame.data.startswith("[DONE]") or not frame.data.strip():
            continue
        named = frame.event == "error"
        data = frame.data if named and frame.data[:1] != "{" else parse(frame)
        if named or (isinstance(data, dict) and (data.get("type") == "error" or data.get("error"))):
            raise from_payload(data, target)
        if not isinstance(data, dict):
            continue
        reply.first = reply.first or data
        yield from _event(data, reply)
        if reply.ended:
            break
    if reply.raw or reply.ended:
        for open_index in list(reply.blocks):  # some servers leave out what ends a block
            yield from _stop(open_index, reply)
    yield from reply.speech.flush()
    if not reply.raw and not reply.ended:
        raise instead(reply.first, target)
    yield _usage(reply.usage)
    why = reason(reply.raw, bool(reply.ids))
    refusal = reply.refusal if why == "refusal" else None
    yield Finish(why, reply.raw, reply.model, refusal, tuple(reply.citations))


def _event(data: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    index = key(data.get("index"))
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
            reply.message({**table(data.get("delta")), "usage": data.get("usage")})
        case "message_stop":
            reply.ended = True
        case kind if kind == "message" or (kind is None and "content" in data):
            yield from _whole(data, reply)


def _whole(message: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    reply.message(message)
    content = message.get("content")
    yield from reply.speech.text(content)
    for index, block in enumerate(tables(content)):
        yield from _start(index, dict(block), reply)
        yield from _stop(index, reply)
    reply.ended = True


def _start(index: Any, block: dict[str, Any], reply: _Reply) -> Iterator[Event]:
    reply.blocks[index] = block
    kind = block.get("type")
    if kind == "text" and block.get("text"):
        yield from reply.speech.text(block["text"])
        _cite(block.get("citations"), reply)
    elif kind == "thinking" and block.get("thinking"):
        yield from reply.speech.thought(block["thinking"])


def _cite(citations: Any, reply: _Reply) -> None:
    for citation in tables(citations):
        made = {"url": word(citation.get("url")), "title": word(citation.get("title"))}
        if made["url"] and made not in reply.citations:
            reply.citations.append(made)


def _delta(index: Any, delta: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    """A delta may come before its block was started: its kind then says what the block is."""
    match delta.get("type"):
        case "text_delta":
            yield from reply.speech.text(delta.get("text"))
        case "thinking_delta":
            block = reply.blocks.setdefault(index, {"type": "thinking", "thinking": ""})
            thought = delta.get("thinking")
            if isinstance(thought, str):
                block["thinking"] = str(block.get("thinking") or "") + thought
                yield from reply.speech.thought(thought)
        case "signature_delta":
            block = reply.blocks.setdefault(index, {"type": "thinking", "thinking": ""})
            block["signature"] = word(block.get("signature")) + word(delta.get("signature"))
        case "input_json_delta":
            fragment = delta.get("partial_json")
            reply.json.setdefault(index, []).append(fragment if isinstance(fragment, str) else "")
            if fragment:
                yield Progress(
                    f"writing a call of {word(reply.blocks.get(index, {}).get('name')) or 'a tool'}"
                )
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
            yield from reply.speech.flush()
            call_id = unique(block.get("id"), reply.ids)
            yield ToolCall(call_id, word(block.get("name")), encodable(arguments))


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic counts cached input beside `input_tokens`; ours counts all prompt tokens."""
    sent, read_ = count(usage, "input_tokens"), count(usage, "cache_read_input_tokens")
    written = count(usage, "cache_creation_input_tokens")
    total = None if sent is None else sent + (read_ or 0) + (written or 0)
    reasoning = count(usage.get("output_tokens_details"), "thinking_tokens")
    lasting = count(usage.get("cache_creation"), "ephemeral_1h_input_tokens")
    searches = count(usage.get("server_tool_use"), "web_search_requests")
    return Usage(
        total, count(usage, "output_tokens"), read_, reasoning, written, lasting, searches=searches
    )  # fmt: skip


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
