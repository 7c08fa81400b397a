"""The clipboard: which program takes a text, and what is said where none does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from arawn.clipboard import TAKEN_AT_MOST, by_terminal, copy
from arawn.errors import ArawnError


def tool(folder: Path, name: str, code: int = 0) -> None:
    path = folder / name
    path.write_text(
        f'#!/bin/sh\ncat > "$TMPDIR/{name}.got"\necho "$@" > "$TMPDIR/{name}.args"\nexit {code}\n'
    )
    path.chmod(0o755)


@pytest.fixture
def desk(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has `cat` and nothing else."""
    (tmp_path / "cat").symlink_to("/bin/cat")
    return {"PATH": str(tmp_path), "TMPDIR": str(tmp_path), "SOME_KEY": "sk-0123456789"}


@pytest.mark.parametrize(
    ("there", "display", "name"),
    [
        (("wl-copy", "xclip"), {"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}, "wl-copy"),
        (("wl-copy", "xclip"), {"DISPLAY": ":0"}, "xclip"),
        (("xsel",), {"DISPLAY": ":0"}, "xsel"),
        (("clip.exe",), {}, "clip.exe"),
    ],
)
def test_the_program_that_fits_takes_it(tmp_path, desk, there, display, name) -> None:
    for each in there:
        tool(tmp_path, each)
    assert copy("gr\u00fc\u00df 'x'\n", desk | display, "linux") == name
    encoding = "utf-16" if name == "clip.exe" else "utf-8"
    assert (tmp_path / f"{name}.got").read_bytes().decode(encoding) == "gr\u00fc\u00df 'x'\n"


def test_on_macos(tmp_path, desk) -> None:
    tool(tmp_path, "pbcopy")
    assert copy("x", desk, "darwin") == "pbcopy"


@pytest.mark.parametrize(
    ("display", "platform", "says"),
    [
        ({"WAYLAND_DISPLAY": "w"}, "linux", "wl-copy"),
        ({"DISPLAY": ":0"}, "linux", "xclip or xsel"),
        ({}, "linux", "neither a Wayland nor an X11 display"),
        ({}, "darwin", "pbcopy"),
        ({}, "win32", "clip.exe"),
    ],
)
def test_what_is_missing_is_named(desk, display, platform, says) -> None:
    with pytest.raises(ArawnError, match=says):
        copy("x", desk | display, platform)


def test_a_program_that_fails_is_named_and_the_next_is_tried(tmp_path, desk) -> None:
    tool(tmp_path, "wl-copy", 3)
    both = desk | {"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}
    with pytest.raises(ArawnError, match="wl-copy ended with 3"):
        copy("x", both, "linux")
    tool(tmp_path, "xclip")
    assert copy("x", both, "linux") == "xclip"


@pytest.mark.skipif(sys.platform == "win32", reason="a program of /bin/sh")
def test_it_gets_no_keys_and_does_not_wait_for_what_stays_behind(tmp_path, desk) -> None:
    path = tmp_path / "xclip"
    path.write_text('#!/bin/sh\nexport -p > "$TMPDIR/env"\n/bin/cat > "$TMPDIR/got"\n/bin/sleep 2 &\n')
    path.chmod(0o755)
    began = os.times().elapsed
    assert copy("x", desk | {"DISPLAY": ":0"}, "linux") == "xclip"
    assert os.times().elapsed - began < 1.5
    assert "sk-0123456789" not in (tmp_path / "env").read_text()


def test_a_terminal_is_told_as_osc_52_says() -> None:
    assert by_terminal("grüß\x1b\x07", {"TERM": "xterm"}) == "\x1b]52;c;Z3LDvMOfGwc=\x07"
    assert by_terminal("x" * 56_000, {"TERM": "foot"})
    assert not by_terminal("x" * TAKEN_AT_MOST, {"TERM": "foot"}), "half a text would be worse than none"
    assert not any(by_terminal("x", {"TERM": name}) for name in ("", "dumb", "linux"))
