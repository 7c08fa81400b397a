"""The prompt of `arawn chat` as a person meets it: pastes, drafts, what goes along, the shell, the queue."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest
from term import DRIVER, Start, Term

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def pour(term: Term, data: bytes) -> Term:
    """Send much, reading what comes meanwhile."""
    sent = 0
    os.set_blocking(term._fd, False)
    while sent < len(data):
        with suppress(BlockingIOError):
            sent += os.write(term._fd, data[sent : sent + 4096])
        term.pump(0)
    os.set_blocking(term._fd, True)
    return term


# ---- pastes


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def test_a_tab_of_a_paste_is_space_on_the_screen_and_a_tab_in_the_message(start: Start) -> None:
    term = start().prompt().send(paste("a\tb")).prompt("a   b").send("\r")
    term.wait("heard 1: 'a\\tb'")


def test_a_long_paste_is_folded_and_sent_whole(start: Start) -> None:
    lines = "\r\n".join(f"line {number}" for number in range(20))
    term = start().prompt().send("see ").prompt("see").send(paste(lines)).prompt("see [Pasted 1: 20 lines]")
    term.send(" ok?").prompt("see [Pasted 1: 20 lines] ok?").send("\r")
    term.wait(r"heard 1: 'see line 0\nline 1\n").wait("line 19 ok?'")


def test_a_long_line_is_folded_too(start: Start) -> None:
    term = start(cols=200).prompt().send(paste("x" * 1001)).prompt("[Pasted 1: 1,001 characters]")
    term.send("\r").wait("heard 1: 'xxx").prompt()


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ("\x7f", "see"),  # Backspace
        ("\x17", "see"),  # Ctrl-W
        ("\x1b[D\x7f", "see"),  # in the middle of it
        ("\x1b[D\x1b[D\x1b[3~", "see"),  # Delete
        ("\x1b\x7f", "see"),  # Alt-Backspace
        ("\x15", ""),  # Ctrl-U
    ],
)
def test_a_folded_paste_is_deleted_as_a_whole(start: Start, keys: str, left: str) -> None:
    term = (
        start()
        .prompt()
        .send("see ")
        .prompt("see")
        .send(paste("line\n" * 20))
        .prompt("see [Pasted 1: 20 lines]")
    )
    term.send(keys).prompt(left)


def test_a_folded_paste_comes_back_with_undo(start: Start) -> None:
    term = start().prompt().send(paste("line\n" * 20)).prompt("[Pasted 1: 20 lines]").send("\x7f").prompt()
    term.send("\x1f").prompt("[Pasted 1: 20 lines]").send("\r").wait(r"'line\nline")


def test_what_is_typed_into_a_mark_goes_behind_it(start: Start) -> None:
    term = start().prompt().send(paste("line\n" * 20)).prompt("[Pasted 1: 20 lines]")
    term.send("\x1b[D\x1b[Dx").wait("[Pasted 1: 20 lines]x").send("\r").wait(r"line\nx'")


def test_a_paste_is_unfolded_in_its_place(start: Start) -> None:
    term = (
        start(rows=40).prompt().send("a ").prompt("a").send(paste("\n".join(f"row {n}" for n in range(16))))
    )
    term.prompt("a [Pasted 1: 16 lines]").send("\x0f").wait("a row 0").wait("row 15")
    assert "Pasted" not in term.screen
    term.send("!\r").wait(r"heard 1: 'a row 0\nrow 1").wait("row 15!'")


def test_a_paste_in_pieces_is_one(start: Start) -> None:
    term = start().prompt()
    for number in range(8):
        term.send(paste("".join(f"{number}.{line}\n" for line in range(4))))
    term.prompt("[Pasted 1: 32 lines]").send("\r").wait(r"'0.0\n0.1").wait(r"7.3\n'")


def test_a_second_paste_is_its_own(start: Start) -> None:
    term = start(cols=200).prompt().send(paste("a\n" * 20)).prompt("[Pasted 1: 20 lines]").send(" and ")
    term.prompt("[Pasted 1: 20 lines] and").send(paste("b\n" * 30))
    term.prompt("[Pasted 1: 20 lines] and [Pasted 2: 30 lines]").send("\r").wait(r"a\n and b\nb")


def test_a_long_burst_without_marks_is_folded(start: Start) -> None:
    text = "\r".join(f"line {number} of a text that came without marks" for number in range(200))
    term = pour(start().prompt(), text.encode()).prompt("[Pasted 1: 200 lines]")
    time.sleep(0.1)
    assert "heard" not in term.screen
    term.send("\r").wait(r"\nline 199 of a text that came without marks'")


def test_a_long_line_typed_by_a_program_is_sent(start: Start) -> None:
    start(rows=40).prompt().send("word " * 30 + "\r").wait("heard 1: 'word word")


@pytest.mark.parametrize("marks", [True, False])
def test_F_INPUT_07_a_megabyte(start: Start, marks: bool) -> None:
    term = start().prompt()
    text = "0123456789abcde\n" * 65536
    began = time.monotonic()
    pour(term, (paste(text) if marks else text.replace("\n", "\r")).encode())
    term.prompt("[Pasted 1: 65,536 lines]")
    assert time.monotonic() - began < 10
    time.sleep(0.15)
    term.send(" ok").prompt("[Pasted 1: 65,536 lines] ok").send("\x7f\x7f\x7f\x7f").prompt()


def test_the_history_has_a_paste_whole(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    term = start(HISTORY=path).prompt().send(paste("line\n" * 20)).prompt("[Pasted 1: 20 lines]").send("\r")
    term.wait("heard 1").prompt().send("\x1b[A").prompt("[Pasted 1: 20 lines]").send("\r").wait("heard 3")
    assert path.read_text().count("+line\n") == 20 and "Pasted" not in path.read_text()


# ---- the editor of the person


def test_the_text_in_an_editor_of_its_own(start: Start, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    editor = program(
        tmp_path / "my editor",
        f'#!/bin/sh\necho "$@" > "{seen}"; cat "$2" >> "{seen}"; stat -c %a "$2" >> "{seen}"; printf "from\\nthere\\n" > "$2"\n',
    )
    term = (
        start(VISUAL=f"'{editor}' --wait", EDITOR="false")
        .prompt()
        .send("half")
        .prompt("half")
        .send("\x18\x05")
    )
    term.wait("arawn> from").wait("       there").send("\r").wait(r"heard 1: 'from\nthere'")
    first, *others = seen.read_text().splitlines()
    assert others == ["half", "600"] and first.startswith("--wait /")
    assert not Path(first.split()[1]).exists() and not Path(first.split()[1]).parent.exists()


def test_a_paste_is_whole_in_the_editor_and_folded_after_it(start: Start, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    editor = program(tmp_path / "editor", f'#!/bin/sh\ncp "$1" "{seen}"; echo more >> "$1"\n')
    term = (
        start(EDITOR=editor)
        .prompt()
        .send("a ")
        .prompt("a")
        .send(paste("line\n" * 20))
        .prompt("a [Pasted 1: 20 lines]")
    )
    term.send("\x18\x05").wait("more").send("\r").wait(r"heard 1: 'a line\nline")
    assert seen.read_text() == "a " + "line\n" * 20


@pytest.mark.parametrize(
    ("does", "told"),
    [("exit 3", "ended with 3"), ("stty raw -echo; kill -9 $$", "ended with -9"), ("rm $1", "left no text")],
)
def test_F_TTY_18_an_editor_that_fails(start: Start, tmp_path: Path, does: str, told: str) -> None:
    editor = program(tmp_path / "editor", f"#!/bin/sh\nstty -a > {tmp_path}/modes\n{does}\n")
    term = (
        start(EDITOR=editor).prompt().send("kept").prompt("kept").send("\x18\x05").wait(told).prompt("kept")
    )
    assert " icanon" in (tmp_path / "modes").read_text() and " echo " in (tmp_path / "modes").read_text()
    term.send("!\r").wait("heard 1: 'kept!'").prompt().send("\x04")
    assert term.end() == 0 and term.restored


@pytest.mark.parametrize(
    ("editor", "told"),
    [("/no/such", "does not start"), ("'open", "cannot be read"), ("", "There is no editor to open")],
)
def test_an_editor_that_is_not_there(start: Start, tmp_path: Path, editor: str, told: str) -> None:
    (tmp_path / "bin").mkdir()
    term = start(EDITOR=editor, PATH=tmp_path / "bin").prompt().send("kept").prompt("kept").send("\x18\x05")
    term.wait(told).prompt("kept")


def test_ctrl_c_in_the_editor_is_the_editors(start: Start, tmp_path: Path) -> None:
    editor = program(
        tmp_path / "editor",
        '#!/bin/sh\ntrap "echo caught >> $1; exit 0" INT\necho ready\nwhile :; do sleep 0.05; done\n',
    )
    term = (
        start(EDITOR=editor).prompt().send("text").prompt("text").send("\x18\x05").wait("ready").send("\x03")
    )
    term.wait("caught").send("\r").wait(r"heard 1: 'text\ncaught'")


def test_told_to_end_in_the_editor(start: Start, tmp_path: Path) -> None:
    editor = program(tmp_path / "editor", "#!/bin/sh\necho ready\nexec sleep 20\n")
    term = start(EDITOR=editor).prompt().send("text").prompt("text").send("\x18\x05").wait("ready")
    term.signal(signal.SIGTERM)
    assert term.end() == 143 and term.restored


def test_vi_opens_the_editor_with_v(start: Start, tmp_path: Path) -> None:
    editor = program(tmp_path / "editor", '#!/bin/sh\necho there > "$1"\n')
    term = start(VI=1, EDITOR=editor).prompt().send("half").prompt("half").send("\x1b")
    time.sleep(0.15)
    term.send("v").prompt("there")


# ---- what was typed before


def test_up_finds_what_begins_so(start: Start) -> None:
    term = start(rows=40)
    for said in ("apple pie", "bread", "apple tart"):
        term.say(said).wait(f"{said}'").prompt()
    term.send("app").prompt("app").send("\x1b[A").prompt("apple tart").send("\x1b[A").prompt("apple pie")
    term.send("\x1b[B").prompt("apple tart").send("\x03").prompt().send("\x1b[A").prompt("apple tart")
    term.send("\x1b[A").prompt("bread")


def test_the_rest_is_suggested(start: Start, tmp_path: Path) -> None:
    term = start(COLOR=1, HISTORY=tmp_path / "history").say("apple pie").wait("heard 1").prompt()
    term.send("app").until(lambda: term.screen.endswith("arawn> apple pie"), "it").send("\x1b[C").prompt(
        "apple pie"
    ).send("\x03").prompt()
    term.send("my sk-CANARY").prompt("my sk-CANARY").send("\r").wait("not kept").prompt()
    term.send("my sk").prompt("my sk")
    time.sleep(0.1)
    term.pump()
    assert term.screen.endswith("arawn> my sk")


def test_without_colour_nothing_is_suggested(start: Start) -> None:
    term = start().say("apple pie").wait("heard 1").prompt().send("app").prompt("app")
    time.sleep(0.1)
    assert term.screen.endswith("arawn> app")


def test_what_ctrl_c_dropped_comes_back_with_undo(start: Start) -> None:
    term = start().prompt().send("long text").prompt("long text").send("\x03").prompt()
    term.send("\x1f").prompt("long text").send("\r").wait("heard 1: 'long text'")


# ---- names


def test_files_are_completed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("alone.txt", "a b.txt", ".hidden", "sub/inner.py"):
        (tmp_path / name).write_text("x")
    term = start().prompt().send("see @alo\t").prompt("see @alone.txt").send("\x15").prompt()
    term.send("@a").wait("a b.txt").send("\x15").prompt().send('@"a \t').prompt('@"a b.txt"')
    term.send("\x15").prompt().send("@sub/\t").prompt("@sub/inner.py").send("\x15").prompt()
    term.send("@").wait("alone.txt")
    assert ".hidden" not in term.screen
    term.send(".h\t").prompt("@.hidden")


def test_files_of_the_repository_are_completed(start: Start, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "src" / "deep").mkdir(parents=True)
    for name in ("src/deep/needle.py", "src/kept.py", "made.o"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".gitignore").write_text("*.o\n")
    term = start().prompt().send("see @need").wait("src/deep/needle.py")
    term.send("\t").prompt("see @src/deep/needle.py").send("\x15").prompt().send("@m")
    time.sleep(0.2)
    term.pump()
    assert "made.o" not in term.screen


def test_snippets(start: Start) -> None:
    term = start().prompt().send("#br").wait("Be brief.").send("\t").prompt("#brief").send(" why? #nope\r")
    term.wait("heard 1: 'Be brief. why? #nope'")


def test_a_name_takes_the_file_along(start: Start, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print(1)\n")
    (tmp_path / "b c.txt").write_text("words")
    term = start(rows=40, cols=200).say('read @a.py, @"b c.txt" and @nobody or me@a.py')
    term.wait("with it: a.py (text, 9 bytes), b c.txt (text, 5 bytes)")
    term.wait(r"""'read @a.py, @"b c.txt" and @nobody or me@a.py\n\na.py:\n```\nprint(1)""").prompt()
    term.send("again\r").wait("| again'")


def test_an_address_is_fetched(start: Start) -> None:
    term = start(rows=40).say("read (@http://x.example/) and @https://y.example/a.b.").wait("heard 1")
    assert "with it: https://y.example/a.b (text" in term.screen, "no @ in the middle of a word"
    term.prompt()


def test_a_file_that_cannot_go_along_keeps_the_message(start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "p.png").write_bytes(PNG)
    term = start().say("see @pipe").wait("pipe is a named pipe").prompt("see @pipe").send("\x15").prompt()
    term.send("see @/dev/tty\r").wait("/dev/tty is a device").prompt("see @/dev/tty").send("\x15").prompt()
    term.send("/backend two\r").wait("Backend two").prompt().send("see @p.png").prompt("see @p.png").send(
        "\r"
    )
    term.wait("two takes no files").prompt("see @p.png")


def test_a_pasted_name_takes_nothing_along(start: Start, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("CANARY")
    term = (
        start()
        .prompt()
        .send(paste("see @secret\n" * 20))
        .prompt("[Pasted 1: 20 lines]")
        .send("\r")
        .wait("heard 1")
    )
    assert "CANARY" not in term.screen and "with it" not in term.screen


def test_a_picture_of_the_clipboard(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "picture").write_bytes(PNG)
    program(tmp_path / "bin" / "xclip", f"#!/bin/sh\ncat {tmp_path}/picture\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    term = start(PATH=path, DISPLAY=":7").prompt().send("see").prompt("see").send("\x16")
    term.wait("with the next message: clipboard.png (image, 29 bytes)").prompt("see").send("\x15")
    term.prompt().send("/attach\r").wait("clipboard.png (image")


def test_a_missing_program_for_the_clipboard_is_named(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    term = (
        start(cols=200, PATH=tmp_path / "bin", WAYLAND_DISPLAY="w", DISPLAY=":7")
        .prompt()
        .send("see")
        .prompt("see")
    )
    term.send("\x16").wait("is installed: wl-paste or xclip").wait("install wl-clipboard").prompt("see")


# ---- the shell


def test_a_command_of_the_shell(start: Start) -> None:
    term = (
        start(cols=200).say("!echo out; echo err >&2; exit 3").wait("exit status 3").wait("next message? y/N")
    )
    assert "out\nerr" in term.screen
    term.send("y").wait("It goes with the next message").prompt().send("why?\r")
    term.wait(
        r"heard 1: 'why?\n\noutput of a command:\n```\n$ echo out; echo err >&2; exit 3\nout\nerr\n[exit status"
    ).prompt()


def test_output_is_never_sent_unasked(start: Start) -> None:
    start().say("!echo CANARY").wait("y/N").send("\r").wait("no").prompt().send("x\r").wait("heard 1: 'x'")


def test_what_is_typed_instead_of_an_answer_is_not_lost(start: Start) -> None:
    start().say("!echo out").wait("y/N").send("so what").prompt("so what")


@pytest.mark.parametrize(
    ("keys", "left"),
    [("you are\rlate", "you are\n       late"), ("y" * 3, "yyy"), ("\x1b[A", ""), ("\x1b", "")],
)
def test_F_INPUT_03_no_paste_and_no_key_of_the_arrows_says_yes(start: Start, keys: str, left: str) -> None:
    term = start().say("!echo CANARY").wait("y/N").send(keys).wait("y/N no")
    term.until(lambda: term.screen.endswith(f"arawn> {left}".rstrip()), "what was typed")


def test_no_question_without_output(start: Start) -> None:
    term = start().say("!true").wait("exit status 0").prompt()
    assert "y/N" not in term.screen


def test_two_marks_are_text(start: Start) -> None:
    start().say("!!important").wait("heard 1: '!important'")


def test_ctrl_c_ends_the_command_alone(start: Start) -> None:
    term = start().say("!echo begun; exec sleep 20").wait("\nbegun")
    time.sleep(0.1)
    term.send("\x03").wait("ended by signal 2").wait("y/N").send("n").prompt().send("x\r").wait(
        "heard 1"
    ).prompt().send("\x04")
    assert term.end() == 0 and term.restored


def test_a_command_has_the_terminal(start: Start) -> None:
    term = start().say("!stty -a; test -t 0 && test -t 1 && read word && echo got $word").wait("icanon")
    term.send("it\r").wait("got it").wait("exit status 0")


def test_F_TTY_08_ctrl_c_ends_a_command_that_reads_nothing_of_a_paste(start: Start) -> None:
    term = start().say("!echo begun; exec sleep 20").wait("\nbegun")
    pour(term, b"a line that nobody reads\n" * 4000 + b"\x03").wait("ended by signal 2").wait("y/N")
    term.send("n").prompt().send("x\r").wait("heard 1")


def test_a_command_that_spoils_the_terminal(start: Start) -> None:
    term = (
        start()
        .say("!stty raw -echo; kill -9 $$")
        .wait("ended by signal 9")
        .prompt()
        .send("x\r")
        .wait("heard 1")
    )
    term.prompt().send("\x04")
    assert term.end() == 0 and term.restored


def test_long_output_is_cut_and_told(start: Start) -> None:
    term = start(rows=6).say("!seq 1 40000").wait("bytes of its output left out").wait("y/N").send("y")
    term.prompt().send("/attach\r").wait("output of a command (text, 84,376 bytes)")


def test_told_to_end_in_a_command(start: Start) -> None:
    term = start().say("!echo begun; exec sleep 20").wait("\nbegun").signal(signal.SIGTERM)
    assert term.end() == 143 and term.restored


def test_without_a_terminal_there_is_no_shell(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "f").write_text("CANARY")
    done = subprocess.run(
        [sys.executable, str(DRIVER)],
        input=b"!echo hi\nsee @f #brief\n",
        capture_output=True,
        env=env,
        cwd=tmp_path,
    )
    assert (
        b"heard 1: '!echo hi'" in done.stdout
        and b"see @f Be brief.'" in done.stdout
        and b"CANARY" not in done.stdout
    )


# ---- while an answer comes


def test_a_line_is_sent_after_the_answer(start: Start) -> None:
    term = start().say("brief").wait("begun").send("next").send("\r").wait("brief done").wait("queued: next")
    term.wait("| next'").prompt()


def test_lines_are_sent_one_after_the_other(start: Start) -> None:
    term = start(rows=40).say("brief").wait("begun")
    for said in ("one", "\r", "two", "\r", "/help retry", "\r", "rest"):
        term.send(said)
        time.sleep(0.04)
    term.wait("| one'").wait("| two'").wait("Ask again").prompt("rest")
    assert term.screen.count("queued:") == 3


def test_ctrl_c_brings_the_queue_back(start: Start) -> None:
    term = start().say("slow").wait("w2 ").send("one").send("\r")
    time.sleep(0.1)
    term.send("two\n").send("rest").send("\x03").wait("[stopped]").wait("what was queued is in the prompt")
    term.wait("arawn> one").wait("       two").wait("       rest").send("\r").wait(r"| one\ntwo\nrest'")


def test_a_fault_brings_the_queue_back(start: Start) -> None:
    term = start().say("late").wait("begun").send("one").send("\r").wait("Lost One").prompt("one")
    assert "queued:" not in term.screen


def test_ctrl_s_corrects(start: Start) -> None:
    term = start(rows=40).say("slow").wait("w2 ").send("rather this\x13").wait("[stopped]")
    term.wait("correction: rather this").wait("heard 3: 'slow | w0 w1 w2").wait("| rather this'").prompt()


def test_ctrl_s_while_nothing_came_yet(start: Start) -> None:
    term = start().say("hang").wait("waiting").send("rather this\x13").wait("[stopped]")
    term.wait("rather this'").prompt()
    term = start().say("wait").wait("attempt 2").send("rather this\x13").wait("rather this'").prompt()


def test_ctrl_s_with_nothing_typed_does_nothing(start: Start) -> None:
    term = start().say("brief").wait("begun").send("\x13\x11").wait("brief done").prompt()
    assert "[stopped]" not in term.screen


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ("wrong\x7f\x7f\x7f\x7f\x7fright", "right"),
        ("two words\x17one", "two one"),
        ("away\x15here", "here"),
        ("a\x1b[A\x1b[Db\x1bOPc", "abc"),
        ("\u00fc\U0001f600", "\u00fc\U0001f600"),
        (paste("pasted\x1b[31m"), "pasted"),
        (paste("line\n" * 20), "[Pasted 1: 20 lines]"),
        (paste("line\n" * 20) + "\x7fx", "x"),
    ],
)
def test_keys_while_an_answer_comes(start: Start, keys: str, left: str) -> None:
    start().say("brief").wait("begun").send(keys).wait("brief done").prompt(left)


@pytest.mark.parametrize("name", ["xterm", "dumb"])
def test_F_TTY_01_ctrl_backslash_leaves_the_terminal_as_it_was(start: Start, name: str) -> None:
    term = start(TERM=name).wait("arawn>").send("slow\r").wait("w2 ").send("\x1c")
    assert term.end() == -signal.SIGQUIT and term.restored


def test_esc_takes_no_letter_that_follows(start: Start) -> None:
    term = start().say("brief").wait("begun").send("\x1b")
    time.sleep(0.2)
    term.send("hello").wait("brief done").prompt("hello")


def test_a_newline_while_an_answer_comes(start: Start) -> None:
    term = start().say("brief").wait("begun")
    for keys in ("a\n", "b\x1b\r", "c\\", "\r"):
        term.send(keys)
        time.sleep(0.05)
    term.send("d").wait("brief done").wait("arawn> a").wait("       d")


def test_a_megabyte_while_an_answer_comes(start: Start) -> None:
    term = start(rows=40).say("slow").wait("w2 ")
    pour(term, paste("0123456789abcde\n" * 65536).encode()).send("\x03").wait("[stopped]").prompt(
        "[Pasted 1: 65,536 lines]"
    )


def test_a_paste_that_lasts_longer_than_the_answer(start: Start) -> None:
    term = start().say("brief").wait("begun").send("\x1b[200~one\r").wait("brief done")
    term.send("two\x1b[201~").wait("arawn> one").wait("two")
    time.sleep(0.1)
    assert "201~" not in term.screen and "heard" not in term.screen.partition("brief done")[2]


def test_the_question_about_money_has_the_keys(start: Start) -> None:
    term = start().say("agree").wait("y/N")
    time.sleep(0.2)
    term.send("y").send("\r").wait("agreed: True").prompt()


@pytest.mark.parametrize("stage", ["slow", "hang"])
def test_F_TTY_11_what_is_typed_outlives_a_stop(env: dict[str, str], tmp_path: Path, stage: str) -> None:
    variables = {**env, "PS1": "shell$ ", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
    with Term(["bash", "--norc", "--noprofile", "-i"], env=variables, cwd=tmp_path) as term:
        term.wait("shell$").send(f"{sys.executable} {DRIVER}\r").prompt().send(f"{stage}\r")
        term.wait("w2 " if stage == "slow" else "waiting").send("before")
        time.sleep(0.1)
        term.send("\x1a").wait("Stopped").until(lambda: term.line.strip() == "shell$", "the shell")
        term.send("echo i''t works\r").wait("it works").send("fg\r")
        time.sleep(0.3)
        term.send(" after").send("\x03").wait("[stopped]").prompt("before after").send("\x03").send("\x04")
        term.wait("Goodbye!").until(lambda: term.line.strip() == "shell$", "the shell").send("exit\r")
        assert term.end() == 0


# ---- drafts


def again(term: Term, env: dict[str, str]) -> Term:
    """Another chat on the same terminal."""
    term.process = subprocess.Popen(
        [sys.executable, str(DRIVER)],
        stdin=term._slave, stdout=term._slave, stderr=term._slave, env=env, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    return term


def test_a_draft_outlives_a_crash(start: Start, env: dict[str, str], tmp_path: Path) -> None:
    history = tmp_path / "state" / "history"
    term = start(HISTORY=history).prompt().send("half a tho\nught").wait("ught")
    drafts = history.parent / "drafts"
    term.until(lambda: drafts.is_dir() and len(list(drafts.iterdir())) == 1, "a draft")
    file = next(drafts.iterdir())
    assert file.read_text() == "half a tho\nught"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(drafts.stat().st_mode) == 0o700
    term.process.kill()
    term.process.wait()
    again(term, {**env, "HISTORY": str(history)}).wait("what you had typed")
    term.until(
        lambda: term.screen.endswith("in the prompt again\narawn> half a tho\n       ught"), "the draft"
    )
    term.send("\r").wait("heard 1").prompt()
    assert list(drafts.iterdir()) == []


def test_a_draft_is_gone_when_sent_or_dropped(start: Start, tmp_path: Path) -> None:
    drafts = tmp_path / "state" / "drafts"
    term = start(HISTORY=tmp_path / "state" / "history").prompt().send("half").prompt("half")
    term.until(lambda: drafts.is_dir() and len(list(drafts.iterdir())) == 1, "a draft").send("\x03").prompt()
    term.until(lambda: not list(drafts.iterdir()), "no draft").send("whole\r").wait("heard 1").prompt()
    assert not list(drafts.iterdir())


def test_no_draft_of_a_key_or_without_a_history(start: Start, tmp_path: Path) -> None:
    start(HISTORY=tmp_path / "state" / "history").prompt().send("my sk-CANARY").prompt("my sk-CANARY")
    time.sleep(0.8)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"CANARY" in file.read_bytes()]
    start().prompt().send("half").prompt("half")
    time.sleep(0.8)
    assert not list(tmp_path.rglob("drafts/*"))


def test_a_draft_outlives_the_window(start: Start, tmp_path: Path) -> None:
    term = (
        start(HISTORY=tmp_path / "state" / "history")
        .prompt()
        .send("half")
        .prompt("half")
        .signal(signal.SIGTERM)
    )
    assert term.end() == 143
    assert [file.read_text() for file in (tmp_path / "state" / "drafts").iterdir()] == ["half"]


def test_what_is_queued_is_a_draft_too(start: Start, tmp_path: Path) -> None:
    drafts = tmp_path / "state" / "drafts"
    term = start(HISTORY=tmp_path / "state" / "history").say("slow").wait("w2 ").send("one").send("\r")
    time.sleep(0.1)
    term.send("two").until(lambda: [file.read_text() for file in drafts.glob("[!.]*")] == ["one\ntwo"], "it")


# ---- the line below the prompt


def test_the_line_below(start: Start) -> None:
    term = start(TOOLBAR=1).prompt().wait("one · m-1")
    assert term.screen.endswith("arawn> \none · m-1") or term.screen.endswith("arawn>\none · m-1")
    term.send("blue\r").wait("heard 1").prompt().wait("one · m-1 │ 52 tokens")
    assert term.screen.count("one · m-1 ") == 2 and "arawn> blue\none m-1 heard" in term.screen
    term.send("\x04").wait("Goodbye!")
    assert "52 tokens" not in term.screen and term.end() == 0


@pytest.mark.parametrize(("rows", "cols"), [(5, 20), (24, 29), (2, 80)])
def test_no_line_below_without_room(start: Start, rows: int, cols: int) -> None:
    term = start(rows=rows, cols=cols, TOOLBAR=1).prompt().send("x").prompt("x")
    assert term.screen.endswith("arawn> x")


def test_no_line_below_on_a_dumb_terminal(start: Start) -> None:
    term = start(TOOLBAR=1, TERM="dumb").prompt().send("x").prompt("x")
    assert term.screen.endswith("arawn> x")


def test_the_mode_of_vi_is_told(start: Start) -> None:
    start(TOOLBAR=1, VI=1).prompt().wait("vi insert").send("\x1b").wait("vi normal")


def test_the_prompt_tells_the_mode(start: Start) -> None:
    term = start(PRIVATE=1).wait("arawn [private]>").send("/json name\r").wait("arawn [json, private]>")
    term.send("/json off\r").wait("are text again").wait("arawn [private]>")


def test_nothing_is_left_of_the_line_after_a_resize(start: Start) -> None:
    term = start(TOOLBAR=1).prompt().send("some text").prompt("some text")
    for size in ((24, 60), (10, 40), (24, 80), (5, 20), (24, 80)):
        term.resize(*size)
        for _ in range(6):
            term.pump()
    term.send("\r").wait("heard 1").prompt()
    assert term.screen.count("some text") == 2 and term.screen.count("one · m-1") == 2


def test_F_INPUT_12_a_key_in_a_long_paste_is_not_kept(start: Start, tmp_path: Path) -> None:
    term = start(HISTORY=tmp_path / "state" / "history").prompt().send(paste("sk-CANARY\n" * 20))
    term.prompt("[Pasted 1: 20 lines]")
    time.sleep(0.8)
    term.send("\r").wait("not kept in the history").prompt()
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"CANARY" in file.read_bytes()]
