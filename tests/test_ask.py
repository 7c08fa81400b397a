"""`arawn ask` from the outside: what goes in, what comes out, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from fake_provider import Conn, FakeProvider, anthropic_stream, json_reply, ollama_stream, openai_stream
from home import FAKE, configure

CONFIG = (
    FAKE
    + """\
api_key = "sk-CANARY-0123456789abcdef"
[backends.fake.retry]
initial_delay = "10ms"
max_delay = "20ms"
"""
)
DOCUMENT = {
    "version", "ok", "backend", "provider", "model", "text", "data", "reasoning", "tool_calls", "citations", "refusal",
    "finish", "finish_raw", "usage", "cost_usd", "attempts", "session", "error",
}  # fmt: skip


@pytest.fixture
def ask(arawn):
    """Ask with a config that points at a fake provider."""

    def run(fake: FakeProvider, *args: str, more: str = "", **options):
        return arawn("ask", *args, config=CONFIG.format(url=fake.url) + more, **options)

    return run


def test_the_answer_alone_is_on_stdout(ask) -> None:
    with FakeProvider(openai_stream(["Hel", "lo **you**\u2028 \x1b[31mred"])) as fake:
        done = ask(fake, "hi")
    assert done.stdout == "Hello **you**\u2028 \x1b[31mred\n", "a pipe gets the text as it came"
    assert "fake · m-1" in done.stderr
    assert done.returncode == 0
    assert fake.requests[0].headers["authorization"] == "Bearer sk-CANARY-0123456789abcdef"
    assert fake.requests[0].json["messages"] == [{"role": "user", "content": "hi"}]


def test_without_anything_the_guide_answers(arawn) -> None:
    done = arawn("ask", "Hello", env={"OLLAMA_HOST": "127.0.0.1:9"})
    assert done.returncode == 0
    assert "arawn" in done.stdout.lower()
    assert "offline" in done.stderr


@pytest.mark.parametrize(
    ("args", "stdin", "said"),
    [
        (["one", "two"], "", "one two"),
        (["explain"], "some text\n", "explain\n\nsome text\n"),
        (["-"], "from pipe", "from pipe"),
        (["before", "-", "after"], "MID", "before MID after"),
        (["--", "-x"], "", "-x"),
        (["hi"], b"bad \xff byte", "hi\n\nbad \ufffd byte"),
        (["-"], "\ufeffbom\r\nline".encode(), "bom\nline"),
        (["-"], "utf sixteen".encode("utf-16"), "utf sixteen"),
    ],
)
def test_prompt(ask, args, stdin, said) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, *args, stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert fake.requests[0].said == said


def test_piped_without_a_command_is_ask(arawn) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = arawn(stdin="hello there", config=CONFIG.format(url=fake.url))
    assert (done.returncode, done.stdout) == (0, "ok\n")
    assert fake.requests[0].said == "hello there"


def test_files(ask, tmp_path) -> None:
    (tmp_path / "a.txt").write_text("alpha ``` beta\n")
    with FakeProvider(openai_stream(["ok"])) as fake:
        ask(fake, "look", "-f", str(tmp_path / "a.txt"))
        assert "a.txt:\n````\nalpha ``` beta\n````" in fake.requests[0].said
        for name, word in (
            (str(tmp_path), "folder"),
            (str(tmp_path / "no"), "No such file"),
            ("/dev/zero", ""),
        ):
            done = ask(fake, "look", "-f", name)
            assert done.returncode == 2 and word in done.stderr and "Traceback" not in done.stderr
        assert len(fake.requests) == 1, "nothing is sent when a file cannot be"


@pytest.mark.parametrize("args", [[], ["  "], [""]])
def test_F_INPUT_10_nothing_to_ask(ask, args) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, *args)
    assert done.returncode == 2 and "nothing to ask" in done.stderr and not fake.requests


def test_settings_reach_the_wire(ask) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(
            fake, "-s", "Be brief", "-m", "m-2", "-o", "backends.fake.temperature=0.25", "hi",
            "-o", "backends.fake.max_tokens=7", more="[backends.fake.extra]\nseed = 3\n",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    body = fake.requests[0].json
    assert body["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("m-2", 0.25, 7, 3)


def test_json_document(ask) -> None:
    with FakeProvider(
        openai_stream(["Hel", "lo"], usage={"prompt_tokens": 3, "completion_tokens": 2})
    ) as fake:
        done = ask(fake, "--json", "hi")
    made = json.loads(done.stdout)
    assert set(made) == DOCUMENT
    assert (made["ok"], made["text"], made["finish"], made["finish_raw"]) == (True, "Hello", "stop", "stop")
    assert made["usage"] == {"input": 3, "output": 2, "cached": None, "reasoning": None}
    assert (made["backend"], made["provider"], made["error"]) == ("fake", "custom", None)
    (attempt,) = made["attempts"]
    assert attempt["status"] == 200 and attempt["error"] is None and attempt["first_event_s"] >= 0


@pytest.mark.parametrize(
    ("status", "body", "exit_code", "code"),
    [
        (401, {"error": {"message": "bad key sk-CANARY-0123456789abcdef"}}, 4, "auth"),
        (
            404,
            {"error": {"message": "The model `m-1` does not exist", "code": "model_not_found"}},
            7,
            "model",
        ),
        (400, {"error": {"message": "too long", "code": "context_length_exceeded"}}, 7, "context"),
        (400, {"error": {"message": "no"}}, 7, "refused"),
        (429, {"error": {"message": "slow down"}}, 6, "rate_limited"),
        (503, {"error": {"message": "busy"}}, 6, "overloaded"),
    ],
)
def test_json_document_on_failure(ask, status, body, exit_code, code) -> None:
    with FakeProvider(json_reply(status, body)) as fake:
        done = ask(fake, "--json", "hi")
    made = json.loads(done.stdout)
    assert set(made) == DOCUMENT and made["ok"] is False
    assert (done.returncode, made["error"]["code"], made["error"]["status"]) == (exit_code, code, status)
    assert "CANARY" not in done.stdout + done.stderr
    posts = [request for request in fake.requests if request.method == "POST"]
    assert len(made["attempts"]) == len(posts) == (3 if exit_code == 6 else 1)


def test_config_failure_is_a_document_too(arawn) -> None:
    done = arawn("ask", "--json", "hi", config="[backends.x]\nnope = 1\n")
    made = json.loads(done.stdout)
    assert set(made) == DOCUMENT and made["error"]["code"] == "config" and done.returncode == 3


def test_jsonl(ask) -> None:
    with FakeProvider(openai_stream(["a", "b"])) as fake:
        done = ask(fake, "--jsonl", "hi")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["text"] for line in lines if line["type"] == "text"] == ["a", "b"]
    assert lines[-1]["type"] == "result" and lines[-1]["text"] == "ab"


def test_no_stream(ask) -> None:
    reply = {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}
    with FakeProvider(json_reply(200, reply)) as fake:
        done = ask(fake, "--no-stream", "hi")
    assert done.stdout == "whole\n" and fake.requests[0].json["stream"] is False


def test_F_STREAM_18_a_cut_at_the_token_limit_is_told(ask) -> None:
    with FakeProvider(openai_stream(["half an ans"], finish="length")) as fake:
        done = ask(fake, "hi")
    assert done.stdout == "half an ans\n" and done.returncode == 1 and "token limit" in done.stderr
    with FakeProvider(openai_stream(["half"], finish="content_filter")) as fake:
        done = ask(fake, "hi")
    assert done.stdout == "half\n" and done.returncode == 7 and "content filter" in done.stderr


def test_F_STREAM_16_an_empty_answer_is_no_answer(ask) -> None:
    with FakeProvider(openai_stream([])) as fake:
        done = ask(fake, "hi")
    assert done.returncode == 1 and "empty answer" in done.stderr and done.stdout == ""


def test_F_NET_10_the_sentence_for_a_wrong_key(arawn) -> None:
    with FakeProvider(json_reply(401, {"type": "error", "error": {"message": "invalid x-api-key"}})) as fake:
        done = arawn(
            "--backend", "anthropic", "ask", "hi",
            env={"ANTHROPIC_API_KEY": "sk-ant-CANARY-0123456789", "ANTHROPIC_API_BASE": fake.url},
        )  # fmt: skip
    assert done.stderr.splitlines()[1] == 'Error: Authentication failed for backend "anthropic"'
    assert "invalid x-api-key" in done.stderr and "Check:" in done.stderr and "CANARY" not in done.stderr
    assert done.returncode == 4 and len(fake.requests) == 1
    assert fake.requests[0].headers["x-api-key"] == "sk-ant-CANARY-0123456789"


def test_F_NET_01_the_sentence_for_no_ollama(arawn) -> None:
    began = time.monotonic()
    done = arawn("--backend", "ollama", "ask", "hi",
                 env={"OLLAMA_HOST": "http://localhost:9"})  # fmt: skip
    assert "Error: Cannot connect to Ollama at http://localhost:9" in done.stderr
    assert "ollama serve" in done.stderr and done.returncode == 5 and time.monotonic() - began < 10


def test_F_NET_11_the_sentence_for_no_model(arawn) -> None:
    with FakeProvider(json_reply(404, {"error": "model 'nope' not found"})) as fake:
        done = arawn("-b", "ollama", "-m", "nope", "ask", "hi", env={"OLLAMA_HOST": fake.url})
    assert 'Error: Model "nope" not available' in done.stderr and done.returncode == 7


@pytest.mark.parametrize(
    "variable", ["GROQ", "OPENAI", "MISTRAL", "DEEPSEEK", "TOGETHER", "XAI", "PERPLEXITY"]
)
def test_a_key_in_the_environment_is_enough(arawn, variable) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        base, key = fake.url + "/v1", f"key-{variable}-0123456789"
        done = arawn("ask", "hi", env={f"{variable}_API_KEY": key, f"{variable}_API_BASE": base,
                                       f"{variable}_MODEL": "its-own"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert fake.requests[0].headers["authorization"] == f"Bearer {key}"
    assert fake.requests[0].json["model"] == "its-own"
    assert f"{variable}_API_KEY is set" in done.stderr


def test_anthropic_and_ollama(arawn) -> None:
    with FakeProvider(anthropic_stream(["Hi ", "there"])) as fake:
        done = arawn(
            "ask",
            "-b",
            "anthropic",
            "hi",
            env={"ANTHROPIC_API_KEY": "k-0123", "ANTHROPIC_BASE_URL": fake.url},
        )
        assert done.stdout == "Hi there\n", done.stderr
        assert fake.requests[0].path == "/v1/messages" and fake.requests[0].headers["anthropic-version"]
    with FakeProvider(ollama_stream(["Hi ", "there"])) as fake:
        done = arawn("ask", "-b", "ollama", "-m", "llama3", "hi", env={"OLLAMA_HOST": fake.url + "/v1"})
        assert done.stdout == "Hi there\n", done.stderr
        assert fake.requests[0].path == "/api/chat" and fake.requests[0].json["options"]["num_ctx"] >= 4096


def test_F_SECRET_10_nothing_of_one_backend_reaches_another(arawn) -> None:
    config = """
[llm]
backend = "groq"
model = "groq-model"
[backends.groq]
api_key = "sk-CANARY-groq-0123456789"
base_url = "{url}/groq"
[backends.openai]
base_url = "{url}/openai/v1"
[backends.other]
provider = "custom"
base_url = "{url}/other"
model = "other-model"
"""
    with FakeProvider(openai_stream(["ok"])) as fake:
        config = config.format(url=fake.url)
        arawn("ask", "-b", "other", "hi", config=config)
        done = arawn(
            "ask", "-b", "openai", "hi", config=config, env={"OPENAI_API_KEY": "sk-CANARY-openai-0123456789"}
        )
        env = {"ARAWN_BACKEND": "other"}
        arawn("ask", "hi", config=config, env=env)
        arawn("ask", "hi", config=config)
    other, openai, by_env, groq = fake.requests
    assert other.json["model"] == by_env.json["model"] == "other-model"
    assert "authorization" not in other.headers and "authorization" not in by_env.headers
    assert "authorization" not in openai.headers and "is not sent to" in done.stderr
    assert openai.json["model"] == "gpt-4o"
    assert groq.json["model"] == "groq-model" and "CANARY-groq" in groq.headers["authorization"]


def test_F_SECRET_03_debug_shows_no_key(ask) -> None:
    for behaviour in (
        openai_stream(["ok"]),
        json_reply(401, {"error": "no"}),
        json_reply(500, {"error": "sk-CANARY-0123456789abcdef"}),
    ):
        with FakeProvider(behaviour) as fake:
            done = ask(fake, "hi", env={"ARAWN_DEBUG": "1", "HTTPX_LOG_LEVEL": "trace"})
        assert "CANARY" not in done.stdout + done.stderr


def test_F_SECRET_06_no_option_takes_a_key(arawn) -> None:
    for command in ((), ("ask",), ("chat",), ("secret", "set"), ("config", "set")):
        shown = arawn(*command, "--help").stdout.lower()
        assert not re.search(r"--(api-)?key\b|--token", shown)


def slow(conn) -> None:
    """Headers and one token, then silence."""


def start(env, tmp_path, url: str, *args: str, home):
    configure(home, CONFIG.format(url=url))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "arawn", "ask", *args], env=env, cwd=tmp_path,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_F_TTY_06_a_signal_keeps_what_came(env, home, tmp_path, number, code, form) -> None:
    answer, begun = openai_stream(["partial"]), threading.Event()

    def begin(conn: Conn) -> None:
        conn.head(kind=answer.kind)
        conn.chunk(answer.events[0])
        begun.set()
        conn.wait_gone()

    with FakeProvider(begin) as fake:
        process = start(env, tmp_path, fake.url, "hi", *form, home=home)
        if form:
            assert begun.wait(10)
            time.sleep(0.2)  # it says nothing yet by which one could tell that it has read this
        else:
            assert os.read(process.stdout.fileno(), 100) == b"partial"
        sent = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert time.monotonic() - sent < 8
    assert process.returncode == code, err.decode()
    assert b"Traceback" not in err
    if form:
        made = json.loads(out)
        assert (made["text"], made["finish"], made["ok"]) == ("partial", "interrupted", False)
    else:
        assert out == b"\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("{arawn} ask hi | head -c 1", 0),
        ("{arawn} ask hi > /dev/full", 1),
        ("{arawn} ask hi >&-", 1),
        ("{arawn} ask hi <&-", 0),
        ("{arawn} ask hi 2>&-", 0),
    ],
)
def test_F_TTY_13_to_17_odd_ends(env, home, tmp_path, command, code) -> None:
    with FakeProvider(openai_stream(["word "] * 2000)) as fake:
        start(env, tmp_path, fake.url, "--help", home=home).communicate()
        program = command.format(arawn=f"{sys.executable} -P -m arawn")
        done = subprocess.run(["bash", "-c", program], env=env, cwd=tmp_path, capture_output=True, timeout=20)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_F_OPS_08_many_at_once(env, home, tmp_path) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        running = [start(env, tmp_path, fake.url, f"q{n}", home=home) for n in range(8)]
        assert [process.communicate(timeout=20)[0] for process in running] == [b"ok\n"] * 8


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("what is dns", ('a question: arawn ask "..."', "arawn --help")),
        ("aks", ("arawn --help",)),
        ("aks --help", ("arawn --help",)),
        ("ask hi --max-tokens 5", ("for this run: -o llm.max_tokens=...", "arawn ask --help")),
        ("ask hi --modle x", ("arawn ask --help",)),
        ("ask hi --record x", ("it stands before the command: arawn --record ...", "arawn ask --help")),
        ("version", ("arawn --version",)),
    ],
)
def test_what_may_be_meant_by_a_wrong_word(arawn, words: str, told: tuple[str, ...]) -> None:
    done = arawn(*words.split())
    hints = "".join(f"  - {hint}\n" for hint in told)
    assert done.returncode == 2 and done.stderr.endswith(f"Check:\n{hints}"), done.stderr


def test_the_help_of_batch_says_how_it_is_run(arawn) -> None:
    assert "arawn batch IN.jsonl -o OUT.jsonl" in arawn("batch", "--help").stdout
