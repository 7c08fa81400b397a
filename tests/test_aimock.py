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
from urllib.request import ProxyHandler, build_opener

import pytest

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
        {"match": {"userMessage": "weather"},
         "response": {"toolCalls": [{"name": "get_weather", "arguments": '{"city":"Oslo"}'}]}},
        {"match": {"userMessage": "think"}, "response": {"content": "42", "reasoning": "Six times seven."}},
        {"match": {"userMessage": "limited", "sequenceIndex": 0}, "response": {
            "error": {"message": "Rate limit exceeded", "type": "rate_limit_error"}, "status": 429}},
        {"match": {"userMessage": "limited", "sequenceIndex": 1}, "response": {"content": "second try"}},
        {"match": {"userMessage": "cut"}, "response": {"content": "This answer stops in the middle of it all."},
         "truncateAfterChunks": 3, "chunkSize": 8, "latency": 40},
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


@pytest.fixture(params=["openai", "anthropic", "ollama"])
def ask(request, arawn, server):
    base = server + ("/v1" if request.param == "openai" else "")
    config = (
        f'[llm]\nbackend = "a"\n[backends.a]\ndialect = "{request.param}"\nbase_url = "{base}"\nmodel = "gpt-4o"\n'
        '[backends.a.retry]\ninitial_delay = "10ms"\n'
    )

    def run(*words: str):
        done = arawn("ask", "--json", *words, config=config)
        return json.loads(done.stdout), done

    run.dialect = request.param
    return run


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_an_answer(ask, how) -> None:
    made, done = ask(how, "hello")
    assert (made["text"], made["finish"], made["ok"], done.returncode) == (TEXT, "stop", True, 0)
    if ask.dialect == "openai":
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
    assert made["text"] == "42"
    if ask.dialect != "ollama":  # there it sends `reasoning_content`; the real one sends `thinking`
        assert made["reasoning"] == "Six times seven."


def test_a_rate_limit_and_a_cut(arawn, server) -> None:
    config = (
        f'[llm]\nbackend = "a"\n[backends.a]\ndialect = "openai"\nbase_url = "{server}/v1"\nmodel = "gpt-4o"\n'
        '[backends.a.retry]\ninitial_delay = "10ms"\n'
    )
    made = json.loads(arawn("ask", "--json", "limited", config=config).stdout)
    assert made["text"] == "second try" and [attempt["status"] for attempt in made["attempts"]] == [429, 200]
    done = arawn("ask", "--json", "cut", config=config)
    made = json.loads(done.stdout)
    assert made["finish"] == "cut" and made["error"]["code"] == "cut" and done.returncode == 5
    assert "This answer stops in the middle of it all.".startswith(made["text"])
