"""The short way to write a schema, `name, age int, tags [str]`, as a JSON Schema; it knows nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from arawn.errors import UsageFault

TYPES = {
    "str": "string", "string": "string", "text": "string", "int": "integer", "integer": "integer",
    "float": "number", "number": "number", "bool": "boolean", "boolean": "boolean",
}  # fmt: skip
DEEPEST = 32
EXAMPLE = "for example --schema 'name, age int, tags [str]'"

_NAME = re.compile(r"[\w$][\w$-]*")
_KIND = re.compile(r"[^,:\[\]\n]*")
_BLANKS = re.compile(r"[^\S\n]*")
_BETWEEN = re.compile(r"[\s,]*")
_ALTERNATIVES = re.compile(r"\s*[^\s|,:\[\]]+\s*\|")


def closed(properties: Mapping[str, Any], required: Iterable[str]) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(dict.fromkeys(required)),
        "additionalProperties": False,
    }


def shorthand(text: str) -> dict[str, Any]:
    """The schema of fields `NAME[?] [TYPE] [: description]`, one a line or separated by commas.

    TYPE is str (unsaid), int, float, bool, alternatives `a|b|c`, or a list: `[int]`, `[name, age int]`. A
    `?` behind the name or the type makes the field optional. `NAME: TYPE` is understood too. Where fields
    stand one a line a description may have commas. Raises UsageFault with the place.
    """
    return _Fields(text, 0, len(text), 0).read()


class _Fields:
    """The fields between two places of a text."""

    def __init__(self, text: str, begin: int, end: int, depth: int) -> None:
        self.text, self.at, self.end, self.depth = text, begin, end, depth
        if depth > DEEPEST:
            self.fail("it is nested too deeply")
        self.by_line = self._has_lines()

    def _has_lines(self) -> bool:
        """Whether the fields stand one a line, those inside of brackets aside."""
        at, end = self._trimmed(self.at, self.end)
        while at < end:
            if self.text[at] == "\n":
                return True
            at = self._close(at) if self.text[at] == "[" else at
            at += 1
        return False

    def _trimmed(self, at: int, end: int) -> tuple[int, int]:
        piece = self.text[at:end]
        return at + len(piece) - len(piece.lstrip()), at + len(piece.rstrip())

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        """Raise the fault, with the line (where there are some) and the character, counted from 1."""
        at = self.at if at is None else at
        line, column = self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)
        place = f"line {line}, character {column}" if "\n" in self.text.strip() else f"character {column}"
        raise UsageFault(f"The schema is not understood at {place}: {what}", hints=(EXAMPLE,))

    def read(self) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        self._skip(_BETWEEN)
        while self.at < self.end:
            begin = self.at
            name, optional, schema = self._field()
            if name in properties:
                self.fail(f"{name!r} is named twice", begin)
            properties[name] = schema
            if not optional:
                required.append(name)
            self._skip(_BETWEEN)
        if not properties:
            self.fail("it names no field")
        return closed(properties, required)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at, self.end)
        self.at = found.end() if found else self.at
        return found.group() if found else ""

    def _sees(self, sign: str) -> bool:
        return self.text[self.at : min(self.at + 1, self.end)] == sign

    def _take(self, sign: str) -> bool:
        taken = self._sees(sign)
        self.at += taken
        return taken

    def _field(self) -> tuple[str, bool, dict[str, Any]]:
        name = self._skip(_NAME)
        if not name:
            self.fail(f"{self.text[self.at]!r} begins no name; a field is NAME TYPE")
        optional = self._take("?")
        self._skip(_BLANKS)
        schema, maybe = self._type()
        self._skip(_BLANKS)
        if self._take(":"):
            self._skip(_BLANKS)
            if schema is None and self._type_follows():
                schema, maybe = self._type()
                self._skip(_BLANKS)
            described = self._description() if not schema or self._take(":") or self._free() else ""
            schema = schema or {"type": "string"}
            if described:
                schema["description"] = described
        if self._free():
            self.fail(f"{self.text[self.at]!r} is not expected here")
        return name, optional or maybe, schema or {"type": "string"}

    def _free(self) -> bool:
        """Whether words follow, rather than the next field."""
        return self.at < self.end and self.text[self.at] not in ",\n"

    def _type_follows(self) -> bool:
        """Whether what stands behind `NAME:` is a type and not a description, as in many languages."""
        if self._sees("["):
            after = _BLANKS.match(self.text, self._close(self.at) + 1, self.end)
            return after is not None and self.text[after.end() : after.end() + 1] in ("", ",", "\n", "?", "]")
        found = _KIND.match(self.text, self.at, self.end)
        word = found.group().strip().rstrip("?") if found else ""
        return word.lower() in TYPES or bool(re.fullmatch(r"[^\s|]+(\|[^\s|]+)+", word))

    def _type(self) -> tuple[dict[str, Any] | None, bool]:
        """The type that begins here, None where none does, and whether it ends in `?`."""
        if self._sees("["):
            close = self._close(self.at)
            schema = self._list(self.at + 1, close)
            self.at = close + 1
            self._skip(_BLANKS)
            return schema, self._take("?")
        begin = self.at
        kind = self._skip(_KIND).strip()
        optional = kind.endswith("?")
        kind = kind.removesuffix("?").strip()
        if not kind:
            return None, optional
        return self._simple(kind, begin), optional

    def _simple(self, kind: str, begin: int) -> dict[str, Any]:
        if kind.lower() in TYPES:
            return {"type": TYPES[kind.lower()]}
        if "|" not in kind:
            self.fail(f"{kind!r} is no type; types are str, int, float, bool, a|b|c and lists [TYPE]", begin)
        words = [word.strip() for word in kind.split("|")]
        if not all(words):
            self.fail(f"an alternative of {kind!r} is empty", begin)
        return {"type": "string", "enum": list(dict.fromkeys(words))}

    def _list(self, begin: int, close: int) -> dict[str, Any]:
        """A list of what stands between its brackets: a type, or the fields of objects."""
        at, end = self._trimmed(begin, close)
        inside = self.text[at:end]
        if not inside:
            self.fail("it is not said what is in the list", begin)
        if inside.endswith("?") and inside.rstrip("? ").lower() in TYPES:
            self.fail("`?` belongs behind the list, not in it", end - 1)
        if inside.startswith("[") and self._close(at) == end - 1:
            if self.depth >= DEEPEST:
                self.fail("it is nested too deeply")
            items = _Fields(self.text, at, end, self.depth + 1)._list(at + 1, end - 1)
        elif inside.lower() in TYPES or _ALTERNATIVES.match(inside):
            odd = next((place for place, sign in enumerate(inside) if sign in ",:[]\n"), None)
            if odd is not None:
                self.fail(f"{inside[odd]!r} is not expected here", at + odd)
            items = self._simple(inside, at)
        else:
            items = _Fields(self.text, at, end, self.depth + 1).read()
        return {"type": "array", "items": items}

    def _description(self) -> str:
        """What follows to the end of the field; brackets in it hold together."""
        begin = self.at
        while self.at < self.end and self.text[self.at] != "\n":
            sign = self.text[self.at]
            if sign == "," and not self.by_line:
                break
            self.at = self._close(self.at) + 1 if sign == "[" else self.at + 1
        return self.text[begin : self.at].strip().rstrip(",").strip()

    def _close(self, begin: int) -> int:
        """Where the bracket that opens at `begin` is closed."""
        depth = 0
        for at in range(begin, self.end):
            depth += (self.text[at] == "[") - (self.text[at] == "]")
            if not depth:
                return at
        self.fail("this bracket is not closed", begin)
