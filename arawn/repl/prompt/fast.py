"""Keys as prompt_toolkit reads them on POSIX, but for pastes, which come whole and at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

from arawn.repl.prompt.folds import is_long
from arawn.repl.typed import BURST, PASTE, of_paste

BURST_CHARS = 64
"""So many characters of text at once were not typed by hand."""
READ = 65536
"""Characters read at once: a paste of a megabyte shall not be a thousand events."""


class Fast(Vt100Input):
    """As its base, but a paste is collected piece by piece, and a long burst of text is one as well.

    sift: takes out of what was read what the terminal itself said.
    """

    def __init__(self, stdin: TextIO, sift: Callable[[str], str]) -> None:
        super().__init__(stdin)
        self._sift = sift
        self._paste: list[str] | None = None
        self._tail = ""
        self._burst_at = float("-inf")

    @property
    def bursting(self) -> bool:
        """Whether lines came without marks, and so late that what follows belongs to them."""
        return time.monotonic() - self._burst_at < BURST

    def read_keys(self) -> list[KeyPress]:
        """The keys that came; a paste is one."""
        data, self._tail = self._tail + self._sift(self.stdin_reader.read(READ)), ""
        while data:
            data = self._pasted(data) if self._paste is not None else self._keys(data)
        taken, self._buffer = self._buffer, []
        return taken

    def _keys(self, data: str) -> str:
        """Take keys up to the end or a paste; what is left."""
        keys, mark, rest = data.partition(PASTE)
        text, enter = _burst(keys, 1 if self.bursting else BURST_CHARS)
        if text:
            self._buffer.append(KeyPress(Keys.BracketedPaste, text))
            if is_long(text) or "\r" in text or "\n" in text:
                self._burst_at = time.monotonic()
        parser = self.vt100_parser
        parser.feed(enter if text else keys)
        if parser._in_bracketed_paste:  # its mark came in two pieces
            rest, parser._in_bracketed_paste = parser._paste_buffer + mark + rest, False
            mark = PASTE
        if mark:
            self._paste = []
        return rest

    def _pasted(self, data: str) -> str:
        if self._paste is None:
            return data
        found, ended, rest = of_paste(data)
        self._paste.append(found)
        if not ended:
            self._tail = rest
            return ""
        self._buffer.append(KeyPress(Keys.BracketedPaste, "".join(self._paste)))
        self._paste = None
        return rest


def _burst(keys: str, least: int) -> tuple[str, str]:
    """Text of at least so many characters, and the Enter behind it where that is one; "" where there is none.

    An Enter that ends the only line was pressed; among other lines it belongs to them.
    """
    if len(keys) < least or any(char < " " and char not in "\r\n\t" or char == "\x7f" for char in keys):
        return "", ""
    if least > 1 and keys.endswith("\r") and not ("\r" in keys[:-1] or "\n" in keys):
        return keys[:-1], "\r"
    return keys, ""
