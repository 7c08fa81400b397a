"""Schemas: the short form and its mistakes, JSON Schema of every draft, and where JSON stands in a text."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.attach import read_text
from arawn.errors import UsageFault
from arawn.shorthand import closed, shorthand
from arawn.structure import Shape, from_argument, from_keys, validator
from arawn.wire.schemas import strict_ready

S, N, F = {"type": "string"}, {"type": "integer"}, {"type": "number"}
GOOD, OTHER = '{"name": "Ann", "age": 7}', '{"name": "Bob", "age": 8}'
PERSON = shorthand("name, age int")
HERE = {"$ref": "#/$defs/x"}


def lists(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def one_of(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("name, age int\ntags [str]", {"name": S, "age": N, "tags": lists(S)}),
        ("name: str, age: int", {"name": S, "age": N}),
        ("tags: [str], kind: a|b", {"tags": lists(S), "kind": one_of("a", "b")}),
        ("age: int: in years", {"age": N | {"description": "in years"}}),
        ("name: the whole name, age int", {"name": S | {"description": "the whole name"}, "age": N}),
        ("age int: from [0, 120], or so\nx", {"age": N | {"description": "from [0, 120], or so"}, "x": S}),
        ("age: int in years", {"age": S | {"description": "int in years"}}),
        ("tags[str]", {"tags": lists(S)}),
        ("kinds [a | b]", {"kinds": lists(one_of("a", "b"))}),
        ("kind a | b, x", {"kind": one_of("a", "b"), "x": S}),
        ("state in progress|done", {"state": one_of("in progress", "done")}),
        ("per unit|km/h", {"per": one_of("unit", "km/h")}),
        ("items [\n  name: what it is, in short\n  price float\n]",
         {"items": lists(closed({"name": S | {"description": "what it is, in short"}, "price": F}, ["name", "price"]))}),
        ("a [b [c int]]", {"a": lists(closed({"b": lists(closed({"c": N}, ["c"]))}, ["b"]))}),
        ("größe float, $x, no-2", {"größe": F, "$x": S, "no-2": S}),
        ("properties int, type", {"properties": N, "type": S}),
    ],
)  # fmt: skip
def test_the_short_form(text: str, properties: dict[str, Any]) -> None:
    assert shorthand(text) == closed(properties, properties)


@pytest.mark.parametrize(
    "text", ["a int?", "a?", "a? int", "a [int]?", "a x|y?", "a: int?", "a [int] ?: why"]
)
def test_what_is_optional(text: str) -> None:
    assert shorthand(f"{text}\nb")["required"] == ["b"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("name wat", "character 6", "'wat' is no type"),
        ("name, age int\nx, y wat", "line 2, character 6", "'wat' is no type"),
        ("items [name, price wat]", "character 20", "'wat' is no type"),
        ("name, name", "character 7", "twice"),
        ("items [a", "character 7", "not closed"),
        ("items int]", "character 10", "']' is not expected"),
        ("x [low|medium, y]", "character 14", "',' is not expected"),
        ("x [str?]", "character 7", "behind the list"),
        ("x []", "character 4", "what is in the list"),
        ("kind a|", "character 6", "empty"),
        ("person.jsn", "character 7", "no type"),
        ("-", "character 1", "begins no name"),
        (" , ,", "character 5", "names no field"),
        ("x " + "[" * 90 + "int" + "]" * 90, "character", "too deeply"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(UsageFault) as caught:
        shorthand(text)
    assert place in caught.value.sentence and words in caught.value.sentence


@settings(max_examples=60, deadline=None)
@given(st.text("ab?:|,[] \n", max_size=24))
def test_any_text_is_a_schema_or_a_usage_fault(text: str) -> None:
    try:
        schema = shorthand(text)
    except UsageFault:
        return
    assert schema["properties"] and not validator(schema)([]).startswith("it cannot")


def test_what_the_argument_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = json.dumps(PERSON)
    for name, inside in {"s.json": text, "person": text, "bom.json": f"\ufeff{text}", "fields": "name", "f/x": "a int",
                         "with blank.json": text}.items():  # fmt: skip
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(inside, encoding="utf-8")
    for name in ("s.json", "person", "bom.json", "with blank.json", str(tmp_path / "s.json"), f"  {text}\n"):
        assert from_argument(name, read_text) == PERSON
    assert from_argument("fields", read_text) == shorthand("fields"), "a file that is none of JSON"
    assert from_argument("f/x", read_text) == shorthand("a int")
    for name in ("gone.json", "no/such", "C:\\gone.json", "https://example.com/s.json", "f/", "", "  "):
        with pytest.raises(UsageFault):
            from_argument(name, read_text)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "wat"}, {"type": []}, {"type": ["string", 5]}, {"properties": []}, {"properties": {"a": 5}},
        {"required": "name"}, {"required": [1]}, {"minimum": "x"}, {"multipleOf": 0}, {"minLength": -1},
        {"minItems": 1.5}, {"enum": []}, {"enum": 5}, {"anyOf": {}}, {"anyOf": []}, {"allOf": 5}, {"not": 5},
        {"items": 5}, {"additionalProperties": "no"}, {"uniqueItems": "x"}, {"pattern": "("}, {"pattern": 5},
        {"patternProperties": {"(": {}}}, {"dependencies": 5}, {"dependentRequired": {"a": {}}}, {"format": 5},
        {"$ref": 5}, {"$ref": "#/nope"}, {"$ref": "other.json"}, {"$ref": "ldap://x/"}, {"$ref": "data:,{}"},
        {"unevaluatedProperties": False}, {"minContains": 2, "contains": {}}, {"$dynamicRef": "#x"},
    ],
)  # fmt: skip
def test_what_is_no_schema(schema: dict[str, Any]) -> None:
    for wrapped in (schema, {"properties": {"deep": {"items": schema}}}):
        with pytest.raises(UsageFault):
            from_argument(json.dumps(wrapped), lambda name: pytest.fail(name))


@pytest.mark.parametrize(
    "text",
    ['{"maximum": NaN}', '{"maximum": 1e999}', '{"type": "object", "type": "array"}', '{"a": 1} x', "{",
     '{"not":' * 300 + "{}" + "}" * 300, '{"not":' * 90000],
)  # fmt: skip
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(UsageFault):
        from_argument(text, lambda name: pytest.fail(name))


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"prefixItems": [S, N], "items": False}, ["a", 1], ["a", 1, 2]),
        ({"prefixItems": [S]}, ["a", None], [1]),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"dependentSchemas": {"a": {"required": ["b"]}}, "dependentRequired": {"a": ["c"]}},
         {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1}),
        ({"$defs": {"x": S}, **HERE, "minLength": 3}, "abc", "ab"),
        ({"$defs": {"x": S}, "properties": {"a": {**HERE, "description": "d", "maxLength": 1}}}, {"a": "b"}, {"a": "bc"}),
        ({"minimum": 0, "exclusiveMinimum": True}, 1, 0),
        ({"minimum": 0, "exclusiveMinimum": False}, 0, -1),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": True}, 4, 5),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "integer"}, 7, 7.5),
        ({"$id": "https://e.com/s.json", "definitions": {"x": S}, "items": {"$ref": "#/definitions/x"}}, ["a"], [1]),
        ({"enum": [1]}, 1, True),
        ({"const": False}, False, 0),
        ({"format": "date"}, "2026-01-31", "tomorrow"),
        ({"format": "of their own"}, "x", None),
        ({"properties": {"type": S, "$ref": N}, "additionalProperties": False}, {"type": "x", "$ref": 1}, {"x": 1}),
        ({"multipleOf": 0.01}, 19.99, 10**400),
        ({"default": 5, "properties": {"a": {"default": 1}}, "required": ["a"]}, {"a": 2}, {}),
        ({"$defs": {"t": {"properties": {"kids": lists({"$ref": "#/$defs/t"})}}}, "$ref": "#/$defs/t"},
         {"kids": [{"kids": []}]}, {"kids": [{"kids": 1}]}),
        ({'a"]}); print("x': 1, "properties": {'"""\n{x}\\': S}}, {'"""\n{x}\\': "s"}, {'"""\n{x}\\': 1}),
    ],
)  # fmt: skip
def test_every_draft_is_checked(schema: dict[str, Any], good: Any, bad: Any) -> None:
    problem = validator(schema)
    assert not problem(good)
    if bad is not None:
        assert problem(bad)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{GOOD}\n{OTHER}", "more than one"),
        (f"{GOOD} and again {GOOD}", GOOD),
        (f"For {OTHER}:\n```json\n{GOOD}\n```", GOOD),
        (f"```\n{OTHER}\n```\n```\n{GOOD}\n```", "more than one"),
        (f"~~~\n{GOOD}\n~~~", GOOD),
        (f"```json\n{GOOD}", GOOD),
        (f"```json {GOOD} ```", GOOD),
        (f'{{"people": [{GOOD}, {OTHER}],}}', "property name"),
        (f"[{GOOD}, {OTHER},]", "Expecting value"),
        (f'{{"person": {GOOD}', "Expecting"),
        (f"{{'name': 'x'}} or {GOOD}", GOOD),
        ('{"name": "Ann", "age": 7, "age": 8}', "twice"),
        ('{"name": "Ann", "age": 1e999}', "too large"),
        (f"\\frac{{a}}{{b}} [1, 2) {GOOD}", GOOD),
        (f'{{"answer": {GOOD}}}', "must contain"),
    ],
)
def test_no_piece_is_taken_for_the_whole(text: str, found: str) -> None:
    outcome = Shape(PERSON).check(text)
    assert found in (outcome.problem or outcome.text)
    assert bool(outcome.problem) == (found != GOOD)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('{"a": 1}', True), ("[]", True), ("{}", True), ('Sure: {"a": 1}', True), ("```\n[1]\n```", True),
        ("I cannot do that [1].", False), ("Use {} for that", False), ('"words"', False), ("5", False),
        ('{"items": [1, 2],}', False), ('{"a": 1}\n{"a": 2}', False), ('{"a": 1}\n{"a": 2', False),
    ],
)  # fmt: skip
def test_where_any_shape_will_do_words_are_still_words(text: str, fits: bool) -> None:
    assert bool(Shape(None).check(text).problem) != fits


@pytest.mark.parametrize(
    ("schema", "text", "fits"),
    [(S, '"x"', True), (S, "x", False), (N, "5", True), (N, "```json\n5\n```", True), (N, "It is 5.", False),
     (lists(N), "[1, 2]", True), (lists(N), "As [this] says: [1, 2]", True)],
)  # fmt: skip
def test_a_schema_of_other_than_an_object(schema: dict[str, Any], text: str, fits: bool) -> None:
    assert bool(Shape(schema).check(text).problem) != fits


@pytest.mark.parametrize(
    "text",
    ["{" * 2_000_000, "[ " * 1_000_000, "x" + "[1," * 300_000, "{" + " " * 2_000_000 + "x", '{"' * 300_000,
     ("{" + " " * 3000) * 1000 + "x", "```\n" + "``\n" * 200_000, "[" * 5000 + "]" * 5000],
)  # fmt: skip
def test_a_hostile_answer_costs_no_time(text: str) -> None:
    began = time.monotonic()
    assert Shape(PERSON).check(text).problem
    assert time.monotonic() - began < 10


STRICT = closed({"name": S, "age": {"type": ["integer", "null"]}, "tags": lists(S)}, ["name", "age", "tags"])


@pytest.mark.parametrize(
    ("schema", "ready"),
    [
        (STRICT, True),
        (shorthand("name, age int, kind a|b, items [name, price float]"), True),
        (closed({"a": HERE}, ["a"]) | {"$defs": {"x": STRICT}}, True),
        (closed({"type": S, "properties": N, "$ref": S}, ["type", "properties", "$ref"]), True),
        (closed({"a": {"anyOf": [S, STRICT]}}, ["a"]), True),
        (shorthand("name, age int?"), False),
        (from_keys("a, b"), False),
        (lists(S), False),
        ({"anyOf": [STRICT]}, False),
        ({"type": "object", "properties": {"a": S}, "required": ["a"]}, False),
        (closed({"a": {"type": "object"}}, ["a"]), False),
        (closed({"a": {"type": "array"}}, ["a"]), False),
        (closed({"a": HERE | {"description": "d"}}, ["a"]), False),
        (closed({"a": HERE}, ["a"]) | {"$defs": {"x": {"type": "object"}}}, False),
        (closed({"a": S | {"default": "x"}}, ["a"]), False),
        (closed({"a": S | {"format": "uri"}}, ["a"]), False),
        (closed({"a": {"oneOf": [S, N]}}, ["a"]), False),
        (closed({"a": True}, ["a"]), False),
        ({}, False),
    ],
)  # fmt: skip
def test_strict_ready(schema: dict[str, Any], ready: bool) -> None:
    assert strict_ready(schema) is ready
