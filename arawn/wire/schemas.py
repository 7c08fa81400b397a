"""What services demand of a JSON Schema; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = """
    $schema $defs definitions title description type properties required additionalProperties items enum const
    anyOf pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems
"""
FORMATS = "date-time time date duration email hostname ipv4 ipv6 uuid"
STRICT_WORDS, STRICT_FORMATS = frozenset(WORDS.split()), frozenset(FORMATS.split())
STRICT_DEPTH = 10
"""Levels of objects and lists."""


def strict_ready(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes `schema`.

    The whole is an object; every object is closed and requires all its properties; every schema has a type,
    `anyOf` or a `$ref` alone; words that the service does not know stand nowhere.
    Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas.
    """
    return isinstance(schema, Mapping) and schema.get("type") == "object" and _strict(schema, 0)


def _strict(schema: Any, depth: int) -> bool:
    if not isinstance(schema, Mapping) or depth > STRICT_DEPTH:
        return False
    if "$ref" in schema:
        return len(schema) == 1 and str(schema["$ref"]).startswith("#")
    if not STRICT_WORDS.issuperset(schema) or not {"type", "anyOf"} & schema.keys():
        return False
    if schema.get("format", "date") not in STRICT_FORMATS:
        return False
    kinds = schema.get("type")
    if _is("object", kinds) or "properties" in schema:
        names = set(_below(schema, "properties"))
        if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != names:
            return False
    if _is("array", kinds) and "items" not in schema:
        return False
    inside = [_strict(one, depth + 1) for one in _below(schema, "properties").values()]
    inside += [_strict(one, 0) for word in ("$defs", "definitions") for one in _below(schema, word).values()]
    inside += [_strict(one, depth) for one in schema.get("anyOf", ())]
    return all(inside) and ("items" not in schema or _strict(schema["items"], depth + 1))


def _is(kind: str, said: Any) -> bool:
    return said == kind or (isinstance(said, list) and kind in said)


def _below(schema: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    found = schema.get(word)
    return found if isinstance(found, Mapping) else {}
