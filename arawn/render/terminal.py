"""What the terminal is and can do, and how it is put right again; it draws nothing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

RESTORE = "\x1b[?2004l\x1b[?25h\x1b[?7h\x1b[0m"
"""Bracketed paste off, cursor on, wrapping on, colours off."""


def color_wanted(env: Mapping[str, str], isatty: bool, choice: str = "auto") -> bool:
    """Whether to colour: the choice, then FORCE_COLOR and CLICOLOR_FORCE, NO_COLOR, CLICOLOR=0 and TERM.

    Sources: no-color.org, force-color.org, bixense.com/clicolors. Any value but an empty one counts.
    """
    if choice in ("always", "never"):
        return choice == "always"
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR") or env.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return isatty and env.get("CLICOLOR") != "0" and env.get("TERM", "dumb") not in ("dumb", "")


def width(handle: int, env: Mapping[str, str]) -> int:
    """Columns of the terminal: $COLUMNS where it is a sensible number, else the terminal's, else 80."""
    told = env.get("COLUMNS", "")
    if told.isdecimal() and 0 < int(told) < 10_000:
        return int(told)
    try:
        return os.get_terminal_size(handle).columns or 80
    except OSError:
        return 80


class Guard:
    """Remembers the terminal's state and puts it right at the end, however that comes."""

    def __init__(self) -> None:
        self._saved: list[Any] | None = None
        self._handle = -1

    def __enter__(self) -> Guard:
        with contextlib.suppress(Exception):
            import termios

            self._handle = sys.stdin.fileno()
            self._saved = termios.tcgetattr(self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Put the terminal right; may be called more than once, and after the terminal is gone."""
        if self._saved is None:
            return
        with contextlib.suppress(Exception):
            import termios

            termios.tcsetattr(self._handle, termios.TCSADRAIN, self._saved)
        with contextlib.suppress(OSError):
            os.write(self._handle, RESTORE.encode())
