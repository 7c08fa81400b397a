"""llm's rows as messages that follow one another. It knows the tables of llm, and no SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from arawn.events import Attempt, Usage
from arawn.media import MEDIA_LIMIT, media_type
from arawn.messages import FilePart, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.session import Receipt
from arawn.transfer.shape import count, dumps, loads, moment, number, shown, tables, text
from arawn.transfer.tree import Pieces, Said, answer, user

NAME = "llm"
SILENT = "[no prompt]"
Json = Mapping[str, Any]


class Query(Protocol):
    """What asks the database."""

    def __call__(self, table: str, column: str, value: Any) -> list[dict[str, Any]]:
        """The rows of a table with this value in this column; none where it has no such table or column."""


class Sent(NamedTuple):
    """Messages, the system prompt, and the id of the last one (None: the latest)."""

    said: list[Said]
    system: str
    head: str | None

    def with_older(self, older: Sent) -> Sent:
        """Together with what an older llm wrote of the same conversation; what both have is there once."""
        if not self.said:
            return older
        known = {_words(one.pieces) for one in self.said}
        fresh = {one.id for one in older.said if _words(one.pieces) not in known}
        rest = older.said if fresh else []
        receipts = {_words(one.pieces): one for one in older.said if one.receipt is not None}
        said = [
            one
            if one.receipt is not None or _words(one.pieces) not in receipts
            else one._replace(
                receipt=receipts[_words(one.pieces)].receipt, at=one.at or receipts[_words(one.pieces)].at
            )
            for one in self.said
        ]
        return Sent([*rest, *said], self.system or older.system, self.head)


def _words(pieces: Pieces) -> tuple[str, str]:
    role = pieces[0][0] if pieces else ""
    return role, "".join(part.text for _, part in pieces if isinstance(part, TextPart))


def legacy(base: Query, table: str, rows: list[dict[str, Any]]) -> Sent:
    """Rows of `responses`, or of `logs` before it: prompt and answer in one, each behind the one before."""
    said: list[Said] = []
    system = ""
    for row in sorted(rows, key=_order):
        id = str(row.get("id"))
        given = _joined("\n\n", base, "system_fragments", id, row.get("system"))
        system = system or given
        at = moment(row.get("datetime_utc") or row.get("timestamp_utc") or row.get("timestamp"))
        for name, pieces in (
            ("results", answer(*_results(base, id))),
            ("prompt", _asked(base, id, row)),
            ("answer", answer(*_answered(base, id, row))),
        ):
            receipt = _receipt(row, given if given != system else "") if name == "answer" else None
            if pieces:
                said.append(Said(f"{table}/{id}/{name}", said[-1].id if said else None, pieces, at, receipt))
            elif receipt is not None and said:
                said[-1] = said[-1]._replace(receipt=receipt)
    return Sent(said, system, said[-1].id if said else None)


def _order(row: Json) -> tuple[str, bool, int, str]:
    id = row.get("id")
    when = row.get("datetime_utc") or row.get("timestamp_utc") or row.get("timestamp")
    return text(when), isinstance(id, int), id if isinstance(id, int) else 0, text(id)


def _asked(base: Query, id: str, row: Json) -> Pieces:
    links = sorted(
        base("prompt_attachments", "response_id", id), key=lambda one: count(one.get("order")) or 0
    )
    files = [_attachment(base, one.get("attachment_id")) for one in links]
    words = _joined("\n", base, "prompt_fragments", id, row.get("prompt"))
    pieces = user(*files, TextPart(words))
    if not pieces and not base("tool_results", "response_id", id):
        return user(TextPart(SILENT))
    return pieces


def _joined(between: str, base: Query, table: str, id: str, own: Any) -> str:
    """Fragments and the text after them, joined as llm joins them."""
    links = sorted(base(table, "response_id", id), key=lambda one: count(one.get("order")) or 0)
    found = [
        text(row.get("content")) for one in links for row in base("fragments", "id", one.get("fragment_id"))
    ]
    return between.join(word for word in (*found, text(own)) if word)


def _answered(base: Query, id: str, row: Json) -> Iterator[Part]:
    if text(row.get("reasoning")):
        yield ReasoningPart(text(row.get("reasoning")))
    yield TextPart(text(row.get("response")))
    for call in base("tool_calls", "response_id", id):
        arguments = text(call.get("arguments")) or "{}"
        yield ToolCallPart(text(call.get("tool_call_id")), text(call.get("name")), arguments)


def _results(base: Query, id: str) -> Iterator[Part]:
    for one in base("tool_results", "response_id", id):
        failed = bool(text(one.get("exception")))
        words = text(one.get("output")) or text(one.get("exception"))
        yield ToolResultPart(text(one.get("tool_call_id")), text(one.get("name")), words, failed)


def _attachment(base: Query, id: Any) -> Part:
    """A file where the database holds it, else what it says of where it is."""
    row = next(iter(base("attachments", "id", id)), {})
    data = row.get("content")
    if isinstance(data, bytes) and len(data) <= MEDIA_LIMIT and media_type(data):
        return FilePart(data, media_type(data))
    name = text(row.get("path")) or text(row.get("url")) or text(row.get("type"))
    return TextPart(f"[{shown(name) or 'a file'}: not in the database]\n")


def _object(value: Any) -> Json:
    """A JSON object out of a column, {} for anything else."""
    try:
        found = loads(value) if isinstance(value, str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _receipt(row: Json, system: str) -> Receipt:
    model = text(row.get("resolved_model")) or text(row.get("model"))
    details = _object(row.get("token_details"))
    cached = _object(dumps(details.get("prompt_tokens_details"))).get("cached_tokens")
    reasoning = _object(dumps(details.get("completion_tokens_details"))).get("reasoning_tokens")
    usage = Usage(
        count(row.get("input_tokens")), count(row.get("output_tokens")), count(cached), count(reasoning)
    )
    spent = number(row.get("duration_ms"))
    attempts = () if spent is None else (Attempt(NAME, model, total_s=max(0.0, spent / 1000)),)
    settings = {**_object(row.get("options_json")), **({"system": system} if system else {})}
    return Receipt(NAME, NAME, model, "stop", usage=usage, attempts=attempts, settings=settings)


def sent(base: Query, thread: str) -> Sent:
    """The messages of a thread, with all that its turns led to; what follows what is in the messages."""
    head = next((text(row.get("tip_message_hash")) for row in base("threads", "id", thread)), "")
    turns = {text(row.get("tip_message_hash")): row for row in base("turns", "thread_id", thread)}
    when = {text(row.get("parent_message_hash")): moment(row.get("datetime_utc")) for row in turns.values()}
    when |= {tip: moment(row.get("datetime_utc")) for tip, row in turns.items()}
    found: dict[str, Said] = {}
    system = ""
    for tip in (*turns, head):
        at: str | None = tip
        while at and at not in found:
            row = next(iter(base("messages", "hash", at)), None)
            if row is None:
                break
            parts = list(_parts(base, at))
            role, above = text(row.get("role")), text(row.get("parent_hash")) or None
            if role == "system":
                system = system or "".join(part.text for part in parts if isinstance(part, TextPart))
            receipt = _receipt(turns[at], "") if at in turns else None
            found[at] = Said(at, above, _pieces(role, parts), when.get(at, 0.0), receipt)
            at = above
    return Sent(list(found.values()), system, head or None)


def _pieces(role: str, parts: list[Part]) -> Pieces:
    if role == "system":
        return ()
    if role == "user":
        return user(*parts) or (() if parts else user(TextPart(SILENT)))
    return answer(*parts)


def _parts(base: Query, hash: str) -> Iterator[Part]:
    for row in sorted(base("parts", "message_hash", hash), key=lambda one: count(one.get("position")) or 0):
        held = _object(row.get("payload"))
        words = text(row.get("text")) or "".join(_pieced(base, held))
        name, id = text(row.get("tool_name")) or text(held.get("name")), text(held.get("tool_call_id"))
        match row.get("type"):
            case "text":
                yield TextPart(words)
            case "reasoning" if words:
                yield ReasoningPart(words)
            case "tool_call":
                yield ToolCallPart(id, name, dumps(held.get("arguments") or {}))
            case "tool_result":
                failed = text(held.get("exception"))
                yield ToolResultPart(id, name, text(held.get("output")) or failed, bool(failed))
            case "attachment":
                inner = held.get("attachment")
                yield _attachment(base, inner.get("id") if isinstance(inner, dict) else None)


def _pieced(base: Query, held: Json) -> Iterator[str]:
    """A text put together of fragments and what stands between them."""
    for piece in tables(held.get("text_ref")):
        if "fragment" in piece:
            yield from (text(row.get("content")) for row in base("fragments", "id", piece["fragment"]))
        else:
            yield text(piece.get("literal"))
