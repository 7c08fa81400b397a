"""What was typed, over sessions, in a private file; it knows nothing of lines on a screen."""

from __future__ import annotations

import os
import time
from pathlib import Path

from arawn.config.write import write_private
from arawn.repl.tidying import tidy

TAIL = 512 * 1024  # bytes read back at a start
MOST = 4 * TAIL  # a longer file is cut to what is read back


class HistoryFile:
    """Entries as prompt_toolkit's own history files keep them: a `# time` line, then `+` before each line.

    The file is 0600 before a byte is in it, its folder 0700. Every method raises OSError where the place
    can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> list[str]:
        """Entries, oldest first; those of the last 512 KiB. Creates the file where there is none."""
        os.close(self._open())
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL))
            data = file.read()
        if size > MOST:
            data = data[data.find(b"\n\n# ") + 1 :]  # from the first entry that is whole
            write_private(self.path, data)
        text = data.decode("utf-8", "replace")
        entries: list[str] = []
        lines: list[str] = []
        for line in [*text.split("\n"), ""]:
            if line.startswith("+"):
                lines.append(line[1:])
            elif lines:
                entries.append(tidy("\n".join(lines)))
                lines = []
        return entries

    def append(self, entry: str) -> None:
        """Add one entry in one write, so that two chats at once do not mix their lines."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        body = "".join(f"+{line}\n" for line in entry.split("\n"))
        fd = self._open()
        try:
            os.write(fd, f"\n# {stamp}\n{body}".encode("utf-8", "replace"))
        finally:
            os.close(fd)

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if os.name == "posix" and os.fstat(fd).st_mode & 0o077:
            os.fchmod(fd, 0o600)
        return fd
