"""Every reader over bytes that nobody meant to send: no exception but ours, an end, and memory in proportion."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from dialects import DIALECTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arawn.errors import ArawnError
from arawn.events import Collector, Finish
from arawn.wire import Next, Target, dialect
from arawn.wire.faults import fault
from arawn.wire.frames import parse, split
from arawn.wire.listing import entries, next_page
from arawn.wire.vectors import read as read_vectors

TARGET = Target("b", "custom", "the service", "http://x", "m", {"sent_num_ctx": 5, "estimate": 9})
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
each = pytest.mark.parametrize("name", DIALECTS)

FUNCTION = {"name": "f", "arguments": '{"a":'}
CALLS: dict[str, Any] = {
    "openai": {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "i", "function": FUNCTION}]}}]},
    "openai-responses": {"type": "response.output_item.done", "output_index": 2,
                         "item": {"type": "function_call", "id": "x", "call_id": "i", **FUNCTION}},
    "anthropic": {"type": "content_block_start", "index": 2,
                  "content_block": {"type": "tool_use", "id": "i", "name": "f", "input": {"a": [1]}}},
    "gemini": {"candidates": [{"content": {"parts": [{"functionCall": {
        "name": "f", "partialArgs": [{"jsonPath": "$.a[1].b", "stringValue": "x"}], "willContinue": True}}]}}]},
    "cohere": {"type": "tool-call-start", "index": 1,
               "delta": {"message": {"tool_calls": {"id": "i", "type": "function", "function": FUNCTION}}}},
    "ollama": {"message": {"tool_calls": [{"id": "i", "function": {"name": "f", "arguments": {"a": 1}}}]}, "done": False},
    "replicate": {"status": "processing", "urls": {"get": "http://x/g", "stream": None, "cancel": "http://x/c"}},
    "huggingface": {"token": {"text": "x", "special": False}, "details": {"finish_reason": "length"}},
}  # fmt: skip

SCALARS: Any = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([10**30, 1.5, float("nan"), -1e308]),
    st.text(max_size=6), st.sampled_from(["\ud83d", "<think>", "\0", "a" * 2000, "0", "success", "tool_use"]),
)  # fmt: skip
VALUES: Any = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5
)  # fmt: skip


def drain(name: str, chunks: list[bytes]) -> None:
    """Read it all. Anything but an ArawnError is a fault of ours, and so is a text that cannot be encoded."""
    collector, ends = Collector(), 0
    try:
        for event in dialect(name).read(split(chunks), TARGET):
            if isinstance(event, Next):
                ends += 1
                continue
            collector.add(event)
            ends += isinstance(event, Finish)
    except ArawnError as error:
        (error.sentence + error.detail + "".join(error.hints)).encode("utf-8", "surrogatepass")
        ends += 1
    assert ends == 1, "a reply ends once"
    reply = collector.reply
    (reply.text + reply.reasoning).encode("utf-8")
    ids = [call.id for call in reply.tool_calls]
    assert len(set(ids)) == len(ids) and all(ids)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in zip(at, at[1:], strict=False)]


def mutated(value: Any, place: int, new: Any) -> Any:
    """`value` with its `place`-th member (counted through the whole tree) replaced by `new`."""
    left = [place]

    def walk(node: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            left[0] = 10**9
            return new
        if isinstance(node, dict):
            return {key: walk(member) for key, member in node.items()}
        return [walk(member) for member in node] if isinstance(node, list) else node

    return walk(value)


@each
@quick
@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=4))
def test_any_bytes(name: str, data: bytes, cuts: list[int]) -> None:
    drain(name, pieces(data, cuts))
    drain(name, pieces(b"data: " + data + b"\n\n", cuts))


@each
@quick
@given(
    place=st.integers(0, 10**6), junk=st.binary(max_size=8), repeat=st.integers(0, 3),
    cuts=st.lists(st.integers(0, 5000), max_size=5),
)  # fmt: skip
def test_replies_bent_as_bytes(name: str, place: int, junk: bytes, repeat: int, cuts: list[int]) -> None:
    spoken = DIALECTS[name]
    data = b"".join([*spoken.begin, *([spoken.thought] if spoken.thought else []), spoken.body("a", "b")])
    at = place % len(data)
    bent = data[:at] + junk + data[at + len(junk) * (repeat % 2) :]
    drain(name, pieces(bent + bent[at:] * repeat, cuts))


@each
@quick
@given(place=st.integers(0, 60), new=VALUES, event=st.integers(0, 20))
def test_replies_bent_as_values(name: str, place: int, new: Any, event: int) -> None:
    """Any member of any event becomes something else."""
    spoken = DIALECTS[name]
    events = [*spoken.events("a", "b"), *([spoken.thought] if spoken.thought else [])]
    at = event % len(events)
    head, mark, text = events[at].partition(b"data:") if spoken.sse else (b"", b"", events[at])
    try:
        value = json.loads(text)
    except ValueError:
        value = {}
    bent = json.dumps(mutated(value, place, new)).encode()
    events[at] = head + mark + bent + b"\n\n"
    drain(name, events)
    call = json.dumps(mutated(CALLS[name], place, new)).encode()
    drain(name, [*spoken.begin, (b"data: " if spoken.sse else b"") + call + b"\n\n", *spoken.end])
    drain(name, [json.dumps(mutated(spoken.whole("a"), place, new)).encode()])


@quick
@given(value=VALUES, status=st.sampled_from([0, 200, 400, 401, 404, 429, 500, 529]), key=st.text(max_size=6))
def test_errors_lists_and_vectors_of_any_shape(value: Any, status: int, key: str) -> None:
    for payload in (value, {"error": value}, {"detail": value}, {"message": value, key: value}, [value]):
        body = json.dumps(payload).encode()
        made = fault(status, {"retry-after": key, key: key}, body, TARGET, 1.0)
        assert made.retry_after is None or made.retry_after >= 0
    for payload in (
        value,
        {"data": value},
        {"models": value},
        {"data": [{"id": "a", key: value, "capabilities": value}]},
    ):
        entries(payload)
        next_page(payload)
    for payload in (value, {"embeddings": value}, {"data": [{"embedding": value, "index": value}]}):
        try:
            read_vectors(payload, 1, TARGET)
        except ArawnError:
            continue


@quick
@given(data=st.binary(max_size=400), kind=st.sampled_from(["", "text/event-stream", "application/json"]))
def test_frames_of_any_bytes(data: bytes, kind: str) -> None:
    try:
        for frame in split([data], kind):
            parse(frame)
    except ArawnError:
        return


@each
@pytest.mark.parametrize(
    "unit", [b"data: {}\n\n", b"{}", b"[", b"data: " + b"a" * 50 + b"\n", b"\n", b": \n", b'"' * 64]
)
def test_memory_stays_in_proportion(name: str, unit: bytes) -> None:
    """A quarter of a megabyte of anything costs no more than a few times that."""
    chunks = [unit * (65536 // len(unit)) for _ in range(4)]
    tracemalloc.start()
    try:
        for _ in dialect(name).read(split(chunks, limit=128 * 1024), TARGET):
            pass
    except ArawnError:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024, peak
