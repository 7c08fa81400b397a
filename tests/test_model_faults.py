"""`arawn model` where services fail, hang, lie or change; on a terminal; and fetching a model for hours."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, body_reply, json_reply, openai_stream
from home import configure
from term import Term
from test_models import CONFIG, KEY, PARTS, lines

from arawn.catalog import facts, models, services
from arawn.models import KEPT_S, Kept, Patience, fetch, near
from arawn.wire.frames import Frame
from arawn.wire.listing import Entry

NOT_THERE = json_reply(404, {"error": {"message": "The model does not exist", "code": "model_not_found"}})
PROGRAM = [sys.executable, "-P", "-m", "arawn"]


@pytest.mark.parametrize(
    ("provider", "model", "said"),
    [
        ("openai", "gpt-4-vision-preview", {"vision": True}),
        ("openai", "gpt-4o-mini-audio-preview", {"audio": True, "vision": False}),
        ("openai", "gpt-4o-2024-05-13", {"schema": False, "vision": True}),
        ("openai", "gpt-4o-transcribe", {"vision": None, "tools": None}),
        ("openai", "gpt-5-mini", {"output": 128_000, "reasoning": True}),
        ("openai", "o1-preview", {"vision": False, "tools": False}),
        ("openai", "ft:gpt-4.1-2025:house::x", {"schema": True, "input_price": None}),
        ("openai", "gpt-4.1", {"context": 1_047_576}),  # the table rounds
        ("openrouter", "anthropic/claude-3.7-sonnet", {"reasoning": True, "output": 64_000}),
        ("openrouter", "anthropic/claude-sonnet-4", {"schema": False}),
        ("openrouter", "openai/gpt-4o:nitro", {"input_price": None, "context": 128_000}),
        ("anthropic", "claude-2.1", {"vision": False, "schema": False}),
        ("xai", "grok-4-fast-non-reasoning", {"reasoning": False, "vision": True}),
        ("google", "gemini-2.5-flash-image", {"reasoning": None, "tools": False}),
        ("google", "gemini-2.5-flash-preview-tts", {"context": 8192, "vision": False}),
        ("zai", "glm-4.6v", {"vision": True}),
        ("ollama", "gemma3:1b", {"vision": False}),
        ("ollama", "gemma3:4b", {"vision": True}),
        ("ollama", "gemma3n:e4b", {"vision": None}),
        ("together", "mistralai/Mistral-7B-Instruct-v0.2", {"schema": None, "tools": None}),
        ("nvidia", "nvidia/llama-3.1-nemotron-ultra-253b-v1", {"reasoning": None}),
        ("mistral", "mistral-embed", {"embedding": True, "schema": None}),
    ],
)
def test_neighbours_with_like_names(provider: str, model: str, said: dict[str, Any]) -> None:
    found = facts(provider, model)
    assert {key: getattr(found, key) for key in said} == said


def test_every_name_of_the_catalogue_can_be_looked_up() -> None:
    lost = [
        (service, name)
        for service in services()
        for name in models(service)
        if not facts(service, name).priced
    ]
    assert len(lost) <= 3, lost  # rows whose rule does not know the name they stand under
    assert "accounts/fireworks/models/gpt-oss-120b" in models("fireworks")


def test_pages_end_where_they_repeat_and_after_twenty() -> None:
    asked: list[str] = []

    def get(path: str) -> Any:
        asked.append(path)
        return {"models": [{"name": f"m{len(asked)}"}], "nextPageToken": next(tokens)}

    tokens = iter(["a b"] * 9)
    assert [entry.name for entry in fetch("/models?pageSize=9", get)] == ["m1", "m2"]
    assert asked == ["/models?pageSize=9", "/models?pageSize=9&pageToken=a+b"]
    tokens = iter("abcdefghijklmnopqrstuvwxyz")
    asked.clear()
    assert len(fetch("/models", get)) == 20


@pytest.mark.parametrize(
    "content",
    [
        b"{broken",
        b"[]",
        b'{"models": 7}',
        b'{"models": [7], "when": 1}',
        b'{"models": [{"name": "x", "context": "abc"}], "when": 1}',
        b'{"models": [{"name": "x", "input_price": [1]}], "when": 1}',
        b'{"models": [{"name": "x", "vision": 7}], "when": 1}',
        b'{"models": [{"name": "x", "nonsense": true}], "when": 1}',
        b'{"models": [{"context": 1}], "when": 1}',
        b'{"models": [{"name": "x"}], "when": "soon"}',
        b'{"models": [{"name": "x"}], "when": ' + b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_corrupt_cache_is_none(tmp_path: Path, content: bytes) -> None:
    kept = Kept(tmp_path, "mine", "http://x")
    kept.write([Entry("x", context=5, input_price=0.5, vision=True, family="f", size=3)])
    found = kept.read()
    assert found and found.entries[0].context == 5 and found.age < KEPT_S
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(content)
    assert kept.read() is None


def test_a_list_from_the_future_is_old(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "mine", "http://x")
    kept.write([Entry("x")])
    (file,) = tmp_path.rglob("*.json")
    file.write_text(file.read_text().replace('"when": ', '"when": 9'))
    found = kept.read()
    assert found and found.age >= KEPT_S


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpt-4o", []),  # it is there: something else is wrong
        ("GPT-4O", ["gpt-4o"]),
        ("gemini-2.5-flash", []),
        ("gemini-2.5-flsh", ["gemini-2.5-flash"]),
        ("x" * 100_000, []),
    ],
)
def test_names_that_were_meant(name: str, meant: list[str]) -> None:
    assert near(name, ["gpt-4o", "models/gemini-2.5-flash"])[:1] == meant


def test_F_NET_11_near_names_cost_two_seconds_at_most(arawn) -> None:
    def slow(conn: Conn) -> None:
        if "/models" not in conn.request.path:
            return NOT_THERE(conn)
        conn.head(200, "application/json")
        conn.chunk(b'{"data":[')
        conn.wait_gone()

    def pages(conn: Conn) -> None:
        if "/models" not in conn.request.path:
            return NOT_THERE(conn)
        time.sleep(1.0)
        name = f"gpt-4{chr(97 + len(fake.requests))}"
        json_reply(200, {"data": [{"id": name}], "has_more": True, "last_id": name})(conn)

    for behave, named in ((slow, "gpt-4o"), (pages, "gpt-4c")):
        with FakeProvider(behave) as fake:
            began = time.monotonic()
            done = arawn("ask", "-m", "gtp-4o", "Hi", config=CONFIG.format(url=fake.url))
        assert done.returncode == 7 and named in done.stderr and time.monotonic() - began < 4


def test_what_is_wrong_is_not_kept(arawn) -> None:
    """A partial list, an empty one, and one that the next moment may change."""

    def more(conn: Conn) -> None:
        if "/models" not in conn.request.path:
            return NOT_THERE(conn)
        json_reply(200, {"data": [{"id": "gpt-4o"}], "has_more": "after_id" not in conn.request.path,
                         "last_id": "gpt-4o"})(conn)  # fmt: skip

    with FakeProvider(more) as fake:
        arawn("ask", "-m", "gtp-4o", "Hi", config=CONFIG.format(url=fake.url))
        asked = len(fake.requests)
        arawn("model", "list", config=CONFIG.format(url=fake.url))
        assert len(fake.requests) == asked + 2
    tags = [json_reply(200, {"models": [{"name": name}] if name else []}) for name in ("", "a", "b")]
    with FakeProvider(*tags) as fake:
        env = {"OLLAMA_HOST": fake.url}
        done = [arawn("model", "list", "-b", "ollama", env=env).stdout.split()[:1] for _ in range(3)]
    assert done == [[], ["a"], ["b"]]


def test_names_that_would_fool_a_terminal(arawn) -> None:
    """F-TERM-14 for lists: names go through the filter, in JSON what is odd is escaped."""
    odd = b'{"data":[{"id":"a\\ud800"},{"id":"b\\u009b31m\\u202e\\u001b[2J"}]}'
    with FakeProvider(body_reply(200, odd, "application/json")) as fake:
        config = CONFIG.format(url=fake.url)
        told = arawn("model", "list", config=config)
        made = arawn("model", "list", "--json", config=config)
    assert told.returncode == made.returncode == 0
    assert not set(told.stdout) & set("\x9b\x1b\u202e") and made.stdout.isascii()
    assert [row["name"] for row in json.loads(made.stdout)["models"]] == ["a\ufffd", "b\x9b31m\u202e\x1b[2J"]


def test_a_service_that_fails_lists_what_is_known(arawn) -> None:
    with FakeProvider(json_reply(200, {"data": [{"id": "house", "context_length": 7000}]})) as fake:
        config = CONFIG.format(url=fake.url)
        arawn("model", "list", config=config)
        for reply in (json_reply(500, {}), json_reply(404, {}), body_reply(200, b"<html>", "text/html")):
            fake.behaviours = (reply,)
            done = arawn("model", "list", "--refresh", "--json", config=config)
            made = json.loads(done.stdout)
            assert (made["models"][0]["name"], made["models"][0]["context"]) == ("house", 7000)
            assert made["lists"][0]["source"] == "cache" and "known without it, as listed" in done.stderr
        fake.behaviours = (json_reply(401, {"error": {"message": "wrong key"}}),)
        assert arawn("model", "list", "--refresh", config=config).returncode == 4


def test_all_with_an_address_that_is_none_and_with_nothing_left(arawn) -> None:
    with FakeProvider(json_reply(200, {"data": [{"id": "x"}]})) as fake:
        done = arawn(
            "model", "list", "--all", config=CONFIG.format(url=fake.url), env={"OLLAMA_HOST": "ftp://x y"}
        )
    assert done.returncode == 0 and done.stdout.startswith("mine:x ") and "OLLAMA_HOST" in done.stderr
    with FakeProvider(json_reply(500, {})) as fake:
        done = arawn(
            "model", "list", "--all", config=f'[backends.other]\nbase_url = "{fake.url}"\nmodel = "m"\n'
        )
    assert done.returncode == 6 and done.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_all_is_left_at_once_on_ctrl_c(env, tmp_path) -> None:
    import subprocess

    with FakeProvider(lambda conn: conn.wait_gone() and None) as fake:
        table = "".join(f'[backends.{name}]\nbase_url = "{fake.url}"\nmodel = "m"\n' for name in ("a", "b"))
        configure(env["HOME"], table)
        done = subprocess.Popen(
            [*PROGRAM, "model", "list", "--all"], env=env, cwd=tmp_path, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 10
        while len(fake.requests) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        began = time.monotonic()
        os.kill(done.pid, signal.SIGINT)
        done.communicate(timeout=10)
    assert done.returncode == 130 and time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("gpt4o", ["gpt-4o", "gpt-4o-mini"]),
        ("mini 4o", ["gpt-4o-mini"]),
        ("LLAMA3.2", ["llama-3.2-90b-vision"]),
        ("vision", ["gpt-4o", "gpt-4o-mini", "llama-3.2-90b-vision"]),
        ("mine:", ["gpt-4o", "gpt-4o-mini", "llama-3.2-90b-vision"]),
        ("gtp-4o", []),
    ],
)
def test_words_filter(arawn, query: str, found: list[str]) -> None:
    names = ["gpt-4o", "gpt-4o-mini", "llama-3.2-90b-vision"]
    with FakeProvider(json_reply(200, {"data": [{"id": name} for name in names]})) as fake:
        done = arawn("model", "list", query, config=CONFIG.format(url=fake.url))
    assert [line.split()[0] for line in done.stdout.splitlines()] == found
    assert bool(found) or "did you mean gpt-4o" in done.stderr


@pytest.mark.parametrize("columns", [30, 60, 80, 140])
def test_a_list_fits_the_terminal(env, columns: int) -> None:
    names = ["gpt-4o", "claude-3-7-sonnet-latest", "模型-一二三", "a" * 70]
    with FakeProvider(json_reply(200, {"data": [{"id": name} for name in names]})) as fake:
        configure(env["HOME"], CONFIG.format(url=fake.url))
        with Term([*PROGRAM, "model", "list"], env=env, cols=columns) as term:
            term.process.wait(20)
            while term.pump(0.2):
                pass
    shown = [
        line
        for line in bytes(term.raw).decode().replace("\r", "").split("\n")
        if "MODEL" in line or "12" in line
    ]
    assert ("MODEL" in term.screen) == (columns > 48)
    assert "claude-3-7-sonnet-latest" in term.screen.replace("\n", "")
    assert all(len(line) <= columns or "claude" in line for line in shown)
    assert ("vision,pdf,tools" in term.screen) == (columns == 140)


def test_nothing_set_up_shows_the_catalogue(arawn) -> None:
    listed = arawn("model", "list", "gpt-4.1-nano")
    assert listed.returncode == 0 and listed.stdout.startswith("openai:gpt-4.1-nano ")
    assert "no backend is set up" in listed.stderr
    shown = arawn("model", "show", "gpt-4o", "--json")
    assert json.loads(shown.stdout)["backend"] == "openai" and json.loads(shown.stdout)["output_price"] == 10
    named = arawn("model", "show", "openrouter:openai/gpt-4o", "--json")
    assert (json.loads(named.stdout)["backend"], json.loads(named.stdout)["name"]) == (
        "openrouter",
        "openai/gpt-4o",
    )
    wrong = arawn("model", "show", "gtp-4o")
    assert wrong.returncode == 7 and "did you mean gpt-4o" in wrong.stderr


def test_what_a_file_is_and_what_long_prompts_cost(arawn) -> None:
    told = {
        "model_info": {"llama.context_length": 131_072},
        "details": {"family": "llama\x1b[2J", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"},
    }
    tags = {"models": [{"name": "llama3.1:8b", "size": 4_920_000_000}]}

    def ollama(conn: Conn) -> None:
        json_reply(200, told if conn.request.path == "/api/show" else tags)(conn)

    with FakeProvider(ollama) as fake:
        done = arawn("model", "show", "llama3.1:8b", "-b", "ollama", env={"OLLAMA_HOST": fake.url})
    assert all(
        word in done.stdout for word in ("llama ", "8.0B", "Q4_K_M", "4.9 GB", "131072 tokens", "service")
    )
    assert "\x1b" not in done.stdout
    assert "2.5 beyond 200000 tokens" in arawn("model", "show", "gemini-2.5-pro").stdout


def test_aliases_in_config_and_environment(arawn) -> None:
    def asked(config: str, **variables: str) -> str:
        arawn("ask", "Hi", config=config, env=variables)
        return str(fake.requests[-1].json["model"])

    with FakeProvider(openai_stream(["Hello"])) as fake:
        own = CONFIG.format(url=fake.url) + '[aliases]\nfast = "mine:house"\nshort = "house"\n'
        assert asked(own, ARAWN_MODEL="fast") == "house"
        assert asked(own, ARAWN_MODEL="mine:other") == "other"
        assert asked('[llm]\nmodel = "fast"\n' + own) == "house"
        assert asked('[llm]\nbackend = "mine"\nmodel = "short"\n' + own) == "house"
        assert (
            asked('[llm]\nbackend = "mine"\nmodel = "mistral:7b"\n' + own, MISTRAL_API_KEY=KEY)
            == "mistral:7b"
        )


def test_a_project_cannot_choose_a_backend_by_its_model(arawn, tmp_path) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        other = f'[backends.other]\nprovider = "openai"\nbase_url = "{fake.url}/v1"\napi_key = "{KEY}"\nmodel = "o"\n'
        config = '[llm]\nbackend = "mine"\n' + CONFIG.format(url=fake.url) + other
        work = tmp_path / "work"
        (work / ".arawn").mkdir(parents=True)
        (work / ".arawn" / "config.toml").write_text('[llm]\nmodel = "other:o"\n')
        done = arawn("ask", "Hi", config=config)
    assert done.returncode == 0 and "other ·" not in done.stderr


@pytest.mark.parametrize(
    ("backend", "model", "first"),
    [
        ("anthropic", "claude-opus-4-1", "native"),
        ("anthropic", "claude-sonnet-4-20250514", "tool"),
        ("replicate", "anthropic/claude-4.5-sonnet", "prompt"),  # the host holds no answer to a schema
        ("openai", "gpt-4o", "native"),
        ("openai", "gpt-4o-2024-05-13", "tool"),
    ],
)
def test_ways_to_json_by_service_and_model(home: Path, backend: str, model: str, first: str) -> None:
    from arawn.app import App
    from arawn.backends.choose import choose
    from arawn.config.load import load
    from arawn.render.status import Status

    env = {"HOME": str(home), f"{backend.upper()}_API_KEY": KEY}
    config = load(env=env, cwd=None, config_file=None, flags=())
    choice = choose(config, env, backend, model)
    assert choice and App(config, env, Status(None, False, True, False)).rungs(choice)[0] == first


def frame(**said: Any) -> Frame:
    return Frame("", json.dumps(said), 1)


def test_only_progress_is_a_sign_of_life() -> None:
    now = 1000.0
    patience = Patience(90.0, clock=lambda: now)
    assert patience(frame(digest="a", completed=1)) == 90
    now += 60
    assert patience(frame(digest="a", completed=1)) == 30
    assert patience(frame(digest="a", completed=2)) == 90
    assert patience(frame(status="verifying sha256 digest")) > 300


def test_pull_that_stands_still_is_given_up(arawn) -> None:
    still = [{"status": "pulling ab", "digest": "sha256:ab", "total": 1000, "completed": 100}] * 400
    with FakeProvider(lines(*still, pause=0.05)) as fake:
        began = time.monotonic()
        done = arawn("-o", "limits.idle=0.6", "model", "pull", "llama3", env={"OLLAMA_HOST": fake.url})
    assert done.returncode == 5 and "goes on from here" in done.stderr and time.monotonic() - began < 10


def test_pull_has_no_limit_of_size(arawn) -> None:
    filler = [{"status": f"pulling {n} {'x' * 4000}", "digest": "sha256:ab", "total": 10**9, "completed": n}
              for n in range(400)]  # fmt: skip
    with FakeProvider(lines(*filler, {"status": "success"})) as fake:
        done = arawn("-o", "limits.reply=1MiB", "model", "pull", "llama3", env={"OLLAMA_HOST": fake.url})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "said",
    [
        {"total": 10**400, "completed": 10**399},
        {"total": -5, "completed": 1},
        {"total": 100, "completed": -5000},
        {"total": True, "completed": True},
        {"total": "9", "completed": None},
        {"total": 0, "completed": 0},
        {"total": 5, "completed": 500},
    ],
)
def test_pull_believes_no_number(arawn, said: dict[str, Any]) -> None:
    odd = {"status": "\x1b[2J\x9bpulling", "digest": "sha256:\x1b[31mab", **said}
    with FakeProvider(lines(odd, {"status": "success"})) as fake:
        done = arawn("model", "pull", "x", env={"OLLAMA_HOST": fake.url})
    assert done.returncode == 0 and "\x1b" not in done.stderr and "\x9b" not in done.stderr


def test_pull_tells_each_part(arawn) -> None:
    parts = [
        {"status": "pulling", "digest": f"sha256:{digest}", "total": 1000, "completed": have}
        for digest, begin in (("aaaa", 500), ("bbbb", 0))
        for have in range(begin, 1001, 250)
    ]
    with FakeProvider(lines(*parts, {"status": "success"})) as fake:
        done = arawn("model", "pull", "x", env={"OLLAMA_HOST": fake.url})
    told = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert told == [
        *(f"part 1 aaaa {share} %" for share in (50, 75, 100)),
        *(f"part 2 bbbb {share} %" for share in (0, 25, 50, 75, 100)),
    ]


@pytest.mark.parametrize("columns", [24, 80])
def test_pull_on_a_terminal_stays_on_one_line(env, columns: int) -> None:
    with (
        FakeProvider(lines(*PARTS, pause=0.03)) as fake,
        Term(
            [*PROGRAM, "model", "pull", "llama3"], env={**env, "OLLAMA_HOST": fake.url}, cols=columns
        ) as term,
    ):
        term.until(lambda: "part 1 ab" in term.screen, "a bar")
        term.until(lambda: "is there" in term.screen, "the end")
        assert term.screen == "llama3 is there"


def test_pull_goes_where_models_are_fetched(arawn) -> None:
    """Also where another backend is asked by itself; never elsewhere than where one was named."""
    gone = arawn("model", "pull", "x", env={"OLLAMA_HOST": "http://127.0.0.1:9"})
    assert gone.returncode == 5 and "ollama serve" in gone.stderr
    done_line = {"status": "success"}
    with FakeProvider(lines(done_line)) as fake:
        config = '[backends.mine]\nprovider = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'
        done = arawn("model", "pull", "llama3:8b", config=config, env={"OLLAMA_HOST": fake.url})
        assert done.returncode == 0 and fake.requests[-1].json["model"] == "llama3:8b"
        done = arawn("model", "pull", "ollama:llama3:8b", config=config, env={"OLLAMA_HOST": fake.url})
        assert done.returncode == 0 and fake.requests[-1].json["model"] == "llama3:8b"
        done = arawn("model", "pull", "x", "-b", "mine", config=config, env={"OLLAMA_HOST": fake.url})
        assert done.returncode == 2 and "-b ollama" in done.stderr
