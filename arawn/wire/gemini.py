"""Google's generateContent, as an event stream, a JSON array or one object; pure, it knows no provider.

Source: https://ai.google.dev/api/generate-content, .../docs/thinking, .../docs/thought-signatures,
.../docs/function-calling, .../docs/structured-output and https://ai.google.dev/api/embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from arawn.events import Event, Finish, Progress, Reasoning, Usage
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
from arawn.wire.calls import as_object
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame, parse
from arawn.wire.gemini_calls import GeminiCalls
from arawn.wire.reading import Speech, count, reason, table, tables, torn, word

MEDIA = frozenset({"image", "pdf", "audio"})
BUDGETS = {"off": 0, "low": 1024, "medium": 8192, "high": 24576}
LEVELS = {"off": "low", "low": "low", "medium": "medium", "high": "high"}
SIGNATURE = "thoughtSignature"
UNSIGNED = "skip_thought_signature_validator"
"""Google's word for a call whose signature is not to be checked, for calls that another model made."""
PURPOSES = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}


def write(request: Request, target: Target) -> Call:
    """The HTTP call for a request. Signatures go back only to the backend and model they came from."""
    body: dict[str, Any] = {"contents": _contents(request, target)}
    if request.system:
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    config = _config(request, target)
    if request.tools:
        body["tools"] = [
            {
                "functionDeclarations": [
                    {
                        "name": tool.name,
                        "description": tool.description,
                        "parametersJsonSchema": dict(tool.parameters),
                    }
                    for tool in request.tools
                ]
            }
        ]
    if request.tool_choice:
        forced = {"mode": "ANY", "allowedFunctionNames": [request.tool_choice]}
        body["toolConfig"] = {"functionCallingConfig": forced}
    extra = dict(request.extra)
    config |= table(extra.pop("generationConfig", None))
    if config:
        body["generationConfig"] = config
    body |= extra
    return Call(_url(target, "streamGenerateContent?alt=sse" if request.stream else "generateContent"), body)


def _url(target: Target, method: str) -> str:
    name = target.model if "/" in target.model else f"models/{target.model}"
    return f"{target.base_url.rstrip('/')}/{name}:{method}"


def _config(request: Request, target: Target) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.max_tokens is not None:
        config["maxOutputTokens"] = request.max_tokens
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.top_p is not None:
        config["topP"] = request.top_p
    if request.stop:
        config["stopSequences"] = list(request.stop)
    if request.format is not None:
        config["responseMimeType"] = "application/json"
        if request.format.schema is not None:
            config["responseJsonSchema"] = dict(request.format.schema)
    thinking = _thinking(request.reasoning, target) if request.reasoning is not None else {}
    if thinking:
        config["thinkingConfig"] = {**thinking, "includeThoughts": request.reasoning not in ("off", 0)}
    return config


def _thinking(effort: str | int, target: Target) -> Mapping[str, Any]:
    """How much to think; `no_reasoning` pairs beginnings of models with what stands for `off` there."""
    off = target.options.get("no_reasoning", ()) if effort in ("off", 0) else ()
    for beginning, fields in off:
        if _is(target, (beginning,)):
            return table(fields)
    if isinstance(effort, str) and _has_levels(target):
        return {"thinkingLevel": LEVELS[effort]}
    return {"thinkingBudget": BUDGETS[effort] if isinstance(effort, str) else effort}


def _has_levels(target: Target) -> bool:
    """Newer models take a level of thinking instead of a budget, and demand signatures."""
    return _is(target, target.options.get("thinking_levels", ()) or ("gemini-3",))


def _is(target: Target, beginnings: Iterable[str]) -> bool:
    return target.model.rpartition("/")[2].startswith(tuple(beginnings))


def _contents(request: Request, target: Target) -> list[dict[str, Any]]:
    """Messages as contents; neighbours of one role become one, as results must stand together."""
    ids = _native_ids(request.messages, target)
    contents: list[dict[str, Any]] = []
    for message in request.messages:
        role = "model" if message.role == "assistant" else "user"
        parts = _parts(message, target, ids)
        if not parts:
            continue
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    return contents


def _native_ids(messages: Iterable[Message], target: Target) -> dict[str, str]:
    """The service's own ids of the calls it made: most have none, and ours mean nothing to it."""
    return {
        part.id: str(part.opaque["id"])
        for message in messages
        for part in message.parts
        if isinstance(part, ToolCallPart) and _ours(part, target) and part.opaque and "id" in part.opaque
    }


def _ours(part: ToolCallPart | ReasoningPart, target: Target) -> bool:
    return part.opaque is not None and part.origin == (target.backend, target.model)


def _parts(message: Message, target: Target, ids: Mapping[str, str]) -> list[dict[str, Any]]:
    made = [found for part in message.parts if (found := _part(part, target, ids)) is not None]
    calls = [part for part in made if "functionCall" in part]
    if calls and SIGNATURE not in calls[0] and _has_levels(target):
        calls[0][SIGNATURE] = UNSIGNED
    return made


def _part(part: Part, target: Target, ids: Mapping[str, str]) -> dict[str, Any] | None:
    match part:
        case TextPart():
            return {"text": part.text} if part.text else None
        case FilePart():
            return {"inlineData": {"mimeType": part.media_type, "data": part.base64}}
        case ReasoningPart():
            signed = part.opaque.get(SIGNATURE) if part.opaque and _ours(part, target) else None
            return {"text": "", SIGNATURE: signed} if signed else None
        case ToolCallPart():
            call: dict[str, Any] = {"name": part.name, "args": as_object(part.arguments)}
            opaque = dict(part.opaque) if part.opaque and _ours(part, target) else {}
            if "id" in opaque:
                call["id"] = opaque["id"]
            return {"functionCall": call} | {key: opaque[key] for key in (SIGNATURE,) if key in opaque}
        case ToolResultPart():
            answer: dict[str, Any] = {
                "name": part.name,
                "response": {"error" if part.failed else "result": part.content},
            }
            if part.call_id in ids:
                answer["id"] = ids[part.call_id]
            return {"functionResponse": answer}


class _Reply:
    """What is known of a reply so far."""

    def __init__(self) -> None:
        self.speech = Speech()
        self.calls = GeminiCalls()
        self.raw = ""
        self.blocked = False
        self.model = ""
        self.usage: Usage | None = None
        self.citations: list[Mapping[str, Any]] = []


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event]:
    """The events of a reply. Raises the service's own error, or Cut where no finish or block reason came."""
    reply = _Reply()
    for frame in frames:
        if not frame.data.strip() or frame.data.startswith("[DONE]"):
            continue
        chunk = parse(frame)
        for part in chunk if isinstance(chunk, list) else [chunk]:
            if isinstance(part, Mapping):
                if part.get("error"):
                    raise from_payload(part, target)
                yield from _chunk(part, reply)
    yield from reply.speech.flush()
    if not reply.raw:
        raise torn(target)
    if reply.usage is not None:
        yield reply.usage
    why = "content_filter" if reply.blocked else reason(reply.raw, bool(reply.calls.ids))
    yield Finish(why, reply.raw, reply.model, None, tuple(reply.citations))


def _chunk(chunk: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    reply.model = word(chunk.get("modelVersion")) or reply.model
    said = table(chunk.get("usageMetadata"))
    if said:
        reply.usage = _usage(said)
    for candidate in tables(chunk.get("candidates")):
        if candidate.get("index") in (0, None):
            for part in tables(table(candidate.get("content")).get("parts")):
                yield from _part_events(part, reply)
            reply.raw = word(candidate.get("finishReason")) or reply.raw
            _cite(table(candidate.get("groundingMetadata")), reply)
    blocked = word(table(chunk.get("promptFeedback")).get("blockReason"))
    if blocked:
        reply.raw, reply.blocked = blocked, True


def _part_events(part: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    signature = part.get("thoughtSignature")
    signed = {"thoughtSignature": signature} if isinstance(signature, str) and signature else {}
    call = part.get("functionCall")
    if isinstance(call, Mapping):
        whole = reply.calls.add(call, signed)
        yield whole or Progress(f"writing a call of {word(call.get('name')) or 'a tool'}")
        return
    yield from (reply.speech.thought if part.get("thought") else reply.speech.text)(part.get("text"))
    if signed:
        yield Reasoning("", signed)


def _cite(grounding: Mapping[str, Any], reply: _Reply) -> None:
    for chunk in tables(grounding.get("groundingChunks")):
        web = table(chunk.get("web"))
        made = {"url": word(web.get("uri")), "title": word(web.get("title"))}
        if made["url"] and made not in reply.citations:
            reply.citations.append(made)


def _usage(said: Mapping[str, Any]) -> Usage:
    """Google counts thoughts beside the candidates; ours counts all output."""
    thoughts, shown = count(said, "thoughtsTokenCount"), count(said, "candidatesTokenCount")
    made = None if thoughts is None and shown is None else (thoughts or 0) + (shown or 0)
    heard = next(
        (
            count(one, "tokenCount")
            for one in tables(said.get("promptTokensDetails"))
            if one.get("modality") == "AUDIO"
        ),
        None,
    )
    return Usage(
        count(said, "promptTokenCount"), made, count(said, "cachedContentTokenCount"), thoughts,
        audio=heard, tooling=count(said, "toolUsePromptTokenCount"),
    )  # fmt: skip


def embed(
    texts: Sequence[str], target: Target, *, purpose: str | None = None, dimensions: int | None = None
) -> Call:
    """The HTTP call that asks for the vectors of `texts`."""
    name = target.model if "/" in target.model else f"models/{target.model}"
    shared: dict[str, Any] = {"model": name}
    if purpose is not None:
        shared["taskType"] = PURPOSES[purpose]
    if dimensions is not None:
        shared["outputDimensionality"] = dimensions
    asked = [{**shared, "content": {"parts": [{"text": text}]}} for text in texts]
    return Call(_url(target, "batchEmbedContents"), {"requests": asked})


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
