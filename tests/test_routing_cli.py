"""Several backends as one from the outside: what is sent, told, kept and remembered by the program itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from fake_provider import FakeProvider, openai_stream, silent, stall, torn
from home import configure
from routing_kit import FAULTS, KEYS, TEXT, answer, error, late, served

from arawn.backends.health import Seen

TABLE = """[backends.{name}]
provider = "custom"
base_url = "{url}/v1"
model = "m-{name}"
api_key = "$env:KEY_{upper}"
"""
KEY_ENV = {f"KEY_{name.upper()}": key for name, key in KEYS.items()}


def config(fakes: Sequence[FakeProvider], llm: str = "", more: str = "") -> str:
    names = "abc"[: len(fakes)]
    others = ", ".join(f'"{name}"' for name in names[1:])
    tables = [
        TABLE.format(name=name, upper=name.upper(), url=fake.url)
        for name, fake in zip(names, fakes, strict=True)
    ]
    return f'[llm]\nbackend = "a"\nfallback_backends = [{others}]\n{llm}\n{more}\n' + "".join(tables)


@pytest.fixture
def run(arawn):
    def run_(fakes: Sequence[FakeProvider], *args: str, llm: str = "", more: str = ""):
        return arawn(*args, config=config(fakes, llm, more), env=KEY_ENV)

    return run_


def counts(fakes: Sequence[FakeProvider]) -> list[int]:
    return [len(fake.requests) for fake in fakes]


SAMPLE = ["401", "413", "429", "503", "refused connection", "cut before the first event"]


@pytest.mark.parametrize("llm", ["", 'strategy = "hedge"', 'strategy = "fastest"'])
@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_the_table_through_the_program(run, name: str, llm: str) -> None:
    fault = FAULTS[name]
    with served(fault.serve, answer()) as fakes:
        done = run(fakes, "ask", "--json", "hi", llm=llm)
        told = run(fakes, "receipt", "--json")
    made = json.loads(done.stdout)
    assert KEYS["a"] not in done.stdout + done.stderr and KEYS["b"] not in done.stdout + done.stderr
    if not fault.switches:
        assert counts(fakes) == [1, 0] and done.returncode == 4 and made["error"]["code"] == fault.code
        return
    assert done.returncode == 0 and counts(fakes) == [0 if fault.serve is None else 1, 1]
    assert (made["backend"], made["model"], made["text"]) == ("b", "m-1", TEXT)
    assert [(one["backend"], one["error"]) for one in made["attempts"]] == [("a", fault.code), ("b", None)]
    assert "a · m-a: " in done.stderr and "; asking b · m-b" in done.stderr
    receipt = json.loads(told.stdout)
    assert [(one["backend"], one.get("error")) for one in receipt["attempts"]] == [
        ("a", fault.code),
        ("b", None),
    ]
    assert receipt["backend"] == "b"


def test_the_answer_alone_is_on_stdout(run) -> None:
    with served(error(503), answer()) as fakes:
        done = run(fakes, "ask", "hi")
    assert done.stdout == TEXT + "\n" and "asking b · m-b" in done.stderr


def test_the_next_run_does_not_walk_into_a_limit_that_is_known(run) -> None:
    with served(error(429, retry_after="100"), answer()) as fakes:
        for _ in range(3):
            done = run(fakes, "ask", "hi")
            assert done.stdout == TEXT + "\n"
        shown = run(fakes, "status")
        rows = json.loads(run(fakes, "status", "--json").stdout)["backends"]
    assert counts(fakes) == [1, 3]
    assert "a · m-a is asked last: rate_limited, for " in done.stderr
    assert "a · m-a" in shown.stdout and "left in peace for " in shown.stdout
    assert {row["backend"]: row["asked"] for row in rows} == {"a": 1, "b": 3}


def test_a_clock_that_was_set_back_leaves_nobody_in_peace(run, home) -> None:
    with served(answer(), answer()) as fakes:
        run(fakes, "ask", "hi")
        path = next(home.rglob("health.json"))
        kept = json.loads(path.read_text())
        (seen,) = kept["seen"].values()
        seen[Seen._fields.index("until")] = time.time() + 30 * 86400
        path.write_text(json.dumps(kept))
        shown = run(fakes, "status").stdout
        (row,) = json.loads(run(fakes, "status", "--json").stdout)["backends"]
    assert "a · m-a" in shown and "left in peace" not in shown and row["rest_s"] == 0.0


def test_a_success_that_used_up_the_limit_is_remembered_too(run) -> None:
    first = openai_stream([TEXT])

    def last_one(conn) -> None:
        conn.head(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="90s")
        for event in first.events:
            conn.chunk(event)
        conn.end()

    with served(last_one, answer()) as fakes:
        assert [run(fakes, "ask", "hi").returncode for _ in range(2)] == [0, 0]
        assert "0 requests left when asked last, left in peace for" in run(fakes, "status").stdout
    assert counts(fakes) == [1, 1]


def test_three_failures_open_the_circuit(run) -> None:
    with served(error(503), answer()) as fakes:
        for _ in range(5):
            assert run(fakes, "ask", "hi").stdout == TEXT + "\n"
    assert counts(fakes) == [3, 5]


def test_a_private_run_leaves_no_trace_of_itself_and_asks_this_machine_alone(run, home) -> None:
    with served(answer(), answer()) as fakes:
        text = config(fakes).replace(fakes[0].url, "https://hosted.example")
        configure(home, text)
        done = run.__closure__[0].cell_contents("ask", "--private", "hi", env=KEY_ENV)
    assert done.stdout == TEXT + "\n" and counts(fakes) == [0, 1]
    assert "asks this machine alone" in done.stderr and "asking b · m-b" in done.stderr
    assert not list(home.rglob("health.json"))


def test_a_private_run_never_falls_back_to_a_hosted_backend(arawn, home) -> None:
    with served(error(503)) as fakes:
        text = TABLE.format(name="a", upper="A", url=fakes[0].url) + TABLE.format(
            name="b", upper="B", url="https://hosted.example"
        )
        done = arawn(
            "ask", "--private", "hi",
            config='[llm]\nbackend = "a"\nfallback_backends = ["b"]\n' + text, env=KEY_ENV,
        )  # fmt: skip
    assert done.returncode == 3 and "hosted.example" in done.stderr and len(fakes[0].requests) == 1


def test_a_named_backend_is_asked_alone(run) -> None:
    with served(error(503), answer()) as fakes:
        done = run(fakes, "ask", "-b", "a", "hi", more="[llm.fallback]\nmax_retries = 1\nretry_delay_ms = 10")
    assert done.returncode == 6 and counts(fakes) == [2, 0]


def test_the_seam_is_in_the_receipt(run) -> None:
    with served(torn(openai_stream(["It is ", "a who"]), 2), answer("a whole answer.")) as fakes:
        done = run(fakes, "ask", "hi", more="[llm.fallback]\nmid_stream = true")
        shown = run(fakes, "receipt")
        receipt = json.loads(run(fakes, "receipt", "--json").stdout)
    assert done.stdout == TEXT + "\n" and "continued by b · m-b" in done.stderr
    assert receipt["seams"] == [{"at": 11, "backend": "b", "model": "m-b"}]
    assert "from character 11 on b · m-b went on" in " ".join(shown.stdout.split())


@pytest.mark.parametrize("llm", ["race", 'strategy = "hedge"\nhedge_after = "50ms"'])
def test_who_begins_first_answers(run, llm: str) -> None:
    with served(silent, late) as fakes:
        args = ["--race", "a,b"] if llm == "race" else []
        began = time.monotonic()
        done = run(fakes, "ask", "--json", *args, "hi", llm="" if args else llm)
    made = json.loads(done.stdout)
    assert (made["backend"], made["text"]) == ("b", TEXT) and time.monotonic() - began < 5
    assert [(one["backend"], one["error"]) for one in made["attempts"]] == [("a", "cancelled"), ("b", None)]
    assert "a · m-a is cancelled after" in done.stderr and "its cost is unknown" in done.stderr
    assert counts(fakes) == [1, 1]


def test_one_runner_is_no_race(run) -> None:
    with served(answer(), answer()) as fakes:
        for names in ("a", "a,a", "a,a:m-a"):
            assert run(fakes, "ask", "--race", names, "hi").returncode == 2
    assert counts(fakes) == [0, 0]


STAGES = {
    "waiting for the first": ("", [silent, silent], []),
    "hedge, both asked": ('strategy = "hedge"\nhedge_after = "20ms"', [silent, silent], []),
    "race, both asked": ("", [silent, silent], ["--race", "a,b"]),
    "race, in the middle": ("", [stall(openai_stream(["It"]), 1), silent], ["--race", "a,b"]),
    "the other, in the middle": ("", [error(503), stall(openai_stream(["It"]), 1)], []),
    "waiting before asking again": ("", [error(503), error(503, retry_after="60")], []),
}


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_ends_it_at_once(env, home, tmp_path, stage: str) -> None:
    llm, behaviours, args = STAGES[stage]
    with served(*behaviours) as fakes:
        configure(home, config(fakes, llm))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "arawn", "ask", *args, "hi"],
            env={**env, **KEY_ENV}, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        wanted = 1 if stage == "waiting for the first" else 2
        until = time.monotonic() + 10
        while sum(counts(fakes)) < wanted and time.monotonic() < until:
            time.sleep(0.01)
        if "middle" in stage:
            assert process.stdout is not None and os.read(process.stdout.fileno(), 10) == b"It"
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        spent = time.monotonic() - sent
        made = counts(fakes)
        time.sleep(0.1)
    assert process.returncode == 130 and spent < 1, (spent, err.decode())
    assert b"Traceback" not in err and out == (b"\n" if "middle" in stage else b"")
    assert counts(fakes) == made, "nobody is asked afterwards"


# --- the forms of the config


ENTRIES = """
[[llm.providers]]
name = "second"
provider = "custom"
base_url = "{b}/v1"
text_model = "m-b"
priority = 2

[[llm.providers]]
name = "primary"
provider = "custom"
base_url = "{a}/v1"
text_model = "m-a"
priority = 1
"""


def test_entries_with_a_priority(arawn) -> None:
    with served(error(503), answer()) as fakes:
        text = ENTRIES.format(a=fakes[0].url, b=fakes[1].url)
        done = arawn("ask", "hi", config=text)
        checked = arawn("config", "check")
    assert done.stdout == TEXT + "\n" and counts(fakes) == [1, 1]
    assert "1. primary · m-a (once, as the last one left up to 3 times)" in checked.stdout
    assert checked.stdout.index("1. primary") < checked.stdout.index("2. second")


def test_without_a_backend_those_that_stand_in_are_asked(arawn) -> None:
    with served(error(503), answer()) as fakes:
        tables = [
            TABLE.format(name=name, upper=name.upper(), url=fake.url)
            for name, fake in zip("ab", fakes, strict=True)
        ]
        text = '[llm]\nfallback_backends = ["a", "b"]\n' + "".join(tables)
        done = arawn("ask", "hi", config=text, env={**KEY_ENV, "OLLAMA_HOST": "127.0.0.1:9"})
    assert done.stdout == TEXT + "\n" and counts(fakes) == [1, 1], done.stderr


WORDS = [
    ("", ["in this order (llm.strategy fallback)", "1. a · m-a (once, as the last one left up to 3 times)",
          "after: unreachable, timeout, rate_limited, overloaded, context",
          "Once an answer has begun nobody else is asked"]),
    ('strategy = "hedge"\nhedge_after = "2s"', ["the next beside the one before after 2 s of silence"]),
    ('strategy = "weighted"\nweights = {a = 3}', ["(weight 3, once", "(weight 1, once"]),
    ('strategy = "cost-optimized"', ["the cheapest first", "price unknown"]),
    ("fallback.max_retries = 3\nfallback.mid_stream = true", ["(up to 4 times)", "gone on with by the next"]),
    ("fallback.enabled = false", ["one backend is asked alone"]),
]  # fmt: skip


@pytest.mark.parametrize(("llm", "words"), WORDS)
def test_check_says_what_will_happen(run, llm: str, words: list[str]) -> None:
    with served(answer(), answer()) as fakes:
        done = run(fakes, "config", "check", llm=llm)
    assert done.returncode == 0 and counts(fakes) == [0, 0], done.stderr
    for word in words:
        assert word in done.stdout, done.stdout


def test_check_names_what_comes_to_nothing(arawn) -> None:
    text = (
        '[llm]\nbackend = "ollama"\nstrategy = "hedge"\n[llm.routing]\nindexing = "ollama"\ntitle = "gorq:x"\n'
        'summary = "ollama:tiny"\nsummarization = "ollama"\n[tasks.summary]\nprompt = "x"\n'
    )
    done = arawn("config", "check", config=text)
    assert (
        ":5:1: llm.routing.indexing is no work: there are title, compact, summarization, vision"
        in done.stdout
    )
    assert ":6:1: llm.routing.title: there is no backend 'gorq'; did you mean \"groq\"?" in done.stdout
    assert "routing.summary" not in done.stdout and "routing.summarization" not in done.stdout
    assert "llm.strategy hedge has no effect" in done.stdout and done.returncode == 0


WORK = '[llm.routing]\nvision = "b:m-eye"\ncode_generation = "b:m-code"'
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        (["ask", "hi", "-f", "p.png"], (0, "m-eye")),
        (["ask", "hi", "-f", "p.txt"], (1, "m-a")),
        (["ask", "hi", "-f", "p.png", "-b", "a"], (1, "m-a")),
        (["ask", "hi", "-f", "p.png", "-m", "a:other"], (1, "other")),
        (["cmd", "list files"], (0, "m-code")),
        (["cmd", "list files", "-b", "a"], (1, "m-a")),
    ],
)
def test_work_goes_to_whom_routing_names(run, tmp_path, args: list[str], asked: tuple[int, str]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/p.png").write_bytes(PICTURE)
    (tmp_path / "work/p.txt").write_text("text")
    said = openai_stream(["```sh\nls\n```"])
    with served(said, said) as fakes:
        done = run(fakes, *args, llm=WORK)
    first, model = asked
    assert done.returncode == 0 and counts(fakes) == [first, 1 - first], done.stderr
    assert fakes[1 - first].requests[0].json["model"] == model
    assert ("llm.routing" in done.stderr) is (first == 0)


def test_in_a_chat_a_picture_goes_to_whom_routing_names_and_words_do_not(arawn, tmp_path) -> None:
    (tmp_path / "p.png").write_bytes(PICTURE)
    lines = (
        f"hello\n/attach {tmp_path}/p.png\nwhat is it\nand now\n/backend a\n/attach {tmp_path}/p.png\nagain\n"
    )
    with served(answer(), answer()) as fakes:
        done = arawn("chat", stdin=lines, config=config(fakes, WORK), env=KEY_ENV)
    assert done.returncode == 0 and counts(fakes) == [3, 1], done.stderr
    assert "b · m-eye answers this one, as llm.routing.vision says" in done.stderr
    assert "what is it" in json.dumps(fakes[1].requests[0].json)


def test_a_picture_that_could_not_be_sent_goes_with_the_next_message(arawn, tmp_path) -> None:
    (tmp_path / "p.png").write_bytes(PICTURE)
    lines = f"/attach {tmp_path}/p.png\nwhat is it\n/backend b\nand now\n"
    with served(answer(), answer()) as fakes:
        done = arawn(
            "chat", stdin=lines, config=config(fakes, WORK.replace("b:m-eye", "nobody")), env=KEY_ENV
        )
    assert counts(fakes) == [0, 1] and "nobody was to answer this one, as llm.routing.vision" in done.stderr
    assert "image_url" in json.dumps(fakes[1].requests[0].json)


def test_a_picture_is_asked_about_again_where_it_was(arawn, tmp_path) -> None:
    (tmp_path / "p.png").write_bytes(PICTURE)
    lines = f"/attach {tmp_path}/p.png\nwhat is it\n/retry\nhello\n/retry\n/goto 1\n/backend a\n/retry\n"
    with served(answer(), answer()) as fakes:
        done = arawn("chat", stdin=lines, config=config(fakes, WORK), env=KEY_ENV)
    assert done.returncode == 0 and counts(fakes) == [3, 2], done.stderr
    assert all("image_url" in json.dumps(request.json) for request in fakes[1].requests)


def test_check_names_who_cannot_be_asked(arawn) -> None:
    text = '[llm]\nbackend = "openai"\nfallback_backends = ["ollama", "ollama", "openai"]\n'
    done = arawn("config", "check", config=text)
    assert "1. openai · ?: cannot be asked: No key" in done.stdout and "2. ollama" in done.stdout
    assert ":3:1: llm.fallback_backends: ollama is there twice; it is asked once" in done.stdout
    assert ":3:1: llm.fallback_backends: openai stands in for itself; it is asked once" in done.stdout


MISTAKES = [
    ('[llm]\nfallback_backends = ["opnai"]\n', ':2:1: llm.fallback_backends: there is no backend', 'did you mean "openai"?'),
    ('[llm]\nfallback_backends = ["openai", "nobody:x"]\n', ":2:1: llm.fallback_backends", "'nobody:x'"),
    ('[llm.fallback]\nenabled = true\non = ["timeuot"]\n', ":3:1: llm.fallback.on", 'did you mean "timeout"?'),
    ('[llm.weights]\nopenai = 1\nopnai = 2\n', ":3:1: llm.weights", 'did you mean "openai"?'),
    ('[llm]\nstrategy = "fastets"\n', ":2:1: llm.strategy", "fastest"),
    ('[[llm.providers]]\nname = "x"\nprovider = "openai"\n[[llm.providers]]\nprovider = "groq"\nname = "x"\n',
     ":6:1: llm.providers: 'x' is there twice", "an earlier entry"),
    ('[[llm.providers]]\nname = "x"\nprovider = "openai"\n[backends.x]\nprovider = "groq"\n',
     ":2:1: llm.providers: 'x' is there twice", "[backends.x]"),
    ('[[llm.providers]]\nname = "x"\nprovider = "openai"\n\n[[llm.providers]]\nprovider = "groq"\n',
     ":5:3: llm.providers: entry 2 needs a name", ""),
    ('[[llm.providers]]\nname = "x"\nprovider = "openai"\ntext_model = 7\n', ":4:1: backends.x.model", ""),
    ('[[llm.providers]]\nname = "x"\nprovider = "openai"\npriorty = 7\n', ":4:1: unknown key", "priority"),
    ('[llm]\nproviders = 3\n', ":2:1: llm.providers", "tables"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "hint"), MISTAKES)
def test_mistakes_are_explained_with_their_place(arawn, text: str, place: str, hint: str) -> None:
    done = arawn("config", "check", config=text)
    assert done.returncode == 3 and place in done.stderr and hint in done.stderr, done.stderr


def test_all_of_the_routing_settings_have_an_effect(arawn) -> None:
    text = """[llm]
backend = "anthropic"
fallback_backends = ["openai", "ollama"]
strategy = "fallback"
[llm.fallback]
enabled = true
max_retries = 3
retry_delay_ms = 1000
max_delay_ms = 5000
backoff_multiplier = 2
on = ["unreachable", "timeout", "rate_limited", "overloaded", "context"]
[llm.routing]
summarization = "groq:llama-3.1-8b-instant"
[llm.defaults]
temperature = 0.2
max_tokens = 100
[backends.anthropic.models]
generator = "claude-sonnet-4-20250514"
[backends.anthropic.retry]
max_attempts = 2
"""
    keys = {"ANTHROPIC_API_KEY": "x" * 20, "OPENAI_API_KEY": "y" * 20}
    done = arawn("config", "check", config=text, env=keys)
    assert done.returncode == 0, done.stderr
    assert "up to 2 times" in done.stdout and "up to 4 times" in done.stdout
    assert not [line for line in done.stdout.splitlines() if "llm.fallback" in line and "no effect" in line]
