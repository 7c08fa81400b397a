"""What OpenAI's chat completions are asked with; its reader is `arawn.wire.openai`. Pure.

Source: https://platform.openai.com/docs/api-reference/chat/create; for resources with deployments
https://learn.microsoft.com/azure/ai-foundry/openai/reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arawn.messages import (
    FilePart,
    Message,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from arawn.wire import Call, Target
from arawn.wire.calls import as_text, fit_id, functions
from arawn.wire.reading import table

MEDIA = frozenset({"image", "pdf", "audio"})
SIGNED = "extra_content"
"""In this field Google's models sign their calls."""
LOW, MEDIUM = 4096, 16384
"""Budgets in tokens up to which an effort is called low or medium, where a service takes only words."""


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request."""
    options = target.options
    body: dict[str, Any] = {
        "model": target.model,
        "messages": _messages(request, target),
        "stream": request.stream,
    }
    if request.stream and options.get("stream_usage", True):
        body["stream_options"] = {"include_usage": True}
    given, notices = sampled(request, target, str(options.get("max_tokens_field", "max_tokens")))
    body |= given
    if request.tools:
        body["tools"] = functions(request.tools)
    if request.tool_choice:
        body["tool_choice"] = {"type": "function", "function": {"name": request.tool_choice}}
    if request.format is not None:
        body["response_format"] = _format(request)
    if request.reasoning is not None:
        fields = effort_fields(request.reasoning, target)
        body |= fields
        if not fields and request.reasoning != "off":
            notices += (f"{target.label} has no setting for reasoning: it is not sent",)
    where, query = url(target, "/chat/completions")
    body |= request.extra
    return Call(where + query, body, notices=notices)


def sampling(request: Request, limit: str, top_p: str = "top_p") -> dict[str, Any]:
    """Length, temperature and share, under the names that most services have for them."""
    said = {limit: request.max_tokens, "temperature": request.temperature, top_p: request.top_p}
    return {name: value for name, value in said.items() if value is not None}


def sampled(request: Request, target: Target, limit: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Length, temperature, share and stop texts as far as the model takes them, and what tells of the others.

    Options: beginnings of models that take length alone (`unsampled`), and of those among them that take the
    others too unless they reason (`sampled`).
    """
    given = sampling(request, limit)
    if request.stop:
        given["stop"] = list(request.stop)
    options, model = target.options, target.model
    able = model.startswith(tuple(options.get("sampled", ()))) and request.reasoning in (None, "off", 0)
    if able or not model.startswith(tuple(options.get("unsampled", ()))):
        return given, ()
    left = [name for name in ("temperature", "top_p", "stop") if given.pop(name, None) is not None]
    return given, (f"{model} takes no {' and no '.join(left)}: not sent",) if left else ()


def url(target: Target, path: str) -> tuple[str, str]:
    """The address of `path` and its query string.

    A base that ends in the path already is taken as it is. A service with deployments has them in the
    path where a version is given, and OpenAI's own paths below /openai/v1 where none is.
    """
    base, mark, query = target.base_url.partition("?")
    base, query = base.rstrip("/"), mark + query
    if base.endswith(path):
        return base, query
    version = target.options.get("api_version")
    if target.options.get("deployments"):
        if base.endswith("/openai/v1") or not version or path == "/models":
            base = base if base.endswith("/v1") else base.removesuffix("/openai") + "/openai/v1"
        elif "/deployments/" not in base and not base.endswith("/models"):
            base = base.removesuffix("/openai") + f"/openai/deployments/{target.model}"
    if version and "api-version=" not in query:
        query += ("&" if query else "?") + f"api-version={version}"
    return base + path, query


def effort_fields(effort: str | int, target: Target) -> Mapping[str, Any]:
    """The fields that ask for this much reasoning, in the service's own words; none where it has none.

    Options: `efforts` maps off, low, medium and high to fields, `budget` is the path of a field that takes
    tokens, `no_reasoning` pairs beginnings of model names with what stands for `off`.
    """
    options = target.options
    if effort == "off":
        for beginning, fields in options.get("no_reasoning", ()):
            if target.model.startswith(beginning):
                return table(fields)
    if isinstance(effort, int):
        path = options.get("budget")
        if path:
            made: Any = effort
            for name in reversed(path):
                made = {name: made}
            return table(made)
        effort = effort_of(effort)
    known = options.get("efforts")
    if known is not None:
        return table(known.get(effort))
    return {} if effort == "off" else {"reasoning_effort": effort}


def effort_of(budget: int) -> str:
    """The word for a budget in tokens, where a service takes only words."""
    return "off" if budget == 0 else "low" if budget <= LOW else "medium" if budget <= MEDIUM else "high"


def _format(request: Request) -> dict[str, Any]:
    form = request.format
    if form is None or form.schema is None:
        return {"type": "json_object"}
    from arawn.wire.schemas import strict_ready

    schema = {"name": form.name, "schema": dict(form.schema), "strict": strict_ready(form.schema)}
    return {"type": "json_schema", "json_schema": schema}


def _messages(request: Request, target: Target) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": "system", "content": request.system})
    for message in request.messages:
        messages += _message(message, target)
    return messages


def _message(message: Message, target: Target) -> list[dict[str, Any]]:
    length = target.options.get("call_id_length")
    if message.role == "tool":
        return [
            {"role": "tool", "tool_call_id": fit_id(part.call_id, length), "content": part.content}
            for part in message.parts
            if isinstance(part, ToolResultPart)
        ]
    made: dict[str, Any] = {"role": message.role, "content": _content(message, target)}
    calls = [
        {
            "id": fit_id(part.id, length),
            "type": "function",
            "function": {"name": part.name, "arguments": as_text(part.arguments)},
            **_signed(part, target),
        }
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if calls:
        made["tool_calls"] = calls
        made["content"] = made["content"] or None
    return [made | _reasoning(message, target, bool(calls))]


def _signed(part: ToolCallPart, target: Target) -> dict[str, Any]:
    """The signature of a call, in the field that it came in."""
    ours = part.opaque is not None and part.origin == (target.backend, target.model)
    return {key: value for key, value in table(part.opaque).items() if key == SIGNED} if ours else {}


def _content(message: Message, target: Target) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, FilePart) for part in message.parts):
        return message.text
    return [
        {"type": "text", "text": part.text} if isinstance(part, TextPart) else _file(part, target)
        for part in message.parts
        if isinstance(part, FilePart) or (isinstance(part, TextPart) and part.text)
    ]


def _file(part: FilePart, target: Target) -> dict[str, Any]:
    address = f"data:{part.media_type};base64,{part.base64}"
    if part.kind == "image":
        return {"type": "image_url", "image_url": {"url": address}}
    if part.kind == "audio":
        form = {"audio/mpeg": "mp3", "audio/x-wav": "wav"}.get(
            part.media_type, part.media_type.partition("/")[2]
        )
        return {"type": "input_audio", "input_audio": {"data": part.base64, "format": form}}
    field = target.options.get("pdf_field")
    if field:
        return {"type": field, field: address}
    return {"type": "file", "file": {"filename": part.name or "file.pdf", "file_data": address}}


def _reasoning(message: Message, target: Target, calls: bool) -> dict[str, Any]:
    """Reasoning that must go back: signed details, or its text beside calls where a row names a field."""
    ours = [
        part
        for part in message.parts
        if isinstance(part, ReasoningPart) and part.origin == (target.backend, target.model)
    ]
    for part in ours:
        if part.opaque is not None and "reasoning_details" in part.opaque:
            return {"reasoning_details": part.opaque["reasoning_details"]}
    field = target.options.get("reasoning_back")
    text = "".join(part.text for part in ours)
    return {str(field): text} if field and text and calls else {}
