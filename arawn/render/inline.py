"""Markdown inside a line: code, bold, emphasis, links; taken piece by piece while the line still grows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

BOLD, EM, CODE, STRIKE, DIM, LINK = "1", "3", "36", "9", "2", "4"
HOLD = 400
"""Characters that are held back at most while it is open what they are."""

_MARK = re.compile(r"[`*_\[!<\\~]")
_LINK = re.compile(
    r"\[((?:[^\[\]\\]|\\.|\[[^\[\]]*\]){0,300})\]\(\s*<?([^\s<>()]*(?:\([^\s()]*\)[^\s<>()]*){0,4})>?(?:\s+\"[^\"]*\")?\s*\)"
)
_AUTO = re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>")
_DELIMITED = {"***": "1;3", "___": "1;3", "**": BOLD, "__": BOLD, "~~": STRIKE, "*": EM, "_": EM}

Put = Callable[[str, str], None]


class Span(NamedTuple):
    """A recognised span: where it ends, and its pieces as (text, style)."""

    end: int
    pieces: tuple[tuple[str, str], ...]


def scan(line: str, base: str, final: bool, put: Put, before: str = "") -> int:
    """Hand the pieces of `line` to `put`; return how many characters are decided.

    What may still become a span is left for later unless `final`; `before` is the character before the line.
    """
    at = 0
    while at < len(line):
        found = _MARK.search(line, at)
        if found is None:
            put(line[at:], base)
            return len(line)
        start = found.start()
        if start > at:
            put(line[at:start], base)
        settled = final or len(line) - start >= HOLD
        span = _span(line, start, base, line[start - 1] if start else before, settled)
        if span is None:
            if not settled and _may_grow(line, start):
                return start
            run = _run(line, start)
            put(line[start : start + run], base)
            at = start + run
        else:
            for text, style in span.pieces:
                put(text, style)
            at = span.end
    return at


def _run(line: str, at: int) -> int:
    end = at
    while end < len(line) and line[end] == line[at] and line[at] in "`*_~":
        end += 1
    return max(1, end - at)


def _may_grow(line: str, at: int) -> bool:
    """Whether more text could make a span of what begins at `at`."""
    mark = line[at]
    rest = line[at + _run(line, at) :]
    if mark in "*_~":
        return not rest[:1].isspace()
    if mark == "!":
        return rest[:1] in ("", "[")
    if mark == "<":
        return ">" not in rest and " " not in rest
    if mark == "[":
        close = line.find("]", at)
        return (
            close < 0
            or line[close + 1 : close + 2] == ""
            or (line[close + 1] == "(" and ")" not in line[close:])
        )
    return mark == "`" or not rest


def _span(line: str, at: int, base: str, before: str, final: bool) -> Span | None:
    mark = line[at]
    if mark == "\\":
        following = line[at + 1 : at + 2]
        if following and not following.isalnum() and not following.isspace():
            return Span(at + 2, ((following, base),))
        return Span(at + 1, (("\\", base),)) if following else None
    if mark == "`":
        return _code(line, at, base)
    if mark in "*_~":
        return _delimited(line, at, base, before, final)
    if mark == "<":
        auto = _AUTO.match(line, at)
        return Span(auto.end(), ((auto[1], _join(base, LINK)),)) if auto else None
    return _link(line, at, base)


def _code(line: str, at: int, base: str) -> Span | None:
    run = _run(line, at)
    fence = "`" * run
    start = at + run
    end = line.find(fence, start)
    while end >= 0 and (line[end + run : end + run + 1] == "`" or line[end - 1] == "`"):
        end = line.find(fence, end + _run(line, end))
    if end < 0:
        return None
    inner = line[start:end]
    if inner.startswith(" ") and inner.endswith(" ") and inner.strip():
        inner = inner[1:-1]
    return Span(end + run, ((inner, _join(base, CODE)),))


def _delimited(line: str, at: int, base: str, before: str, final: bool) -> Span | None:
    mark = line[at]
    run = min(_run(line, at), 2 if mark == "~" else 3)
    if (mark == "~" and run < 2) or (mark == "_" and before.isalnum()):
        return None
    delimiter = mark * run
    if run == 3 and delimiter not in line[at + 3 :]:
        if not final:
            return None
        run, delimiter = 2, mark * 2
    start = at + run
    if line[start : start + 1].isspace() or start >= len(line):
        return None
    end = line.find(delimiter, start + 1)
    while end >= 0 and (
        line[end - 1].isspace() or (run == 1 and _run(line, end) != 1 and line[end - 1] != mark)
    ):
        end = line.find(delimiter, end + max(1, _run(line, end)))
    if end < 0 or (run == 2 and line[end + 2 : end + 3] == mark):
        end = end + 1 if end >= 0 else end
    if end < 0 or end - at > HOLD:
        return None
    if mark == "_" and line[end + run : end + run + 1].isalnum():
        return None
    pieces: list[tuple[str, str]] = []
    scan(
        line[start:end],
        _join(base, _DELIMITED[delimiter]),
        True,
        lambda text, style: pieces.append((text, style)),
    )
    return Span(end + run, tuple(pieces))


def _link(line: str, at: int, base: str) -> Span | None:
    image = line[at] == "!"
    found = _LINK.match(line, at + 1 if image else at)
    if found is None:
        return None
    text, url = found[1], found[2]
    if image:
        return Span(found.end(), ((f"[image: {text}]", base), (f" ({url})", _join(base, DIM))))
    pieces: list[tuple[str, str]] = []
    scan(text, _join(base, LINK), True, lambda piece, style: pieces.append((piece, style)))
    if url and url not in (text, f"mailto:{text}"):  # a label must not hide where a link leads
        pieces.append((f" ({url})", _join(base, DIM)))
    return Span(found.end(), tuple(pieces))


def _join(base: str, style: str) -> str:
    return f"{base};{style}" if base else style


def plain(line: str) -> str:
    """The text of a line without its marks, for measuring."""
    pieces: list[str] = []
    scan(line, "", True, lambda text, _: pieces.append(text))
    return "".join(pieces)
