"""Long pastes, each folded to a short mark in the text that is edited; it knows no terminal and no keys."""

from __future__ import annotations

import re
from typing import NamedTuple

LINES = 15
CHARS = 1000
"""A paste with more than either is folded."""
_MARK = re.compile(r"\[Pasted (\d+): [\d,]+ (?:lines|characters)\]")


class Span(NamedTuple):
    """Where the mark of a paste stands in a text."""

    start: int
    end: int
    number: int


def is_long(text: str) -> bool:
    """Whether a paste is folded."""
    return len(text) > CHARS or text.count("\n") >= LINES


class Folds:
    """The pastes of one chat by their numbers. A text with their marks is what is edited and remembered."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[str]] = {}

    def fold(self, text: str) -> str:
        """The mark that stands for `text` from now on."""
        number = len(self._pieces) + 1
        self._pieces[number] = [text]
        return self._mark(number)

    def grow(self, number: int, text: str) -> str:
        """The new mark of a paste that `text` belongs to as well."""
        self._pieces[number].append(text)
        return self._mark(number)

    def _mark(self, number: int) -> str:
        text = self.text(number)
        lines = text.count("\n") + (not text.endswith("\n"))
        size = f"{lines:,} lines" if lines > 1 else f"{len(text):,} characters"
        return f"[Pasted {number}: {size}]"

    def text(self, number: int) -> str:
        """What a mark stands for."""
        pieces = self._pieces[number]
        if len(pieces) > 1:
            pieces[:] = ["".join(pieces)]
        return pieces[0]

    def spans(self, text: str) -> list[Span]:
        """The marks in a text that stand for something."""
        if "[Pasted " not in text:
            return []
        found = (Span(*match.span(), int(match[1])) for match in _MARK.finditer(text))
        return [span for span in found if span.number in self._pieces]

    def unfold(self, text: str) -> str:
        """`text` with what was pasted in the places of its marks."""
        made, at = [], 0
        for span in self.spans(text):
            made += [text[at : span.start], self.text(span.number)]
            at = span.end
        return "".join([*made, text[at:]])

    def refold(self, text: str, before: str) -> str:
        """`text`, which was made from the unfolded `before`, with the pastes that are still in it folded."""
        for span in self.spans(before):
            text = text.replace(self.text(span.number), before[span.start : span.end], 1)
        return text

    def near(self, text: str, at: int) -> Span | None:
        """The mark at a place in a text, else the last one before it, else the first."""
        spans = self.spans(text)
        touched = [span for span in spans if span.start <= at <= span.end]
        before = [span for span in spans if span.end < at]
        return next(iter(touched or before[::-1] or spans), None)

    def mended(self, before: str, after: str) -> tuple[str, int] | None:
        """What an edit of `before` into `after` has to be where it tore a mark, and where the cursor is then.

        None where it tore none: a mark is deleted as a whole, and what is put into it goes behind it.
        """
        kept = {span.number for span in self.spans(after)}
        lost = [span for span in self.spans(before) if span.number not in kept]
        if not lost:
            return None
        start, end = _changed(before, after)
        put = after[start : len(after) - (len(before) - end)]
        whole = self.spans(after)

        def stands(at: int) -> bool:
            return any(span.start <= at < span.end for span in whole)

        for span in lost:
            left = span.start < start < span.end and not stands(start - 1)
            right = span.start < end < span.end and not stands(start + len(put))
            if left and right and start == end:
                return before[: span.end] + put + before[span.end :], span.end + len(put)
            start, end = span.start if left else start, span.end if right else end
        made = before[:start] + put + before[end:]
        return (made, start + len(put)) if made != after else None


def _changed(before: str, after: str) -> tuple[int, int]:
    """The part of `before` that is not in `after`, from the first difference to the last."""
    most = min(len(before), len(after))
    start = next((at for at in range(most) if before[at] != after[at]), most)
    same = 0
    while same < most - start and before[-1 - same] == after[-1 - same]:
        same += 1
    return start, len(before) - same
