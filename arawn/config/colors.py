"""What a colour setting says: attributes and colours; how a terminal is told is not known here."""

from __future__ import annotations

from typing import NamedTuple

from arawn.config.values import BadValue, shown

ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")
EIGHT = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
COLOURS = (*EIGHT, *(f"bright-{name}" for name in EIGHT))
_SAME = {"gray": "bright-black", "grey": "bright-black", "purple": "magenta", "orange": "#ff8700"}
_WANTED = 'expected words such as "bold magenta", "#ff8800" or "bright-blue on black"'


class Style(NamedTuple):
    """How something is shown; a colour is one of COLOURS, `#rrggbb`, or "" for the terminal's own."""

    attributes: tuple[str, ...] = ()
    fore: str = ""
    back: str = ""


def style(text: str) -> Style:
    """What the words say; "none" alone is no style at all. Raises BadValue naming the word that is wrong."""
    words = text.lower().replace("_", "-").split()
    if not words:
        raise BadValue("is empty: " + _WANTED + ', or "none"')
    if words == ["none"]:
        return Style()
    attributes: list[str] = []
    found = {"fore": "", "back": ""}
    place = "fore"
    for word in words:
        if word in ATTRIBUTES:
            attributes.append(word)
        elif word == "on" and place == "fore":
            place = "back"
        elif found[place]:
            raise BadValue(f"names a second colour, {shown(word)}: {_WANTED}")
        else:
            found[place] = _colour(word)
    if place == "back" and not found["back"]:
        raise BadValue('ends after "on": a colour follows it, such as "on black"')
    return Style(tuple(dict.fromkeys(attributes)), **found)


def _colour(word: str) -> str:
    word = _SAME.get(word, word)
    if word in COLOURS:
        return word
    digits = word.removeprefix("#")
    if word.startswith("#") and all(digit in "0123456789abcdef" for digit in digits):
        if len(digits) == 3:
            return "#" + "".join(digit * 2 for digit in digits)
        if len(digits) == 6:
            return word
    if word.startswith("#"):
        raise BadValue(f"expected a colour such as #ff8800, found {shown(word)}")
    from difflib import get_close_matches

    near = get_close_matches(word.replace("bright", "bright-", 1), (*ATTRIBUTES, *COLOURS, *_SAME, "on"), 1)
    raise BadValue(f"{_WANTED}, found {shown(word)}" + (f'; did you mean "{near[0]}"?' if near else ""))
