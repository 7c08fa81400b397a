"""ChatGPT's export: `conversations.json`, alone or in its zip archive together with the pictures.

OpenAI documents no form; this one is after "ChatGPT User Data Export Specification (Unofficial)" 3.0 of
2026-02-05 (github.com/mohamed-chs/convoviz, docs/dev/chatgpt-spec.md). What ChatGPT itself hides is passed
over, apart from the custom instructions, which become the system prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from arawn.messages import FilePart, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.session import Receipt, Session
from arawn.transfer.shape import (
    Tell,
    conversations,
    dumps,
    each,
    id_of,
    loads,
    moment,
    numbered,
    strings,
    table,
    tables,
    text,
)
from arawn.transfer.source import Source, file_part
from arawn.transfer.tree import Pieces, Said, answer, grow, user

NAME = "chatgpt"
_ASSET = re.compile(r"file[-_][A-Za-z0-9]+")
_FINISH = {"stop": "stop", "max_tokens": "length", "interrupted": "interrupted", "length": "length"}
Files = Mapping[str, Source]
Json = Mapping[str, Any]


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """A session of each conversation: its tree, with every answer that was given, and its head."""
    found = numbered(conversations(source.text(tell)), "conversation", tell)
    return each(found, partial(_session, files=_by_asset(source.beside), at=source.at), tell)


def _by_asset(beside: Files) -> dict[str, Source]:
    """The files of an archive by their own names, and by what these begin with (`file-AbC1`, `file_00ff`)."""
    found: dict[str, Source] = {}
    for name, one in beside.items():
        own = PurePosixPath(name).name
        found.setdefault(own, one)
        begins = _ASSET.match(own)
        if begins:
            found.setdefault(begins[0], one)
    return found


def _session(value: Any, files: Files, at: float) -> Session:
    made = table(value)
    if not isinstance(made.get("mapping"), dict):
        raise ValueError("it has no tree of messages (mapping)")
    mapping = {id: node for id, node in made["mapping"].items() if isinstance(node, dict)}
    own = text(made.get("conversation_id")) or text(made.get("id")) or dumps(sorted(mapping))
    session = Session(id_of(NAME, own), text(made.get("title")))
    session.created = moment(made.get("create_time")) or at
    session.pinned = made.get("is_starred") is True
    parents = {child: id for id, node in mapping.items() for child in strings(node.get("children"))}
    said = []
    for id, node in mapping.items():
        message = _inner(node, "message")
        session.system = session.system or _instructions(message) or None
        parent = text(node.get("parent")) or parents.get(id)
        receipt = _receipt(message, text(made.get("default_model_slug")))
        said.append(
            Said(id, parent, _pieces(id, message, files), moment(message.get("create_time")), receipt)
        )
    return grow(session, said, text(made.get("current_node")))


def _inner(value: Json, key: str) -> Json:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _instructions(message: Json) -> str:
    """The custom instructions, which stand in a hidden message."""
    content = _inner(message, "content")
    if content.get("content_type") != "user_editable_context":
        held = _inner(_inner(message, "metadata"), "user_context_message_data")
        words = (held.get("about_user_message"), held.get("about_model_message"))
    else:
        words = (content.get("user_profile"), content.get("user_instructions"))
    return "\n\n".join(text(word).strip() for word in words if text(word).strip())


def _receipt(message: Json, model: str) -> Receipt | None:
    if _inner(message, "author").get("role") != "assistant":
        return None
    metadata = _inner(message, "metadata")
    raw = text(_inner(metadata, "finish_details").get("type"))
    finish = _FINISH.get(raw, "interrupted" if message.get("status") == "in_progress" else "stop")
    model = text(metadata.get("model_slug")) or model
    return Receipt(backend=NAME, provider=NAME, model=model, finish=finish, finish_raw=raw)


def _pieces(id: str, message: Json, files: Files) -> Pieces:
    author, metadata = _inner(message, "author"), _inner(message, "metadata")
    content = _inner(message, "content")
    if metadata.get("is_visually_hidden_from_conversation") is True or _instructions(message):
        return ()
    match author.get("role"):
        case "user":
            return user(*_asked(content, metadata, files))
        case "assistant":
            return _answered(id, message, content, files)
        case "tool":
            name = text(author.get("name")) or "tool"
            words = _plain(_parts(content, {}, files))
            return answer(ToolResultPart("", name, words, content.get("content_type") == "system_error"))
        case _:
            return ()


def _asked(content: Json, metadata: Json, files: Files) -> Iterator[Part]:
    """The files first, then the text; a file that is named but not shown is looked up as well."""
    attached = {text(one.get("id")): text(one.get("name")) for one in tables(metadata.get("attachments"))}
    parts = list(_parts(content, attached, files))
    pointers = dumps(content.get("parts") or [])
    for id, name in attached.items():
        if not id or id not in pointers:
            yield file_part(files.get(id) or files.get(name), name)
    yield from (part for part in parts if isinstance(part, FilePart))
    yield from (part for part in parts if not isinstance(part, FilePart))


def _answered(id: str, message: Json, content: Json, files: Files) -> Pieces:
    recipient = text(message.get("recipient")) or "all"
    parts = list(_parts(content, {}, files))
    if recipient == "all" or any(isinstance(part, ReasoningPart) for part in parts):
        return answer(*parts)
    words = text(content.get("text")) or _plain(iter(parts))
    try:
        whole = isinstance(loads(words), dict)
    except ValueError:
        whole = False
    return answer(ToolCallPart(id, recipient, words if whole else dumps({"input": words})))


def _plain(parts: Iterator[Part]) -> str:
    """Parts as text alone, as the result of a tool is."""
    return "".join(
        part.text if isinstance(part, TextPart) else f"[{part.name}: {part.media_type}]\n"
        for part in parts
        if isinstance(part, TextPart | FilePart)
    )


def _parts(content: Json, names: Mapping[str, str], files: Files) -> Iterator[Part]:
    match content.get("content_type"):
        case "thoughts":
            yield ReasoningPart("\n\n".join(_thoughts(content)))
        case "reasoning_recap":
            yield ReasoningPart(text(content.get("content")))
        case "code" if content.get("text"):
            language = text(content.get("language")).replace("unknown", "")
            yield TextPart(f"```{language}\n{text(content.get('text'))}\n```")
        case _ if isinstance(content.get("parts"), list):
            for part in content["parts"]:
                yield _part(part, names, files)
        case _:
            keys = ("title", "url", "text", "result", "summary", "content")
            yield TextPart("\n".join(text(content.get(key)) for key in keys if text(content.get(key))))


def _thoughts(content: Json) -> Iterator[str]:
    for one in tables(content.get("thoughts")):
        words = (text(one.get("summary")), text(one.get("content")))
        yield "\n".join(word for word in words if word)


def _part(part: Any, names: Mapping[str, str], files: Files) -> Part:
    if isinstance(part, str):
        return TextPart(part)
    held = part if isinstance(part, dict) else {}
    pointer = text(held.get("asset_pointer")) or text(
        _inner(held, "audio_asset_pointer").get("asset_pointer")
    )
    if not pointer:
        return TextPart(text(held.get("text")))
    found = _ASSET.match(pointer.rpartition("/")[2])
    id = found[0] if found else ""
    return file_part(files.get(id), names.get(id) or id or pointer)
