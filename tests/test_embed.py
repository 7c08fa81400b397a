"""`arawn embed` against loopback services: who is asked, with which key, in which batches, and what is printed."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, json_reply, silent

from arawn.backends.choose_embedding import choose_embedding
from arawn.config.load import load
from arawn.errors import ConfigFault
from arawn.providers import PROVIDERS

KEY = "sk-CANARY-0123456789abcdef"
OTHER = "sk-CANARY-other-0123456789"


def vector(text: str) -> list[float]:
    """A vector that tells its text again: its length and its first letter."""
    return [float(len(text)), float(ord(text[0]))]


def embedded(conn: Conn) -> None:
    """What fits the path that was asked, as a service would."""
    path, asked = conn.request.path.partition("?")[0], conn.request.json
    if path.endswith("/api/embed"):
        made: Any = {
            "model": "m-1",
            "embeddings": [vector(t) for t in asked["input"]],
            "prompt_eval_count": 3,
        }
    elif path.endswith(":batchEmbedContents"):
        texts = [part["content"]["parts"][0]["text"] for part in asked["requests"]]
        made = {"embeddings": [{"values": vector(text)} for text in texts]}
    elif path.endswith("/v2/embed"):
        units = {"billed_units": {"input_tokens": 3}}
        made = {"embeddings": {"float": [vector(t) for t in asked["texts"]]}, "meta": units}
    elif "inputs" in asked:
        made = [vector(text) for text in asked["inputs"]]
    else:
        rows = [{"index": n, "embedding": vector(text)} for n, text in enumerate(asked["input"])]
        made = {"data": rows[::-1], "model": "m-1", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    json_reply(200, made)(conn)


def texts_of(fake: FakeProvider) -> list[list[str]]:
    return [request.json["input"] for request in fake.requests]


SERVICES = {
    "ollama": ("/api/embed", "nomic-embed-text"),
    "openai": ("/embeddings", "text-embedding-3-small"),
    "google": (":batchEmbedContents", "gemini-embedding-001"),
    "cohere": ("/embed", "embed-v4.0"),
    "mistral": ("/embeddings", "mistral-embed"),
    "together": ("/embeddings", "intfloat/multilingual-e5-large-instruct"),
    "huggingface": ("", "sentence-transformers/all-MiniLM-L6-v2"),
    "lmstudio": ("/embeddings", "text-embedding-nomic-embed-text-v1.5"),
    "fireworks": ("/embeddings", "nomic-ai/nomic-embed-text-v1.5"),
}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service(arawn, name: str) -> None:
    """Its key and its address are all that it takes; the texts come back as vectors in their order."""
    path, model = SERVICES[name]
    with FakeProvider(embedded) as fake:
        env = {f"{name.upper()}_API_BASE": fake.url, f"{name.upper()}_API_KEY": KEY}
        done = arawn("embed", "-b", name, "--json", "one", "three", env=env)
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["ok"] and said["error"] is None, done.stderr
    assert [row["vector"] for row in said["embeddings"]] == [vector("one"), vector("three")]
    assert [row["text_index"] for row in said["embeddings"]] == [0, 1]
    assert (said["version"], said["backend"], said["provider"]) == (1, name, name)
    assert (said["dimensions"], said["count"]) == (2, 2)
    asked = fake.requests[0]
    assert asked.path.partition("?")[0].endswith(path) and model in asked.path + asked.body.decode()
    if PROVIDERS[name].needs_key:
        assert KEY in str(asked.headers)
    assert KEY not in done.stdout + done.stderr


def test_azure_asks_the_deployment_of_the_embedding_model(arawn) -> None:
    config = """
[backends.azure]
endpoint = "URL"
api_key = "$env:WORK_KEY"
api_version = "2024-10-21"
deployment = "my-chat"
deployments = { text-embedding-3-small = "my-vectors" }
"""
    with FakeProvider(embedded) as fake:
        config = config.replace("URL", fake.url)
        args = ("embed", "-b", "azure", "-m", "text-embedding-3-small", "one")
        done = arawn(*args, config=config, env={"WORK_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert fake.requests[0].path == "/openai/deployments/my-vectors/embeddings?api-version=2024-10-21"
    assert fake.requests[0].headers["api-key"] == KEY


def test_a_service_of_ones_own(arawn) -> None:
    config = '[backends.mine]\nbase_url = "URL/v1"\n[embeddings]\nbackend = "mine"\nmodel = "their-model"\n'
    with FakeProvider(embedded) as fake:
        done = arawn("embed", "one", config=config.replace("URL", fake.url))
    assert done.returncode == 0, done.stderr
    assert (fake.requests[0].path, fake.requests[0].json["model"]) == ("/v1/embeddings", "their-model")


def env_of(fake: FakeProvider, **more: str) -> dict[str, str]:
    return {"OPENAI_API_BASE": fake.url, "OPENAI_API_KEY": KEY, **more}


WRITTEN = json.dumps(vector("one"), separators=(",", ":"))


def test_one_array_a_line_and_all_else_on_stderr(arawn) -> None:
    with FakeProvider(embedded) as fake:
        done = arawn("embed", "one", "three", env=env_of(fake))
        quiet = arawn("embed", "-q", "one", env=env_of(fake))
    assert [json.loads(line) for line in done.stdout.splitlines()] == [vector("one"), vector("three")]
    assert (
        "openai · text-embedding-3-small" in done.stderr and "2 vectors of 2 numbers, 3 tokens" in done.stderr
    )
    assert (quiet.stdout, quiet.stderr) == (WRITTEN + "\n", "")


def test_where_texts_come_from(arawn, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("in a file\n")
    (tmp_path / "b.txt").write_text("first\nsecond\r\nthird\n")
    file, lines = str(tmp_path / "a.txt"), str(tmp_path / "b.txt")
    cases: list[tuple[list[str], str | None, list[str]]] = [
        (["word"], None, ["word"]),
        (["-"], "piped\n", ["piped"]),
        ([], "piped\n", ["piped"]),
        (["word", "-"], "piped", ["word", "piped"]),
        (["word", "-f", file], "not taken", ["word", "in a file"]),
        (["-f", "-"], "one\ntwo\n", ["one\ntwo"]),
        (["--lines", "-"], "one\ntwo\n", ["one", "two"]),
        (["--lines", "a\nb", "-f", lines], None, ["a\nb", "first", "second", "third"]),
    ]
    with FakeProvider(embedded) as fake:
        for args, piped, _ in cases:
            done = arawn("embed", "-q", *args, stdin=piped or "", env=env_of(fake))
            assert done.returncode == 0, done.stderr
    assert texts_of(fake) == [want for _, _, want in cases]


REFUSED = [
    (["embed", ""], "", "text 1"),
    (["embed", "a", " \t"], "", "text 2"),
    (["embed", "-"], "\n", "standard input"),
    (["embed"], "", "standard input"),
    (["embed", "--lines", "-"], "a\n\nb\n", "line 2 of standard input"),
    (["embed", "-f", "PNG"], "", "no text"),
    (["embed", "-f", "/nowhere"], "", "/nowhere"),
    (["embed", "--purpose", "fun", "a"], "", "query, document"),
    (["embed", "--dimensions", "0", "a"], "", "0"),
]


@pytest.mark.parametrize(("args", "piped", "says"), REFUSED, ids=lambda value: str(value)[:30])
def test_refused_before_anything_is_sent(
    arawn, tmp_path: Path, args: list[str], piped: str, says: str
) -> None:
    (tmp_path / "p").write_bytes(b"\x89PNG\r\n\x1a\n")
    args = [str(tmp_path / "p") if arg == "PNG" else arg for arg in args]
    with FakeProvider(embedded) as fake:
        done = arawn(*args, stdin=piped, env=env_of(fake))
        told = arawn(*args, "--json", stdin=piped, env=env_of(fake))
    assert (done.returncode, done.stdout, fake.requests) == (2, "", []), done.stderr
    assert says in done.stderr
    said = json.loads(told.stdout)
    assert (said["ok"], said["error"]["code"], said["embeddings"]) == (False, "usage", [])


def limited(most: int, status: int, message: str) -> Callable[[Conn], None]:
    """A service that takes `most` texts at once."""

    def behave(conn: Conn) -> None:
        if len(conn.request.json["input"]) > most:
            json_reply(status, {"error": {"message": message}})(conn)
        else:
            embedded(conn)

    return behave


TOO_MUCH = [
    (400, "Too many inputs in request, split into more batches."),
    (413, "Payload Too Large"),
    (422, "batch size 100 > maximum allowed batch size 32"),
    (400, "Requested 400000 tokens, max 300000 tokens per request"),
]


@pytest.mark.parametrize(("status", "message"), TOO_MUCH)
def test_a_batch_that_is_too_large_is_halved(arawn, status: int, message: str) -> None:
    texts = [f"{number} text" for number in range(40)]
    with FakeProvider(limited(12, status, message)) as fake:
        done = arawn("embed", "--lines", "-", stdin="\n".join(texts), env=env_of(fake))
    assert [json.loads(line) for line in done.stdout.splitlines()] == [vector(text) for text in texts]
    assert [len(batch) for batch in texts_of(fake)] == [40, 20, 10, 10, 10, 10]


def test_a_single_text_that_is_too_long_is_named(arawn) -> None:
    def behave(conn: Conn) -> None:
        long = any(len(text) > 100 for text in conn.request.json["input"])
        reply = {"error": {"message": "This model's maximum context length is 8192 tokens", "code": None}}
        json_reply(400, reply)(conn) if long else embedded(conn)

    with FakeProvider(behave) as fake:
        done = arawn("embed", "--json", "a", "b", "c" * 200, env=env_of(fake))
    said = json.loads(done.stdout)
    assert (done.returncode, said["error"]["code"]) == (7, "context")
    assert 'Text 3 is too long for "text-embedding-3-small"' in said["error"]["message"]


def test_batches_are_as_large_as_the_row_says_and_hold_so_many_bytes(arawn) -> None:
    with FakeProvider(embedded) as fake:
        env = {"MISTRAL_API_BASE": fake.url, "MISTRAL_API_KEY": KEY}
        lines = "\n".join(f"{n}" for n in range(1, 301))
        done = arawn("embed", "-b", "mistral", "--lines", "-", stdin=lines, env=env)
        assert len(done.stdout.splitlines()) == 300
        assert [len(batch) for batch in texts_of(fake)] == [128, 128, 44]
        fake.requests.clear()
        large = "\n".join("x" * 150_000 for _ in range(5))
        assert arawn("embed", "-b", "mistral", "--lines", "-", stdin=large, env=env).returncode == 0
    assert [len(batch) for batch in texts_of(fake)] == [2, 2, 1]


def test_busy_services_are_asked_again(arawn) -> None:
    busy = json_reply(503, {"error": {"message": "overloaded"}}, retry_after="1")
    with FakeProvider(busy, embedded) as fake:
        done = arawn("embed", "one", env=env_of(fake))
    assert (done.returncode, done.stdout, len(fake.requests)) == (0, WRITTEN + "\n", 2)
    assert "attempt 2 of 3" in done.stderr


FAILURES = [
    (json_reply(401, {"error": {"message": f"Incorrect API key: {KEY}"}}), 4, "auth"),
    (json_reply(404, {"error": {"message": "x", "code": "model_not_found"}}), 7, "model"),
    (json_reply(429, {"error": {"message": "quota", "code": "insufficient_quota"}}), 6, "rate_limited"),
    (json_reply(200, {"data": []}), 5, "cut"),
    (json_reply(200, {"choices": []}), 1, "empty"),
    (json_reply(200, {"error": {"message": "no such model: not found"}}), 7, "model"),
]


@pytest.mark.parametrize(
    ("reply", "code", "name"), FAILURES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_failures_are_documents_too(arawn, reply: Any, code: int, name: str) -> None:
    with FakeProvider(reply) as fake:
        done = arawn("embed", "--json", "one", env=env_of(fake))
        plain = arawn("embed", "one", env=env_of(fake))
    said = json.loads(done.stdout)
    assert (done.returncode, said["ok"], said["error"]["code"]) == (code, False, name)
    assert (said["backend"], said["count"], said["dimensions"], said["embeddings"]) == ("openai", 0, None, [])
    assert (plain.returncode, plain.stdout) == (code, "")
    assert KEY not in done.stdout + done.stderr + plain.stderr


def test_a_length_that_was_not_asked_for_is_a_failure(arawn) -> None:
    with FakeProvider(embedded) as fake:
        done = arawn("embed", "--dimensions", "5", "one", env=env_of(fake))
        same = arawn("embed", "one", "-o", "embeddings.openai.dimensions=2", env=env_of(fake))
    assert fake.requests[0].json["dimensions"] == 5
    assert (done.returncode, done.stdout) == (7, "") and "of 2 numbers, not of 5" in done.stderr
    assert same.returncode == 0 and fake.requests[1].json["dimensions"] == 2


def test_a_purpose_is_sent_where_there_is_a_word_and_else_left_out_aloud(arawn) -> None:
    with FakeProvider(embedded) as fake:
        env = {"COHERE_API_BASE": fake.url, "COHERE_API_KEY": KEY}
        done = arawn("embed", "-b", "cohere", "--purpose", "query", "one", env=env)
        plain = arawn("embed", "--purpose", "query", "one", env=env_of(fake))
    assert done.returncode == plain.returncode == 0
    assert fake.requests[0].json["input_type"] == "search_query" and "left out" not in done.stderr
    assert "openai cannot be told a purpose" in plain.stderr


def test_means_of_tokens_are_told(arawn) -> None:
    with FakeProvider(json_reply(200, [[[1.0, 2.0], [3.0, 4.0]]])) as fake:
        env = {"HUGGINGFACE_API_BASE": fake.url, "HUGGINGFACE_API_KEY": KEY}
        done = arawn("embed", "-b", "huggingface", "one", env=env)
    assert done.stdout == "[2.0,3.0]\n" and "means" in done.stderr


def test_an_array_is_read_whole_and_not_only_its_first_element(arawn) -> None:
    with FakeProvider(embedded) as fake:
        env = {"HUGGINGFACE_API_BASE": fake.url, "HUGGINGFACE_API_KEY": KEY}
        done = arawn("embed", "-b", "huggingface", "one", "three", env=env)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [vector("one"), vector("three")]


def test_ctrl_c_ends_it_at_once(env: dict[str, str], tmp_path: Path) -> None:
    with FakeProvider(silent) as fake:
        args = [sys.executable, "-P", "-m", "arawn", "embed", "--json", "one"]
        running = subprocess.Popen(
            args, env={**env, **env_of(fake)}, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 10
        while not fake.requests and time.monotonic() < until:
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=5)
    assert running.returncode == 130 and b"Traceback" not in err
    said = json.loads(out)
    assert (said["ok"], said["error"]["code"]) == (False, "cut")


def test_without_a_place_for_the_answer_nothing_is_sent(arawn) -> None:
    with FakeProvider(embedded) as fake:
        closed = ("sh", "-c", '"$0" -P -m arawn "$@" >&-', sys.executable)
        done = arawn("embed", "one", env=env_of(fake), program=closed)
    assert done.returncode == 1 and "Standard output is closed" in done.stderr and not fake.requests


def test_a_reader_that_leaves_early_is_no_fault(arawn) -> None:
    with FakeProvider(embedded) as fake:
        head = ("bash", "-c", 'set -o pipefail; "$0" -P -m arawn "$@" | head -n 1', sys.executable)
        lines = "\n".join(str(number) for number in range(20_000))
        done = arawn("embed", "--lines", "-", stdin=lines, env=env_of(fake), program=head)
    assert done.stdout == "[1.0,48.0]\n" and "Traceback" not in done.stderr and "fault" not in done.stderr


# Who is asked, and with which key


def chosen(
    config: str, tmp_path: Path, backend: str | None = None, model: str | None = None, **env: str
) -> Any:
    file = tmp_path / "config.toml"
    file.write_text(config)
    env = {"HOME": str(tmp_path), **env}
    loaded = load(env=env, cwd=None, config_file=str(file), flags=())
    return choose_embedding(loaded, env, backend, model)


LOCAL = '[embeddings]\nbackend = "local"\n'
MISTRAL = '[embeddings]\nbackend = "mistral"\n'
CHOSEN: list[tuple[str, dict[str, Any], str, str]] = [
    ("", {"OPENAI_API_KEY": KEY}, "openai", "text-embedding-3-small"),
    (LOCAL, {"OPENAI_API_KEY": KEY}, "openai", "text-embedding-3-small"),
    (MISTRAL, {"OPENAI_API_KEY": KEY, "MISTRAL_API_KEY": KEY}, "mistral", "mistral-embed"),
    (MISTRAL + 'model = "m"\n', {"MISTRAL_API_KEY": KEY}, "mistral", "m"),
    (MISTRAL + 'model = "m"\n', {"OPENAI_API_KEY": KEY, "backend": "openai"}, "openai", "text-embedding-3-small"),
    (MISTRAL + '[embeddings.mistral]\nmodel = "n"\n', {"MISTRAL_API_KEY": KEY}, "mistral", "n"),
    (MISTRAL, {"OPENAI_API_KEY": KEY, "model": "openai:own"}, "openai", "own"),
    ('[embeddings]\nmodel = "m"\n', {"OPENAI_API_KEY": KEY}, "openai", "m"),
    ('[llm]\nbackend = "cohere"\n', {"OPENAI_API_KEY": KEY, "COHERE_API_KEY": KEY}, "cohere", "embed-v4.0"),
    ('[backends.o]\nprovider = "openai"\ndialect = "openai-responses"\n', {"OPENAI_API_KEY": KEY}, "o", "text-embedding-3-small"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "more", "name", "model"), CHOSEN)
def test_who_is_asked(tmp_path: Path, config: str, more: dict[str, Any], name: str, model: str) -> None:
    choice = chosen(config, tmp_path, **more).choice
    assert (choice.name, choice.model) == (name, model)
    assert any("local" in notice for notice in choice.notices) == (config == LOCAL)


CANNOT = [
    ("", {"ANTHROPIC_API_KEY": KEY}, 'Backend "anthropic" makes no embeddings', "openai, google"),
    ("", {"ANTHROPIC_API_KEY": KEY, "COHERE_API_KEY": KEY}, "makes no embeddings", "set up and do: cohere "),
    ("", {"GROQ_API_KEY": KEY}, 'Backend "groq" makes no embeddings', "cohere, azure, together"),
    ("", {"XAI_API_KEY": KEY}, 'which model of backend "xai"', "--model"),
    ("", {"backend": "guide"}, "No backend that makes embeddings", "openai"),
    ("", {"backend": "opnai"}, 'did you mean "openai"', ""),
    ("", {"backend": "openai"}, 'No key for backend "openai"', "OPENAI_API_KEY"),
    ('[backends.mine]\nbase_url = "http://127.0.0.1:9/v1"\n', {"backend": "mine"}, "which model", "[embeddings.mine]"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "more", "says", "hint"), CANNOT)
def test_who_cannot(tmp_path: Path, config: str, more: dict[str, Any], says: str, hint: str) -> None:
    with pytest.raises(ConfigFault, match=".") as caught:
        chosen(config, tmp_path, **more)
    assert says in caught.value.sentence and hint in " ".join(caught.value.hints)


BACKEND = '[backends.openai]\napi_key = "$env:A"\n'
ELSEWHERE = '[embeddings.openai]\nbase_url = "http://127.0.0.1:9/v1"\n'
GATEWAY = '[backends.openai]\nbase_url = "http://127.0.0.1:8/v1"\napi_key = "$env:A"\n'
KEYS: list[tuple[str, str | None, str, str]] = [
    (BACKEND, "$env:A", "backends.openai.api_key", "https://api.openai.com/v1"),
    (BACKEND + '[embeddings.openai]\napi_key = "$env:B"\n', "$env:B", "embeddings.openai.api_key", "https://api.openai.com/v1"),
    (BACKEND + ELSEWHERE, None, "", "http://127.0.0.1:9/v1"),
    (BACKEND + ELSEWHERE + 'api_key = "$env:B"\n', "$env:B", "embeddings.openai.api_key", "http://127.0.0.1:9/v1"),
    (GATEWAY, "$env:A", "backends.openai.api_key", "http://127.0.0.1:8/v1"),
    (GATEWAY + ELSEWHERE, None, "", "http://127.0.0.1:9/v1"),
    (GATEWAY + ELSEWHERE.replace(":9", ":8"), "$env:A", "backends.openai.api_key", "http://127.0.0.1:8/v1"),
    (ELSEWHERE, None, "", "http://127.0.0.1:9/v1"),
    (ELSEWHERE + '[backends.openai]\nallow_hosts = ["127.0.0.1"]\n', "$env:OPENAI_API_KEY", "OPENAI_API_KEY", "http://127.0.0.1:9/v1"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "key", "place", "address"), KEYS)
def test_a_key_goes_only_where_it_was_given_for(
    tmp_path: Path, config: str, key: str | None, place: str, address: str
) -> None:
    choice = chosen(config, tmp_path, backend="openai", OPENAI_API_KEY=KEY, A=KEY, B=OTHER).choice
    assert (choice.key, choice.key_place, choice.base_url) == (key, place, address)
    assert bool(choice.notices) == (key is None)
    assert not choice.notices or "is not sent to" in choice.notices[0]


BUDGET = """
[backends.openai]
model = "gpt-4o"
[catalog."text-embedding-3-small"]
input_price = 1000.0
[budget]
per_day = {usd}
action = "{action}"
"""


def test_a_limit_of_money_holds_for_all_texts_together(arawn) -> None:
    words = ["embed", *("one " * 20 for _ in range(100))]
    with FakeProvider(embedded) as fake:
        for action in ("refuse", "ask", "cheaper"):
            config = BUDGET.format(usd=1.5, action=action)
            done = arawn(*words, "-b", "openai", config=config, env=env_of(fake))
            assert done.returncode == 7 and not done.stdout and not fake.requests, done.stderr
            assert "budget.per_day = $1.5" in done.stderr and "an answer of" not in done.stderr
        config = BUDGET.format(usd=1.5, action="warn")
        done = arawn(*words, "-b", "openai", config=config, env=env_of(fake))
        assert done.returncode == 0 and "budget.per_day" in done.stderr and len(fake.requests) == 1


def test_what_vectors_cost_counts_for_what_is_asked_next(arawn, env) -> None:
    with FakeProvider(embedded) as fake:
        for usd, code in ((1.0, 0), (0.0031, 7)):  # 3 tokens at $1,000 a million are $0.003
            config = BUDGET.format(usd=usd, action="refuse")
            done = arawn("embed", "hi", "-b", "openai", config=config, env=env_of(fake))
            assert done.returncode == code and len(fake.requests) == 1, done.stderr
    book = sqlite3.connect(Path(env["HOME"], ".local/share/arawn/budget.db"))
    assert book.execute("SELECT backend, usd, process FROM hold").fetchall() == [
        ("openai", pytest.approx(0.003), 0)
    ]
    book.close()
