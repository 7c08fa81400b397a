"""Every reader over bytes that nobody meant to send: no exception but ours, one end, texts that can be written,
time and memory in proportion.
"""

from __future__ import annotations

import json
import random
import re
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from dialects import DIALECTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_corpus import DIALECTS as APIS
from test_corpus import FOLDER, cases

from arawn.errors import ArawnError
from arawn.events import Collector, Finish, Reasoning, ToolCall, Usage, collect
from arawn.render.document import document, dump
from arawn.structure import Shape
from arawn.wire import Next, Target, dialect, frames
from arawn.wire.calls import as_object
from arawn.wire.faults import fault
from arawn.wire.frames import parse, split
from arawn.wire.listing import entries, next_page
from arawn.wire.ollama import described
from arawn.wire.think import Think
from arawn.wire.vectors import read as read_vectors

TARGET = Target("b", "custom", "the service", "http://x", "m", {"sent_num_ctx": 5, "estimate": 9})
quick = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
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

ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**30, 10**4299, 1e308, -1e308, float("nan"), float("inf"),
    "", "0", "\0", "\ud83d", "\ude00", "<think>", "</think>", "a" * 2000, "[DONE]", "success", "tool_use", "error",
    [], {}, [[]], [{}], [None], ["x"], {"a": 1}, {"text": "\ud83d"}, {"\ud83d": 1}, "@150@", "@199@", "@600@", "@995@",
]  # fmt: skip
"""Values that a reader may not expect; `@n@` is written as lists n deep."""
SCALARS: Any = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6) | st.sampled_from(ODD)
VALUES: Any = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5
)  # fmt: skip


def encoded(value: Any) -> bytes:
    text = json.dumps(value)
    return re.sub(r'"@(\d+)@"', lambda mark: "[" * int(mark[1]) + "]" * int(mark[1]), text).encode()


def texts(value: Any) -> Iterator[str]:
    """All texts in it but those that go back as they came."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | tuple) and not isinstance(value, Reasoning | ToolCall):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)
    elif isinstance(value, ToolCall):
        yield from value[:3]
    elif isinstance(value, Reasoning):
        yield value.text


def drain(name: str, chunks: list[bytes]) -> None:
    """Read it all. Anything but an ArawnError is a fault of ours, and so is what does not fit its type."""
    collector, ends = Collector(), 0
    try:
        for event in dialect(name).read(split(chunks), TARGET):
            "".join(texts(event)).encode()
            if isinstance(event, Next):
                ends += 1
                continue
            collector.add(event)
            if isinstance(event, Finish):
                ends += 1
                assert isinstance(event.raw, str) and isinstance(event.model, str)
            if isinstance(event, Usage):
                assert all(number is None or (type(number) is int and number >= 0) for number in event)
                assert len(str(sum(number or 0 for number in event))) < 20
            if isinstance(event, ToolCall | Reasoning):
                json.dumps(event.opaque)
    except ArawnError as error:
        (error.sentence + error.detail + "".join(error.hints)).encode()
        ends += 1
    assert ends == 1, "a reply ends once"
    calls = collector.reply.tool_calls
    assert all(isinstance(text, str) for call in calls for text in call[:3])
    assert len({call.id for call in calls}) == len(calls) and all(call.id for call in calls)


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
    bent = encoded(mutated(value, place, new))
    events[at] = head + mark + bent + b"\n\n"
    drain(name, events)
    call = encoded(mutated(CALLS[name], place, new))
    drain(name, [*spoken.begin, (b"data: " if spoken.sse else b"") + call + b"\n\n", *spoken.end])
    drain(name, [encoded(mutated(spoken.whole("a"), place, new))])


def lines(body: str) -> list[tuple[bytes, Any]]:
    """A body as (what stands before it, JSON value); a line that is no JSON has no value."""
    found: list[tuple[bytes, Any]] = []
    for line in body.split("\n"):
        begin = "data: " if line.startswith("data:") else ""
        try:
            found.append((begin.encode(), json.loads(line.removeprefix("data:"))))
        except ValueError:
            found.append((line.encode(), ...))
    if all(value is ... for _, value in found) and body[:1] in ("{", "["):
        return [(b"", json.loads(body))]
    return found


def bend(case: dict[str, Any], chance: random.Random) -> bytes:
    """A recorded body with values replaced, lines left out and doubled, and bytes flipped."""
    found = lines(case["response"]["body"])
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(found))
        begin, value = found[at]
        if value is not ...:
            found[at] = (
                begin,
                mutated(value, chance.randrange(len(str(value)) // 8 + 2), chance.choice(ODD)),
            )
        found[at : at + 1] = found[at : at + 1] * chance.choice([0, 1, 1, 1, 1, 1, 2, 3])
        found = found or [(b"", {})]
    body = b"\n".join(begin if value is ... else begin + encoded(value) for begin, value in found)
    if chance.random() < 0.3:
        at = chance.randrange(len(body) + 1)
        body = body[:at] + chance.randbytes(chance.choice([0, 1, 4])) + body[at + chance.choice([0, 1, 20]) :]
    return body


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded replies at {FOLDER.name}")
@each
def test_recorded_replies_bent(name: str) -> None:
    spoken = name.replace("-", "_")
    recorded = [
        case
        for case in cases()
        if APIS[case["api"]] == spoken
        and len(case["response"]["body"]) < 12_000
        and case["response"].get("body_encoding") != "base64"
    ]
    assert len(recorded) >= 8
    for number in range(300):
        chance = random.Random(number)
        body = bend(chance.choice(recorded), chance)
        size = chance.choice([7, 100, 10**6])
        try:
            drain(name, [body[at : at + size] for at in range(0, len(body), size)])
        except Exception as error:
            raise AssertionError(f"number {number}: {body[:2000]!r}") from error


@quick
@given(value=VALUES, status=st.sampled_from([0, 200, 400, 401, 404, 429, 500, 529]), key=st.text(max_size=6))
def test_errors_of_any_shape(value: Any, status: int, key: str) -> None:
    for payload in (value, {"error": value}, {"detail": value}, {"message": value, key: value}, [value]):
        made = fault(status, {"retry-after": key, key: key}, encoded(payload), TARGET, 1.0)
        assert made.retry_after is None or made.retry_after >= 0
        made.detail.encode()


@pytest.mark.parametrize("unit", ["h", "m", "s", "ms"])
@pytest.mark.parametrize("number", ["9" * 400, "1e400", "-1", "0x1", "٣", ".", "1.2.3"])
def test_waits_of_any_size(unit: str, number: str) -> None:
    for body, headers in (
        (encoded({"error": {"message": f"try again in {number}{unit}"}}), {}),
        (encoded({"error": {"details": [{"retryDelay": number + unit}]}}), {}),
        (b'{"estimated_time": ' + number.encode() + b"}", {}),
        (b"", {"retry-after": number, "retry-after-ms": number}),
    ):
        made = fault(429, headers, body, TARGET, 1.0)
        assert made.retry_after is None or 0 <= made.retry_after < 1e14


@quick
@given(value=VALUES, key=st.text(max_size=6))
def test_lists_of_any_shape(value: Any, key: str) -> None:
    row = {"id": "a", key: value, "capabilities": value, "pricing": {"prompt": value}, "details": value}
    for shape in (value, {"data": value}, {"models": value}, {"data": [row]}, {"model_info": {"x.context_length": value}, "details": value}):  # fmt: skip
        for payload in whole(shape):
            for entry in entries(payload):
                "".join(texts(tuple(entry))).encode()
            next_page(payload)
            described(payload)


@quick
@given(value=VALUES, number=st.integers(1, 3))
def test_vectors_of_any_shape(value: Any, number: int) -> None:
    for shape in (value, {"embeddings": value}, {"embedding": value}, {"data": [{"embedding": value, "index": value}]}, [[value] * 3] * 2):  # fmt: skip
        for payload in whole(shape):
            try:
                made = read_vectors(payload, number, TARGET)
            except ArawnError as error:
                (error.sentence + error.detail).encode()
            else:
                assert len(made.vectors) == number and made.dimensions
                made.model.encode()


def whole(shape: Any) -> list[Any]:
    """The value as it comes through the door, if it does."""
    try:
        return list(frames.document([encoded(shape)]))
    except ArawnError:
        return []


@quick
@given(data=st.binary(max_size=400), kind=st.sampled_from(["", "text/event-stream", "application/json"]))
def test_frames_of_any_bytes(data: bytes, kind: str) -> None:
    try:
        for frame in split([data], kind):
            parse(frame)
    except ArawnError:
        return


UNITS = [
    b"data: {}\n\n",
    b"[",
    b"data: ab\n",
    b"data: " + b"a" * 50 + b"\n",
    b"\n",
    b": \n",
    b'"' * 64,
    b"{}",
]


@each
@pytest.mark.parametrize("unit", [*UNITS, b"call"], ids=ascii)
def test_memory_stays_in_proportion(name: str, unit: bytes) -> None:
    """A text of anything costs no more than a few times that."""
    if unit == b"call":
        unit = (b"data: " if DIALECTS[name].sse else b"") + encoded(CALLS[name]) + b"\n\n"
    chunks = [unit * (16384 // len(unit))] * 4
    tracemalloc.start()
    try:
        for _ in dialect(name).read(split(chunks, limit=50_000), TARGET):
            pass
    except ArawnError:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * 4 * 16384, peak


def test_a_value_of_too_many_parts_is_not_read() -> None:
    with pytest.raises(ArawnError, match="too many parts"):
        drained = b'{"choices":[' + b"{}," * 600_000 + b"{}]}"
        list(dialect("openai").read(split([drained]), TARGET))


def test_a_path_in_arguments_makes_no_list_out_of_nothing() -> None:
    piece = {"name": "f", "partialArgs": [{"jsonPath": "$.a[99999].b[99999]", "numberValue": 1}]}
    chunk = {"candidates": [{"content": {"parts": [{"functionCall": piece}]}, "finishReason": "STOP"}]}
    calls = [
        event
        for event in dialect("gemini").read(split([encoded(chunk)]), TARGET)
        if isinstance(event, ToolCall)
    ]
    assert [len(call.arguments) < 100 for call in calls] == [True]


SIZE = 200_000
LONG = {
    "a text": [b'{"a":"', *[b"x"] * SIZE, b'"}'],
    "escapes": [b'{"a":"', *[b"\\"] * SIZE, b'"}'],
    "white space": [b"\n"] * SIZE,
    "a line": [b"data: ", *[b"x"] * SIZE, b"\n\n"],
    "lines": [b"data: x\n"] * SIZE,
}


@pytest.mark.parametrize("kind", LONG)
def test_time_stays_in_proportion(kind: str) -> None:
    """What comes in single bytes is not gone through again with each: that would take a minute."""
    began = time.monotonic()
    for _ in split(LONG[kind]):
        pass
    assert time.monotonic() - began < 5


def test_white_space_without_end_is_not_held_back() -> None:
    think, began = Think(), time.monotonic()
    made = sum(len(list(think.feed(" "))) for _ in range(SIZE))
    assert made > SIZE - 1000 and time.monotonic() - began < 5


def test_many_calls_take_time_in_proportion() -> None:
    began = time.monotonic()
    call = {"functionCall": {"name": "f"}}
    chunk = encoded({"candidates": [{"content": {"parts": [call] * 20_000}, "finishReason": "STOP"}]})
    calls = [event for event in dialect("gemini").read(split([chunk]), TARGET) if isinstance(event, ToolCall)]
    assert len(calls) == 20_000 and time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("depth", "kept"), [(100, True), (198, True), (201, False), (600, False), (990, False), (5000, False)]
)
def test_what_was_read_can_be_written_again(depth: int, kept: bool) -> None:
    """Python reads what is nested more deeply than it can write from where it stands."""
    text = '{"a":' * depth + "{}" + "}" * depth
    found = Shape(None).check(text)
    assert ("deeply" in found.problem) != kept, found.problem
    made = as_object(text)
    assert ("__raw__" in made) != kept
    json.dumps(made)
    reply = collect([ToolCall("i", "f", text), Finish("tool_calls", "tool_calls")])
    said = dump(document(reply, backend="b", provider="p", model="m", fault=None, redact=str))
    assert json.loads(said)["tool_calls"][0]["arguments"] == made


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_is_not_passed_on(number: str) -> None:
    text = '{"a": ' + number + "}"
    assert as_object(text) == {"__raw__": text}
