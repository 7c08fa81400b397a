"""Cohere's chat, version 2 written, versions 1 and 2 read, streamed or whole; pure, it knows no provider.

Source: https://docs.cohere.com/reference/chat, .../chat-stream, .../chat-v1 and .../embed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from arawn.errors import Overloaded
from arawn.events import Event, Finish, Notice, Progress, Usage
from arawn.messages import FilePart, Message, Request, TextPart, ToolCallPart, ToolResultPart
from arawn.wire import Call, Target
from arawn.wire.calls import Calls, as_text, functions
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame, encodable
from arawn.wire.openai_write import sampling
from arawn.wire.reading import Speech, count, objects, reason, table, tables, torn, word

MEDIA = frozenset({"image"})
BUDGETS = {"low": 2048, "medium": 8192, "high": 24576}
PURPOSES = {
    "query": "search_query",
    "document": "search_document",
    "classification": "classification",
    "clustering": "clustering",
}
FAILED = ("error", "timeout")
"""Finish reasons that say the service gave up, lower case."""


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request. Of a forced tool Cohere can only be told that some tool is."""
    body: dict[str, Any] = {
        "model": target.model,
        "messages": [made for message in request.messages for made in _messages(message)],
        "stream": request.stream,
        **sampling(request, "max_tokens", "p"),
    }
    if request.system:
        body["messages"].insert(0, {"role": "system", "content": request.system})
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = functions(request.tools)
    if request.tool_choice:
        body["tool_choice"] = "REQUIRED"
    if request.format is not None:
        body["response_format"] = {"type": "json_object"}
        if request.format.schema is not None:
            body["response_format"]["json_schema"] = dict(request.format.schema)
    effort = request.reasoning
    if effort in ("off", 0):
        body["thinking"] = {"type": "disabled"}
    elif effort is not None:
        budget = BUDGETS[effort] if isinstance(effort, str) else effort
        body["thinking"] = {"type": "enabled", "token_budget": budget}
    body |= request.extra
    return Call(_address(target, "/chat"), body)


def _address(target: Target, path: str) -> str:
    base = target.base_url.rstrip("/").removesuffix("/chat").removesuffix("/v1").removesuffix("/v2")
    return f"{base}/v2{path}"


def _messages(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            {"role": "tool", "tool_call_id": part.call_id, "content": part.content}
            for part in message.parts
            if isinstance(part, ToolResultPart)
        ]
    made: dict[str, Any] = {"role": message.role, "content": _content(message)}
    calls = [
        {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": as_text(part.arguments)},
        }
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if calls:
        made["tool_calls"] = calls
        if not made["content"]:
            del made["content"]
    return [made]


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, FilePart) for part in message.parts):
        return message.text
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, FilePart):
            address = f"data:{part.media_type};base64,{part.base64}"
            content.append({"type": "image_url", "image_url": {"url": address}})
        elif isinstance(part, TextPart) and part.text:
            content.append({"type": "text", "text": part.text})
    return content


class _Reply:
    """What is known of a reply so far."""

    def __init__(self) -> None:
        self.speech = Speech()
        self.calls = Calls()
        self.plan: list[str] = []
        self.raw = ""
        self.whole = False
        self.failed = ""
        self.usage: Usage | None = None
        self.citations: list[Mapping[str, Any]] = []

    def call(self, index: Any, call: Mapping[str, Any]) -> Iterator[Event]:
        """A whole call or a fragment, in the shape of either version."""
        function = table(call.get("function")) or call
        given = function.get("arguments", function.get("parameters"))
        name = self.calls.add(index, call.get("id"), function.get("name"), given)
        if given or function.get("name"):
            yield Progress(f"writing a call of {name or 'a tool'}")

    def cite(self, citation: Any) -> None:
        for source in tables(table(citation).get("sources")):
            document = table(source.get("document")) or source
            made = {"url": word(document.get("url")), "title": word(document.get("title"))}
            if made["url"] and made not in self.citations:
                self.citations.append(made)

    def end(self, why: Any, said: Any) -> None:
        self.raw = word(why) or self.raw
        tokens = table(table(said).get("tokens")) or table(table(said).get("billed_units"))
        if tokens:
            cached = count(said, "cached_tokens")
            self.usage = Usage(count(tokens, "input_tokens"), count(tokens, "output_tokens"), cached)


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event]:
    """The events of a reply of either version. Raises the service's own error, or Cut where no end came."""
    reply = _Reply()
    for frame, data in objects(frames):
        kind = data.get("type") or data.get("event_type")
        if kind is None and {"finish_reason", "text"} & data.keys():
            yield from _whole(data, reply)
        elif "error" in (kind, frame.event) or (kind is None and ("message" in data or "error" in data)):
            raise from_payload(data, target)
        else:
            yield from (_v2 if "type" in data else _v1)(word(kind), data, reply)
    yield from reply.speech.flush()
    if not reply.raw and not reply.whole:
        raise torn(target)
    yield from _end(reply, target)


def _end(reply: _Reply, target: Target) -> Iterator[Event]:
    if reply.plan:
        yield Notice(encodable("plan: " + "".join(reply.plan)))
    calls = reply.calls.done()
    yield from calls
    if reply.usage is not None:
        yield reply.usage
    if reply.raw.lower() in FAILED:
        raise Overloaded(
            f'Backend "{target.backend}" gave up while answering', detail=reply.failed or reply.raw
        )
    yield Finish(reason(reply.raw, bool(calls)), reply.raw, "", None, tuple(reply.citations))


def _text(value: Any) -> str:
    """A piece of a text: it may end in half a surrogate pair."""
    return value if isinstance(value, str) else ""


def _v2(kind: str, data: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    delta = table(data.get("delta"))
    message = table(delta.get("message"))
    match kind:
        case "content-start" | "content-delta":
            content = table(message.get("content"))
            yield from reply.speech.thought(content.get("thinking"))
            yield from reply.speech.text(content.get("text"))
        case "tool-plan-delta":
            reply.plan.append(_text(message.get("tool_plan")))
            if reply.plan[-1]:
                yield Progress("planning")
        case "tool-call-start" | "tool-call-delta":
            yield from reply.call(data.get("index"), table(message.get("tool_calls")))
        case "citation-start":
            reply.cite(message.get("citations"))
        case "message-end":
            reply.end(delta.get("finish_reason"), delta.get("usage"))
            reply.failed = word(delta.get("error"))
            if delta.get("error"):
                reply.raw = "ERROR"


def _v1(kind: str, data: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    match kind:
        case "text-generation":
            yield from reply.speech.text(data.get("text"))
        case "tool-calls-chunk":
            reply.plan.append(_text(data.get("text")))
            if reply.plan[-1]:
                yield Progress("writing a call")
        case "tool-calls-generation":
            for number, call in enumerate(tables(data.get("tool_calls"))):
                yield from reply.call(number, call)
        case "stream-end":
            response = table(data.get("response"))
            if not reply.speech.any:
                yield from reply.speech.text(response.get("text"))
            if not len(reply.calls):
                for number, call in enumerate(tables(response.get("tool_calls"))):
                    yield from reply.call(number, call)
            _sources(response, reply)
            reply.end(data.get("finish_reason"), response.get("meta"))


def _whole(data: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    """One object: version 2 has a `message`, version 1 the text itself."""
    message = table(data.get("message")) or data
    content = message.get("content")
    for part in tables(content):
        yield from reply.speech.thought(part.get("thinking"))
        yield from reply.speech.text(part.get("text"))
    yield from reply.speech.text(content if isinstance(content, str) else data.get("text"))
    if _text(message.get("tool_plan")):
        reply.plan.append(_text(message["tool_plan"]))
    for number, call in enumerate(tables(message.get("tool_calls"))):
        yield from reply.call(number, call)
    for citation in tables(message.get("citations")):
        reply.cite(citation)
    _sources(data, reply)
    reply.end(data.get("finish_reason"), data.get("usage") or data.get("meta"))
    reply.whole = True


def _sources(data: Mapping[str, Any], reply: _Reply) -> None:
    """Version 1 keeps its documents beside the citations."""
    reply.cite({"sources": data.get("documents")})


def embed(
    texts: Sequence[str], target: Target, *, purpose: str | None = None, dimensions: int | None = None
) -> Call:
    """The HTTP call that asks for the vectors of `texts`; Cohere demands a purpose: document unless told."""
    body: dict[str, Any] = {
        "model": target.model,
        "texts": list(texts),
        "input_type": PURPOSES[purpose or "document"],
        "embedding_types": ["float"],
    }
    if dimensions is not None:
        body["output_dimension"] = dimensions
    return Call(_address(target, "/embed"), body)


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
