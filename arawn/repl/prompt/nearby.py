"""The files that `@` may name: those of the repository, or of a folder; it never makes anybody wait."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable

from arawn.programs import found
from arawn.threads import start

FRESH_S = 5.0
"""So old a listing is still shown as it is; an older one too, while a new one is made."""
PATIENCE_S = 10.0
MOST = 60
"""Names that are offered at once."""
# A repository may be anybody's: without this its own config could name a program that Git runs.
_GIT = (
    "-c",
    "core.fsmonitor=false",
    "--no-optional-locks",
    "ls-files",
    "-co",
    "--exclude-standard",
    "-z",
)


class Nearby:
    """Names of files. `grown` is called, in any thread, when a listing is there that was asked for."""

    def __init__(self, grown: Callable[[], None]) -> None:
        self._grown = grown
        self._listed: list[str] | None = None
        self._at = float("-inf")
        self._busy = False

    def names(self, begun: str) -> list[str]:
        """Files and folders (with a slash) for what was typed behind the @.

        First what the folder has, then, by a part of their path, files that git knows further below.
        Hidden ones are offered where a dot is typed.
        """
        if begun == "~":
            return ["~/"]
        folder, slash, base = begun.rpartition("/")
        if slash and (folder.startswith(("~", "/")) or ".." in folder.split("/")):
            return _matching(scanned(folder + slash), begun, base)[:MOST]
        listed = self._known()
        if listed is None:
            return _matching(scanned(folder + slash), begun, base)[:MOST]
        here = _matching(_level(listed, folder + slash), begun, base)
        return [*here, *_below(listed, begun, set(here))][:MOST]

    def _known(self) -> list[str] | None:
        """What git lists, as far as it is known; None where there is no repository, or nothing yet."""
        if time.monotonic() - self._at > FRESH_S and not self._busy:
            self._busy = True
            start(threading.Thread(target=self._list, daemon=True))
        return self._listed

    def _list(self) -> None:
        before = self._listed
        self._listed = _tracked()
        self._at, self._busy = time.monotonic(), False
        if self._listed != before:
            self._grown()


def _tracked() -> list[str] | None:
    """What git lists; None where there is no repository, or no git."""
    import subprocess

    git = found("git", os.environ.get("PATH"))
    if git is None:
        return None
    try:
        done = subprocess.run(
            [git, *_GIT], capture_output=True, timeout=PATIENCE_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return sorted({name for name in names if name})


def scanned(folder: str) -> list[str]:
    """What is in a folder, as paths that begin with `folder` as typed; folders end in a slash."""
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            return sorted(folder + entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    except OSError:
        return []


def _level(listed: Iterable[str], folder: str) -> list[str]:
    """What of a listing is right in `folder`."""
    found: dict[str, None] = {}
    for name in listed:
        if name.startswith(folder):
            child, slash, _ = name[len(folder) :].partition("/")
            found[folder + child + slash] = None
    return list(found)


def _matching(names: Iterable[str], begun: str, base: str) -> list[str]:
    """The names that begin as what was typed; hidden ones where that has a dot."""
    skip = len(begun) - len(base)
    return [name for name in names if name.startswith(begun) and (base[:1] == "." or name[skip] != ".")]


def _below(listed: Iterable[str], begun: str, besides: set[str]) -> list[str]:
    """Files anywhere with the typed part in their path, those whose own name begins so first."""
    part = begun.lower()
    if not part.strip("./"):
        return []
    found = [
        name
        for name in listed
        if part in name.lower() and name not in besides and (part[0] == "." or not _hidden(name))
    ]
    return sorted(found, key=lambda name: (not name.rpartition("/")[2].lower().startswith(part), name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or "/." in name
