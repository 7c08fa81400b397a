"""`arawn batch`: many lines against a loopback provider; what is asked how often, kept, told and waited for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, json_reply
from home import configure
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.app import Opened
from arawn.asking import ask
from arawn.backends.scripted import Scripted
from arawn.batch.gate import Gate
from arawn.batch.lines import BadLine, item
from arawn.batch.out_file import OutFile
from arawn.doors import Keys
from arawn.errors import SecretFault, UsageFault
from arawn.events import Finish, Text, Wait
from arawn.messages import Request, user
from arawn.secret import Secret

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import batch as bench

CONFIG = """
[llm]
backend = "fake"
[backends.fake]
provider = "custom"
base_url = "{url}/v1"
model = "m"
[backends.fake.retry]
initial_delay = "1ms"
[backends.other]
provider = "custom"
base_url = "{url}/v1"
model = "om"
[catalog."m"]
input_price = 1.0
output_price = 2.0
"""


def answer(conn: Conn, text: str | None = None) -> None:
    said = conn.request.said
    reply = {
        "model": "m-1",
        "choices": [{"message": {"content": f"<{said}>" if text is None else text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
    json_reply(200, reply)(conn)


def refuse(conn: Conn, status: int = 400, **headers: str) -> None:
    json_reply(status, {"error": {"message": "no way", "type": "some_error"}}, **headers)(conn)


class Place:
    """A folder with an in file and what a run makes of it."""

    def __init__(self, arawn: Any, folder: Path) -> None:
        self._arawn = arawn
        self.inside = folder / "in.jsonl"
        self.out = folder / "out.jsonl"
        self.fake: FakeProvider | None = None

    def write(self, *lines: Any) -> None:
        self.inside.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def run(self, *words: str, behave: Any = answer, config: str = CONFIG, **more: Any) -> Any:
        with FakeProvider(behave) as self.fake:
            return self._arawn(
                "batch", str(self.inside), "-o", str(self.out), *words,
                config=config.replace("{url}", self.fake.url), **more,
            )  # fmt: skip

    @property
    def made(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    @property
    def asked(self) -> list[str]:
        assert self.fake is not None
        return [request.said for request in self.fake.requests if request.body]


@pytest.fixture
def place(arawn, tmp_path) -> Place:
    return Place(arawn, tmp_path)


def test_every_form_of_a_line(place: Place) -> None:
    place.write(
        "plain",
        {"id": "b", "prompt": "hi", "system": "Be brief.", "max_tokens": 7, "temperature": 0.5, "category": "mine"},
        {"id": 3, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},
                               {"role": "user", "content": [{"type": "text", "text": "then"}]}]},
        {"custom_id": "d", "method": "POST", "url": "/v1/chat/completions",
         "body": {"model": "their-model", "max_completion_tokens": 9, "seed": 4, "stream": True, "stop": ["x"],
                  "messages": [{"role": "system", "content": "sys"}, {"role": "user", "content": "theirs"}]}},
        {"id": "e", "prompt": "elsewhere", "backend": "other"},
    )  # fmt: skip
    done = place.run("--concurrency", "3")
    assert done.returncode == 0, done.stderr
    assert [made["id"] for made in place.made] == ["line-1", "b", 3, "d", "e"]
    texts = [made["text"] for made in place.made]
    assert texts == ["<plain>", "<hi>", "<then>", "<theirs>", "<elsewhere>"]
    bodies = {request.said: request.json for request in place.fake.requests}
    assert bodies["hi"]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (bodies["hi"]["max_tokens"], bodies["hi"]["temperature"]) == (7, 0.5) and "category" not in bodies[
        "hi"
    ]
    assert [message["role"] for message in bodies["then"]["messages"]] == ["user", "assistant", "user"]
    theirs = bodies["theirs"]
    assert (theirs["model"], theirs["max_tokens"], theirs["seed"], theirs["stop"]) == (
        "their-model",
        9,
        4,
        ["x"],
    )
    assert not theirs.get("stream") and bodies["elsewhere"]["model"] == "om"
    first = place.made[0]
    assert first["usage"] == {"input": 10, "output": 5} and first["cost_usd"] == pytest.approx(20e-6)
    assert (first["backend"], first["model"], first["error"], first["attempts"]) == ("fake", "m-1", None, 1)
    assert place.made[4]["backend"] == "other" and place.made[4]["cost_usd"] is None


def test_lines_that_ask_nothing_fail_alone(place: Place) -> None:
    bad = [
        "{", "[1]", "", {"id": "p"}, {"id": "q", "prompt": 5}, {"id": "r", "prompt": " "}, {"id": True, "prompt": "x"},
        {"id": "s", "messages": []}, {"id": "t", "messages": [{"role": "assistant", "content": "x"}]},
        {"id": "u", "messages": [{"role": "tool", "content": "x"}]}, {"id": "v", "body": 1},
        {"id": "w", "body": {"messages": [{"role": "user", "content": "x"}], "tools": [{}]}},
        {"id": "x", "prompt": "x", "temperature": "hot"}, {"id": "y", "prompt": "x", "n": 2},
        {"id": "z", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]},
        {"id": "deep", "prompt": "x", "backend": "nobody"},
    ]  # fmt: skip
    place.inside.write_text(
        "".join((line if line in ("{", "[1]") else json.dumps(line)) + "\n" for line in bad)
        + "[" * 100_000 + "\n" + '{"id": "good", "prompt": "x"}\n'
    )  # fmt: skip
    done = place.run()
    assert done.returncode == 1 and place.asked == ["x"], done.stderr
    assert len(place.made) == len(bad) + 2 and place.made[-1]["ok"]
    assert all(made["error"]["code"] in ("usage", "config") for made in place.made[:-1])
    assert "17 lines have no answer" in done.stderr and "Traceback" not in done.stderr


def test_order_is_kept_whatever_comes_first(place: Place) -> None:
    first = threading.Event()

    def behave(conn: Conn) -> None:
        if conn.request.said == "p0":
            first.wait(10)
        answer(conn)
        if conn.request.said == "p9":
            first.set()

    place.write(*({"id": f"i{n}", "prompt": f"p{n}"} for n in range(10)))
    done = place.run("--concurrency", "2", behave=behave)
    assert done.returncode == 0, done.stderr
    assert [made["id"] for made in place.made] == [f"i{n}" for n in range(10)]


def test_an_id_that_stands_twice_is_told_before_anything_is_sent(place: Place) -> None:
    place.write({"id": "a", "prompt": "x"}, {"id": "b", "prompt": "x"}, {"id": "a", "prompt": "y"})
    done = place.run()
    assert done.returncode == 2 and not place.asked and not place.out.exists()
    assert 'in.jsonl:3: the id "a" stands in line 1 too' in done.stderr
    place.write({"id": 1, "prompt": "x"}, {"id": "1", "prompt": "y"})
    assert place.run().returncode == 0 and len(place.made) == 2


def test_what_is_done_is_never_asked_again(place: Place) -> None:
    def behave(conn: Conn) -> None:
        (refuse if conn.request.said == "bad" else answer)(conn)

    place.write({"id": "a", "prompt": "x"}, {"id": "b", "prompt": "bad"}, {"id": "c", "prompt": "y"})
    assert place.run(behave=behave).returncode == 1
    assert sorted(place.asked) == ["bad", "x", "y"]
    done = place.run(behave=behave)
    assert done.returncode == 1 and place.asked == [] and "3 of 3 lines were done before" in done.stderr
    done = place.run("--retry-failed")
    assert done.returncode == 0 and place.asked == ["bad"]
    assert [(made["id"], made["ok"]) for made in place.made] == [("a", True), ("b", True), ("c", True)]
    done = place.run("--retry-failed", "--json")
    assert done.returncode == 0 and place.asked == []
    told = json.loads(done.stdout)
    assert (told["ok"], told["before"], told["answered"], told["left"]) == (True, 3, 0, 0)


def test_a_torn_last_line_is_dropped_and_asked_again(place: Place) -> None:
    place.write({"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"})
    assert place.run().returncode == 0
    whole = place.out.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 30, whole.index(b"\n") + 2):
        place.out.write_bytes(whole[:cut])
        done = place.run()
        assert done.returncode == 0 and place.asked == ["y"] and place.out.read_bytes() == whole
        assert "torn" in done.stderr


@pytest.mark.parametrize(
    "text", ['{"name": "mine"}\n', "notes\n", "no line end", '{"id": "a", "ok": true}\nwords\n{"id": "b", "ok": true}\n']
)  # fmt: skip
def test_a_file_that_is_no_out_file_is_not_touched(place: Place, text: str) -> None:
    place.write({"id": "a", "prompt": "x"})
    place.out.write_text(text)
    done = place.run()
    assert done.returncode == 2 and not place.asked and place.out.read_text() == text
    assert "is no out file of a batch" in done.stderr


def test_in_and_out_must_be_two_files(place: Place) -> None:
    place.write({"id": "a", "ok": True, "prompt": "x"})
    place.out = place.inside
    done = place.run()
    assert done.returncode == 2 and "is the in file" in done.stderr
    place.out = Path("/dev/null")
    assert "no regular file" in place.run().stderr


def test_a_setting_behind_o_is_no_file(place: Place, tmp_path: Path) -> None:
    """-o names a file here, and elsewhere a setting: a limit of money was the name of a file, and unheeded."""
    place.write({"prompt": "a"})
    done = place.run("-o", "budget.per_day=0.000001")
    assert done.returncode == 7 and place.asked == [] and not list(tmp_path.glob("budget*")), done.stderr
    done = place.run("-o", "llm.max_tokens=7", "-o", str(tmp_path / "x=y.jsonl"))
    assert done.returncode == 0 and (tmp_path / "x=y.jsonl").exists()
    assert place.fake is not None and place.fake.requests[0].json["max_tokens"] == 7
    done = place.run("-o", "llm.max_tokns=7")
    assert done.returncode == 3 and "did you mean max_tokens?" in done.stderr, done.stderr


def test_a_line_that_was_changed_is_told(place: Place) -> None:
    place.write({"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"})
    place.run()
    place.write({"id": "a", "prompt": "x"}, {"id": "b", "prompt": "z"}, {"id": "c", "prompt": "w"})
    done = place.run()
    assert place.asked == ["w"] and "1 lines were changed since they were answered (first: b)" in done.stderr


def test_standard_input_is_an_in_file(place: Place, arawn) -> None:
    with FakeProvider(answer) as fake:
        done = arawn(
            "batch",
            "-",
            "-o",
            str(place.out),
            stdin='"one"\n"two"\n',
            config=CONFIG.replace("{url}", fake.url),
        )
    assert done.returncode == 0 and [made["text"] for made in place.made] == ["<one>", "<two>"]


def test_a_task_for_each_line(place: Place) -> None:
    tasks = (
        '[tasks.short]\nprompt = "Short in {lang}: {input}"\n'
        '[tasks.check]\nrequires = ["short"]\nbackend = "other"\nprompt = "Check {short}"\n'
    )
    place.write(
        {"id": "a", "input": "one {short}", "lang": "de"}, {"id": "b", "prompt": "two", "lang": "fr"},
        {"id": "c", "prompt": "three"}, {"id": "d", "lang": "de"},
    )  # fmt: skip
    done = place.run("--task", "check", config=CONFIG + tasks)
    assert done.returncode == 1, done.stderr
    a, b, c, d = place.made
    assert a["text"] == "<Check <Short in de: one {short}>>" and b["text"] == "<Check <Short in fr: two>>"
    assert a["usage"] == {"input": 20, "output": 10} and a["attempts"] == 2 and a["backend"] == "other"
    assert (
        "nothing gives {lang}" in c["error"]["message"] and "nothing gives {input}" in d["error"]["message"]
    )
    assert len(place.asked) == 4
    done = place.run("--task", "chek", config=CONFIG + tasks)
    assert done.returncode == 2 and 'did you mean "check"?' in done.stderr


def test_a_role_is_for_what_a_line_leaves_open(place: Place) -> None:
    role = '[roles.short]\nsystem = "Be short."\ntemperature = 0.25\nmax_tokens = 9\nmodel = "r"\n'
    place.write("a", {"prompt": "b", "system": "Be long.", "max_tokens": 99})
    done = place.run("--role", "short", config=CONFIG + role)
    assert done.returncode == 0, done.stderr
    assert place.fake is not None
    assert sorted(
        (made["messages"][0]["content"], made["model"], made["temperature"], made["max_tokens"])
        for made in (request.json for request in place.fake.requests)
    ) == [("Be long.", "r", 0.25, 99), ("Be short.", "r", 0.25, 9)]


def test_json_of_a_shape(place: Place) -> None:
    place.write("a", "b")
    done = place.run("--schema", "age int", behave=lambda conn: answer(conn, '{"age": 3}'))
    assert done.returncode == 0 and [made["data"] for made in place.made] == [{"age": 3}] * 2


def test_a_rate_limit_of_one_is_a_wait_of_all(place: Place) -> None:
    """The first answer is a 429 with a wait of 1 s: in that time nobody else asks."""
    times: list[float] = []
    lock = threading.Lock()

    def behave(conn: Conn) -> None:
        with lock:
            times.append(time.monotonic())
            first = len(times) == 1
        if first:
            refuse(conn, 429, retry_after="1")
        else:
            time.sleep(0.1)
            answer(conn)

    place.write(*(f"p{n}" for n in range(12)))
    done = place.run("--concurrency", "4", behave=behave)
    assert done.returncode == 0, done.stderr
    began = times[0]
    early = [at - began for at in times if at - began < 0.95]
    assert len(times) == 13 and len(early) <= 4  # those that were under way when it came


def test_a_line_outlasts_more_rate_limits_than_one_request_may(place: Place) -> None:
    seen: Counter[str] = Counter()

    def behave(conn: Conn) -> None:
        seen[conn.request.said] += 1
        if seen[conn.request.said] <= 4:
            refuse(conn, 429, retry_after="0")
        else:
            answer(conn)

    place.write("x")
    done = place.run("--json", behave=behave)
    assert done.returncode == 0 and len(place.asked) == 5 and json.loads(done.stdout)["asked_again"] == 1


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"error": {"message": "bad key"}}, 4),
        (404, {"error": {"message": "the model does not exist", "code": "model_not_found"}}, 7),
        (429, {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota",
                         "code": "insufficient_quota"}}, 6),
    ],
)  # fmt: skip
def test_what_no_line_would_escape_ends_the_run_and_marks_no_line(place: Place, status, body, code) -> None:
    place.write(*(f"p{n}" for n in range(200)))
    done = place.run("--concurrency", "4", behave=json_reply(status, body))
    assert done.returncode == code and len(place.asked) <= 8 and place.out.read_text() == "", done.stderr
    assert "200 left" in done.stderr
    assert place.run().returncode == 0 and len(place.made) == 200


RING = """
import os
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 9
    def get_password(self, service, name):
        with open(os.environ["ASKED"], "a") as file:
            file.write(name + " ")
        return "sk-ring-0123456789abcdef"
    def set_password(self, service, name, value):
        pass
    def delete_password(self, service, name):
        pass
"""


def test_a_keyring_is_asked_once_for_all_lines(place: Place, tmp_path) -> None:
    (tmp_path / "ring.py").write_text(RING)
    place.write(*(f"p{n}" for n in range(40)))
    config = CONFIG.replace("[backends.fake]", '[backends.fake]\napi_key = "$keyring:k"')
    env = {"PYTHON_KEYRING_BACKEND": "ring.Keyring", "ASKED": str(tmp_path / "asked")}
    env["PYTHONPATH"] = f"{tmp_path}:{Path(__file__).parents[1]}"
    done = place.run("--concurrency", "8", config=config, env=env)
    assert done.returncode == 0 and len(place.asked) == 40, done.stderr
    assert (tmp_path / "asked").read_text() == "k "


def test_who_waits_for_a_key_that_cannot_be_had_waits_once() -> None:
    """And one who comes later asks the keyring again: it may be open by then."""

    class Ring:
        asked = 0

        def resolve(self, text: str) -> Secret:
            self.asked += 1
            raise SecretFault("no answer")

    class Counted:
        """A lock that tells who comes to it."""

        def __init__(self) -> None:
            self.came, self.lock = threading.Semaphore(0), threading.Lock()

        def __enter__(self) -> None:
            self.came.release()
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()

    ring, lock = Ring(), Counted()
    keys = Keys(ring)
    keys._lock = lock

    def want() -> None:
        with pytest.raises(SecretFault, match="no answer"):
            keys.get("$keyring:k")

    waiting = [threading.Thread(target=want) for _ in range(6)]
    with lock.lock:
        for thread in waiting:
            thread.start()
        assert all(lock.came.acquire(timeout=20) for _ in waiting)
    for thread in waiting:
        thread.join(20)
    assert ring.asked == 1
    want()
    assert ring.asked == 2


def test_a_service_that_is_down_is_not_asked_ten_thousand_times(place: Place) -> None:
    place.write(*(f"p{n}" for n in range(200)))
    done = place.run("--concurrency", "4", behave=lambda conn: refuse(conn, 503))
    assert done.returncode == 6 and len(place.asked) <= 3 * 24, done.stderr
    assert not any(made["ok"] for made in place.made)  # one that was stopped in a pause is no answer
    done = place.run("--retry-failed")
    assert done.returncode == 0 and [made["text"] for made in place.made] == [f"<p{n}>" for n in range(200)]


def test_a_question_that_is_broken_off_has_no_answer() -> None:
    class Priced:
        priced = staticmethod(lambda receipt: receipt)

    for events, stopped, whole in (
        ((Wait(1.0, 1.0, "busy", 2, 3), Text("late"), Finish("stop")), True, False),
        ((Text("all"), Finish("stop")), False, True),
    ):
        backend = Scripted(events)
        opened = Opened(backend, "fake", "Fake", "m", "")
        made = ask(Priced(), opened, Request((user("hi"),)), None, lambda stopped=stopped: stopped)
        assert made.ok is whole and made.fault is None


def test_fallback_is_in_force(place: Place) -> None:
    def behave(conn: Conn) -> None:
        (refuse(conn, 503) if conn.request.json["model"] == "m" else answer(conn))

    place.write("a", "b", "c")
    config = CONFIG.replace('backend = "fake"', 'backend = "fake"\nfallback_backends = ["other"]', 1)
    done = place.run(behave=behave, config=config)
    assert done.returncode == 0, done.stderr
    assert {made["backend"] for made in place.made} == {"other"}


def test_mistakes_of_the_config_are_told_before_a_line_is_taken(place: Place) -> None:
    place.write("a")
    assert place.run("-b", "nobody").returncode == 3 and place.out.read_text() == ""
    place.inside.write_text("\n\n")
    assert "There is nothing in" in place.run().stderr
    place.inside = Path("/nowhere/in.jsonl")
    assert place.run().returncode == 2


def test_ctrl_c_waits_for_what_is_paid_and_a_second_run_does_the_rest(place: Place, env, home) -> None:
    process: Any = None

    def behave(conn: Conn) -> None:
        if conn.request.said == "p5":
            os.kill(process.pid, signal.SIGINT)
            time.sleep(0.3)
        answer(conn)

    place.write(*({"id": n, "prompt": f"p{n}"} for n in range(20)))
    with FakeProvider(behave) as fake:
        configure(home, CONFIG.replace("{url}", fake.url))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "arawn", "batch", str(place.inside), "-o", str(place.out),
             "--concurrency", "2", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=home,
        )  # fmt: skip
        out, err = process.communicate(timeout=30)
        told = json.loads(out)
        assert process.returncode == 130 and b"Traceback" not in err, err
        done = {made["id"] for made in place.made}
        assert 5 in done and len(done) == len(fake.requests) == told["answered"] and told["interrupted"]
    place.run()
    assert len(place.asked) == 20 - len(done) and [made["id"] for made in place.made] == list(range(20))


def test_nothing_is_stored_and_a_pipe_gets_no_progress(place: Place, arawn) -> None:
    place.write("a", "b")
    done = place.run()
    assert done.stdout == "" and done.stderr.count("\n") == 1 and "2 answered, 0 failed" in done.stderr
    assert json.loads(arawn("session", "list", "--json").stdout) == []
    assert place.run("-q").stderr == ""


def test_no_key_is_in_the_out_file(place: Place) -> None:
    key = "sk-live-0123456789abcdef0123456789"
    config = CONFIG.replace('model = "m"\n', f'model = "m"\napi_key = "{key}"\n', 1)
    place.write("a")
    done = place.run(config=config, behave=json_reply(400, {"error": {"message": f"bad request of {key}"}}))
    assert done.returncode == 1 and key not in place.out.read_text() + done.stderr + done.stdout
    assert os.stat(place.out).st_mode & 0o077 == 0


def test_two_runs_at_once_on_one_out_file(place: Place, arawn) -> None:
    file = OutFile(str(place.out))
    place.write("a")
    done = place.run()
    file.close()
    assert done.returncode == 2 and "Another batch writes" in done.stderr and not place.asked


def test_300_lines_killed_twice_lose_none_and_pay_none_that_was_written_twice(tmp_path: Path) -> None:
    came = bench.killed(tmp_path, count=300, width=16, delay=0.02, seed=3)
    assert (came.lost, came.paid_twice, came.sorted) == (0, 0, True)
    assert len(came.under_way) == 2 and max(came.under_way) <= 16
    assert came.asked_twice <= sum(came.under_way)


def test_a_gate_closes_for_all_halves_once_and_widens_by_answers() -> None:
    now = [0.0]
    gate = Gate(8, lambda: now[0])
    for _ in range(8):
        assert gate.enter(lambda: False)
    gate.hold(5)
    gate.hold(2)  # another of the same burst
    assert (gate.width, gate.closed_s) == (4, 5.0)
    for _ in range(8):
        gate.leave(False)
    stop = iter((False, True))
    assert not gate.enter(lambda: next(stop))
    now[0] = 5.0
    for _ in range(4):
        assert gate.enter(lambda: False)
    stop = iter((False, True))
    assert not gate.enter(lambda: next(stop))
    for _ in range(4):
        gate.leave(True)
    assert gate.width == 5
    for _ in range(10):
        gate.hold(1)
        now[0] += 2
    assert gate.width == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "prompt", "messages", "body", "role", "content", "type", "text", "stop", "model"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(VALUES, st.booleans())
def test_any_line_is_an_item_or_says_why_not(value: Any, task: bool) -> None:
    try:
        made = item(json.dumps(value), 1, task=task)
    except BadLine as fault:
        assert fault.sentence
        return
    assert made.request.messages[-1].role == "user"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_an_out_file_cut_anywhere_keeps_its_whole_lines(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("out") / "out.jsonl"
    file = OutFile(str(path))
    for number in range(4):
        file.add({"id": f"é{number}", "ok": True, "text": "\u2028\n" * number})
    file.close()
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    try:
        again = OutFile(str(path))
    except UsageFault:
        raise AssertionError(whole[:cut]) from None
    again.close()
    lines = whole[:cut].count(b"\n")
    assert len(again.known) == lines and path.read_bytes() == b"".join(whole.splitlines(True)[:lines])


def test_a_budget_holds_for_all_lines_together(place: Place) -> None:
    """Each answer costs 20 millionths of a dollar; what is left when the limit is reached waits for another day."""
    place.write(*({"id": n, "prompt": "x", "max_tokens": 5} for n in range(60)))
    config = CONFIG + "[budget]\nper_day = 0.0006\n"
    done = place.run("--concurrency", "4", "--json", config=config)
    told = json.loads(done.stdout)
    assert 10 <= told["answered"] <= 30 and told["failed"] == 0 and told["cost_usd"] <= 0.000601, done.stderr
    assert done.returncode == 7 and "budget" in done.stderr and told["left"] == 60 - told["answered"]
    assert len(place.asked) == told["answered"]
    assert place.run().returncode == 0 and [made["id"] for made in place.made] == list(range(60))


def test_a_line_that_is_too_dear_alone_fails_alone(place: Place) -> None:
    place.write({"id": "a", "prompt": "x", "max_tokens": 5}, {"id": "b", "prompt": "x " * 2000}, "last")
    config = CONFIG + '[budget]\nper_turn = 0.001\naction = "ask"\n'
    done = place.run(
        "--concurrency", "1", config=config.replace('model = "m"', 'model = "m"\nmax_tokens = 5', 1)
    )
    assert done.returncode == 1 and [made["ok"] for made in place.made] == [True, False, True], done.stderr
    assert place.made[1]["error"]["code"] == "budget" and len(place.asked) == 2


def test_help_names_the_commands_and_run_is_meant_without_one(arawn) -> None:
    for words in ((), ("--help",)):
        done = arawn("batch", *words)
        assert done.returncode == 0 and "Many questions from a file" in done.stdout and "fetch" in done.stdout
    assert "--concurrency" in arawn("batch", "run", "--help").stdout
    assert arawn("batch", "--concurrency", "3", "gone.jsonl", "-o", "x").returncode == 2
