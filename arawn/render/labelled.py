"""The line for people as labelled lines, for who has the screen read to them: nothing moves or vanishes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO, cast

from arawn.errors import ArawnError
from arawn.events import Wait
from arawn.render.safe import clean
from arawn.render.status import Status
from arawn.threads import start

if TYPE_CHECKING:
    from arawn.render.accessible import AccessibleStream

LATE_S = 1.0
"""After so long something that is waited for is told, once."""


class AccessibleStatus(Status):
    """As Status, on a terminal that is listened to: no colour, no line that is drawn again.

    What is waited for is told once, when it takes `late` seconds; reasoning by sentences, with a label.
    """

    def __init__(
        self, err: TextIO | None, quiet: bool, tty: bool, ascii: bool = False, late: float = LATE_S
    ) -> None:
        super().__init__(err, False, quiet, live=False, ascii=ascii, tty=tty)
        self._lock = threading.RLock()
        self._thoughts: AccessibleStream | None = None
        self._waits: threading.Event | None = None
        self._label: Callable[[], str] = str
        self._told: set[str] = set()
        self._late = late

    def note(self, text: str, style: str = "dim") -> None:
        """One line."""
        if not self._quiet:
            self._say("Note: ", text)

    def warn(self, text: str) -> None:
        """One line that matters."""
        if not self._quiet:
            self._say("Warning: ", text)

    def _say(self, label: str, text: str) -> None:
        with self._lock:
            self._end_thoughts()
            said = self._said(text).replace(" · ", ", ")
            if said.startswith("[") and said.endswith("]"):
                said = said[1:-1]
            self._write(self._folded(label + said) + "\n")

    def wait(self, event: Wait) -> None:
        """Told once for each attempt."""
        if self._quiet or self._told_wait == event.attempt:
            return
        self._told_wait = event.attempt
        self._say(
            "Waiting ", f"{event.remaining:.0f} s: {event.reason}, attempt {event.attempt} of {event.of}."
        )

    def working(self, label: Callable[[], str]) -> None:
        """Tell once what is waited for, where it takes long."""
        if not self.tty:
            return
        with self._lock:
            self._end_wait()
            self._told.clear()
            self._begin_wait(label)

    def stage(self, label: str) -> None:
        """What is being done meanwhile, where something is waited for."""
        with self._lock:
            if self._waits is not None:
                self._begin_wait(lambda: label)

    def thinking(self, text: str) -> None:
        """Reasoning that is not shown: only that there is some."""
        self.stage("thinking")

    def passing(self, text: str) -> None:
        """Nothing: it could not be taken away again."""

    def fitting(self, parts: Sequence[str]) -> str:
        """All of the parts: a long line is no harm to who hears it."""
        return ", ".join(parts)

    def ring(self, sequence: str) -> None:
        """Send the terminal something that is heard or noticed, not seen; nothing into a file."""
        if self.tty:
            self._write(sequence)

    def clear(self) -> None:
        """End what is open; nothing is waited for any more."""
        with self._lock:
            self._end_wait()
            self._told_wait = -1
            self._end_thoughts()

    def reasoning(self, text: str) -> None:
        """A piece of reasoning, by sentences."""
        if not self.tty or not text:
            return
        with self._lock:
            if self._thoughts is None:
                self.clear()
                from arawn.render.accessible import AccessibleStream
                from arawn.render.prose import Out

                self._thoughts = AccessibleStream(cast(TextIO, Out(self._write)), "Reasoning:")
            self._thoughts.feed(text)

    def _end_thoughts(self) -> None:
        thoughts, self._thoughts = self._thoughts, None
        if thoughts is not None:
            thoughts.close()
            self._write("End of reasoning.\n")

    def _end_shown(self) -> None:
        self._end_thoughts()

    def _begin_wait(self, label: Callable[[], str]) -> None:
        self._label = label
        if self._waits is None:
            self._waits = stop = threading.Event()
            start(threading.Thread(target=self._watch, args=(stop,), daemon=True))

    def _end_wait(self) -> None:
        if self._waits is not None:
            self._waits.set()
            self._waits = None

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self._late):
            asked = self._label
            try:
                label = clean(asked(), newlines=False)
            except (ArawnError, OSError):
                continue
            with self._lock:
                if not stop.is_set() and asked is self._label and label and label not in self._told:
                    self._told.add(label)
                    self._say("", label[:1].upper() + label[1:] + ".")
