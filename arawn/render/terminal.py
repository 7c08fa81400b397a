"""What the terminal is and can do, and how it is put right again; it draws nothing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from arawn.render.theme import Depth

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
    return isatty and env.get("CLICOLOR") != "0" and redraws(env)


_MANY = (
    "kitty",
    "alacritty",
    "foot",
    "ghostty",
    "wezterm",
    "contour",
    "rio",
    "iterm",
    "vscode",
    "warp",
    "hyper",
)
"""What TERM or TERM_PROGRAM begin with where all colours are there."""
_TOGETHER = ("kitty", "alacritty", "foot", "ghostty", "wezterm", "contour", "rio", "iterm")


def _program(env: Mapping[str, str], names: tuple[str, ...]) -> bool:
    term = env.get("TERM", "").lower().removeprefix("xterm-")
    if term.startswith(("tmux", "screen")):  # what stands around it does not matter
        return False
    return term.startswith(names) or env.get("TERM_PROGRAM", "").lower().startswith(names)


def depth(env: Mapping[str, str]) -> Depth:
    """Bits of a colour by the environment: 24 for all colours, 8 for 256, else 4."""
    term = env.get("TERM", "")
    if term in ("linux", "dumb", ""):
        return 4
    if env.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return 24
    if _program(env, _MANY) or env.get("WT_SESSION"):
        return 24
    return 8 if "256" in term or env.get("TERM_PROGRAM") == "Apple_Terminal" else 4


def synchronised(env: Mapping[str, str]) -> bool:
    """Whether the terminal is known to draw at once what stands between the marks of DEC mode 2026.

    Source: https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036.
    """
    return _program(env, _TOGETHER) or (
        bool(env.get("WT_SESSION")) and not env.get("TERM", "").startswith(("tmux", "screen"))
    )


def redraws(env: Mapping[str, str]) -> bool:
    """Whether a line can be taken away again: a dumb terminal knows no sequences."""
    return env.get("TERM", "dumb") not in ("dumb", "")


def ascii_only(env: Mapping[str, str], encoding: str | None) -> bool:
    """Whether our own marks (bullets, rules, the spinner) are drawn in ASCII.

    So it is by the encoding of the output, and where the locale is said to be C: Python writes UTF-8 then all
    the same (PEP 538, 540), and sets LC_CTYPE itself, but the terminal may not show it.
    """
    if encoding and "utf" not in encoding.lower():
        return True
    said = env.get("LC_ALL") or env.get("LANG") or env.get("LC_CTYPE") or ""
    if env.get("LC_CTYPE", "C.UTF-8") not in ("C.UTF-8", "C.utf8", "UTF-8") and not env.get("LC_ALL"):
        said = env["LC_CTYPE"]
    name, _, charset = said.partition(".")
    if charset:
        return charset.partition("@")[0].lower().replace("-", "") != "utf8"
    return name in ("C", "POSIX")


def in_ascii(line: str) -> str:
    """A line of our own with its marks in ASCII."""
    return line.replace("·", "-").replace("…", "...").replace("–", "-")


def background(env: Mapping[str, str]) -> Literal["dark", "light"] | None:
    """The background by COLORFGBG, as rxvt, Konsole and others set it; None where it is not told."""
    last = env.get("COLORFGBG", "").rpartition(";")[2]
    if not last.isdecimal() or int(last) > 15:
        return None
    return "light" if int(last) in (7, *range(9, 16)) else "dark"


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
