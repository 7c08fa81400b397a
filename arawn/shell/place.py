"""The person's shell and machine: what they are called, what a model is told of them, what runs a line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple


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
    from arawn.programs import found

    name = shell or name_of(env, platform)
    said = env.get("SHELL", "").strip()
    if said and os.path.isabs(said) and os.path.basename(said).removesuffix(".exe") == name:
        place: str | None = said
    else:
        place = found(name, env.get("PATH"))
    if platform == "win32":
        flag = "-Command" if name in ("powershell", "pwsh") else "/c" if name == "cmd" else "-c"
        return [place or env.get("COMSPEC", "cmd.exe"), flag if place else "/c"]
    return [place if place and os.access(place, os.X_OK) else "/bin/sh", "-c"]
