"""Two texts as one, with what only one of them has marked; the texts are anybody's and are filtered here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from arawn.render.safe import clean


class Piece(Protocol):
    """A run of text: `same`, `gone` or `new`."""

    @property
    def kind(self) -> str:
        """Who has it."""

    @property
    def text(self) -> str:
        """The text."""


def drawn(pieces: Iterable[Piece], color: bool) -> str:
    """Marked as [-gone-] and {+new+}; with colour red and struck through, and green, as well."""
    made = []
    for piece in pieces:
        text = clean(piece.text)
        if piece.kind == "gone":
            made.append(f"\x1b[31;9m[-{text}-]\x1b[0m" if color else f"[-{text}-]")
        elif piece.kind == "new":
            made.append(f"\x1b[32m{{+{text}+}}\x1b[0m" if color else f"{{+{text}+}}")
        else:
            made.append(text)
    return "".join(made)
