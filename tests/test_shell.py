"""`arawn cmd` and `arawn fix`: into a pipe, and with choices on a terminal."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_kit import EXPLAINED, KEY, Patient, kit_of, prompt, settle

from arawn.cli.choose import hidden, visible
from arawn.shell import SHELLS, BadKey, script, spelled
from arawn.shell.place import here, name_of, run_with, system

CHOICES = "[r]un  [e]dit  e[x]plain  [c]opy  [a]bort:"


@pytest.fixture
def kit(env, home, tmp_path):
    yield from kit_of(env, home, tmp_path)


def run(kit, *args: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(
        [str(kit.program), *args], env=kit.env | env, cwd=kit.folder, capture_output=True, text=True, **source
    )


def test_a_pipe_gets_the_command_alone(kit) -> None:
    done = run(kit, "cmd", "find large")
    assert (done.returncode, done.stdout) == (0, "echo found\n"), done.stderr
    assert kit.asked == ["find large"]


def test_quiet_says_nothing_beside_it(kit) -> None:
    assert run(kit, "cmd", "-q", "find large").stderr == ""


def test_the_model_is_told_system_shell_and_folder_and_no_more(kit) -> None:
    inner = kit.home / "projects" / "x"
    inner.mkdir(parents=True)
    kit.folder = inner
    run(kit, "cmd", "find large", SHELL="/usr/bin/fish", SOME_SECRET="canary-1")
    told = kit.systems[0]
    assert f"System: {system()}. Shell: fish. Current folder: ~/projects/x." in told
    body = kit.fake.requests[0].body.decode()
    assert "canary-1" not in body and str(kit.home) not in body


def test_another_shell_by_name(kit) -> None:
    run(kit, "cmd", "--shell", "powershell", "find large")
    assert "Shell: powershell." in kit.systems[0]


def test_words_and_a_pipe_are_joined(kit) -> None:
    run(kit, "cmd", "find large", stdin="as in this note")
    assert kit.asked == ["find large\n\nas in this note"]


def test_an_answer_without_a_command_is_an_error(kit) -> None:
    done = run(kit, "cmd", "words")
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no command" in done.stderr and "I cannot do that without knowing more." in done.stderr


def test_what_else_was_said_goes_to_stderr(kit) -> None:
    done = run(kit, "cmd", "stays")
    assert done.stdout == "touch ran\n" and "the answer also said: Careful with it." in done.stderr
    assert not (kit.folder / "ran").exists()


def test_json(kit) -> None:
    made = json.loads(run(kit, "cmd", "--json", "stays").stdout)
    assert made["ok"] and made["command"] == "touch ran" and made["text"].startswith("Careful")
    assert made["backend"] == "fake" and made["session"]
    done = run(kit, "cmd", "--json", "words")
    made = json.loads(done.stdout)
    assert done.returncode == 1 and not made["ok"] and made["command"] is None and made["error"]["message"]
    made = json.loads(run(kit, "cmd", "--json", "-b", "nobody", "x").stdout)
    assert made["error"]["code"] == "config"


def test_no_store_keeps_nothing(kit) -> None:
    run(kit, "cmd", "--no-store", "find large")
    assert run(kit, "session", "list").stdout == ""
    run(kit, "cmd", "find large")
    assert "find large" in run(kit, "session", "list").stdout


def test_continue_goes_on_with_no_command(kit) -> None:
    run(kit, "ask", "hello")
    run(kit, "cmd", "find large")
    run(kit, "ask", "-c", "and then?")
    assert kit.asked == ["hello", "find large", "and then?"]
    assert [message["content"] for message in kit.fake.requests[-1].json["messages"]][0] == "hello"


def test_without_a_backend_nothing_is_made_up(kit) -> None:
    (kit.home / ".config/arawn/config.toml").unlink()
    done = run(kit, "cmd", "find large", NO_PROXY="*")
    assert done.returncode == 3 and "No backend is set up" in done.stderr


@pytest.mark.parametrize("args", [("cmd",), ("cmd", " "), ("cmd", "-")])
def test_nothing_to_ask(kit, args) -> None:
    done = run(kit, *args)
    assert done.returncode == 2 and "There is nothing to ask" in done.stderr and not kit.asked


def test_F_TERM_12_hidden_characters_are_handed_to_no_pipe(kit) -> None:
    done = run(kit, "cmd", "bidi")
    assert (done.returncode, done.stdout) == (1, "")
    assert "\\u{202e}" in done.stderr and "\\x1b[2J" in done.stderr
    assert "\u202e" not in done.stderr and "\x1b" not in done.stderr
    made = json.loads(run(kit, "cmd", "--json", "bidi").stdout)
    assert made["command"] is None and not made["ok"]


def test_explain(kit) -> None:
    done = run(kit, "cmd", "--explain", "ls", "-la")
    assert (done.returncode, done.stdout) == (2, ""), "an option of ls is none of ours"
    done = run(kit, "cmd", "--explain", "--", "ls", "-la")
    assert (done.returncode, done.stdout) == (0, EXPLAINED + "\n")
    assert "ls -la" in kit.asked[-1] and "explain a shell command" in kit.systems[-1]


@pytest.mark.parametrize(
    ("args", "told", "asked"),
    [
        (("--command", "gti status", "--status", "127"), {}, "ended with exit status 127:\n\n```\ngti status\n```"),
        (("--command", "ls -x"), {}, "This command is wrong:\n\n```\nls -x\n```"),
        ((), {"_ARAWN_COMMAND": "gti", "_ARAWN_STATUS": "1"}, "exit status 1:\n\n```\ngti\n```"),
        (("it", "is", "late"), {"_ARAWN_COMMAND": "a", "_ARAWN_STATUS": "0"}, "as the person says: it is late"),
        ((), {"_ARAWN_COMMAND": "echo '```'", "_ARAWN_STATUS": "1"}, "````\necho '```'\n````"),
    ],
)  # fmt: skip
def test_fix(kit, args, told, asked) -> None:
    done = run(kit, "fix", *args, **told)
    assert (done.returncode, done.stdout) == (0, "echo mended\n"), done.stderr
    assert asked in kit.asked[0] and "mend a shell command" in kit.systems[0]


def test_F_INPUT_05_bytes_that_are_no_text(kit) -> None:
    done = run(kit, "fix", _ARAWN_COMMAND=os.fsdecode(b"ls \xff"), _ARAWN_STATUS="1")
    assert done.returncode == 0 and "ls \ufffd" in kit.asked[0], done.stderr
    assert run(kit, "cmd", f"--line={os.fsdecode(bytes([0xFE]))} find large").stdout == "echo found\n"


@pytest.mark.parametrize(
    ("told", "says", "code"),
    [
        ({}, "the shell tells it after: arawn shell-init", 2),
        ({"_ARAWN_COMMAND": ""}, "none was run in this shell yet", 2),
        ({"_ARAWN_COMMAND": "ls", "_ARAWN_STATUS": "0"}, "The last command ended well", 2),
        ({"_ARAWN_COMMAND": "echo mended", "_ARAWN_STATUS": "1"}, "the same command again", 1),
    ],
)
def test_nothing_to_fix(kit, told, says, code) -> None:
    done = run(kit, "fix", **told)
    assert done.returncode == code and says in done.stderr and done.stdout == ""


def test_a_key_in_the_last_command_is_not_sent(kit) -> None:
    done = run(kit, "fix", _ARAWN_COMMAND=f"curl -H 'Authorization: Bearer {KEY}' x", _ARAWN_STATUS="2")
    assert KEY not in kit.asked[0] and "curl -H" in kit.asked[0] and "****" in kit.asked[0]
    assert "looks like a key" in done.stderr


# On a terminal


def test_it_is_shown_and_run_only_when_asked_to(kit) -> None:
    with kit.term("cmd", "stays") as term:
        term.wait(CHOICES)
        assert "  touch ran" in term.screen and not (kit.folder / "ran").exists()
        term.send("\r").pump(0.2)
        term.send("\x1b[A").pump(0.2)
        term.send("zz").pump(0.2)
        assert not (kit.folder / "ran").exists()
        term.send("r")
        assert term.end() == 0 and term.restored
    assert (kit.folder / "ran").exists()


def test_its_exit_code_is_ours_and_its_shell_is_mine(kit) -> None:
    with kit.term("cmd", "code 3") as term:
        term.wait(CHOICES).send("R")
        assert term.end() == 3
    shell = kit.home / "bin" / "myshell"
    shell.write_text("#!/bin/sh\necho this shell: $1 $2\n")
    shell.chmod(0o755)
    with kit.term("cmd", "find large", SHELL=str(shell)) as term:
        term.wait(CHOICES).send("r").wait("this shell: -c echo found")
        assert term.end() == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_what_is_run_dies_of_a_broken_pipe_as_ever(kit) -> None:
    """Python ignores SIGPIPE; what runs in its place must not."""
    with kit.term("cmd", "signals") as term:
        term.wait(CHOICES).send("r").wait("SigIgn:")
        term.end()
        mask = int(term.screen.rpartition("SigIgn:")[2].split()[0], 16)
    assert not mask & 1 << 12


@pytest.mark.parametrize(("key", "code"), [("a", 1), ("q", 1), ("\x04", 1), ("\x1b", 1), ("\x03", 130)])
def test_abort(kit, key, code) -> None:
    with kit.term("cmd", "stays") as term:
        term.wait(CHOICES).send(key)
        assert term.end() == code and term.restored
    assert not (kit.folder / "ran").exists()


def test_edit_then_run(kit) -> None:
    with kit.term("cmd", "stays") as term:
        term.wait(CHOICES).send("e").wait("> touch ran").send("\x15touch edited").wait("> touch edited")
        term.send("\r").until(lambda: term.screen.count(CHOICES) == 2, "the question again")
        assert "  touch edited" in term.screen
        term.send("r")
        assert term.end() == 0
    assert (kit.folder / "edited").exists() and not (kit.folder / "ran").exists()


def test_ctrl_c_in_the_edit_keeps_the_command(kit) -> None:
    with kit.term("cmd", "stays") as term:
        term.wait(CHOICES).send("e").wait("> touch ran").send("x\x03")
        term.until(lambda: term.screen.count(CHOICES) == 2, "the question again").send("a")
        assert term.end() == 1 and term.restored


def test_several_lines_go_to_the_editor(kit) -> None:
    editor = kit.home / "bin" / "ed1"
    editor.write_text('#!/bin/sh\nsed -i s/two/three/ "$1"\n')
    editor.chmod(0o755)
    with kit.term("cmd", "lines", VISUAL="ed1") as term:
        term.wait(CHOICES)
        assert "  echo one ⏎\n  echo two\n" in term.screen + "\n" and "several lines" in term.screen
        term.send("e").wait("  echo three")
        term.until(lambda: term.screen.count(CHOICES) == 2, "the question again").send("r")
        assert term.end() == 0 and term.screen.endswith("one\nthree")
    assert not list(kit.folder.glob("arawn-*")), "the editor's file is gone"


def test_an_editor_that_fails_loses_nothing(kit) -> None:
    with kit.term("cmd", "lines", VISUAL="false") as term:
        term.wait(CHOICES).send("e").wait("false' ended with 1")
        term.until(lambda: term.screen.count(CHOICES) == 2, "the question again").send("a")
        assert term.end() == 1


def test_F_TTY_18_an_editor_that_breaks_the_terminal(kit) -> None:
    editor = kit.home / "bin" / "ed2"
    editor.write_text("#!/bin/sh\nstty raw -echo\nexit 1\n")
    editor.chmod(0o755)
    with kit.term("cmd", "lines", VISUAL="ed2") as term:
        term.wait(CHOICES).send("e").wait("Error: the editor")
        term.until(lambda: term.screen.count(CHOICES) == 2, "the question again").send("a")
        assert term.end() == 1 and term.restored


def test_explain_then_the_question_again(kit) -> None:
    with kit.term("cmd", "find large") as term:
        term.wait(CHOICES).send("x").wait(EXPLAINED)
        term.until(lambda: term.screen.count(CHOICES) == 2, "the question again").send("r").wait("found")
        assert term.end() == 0
    assert "echo found" in kit.asked[1]


def test_copy(kit) -> None:
    tool = kit.home / "bin" / "xclip"
    with kit.term("cmd", "find large", DISPLAY=":9", PATH=kit.env["PATH"]) as term:
        tool.write_text('#!/bin/sh\ncat > "$HOME/copied"\n')
        tool.chmod(0o755)
        term.wait(CHOICES).send("c").wait("copied by xclip")
        term.until(lambda: term.screen.count(CHOICES) == 2, "the question again").send("a")
        term.end()
    assert (kit.home / "copied").read_text() == "echo found"


def test_copy_says_what_is_missing(kit) -> None:
    with kit.term("cmd", "find large") as term:
        term.wait(CHOICES).send("c").wait("There is no clipboard here")
        term.until(lambda: term.screen.count(CHOICES) == 2, "the question again").send("a")
        assert term.end() == 1


def test_F_TERM_13_hidden_characters_are_spelled_out_before_it_may_be_run(kit) -> None:
    with kit.term("cmd", "bidi") as term:
        term.wait(CHOICES)
        assert (
            "  echo \\u{202e}txt.\\u{202c}\\x1b[2J ok" in term.screen and "hidden characters" in term.screen
        )
        assert b"\xe2\x80\xae" not in bytes(term.raw) and b"\x1b[2J" not in bytes(term.raw)
        term.send("a")
        term.end()


def test_keys_typed_before_the_question_choose_nothing(kit) -> None:
    with kit.term("cmd", "stays") as term:
        term.send("rrr\r")
        term.wait(CHOICES).pump(0.3)
        assert term.process.poll() is None and not (kit.folder / "ran").exists()
        term.send("a")
        term.end()


def test_keys_come_from_the_terminal_where_words_come_from_a_pipe(kit) -> None:
    line = f"echo 'a note' | {kit.program} cmd stays; echo code $?"
    with Patient(["sh", "-c", line], env=kit.env, cwd=kit.folder, rows=40, cols=100) as term:
        term.wait(CHOICES).send("a").wait("code 1")
        term.end()
    assert kit.asked[-1].strip() == "stays\n\na note"


def test_ctrl_c_while_it_is_asked(kit) -> None:
    with kit.term("cmd", "slow") as term:
        term.until(lambda: bool(kit.asked), "the request").send("\x03")
        assert term.end() == 130 and term.restored


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_F_TTY_11_ctrl_z_and_fg_at_the_question(kit, shell) -> None:
    with kit.shell(shell, init="true") as term:
        prompt(term).send("arawn cmd stays\r").wait(CHOICES)
        prompt(settle(term.send("\x1a")))
        term.send("fg\r").until(lambda: term.screen.count(CHOICES) == 2, "the question again")
        prompt(term.send("a"))
        assert not (kit.folder / "ran").exists()


@pytest.mark.parametrize("more", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"ACCESSIBLE": "1"}])
def test_no_colour_and_no_redraw_is_needed(kit, more) -> None:
    with kit.term("cmd", "-q", "find large", **more) as term:
        term.wait(CHOICES).send("a")
        term.end()
        if "ACCESSIBLE" not in more:
            assert b"\x1b[1m" not in bytes(term.raw)
        assert "Command:" in term.screen


# Parts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ls -la", "ls -la"),
        ("a\tb", "a\tb"),
        ("echo '\U0001f469\u200d\U0001f4bb'", "echo '\U0001f469\u200d\U0001f4bb'"),
        ("a\nb", "a ⏎\nb"),
        ("a\rb", "a\\x0db"),
        ("a\u200bb", "a\\u{200b}b"),
        ("a\x9b1mb", "a\\x9b1mb"),
        ("a\U000e0041b", "a\\u{e0041}b"),
        ("a\x00b", "a\\x00b"),
    ],
)
def test_what_a_command_looks_like(text, shown) -> None:
    assert visible(text) == shown
    assert hidden(text) == (shown.replace(" ⏎", "") != text)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_what_is_shown_has_nothing_hidden(text) -> None:
    assert not hidden(visible(text))


@pytest.mark.parametrize(
    ("key", "made"),
    [
        ("alt-m", ("\\em", "^[m", "\\em")),
        ("Alt-M", ("\\eM", "^[M", "\\eM")),
        ("ctrl-g", ("\\C-g", "^g", "\\cg")),
        ("ctrl-x a", ("\\C-xa", "^xa", "\\cxa")),
        ("ctrl-x ctrl-a", ("\\C-x\\C-a", "^x^a", "\\cx\\ca")),
        ("none", ("", "", "")),
    ],
)
def test_keys(key, made) -> None:
    assert tuple(spelled(key, shell) for shell in SHELLS) == made


@pytest.mark.parametrize(
    "key", ["", "m", "alt-", "alt-mm", "ctrl-m", "ctrl-c", "f13", "alt-'", 'alt-"', "x alt-m", "alt-$"]
)
def test_no_keys(key) -> None:
    with pytest.raises(BadKey):
        spelled(key, "zsh")


def test_a_key_left_out_is_not_bound() -> None:
    for shell in SHELLS:
        assert "@" not in script(shell).replace('"$@"', "").replace("[@]", "")
        assert (
            script(shell).count("_arawn_explain")
            == script(shell, explain_key="none").count("_arawn_explain") + 1
        )


@pytest.mark.parametrize(
    ("env", "platform", "name"),
    [
        ({"SHELL": "/usr/bin/zsh"}, "linux", "zsh"), ({}, "linux", "sh"), ({"SHELL": " "}, "darwin", "sh"),
        ({}, "win32", "cmd"), ({"PSModulePath": "x"}, "win32", "powershell"), ({"SHELL": "C:/x/bash.exe"}, "win32", "bash"),
    ],
)  # fmt: skip
def test_the_name_of_the_shell(env, platform, name) -> None:
    assert name_of(env, platform) == name


def test_what_runs_a_line(tmp_path: Path) -> None:
    shell = tmp_path / "fish"
    shell.write_text("#!/bin/sh\n")
    shell.chmod(0o755)
    assert run_with({"SHELL": str(shell)}) == [str(shell), "-c"]
    assert run_with({"SHELL": "/no/such/zsh"}) == ["/bin/sh", "-c"]
    assert run_with({"SHELL": "/bin/sh", "PATH": str(tmp_path)}, "fish") == [str(shell), "-c"]
    assert run_with({"SHELL": "", "COMSPEC": "cmd.exe", "PATH": ""}, platform="win32") == ["cmd.exe", "/c"]


def test_the_system_by_name(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('NAME=x\nPRETTY_NAME="Some Linux 12"\n')
    assert system("linux", str(release)) == "Linux (Some Linux 12)"
    assert system("linux", str(tmp_path / "none")) == "Linux" and system("darwin") == "macOS"
    assert here({"SHELL": "/bin/zsh", "HOME": "/nowhere"}).shell == "zsh"
