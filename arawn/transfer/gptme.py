"""gptme's conversations: `logs/NAME/conversation.jsonl`, with the branches and the name beside it.

After gptme's own code (gptme/message.py, gptme/logmanager/manager.py, 0.35): a line for each message, role,
content and timestamp, its branches under `branches/`. What a tool says stands there as a system message;
here, as gptme sends it, as one of the person's. Files are named, not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from arawn.errors import UsageFault
from arawn.events import Usage
from arawn.messages import TextPart
from arawn.session import MAIN, Receipt, Session
from arawn.transfer.shape import Tell, count, each, id_of, lines, moment, number, shown, strings, text
from arawn.transfer.source import Source
from arawn.transfer.tree import Pieces, Said, answer, grow, user

NAME = "gptme"
Json = Mapping[str, Any]


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """The one session of a conversation's folder, or of its file alone."""
    return each([(source.label, source)], lambda one: _session(one, tell), tell)


def _session(source: Source, tell: Tell) -> Session:
    folder = PurePath(source.name).parent.name
    logs = {MAIN: _messages(source, tell)}
    for name, one in source.beside.items():
        parts = PurePath(name).parts
        if len(parts) == 2 and parts[0] == "branches" and name.endswith(".jsonl"):
            logs.setdefault(one.stem, _messages(one, tell))
    begins = next(iter(logs[MAIN]), {})
    session = Session(id_of(NAME, folder, text(begins.get("timestamp"))), _title(source) or folder)
    session.created = moment(begins.get("timestamp"), local=True) or source.at
    said: dict[str, Said] = {}
    ends: dict[str, str] = {}
    for branch, messages in logs.items():
        ends[branch] = _follow(session, messages, said)
    grown = grow(session, said.values(), ends[MAIN])
    return _named(grown, ends)


def _messages(source: Source, tell: Tell) -> list[Json]:
    return [
        value
        for _, value in lines(source.text(tell), tell)
        if isinstance(value, dict) and value.get("ui_only") is not True
    ]


def _title(source: Source) -> str:
    """The name of the chat in `config.toml`, as it was given."""
    import tomllib

    one = source.beside.get("config.toml")
    try:
        chat = tomllib.loads(one.load(1024 * 1024).decode("utf-8", "replace")).get("chat") if one else None
    except (UsageFault, ValueError, RecursionError):
        return ""
    return text(chat.get("name")) if isinstance(chat, dict) else ""


def _follow(session: Session, messages: list[Json], said: dict[str, Said]) -> str:
    """The messages of a branch behind one another; what two branches share is there once. Its last id."""
    above = ""
    system: list[str] = []
    for one in messages:
        role, words = text(one.get("role")), text(one.get("content"))
        if role == "system" and not above:
            system.append(words)
            continue
        id = id_of(above, role, words, text(one.get("timestamp")))
        at = moment(one.get("timestamp"), local=True)
        receipt = _receipt(one) if role == "assistant" else None
        said.setdefault(id, Said(id, above or None, _pieces(role, words, one), at, receipt))
        above = id
    session.system = session.system or "\n\n".join(system) or None
    return above


def _pieces(role: str, words: str, one: Json) -> Pieces:
    if role == "assistant":
        return answer(TextPart(words))
    files = [TextPart(f"[{shown(name)}: not in the log]\n") for name in strings(one.get("files"))]
    return user(*files, TextPart(f"<system>{words}</system>" if role == "system" else words))


def _receipt(one: Json) -> Receipt:
    held = one.get("metadata")
    told: Json = held if isinstance(held, dict) else {}
    inner = told.get("usage")
    usage: Json = inner if isinstance(inner, dict) else told
    cached, fresh = count(usage.get("cache_read_tokens")), count(usage.get("input_tokens"))
    made = count(usage.get("cache_creation_tokens"))
    whole = None if fresh is None else fresh + (cached or 0) + (made or 0)
    spent = Usage(
        whole, count(usage.get("output_tokens")), cached, count(usage.get("reasoning_tokens")), made
    )
    model, cost = text(told.get("model")), number(told.get("cost"))
    return Receipt(backend=NAME, provider=NAME, model=model, finish="stop", usage=spent, cost_usd=cost)


def _named(session: Session, ends: Mapping[str, str]) -> Session:
    """The names of the branches where their ends became ends of turns."""
    for branch, end in ends.items():
        turn = id_of(session.id, end)
        if turn in session.turns:
            session.branches[branch] = turn
    return session
