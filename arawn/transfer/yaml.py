"""The YAML that serde_yaml and libyaml write for plain data: block mappings and lists, scalars of each style.

Not taken, with the line told: anchors and aliases, tags, keys that are no scalar, and flow collections that
are not JSON on one line. Source: https://yaml.org/spec/1.2.2/.
"""

from __future__ import annotations

import re
from typing import Any

from arawn.transfer.shape import loads

DEEPEST = 60
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*:(?=\s|$)""")
_COLON = re.compile(r":(?=\s|$)")
_NO_KEY = re.compile(r"""["'#&*!|>%@`\[\]{},?:]|-(?:\s|$)""")
_BLOCK = re.compile(r"([|>])(?:([1-9])([+-]?)|([+-])([1-9])?|)\s*(?:#.*)?")
_NUMBER = re.compile(r"[-+]?(\d{1,400}|\d{0,400}\.\d{1,400}|\d{1,400}\.)([eE][-+]?\d{1,4})?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_ESCAPES = {
    **{"0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"},
    **{
        "e": "\x1b",
        " ": " ",
        '"': '"',
        "/": "/",
        "\\": "\\",
        "N": "\x85",
        "_": "\xa0",
        "L": "\u2028",
        "P": "\u2029",
    },
}
_COMMENT = re.compile(r"\s#")
_INSIDE = {'"': re.compile(r'(?:[^"\\]|\\.)*'), "'": re.compile(r"(?:[^']|'')*")}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.S)


def parse(text: str) -> Any:
    """The value of a document. Raises ValueError."""
    reader = _Reader(text)
    value = reader.block(0, 0)
    if reader.peek() is not None:
        raise reader.fault("this does not belong to what stands above it")
    return value


def _key(words: str) -> tuple[str, str] | None:
    """The key that a line begins with, and what stands behind it; None where it begins with none."""
    quoted = _QUOTED.match(words)
    if quoted is not None:
        return quoted[1], words[quoted.end() :].lstrip()
    colon = None if _NO_KEY.match(words) else _COLON.search(words)
    if colon is None or _COMMENT.search(words, 0, colon.start()):
        return None
    return words[: colon.start()].rstrip(), words[colon.end() :].lstrip()


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = [line.removesuffix("\r") for line in text.split("\n")]
        self.at = 0
        if self.peek() is not None and self.lines[self.at].split("#", maxsplit=1)[0].strip() == "---":
            self.at += 1

    def fault(self, why: str) -> ValueError:
        return ValueError(f"line {self.at + 1}: {why}")

    def peek(self) -> int | None:
        """How far the next line with something in it is indented; None at the end."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            words = line.lstrip(" ")
            if words == "..." and line == words:
                return None
            if words.strip() and not words.startswith("#"):
                return len(line) - len(words)
            self.at += 1
        return None

    def block(self, least: int, depth: int) -> Any:
        """What stands at the next line, where it is indented by `least` or more; None elsewhere."""
        if depth > DEEPEST:
            raise self.fault("it is nested too deeply")
        indent = self.peek()
        if indent is None or indent < least:
            return None
        words = self.lines[self.at][indent:]
        if words == "-" or words.startswith("- "):
            return self._list(indent, depth)
        if _key(words) is not None:
            return self._mapping(indent, depth)
        self.at += 1
        return self._value(words, indent - 1)

    def _list(self, indent: int, depth: int) -> list[Any]:
        found = []
        while self.peek() == indent:
            words = self.lines[self.at][indent:]
            if words != "-" and not words.startswith("- "):
                break
            rest = words[1:].lstrip(" ")
            if _BLOCK.fullmatch(rest):
                self.at += 1
                found.append(self._scalar(rest, indent))
                continue
            if rest and not rest.startswith("#"):
                self.lines[self.at] = " " * (indent + len(words) - len(rest)) + rest
            else:
                self.at += 1
            found.append(self.block(indent + 1, depth + 1))
        return found

    def _mapping(self, indent: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() == indent:
            words = self.lines[self.at][indent:]
            key = _key(words)
            if key is None:
                break
            name = self._quoted(key[0]) if key[0][:1] in ("'", '"') else key[0]
            rest = key[1]
            self.at += 1
            if rest and not rest.startswith("#"):
                found[name] = self._value(rest, indent)
                continue
            after = self.peek()
            same = after == indent and re.match(r"-(?: |$)", self.lines[self.at][indent:])
            found[name] = self.block(indent if same else indent + 1, depth + 1)
        return found

    def _value(self, words: str, indent: int) -> Any:
        """A value that begins on a line; the lines of a block scalar follow, further in than `indent`."""
        if words[0] in "|>":
            return self._scalar(words, indent)
        if words[0] in "\"'":
            return self._quoted(words)
        plain = _COMMENT.split(words, maxsplit=1)[0].rstrip()
        if plain[:1] in ("[", "{"):
            return loads(plain)
        if plain[:1] in ("&", "*", "!", "%", "@", "`"):
            self.at -= 1
            raise self.fault("anchors, aliases, tags and directives are not read")
        lines = [plain]
        while plain and self._indent() > indent and not _COMMENT.search(words):
            words = self.lines[self.at]
            lines.append(_COMMENT.split(words, maxsplit=1)[0])
            self.at += 1
        if len(lines) > 1:
            return _flowed(lines)
        if plain in _WORDS:
            return _WORDS[plain]
        return _number(plain) if _NUMBER.fullmatch(plain) else plain

    def _indent(self) -> int:
        """How far the next line of a plain text is indented, -2 where none goes on with it."""
        for at in range(self.at, len(self.lines)):
            words = self.lines[at].lstrip(" ")
            if words.strip():
                return -2 if words.startswith("#") else len(self.lines[at]) - len(words)
        return -2

    def _quoted(self, words: str) -> str:
        """A text in quotes, perhaps on several lines."""
        quote, inside = words[0], _INSIDE[words[0]]
        lines, line = [], words[1:]
        while (end := inside.match(line)) is None or line[end.end() : end.end() + 1] != quote:
            lines.append(line)
            if self.at >= len(self.lines):
                raise self.fault("a quoted text has no end")
            line = self.lines[self.at]
            self.at += 1
        after = line[end.end() + 1 :].strip()
        if after and not after.startswith("#"):
            self.at -= 1
            raise self.fault("something stands behind a quoted text")
        whole = _flowed([*lines, end[0]], quote == '"') if lines else end[0]
        return whole.replace("''", "'") if quote == "'" else _ESCAPE.sub(self._escape, whole)

    def _escape(self, found: re.Match[str]) -> str:
        word = found[1]
        if len(word) > 1:
            return chr(int(word[1:], 16))
        if word not in _ESCAPES:
            raise self.fault(f"\\{word} is no escape of YAML")
        return _ESCAPES[word]

    def _scalar(self, words: str, indent: int) -> str:
        """The lines of `|` or `>`; how far they are indented is said, or told by the first of them."""
        head = _BLOCK.fullmatch(words)
        if head is None:
            raise self.fault("this is no beginning of a block of text")
        said, chomp = head[2] or head[5], head[3] or head[4]
        deep = indent + int(said) if said else 0
        lines: list[str] = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            inner = len(line) - len(line.lstrip(" "))
            if inner == len(line):
                lines.append(line[deep:] if deep else "")
                self.at += 1
                continue
            deep = deep or (inner if inner > indent else -1)
            if deep < 0 or inner < deep:
                break
            lines.append(line[deep:])
            self.at += 1
        return _chomped(lines, head[1] == ">", chomp or "")


def _chomped(lines: list[str], folded: bool, chomp: str) -> str:
    kept = list(lines)
    while kept and not kept[-1]:
        kept.pop()
    text = _folded(kept) if folded else "\n".join(kept)
    if chomp == "-" or not lines:
        return text
    ends = len(lines) - len(kept) + bool(kept) if chomp == "+" else bool(kept)
    return text + "\n" * ends


def _folded(lines: list[str]) -> str:
    """Lines joined by spaces; an empty line is an end of line, and lines further in stay as they are."""
    made, blank = "", 0
    before: str | None = None
    for line in lines:
        if not line:
            blank += 1
            continue
        if before is not None:
            deeper = line[0] in " \t" or before[0] in " \t"
            made += "\n" * (blank + 1) if deeper else "\n" * blank or " "
        else:
            made += "\n" * blank
        made, before, blank = made + line, line, 0
    return made


def _flowed(lines: list[str], escapes: bool = False) -> str:
    """The lines of a flow scalar: an end of line is a space, an empty line an end of line.

    Where `escapes`, a backslash at the end of a line takes the end away.
    """
    made, blank, joined = "", 0, True
    for place, line in enumerate(lines):
        last = place == len(lines) - 1
        words = line if place == 0 else line.lstrip(" \t")
        words = words if last else words.rstrip(" \t")
        if not words and place > 0 and not last:
            blank += 1
            continue
        made += "\n" * blank or ("" if joined else " ")
        joined = escapes and not last and (len(words) - len(words.rstrip("\\"))) % 2 == 1
        made, blank = made + (words[:-1] if joined else words), 0
    return made


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return float(text)
