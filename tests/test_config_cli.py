"""`arawn config` and `arawn trust` as a person meets them."""

from __future__ import annotations

import json
import os
import stat
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

CANARY = "sk-proj-c4n4ryc4n4ryc4n4ryc4n4ry-W4tch"
CONFIG = f"""\
[llm]
backend = "groq"

[backends.groq]
api_key = "$env:GROQ_API_KEY"
model = "llama"

[backends.work]
provider = "openai"
api_key = "{CANARY}"
headers = {{ Authorization = "Bearer {CANARY}", Cookie = "x$env:UNSET_{1}", X-Any = "{CANARY}" }}
proxy = "http://user:{CANARY}@proxy.example:3128"
extra = {{ api_key = "{CANARY}" }}

[mcp.servers.x]
command = "run"
args = ["--api-key", "{CANARY}", "--token={CANARY}"]
env = {{ TOKEN = "{CANARY}" }}
"""
ALL = [
    ("show",),
    ("show", "--secrets"),
    ("show", "--origin"),
    ("show", "--json"),
    ("show", "--json", "--secrets"),
    ("get", "backends.work.api_key"),
    ("get", "backends.work"),
    ("get", "backends"),
    ("get", "mcp.servers.x.args"),
    ("check",),
]


@pytest.mark.parametrize("args", ALL, ids=" ".join)
def test_F_SECRET_04_no_key_is_shown(arawn: Callable, args: tuple[str, ...]) -> None:
    done = arawn("config", *args, config=CONFIG, env={"GROQ_API_KEY": f"gsk_{CANARY}"})
    assert done.returncode == 0, done.stderr
    assert "c4n4ry" not in done.stdout + done.stderr
    assert done.stdout


def test_F_SECRET_04_reveal_needs_a_yes(arawn: Callable) -> None:
    variables = {"GROQ_API_KEY": f"gsk_{CANARY}"}
    refused = arawn("config", "show", "--reveal", config=CONFIG, env=variables)
    assert refused.returncode == 2 and "c4n4ry" not in refused.stdout + refused.stderr
    assert "--force" in refused.stderr
    forced = arawn("config", "show", "--reveal", "--force", config=CONFIG, env=variables)
    assert forced.returncode == 0 and f"gsk_{CANARY}" in forced.stdout
    document = arawn("config", "show", "--reveal", "--force", "--json", config=CONFIG, env=variables)
    values = [row.get("value") for row in json.loads(document.stdout)["secrets"]]
    assert f"gsk_{CANARY}" in values


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
@pytest.mark.parametrize(("answer", "shown"), [("y", True), ("n", False), ("", False)])
def test_F_SECRET_04_reveal_asks_on_a_terminal(
    env: dict[str, str], home: Path, tmp_path: Path, answer: str, shown: bool
) -> None:
    from term import Term

    (home / "c.toml").write_text('[backends.groq]\napi_key = "$env:GROQ_API_KEY"\n')
    argv = [
        sys.executable,
        "-P",
        "-m",
        "arawn",
        "--config",
        str(home / "c.toml"),
        "config",
        "show",
        "--reveal",
    ]
    with Term(argv, env={**env, "GROQ_API_KEY": "gsk_c4n4ry"}, cwd=tmp_path) as term:
        term.wait("[y/N]").send(answer + "\r")
        term.wait("gsk_c4n4ry" if shown else "Nothing was shown")
        assert ("gsk_c4n4ry" in term.screen) == shown


def test_show_names_files_backends_and_limits(arawn: Callable, home: Path) -> None:
    empty = arawn("config", "show")
    assert "No config files loaded (using defaults)\n" in empty.stdout
    assert "No backends configured" in empty.stdout
    done = arawn(
        "config", "show", config='[backends.ollama]\n[backends.groq]\nmodel="m"\n[limits]\nidle="2m"'
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "Config files:" and lines[1] == f"  {home}/.config/arawn/config.toml"
    assert "  groq         groq / m  (no key)" in lines
    assert "  ollama       ollama / llama3  (no key needed)" in lines
    assert lines.index("  groq         groq / m  (no key)") < lines.index(
        "  ollama       ollama / llama3  (no key needed)"
    )
    assert "  idle         120 s" in lines


def test_show_secrets_fails_only_for_what_is_in_use(arawn: Callable) -> None:
    text = '[llm]\nbackend = "groq"\n[backends.groq]\napi_key = "$env:A_KEY"\n[backends.xai]\napi_key = "$env:B_KEY"'
    broken = arawn("config", "show", "--secrets", config=text, env={"B_KEY": "x" * 30})
    assert broken.returncode == 3
    assert "backends.groq.api_key" in broken.stdout and "does not resolve" in broken.stdout
    fine = arawn("config", "show", "--secrets", config=text, env={"A_KEY": "a" * 30})
    assert fine.returncode == 0 and "(not in use)" in fine.stdout
    other = arawn("--backend", "xai", "config", "show", "--secrets", config=text, env={"A_KEY": "a" * 30})
    assert other.returncode == 3


def test_F_CONF_06_only_the_used_backend_matters(arawn: Callable) -> None:
    tables = "".join(f'[backends.b{n}]\nprovider="openai"\napi_key="$env:GONE_{n}"\n' for n in range(9))
    text = f'[llm]\nbackend = "guide"\n{tables}[backends.empty]\nprovider="openai"\napi_key="$env:EMPTY"\n'
    for args in (("config", "show"), ("config", "check"), ("ask", "hello")):
        done = arawn(*args, config=text, env={"EMPTY": ""})
        assert done.returncode == 0, done.stderr
    used = arawn("--backend", "empty", "ask", "hello", config=text, env={"EMPTY": ""})
    assert used.returncode == 3 and "EMPTY" in used.stderr


def test_check_names_what_has_no_effect_yet(arawn: Callable) -> None:
    done = arawn("config", "check", config="[server]\nport = 1\n[llm]\nmodel='x'", env={"ARAWN_MODLE": "x"})
    assert done.returncode == 0
    assert "config.toml:2:1: server.port has no effect yet" in done.stdout
    assert "llm.model" not in done.stdout
    assert "ARAWN_MODLE" in done.stderr and "did you mean ARAWN_MODEL?" in done.stderr


def test_F_CONF_02_check_tells_all_and_leaves_with_3(arawn: Callable) -> None:
    text = "[llm]\ntemprature = 1\n[ui]\ncolor = 'red'\n[backends.x]\nmodel = 3\n"
    for args in (("config", "check"), ("config", "show"), ("ask", "hi"), ("backend", "list")):
        done = arawn(*args, config=text)
        assert done.returncode == 3 and done.stdout == ""
        for words in ("toml:2:1: ", "did you mean temperature?", "toml:4:1: ", "toml:6:1: "):
            assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_get_set_unset_path(arawn: Callable, home: Path) -> None:
    file = home / ".config/arawn/config.toml"
    assert arawn("config", "path").stdout == f"{file}\n"
    assert arawn("config", "set", "llm.model", "m").returncode == 0
    assert arawn("config", "get", "llm.model").stdout == "m\n"
    assert arawn("config", "get", "limits.idle").stdout == "90\n"
    assert arawn("config", "get", "llm.stop").returncode == 1
    assert arawn("config", "get", "llm.modle").returncode == 3
    assert arawn("config", "unset", "llm.model").returncode == 0
    assert arawn("config", "get", "llm.model").returncode == 1
    literal = arawn("config", "set", "backends.groq.api_key", CANARY)
    assert literal.returncode == 2 and "c4n4ry" not in literal.stderr and "secret set groq" in literal.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 or sys.platform == "win32"


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize(
    ("script", "code", "kept"),
    [
        ('printf "[llm]\\nmodel = \\"new\\"\\n" > "$1"', 0, False),
        ('printf "[llm\\n" > "$1"', 3, True),
        ('printf "[llm]\\nmodle = 1\\n" > "$1"', 3, True),
        ('printf "[llm]\\nmodel = \\"new\\"\\n" > "$1"; exit 1', 1, True),
        ('env > "$HOME/seen"', 0, True),
    ],
)
def test_edit(arawn: Callable, home: Path, tmp_path: Path, script: str, code: int, kept: bool) -> None:
    editor = tmp_path / "my editor"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o700)
    before = '[llm]\nmodel = "old"\n'
    done = arawn(
        "config",
        "edit",
        config=before,
        env={"VISUAL": f"'{editor}'", "GROQ_API_KEY": CANARY, "EDITOR": "false"},
    )
    assert done.returncode == code, done.stderr
    text = (home / ".config/arawn/config.toml").read_text()
    assert text == (before if kept else '[llm]\nmodel = "new"\n')
    if (home / "seen").exists():
        assert "c4n4ry" not in (home / "seen").read_text()


@pytest.mark.parametrize("key", ["", "GROQ_API_KEY"])
def test_init_without_questions(arawn: Callable, home: Path, key: str) -> None:
    variables = {key: CANARY} if key else {}
    done = arawn("config", "init", "--non-interactive", env=variables)
    assert done.returncode == 0, done.stderr
    file = home / ".config/arawn/config.toml"
    text = file.read_text()
    assert "c4n4ry" not in text + done.stdout + done.stderr
    if key:
        assert tomllib.loads(text)["llm"]["backend"] == "groq"
        assert tomllib.loads(text)["backends"]["groq"]["api_key"] == "$env:GROQ_API_KEY"
    assert arawn("config", "check", env=variables).returncode == 0
    again = arawn("config", "init", "--non-interactive", env=variables)
    assert again.returncode == 2 and "--force" in again.stderr and file.read_text() == text
    assert arawn("config", "init", "--non-interactive", "--force", env=variables).returncode == 0
    assert arawn("config", "init", "--force").returncode == 2  # nobody to ask


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
def test_init_asks_and_takes_a_hidden_key(env: dict[str, str], home: Path, tmp_path: Path) -> None:
    from term import Term

    argv = [sys.executable, "-P", "-m", "arawn", "config", "init"]
    variables = {**env, "GROQ_API_KEY": CANARY, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    with Term(argv, env=variables, cwd=tmp_path) as term:
        term.wait("[1]:")
        assert "A number, a provider's name, or none" in term.screen and "\n  openrouter, " in term.screen
        term.send("nonsense\r").wait("none of these").send("anthropic\r")
        term.wait("hidden").send("sk-ant-c4n4ry\r").wait("written:")
        assert "c4n4ry" not in term.screen
    values = tomllib.loads((home / ".config/arawn/config.toml").read_text())
    assert values["llm"]["backend"] == "anthropic"
    assert values["backends"]["anthropic"]["api_key"] == "$env:ANTHROPIC_API_KEY"  # no keyring there
    assert values["backends"]["groq"]["api_key"] == "$env:GROQ_API_KEY"


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
@pytest.mark.parametrize(("answer", "code"), [("y", "trusted:"), ("n", "not trusted")])
def test_F_TRUST_02_the_file_is_shown_and_asked_for(
    env: dict[str, str], tmp_path: Path, answer: str, code: str
) -> None:
    from term import Term

    work = tmp_path / "repo"
    (work / ".arawn").mkdir(parents=True)
    (work / ".arawn/config.toml").write_text('[mcp.servers.x]\n  command = "touch canary"  # innocent\n')
    with Term([sys.executable, "-P", "-m", "arawn", "trust"], env=env, cwd=work) as term:
        term.wait("[y/N]")
        assert 'command = "touch canary"  # innocent' in term.screen
        assert "needs trust: mcp.servers.x.command" in term.screen
        term.send(answer + "\r").wait(code)
    assert os.listdir(work) == [".arawn"] and os.listdir(work / ".arawn") == ["config.toml"]


def test_F_CONF_15_read_only_home_still_answers(arawn: Callable, home: Path) -> None:
    """As root modes do not hold, so folders that cannot be made stand in for them."""
    for name in (".config", ".local", ".cache"):
        (home / name).write_text("in the way")
    done = arawn("ask", "how do I add a model?")
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    wrote = arawn("config", "set", "llm.model", "x")
    assert wrote.returncode == 3 and "could not be written" in wrote.stderr
    assert "Traceback" not in done.stderr + wrote.stderr
