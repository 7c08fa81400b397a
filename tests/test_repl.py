"""`arawn chat` as a person meets it: a real terminal, keys, a screen; and how the terminal is left."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from term import DRIVER, Start, Term


def test_memory_over_turns(start: Start) -> None:
    term = start().say("blue").wait("heard 1: 'blue'")
    term.say("which?").wait("heard 3: 'blue | one m-1 heard 1:").wait("which?'")
    assert "12 in / 40 out tokens" in term.screen


def test_welcome_and_farewell(start: Start) -> None:
    term = start().prompt()
    assert len(term.screen.splitlines()) == 4
    assert "Backend one · model m-1" in term.screen and "/help for commands, Ctrl-D to leave" in term.screen
    assert "\x1b[6n" not in term.raw.decode()
    term.send("\x04")
    assert term.end() == 0
    assert "Goodbye!" in term.screen and term.restored


@pytest.mark.parametrize("word", ["/quit", "/q", "/exit", "exit", " quit "])
@pytest.mark.parametrize("kind", ["xterm-256color", "dumb"])
def test_quit(start: Start, word: str, kind: str) -> None:
    term = start(TERM=kind).say(word)
    assert term.end() == 0 and "Goodbye!" in term.screen and "heard" not in term.screen


def test_the_prompt_is_coloured_only_where_colour_is_on(start: Start) -> None:
    assert b"\x1b[0;36;1marawn>" in start(COLOR=1).prompt().raw
    assert b"\x1b[0;36" not in start().prompt().raw


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/help", "Ctrl-R searches"),
        ("/?", "Ctrl-R searches"),
        ("/help retry", "/retry [NAME]  Ask again"),
        ("/help quit", "(also /q, /exit)"),
        ("/", "Unknown command: /"),
        ("/hlep", "did you mean /help?"),
        ("/usr/bin is what?", "begin with // to send"),
        ("/quit now", "/quit takes no argument"),
        ("/retry", "Nothing was asked yet"),
        ("/system", "No system prompt"),
        ("/backend", "Backends: one, two"),
        ("/backend three", 'No backend "three"'),
        ("/model", "Models: m-1, max-9"),
        ("//etc/x", "heard 1: '/etc/x'"),
        ("", "arawn>"),
    ],
)
def test_what_is_told(start: Start, said: str, told: str) -> None:
    start().say(said).wait(told).prompt()


def test_switching_keeps_the_conversation(start: Start) -> None:
    term = start().say("blue").wait("heard 1")
    term.say("/backend two").wait("Backend two · model m-1")
    term.say("/model big").wait("Backend two · model big")
    term.say("which?").wait("two big heard 3: 'blue")
    term.say("/model").wait("two tells no models").prompt()


def test_system_clear_and_retry(start: Start) -> None:
    term = start(rows=40).say("/system be brief").wait("System prompt: be brief")
    term.say("blue").wait("heard 1: 'blue' under 'be brief'")
    term.say("/retry").until(lambda: term.screen.count("heard 1: 'blue'") == 2, "the same request again")
    term.say("/system -").wait("No system prompt").say("/clear").wait("new conversation")
    term.say("red").wait("heard 1: 'red'")
    assert "'red' under" not in term.screen and "blue" in term.screen


def test_a_fault_is_told_and_retry_works(start: Start) -> None:
    term = start().say("flaky").wait("Error: Cannot connect to One").wait("/retry asks again")
    term.say("/retry").wait("heard 1: 'flaky'").prompt()


def test_copy_over_ssh_goes_through_the_terminal(start: Start, tmp_path: Path) -> None:
    term = start(PATH=tmp_path).say("brief").wait("brief done").say("/copy").wait("through the terminal")
    assert b"\x1b]52;c;YmVndW4sIGJyaWVmIGRvbmU=\x07" in term.raw and "There is no clipboard" in term.screen


def test_lines_of_ours_end_between_words(start: Start) -> None:
    term = start(cols=40).say("!").wait("A command of your shell stands behind\nthe !, for example: !ls")
    term.say("/quit now").wait("/quit takes no argument")


def test_what_was_stopped_before_an_answer_goes_along_and_that_is_told(start: Start) -> None:
    term = (
        start().say("hang").wait("waiting for one").send("\x03").wait("[stopped]").wait("/undo takes it back")
    )
    term.say("more").wait("heard 1: 'hang\\n\\nmore'")


def test_what_failed_for_good_is_taken_back(start: Start) -> None:
    term = start().say("blue").wait("heard 1").say("denied").wait("No key of this kind").wait("taken back")
    term.say("which?").wait("heard 3: 'blue | one m-1 heard 1:").wait("which?'")
    assert "denied" not in term.screen.rpartition("heard 3")[2]


def test_completion(start: Start) -> None:
    term = start().prompt().send("/he\t").prompt("/help").send("\r").wait("Ctrl-R searches")
    term.prompt().send("/backend tw\t").prompt("/backend two").send("\r").wait("Backend two")


def test_completion_of_models_never_blocks_typing(start: Start) -> None:
    term = start(MODELS_TAKE="0.5").prompt()
    term.send("/model ma").prompt("/model ma").wait("max-9")
    term.send("\t").prompt("/model max-9").send("\r").wait("Backend one · model max-9")


def test_slow_models_do_not_hold_the_end_up(start: Start) -> None:
    term = (
        start(MODELS_TAKE="20")
        .prompt()
        .send("/model m")
        .prompt("/model m")
        .send("\x03")
        .prompt()
        .send("\x04")
    )
    assert term.end() == 0


@pytest.mark.parametrize("newline", ["\x1b\r", "\n", "\x1b[13;2u", "\x1b[27;2;13~", "\\\r"])
@pytest.mark.parametrize("mode", ["emacs", "vi"])
def test_multi_line_entry(start: Start, newline: str, mode: str) -> None:
    if mode == "vi" and newline != "\n":
        newline = "\\\r"
    term = start(**({"VI": 1} if mode == "vi" else {})).prompt().send("one").prompt("one").send(newline)
    term.until(lambda: term.line.strip() == "", "a second line").send("two").wait("       two").send("\r")
    term.wait(r"heard 1: 'one\ntwo'")


def test_vi_keys(start: Start) -> None:
    term = start(VI=1).prompt().send("bad word").prompt("bad word").send("\x1b")
    time.sleep(0.15)
    term.send("0dw").until(lambda: term.screen.endswith("arawn> word"), "the word gone").send("\r").wait(
        "1: 'word'"
    )


def test_history_survives_a_restart(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    term = start(HISTORY=path).say("first ü").wait("heard 1").say(" hidden").wait("heard 3")
    term.say("my sk-CANARY").wait("not kept in the history").prompt().send("\x04")
    assert term.end() == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "hidden" not in path.read_text() and "CANARY" not in path.read_text()
    term = start(HISTORY=path).prompt().send("\x1b[A").prompt("first ü").send("\x03").prompt()
    term.send("\x12irs").wait("irs").wait("first ü").send("\r").until(
        lambda: "search" not in term.screen, "the end of the search"
    ).send("\r").wait("heard 1: 'first")


def test_a_history_that_others_may_read_is_closed_to_them(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("\n# then\n+old\n")
    path.chmod(0o644)
    start(HISTORY=path).prompt().send("\x1b[A").prompt("old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_history_that_cannot_be_written_is_told_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    term = start(HISTORY=tmp_path / "file" / "history").wait("no history is kept")
    term.say("one").wait("heard 1").say("two").wait("heard 3").prompt().send("\x1b[A").prompt("two")
    assert term.screen.count("no history is kept") == 1


def test_reasoning_notes_and_links(start: Start) -> None:
    term = start().say("think").wait("let me see").wait("a note").wait("thought")
    term.say("cite").wait("1. A").wait("http://x/")


def test_without_a_terminal_a_line_is_a_turn(env: dict[str, str], tmp_path: Path) -> None:
    said = b"blue\n\nwhich \xff?\n/quit\nnever\n"
    done = subprocess.run(
        [sys.executable, str(DRIVER)], input=said, capture_output=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "heard 1: 'blue'" in text and r"which \ufffd?" in text and "never" not in text
    assert (
        "\x1b" not in text and "arawn>" not in text and text.count("\n") == 2 and b"tokens" not in done.stderr
    )


def test_without_a_terminal_the_last_fault_is_the_code(env: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(DRIVER)], input=b"flaky\n", capture_output=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 5 and b"Cannot connect" in done.stderr


# ---- the terminal, signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("stage", ["", "half a line", "/mo", "slow\r", "hang\r", "wait\r"])
def test_F_TTY_01_told_to_end(start: Start, number: int, code: int, stage: str) -> None:
    term = start().prompt().send(stage)
    shown = {"slow\r": "w1 ", "hang\r": "waiting", "wait\r": "attempt 2", "": "arawn>"}.get(stage, stage)
    term.wait(shown).signal(number)
    assert term.end() == code
    assert term.restored and "Traceback" not in term.screen


@pytest.mark.parametrize("stage", ["", "slow\r", "hang\r"])
def test_F_TTY_02_the_window_is_closed(start: Start, stage: str) -> None:
    term = start().prompt().send(stage).wait({"slow\r": "w1 ", "hang\r": "waiting"}.get(stage, "arawn>"))
    term.hang_up()
    assert term.process.wait(20) == 129


def test_F_TTY_03_a_fault_of_ours_leaves_the_terminal_as_it_was(start: Start) -> None:
    term = start().say("boom")
    assert term.end() == 1
    assert term.restored


@pytest.mark.parametrize(("said", "shown"), [("slow", "w2 "), ("hang", "waiting"), ("wait", "attempt 2")])
def test_F_TTY_05_ctrl_c_stops_the_answer(start: Start, said: str, shown: str) -> None:
    term = start().say(said).wait(shown)
    began = time.monotonic()
    term.send("\x03").wait("[stopped]").prompt()
    assert time.monotonic() - began < 5, (
        "it ends no earlier by itself; how swift it is, test_control measures"
    )
    kept = "w0 w1 w2 " if said == "slow" else ""
    term.say("and?").wait(f"heard 3: '{said} | {kept}" if kept else rf"heard 1: '{said}\n\nand?")
    assert "Traceback" not in term.screen


def test_F_TTY_05_a_signal_from_outside_stops_it_too(start: Start) -> None:
    term = start().say("hang").wait("waiting").signal(signal.SIGINT).wait("[stopped]").prompt()
    term.send("text").prompt("text").signal(signal.SIGINT).prompt()


def test_F_TTY_09_twice_leaves(start: Start) -> None:
    term = start().prompt().send("text").prompt("text").send("\x03").prompt()
    term.send("\x03").wait("(Ctrl-D or /quit to leave)").prompt()
    assert term.press_on() == 130
    assert term.restored and "Traceback" not in term.screen


def test_F_TTY_09_twice_while_streaming(start: Start) -> None:
    term = start().say("slow").wait("w2 ")
    assert term.press_on() == 130
    assert term.restored and "Traceback" not in term.screen


def test_F_TTY_09_once_is_a_hint(start: Start) -> None:
    term = start().prompt().send("\x03").wait("(Ctrl-D or /quit to leave)").prompt()
    time.sleep(1.05)
    term.send("\x03").until(lambda: term.screen.count("to leave)") == 2, "the hint again").say("x").wait(
        "heard 1"
    )


def test_F_TTY_10_an_ignored_interrupt_stays_ignored(env: dict[str, str], tmp_path: Path) -> None:
    code = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    argv = [sys.executable, "-c", code, sys.executable, str(DRIVER)]
    with Term(argv, env=env, cwd=tmp_path) as term:
        term.say("brief").wait("begun").signal(signal.SIGINT).wait("brief done").prompt()


@pytest.mark.parametrize("stage", ["at the prompt", "in an answer"])
def test_F_TTY_11_stop_and_go_on(env: dict[str, str], tmp_path: Path, stage: str) -> None:
    """Under a shell with job control, as a person has it."""
    variables = {**env, "PS1": "shell$ ", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
    with Term(["bash", "--norc", "--noprofile", "-i"], env=variables, cwd=tmp_path) as term:
        term.wait("shell$").send(f"{sys.executable} {DRIVER}\r").prompt()
        if stage == "in an answer":
            term.send("slow\r").wait("w2 ")
        else:
            term.send("half").prompt("half")
        term.send("\x1a").wait("Stopped").until(lambda: term.line.strip() == "shell$", "the shell")
        term.send("echo i''t works\r").wait("it works").send("fg\r")
        if stage == "in an answer":
            term.wait("w40 ").send("\x03").wait("[stopped]").prompt().send("half").prompt("half")
        term.prompt("half").send(" a line\r").wait("half a line'").prompt().send("\x04")
        term.wait("Goodbye!").until(lambda: term.line.strip() == "shell$", "the shell").send("exit\r")
        assert term.end() == 0


# ---- what comes in


def test_F_INPUT_01_a_paste_is_one_message_and_needs_enter(start: Start) -> None:
    term = start().prompt().send("\x1b[200~one\r\ntwo\rthree\x1b[201~").wait("three")
    time.sleep(0.1)
    assert "heard" not in term.screen
    term.send("\r").wait(r"heard 1: 'one\ntwo\nthree'")


def test_F_INPUT_01_a_burst_without_marks_is_one_message(start: Start) -> None:
    term = start().prompt().send("one\rtwo\rthree\r").wait("three")
    time.sleep(0.1)
    assert "heard" not in term.screen
    term.send("\r").wait(r"heard 1: 'one\ntwo\nthree")


def test_F_INPUT_02_typed_before_the_prompt_is_ready(start: Start) -> None:
    term = start(before="early\rbird\r").wait("bird").wait("arawn> early")
    time.sleep(0.1)
    assert "heard" not in term.screen
    term.send("\r").wait(r"heard 1: 'early\nbird'")


def test_F_INPUT_02_typed_while_an_answer_comes(start: Start) -> None:
    term = start().say("brief").wait("begun").send("next \xfc\rtwo\r").wait("brief done").wait("arawn> next")
    assert term.screen.count("next") == 1, "no echo into the answer"
    term.send("\r").wait(r"| next \xfc\ntwo'")


def test_F_INPUT_03_an_end_mark_inside_a_paste(start: Start) -> None:
    term = start().prompt().send("\x1b[200~one\x1b[201~\rtwo\x1b[201~\r").wait("two")
    time.sleep(0.1)
    term.send("\r").wait("heard 1: 'one").prompt()


def test_F_INPUT_04_controls_in_a_paste(start: Start) -> None:
    term = start().prompt().send("\x1b[200~a\x1b]0;owned\x07b\x1b[31mc\x00d\u009be\x1b[201~")
    term.wait("left out of the paste").wait("abc").send("\r").wait(r"heard 1: 'abc\ufffdde'")
    assert b"owned" not in term.raw and b"\x1b[31m" not in term.raw


def test_F_INPUT_05_bytes_that_are_no_text(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "history"
    term = start(HISTORY=path).prompt().send(b"a\xffb")
    term.until(lambda: term.line.endswith("b"), "b").send("\r").wait(r"heard 1: 'a\ufffdb'").prompt().send(
        "\x04"
    )
    assert term.end() == 0
    assert "a\ufffdb" in path.read_text()


def test_F_INPUT_06_nul(start: Start) -> None:
    term = start(before="a\x16\x00b\r").wait("arawn> a").send("\r").wait("heard 1: 'a")
    assert r"\x00" not in term.screen


def test_F_INPUT_07_a_big_paste(start: Start) -> None:
    term = start(rows=10).prompt()
    big = "0123456789abcde\n" * 4096
    began = time.monotonic()
    sent = 0
    data = f"\x1b[200~{big}end\x1b[201~".encode()
    while sent < len(data):
        sent += os.write(term._fd, data[sent : sent + 4096])
        term.pump(0)
    term.wait("end").send("\r").wait("12 in / 40 out")
    assert time.monotonic() - began < 10


# ---- what comes out


def test_F_TERM_14_names_history_and_faults_are_clean(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("\n# then\n+old \x1b]0;owned\x07\u202etext\n")
    term = start(HISTORY=path).prompt().send("\x1b[A").wait("old").send("\x03").prompt()
    term.say("/model").wait("Models:").prompt()
    term.send("/model \x1b[200~\x1b]0;owned\x07\x1b[201~max").prompt("/model max").send("\x03").prompt()
    term.send("/model m\t").wait("max-9").send("\x03").prompt()
    for said in ("flaky", "cite", "think"):
        term.say(said).prompt()
    for bad in (b"owned\x07", b"\x1b]0;", b"\x1b[2J", b"\xc2\x9b"):
        assert bad not in term.raw


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (0, 0), (300, 500)])
def test_F_TERM_19_resize(start: Start, size: tuple[int, int]) -> None:
    term = start().prompt().send("some text").prompt("some text")
    for rows, cols in (size, (24, 80)):
        term.resize(rows, cols)
        for _ in range(5):
            term.pump()
    term.send("\x03").send("slow\r").until(lambda: b"w1 " in term.raw, "an answer")
    for number in range(40):
        term.resize(*(size if number % 2 else (24, 80))).pump(0.005)
    term.resize(24, 80).send("\x03").until(lambda: b"[stopped]" in term.raw, "the stop")
    term.send("\x04")
    assert term.end() == 0 and "Traceback" not in term.screen


@pytest.mark.parametrize(
    "more",
    [
        {"TERM": "nonsense"},
        {"COLUMNS": "abc"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_F_TERM_20_poor_terminals(start: Start, more: dict[str, str]) -> None:
    start(**more).say("hello").wait("heard 1: 'hello'").prompt().send("\x04").wait("Goodbye!")


@pytest.mark.parametrize("name", ["dumb", ""])
def test_F_TERM_20_a_dumb_terminal_gets_text_alone(start: Start, name: str) -> None:
    term = start(TERM=name).wait("arawn>").send("hello\r").wait("heard 1: 'hello'").send("/undo\r")
    term.wait("Took back").send("slow\r").wait("w2 ").send("\x03").wait("[stopped]")
    time.sleep(1.1)  # two within a second mean: leave
    term.send("\x03").wait("or /quit to leave").send("think\r").wait("thought").send("\x04").wait("Goodbye!")
    assert term.end() == 0 and b"\x1b" not in term.raw, term.raw


def test_ctrl_c_twice_leaves_a_dumb_terminal(start: Start) -> None:
    assert start(TERM="dumb").wait("arawn>").send("\x03").wait("or /quit to leave").send("\x03").end() == 130


def test_keys_that_come_too_early_are_not_lost(start: Start) -> None:
    assert start().prompt().send("hello\r\x04").wait("heard 1: 'hello'").end() == 0
    assert start().say("brief").wait("begun").send("\x04").wait("brief done").end() == 0


def test_ctrl_c_without_a_terminal_ends(env: dict[str, str], tmp_path: Path) -> None:
    argv = [sys.executable, str(DRIVER)]
    for said, shown in ((b"slow\nblue\n", b"w2 "), (b"blue\n", b"heard 1")):
        with subprocess.Popen(argv, stdin=-1, stdout=-1, stderr=-1, env=env, cwd=tmp_path) as process:
            process.stdin.write(said)
            process.stdin.flush()
            got = b""
            while shown not in got:
                got += os.read(process.stdout.fileno(), 4096)
            process.send_signal(signal.SIGINT)
            assert process.wait(3) == 130
            assert b"heard 2" not in got + process.stdout.read() and b"Traceback" not in process.stderr.read()


def test_markdown_is_drawn(start: Start) -> None:
    term = start(MARKDOWN=1, COLOR=1).say("bold").wait("a strong word")
    assert "**" not in term.screen and b"\x1b[1m" in term.raw
    term.prompt().send("slow\r").wait("w3 ").send("\x03").wait("[stopped]").prompt().say("more").wait(
        "heard 5"
    )
