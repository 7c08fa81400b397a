"""Sessions as Markdown to read, which comes back whole: what is no text stands in comments of HTML.

Between `<!-- arawn:text -->` and `<!-- arawn:end -->` a text stands as it is, and may be changed by hand; a
line of it that looks like one of these marks gets a backslash. What is in no mark is there for the reader
alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from arawn.messages import FilePart, Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.record import Json, clean, part_out, receipt_out, session_in, session_out
from arawn.session import Receipt, Session, Turn
from arawn.transfer.shape import Tell, day, dumps, each, loads, shown, table
from arawn.transfer.source import Source

_MARK = re.compile(r"<!-- arawn:([a-z]+)(?: (.*))? -->")
_LIKE = re.compile(r"^(<!-- )(\\*arawn:)", re.M)
_WRITTEN = re.compile(r"^(<!-- )\\(\\*arawn:)", re.M)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
WHO = {"user": "You", "assistant": "Answer", "tool": "Tool"}


def write(sessions: Iterable[Session]) -> Iterator[str]:
    """The sessions one after another: the way to the head first, then what else was said."""
    for session in sessions:
        made = session_out(session)
        del made["turns"]
        yield f"{_mark('session', made)}\n\n# {_line(session.title) or 'A session'}\n\n"
        if session.system:
            yield f"> {_line(session.system)}\n\n"
        path, others = parted(session)
        for number, turn in path:
            yield from _turn(turn, number)
        if others:
            yield "# Other branches\n\n"
        for number, turn in others:
            yield from _turn(turn, number)
        yield f"{_mark('close')}\n\n"


def _turn(turn: Turn, number: int) -> Iterator[str]:
    held = {"number": number, **turn._asdict(), "receipt": receipt_out(turn.receipt)}
    del held["messages"]
    yield _mark("turn", held) + "\n\n"
    for message in turn.messages:
        yield from _message(message, turn, number)
    told = about(turn.receipt)
    if told:
        yield f"*{_line(told)}*\n\n"


def _message(message: Message, turn: Turn, number: int) -> Iterator[str]:
    yield f"{_mark('message', {'role': message.role})}\n\n## {heading(message, turn, number)}\n\n"
    for part in message.parts:
        if isinstance(part, TextPart):
            words = clean(part.text)
            written, fence = _LIKE.sub(r"\1\\\2", words), _open_fence(words)
            yield f"{_mark('text')}\n{written}\n{_mark('end')}\n\n"
            yield f"{fence}\n\n" if fence else ""
        else:
            yield f"{_mark('part', part_out(part, True))}\n\n> {_line(_about_part(part))}\n\n"


def _mark(name: str, value: Json | None = None) -> str:
    """A comment; `<`, `>` and what other programs take for an end of line are written as JSON's escapes."""
    if value is None:
        return f"<!-- arawn:{name} -->"
    held = re.sub(r"[<>\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda one: f"\\u{ord(one[0]):04x}", dumps(value))
    return f"<!-- arawn:{name} {held} -->"


def _line(text: str) -> str:
    """A foreign text on one line that is neither a mark nor a way out of it."""
    words = "".join(char if char.isprintable() else " " for char in clean(text).replace("<", "&lt;"))
    return " ".join(words.split())


def _open_fence(text: str) -> str:
    """The fence that closes a block of code which the text leaves open, so that it ends with the text."""
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line.rstrip("\r"))
        if not found:
            continue
        if not fence:
            fence = found[1] if found[1][0] == "~" or "`" not in found[2] else ""
        elif found[1].startswith(fence) and not found[2].strip():
            fence = ""
    return fence


def _about_part(part: Part) -> str:
    match part:
        case FilePart():
            return f"{part.name or 'a file'} ({part.media_type}, {len(part.data)} bytes)"
        case ReasoningPart():
            return f"reasoning, {len(part.text)} characters"
        case ToolCallPart():
            return f"calls {part.name}({shown(part.arguments)})"
        case ToolResultPart():
            return f"{part.name} {'failed' if part.failed else 'answers'}: {shown(part.content)}"
        case TextPart():
            return part.text


def parted(session: Session) -> tuple[list[tuple[int, Turn]], list[tuple[int, Turn]]]:
    """The turns that lead to the head, and all others, each with its number."""
    left = {turn.id: (number, turn) for number, turn in enumerate(session.turns.values(), 1)}
    path = [left.pop(turn.id) for turn in session.path()]
    return path, list(left.values())


def heading(message: Message, turn: Turn, number: int) -> str:
    """Which turn a message is of, who says it, and when the person did."""
    who = "Summary" if turn.kind == "summary" else WHO[message.role]
    beside = f" · {day(turn.at)}" if message.role == "user" and day(turn.at) else ""
    return f"{number} · {who}{beside}"


def about(receipt: Receipt) -> str:
    """Who answered, how long it took, what it cost; "" where nothing is known."""
    words = [" / ".join(word for word in (receipt.backend, receipt.model) if word)]
    if receipt.usage.output is not None:
        words.append(f"{receipt.usage.input or 0} + {receipt.usage.output} tokens")
    if receipt.total_s:
        words.append(f"{receipt.total_s:.1f} s")
    if receipt.cost_usd:
        words.append(f"${receipt.cost_usd:.4f}")
    if words != [""] and receipt.finish != "stop":
        words.append(receipt.finish)
    return " · ".join(word for word in words if word)


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """The sessions of a Markdown file that Arawn wrote, with the texts as they are in it now."""
    text = source.text(tell)
    begins = [found.start() for found in re.finditer(r"^<!-- arawn:session ", text, re.M)]
    ends = [*begins[1:], len(text)]
    blocks = (text[begin:end] for begin, end in zip(begins, ends, strict=False))
    found = ((f"session {number}", block) for number, block in enumerate(blocks, 1))
    return each(found, _session, tell)


def _session(block: str) -> Session:
    made: Json = {}
    turns: list[Json] = []
    for name, value in _marks(block):
        match name:
            case "session":
                made = dict(table(value))
            case "turn":
                turns.append({**table(value), "messages": []})
            case "message":
                _last(turns, "turn")["messages"].append({**table(value), "parts": []})
            case "part" | "text":
                _last(_last(turns, "turn")["messages"], "message")["parts"].append(table(value))
            case "close":
                break
    else:
        raise ValueError("it breaks off before its end")
    turns.sort(key=lambda turn: turn["number"] if isinstance(turn.get("number"), int) else 0)
    return session_in({**made, "turns": turns})


def _last(found: list[Any], what: str) -> Any:
    if not found:
        raise ValueError(f"something stands before the first {what}")
    return found[-1]


def _marks(block: str) -> Iterator[tuple[str, Any]]:
    """The marks of a session with what they hold; a text together with what is between it and its end."""
    words: list[str] | None = None
    for line in block.split("\n"):
        mark = _MARK.fullmatch(line.removesuffix("\r"))
        if words is not None:
            if mark is None or mark[1] != "end":
                words.append(line)
                continue
            yield "text", {"type": "text", "text": _WRITTEN.sub(r"\1\2", "\n".join(words))}
            words = None
        elif mark is not None and mark[1] == "text":
            words = []
        elif mark is not None:
            yield mark[1], loads(mark[2]) if mark[2] else None
    if words is not None:
        raise ValueError("a text in it has no end")
