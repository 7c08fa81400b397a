"""What a person may say, made of whatever a terminal or a pipe brought; it reads nothing."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|O[ -~]|.)?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def tidy(text: str) -> str:
    """What a person may say: valid Unicode, newlines as they are here, no control but newline and tab.

    Undecodable bytes (kept as surrogates by whoever decoded them) become U+FFFD, and so does NUL.
    """
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return _CONTROL.sub("", _SEQUENCE.sub("", text))
