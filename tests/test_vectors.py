"""Vectors as services send them: every recorded reply, every shape by hand, and what cannot be right."""

from __future__ import annotations

import base64
import json
import math
import struct
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.errors import ArawnError, Cut, EmptyAnswer, ModelFault, RateLimited, ServiceFault
from arawn.wire import Target
from arawn.wire.faults import fault
from arawn.wire.vectors import read

FOLDER = Path(__file__).parents[2] / "shared" / "corpus" / "dev"
TARGET = Target("b", "custom", "the service", "http://x", "asked-model")
recorded = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded replies at {FOLDER.name}")


@cache
def cases() -> list[dict[str, Any]]:
    if not FOLDER.is_dir():
        return []
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/*.json"))]
    return [case for case in found if "embeddings" in case["expect"] or "embeddings" in case["api"]]


def body(case: dict[str, Any]) -> bytes:
    text = case["response"]["body"]
    return base64.b64decode(text) if case["response"]["body_encoding"] == "base64" else text.encode()


@recorded
@pytest.mark.parametrize("case", [c for c in cases() if "embeddings" in c["expect"]], ids=lambda c: c["id"])
def test_recorded_vectors(case: dict[str, Any]) -> None:
    want = case["expect"]["embeddings"]
    got = read(json.loads(body(case)), want["n"], TARGET)
    assert (len(got.vectors), got.dimensions, got.pooled) == (want["n"], want["dim"], False)
    for vector, first in zip(got.vectors, want["first"], strict=False):
        assert [round(value, 5) for value in vector[: len(first)]] == pytest.approx(first, abs=1.1e-5)
    if want["usage"]:
        assert got.usage.input == want["usage"]["input"]


@recorded
@pytest.mark.parametrize("case", [c for c in cases() if "error" in c["expect"]], ids=lambda c: c["id"])
def test_recorded_faults(case: dict[str, Any]) -> None:
    want, reply = case["expect"]["error"], case["response"]
    headers = {name.lower(): value for name, value in reply["headers"]}
    made = fault(reply["status"], headers, body(case), TARGET)
    assert made.status == want["status"]
    assert " ".join(str(want["message"]).split())[:200] in made.detail
    with pytest.raises(ServiceFault):
        read(json.loads(body(case)), 1, TARGET)


def floats(*values: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


A, B = [0.5, -0.25], [1.0, 0.0]
SHAPES: dict[str, tuple[Any, int, Any]] = {
    "openai": ({"data": [{"index": 0, "embedding": A}, {"index": 1, "embedding": B}]}, 2, (A, B)),
    "out of order": ({"data": [{"index": 1, "embedding": B}, {"index": 0, "embedding": A}]}, 2, (A, B)),
    "all called 0": ({"data": [{"index": 0, "embedding": A}, {"index": 0, "embedding": B}]}, 2, (A, B)),
    "no index": ({"data": [{"embedding": A}, {"embedding": B}]}, 2, (A, B)),
    "base64": ({"data": [{"embedding": floats(*A)}]}, 1, (A,)),
    "base64 of one": ({"data": [{"embedding": floats(0.0)}]}, 1, ([0.0],)),
    "base64 of bytes": ({"data": [{"embedding": base64.b64encode(b"\xf6\x05\x7f").decode()}]}, 1, ([-10, 5, 127],)),
    "bytes by four": ({"data": [{"embedding": base64.b64encode(b"\xf6\xc6\x00\x03").decode()}]}, 1, ([-10, -58, 0, 3],)),
    "whole numbers": ({"data": [{"embedding": [1, -2]}]}, 1, ([1, -2],)),
    "ollama": ({"embeddings": [A, B], "prompt_eval_count": 3}, 2, (A, B)),
    "ollama, one": ({"embeddings": [A]}, 1, (A,)),
    "ollama before": ({"embedding": A}, 1, (A,)),
    "gemini": ({"embeddings": [{"values": A}, {"values": B}]}, 2, (A, B)),
    "gemini, one": ({"embedding": {"values": A}}, 1, (A,)),
    "cohere 1": ({"embeddings": [A, B], "response_type": "embeddings_floats"}, 2, (A, B)),
    "cohere 2": ({"embeddings": {"float": [A, B]}}, 2, (A, B)),
    "cohere, two types": ({"embeddings": {"int8": [[1, 2]], "float": [A]}}, 1, (A,)),
    "cohere, bytes": ({"embeddings": {"int8": [[1, 2], [3, 4]]}}, 2, ([1, 2], [3, 4])),
    "cohere, base64": ({"embeddings": {"base64": [floats(*A)]}}, 1, (A,)),
    "cohere, by type": ({"embeddings_by_type": {"float": [A]}}, 1, (A,)),
    "vertex": ({"predictions": [{"embeddings": {"values": A}}, {"embeddings": {"values": B}}]}, 2, (A, B)),
    "bare": ([A, B], 2, (A, B)),
    "bare, one": ([A], 1, (A,)),
    "bare numbers": (A, 1, (A,)),
    "one number": ([0.5], 1, ([0.5],)),
    "llama.cpp": ([{"index": 0, "embedding": [A]}, {"index": 1, "embedding": [B]}], 2, (A, B)),
    "wrapped": ([[A]], 1, (A,)),
    "wrapped for two": ([[A], [B]], 2, (A, B)),
    "unknown fields": ({"data": [{"embedding": A, "new": {}}], "also": [1]}, 1, (A,)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str) -> None:
    payload, expected, want = SHAPES[shape]
    got = read(payload, expected, TARGET)
    assert [list(vector) for vector in got.vectors] == [list(vector) for vector in want]
    assert all(type(value) is float for vector in got.vectors for value in vector)
    assert not got.pooled


@pytest.mark.parametrize(
    ("payload", "expected"), [([A, B, A], 1), ([[A, B, A]], 1), ({"data": [{"embedding": [A, B, A]}]}, 1)]
)
def test_vectors_of_tokens_become_their_mean_and_it_is_told(payload: Any, expected: int) -> None:
    got = read(payload, expected, TARGET)
    assert got.pooled
    assert got.vectors == ((2.0 / 3, -0.5 / 3),)


USAGES = [
    ({"usage": {"prompt_tokens": 4, "total_tokens": 4}}, 4),
    ({"usage": {"total_tokens": 7}}, 7),
    ({"usageMetadata": {"promptTokenCount": 5}}, 5),
    ({"meta": {"billed_units": {"input_tokens": 3.0}}}, 3),
    ({"prompt_eval_count": 8}, 8),
    ({}, None),
    ({"usage": None}, None),
    ({"usage": {"prompt_tokens": "many"}}, None),
]


@pytest.mark.parametrize(("said", "want"), USAGES)
def test_usage(said: dict[str, Any], want: int | None) -> None:
    got = read({"data": [{"embedding": A}], "model": "m-1", **said}, 1, TARGET)
    assert (got.usage.input, got.model) == (want, "m-1")


WRONG: list[tuple[Any, int, type[ArawnError], str]] = [
    ({"data": [{"embedding": A}]}, 2, Cut, "1 vectors for 2 texts"),
    ({"data": [{"embedding": A}, {"embedding": A}, {"embedding": A}]}, 2, Cut, "3 vectors for 2 texts"),
    ({"embeddings": [A, [1.0]]}, 2, Cut, "differ in length"),
    ({"embeddings": [A, []]}, 2, Cut, "is none"),
    ({"embedding": []}, 1, Cut, "is none"),
    ({"embeddings": [A, None]}, 2, Cut, "is none"),
    ({"embeddings": [[0.5, True]]}, 1, Cut, "is none"),
    ({"embeddings": [[0.5, math.nan]]}, 1, Cut, "number"),
    ({"embeddings": [[0.5, 10**400]]}, 1, Cut, "number"),
    ({"data": [{"embedding": ""}]}, 1, Cut, "is none"),
    ({"data": [{"embedding": "!!!"}]}, 1, Cut, "is none"),
    ([[A, [1.0]]], 1, Cut, "differ in length"),
    ({}, 1, EmptyAnswer, "no vectors"),
    (None, 1, EmptyAnswer, "no vectors"),
    ("text", 1, EmptyAnswer, "no vectors"),
    ({"choices": []}, 1, EmptyAnswer, "no vectors"),
    ({"data": {"float": True}}, 1, EmptyAnswer, "no vectors"),
    ({"embedding": {"values": None}}, 1, Cut, "is none"),
    ({"error": {"message": "model not found", "code": "model_not_found"}}, 1, ModelFault, "not available"),
    ({"error": "rate limit: too many requests"}, 1, RateLimited, "limits"),
    ({"detail": "no"}, 1, ServiceFault, "refused"),
]


@pytest.mark.parametrize(("payload", "expected", "kind", "says"), WRONG)
def test_what_cannot_be_right(payload: Any, expected: int, kind: type[ArawnError], says: str) -> None:
    with pytest.raises(kind, match=says):
        read(payload, expected, TARGET)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["data", "embedding", "embeddings", "float", "values", "index", "error", "usage"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(JSON, st.integers(1, 3))
def test_no_exception_but_ours(payload: Any, expected: int) -> None:
    try:
        got = read(payload, expected, TARGET)
    except ArawnError:
        return
    assert len(got.vectors) == expected and len({len(vector) for vector in got.vectors}) == 1
