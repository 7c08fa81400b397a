"""The parts of the prompt that need no terminal: marks of pastes, keys, names, the line below, drafts."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.attach import Attachment
from arawn.errors import UsageFault
from arawn.render.measure import cells
from arawn.repl import shell
from arawn.repl.mentions import mentioned, size, take, told
from arawn.repl.prompt.drafts import Draft
from arawn.repl.prompt.folds import Folds, is_long
from arawn.repl.prompt.inputrc import keys
from arawn.repl.prompt.nearby import Nearby
from arawn.repl.prompt.reflow import reflows
from arawn.repl.tidying import tidy
from arawn.repl.toolbar import Bar, fitted, short
from arawn.repl.typed import END, PASTE, Typed, ends_open

LONG = "row\n" * 20
MARK = "[Pasted 1: 20 lines]"


# ---- folds


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("x" * 1000, False),
        ("x" * 1001, True),
        ("a\n" * 14 + "b", False),
        ("a\n" * 15 + "b", True),
        ("", False),
    ],
)
def test_what_is_long(text: str, long: bool) -> None:
    assert is_long(text) == long


def test_marks_stand_for_their_texts() -> None:
    folds = Folds()
    one, two = folds.fold(LONG), folds.fold("y" * 2000)
    assert (one, two) == (MARK, "[Pasted 2: 2,000 characters]")
    assert folds.unfold(f"a {one} b {two}") == f"a {LONG} b {'y' * 2000}"
    assert folds.grow(1, "end") == "[Pasted 1: 21 lines]"
    assert folds.unfold(f"{one}") == LONG + "end", "a mark of before the paste was whole stands for all of it"
    assert folds.unfold("[Pasted 9: 3 lines]") == "[Pasted 9: 3 lines]", "what somebody only wrote so"
    assert folds.refold(f"x {LONG}end y", f"{one} y") == f"x {one} y"


def test_what_is_pasted_may_look_like_a_mark() -> None:
    folds = Folds()
    inner = folds.fold(LONG)
    assert folds.unfold(folds.fold(f"{inner}\n" * 20)).count(inner) == 20


@pytest.mark.parametrize(
    ("before", "after", "mended"),
    [
        (f"a {MARK} b", "a [Pasted 1: 20 lines b", "a  b"),
        (f"a {MARK} b", "a asted 1: 20 lines] b", "a  b"),
        (f"a {MARK} b", "a [Pasted 1: 20 b", "a b"),
        (f"a {MARK} b", "a [Past-ed 1: 20 lines] b", f"a {MARK}- b"),
        (f"a {MARK} b", f"a {MARK} bc", None),
        (f"a {MARK} b", f"a [{MARK} b", None),
        (f"a {MARK} b", "something else", None),
        (MARK, "", None),
    ],
)
def test_a_torn_mark(before: str, after: str, mended: str | None) -> None:
    folds = Folds()
    folds.fold(LONG)
    found = folds.mended(before, after)
    assert (found[0] if found else None) == mended


_EDIT = st.tuples(st.integers(0, 60), st.integers(0, 30), st.text("xy [1]", max_size=3))


@given(st.lists(_EDIT, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_edit_leaves_a_piece_of_a_mark(edits: list[tuple[int, int, str]]) -> None:
    folds = Folds()
    text = f"one {folds.fold(LONG)} two {folds.fold(LONG)}{folds.fold('z' * 2000)} end"
    for at, count, put in edits:
        after = text[:at] + put + text[at + count :]
        found = folds.mended(text, after)
        text = found[0] if found else after
        bare = text
        for span in reversed(folds.spans(text)):
            bare = bare[: span.start] + bare[span.end :]
        assert not re.search(r"[Paste]{2}|lines|characters", bare), text


# ---- keys while an answer comes


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_enter_ends_a_message_and_a_burst_does_not() -> None:
    clock = Clock()
    typed = Typed(Folds(), clock)
    typed.feed("one\r")
    assert typed.waiting and typed.queue == []
    typed.settle()
    assert typed.queue == ["one"]
    clock.now = 1.0
    typed.feed("two\rthree\r")
    assert typed.queue == ["one"] and typed.text == "two\nthree\n" and not typed.waiting
    clock.now = 2.0
    typed.feed("end\r")
    typed.feed("more")
    assert typed.queue == ["one"] and typed.text == "two\nthree\nend\nmore"
    assert typed.everything == "one\ntwo\nthree\nend\nmore"
    assert typed.take() == (["one"], "two\nthree\nend\nmore") and typed.everything == ""


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("a\nb", "a\nb"),
        ("a\x1b\rb", "a\nb"),
        ("a\x1b[13;2ub\x1b[27;2;13~c", "a\nb\nc"),
        ("ab\x7f\x7f\x7fc", "c"),
        ("one two \x17x", "one x"),
        ("one\ntwo\x15x", "one\nx"),
        ("a\x1b[1;5Cb\x1bOPc\x1bfd", "abcd"),
        ("a\0b\x07c", "abc"),
        (f"{PASTE}one\rtwo{END}", "one\ntwo"),
        (f"{PASTE}\x1b]0;owned\x07x\x9b{END}", "x"),
        (f"a{PASTE}{LONG}{END}b", f"a{MARK}b"),
        (f"a{PASTE}{LONG}{END}\x7fb", "ab"),
        ("\x04a", "a"),
    ],
)
def test_keys(data: str, text: str) -> None:
    typed = Typed(Folds())
    typed.feed(data)
    typed.finish()
    assert typed.text == text and not typed.eof
    whole = Typed(Folds())
    for char in data:
        whole.feed(char)
    whole.finish()
    assert whole.text == text, "in pieces it is the same"


def test_ctrl_s_and_ctrl_d() -> None:
    typed = Typed(Folds())
    typed.feed("\x13")
    assert not typed.corrects
    typed.feed("one\r\x13")
    assert typed.corrects and typed.queue == ["one"]
    typed.feed("two\x13three")
    assert typed.take() == (["two", "one"], "three") and not typed.corrects
    typed.feed("\x04")
    assert typed.eof


@given(st.text(st.sampled_from("ab\n\r\x1b[]201~0;\x7f\x04\x13\x15\x17\x9b\ud800ü")), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_whatever_is_typed_can_be_sent(data: str, step: int) -> None:
    typed = Typed(Folds())
    for at in range(0, len(data), step):
        typed.feed(data[at : at + step])
    typed.finish()
    for said in (*typed.queue, typed.text):
        assert tidy(said) == said
        said.encode()


@pytest.mark.parametrize(("text", "open_"), [("a\\", True), ("a\\\\", False), ("a", False), ("", False)])
def test_a_backslash_at_the_end(text: str, open_: bool) -> None:
    assert ends_open(text) == open_


# ---- names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("a.py", "b c.txt", "dots...", ".hidden", "sub/inner.py", "sub/.deep"):
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("see @a.py", ["a.py"]),
        ("see @a.py, please", ["a.py"]),
        ("(see @sub/inner.py)", ["sub/inner.py"]),
        ('@"b c.txt"', ["b c.txt"]),
        ("@dots... and @a.py.", ["dots...", "a.py"]),
        ("@a.py @a.py", ["a.py"]),
        ("@sub @nobody me@a.py @ @\0", []),
        ("@https://x.example/a_(b)", ["https://x.example/a_(b)"]),
        ("@https://x.example/a.", ["https://x.example/a"]),
        ("@https:// @http://", []),
        ("@" + "n" * 5000, []),
    ],
)
def test_names_in_a_message(folder: Path, text: str, names: list[str]) -> None:
    assert mentioned(text) == names


def test_what_goes_along_is_taken_once_and_told(folder: Path) -> None:
    have = [Attachment("a.py", 1, "x")]
    taken = take("@a.py and @sub/inner.py", lambda name: Attachment(name, 1234, "x"), have)
    assert [file.name for file in taken] == ["sub/inner.py"]
    assert told(taken) == "with it: sub/inner.py (text, 1.2 kB)"
    assert [size(count) for count in (0, 1, 999, 1000, 12345678)] == [
        "0 bytes",
        "1 byte",
        "999 bytes",
        "1.0 kB",
        "12.3 MB",
    ]


def listed(nearby: Nearby, begun: str, event: list[int]) -> list[str]:
    """What is offered once the listing is there."""
    nearby.names(begun)
    for _ in range(300):
        if event or not nearby._busy:
            break
        os.sched_yield()
        time.sleep(0.01)
    return nearby.names(begun)


def test_files_of_a_folder(folder: Path) -> None:
    nearby = Nearby(lambda: None)
    assert listed(nearby, "", []) == ["a.py", "b c.txt", "dots...", "sub/"]
    assert nearby.names("s") == ["sub/"] and nearby.names("sub/") == ["sub/inner.py"]
    assert nearby.names(".h") == [".hidden"] and nearby.names("sub/.") == ["sub/.deep"]
    assert nearby.names("/nowhere/at") == [] and nearby.names("~") == ["~/"]
    assert nearby.names(f"{folder}/a") == [f"{folder}/a.py"]


def test_files_of_a_repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    (folder / ".gitignore").write_text("*.o\n")
    (folder / "made.o").write_text("x")
    grown: list[int] = []
    nearby = Nearby(lambda: grown.append(1))
    assert listed(nearby, "", grown) == ["a.py", "b c.txt", "dots...", "sub/"]
    assert nearby.names("inn") == ["sub/inner.py"] and nearby.names("m") == []
    assert nearby.names(".") == [".gitignore", ".hidden"]
    assert nearby.names("sub/../a") == ["sub/../a.py"]


def test_a_repository_runs_nothing(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    (folder / "evil").write_text(f"#!/bin/sh\ntouch {folder}/ran\n")
    (folder / "evil").chmod(0o755)
    subprocess.run(["git", "config", "core.fsmonitor", str(folder / "evil")], check=True)
    subprocess.run(["git", "config", "core.hooksPath", str(folder)], check=True)
    grown: list[int] = []
    assert "a.py" in listed(Nearby(lambda: grown.append(1)), "", grown)
    assert not (folder / "ran").exists()


# ---- the line below


FULL = Bar("anthropic", "claude-sonnet-4-5", 3200, 200_000, 0.0123, ("json", "branch b"))


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (100, "anthropic · claude-sonnet-4-5 │ ░░░░░░░░ 2 % 3.2k/200k │ $0.0123 │ json │ branch b"),
        (80, "anthropic · claude-sonnet-4-5 │ ░░░░░░░░ 2 % 3.2k/200k │ json │ branch b"),
        (70, "anthropic · claude-sonnet-4-5 │ ░░░░░░░░ 2 % │ json │ branch b"),
        (60, "anthropic · claude-sonnet-4-5 │ json │ branch b"),
        (40, "anthropic · claude-s… │ json │ branch b"),
        (30, "anthropic · claude-sonnet-4-…"),
        (29, ""),
    ],
)
def test_the_line_fits(columns: int, line: str) -> None:
    assert fitted(FULL, columns) == line


@given(
    st.integers(0, 130),
    st.booleans(),
    st.text(st.characters(categories=["L", "N", "P"]), max_size=60),
    st.integers(0, 10**9) | st.none(),
)
@settings(max_examples=60, deadline=None)
def test_the_line_is_never_wider(columns: int, ascii: bool, model: str, used: int | None) -> None:
    line = fitted(Bar("b", model, used, 8000, 1.5, ("json",)), columns, ascii)
    assert cells(line) < max(columns, 1)
    if ascii and model.isascii():
        assert line.isascii()


def test_wide_names_fit_too() -> None:
    assert cells(fitted(Bar("b", "\u6a21" * 50), 40)) < 40


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0"), (950, "950"), (1000, "1k"), (3210, "3.2k"), (128_000, "128k"), (1_048_576, "1M")],
)
def test_short_counts(count: int, told: str) -> None:
    assert short(count) == told


# ---- keys as in other programs


@pytest.mark.parametrize(
    ("said", "inputrc", "env", "found"),
    [
        ("auto", None, {}, "emacs"),
        ("auto", None, {"EDITOR": "/usr/bin/nvim -u NONE"}, "vi"),
        ("auto", None, {"EDITOR": "vim", "VISUAL": "code --wait"}, "emacs"),
        ("auto", "set editing-mode vi\n", {}, "vi"),
        ("auto", "# set editing-mode vi\n", {}, "emacs"),
        ("auto", "set editing-mode emacs\n", {"EDITOR": "vim"}, "emacs"),
        ("auto", None, {"EDITOR": "'vim"}, "emacs"),
        ("emacs", "set editing-mode vi\n", {"EDITOR": "vim"}, "emacs"),
        ("vi", None, {}, "vi"),
    ],
)
def test_whose_keys(tmp_path: Path, said: str, inputrc: str | None, env: dict[str, str], found: str) -> None:
    if inputrc is not None:
        (tmp_path / ".inputrc").write_text(inputrc)
    assert keys(said, {"HOME": str(tmp_path), **env}) == found
    if inputrc is not None and said == "auto":
        assert keys(said, {"INPUTRC": str(tmp_path / ".inputrc"), **env}) == found


@pytest.mark.parametrize(
    ("env", "yes"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "screen-256color", "TMUX": "x"}, True),
        ({"TERM": "screen", "STY": "x", "VTE_VERSION": "7000"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM_PROGRAM": "iTerm.app"}, True),
    ],
)
def test_which_terminals_wrap_anew(env: dict[str, str], yes: bool) -> None:
    assert reflows(env) == yes


# ---- drafts and output


def test_a_draft(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "d", "/dev/pts/3")
    draft.write("half")
    (file,) = (tmp_path / "d").iterdir()
    assert file.name == f"dev-pts-3.{os.getpid()}" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Draft(tmp_path / "d", "/dev/pts/3").restore() == "", "that chat still lives"
    gone = subprocess.Popen(["true"])
    gone.wait()
    file.rename(file.with_name(f"dev-pts-3.{gone.pid}"))
    assert Draft(tmp_path / "d", "/dev/pts/4").restore() == ""
    again = Draft(tmp_path / "d", "/dev/pts/3")
    assert again.restore() == "half" and [one.name for one in (tmp_path / "d").iterdir()] == [file.name]
    again.write("")
    assert not list((tmp_path / "d").iterdir())
    for name, days in (("other.1", 40), (f"other.{gone.pid}", 40), (f"another.{gone.pid}", 1)):
        (tmp_path / "d" / name).write_text("x")
        os.utime(tmp_path / "d" / name, (time.time() - days * 86400,) * 2)
    assert again.restore() == ""
    assert {one.name for one in (tmp_path / "d").iterdir()} == {"other.1", f"another.{gone.pid}"}
    (tmp_path / "file").write_text("")
    Draft(tmp_path / "file", "x").write("no harm")
    Draft(None, "x").write("nothing")
    assert Draft(None, "x").restore() == ""


def test_drafts_outlive_what_else_is_there(tmp_path: Path) -> None:
    gone = [subprocess.Popen(["true"]) for _ in range(3)]
    numbers = sorted(str(one.pid) for one in gone if one.wait() == 0)
    (tmp_path / f"tty.{numbers[0]}").write_text("kept")
    (tmp_path / f"tty.{numbers[1]}").mkdir()
    (tmp_path / f".tty.{numbers[2]}.tmp").write_text("torn by a crash")
    (tmp_path / f"tty.{numbers[2]}").symlink_to(tmp_path / "taken by another chat")
    assert Draft(tmp_path, "tty").restore() == "kept"
    left = {one.name for one in tmp_path.iterdir()}
    assert {f"tty.{os.getpid()}", f"tty.{numbers[1]}"} <= left and f"tty.{numbers[0]}" not in left
    assert not any(name.endswith(".tmp") for name in left)


def test_what_a_command_wrote() -> None:
    kept = shell._Kept()
    kept.add(b"\x1b[31mred\x1b[0m\r\nN\bNA\bA\r\n 10%\r 50%\r100%\r\n")
    assert kept.text() == "red\nNA\n100%" and not kept.open_line
    kept = shell._Kept()
    for number in range(60):
        kept.add(b"%03d" % number + b"x" * 4997)
    text = kept.text()
    assert text.startswith("000") and text.endswith("x") and "059" in text and "030" not in text
    assert f"[... {kept.cut:,} bytes are left out ...]" in text and kept.open_line
    assert kept.cut == 200_000


def test_a_shell_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="There is no shell /no/such"):
        shell.run("ls", {"SHELL": "/no/such", "PATH": "/bin"}, None, None)  # type: ignore[arg-type]
