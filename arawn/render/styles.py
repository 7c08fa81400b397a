"""How each part of a rendered answer looks, by name, as SGR parameters; a theme gives another such table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

STYLES: Mapping[str, str] = {
    "heading": "1;35",
    "strong": "1",
    "emphasis": "3",
    "strike": "9",
    "code": "36",
    "link": "4",
    "url": "2",
    "quote": "2",
    "rule": "2",
    "bullet": "",
    "comment": "2",
    "keyword": "34",
    "string": "32",
    "number": "36",
    "function": "33",
    "type": "33",
    "tag": "34",
    "added": "32",
    "removed": "31",
}
"""Parts of Markdown, then of code, named as in `[ui.colors]`; an empty style is the terminal's own."""


class Marks(NamedTuple):
    """The signs that stand for marks of Markdown."""

    bullet: str = "•"
    bar: str = "│"
    rule: str = "─"
    double: str = "═"
    cross: str = "┼"
    open: str = "☐"
    done: str = "☑"


ASCII = Marks("*", "|", "-", "=", "+", "[ ]", "[x]")
"""For terminals that show nothing else."""


def join(base: str, style: str) -> str:
    """Both styles together."""
    return f"{base};{style}" if base and style else base or style
