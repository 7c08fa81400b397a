"""Each slash command does its work in a real chat whose lines are piped in, and is told of in one way alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from fake_provider import Conn, FakeProvider, openai_stream
from test_session_cli import config

from arawn import manual
from arawn.repl.commands import registry as commands
from arawn.repl.commands.basics import overview

import_module("arawn.repl.commands")

CODE = "Two blocks:\n\n```python\nprint(1)\n```\n\nand\n\n```sh\nls\nls -l\n```\n"
ROLES = '\n[roles.poet]\nsystem = "In rhymes."\ntemperature = 0.9\n[roles.judge]\nbackend = "other"\nstop = ["END"]\n'


def answer(conn: Conn) -> None:
    """The code, or how many messages came and what the last one says; with settings where they are said."""
    asked = conn.request.json
    last = str(asked["messages"][-1]["content"])
    text = CODE if last == "code" else f"heard {len(asked['messages'])}: {last} [{asked['model']}]"
    openai_stream([text], usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})(conn)


class Case(NamedTuple):
    """Lines that are typed, and what must stand in what is printed (on stderr behind a !)."""

    lines: tuple[str, ...]
    says: tuple[str, ...]


def case(*lines: str, says: str | tuple[str, ...]) -> Case:
    return Case(lines, (says,) if isinstance(says, str) else says)


CASES = {
    "help": case("/help", "/help set", says=("Who answers", "/set [KEY=VALUE]  Settings for this chat")),
    "backend": case("/backend other", "x", says=("Backend other", "x [m-2]")),
    "model": case("/model m-9", "x", says="x [m-9]"),
    "system": case("/system Be brief.", says="System prompt: Be brief."),
    "json": case("/json off", says="Answers are text again."),
    "set": case("/set temperature=0.5", "/set", says=("0.5 (this chat)", "the service decides")),
    "reasoning": case("/reasoning hide", "/reasoning", says="Reasoning is hidden."),
    "role": case("/role", "/role poet", says=("  judge", "Role poet: system prompt, temperature 0.9")),
    "attach": case("/attach {file}", says="note.txt (text, 9 bytes)"),
    "files": case("/attach {file}", "x", "/files", says="turn 1    note.txt  text, 8 bytes"),
    "undo": case("x", "/undo", says="Took back turn 1"),
    "edit": case("x", "/edit 1", says="Before turn 1"),
    "retry": case("x", "/retry other", says=("x [m-1]", "x [m-2]")),
    "continue": case("x", "/continue", says="!did not break off"),
    "compare": case("/compare fake other: x", says=("1. fake · m-1", "x [m-2]", "Going on with fake")),
    "diff": case("x", "/retry other", "/diff", says="[m-[-1-]{+2+}]"),
    "clear": case("x", "/clear", "y", says="heard 1: y"),
    "fork": case("x", "/fork", says="begins with the 1 turn"),
    "branch": case("x", "/branch idea", says="* idea  turn 1"),
    "goto": case("x", "y", "/goto 1", "z", says="heard 3: z"),
    "tree": case("x", "/tree", says="● 1  x (m-1)"),
    "graft": case("x", "y", "/goto 1", "/graft main", says="Put here: 1 turn"),
    "session": case("x", "/session", says="At turn 1 of 1, branch main"),
    "resume": case("x", "/clear", "y", "/resume x", says="the last was: x"),
    "rename": case("x", "/rename Mine", says="Title: Mine"),
    "search": case("zebra", "/search zebra", says="[zebra]"),
    "export": case("x", "/export {folder}/x.md", says="Written: "),
    "code": case("code", "/code", "/code 2", says=(" 1  python         1 line  print(1)", "ls\nls -l\n")),
    "copy": case("x", "/copy", says="!clipboard"),
    "save": case("code", "/save {folder}/a.py code 1", says="(code block 1, 9 characters)"),
    "curl": case("x", "/curl", says="curl "),
    "tokens": case("x", "/tokens", says=("last turn     10 in, 5 out", "next request  about ")),
    "cost": case("x", "/cost", says=("This session:", "Today:")),
    "why": case("x", "/why", says="attempt 1"),
    "context": case("x", "/context", says="together"),
    "compact": case("x", "/compact", says="tokens are now about"),
    "tools": case("/tools", says="no tools yet"),
    "quit": case("/quit", "never", says=""),
}


@pytest.fixture
def chat(arawn: Callable, tmp_path: Path):
    """Say lines in a chat; returns what it printed on both outputs, and keeps what was asked."""
    (tmp_path / "note.txt").write_text("the note\n")
    with FakeProvider(answer) as fake:

        def say(*lines: str, args: tuple[str, ...] = (), more: str = ROLES) -> tuple[str, str]:
            typed = [
                line.replace("{file}", str(tmp_path / "note.txt")).replace("{folder}", str(tmp_path))
                for line in lines
            ]
            done = arawn("chat", *args, stdin="\n".join(typed) + "\n", config=config(fake, more))
            assert "Traceback" not in done.stderr
            return done.stdout, done.stderr

        say.fake = fake
        yield say


def test_every_command_has_a_case() -> None:
    assert set(CASES) == set(commands.COMMANDS)


@pytest.mark.parametrize("name", CASES)
def test_dispatches(name: str, chat) -> None:
    out, err = chat(*CASES[name].lines)
    for says in CASES[name].says:
        assert says.lstrip("!") in (err if says.startswith("!") else out), out + err
    assert "never" not in out and "fault of Arawn's own" not in err


@pytest.mark.parametrize("one", commands.listed(), ids=lambda one: one.name)
def test_help_completion_and_manual_say_the_same(one: commands.Command) -> None:
    class Nobody:
        """Completion of names asks nothing of the chat."""

    offered = dict(commands.candidates(Nobody(), f"/{one.name}"))
    assert offered[f"/{one.name}" + (" " if one.argument else "")] == one.short
    assert any(f"/{one.name} " in line and one.short in line for line in overview(80))
    rows = [row for row in manual.text("chat").splitlines() if row.startswith(f"| `/{one.name}")]
    assert any(one.help in row for row in rows)


def test_settings_go_along_and_away(chat) -> None:
    out, err = chat(
        "/set temperature = 0.25", "/set max_tokens 77", "/set stop=END", "/set extra.seed=7", "/set stream=off",
        "one", "/set temperature=", "/set extra.seed=", "/set stream=", "two", "/set extra.seed",
    )  # fmt: skip
    first, second = (request.json for request in chat.fake.requests)
    assert (first["temperature"], first["max_tokens"], first["stop"], first["seed"]) == (0.25, 77, ["END"], 7)
    assert not first.get("stream")
    assert "temperature" not in second and "seed" not in second and second["stream"]
    assert second["max_tokens"] == 77 and "extra.seed  not said" in out, err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/set temprature=1", "did you mean temperature?"),
        ("/set temperature=9", "temperature: must be at most 2"),
        ("/set max_tokens=many", "expected a whole number"),
        ("/set reasoning=loud", "expected off, low"),
        ("/set color=red", "There is no setting 'color'"),
        ("/reasoning loud", "/reasoning takes line, show, hide or last"),
        ("/reasoning last", "came without reasoning"),
        ("/role poett", 'did you mean "poet"?'),
        ("/role -", "speaks as no role"),
        ("/code", "There is no answer yet"),
        ("/copy everything", "/copy takes nothing, code"),
        ("/save", "/save takes a file"),
        ("/compare fake", "takes two backends or more"),
        ("/compare fake other", "Nothing was asked yet"),
        ("/compare nobody nothing: x", "None of them can be asked"),
        ("/tool", "Unknown command: /tool"),
    ],
)
def test_mistakes_are_told(line: str, told: str, chat) -> None:
    assert told in chat(line)[1]


def test_a_role_holds_until_it_is_left(chat) -> None:
    chat("/system Plain.", "/set temperature=0.1", "/role poet", "a", "/role judge", "b", "/role -", "c")
    poet, judge, plain = (request.json for request in chat.fake.requests)
    assert poet["messages"][0] == {"role": "system", "content": "In rhymes."} and poet["temperature"] == 0.9
    assert judge["messages"][0]["content"] == "Plain." and judge["temperature"] == 0.1
    assert (judge["model"], judge["stop"]) == ("m-2", ["END"])
    assert (plain["model"], plain["temperature"], "stop" in plain) == ("m-1", 0.1, False)
    assert plain["messages"][0]["content"] == "Plain."


def test_a_role_from_the_beginning_can_be_left(chat) -> None:
    out, _ = chat("a", "/role -", "b", args=("--role", "judge"))
    assert [request.json["model"] for request in chat.fake.requests] == ["m-2", "m-1"]
    assert "No role any more." in out


def test_another_session_ends_the_role(chat) -> None:
    chat("about kites", "/clear", "/role poet", "a", "/resume kites", "b")
    last = chat.fake.requests[-1].json
    assert last["messages"][0]["role"] == "user" and "temperature" not in last


def test_code_copy_and_save(chat, tmp_path: Path) -> None:
    out, err = chat(
        "code", "/save {folder}/all.md", "/save {folder}/all.md", "/copy code", "/code 3", "/code"
    )
    assert (tmp_path / "all.md").read_text() == CODE
    assert (
        "all.md is there already" in err
        and "has 2 code blocks" in err
        and "There is no code block '3'" in err
    )


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="the clipboard of a desktop with X11")
def test_copy_gives_it_to_the_clipboard(chat, env: dict[str, str], tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "xclip"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat > {tmp_path}/clip\n")
    tool.chmod(0o755)
    env |= {"DISPLAY": ":9", "PATH": f"{tool.parent}:{env.get('PATH', '/bin')}"}
    for words, copied in (
        ("code 2", "ls\nls -l"),
        ("", CODE),
        ("all", "## You\n\ncode\n\n## m-1\n\n" + CODE),
    ):
        out, err = chat("code", f"/copy {words}")
        assert "with xclip." in out, err
        assert (tmp_path / "clip").read_text().rstrip("\n") == copied.rstrip("\n")


def test_what_was_sent_along_is_told_by_kind(chat, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    out, _ = chat("/attach {file}", "/attach {folder}/p.png", "x", "/attach {file}", "/files")
    rows = re.findall(r"^(turn 1|next) +(\S+)  (\w+), (\d+) bytes$", out, re.M)
    assert rows[-3:] == [
        ("turn 1", "note.txt", "text", "8"),
        ("turn 1", "p.png", "image", "28"),
        ("next", str(tmp_path / "note.txt"), "text", "9"),
    ]


def test_what_nothing_came_of_has_no_unknown_cost(arawn: Callable) -> None:
    made = '[backends.x]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
    told = arawn("chat", stdin="hi\n/cost\n", config=made).stdout
    assert re.findall(r"^ +x .*", told, re.MULTILINE) == ["  x            1   0       0    0    $0"] * 2, told
