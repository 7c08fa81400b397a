"""The slash commands of the tree and of sessions, in a real chat whose lines are piped in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream
from term import Term
from test_newcomer import cut
from test_session_cli import config, echo


@pytest.fixture
def chat(arawn: Callable):
    """Say lines in a chat: returns what it printed, and the fake that answered."""
    with FakeProvider(echo) as fake:

        def say(*lines: str, args: tuple[str, ...] = ()) -> str:
            done = arawn("chat", *args, stdin="\n".join(lines) + "\n", config=config(fake))
            say.err = done.stderr
            say.code = done.returncode
            return done.stdout

        say.fake = fake
        yield say


def test_undo_and_edit(chat, arawn: Callable) -> None:
    out = chat("one", "two", "/undo", "three", "/tree", "/edit 1", "four", "/tree")
    assert "heard 3: two" in out and "Took back turn 2" in out and "heard 3: three" in out
    assert "heard 1: four" in out, "turn 1 is said otherwise"
    last = out.rstrip().splitlines()[-4:]
    assert last == [
        "├─● 1  one (m-1)",
        "│ ├─● 2  two (m-1)",
        "│ ● 3  three (m-1) [main]",
        "● 4  four (m-1) ◀ here",
    ]
    assert json.loads(arawn("session", "list", "--json").stdout)[0]["turns"] == 1
    assert arawn("ask", "-c", "more").stdout == "heard 3: more\n", "it goes on where the chat stood"


def test_branches(chat) -> None:
    out = chat(
        "one",
        "two",
        "/branch idea",
        "three",
        "/goto main",
        "four",
        "/branch",
        "/goto idea",
        "five",
        "/diff 4 5",
    )
    assert "* main  turn 4\n" in out and "  idea  turn 3\n" in out
    assert "heard 7: five" in out and "--- turn 4" in out and "[-" in out
    out = chat("x", "/branch 12", "/branch a b c!", "/goto 99", "/diff 1", "/retry", "/diff", "/graft 1")
    assert chat.err.count("Error:") == 3, chat.err
    assert "Both answers are the same." in out


def test_retry_with_another_backend(chat) -> None:
    chat("one", "/retry with other", "/retry", "two")
    asked = [(request.json["model"], len(request.json["messages"])) for request in chat.fake.requests]
    assert asked == [("m-1", 1), ("m-2", 1), ("m-1", 1), ("m-1", 3)]


def test_fork_shares_what_was_said(chat, arawn: Callable) -> None:
    out = chat("one", "two", "/fork", "three")
    assert "begins with the 2 turns" in out and "heard 5: three" in out
    found = json.loads(arawn("session", "list", "--json").stdout)
    assert [one["turns"] for one in found] == [3, 2]
    assert json.loads(arawn("session", "stats", "--json").stdout)["turns"] == 3, (
        "the beginning is stored once"
    )
    assert arawn("session", "delete", found[1]["id"], "--yes").returncode == 0
    shown = arawn("session", "show", found[0]["id"]).stdout
    assert "heard 3: two" in shown and "heard 5: three" in shown, "what the other stands on stays"
    assert arawn("session", "check").stdout == "sound\n"


def test_graft(chat) -> None:
    out = chat("one", "two", "/goto 1", "other", "/graft main", "last", "/tree")
    assert "Put here: 1 turn\n" in out and "heard 7: last" in out
    assert "● 5  last (m-1)" in out or "● 5  two" in out


def test_resume_search_rename_export(chat, arawn: Callable, tmp_path: Path) -> None:
    chat("about zebras")
    out = chat(
        "something else", "/search zebras", "/resume zebras", "more", "/rename My zebras", "/session", "/why"
    )
    assert "[zebras]" in out and "heard 3: more" in out and "My zebras" in out and "attempt 1" in out
    assert json.loads(arawn("session", "list", "--json").stdout)[0]["title"] == "My zebras"
    out = chat("/resume My", f"/export {tmp_path}/z.md", "/export z.xyz", "/resume nothing")
    assert (tmp_path / "z.md").read_text().count("about zebras") == 2 and chat.err.count("Error:") == 2


def test_new_begins_another_session(chat, arawn: Callable) -> None:
    out = chat("one", "/new", "two", "/undo", "/undo")
    assert "heard 1: two" in out and "Nothing was said yet" in chat.err
    assert len(json.loads(arawn("session", "list", "--json").stdout)) == 2


def test_a_chat_that_is_not_kept_has_its_tree(chat, home: Path) -> None:
    out = chat(
        "one", "two", "/undo", "three", "/branch b", "/tree", "/session", "/fork", args=("--no-store",)
    )
    assert "heard 3: three" in out and "[b]" in out and "This chat is not kept." in out
    assert "not kept" in chat.err and not (home / ".local/share/arawn").exists()


def test_continue(arawn: Callable) -> None:
    with FakeProvider(cut, openai_stream([" done"])) as fake:
        out = arawn("chat", stdin="go\n/continue other\n/continue\n", config=config(fake))
    assert "begun and" in out.stdout and " done" in out.stdout and "did not break off" in out.stderr
    assert json.loads(arawn("receipt", "--json").stdout)["seams"][0]["backend"] == "other"


def test_undo_brings_the_prompt_back(env, arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("--version", config=config(fake))
        with Term([sys.executable, "-P", "-m", "arawn", "chat"], env=env, cwd=tmp_path) as term:
            term.wait("arawn>").say("first try").wait("heard 1: first try").prompt()
            term.say("/undo").prompt("first try").send(" again\r").wait("heard 1: first try again")


def test_choosing_a_session(env, arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "about zebras", config=config(fake))
        arawn("ask", "about kites")
        with Term([sys.executable, "-P", "-m", "arawn", "chat"], env=env, cwd=tmp_path) as term:
            term.wait("arawn>").say("/resume").wait("You: about kites").send("zeb").wait("You: about zebras")
            term.send("\r").wait("1 turn; the last was: about zebras").prompt()
            term.say("more").wait("heard 3: more").say("/resume").wait("Session:").send("\x1b").prompt()
            term.say("/session").wait("about zebras")


def test_the_list_of_sessions_on_a_small_screen(env: dict[str, str], arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        for number in range(9):
            arawn("ask", "-q", f"session {number}", config=config(fake))
        with Term([sys.executable, "-P", "-m", "arawn"], env=env, cwd=tmp_path, rows=10, cols=40) as term:
            term.prompt().say("/resume").wait(">").wait("session 8")
            assert "Session:" in term.screen and "Enter goes on" in term.screen
            term.send("\x1b[B" * 8).until(lambda: "session 0" in term.screen, "the last of them").send("\r")
            term.wait("the last was: session 0").prompt()
            term.say("/help").wait("tells more of one. Enter\n  sends;").prompt()
