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


PLACES = {
    "openai": 'dialect = "openai"\nbase_url = "{url}/v1"',
    "openai-responses": 'dialect = "openai-responses"\nbase_url = "{url}/v1"',
    "anthropic": 'dialect = "anthropic"\nbase_url = "{url}"',
    "gemini": 'dialect = "gemini"\nbase_url = "{url}/v1beta"',
    "ollama": 'dialect = "ollama"\nbase_url = "{url}"',
    "cohere": 'dialect = "cohere"\nbase_url = "{url}"',
    "azure": 'provider = "azure"\nendpoint = "{url}"\napi_version = "2024-10-21"\napi_key = "k-0123456789"',
}
COUNTED = ("openai", "openai-responses", "gemini", "azure")
"""Where aimock sends the token counts of its fixtures as the real services would."""


@pytest.fixture(params=PLACES)
def ask(request, arawn, server, tmp_path):
    config = (
        f'[llm]\nbackend = "a"\n[backends.a]\n{PLACES[request.param].format(url=server)}\nmodel = "gpt-4o"\n'
        '[backends.a.retry]\ninitial_delay = "10ms"\n'
    )

    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    (work / "pic.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")

    def run(*words: str):
        done = arawn("ask", "--json", *words, config=config)
        return json.loads(done.stdout), done

    run.dialect = request.param
    return run


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
