"""OpenAI's chat completions, as OpenAI and all who copied it speak it; pure, it knows no provider.

Source: https://platform.openai.com/docs/api-reference/chat, and recorded replies of some twenty services.
What is sent depends on the target's options; what is read is the union of what all send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arawn.errors import Cut
from arawn.events import Event, Finish, Reasoning, Usage
from arawn.messages import Message, Request, TextPart, ToolCallPart, ToolResultPart
from arawn.wire import Call, Target
from arawn.wire.calls import Calls, functions, reason
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame, Surrogates, parse
from arawn.wire.think import Think

MEDIA = frozenset({"image", "pdf", "audio"})


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request."""
    body: dict[str, Any] = {"model": target.model, "messages": _messages(request), "stream": request.stream}
    options = target.options
    if request.stream and options.get("stream_usage", True):
        body["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        body[str(options.get("max_tokens_field", "max_tokens"))] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = functions(request.tools)
    body |= request.extra
    path = "/chat/completions"
    base = target.base_url.rstrip("/")
    return Call(base if base.endswith(path) else base + path, body)


def _messages(request: Request) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": "system", "content": request.system})
    for message in request.messages:
        messages += _message(message)
    return messages


def _message(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            {"role": "tool", "tool_call_id": part.call_id, "content": part.content}
            for part in message.parts
            if isinstance(part, ToolResultPart)
        ]
    text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
    made: dict[str, Any] = {"role": message.role, "content": text}
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if calls:
        made["tool_calls"] = calls
        made["content"] = text or None
    return [made]


class _Reply:
    """What is known of a reply so far."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.think = Think()
        self.surrogates = Surrogates()
        self.thought = Surrogates()
        self.raw = ""
        self.model = ""
        self.refusal: list[str] = []
        self.citations: tuple[Mapping[str, Any], ...] = ()
        self.usage: Usage | None = None
        self.any_text = False

    def text(self, piece: str) -> Iterator[Event]:
        self.any_text = True
        whole = self.surrogates.feed(piece)
        if whole:
            yield from self.think.feed(whole)

    def finish(self) -> Iterator[Event]:
        held = self.surrogates.flush()
        if held:
            yield from self.think.feed(held)
        yield from self.think.flush()
        calls = list(self.calls.done())
        yield from calls
        if self.usage is not None:
            yield self.usage
        refusal = "".join(self.refusal) or None
        why = reason(self.raw, bool(calls))
        yield Finish(
            "refusal" if refusal and why == "stop" else why, self.raw, self.model, refusal, self.citations
        )


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event]:
    """The events of a reply, streamed or whole.

    Raises the service's own error where one stands in the stream, Cut where the end is missing.
    """
    reply = _Reply()
    ended = False
    for frame in frames:
        if ended:
            continue  # after the end mark nothing counts, but the connection is read to its end
        data = frame.data
        if data.startswith("[DONE]"):
            ended = True
            continue
        if not data.strip():
            continue
        chunk = parse(frame)
        if frame.event == "error" or not isinstance(chunk, dict):
            if isinstance(chunk, dict) or frame.event == "error":
                raise from_payload(chunk, target)
            continue
        yield from _chunk(chunk, reply)
        if chunk.get("error"):
            raise from_payload(chunk, target)
        if _is_bare_error(chunk):
            raise from_payload(chunk, target)
    complete = bool(reply.raw) or (ended and (reply.any_text or len(reply.calls)))
    if not complete and not (ended and not reply.any_text):
        yield from reply.think.flush()
        raise Cut(
            f'The answer of backend "{target.backend}" was cut off before its end',
            hints=("what came is above", "ask again"),
        )
    yield from reply.finish()


def _is_bare_error(chunk: Mapping[str, Any]) -> bool:
    """An error object without the word: no choices, but a message and a code or type."""
    return (
        "choices" not in chunk and "message" in chunk and bool({"code", "type", "status_code"} & chunk.keys())
    )


def _chunk(chunk: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    usage = chunk.get("usage") or _nested(chunk, "x_groq", "usage")
    if isinstance(usage, dict):
        reply.usage = _usage(usage) or reply.usage
    model = chunk.get("model")
    if isinstance(model, str) and model:
        reply.model = model
    if "citations" in chunk or "search_results" in chunk:
        reply.citations = _citations(chunk) or reply.citations
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("index", 0) in (0, None):
            yield from _choice(choice, reply)


def _nested(chunk: Mapping[str, Any], outer: str, inner: str) -> Any:
    value = chunk.get(outer)
    return value.get(inner) if isinstance(value, dict) else None


def _choice(choice: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    delta, message = choice.get("delta"), choice.get("message")
    if (
        isinstance(message, dict)
        and not reply.any_text
        and not (isinstance(delta, dict) and delta.get("content"))
    ):
        delta = message  # beside a delta it repeats what came: of use only where nothing did
    if isinstance(delta, dict):
        yield from _delta(delta, reply)
    elif isinstance(choice.get("text"), str):
        yield from reply.text(choice["text"])
    word = choice.get("finish_reason")
    if isinstance(word, str) and word:
        reply.raw = word


def _delta(delta: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    thought = _thought(delta)
    if thought:
        yield from _reason(thought, reply)
    content = delta.get("content")
    if isinstance(content, str):
        if content:
            yield from reply.text(content)
    elif isinstance(content, list):
        for part in content:
            yield from _part(part, reply)
    refusal = delta.get("refusal")
    if isinstance(refusal, str):
        reply.refusal.append(refusal)
    _tool_calls(delta, reply)


def _thought(delta: Mapping[str, Any]) -> str:
    """Reasoning under any of its names; the same text may stand under two."""
    for key in ("reasoning_content", "reasoning", "thinking"):
        value = delta.get(key)
        if isinstance(value, str) and value:
            return value
    details = delta.get("reasoning_details")
    if isinstance(details, list):
        texts = [part.get("text") or part.get("summary") for part in details if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return ""


def _reason(thought: str, reply: _Reply) -> Iterator[Event]:
    whole = reply.thought.feed(thought)
    if whole:
        yield Reasoning(whole)


def _part(part: Any, reply: _Reply) -> Iterator[Event]:
    """A part of a content list: text, or Mistral's `thinking` with a list of its own."""
    if isinstance(part, str):
        yield from reply.text(part)
    elif isinstance(part, dict):
        inner = part.get("thinking")
        if isinstance(inner, str):
            yield from _reason(inner, reply)
        elif isinstance(inner, list):
            for piece in inner:
                if isinstance(piece, dict) and isinstance(piece.get("text"), str):
                    yield from _reason(piece["text"], reply)
        elif isinstance(part.get("text"), str):
            yield from reply.text(part["text"])


def _tool_calls(delta: Mapping[str, Any], reply: _Reply) -> None:
    found = delta.get("tool_calls")
    calls: list[Any] = found if isinstance(found, list) else []
    for position, call in enumerate(calls):
        if not isinstance(call, dict):
            continue
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        index = call.get("index")
        if index is None and len(calls) > 1 and call.get("id") is None and not function.get("name"):
            index = position
        reply.calls.add(index, call.get("id"), function.get("name"), function.get("arguments"))
    legacy = delta.get("function_call")
    if isinstance(legacy, dict) and (legacy.get("name") or legacy.get("arguments")):
        reply.calls.add("function_call", None, legacy.get("name"), legacy.get("arguments"))


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if prompt is None and completion is None:
        return None
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens")
    if cached is None:
        cached = _count(usage, "prompt_cache_hit_tokens")
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    if reasoning is None:
        reasoning = _count(usage, "reasoning_tokens")
    total = _count(usage, "total_tokens")
    # xAI counts reasoning beside the completion: only then does the total hold all three
    if None not in (prompt, completion, reasoning, total) and total == (prompt or 0) + (completion or 0) + (
        reasoning or 0
    ):
        completion = (completion or 0) + (reasoning or 0)
    return Usage(prompt, completion, cached, reasoning)


def _count(usage: Any, key: str) -> int | None:
    """A number of tokens that makes sense, or None."""
    value = usage.get(key) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _citations(chunk: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Perplexity's sources: `search_results` with titles, else bare addresses in `citations`."""
    results = chunk.get("search_results")
    if isinstance(results, list) and results:
        return tuple(
            {"url": str(row["url"]), "title": str(row.get("title") or "")}
            for row in results
            if isinstance(row, dict) and row.get("url")
        )
    addresses = chunk.get("citations")
    return tuple({"url": url, "title": ""} for url in addresses or () if isinstance(url, str))


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
