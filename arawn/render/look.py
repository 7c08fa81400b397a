"""How answers look: decided once from settings, environment and terminal, then given to whoever shows one.

It knows no backend and no command; the renderers are loaded when an answer needs one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TextIO

from arawn.render.terminal import color_wanted


class Sink(Protocol):
    """Where the text of an answer goes."""

    def feed(self, text: str) -> None:
        """Show a piece."""

    def close(self) -> None:
        """Show what is held back and end the last line."""


class Look(NamedTuple):
    """How to show things on one output. `tty`: it is a terminal; into anything else goes the text alone."""

    tty: bool = False
    color: bool = False
    markdown: bool = True

    def sink(self, out: TextIO, env: Mapping[str, str] = os.environ, *, raw: bool = False) -> Sink:
        """The sink of one answer; `raw`: it is no Markdown, or shall not be rendered."""
        if raw or not (self.tty and self.markdown):
            from arawn.render.plain import PlainStream

            return PlainStream(out, self.tty)
        from arawn.render.markdown import MarkdownStream
        from arawn.render.terminal import width

        return MarkdownStream(out, lambda: width(out.fileno(), env), self.color)


def look_of(get: Callable[[str], Any], env: Mapping[str, str], tty: bool) -> Look:
    """The look by `[ui]`, whose values `get` gives by their dotted path."""
    return Look(tty, color_wanted(env, tty, str(get("ui.color"))), bool(get("ui.markdown")))
