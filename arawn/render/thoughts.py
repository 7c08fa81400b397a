"""What is shown of reasoning: a passing line, all of it, or nothing; never on standard output."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from arawn.render.status import span

if TYPE_CHECKING:
    from arawn.render.status import Status

Mode = Literal["line", "show", "hide"]
MODES: tuple[Mode, ...] = ("line", "show", "hide")


class Thoughts:
    """Takes the reasoning of one answer after another. `mode` may be changed at any time."""

    def __init__(self, status: Status, mode: Mode = "line") -> None:
        self.mode: Mode = mode
        self._status = status
        self._pieces: list[str] = []
        self._since: float | None = None

    @property
    def last(self) -> str:
        """The reasoning of the last answer, as it came; "" where it had none."""
        return "".join(self._pieces)

    def begin(self) -> None:
        """Another answer begins."""
        self._pieces, self._since = [], None

    def feed(self, text: str) -> None:
        """A piece of reasoning."""
        if not text:
            return
        self._pieces.append(text)
        if self._since is None:
            self._since = time.monotonic()
        if self.mode == "show":
            self._status.reasoning(text)
        elif self.mode == "line":
            self._status.thinking(text)
        elif len(self._pieces) == 1:
            self._status.stage("thinking")

    def rest(self, tokens: int | None = None) -> None:
        """Something else comes, or the end: say how long it took, and how many tokens where that is known."""
        since, self._since = self._since, None
        if since is None or self.mode != "line" or not self._status.tty:
            return
        told = f"Thought for {span(time.monotonic() - since)}"
        self._status.note(told + (f", {tokens:,} tokens" if tokens else ""))
