"""What can go wrong with a reply, for every dialect alike: STREAM and NET rows of the fault list.

First read without a network, then over HTTP through the door. What needs one dialect alone is in
test_stream_faults.py and test_net_faults.py.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from dialects import DIALECTS, Spoken
from fake_provider import Conn, FakeProvider, dump, json_reply
from http_kit import access, heard
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn import providers
from arawn.backends.http import HttpBackend, Limits
from arawn.backends.routing import Retry, RetryPolicy
from arawn.engine import Conversation, verdict
from arawn.errors import (
    ArawnError,
    AuthFault,
    ContextFault,
    Cut,
    EmptyAnswer,
    Incomplete,
    ModelFault,
    Overloaded,
    RateLimited,
    Refused,
    ServiceFault,
    TimedOut,
    Unreachable,
)
from arawn.events import Reply
from arawn.wire import Target, dialect
from arawn.wire.frames import split

TARGET = Target("b", "custom", "the service", "http://x", "m")
each = pytest.mark.parametrize("name", DIALECTS)


def read(name: str, *chunks: bytes, kind: str = "") -> tuple[Reply, ArawnError | None]:
    return heard(lambda: dialect(name).read(split(chunks, kind), TARGET))


def test_every_dialect_is_here() -> None:
    assert DIALECTS.keys() == providers.DIALECTS.keys()


@each
def test_a_whole_reply(name: str) -> None:
    reply, error = read(name, DIALECTS[name].body("Hel", "lo"))
    assert error is None and reply.text == "Hello" and reply.finish and reply.finish.reason == "stop"


@each
def test_F_STREAM_04_no_end(name: str) -> None:
    reply, error = read(name, DIALECTS[name].torn("Hel", "lo"))
    assert reply.text == "Hello" and isinstance(error, Cut) and error.exit_code == 5


@each
def test_F_STREAM_06_an_error_in_the_stream(name: str) -> None:
    spoken = DIALECTS[name]
    reply, error = read(name, spoken.torn("Hel") + spoken.failure)
    assert reply.text == "Hel" and isinstance(error, Overloaded) and "Overloaded now" in error.detail
    assert error.retryable


@each
def test_F_STREAM_07_utf8_split_at_every_byte(name: str) -> None:
    data = DIALECTS[name].body("Zażółć ", "日本 🎉 e\u0301")
    for at in range(len(data)):
        reply, error = read(name, data[:at], data[at:])
        assert (reply.text, error) == ("Zażółć 日本 🎉 e\u0301", None), at


@each
def test_F_STREAM_08_line_separators_in_the_text(name: str) -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg"
    spoken = DIALECTS[name]
    raw = text if spoken.plain else json.dumps(text, ensure_ascii=False)[1:-1]
    reply, error = read(name, spoken.body("MARK").replace(b"MARK", raw.encode()))
    assert (reply.text, error) == (text, None)


FRAMINGS = {
    "crlf": lambda b: b.replace(b"\n", b"\r\n"),
    "cr": lambda b: b.replace(b"\n", b"\r"),
    "bom": lambda b: b"\xef\xbb\xbf" + b,
    "comments": lambda b: b": hello\n\n" + b.replace(b"\n\n", b"\n: ping\n\n"),
    "no space": lambda b: b.replace(b"data: ", b"data:"),
    "fields": lambda b: b.replace(b"data:", b"id: 7\nretry: 100\nwhat: ever\ndata:"),
    "no last blank": lambda b: b.rstrip(b"\n"),
    "blank first": lambda b: b"\n\n" + b,
}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", [name for name, spoken in DIALECTS.items() if spoken.sse])
@given(cuts=st.lists(st.integers(0, 900), max_size=6))
@settings(max_examples=10, deadline=None)
def test_F_STREAM_09_framings(framing: str, name: str, cuts: list[int]) -> None:
    data = FRAMINGS[framing](DIALECTS[name].body("Hel", "lo"))
    at = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reply, error = read(name, *(data[a:b] for a, b in zip(at, at[1:], strict=False)))
    assert (reply.text, error) == ("Hello", None)


@pytest.mark.parametrize("bad", [b"{broken", b"[" * 100_000, b'{"n":' + b"9" * 5000 + b"}"])
@pytest.mark.parametrize(
    "name", [name for name, spoken in DIALECTS.items() if spoken.sse and not spoken.plain]
)
def test_F_STREAM_12_an_event_that_is_no_json(name: str, bad: bytes) -> None:
    spoken = DIALECTS[name]
    reply, error = read(name, spoken.torn("Hel") + b"data: " + bad + b"\n\n" + b"".join(spoken.end))
    assert reply.text == "Hel" and isinstance(error, Cut) and "cannot be read" in error.sentence


@each
def test_F_STREAM_13_invalid_utf8_becomes_a_replacement(name: str) -> None:
    reply, error = read(name, DIALECTS[name].body("MARK").replace(b"MARK", b"a\xffb"))
    assert (reply.text, error) == ("a\ufffdb", None)


@pytest.mark.parametrize("name", [name for name, spoken in DIALECTS.items() if not spoken.plain])
@pytest.mark.parametrize(
    ("pieces", "text"),
    [(["\ud83c", "\udf89"], "🎉"), (["a\ud83c", "b"], "a\ufffdb"), (["x\ud83c"], "x\ufffd"), (["\udf89"], "\ufffd")],
)  # fmt: skip
def test_F_STREAM_14_lone_surrogates(name: str, pieces: list[str], text: str) -> None:
    reply, error = read(name, DIALECTS[name].body(*pieces))
    assert (reply.text, error) == (text, None)


@each
def test_F_STREAM_15_control_characters_are_kept_for_the_renderer_to_filter(name: str) -> None:
    spoken = DIALECTS[name]
    raw = b"a\x00b" if spoken.plain else b"a\\u0000b"
    reply, error = read(name, spoken.body("MARK").replace(b"MARK", raw))
    assert (reply.text, error) == ("a\0b", None)


@each
def test_F_STREAM_18_limits_and_policies_are_told(name: str) -> None:
    spoken = DIALECTS[name]
    for end, kind in ((spoken.stopped, Incomplete), (spoken.filtered, Refused)):
        if end is not None:
            reply, error = read(name, spoken.torn("Hel") + b"".join(end))
            assert error is None and reply.text == "Hel" and isinstance(verdict(reply, "b"), kind)


@pytest.mark.parametrize("name", ["openai", "anthropic", "cohere", "ollama", "replicate"])
def test_F_STREAM_19_what_comes_after_the_end_is_ignored(name: str) -> None:
    """The others have no end mark: their replies end with the connection."""
    spoken = DIALECTS[name]
    reply, error = read(name, spoken.body("Hello") + spoken.body(" again"))
    assert (reply.text, error) == ("Hello", None)


@each
def test_F_STREAM_21_a_document_to_a_stream_and_the_inverse(name: str) -> None:
    spoken = DIALECTS[name]
    whole = spoken.whole("Hello")
    for body in (json.dumps(whole), json.dumps(whole, indent=2), "\n\n  " + json.dumps(whole)):
        for kind in ("application/json", "text/event-stream", ""):
            reply, error = read(name, body.encode(), kind=kind)
            assert (reply.text, error) == ("Hello", None)
    reply, error = read(name, spoken.body("Hello"), kind="application/json")
    assert (reply.text, error) == ("Hello", None)


ODD = [b"[" * 100_000, b'{"a":' * 50_000, b'{"error":' + b"9" * 5000, b"null", b"7", b'"x"', b"{}", b"[]",
       b'{"error": null}', b'{"choices": 7, "candidates": "x", "message": [], "output": {"a": 1}}']  # fmt: skip


@each
@pytest.mark.parametrize("bad", ODD, ids=lambda bad: bad[:12].decode())
def test_F_STREAM_22_odd_json_is_an_error_of_ours(name: str, bad: bytes) -> None:
    for body in (bad, b"data: " + bad + b"\n\n", b"event: message\ndata: " + bad + b"\n\n"):
        reply, error = read(name, body)
        assert error is None or isinstance(error, ArawnError)
        assert error is not None or (
            reply.finish is not None and not isinstance(verdict(reply, "b"), type(None))
        )


@pytest.mark.parametrize("name", [name for name, spoken in DIALECTS.items() if spoken.thought])
def test_F_STREAM_23_reasoning_alone_is_no_answer(name: str) -> None:
    spoken = DIALECTS[name]
    reply, error = read(name, b"".join([*spoken.begin, spoken.thought or b"", *spoken.end]))
    assert error is None and (reply.text, reply.reasoning) == ("", "hm")
    told = verdict(reply, "b")
    assert isinstance(told, EmptyAnswer) and "reasoning" in told.sentence


@pytest.mark.parametrize("name", [name for name, spoken in DIALECTS.items() if spoken.usage])
@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        [],
        "x",
        7,
        dict.fromkeys(
            (
                "prompt_tokens",
                "completion_tokens",
                "input_tokens",
                "output_tokens",
                "promptTokenCount",
                "candidatesTokenCount",
                "prompt_eval_count",
                "eval_count",
            ),
            -5,
        ),
        {"prompt_tokens": "many", "input_tokens": True},
    ],
)
def test_F_STREAM_26_usage_that_makes_no_sense(name: str, said: Any) -> None:
    spoken = DIALECTS[name]
    reply, error = read(name, spoken.torn("a") + b"".join((spoken.usage or list)(said)))
    assert error is None and reply.text == "a"
    assert reply.usage.input is None and reply.usage.output is None


# over HTTP


def door(fake: FakeProvider, name: str, **limits: Any) -> HttpBackend:
    target = Target("b", "custom", "the service", fake.url, "m", {"start_hint": ""})
    return HttpBackend(
        target, name, access(), Limits(**{"connect": 2, "first_event": 3, "idle": 2, **limits})
    )


def ask(backend: Any) -> tuple[Reply, ArawnError | None]:
    said = heard(lambda: Conversation().ask(backend, "hi"))
    backend.close()
    return said


def over(name: str, act: Any, **limits: Any) -> tuple[Reply, ArawnError | None, float]:
    """Ask a fake whose reply begins with one piece and then does `act`."""
    spoken = DIALECTS[name]

    def behave(conn: Conn) -> None:
        conn.head(kind="text/event-stream" if spoken.sse else "application/x-ndjson")
        for event in [*spoken.begin, spoken.piece("Hel")]:
            conn.chunk(event)
        act(conn, spoken)

    with FakeProvider(behave) as fake:
        began = time.monotonic()
        reply, error = ask(door(fake, name, **limits))
        return reply, error, time.monotonic() - began


@each
def test_an_answer_over_http(name: str) -> None:
    def end(conn: Conn, spoken: Spoken) -> None:
        for event in [spoken.piece("lo"), *spoken.end]:
            conn.chunk(event)
        conn.end()

    reply, error, _ = over(name, end)
    assert (reply.text, error) == ("Hello", None) and reply.attempts[0].status == 200


@each
def test_F_STREAM_01_silence_after_the_first_piece(name: str) -> None:
    reply, error, took = over(name, lambda conn, _: conn.wait_gone(5), idle=0.3)
    assert reply.text == "Hel" and isinstance(error, TimedOut) and took < 3


def _ping(conn: Conn, spoken: Spoken) -> None:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        conn.chunk(b": ping\n\n" if spoken.sse else b"\n")
        time.sleep(0.05)


def _drip(conn: Conn, spoken: Spoken) -> None:
    for byte in spoken.piece("lo") * 50:
        conn.chunk(bytes([byte]))
        time.sleep(0.03)


@each
def test_F_STREAM_02_pings_are_no_answer(name: str) -> None:
    reply, error, took = over(name, _ping, idle=0.4)
    assert reply.text == "Hel" and isinstance(error, TimedOut) and took < 2


@each
def test_F_STREAM_03_a_byte_now_and_then_is_no_answer(name: str) -> None:
    reply, error, took = over(name, _drip, idle=0.4)
    assert reply.text.startswith("Hel") and isinstance(error, TimedOut) and took < 6


@each
@pytest.mark.parametrize("reset", [False, True])
def test_F_STREAM_05_a_connection_that_breaks(name: str, reset: bool) -> None:
    reply, error, _ = over(name, lambda conn, _: conn.reset() if reset else conn.sock.close())
    assert reply.text == "Hel" and isinstance(error, Cut) and error.exit_code == 5


@each
def test_F_STREAM_10_a_giant_event(name: str) -> None:
    def giant(conn: Conn, spoken: Spoken) -> None:
        conn.chunk(b"data: " if spoken.sse else b'{"a":"')
        for _ in range(400):
            conn.chunk(b"x" * 65536)

    reply, error, _ = over(name, giant, frame=1024 * 1024)
    assert reply.text == "Hel" and isinstance(error, Cut) and "limits.frame" in str(error.hints)


@each
def test_F_STREAM_11_an_endless_answer(name: str) -> None:
    def endless(conn: Conn, spoken: Spoken) -> None:
        while True:
            conn.chunk(spoken.piece("x" * 1000) * 50)

    reply, error, _ = over(name, endless, reply=1024 * 1024)
    assert len(reply.text) > 100_000 and isinstance(error, Cut) and "limits.reply" in str(error.hints)


@each
def test_F_STREAM_16_an_empty_answer(name: str) -> None:
    spoken = DIALECTS[name]

    def empty(conn: Conn) -> None:
        conn.head(kind="text/event-stream" if spoken.sse else "application/x-ndjson")
        for event in [*spoken.begin, *spoken.end]:
            conn.chunk(event)
        conn.end()

    with FakeProvider(empty) as fake:
        reply, error = ask(door(fake, name))
    assert isinstance(error, EmptyAnswer) and error.exit_code == 1 and len(fake.requests) == 1


STATUSES = [
    (401, "Invalid API key", AuthFault),
    (403, "You may not", AuthFault),
    (404, "model 'm' not found", ModelFault),
    (400, "This model's maximum context length is 8 tokens", ContextFault),
    (400, "field is wrong", Refused),
    (429, "slow down", RateLimited),
    (500, "oops", Overloaded),
    (502, "bad gateway", Unreachable),
    (503, "busy", Overloaded),
    (504, "too slow", TimedOut),
]


@each
@pytest.mark.parametrize(("status", "message", "kind"), STATUSES, ids=lambda v: str(v)[:20])
def test_F_NET_10_F_NET_11_F_NET_12_statuses(name: str, status: int, message: str, kind: Any) -> None:
    body = json.loads(json.dumps(DIALECTS[name].error).replace("MESSAGE", message))
    with FakeProvider(json_reply(status, body)) as fake:
        _, error = ask(door(fake, name))
    assert type(error) is kind and isinstance(error, ServiceFault)
    assert error.status == status and message in error.detail


@each
@pytest.mark.parametrize("status", [429, 503])
def test_F_NET_13_F_NET_17_three_requests_at_most(name: str, status: int) -> None:
    body = json.loads(json.dumps(DIALECTS[name].error).replace("MESSAGE", "wait"))
    waits: list[float] = []
    with FakeProvider(json_reply(status, body, retry_after="2")) as fake:
        now = [0.0]

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            now[0] += seconds

        retry = Retry(door(fake, name), RetryPolicy(), sleep, lambda: now[0], lambda: 0.0)
        _, error = ask(retry)
    assert isinstance(error, RateLimited | Overloaded) and len(fake.requests) == 3
    assert sum(waits) == pytest.approx(4.0, abs=0.1)


@each
def test_F_NET_09_no_headers_ever(name: str) -> None:
    with FakeProvider(lambda conn: conn.wait_gone(5)) as fake:
        _, error = ask(door(fake, name, first_event=0.3))
    assert isinstance(error, TimedOut)


PAGE = b"<!DOCTYPE html><html><title>Sign in \x1b[31m</title></html>"


@each
@pytest.mark.parametrize("status", [200, 502])
def test_F_NET_19_F_NET_20_a_web_page(name: str, status: int) -> None:
    def page(conn: Conn) -> None:
        conn.head(status, "text/html", len(PAGE))
        conn.send(PAGE)

    with FakeProvider(page) as fake:
        _, error = ask(door(fake, name))
    assert (
        isinstance(error, EmptyAnswer if status == 200 else Unreachable)
        and "HTML page: Sign in" in error.detail
    )


@each
def test_F_NET_21_redirects_are_not_followed(name: str) -> None:
    with FakeProvider(lambda conn: conn.head(307, length=0, location="http://evil.example/x")) as fake:
        _, error = ask(door(fake, name))
    assert isinstance(error, Refused) and "evil.example" in error.sentence and len(fake.requests) == 1


@each
def test_F_NET_24_F_NET_25_never_asked_again_after_the_first_piece(name: str) -> None:
    spoken = DIALECTS[name]

    def breaks(conn: Conn) -> None:
        conn.head(kind="text/event-stream" if spoken.sse else "application/x-ndjson")
        for event in [*spoken.begin, spoken.piece("Hel")]:
            conn.chunk(event)
        conn.reset()

    with FakeProvider(breaks) as fake:
        reply, error = ask(Retry(door(fake, name), RetryPolicy()))
    assert reply.text == "Hel" and isinstance(error, Cut) and len(fake.requests) == 1


def test_dump_is_what_services_send() -> None:
    assert dump({"a": "é"}) == b'{"a": "\xc3\xa9"}' and dump("\ud83c") == b'"\\ud83c"'
