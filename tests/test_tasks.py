"""`arawn run`: named tasks against a loopback provider; what is asked, in which order, and what is told."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream, silent
from home import configure
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.errors import ArawnError, ConfigFault, UsageFault
from arawn.tasks import Task, fill, plan

CONFIG = """
[llm]
backend = "fake"
[backends.fake]
provider = "custom"
base_url = "{url}/v1"
model = "m"
[backends.other]
provider = "custom"
base_url = "{url}/v1"
model = "om"
"""
TASKS = """
[tasks.summary]
prompt = "Summarize: {input}"
[tasks.critique]
backend = "other"
system = "Be harsh."
max_tokens = 77
temperature = 0.5
prompt = "Criticize in {lang}, with {{braces}}: {input}"
[tasks.analysis]
requires = ["summary", "critique"]
prompt = "S={summary} C={critique} I={input}"
"""
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def echo(conn: Conn) -> None:
    said = conn.request.said
    if "FAIL" in str(said):
        return json_reply(400, {"error": {"message": "no way", "type": "invalid_request_error"}})(conn)
    openai_stream([f"<{said}>"], usage=USAGE)(conn)


def sent(fake: FakeProvider) -> list[str]:
    return [request.said for request in fake.requests]


@pytest.fixture
def run(arawn):
    """Run with CONFIG and some tasks against a fake that echoes; returns what a run left, and the fake."""

    def go(*words: str, tasks: str = TASKS, behave=echo, **more):
        with FakeProvider(behave) as fake:
            return arawn("run", *words, config=CONFIG.replace("{url}", fake.url) + tasks, **more), fake

    return go


def test_a_graph_each_at_its_own_backend(run) -> None:
    done, fake = run("analysis", "lang=de", stdin="text")
    assert done.returncode == 0, done.stderr
    summary, critique = "<Summarize: text>", "<Criticize in de, with {braces}: text>"
    assert done.stdout == f"<S={summary} C={critique} I=text>\n"
    assert len(fake.requests) == 3 and sent(fake)[-1] == f"S={summary} C={critique} I=text"
    (asked,) = [request.json for request in fake.requests if request.json["model"] == "om"]
    assert asked["messages"][0] == {"role": "system", "content": "Be harsh."}
    assert asked["max_tokens"] == 77 and asked["temperature"] == 0.5
    assert "critique: other · om" in done.stderr


def test_a_role_is_for_what_a_task_leaves_open(run) -> None:
    role = '[roles.short]\nsystem = "Be short."\nbackend = "other"\nmodel = "r"\ntemperature = 0.25\nmax_tokens = 9\n'
    done, fake = run("analysis", "lang=de", "--role", "short", stdin="text", tasks=TASKS + role)
    assert done.returncode == 0, done.stderr
    said = {
        (made["model"], made["messages"][0]["content"], made["temperature"], made["max_tokens"])
        for made in (request.json for request in fake.requests)
    }
    assert said == {("r", "Be short.", 0.25, 9), ("om", "Be harsh.", 0.5, 77)}
    done, fake = run("analysis", "lang=de", "--role", "shrot", stdin="text", tasks=TASKS + role)
    assert done.returncode == 2 and "short" in done.stderr and not fake.requests


ROUTES = '[llm.routing]\nsummary = "other:quick"\ncritique = "fake"\n'


@pytest.mark.parametrize(
    ("words", "models"),
    [
        ((), ["m", "om", "quick"]),
        (("-m", "named"), ["named", "named", "om"]),
        (("-b", "fake"), ["m", "m", "om"]),
    ],
)
def test_a_task_that_names_nobody_goes_where_routing_says(run, words, models) -> None:
    done, fake = run("analysis", "lang=de", *words, stdin="text", tasks=TASKS + ROUTES)
    assert done.returncode == 0, done.stderr
    assert sorted(request.json["model"] for request in fake.requests) == models


def test_independent_tasks_run_at_once(run) -> None:
    """Each answer waits until both requests are there: one after the other would never come to an end."""
    both = threading.Barrier(2, timeout=10)

    def behave(conn: Conn) -> None:
        if "S=" not in conn.request.said:
            both.wait()
        echo(conn)

    done, _ = run("analysis", "lang=de", stdin="text", behave=behave)
    assert done.returncode == 0, done.stderr


def test_what_answers_and_values_hold_is_never_expanded(run) -> None:
    done, fake = run("analysis", "lang={input} {summary}", stdin="{lang} {critique} {{x}} {nothing}")
    assert done.returncode == 0, done.stderr
    assert "Summarize: {lang} {critique} {{x}} {nothing}" in sent(fake)
    assert sent(fake)[-1].count("{critique}") == 3 and "{input} {summary}" in sent(fake)[-1]


def test_json_has_every_step(run) -> None:
    done, _ = run("analysis", "lang=de", "--json", stdin="text")
    made = json.loads(done.stdout)
    assert (made["ok"], made["task"], made["error"]) == (True, "analysis", None)
    assert [(step["task"], step["state"], step["backend"]) for step in made["steps"]] == [
        ("summary", "answered", "fake"), ("critique", "answered", "other"), ("analysis", "answered", "fake"),
    ]  # fmt: skip
    assert made["usage"] == {"input": 30, "output": 15} and made["cost_usd"] is None
    assert made["text"] == made["steps"][-1]["text"] and made["session"]


def test_costs_are_summed_where_all_are_known(run) -> None:
    prices = '[catalog."m"]\ninput_price = 1.0\noutput_price = 2.0\n'
    done, _ = run("summary", "--json", "some", "words", tasks=TASKS + prices)
    assert json.loads(done.stdout)["cost_usd"] == pytest.approx(20e-6)
    done, _ = run("summary", "--dry-run", "--json", "some", "words", tasks=TASKS + prices)
    assert json.loads(done.stdout)["steps"][0]["cost_usd"] > 0


TAIL = (
    TASKS
    + '[tasks.bad]\nprompt = "FAIL {input}"\n[tasks.tail]\nrequires = ["summary", "bad"]\nprompt = "x"\n'
)


def test_a_failed_step_names_itself_and_keeps_what_the_others_gave(run) -> None:
    hold = threading.Event()

    def behave(conn: Conn) -> None:
        bad = "FAIL" in conn.request.said
        if not bad:
            hold.wait(10)  # the failure comes while the other is at work, which must come to its end
        echo(conn)
        if bad:
            hold.set()

    done, fake = run("tail", "hello", tasks=TAIL, behave=behave)
    assert done.returncode == 7 and done.stdout == ""
    assert 'Error: Step bad: The request was refused by backend "fake"' in done.stderr
    assert "summary gave:\n<Summarize: hello>" in done.stderr and "not run: tail" in done.stderr
    assert len(fake.requests) == 2
    done, _ = run("tail", "hello", "--json", "-q", tasks=TAIL)
    made = json.loads(done.stdout)
    assert {step["task"]: step["state"] for step in made["steps"]} == {
        "summary": "answered", "bad": "failed", "tail": "not run",
    }  # fmt: skip
    assert made["steps"][0]["text"] == "<Summarize: hello>" and not made["ok"]
    assert (made["error"]["code"], made["error"]["step"], done.returncode) == ("refused", "bad", 7)


def test_after_a_failure_nothing_new_begins(run) -> None:
    tasks = '[tasks.bad]\nprompt = "FAIL"\n[tasks.late]\nrequires = ["bad"]\nprompt = "x"\n' + (
        '[tasks.all]\nrequires = ["late", "bad"]\nprompt = "y"\n'
    )
    done, fake = run("all", tasks=tasks)
    assert done.returncode == 7 and sent(fake) == ["FAIL"]


MISTAKES = [
    ('[tasks.a]\nprompt = "x"\nrequires = ["b"]\n[tasks.b]\nrequires = ["a"]\nprompt = "y"\n', ("a",), 3,
     "config.toml:15:2: [tasks.b]: tasks require each other in a circle: a -> b -> a"),
    ('[tasks.a]\nprompt = "x"\nrequires = ["a"]\n', ("a",), 3, "circle: a -> a"),
    ('[tasks.a]\nprompt = "x"\nrequires = ["sumary"]\n[tasks.summary]\nprompt = "y"\n', ("a",), 3,
     'config.toml:12:2: [tasks.a] requires "sumary", which is no task; did you mean "summary"?'),
    ('[tasks.a]\nprompt = "{b}"\n[tasks.b]\nprompt = "y"\n', ("a",), 3,
     'config.toml:12:2: [tasks.a]: {b} needs requires = ["b"]'),
    ('[tasks.a]\nprompt = "{b} {"\n', ("a",), 3, "write {{ for a brace"),
    ('[tasks.a]\nprompt = "x } y"\n', ("a",), 3, "write }} for a brace"),
    ('[tasks.a]\nsystem = "x"\n', ("a",), 3, "config.toml:12:2: [tasks.a] needs a prompt"),
    ('[tasks.input]\nprompt = "x"\n', ("input",), 3, "cannot be called so"),
    ('[tasks.a]\nprompt = "x"\nprompts = "x"\n', ("a",), 3, "did you mean prompt?"),
    ('[tasks.a]\nprompt = "x"\nschema = "{nothing"\n', ("a",), 3, "[tasks.a] schema: "),
    ('[tasks.a]\nprompt = "x"\nfiles = ["gone.txt"]\n', ("a",), 3, "[tasks.a] files: "),
    ('[tasks.a]\nprompt = "x"\nbackend = "nobody"\n', ("a",), 3, 'no backend "nobody"'),
    ('[tasks.a]\nprompt = "{lang}"\n', ("a",), 2, "config.toml:12:2: [tasks.a] has {lang}, which nothing gives"),
    ('[tasks.a]\nprompt = "{imput}"\n', ("a",), 2, 'did you mean "input"?'),
    ('[tasks.a]\nprompt = "{input}"\n', ("a",), 2, "and there is none"),
    ('[tasks.a]\nprompt = "{lang}"\n', ("a", "lang=de", "tone=x"), 2, "No prompt of this task has {tone}"),
    ('[tasks.a]\nprompt = "{lang}"\n', ("a", "lang=de", "lang=fr"), 2, "lang= is given twice"),
    ('[tasks.a]\nprompt = "{input}"\n', ("a", "input=x"), 2, "input= cannot be given"),
    ('[tasks.a]\nprompt = "x"\n', ("a", "word"), 2, 'the words "word" would go nowhere'),
    ('[tasks.summary]\nprompt = "x"\n', ("sumary",), 2, 'no task "sumary"; did you mean "summary"?'),
    ("", ("a",), 2, "a [tasks.NAME] table in the config makes one"),
    ("", (), 2, "There is no task"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "words", "code", "told"), MISTAKES, ids=[case[3][:40] for case in MISTAKES]
)
def test_mistakes_are_told_before_anything_is_sent(run, tasks, words, code, told) -> None:
    done, fake = run(*words, tasks=tasks)
    assert done.returncode == code and told in done.stderr, done.stderr
    assert not fake.requests and done.stdout == ""
    done, _ = run(*words, "--json", tasks=tasks)
    if words:
        assert json.loads(done.stdout)["error"]["code"] == ("config" if code == 3 else "usage")


def test_a_dry_run_sends_nothing(run) -> None:
    done, fake = run("analysis", "lang=de", "--dry-run", stdin="word " * 100)
    assert done.returncode == 0 and not fake.requests
    first, second, third = done.stdout.splitlines()
    assert first.startswith("1. summary: fake · m, about 1") and second.startswith("2. critique: other · om")
    assert third.startswith("3. analysis: fake · m") and "and the answers of summary, critique" in third
    done, fake = run("analysis", "lang=de", "--dry-run", "--json", stdin="text")
    made = json.loads(done.stdout)
    assert [step["requires"] for step in made["steps"]] == [[], [], ["summary", "critique"]]
    assert made["steps"][1]["max_tokens"] == 77


def test_a_task_file_is_a_filter(run, tmp_path) -> None:
    (tmp_path / "style.md").write_text("No adverbs.")
    (tmp_path / "tasks.toml").write_text(
        '[tasks.polish]\nfiles = ["style.md"]\nprompt = """\nPolish\n{summary}"""\nrequires = ["summary"]\n'
        '[tasks.summary]\nprompt = "Short: {input}"\n'
    )
    done, fake = run("-t", str(tmp_path / "tasks.toml"), "polish", stdin="text")
    assert done.returncode == 0, done.stderr
    assert sent(fake)[0] == "Short: text"  # the file goes before the config
    assert sent(fake)[1] == "Polish\n<Short: text>\n\nstyle.md:\n```\nNo adverbs.\n```"
    done, _ = run("-t", str(tmp_path / "tasks.toml"))
    assert done.stdout.splitlines() == [
        "summary",
        "critique",
        "analysis after summary, critique",
        "polish after summary",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[backends.x]\nbase_url = "https://evil.example"\n', "1:2: [backends]: a task file holds [tasks.NAME] alone"),
        ('[tasks.a]\nprompt = "x"\nmax_tokens = "many"\n', "3:1: tasks.a.max_tokens"),
        ("[tasks.a\n", "1:"),
        ('[tasks.a]\nprompt = "x"\nrequires = ["b"]\n', '1:2: [tasks.a] requires "b"'),
    ],
)  # fmt: skip
def test_mistakes_of_a_task_file(run, tmp_path, text, told) -> None:
    (tmp_path / "tasks.toml").write_text(text)
    done, fake = run("-t", str(tmp_path / "tasks.toml"), "a")
    assert done.returncode == 3 and f"tasks.toml:{told}" in done.stderr and not fake.requests, done.stderr
    assert run("-t", str(tmp_path / "gone.toml"), "a")[0].returncode == 3


def test_files_and_pictures_go_where_the_input_goes(run, tmp_path) -> None:
    (tmp_path / "a.txt").write_text("file text")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")
    more = '[tasks.none]\nrequires = ["summary"]\nprompt = "{summary}"\n'
    done, fake = run("none", "-f", str(tmp_path / "a.txt"), "-f", str(tmp_path / "a.png"), tasks=TASKS + more)
    assert done.returncode == 0, done.stderr
    first, second = sent(fake)
    assert first[0]["type"] == "image_url" and "file text" in first[1]["text"]
    assert isinstance(second, str)


def test_a_schema_holds_the_answer(run) -> None:
    answers = iter(('{"age": "no"}', '{"age": 4}'))
    tasks = '[tasks.a]\nprompt = "x"\nschema = "age int"\n[tasks.b]\nrequires = ["a"]\nprompt = "Got {a}"\n'

    def behave(conn: Conn) -> None:
        said = conn.request.said
        openai_stream([said if said.startswith("Got") else next(answers)])(conn)

    done, fake = run("b", "--json", tasks=tasks, behave=behave)
    made = json.loads(done.stdout)
    assert made["steps"][0]["data"] == {"age": 4} and made["text"] == 'Got {"age": 4}'
    assert len(fake.requests) == 3


def test_b_and_m_are_for_tasks_that_name_none(run) -> None:
    done, fake = run("analysis", "lang=de", "-b", "other", "-m", "special", stdin="text")
    models = {request.said[:3]: request.json["model"] for request in fake.requests}
    assert models == {"Sum": "special", "Cri": "om", "S=<": "special"}, done.stderr


def test_steps_are_one_session(run, arawn) -> None:
    run("analysis", "lang=de", stdin="text")
    found = json.loads(arawn("session", "list", "--json").stdout)
    assert [(one["title"], one["turns"]) for one in found] == [("analysis", 3)]
    shown = arawn("session", "show").stdout
    assert "Summarize: text" in shown and "I=text" in shown
    receipt = json.loads(arawn("receipt", "--json").stdout)
    assert receipt["settings"]["task"] == "analysis"
    run("summary", "text", "--no-store")
    run("summary", "text", "--private")
    assert len(json.loads(arawn("session", "list", "--json").stdout)) == 1


def test_a_key_in_the_input_is_stored_masked(run, home: Path) -> None:
    done, fake = run("summary", stdin="my key is sk-proj-abcdefghijklmnopqrstuvwx0123456789")
    assert done.returncode == 0 and "sk-proj-abc" in sent(fake)[0]
    for path in home.rglob("*"):
        assert not path.is_file() or b"abcdefghijklmnopqrstuvwx0123456789" not in path.read_bytes(), path


def test_an_untrusted_project_makes_no_tasks(run, tmp_path) -> None:
    (tmp_path / "work" / ".arawn").mkdir(parents=True)
    (tmp_path / "work" / ".arawn" / "config.toml").write_text(
        '[tasks.evil]\nfiles = ["/etc/passwd"]\nprompt = "x"\n'
    )
    done, fake = run("evil")
    assert done.returncode == 2 and not fake.requests and "is not trusted" in done.stderr


def test_stdin_that_stays_open_is_not_waited_for_where_nothing_wants_it(env, tmp_path, home) -> None:
    with FakeProvider(echo) as fake:
        configure(home, CONFIG.replace("{url}", fake.url) + '[tasks.a]\nprompt = "x"\n')
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "arawn", "run", "a"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=tmp_path,
        )  # fmt: skip
        out = process.stdout.read() if process.stdout else b""
        assert process.wait(20) == 0 and out == b"<x>\n"
        process.communicate()


def test_ctrl_c_leaves_at_once_and_json_keeps_what_there_is(env, tmp_path, home) -> None:
    def behave(conn: Conn) -> None:
        if "wait" in conn.request.said:
            os.kill(process.pid, signal.SIGINT)
            return silent(conn)
        echo(conn)

    tasks = '[tasks.a]\nprompt = "x"\n[tasks.b]\nrequires = ["a"]\nprompt = "wait {a}"\n'
    with FakeProvider(behave) as fake:
        configure(home, CONFIG.replace("{url}", fake.url) + tasks)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "arawn", "run", "b", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=tmp_path,
        )  # fmt: skip
        out, err = process.communicate(timeout=20)
    made = json.loads(out)
    assert process.returncode == 130 and b"Traceback" not in err
    assert [step["state"] for step in made["steps"]] == ["answered", "interrupted"]
    assert made["error"]["code"] == "cut" and made["steps"][0]["text"] == "<x>"


def test_a_terminal_is_not_read(env, tmp_path, home) -> None:
    main, side = pty.openpty()
    configure(home, CONFIG.replace("{url}", "http://127.0.0.1:9") + TASKS)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "arawn", "run", "summary"],
        stdin=side, capture_output=True, env=env, cwd=tmp_path, timeout=20, text=True,
    )  # fmt: skip
    os.close(main)
    os.close(side)
    assert done.returncode == 2 and "there is none" in done.stderr


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3), min_size=1)
)
def test_a_plan_runs_everything_once_after_what_it_requires(graph) -> None:
    tasks = {name: Task(name, f"say {name}", tuple(above), place="here") for name, above in graph.items()}
    for name in tasks:
        try:
            order = [task.name for task in plan(tasks, name, {}).tasks]
        except ConfigFault as fault:
            assert "circle" in fault.sentence or "no task" in fault.sentence
            continue
        assert order[-1] == name and len(set(order)) == len(order)
        for at, one in enumerate(order):
            assert set(tasks[one].requires) <= set(order[:at])


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab{}", max_size=12), st.text(alphabet="{}ab", max_size=6))
def test_filling_looks_at_a_prompt_once(prompt: str, value: str) -> None:
    task = {"t": Task("t", f"{prompt}.", place="here")}
    try:
        made = plan(task, "t", dict.fromkeys(("a", "b"), value))
    except (ConfigFault, UsageFault) as fault:
        assert isinstance(fault, ArawnError)
        return
    expected = prompt.replace("{{", "\0").replace("}}", "\1").replace("{a}", "\2").replace("{b}", "\2")
    expected = expected.replace("\0", "{").replace("\1", "}").replace("\2", value)
    assert fill(made.last.prompt, made.values) == f"{expected}."
