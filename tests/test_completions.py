"""The completion files are what the command tree makes, and they work in the shells that are here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

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


def complete(tmp_path, *words: str) -> list[str]:
    line = " ".join(f"'{word}'" for word in words)
    program = f"source {FOLDER}/arawn.bash; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _arawn; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["bash", "-c", program], env=env, cwd=tmp_path, capture_output=True, text=True
    ).stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("arawn", "conf"), ["config"]), (("arawn", "config", "sh"), ["show"]), (("arawn", "ask", "--jsonl"), ["--jsonl"]),
        (("arawn", "--color", "a"), ["auto", "always"]), (("arawn", "ask", "-b", "groq", "--raw"), ["--raw"]),
        (("arawn", "-b", "mist"), ["mistral"]), (("arawn", "config", "show", "--or"), ["--origin"]),
    ],
)  # fmt: skip
def test_bash(tmp_path, words, expected) -> None:
    assert complete(tmp_path, *words) == expected


def test_bash_knows_the_backends_of_the_config(tmp_path) -> None:
    (tmp_path / ".config" / "arawn").mkdir(parents=True)
    (tmp_path / ".config" / "arawn" / "config.toml").write_text(
        '[backends.work-llm]\nmodel = "x"\n[backends.b.retry]\n'
    )
    found = complete(tmp_path, "arawn", "ask", "--backend", "")
    assert {"work-llm", "b", *backends()} == set(found)


@pytest.mark.parametrize(
    ("shell", "file"), [("bash", "arawn.bash"), ("zsh", "_arawn"), ("fish", "arawn.fish")]
)
def test_syntax(shell, file) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n", str(FOLDER / file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
