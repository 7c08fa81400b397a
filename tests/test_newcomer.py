"""What a person meets who does as the manual says: sentences, hints, screens and exit codes of sessions and chat."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, openai_stream, sse
from term import Term
from test_session_cli import config, echo

from arawn.cli.completion_tree import tree
from arawn.folding import cells, clipped, fold, shared
from arawn.ports import Outlook
from arawn.render.sessions import found
from arawn.repl.commands.context import told


def cut(conn: Conn) -> None:
    conn.head()
    conn.chunk(sse({"choices": [{"index": 0, "delta": {"content": "begun and"}, "finish_reason": None}]}))
    conn.reset()


def test_what_is_asked_again_is_where_one_stands(arawn: Callable) -> None:
    """After /goto, /retry and /why are about the turn that is shown, not about the one asked last."""
    with FakeProvider(echo) as fake:
        lines = ("one", "two", "/edit 1", "three", "/goto 1", "/retry", "/goto 3", "/undo", "/retry")
        arawn("chat", stdin="\n".join(lines) + "\n", config=config(fake))
        asked = [request.said for request in fake.requests]
    assert asked == ["one", "two", "three", "one", "three"]


@pytest.mark.parametrize("back", ["/goto 1", "/undo\n/undo"])
def test_continue_after_going_back(arawn: Callable, back: str) -> None:
    with FakeProvider(cut, openai_stream(["next"]), openai_stream([" done"])) as fake:
        out = arawn("chat", stdin=f"go\nmore\n{back}\n/continue\n/tree\n", config=config(fake))
    assert "did not break off" not in out.stderr and out.stdout.count(" done") == 1, out.stdout
    assert out.stdout.rstrip().endswith("● 3  go (m-1) ◀ here") or "[main] ◀ here" in out.stdout


def test_a_chat_that_goes_on_says_with_what(arawn: Callable, env: dict[str, str], tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "about zebras", config=config(fake))
        with Term([sys.executable, "-P", "-m", "arawn", "chat", "-c"], env=env, cwd=tmp_path) as term:
            term.wait(": about zebras\n1 turn; the last was: about zebras\nheard 1: about zebras").prompt()
            term.send("\x04").end()


def test_hints_at_the_token_limit(arawn: Callable) -> None:
    with FakeProvider(openai_stream(["The first half"], finish="length"), echo) as fake:
        done = arawn("ask", "go", config=config(fake))
        assert done.returncode == 1 and "  - or go on with it: arawn resume " in done.stderr
        assert arawn("resume", done.stderr.split()[-1]).stdout.startswith("The first half")
    with FakeProvider(openai_stream(["The first half"], finish="length"), echo) as fake:
        done = arawn("chat", "--no-store", stdin="go\n/continue\n", config=config(fake))
        assert "\n/continue goes on with it\n" in done.stderr and len(fake.requests) == 2


def test_hints_after_a_cut(arawn: Callable) -> None:
    with FakeProvider(cut) as fake:
        done = arawn("ask", "go", config=config(fake))
        assert done.returncode == 5 and "  - or go on with it: arawn resume\n" in done.stderr
        done = arawn("ask", "--no-store", "go")
        assert done.returncode == 5 and "arawn resume" not in done.stderr
        done = arawn("chat", stdin="go\n")
        assert "/continue goes on with it, /retry asks again" in done.stderr


def spoilt(conn: Conn) -> None:
    conn.head()
    conn.chunk(sse({"choices": [{"index": 0, "delta": {"content": "begun"}}]}) + b"data: {oh\n\n")
    conn.end()


def test_the_only_way_on_is_not_told_as_another_one(arawn: Callable) -> None:
    with FakeProvider(spoilt) as fake:
        done = arawn("ask", "go", config=config(fake))
    assert done.stderr.endswith("Check:\n  - go on with it: arawn resume\n"), done.stderr


def test_a_key_in_a_system_prompt_is_not_shown(arawn: Callable) -> None:
    with FakeProvider(echo) as fake:
        done = arawn("chat", stdin="/system Use sk-CANARY-0123456789abcdef\n", config=config(fake))
    assert done.stdout == "System prompt: Use ****\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("/graft", "/graft takes a turn, a branch or another session"),
        ("/edit 1", ""),
        ("/rename x", "This chat is not kept, so there is no title to change"),
        ("/fork", "This chat is not kept, so a new session is begun with /clear"),
        ("/resume", "This chat is not kept, so there is no other session"),
    ],
)
def test_commands_say_what_is_the_matter(arawn: Callable, command: str, told: str) -> None:
    with FakeProvider(echo) as fake:
        done = arawn("chat", "--no-store", stdin=f"one\n{command}\n", config=config(fake))
    assert (told in done.stderr) if told else not done.stderr.count("Error")


def test_export_in_a_chat_names_no_option(arawn: Callable) -> None:
    with FakeProvider(echo) as fake:
        done = arawn("chat", stdin="one\n/export x.xyz\n", config=config(fake))
        assert "end it in one of .md" in done.stderr and "--format" not in done.stderr
        done = arawn("session", "export", "-O", "x.xyz")
    assert done.returncode == 2 and "or give --format" in done.stderr


def test_where_a_session_stands_in_words(arawn: Callable) -> None:
    with FakeProvider(echo) as fake:
        done = arawn(
            "chat", stdin="one\n/session\n/undo\ntwo\n/session\n/goto 1\n/session\n", config=config(fake)
        )
    assert "At turn 1 of 1, branch main\n" in done.stdout
    assert "At turn 2 of 2, branch main; the tree has 2 ends: /tree\n" in done.stdout
    assert "At turn 1 of 2, on no branch; " in done.stdout


class Hit:
    session, title, role, at = "abc", "A title", "user", 0.0

    def __init__(self, *pieces: tuple[str, bool]) -> None:
        self.pieces = pieces


@pytest.mark.parametrize("color", [False, True])
def test_hits_are_folded_at_words(color: bool) -> None:
    hit = Hit(
        ("the quick brown fox jumps over the lazy dog and " * 3, False),
        ("the cat", True),
        ("-flap of ", False),
        ("the dog", True),
        (" 日本語 " * 20, False),
    )
    whole = "\n".join(found([hit], color, 0.0))
    folded = "\n".join(found([hit], color, 0.0, 60))
    bare = folded.replace("\x1b[1;33m", "").replace("\x1b[0m", "")
    wide = [len(line) + sum(char in "日本語" for char in line) for line in bare.splitlines()]
    assert max(wide) <= 60 and len(wide) > 4 and min(wide[1:-1]) > 45
    assert folded.split() == whole.split(), "nothing but spaces changed"
    bare = whole.replace("\x1b[1;33m", "").replace("\x1b[0m", "").replace("[", "").replace("]", "")
    assert " and the cat-flap of the dog 日本語 " in bare, "spaces beside a hit stay"
    assert all(line.startswith("    ") for line in bare.splitlines()[1:])


def test_a_title_is_meant_before_the_beginning_of_an_id(arawn: Callable) -> None:
    """Three letters that an id happens to begin with must not delete another session than the one so called."""
    with FakeProvider(echo) as fake:
        first = json.loads(arawn("ask", "--json", "about kites", config=config(fake)).stdout)["session"]
        second = json.loads(arawn("ask", "--json", "about zebras").stdout)["session"]
        arawn("session", "rename", second, first[:5])
        assert json.loads(arawn("session", "show", first[:5], "--json").stdout)["id"] == second
        assert json.loads(arawn("session", "show", first[:6], "--json").stdout)["id"] == first
        arawn("session", "rename", second, f"of {first[:3]} and others")
        done = arawn("session", "delete", first[:3], "--yes")
    assert done.returncode == 2 and "may mean several" in done.stderr
    assert len(json.loads(arawn("session", "list", "--json").stdout)) == 2


def test_numbers_and_nouns(arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "about kites", config=config(fake))
        assert "Written: " in arawn("session", "export", "-O", "x.json").stderr
        assert arawn("session", "import", "x.json").stdout == "0 sessions, 0 turns taken in\n"
        arawn("session", "delete", "kites", "--yes")
        assert arawn("session", "import", "x.json").stdout == "1 session, 1 turn taken in\n"
        told = arawn("replay", "kites", "-b", "other").stdout
        assert "1 turn, " in told and "; cost unknown\n" in told and "unknown ->" not in told


def test_a_session_shows_why_nothing_came(arawn: Callable) -> None:
    def locked(conn: Conn) -> None:
        conn.head(401, "application/json", 2)
        conn.send(b"{}")

    with FakeProvider(locked) as fake:
        arawn("ask", "about kites", config=config(fake))
    assert '(Authentication failed for backend "fake")\n\n' in arawn("session", "show").stdout


def test_an_answer_that_was_gone_on_with_is_one_text_to_train_with(arawn: Callable) -> None:
    with FakeProvider(cut, openai_stream([" done"])) as fake:
        arawn("ask", "go", config=config(fake))
        arawn("resume")
    (line,) = arawn("session", "export", "--format", "jsonl").stdout.splitlines()
    assert json.loads(line)["messages"][1]["content"] == "begun and done"


def test_resume_fails_as_json_too(arawn: Callable) -> None:
    with FakeProvider(echo) as fake:
        done = arawn("resume", "nothing", "--json", config=config(fake))
        assert done.returncode == 2 and json.loads(done.stdout)["error"]["code"] == "usage"
        done = arawn("resume", "--json")
    made = json.loads(done.stdout)
    assert done.returncode == 0 and made["ok"] and made["session"] is None and made["finish"] is None
    assert "No answer broke off" in done.stderr


def test_the_list_to_choose_from_says_how(arawn: Callable, env: dict[str, str], tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "about kites", config=config(fake))
        with Term([sys.executable, "-P", "-m", "arawn", "chat"], env=env, cwd=tmp_path) as term:
            term.wait("arawn>").say("/resume").wait("about kites (m-1)").wait("Enter goes on").send("\x1b")
            term.prompt().send("\x04").end()


LONG = "Please explain in great detail how the write-ahead log works, and why checkpoints matter so much"


def test_lists_fit_the_terminal(arawn: Callable, env: dict[str, str], tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "-m", "a-model-with-a-rather-long-name-20261121", LONG, config=config(fake))
        arawn("ask", "-c", f"again: {LONG}")
    for command, lines in (("list", 1), ("graph", 2), ("search", 4)):
        words = [sys.executable, "-P", "-m", "arawn", "session", command, *["explain"][: command == "search"]]
        with Term(words, env=env, cwd=tmp_path, cols=60) as term:
            assert term.end() == 0
            shown = term.screen.splitlines()
        assert "Please explain in" in shown[0] and "…" in shown[0], shown
        if command != "search":
            assert len(shown) == lines, shown
    piped = arawn("session", "graph").stdout.splitlines()
    assert all("(m-1)" in line for line in piped) and any(len(line) > 60 for line in piped)


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("short", 5, "short"),
        ("a little longer", 10, "a little…"),
        ("日本語のテキスト", 9, "日本語の…"),
        ("e\u0301te\u0301 fini", 9, "e\u0301te\u0301 fini"),
        ("x", 0, "…"),
    ],
)
def test_clipped(text: str, columns: int, shown: str) -> None:
    assert clipped(text, columns) == shown and cells(shown) <= max(columns, 1)


def test_names_are_folded_at_spaces() -> None:
    names = "Backends: " + ", ".join(f"backend-{n}" for n in range(9))
    lines = fold(names, 40, "  ").split("\n")
    assert (
        " ".join(line.strip() for line in lines) == names and max(map(len, lines)) <= 40 and len(lines) == 4
    )
    assert fold(names, None) == names


def test_no_folder_is_made_unasked(arawn: Callable, tmp_path: Path) -> None:
    """A folder that is spelt wrong is told, not made."""
    with FakeProvider(echo) as fake:
        arawn("ask", "about kites", config=config(fake))
    for words in (("session", "export", "-O", "no/such/x.md"), ("session", "backup", "no/such/x.db")):
        done = arawn(*words)
        assert done.returncode == 2 and "There is no folder no/such" in done.stderr, done.stderr
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("session", "search"), "arawn session search --help"),
        (("session", "unpin"), "arawn session --help"),
        (("ask", "--bogus"), "arawn ask --help"),
        (("session", "export", "-o", "talk.md"), "arawn session export --help"),
        (("--bogus",), "arawn --help"),
    ],
)
def test_a_wrong_word_names_the_help_of_its_command(
    arawn: Callable, words: tuple[str, ...], hint: str
) -> None:
    done = arawn(*words)
    assert done.returncode == 2 and done.stderr.endswith(f"  - {hint}\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("chta", "There is no command 'chta'; did you mean chat?"),
        ("init", "There is no command 'init'; did you mean config init?"),
        ("hullabaloo", 'a question: arawn ask "..."'),
        ("session lst", "Did you mean 'list'?"),
        ("role", "arawn role needs one of: list"),
        ("secret", "arawn secret needs one of: set, list, delete, test"),
    ],
)
def test_a_command_that_is_none_names_the_one_meant(arawn: Callable, words: str, told: str) -> None:
    done = arawn(*words.split())
    assert done.returncode == 2 and told in done.stderr


@pytest.mark.parametrize("words", ["-o limits.idle=7 config show", "config -o limits.idle=7 show"])
def test_a_setting_may_stand_anywhere(arawn: Callable, words: str) -> None:
    shown = arawn(*words.split(), "-o", "limits.connect=4").stdout
    assert "idle         7 s" in shown and "connect      4 s" in shown


def test_what_a_run_tells_may_be_asked_for_behind_the_command(arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        (tmp_path / "other.toml").write_text(config(fake))
        done = arawn("ask", "hi", "--config", str(tmp_path / "other.toml"), "-v")
        assert done.returncode == 0 and "attempt: fake" in done.stderr, done.stderr
    done = arawn("ask", "hi", "-b", "nobody", "--debug")
    assert done.returncode == 3 and "Traceback" in done.stderr


def test_an_attempt_is_told_below_the_answer(arawn: Callable, env: dict[str, str], tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("config", "path", config=config(fake))
        with Term([sys.executable, "-P", "-m", "arawn", "ask", "-v", "hi"], env=env, cwd=tmp_path) as term:
            assert term.end() == 0 and "\nheard 1: hi\nattempt: fake" in term.screen, term.screen
        assert "attempt: fake m-1 status 200 ok" in arawn("--verbose", "chat", stdin="hi\n").stderr


@pytest.mark.parametrize("total", [0, 7, 471, 1200])
def test_what_a_window_holds_adds_up(total: int) -> None:
    kinds = (("system prompt", 20), ("summary", 0), ("turns", 501), ("files", 33))
    seen = Outlook(kinds, total, 600, 150, 1, "drop")
    sizes = dict(re.findall(r"^(\w[\w ]*?) {2,}([\d,]+)", "\n".join(told(seen, "m")), re.MULTILINE))
    parts = [int(sizes[kind].replace(",", "")) for kind in ("system prompt", "turns", "files")]
    assert sum(parts) == total, told(seen, "m")
    assert told(seen, "m")[-1] == "With the next message the turn said first would be left out."


@pytest.mark.parametrize("columns", [6, 20, 33, 50, 80])
def test_two_texts_share_a_line(columns: int) -> None:
    shown = shared("a title of some length, which goes on", " (fake · a-model-with-a-long-name)", columns)
    assert cells(shown) <= columns and "……" not in shown and shown.startswith("a t")
    assert (" (fake" in shown) == (columns > 30)


def test_help_has_whole_sentences() -> None:
    """The list of commands has room for one line each, on 80 columns."""
    for node in tree():
        widest = max((len(name) for name, _ in node.commands), default=0)
        long = [text for _, text in node.commands if len(text) + 1 > 80 - 2 - 6 - widest]
        assert not long, node.key


def test_help_offers_what_the_program_has(arawn: Callable) -> None:
    """Completions are files of ours: no command offers to install others."""
    for words in (
        (),
        ("ask",),
        ("batch", "run"),
        ("secret", "set"),
        ("session", "search"),
        ("model", "list"),
    ):
        done = arawn(*words, "--help")
        assert done.returncode == 0 and "-completion" not in done.stdout, words
        assert not re.search("<str>|<int|{[a-z]|--no-refresh", done.stdout), words
