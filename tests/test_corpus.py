"""Recorded replies of real services, read as they came, cut at every byte, and torn."""

from __future__ import annotations

import collections
import hashlib
import importlib
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from arawn.errors import ArawnError, Cut, EmptyAnswer
from arawn.events import Collector, Finish, Progress
from arawn.wire import Next, Target
from arawn.wire.faults import fault
from arawn.wire.frames import split

FOLDER = Path(__file__).parents[2] / "shared" / "corpus" / "dev"
DIALECTS = {
    "chat.completions": "openai",
    "anthropic.messages": "anthropic",
    "ollama.chat": "ollama",
    "ollama.generate": "ollama",
    "google.generate": "gemini",
    "responses": "openai_responses",
    "cohere.v1.chat": "cohere",
    "cohere.v2.chat": "cohere",
    "hf.inference": "huggingface",
    "replicate.predictions": "replicate",
    "replicate.stream": "replicate",
}
TARGET = Target("b", "custom", "the service", "http://x", "asked-model")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded replies at {FOLDER.name}")

KNOWN = {  # where we read otherwise than the record: (what, why)
    "google-ac385f26ec": ("tools", "arguments streamed by path are one call, the record counts each piece"),
    **dict.fromkeys(
        (
            "replicate-288d5136a7",
            "replicate-7a1f0d941a",
            "replicate-c311be4c76",
            "replicate-d623ff49a4",
            "replicate-dee0f3c1e5",
        ),
        ("text", "the address of a picture is the answer of a picture model, the record has no text"),
    ),
    "google-d0afc7200c": ("tools", "arguments streamed by path are one call, the record counts each piece"),
}

CLASSES = {  # the exit code by status where no words say otherwise
    401: {"auth"}, 403: {"auth"}, 404: {"model", "refused"}, 408: {"timeout"}, 413: {"context"},
    429: {"rate_limited", "context"}, 500: {"overloaded"}, 502: {"unreachable"}, 503: {"overloaded"},
    504: {"timeout"}, 529: {"overloaded"},
}  # fmt: skip


OTHERS = {  # read elsewhere: test_listing.py, test_vectors.py, and below
    "models", "google.models", "cohere.models", "ollama.models", "embeddings", "google.embeddings",
    "cohere.v1.embeddings", "cohere.v2.embeddings", "cohere.v?.embeddings", "ollama.embeddings",
    "ollama.misc", "ollama.progress",
}  # fmt: skip


@cache
def everything() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/*.json"))]


@cache
def cases() -> list[dict[str, Any]]:
    return [
        case
        for case in everything()
        if case["api"] in DIALECTS and "embeddings" not in case["expect"] and "models" not in case["expect"]
    ]


def rng(case: dict[str, Any], salt: str) -> random.Random:
    return random.Random(hashlib.sha256((case["id"] + salt).encode()).digest())


def read(case: dict[str, Any], chunks: list[bytes]):
    dialect = importlib.import_module(f"arawn.wire.{DIALECTS[case['api']]}")
    kind = dict(case["response"]["headers"]).get("content-type", "")
    collector = Collector()
    error = None
    at_work = False
    try:
        for event in dialect.read(split(chunks, kind), TARGET):
            if isinstance(event, Next):
                at_work = True
                continue
            if at_work and isinstance(event, Progress):  # how it stands is all that can be read of it
                event = Finish("stop", event.label)
            collector.add(event)
    except ArawnError as raised:
        error = raised
    return collector.reply, error


def body(case: dict[str, Any]) -> bytes:
    return case["response"]["body"].encode()


def arguments(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {"__raw__": text}


def expected_usage(case: dict[str, Any]) -> tuple[Any, Any]:
    """Ours counts all prompt tokens, cached ones too, and all output, reasoning too; providers differ.

    Anthropic's `input` leaves cached tokens out; Google's `output` leaves reasoning out, and xAI's does
    where the total says so.
    """
    said = case["expect"].get("usage") or {}
    sent, made = said.get("input"), said.get("output")
    if case["api"] == "google.generate":
        return sent, None if made is said.get("reasoning") is None else (made or 0) + (said["reasoning"] or 0)
    if case["api"] == "anthropic.messages" and sent is not None:
        sent += (said.get("cached") or 0) + (said.get("cache_write") or said.get("cache_creation") or 0)
    thought, total = said.get("reasoning"), said.get("total")
    if (
        None not in (sent, made, thought, total)
        and case["api"] == "chat.completions"
        and total == sent + made + thought
    ):
        made += thought
    return sent, made


def differences(case: dict[str, Any], chunks: list[bytes]) -> list[str]:
    expect, wrong = case["expect"], []
    reply, error = read(case, chunks)
    if expect.get("error"):
        if error is None:
            return ["no error"]
        message = " ".join(str(expect["error"]["message"]).split())
        if error.detail[:60] != message[:60]:
            wrong.append(f"message {error.detail[:60]!r} != {message[:60]!r}")
    elif error is not None:
        return [f"error {error.sentence} {error.detail}"]
    text, reasoning = expect.get("text") or "", expect.get("reasoning") or ""
    if "inline_think" in case["tags"]:  # the record keeps the tags in the text; we take the reasoning out
        if not text.lstrip().startswith("<think>"):
            wrong.append("unexpected inline reasoning")
        inside, _, after = text.lstrip().removeprefix("<think>").partition("</think>")
        text, reasoning = after.lstrip(), reasoning + inside
    if reply.text != text:
        wrong.append(f"text {reply.text[:60]!r} != {text[:60]!r}")
    if reply.reasoning != reasoning:
        wrong.append(f"reasoning {reply.reasoning[:80]!r} != {reasoning[:80]!r}")
    calls = [(call.name, arguments(call.arguments)) for call in reply.tool_calls]
    if calls != [(call["name"], call["args"]) for call in expect.get("tool_calls") or []]:
        wrong.append(f"tools {calls} != {expect.get('tool_calls')}")
    if case["id"] in KNOWN:
        wrong = [line for line in wrong if not line.startswith(KNOWN[case["id"]][0])]
    if len({call.id for call in reply.tool_calls}) != len(calls) or not all(
        call.id for call in reply.tool_calls
    ):
        wrong.append("tool ids")
    if not error:
        raw = reply.finish.raw if reply.finish else None
        if (raw or None) != (expect.get("finish_reason") or None):
            wrong.append(f"finish {raw} != {expect.get('finish_reason')}")
        if expect.get("usage") and (reply.usage.input, reply.usage.output) != expected_usage(case):
            wrong.append(f"usage {reply.usage} != {expect['usage']}")
        if (reply.finish.refusal or None) != (expect.get("refusal") or None) and expect.get(
            "refusal"
        ) is not None:
            wrong.append(f"refusal {reply.finish.refusal!r} != {expect.get('refusal')!r}")
    return wrong


def replies() -> list[dict[str, Any]]:
    return [case for case in cases() if case["kind"] != "error"]


def check(make) -> None:
    wrong = {case["id"]: found for case in replies() if (found := differences(case, make(case)))}
    print(f"{len(replies()) - len(wrong)} of {len(replies())} replies read as recorded")
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)[:6000]


def test_every_reply_whole() -> None:
    check(lambda case: [body(case)])


def test_every_reply_cut_at_random() -> None:
    def pieces(case):
        data, chance, at, found = body(case), rng(case, "cut"), 0, []
        while at < len(data):
            step = chance.randint(1, 400)
            found.append(data[at : at + step])
            at += step
        return found

    check(pieces)


def test_F_STREAM_07_replies_byte_by_byte() -> None:
    sample = random.Random(7).sample([c for c in replies() if len(c["response"]["body"]) < 60_000], 60)
    wrong = {}
    for case in sample:
        data = body(case)
        found = differences(case, [data[n : n + 1] for n in range(len(data))])
        if found:
            wrong[case["id"]] = found
    assert not wrong, wrong


def test_F_STREAM_04_a_torn_stream_is_never_whole() -> None:
    """Cut before its last event every stream must say so, unless its finish had come."""
    silent = []
    for case in replies():
        if case["kind"] != "stream" or case["expect"].get("error"):
            continue
        data, chance = body(case), rng(case, "torn")
        whole, _ = read(case, [data])
        for _ in range(6):
            reply, error = read(case, [data[: chance.randrange(len(data))]])
            if error is None and (reply.finish is None or not reply.finish.raw):
                silent.append(case["id"])
            if error is None and reply.text != whole.text:
                silent.append(case["id"] + " lost text")
            if error is not None and not isinstance(error, Cut | EmptyAnswer):
                silent.append(f"{case['id']} {error!r}")
            assert whole.text.startswith(reply.text)
    assert not silent, silent


def test_every_error() -> None:
    wrong = {}
    errors = [case for case in everything() if case["kind"] == "error"]
    for case in errors:
        status, expect = case["response"]["status"], case["expect"]["error"]
        headers = {name.lower(): value for name, value in case["response"]["headers"]}
        made = fault(status, headers, body(case), TARGET)
        message = " ".join(str(expect["message"] or "").split())
        problems = []
        if message[:60] not in made.detail and made.detail[:60] not in message:
            problems.append(f"{made.detail[:80]!r} != {message[:80]!r}")
        allowed = CLASSES.get(status, {"refused", "model", "context", "auth", "rate_limited"})
        for tag, code in (("error_context", "context"), ("error_model", "model")):
            if tag in case["tags"]:
                allowed = {code}
        if made.code not in allowed or made.status != status:
            problems.append(f"{made.code} {made.status} not in {allowed}: {message[:80]}")
        if status == 429 and "try again in" in message and made.retry_after is None:
            problems.append("no retry_after")
        if problems:
            wrong[case["id"]] = problems
    print(f"{len(errors) - len(wrong)} of {len(errors)} errors read as recorded")
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)[:6000]


def test_no_recorded_reply_is_left_out() -> None:
    left = {case["api"] for case in everything()} - set(DIALECTS) - OTHERS
    assert not left
    counted = collections.Counter(case["kind"] for case in everything())
    print(f"{sum(counted.values())} recorded replies: {dict(counted)}")


def test_what_ollama_tells_of_models_and_of_fetching_them() -> None:
    from arawn.wire.frames import parse
    from arawn.wire.ollama import described

    for case in everything():
        if case["api"] == "ollama.misc" and case["kind"] == "json":
            assert described(json.loads(case["response"]["body"])).get("context", 1) > 0
        if case["api"] == "ollama.progress":
            lines = [parse(frame) for frame in split([body(case)])]
            said = case["expect"]["progress"]
            assert (len(lines), lines[-1]) == (said["n"], said["last"])
