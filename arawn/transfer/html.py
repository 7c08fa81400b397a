"""Sessions as one page of HTML to read and to print: no script runs in it, nothing is loaded from elsewhere.

Every session stands in it a second time as JSON, as data that no browser runs, so that it comes back whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from arawn.messages import FilePart, Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.record import clean, session_in, session_out
from arawn.session import Session, Turn
from arawn.transfer.markdown import about, heading, parted
from arawn.transfer.shape import Tell, dumps, each, loads
from arawn.transfer.source import Source

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Pictures that are shown; a browser runs nothing in them, as it may in SVG."""
RENDERED = 200_000
"""Characters of a text up to which its Markdown is rendered; a longer one stands as it is."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINK = re.compile(r"(https?://|mailto:)", re.I)
DATA = '<script type="application/json" class="arawn-session">'
"""What a session begins with as data."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #ddd; --soft: #666; --you: #eef3fb; --code: #f5f5f5 }
@media (prefers-color-scheme: dark) {
  :root { --line: #444; --soft: #aaa; --you: #1d2733; --code: #222 }
  body { background: #141414; color: #e6e6e6 }
  a { color: #8ab4f8 }
}
body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
article + article { border-top: 3px double var(--line); margin-top: 4rem }
section { margin: 1.5rem 0; overflow-wrap: anywhere }
h2 { font-size: .85rem; color: var(--soft); margin: 0 0 .3rem }
.user { background: var(--you); border-radius: .5rem; padding: .8rem 1rem }
.plain { white-space: pre-wrap }
pre { background: var(--code); padding: .7rem 1rem; overflow-x: auto; border-radius: .4rem }
code { font-family: ui-monospace, monospace; font-size: .92em }
table { border-collapse: collapse } th, td { border: 1px solid var(--line); padding: .25rem .6rem }
img { max-width: 100%; height: auto } blockquote { border-left: 3px solid var(--line); margin-left: 0;
  padding-left: 1rem; color: var(--soft) }
.receipt, details { font-size: .85rem; color: var(--soft) }
@media print {
  :root { --you: #fff; --code: #fff } body { max-width: none; margin: 0; background: #fff; color: #000 }
  pre { white-space: pre-wrap; border: 1px solid #ccc }
  h2 { break-after: avoid } pre, img { break-inside: avoid }
}
"""


def write(sessions: Iterable[Session]) -> Iterator[str]:
    """One page with all of them."""
    yield (
        '<!doctype html>\n<html><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="Arawn">\n<title>Sessions</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n"
    )
    for session in sessions:
        yield from _article(session)
    yield "</body></html>\n"


def _article(session: Session) -> Iterator[str]:
    yield f"<article>\n<h1>{_text(session.title) or 'A session'}</h1>\n"
    if session.system:
        yield _folded("System prompt", session.system)
    path, others = parted(session)
    for number, turn in path:
        yield from _turn(turn, number)
    if others:
        yield "<details><summary>Other branches</summary>\n"
        for number, turn in others:
            yield from _turn(turn, number)
        yield "</details>\n"
    data = re.sub("[<>&\u2028\u2029]", lambda one: f"\\u{ord(one[0]):04x}", dumps(session_out(session)))
    yield f"{DATA}{data}</script>\n</article>\n"


def _turn(turn: Turn, number: int) -> Iterator[str]:
    for message in turn.messages:
        yield f'<section class="{message.role}"><h2>{heading(message, turn, number)}</h2>\n'
        for part in message.parts:
            yield _part(part, message)
        yield "</section>\n"
    told = about(turn.receipt)
    if told:
        yield f"<p class=receipt>{_text(told)}</p>\n"


def _part(part: Part, message: Message) -> str:
    match part:
        case TextPart():
            return _words(clean(part.text), message.role == "assistant")
        case FilePart():
            name = _text(part.name or "a file")
            if part.media_type in SHOWN:
                return f'<p><img alt="{name}" src="data:{part.media_type};base64,{part.base64}"></p>\n'
            return f"<p>{name} ({_text(part.media_type)}, {len(part.data)} bytes)</p>\n"
        case ReasoningPart():
            return _folded("Reasoning", part.text)
        case ToolCallPart():
            return _folded(f"Calls {part.name}", part.arguments)
        case ToolResultPart():
            return _folded(f"{part.name} {'failed' if part.failed else 'answers'}", part.content)


def _folded(head: str, body: str) -> str:
    inner = f"<div class=plain>{_text(body)}</div>"
    return f"<details><summary>{_text(head)}</summary>{inner}</details>\n"


def _text(text: str) -> str:
    """A foreign text as characters; controls that a page must not hold become U+FFFD."""
    return escape(_CONTROL.sub("\ufffd", clean(text)))


def _words(text: str, marked: bool) -> str:
    if not marked or len(text) > RENDERED:
        return f"<div class=plain>{_text(text)}</div>\n"
    return str(_renderer().render(_CONTROL.sub("\ufffd", text)))


@cache
def _renderer() -> MarkdownIt:
    """Markdown without HTML of its own; rich, which Arawn needs anyway, brings markdown-it-py along."""
    from markdown_it import MarkdownIt

    class Safe(MarkdownIt):
        def validateLink(self, url: str) -> bool:
            return _LINK.match(url) is not None

    made = Safe("commonmark", {"html": False})
    made.enable(["table", "strikethrough"])
    made.add_render_rule("image", _image)
    made.add_render_rule("link_open", _link)
    return made


def _image(
    _: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    """A picture that an answer points to is not loaded, which would tell who reads the page: it is a link."""
    source = str(tokens[at].attrs.get("src", ""))
    return f'<a href="{escape(source)}" rel="noreferrer nofollow">{escape(tokens[at].content or source)}</a>'


def _link(
    made: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    tokens[at].attrSet("rel", "noreferrer nofollow")
    return made.renderToken(tokens, at, options, env)


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """The sessions of a page that Arawn wrote."""
    found = enumerate(_data(source.text(tell)), 1)
    return each(((f"session {number}", data) for number, data in found), _session, tell)


def _data(page: str) -> Iterator[str]:
    end = 0
    while (begin := page.find(DATA, end)) >= 0 and (end := page.find("</script>", begin)) >= 0:
        yield page[begin + len(DATA) : end]


def _session(data: str) -> Session:
    return session_in(loads(data))
