"""Sessions in OpenAI's training form: a line for each, `{"messages": [...]}`, what was said up to the head.

Receipts, reasoning, other branches, titles and times have no place there, nor have names of pictures.
Source: https://platform.openai.com/docs/guides/supervised-fine-tuning and the reference of chat completions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arawn.messages import FilePart, Message, Part, TextPart, ToolCallPart, ToolResultPart
from arawn.record import Json, clean
from arawn.session import Session
from arawn.transfer.shape import Tell, dumps, each, id_of, lines, shown, table, tables, text
from arawn.transfer.source import Source, data_file
from arawn.transfer.tree import Pieces, Said, answer, grow, user

_AUDIO = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "opus",
    "audio/aac": "aac",
}


def write(sessions: Iterable[Session]) -> Iterator[str]:
    """A line for each session in which something was said."""
    for session in sessions:
        said = [message for turn in session.path() if turn.kind == "said" for message in turn.messages]
        if said:
            first = [{"role": "system", "content": clean(session.system)}] if session.system else []
            yield dumps({"messages": [*first, *(one for message in said for one in _out(message))]}) + "\n"


def _out(message: Message) -> Iterator[Json]:
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    for part in results:
        yield {"role": "tool", "tool_call_id": clean(part.call_id), "content": clean(part.content)}
    if results:
        return
    calls = [_call_out(part) for part in message.parts if isinstance(part, ToolCallPart)]
    parts = [_part_out(part) for part in message.parts if isinstance(part, TextPart | FilePart)]
    made: Json = {"role": message.role, "content": parts}
    # An answer that was gone on with has a text for each time; who trains with it wants the whole.
    if (len(parts) == 1 or message.role == "assistant") and all(part["type"] == "text" for part in parts):
        made["content"] = "".join(part["text"] for part in parts)
    if not parts:
        made["content"] = None if calls else ""
    yield made | ({"tool_calls": calls} if calls else {})


def _call_out(part: ToolCallPart) -> Json:
    function = {"name": clean(part.name), "arguments": clean(part.arguments)}
    return {"id": clean(part.id), "type": "function", "function": function}


def _part_out(part: TextPart | FilePart) -> Json:
    if isinstance(part, TextPart):
        return {"type": "text", "text": clean(part.text)}
    if part.kind == "image":
        return {"type": "image_url", "image_url": {"url": _data_url(part)}}
    if part.kind == "audio":
        kind = _AUDIO.get(part.media_type, part.media_type.partition("/")[2])
        return {"type": "input_audio", "input_audio": {"data": part.base64, "format": kind}}
    return {
        "type": "file",
        "file": {"filename": clean(part.name) or "file.pdf", "file_data": _data_url(part)},
    }


def _data_url(part: FilePart) -> str:
    return f"data:{part.media_type};base64,{part.base64}"


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """A session of each line; lines that are the same are one."""
    return each(lines(source.text(tell), tell), lambda value: session(value, source.at), tell)


def session(value: Any, at: float) -> Session:
    """A session from `{"messages": [...]}`, said at `at`. Raises ValueError."""
    given = table(value).get("messages")
    if not isinstance(given, list):
        raise ValueError("it has no list of messages")
    made = Session(id_of("openai", dumps(given)))
    made.created = at
    system: list[str] = []
    said: list[Said] = []
    for number, one in enumerate(tables(given)):
        role = one.get("role")
        if role in ("system", "developer") and not said:
            system.append("".join(part.text for part in _content(one) if isinstance(part, TextPart)))
        else:
            said.append(Said(str(number), str(number - 1) if said else None, _pieces(role, one)))
    made.system = "\n\n".join(system) or None
    grown = grow(made, said)
    if not grown.turns:
        raise ValueError("nothing is said in it")
    return grown


def _pieces(role: Any, one: Mapping[str, Any]) -> Pieces:
    parts = _content(one)
    if role == "assistant":
        refusal = text(one.get("refusal"))
        return answer(*parts, *([TextPart(refusal)] if refusal and not parts else []), *_calls(one))
    if role in ("tool", "function"):
        words = "".join(part.text for part in parts if isinstance(part, TextPart))
        return answer(ToolResultPart(text(one.get("tool_call_id")), text(one.get("name")), words))
    if role in ("user", "system", "developer"):
        return user(*parts) or (("user", TextPart("")),)
    raise ValueError(f"a message of no known role: {shown(str(role))}")


def _calls(one: Mapping[str, Any]) -> Iterator[ToolCallPart]:
    old = one.get("function_call")
    given = [{"function": old}] if isinstance(old, dict) else tables(one.get("tool_calls"))
    for call in given:
        function = call.get("function")
        if isinstance(function, dict):
            arguments = function.get("arguments")
            words = arguments if isinstance(arguments, str) else dumps(arguments or {})
            yield ToolCallPart(text(call.get("id")), text(function.get("name")), words)


def _content(one: Mapping[str, Any]) -> list[Part]:
    content = one.get("content")
    if isinstance(content, str):
        return [TextPart(content)]
    return [_part_in(part) for part in tables(content)]


def _part_in(part: Mapping[str, Any]) -> Part:
    kind = part.get("type")
    inner = part.get(kind) if isinstance(kind, str) else None
    held = inner if isinstance(inner, dict) else {}
    if kind == "image_url":
        return data_file(text(held.get("url")) or text(inner))
    if kind == "input_audio":
        named = {short: long for long, short in _AUDIO.items()}.get(text(held.get("format")), "")
        return data_file(f"data:{named};base64,{text(held.get('data'))}")
    if kind == "file":
        return data_file(text(held.get("file_data")), text(held.get("filename")))
    return TextPart(text(part.get("text")) or text(part.get("refusal")))
