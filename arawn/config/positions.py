"""Where each key of a TOML text stands; it knows no schema and checks nothing.

The parser of the standard library gives values without places, so this reads the text once more, and only
when an error or an origin is to be shown. It expects text that has been parsed; in anything else it stops
where it no longer understands, and what was found until then holds.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

Key = tuple[str | int, ...]
Place = tuple[int, int]

_SPACE = re.compile(r"(?:[ \t]|\r?\n|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.S),
    re.compile(r"'''.*?'{3,5}", re.S),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


class _Lost(Exception):
    pass


def positions(text: str) -> Mapping[Key, Place]:
    """Each key and table header of `text`, with line and column from 1. Elements of lists are numbered."""
    scanner = _Scanner(text)
    with contextlib.suppress(_Lost, RecursionError, ValueError):
        scanner.document()
    starts = [0] + [match.end() for match in re.finditer("\n", text)]
    return {key: _place(starts, offset) for key, offset in scanner.found.items()}


def locate(places: Mapping[Key, Place], path: Key) -> Place:
    """The place of `path`, else of the nearest table around it, else 1:1."""
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    return 1, 1


def _place(starts: list[int], offset: int) -> Place:
    from bisect import bisect_right

    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Key, int] = {}
        self.counts: dict[Key, int] = {}

    def skip(self, what: re.Pattern[str]) -> None:
        match = what.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def need(self, token: str) -> None:
        if not self.take(token):
            raise _Lost

    def document(self) -> None:
        table: Key = ()
        self.skip(_SPACE)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_SPACE)

    def header(self) -> Key:
        many = self.take("[[") or not self.take("[")
        self.skip(_BLANK)
        start, names = self.at, self.key()
        self.need("]]" if many else "]")
        table: Key = (*self.resolve(names[:-1]), names[-1])
        if many:
            self.counts[table] = self.counts.get(table, -1) + 1
            table = (*table, self.counts[table])
        else:
            table = self.resolve(names)
        self.note((), table, start)
        return table

    def resolve(self, names: Key) -> Key:
        """`names` with the number of the current element after each array of tables."""
        path: Key = ()
        for name in names:
            path = (*path, name)
            if path in self.counts:
                path = (*path, self.counts[path])
        return path

    def note(self, table: Key, names: Key, start: int) -> None:
        for length in range(1, len(names) + 1):
            self.found.setdefault(table + names[:length], start)

    def key(self) -> Key:
        names: list[str] = []
        while True:
            self.skip(_BLANK)
            match = _BARE_KEY.match(self.text, self.at)
            if match:
                names.append(match.group())
                self.at = match.end()
            else:
                names.append(_plain(self.string()))
            self.skip(_BLANK)
            if not self.take("."):
                return tuple(names)

    def pair(self, table: Key) -> None:
        start, names = self.at, self.key()
        self.need("=")
        self.note(table, names, start)
        self.skip(_BLANK)
        self.value(table + names)

    def string(self) -> str:
        for pattern in _STRINGS:
            match = pattern.match(self.text, self.at)
            if match:
                self.at = match.end()
                return match.group()
        raise _Lost

    def value(self, path: Key) -> None:
        first = self.text[self.at : self.at + 1]
        if first in ('"', "'"):
            self.string()
        elif first == "[":
            self.items(path)
        elif first == "{":
            self.inline(path)
        else:
            self.skip(_SCALAR)

    def items(self, path: Key) -> None:
        self.need("[")
        number = 0
        self.skip(_SPACE)
        while not self.take("]"):
            self.found.setdefault((*path, number), self.at)
            before = self.at
            self.value((*path, number))
            self.skip(_SPACE)
            self.take(",")
            self.skip(_SPACE)
            number += 1
            if self.at == before:
                raise _Lost

    def inline(self, path: Key) -> None:
        self.need("{")
        self.skip(_SPACE)
        while not self.take("}"):
            self.pair(path)
            self.skip(_SPACE)
            self.take(",")
            self.skip(_SPACE)


def _plain(quoted: str) -> str:
    """A quoted key without its quotes."""
    if quoted.startswith("'"):
        return quoted[1:-1]
    import tomllib

    value = tomllib.loads(f"key = {quoted}")["key"]
    return str(value)
