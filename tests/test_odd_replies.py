"""Replies that the services' documents and the reports of their users know, and the recorded ones do not hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from http_kit import heard

from arawn.errors import ArawnError
from arawn.events import Reply
from arawn.wire import Target, dialect
from arawn.wire.frames import split

TARGET = Target("b", "custom", "the service", "http://x", "m")


def read(name: str, body: Any, at: int = 0) -> tuple[Reply, ArawnError | None]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return heard(lambda: dialect(name).read(split([data[:at], data[at:]]), TARGET))


def said(name: str, body: Any) -> tuple[str, list[tuple[str, str]]]:
    """The text and the calls of a reply without an error; ids are there and differ."""
    reply, error = read(name, body)
    assert error is None and reply.finish is not None, error
    assert len({call.id for call in reply.tool_calls if call.id}) == len(reply.tool_calls)
    return reply.text, [(call.name, call.arguments) for call in reply.tool_calls]


def sse(*values: Any, end: bytes = b"") -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values) + end


def chunk(why: str | None = None, **delta: Any) -> Any:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": why}]}


def message(why: str | None = "stop", **fields: Any) -> Any:
    return {"choices": [{"index": 0, "message": fields, "finish_reason": why}]}


def called(*fragments: tuple[Any, Any, Any, Any]) -> bytes:
    """A stream of fragments of calls: index, id, name, arguments; None is left out."""
    made = []
    for index, call_id, name, arguments in fragments:
        call = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
        made.append(chunk(tool_calls=[{key: value for key, value in call.items() if value is not None}]))
    return sse(*made, chunk("tool_calls"))


CHAT = {
    "a whole reply without a finish reason": (message(None, content="hi"), "hi", []),
    "fields that are not set, filled with empty values": (
        message("", content="hi", function_call={"name": "", "arguments": ""},
                tool_calls=[{"index": 0, "id": "", "function": {"name": "", "arguments": ""}}]),
        "hi", [],
    ),
    "whole calls without ids that all say index 0": (
        called((0, "", "f", "{}"), (0, "", "g", '{"a":1}'), (0, "", "g", '{"a":2}')),
        "", [("f", "{}"), ("g", '{"a":1}'), ("g", '{"a":2}')],
    ),
    "the name again in each fragment": (
        called((0, "", "f", '{"a"'), (0, "", "f", ":{}"), (0, "", "f", "}")), "", [("f", '{"a":{}}')],
    ),
    "the name and the id again in each fragment": (
        called((0, "c", "f", '{"a"'), (0, "c", "f", ":1}")), "", [("f", '{"a":1}')],
    ),
    "arguments that begin as an empty object": (
        called((0, "c", "f", "{}"), (0, None, None, '{"a":1}')), "", [("f", '{"a":1}')],
    ),
    "a message beside each delta that repeats all so far": (
        sse(*({"choices": [{"delta": {"tool_calls": [part]}, "message": {"tool_calls": [
                {"index": 0, "id": "c", "function": {"name": "f", "arguments": so_far}}]}, "finish_reason": why}]}
              for part, so_far, why in (
                  ({"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a"'}}, '{"a"', None),
                  ({"index": 0, "function": {"arguments": ":1}"}}, '{"a":1}', None),
                  ({}, '{"a":1}', "tool_calls"),
              ))),
        "", [("f", '{"a":1}')],
    ),
    "one call that stands in no list": (
        sse(chunk(tool_calls={"index": 0, "id": "", "function": {"name": "f", "arguments": "{"}}),
            chunk(tool_calls={"index": 0, "id": "", "function": {"name": None, "arguments": "}"}}), chunk("stop")),
        "", [("f", "{}")],
    ),
    "calls in pieces that all say index 0": (
        called((0, "c", "f", ""), (0, None, None, '{"a"'), (0, None, None, ":1}"),
               (0, "d", "g", ""), (0, None, None, '{"a"'), (0, None, None, ":2}"), (1, "e", "h", "{}")),
        "", [("f", '{"a":1}'), ("g", '{"a":2}'), ("h", "{}")],
    ),
    "calls in pieces without ids that all say index 0": (
        called((0, "", "f", ""), (0, "", None, '{"a":1}'), (0, "", "g", ""), (0, "", None, '{"a"'), (0, "", None, ":2}")),
        "", [("f", '{"a":1}'), ("g", '{"a":2}')],
    ),
    "a name with its id again, and all arguments after empty ones": (
        called((0, "c", "f", "{}"), (0, "c", "f", '{"a":1}')), "", [("f", '{"a":1}')],
    ),
    "a whole call that comes once more at the end": (
        called((0, "c", "f", '{"a":1}'), (0, "c", "f", '{"a":1}')), "", [("f", '{"a":1}')],
    ),
    "whole calls under one id, without an index": (
        called((None, "null", "f", '{"a":1}'), (None, "null", "g", "{}")), "", [("f", '{"a":1}'), ("g", "{}")],
    ),
    "arguments as an object": (called((0, "c", "f", {"a": 1})), "", [("f", '{"a": 1}')]),
    "an id of its own for each fragment": (
        called((0, "c", "f", ""), (0, "d", None, '{"a":'), (0, "e", None, "1}")), "", [("f", '{"a":1}')],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHAT)
def test_chat_completions(what: str) -> None:
    body, text, calls = CHAT[what]
    assert said("openai", body) == (text, calls)


@pytest.mark.parametrize(
    ("why", "meant"),
    [
        ("sensitive", "content_filter"), ("content-filter", "content_filter"), ("guardrail_intervened", "content_filter"),
        ("token_limit", "length"), ("network_error", "error"), ("eos_token", "stop"), ("a word of tomorrow", "stop"),
    ],
)  # fmt: skip
def test_words_for_the_end(why: str, meant: str) -> None:
    reply, _ = read("openai", sse(chunk(content="hi"), chunk(why)))
    assert reply.finish and (reply.finish.reason, reply.finish.raw) == (meant, why)


def test_usage_inside_a_choice() -> None:
    last = chunk("stop")
    last["choices"][0]["usage"] = {"prompt_tokens": 3, "completion_tokens": 4}
    reply, _ = read("openai", sse(chunk(content="hi"), last))
    assert (reply.usage.input, reply.usage.output) == (3, 4)


@pytest.mark.parametrize("name", ["cached_tokens", "prompt_cache_hit_tokens"])
def test_cached_tokens_beside_the_others(name: str) -> None:
    reply, _ = read(
        "openai", {**message(content="hi"), "usage": {"prompt_tokens": 3, "completion_tokens": 4, name: 2}}
    )
    assert reply.usage.cached == 2


FAILURE = {"error": {"message": "it broke", "code": 502}}
BROKEN = {
    "in Groq's own field": sse({"choices": [], "x_groq": FAILURE}),
    "in a choice": sse({"choices": [{"delta": {}, "finish_reason": "error", **FAILURE}]}),
    "bare": json.dumps(FAILURE).encode(),
    "bare, over lines": json.dumps(FAILURE, indent=2).encode(),
    "bare, over lines that end in CRLF": json.dumps(FAILURE, indent=2).replace("\n", "\r\n").encode() + b"\r\n\r\n",
    "in a field of its own": b"error: " + json.dumps(FAILURE["error"]).encode() + b"\n\n",
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_F_STREAM_06_an_error_where_none_is_expected(how: str) -> None:
    body = sse(chunk(content="Hel")) + BROKEN[how]
    for at in range(0, len(body), 7):
        reply, error = read("openai", body, at)
        assert reply.text == "Hel" and error is not None
        assert (error.detail, error.exit_code, error.retryable) == ("it broke", 5, True)


@pytest.mark.parametrize("name", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"message": "Unauthorized"}, "auth"),
        ({"detail": "Not Found"}, "refused"),
        ({"status": "error", "message": "The server had an error"}, "overloaded"),
        ({"choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "refused"),
        (sse({"choices": [], "prompt_filter_results": []}), "cut"),
    ],
)
def test_a_success_that_is_none(name: str, body: Any, code: str) -> None:
    _, error = read(name, body)
    assert error is not None and error.code == code
    assert isinstance(body, bytes) or error.detail in json.dumps(body)


def begun(index: int, **block: Any) -> Any:
    return {"type": "content_block_start", "index": index, "content_block": block}


START = {"type": "message_start", "message": {"model": "c", "usage": {"input_tokens": 5}}}
GROWS = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'},
}
ENDED = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}}
SPOKEN = {"role": "assistant", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}
MESSAGES = {
    "a block that is not ended": (
        sse(START, begun(0, type="tool_use", id="t", name="f", input={}), GROWS, ENDED), "", [("f", '{"a":1}')],
    ),
    "an empty error beside the answer": ({"type": "message", "error": None, **SPOKEN}, "hi", []),
    "no type": (SPOKEN, "hi", []),
    "content as a text": ({"type": "message", **SPOKEN, "content": "hi"}, "hi", []),
}  # fmt: skip


@pytest.mark.parametrize("what", MESSAGES)
def test_messages(what: str) -> None:
    body, text, calls = MESSAGES[what]
    assert said("anthropic", body) == (text, calls)


def test_why_a_model_refused_is_told() -> None:
    details = {"type": "refusal", "explanation": "of what was asked"}
    ended = {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}}
    reply, _ = read("anthropic", sse(START, ended, {"type": "message_stop"}))
    assert reply.finish and (reply.finish.reason, reply.finish.refusal) == ("refusal", "of what was asked")


def event(kind: str, **fields: Any) -> Any:
    return {"type": f"response.{kind}", **fields}


def item(kind: str, item_id: str | None, **fields: Any) -> Any:
    return {"type": kind, "id": item_id, **fields}


def spoke(name: str | None) -> Any:
    return item("message", name, content=[{"type": "output_text", "text": "hi"}])


def call(name: str, arguments: Any = '{"a":1}') -> Any:
    return item("function_call", name, call_id="c", name="f", arguments=arguments)


def whole(*output: Any) -> Any:
    return {"object": "response", "status": "completed", "output": list(output)}


HI = event("output_text.delta", output_index=0, delta="hi")
NOTED = event("function_call_arguments.done", output_index=0, arguments='{"a":1}')
CALL = [("f", '{"a":1}')]
RESPONSES = {
    "other ids at the end": (
        sse(HI, event("output_item.done", output_index=0, item=spoke("x")),
            event("output_item.done", output_index=1, item=call("y")),
            event("completed", response=whole(spoke("p"), call("q")))),
        "hi", CALL,
    ),
    "other places at the end": (
        sse(event("output_text.delta", output_index=1, delta="hi"), event("completed", response=whole(spoke("p")))),
        "hi", [],
    ),
    "no places and no ids": (
        sse(event("output_text.delta", delta="hi"), event("output_item.done", item=spoke(None)),
            event("completed", response=whole(spoke(None)))),
        "hi", [],
    ),
    "nothing at the end": (
        sse(HI, event("output_item.added", output_index=0, item=call("y", "")), NOTED,
            event("completed", response=whole())),
        "hi", CALL,
    ),
    "arguments only where they end": (
        sse(event("output_item.added", output_index=0, item=call("y", "")), NOTED,
            event("output_item.done", output_index=0, item=call("y", "")),
            event("completed", response=whole(call("y")))),
        "", CALL,
    ),
    "arguments only in pieces": (
        sse(event("output_item.added", output_index=0, item=call("y", "")),
            *(event("function_call_arguments.delta", output_index=0, delta=part) for part in ('{"a"', ":1}")),
            event("completed", response=whole())),
        "", CALL,
    ),
    "text only where it ends": (
        sse(event("output_text.done", output_index=0, text="hi"), event("completed", response=whole())), "hi", [],
    ),
    "arguments as an object": (whole(call("y", {"a": 1})), "", [("f", '{"a": 1}')]),
    "content as a text": (whole(item("message", "x", content="hi")), "hi", []),
}  # fmt: skip


@pytest.mark.parametrize("what", RESPONSES)
def test_responses(what: str) -> None:
    body, text, calls = RESPONSES[what]
    assert said("openai-responses", body) == (text, calls)


@pytest.mark.parametrize("why", ["SAFETY", "OTHER", "JAILBREAK", "a word of tomorrow"])
def test_a_blocked_prompt_is_blocked_whatever_the_word(why: str) -> None:
    reply, error = read("gemini", {"promptFeedback": {"blockReason": why}})
    assert (
        error is None and reply.finish and (reply.finish.reason, reply.finish.raw) == ("content_filter", why)
    )


@pytest.mark.parametrize(
    ("why", "meant"), [("IMAGE_PROHIBITED_CONTENT", "content_filter"), ("NO_IMAGE", "error")]
)
def test_words_of_gemini_for_pictures(why: str, meant: str) -> None:
    reply, _ = read("gemini", {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": why}]})
    assert reply.finish and reply.finish.reason == meant


def test_cohere_of_old_without_a_finish_reason() -> None:
    assert said("cohere", {"text": "hi", "generation_id": "g", "meta": {}}) == ("hi", [])
