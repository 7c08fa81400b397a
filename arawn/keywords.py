"""The keywords of JSON Schema: what each may hold, and other drafts said in the words of draft 7.

Source: https://json-schema.org/draft-07/json-schema-validation and .../draft/2020-12. The validator knows
draft 7 and passes over what it does not know, so that a newer word would count for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from arawn.errors import UsageFault

Schema = dict[str, Any]
DEEPEST = 100
TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")

SCHEMAS = (
    "additionalProperties",
    "propertyNames",
    "additionalItems",
    "contains",
    "not",
    "if",
    "then",
    "else",
)
NAMED = ("properties", "patternProperties", "definitions", "$defs")
SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
COUNTS = ("minProperties", "maxProperties", "minItems", "maxItems", "minLength", "maxLength")
WORDS = ("$ref", "format", "pattern", "$id", "$schema")
UNCHECKED = (
    "unevaluatedProperties",
    "unevaluatedItems",
    "minContains",
    "maxContains",
    "$dynamicRef",
    "$recursiveRef",
)
"""Words of newer drafts that draft 7 cannot say: an answer would pass that does not fit."""
BESIDE = (
    "$ref",
    "$id",
    "$schema",
    "definitions",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "$comment",
)
"""What may stand beside a `$ref` in draft 7, as it says nothing of the value."""


def draft7(schema: Mapping[str, Any]) -> Schema:
    """`schema` for the validator. Raises UsageFault, with the place, for what is no schema."""
    made = _schema(schema, "", 0)
    assert isinstance(made, dict)
    return made


def _fail(where: str, what: str) -> UsageFault:
    return UsageFault(f"The schema is not valid: {where or 'it'} {what}"[:400])


def _schema(schema: Any, where: str, depth: int) -> Schema | bool:
    """One schema with all below it; `where` is its path."""
    if depth > DEEPEST:
        raise UsageFault("The schema is nested too deeply")
    if isinstance(schema, bool) and where:
        return schema
    if not isinstance(schema, Mapping):
        raise _fail(where, "must be a schema, which is an object")
    made: Schema = {}
    for word, value in schema.items():
        place = f"{where}.{word}" if where else str(word)
        if word in UNCHECKED and value is not True:
            raise _fail(place, "cannot be checked here; say it with additionalProperties, items or contains")
        made[word] = _value(str(word), value, place, depth + 1)
    made.pop("$schema", None)
    _newer(made)
    _older(made)
    return _beside(made)


def _value(word: str, value: Any, place: str, depth: int) -> Any:
    """What a keyword holds, checked, with the schemas in it made anew."""
    if word in SCHEMAS or (word == "items" and not isinstance(value, list)):
        return _schema(value, place, depth)
    if word in SEVERAL or word == "items":
        if not isinstance(value, list) or not (value or word == "items"):
            raise _fail(place, "must be a list of schemas")
        return [_schema(one, f"{place}[{number}]", depth) for number, one in enumerate(value)]
    if word in NAMED:
        return dict(_named(word, _table(value, place), place, depth))
    if word in ("dependencies", "dependentRequired", "dependentSchemas"):
        return dict(_dependencies(word, _table(value, place), place, depth))
    for words, check, wanted in CHECKS:
        if word in words and not check(value):
            raise _fail(place, f"must be {wanted}")
    if word == "pattern":
        _pattern(value, place)
    return value


def _table(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _fail(place, "must be an object")
    return value


def _named(word: str, value: Mapping[str, Any], place: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if word == "patternProperties":
            _pattern(name, f"{place}.{name}")
        yield str(name), _schema(one, f"{place}.{name}", depth)


def _dependencies(word: str, value: Mapping[str, Any], place: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if _is_names(one) and word != "dependentSchemas":
            yield name, one
        elif word == "dependentRequired":
            raise _fail(f"{place}.{name}", "must be a list of names")
        else:
            yield name, _schema(one, f"{place}.{name}", depth)


def _pattern(text: str, place: str) -> None:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise _fail(place, f"is no pattern that can be checked here: {error}") from None


def _is_number(value: Any) -> bool:
    """A finite one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0


def _is_limit(value: Any) -> bool:
    return _is_number(value) or isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_type(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, str) and one in TYPES for one in value)
    return isinstance(value, str) and value in TYPES


CHECKS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("type",), _is_type, f"one or several of {', '.join(TYPES)}"),
    (("required",), _is_names, "a list of names"),
    (("enum",), lambda value: isinstance(value, list) and bool(value), "a list of values"),
    (COUNTS, lambda value: _is_number(value) and value >= 0 and value == int(value), "a whole number from 0"),
    (("multipleOf",), lambda value: _is_number(value) and value > 0, "a number above 0"),
    (("minimum", "maximum"), _is_number, "a number"),
    (("exclusiveMinimum", "exclusiveMaximum"), _is_limit, "a number"),
    (("uniqueItems",), lambda value: isinstance(value, bool), "true or false"),
    (WORDS, lambda value: isinstance(value, str), "a text"),
)  # fmt: skip


def _newer(made: Schema) -> None:
    """Words of drafts 2019-09 and 2020-12."""
    for word in UNCHECKED:
        made.pop(word, None)
    if "prefixItems" in made:
        rest = made.pop("items", True)
        made["items"] = made.pop("prefixItems")
        made["additionalItems"] = rest
    for word in ("dependentRequired", "dependentSchemas"):
        for name, one in made.pop(word, {}).items():
            dependencies = made["dependencies"] = dict(made.get("dependencies", {}))
            known = dependencies.get(name)
            both = [{"required": each} if isinstance(each, list) else each for each in (known, one)]
            dependencies[name] = one if known is None else {"allOf": both}


def _older(made: Schema) -> None:
    """Draft 4: a limit that a value must not reach stands as true beside it."""
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        said = made.get(exclusive)
        if isinstance(said, bool):
            del made[exclusive]
            if said and limit in made:
                made[exclusive] = made.pop(limit)


def _beside(made: Schema) -> Schema:
    """Draft 7 passes over what stands beside a `$ref`: both become parts of an `allOf`."""
    others = {word: value for word, value in made.items() if word not in BESIDE}
    if "$ref" not in made or not others:
        return made
    kept = {word: value for word, value in made.items() if word in BESIDE and word != "$ref"}
    return {**kept, "allOf": [{"$ref": made["$ref"]}, others]}
