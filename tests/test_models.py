"""`arawn model`: lists of the service, kept ones and the catalogue's; facts, aliases, names that were meant."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream

from arawn.catalog import facts, models
from arawn.models import near

KEY = "sk-CANARY-0123456789abcdef"
CONFIG = f'[backends.mine]\nprovider = "openai"\nbase_url = "{{url}}/v1"\napi_key = "{KEY}"\n'
LIST = {"data": [{"id": "gpt-4o", "context_window": 99_000}, {"id": "gpt-4o-mini"}, {"id": "house-model"}]}


@pytest.mark.parametrize(
    ("provider", "model", "said"),
    [
        (
            "openai",
            "gpt-4o-2024-08-06",
            {"context": 128_000, "vision": True, "schema": True, "reasoning": False},
        ),
        ("openai", "o3-mini", {"vision": False, "reasoning": True}),
        ("anthropic", "claude-sonnet-4-20250514", {"schema": False, "pdf": True, "input_price": 3.0}),
        ("anthropic", "claude-opus-4-1-20250805", {"schema": True}),
        ("google", "models/gemini-2.5-flash", {"audio": True, "context": 1_048_576}),
        ("openrouter", "anthropic/claude-3.5-haiku", {"output_price": 4.0}),
        ("azure", "gpt-4o", {"output_price": 10.0}),
        ("ollama", "llama3:8b", {"input_price": 0.0, "output_price": 0.0, "vision": False}),
        ("ollama", "nomic-embed-text:latest", {"embedding": True}),
        ("custom", "whatever", {"input_price": None, "vision": None, "context": None}),
    ],
)
def test_what_is_known(provider: str, model: str, said: dict[str, Any]) -> None:
    found = facts(provider, model)
    assert {key: getattr(found, key) for key in said} == said


def test_what_the_person_says_goes_over_it() -> None:
    found = facts("openai", "gpt-4o", {"context": 5, "input_price": 0.5, "nonsense": 1})
    assert (found.context, found.input_price, found.output_price) == (5, 0.5, 10.0)


def test_prices_that_rise_with_the_prompt() -> None:
    found = facts("google", "gemini-2.5-pro")
    assert found.dear_from == 200_000 and found.dear and found.dear[0] > (found.input_price or 0)


def test_the_table_covers_the_services_and_is_made_by_the_script() -> None:
    for provider in (
        "openai",
        "anthropic",
        "google",
        "groq",
        "mistral",
        "deepseek",
        "cohere",
        "xai",
        "together",
    ):
        assert len(models(provider)) > 5, provider
    genai = pytest.importorskip("genai_prices", reason="the script that makes the table needs genai-prices")
    from datetime import date

    from arawn.catalog import FILE
    from arawn.catalog.make import make

    head = json.loads(FILE.read_text().splitlines()[0])
    if head["source"].endswith(getattr(genai, "__version__", "")):
        assert make(date.fromisoformat(head["date"])) == FILE.read_text()


def test_names_that_were_meant() -> None:
    known = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "meta-llama/Llama-3.3-70B"]
    assert near("gtp-4o", known)[0] == "gpt-4o"
    assert near("llama-3.3-70b", known) == ["meta-llama/Llama-3.3-70B"]
    assert near("zzz", known) == [] and "gpt-4o" not in near("gpt-4o", known)


def serve(conn: Conn) -> None:
    if conn.request.path.endswith("/models"):
        json_reply(200, LIST)(conn)
    elif conn.request.json.get("model") == "house-model":
        openai_stream(["Hello"])(conn)
    else:
        json_reply(404, {"error": {"message": "The model does not exist", "code": "model_not_found"}})(conn)


def test_list_joins_service_catalogue_and_config(arawn) -> None:
    own = (
        '[catalog.house-model]\ncontext = 7000\nvision = true\n[catalog."mine:gpt-4o"]\noutput_price = 1.5\n'
    )
    with FakeProvider(serve) as fake:
        config = CONFIG.format(url=fake.url) + own
        done = arawn("model", "list", "--json", config=config)
        plain = arawn("model", "list", "4o mini", config=config)
        shown = arawn("model", "show", "gpt-4o", "--json", config=config)
    rows = {row["name"]: row for row in json.loads(done.stdout)["models"]}
    assert (rows["gpt-4o"]["context"], rows["gpt-4o"]["output_price"], rows["gpt-4o"]["vision"]) == (
        99_000,
        1.5,
        True,
    )
    assert (rows["house-model"]["context"], rows["house-model"]["vision"]) == (7000, True)
    assert rows["house-model"]["input_price"] is None
    assert [line.split()[0] for line in plain.stdout.splitlines()] == ["gpt-4o-mini"]
    said = json.loads(shown.stdout)
    assert said["from"]["context"] == "service" and said["from"]["output_price"] == "config"
    assert said["from"]["vision"] == "catalogue"
    assert len(fake.requests) == 1, "the list was kept"


def test_the_list_is_kept_for_a_day_privately_and_without_a_network(arawn, env) -> None:
    with FakeProvider(serve) as fake:
        config = CONFIG.format(url=fake.url)
        arawn("model", "list", config=config)
        arawn("model", "list", "--refresh", config=config)
        assert len(fake.requests) == 2
    (kept,) = Path(env["HOME"]).rglob("models/*.json")
    assert kept.stat().st_mode & 0o777 == 0o600 and KEY not in kept.read_text()
    cached = arawn("model", "list", config=config)
    assert "house-model" in cached.stdout and "--refresh" in cached.stderr
    gone = arawn("model", "list", "--refresh", config=config)
    assert gone.returncode == 0 and "house-model" in gone.stdout and "known without it" in gone.stderr
    kept.write_text("{broken")
    known = arawn("model", "list", config=config)
    assert known.returncode == 0 and "gpt-4o" in known.stdout and "known without it" in known.stderr


def test_pages_are_followed(arawn) -> None:
    def paged(conn: Conn) -> None:
        last = "b" if "after_id=b" in conn.request.path else ""
        rows = [{"id": "c"}] if last else [{"id": "a"}, {"id": "b"}]
        json_reply(200, {"data": rows, "has_more": not last, "last_id": rows[-1]["id"]})(conn)

    with FakeProvider(paged) as fake:
        env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_API_BASE": fake.url}
        done = arawn("model", "list", "-b", "anthropic", "--json", env=env)
    assert [row["name"] for row in json.loads(done.stdout)["models"]] == ["a", "b", "c"]


def test_all_backends_at_once_and_one_that_fails(arawn) -> None:
    with FakeProvider(serve) as good, FakeProvider(json_reply(500, {})) as bad:
        config = CONFIG.format(url=good.url) + f'[backends.other]\nbase_url = "{bad.url}"\nmodel = "m"\n'
        done = arawn("model", "list", "--all", config=config)
    assert done.returncode == 0 and "mine:house-model" in done.stdout and "other:" in done.stderr


def test_aliases_and_backend_colon_model(arawn) -> None:
    aliases = '[aliases]\nhouse = "mine:house-model"\nshort = "house-model"\n'
    with FakeProvider(serve) as fake:
        config = CONFIG.format(url=fake.url) + aliases
        for name in ("house", "mine:house-model", "short", "house-model"):
            done = arawn("ask", "-m", name, "--json", "Hi", config=config)
            assert json.loads(done.stdout)["attempts"][0]["model"] == "house-model", name
        tagged = arawn("-b", "mine", "ask", "-m", "mistral:7b", "Hi", config=config)
    assert tagged.returncode == 7, "with a backend named, a colon is the model's own"
    assert fake.requests[-2].json["model"] == "mistral:7b"


def test_F_NET_11_a_model_that_is_not_there(arawn) -> None:
    with FakeProvider(serve) as fake:
        done = arawn("ask", "-m", "gtp-4o", "Hi", config=CONFIG.format(url=fake.url))
        shown = arawn("model", "show", "house-modl", config=CONFIG.format(url=fake.url))
        bare, known = arawn("model", "show", "house-model"), arawn("model", "show", "gpt-4o")
    assert done.returncode == 7 and "did you mean gpt-4o" in done.stderr
    assert shown.returncode == 7 and "did you mean house-model" in shown.stderr
    assert shown.stderr.endswith("  - the models it has: arawn model list --backend mine\n")
    assert bare.stdout == "mine:house-model\n" and "nothing more is known of it" in bare.stderr
    assert "context" in known.stdout and "nothing more" not in known.stderr


def test_what_ollama_says_of_a_model(arawn) -> None:
    shown = {
        "model_info": {"llama.context_length": 131_072},
        "capabilities": ["completion", "tools", "vision"],
    }

    def ollama(conn: Conn) -> None:
        tags = {"models": [{"name": "llama3:latest"}]}
        json_reply(200, shown if conn.request.path == "/api/show" else tags)(conn)

    with FakeProvider(ollama) as fake:
        env = {"OLLAMA_HOST": fake.url}
        done = arawn("model", "show", "llama3:latest", "-b", "ollama", "--json", env=env)
    said = json.loads(done.stdout)
    assert (said["context"], said["tools"], said["vision"], said["reasoning"]) == (131_072, True, True, False)
    assert said["from"]["context"] == "service" and said["input_price"] == 0


def lines(*said: dict[str, Any], pause: float = 0.0, end: bool = True) -> Any:
    def behave(conn: Conn) -> None:
        if conn.request.path != "/api/pull":
            return json_reply(200, {"models": []})(conn)
        conn.head(200, "application/x-ndjson")
        for one in said:
            conn.chunk(json.dumps(one).encode() + b"\n")
            time.sleep(pause)
        if end:
            conn.end()

    return behave


PARTS = [
    {"status": "pulling manifest"},
    *(
        {"status": "pulling ab", "digest": "sha256:ab", "total": 1000, "completed": n}
        for n in range(0, 1001, 100)
    ),
    {"status": "verifying sha256 digest"},
    {"status": "success"},
]


def test_pull_shows_how_it_goes(arawn) -> None:
    with FakeProvider(lines(*PARTS)) as fake:
        done = arawn("model", "pull", "llama3", env={"OLLAMA_HOST": fake.url})
        assert fake.requests[-1].json == {"model": "llama3", "stream": True}
    assert done.returncode == 0 and "llama3 is there" in done.stdout
    assert "50 %" in done.stderr and "100 %: 1 kB of 1 kB" in done.stderr


def test_pull_fails_in_words(arawn) -> None:
    error = {"error": "pull model manifest: file does not exist"}
    with FakeProvider(lines(PARTS[0], error)) as fake:
        done = arawn("model", "pull", "nothing", env={"OLLAMA_HOST": fake.url})
    assert done.returncode != 0 and "does not exist" in done.stderr
    with FakeProvider(lines(*PARTS[:4])) as fake:
        done = arawn("model", "pull", "llama3", env={"OLLAMA_HOST": fake.url})
    assert done.returncode == 5 and "goes on from here" in done.stderr
    with FakeProvider(serve) as fake:
        done = arawn("model", "pull", "x", config=CONFIG.format(url=fake.url))
    assert done.returncode == 2 and "cannot be fetched" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_pull_stopped_by_ctrl_c_says_how_to_go_on(env, tmp_path) -> None:
    with FakeProvider(lines(*PARTS[:5], pause=0.2, end=False)) as fake:
        done = subprocess.Popen(
            [sys.executable, "-P", "-m", "arawn", "model", "pull", "llama3"],
            env={**env, "OLLAMA_HOST": fake.url}, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until = time.monotonic() + 10
        while not any(request.path == "/api/pull" for request in fake.requests) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(done.pid, signal.SIGINT)
        _, told = done.communicate(timeout=10)
    assert done.returncode == 130 and "model pull llama3 goes on from here" in told
