"""The keys of `arawn shell-init` in real shells: the line is replaced, run, and in the history."""

from __future__ import annotations

import subprocess
import sys

import pytest
from home import need
from shell_kit import EXPLAINED, kit_of, prompt, settle

SHELLS = ("bash", "zsh", "fish")
KEY, EXPLAIN = "\x1bm", "\x1bz"
KILL = "\x15"
each = pytest.mark.parametrize("shell", SHELLS)


@pytest.fixture
def kit(env, home, tmp_path):
    yield from kit_of(env, home, tmp_path)


def typed(term, text: str):
    """Type a text and see it stand on the line."""
    return prompt(term.send(text), text)


@each
def test_the_line_becomes_the_command_runs_and_is_in_the_history(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "find large")
        settle(term)
        assert not kit.fake.connections, "nothing is sent before the key"
        prompt(term.send(KEY), "echo found")
        assert kit.asked == ["find large"] and f"Shell: {shell}." in kit.systems[0]
        prompt(term.send(" it\r"))
        assert "\nfound it\n" in term.screen + "\n"
        prompt(term.send("\x1b[A"), "echo found it")
        typed(settle(term.send(KILL)), "history | cat; echo end")
        prompt(settle(term.send("\x0c")), "history | cat; echo end")
        term.send("\r").wait("\nend")
        assert "echo found it" in term.screen and "find large" not in term.screen
    assert kit.asked == ["find large"]


@each
def test_quotes_come_through_as_they_are(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "quotes")
        prompt(term.send(KEY), "printf '%s\\n' \"it's \\$5 \\\\o\" é")
        term.send("\r").wait("it's $5 \\o\né")


@each
def test_several_lines_stand_on_the_line_unrun(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "lines")
        term.send(KEY).wait("echo two")
        settle(term)
        assert "\none" not in term.screen
        term.send("\r").wait("\none\ntwo")


@each
def test_no_command_leaves_the_line(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "words")
        term.send(KEY).wait("I cannot do that").wait("P> words")
        settle(term)
        typed(term.send(KILL).send(KILL), "echo still here")
        term.send("\r").wait("\nstill here")


@each
def test_hidden_characters_never_reach_the_line(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "bidi")
        term.send(KEY).wait("cannot be seen")
        settle(term)
        assert b"\xe2\x80\xae" not in bytes(term.raw) and "\\u{202e}" in term.screen


@each
def test_ctrl_c_stops_the_asking_and_leaves_the_line(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "slow one")
        term.send(KEY).until(lambda: bool(kit.asked), "the request")
        term.send("\x03").wait("stopped; your line is as it was")
        settle(term)
        typed(term.send("x" + KILL).send(KILL), "echo alive")
        term.send("\r").wait("\nalive")


@each
def test_without_arawn_the_line_stays(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "find large")
        kit.program.rename(kit.program.with_name("gone"))
        typed(term.send(KILL), "hash -r" if shell != "fish" else "true")
        typed(prompt(term.send("\r")), "find large")
        term.send(KEY).wait("arawn is not found")
        term.wait("P> find large")


@each
def test_a_crash_leaves_the_line(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "find large")
        kit.program.write_text("#!/bin/sh\nkill -9 $$\n")
        term.send(KEY).wait("arawn ended with exit code 137").wait("P> find large")


@each
def test_the_other_key_explains_and_keeps_the_line(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "ls -la")
        term.send(EXPLAIN).wait(EXPLAINED)
        prompt(term, "ls -la")
        assert "ls -la" in kit.asked[0] and "explain a shell command" in kit.systems[0]
        assert all(line == line.lstrip() or "P>" in line for line in term.screen.splitlines()), term.screen


@each
def test_ctrl_c_stops_the_explaining_and_leaves_the_line(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "slow")
        term.send(EXPLAIN).until(lambda: bool(kit.asked), "the request")
        prompt(term.send("\x03"), "slow")
        typed(settle(term).send(KILL), "echo alive")
        term.send("\r").wait("\nalive")


@each
def test_the_key_on_an_empty_line_mends_the_last_command(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "nosuchprogram --x")
        prompt(term.send("\r").wait("nknown" if shell == "fish" else "not found"))
        assert not kit.fake.connections
        prompt(term.send(KEY), "echo mended")
        assert "exit status 127:\n\n```\nnosuchprogram --x\n```" in kit.asked[0]
        term.send("\r").wait("\nmended")


@each
def test_arawn_fix_fills_the_next_line(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "false")
        typed(prompt(term.send("\r")), "arawn fix it must work")
        term.send("\r")
        prompt(term, "echo mended")
        assert "exit status 1:\n\n```\nfalse\n```" in kit.asked[0] and "says: it must work" in kit.asked[0]
        term.send("\r").wait("\nmended")
        typed(prompt(term), "arawn --version")
        term.send("\r").wait("\narawn 0")


@each
def test_arawn_fix_after_success_says_so(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "true")
        typed(prompt(term.send("\r")), "arawn fix")
        prompt(term.send("\r").wait("ended well"))
        assert not kit.fake.connections


@each
def test_arawn_fix_may_be_asked_again(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "false")
        for _ in range(2):
            typed(prompt(term.send("\r" if not kit.asked else KILL)), "arawn fix")
            prompt(term.send("\r"), "echo mended")
        assert [text.count("exit status 1:\n\n```\nfalse\n") for text in kit.asked] == [1, 1]


@each
def test_arawn_fix_into_a_pipe_prints(kit, shell) -> None:
    with kit.shell(shell) as term:
        typed(prompt(term), "false")
        typed(prompt(term.send("\r")), "arawn fix --command ls --status 2 | cat")
        term.send("\r").wait("\necho mended\n")
        typed(prompt(term), "false")
        typed(prompt(term.send("\r")), "arawn fix --quiet | cat")
        term.send("\r").until(lambda: term.screen.count("\necho mended\n") == 2, "the second")
        assert "exit status 2:\n\n```\nls\n" in kit.asked[0] and "exit status 1:" in kit.asked[1]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_line_kept_out_of_the_history_is_kept_from_arawn(kit, shell) -> None:
    with kit.shell(shell) as term:
        prompt(settle(prompt(term).send(" false canary\r")))
        term.send(KEY).wait("not known here")
        assert not kit.fake.connections


def test_a_line_kept_out_of_the_history_is_not_sent_by_bash(kit) -> None:
    with kit.shell("bash") as term:
        typed(prompt(term), "echo one")
        prompt(term.send("\r").wait("\none"))
        term.send(" echo canary; false\r").wait("\ncanary")
        prompt(prompt(term).send(KEY), "echo mended")
        assert "canary" not in kit.asked[0]


@each
def test_other_keys(kit, shell) -> None:
    line = f"shell-init {shell} --key ctrl-g --explain-key none"
    init = f"arawn {line} | source" if shell == "fish" else f'eval "$(arawn {line})"'
    with kit.shell(shell, init) as term:
        typed(prompt(term), "find large")
        prompt(term.send("\x07"), "echo found")
        term.send(EXPLAIN)
        settle(term)
        assert len(kit.asked) == 1


@pytest.mark.parametrize(
    ("shell", "mode"), [("bash", "set -o vi"), ("zsh", "bindkey -v"), ("fish", "fish_vi_key_bindings")]
)
def test_in_vi_mode(kit, shell, mode) -> None:
    with kit.shell(shell, before=mode) as term:
        term.until(lambda: "P>" in term.screen, "a prompt")
        settle(term)
        term.send("find large").wait("P> find large")
        term.send(KEY).wait("P> echo found")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_hooks_and_exit_status_of_others_stay(kit, shell) -> None:
    hook = {
        "bash": "PROMPT_COMMAND='seen=$?'",
        "zsh": "precmd() { seen=$? }; trap 'true' INT",
    }[shell]
    twice = f'eval "$(arawn shell-init {shell})"; eval "$(arawn shell-init {shell})"'
    with kit.shell(shell, twice, before=hook) as term:
        typed(prompt(term), "(exit 7)")
        typed(prompt(term.send("\r")), "echo status $? seen $seen")
        term.send("\r").wait("\nstatus 7 seen 7")
        typed(prompt(term), "false")
        prompt(term.send("\r"))
        prompt(term.send(KEY), "echo mended")
        assert "exit status 1:" in kit.asked[0]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_person_who_bears_no_unset_variable(kit, shell) -> None:
    with kit.shell(shell, before="set -u") as term:
        typed(prompt(term), "find large")
        prompt(term.send(KEY), "echo found")
        typed(prompt(term.send("\r")), "arawn --version")
        term.send("\r").wait("\narawn 0")
        typed(prompt(term), "false")
        typed(prompt(term.send("\r")), "arawn fix")
        prompt(term.send("\r"), "echo mended")
        assert "unbound" not in term.screen and "not set" not in term.screen


def test_a_trap_of_the_person_stays(kit) -> None:
    with kit.shell("bash", before="trap 'echo trapped' INT") as term:
        typed(prompt(term), "find large")
        prompt(term.send(KEY), "echo found")
        typed(term.send(KILL), "trap -p INT")
        term.send("\r").wait("\ntrap -- 'echo trapped' SIGINT")


@each
def test_a_script_gets_no_keys(kit, shell) -> None:
    line = "arawn shell-init fish | source" if shell == "fish" else f'eval "$(arawn shell-init {shell})"'
    need(shell)
    done = subprocess.run(
        [shell, "-c", f"{line}; echo in; type arawn"], env=kit.env, capture_output=True, text=True
    )
    assert done.stdout.startswith("in\n") and "function" not in done.stdout, done.stdout
    assert done.stderr == ""


def test_it_costs_a_shell_little(env, tmp_path) -> None:
    """Neither typer nor a config is loaded for the line that every start of a shell runs."""
    program = [sys.executable, "-P", "-X", "importtime", "-m", "arawn", "shell-init", "zsh"]
    done = subprocess.run(program, env=env, cwd=tmp_path, capture_output=True, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.split("\n")}
    assert "_arawn_suggest" in done.stdout and "arawn.shell" in loaded
    assert not {"typer", "tomllib", "typing", "json", "httpx", "rich"} & loaded


def test_it_reads_no_config(arawn) -> None:
    done = arawn("shell-init", "bash", config="this is [ no toml")
    assert done.returncode == 0 and "_arawn_suggest" in done.stdout
    assert arawn("shell-init", env={"SHELL": "/bin/zsh"}).stdout == arawn("shell-init", "zsh").stdout
    assert "There are no keys for 'tcsh'" in arawn("shell-init", env={"SHELL": "/bin/tcsh"}).stderr
    assert "is no key" in arawn("shell-init", "zsh", "--key", "m").stderr


@each
def test_syntax(arawn, tmp_path, shell) -> None:
    need(shell)
    file = tmp_path / "init"
    file.write_text(arawn("shell-init", shell).stdout)
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
