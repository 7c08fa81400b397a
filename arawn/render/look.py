"""How answers look: decided once from settings, environment and terminal, then given to whoever shows one.

It knows no backend and no command; the renderers are loaded when an answer needs one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TextIO

from arawn.render.terminal import ascii_only, background, color_wanted, depth

if TYPE_CHECKING:
    from pathlib import Path

    from arawn.render.theme import Theme


class Sink(Protocol):
    """Where the text of an answer goes."""

    def feed(self, text: str) -> None:
        """Show a piece."""

    def close(self) -> None:
        """Show what is held back and end the last line."""


class Look(NamedTuple):
    """How to show things on one output. `tty`: it is a terminal; into anything else goes the text alone.

    theme: None for the sixteen colours. ascii: our own marks are drawn in ASCII. accessible: what is shown is
    read aloud.
    """

    tty: bool = False
    color: bool = False
    markdown: bool = True
    theme: Theme | None = None
    ascii: bool = False
    accessible: bool = False

    def sink(
        self, out: TextIO, env: Mapping[str, str] = os.environ, *, raw: bool = False, label: str = ""
    ) -> Sink:
        """The sink of one answer; `raw`: it is no Markdown, or shall not be rendered.

        label: says whose answer it is, where that must be said.
        """
        if self.tty and self.accessible:
            return self._spoken(out, env, raw or not self.markdown, label)
        if raw or not (self.tty and self.markdown):
            from arawn.render.plain import PlainStream

            return PlainStream(out, self.tty)
        from arawn.render.markdown import MarkdownStream
        from arawn.render.terminal import synchronised, width

        styles = self.theme.table() if self.theme is not None and self.color else None
        return MarkdownStream(
            out, lambda: width(out.fileno(), env), self.color, styles, synchronised(env), self.ascii
        )

    def _spoken(self, out: TextIO, env: Mapping[str, str], raw: bool, label: str) -> Sink:
        from arawn.render.accessible import AccessibleStream
        from arawn.render.terminal import width

        return AccessibleStream(out, label, lambda: width(out.fileno(), env), raw)


def accessible_wanted(env: Mapping[str, str], choice: bool = False) -> bool:
    """Whether what is shown is read aloud: the choice, or ACCESSIBLE, which any value but a no sets."""
    return choice or env.get("ACCESSIBLE", "").lower() not in ("", "0", "false", "no", "off")


def look_of(
    get: Callable[[str], Any], env: Mapping[str, str], out: TextIO | None, tty: bool, theme: Theme | None
) -> Look:
    """The look of `out` by `[ui]`, whose values `get` gives by their dotted path."""
    ascii = ascii_only(env, getattr(out, "encoding", None))
    accessible = tty and accessible_wanted(env, get("ui.accessible"))
    color = color_wanted(env, tty, str(get("ui.color"))) and not accessible
    return Look(tty, color, bool(get("ui.markdown")), theme, ascii, accessible)


def theme_of(get: Callable[[str], Any], env: Mapping[str, str], folder: Path, handle: int) -> Theme:
    """The colours by `[ui]`, and by what the environment says of the terminal or it said itself.

    `folder` is where that is remembered; `handle` is open on the terminal.
    """
    from arawn.render.theme import Theme

    theme = Theme(get("ui.theme"), get("ui.colors"), depth(env))
    told = background(env)
    if told is None and theme.open:
        from arawn.render.backdrop import Remembered

        memory = Remembered(folder / "backgrounds.json", env, handle)
        told, theme.remember = memory.get(), memory.put
    if told is not None:
        theme.background(told)
    return theme
