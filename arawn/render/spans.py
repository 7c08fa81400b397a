"""Parts of a paragraph that are read whole: code, escapes, entities, tags, addresses, formulas.

Each reader is given the text and where its mark stands, and answers with a Span, or with None where the
answer depends on text that has not come yet. A Span with end 0 says that it is no such part.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from arawn.render.safe import clean

HOLD = 400
"""Characters within which a mark must find its partner; so long a piece may be held back at most."""
MATH, DISPLAY = 200, 1000
"""Characters that a formula between `$` or `$$` may have."""

_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ENTITY = re.compile(r"&(?:#[xX][0-9a-fA-F]{1,6}|#[0-9]{1,7}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_ENTITY_BEGUN = re.compile(r"&(?:#(?:[xX][0-9a-fA-F]{0,6}|[0-9]{0,7})|[a-zA-Z][a-zA-Z0-9]{0,31})?$")
_AUTO = re.compile(r"<([a-zA-Z][a-zA-Z0-9+.\-]{1,31}:[^<>\x00-\x20]*)>")
_MAIL = re.compile(r"<([a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,252}[a-zA-Z0-9])?)>")
_AUTO_BEGUN = re.compile(r"<[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~:@-]+[^<>\x00-\x20]*$")
_NAME, _VALUE = r"[a-zA-Z_:][a-zA-Z0-9:._-]*", r"(?:[^\"'=<>`\x00-\x20]+|'[^']*'|\"[^\"]*\")"
_TAG = re.compile(
    rf"<(?:[a-zA-Z][a-zA-Z0-9-]*(?:\s+{_NAME}(?:\s*=\s*{_VALUE})?)*\s*/?>|/[a-zA-Z][a-zA-Z0-9-]*\s*>"
    r"|!---?>|!--(?:[^-]|-[^-]|--[^>])*-->|\?[\s\S]*?\?>|![A-Za-z][^>]*>|!\[CDATA\[[\s\S]*?\]\]>)"
)
_QUOTED = re.compile(r"=\s*(?:'[^']*'?|\"[^\"]*\"?)")
_NOTE = re.compile(r"\[\^([^\[\]\s^]{1,60})\]")
_NOTE_BEGUN = re.compile(r"\[(?:\^[^\[\]\s^]{0,60})?$")
_TARGET = re.compile(
    r"\]\(\s*(?:<((?:[^<>\n\\]|\\.)*)>"
    r"|((?!<)(?:[^\s()\\\x00-\x1f]|\\.|\((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*\))*))"
    r"(?:\s+(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)))?\s*\)",
    re.S,
)
_REFUSED = re.compile(r"(?:vbscript|javascript|file|data):", re.I)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


class Span(NamedTuple):
    """Where a part ends in the text, what is shown of it, and the name of its style."""

    end: int
    text: str
    kind: str


NOTHING = Span(0, "", "")


def code(text: str, at: int, final: bool) -> Span | None:
    """Code between runs of backticks of one length; without its partner a run is text."""
    start = at
    while start < len(text) and text[start] == "`":
        start += 1
    if start == len(text) and not final and start - at <= HOLD:
        return None
    run = text[at:start]
    end = text.find(run, start)
    while end >= 0:
        after = end + len(run)
        while after < len(text) and text[after] == "`":
            after += 1
        if after - end == len(run) or end - start > HOLD:
            break
        end = text.find(run, after)
    if end < 0 or end - start > HOLD:
        return Span(start, run, "") if final or len(text) - start > HOLD + len(run) else None
    if end + len(run) == len(text) and not final:
        return None  # the closing run may be longer
    inner = text[start:end].replace("\n", " ")
    if inner.startswith(" ") and inner.endswith(" ") and inner.strip(" "):
        inner = inner[1:-1]
    return Span(end + len(run), inner, "code")


def escape(text: str, at: int, final: bool) -> Span | None:
    r"""A backslash: `\(` and `\[` begin a formula where there is an end to it."""
    after = text[at + 1 : at + 2]
    if not after:
        return Span(at + 1, "\\", "") if final else None
    if after in "([":
        end = text.find("\\" + ")]"["([".index(after)], at + 2, at + HOLD)
        if end >= 0:
            return Span(end + 2, text[at : end + 2], "math")
        if not final and len(text) - at < HOLD:
            return None
    if after == "\n":
        return Span(at + 1, "", "")
    return Span(at + 2, after, "") if after in _PUNCTUATION else Span(at + 1, "\\", "")


def entity(text: str, at: int, final: bool) -> Span | None:
    """`&amp;` and its like; what it stands for is as foreign as all the text."""
    found = _ENTITY.match(text, at)
    if found is not None:
        from html import unescape

        meant = unescape(found.group())
        safe = clean(meant) if meant != found.group() else ""
        return Span(found.end(), safe, "") if safe.strip("\n") else Span(at + 1, "&", "")
    if not final and _ENTITY_BEGUN.match(text, at):
        return None
    return Span(at + 1, "&", "")


def tag(text: str, at: int, final: bool) -> Span | None:
    """`<https://...>`, an address of mail, or a tag, which is shown as it is."""
    auto = _AUTO.match(text, at) or _MAIL.match(text, at)
    if auto is not None and not _REFUSED.match(auto[1]):
        return Span(auto.end(), auto[1], "link")
    limited = final or len(text) - at > HOLD
    if not limited and (at + 1 == len(text) or _AUTO_BEGUN.match(text, at)):
        return None
    if not (text[at + 1 : at + 2].isalpha() or text[at + 1 : at + 2] in ("/", "!", "?")):
        return Span(at + 1, "<", "")
    end = _tag_end(text, at)
    if end < 0 and not limited:
        return None
    found = _TAG.match(text, at) if end >= 0 else None
    if found is None or found.end() - at > HOLD:
        return Span(at + 1, "<", "")
    return Span(found.end(), found.group(), "html")


def _tag_end(text: str, at: int) -> int:
    """The first point from which it is certain whether this is a tag; -1 where there is none yet."""
    for begins, ends in (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>")):
        if text.startswith(begins, at):
            return text.find(ends, at + 2)
        if text[at:] == begins[: len(text) - at]:
            return -1
    start = at
    while True:
        end, quoted = text.find(">", start), _QUOTED.search(text, start)
        if quoted is None or end < 0 or quoted.start() > end:
            return end
        start = quoted.end()


def target(text: str, at: int, final: bool) -> Span | None:
    """What follows the text of a link: `](address "title")`, of which the address is shown."""
    if at + 1 == len(text):
        return NOTHING if final else None
    if text[at + 1] != "(":
        return NOTHING
    found = _TARGET.match(text, at)
    if found is None:
        return NOTHING if final else None
    address = _ESCAPED.sub(r"\1", found[1] or found[2] or "")
    if "&" in address:
        from html import unescape

        address = clean(unescape(address), newlines=False)
    return NOTHING if _REFUSED.match(address) else Span(found.end(), address, "url")


def footnote(text: str, at: int, final: bool) -> Span | None:
    """`[^1]`, which refers to a note at the end."""
    found = _NOTE.match(text, at)
    if found is not None:
        return Span(found.end(), f"[{found[1]}]", "url")
    return None if not final and _NOTE_BEGUN.match(text, at) else NOTHING


def math_end(text: str, at: int, final: bool, room: int) -> int:
    """Where a formula that was begun with `$` ends; 0: it does not, -1: not known yet."""
    start = at
    while True:
        end = text.find("$", start)
        line = text.find("\n", at)
        if end < 0 or end - at > room or 0 <= line < end:
            return -1 if not final and end < 0 and line < 0 and len(text) - at <= room else 0
        if end + 1 == len(text) and not final:
            return -1
        if end > at and not text[end - 1].isspace() and not text[end + 1 : end + 2].isdigit():
            return end + 1
        start = end + 1


def display_end(text: str, at: int, final: bool, room: int) -> int:
    """Where a formula that was begun with `$$` ends, perhaps lines below; as math_end otherwise."""
    end = text.find("$$", at)
    if end < 0:
        return -1 if not final and len(text) - at <= room else 0
    return end + 2 if end - at <= room else 0


def same(label: str, address: str) -> bool:
    """Whether the text of a link already says where it leads."""
    bare = re.sub(r"^(?:https?://|mailto:)", "", address).rstrip("/")
    return label in (address, bare) or re.sub(r"^https?://", "", label).rstrip("/") == bare


READ: dict[str, Callable[[str, int, bool], Span | None]] = {
    "\\": escape,
    "`": code,
    "&": entity,
    "<": tag,
}
