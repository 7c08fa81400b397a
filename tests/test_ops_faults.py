"""Faults of the machine around the program (F-OPS), and of programs found by PATH (F-TRUST-12)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from arawn import clipboard
from arawn.errors import ArawnError
from arawn.programs import found
from arawn.repl import external
from arawn.repl.prompt import nearby
from arawn.shell.place import run_with

NAMES = "git vi nano sensible-editor false man less xclip xsel wl-copy wl-paste zsh ld gcc cc"
RELATIVE = ".::bin:./bin:../work"


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds programs of known names, which note that they ran; one stands in it."""
    folder = tmp_path / "work"
    (folder / "bin").mkdir(parents=True)
    for name in NAMES.split():
        for file in (folder / name, folder / "bin" / name):
            file.write_text(f"#!/bin/sh\n: > {tmp_path}/ran\n")
            file.chmod(0o755)
    monkeypatch.chdir(folder)
    return tmp_path / "ran"


def _nothing(work: Callable[[], object]) -> object:
    try:
        return work()
    except ArawnError as fault:
        return fault.sentence


def test_F_TRUST_12_a_program_of_the_folder_is_not_taken(strange, monkeypatch) -> None:
    env = {"PATH": RELATIVE, "DISPLAY": ":0", "WAYLAND_DISPLAY": "w", "SHELL": "zsh"}
    monkeypatch.setenv("PATH", RELATIVE)
    assert subprocess.run(["git"], check=False).returncode == 0 and strange.exists(), "the trap works"
    strange.unlink()
    for name in NAMES.split():
        assert found(name, RELATIVE) is None, name
    assert "no editor" in str(_nothing(lambda: external.command(env)))
    assert "not on PATH" in str(_nothing(lambda: external.command({**env, "EDITOR": "vi"})))
    assert "installed" in str(_nothing(lambda: clipboard.copy("text", env, "linux")))
    assert "installed" in str(_nothing(lambda: clipboard.paste_image(env, "linux")))
    assert run_with(env, platform="linux") == ["/bin/sh", "-c"]
    assert nearby._tracked() is None
    assert not strange.exists()


def test_F_TRUST_12_what_is_on_the_way_in_absolute_folders_is_taken(strange) -> None:
    good = strange.parent / "good"
    good.mkdir()
    (good / "vi").write_text("#!/bin/sh\n")
    (good / "vi").chmod(0o755)
    assert found("vi", f".:{good}") == str(good / "vi")
    assert found("./vi", "") == "./vi", "a person who names a folder means it"
    assert external.command({"PATH": f".:{good}", "EDITOR": "vi -u NONE"}) == [str(good / "vi"), "-u", "NONE"]


def test_F_TRUST_12_no_command_runs_what_lies_in_the_folder(arawn, strange) -> None:
    """The library of keyrings would have run a linker of the folder, looking for what another system has."""
    path = f".:{os.environ['PATH']}"
    for args in (("doctor",), ("config", "edit"), ("man",), ("secret", "test"), ("secret", "set", "x")):
        arawn(*args, env={"PATH": path, "EDITOR": "no-such-editor"}, stdin="k", cwd=strange.parent / "work")
        assert not strange.exists(), args
