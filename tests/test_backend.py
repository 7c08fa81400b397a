"""`arawn backend list` and `arawn backend test`: what can be asked, what each can do, and whether it answers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream, silent, sse

KEY = "sk-CANARY-0123456789abcdef"


def test_list_says_what_is_set_up_and_what_each_can_do(arawn) -> None:
    with FakeProvider(json_reply(200, {"models": []})) as ollama:
        env = {"OPENAI_API_KEY": KEY, "OLLAMA_HOST": ollama.url}
        done = arawn(
            "backend", "list", "--json", env=env, config='[backends.mine]\nbase_url = "http://127.0.0.1:9"\n'
        )
        plain = arawn("backend", "list", env=env)
    rows = {row["name"]: row for row in json.loads(done.stdout)["backends"]}
    assert (
        rows["mine"]["configured"]
        and rows["openai"]["usable"]
        and rows["openai"]["key"] == "OPENAI_API_KEY is set"
    )
    assert not rows["anthropic"]["usable"] and "No key" in rows["anthropic"]["missing"]
    assert rows["ollama"]["running"] and rows["ollama"]["usable"]
    assert not rows["lmstudio"]["usable"] and rows["lmstudio"]["missing"] == "it does not run"
    assert not rows["azure"]["usable"] and "endpoint" in rows["azure"]["missing"]
    able = {name: {what for what, can in row["can"].items() if can} for name, row in rows.items()}
    every = {"tools", "image", "pdf", "audio", "schema", "reasoning", "embeddings", "models", "streaming"}
    assert able["openai"] == every
    assert able["google"] == able["openai"]
    assert able["anthropic"] == every - {"audio", "schema", "embeddings"}
    assert able["replicate"] == {"streaming", "image", "reasoning", "models"}
    assert not able["guide"] and "schema" not in able["deepseek"] and "image" not in able["deepseek"]
    assert "embeddings" not in able["groq"] and "embeddings" not in able["deepseek"]
    assert not rows["vllm"]["usable"] and rows["mine"]["running"] is None
    assert KEY not in done.stdout + plain.stdout
    line = next(line for line in plain.stdout.splitlines() if line.startswith("openai "))
    assert "ready" in line and "reasoning" in line
    line = next(line for line in plain.stdout.splitlines() if line.startswith("lmstudio "))
    assert "  -  it does not run" in " ".join(line.split(" " * 3)) and "ready" not in line


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
@pytest.mark.parametrize("columns", [80, 200])
def test_the_list_fits_the_terminal(env: dict[str, str], tmp_path: Path, columns: int) -> None:
    from term import Term

    argv = [sys.executable, "-P", "-m", "arawn", "backend", "list"]
    with Term(argv, env=env, cwd=tmp_path, rows=70, cols=columns) as term:
        assert term.end() == 0
    lines = [line.rstrip() for line in term.screen.splitlines()]
    at = next(number for number, line in enumerate(lines) if line.startswith("xai "))
    if columns == 200:
        assert re.fullmatch(r"xai +xai +grok-4 +- +set XAI_API_KEY +streaming,tools,.*models", lines[at])
    else:
        assert re.fullmatch(r"xai +-      set XAI_API_KEY", lines[at])
        assert lines[at + 1].startswith("  grok-4  streaming, tools, ")
        assert all(re.match(r"\S+ +(-|ready) |  \S", line) for line in lines if line), term.screen


def test_an_address_that_lacks_its_end_and_a_server_that_does_not_run(arawn) -> None:
    with FakeProvider(json_reply(404, {"error": {"message": "Unknown path"}})) as fake:
        made = config(one=fake.url).replace("/v1", "")
        assert "; many services want /v1 behind it\n" in arawn("ask", "hi", config=made).stderr
        assert "want /v1" not in arawn("ask", "hi", config=config(one=fake.url)).stderr
    done = arawn("ask", "hi")
    assert done.returncode == 5 and "  - is it running?\n  - base_url under" in done.stderr


def config(**urls: str) -> str:
    return "".join(
        f'[backends.{name}]\nbase_url = "{url}/v1"\nmodel = "m"\napi_key = "{KEY}"\n'
        for name, url in urls.items()
    )


def test_test_asks_all_at_once_and_tells_what_to_do(arawn) -> None:
    both = threading.Barrier(2)

    def slow(conn: Conn) -> None:
        both.wait(10)  # one after the other, and neither would ever be answered
        time.sleep(0.2)
        openai_stream(["OK"])(conn)

    wrong = json_reply(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with FakeProvider(slow) as one, FakeProvider(slow) as two, FakeProvider(wrong) as bad:
        began = time.monotonic()
        made = config(one=one.url, two=two.url, bad=bad.url, gone="http://127.0.0.1:9")
        done = arawn("backend", "test", "--all", "--json", config=made)
        took = time.monotonic() - began
    rows = {row["backend"]: row for row in json.loads(done.stdout)["backends"]}
    assert took < 3.5 and done.returncode == 1
    assert rows["one"]["ok"] and rows["one"]["status"] == 200 and rows["one"]["first_event_s"] >= 0.2
    assert rows["one"]["key"] == "backends.one.api_key"
    assert (rows["bad"]["ok"], rows["bad"]["status"], rows["bad"]["exit_code"]) == (False, 401, 4)
    assert rows["bad"]["remedies"] and rows["gone"]["exit_code"] == 5
    assert len(one.requests) == 1 and one.requests[0].json["max_tokens"] == 16
    assert KEY not in done.stdout + done.stderr


def test_one_backend_gives_its_own_exit_code(arawn) -> None:
    with FakeProvider(json_reply(503, {"error": {"message": "busy"}})) as busy:
        done = arawn("backend", "test", "one", config=config(one=busy.url))
    assert done.returncode == 6 and "FAIL one m" in done.stdout and len(busy.requests) == 1, "no retries"
    with FakeProvider(openai_stream(["O"], finish="length")) as fine:
        done = arawn("backend", "test", config=config(one=fine.url))
    assert done.returncode == 0 and done.stdout.startswith("ok   one m")
    assert "backends.one.api_key" in done.stdout


def test_a_mute_backend_has_its_own_limit(arawn) -> None:
    with FakeProvider(lambda conn: conn.wait_gone(10)) as mute:
        began = time.monotonic()
        done = arawn("backend", "test", "one", "--timeout", "0.5", config=config(one=mute.url))
    assert done.returncode == 5 and time.monotonic() - began < 5


def test_a_name_that_there_is_not(arawn) -> None:
    done = arawn("backend", "test", "opnai")
    assert done.returncode == 3 and 'did you mean "openai"' in done.stdout
    for name, told in (
        ("claude", 'did you mean "anthropic"?'),
        ("grok", 'did you mean "xai"?'),
        ("groq:big", "  - a backend and its model: -m groq:big\n"),
    ):
        assert told in arawn("ask", "hi", "-b", name).stderr


def test_a_key_that_looks_like_a_reference_is_not_shown(arawn) -> None:
    table = '[backends.{}]\nbase_url = "http://127.0.0.1:9"\napi_key = "{}"\n'
    made = (
        table.format("one", "$tr0ng-CANARY")
        + table.format("two", "a-CANARY-$env:NOT")
        + table.format("three", "$env:MY")
    )
    done = arawn("backend", "list", "--json", config=made)
    assert "CANARY" not in done.stdout + done.stderr
    assert {row["name"]: row["key"] for row in json.loads(done.stdout)["backends"]}["three"] == "$env:MY"


def test_a_local_server_is_looked_for_where_it_is_said_to_be(arawn) -> None:
    with (
        FakeProvider(json_reply(200, {"models": []})) as ollama,
        FakeProvider(json_reply(200, {"data": []})) as other,
    ):
        made = f'[backends.mine]\nprovider = "ollama"\nbase_url = "{ollama.url}/v1"\n'
        env = {"OLLAMA_HOST": "127.0.0.1:9", "VLLM_API_BASE": other.url}
        done = arawn("backend", "list", "--json", config=made, env=env)
    rows = {row["name"]: row for row in json.loads(done.stdout)["backends"]}
    assert (rows["mine"]["running"], rows["ollama"]["running"], rows["vllm"]["running"]) == (
        True,
        False,
        True,
    )


def test_looking_for_servers_that_do_not_answer_takes_no_time(arawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        made = "".join(f'[backends.b{n}]\nprovider = "ollama"\nbase_url = "{url}"\n' for n in range(20))
        began = time.monotonic()
        done = arawn("backend", "list", config=made)
        assert done.returncode == 0 and time.monotonic() - began < 5, "20 servers of 0.3 s each, at once"


def trickle(conn: Conn) -> None:
    """Always alive, never done."""
    conn.head()
    while not conn.stopping.is_set():
        conn.chunk(sse({"choices": [{"index": 0, "delta": {"content": "O"}}]}))
        time.sleep(0.05)


def test_an_answer_that_never_ends_has_the_same_limit(arawn) -> None:
    with FakeProvider(trickle) as slow, FakeProvider(openai_stream(["OK"])) as fine:
        began = time.monotonic()
        made = config(slow=slow.url, fine=fine.url)
        done = arawn("backend", "test", "slow", "fine", "--timeout", "3", "--json", config=made)
        took = time.monotonic() - began
    rows = {row["backend"]: row for row in json.loads(done.stdout)["backends"]}
    assert (rows["fine"]["ok"], rows["slow"]["ok"], rows["slow"]["exit_code"]) == (True, False, 5)
    assert "not whole within 3 s" in rows["slow"]["error"] and took < 9


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("command", [("backend", "test", "--all"), ("doctor",)], ids=str)
def test_ctrl_c_ends_it_at_once(env, tmp_path, command) -> None:
    with FakeProvider(silent) as mute:
        (tmp_path / "c.toml").write_text(config(one=mute.url, two=mute.url))
        args = [sys.executable, "-P", "-m", "arawn", "--config", str(tmp_path / "c.toml"), *command]
        running = subprocess.Popen(
            args, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 10
        while len(mute.requests) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGINT)
        began = time.monotonic()
        _, err = running.communicate(timeout=10)
    assert running.returncode == 130 and time.monotonic() - began < 8 and b"Traceback" not in err


def test_an_answer_with_nothing_in_it_is_no_success(arawn) -> None:
    with FakeProvider(openai_stream([])) as empty:
        done = arawn("backend", "test", "one", config=config(one=empty.url))
    assert done.returncode == 1 and "empty" in done.stdout
    with FakeProvider(openai_stream([], finish="length")) as thinking:
        done = arawn("backend", "test", "one", config=config(one=thinking.url))
    assert done.returncode == 0, "its thoughts filled the room"


def test_a_model_that_thinks_gets_room_for_it(arawn) -> None:
    with FakeProvider(openai_stream(["OK"])) as fake:
        made = f'[backends.openai]\nbase_url = "{fake.url}/v1"\nmodel = "gpt-5"\napi_key = "{KEY}"\n'
        done = arawn("backend", "test", config=made)
    assert done.returncode == 0 and fake.requests[0].json["max_completion_tokens"] == 1024
