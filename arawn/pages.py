"""Web pages as words; it fetches nothing.

The reader is one of our own: a page may be anybody's, and html.parser of Python 3.11 takes time that grows
with the square of what is left open (`<a <a <a`). This one is linear whatever the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple
from urllib.parse import urljoin

_SKIPPED = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("script", "style", "noscript", "template", "svg", "iframe", "object")
}
_BLOCK = re.compile(
    "p|div|section|article|header|footer|main|aside|nav|ul|ol|table|tr|h[1-6]|pre|blockquote|br|hr|title|li|d[td]"
    "|form|figure|figcaption"
)
_BEGIN = re.compile(r"<[!?/a-zA-Z]")
_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_TAG_PART = re.compile(r"=\s*([\"'])|>")
_HREF = re.compile(r"(?<![-\w])href\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?([\w-]{1,30})", re.IGNORECASE)
_KNOWN = re.compile(r"(?:windows-|iso-8859-|koi8-)\w+|shift_jis|euc-(?:jp|kr)|gb2312|gbk|gb18030|big5")
_KEPT_SPACE = "\x01"


class _Token(NamedTuple):
    """A piece of a page: `kind` is text, open or close; `name` of a tag in lower case; words or inside."""

    kind: str
    name: str
    text: str


def is_page(text: str) -> bool:
    """Whether a text is a web page."""
    begin = text[:2048].lstrip().lower()
    return begin.startswith(("<!doctype html", "<html")) or ("<html" in begin and begin.startswith("<"))


def charset(data: bytes) -> str:
    """The encoding that a page which is not UTF-8 says it has, as Python calls it; "" for none that is known.

    Source: https://html.spec.whatwg.org/#determining-the-character-encoding: the first 1024 bytes.
    """
    found = _CHARSET.search(data[:1024])
    name = found[1].decode("ascii", "replace").lower() if found else ""
    if not _KNOWN.fullmatch(name):
        return ""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        known = {"iso-8859-1": "windows-1252", "gb2312": "gbk"}.get(name, name)
        try:
            b"".decode(known)
        except LookupError:
            return ""
        return known
    return ""


def page_text(page: str, base: str = "") -> str:
    """The words of a web page: title, paragraphs, lists, links with their address; no script, no style.

    `base` is the page's address, which links may leave out.
    """
    pieces: list[str] = []
    links: list[str] = []
    kept = 0  # how many <pre> are open: their lines and spaces count
    for kind, name, text in _tokens(page):
        if kind == "text":
            words = unescape(text)
            pieces.append(words.replace(" ", _KEPT_SPACE) if kept else " ".join(re.split(r"\s+", words)))
        elif name == "a":
            if kind == "open":
                links.append(_address(text, base))
            elif links and (address := links.pop()):
                pieces.append(f" ({address})")
        else:
            pieces.append(_between(kind, name))
            if name == "pre":
                kept = kept + 1 if kind == "open" else max(0, kept - 1)
    return _tidied("".join(pieces))


def _between(kind: str, name: str) -> str:
    """What a tag leaves between words."""
    if name in ("td", "th"):
        return " | " if kind == "open" else ""
    if not _BLOCK.fullmatch(name):
        return ""
    if kind == "close":
        return "" if name == "li" else "\n"
    return "\n- " if name == "li" else "\n\n" if name[0] in "ph" else "\n"


def _tidied(text: str) -> str:
    lines = [" ".join(line.split(" ")).strip().removeprefix("| ") for line in text.split("\n")]
    text = "\n".join(re.sub(" {2,}", " ", line) for line in lines)
    return re.sub("\n{3,}", "\n\n", text).strip().replace(_KEPT_SPACE, " ")


def _address(tag: str, base: str) -> str:
    """Where a link leads, in full; "" for what is no address on the web."""
    found = _HREF.search(tag)
    address = unescape(found[1] or found[2] or found[3] or "").strip() if found else ""
    if not address or address.startswith("#"):
        return ""
    try:
        address = urljoin(base, address)
    except ValueError:
        return ""
    return address if address.startswith(("http://", "https://")) and address.isprintable() else ""


def _tokens(page: str) -> Iterator[_Token]:
    """The page in pieces, what is skipped left out. A tag or comment open at the end ends the page there."""
    at = 0
    unclosed: set[str] = set()
    while (begin := _BEGIN.search(page, at)) is not None:
        yield _Token("text", "", page[at : begin.start()])
        at = _past(page, begin.start())
        if not at:
            return
        inside = page[begin.start() + 1 : at - 1]
        named = _NAME.match(inside.removeprefix("/"))
        if named is None:
            continue
        name = named[0].lower()
        if inside.startswith("/"):
            yield _Token("close", name, inside)
        elif name not in _SKIPPED:
            yield _Token("open", name, inside)
        elif name not in unclosed and not (name == "svg" and inside.endswith("/")):
            at = _past_hidden(page, name, at, unclosed)
    yield _Token("text", "", page[at:])


def _past_hidden(page: str, name: str, at: int, unclosed: set[str]) -> int:
    """Where what is hidden ends: at the end for a script left open, as in browsers, else at once."""
    closing = _SKIPPED[name].search(page, at)
    if closing is not None:
        return closing.start()
    unclosed.add(name)
    return len(page) if name in ("script", "style") else at


def _past(page: str, at: int) -> int:
    """The place after the tag, comment or declaration at `at`; 0 where it has no end."""
    if page.startswith("<!--", at):
        return _after(page, "-->", at + 2)
    if page[at + 1] in "!?":
        return _after(page, ">", at)
    while (found := _TAG_PART.search(page, at)) is not None:
        if found[1] is None:
            return found.end()
        at = _after(page, found[1], found.end()) or found.end()
    return 0


def _after(page: str, mark: str, at: int) -> int:
    """The place after the next `mark`, 0 where there is none."""
    found = page.find(mark, at)
    return found + len(mark) if found >= 0 else 0
