"""Messages, turns and sessions as plain JSON values, and back: the form of journal, store and exports.

It knows no file. What is read may be anybody's: a value of another shape raises ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from arawn.events import Attempt, Usage
from arawn.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from arawn.session import MAIN, Kind, Receipt, Seam, Session, Turn

VERSION = 1
LARGEST = 1.7976931348623157e308
"""The largest number that is one (IEEE 754)."""
Json = dict[str, Any]
Bytes = Callable[[str], bytes]
"""sha256 in hex -> the file's bytes. Raises KeyError for one that is not there."""


def digest(data: bytes) -> str:
    """The name of a file's content: its SHA-256, in hex."""
    from hashlib import sha256

    return sha256(data).hexdigest()


def clean(text: str) -> str:
    """`text` as it can be written anywhere: neither lone surrogates nor NUL."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\0", "\ufffd")


def without_keys(message: Message, mask: Callable[[str], str]) -> Message:
    """The message with all text masked, the same one where there was nothing to mask.

    What is bound to a text by a signature of its service goes with that text.
    """
    parts = tuple(_masked(part, mask) for part in message.parts)
    return message if parts == message.parts else message._replace(parts=parts)


def _masked(part: Part, mask: Callable[[str], str]) -> Part:
    match part:
        case TextPart():
            return part._replace(text=mask(part.text))
        case FilePart():
            return part._replace(name=mask(part.name))
        case ReasoningPart():
            text = mask(part.text)
            return part if text == part.text else part._replace(text=text, opaque=None)
        case ToolCallPart():
            text = mask(part.arguments)
            return part if text == part.arguments else part._replace(arguments=text, opaque=None)
        case ToolResultPart():
            return part._replace(content=mask(part.content))
    return part


def turn_without_keys(turn: Turn, mask: Callable[[str], str]) -> Turn:
    """The turn with all that was said and told in it masked."""
    receipt = turn.receipt
    told = None if receipt.told is None else mask(receipt.told)
    settings = {key: _masked_value(value, mask) for key, value in receipt.settings.items()}
    messages = tuple(without_keys(message, mask) for message in turn.messages)
    return turn._replace(messages=messages, receipt=receipt._replace(told=told, settings=settings))


def session_without_keys(session: Session, mask: Callable[[str], str], turns: bool = True) -> Session:
    """The session with title, system prompt, names of branches and, where asked, all `turns` masked."""
    system = None if session.system is None else mask(session.system)
    branches = {mask(name): turn for name, turn in session.branches.items()}
    told = (mask(session.title), system, branches)
    if not turns and told == (session.title, session.system, session.branches):
        return session
    from copy import copy

    made = copy(session)
    made.title, made.system, made.branches = told
    made.branch = None if session.branch is None else mask(session.branch)
    if turns:
        made.turns = {id: turn_without_keys(turn, mask) for id, turn in session.turns.items()}
    return made


def _masked_value(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _masked_value(item, mask) for key, item in value.items()}
    return [_masked_value(item, mask) for item in value] if isinstance(value, list | tuple) else value


def message_out(message: Message, *, whole: bool = True) -> Json:
    """A message; files with their bytes where `whole`, else by their digest alone."""
    return {"role": message.role, "parts": [part_out(part, whole) for part in message.parts]}


def part_out(part: Part, whole: bool) -> Json:
    """A part, with a `type` to tell it by."""
    match part:
        case TextPart():
            return {"type": "text", "text": clean(part.text)}
        case FilePart():
            made = {"type": "file", "sha256": digest(part.data), "media_type": part.media_type}
            return {**made, "name": clean(part.name), **({"data": part.base64} if whole else {})}
        case ReasoningPart():
            return {"type": "reasoning", "text": clean(part.text), **_opaque(part)}
        case ToolCallPart():
            call = {"type": "tool_call", "id": clean(part.id), "name": clean(part.name)}
            return {**call, "arguments": clean(part.arguments), **_opaque(part)}
        case ToolResultPart():
            result = {"type": "tool_result", "id": clean(part.call_id), "name": clean(part.name)}
            return {**result, "content": clean(part.content), "failed": part.failed}


def _opaque(part: ReasoningPart | ToolCallPart) -> Json:
    if part.opaque is None:
        return {}
    return {"opaque": dict(part.opaque), "origin": list(part.origin)}


def message_in(value: Any, bytes_of: Bytes | None = None) -> Message:
    """A message from its JSON. Raises ValueError."""
    made = _table(value)
    role = made.get("role")
    if role not in ("user", "assistant", "tool"):
        raise ValueError(f"a message of no known role: {role!r}")
    parts = tuple(part_in(part, bytes_of) for part in _list(made.get("parts")))
    return Message(cast(Role, role), parts)


def part_in(value: Any, bytes_of: Bytes | None = None) -> Part:
    """A part from its JSON. Raises ValueError."""
    made = _table(value)
    opaque = made.get("opaque")
    held = dict(opaque) if isinstance(opaque, Mapping) else None
    origin = [str(word) for word in _list(made.get("origin", ["", ""]))]
    came = (origin[0], origin[1]) if len(origin) == 2 else ("", "")
    match made.get("type"):
        case "text":
            return TextPart(_text(made, "text"))
        case "file":
            return _file_in(made, bytes_of)
        case "reasoning":
            return ReasoningPart(_text(made, "text"), held, came)
        case "tool_call":
            return ToolCallPart(_text(made, "id"), _text(made, "name"), _text(made, "arguments"), held, came)
        case "tool_result":
            failed = bool(made.get("failed", False))
            return ToolResultPart(_text(made, "id"), _text(made, "name"), _text(made, "content"), failed)
        case other:
            raise ValueError(f"a part of no known type: {other!r}")


def _file_in(made: Json, bytes_of: Bytes | None) -> Part:
    """A file; where its bytes are nowhere to be had a line of text stands for it."""
    from base64 import b64decode

    name, kind = str(made.get("name") or ""), _text(made, "media_type")
    if "data" in made:
        return FilePart(b64decode(_text(made, "data"), validate=True), kind, name)
    try:
        if bytes_of is not None:
            return FilePart(bytes_of(_text(made, "sha256")), kind, name)
    except KeyError:
        pass
    return TextPart(f"[{name or 'a file'}: {kind}, no longer there]\n")


def _row(item: Attempt | Seam) -> Json:
    """An attempt or a seam; most attempts have no `hold`, and nothing is said of what is `left`."""
    made = item._asdict()
    return {key: made[key] for key in made if key not in ("hold", "left") or made[key] not in ("", None)}


def receipt_out(receipt: Receipt) -> Json:
    """A receipt without what is not known."""
    made: Json = {**receipt._asdict()}
    for key in ("attempts", "seams"):
        made[key] = [_row(item) for item in made[key]]
    for key in ("usage", "settings"):
        table = made[key]._asdict() if key == "usage" else made[key]
        made[key] = {name: item for name, item in table.items() if item not in (None, (), "")}
    if receipt.told:
        made["told"] = clean(receipt.told)
    return {
        key: item
        for key, item in made.items()
        if item not in (None, "", [], {}, 0) or (key == "cost_usd" and item is not None)
    }


def receipt_in(value: Any) -> Receipt:
    """A receipt from its JSON; keys that it does not know are passed over. Raises ValueError."""
    made = {key: item for key, item in _table(value).items() if key in Receipt._fields}
    usage = _known(Usage._fields, made.get("usage", {}))
    made["usage"] = Usage(**{key: _count(item) for key, item in usage.items()})
    made["attempts"] = tuple(_attempt(item) for item in _list(made.get("attempts", [])))
    made["seams"] = tuple(_seam(item) for item in _list(made.get("seams", [])))
    made["settings"] = _table(made.get("settings", {}))
    for key in ("backend", "provider", "model", "finish", "finish_raw"):
        made[key] = str(made.get(key) or ("interrupted" if key == "finish" else ""))
    for key in ("estimate", "left_out"):
        made[key] = _count(made.get(key))
    made["left_out"] = made["left_out"] or 0
    for key in ("error", "told", "prices"):
        made[key] = None if made.get(key) is None else str(made[key])
    made["cost_usd"] = _number(made.get("cost_usd"))
    return Receipt(**made)


def _attempt(value: Any) -> Attempt:
    made = _known(Attempt._fields, value)
    error = made.get("error")
    return Attempt(
        _text(made, "backend"),
        _text(made, "model"),
        _count(made.get("status")),
        None if error is None else str(error),
        _number(made.get("waited_s")) or 0.0,
        _number(made.get("first_event_s")),
        _number(made.get("total_s")) or 0.0,
        _number(made.get("reset_s")),
        str(made.get("hold") or ""),
        _count(made.get("left")),
    )


def _seam(value: Any) -> Seam:
    made = _known(Seam._fields, value)
    return Seam(_count(made.get("at")) or 0, str(made.get("backend", "")), str(made.get("model", "")))


def turn_out(turn: Turn) -> Json:
    """A turn with its messages and its receipt."""
    return {
        "id": turn.id,
        "parent": turn.parent,
        "kind": turn.kind,
        "at": turn.at,
        "session": turn.session,
        "messages": [message_out(message) for message in turn.messages],
        "receipt": receipt_out(turn.receipt),
    }


def turn_in(value: Any) -> Turn:
    """A turn from its JSON. Raises ValueError."""
    made = _table(value)
    messages = tuple(message_in(one) for one in _list(made.get("messages")))
    if not messages:
        raise ValueError("a turn without a message")
    parent = made.get("parent")
    kind: Kind = "summary" if made.get("kind") == "summary" else "said"
    return Turn(
        _text(made, "id"),
        None if parent is None else str(parent),
        messages,
        receipt_in(made.get("receipt", {})),
        _number(made.get("at")) or 0.0,
        str(made.get("session") or ""),
        kind,
    )


def session_out(session: Session) -> Json:
    """A whole session, files included: what `session export --format json` writes."""
    return {
        "arawn": "session",
        "version": VERSION,
        "id": session.id,
        "title": clean(session.title),
        "system": None if session.system is None else clean(session.system),
        "pinned": session.pinned,
        "folder": clean(session.folder),
        "created": session.created,
        "head": session.head,
        "branch": session.branch,
        "branches": dict(session.branches),
        "turns": [turn_out(turn) for turn in session.turns.values()],
    }


def session_in(value: Any) -> Session:
    """A session from its JSON. Raises ValueError, also for one that a newer version wrote."""
    made = _table(value)
    if made.get("arawn") != "session":
        raise ValueError("this is no session of Arawn")
    if made.get("version") != VERSION:
        raise ValueError(f"it is of version {made.get('version')!r}; this Arawn reads version {VERSION}")
    system = made.get("system")
    session = Session(
        _text(made, "id"), str(made.get("title") or ""), None if system is None else str(system)
    )
    session.pinned = bool(made.get("pinned", False))
    session.folder = str(made.get("folder") or "")
    session.created = _number(made.get("created")) or 0.0
    for one in _list(made.get("turns")):
        turn = turn_in(one)
        session.turns[turn.id] = turn
        session.latest = turn.id if turn.kind == "said" else session.latest
    ends = {str(name): str(turn) for name, turn in _table(made.get("branches", {})).items()}
    session.branches = {name: turn for name, turn in ends.items() if turn in session.turns}
    head, branch = made.get("head"), made.get("branch")
    session.head = head if isinstance(head, str) and head in session.turns else None
    if isinstance(branch, str) and branch in session.branches:
        session.branch = branch
    else:
        session.branch = None if session.turns else MAIN
    return session


def _table(value: Any) -> Json:
    if not isinstance(value, Mapping):
        raise ValueError("a table was expected")
    return dict(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError("a list was expected")
    return list(value)


def _text(made: Mapping[str, Any], key: str) -> str:
    value = made.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")
    return value


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    """A finite number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        return None
    return float(value)


def _known(fields: tuple[str, ...], value: Any) -> Json:
    return {key: item for key, item in _table(value).items() if key in fields}
