"""What a start loads and writes: budgets that can be counted."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from fake_provider import FakeProvider, json_reply, openai_stream
from home import FAKE, configure

PROGRAM = """
import os, sys
leave, before = os._exit, set(sys.modules)
def tell(code):
    with open({report!r}, "w") as file:
        file.write(repr(sorted(set(sys.modules) - before)))
    leave(code)
os._exit = tell
sys.argv = {argv!r}
from arawn.__main__ import main
main()
tell(0)
"""

HEAVY = (
    "rich",
    "prompt_toolkit",
    "asyncio",
    "anyio",
    "keyring",
    "tomlkit",
    "tomli_w",
    "click",
    "sqlite3",
    "markdown_it",
    "pygments",
    "wcwidth",
)
CONFIG = FAKE + 'api_key = "{key}"\n'


def loaded(tmp_path, env, *args: str, **more) -> set[str]:
    report = tmp_path / "modules.json"
    program = PROGRAM.format(report=str(report), argv=["arawn", *args])
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env=env | more,
        cwd=tmp_path,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr.decode()
    return set(ast.literal_eval(report.read_text()))


def roots(modules: set[str]) -> set[str]:
    return {name.split(".")[0] for name in modules}


def test_version_loads_nothing(tmp_path, env) -> None:
    found = roots(loaded(tmp_path, env, "--version"))
    assert not found & {*HEAVY, "httpx", "typer", "json", "re", "pathlib", "dataclasses"}


def test_import_of_the_command_line_is_light(tmp_path, env) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import arawn.cli, sys, json; print(json.dumps(sorted(sys.modules)))"],
        env=env, cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    found = set(json.loads(done.stdout))
    assert not roots(found) & {*HEAVY, "httpx", "tomllib", "socket"}
    assert {name for name in found if name.startswith("arawn")} == {"arawn", "arawn.cli"}


@pytest.mark.parametrize("key", ["sk-plain-0123456789abcdef", "$env:FAKE_KEY"])
def test_ask_into_a_pipe_is_light(tmp_path, env, home, key: str) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        configure(home, CONFIG.format(url=fake.url, key=key))
        found = roots(loaded(tmp_path, env, "ask", "hi", FAKE_KEY="sk-env-0123456789abcdef"))
        assert len(fake.requests) == 1, "one question is one request"
    assert not found & ({*HEAVY} - {"sqlite3"}), found & set(HEAVY)


def test_ask_without_a_store_loads_no_sqlite(tmp_path, env, home) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        configure(home, CONFIG.format(url=fake.url, key="sk-0123456789"))
        found = roots(loaded(tmp_path, env, "ask", "--no-store", "hi"))
    assert not found & set(HEAVY), found & set(HEAVY)


def test_vectors_without_limits_of_money_load_no_sqlite(tmp_path, env, home) -> None:
    with FakeProvider(json_reply(200, {"data": [{"index": 0, "embedding": [1.0]}]})) as fake:
        configure(home, CONFIG.format(url=fake.url, key="sk-0123456789"))
        found = roots(loaded(tmp_path, env, "embed", "hi", "-m", "m"))
    assert not found & set(HEAVY), found & set(HEAVY)


def test_the_store_is_loaded_when_the_request_is_out(tmp_path, env, home) -> None:
    """The prompt is in its journal then; SQLite comes after the first byte was sent."""
    program = (
        "import sys\nseen = []\n"
        "sys.addaudithook(lambda event, args: seen.append(event) if event == 'socket.connect' else "
        "seen.append(args[0]) if event == 'import' and args[0] in ('sqlite3', '_sqlite3') else None)\n"
        "import os\nos._exit = lambda code: (print(seen, file=sys.stderr), sys.stderr.flush(), leave(code))\n"
        "import posix\nleave = posix._exit\nsys.argv = ['arawn', 'ask', 'hi']\n"
        "from arawn.__main__ import main\nmain()\n"
    )
    with FakeProvider(openai_stream(["Hello"])) as fake:
        configure(home, CONFIG.format(url=fake.url, key="sk-0123456789"))
        done = subprocess.run(
            [sys.executable, "-P", "-c", program], env=env, cwd=tmp_path, capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    seen = ast.literal_eval(done.stderr.splitlines()[-1])
    assert done.returncode == 0 and seen[0] == "socket.connect" and "sqlite3" in seen, done.stderr


def test_help_opens_no_config(arawn: Callable, env) -> None:
    assert arawn("--help", config="this is [ no toml").returncode == 0
    assert arawn("ask", "--help", config="this is [ no toml").returncode == 0
    assert arawn("--version", config="this is [ no toml").stdout.startswith("arawn ")


def test_F_TRUST_11_modules_in_the_folder_are_not_imported(arawn: Callable, tmp_path) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    for name in (
        "json",
        "keyring",
        "httpx",
        "tomllib",
        "rich",
        "typer",
        "ssl",
        "socket",
        "email",
        "difflib",
        "sitecustomize",
    ):
        (evil / f"{name}.py").write_text(
            f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\nraise SystemExit(99)\n"
        )
    with FakeProvider(openai_stream(["Hello"])) as fake:
        done = arawn("ask", "hi", cwd=evil, config=CONFIG.format(url=fake.url, key="sk-plain-0123456789"))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
