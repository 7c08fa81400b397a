"""Batch services of providers: submit, leave, come back; against fakes written from their documentation."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from batch_services import Anthropic, Google, Groq, Mistral, OpenAI, Service
from fake_provider import Conn, FakeProvider, json_reply
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.messages import Request, user
from arawn.wire import Target, dialect
from arawn.wire.batches import Line, created, style

KEY = "sk-batch-0123456789abcdef0123"
SERVICES: dict[str, tuple[type[Service], str, str]] = {
    "openai": (OpenAI, "/v1", "gpt-4o"),
    "groq": (Groq, "/openai/v1", "llama-3.3-70b-versatile"),
    "mistral": (Mistral, "/v1", "mistral-small-latest"),
    "anthropic": (Anthropic, "", "claude-sonnet-4-20250514"),
    "google": (Google, "/v1beta", "gemini-2.5-flash"),
}
LLMOCK = os.environ.get("AIMOCK") or shutil.which("llmock") or ""


class Place:
    """One service, a file of lines, and runs of the program."""

    def __init__(self, arawn: Any, folder: Path, name: str) -> None:
        made, self.path, self.model = SERVICES[name]
        self.name = name
        self.service = made()
        self.fake = FakeProvider(self.service)
        self._arawn = arawn
        self.inside, self.out = folder / "in.jsonl", folder / "out.jsonl"

    def write(self, *lines: Any) -> None:
        self.inside.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def run(self, *words: str, more: str = "") -> Any:
        config = (
            f'[llm]\nbackend = "{self.name}"\n[backends.{self.name}]\nbase_url = "{self.fake.url}{self.path}"\n'
            f'api_key = "$env:THE_KEY"\nsystem = "Be brief."\n{more}'
        )
        return self._arawn("batch", *words, config=config, env={"THE_KEY": KEY})

    def submit(self, *words: str, more: str = "") -> Any:
        return self.run(str(self.inside), "--provider-batch", *words, more=more)

    @property
    def made(self) -> dict[Any, dict[str, Any]]:
        return {made["id"]: made for made in map(json.loads, self.out.read_text().splitlines())}


@pytest.fixture(params=SERVICES)
def place(request, arawn, tmp_path):
    made = Place(arawn, tmp_path, request.param)
    with made.fake:
        yield made


@pytest.fixture
def openai(arawn, tmp_path):
    made = Place(arawn, tmp_path, "openai")
    with made.fake:
        yield made


LINES: tuple[Any, ...] = (
    {"id": "b", "prompt": "one é\u2028"}, {"id": 7, "prompt": "FAIL"}, "three", {"id": "x", "prompt": "LOSE"},
    {"id": "a", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},
                             {"role": "user", "content": "last"}]},
)  # fmt: skip


def test_submit_leave_come_back(place: Place, home: Path) -> None:
    place.write(*LINES)
    place.service.looks = 3
    done = place.submit()
    assert done.returncode == 0, done.stderr
    id = done.stdout.strip()
    assert "5 lines" in done.stderr and "at half price" in done.stderr
    told = place.run("status")
    assert told.returncode == 0 and id in told.stdout and "running" in told.stdout, told.stderr
    early = place.run("fetch", id, "-o", str(place.out))
    assert early.returncode == 1 and "has not ended yet" in early.stderr
    done = place.run("fetch", id[:6], "-o", str(place.out))
    assert done.returncode == 1 and "2 lines have no answer" in done.stderr, done.stderr
    made = place.made
    assert list(made) == ["b", 7, "line-3", "x", "a"]
    assert [made[id]["text"] for id in ("b", "line-3", "a")] == ["<one é\u2028>", "<three>", "<last>"]
    assert made["b"]["usage"] == {"input": 1000, "output": 500} and made["b"]["backend"] == place.name
    assert made[7]["error"]["code"] == "refused" and "no way" in made[7]["error"]["message"]
    assert made["x"]["error"]["code"] == "empty"
    assert "ended" in place.run("status", id).stdout
    state = [path for path in home.rglob("batches/*.json")]
    assert [path.stat().st_mode & 0o777 for path in state] == [0o600]
    assert not any(KEY in path.read_text() for path in (*state, place.out))
    assert len(place.service.keys) == 1 and KEY in place.service.keys.pop()


def test_fetched_twice_nothing_is_written_twice(place: Place) -> None:
    place.write("x", "y")
    id = place.submit("-o", str(place.out)).stdout.strip()
    for _ in range(2):
        done = place.run("fetch", id)
        assert done.returncode == 0 and len(place.out.read_text().splitlines()) == 2, done.stderr


def test_the_answers_cost_half(openai: Place) -> None:
    from arawn.catalog import facts

    openai.write("x")
    openai.submit("-o", str(openai.out))
    openai.run("fetch")
    known = facts("openai", "gpt-4o")
    assert known.input_price and known.output_price
    whole = (1000 * known.input_price + 500 * known.output_price) / 1e6
    assert openai.made["line-1"]["cost_usd"] == pytest.approx(whole / 2)


@pytest.mark.parametrize(
    ("place", "ended"),
    [(name, ended) for name in SERVICES for ended in ("expired", "failed")
     if (name, ended) != ("anthropic", "failed")],  # a batch of Anthropic's does not fail as a whole
    indirect=["place"],
)  # fmt: skip
def test_a_batch_that_came_to_nothing(place: Place, ended: str) -> None:
    place.write({"id": "a", "prompt": "EXPIRE"}, {"id": "b", "prompt": "LOSE"})
    place.service.ended = ended
    id = place.submit().stdout.strip()
    done = place.run("fetch", id, "-o", str(place.out))
    assert done.returncode == 1, done.stderr
    codes = {made["error"]["code"] for made in place.made.values()}
    wanted = {"expired": {"timeout"}, "failed": {"refused"}}[ended]
    if (place.name, ended) == ("anthropic", "expired"):
        wanted = {"timeout", "empty"}
    assert codes == wanted, place.made
    if ended == "failed":
        assert "line 1 is wrong" in place.made["a"]["error"]["message"]
        assert "line 1 is wrong" in place.run("status").stderr


def test_cancelled(place: Place) -> None:
    place.service.looks = 5
    place.write("x")
    id = place.submit().stdout.strip()
    assert place.run("cancel", id).returncode == 0
    done = place.run("fetch", id, "-o", str(place.out))
    assert done.returncode == 1 and "cancelled" in place.made["line-1"]["error"]["message"], done.stderr
    assert place.run("forget", id).returncode == 0
    assert "Nothing was handed" in place.run("status").stderr


def test_what_failed_is_asked_again_one_by_one(openai: Place) -> None:
    openai.write({"id": "a", "prompt": "x"}, {"id": "b", "prompt": "FAIL"})
    openai.submit("-o", str(openai.out))
    openai.run("fetch")
    done = openai.submit("-o", str(openai.out))
    assert "every line was done before" in done.stderr and done.returncode == 0
    done = openai.submit("-o", str(openai.out), "--retry-failed", "--json")
    told = json.loads(done.stdout)
    assert (told["lines"], told["jobs"]) == (1, ["batch_1"])
    assert [row["custom_id"] for row in openai.service.jobs["batch_1"]["rows"]] == ["r0"]


def test_bodies_are_those_of_a_question(place: Place) -> None:
    """What is handed over has the settings of the config, and nothing that streams."""
    place.write({"id": "a", "prompt": "x", "max_tokens": 9, "temperature": 0.5})
    place.submit("-m", place.model)
    (job,) = place.service.jobs.values()
    text = json.dumps(job["rows"])
    assert "Be brief." in text and "stream" not in text and "9" in text and "0.5" in text
    target = Target(place.name, place.name, "x", "http://h" + place.path, place.model)
    spoken = {"anthropic": "anthropic", "google": "gemini"}.get(place.name, "openai")
    call = dialect(spoken).write(Request((user("x"),), "Be brief.", 9, 0.5, stream=False), target)
    body = {name: value for name, value in call.body.items() if name not in ("stream", "model")}
    row = job["rows"][0]
    sent = row.get("body") or row.get("params") or row.get("request")
    sent = {name.replace("max_completion_tokens", "max_tokens"): value for name, value in sent.items()}
    assert {name: value for name, value in sent.items() if name != "model"} == body


def test_a_role_is_for_all_lines(openai: Place) -> None:
    openai.write("x")
    done = openai.submit("--role", "short", more='[roles.short]\nsystem = "Be short."\nmax_tokens = 9\n')
    assert done.returncode == 0, done.stderr
    body = json.loads(openai.service.files["file-0"])["body"]
    assert body["messages"][0]["content"] == "Be short."
    assert 9 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def test_json_of_a_shape(openai: Place) -> None:
    openai.write({"id": "a", "prompt": "good"}, {"id": "b", "prompt": "bad"})
    openai.submit("--schema", "age int", "-o", str(openai.out))
    done = openai.run("fetch")
    assert done.returncode == 1, done.stderr
    assert openai.made["a"]["data"] == {"age": 3}
    assert openai.made["b"]["error"]["code"] == "invalid" and openai.made["b"]["text"] == '{"age": "x"}'


def test_large_work_becomes_several_jobs(openai: Place, monkeypatch, env) -> None:
    """By a module that lowers the limit before the program starts."""
    folder = openai.inside.parent / "lower"
    folder.mkdir()
    (folder / "lowered.py").write_text(
        "import sys\nfrom arawn.wire import batches_openai\nbatches_openai.MOST_LINES = 2\n"
        "from arawn.__main__ import main\nsys.argv[0] = 'arawn'\nmain()\n"
    )
    openai.write(*(f"p{n}" for n in range(5)))
    config = Path(env["HOME"], ".config/arawn/config.toml")
    openai.run("status")  # writes the config
    variables = {**env, "THE_KEY": KEY}
    done = subprocess.run(
        ["python3", str(folder / "lowered.py"), "batch", str(openai.inside), "--provider-batch", "--json"],
        env={**variables, "PATH": f"{Path(os.sys.executable).parent}:{env['PATH']}"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and config.exists(), done.stderr
    assert len(json.loads(done.stdout)["jobs"]) == 3
    done = openai.run("fetch", "-o", str(openai.out), "--json")
    assert json.loads(done.stdout)["answered"] == 5
    assert [made["text"] for made in openai.made.values()] == [f"<p{n}>" for n in range(5)]


def test_answers_of_google_in_a_file(arawn, tmp_path) -> None:
    place = Place(arawn, tmp_path, "google")
    place.service.as_file = True
    with place.fake:
        place.write({"id": "a", "prompt": "x"}, {"id": "b", "prompt": "FAIL"})
        place.submit("-o", str(place.out))
        place.run("fetch")
    assert place.made["a"]["text"] == "<x>" and place.made["b"]["error"]["code"] == "refused"


@pytest.mark.parametrize(
    ("lines", "words", "told"),
    [
        ([{"id": "a", "prompt": ""}, "good"], (), "in.jsonl:1: its prompt is empty"),
        ([{"id": "a", "prompt": "x", "model": "one"}, {"id": "b", "prompt": "x", "model": "two"}], (), "line 2: it is for two"),
        ([{"id": "a", "prompt": "x", "backend": "other"}], (), "line 1: it is for other"),
        (["x"], ("-b", "custom2"), "has no batch service"),
        (["x"], ("--task", "t"), "exclude each other"),
        ([{"id": "a", "prompt": "x"}, {"id": "a", "prompt": "x"}], (), "stands in line 1 too"),
    ],
)  # fmt: skip
def test_what_cannot_be_handed_over_is_told_before_anything_is_sent(
    openai: Place, lines, words, told
) -> None:
    openai.write(*lines)
    more = '[backends.custom2]\nprovider = "custom"\nbase_url = "http://127.0.0.1:9"\nmodel = "m"\n'
    done = openai.submit(*words, more=more)
    assert done.returncode == 2 and told in done.stderr and not openai.service.seen, done.stderr


def test_a_key_does_not_follow_a_batch_to_another_place(openai: Place) -> None:
    openai.write("x")
    id = openai.submit().stdout.strip()
    openai.path = "/elsewhere"
    seen = len(openai.service.seen)
    done = openai.run("fetch", id, "-o", str(openai.out))
    assert done.returncode == 3 and "is at" in done.stderr and len(openai.service.seen) == seen
    assert openai.run("status").returncode == 0


@pytest.mark.parametrize("answer", ["{}", '{"id": "../../v1/other"}', "[]", '"x"'])
def test_an_id_that_is_none_is_not_followed(arawn, tmp_path, answer: str) -> None:
    place = Place(arawn, tmp_path, "openai")

    def behave(conn: Conn) -> None:
        if conn.request.path.endswith("/files"):
            return place.service(conn)
        json_reply(200, json.loads(answer))(conn)

    place.fake = FakeProvider(behave)
    place.write("x")
    with place.fake:
        done = place.submit()
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        told = place.run("status")
        assert "not known whether the service took all of it" in told.stderr
        seen = len(place.fake.requests)
        ended = place.run("cancel", told.stdout.split()[0])
        assert ended.returncode == 0 and len(place.fake.requests) == seen
        assert "not known whether" in ended.stderr and "its end is asked for" not in ended.stderr


def test_a_refusal_keeps_nothing(openai: Place) -> None:
    openai.service.files = {}
    openai.write("x")
    openai.service.answer = lambda method, path, asked: json_reply(
        401, {"error": {"message": f"bad key {KEY}"}}
    )
    done = openai.submit()
    assert done.returncode == 4 and KEY not in done.stderr
    assert "Nothing was handed" in openai.run("status").stderr


@pytest.mark.parametrize("name", ["openai", "mistral", "anthropic", "gemini"])
@settings(max_examples=40, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "status", "custom_id", "response", "body", "error", "request_counts", "errors", "data", "key",
                 "metadata", "state", "inlinedResponses", "responsesFile", "result", "type", "message", "output_file"]
            ),
            inner, max_size=4,
        ),
        max_leaves=14,
    )
)  # fmt: skip
def test_whatever_a_service_says_is_read(name: str, value: Any) -> None:
    module = style(name)
    target = Target("b", "p", "x", "http://h/v1", "m")
    state = module.state(value, target)
    assert all(call.url.startswith("http://h/") and ".." not in call.url for call in state.outputs)
    for result in module.results(value):
        assert result.id
    assert isinstance(created(value), str)


@pytest.mark.aimock
@pytest.mark.skipif(
    not LLMOCK, reason="aimock is not installed: npm install @copilotkit/aimock, then AIMOCK=.../llmock"
)
def test_aimock(arawn, tmp_path) -> None:
    """Against a server nobody here wrote; it has OpenAI's files and batches."""
    (tmp_path / "fixtures.json").write_text('{"fixtures": []}')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [LLMOCK, "-p", str(port), "-f", str(tmp_path / "fixtures.json"), "--log-level", "silent"]
    )
    config = f'[backends.openai]\nbase_url = "http://127.0.0.1:{port}/v1"\napi_key = "{KEY}"\n'
    (tmp_path / "in.jsonl").write_text('"one"\n{"id": "b", "prompt": "two"}\n')
    out = tmp_path / "out.jsonl"
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.05)
        done = arawn("batch", str(tmp_path / "in.jsonl"), "--provider-batch", "-o", str(out), config=config)
        assert done.returncode == 0, done.stderr
        for _ in range(4):
            done = arawn("batch", "fetch", config=config)
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr
    finally:
        process.terminate()
        process.wait(10)
    made = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(one["id"], one["text"]) for one in made] == [
        ("line-1", "Mock batch completion"),
        ("b", "Mock batch completion"),
    ]


def test_a_form_is_what_the_standard_says() -> None:
    call = dialect("openai").write(
        Request((user("x"),), stream=False), Target("b", "p", "x", "http://h/v1", "m")
    )
    made = style("openai").upload([Line("r0", call)], Target("b", "p", "x", "http://h/v1", "m"), "n")
    mark = made.headers["content-type"].partition("boundary=")[2].encode()
    assert made.content.startswith(b"--" + mark) and made.content.endswith(b"--" + mark + b"--\r\n")
    assert made.content.count(mark) == 3


# --- limits of money -------------------------------------------------------------------------------------

PRICED = (
    '[catalog."gpt-4o"]\ninput_price = 0.0\noutput_price = 20.0\n[budget]\n'  # 1,000 tokens: half of $0.02
)


def held(home: Path) -> float:
    book = sqlite3.connect(home / ".local/share/arawn/budget.db")
    try:
        return float(book.execute("SELECT coalesce(sum(usd), 0) FROM hold").fetchone()[0])
    finally:
        book.close()


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ("per_day = 0.02", "budget.per_day = $0.02"),
        ('per_day = 0.02\naction = "cheaper"', "budget.per_day = $0.02"),
        ('per_day = 0.02\naction = "ask"', "budget.per_day = $0.02"),
        ("per_session = 0.02", "budget.per_session"),
        ("[budget.backends.openai]\nper_month = 0.02", "budget.backends.openai.per_month"),
        ("per_turn = 0.009", "line 1 may cost $0.0100, and of budget.per_turn there is $0.009"),
    ],
)
def test_nothing_is_handed_over_past_a_limit(openai: Place, limits: str, told: str) -> None:
    openai.write("x", "y", "z")
    done = openai.submit(more=PRICED + limits)
    assert done.returncode == 7 and told in done.stderr and "Nothing was" in done.stderr, done.stderr
    assert not openai.service.jobs and "Nothing was handed" in openai.run("status").stderr


def test_a_batch_counts_as_what_it_may_cost_until_it_is_fetched(openai: Place, home: Path) -> None:
    openai.write("x", "y", {"prompt": "z", "max_tokens": 7})
    limits = PRICED + "per_day = 0.1\nper_turn = 0.03"
    assert openai.submit("-o", str(openai.out), more=limits).returncode == 0
    bodies = [json.loads(line)["body"] for line in openai.service.files["file-0"].decode().splitlines()]
    tokens = [body.get("max_tokens") or body.get("max_completion_tokens") for body in bodies]
    assert tokens[0] == tokens[1] == 2999 and tokens[2] == 7, tokens  # by the limit of a turn
    assert 0.02 < held(home) <= 0.1
    refused = openai.submit(more=limits)  # what the first one may cost is spent until it is fetched
    assert refused.returncode == 7 and "per_day" in refused.stderr, refused.stderr
    assert openai.run("fetch", more=limits).returncode == 0
    assert held(home) == pytest.approx(3 * 500 * 10e-6)


def test_what_a_service_refused_holds_nothing(openai: Place, home: Path) -> None:
    openai.write("x")
    openai.fake.behaviours = (json_reply(400, {"error": {"message": "no"}}),)
    assert openai.submit(more=PRICED + "per_day = 1.0").returncode != 0
    assert held(home) == 0
