"""A run against a server nobody here wrote: aimock, from npm (`@copilotkit/aimock`).

$AIMOCK names its program `llmock`, else it is looked for on the PATH. Where it differs from the real services
the real ones are right, so only what it has in common with them is asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import tomllib
from urllib.request import ProxyHandler, build_opener

import pytest
from http_kit import access

from arawn.backends.http import HttpBackend, Limits
from arawn.events import Text
from arawn.messages import Message, Request, ToolCallPart, ToolResultPart, ToolSpec, user
from arawn.wire import Target

LLMOCK = os.environ.get("AIMOCK") or shutil.which("llmock") or ""
pytestmark = [
    pytest.mark.aimock,
    pytest.mark.skipif(
        not LLMOCK, reason="aimock is not installed: npm install @copilotkit/aimock, then AIMOCK=.../llmock"
    ),
]

TEXT = "Hello from **another** server. Zażółć 日本 🎉"
FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "hello"}, "chunkSize": 7,
         "response": {"content": TEXT, "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}},
        {"match": {"userMessage": "weather", "hasToolResult": True}, "response": {"content": "It is 4 C in Oslo."}},
        {"match": {"userMessage": "weather"},
         "response": {"toolCalls": [{"name": "get_weather", "arguments": '{"city":"Oslo"}'}]}},
        {"match": {"userMessage": "both cities"},
         "response": {"toolCalls": [{"name": "get_weather", "arguments": '{"city":"Oslo"}'},
                                    {"name": "get_weather", "arguments": '{"city":"Łódź"}'}]}},
        {"match": {"userMessage": "think"}, "response": {"content": "42", "reasoning": "Six times seven."}},
        {"match": {"userMessage": "limited", "sequenceIndex": 0}, "response": {
            "error": {"message": "Rate limit exceeded", "type": "rate_limit_error"}, "status": 429, "retryAfter": 1}},
        {"match": {"userMessage": "limited", "sequenceIndex": 1}, "response": {"content": "second try"}},
        {"match": {"userMessage": "cut"}, "response": {"content": "This answer stops in the middle of it all."},
         "truncateAfterChunks": 6, "chunkSize": 8, "latency": 40},
        *({"match": {"userMessage": f"fails {status}"}, "response": {
            "error": {"message": message, "type": "some_error"}, "status": status}} for status, message in (
            (401, "no such key"), (404, "model not found"), (400, "maximum context length is 8"), (503, "busy now"))),
    ]
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aimock")
    (folder / "fixtures.json").write_text(json.dumps(FIXTURES))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [LLMOCK, "-p", str(port), "-f", str(folder), "--log-level", "silent"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    opener = build_opener(ProxyHandler({}))
    for _ in range(200):
        try:
            opener.open(f"{url}/v1/models", timeout=1).close()
            break
        except OSError:
            assert process.poll() is None, "aimock ended"
            time.sleep(0.05)
    yield url
    process.terminate()
    process.wait(10)


PLACES = {
    "openai": 'dialect = "openai"\nbase_url = "{url}/v1"',
    "openai-responses": 'dialect = "openai-responses"\nbase_url = "{url}/v1"',
    "anthropic": 'dialect = "anthropic"\nbase_url = "{url}"',
    "gemini": 'dialect = "gemini"\nbase_url = "{url}/v1beta"',
    "ollama": 'dialect = "ollama"\nbase_url = "{url}"',
    "cohere": 'dialect = "cohere"\nbase_url = "{url}"',
    "azure": 'provider = "azure"\nendpoint = "{url}"\napi_version = "2024-10-21"\napi_key = "k-0123456789"',
    "azure-v1": 'provider = "azure"\nendpoint = "{url}"\napi_key = "k-0123456789"',
}
COUNTED = ("openai", "openai-responses", "gemini", "azure", "azure-v1")
"""Where aimock sends the token counts of its fixtures as the real services would."""


@pytest.fixture(params=PLACES)
def ask(request, arawn, server, tmp_path):
    config = (
        f'[llm]\nbackend = "a"\n[backends.a]\n{PLACES[request.param].format(url=server)}\nmodel = "gpt-4o"\n'
        '[backends.a.retry]\ninitial_delay = "10ms"\n'
        f'[backends.a.headers]\nX-Test-Id = "{request.node.name}"\n'
    )

    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    (work / "pic.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")

    def run(*words: str):
        done = arawn("ask", "--json", *words, config=config)
        return json.loads(done.stdout), done

    run.dialect = request.param
    return run


@pytest.fixture(params=[name for name in PLACES if "azure" not in name])
def dialect_door(request, server):
    """A backend of one dialect, the dialect, and what the journal has of its last request."""
    values = tomllib.loads(PLACES[request.param].format(url=server))
    backend = HttpBackend(
        Target("b", "custom", "aimock", values["base_url"], "gpt-4o"), values["dialect"], access(), Limits()
    )

    def journal():
        with build_opener(ProxyHandler({})).open(f"{server}/__aimock/journal", timeout=5) as reply:
            return json.loads(reply.read())[-1]["body"]

    return backend, request.param, journal


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_an_answer(ask, how) -> None:
    made, done = ask(how, "hello")
    assert (made["text"], made["finish"], made["ok"], done.returncode) == (TEXT, "stop", True, 0)
    if ask.dialect in COUNTED:
        assert (made["usage"]["input"], made["usage"]["output"]) == (11, 7)


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_tool_call(ask, how) -> None:
    made, done = ask(how, "weather")
    assert [(call["name"], call["arguments"]) for call in made["tool_calls"]] == [
        ("get_weather", {"city": "Oslo"})
    ]
    assert made["finish"] == "tool_calls" and done.returncode == 0


def test_reasoning(ask) -> None:
    made, _ = ask("think")
    if ask.dialect != "cohere":  # there it sends reasoning as text; the real one sends `thinking`
        assert made["text"] == "42"
    if ask.dialect not in ("ollama", "cohere"):  # there it sends `reasoning_content`; the real one `thinking`
        assert made["reasoning"] == "Six times seven."


def test_what_was_sent_is_what_the_server_understood(ask, server) -> None:
    """A picture, a system prompt and limits, as aimock's journal has them."""
    _, done = ask("-s", "Be brief.", "-o", "backends.a.max_tokens=77", "-f", "pic.png", "hello")
    assert done.returncode == 0, done.stderr
    with build_opener(ProxyHandler({})).open(f"{server}/__aimock/journal", timeout=5) as reply:
        journal = reply.read().decode()
    body = json.loads(journal)[-1]["body"]  # in aimock's own form, whatever dialect it came in
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Be brief."} and user["role"] == "user"
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert body["stream"] is True and body["model"] == "gpt-4o"
    assert "hello" in str(user["content"])
    if ask.dialect in ("openai", "azure"):  # of the others it keeps the text alone
        assert user["content"][0]["image_url"]["url"].startswith("data:image/png;base64,iVBORw")


def test_parallel_tool_calls(ask) -> None:
    made, done = ask("both cities")
    assert [call["arguments"]["city"] for call in made["tool_calls"]] == ["Oslo", "Łódź"]
    assert len({call["id"] for call in made["tool_calls"]}) == 2 and done.returncode == 0


def test_F_NET_13_a_rate_limit_is_waited_for(ask) -> None:
    made, _ = ask("limited")
    assert made["text"] == "second try" and [attempt["status"] for attempt in made["attempts"]] == [429, 200]
    assert made["attempts"][1]["waited_s"] == pytest.approx(1.0, abs=0.3)


def test_F_NET_10_F_NET_11_F_NET_12_F_NET_17_error_statuses(ask) -> None:
    for status, code, exit_code in (
        (401, "auth", 4),
        (404, "model", 7),
        (400, "context", 7),
        (503, "overloaded", 6),
    ):
        made, done = ask(f"fails {status}")
        assert (made["error"]["code"], made["error"]["status"], done.returncode) == (code, status, exit_code)
        assert len(made["attempts"]) == (3 if status == 503 else 1)


def test_F_STREAM_04_a_cut(ask) -> None:
    made, done = ask("cut")
    assert made["finish"] == "cut" and made["error"]["code"] == "cut" and done.returncode == 5
    assert made["text"] and "This answer stops in the middle of it all.".startswith(made["text"])


def test_tools_and_their_results_as_the_server_understood_them(dialect_door) -> None:
    """Two calls at once and their results, in aimock's own form of what came."""
    tool = ToolSpec(
        "get_weather", "tells the weather", {"type": "object", "properties": {"city": {"type": "string"}}}
    )
    calls = tuple(
        ToolCallPart(f"call_{n}", "get_weather", f'{{"city":"{city}"}}')
        for n, city in enumerate(("Oslo", "Rome"))
    )
    request = Request(
        (user("weather"), Message("assistant", calls),
         Message("tool", tuple(ToolResultPart(call.id, call.name, f"result {call.id}") for call in calls))),
        system="Be brief.", tools=(tool,), temperature=0.5,
    )  # fmt: skip
    backend, name, journal = dialect_door
    text = "".join(event.text for event in backend.stream(request) if isinstance(event, Text))
    backend.close()
    assert text == "It is 4 C in Oslo."
    body = journal()
    roles = [message["role"] for message in body["messages"]]
    assert (
        list(dict.fromkeys(roles)) == ["system", "user", "assistant", "tool"] and body["temperature"] == 0.5
    )
    made = [call for message in body["messages"] for call in message.get("tool_calls") or ()]
    results = [message for message in body["messages"] if message["role"] == "tool"]
    assert [json.loads(call["function"]["arguments"])["city"] for call in made] == ["Oslo", "Rome"]
    assert [result["content"].replace('{"result":"', "").rstrip('"}') for result in results] == [
        "result call_0",
        "result call_1",
    ]
    if name not in ("gemini", "ollama"):  # these send no ids; aimock makes some of its own
        assert (
            [call["id"] for call in made]
            == [result["tool_call_id"] for result in results]
            == ["call_0", "call_1"]
        )
    (known,) = body["tools"]
    assert (known["function"]["name"], known["function"]["description"]) == (
        "get_weather",
        "tells the weather",
    )
    if name != "gemini":  # it does not look at `parametersJsonSchema`, the real one does
        assert known["function"]["parameters"]["properties"]["city"]["type"] == "string"
