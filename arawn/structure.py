"""Structured answers: what shape is asked for, and whether a text has it; it knows no backend.

The shape is a JSON Schema (https://json-schema.org), or the shorthand `name, age int, tags [str]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from arawn.errors import UsageFault

TYPES = {
    "str": "string", "string": "string", "text": "string", "int": "integer", "integer": "integer",
    "float": "number", "number": "number", "bool": "boolean", "boolean": "boolean",
}  # fmt: skip
DEEPEST = 32
TRIES = 64
"""Places in a text at which a JSON value is looked for."""


class Outcome(NamedTuple):
    """What was found in a text: its JSON, as the model wrote it, and what is wrong with it, or ""."""

    value: Any = None
    text: str = ""
    problem: str = ""


def from_argument(text: str, read: Callable[[str], str]) -> dict[str, Any]:
    """The schema that `--schema` names: JSON, a file of it (`read` gives its text), or the shorthand.

    Raises UsageFault, with the place, for what is none of these or no valid schema.
    """
    name = text.strip()
    if not set(name) & set("{,:[|\n") and (name.endswith(".json") or "/" in name or _is_file(name, read)):
        text = read(name)
    schema = _parsed(text) if text.lstrip().startswith("{") else shorthand(text)
    validator(schema)
    return schema


def _is_file(name: str, read: Callable[[str], str]) -> bool:
    """A single word may be a field or a file: it is a file where one is there and begins like JSON."""
    try:
        return read(name).lstrip().startswith("{")
    except UsageFault:
        return False


def _parsed(text: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except RecursionError:
        raise UsageFault("The schema is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UsageFault(f"The schema is no JSON: {error.msg} at {error.lineno}:{error.colno}") from None
    except ValueError as error:
        raise UsageFault(f"The schema is no JSON: {error}") from None
    return dict(schema)


def from_keys(text: str) -> dict[str, Any]:
    """An object with exactly these keys, values of any type. Raises UsageFault where no key is named."""
    keys = [key for key in (part.strip() for part in text.split(",")) if key]
    if not keys:
        raise UsageFault("--keys names no key", hints=("for example --keys answer,confidence",))
    return _object({key: {} for key in keys}, keys)


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    unique = list(dict.fromkeys(required))
    return {
        "type": "object",
        "properties": dict(properties),
        "required": unique,
        "additionalProperties": False,
    }


def shorthand(text: str) -> dict[str, Any]:
    """The schema of fields `NAME[?] [TYPE] [: description]`, one a line or separated by commas.

    TYPE is str (unsaid), int, float, bool, alternatives `a|b|c`, or a list: `[int]`, `[name, age int]`. A
    `?` behind the name or the type makes the field optional. Raises UsageFault naming the field.
    """
    return _fields(text, 0)


def _fields(text: str, depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        raise UsageFault("The schema is nested too deeply")
    properties: dict[str, Any] = {}
    required: list[str] = []
    for field in _split(text):
        name, optional, schema = _field(field, depth)
        if name in properties:
            raise UsageFault(f"The schema names {name!r} twice")
        properties[name] = schema
        if not optional:
            required.append(name)
    if not properties:
        raise UsageFault(
            "The schema names no field", hints=("for example --schema 'name, age int, tags [str]'",)
        )
    return _object(properties, required)


def _split(text: str) -> list[str]:
    """The fields of `text`: by lines where there are any, else by commas; brackets hold together."""
    for mark in "\n,":
        parts, depth, begin = [], 0, 0
        for at, sign in enumerate(text):
            depth += (sign == "[") - (sign == "]")
            if depth < 0:
                break
            if sign == mark and not depth:
                parts.append(text[begin:at])
                begin = at + 1
        if depth:
            raise UsageFault(f"The brackets of the schema do not match: {text.strip()!r}")
        fields = [part.strip().rstrip(",").strip() for part in (*parts, text[begin:])]
        if len([field for field in fields if field]) > 1 or mark == ",":
            return [field for field in fields if field]
    return []


def _field(field: str, depth: int) -> tuple[str, bool, dict[str, Any]]:
    said, colon, description = _described(field)
    name, _, kind = said.partition(" ")
    optional = name.endswith("?") or kind.rstrip().endswith("?")
    name, kind = name.rstrip("?"), kind.strip().rstrip("?").strip()
    if not name or not all(sign.isalnum() or sign in "_-$." for sign in name):
        raise UsageFault(f"{field!r} names no field", hints=("a field is NAME TYPE, for example: age int",))
    schema = _type(kind or "str", field, depth)
    if colon:
        schema["description"] = description.strip()
    return name, optional, schema


def _described(field: str) -> tuple[str, str, str]:
    """The field and its description: what follows the first colon outside of brackets."""
    depth = 0
    for at, sign in enumerate(field):
        depth += (sign == "[") - (sign == "]")
        if sign == ":" and not depth:
            return field[:at].strip(), ":", field[at + 1 :]
    return field.strip(), "", ""


def _type(kind: str, field: str, depth: int) -> dict[str, Any]:
    if kind.startswith("[") and kind.endswith("]"):
        inside = kind[1:-1].strip()
        simple = inside.lower() in TYPES or "|" in inside.partition(" ")[0] or inside.startswith("[")
        return {
            "type": "array",
            "items": _type(inside, field, depth + 1) if simple else _fields(inside, depth + 1),
        }
    if kind.lower() in TYPES:
        return {"type": TYPES[kind.lower()]}
    if "|" in kind:
        words = [word.strip() for word in kind.split("|")]
        return {"type": "string", "enum": list(dict.fromkeys(word for word in words if word))}
    raise UsageFault(
        f"{kind!r} is no type, in {field!r}",
        hints=("types are str, int, float, bool, a|b|c and lists [TYPE]",),
    )


def validator(schema: Mapping[str, Any]) -> Callable[[Any], str]:
    """A function that says what is wrong with a value, "" where nothing is. Addresses are never fetched.

    Raises UsageFault for a schema that is none.
    """
    import fastjsonschema

    def refuse(address: str) -> Any:
        raise UsageFault(f"The schema refers to {address}: what is elsewhere is not fetched")

    try:
        check = fastjsonschema.compile(
            dict(schema),
            handlers=dict.fromkeys(("http", "https", "file", "ftp", ""), refuse),
            use_default=False,
        )
    except UsageFault:
        raise
    except RecursionError:
        raise UsageFault("The schema is nested too deeply") from None
    except Exception as error:  # it raises whatever its generated code runs into
        raise UsageFault(f"The schema is not valid: {' '.join(str(error).split())[:300]}") from None

    def problem(value: Any) -> str:
        try:
            check(value)
        except fastjsonschema.JsonSchemaException as error:
            return " ".join(str(error).split())[:500]
        except RecursionError:
            return "nested too deeply"
        return ""

    return problem


class Shape:
    """What an answer must be: JSON that fits `schema`, or, without one, any JSON object or list."""

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self.schema = schema
        self._problem = validator(schema) if schema is not None else _container

    def check(self, text: str) -> Outcome:
        """Look for the JSON in `text`: the whole, the inside of a fence, or a value amid words."""
        first = Outcome(problem="no JSON was found in it")
        for number, (value, found) in enumerate(_values(text)):
            problem = self._problem(value)
            if not problem:
                return Outcome(value, found)
            if not number:
                first = Outcome(value, found, problem)
        return first


def _container(value: Any) -> str:
    return "" if isinstance(value, dict | list) else "a JSON object is wanted"


def _values(text: str) -> Iterator[tuple[Any, str]]:
    """JSON values in `text` with their source: all of it, then what begins at a brace or bracket."""
    whole = text.strip().removeprefix("\ufeff").strip()
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    at, tries = 0, 0
    while at < len(whole) and tries < TRIES:
        tries += 1
        try:
            value, end = decoder.raw_decode(whole, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if at or end == len(whole) or whole[0] in "{[":
                yield value, whole[at:end]
        places = [place for place in (whole.find("{", end), whole.find("[", end)) if place >= 0]
        at = min(places, default=len(whole))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
