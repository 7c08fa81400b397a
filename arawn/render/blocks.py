"""What kind of block each line of a Markdown text belongs to, line by line, as markdown-it says.

Nothing is parsed twice: what was open before the line is written anew in a few short lines that mean the
same to markdown-it, the line is put behind them, and the positions of its blocks tell what the line is. Only
the signs at a line's beginning matter for that, so the answers are remembered. It knows no terminal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from markdown_it.token import Token

DEEPEST = 12
"""Levels of lists and quotes that are told apart; what lies deeper is text."""
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*\{?\.?([^\s`{}]*)")
"""The line that opens code: its signs, and the language."""
CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*\Z")
TASK = re.compile(r"\[([ xX])\][ \t]+(?=\S)")
FORMULAS = {"$$": "$$", "\\[": "\\]"}
"""What opens a formula alone on its line, and what closes it."""
_REMEMBERED = 512
_HEAD = re.compile(r"[ \t>*+\-_=#:|~`0-9.)<$\\]{0,200}")
_BLANK = re.compile(r"(?: {0,3}>)*[ \t]*\Z")
_QUOTED = re.compile(r" *> ?")  # markdown-it takes any indent where the quote goes on
_ITEM = re.compile(r"( {0,3})([-+*]|\d{1,9}[.)])( *)")
_HASHES = frozenset("#" * level for level in range(1, 7))
_PLAIN_FENCE = re.compile(r"```[\w+-]*\Z")
_STRUCTURE = re.compile(r"(?:[ \t>]|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))*")
_LEAVES = {
    "paragraph_open": "paragraph",
    "heading_open": "heading",
    "fence": "fence",
    "code_block": "code",
    "html_block": "html",
    "hr": "rule",
    "table_open": "table",
}
_VERBATIM = "script|pre|style|textarea"
_HTML = (  # a beginning for each of the kinds of CommonMark 4.6, and what ends it
    (rf"<(?:{_VERBATIM})(?=\s|>|$)", "<pre>", rf"</(?:{_VERBATIM})>"),
    (r"<!--", "<!--", r"-->"),
    (r"<\?", "<?", r"\?>"),
    (r"<!\[CDATA\[", "<![CDATA[", r"\]\]>"),
    (r"<![A-Za-z]", "<!A", r">"),
)
_CACHE: dict[tuple[tuple[str, ...], int, str], Step] = {}


class Container(NamedTuple):
    """A quote or an item of a list; `number` is that of an ordered item, else -1."""

    marker: str
    indent: int = 0
    pad: int = 1
    number: int = -1

    @property
    def quote(self) -> bool:
        """Whether it is a quote."""
        return self.marker == ">"

    @property
    def columns(self) -> int:
        """Columns before what is in it."""
        return self.indent + len(self.marker) + self.pad


class Step(NamedTuple):
    """What a line is: how many containers go on, which begin (and whether in the same list), and the leaf.

    `leaf` is paragraph, heading, underline, rule, fence, code, html, table, head (the line under the head of
    a table), or "" where there is none on the line. `goes_on`: it is the one that was open.
    """

    kept: int
    fresh: tuple[bool, ...]
    leaf: str
    goes_on: bool = False
    level: int = 0


def head(line: str) -> str:
    """The signs at the beginning of a line that decide what it is; behind them stands a plain character."""
    if line.isspace():
        return line
    found = _HEAD.match(line)
    return found.group() if found else ""


def blank(line: str) -> bool:
    """Whether there is nothing but marks of quotes."""
    return _BLANK.match(line) is not None


class Blocks:
    """The containers and the leaf that are open; `step` tells of a line, `enter` takes it in."""

    def __init__(self) -> None:
        self.containers: tuple[Container, ...] = ()
        self.leaf = ""
        """As in Step, and "closed" (a whole block, no empty line yet) or "empty" (an item without text)."""
        self.text = ""
        self._first = True  # whether `text` is on the first line of its paragraph
        self._blanks: list[str] = []
        self._lines: tuple[str, ...] | None = ()

    @property
    def plain(self) -> bool:
        """Whether a line that begins with a letter is certain to be a paragraph's."""
        return not self.containers and self.leaf in ("", "paragraph", "closed")

    def step(self, start: str, more: bool) -> Step:
        """What the line is that begins with these signs, with or without text behind them."""
        if self.plain and more:
            simple = self._simple(start)
            if simple:
                return simple
        line = start.expandtabs(4) + ("x" if more else "")
        before = self._skeleton()
        core = len(before) - len(self._blanks)
        known = _CACHE.get((before, core, line))
        if known is None:
            if len(_CACHE) >= _REMEMBERED:
                _CACHE.clear()
            known = self._judge(_parse("\n".join((*before, line))), core, len(before))
            if not known.leaf and more:  # deeper than markdown-it goes
                known = Step(len(self.containers), (), "paragraph", self.leaf == "paragraph")
            _CACHE[before, core, line] = known
        return known

    def _simple(self, start: str) -> Step | None:
        """What is plain to see outside of lists and quotes: no first word has to wait for the parser."""
        if not start:
            return Step(0, (), "paragraph", self.leaf == "paragraph" and not self._blanks)
        mark, _, more = start.partition(" ")
        if more.strip(" ") or mark == start:
            return None
        if mark in _HASHES:
            return Step(0, (), "heading", level=len(mark))
        if mark in ("-", "*", "+", "1.") and len(more) < 4:
            return Step(0, (False,), "paragraph")
        return None

    def whole(self, line: str) -> Step:
        """What a whole line is, where its text matters too."""
        if self.plain and _PLAIN_FENCE.match(line):
            return Step(0, (), "fence")
        before = self._skeleton()
        core = len(before) - len(self._blanks)
        return self._judge(_parse("\n".join((*before, line))), core, len(before))

    def _skeleton(self) -> tuple[str, ...]:
        """A short text after which the same is open as after all that was read."""
        if self._lines is None:
            self._lines = (*_opened(self.containers, self.leaf, self.text, self._first), *self._blanks)
        return self._lines

    def _judge(self, tokens: Sequence[Token], core: int, at: int) -> Step:
        """Read the step of line `at` from the positions of the blocks; what began before `core` was open."""
        parents: list[tuple[int, bool]] = []  # of each container: where it begins, whether its list was open
        lists: list[int] = []
        deepest: list[tuple[int, bool]] = []
        for token in tokens:
            kind = token.type
            begin, end = token.map or (-1, -1)
            if kind in ("bullet_list_open", "ordered_list_open"):
                lists.append(begin)
            elif kind in ("bullet_list_close", "ordered_list_close"):
                lists.pop()
            elif kind in ("blockquote_open", "list_item_open"):
                parents.append((begin, kind == "list_item_open" and lists[-1] < core))
                if begin <= at < end:
                    deepest = list(parents)
            elif kind in ("blockquote_close", "list_item_close"):
                parents.pop()
            elif kind in _LEAVES and begin <= at < end:
                return self._found(token, begin, parents, core, at)
        return _chain(deepest, core, "", False, 0)

    def _found(self, token: Token, begin: int, parents: list[tuple[int, bool]], core: int, at: int) -> Step:
        leaf, goes_on, level = _LEAVES[token.type], begin < core, 0
        if leaf == "heading":
            level = int(token.tag[1:])
            if token.markup in ("-", "="):
                leaf = "underline"
        elif leaf == "table" and self.leaf == "paragraph":
            leaf = "head"
        return _chain(parents, core, leaf, goes_on, level)

    def placed(self, line: str, step: Step) -> tuple[Step, str, tuple[Container, ...]]:
        """What `walk` gives, behind the step: text where it lies too deep, "formula" for one's sign."""
        rest, begun = self.walk(line, step)
        if len(step.fresh) > len(begun):
            step = step._replace(leaf="paragraph", goes_on=False)
        if step.leaf == "paragraph" and rest.strip() in FORMULAS:
            step = step._replace(leaf="formula", goes_on=False)
        return step, rest, begun

    def walk(self, line: str, step: Step) -> tuple[str, tuple[Container, ...]]:
        """What is left of the line behind its containers, and the containers that begin on it."""
        found = _STRUCTURE.match(line) if "\t" in line else None
        rest = found.group().expandtabs(4) + line[found.end() :] if found else line
        for container in self.containers[: step.kept]:
            if container.quote:
                quote = _QUOTED.match(rest)
                rest = rest[quote.end() :] if quote else rest
            else:
                space = len(rest) - len(rest.lstrip(" "))
                rest = rest[min(space, container.columns) :]
        begun: list[Container] = []
        for number, same in enumerate(step.fresh[: DEEPEST - step.kept]):
            rest, container = self._begin(rest, same and not number, step.kept)
            begun.append(container)
        return rest, tuple(begun)

    def _begin(self, rest: str, same: bool, kept: int) -> tuple[str, Container]:
        quote = _QUOTED.match(rest)
        if quote:
            return rest[quote.end() :], Container(">")
        item = _ITEM.match(rest)
        if item is None:
            return rest, Container(">")
        pad = len(item[3])
        if pad > 4 or item.end() == len(rest):
            pad = 1
        number = -1
        if item[2][-1] in ".)":
            before = self.containers[kept].number if same and kept < len(self.containers) else -1
            number = before + 1 if before >= 0 else int(item[2][:-1])
        return rest[item.end(2) + pad :], Container(item[2], len(item[1]), pad, number)

    def enter(self, containers: tuple[Container, ...], leaf: str, text: str = "", first: bool = True) -> None:
        """From now on these are open. `text`: what of the leaf matters for the lines that follow."""
        self.containers, self.leaf, self.text, self._first = containers, leaf, text, first
        self._blanks.clear()
        self._lines = None

    def enter_table(self, count: int) -> None:
        """A table of so many columns is open."""
        self.enter(self.containers, "table", f"|{'a|' * count}\n|{'-|' * count}")

    def rest(self, line: str) -> None:
        """Take in an empty line, perhaps with marks of quotes."""
        mark = line.expandtabs(4).rstrip()
        if not self._blanks or self._blanks[-1] != mark:
            self._blanks = [*self._blanks[-7:], mark]
            self._lines = None
        if self.leaf not in ("", "empty", "code"):
            self.leaf, self._lines = "closed", None


def _chain(parents: list[tuple[int, bool]], core: int, leaf: str, goes_on: bool, level: int) -> Step:
    fresh = tuple(same for begin, same in parents if begin >= core)
    return Step(len(parents) - len(fresh), fresh, leaf, goes_on, level)


def _opened(containers: tuple[Container, ...], leaf: str, text: str, first: bool) -> list[str]:
    """Lines after which just these containers and this leaf are open."""
    lines: list[str] = []
    line = inner = ""
    for number, container in enumerate(containers):
        last_empty = leaf == "empty" and number == len(containers) - 1
        if line and (last_empty or (container.indent and not containers[number - 1].quote)):
            lines += [f"{line}x", inner.rstrip()]
            line = inner
        line += " " * container.indent + container.marker + " " * container.pad
        inner += "> " if container.quote else " " * container.columns
    if leaf == "empty":
        return [*lines, line.rstrip()]
    if leaf == "paragraph":
        if first:
            return [*lines, line + (text or "x")]
        return [*lines, f"{line}x", *([inner + text] if text else [])]
    if leaf in ("closed", "") or not text:
        return [*lines, f"{line}# x"] if containers or leaf else []
    if containers:
        lines += [f"{line}x", inner.rstrip()]
    return [*lines, *(inner + part for part in text.split("\n"))]


def html_kind(line: str) -> tuple[str, re.Pattern[str] | None]:
    """A short beginning of the same kind of HTML block, and what ends it (None: an empty line)."""
    for begins, sample, ends in _HTML:
        if re.match(begins, line, re.I):
            return sample, re.compile(ends, re.I)
    return "<div>", None


def split(row: str) -> list[str]:
    """The cells of a row of a table; a pipe behind a backslash is text."""
    text, found, start = row.strip(), [], 0
    parts: list[str] = []
    for found_at in re.finditer(r"\|", text):
        at = found_at.start()
        if at and text[at - 1] == "\\":
            parts.append(text[start : at - 1])
            start = at
            continue
        found.append("".join(parts) + text[start:at])
        parts, start = [], at + 1
    found.append("".join(parts) + text[start:])
    if found and not found[0]:
        del found[0]
    if found and not found[-1]:
        del found[-1]
    return [cell.strip() for cell in found]


_parser: list[Any] = []


def warm() -> None:
    """Load markdown-it, which takes longer than a first word should wait."""
    if not _parser:
        from markdown_it import MarkdownIt

        made = MarkdownIt("commonmark", {"maxNesting": 40}).enable("table").disable("reference")
        _parser.append(made)


def _parse(text: str) -> list[Token]:
    warm()
    tokens: list[Token] = []
    _parser[0].block.parse(text + "\n", _parser[0], {}, tokens)
    return tokens
