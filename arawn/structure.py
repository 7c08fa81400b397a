"""Structured answers: what shape is asked for, and whether a text has it; it knows no backend.

The shape is a JSON Schema (https://json-schema.org), or the shorthand `name, age int, tags [str]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from arawn.errors import UsageFault
from arawn.keywords import draft7
from arawn.shorthand import closed, shorthand

DEEPEST = 200
"""Levels of an answer."""
LONGEST_NAME = 1024
"""Characters; what is longer is no name of a file."""

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.M | re.S)
_OPENING = re.compile(r'\{(?=\s*["}])|\[(?=\s*[\[{"\-\d\]tfnNI])')
_JSON_LIKE = re.compile(r'\{\s*"|\[\s*[{\["]')


class Outcome(NamedTuple):
    """What was found in a text: its JSON, as the model wrote it, and what is wrong with it, or ""."""

    value: Any = None
    text: str = ""
    problem: str = ""


def from_argument(text: str, read: Callable[[str], str]) -> dict[str, Any]:
    """The schema that `--schema` names: JSON, a file of it (`read` gives its text), or the shorthand.

    Raises UsageFault, with the place, for what is none of these or no valid schema.
    """
    said = text.strip()
    if "://" in said.partition(" ")[0]:
        raise UsageFault(f"{said[:80]}: a schema is not fetched", hints=("save it as a file",))
    if not said.startswith("{"):
        said = (_file(said, read) or said).removeprefix("\ufeff").strip()
    schema = _parsed(said) if said.startswith("{") else shorthand(said)
    validator(schema)
    return schema


def _file(name: str, read: Callable[[str], str]) -> str:
    """The text of the file `name`, "" where it is none.

    A single word may be a field as well: it is a file where one is there that begins like JSON.
    """
    if not name or "\n" in name or len(name) > LONGEST_NAME:
        return ""
    signs = set(name)
    must = name.lower().endswith(".json") or (bool(signs & set("/\\")) and not signs & set(" \t"))
    if not must and signs & set(",:[|? \t"):
        return ""
    try:
        found = read(name)
    except UsageFault:
        if must and not signs & set(",[|"):
            raise
        return ""
    return found if must or found.removeprefix("\ufeff").lstrip().startswith("{") else ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        schema = _decoder().decode(text)
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
    return closed({key: {} for key in keys}, keys)


class _Elsewhere(dict[str, Callable[[str], Any]]):
    """For addresses of every kind that a schema may refer to: none is fetched."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __missing__(self, scheme: str) -> Callable[[str], Any]:
        return self._refuse

    @staticmethod
    def _refuse(address: str) -> Any:
        raise UsageFault(f"The schema refers to {address}: what is elsewhere is not fetched")


def validator(schema: Mapping[str, Any]) -> Callable[[Any], str]:
    """A function that says what is wrong with a value, "" where nothing is. Addresses are never fetched.

    Raises UsageFault for a schema that is none.
    """
    import fastjsonschema

    try:
        check = fastjsonschema.compile(draft7(schema), handlers=_Elsewhere(), use_default=False)
    except UsageFault:
        raise
    except RecursionError:
        raise UsageFault("The schema is nested too deeply") from None
    except Exception as error:  # it raises whatever its generated code runs into
        raise UsageFault(f"The schema is not valid: {_short(error, 300)}") from None

    def problem(value: Any) -> str:
        try:
            check(value)
        except fastjsonschema.JsonSchemaException as error:
            return _short(error, 500)
        except RecursionError:
            return "nested too deeply"
        except (ArithmeticError, TypeError, ValueError) as error:  # a number beyond what floats can hold
            return f"it cannot be checked: {_short(error, 200)}"
        return ""

    return problem


def _short(error: Exception, longest: int) -> str:
    return " ".join(str(error).split())[:longest]


class Shape:
    """What an answer must be: JSON that fits `schema`, or, without one, any JSON object or list."""

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self.schema = schema
        self._problem = validator(schema) if schema is not None else _container

    def check(self, text: str) -> Outcome:
        """Look for the JSON in `text`: the whole, else the inside of a fence, else one value amid words.

        Broken JSON is never searched for an inner piece that would fit, and of several values that would
        do none is chosen.
        """
        whole = text.strip().removeprefix("\ufeff").strip()
        try:
            value = _decoder().decode(whole)
        except (ValueError, RecursionError) as error:
            first = Outcome(problem=_complaint(error, whole))
        else:
            return Outcome(value, whole, self._wrong(value))
        for source in (_fenced(whole), _amid(whole, objects_only=self.schema is None)):
            outcome = self._one(source)
            if outcome is not None and not (outcome.problem and first.text):
                first = outcome
            if not first.problem:
                break
        return first

    def _wrong(self, value: Any) -> str:
        return self._problem(value) or ("it is nested too deeply" if _is_deep(value) else "")

    def _one(self, found: Iterator[Outcome]) -> Outcome | None:
        """The one that fits, else what is wrong with the first; None where there is none at all."""
        first: Outcome | None = None
        fitting: dict[str, Outcome] = {}
        for outcome in found:
            if outcome.problem:
                return outcome
            checked = outcome._replace(problem=self._wrong(outcome.value))
            first = first or checked
            if not checked.problem:
                fitting.setdefault(_same(checked), checked)
        if len(fitting) > 1:
            return Outcome(problem="there is more than one JSON value in it that would do")
        return next(iter(fitting.values()), first)


def _same(found: Outcome) -> str:
    """Equal for what says the same, whatever its blanks and the order of its keys."""
    try:
        return json.dumps(found.value, sort_keys=True)
    except RecursionError:
        return found.text


def _is_deep(value: Any) -> bool:
    """Whether it has more than DEEPEST levels: what writes it again needs a stack for each."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST + 1):
        inside = (items.values() if isinstance(items, dict) else items for items in level)
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _container(value: Any) -> str:
    return "" if isinstance(value, dict | list) else "a JSON object is wanted"


def _fenced(text: str) -> Iterator[Outcome]:
    """The values in fences that hold nothing else."""
    for fence in _FENCE.finditer(text):
        inside = fence.group(2).strip()
        try:
            yield Outcome(_decoder().decode(inside), inside)
        except (ValueError, RecursionError):
            continue


def _amid(text: str, objects_only: bool) -> Iterator[Outcome]:
    """Objects and lists amid words, outermost alone; one with a problem, the last, where JSON is broken.

    Where JSON of any shape will do, `[1]` and `{}` amid words are words.
    """
    decoder, at, patience = _decoder(), 0, 4 * len(text)
    while (opening := _OPENING.search(text, at)) and patience > 0:
        at = opening.start()
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if _JSON_LIKE.match(text, at):
                yield Outcome(problem=_complaint(error, text))
                return
            patience -= max(getattr(error, "pos", len(text)) - at, 0) + len(text) // 1000 + 1
            at += 1
            continue
        if not objects_only or (value and isinstance(value, dict)):
            yield Outcome(value, text[at:end])
        at = end


def _complaint(error: Exception, text: str) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if not isinstance(error, json.JSONDecodeError):
        return f"it is no JSON: {_short(error, 200)}"
    if not _JSON_LIKE.search(text):
        return "no JSON was found in it"
    return f"it is no JSON: {error.msg} at line {error.lineno}, character {error.colno}"


def _decoder() -> json.JSONDecoder:
    """Takes what every reader of JSON understands alike, and nothing else."""
    return json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        last = {name: place for place, (name, _) in enumerate(pairs)}
        twice = next(name for place, (name, _) in enumerate(pairs) if last[name] != place)
        raise ValueError(f"the key {twice[:60]!r} stands twice in one object")
    return made
