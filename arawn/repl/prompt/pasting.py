"""Pastes at the prompt: long ones are folded to a mark, which stays whole; it sends nothing."""

from __future__ import annotations

import time

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

from arawn.repl.prompt.folds import Folds, is_long
from arawn.repl.tidying import tidy

TOGETHER = 0.1
"""Seconds: pastes that follow sooner, one right behind the other, are one that came in pieces."""
SHOWN = 100_000
"""Characters that the prompt can hold and still be quick."""


class Pasting:
    """What is pasted into the buffer of the prompt. `folds` keeps it."""

    def __init__(self, folds: Folds) -> None:
        self._folds = folds
        self._before = ""
        self._mending = False
        self._at = float("-inf")
        self._start = self._end = 0
        self._text = ""
        self._number = 0

    def reset(self, text: str = "") -> None:
        """The buffer holds `text` now, and nothing was pasted."""
        self._before, self._at = text, float("-inf")

    @property
    def just_now(self) -> bool:
        """Whether text came in so late that what follows may belong to it."""
        return time.monotonic() - self._at < TOGETHER

    def paste(self, buffer: Buffer, data: str) -> int:
        """Put a paste in; how many controls were left out, which would act on the terminal."""
        text = tidy(data)
        if not (self.just_now and buffer.cursor_position == self._end):
            self._start, self._text, self._number = buffer.cursor_position, "", 0
        if self._number:
            shown = self._folds.grow(self._number, text)
        else:
            self._text += text
            shown = self._text
            if is_long(shown):
                shown = self._folds.fold(shown)
                self._number = self._folds.spans(shown)[0].number
                self._text = ""
        end = buffer.cursor_position if self._start < buffer.cursor_position else self._start
        self._put(buffer, self._start, end, shown)
        self._end, self._at = buffer.cursor_position, time.monotonic()
        return len(data.replace("\r\n", "\n")) - len(text)

    def unfold(self, buffer: Buffer) -> bool:
        """Show what the mark at the cursor stands for, in its place; False where it is too much to show."""
        span = self._folds.near(buffer.text, buffer.cursor_position)
        if span is None:
            return True
        text = self._folds.text(span.number)
        if len(text) > SHOWN:
            return False
        buffer.save_to_undo_stack()
        self._put(buffer, span.start, span.end, text)
        return True

    def whole(self, buffer: Buffer, text: str) -> None:
        """Have `text` in the buffer instead of what it holds."""
        buffer.save_to_undo_stack()
        self._put(buffer, 0, len(buffer.text), text)

    def _put(self, buffer: Buffer, start: int, end: int, text: str) -> None:
        self._mending = True
        try:
            made = buffer.text[:start] + text + buffer.text[end:]
            buffer.document = Document(made, start + len(text))
        finally:
            self._mending = False
        self._before = buffer.text

    def changed(self, buffer: Buffer) -> None:
        """After each change: a mark that was torn goes as a whole."""
        if self._mending:
            return
        mended = self._folds.mended(self._before, buffer.text)
        if mended is not None:
            self._mending = True
            try:
                buffer.document = Document(*mended)
            finally:
                self._mending = False
        self._before = buffer.text
