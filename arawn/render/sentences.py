"""Writes text by whole sentences, for who has it read aloud; never back, never a part of a word.

It knows no Markdown. What is written does not depend on how the text was cut into pieces.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import TextIO

from arawn.render.measure import cells
from arawn.threads import start

PATIENCE_S = 2.0
"""After so long without the end of a sentence its words up to here are written."""
LONGEST = 4000
"""Characters that may be held back."""
_TICK_S = 0.25
_END = re.compile(
    r"(?<![\s(][A-Za-z])(?<!\be\.g)(?<!\bi\.e)(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bvs)"
    r"[.!?…]+[\"'”’)\]`]*(?=\s)"
    r"|[。！？]+[」』”’）]*(?=[^」』”’）。！？])"
)


class Sentences:
    """One output. `begin` ... `text` ... `end` write a paragraph, `line` what has lines of its own.

    columns: where given, lines are broken between words. patience: seconds; a thread watches them until
    `close`. Every method may raise the OSError of the output.
    """

    def __init__(
        self, out: TextIO, columns: Callable[[], int] | None = None, patience: float = PATIENCE_S
    ) -> None:
        self._out = out
        self._columns = columns
        self._patience = patience
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._watched = False
        self._since = 0.0
        self._fault: OSError | None = None
        self._held = ""
        self._from = 0  # before it stands a label, in which no sentence ends
        self._seen = 0  # so much of it was looked at
        self._column = 0
        self._space = False
        self.said = False
        """Whether something of this paragraph is written."""

    def begin(self, label: str = "") -> None:
        """A paragraph begins, with a label."""
        with self._lock:
            self.end()
            self._held, self._from, self._seen = label, len(label), 0

    def label(self, label: str) -> None:
        """Put one more label before what is held back of this paragraph."""
        with self._lock:
            self._held = self._held[: self._from] + label + self._held[self._from :]
            self._from += len(label)
            self._seen = 0

    def drop(self) -> None:
        """Forget what is held back: it is told in another way."""
        with self._lock:
            self._held, self._from, self._seen = "", 0, 0

    def text(self, text: str) -> None:
        """More of the paragraph; a newline is a space."""
        with self._lock:
            self._raise()
            if not self._held:
                self._since = time.monotonic()
            self._held += text.replace("\n", " ")
            while self._sentence():
                pass
            if self._held and not self._watched and self._patience > 0:
                self._watched = True
                start(threading.Thread(target=self._watch, daemon=True))

    def end(self) -> None:
        """The paragraph is over."""
        with self._lock:
            self._raise()
            held, self._held = self._held, ""
            self._from = self._seen = 0
            self._words(held.rstrip())
            if self._column:
                self._write("\n")
            self._column, self._space, self.said = 0, False, False

    def line(self, text: str) -> None:
        """A line as it is."""
        with self._lock:
            self.end()
            self._write(text + "\n")

    def close(self) -> None:
        """Write what is held back; nothing follows."""
        self._over.set()
        self.end()

    def _sentence(self) -> bool:
        """Write the first whole sentence that is held back; whether there was one."""
        word = self._held.rfind(" ", 0, self._seen)  # no sentence ends before it
        found = _END.search(self._held, max(self._from, word))
        self._seen = len(self._held)
        cut = found.end() if found else 0
        if cut > LONGEST or (not cut and len(self._held) > LONGEST):
            cut = self._held.rfind(" ", 0, LONGEST) + 1 or LONGEST
        if not cut:
            return False
        self._hand_over(cut)
        return True

    def _hand_over(self, cut: int) -> None:
        ready, self._held = self._held[:cut], self._held[cut:]
        self._from = self._seen = 0
        self._words(ready)
        self.said, self._since = True, time.monotonic()

    def _words(self, text: str) -> None:
        if not text:
            return
        made: list[str] = []
        width = max(1, self._columns()) if self._columns is not None else 0
        for word in text.split(" "):
            if word:
                taken = cells(word)
                if width and self._column and self._space and self._column + 1 + taken > width:
                    made.append("\n")
                    self._column = 0
                elif self._column and self._space:
                    made.append(" ")
                    self._column += 1
                made.append(word)
                self._column += taken
                self._space = False
            self._space = True
        self._space = text.endswith(" ")
        self._write("".join(made))

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _raise(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _watch(self) -> None:
        while not self._over.wait(min(_TICK_S, self._patience)):
            with self._lock:
                late = self._held and time.monotonic() - self._since >= self._patience
                cut = self._held.rfind(" ", self._from) + 1 if late and not self._over.is_set() else 0
                if cut > self._from:
                    try:
                        self._hand_over(cut)
                    except OSError as error:
                        self._fault = error
                    except ValueError:  # the output was closed meanwhile
                        return
