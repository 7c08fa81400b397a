"""Whether a terminal is dark or light: what it answers when asked, and what it answered before."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Told = Literal["dark", "light"]

QUESTION = "\x1b]11;?\x1b\\\x1b[c"
"""What colour is behind the text (xterm's OSC 11)? And who are you: that one every terminal answers."""
_COLOUR = re.compile(r"\x1b\]11;([^\x07\x1b]*)(?:\x07|\x1b\\)")
_NAME = re.compile(r"\x1b\[\?[\d;]*c")
_BEGUN = re.compile(r"\x1b(?:\](?:1(?:1(?:;[^\x07\x1b]{0,64}\x1b?)?)?)?|\[(?:\?[\d;]{0,32})?)\Z")
_RGB = re.compile(r"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_WINDOW = (
    "TERM", "TERM_PROGRAM", "TERM_SESSION_ID", "WINDOWID", "KITTY_WINDOW_ID", "ALACRITTY_WINDOW_ID",
    "WEZTERM_PANE", "GNOME_TERMINAL_SCREEN", "KONSOLE_DBUS_SESSION", "WT_SESSION", "TMUX_PANE",
    "SSH_CONNECTION",
)  # fmt: skip
LASTS_S = 12 * 3600.0
"""An answer is believed so long: whoever changes the colours at night is right again in the morning."""
MOST = 50


def shade(colour: str) -> Told | None:
    """What an answer such as `rgb:1e1e/1e1e/1e1e` or `#1e1e1e` means; None where it is none."""
    found = _RGB.match(colour)
    parts = list(found.groups()) if found else []
    if re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        parts = [colour[1:3], colour[3:5], colour[5:7]]
    if not parts:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in parts)
    return "light" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 else "dark"


class Answers:
    """Takes the answers to QUESTION out of what is read from a terminal, whenever and in whatever pieces."""

    def __init__(self) -> None:
        self.told: Told | None = None
        self.whole = False
        self._held = ""

    def take(self, data: str) -> str:
        """What of `data` the person typed. The beginning of an answer is held until its end comes."""
        data, self._held = self._held + data, ""
        found = _COLOUR.search(data)
        if found:
            self.told = shade(found[1])
        rest = _COLOUR.sub("", data)
        self.whole = self.whole or _NAME.search(rest) is not None
        rest = _NAME.sub("", rest)
        begun = _BEGUN.search(rest)
        if begun and not self.whole:
            self._held = begun[0]
            rest = rest[: begun.start()]
        return rest


class Remembered:
    """What the terminals of late answered, in a private file. `handle` is open on the terminal of now."""

    def __init__(self, path: Path, env: Mapping[str, str], handle: int) -> None:
        self._path = path
        name = ""
        with contextlib.suppress(OSError):
            name = os.ttyname(handle)
        self._key = "|".join([name, *(env.get(key, "") for key in _WINDOW)])

    def get(self) -> Told | None:
        """What this terminal answered, not too long ago."""
        told, at = self._all().get(self._key, ("", 0.0))
        if told in ("dark", "light") and 0 <= time.time() - at < LASTS_S:
            return "light" if told == "light" else "dark"
        return None

    def put(self, told: Told) -> None:
        """Remember it; a file that cannot be written is done without."""
        from arawn.config.write import write_private

        kept = {**self._all(), self._key: (told, time.time())}
        newest = dict(sorted(kept.items(), key=lambda item: -item[1][1])[:MOST])
        with contextlib.suppress(OSError):
            write_private(self._path, json.dumps(newest).encode())

    def _all(self) -> dict[str, tuple[str, float]]:
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            found = json.loads(self._path.read_bytes()[:65536])
            return {str(key): (str(told), float(at)) for key, (told, at) in found.items()}
        return {}
