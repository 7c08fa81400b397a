"""Whatever a session holds, and wherever it was broken off, every service takes it: no request is a 400.

`Rules` are what the services' references and their errors say of the order of messages; they read the JSON
that is sent and know nothing of how it was made.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.backends.configured import Configured, Known
from arawn.engine import Conversation
from arawn.events import Event, Finish, Text
from arawn.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    user,
)
from arawn.orderly import NOT_RUN, orderly
from arawn.providers import DIALECTS, PROVIDERS
from arawn.session import Receipt, Session, Turn
from arawn.wire import Target

ORIGINS = [("b", "m"), ("b", "another"), ("elsewhere", "m")]
SIGNED = "s1gned-"
OPAQUE: dict[str, dict[str, Any]] = {
    "anthropic": {"type": "thinking", "thinking": "hm", "signature": SIGNED},
    "openai": {"reasoning_details": [{"type": "reasoning.encrypted", "data": SIGNED}]},
    "openai-responses": {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": SIGNED},
    "gemini": {"thoughtSignature": SIGNED},
}
PNG = FilePart(b"\x89PNG\r\n\x1a\n....", "image/png", "a.png")
PDF = FilePart(b"%PDF-1.7", "application/pdf", "a.pdf")


def target(dialect: str, backend: str = "b", model: str = "m") -> Target:
    row = next((row for row in PROVIDERS.values() if row.dialect == dialect), PROVIDERS["custom"])
    options = {**DIALECTS[dialect].options, **row.options}
    return Target(backend, row.name, row.label, "http://localhost", model, options)


def sent(dialect: str, messages: tuple[Message, ...], where: Target | None = None) -> dict[str, Any]:
    """The body of a request that goes through all that a request goes through."""
    module = importlib.import_module("arawn.wire." + dialect.replace("-", "_"))
    bodies: list[Any] = []

    class Door:
        name, model = "b", "m"

        def stream(self, request: Request) -> Iterator[Event]:
            bodies.append(module.write(request, where or target(dialect)).body)
            yield Text("ok")
            yield Finish("stop")

        def close(self) -> None: ...

    known = Known(lambda: module.MEDIA, list, lambda: ("native",))
    backend = Configured(Door(), {}, None, {}, known)
    session = Session()
    *before, last = messages
    if before:
        session.add(Turn("before", None, tuple(before), Receipt()))
    list(Conversation(session).ask(backend, last.text))
    body: dict[str, Any] = json.loads(json.dumps(bodies[0]))
    return body


def alternate(roles: list[str], first: str = "user") -> None:
    assert roles[0] == first, roles
    assert all(a != b for a, b in zip(roles, roles[1:], strict=False)), roles
    assert roles[-1] == first, roles


def chat_rules(body: Any, object_arguments: bool = False, by_name: bool = False) -> None:
    """Chat completions at their strictest: OpenAI's calls, Mistral's and Perplexity's roles, vLLM's JSON."""
    waiting: list[str] = []
    seen: set[str] = set()
    roles = []
    for message in body["messages"]:
        role, content, calls = message["role"], message.get("content"), message.get("tool_calls")
        if role != "tool":
            assert not waiting, "calls that nobody answered"
            roles.append(role)
            text = content if isinstance(content, list) else (content or "").strip()
            assert calls or text or message.get("images"), message
            if isinstance(content, list):
                assert all(part.get("text", "x").strip() for part in content)
        for call in calls or ():
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["function"]["name"])
            arguments = call["function"]["arguments"]
            assert isinstance(arguments if object_arguments else json.loads(arguments), dict)
            waiting.append(call["function"]["name"] if by_name else call["id"])
            if not by_name:
                assert call["id"] and call["id"] not in seen, "one id twice"
                seen.add(call["id"])
        if role == "tool":
            waiting.remove(message["tool_name" if by_name else "tool_call_id"])
            roles += ["tool"] if roles[-1] != "tool" else []
    assert not waiting
    order = " ".join(roles)
    assert re.fullmatch(r"(user assistant (tool assistant )*)*user", order), order


def anthropic_rules(body: Any) -> None:
    messages = body["messages"]
    alternate([message["role"] for message in messages])
    seen: set[str] = set()
    calls: list[str] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        assert blocks
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert sorted(results) == sorted(calls), "each call has one result in the next message, and no other"
        kinds = [block["type"] for block in blocks]
        assert kinds[: len(results)] == ["tool_result"] * len(results), "results stand first"
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        assert len(set(calls)) == len(calls) and not seen & set(calls)
        seen |= set(calls)
        for block in blocks:
            assert block.get("text", "x").strip()
            assert block is not blocks[-1] or block["type"] != "thinking"
            if block["type"] == "tool_use":
                assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", block["id"])
                assert re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", block["name"]) and isinstance(
                    block["input"], dict
                )
    assert not calls


def gemini_rules(body: Any) -> None:
    alternate([content["role"] for content in body["contents"]])
    calls: list[Any] = []
    for content in body["contents"]:
        assert content["parts"]
        results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        assert [(r["name"], r.get("id")) for r in results] == calls, (
            "as many results as calls, in their order"
        )
        calls = [
            (part["functionCall"]["name"], part["functionCall"].get("id"))
            for part in content["parts"]
            if "functionCall" in part
        ]
        for part in content["parts"]:
            assert set(part) & {"text", "inlineData", "functionCall", "functionResponse"}
            assert part.get("text") != "" or part.get("thoughtSignature")
    assert not calls


def responses_rules(body: Any) -> None:
    calls: set[str] = set()
    answered: set[str] = set()
    for place, item in enumerate(body["input"]):
        kind = item.get("type", "message")
        if kind == "function_call":
            assert item["call_id"] not in calls and isinstance(json.loads(item["arguments"]), dict)
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", item["name"])
            calls.add(item["call_id"])
        elif kind == "function_call_output":
            assert item["call_id"] in calls - answered
            answered.add(item["call_id"])
        elif kind == "reasoning":
            following = body["input"][place + 1]
            assert following.get("role") != "user", "reasoning without what it led to"
        else:
            content = item["content"]
            texts = [content] if isinstance(content, str) else [part.get("text", "x") for part in content]
            assert texts and all(text.strip() for text in texts)
    assert calls == answered


def transcript_rules(body: Any) -> None:
    prompt = body["inputs"] if "inputs" in body else body["input"]["prompt"]
    assert prompt.strip() and "Assistant: \n" not in prompt


RULES: dict[str, Callable[[Any], None]] = {
    "openai": chat_rules,
    "openai-responses": responses_rules,
    "anthropic": anthropic_rules,
    "gemini": gemini_rules,
    "cohere": chat_rules,
    "ollama": lambda body: chat_rules(body, True, True),
    "replicate": transcript_rules,
    "huggingface": transcript_rules,
}

texts = st.sampled_from(["", " ", "\n", "Hello", "two\nlines", "{}", "日本語"])
ids = st.sampled_from(["call_0", "call_0", "call.1", "call:1", "", "toolu_" + "x" * 70, "call_0_2", "é"])
names = st.sampled_from(["weather", "weather", "my.tool", "get weather", "", "x" * 80])
arguments = st.sampled_from(["{}", '{"city": "Oslo"}', '{"city": ', "", "[1]", "null", "NaN", "plain"])
origins = st.sampled_from(ORIGINS)
opaques = st.sampled_from([None, *OPAQUE.values()])
calls = st.builds(
    ToolCallPart, ids, names, arguments, st.sampled_from([None, {"id": "native"}, OPAQUE["gemini"]]), origins
)
reasonings = st.builds(ReasoningPart, texts, opaques, origins)
spoken = st.lists(st.one_of(st.builds(TextPart, texts), reasonings, calls), max_size=4)


@st.composite
def logs(draw: st.DrawFn) -> list[Message]:
    """What a session may hold: turns with files, reasoning, calls, their results or some of them, and breaks."""
    log: list[Message] = []
    for _ in range(draw(st.integers(0, 4))):
        files = tuple(draw(st.lists(st.sampled_from([PNG, PDF]), max_size=1)))
        if draw(st.integers(0, 5)):
            log.append(user(draw(texts), files))
        for _ in range(draw(st.integers(0, 2))):
            parts = tuple(draw(spoken))
            log.append(Message("assistant", parts))
            made = [part for part in parts if isinstance(part, ToolCallPart)]
            results = tuple(ToolResultPart(call.id, call.name, draw(texts)) for call in made)
            if results and not draw(st.booleans()):
                log.append(Message("tool", results[: draw(st.integers(1, len(results)))]))
        if not draw(st.integers(0, 4)):
            log.append(Message("tool", (ToolResultPart("call_9", "lost", "?"),)))
    return log


@pytest.mark.parametrize("dialect", RULES)
@settings(max_examples=60, deadline=None)
@given(log=logs(), cut=st.integers(0, 12))
def test_F_DB_14_any_prefix_of_a_log_is_a_valid_request(dialect: str, log: list[Message], cut: int) -> None:
    body = sent(dialect, (*log[:cut], user("And now?")))
    RULES[dialect](body)
    assert "And now?" in json.dumps(body)
    module = importlib.import_module("arawn.wire." + dialect.replace("-", "_"))
    if "image" not in module.MEDIA:
        assert PNG.base64 not in json.dumps(body)


@pytest.mark.parametrize("dialect", RULES)
@settings(max_examples=30, deadline=None)
@given(log=logs())
def test_F_DB_14_signatures_go_home_alone(dialect: str, log: list[Message]) -> None:
    away = target(dialect, "new", "model")
    assert SIGNED not in json.dumps(sent(dialect, (*log, user("And now?")), away))


BROKEN: dict[str, tuple[Part, ...]] = {
    "a call without its result": (
        TextPart("Let me see."),
        ToolCallPart("call_1", "weather", '{"city": "Oslo"}'),
    ),
    "a call cut in its arguments": (ToolCallPart("call_1", "weather", '{"ci'),),
    "reasoning and nothing else": (ReasoningPart("hm", OPAQUE["anthropic"], ("b", "m")),),
    "blanks": (TextPart(" \n"),),
    "nothing": (),
}


@pytest.mark.parametrize("dialect", RULES)
@pytest.mark.parametrize("broken", BROKEN)
def test_F_DB_14_an_answer_that_broke_off(dialect: str, broken: str) -> None:
    body = sent(dialect, (user("Oslo?", (PNG,)), Message("assistant", BROKEN[broken]), user("And now?")))
    RULES[dialect](body)
    if broken.startswith("a call"):
        assert NOT_RUN in json.dumps(body)


def test_results_of_several_messages_and_of_calls_that_share_an_id() -> None:
    call = ToolCallPart("call_0", "t", "{}")
    turn = (
        user("One"),
        Message("assistant", (call, ToolCallPart("b", "t", "{}"))),
        Message("tool", (ToolResultPart("b", "t", "second"),)),
        Message("tool", (ToolResultPart("call_0", "t", "first"),)),
        Message("assistant", (TextPart("Done."),)),
    )
    made = orderly((*turn, user("Two"), Message("assistant", (call,)), user("Three")))
    assert [message.role for message in made] == [
        "user", "assistant", "tool", "assistant", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert [part.content for part in made[2].parts if isinstance(part, ToolResultPart)] == ["first", "second"]
    assert made[5].parts == (call._replace(id="call_0_2"),)
    assert made[6].parts == (ToolResultPart("call_0_2", "t", NOT_RUN, True),)


def test_what_is_in_order_stays_as_it_is() -> None:
    messages = (
        user("What?", (PNG,)),
        Message("assistant", (ReasoningPart("hm"), TextPart("See."), ToolCallPart("c", "t", "{}"))),
        Message("tool", (ToolResultPart("c", "t", "rain"),)),
        Message("assistant", (TextPart("Rain."),)),
        user("Thanks."),
    )
    assert orderly(messages) == messages
    assert orderly((user(" "),)) == (user(" "),)


def test_two_messages_of_one_side_are_told_apart() -> None:
    assert orderly((user("One\n"), user("Two"))) == (user("One\n\nTwo"),)
    assert orderly((user("One"), user("Two", (PNG,))))[0].parts == (TextPart("One"), PNG, TextPart("Two"))
