"""Bodies that go wrong in the way of one dialect, read without a network; test_every_dialect.py has the rest."""

from __future__ import annotations

import importlib
import json

import pytest
from fake_provider import dump
from http_kit import heard

from arawn.errors import Cut, EmptyAnswer, RateLimited, ServiceFault
from arawn.messages import (
    Request,
    user,
)
from arawn.wire import Target
from arawn.wire.faults import fault, from_payload
from arawn.wire.frames import split

TARGET = Target("b", "custom", "the service", "http://x", "m")


def read(dialect: str, *chunks: bytes, kind: str = ""):
    module = importlib.import_module(f"arawn.wire.{dialect}")
    return heard(lambda: module.read(split(chunks, kind), TARGET))


def sse(*values, end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: " + dump(v) + b"\n\n" for v in values) + end


def delta(text, finish=None, **more):
    return {"choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": finish}]}


def openai(*texts: str, end: bytes | None = None) -> bytes:
    if end is not None:
        return sse(*map(delta, texts), end=end)
    return sse(*map(delta, texts), delta(None, "stop"))


def anthropic(*texts: str, end=True) -> bytes:
    events = [{"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}},
              {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]  # fmt: skip
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}} for t in texts
    ]
    if end:
        events += [{"type": "content_block_stop", "index": 0},
                   {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
                   {"type": "message_stop"}]  # fmt: skip
    return b"".join(f"event: {e['type']}\ndata: ".encode() + dump(e) + b"\n\n" for e in events)


def ollama(*texts: str, end=True) -> bytes:
    lines = [{"model": "m", "message": {"role": "assistant", "content": t}, "done": False} for t in texts]
    if end:
        lines.append(
            {"model": "m", "message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 2}
        )
    return b"".join(dump(line) + b"\n" for line in lines)


MAKE = {"openai": openai, "anthropic": anthropic, "ollama": ollama}


def test_F_STREAM_06_other_shapes() -> None:
    groq = b'event: error\ndata: {"error":{"message":"no","status_code":500}}\n\n'
    beside = sse({"error": {"message": "Token limit", "code": 400}, **delta("")})
    for body in (groq, beside, b'data:{"error":"Too Many Requests: rate_limit","error_type":"x"}\n\n'):
        _, error = read("openai", body)
        assert isinstance(error, ServiceFault) and not isinstance(error, Cut), body


def test_F_STREAM_07_unescaped() -> None:
    data = (
        b'data: {"choices":[{"delta":{"content":"\xe6\x97\xa5\xf0\x9f\x8e\x89"},"finish_reason":"stop"}]}\n\n'
    )
    for at in range(len(data)):
        assert read("openai", data[:at], data[at:])[0].text == "日🎉"


def test_F_STREAM_09_data_over_several_lines() -> None:
    body = b'data: {"choices":[{"delta":\ndata: {"content":"hi"},"finish_reason":"stop"}]}\n\n'
    assert read("openai", body)[0].text == "hi"


@pytest.mark.parametrize("head", [b"data: {", b'{"a":"'])
def test_F_STREAM_10_a_giant_line(head) -> None:
    def chunks():
        yield head
        for _ in range(10_000):
            yield b"x" * 65536

    with pytest.raises(Cut) as caught:
        list(split(chunks(), "text/event-stream", 1024 * 1024))
    assert "limits.frame" in str(caught.value.hints)


@pytest.mark.parametrize("bad", [b"{broken", b"[" * 100_000, b'{"n":' + b"9" * 5000 + b"}", b"\xff\xfe\xfd"])
def test_F_STREAM_12_an_event_that_is_no_json(bad) -> None:
    reply, error = read("openai", openai("Hel", end=b"") + b"data: " + bad + b"\n\n" + openai("lo"))
    assert reply.text == "Hel" and isinstance(error, Cut) and "Event 2" in error.sentence
    assert error.detail == ("\ufffd\ufffd\ufffd" if bad[:1] == b"\xff" else "")


def test_F_STREAM_22_odd_json_is_an_error_of_ours() -> None:
    for bad in (b"[" * 100_000, b'{"choices":' * 50_000, b'{"error":' + b"9" * 5000):
        _, error = read("openai", bad)
        assert isinstance(error, ServiceFault)
    nan = b'data: {"choices":[{"delta":{"content":"x"},"logprobs":NaN,"finish_reason":"stop"}]}\n\n'
    assert read("openai", nan)[0].text == "x"


def test_F_STREAM_13_invalid_utf8_becomes_a_replacement() -> None:
    reply, error = read("openai", openai("MARK").replace(b"MARK", b"a\xffb"))
    assert (reply.text, error) == ("a\ufffdb", None)


def test_F_STREAM_17_choices_that_say_nothing() -> None:
    body = sse(
        {"choices": [], "prompt_filter_results": []}, {"choices": [{"index": 0, "content_filter_offsets": {}}]},
        {"choices": [{"delta": None}]}, {"choices": None}, {"x": 1}, [1], "text", None, delta(None), delta("a"),
        {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}]},
        {"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]}, {"choices": [], "usage": None},
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
    )  # fmt: skip
    reply, error = read("openai", body)
    assert (reply.text, reply.finish.raw, reply.usage.input, error) == ("ab", "stop", 5, None)


def test_F_STREAM_19_what_comes_after_the_end_is_ignored() -> None:
    reply, error = read("openai", openai("Hello") + openai(" again"))
    assert (reply.text, error) == ("Hello", None)
    reply, error = read(
        "anthropic", anthropic("Hello") + b"event: data\ndata: [DONE]\n\n" + anthropic(" again")
    )
    assert (reply.text, error) == ("Hello", None)
    assert read("ollama", ollama("Hello") + ollama(" again"))[0].text == "Hello"


def test_F_STREAM_20_blocks_out_of_order() -> None:
    events = [
        {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "early "}},
        {"type": "message_start", "message": {"model": "m"}}, {"type": "new_kind"}, {"no": "type"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "s"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "ab"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        {"type": "content_block_stop", "index": 1}, {"type": "content_block_stop", "index": 9},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"},
    ]  # fmt: skip
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    reply, error = read("anthropic", body)
    assert error is None and reply.text == "early ab"
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("f", "{}")]


def test_F_STREAM_23_reasoning_only() -> None:
    reply, error = read("openai", sse(delta(None, reasoning_content="hm"), delta(None, "stop")))
    assert (reply.text, reply.reasoning, error) == ("", "hm", None)  # the engine says that it is no answer


def test_F_STREAM_24_ollama_objects_however_cut() -> None:
    body = ollama("a", 'b{"}', "c").replace(b"\n", b"")
    for size in (1, 2, 7, len(body)):
        reply, error = read("ollama", *(body[n : n + size] for n in range(0, len(body), size)))
        assert (reply.text, error) == ('ab{"}c', None)


def test_F_STREAM_26_usage_that_makes_no_sense() -> None:
    for usage in (
        {},
        {"prompt_tokens": -5},
        {"prompt_tokens": "many", "completion_tokens": None},
        [],
        "x",
        7,
    ):
        reply, error = read("openai", sse(delta("a", "stop"), {"choices": [], "usage": usage}))
        assert error is None and reply.usage.input is None and reply.usage.output is None


@pytest.mark.parametrize(
    ("pieces", "text", "thought"),
    [
        (["<think>a</think>b"], "b", "a"),
        (["<th", "ink>", "a", "</th", "ink>\n\n", "b"], "b", "a"),
        (["\n<think>\na", "<b</thin", "g>c</think>", " d"], "d", "\na<b</thing>c"),
        (["<thinker> x"], "<thinker> x", ""),
        (["a <think>b</think>"], "a <think>b</think>", ""),
        (["<think>never closed"], "", "never closed"),
        (["<th"], "<th", ""),
    ],
)
def test_inline_reasoning(pieces, text, thought) -> None:
    for dialect in ("openai", "ollama"):
        reply, error = read(dialect, MAKE[dialect](*pieces))
        assert (reply.text, reply.reasoning, error) == (text, thought, None)


def test_empty_and_foreign_bodies() -> None:
    for body, kind in ((b"<html><title>Sign in</title>", "text/html"), (b"upstream error", "text/plain")):
        _, error = read("openai", body, kind=kind)
        assert isinstance(error, EmptyAnswer), body
    assert isinstance(read("openai", b"", kind="text/event-stream")[1], Cut)
    reply, error = read("openai", b"data: [DONE]\n\n")
    assert error is None and reply.text == ""


AFTER = [
    ({"retry-after": "2"}, "", 2.0), ({"retry-after": "0.5"}, "", 0.5), ({"retry-after-ms": "1500"}, "", 1.5),
    ({"retry-after": "1", "retry-after-ms": "0"}, "", 0.0), ({"retry-after": "-3"}, "", None),
    ({"retry-after": "1e309"}, "", None), ({"retry-after": "nan"}, "", None), ({"retry-after": "soon"}, "", None),
    ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, "", 20.0), ({"retry-after": "86400"}, "", 86400.0),
    ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, "", 0.0), ({}, "", None),
    ({}, '{"error":{"message":"Please try again in 6.57792s."}}', 6.57792),
    ({}, '{"error":{"message":"Please try again in 1m2.5s"}}', 62.5),
    ({}, '{"error":{"message":"try again in 350ms"}}', 0.35),
    ({}, '{"error":{"message":"x","details":[{"retryDelay":"30s"}]}}', 30.0),
    ({}, '{"error":"loading","estimated_time":12.5}', 12.5),
    ({}, '{"error":{"message":"Quota exceeded. Please retry in 30.25s."}}', 30.25),
    ({}, '{"detail":"Request was throttled. Expected available in 2 seconds."}', 2.0),
    ({}, '{"error":{"message":"try again in %s"}}' % ("9" * 400 + "h"), None),
    ({}, '{"error":{"message":"try again in a moment"}}', None),
    ({}, '{"error":{"message":"Please retry after 26 seconds."}}', 26.0),
    ({}, '{"error":{"message":"Rate limit of 10 per 60s exceeded. Please wait 31 seconds before retrying."}}', 31.0),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body", "seconds"), AFTER)
def test_F_NET_14_retry_after(headers, body, seconds) -> None:
    made = fault(429, headers, body.encode() or b'{"error":"slow"}', TARGET, now=100.0)
    assert made.retry_after == seconds


RESETS = [
    ({"ratelimit-reset": "30", "ratelimit-remaining": "0"}, 30.0), ({"ratelimit-reset": "30"}, 30.0),
    ({"x-ratelimit-reset": "1130"}, 1130.0), ({"x-ratelimit-reset": "1700000020"}, 20.0),
    ({"x-ratelimit-reset": "1700000020500"}, 20.5), ({"x-ratelimit-reset": "1600000000"}, 0.0),
    ({"x-ratelimit-reset-requests": "1m2.5s", "x-ratelimit-remaining-requests": "0"}, 62.5),
    ({"x-ratelimit-reset-requests": "1m", "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-tokens": "350ms", "x-ratelimit-remaining-tokens": "0"}, 60.0),
    ({"x-ratelimit-reset-requests": "1m", "x-ratelimit-remaining-requests": "7",
      "x-ratelimit-reset-tokens": "350ms", "x-ratelimit-remaining-tokens": "0"}, 0.35),
    ({"x-ratelimit-reset-requests": "1m"}, None), ({"x-ratelimit-reset": "soon"}, None),
    ({"x-ratelimit-reset": "nan"}, None), ({"x-ratelimit-reset": "-5"}, None), ({"x-ratelimit-reset": "1e309"}, None),
    ({"anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:50Z", "anthropic-ratelimit-tokens-remaining": "0"}, 30.0),
    ({"anthropic-ratelimit-tokens-reset": "2023-13-99T99:99:99Z", "anthropic-ratelimit-tokens-remaining": "0"}, None),
    ({"retry-after": "2", "ratelimit-reset": "30"}, 2.0),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "seconds"), RESETS)
def test_F_NET_16_rate_limit_headers(headers, seconds) -> None:
    for body in (b"{}", b"slow", b'[{"error": 7}]'):
        assert fault(429, headers, body, TARGET, now=1_700_000_000.0).retry_after == seconds
    within = {name.title(): value for name, value in headers.items()}
    body = json.dumps({"error": {"message": "x", "metadata": {"headers": within}}}).encode()
    if "retry-after" not in headers:
        assert fault(429, {}, body, TARGET, now=1_700_000_000.0).retry_after == seconds
    assert fault(500, {"ratelimit-reset": "30"}, b"", TARGET, now=1.0).retry_after is None


def test_F_NET_16_should_retry() -> None:
    assert fault(500, {"x-should-retry": "false"}, b"", TARGET).retryable is False
    assert fault(400, {"x-should-retry": "true"}, b"", TARGET).retryable is True


@pytest.mark.parametrize(
    "message",
    [
        "You exceeded your current quota, please check your plan and billing details.",
        "limit: 0, model: x",
        "You exceeded your current quota. Limit: 0\nPlease retry in 3s.",
        "You exceeded your current quota (insufficient_quota). Please retry in 3s.",
    ],
)
def test_F_NET_18_a_quota_that_is_used_up(message) -> None:
    made = fault(429, {}, json.dumps({"error": {"message": message}}).encode(), TARGET)
    assert isinstance(made, RateLimited) and not made.retryable


@pytest.mark.parametrize(
    ("quota", "again"), [("TokensPerModelPerMinute", True), ("RequestsPerDayPerProject", False)]
)
def test_F_NET_18_google_says_quota_of_a_minute_and_of_a_day(quota, again) -> None:
    error = {
        "code": 429, "status": "RESOURCE_EXHAUSTED",
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "details": [{"violations": [{"quotaId": quota}]}, {"retryDelay": "34s"}],
    }  # fmt: skip
    for made in (
        fault(429, {}, json.dumps({"error": error}).encode(), TARGET),
        from_payload({"error": error}, TARGET),
    ):
        assert isinstance(made, RateLimited) and made.retryable == again
        assert made.retry_after == 34.0 and ("quota" in made.sentence) != again


@pytest.mark.parametrize(
    ("dialect", "base", "url"),
    [
        ("openai", "http://h/v1", "http://h/v1/chat/completions"),
        ("openai", "http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("anthropic", "http://h", "http://h/v1/messages"), ("anthropic", "http://h/v1", "http://h/v1/messages"),
        ("ollama", "http://h", "http://h/api/chat"), ("ollama", "http://h/v1", "http://h/api/chat"),
        ("ollama", "http://h/api", "http://h/api/chat"),
    ],
)  # fmt: skip
def test_addresses(dialect, base, url) -> None:
    module = importlib.import_module(f"arawn.wire.{dialect}")
    assert module.write(Request((user("q"),)), Target("b", "custom", "x", base, "m")).url == url


@pytest.mark.parametrize(
    ("length", "options", "expected"),
    [(10, {}, 4096), (60_000, {}, 32768), (60_000, {"context": 8192}, 8192), (10, {"num_ctx": 2000}, 2000)],
)
def test_ollama_asks_for_a_context_that_fits(length, options, expected) -> None:
    from arawn.wire import ollama as dialect

    target = Target("b", "ollama", "x", "http://h", "m", options)
    call = dialect.write(Request((user("word " * (length // 5)),)), target)
    assert call.body["options"]["num_ctx"] == expected


def test_ollama_tells_a_cut_prompt() -> None:
    target = Target("b", "ollama", "x", "http://h", "m", {"sent_num_ctx": 4096, "estimate": 9000})
    from arawn.wire import ollama as dialect

    body = b'{"message":{"content":"x"},"done":true,"prompt_eval_count":4095,"eval_count":3}'
    events = list(dialect.read(split([body]), target))
    assert any("context of 4096" in getattr(event, "text", "") for event in events)
