"""The vectors in a reply of any service that makes them, in every shape seen; pure, it knows no provider.

Shapes: `data[].embedding` (OpenAI and its copies; numbers, or base64 of float32 or of int8), `embeddings` as
lists (Ollama, Cohere v1), by type (Cohere v2) or with `values` (Gemini), `embedding` alone, and bare lists
(Hugging Face, its inference server, llama.cpp). Sources: the services' references and recorded replies.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping, Sequence
from math import fsum, isfinite
from typing import Any, NamedTuple

from arawn.errors import Cut, EmptyAnswer, ServiceFault
from arawn.events import Usage
from arawn.wire import Target
from arawn.wire.faults import from_payload
from arawn.wire.reading import count, table, tables, word

BY_TYPE = ("float", "float16", "base64", "int8", "uint8", "binary", "ubinary")
"""Cohere's names of number types, the most exact first."""
UNDER = ("embedding", "embeddings", "values", "vector", "float")
"""Names under which a vector stands in its row."""
SMALLEST, LARGEST = 1e-20, 1e4
"""Numbers of a vector lie between these or are 0; bytes that were no float32 almost never do."""

Vector = tuple[float, ...]


class Vectors(NamedTuple):
    """Vectors in the order of their texts. `pooled`: each is the mean of what came for the single tokens."""

    vectors: tuple[Vector, ...]
    usage: Usage = Usage()
    model: str = ""
    pooled: bool = False

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has; 0 where there is none."""
        return len(self.vectors[0]) if self.vectors else 0


def read(payload: Any, expected: int, target: Target) -> Vectors:
    """The vectors of `expected` texts.

    Raises the fault that stands in the reply itself, EmptyAnswer where there is no vector, Cut where their
    number, their lengths or a number in them cannot be right.
    """
    rows = _rows(payload)
    if rows is None:
        raise _none(payload, target)
    if expected == 1 and (len(rows) != 1 or _is_number(rows[0])):
        rows = [rows]  # a vector without a list around it, or the tokens of the only text
    read_rows = [_vector(row, target) for row in rows]
    vectors = tuple(vector for vector, _ in read_rows)
    _check(vectors, expected, target)
    said = table(payload).get("model")
    pooled = any(mean for _, mean in read_rows)
    return Vectors(vectors, _usage(table(payload)), word(said), pooled)


def _rows(payload: Any) -> list[Any] | None:
    """What stands for each text, in the order of the texts; None where nothing does."""
    if isinstance(payload, list):
        return _ordered(payload)
    said = table(payload)
    if said.get("error"):
        return None
    for key in ("data", "embeddings", "embedding", "embeddings_by_type", "predictions"):
        found = said.get(key)
        if isinstance(found, Mapping):
            if key == "embedding":
                return [found]
            found = next((found[kind] for kind in (*BY_TYPE, "values") if found.get(kind)), None)
            return found if isinstance(found, list) else None
        if isinstance(found, list):
            return [found] if key == "embedding" and not tables(found) else _ordered(found)
        if isinstance(found, str):
            return [found]
    return None


def _ordered(rows: list[Any]) -> list[Any] | None:
    """Rows by their `index`, where the indices make an order; some servers call every row 0."""
    named = tables(rows)
    if not named:
        return rows
    if len(named) != len(rows):
        return None
    places = [row.get("index") for row in named]
    if sorted(place for place in places if isinstance(place, int)) == list(range(len(rows))):
        named = sorted(named, key=lambda row: int(row["index"]))
    return [next((row[key] for key in UNDER if row.get(key) is not None), None) for row in named]


def _vector(row: Any, target: Target) -> tuple[Vector, bool]:
    """The numbers of one text, and whether they are a mean."""
    if isinstance(row, Mapping):
        row = next((row[key] for key in (*BY_TYPE, *UNDER) if row.get(key) is not None), None)
    if isinstance(row, str):
        return _decoded(row, target), False
    while isinstance(row, list) and len(row) == 1 and isinstance(row[0], list):
        row = row[0]
    if isinstance(row, list) and row and isinstance(row[0], list):
        return _mean([_vector(token, target)[0] for token in row], target), True
    if not isinstance(row, list) or not row or not all(map(_is_number, row)):
        raise _wrong("one of its vectors is none", target)
    vector = tuple(map(_as_float, row))
    if not all(map(isfinite, vector)):
        raise _wrong("a number in its vectors is none", target)
    return vector, False


def _mean(tokens: Sequence[Vector], target: Target) -> Vector:
    """The mean of the vectors of single tokens, as models without a pooling of their own are used."""
    if len(set(map(len, tokens))) != 1:
        raise _wrong("its vectors differ in length", target)
    try:
        return tuple(fsum(column) / len(tokens) for column in zip(*tokens, strict=True))
    except OverflowError:
        raise _wrong("a number in its vectors is none", target) from None


def _decoded(text: str, target: Target) -> Vector:
    """Base64 of float32, little-endian, or else of signed bytes (Perplexity); nothing says which."""
    try:
        data = binascii.a2b_base64(text)
    except ValueError:
        data = b""
    if not data:
        raise _wrong("one of its vectors is none", target)
    if len(data) % 4 == 0:
        floats = struct.unpack(f"<{len(data) // 4}f", data)
        if all(value == 0 or SMALLEST < abs(value) < LARGEST for value in floats):
            return floats
    return tuple(map(float, struct.unpack(f"{len(data)}b", data)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _check(vectors: Sequence[Vector], expected: int, target: Target) -> None:
    if len(vectors) != expected:
        raise _wrong(f"it has {len(vectors)} vectors for {expected} texts", target)
    if len(set(map(len, vectors))) > 1:
        raise _wrong("its vectors differ in length", target)


def _wrong(what: str, target: Target) -> Cut:
    return Cut(f'The reply of backend "{target.backend}" cannot be used: {what}', retryable=False)


def _none(payload: Any, target: Target) -> ServiceFault:
    """The service's own fault, or that there was no vector."""
    said = table(payload)
    if said.get("error") or {"message", "detail", "code", "status"} & said.keys():
        return from_payload(payload, target)
    return EmptyAnswer(
        f'The reply of backend "{target.backend}" has no vectors in it',
        hints=("does this model make embeddings?", "does base_url point at the API?"),
    )


def _usage(said: Mapping[str, Any]) -> Usage:
    """Tokens that were read, where the service counts them."""
    billed = table(said.get("meta")).get("billed_units")
    places = (
        (said.get("usage"), "prompt_tokens"),
        (said.get("usage"), "input_tokens"),
        (said.get("usage"), "total_tokens"),
        (said.get("usageMetadata"), "promptTokenCount"),
        (billed, "input_tokens"),
        (said, "prompt_eval_count"),
    )
    return Usage(next((found for where, key in places if (found := count(where, key)) is not None), None))
