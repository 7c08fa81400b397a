"""aichat's files: the YAML of a session (`sessions/NAME.yaml`), and the log `messages.md`.

After aichat's own code (src/config/session.rs, src/client/message.rs, src/config/mod.rs up to 0.30). In the
log neither questions nor answers are set off from one another but by a line of eight dashes: a question with
such a line in it is read as if the answer began there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from arawn.messages import Part, TextPart, ToolCallPart, ToolResultPart
from arawn.session import Receipt, Session
from arawn.transfer.shape import Tell, dumps, each, id_of, moment, number, table, tables, text
from arawn.transfer.source import Source, data_file
from arawn.transfer.tree import Pieces, Said, answer, grow, user
from arawn.transfer.yaml import parse

NAME = "aichat"
_ENTRY = re.compile(r"^# CHAT:(.*?)\[(\d{4}-\d\d-\d\dT[0-9:.+Zz-]+)\](?: \((.*)\))?\r?\n", re.M)
_NAMED = re.compile(r"(\d{8}T\d{6})(?:-(.*))?")
Json = Mapping[str, Any]


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """The one session of a YAML file, or one of each entry of the log."""
    whole = source.text(tell)
    if _ENTRY.search(whole):
        return each(_entries(whole), _entry, tell)
    return each([(source.label, whole)], lambda given: _session(given, source), tell)


def _entries(whole: str) -> Iterator[tuple[str, tuple[re.Match[str], str]]]:
    heads = list(_ENTRY.finditer(whole))
    ends = [*(head.start() for head in heads[1:]), len(whole)]
    for place, (head, end) in enumerate(zip(heads, ends, strict=True), 1):
        yield f"chat {place}", (head, whole[head.end() : end])


def _entry(given: tuple[re.Match[str], str]) -> Session:
    head, body = given
    body = body.replace("\r\n", "\n")
    asked, _, said = body.partition("\n--------\n")
    said = said.rstrip("\n").removesuffix("--------").removesuffix("\n")
    at = moment(head[2])
    session = Session(id_of(NAME, head[2], asked), head[1].strip())
    session.created = at
    settings = {"role": head[3]} if head[3] else {}
    receipt = Receipt(backend=NAME, provider=NAME, finish="stop", settings=settings)
    return grow(
        session,
        [
            Said("asked", None, user(TextPart(asked)), at),
            Said("said", "asked", answer(TextPart(said)), at, receipt),
        ],
    )


def _session(whole: str, source: Source) -> Session:
    made = table(parse(whole))
    messages = [*tables(made.get("compressed_messages")), *tables(made.get("messages"))]
    named = _NAMED.fullmatch(source.stem)
    begins = dumps(messages[0].get("content")) if messages else ""
    session = Session(id_of(NAME, source.stem, begins), source.stem if named is None else named[2] or "")
    session.created = (moment(named[1]) if named else 0.0) or source.at
    session.system = text(made.get("agent_instructions")) or None
    settings = {
        name: made[name]
        for name in ("temperature", "top_p", "role_name", "use_tools")
        if made.get(name) is not None
    }
    receipt = Receipt(
        backend=NAME, provider=NAME, model=text(made.get("model")), finish="stop", settings=_plain(settings)
    )
    said: list[Said] = []
    for one in messages:
        role, parts = one.get("role"), list(_content(one.get("content")))
        if role == "system" and not said:
            session.system = (
                "".join(part.text for part in parts if isinstance(part, TextPart)) or session.system
            )
            continue
        above = said[-1].id if said else None
        known = receipt if role in ("assistant", "tool") else None
        said.append(Said(str(len(said)), above, _pieces(role, parts), 0.0, known))
    return grow(session, said)


def _plain(settings: Json) -> dict[str, Any]:
    return {
        name: value for name, value in settings.items() if isinstance(value, str) or number(value) is not None
    }


def _pieces(role: Any, parts: list[Part]) -> Pieces:
    if role in ("assistant", "tool"):
        return answer(*parts)
    if role == "system":
        return user(
            *(
                part._replace(text=f"<system>{part.text}</system>")
                for part in parts
                if isinstance(part, TextPart)
            )
        )
    return user(*parts)


def _content(content: Any) -> Iterator[Part]:
    """A text, a list of texts and pictures, or calls of tools with what came of them."""
    if isinstance(content, dict):
        yield TextPart(text(content.get("text")))
        results = [_called(one) for one in tables(content.get("tool_results"))]
        if content.get("sequence") is True:
            yield from (part for pair in results for part in pair)
        else:
            yield from (call for call, _ in results)
            yield from (result for _, result in results)
        return
    if not isinstance(content, list):
        yield TextPart(content if isinstance(content, str) else "" if content is None else dumps(content))
        return
    for one in tables(content):
        image = one.get("image_url")
        if isinstance(image, dict):
            yield data_file(text(image.get("url")))
        else:
            yield TextPart(text(one.get("text")))


def _called(one: Json) -> tuple[ToolCallPart, ToolResultPart]:
    held = one.get("call")
    call: Json = held if isinstance(held, dict) else {}
    name, id, arguments = text(call.get("name")), text(call.get("id")), call.get("arguments")
    words = arguments if isinstance(arguments, str) else dumps(arguments or {})
    output = one.get("output")
    return ToolCallPart(id, name, words), ToolResultPart(
        id, name, output if isinstance(output, str) else dumps(output)
    )
