"""What stands at the prompt, kept privately so that it outlives a crash; it shows nothing.

One file for each chat, named by its terminal and its process: the next chat on the same terminal takes it
when that process is gone.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from arawn.programs import runs
from arawn.repl.tidying import tidy

LATE_S = 0.5
"""How long after a change it is written."""
OLD_S = 30 * 24 * 3600.0
"""A draft that nobody came back for is deleted then."""


class Draft:
    """The draft of one chat in `folder`; None: none is kept. Where that cannot be used nothing is, either."""

    def __init__(self, folder: Path | None, terminal: str) -> None:
        folder = folder if os.name == "posix" else None  # elsewhere nobody tells whether a process lives
        self._folder = folder
        self._terminal = re.sub(r"\W+", "-", terminal).strip("-") or "terminal"
        self._file = None if folder is None else folder / f"{self._terminal}.{os.getpid()}"
        self._written = ""

    @property
    def kept(self) -> bool:
        """Whether anything is."""
        return self._file is not None

    def write(self, text: str) -> None:
        """Keep `text` now, in the place of what was kept; nothing is left of it where that is empty."""
        if self._file is None or text == self._written:
            return
        try:
            if text.strip():
                _write(self._file, text.encode("utf-8", "replace"))
            else:
                self._file.unlink(missing_ok=True)
        except OSError:
            self._file = None
        self._written = text

    def restore(self) -> str:
        """What a chat on this terminal left behind when it broke off; it is ours then."""
        if self._folder is None:
            return ""
        found: list[tuple[float, str]] = []
        done: list[Path] = []
        for file in self._abandoned():
            with suppress(OSError):  # another chat that starts now may have taken it
                at, ours = file.stat().st_mtime, file.name.rpartition(".")[0] == self._terminal
                if ours:
                    found.append((at, tidy(file.read_bytes().decode("utf-8", "replace"))))
                if ours or time.time() - at > OLD_S or file.name.startswith("."):
                    done.append(file)
        text = "\n".join(text for _, text in sorted(found))
        self.write(text)  # before the others go: it is never nowhere
        for file in done:
            with suppress(OSError):
                file.unlink()
        return text

    def _abandoned(self) -> list[Path]:
        """The files of chats that are gone, with what a crash left half written."""
        found = []
        with suppress(OSError):
            for file in self._folder.iterdir() if self._folder is not None else ():
                process = file.name.removesuffix(".tmp").rpartition(".")[2]
                if process.isdecimal() and not runs(int(process)):
                    found.append(file)
        return found


def _write(file: Path, data: bytes) -> None:
    """Replace what the file holds; 0600 before a byte is in it. It outlives us, not a crash of the system."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_name(f".{file.name}.tmp")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    with open(handle, "wb") as out:
        out.write(data)
    os.replace(fresh, file)
