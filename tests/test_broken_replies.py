"""Replies that are odd in the words of their own dialect: what one has to know each service for.

What all dialects meet alike stands in test_every_dialect.py, the shapes of whole replies in dialects.py.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from dialects import DIALECTS
from fake_provider import Conn, FakeProvider, dump, json_reply, sse
from test_every_dialect import TARGET, ask, door, each, over, read

from arawn.backends.routing import Retry, RetryPolicy
from arawn.engine import Conversation, verdict
from arawn.errors import (
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
)
from arawn.events import Collector
from arawn.wire.faults import fault


def line(value: Any) -> bytes:
    return dump(value) + b"\n"


def choice(**delta: Any) -> bytes:
    return sse({"choices": [{"index": 0, "delta": delta}]})


def named(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


def parts(*made: Any) -> bytes:
    return sse({"candidates": [{"content": {"parts": list(made)}}]})


def message(kind: str, **fields: Any) -> bytes:
    return named(kind, index=0, delta={"message": fields})


def said(event: str, text: str) -> bytes:
    return f"event: {event}\ndata: {text}\n\n".encode()


# cut


@each
def test_F_STREAM_04_cut_at_any_byte_it_is_never_whole(name: str) -> None:
    """Unless all of the text is there and the service has said that this was all."""
    whole = "Hel lö 🎉\nlo"
    body = DIALECTS[name].body("Hel lö 🎉", "\nlo")
    for at in range(len(body)):
        reply, error = read(name, body[:at])
        assert (error is None and reply.text == whole) or isinstance(error, Cut | EmptyAnswer), body[:at]
        assert whole.startswith(reply.text.rstrip("\ufffd")), body[:at]
    document = json.dumps(DIALECTS[name].whole(whole)).encode()
    for at in range(len(document)):
        reply, error = read(name, document[:at], kind="application/json")
        whole_yet = error is None and reply.text == whole
        assert whole_yet or isinstance(error, Cut | EmptyAnswer), document[:at]


@each
def test_F_STREAM_04_a_connection_that_ends_as_if_all_were_well(name: str) -> None:
    reply, error, _ = over(name, lambda conn, _: conn.end())
    assert reply.text == "Hel" and isinstance(error, Cut) and error.exit_code == 5


CALLS_BEGUN = {
    "openai": choice(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a"'}}]),
    "openai-responses": named("response.output_item.added", output_index=0, item={"type": "function_call", "name": "f"})
    + named("response.function_call_arguments.delta", output_index=0, delta='{"a"'),
    "anthropic": named("content_block_start", index=1, content_block={"type": "tool_use", "id": "c", "name": "f"})
    + named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a"'}),
    "gemini": parts({"functionCall": {"name": "f", "willContinue": True, "partialArgs": [{"jsonPath": "$.a",
                                      "stringValue": "x"}]}}),
    "cohere": message("tool-call-start", tool_calls={"id": "c", "function": {"name": "f", "arguments": '{"a"'}}),
    "ollama": b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a"',
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS_BEGUN)
def test_F_STREAM_04_half_a_tool_call_is_none(name: str) -> None:
    reply, error = read(name, b"".join(DIALECTS[name].begin) + CALLS_BEGUN[name])
    assert isinstance(error, Cut) and not reply.tool_calls


# alive or not


EMPTY = {
    "openai": [choice(content=""), choice(role="assistant"), sse({"choices": []}), choice(reasoning_content=""),
               choice(tool_calls=[]), choice(tool_calls=[{"index": 0, "function": {"arguments": ""}}])],
    "openai-responses": [named("keepalive"), named("response.in_progress", response={"status": "in_progress"}),
                         named("response.output_text.delta", delta=""),
                         named("response.function_call_arguments.delta", delta="")],
    "anthropic": [named("ping"), named("content_block_delta", index=0, delta={"type": "text_delta", "text": ""}),
                  named("content_block_delta", index=1, delta={"type": "thinking_delta", "thinking": ""}),
                  named("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": ""})],
    "gemini": [parts(), parts({"text": ""}), parts({"text": "", "thought": True}), sse({"usageMetadata": {}})],
    "cohere": [message("content-delta", content={"text": ""}), message("tool-plan-delta", tool_plan=""),
               message("tool-call-delta", tool_calls={"function": {"arguments": ""}})],
    "ollama": [line({"message": {"content": ""}, "done": False}), line({"status": "x"}), b"\r\n"],
    "replicate": [said("output", ""), said("logs", ""), b": hi\n\n"],
    "huggingface": [sse({"token": {"text": "", "special": False}}), sse({"token": {"text": "</s>", "special": True}})],
}  # fmt: skip


@each
def test_F_STREAM_02_events_that_say_nothing_are_no_answer(name: str) -> None:
    def nothing(conn: Conn, _: Any) -> None:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            for event in EMPTY[name]:
                conn.chunk(event)
            time.sleep(0.05)

    reply, error, took = over(name, nothing, idle=0.3)
    assert reply.text == "Hel" and isinstance(error, TimedOut) and took < 3


@each
def test_F_STREAM_02_events_that_say_nothing_change_nothing(name: str) -> None:
    spoken = DIALECTS[name]
    between = b"".join(EMPTY[name])
    reply, error = read(name, b"".join([between, *(event + between for event in spoken.events("Hel", "lo"))]))
    assert (reply.text, reply.reasoning, error) == ("Hello", "", None)


NOISE = [
    {},
    {"x": 1},
    [],
    [[]],
    None,
    7,
    "x",
    True,
    {"type": "brand.new", "delta": {"x": 1}},
    {"object": "new"},
]


@each
@pytest.mark.parametrize("noise", NOISE, ids=str)
def test_F_STREAM_17_F_STREAM_20_what_nobody_knows_is_passed_over(name: str, noise: Any) -> None:
    """Events of a kind that did not exist when this was written."""
    spoken = DIALECTS[name]
    odd = sse(noise) + sse(noise, "brand-new") if spoken.sse else line(noise)
    if spoken.plain:  # there alone the event's name says what it is
        odd += said("other", "not even JSON")
    events = spoken.events("Hel", "lo")
    reply, error = read(name, b"".join([events[0], *(odd + event for event in events[1:])]))
    assert (reply.text, error) == ("Hello", None)


@pytest.mark.parametrize("name", [name for name, spoken in DIALECTS.items() if not spoken.plain])
@pytest.mark.parametrize("fields", [b'"zz":NaN,', b'"zz":-Infinity,"zz":1e999,', b'"zz":1,"zz":{"a":[null]},',
                                    b'"":0,"\\u0000":[],"\\ud83d":"\\udf89",'])  # fmt: skip
def test_F_STREAM_22_odd_values_beside_the_known_ones(name: str, fields: bytes) -> None:
    spoken = DIALECTS[name]
    bent = [event.replace(b"{", b"{" + fields, 1) for event in spoken.events("Hel", "lo")]
    reply, error = read(name, b"".join(bent))
    assert (reply.text, error) == ("Hello", None)


@pytest.mark.parametrize("name", [name for name, spoken in DIALECTS.items() if not spoken.plain])
def test_F_STREAM_09_lines_of_every_sort(name: str) -> None:
    """CRLF between JSON lines too, an array instead of a stream, and a BOM before either."""
    spoken = DIALECTS[name]
    events = spoken.events("Zażółć ", "🎉")
    if not spoken.sse:
        bodies = [b"\r\n".join(event.rstrip() for event in events), b"\xef\xbb\xbf" + b"".join(events),
                  b" \n\n".join(events), b"".join(event.rstrip() for event in events)]  # fmt: skip
    else:
        values = [event.partition(b"data:")[2].strip() for event in events if b"[DONE]" not in event]
        bodies = [b"[" + b"\r\n,".join(values) + b"]\n", b"\xef\xbb\xbf[\n" + b",\n".join(values) + b"\n]"]
    for body in bodies:
        for cuts in ([body], [body[at : at + 1] for at in range(len(body))]):
            reply, error = read(name, *cuts)
            assert (reply.text, error) == ("Zażółć 🎉", None), body


# errors in their own words


IN_STREAM = [
    ("openai", sse({"error": "text only, overloaded"}), Overloaded),
    ("openai", sse({"object": "error", "message": "boom", "type": "BadRequestError", "code": 400}), Refused),
    ("openai", sse({"error": {"message": "Rate limit", "type": "rate_limit_error", "code": 429}}), RateLimited),
    ("openai", said("error", "plain words"), ServiceFault),
    ("openai-responses", named("error", error={"type": "too_many_requests", "message": "Too many requests"}), RateLimited),
    ("openai-responses", sse({"error": {"message": "boom", "type": "server_error", "code": 500}}), Overloaded),
    ("openai-responses", named("response.failed", response={"object": "response", "status": "failed", "error":
        {"code": "rate_limit_exceeded", "message": "Rate limit reached"}}), RateLimited),
    ("openai-responses", named("response.failed", response={"status": "failed", "error": None}), ServiceFault),
    ("openai-responses", named("response.cancelled", response={"status": "cancelled"}), ServiceFault),
    ("anthropic", named("error", error={"type": "rate_limit_error", "message": "slow down"}), RateLimited),
    ("anthropic", named("error", error={"type": "api_error", "message": "Internal server error"}), ServiceFault),
    ("anthropic", sse({"type": "error", "error": None}), ServiceFault),
    ("gemini", sse([{"error": {"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED"}}]), RateLimited),
    ("gemini", sse({"error": {"code": 500, "message": "Internal", "status": "INTERNAL"}}), Overloaded),
    ("cohere", sse({"id": "x", "message": "too many tokens: size limit exceeded"}), ContextFault),
    ("cohere", sse({"type": "error", "message": "boom"}), ServiceFault),
    ("cohere", said("error", '{"message": "internal server error"}'), ServiceFault),
    ("cohere", named("message-end", delta={"finish_reason": "ERROR", "error": "worker went away"}), Overloaded),
    ("cohere", line({"event_type": "stream-end", "finish_reason": "ERROR"}), Overloaded),
    ("ollama", line({"error": {"message": "boom", "code": 500}}), Overloaded),
    ("ollama", line({"error": "model runner has unexpectedly stopped"}), ServiceFault),
    ("replicate", said("error", "worker died"), Overloaded),
    ("replicate", said("error", '"worker died"'), Overloaded),
    ("replicate", said("done", '{"reason": "error"}'), Overloaded),
    ("huggingface", sse({"error": "Model too busy, overloaded", "error_type": "overloaded"}), Overloaded),
    ("huggingface", sse({"error": ["Error in `parameters`", "other"]}), ServiceFault),
]  # fmt: skip


@pytest.mark.parametrize(("name", "event", "kind"), IN_STREAM, ids=lambda v: str(v)[:40])
def test_F_STREAM_06_an_error_in_its_own_words(name: str, event: bytes, kind: type) -> None:
    spoken = DIALECTS[name]
    begun = [] if event.startswith(b"{") and spoken.sse else [*spoken.begin, spoken.piece("Hel")]
    reply, error = read(name, b"".join(begun) + event)
    assert reply.text == ("Hel" if begun else "") and isinstance(error, kind) and not isinstance(error, Cut)
    for words in ("worker went away", "worker died", "boom", "plain words"):
        assert words.encode() not in event or words in error.detail


@each
def test_F_STREAM_06_an_error_that_came_as_a_success(name: str) -> None:
    body = json.loads(json.dumps(DIALECTS[name].error).replace("MESSAGE", "overloaded, come back"))
    with FakeProvider(json_reply(200, body)) as fake:
        _, error = ask(door(fake, name))
    assert isinstance(error, Overloaded) and "come back" in error.detail and error.retryable


DOCUMENTED = [
    ("openai", 401, {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error",
        "code": "invalid_api_key"}}, AuthFault),
    ("openai", 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not"
        " exist."}}, ModelFault),
    ("openai", 400, {"error": {"message": "This model's maximum context length is 8192 tokens", "code":
        "context_length_exceeded"}}, ContextFault),
    ("openai-responses", 400, {"error": {"message": "Your input exceeds the context window of this model.", "code":
        "context_length_exceeded"}}, ContextFault),
    ("openai-responses", 400, {"error": {"message": "The requested model 'x' does not exist.", "code":
        "model_not_found"}}, ModelFault),
    ("anthropic", 401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}, AuthFault),
    ("anthropic", 403, {"type": "error", "error": {"type": "permission_error", "message": "no"}}, AuthFault),
    ("anthropic", 404, {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}, ModelFault),
    ("anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000"
        " tokens > 200000 maximum"}}, ContextFault),
    ("anthropic", 413, {"type": "error", "error": {"type": "request_too_large", "message": "too large"}}, ContextFault),
    ("anthropic", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, Overloaded),
    ("gemini", 400, {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status":
        "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}, AuthFault),
    ("gemini", 400, [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}], AuthFault),
    ("gemini", 403, {"error": {"code": 403, "message": "Method doesn't allow unregistered callers", "status":
        "PERMISSION_DENIED"}}, AuthFault),
    ("gemini", 404, {"error": {"code": 404, "message": "models/x is not found for API version v1beta", "status":
        "NOT_FOUND"}}, ModelFault),
    ("gemini", 400, {"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of"
        " tokens allowed (1048576).", "status": "INVALID_ARGUMENT"}}, ContextFault),
    ("gemini", 503, {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}, Overloaded),
    ("cohere", 401, {"message": "invalid api token"}, AuthFault),
    ("cohere", 404, {"id": "x", "message": "model 'x' not found, make sure the correct model ID was used"}, ModelFault),
    ("cohere", 400, {"message": "too many tokens: size limit exceeded by 19296 tokens."}, ContextFault),
    ("cohere", 429, {"message": "You are using a Trial key, which is limited to 20 API calls / minute."}, RateLimited),
    ("ollama", 404, {"error": "model 'x' not found"}, ModelFault),
    ("ollama", 404, {"error": 'model "x" not found, try pulling it first'}, ModelFault),
    ("ollama", 400, {"error": "registry.ollama.ai/library/gemma3:1b does not support tools"}, Refused),
    ("ollama", 500, {"error": "model requires more system memory (8.0 GiB) than is available"}, Overloaded),
    ("replicate", 401, {"title": "Unauthenticated", "detail": "You did not pass an authentication token", "status": 401},
     AuthFault),
    ("replicate", 422, {"title": "Invalid version or not permitted", "detail": "The specified version does not exist (or"
        " perhaps you don't have permission to use it?)", "status": 422}, ModelFault),
    ("huggingface", 401, {"error": "Invalid credentials in Authorization header"}, AuthFault),
    ("huggingface", 404, {"error": "Model x does not exist"}, ModelFault),
    ("huggingface", 422, {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
        "error_type": "validation"}, ContextFault),
    ("huggingface", 429, {"error": "Model is overloaded", "error_type": "overloaded"}, RateLimited),
    ("huggingface", 503, {"error": "Model x is currently loading", "estimated_time": 20.0}, Overloaded),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "body", "kind"), DOCUMENTED, ids=lambda v: str(v)[:30])
def test_F_NET_10_F_NET_11_F_NET_12_in_the_words_of_each_service(
    name: str, status: int, body: Any, kind: type
) -> None:
    made = fault(status, {}, json.dumps(body).encode(), TARGET)
    assert type(made) is kind and made.status == status and made.detail
    assert made.retryable == issubclass(kind, RateLimited | Overloaded)


@each
@pytest.mark.parametrize("status", [400, 401, 404])
def test_F_NET_12_what_waiting_cannot_mend_is_asked_once(name: str, status: int) -> None:
    body = json.loads(json.dumps(DIALECTS[name].error).replace("MESSAGE", "maximum context length is 8"))
    with FakeProvider(json_reply(status, body)) as fake:
        _, error = ask(Retry(door(fake, name), RetryPolicy()))
    assert isinstance(error, ServiceFault) and len(fake.requests) == 1


# ends


def ended(name: str, word: str) -> bytes:
    """The last events of a reply that stops for `word`."""
    return {
        "openai": lambda: sse({"choices": [{"delta": {}, "finish_reason": word}]}) + b"data: [DONE]\n\n",
        "openai-responses": lambda: named("response.incomplete", response={
            "object": "response", "status": "incomplete", "output": [], "incomplete_details": {"reason": word}}),
        "anthropic": lambda: named("message_delta", delta={"stop_reason": word}) + named("message_stop"),
        "gemini": lambda: sse({"candidates": [{"finishReason": word}]}),
        "cohere": lambda: named("message-end", delta={"finish_reason": word}) + b"data: [DONE]\n\n",
        "ollama": lambda: line({"message": {"content": ""}, "done": True, "done_reason": word}),
        "huggingface": lambda: sse({"token": {"text": ""}, "generated_text": "x", "details": {"finish_reason": word}}),
    }[name]()  # fmt: skip


WORDS = [
    ("openai", "length", Incomplete), ("openai", "model_length", Incomplete), ("openai", "content_filter", Refused),
    ("openai", "error", Cut), ("openai", "insufficient_system_resource", Cut), ("openai", "abort", Cut),
    ("openai", "eos", None), ("openai", "tool_calls", None), ("openai", "brand_new", None),
    ("openai-responses", "max_output_tokens", Incomplete), ("openai-responses", "content_filter", Refused),
    ("openai-responses", "brand_new", Incomplete),
    ("anthropic", "max_tokens", Incomplete), ("anthropic", "model_context_window_exceeded", Incomplete),
    ("anthropic", "refusal", Refused), ("anthropic", "stop_sequence", None), ("anthropic", "brand_new", None),
    ("gemini", "MAX_TOKENS", Incomplete), *(("gemini", word, Refused) for word in (
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR")),
    *(("gemini", word, Cut) for word in (
        "OTHER", "LANGUAGE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE")),
    ("cohere", "MAX_TOKENS", Incomplete), ("cohere", "ERROR_LIMIT", Incomplete), ("cohere", "ERROR_TOXIC", Refused),
    ("cohere", "STOP_SEQUENCE", None),
    ("ollama", "length", Incomplete), ("ollama", "stop", None),
    ("huggingface", "length", Incomplete), ("huggingface", "stop_sequence", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "word", "kind"), WORDS)
def test_F_STREAM_18_why_it_stopped(name: str, word: str, kind: type | None) -> None:
    reply, error = read(name, DIALECTS[name].torn("Hel") + ended(name, word))
    assert error is None and reply.text == "Hel" and reply.finish is not None
    told = verdict(reply, "b")
    assert type(told) is (kind or type(None)), told


def test_F_STREAM_18_refusals() -> None:
    refused = {
        "openai": choice(refusal="I cannot") + ended("openai", "stop"),
        "openai-responses": named("response.refusal.delta", delta="I cannot", output_index=0)
        + named("response.completed", response={"status": "completed", "output": []}),
        "gemini": sse({"promptFeedback": {"blockReason": "OTHER"}}),
    }
    for name, body in refused.items():
        reply, error = read(name, body)
        told = verdict(reply, "b")
        assert error is None and isinstance(told, Refused), name
        assert name == "gemini" or told.detail == "I cannot"


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "gemini"])
def test_F_STREAM_19_after_the_end_nothing_is_waited_for(name: str) -> None:
    """Gemini has no word for the end: each of its events may be the last."""

    def lingers(conn: Conn, spoken: Any) -> None:
        for event in spoken.end:
            conn.chunk(event)
        conn.chunk(spoken.piece(" again"))
        conn.wait_gone(5)

    reply, error, took = over(name, lingers, idle=3)
    assert (reply.text, error) == ("Hel", None) and took < 3


@each
def test_F_NET_27_one_connection_serves_many_turns(name: str) -> None:
    spoken = DIALECTS[name]

    def answer(conn: Conn) -> None:
        conn.head(kind="text/event-stream" if spoken.sse else "application/x-ndjson")
        for event in spoken.events("Hel", "lo"):
            conn.chunk(event)
        conn.end()

    with FakeProvider(answer) as fake:
        backend = door(fake, name)
        for _ in range(3):
            collector = Collector()
            for event in Conversation().ask(backend, "hi"):
                collector.add(event)
            assert collector.reply.text == "Hello"
        backend.close()
        assert fake.connections == 1


@each
@pytest.mark.parametrize("streamed", [False, True])
def test_F_STREAM_21_a_stream_though_none_was_asked_for(name: str, streamed: bool) -> None:
    spoken = DIALECTS[name]
    body = spoken.body("Hel", "lo") if streamed else json.dumps(spoken.whole("Hello")).encode()
    kind = "text/event-stream" if spoken.sse and streamed else "application/json"

    def answer(conn: Conn) -> None:
        conn.head(200, kind, len(body))
        conn.send(body)

    with FakeProvider(answer) as fake:
        backend, collector = door(fake, name), Collector()
        for event in Conversation(stream=False).ask(backend, "hi"):
            collector.add(event)
        backend.close()
    assert collector.reply.text == "Hello"
    assert not fake.requests[0].json.get("stream")


COUNTS = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "promptTokenCount", "eval_count",
          "candidatesTokenCount", "prompt_eval_count", "thoughtsTokenCount", "cachedContentTokenCount")  # fmt: skip


@pytest.mark.parametrize("name", [name for name, spoken in DIALECTS.items() if spoken.usage])
@pytest.mark.parametrize(
    "count", [10**40, 1e300, float("nan"), float("inf"), 1.5, "7", [7], {"n": 7}, -0.5, True]
)
def test_F_STREAM_26_counts_that_are_none(name: str, count: Any) -> None:
    spoken = DIALECTS[name]
    end = (spoken.usage or list)(dict.fromkeys(COUNTS, count))
    reply, error = read(name, spoken.torn("a") + b"".join(end))
    assert error is None and reply.text == "a"
    assert (reply.usage.input, reply.usage.output) == (None, None)


@each
def test_F_STREAM_25_tiny_pieces_cost_little(name: str) -> None:
    spoken = DIALECTS[name]
    body = b"".join([*spoken.begin, spoken.piece("x") * 20_000, *spoken.end])
    began = time.process_time()
    reply, error = read(name, *(body[at : at + 65536] for at in range(0, len(body), 65536)))
    assert error is None and len(reply.text) == 20_000
    assert time.process_time() - began < 2.0
