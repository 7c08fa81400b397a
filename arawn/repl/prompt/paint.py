"""The words of a theme as the line editor takes them; it knows no terminal."""

from __future__ import annotations

from arawn.config.colors import style

_NAMES = {"white": "ansigray", "bright-black": "ansibrightblack", "bright-white": "ansiwhite"}


def painted(words: str) -> str:
    """A style such as "bold cyan on #222222" in prompt_toolkit's words."""
    found = style(words)
    made = [*found.attributes]
    made += [_colour(found.fore)] if found.fore else []
    made += [f"bg:{_colour(found.back)}"] if found.back else []
    return " ".join(made)


def _colour(name: str) -> str:
    return name if name.startswith("#") else _NAMES.get(name, "ansi" + name.replace("-", ""))
