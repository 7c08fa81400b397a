"""Chunks that are as one before them but for their text, read without reading the rest once more. Pure."""

from __future__ import annotations

import json
import re

_TEXT = re.compile(r'"content": ?"')
"""Only a name can stand so in JSON: inside of a string the quotes would be escaped."""
_decode = json.JSONDecoder().raw_decode


class Alike:
    """What stands in a chunk before and behind its text: most services repeat it to the letter.

    A chunk that begins and ends with that, and has a whole string between, says the same with another text.
    """

    def __init__(self) -> None:
        self._before = self._after = "\n"  # no JSON begins so

    def learn(self, data: str, text: str) -> None:
        """Take `data` for the pattern, which says `text` and nothing else."""
        found = _TEXT.search(data)
        if found is None:
            return
        said, _, after = data[found.end() :].partition('"')
        if said == text and _TEXT.search(after) is None:
            self._before, self._after = data[: found.end()], after

    def text(self, data: str) -> str | None:
        """The text of a chunk like the one learnt; None where it must be read in full."""
        before = self._before
        if not data.startswith(before):
            return None
        try:
            text, end = _decode(data, len(before) - 1)
        except ValueError:
            return None
        return text if data[end:] == self._after else None
