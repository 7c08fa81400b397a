"""What is installed (F-SUPPLY): few packages, a wheel of the package alone, the same bytes each time it is made."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream
from hatchling.builders.wheel import WheelBuilder
from home import FAKE, configure

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Each comes with another of them all the same: wcwidth with prompt-toolkit, markdown-it-py with rich.
DRAWN_IN = {"markdown-it-py", "wcwidth"}
MODULES = {"prompt-toolkit": "prompt_toolkit", "tomli-w": "tomli_w", "markdown-it-py": "markdown_it"}
# What the libraries above bring along and the program names: each where it may be missing, or is theirs.
BROUGHT = {
    "pygments": "rich",
    "httpcore": "httpx",
    "certifi": "httpx",
    "h11": "httpx",
    "socksio": "arawn[socks]",
}


def test_F_SUPPLY_01_few_packages_and_no_vendors() -> None:
    named = {re.split(r"[<>=!~\[; ]", line)[0] for line in PROJECT["dependencies"]}
    assert len(named - DRAWN_IN) <= 8
    assert not named & {"litellm", "openai", "anthropic", "tiktoken", "requests", "pydantic", "click"}
    assert all(">=" in line for line in PROJECT["dependencies"]), "each has a least version"


def test_F_SUPPLY_01_what_is_imported_is_what_is_declared() -> None:
    named = {re.split(r"[<>=!~\[; ]", line)[0] for line in PROJECT["dependencies"]}
    known = (
        {MODULES.get(name, name) for name in named} | set(BROUGHT) | set(sys.stdlib_module_names) | {"arawn"}
    )
    odd = {}
    for path in sorted((ROOT / "arawn").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(node.module or "")
            odd |= {name: path.name for name in names if name.partition(".")[0] not in known}
    assert not odd


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheel, made twice."""
    folder = tmp_path_factory.mktemp("wheels")
    return [
        Path(next(WheelBuilder(str(ROOT)).build(directory=str(folder / name), versions=["standard"])))
        for name in ("one", "two")
    ]


def test_F_SUPPLY_03_the_wheel_is_the_tree_and_always_the_same(wheels) -> None:
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as wheel:
        package = {name: wheel.read(name) for name in wheel.namelist() if name.startswith("arawn/")}
    tree = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in (ROOT / "arawn").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package == tree


def test_F_SUPPLY_04_the_wheel_holds_what_is_meant_to_go(wheels) -> None:
    meant = {".py", ".md", ".svg", ".jsonl", ".typed", ".1", ".bash", ".fish", ".zsh"}
    shared = PROJECT["name"] + "-" + wheels[0].name.split("-")[1]
    with zipfile.ZipFile(wheels[0]) as wheel:
        for name in wheel.namelist():
            assert name.startswith(("arawn/", f"{shared}.data/data/share/", f"{shared}.dist-info/")), name
            assert not name.startswith("arawn/") or Path(name).suffix in meant or name.endswith("py.typed"), (
                name
            )
            assert not re.search(r"test|\.pth|\.map$|\.env|\.toml$|\.db$|\.pyc$", name), name
            data = wheel.read(name)
            assert len(data) < 1_000_000 and b"PRIVATE KEY-----" not in data, name


def test_F_SUPPLY_05_no_command_runs_without_a_person_at_a_terminal(env, home, tmp_path) -> None:
    """Whatever stands on standard input, in the environment and in the config."""
    ran = tmp_path / "ran"
    with FakeProvider(openai_stream([f"touch {ran}"])) as fake:
        configure(home, FAKE.format(url=fake.url))
        done = subprocess.run(
            [sys.executable, "-P", "-m", "arawn", "cmd", "make it"],
            env={**env, "ARAWN_YES": "1", "CI": "true", "SHELL": "/bin/sh"},
            cwd=tmp_path, input=b"r\nr\ny\n\n", capture_output=True, timeout=30, start_new_session=True,
        )  # fmt: skip
    assert done.returncode == 0 and done.stdout == f"touch {ran}\n".encode(), done.stderr
    assert not ran.exists()


def test_F_SUPPLY_07_one_door_to_the_http_library() -> None:
    """So that another one costs a few files; test_architecture holds the rest of the doors."""
    users = set()
    for path in (ROOT / "arawn").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] in ("httpx", "httpcore", "h11") for name in names):
                users.add(path.relative_to(ROOT / "arawn").as_posix())
    assert users and all(name.startswith("backends/http") for name in users)
