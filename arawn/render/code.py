"""Colours for a line of code, a few per line; what it cannot colour it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LONGEST = 1000
_STYLES = (
    ("Comment", "2"),
    ("Keyword", "34"),
    ("String", "32"),
    ("Number", "36"),
    ("Name.Function", "33"),
    ("Name.Class", "33"),
    ("Name.Tag", "34"),
)


class Colours:
    """Colours lines of one language; an unknown one stays plain."""

    def __init__(self, language: str) -> None:
        self._lexer: Any = None
        if language:
            from pygments.lexers import get_lexer_by_name
            from pygments.util import ClassNotFound

            try:
                self._lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
            except (ClassNotFound, ValueError):
                self._lexer = None
        self._styles: dict[Any, str] = {}

    def line(self, text: str) -> Iterator[tuple[str, str]]:
        """(text, style) pieces of a line."""
        if self._lexer is None or len(text) > LONGEST:
            yield text, ""
            return
        pieces: list[tuple[str, str]] = []
        for kind, piece in self._lexer.get_tokens(text + "\n"):
            style = self._style(kind)
            if pieces and (style == pieces[-1][1] or not piece.strip()):
                pieces[-1] = (pieces[-1][0] + piece, pieces[-1][1])
            else:
                pieces.append((piece, style))
        if "".join(piece for piece, _ in pieces).rstrip("\n") != text.rstrip("\n"):
            pieces = [(text, "")]  # a lexer that changes the text is of no use
        for piece, style in pieces:
            yield piece.rstrip("\n"), style

    def _style(self, kind: Any) -> str:
        if kind not in self._styles:
            name = str(kind)
            self._styles[kind] = next((style for part, style in _STYLES if part in name), "")
        return self._styles[kind]
