"""The man page: fresh, whole, without a warning of groff, and shown in the way that fits where it goes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from home import need
from term import Term

from arawn.cli import man_page
from arawn.cli.completion_tree import tree

PAGE = Path(__file__).parents[1] / "arawn" / "manual" / "arawn.1"


def test_it_is_not_stale() -> None:
    assert PAGE.read_text("utf-8") == man_page.roff(), "stale: python -m arawn.cli.man_page"


def test_every_command_and_option_is_there() -> None:
    text = man_page.plain()
    for node in tree():
        assert f"arawn {node.key}".rstrip() in text
        for option in node.options:
            if "--help" not in option.names:
                assert ", ".join(option.names) in text, (node.key, option.names)
    assert "--widget" not in text and "--line " not in text, "what is hidden stays so"
    for code in ("0", "7", "70", "130, 143"):
        assert re.search(rf"^ +{code}$", text, re.M), code
    for name in ("ARAWN_CONFIG", "NO_COLOR", "~/.config/arawn/config.toml", "ANTHROPIC_API_KEY"):
        assert name in text


def test_it_is_ascii_and_no_line_is_a_request_by_accident() -> None:
    lines = PAGE.read_text("ascii").splitlines()
    requests = {line.split()[0] for line in lines if line.startswith((".", "'"))}
    assert requests == {
        '.\\"',
        ".TH",
        ".nh",
        ".ad",
        ".SH",
        ".SS",
        ".PP",
        ".TP",
        ".B",
        ".nf",
        ".fi",
        ".RS",
        ".RE",
    }


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (".x 'y'", "\\&.x 'y'"), ("'q", "\\&'q"), ("a\\b", "a\\eb"), ("a-b", "a\\-b"), ("é…", "\\[u00E9]\\[u2026]"),
        ("run `a -b` now", "run \\fBa \\-b\\fR now"), ("`.x`", "\\fB.x\\fR"),
    ],
)  # fmt: skip
def test_what_means_something_to_roff_is_told_otherwise(text: str, made: str) -> None:
    assert man_page._prose(text) == made


def test_groff_has_nothing_to_say() -> None:
    need("groff")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", str(PAGE)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub("\x1b\\[[0-9;]*m|.\x08", "", done.stdout)
    for word in ("SYNOPSIS", "--extract-all", "BACKEND:MODEL", "EXIT STATUS", "ARAWN_HOME"):
        assert word in shown


def test_into_a_pipe_it_is_text(arawn) -> None:
    done = arawn("man", config="this is [ no toml")
    assert done.returncode == 0 and done.stdout == man_page.plain() and done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert arawn("man", "--roff").stdout == PAGE.read_text("utf-8")


def term(env: dict[str, str], folder: Path, **more: str) -> Term:
    return Term([sys.executable, "-P", "-m", "arawn", "man"], env=env | more, cwd=folder)


def tool(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_on_a_terminal_man_shows_it(env, tmp_path) -> None:
    tool(tmp_path, "man", 'echo "man has: $*"; exit 3')
    with term(env, tmp_path, PATH=str(tmp_path)) as shown:
        assert (
            shown.end() == 3 and "man has: " in shown.screen and "arawn.1" in shown.screen.replace("\n", "")
        )


def test_a_pager_where_there_is_no_man(env, tmp_path) -> None:
    tool(tmp_path, "seen", 'read a; read b; echo "$1 $a: $b"; exit 0')
    with term(env, tmp_path, PATH=str(tmp_path), PAGER="seen -x") as shown:
        assert shown.end() == 0 and shown.screen.startswith("-x NAME:")


def test_text_where_there_is_neither(env, tmp_path) -> None:
    with term(env, tmp_path, PATH=str(tmp_path)) as shown:
        assert shown.end() == 0 and "FILES" in bytes(shown.raw).decode()


def test_ctrl_c_is_for_the_pager(env, tmp_path) -> None:
    tool(tmp_path, "slowly", "trap 'echo caught; exit 0' INT; echo there; while :; do /bin/sleep 0.1; done")
    with term(env, tmp_path, PATH=str(tmp_path), PAGER="slowly") as shown:
        shown.wait("there").send("\x03").wait("caught")
        assert shown.end() == 0


def test_it_goes_into_the_wheel() -> None:
    import tomllib

    project = tomllib.loads((PAGE.parents[2] / "pyproject.toml").read_text("utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared["arawn/manual/arawn.1"] == "share/man/man1/arawn.1"
    for file in shared:
        assert (PAGE.parents[2] / file).is_file(), file
