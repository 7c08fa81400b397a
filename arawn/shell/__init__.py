"""The person's shell: the lines that give it keys, what it is called, and what a model is told of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

SHELLS = ("bash", "zsh", "fish")
"""The shells that have a script here, `init.NAME`."""
KEY, EXPLAIN_KEY = "alt-m", "alt-z"
"""Free in all three shells, but for zsh's `execute-last-named-cmd` on Alt-z; no word of vi's begins so."""
OFF = "none"


class BadKey(ValueError):
    """A key that is none, or that a shell cannot do without."""


def script(shell: str, key: str = KEY, explain_key: str = EXPLAIN_KEY) -> str:
    """What a shell reads at its start. Raises BadKey, and KeyError for a shell that has no script."""
    if shell not in SHELLS:
        raise KeyError(shell)
    suggest, explain = spelled(key, shell), spelled(explain_key, shell)
    with open(os.path.join(os.path.dirname(__file__), f"init.{shell}"), encoding="utf-8") as file:
        source = file.read()
    kept = []
    for line in source.split("\n"):
        gone = ("@KEY@" in line and not suggest) or ("@EXPLAIN@" in line and not explain)
        if not gone:
            kept.append(line.replace("@KEY@", suggest).replace("@EXPLAIN@", explain))
    return "\n".join(kept)


def spelled(key: str, shell: str) -> str:
    """A key such as `alt-m` or `ctrl-x ctrl-a` as a shell writes it; "" for `none`. Raises BadKey."""
    if key.strip().lower() == OFF:
        return ""
    made = ""
    for part in key.split():
        kind, _, mark = part.rpartition("-")
        if kind.lower() not in _SPELLING and not (kind == "" and made) or len(mark) != 1:
            raise BadKey(f"{key!r} is no key; one is for example alt-m, ctrl-g or 'ctrl-x m'")
        if not (mark.isascii() and mark.isalnum()) or (kind.lower() == "ctrl" and mark.lower() in _NEEDED):
            raise BadKey(f"{part!r} cannot be taken for this; take a letter that the shell does not need")
        mark = mark.lower() if kind.lower() == "ctrl" else mark
        made += _SPELLING[kind.lower()][SHELLS.index(shell)] + mark
    if not made:
        raise BadKey("an empty key; 'none' leaves one out")
    return made


_SPELLING = {"alt": ("\\e", "^[", "\\e"), "ctrl": ("\\C-", "^", "\\c"), "": ("", "", "")}
_NEEDED = "cdijmqsz"
"""With Ctrl these end, complete, send, stop or halt a line."""


def name_of(env: Mapping[str, str], platform: str = sys.platform) -> str:
    """What the person's shell is called: by $SHELL, else the platform's own."""
    said = os.path.basename(env.get("SHELL", "").strip())
    if said:
        return said.removesuffix(".exe")
    if platform != "win32":
        return "sh"
    return "powershell" if env.get("PSMODULEPATH") or env.get("PSModulePath") else "cmd"


class Place(NamedTuple):
    """All that a model is told of the machine: system, shell, folder."""

    system: str
    shell: str
    folder: str

    def __str__(self) -> str:
        return f"System: {self.system}. Shell: {self.shell}. Current folder: {self.folder}"


def here(env: Mapping[str, str], shell: str = "") -> Place:
    """Where the person stands; the home folder is called ~."""
    try:
        folder = os.getcwd()
    except OSError:
        folder = "(deleted)"
    home = env.get("HOME", "").rstrip("/")
    if home and (folder == home or folder.startswith(home + "/")):
        folder = "~" + folder[len(home) :]
    return Place(system(), shell or name_of(env), folder)


def system(platform: str = sys.platform, release: str = "/etc/os-release") -> str:
    """The operating system, by name; of Linux the distribution too (os-release(5))."""
    names = {"darwin": "macOS", "win32": "Windows"}
    if not platform.startswith("linux"):
        return names.get(platform, platform)
    try:
        with open(release, encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.strip().partition("=")
                if key == "PRETTY_NAME":
                    return f"Linux ({value.strip(chr(34) + chr(39))[:60]})"
    except OSError:
        pass
    return "Linux"


def run_with(env: Mapping[str, str], shell: str = "", platform: str = sys.platform) -> list[str]:
    """What runs a line of the person's shell: the program and its flag; the line follows."""
    from shutil import which

    name = shell or name_of(env, platform)
    said = env.get("SHELL", "").strip()
    if said and os.path.isabs(said) and os.path.basename(said).removesuffix(".exe") == name:
        place: str | None = said
    else:
        place = which(name, path=env.get("PATH"))
    if platform == "win32":
        flag = "-Command" if name in ("powershell", "pwsh") else "/c" if name == "cmd" else "-c"
        return [place or env.get("COMSPEC", "cmd.exe"), flag if place else "/c"]
    return [place if place and os.access(place, os.X_OK) else "/bin/sh", "-c"]
