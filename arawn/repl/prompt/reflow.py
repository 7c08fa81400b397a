"""The prompt on a screen that got narrower: the terminal has wrapped its lines anew; it reads no key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prompt_toolkit.data_structures import Point
from prompt_toolkit.renderer import Renderer

if TYPE_CHECKING:
    from prompt_toolkit.application import Application

_VARIABLES = ("TMUX", "VTE_VERSION", "KONSOLE_VERSION", "WT_SESSION", "KITTY_WINDOW_ID", "WEZTERM_PANE")
_TERMS = ("tmux", "xterm-kitty", "xterm-ghostty", "alacritty", "foot", "contour", "rio")
_PROGRAMS = ("iTerm.app", "Apple_Terminal", "WezTerm", "ghostty", "vscode", "rio", "WarpTerminal")


def reflows(env: Mapping[str, str]) -> bool:
    """Whether this terminal is known to wrap lines anew when its width changes; xterm cuts them off."""
    if "STY" in env:  # GNU screen inside whatever it is
        return False
    return (
        any(env.get(name) for name in _VARIABLES)
        or env.get("TERM", "").startswith(_TERMS)
        or env.get("TERM_PROGRAM", "") in _PROGRAMS
    )


class Reflowing(Renderer):
    """Takes away what it drew also where that has more lines by now than it drew."""

    def erase(self, leave_alternate_screen: bool = True) -> None:
        """As its base."""
        screen, columns = self._last_screen, self.output.get_size().columns
        if screen is not None and columns > 0:
            at = self._cursor_pos
            above = sum(max(1, -(-_used(dict(screen.data_buffer[row])) // columns)) for row in range(at.y))
            self._cursor_pos = Point(at.x % columns, above + at.x // columns)
        super().erase(leave_alternate_screen)


def _used(row: Mapping[int, object]) -> int:
    """Cells of a row that were written to, up to the last one that is not blank."""
    return max((at + 1 for at, char in row.items() if getattr(char, "char", " ").strip()), default=0)


def renew(app: Application[str]) -> None:
    """Have an application draw so."""
    app.renderer = Reflowing(app.renderer.style, app.output)
