"""OpenAI's responses, streamed or whole; pure, it knows no provider.

Source: https://platform.openai.com/docs/api-reference/responses and .../responses-streaming. Nothing is kept
at the service (`store` is false): reasoning goes back encrypted, to the backend and model it came from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arawn.errors import Overloaded
from arawn.events import Event, Finish, Progress, Reasoning, ToolCall, Usage
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
from arawn.wire.calls import as_text, fit_id, unique
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame, encodable
from arawn.wire.openai_write import effort_fields, sampled, url
from arawn.wire.reading import Speech, count, key, objects, reason, table, tables, torn, word

MEDIA = frozenset({"image", "pdf"})
ENCRYPTED = "reasoning.encrypted_content"


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request. The API takes no stop texts."""
    given, notices = sampled(request._replace(stop=()), target, "max_output_tokens")
    body: dict[str, Any] = {
        "model": target.model,
        "input": [item for message in request.messages for item in _items(message, target)],
        "stream": request.stream,
        "store": False,
        **given,
    }
    if request.system:
        body["instructions"] = request.system
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
                "strict": False,
            }
            for tool in request.tools
        ]
    if request.tool_choice:
        body["tool_choice"] = {"type": "function", "name": request.tool_choice}
    if request.format is not None:
        body["text"] = {"format": _format(request)}
    effort = None
    if request.reasoning is not None:
        effort = effort_fields(request.reasoning, target).get("reasoning_effort")
    if effort is not None:
        body["reasoning"] = {"effort": effort, "summary": "auto"}
    if effort not in (None, "none") or target.model.startswith(tuple(target.options.get("reasoners", ()))):
        body["include"] = [ENCRYPTED]
    body |= request.extra
    where, query = url(target, "/responses")
    if request.stop:
        notices += (f"{target.label} takes no stop texts here: they are not sent",)
    return Call(where + query, body, notices=notices)


def _format(request: Request) -> dict[str, Any]:
    form = request.format
    if form is None or form.schema is None:
        return {"type": "json_object"}
    from arawn.wire.schemas import strict_ready

    strict = strict_ready(form.schema)
    return {"type": "json_schema", "name": form.name, "schema": dict(form.schema), "strict": strict}


def _items(message: Message, target: Target) -> list[dict[str, Any]]:
    """A message as input items: neighbouring contents are one message, all else an item of its own.

    What the model said goes as plain text: its typed form needs the id of an answer that was not kept.
    """
    items: list[dict[str, Any]] = []
    for part in message.parts:
        content = _content(part)
        if message.role == "assistant" and isinstance(part, TextPart):
            items.append({"role": "assistant", "content": part.text})
        elif content is not None:
            if items and items[-1].get("role") == message.role:
                items[-1]["content"].append(content)
            else:
                items.append({"role": message.role, "content": [content]})
        else:
            items += _item(part, target)
    while items and items[-1].get("type") == "reasoning":
        items.pop()  # refused without what it led to, which did not come
    return items


def _content(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if not isinstance(part, FilePart):
        return None
    address = f"data:{part.media_type};base64,{part.base64}"
    if part.kind == "image":
        return {"type": "input_image", "image_url": address, "detail": "auto"}
    return {"type": "input_file", "filename": part.name or "file.pdf", "file_data": address}


def _item(part: Part, target: Target) -> list[dict[str, Any]]:
    match part:
        case ToolCallPart():
            call_id = fit_id(part.id)
            return [
                {
                    "type": "function_call",
                    "call_id": call_id,
                    "name": part.name,
                    "arguments": as_text(part.arguments),
                }
            ]
        case ToolResultPart():
            return [{"type": "function_call_output", "call_id": fit_id(part.call_id), "output": part.content}]
        case ReasoningPart() if part.opaque and part.origin == (target.backend, target.model):
            return [dict(part.opaque)] if part.opaque.get("type") == "reasoning" else []
    return []


class _Reply:
    """What is known of a reply so far.

    Of the kinds in `shown` text has come piece by piece, of those in `done` whole items; `begun` are calls
    that are not whole, `given` pieces of their arguments. Not all servers number events and name items alike
    in all places.
    """

    def __init__(self) -> None:
        self.speech = Speech()
        self.ids: set[str] = set()
        self.shown: set[str] = set()
        self.done: set[str] = set()
        self.names: set[Any] = set()
        self.begun: dict[Any, Mapping[str, Any]] = {}
        self.given: dict[Any, list[str]] = {}
        self.refusal: list[str] = []
        self.citations: list[Mapping[str, Any]] = []
        self.raw = ""
        self.why = ""
        self.model = ""
        self.usage: Usage | None = None


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event]:
    """The events of a reply. Raises the service's own error, or Cut where the response never ended.

    The kind of an event is read off its data: some servers send no `event:` lines.
    """
    reply = _Reply()
    for frame, data in objects(frames):
        kind = word(data.get("type"))
        if kind == "error" or frame.event == "error" or (data.get("error") and "output" not in data):
            raise from_payload(data, target)
        if data.get("object") == "response" or (not kind and "output" in data):
            yield from _whole(data, reply, target)
        elif kind.startswith("response."):
            yield from _event(kind.removeprefix("response."), data, reply, target)
        if reply.raw:
            break
    yield from reply.speech.flush()
    if not reply.raw:
        raise torn(target)
    yield from _end(reply)


def _end(reply: _Reply) -> Iterator[Event]:
    if reply.usage is not None:
        yield reply.usage
    refusal = encodable("".join(reply.refusal)) or None
    why = reason(reply.why or reply.raw, bool(reply.ids))
    if reply.raw == "incomplete" and why == "stop":
        why = "length"
    if refusal and why == "stop":
        why = "refusal"
    yield Finish(why, reply.raw, reply.model, refusal, tuple(reply.citations))


def _event(kind: str, data: Mapping[str, Any], reply: _Reply, target: Target) -> Iterator[Event]:
    delta = data.get("delta")
    index = key(data.get("output_index"))
    match kind:
        case "output_text.delta" | "output_text.done" if delta or "message" not in reply.shown | reply.done:
            reply.shown.add("message")
            yield from reply.speech.text(delta or data.get("text"))
        case "reasoning_summary_text.delta" | "reasoning_text.delta" | "reasoning.delta":
            reply.shown.add("reasoning")
            yield from reply.speech.thought(delta)
        case "refusal.delta":
            reply.shown.add("message")
            reply.refusal.append(delta if isinstance(delta, str) else "")
        case "output_text.annotation.added":
            _cite(table(data.get("annotation")), reply)
        case "output_item.added" if table(data.get("item")).get("type") == "function_call":
            reply.begun[index] = table(data.get("item"))
        case "function_call_arguments.delta" if isinstance(delta, str) and delta:
            reply.given.setdefault(index, []).append(delta)
            yield Progress("writing a call")
        case "function_call_arguments.done" if isinstance(data.get("arguments"), str):
            reply.given[index] = [data["arguments"]]
        case "output_item.done":
            item = {**_begun(index, reply), **_set(table(data.get("item")))}
            kind = word(item.get("type"))
            yield from _item_events(item, kind in reply.shown, reply)
            reply.done.add(kind)
            reply.shown.discard(kind)
        case "completed" | "incomplete" | "failed" | "cancelled" | "done":
            yield from _whole(table(data.get("response")), reply, target)


def _whole(response: Mapping[str, Any], reply: _Reply, target: Target) -> Iterator[Event]:
    """A response object at its end; what streamed before is not said twice."""
    status = word(response.get("status")) or "completed"
    if status == "failed" or response.get("error"):
        yield from reply.speech.flush()
        raise from_payload({"error": response.get("error") or {"message": status}}, target)
    if status == "cancelled":
        raise Overloaded(f'Backend "{target.backend}" gave up while answering', detail=status)
    shown = reply.shown | reply.done
    for item in tables(response.get("output")):
        kind = word(item.get("type"))
        if kind not in reply.done or kind == "message":
            yield from _item_events(item, kind in shown, reply)
    for index in list(reply.begun):
        yield from _item_events(_begun(index, reply), False, reply)
    reply.model = word(response.get("model")) or reply.model
    reply.usage = _usage(table(response.get("usage"))) or reply.usage
    reply.raw = status
    reply.why = word(table(response.get("incomplete_details")).get("reason"))


def _begun(index: Any, reply: _Reply) -> dict[str, Any]:
    """The call that was begun at `index`, with the arguments that came; nothing where none was."""
    given = "".join(reply.given.pop(index, ()))
    return {**reply.begun.pop(index, {}), **({"arguments": given} if given else {})}


def _set(item: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an item that hold something."""
    return {name: value for name, value in item.items() if value not in (None, "")}


def _item_events(item: Mapping[str, Any], said: bool, reply: _Reply) -> Iterator[Event]:
    """A finished item. Of one whose text has streamed (`said`) only what is not text is new."""
    name = key(item.get("call_id") or item.get("id"))
    if name is not None and name in reply.names:
        return
    reply.names.add(name)
    match item.get("type"):
        case "message":
            yield from _message(item, said, reply)
        case "reasoning":
            yield from _reasoning(item, said, reply)
        case "function_call":
            yield from reply.speech.flush()
            given = item.get("arguments")
            arguments = json.dumps(given, ensure_ascii=False) if isinstance(given, dict) else given
            call_id = unique(item.get("call_id") or item.get("id"), reply.ids)
            yield ToolCall(call_id, word(item.get("name")), word(arguments) or "{}")


def _message(item: Mapping[str, Any], said: bool, reply: _Reply) -> Iterator[Event]:
    content = item.get("content")
    if not said:
        yield from reply.speech.text(content)
    for part in tables(content):
        if not said:
            yield from reply.speech.text(part.get("text"))
            reply.refusal.append(word(part.get("refusal")))
        for annotation in tables(part.get("annotations")):
            _cite(annotation, reply)


def _reasoning(item: Mapping[str, Any], said: bool, reply: _Reply) -> Iterator[Event]:
    for part in [] if said else [*tables(item.get("summary")), *tables(item.get("content"))]:
        yield from reply.speech.thought(part.get("text"))
    if item.get("encrypted_content"):
        kept = ("type", "id", "summary", "encrypted_content")
        yield Reasoning("", {name: item[name] for name in kept if name in item})


def _cite(annotation: Mapping[str, Any], reply: _Reply) -> None:
    made = {"url": word(annotation.get("url")), "title": word(annotation.get("title"))}
    if made["url"] and made not in reply.citations:
        reply.citations.append(made)


def _usage(said: Mapping[str, Any]) -> Usage | None:
    sent, made = count(said, "input_tokens"), count(said, "output_tokens")
    if sent is None and made is None:
        return None
    details = said.get("input_tokens_details")
    reasoning = count(said.get("output_tokens_details"), "reasoning_tokens")
    return Usage(sent, made, count(details, "cached_tokens"), reasoning, count(details, "cache_write_tokens"))


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
