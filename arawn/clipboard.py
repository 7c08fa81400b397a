"""The clipboard of the desktop, by the programs that serve it; it knows no terminal and no session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

from arawn.errors import ArawnError
from arawn.programs import found

# What serves the clipboard may stay in the background for hours; it needs no key.
_NAMES = """
    PATH HOME USER LANG TMPDIR PREFIX SYSTEMROOT
    DISPLAY WAYLAND_DISPLAY XAUTHORITY XDG_RUNTIME_DIR
"""
_PASSED = frozenset(_NAMES.split())
PATIENCE_S = 5.0
"""A display that does not answer is not waited for longer."""
TAKEN_AT_MOST = 74_994
"""Characters of base64 that every terminal takes that takes any."""


class Tool(NamedTuple):
    """A program that puts its standard input on the clipboard.

    `needs` is the variable without which it has no clipboard to serve, or ""; `package` is what to install.
    """

    command: tuple[str, ...]
    needs: str = ""
    package: str = ""
    encoding: str = "utf-8"


_WAYLAND = Tool(("wl-copy",), "WAYLAND_DISPLAY", "wl-clipboard")
_X11 = (
    Tool(("xclip", "-selection", "clipboard"), "DISPLAY", "xclip"),
    Tool(("xsel", "--clipboard", "--input"), "DISPLAY", "xsel"),
)
# clip.exe takes its input for the console's own code page unless it is UTF-16 with a mark.
_WINDOWS = Tool(("clip.exe",), encoding="utf-16")
_TERMUX = Tool(("termux-clipboard-set",), package="termux-api")


def tools(platform: str = sys.platform) -> tuple[Tool, ...]:
    """The programs that may serve on a platform, the best first."""
    if platform == "darwin":
        return (Tool(("pbcopy",)),)
    if platform == "win32":
        return (_WINDOWS,)
    return (_WAYLAND, *_X11, _TERMUX, _WINDOWS)  # the last two where Linux runs on a phone or under Windows


def copy(text: str, env: Mapping[str, str] | None = None, platform: str = sys.platform) -> str:
    """Put `text` on the clipboard; the name of the program that took it.

    Raises ArawnError that says which program is missing, or why the one that is there did not take it.
    """
    env = os.environ if env is None else env
    known = [tool for tool in tools(platform) if not tool.needs or env.get(tool.needs)]
    failed = ""
    for tool in known:
        place = found(tool.command[0], env.get("PATH"))
        if place is None:
            continue
        failed = _give(place, tool, text.encode(tool.encoding, "replace"), env)
        if not failed:
            return tool.command[0]
    if failed:
        raise ArawnError(f"The clipboard did not take it: {failed}")
    raise _missing(known, platform)


def by_terminal(text: str, env: Mapping[str, str]) -> str:
    """What has the terminal put `text` on its own clipboard, also through ssh; "" where it cannot.

    Whether it does is not known: some terminals know it not, some must be allowed to. Source: OSC 52 in
    https://invisible-island.net/xterm/ctlseqs/ctlseqs.html.
    """
    from base64 import b64encode

    data = b64encode(text.encode("utf-8", "replace")).decode()
    unknown = env.get("TERM", "") in ("", "dumb", "linux") or len(data) > TAKEN_AT_MOST
    return "" if unknown else f"\x1b]52;c;{data}\x07"


def _give(place: str, tool: Tool, data: bytes, env: Mapping[str, str]) -> str:
    """Why the program did not take it; "" where it did."""
    name = tool.command[0]
    passed = {key: value for key, value in env.items() if key in _PASSED}
    try:  # no pipe to read from: what serves the clipboard stays in the background and would hold it open
        done = subprocess.run(
            [place, *tool.command[1:]], input=data, env=passed, timeout=PATIENCE_S, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{name} took longer than {PATIENCE_S:.0f} s"
    except OSError as error:
        return f"{name} does not start ({error.strerror})"
    return f"{name} ended with {done.returncode}" if done.returncode else ""


def _missing(known: list[Tool], platform: str) -> ArawnError:
    display = [tool for tool in known if tool.needs]
    if display:
        names = " or ".join(tool.command[0] for tool in display)
        hints = tuple(f"install {tool.package}" for tool in display)
        return ArawnError(f"No program for the clipboard is installed: {names}", hints=hints)
    if platform in ("darwin", "win32"):
        return ArawnError(f"The program for the clipboard is missing: {known[0].command[0]}")
    return ArawnError(
        "There is no clipboard here: neither a Wayland nor an X11 display",
        hints=("over ssh, the clipboard is on the other machine",),
    )


class Reader(NamedTuple):
    """A program that writes the picture on the clipboard to its standard output.

    `needs` is the variable without which it has no clipboard to read, or ""; `package` is what to install.
    """

    command: tuple[str, ...]
    needs: str = ""
    package: str = ""


_POWERSHELL = (
    "Add-Type -AssemblyName System.Windows.Forms; $i=[Windows.Forms.Clipboard]::GetImage(); if($i){"
    "$m=New-Object IO.MemoryStream; $i.Save($m,[Drawing.Imaging.ImageFormat]::Png); "
    "$o=[Console]::OpenStandardOutput(); $b=$m.ToArray(); $o.Write($b,0,$b.Length)}"
)
_WINDOWS_IMAGE = Reader(("powershell.exe", "-NoProfile", "-STA", "-Command", _POWERSHELL))


def readers(platform: str = sys.platform) -> tuple[Reader, ...]:
    """The programs that may give a picture on a platform, the best first."""
    if platform == "darwin":
        return (Reader(("pngpaste", "-"), package="pngpaste"),)
    if platform == "win32":
        return (_WINDOWS_IMAGE,)
    return (
        Reader(("wl-paste", "--no-newline", "--type", "image/png"), "WAYLAND_DISPLAY", "wl-clipboard"),
        Reader(("xclip", "-selection", "clipboard", "-t", "image/png", "-o"), "DISPLAY", "xclip"),
        _WINDOWS_IMAGE,
    )


def paste_image(env: Mapping[str, str] | None = None, platform: str = sys.platform) -> bytes:
    """The picture that is on the clipboard, as PNG.

    Raises ArawnError that says which program is missing, or that no picture is there.
    """
    env = os.environ if env is None else env
    known = [reader for reader in readers(platform) if not reader.needs or env.get(reader.needs)]
    there = False
    for reader in known:
        place = found(reader.command[0], env.get("PATH"))
        if place is None:
            continue
        there = True
        data = _picture(place, reader, env)
        if data:
            return data
    if there:
        raise ArawnError("There is no picture on the clipboard")
    wanted = [reader for reader in known if reader.package]
    if wanted:
        names = " or ".join(reader.command[0] for reader in wanted)
        hints = tuple(f"install {reader.package}" for reader in wanted)
        raise ArawnError(
            f"No program that gives a picture of the clipboard is installed: {names}", hints=hints
        )
    raise (
        _missing([], platform)
        if platform not in ("darwin", "win32")
        else ArawnError(f"The program for the clipboard is missing: {known[0].command[0]}")
    )


def _picture(place: str, reader: Reader, env: Mapping[str, str]) -> bytes:
    """What the program gave, b"" for nothing."""
    passed = {key: value for key, value in env.items() if key in _PASSED}
    try:
        done = subprocess.run(
            [place, *reader.command[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=passed, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return b"" if done.returncode else done.stdout
