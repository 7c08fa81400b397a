"""Markdown inside a paragraph, taken piece by piece while it grows; what is given out is never taken back.

The rules are CommonMark's with `~~`; a mark whose partner does not come within HOLD characters is text.
Mathematics stays as it was written. It knows no terminal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from arawn.render import spans
from arawn.render.spans import HOLD, Span
from arawn.render.styles import STYLES, join

Put = Callable[[str, str, bool], None]
"""Takes text, its style, and whether it should stay unbroken; "\\n" is the end of a line."""

_MARK = re.compile(r"[\\`*_~\[\]!<&$\n]")
_EMPHASIS = {("*", 1): "emphasis", ("_", 1): "emphasis", ("*", 2): "strong", ("_", 2): "strong"}


class _Node:
    """A piece of text that may still get a style."""

    __slots__ = ("solid", "style", "text")

    def __init__(self, text: str, style: str, solid: bool = False) -> None:
        self.text, self.style, self.solid = text, style, solid


class _Run:
    """A run of `*`, `_` or `~` that may open or close emphasis; `at` in the text, `index` among the nodes."""

    __slots__ = ("at", "char", "closes", "count", "index", "length", "opens")

    def __init__(self, char: str, count: int, opens: bool, closes: bool, at: int, index: int) -> None:
        self.char, self.count, self.length = char, count, count
        self.opens, self.closes, self.at, self.index = opens, closes, at, index


class _Bracket:
    """A `[` or `![` that may begin a link; `floor` is the number of runs before it."""

    __slots__ = ("active", "at", "floor", "image", "index")

    def __init__(self, image: bool, at: int, index: int, floor: int) -> None:
        self.image, self.at, self.index, self.floor = image, at, index, floor
        self.active = True


class Inline:
    """One paragraph: `feed` pieces, `close` at its end (and use it again for the next)."""

    def __init__(self, put: Put, base: str = "", styles: Mapping[str, str] = STYLES) -> None:
        self._put = put
        self._styles = styles
        self.base = base
        self._reset()

    def _reset(self) -> None:
        self._buffer = ""
        self._at = 0  # characters of the paragraph before the buffer
        self._before = "\n"
        self._nodes: list[_Node] = []
        self._given = 0  # nodes that are out
        self._runs: list[_Run] = []
        self._done = 0  # runs that were looked at as closers
        self._brackets: list[_Bracket] = []
        self._math = -1  # where a formula was begun, perhaps
        self._display = False  # whether with "$$"

    def feed(self, text: str) -> None:
        """Take a piece and give out what is certain."""
        if not self._buffer and not self._nodes and _MARK.search(text) is None:
            if text:
                self._put(text, self.base, False)
                self._before = text[-1]
                self._at += len(text)
            return
        self._buffer += text
        self._run(final=False)

    def close(self) -> None:
        """Give out the rest: nothing follows."""
        if self._buffer or self._nodes:
            self._run(final=True)
            self._brackets.clear()
            self._pair(0)
            self._runs.clear()
            self._give()
        self._reset()

    def _run(self, *, final: bool) -> None:
        text, at, size = self._buffer, 0, len(self._buffer)
        while at < size:
            found = _MARK.search(text, at)
            start = found.start() if found else size
            if start > at:
                self._node(text[at:start])
                at = start
            if found is None:
                break
            self._expire(self._at + at)
            ended = self._mark(text, at, final)
            if ended < 0:
                break
            at = ended
        if at:
            self._before = text[at - 1]
        self._buffer = text[at:]
        self._at += at
        self._expire(self._at)
        self._give()

    def _node(self, text: str, style: str = "", solid: bool = False) -> None:
        for number, line in enumerate(text.split("\n")):
            if number:
                self._nodes.append(_Node("\n", ""))
            if line:
                self._nodes.append(_Node(line, style, solid))

    @property
    def _count(self) -> int:
        return self._given + len(self._nodes)

    def _give(self) -> None:
        """Put out the nodes that nothing can change any more."""
        first = self._count
        if self._brackets:
            first = self._brackets[0].index
        if self._runs:
            first = min(first, self._runs[0].index)
        ready = first - self._given
        if not ready:
            return
        for node in self._nodes[:ready]:
            if node.text:
                self._put(node.text, join(self.base, node.style), node.solid)
        del self._nodes[:ready]
        self._given = first

    def _expire(self, at: int) -> None:
        """What was opened too far before `at` stays text."""
        waited = bool(self._brackets)
        while self._brackets and at - self._brackets[0].at > HOLD:
            del self._brackets[0]
        if waited and not self._brackets:
            self._pair(0)
        gone = 0
        while gone < len(self._runs) and at - self._runs[gone].at > HOLD:
            gone += 1
        if gone:
            del self._runs[:gone]
            self._done = max(0, self._done - gone)
            for bracket in self._brackets:
                bracket.floor = max(0, bracket.floor - gone)

    def _mark(self, text: str, at: int, final: bool) -> int:
        """Deal with the mark at `at`; return where to go on, -1 to wait for more."""
        char = text[at]
        if self._math >= 0 and char != "$" and (char != "\n" or self._display):
            ended = self._in_math(text, at, final)
            if ended:
                return ended
        if char in "*_~":
            return self._delimiter(text, at, final)
        if char in "[]!":
            return self._bracket(text, at, final)
        if char == "\n":
            self._math = -1
            self._nodes.append(_Node("\n", ""))
            return at + 1
        if char == "$":
            return self._dollar(text, at, final)
        span = spans.READ[char](text, at, final)
        if span is None:
            return -1
        self._span(span)
        return span.end

    def _span(self, span: Span) -> None:
        self._node(span.text, self._styles.get(span.kind, ""), span.kind in ("link", "url"))

    def _dollar(self, text: str, at: int, final: bool) -> int:
        """Text after it is shown at once; only a mark that comes before its partner must wait."""
        if at + 1 == len(text) and not final:
            return -1
        after = text[at + 1 : at + 2]
        before = text[at - 1] if at else self._before
        if after == "$":
            self._display = self._math < 0
            self._math = self._at + at if self._display else -1
            return self._literal(text, at, at + 2)
        if self._math >= 0 and not self._display and not before.isspace() and not after.isdigit():
            self._math = -1
        elif self._math < 0 and after and not after.isspace() and not before.isalnum():
            self._math, self._display = self._at + at, False
        self._node("$")
        return at + 1

    def _in_math(self, text: str, at: int, final: bool) -> int:
        """0 where this is no mathematics after all."""
        room = (spans.DISPLAY if self._display else spans.MATH) - (self._at + at - self._math)
        ended = (spans.display_end if self._display else spans.math_end)(text, at, final, room)
        if ended > 0:
            self._node(text[at:ended])
            self._math = -1
        elif ended == 0:
            self._math = -1
        return ended

    def _delimiter(self, text: str, at: int, final: bool) -> int:
        char, end = text[at], at + 1
        while end < len(text) and text[end] == char:
            end += 1
        if end == len(text) and not final:
            return -1 if end - at <= HOLD else self._literal(text, at, end)
        opens, closes = _flanks(char, text[at - 1] if at else self._before, text[end : end + 1] or "\n")
        if (opens or closes) and not (char == "~" and end - at < 2):
            self._runs.append(_Run(char, end - at, opens, closes, self._at + at, self._count))
        self._nodes.append(_Node(text[at:end], ""))
        if not self._brackets:
            self._pair(0)
        return end

    def _literal(self, text: str, at: int, end: int) -> int:
        self._node(text[at:end])
        return end

    def _pair(self, bottom: int) -> None:
        """Find the openers of the closers that were not looked at yet (CommonMark's appendix)."""
        runs, at = self._runs, max(self._done, bottom)
        while at < len(runs):
            closer = runs[at]
            found = self._opener(at, bottom) if closer.closes else -1
            if found < 0:
                if closer.closes and not closer.opens:
                    del runs[at]
                else:
                    at += 1
                continue
            opener = runs[found]
            self._emphasise(opener, closer)
            del runs[found + 1 : at]
            at = found + 1
            if opener.count < (2 if opener.char == "~" else 1):
                del runs[found]
                at -= 1
            if closer.count < (2 if closer.char == "~" else 1):
                del runs[at]
        if not bottom:
            self._done = len(runs)

    def _opener(self, at: int, bottom: int) -> int:
        closer = self._runs[at]
        for number in range(at - 1, bottom - 1, -1):
            opener = self._runs[number]
            if opener.char == closer.char and opener.opens and not _thirds(opener, closer):
                return number
        return -1

    def _emphasise(self, opener: _Run, closer: _Run) -> None:
        used = 2 if closer.char == "~" or (opener.count >= 2 and closer.count >= 2) else 1
        style = self._styles.get(_EMPHASIS.get((closer.char, used), "strike"), "")
        first, last = opener.index - self._given, closer.index - self._given
        for node in self._nodes[first + 1 : last]:
            node.style = join(node.style, style)
        for run, node in ((opener, self._nodes[first]), (closer, self._nodes[last])):
            run.count -= used
            node.text = node.text[used:]

    def _bracket(self, text: str, at: int, final: bool) -> int:
        char = text[at]
        if char == "]":
            return self._link(text, at, final)
        if char == "!":
            if at + 1 == len(text) and not final:
                return -1
            if text[at + 1 : at + 2] != "[":
                return self._literal(text, at, at + 1)
        note = spans.footnote(text, at, final) if char == "[" else Span(0, "", "")
        if note is None:
            return -1
        if note.end:
            self._span(note)
            return note.end
        end = at + (2 if char == "!" else 1)
        self._brackets.append(_Bracket(char == "!", self._at + at, self._count, len(self._runs)))
        self._nodes.append(_Node(text[at:end], ""))
        return end

    def _link(self, text: str, at: int, final: bool) -> int:
        """A `]`: the end of a link's text, or text."""
        opener = self._brackets[-1] if self._brackets else None
        target = spans.target(text, at, final) if opener and opener.active else Span(0, "", "")
        if target is None and opener and self._at + len(text) - opener.at <= HOLD:
            return -1
        if opener:
            self._brackets.pop()
        if opener is None or target is None or not target.end or self._at + target.end - opener.at > HOLD:
            self._nodes.append(_Node("]", ""))
            if opener and not self._brackets:
                self._pair(0)
            return at + 1
        self._linked(opener, target.text)
        return target.end

    def _linked(self, opener: _Bracket, address: str) -> None:
        """Style the text of the link and say where it leads, where the text does not."""
        self._pair(opener.floor)
        del self._runs[opener.floor :]
        first = opener.index - self._given
        label = "".join(node.text for node in self._nodes[first + 1 :])
        if opener.image:
            self._nodes[first].text = "[image: " if label else "[image"
            self._nodes.append(_Node("]", ""))
        else:
            self._nodes[first].text = ""
            for node in self._nodes[first + 1 :]:
                node.style = join(self._styles["link"], node.style)
            for bracket in self._brackets:
                bracket.active = bracket.active and bracket.image
        if address and not (spans.same(label, address) and not opener.image):
            self._nodes.append(_Node(" ", ""))
            self._nodes.append(_Node(f"({address})", self._styles["url"], True))
        if not self._brackets:
            self._pair(0)


def _thirds(opener: _Run, closer: _Run) -> bool:
    """CommonMark's rule of three, which keeps `**a*b**` apart."""
    if closer.char == "~" or not (opener.closes or closer.opens):
        return False
    return (opener.length + closer.length) % 3 == 0 and (opener.length % 3 != 0 or closer.length % 3 != 0)


def _flanks(char: str, before: str, after: str) -> tuple[bool, bool]:
    """Whether a run between these two may open and may close emphasis."""
    space_before, space_after = before.isspace(), after.isspace()
    point_before, point_after = (unicodedata.category(each)[0] in "PS" for each in (before, after))
    left = not space_after and (not point_after or space_before or point_before)
    right = not space_before and (not point_before or space_after or point_after)
    if char == "_":
        return left and (not right or point_before), right and (not left or point_after)
    return left, right


def pieces(text: str, base: str = "", styles: Mapping[str, str] = STYLES) -> list[tuple[str, str]]:
    """A whole text at once, as (text, style)."""
    found: list[tuple[str, str]] = []
    reader = Inline(lambda piece, style, _: found.append((piece, style)), base, styles)
    reader.feed(text)
    reader.close()
    return found
