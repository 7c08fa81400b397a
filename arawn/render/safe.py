"""One stateful filter for every text that is not ours; what passes it cannot fool a terminal.

Kept of the control characters: newline and tab. Dropped: escape sequences whole, also in 8-bit form and also
when split over pieces; bidirectional overrides; what is invisible (ECMA-48; Unicode TR9, TR36, TR51).
"""

from __future__ import annotations

import re

LONGEST = 4096
"""Characters after which an escape sequence that never ends is taken for text."""

_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_STRINGS = "PX^_]"  # DCS, SOS, PM, APC, OSC after ESC
_EMOJI = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff\ufe0f\u20e30-9#*]"
)
_JOINING = re.compile("[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff]")
_FLAG = "\U0001f3f4"
_TAG = re.compile("[\U000e0020-\U000e007f]")


class Filter:
    """Filters pieces of one text; a sequence may be split anywhere. `flush` at the end."""

    def __init__(self) -> None:
        self._held = ""
        self._last = ""
        self._in_flag = False

    def feed(self, text: str) -> str:
        """What may be shown of `text`; an unfinished sequence at its end is held back."""
        if not self._held and _SUSPECT.search(text) is None:
            if text:
                self._last, self._in_flag = text[-1], False
            return text
        text, self._held = self._held + text, ""
        return self._run(text, final=False)

    def flush(self) -> str:
        """What was held back, as text, now that nothing follows."""
        text, self._held = self._held, ""
        return self._run(text, final=True)

    def _run(self, text: str, *, final: bool) -> str:
        out: list[str] = []
        at, size = 0, len(text)
        while at < size:
            found = _SUSPECT.search(text, at)
            if found is None:
                self._keep(out, text[at:])
                break
            start = found.start()
            if start > at:
                self._keep(out, text[at:start])
            ended = self._one(text, start, out, final)
            if ended < 0:
                self._held = text[start:]
                break
            at = ended
        return "".join(out)

    def _keep(self, out: list[str], text: str) -> None:
        out.append(text)
        self._last, self._in_flag = text[-1], False

    def _one(self, text: str, at: int, out: list[str], final: bool) -> int:
        """Deal with the suspect character at `at`; return where to go on, -1 to wait for more."""
        char = text[at]
        if char in "\x1b\x90\x98\x9b\x9d\x9e\x9f":
            return _sequence(text, at, final)
        if char == "\r":
            if at + 1 == len(text) and not final:
                return -1
            if text[at + 1 : at + 2] != "\n":
                self._keep(out, "\n")
            return at + 1
        if char in "\u2028\u2029":
            self._keep(out, "\n")
        elif "\ud800" <= char <= "\udfff":
            self._keep(out, "\ufffd")
        elif char in "\u200c\u200d" or "\ufe0e" <= char <= "\ufe0f":
            return self._joiner(text, at, out, final)
        elif _TAG.match(char) and (self._in_flag or self._last == _FLAG):
            out.append(char)
            self._in_flag = True
        return at + 1

    def _joiner(self, text: str, at: int, out: list[str], final: bool) -> int:
        """Joiners and emoji selectors stay where a script or an emoji needs them."""
        char, last = text[at], self._last
        if "\ufe0e" <= char <= "\ufe0f":
            if last and _EMOJI.match(last) and last != "\ufe0f":
                self._keep(out, char)
            return at + 1
        if at + 1 == len(text) and not final:
            return -1
        following = text[at + 1 : at + 2]
        needed = _EMOJI if char == "\u200d" and not _JOINING.match(last or " ") else _JOINING
        skin = char == "\u200d" and "\U0001f3fb" <= last <= "\U0001f3ff"
        foreign = last > "\x7f" and following > "\x7f" and following != "\ufe0f"  # digits and * are emoji too
        if foreign and (needed.match(last) or skin) and needed.match(following):
            self._keep(out, char)
        return at + 1


def _sequence(text: str, at: int, final: bool) -> int:
    """Where the escape sequence at `at` ends; -1 where it may go on in the next piece.

    One that is not ended by a newline or within LONGEST characters loses its introducer only.
    """
    start = at + 1
    if text[at] == "\x1b":
        if start == len(text):
            return start if final else -1
        introducer = text[start]
        start += 1
    else:
        introducer = {"\x9b": "["}.get(text[at], "]")
    if introducer == "[":
        return _csi(text, start, final)
    if introducer in _STRINGS:
        return _string(text, start, final)
    if " " <= introducer <= "/":  # charset and the like: intermediate characters, then one final
        while start < len(text) and " " <= text[start] <= "/":
            start += 1
        if start == len(text):
            return start if final else -1
        return start + 1 if "0" <= text[start] <= "~" else start
    return start if "0" <= introducer <= "~" else start - 1


def _csi(text: str, at: int, final: bool) -> int:
    start = at
    while at < len(text) and " " <= text[at] <= "?" and at - start < LONGEST:
        at += 1
    if at == len(text):
        return at if final else -1
    return at + 1 if "@" <= text[at] <= "~" else at


_STRING_END = re.compile("\x07|\x1b\\\\|\x9c|\n|\x18|\x1a")


def _string(text: str, start: int, final: bool) -> int:
    ended = _STRING_END.search(text, start, start + LONGEST)
    if ended is None:
        return start if final or len(text) - start >= LONGEST else -1
    if ended.group() == "\n":
        return start  # never ended: its text stays to be seen
    return ended.end()


def clean(text: str, newlines: bool = True, limit: int | None = None) -> str:
    """A whole text filtered at once; on one line where `newlines` is false, at most `limit` characters."""
    keeper = Filter()
    safe = keeper.feed(text) + keeper.flush()
    if not newlines:
        safe = " ".join(safe.split())
    if limit is not None and len(safe) > limit:
        safe = safe[: limit - 1] + "…"
    return safe
