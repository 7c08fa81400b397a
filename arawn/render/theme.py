"""Colours by name, as a terminal is told them; it draws nothing and asks no terminal.

The words of each name are as in `[ui.colors]`: with the sixteen colours that every terminal's own palette
fits, and for dark and light backgrounds, whose shades come from GitHub's Primer
(https://primer.style/foundations/color) and are read easily on any such background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from arawn.config.colors import ATTRIBUTES, EIGHT, style
from arawn.config.rows_ui import COLORS

Choice = Literal["auto", "dark", "light", "none"]
Depth = Literal[4, 8, 24]
"""Bits of a colour: the sixteen, 256, or all."""

RESET = "\x1b[0m"
_GREYS = ("#8b949e", "#57606a")
_SHADES: Mapping[str, tuple[str, str]] = {  # on dark, on light
    "heading": ("bold #d2a8ff", "bold #6639ba"),
    "code": ("#79c0ff", "#0550ae"),
    "link": ("underline #58a6ff", "underline #0969da"),
    "url": _GREYS,
    "quote": _GREYS,
    "rule": _GREYS,
    "dim": _GREYS,
    "warning": ("#d29922", "#7d4e00"),
    "error": ("bold #ff7b72", "bold #cf222e"),
    "added": ("#3fb950", "#116329"),
    "removed": ("#ff7b72", "#cf222e"),
    "prompt": ("bold #79c0ff", "bold #0550ae"),
    "comment": _GREYS,
    "keyword": ("#ff7b72", "#cf222e"),
    "string": ("#a5d6ff", "#0a3069"),
    "number": ("#79c0ff", "#0550ae"),
    "function": ("#d2a8ff", "#6639ba"),
    "type": ("#ffa657", "#953800"),
    "tag": ("#7ee787", "#116329"),
}
_AS_DIM = ("reasoning", "footer", "spinner")
_ATTRIBUTE = dict(zip(ATTRIBUTES, ("1", "2", "3", "4", "7", "9"), strict=True))
_NO_COLOUR = {
    **dict.fromkeys(("url", "quote", "rule"), "none"),
    **dict.fromkeys(("code", "warning"), "bold"),
}


class Theme:
    """The styles by name: `own` ones (words as in a config) over those of the theme.

    With `auto` the sixteen colours hold until somebody who knows tells the `background`.
    """

    def __init__(
        self, choice: Choice = "auto", own: Mapping[str, str] | None = None, depth: Depth = 4
    ) -> None:
        self.choice = choice
        self._own = dict(own or {})
        self._depth: Depth = depth
        self._known: dict[str, str] = {}
        self._background = choice if choice in ("dark", "light") else ""
        self.remember: Callable[[Literal["dark", "light"]], None] | None = None

    @property
    def open(self) -> bool:
        """Whether the background decides, and nobody has told it yet."""
        return self.choice == "auto" and not self._background and self._depth > 4

    def background(self, told: Literal["dark", "light"]) -> None:
        """The background is known now."""
        if self.choice == "auto":
            self._background = told
            self._known.clear()

    def learn(self, told: Literal["dark", "light"]) -> None:
        """The terminal itself has told its background: that is remembered, where somebody remembers."""
        self.background(told)
        if self.remember is not None:
            self.remember(told)

    def sgr(self, name: str) -> str:
        """The parameters of the sequence that begins this style, such as "1;35"; "" for none."""
        if name not in self._known:
            self._known[name] = parameters(self.words(name), self._depth)
        return self._known[name]

    def table(self) -> Mapping[str, str]:
        """All names and their parameters."""
        return {name: self.sgr(name) for name in COLORS}

    def on(self, name: str, text: str) -> str:
        """`text` in the style `name`."""
        begin = self.sgr(name)
        return f"\x1b[{begin}m{text}{RESET}" if begin else text

    def words(self, name: str) -> str:
        """The style `name` in words, as `[ui.colors]` takes them."""
        if name in self._own:
            return self._own[name]
        if name in _AS_DIM:
            return self.words("dim")
        base = COLORS[name][1]
        if self.choice == "none":
            left = [word for word in base.split() if word in ATTRIBUTES]
            return _NO_COLOUR.get(name) or " ".join(left) or "none"
        if self._depth == 4 or not self._background or name not in _SHADES:
            return base
        return _SHADES[name][self._background == "light"]


def parameters(words: str, depth: Depth) -> str:
    """The words of a style as SGR parameters, with colours that a terminal of this depth has."""
    found = style(words)
    made = [_ATTRIBUTE[name] for name in found.attributes]
    made += [_colour(colour, depth, base) for colour, base in ((found.fore, 30), (found.back, 40)) if colour]
    return ";".join(made)


def _colour(colour: str, depth: Depth, base: int) -> str:
    """One colour; `base` is 30 for the text and 40 for what is behind it."""
    if not colour.startswith("#"):
        bright = colour.startswith("bright-")
        return str(base + 60 * bright + EIGHT.index(colour.removeprefix("bright-")))
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    if depth == 24:
        return f"{base + 8};2;{red};{green};{blue}"
    if depth == 8:
        return f"{base + 8};5;{_of_256(red, green, blue)}"
    return str(base + _of_16(red, green, blue))


_STEPS = (0, 95, 135, 175, 215, 255)


def _step(value: int) -> int:
    return min(range(6), key=lambda step: abs(_STEPS[step] - value))


def _of_256(red: int, green: int, blue: int) -> int:
    """The nearest of the cube of 216 colours and the 24 greys."""
    at = [_step(value) for value in (red, green, blue)]
    cube = sum((_STEPS[step] - value) ** 2 for step, value in zip(at, (red, green, blue), strict=True))
    grey = max(0, min(23, round(((red + green + blue) / 3 - 8) / 10)))
    level = 8 + 10 * grey
    if sum((level - value) ** 2 for value in (red, green, blue)) < cube:
        return 232 + grey
    return 16 + 36 * at[0] + 6 * at[1] + at[2]


def _of_16(red: int, green: int, blue: int) -> int:
    """The one of the sixteen whose hue is nearest, as what to add to 30 or 40."""
    most = max(red, green, blue)
    if most - min(red, green, blue) < 40:  # a grey
        return 0 if most < 64 else 60 if most < 140 else 7 if most < 210 else 67
    number = sum(bit for bit, value in ((1, red), (2, green), (4, blue)) if value > most * 0.6)
    return number + (60 if most > 215 else 0)
