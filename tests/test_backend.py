"""`arawn backend list` and `arawn backend test`: what can be asked, what each can do, and whether it answers."""

from __future__ import annotations

import json
import time

from fake_provider import Conn, FakeProvider, json_reply, openai_stream

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
    assert able["openai"] == {"tools", "image", "pdf", "audio", "schema", "reasoning", "embeddings", "models"}
    assert able["google"] == able["openai"]
    assert able["anthropic"] == {"tools", "image", "pdf", "reasoning", "models"}
    assert able["replicate"] == {"image", "reasoning", "models"}
    assert not able["guide"] and "schema" not in able["deepseek"] and "image" not in able["deepseek"]
    assert KEY not in done.stdout + plain.stdout
    line = next(line for line in plain.stdout.splitlines() if line.startswith("openai "))
    assert "ready" in line and "reasoning" in line


def config(**urls: str) -> str:
    return "".join(
        f'[backends.{name}]\nbase_url = "{url}/v1"\nmodel = "m"\napi_key = "{KEY}"\n'
        for name, url in urls.items()
    )


def test_test_asks_all_at_once_and_tells_what_to_do(arawn) -> None:
    def slow(conn: Conn) -> None:
        time.sleep(0.8)
        openai_stream(["OK"])(conn)

    wrong = json_reply(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with FakeProvider(slow) as one, FakeProvider(slow) as two, FakeProvider(wrong) as bad:
        began = time.monotonic()
        made = config(one=one.url, two=two.url, bad=bad.url, gone="http://127.0.0.1:9")
        done = arawn("backend", "test", "--all", "--json", config=made)
        took = time.monotonic() - began
    rows = {row["backend"]: row for row in json.loads(done.stdout)["backends"]}
    assert took < 3.5 and done.returncode == 1
    assert rows["one"]["ok"] and rows["one"]["status"] == 200 and rows["one"]["first_event_s"] >= 0.8
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
