"""Claude's export: `conversations.json` of claude.ai, alone or in its zip archive.

Anthropic documents no form; this one is after what exports hold (chat_messages with sender, content,
attachments, files; since 2025 parent_message_uuid, which makes a tree). Files themselves are not in it, only
the text of documents, which stands before the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from arawn.messages import Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.session import Receipt, Session
from arawn.transfer.shape import (
    Tell,
    conversations,
    dumps,
    each,
    id_of,
    moment,
    numbered,
    shown,
    table,
    tables,
    text,
)
from arawn.transfer.source import Source, file_part
from arawn.transfer.tree import Pieces, Said, answer, grow, user

NAME = "claude"
Files = Mapping[str, Source]
Json = Mapping[str, Any]


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """A session of each conversation, with the branches where the export tells them."""
    files = {PurePosixPath(name).name: one for name, one in source.beside.items()}
    found = numbered(conversations(source.text(tell)), "conversation", tell)
    return each(found, partial(_session, files=files, at=source.at), tell)


def _session(value: Any, files: Files, at: float) -> Session:
    made = table(value)
    given = made.get("chat_messages")
    if not isinstance(given, list):
        raise ValueError("it has no list of chat_messages")
    messages = {text(one.get("uuid")) or str(number): one for number, one in enumerate(tables(given))}
    own = text(made.get("uuid")) or dumps([text(made.get("created_at")), *messages])
    session = Session(id_of(NAME, own), text(made.get("name")))
    session.created = moment(made.get("created_at")) or at
    session.pinned = made.get("is_starred") is True
    model, parents = text(made.get("model")), _parents(messages)
    said = [
        Said(id, parents[id], _pieces(one, files), moment(one.get("created_at")), _receipt(one, model))
        for id, one in messages.items()
    ]
    head = text(made.get("current_leaf_message_uuid")) or next(reversed(messages), "")
    return grow(session, said, head)


def _parents(messages: Mapping[str, Json]) -> dict[str, str | None]:
    """What each message follows: the one it names, or in older exports simply the one before."""
    named = any(text(one.get("parent_message_uuid")) in messages for one in messages.values())
    before = [None, *messages]
    return {
        id: (text(one.get("parent_message_uuid")) or None) if named else before[number]
        for number, (id, one) in enumerate(messages.items())
    }


def _receipt(one: Json, model: str) -> Receipt | None:
    if one.get("sender") != "assistant":
        return None
    raw = text(one.get("stop_reason"))
    finish = {"user_canceled": "interrupted", "max_tokens": "length"}.get(raw, "stop")
    return Receipt(
        backend=NAME, provider=NAME, model=text(one.get("model")) or model, finish=finish, finish_raw=raw
    )


def _pieces(one: Json, files: Files) -> Pieces:
    parts = [part for block in tables(one.get("content")) for part in _block(block)]
    if not any(isinstance(part, TextPart) and part.text for part in parts):
        parts.append(TextPart(text(one.get("text"))))
    if one.get("sender") == "assistant":
        return answer(*parts)
    return user(*_files(one, files), *parts)


def _files(one: Json, files: Files) -> Iterator[Part]:
    """What went along: the text of a document as far as it was exported, any other file by its name."""
    known = set()
    for file in tables(one.get("attachments")):
        name, words = text(file.get("file_name")), text(file.get("extracted_content"))
        known.add(name)
        yield TextPart(_fenced(name or "a file", words)) if words else file_part(files.get(name), name)
    for file in tables(one.get("files")):
        name = text(file.get("file_name")) or text(file.get("file_uuid"))
        if name not in known:
            yield file_part(files.get(name), name)


def _fenced(name: str, words: str) -> str:
    fence = "```"
    while fence in words:
        fence += "`"
    return f"{shown(name)}:\n{fence}\n{words.rstrip(chr(10))}\n{fence}\n\n"


def _block(block: Json) -> Iterator[Part]:
    match block.get("type"):
        case "thinking":
            yield ReasoningPart(text(block.get("thinking")))
        case "tool_use":
            name = text(block.get("name")) or "tool"
            yield ToolCallPart(text(block.get("id")), name, dumps(block.get("input") or {}))
        case "tool_result":
            words, failed = _result(block.get("content")), block.get("is_error") is True
            yield ToolResultPart(text(block.get("tool_use_id")), text(block.get("name")), words, failed)
        case _:
            yield TextPart(text(block.get("text")))


def _result(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(
        text(one.get("text")) or f"[{shown(text(one.get('title')) or text(one.get('type')))}]"
        for one in tables(content)
    )
