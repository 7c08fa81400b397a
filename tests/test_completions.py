"""The completion files are what the command tree makes, and they work in the shells that are here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from home import configure, need
from shell_kit import Patient

from arawn.cli.completion_files import texts
from arawn.cli.completion_tree import backends, tree

FOLDER = Path(__file__).parents[1] / "completions"


def test_they_are_not_stale() -> None:
    made = texts()
    assert set(made) == {path.name for path in FOLDER.iterdir()}
    for name, text in made.items():
        assert (FOLDER / name).read_text() == text, f"{name} is stale: python -m arawn.cli.completions"


def test_every_command_and_option_is_there() -> None:
    for name, text in texts().items():
        for node in tree():
            for word, _ in node.commands:
                assert word in text, (name, word)
            for option in node.options:
                assert all(each.lstrip("-") in text for each in option.names), (name, option)


def complete(tmp_path, *words: str, path: str = "/usr/bin:/bin") -> list[str]:
    line = " ".join(f"'{word}'" for word in words)
    program = f"source {FOLDER}/arawn.bash; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _arawn; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    env = {"HOME": str(tmp_path), "PATH": path}
    return subprocess.run(
        ["bash", "-c", program], env=env, cwd=tmp_path, capture_output=True, text=True
    ).stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("arawn", "conf"), ["config"]), (("arawn", "config", "sh"), ["show"]), (("arawn", "ask", "--jsonl"), ["--jsonl"]),
        (("arawn", "--color", "a"), ["auto", "always"]), (("arawn", "ask", "-b", "groq", "--raw"), ["--raw"]),
        (("arawn", "-b", "mist"), ["mistral"]), (("arawn", "--color", "=", "n"), ["never"]),
        (("arawn", "session", "search", "--role", "us"), ["user"]), (("arawn", "help", "tr"), ["transfer", "trust"]),
        (("arawn", "config", "get", "llm.temp"), ["llm.temperature"]), (("arawn", "shell-init", "z"), ["zsh"]),
        (("arawn", "completions", "install", "p"), ["powershell"]), (("arawn", "ask", "--reasoning", "h"), ["high"]),
        (("arawn", "config", "show", "--or"), ["--origin"]),
    ],
)  # fmt: skip
def test_bash(tmp_path, words, expected) -> None:
    assert complete(tmp_path, *words) == expected


def test_bash_knows_the_backends_of_the_config(tmp_path) -> None:
    configure(tmp_path, '[backends.work-llm]\nmodel = "x"\n[backends.b.retry]\n')
    found = complete(tmp_path, "arawn", "ask", "--backend", "")
    assert {"work-llm", "b", *backends()} == set(found)


@pytest.mark.parametrize(
    ("shell", "file"), [("bash", "arawn.bash"), ("zsh", "_arawn"), ("fish", "arawn.fish")]
)
def test_syntax(shell, file) -> None:
    need(shell)
    done = subprocess.run([shell, "-n", str(FOLDER / file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Names that only the person's own files know


@pytest.fixture
def person(home: Path, env: dict[str, str]) -> dict[str, str]:
    """A home with a config, lists of models, and a program called arawn."""
    config, cache, programs = home / ".config/arawn", home / ".cache/arawn/models", home / "bin"
    for folder in (config, cache, programs):
        folder.mkdir(parents=True)
    (config / "config.toml").write_text(
        '[backends.work-llm]\nmodel = "x"\n[roles.teacher]\nsystem = "x"\n[tasks.summary]\nprompt = "x"\n'
    )
    hostile = "x$(touch ran)`touch ran`"
    models = [{"name": name} for name in ("llama3:8b", "llama3:70b", "org/qwen", hostile, "a b", 'q\\"x')]
    (cache / "ollama-0123.json").write_text(json.dumps({"version": 1, "when": 0, "models": models}))
    program = programs / "arawn"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m arawn "$@"\n')
    program.chmod(0o755)
    return env | {"PATH": f"{programs}:{os.environ['PATH']}"}


def keep(home: Path) -> str:
    """A session with a hostile title; its id."""
    from arawn.messages import Message, TextPart, user
    from arawn.session import Receipt, Session, Turn
    from arawn.store.sessions import Store

    store = Store(home / ".local/share/arawn", print)
    session = Session("abcd1234efgh", "A title \x1b]0;x\x07 with \u202e marks")
    said = (user("Hi"), Message("assistant", (TextPart("Hello"),)))
    session.add(Turn("t1", None, said, Receipt("b", "b", "m", "stop"), 1.0, session.id))
    store.put(session, session.turns.values())
    store.close()
    return session.id


def offered(shell: str, person: dict[str, str], home: Path, *words: str) -> set[str]:
    """What a shell offers for the last word."""
    need(shell)
    if shell == "fish":
        line = f"source {FOLDER}/arawn.fish; complete -C '{' '.join(words)}'"
        argv = ["fish", "-c", line]
    else:
        line = " ".join(f"'{word}'" for word in words)
        argv = ["bash", "-c", f"source {FOLDER}/arawn.bash; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
                "_arawn; printf '%s\\n' \"${COMPREPLY[@]}\""]  # fmt: skip
    done = subprocess.run(argv, env=person, cwd=home, capture_output=True, text=True)
    assert done.stderr == "", done.stderr
    assert not (home / "ran").exists()
    return {row.split("\t")[0] for row in done.stdout.splitlines() if row}


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("arawn", "ask", "-b", "work"), {"work-llm"}),
        (("arawn", "ask", "--role", ""), {"teacher"}),
        (("arawn", "run", "sum"), {"summary"}),
        (("arawn", "ask", "-m", "o"), {"org/qwen"}),
        (("arawn", "ask", "--resume", "abc"), {"abcd1234efgh"}),
        (("arawn", "session", "show", "abc"), {"abcd1234efgh"}),
        (("arawn", "receipt", "abc"), {"abcd1234efgh"}),
    ],
)
def test_names_of_the_person(shell, person, home, words, names) -> None:
    keep(home)
    assert offered(shell, person, home, *words) == names


def test_models_with_a_colon_in_bash(person, home) -> None:
    """bash takes `llama3:8b` for three words, and puts only what follows the last colon."""
    assert offered("bash", person, home, "arawn", "ask", "-m", "llama3", ":", "8") == {"8b"}
    assert offered("bash", person, home, "arawn", "ask", "-m", "llama3", ":") == {"8b", "70b"}
    assert offered("bash", person, home, "arawn", "ask", "-m", "") == {"llama3:8b", "llama3:70b", "org/qwen"}


def test_names_that_mean_something_to_a_shell_are_not_offered(person, home) -> None:
    for shell in ("bash", "fish"):
        assert offered(shell, person, home, "arawn", "ask", "-m", "x") == set()


def test_nothing_there_offers_nothing(env, home) -> None:
    for shell in ("bash", "fish"):
        for words in (("ask", "-m", ""), ("ask", "--role", ""), ("session", "show", "")):
            found = offered(shell, env, home, "arawn", *words)
            assert not {name for name in found if not name.startswith("-")}, found


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("arawn ask -b work", "arawn ask -b work-llm"),
        ("arawn ask -m org", "arawn ask -m org/qwen"),
        ("arawn ask -m llama3:8", "arawn ask -m llama3:8b"),
        ("arawn run sum", "arawn run summary"),
        ("arawn session show abc", "arawn session show abcd1234efgh"),
        ("arawn config sho", "arawn config show"),
        ("arawn --color al", "arawn --color always"),
    ],
)
def test_tab_in_zsh(person, home, typed, shown) -> None:
    zsh = need("zsh")
    keep(home)
    (home / ".zshrc").write_text(
        f"PS1='P> '; fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -u -D\n"
    )
    with Patient([zsh, "-i"], env=person, cwd=home) as term:
        term.until(lambda: term.line == "P> ", "a prompt").send(typed)
        term.until(lambda: term.line == f"P> {typed}", "what was typed").send("\t")
        term.until(lambda: term.line.strip() == f"P> {shown}", shown, 8)


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_tab_with_the_keys_in_place(person, home, shell) -> None:
    """The function that `arawn shell-init` makes is completed as the program is."""
    place = need(shell)
    line = f"source {FOLDER}/arawn.{shell}"
    line += "; arawn shell-init fish | source" if shell == "fish" else '; eval "$(arawn shell-init bash)"'
    file = home / (".config/fish/config.fish" if shell == "fish" else ".bashrc")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"{line}\n"
        + (
            "function fish_prompt; printf 'P> '; end; set -U fish_greeting ''"
            if shell == "fish"
            else "PS1='P> '"
        )
    )
    with Patient([place, "-i"], env=person, cwd=home) as term:
        term.until(lambda: term.line.startswith("P> "), "a prompt").send("arawn config sho")
        term.wait("arawn config sho").send("\t").wait("arawn config show")


def test_values(arawn, home) -> None:
    keep(home)
    done = arawn("completions", "values", "session", config="this is [ no toml")
    assert done.returncode == 0 and done.stdout == "abcd1234efgh\tA title with marks\n", done
    for kind in ("backend", "model", "role", "task"):
        done = arawn("completions", "values", kind)
        assert done.returncode == 0 and done.stderr == ""
    (home / ".config/arawn/roles").mkdir()
    (home / ".config/arawn/roles/poet.md").write_text("You rhyme.")
    assert arawn("completions", "values", "role", config="[roles.cook]\n").stdout == "cook\npoet\n"
    assert "values" not in arawn("completions", "--help").stdout


# Installed


@pytest.mark.parametrize(
    ("shell", "place", "needs"),
    [
        ("bash", ".local/share/bash-completion/completions/arawn", ".bashrc"),
        ("zsh", ".local/share/zsh/site-functions/_arawn", ".zshrc"),
        ("fish", ".config/fish/completions/arawn.fish", ""),
        ("powershell", ".config/powershell/arawn.ps1", "Microsoft.PowerShell_profile.ps1"),
    ],
)
def test_install(arawn, home, shell, place, needs) -> None:
    done = arawn("completions", "install", shell)
    assert done.returncode == 0 and str(home / place) in done.stdout, done
    assert (home / place).read_text() == texts()[
        {"zsh": "_arawn", "powershell": "arawn.ps1"}.get(shell, f"arawn.{shell}")
    ]
    assert (needs in done.stdout) if needs else ("line" not in done.stdout)
    assert not list(home.glob(".*rc")), "no file of the person's is made or changed"
    assert "up to date" in arawn("completions", "show", shell).stdout
    (home / place).write_text("older")
    assert "of another version" in arawn("completions", "show", shell).stdout
    assert arawn("completions", "install", shell).returncode == 0
    assert "up to date" in arawn("completions", "show", shell).stdout


def test_the_shell_is_guessed(arawn, home) -> None:
    assert ".zshrc" in arawn("completions", "install", env={"SHELL": "/usr/bin/zsh"}).stdout
    done = arawn("completions", "install", env={"SHELL": "/bin/tcsh"})
    assert done.returncode == 2 and "There are no completions for 'tcsh'" in done.stderr


def test_a_line_that_stands_there_is_not_asked_for_again(arawn, home) -> None:
    (home / ".zshrc").write_text(f"fpath=({home}/.local/share/zsh/site-functions $fpath)\n")
    assert "fpath" not in arawn("completions", "install", "zsh").stdout
    assert "lacks" not in arawn("completions", "show").stdout


def test_print_writes_nothing(arawn, home) -> None:
    assert arawn("completions", "install", "fish", "--print").stdout == texts()["arawn.fish"]
    assert not (home / ".config/fish").exists()


def test_a_link_of_the_person_is_kept(arawn, home, tmp_path) -> None:
    folder = home / ".config/fish/completions"
    folder.mkdir(parents=True)
    (tmp_path / "dotfiles.fish").write_text("old")
    (folder / "arawn.fish").symlink_to(tmp_path / "dotfiles.fish")
    assert arawn("completions", "install", "fish").returncode == 0
    assert (folder / "arawn.fish").is_symlink() and "complete -c arawn" in (
        tmp_path / "dotfiles.fish"
    ).read_text()


def test_a_folder_that_cannot_be_written(arawn, home) -> None:
    (home / ".config").mkdir()
    (home / ".config/fish").write_text("a file")
    done = arawn("completions", "install", "fish")
    assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
