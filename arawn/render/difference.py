"""Two texts as one, with what only one of them has marked; the texts are anybody's and are filtered here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from arawn.render.safe import clean

if TYPE_CHECKING:
    from arawn.render.theme import Theme


class Piece(Protocol):
    """A run of text: `same`, `gone` or `new`."""

    @property
    def kind(self) -> str:
        """Who has it."""

    @property
    def text(self) -> str:
        """The text."""


def drawn(pieces: Iterable[Piece], color: bool, theme: Theme | None = None) -> str:
    """Marked as [-gone-] and {+new+}; with colour in that of the theme, and struck through, as well."""
    if color and theme is None:
        from arawn.render.theme import Theme

        theme = Theme()
    gone, new = ("9", "") if theme is None else (f"9;{theme.sgr('removed')}".rstrip(";"), theme.sgr("added"))
    made = []
    for piece in pieces:
        text = clean(piece.text)
        if piece.kind == "gone":
            made.append(f"\x1b[{gone}m[-{text}-]\x1b[0m" if color else f"[-{text}-]")
        elif piece.kind == "new":
            made.append(f"\x1b[{new}m{{+{text}+}}\x1b[0m" if color else f"{{+{text}+}}")
        else:
            made.append(text)
    return "".join(made)
