"""Asks the terminal at the start of a chat whether it is dark or light; it knows no colours."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from arawn.render.backdrop import QUESTION, Answers, Told

if TYPE_CHECKING:
    from arawn.repl.chat import Chat
    from arawn.repl.typeahead import Quiet

LONGEST_S = 0.15
"""How long the answer may keep the first prompt waiting; one that comes later is taken out of the keys."""


class Question:
    """A question that was asked and may not be answered yet. `learn` is called with what is told, once."""

    def __init__(self, fd: int, learn: Callable[[Told], None]) -> None:
        self._fd = fd
        self._learn = learn
        self._answers = Answers()
        self._asked = 0.0
        self._open = True

    def ask(self, out: TextIO) -> None:
        """Ask; the terminal must neither echo nor wait for whole lines."""
        self._asked = time.monotonic()
        out.write(QUESTION)
        out.flush()

    def answer(self) -> str:
        """Wait for the answer, in all no longer than LONGEST_S; what was typed meanwhile."""
        typed = []
        while not self._answers.whole:
            left = self._asked + LONGEST_S - time.monotonic()
            if not select.select([self._fd], [], [], max(0.0, left))[0]:
                break
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                break
            if not data:
                break
            typed.append(self.typed(data.decode("utf-8", "surrogateescape")))
        return "".join(typed)

    def typed(self, data: str) -> str:
        """What of the keys that were read was typed: a late answer is taken out of them."""
        if self._answers.whole and "\x1b[?" not in data:
            return data
        rest = self._answers.take(data)
        if self._open and self._answers.told is not None:
            self._open = False
            self._learn(self._answers.told)
        return rest


def ask(chat: Chat, quiet: Quiet) -> Callable[[], None]:
    """Ask where it matters and nobody knows yet; what is returned takes the answer, before a prompt."""
    look = chat.settings.look
    if look.theme is None or not (look.theme.open and look.color and quiet.works):
        return lambda: None
    question = Question(quiet.fd, look.theme.learn)
    question.ask(chat.out)
    quiet.sift = question.typed

    def settle() -> None:
        quiet.before = question.answer()

    return settle
