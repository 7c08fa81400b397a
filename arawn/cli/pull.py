"""Fetching a model to a local server, with what has come so far shown; the server itself does the work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from arawn.errors import Cut, UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context

BAR = 24
STEP = 10
"""Per cent between two lines where no line can be redrawn."""


def pull(context: Context, name: str) -> None:
    """Fetch `name` and show how it goes. Raises UsageFault where the backend cannot do that."""
    program = context.app
    opened = program.open(context.backend, context.model or name)
    frames = program.models.pulling(opened.name, name)
    if frames is None:
        raise UsageFault(
            f'Models cannot be fetched to backend "{opened.name}"',
            hints=("a local Ollama takes them: -b ollama",),
        )
    progress = Progress(context)
    try:
        for said in frames:
            progress.take(said)
    except KeyboardInterrupt:
        context.status.clear()
        context.status.note(f"[stopped; arawn model pull {name} goes on from here]")
        raise
    finally:
        context.status.clear()
    if not progress.done:
        raise Cut(
            f"The server stopped before {name} was whole", hints=("run it again: it goes on from here",)
        )
    print(f"{name} is there")


class Progress:
    """What has come of all parts together, as one passing line, or a line each ten per cent."""

    def __init__(self, context: Context) -> None:
        self._status = context.status
        self._parts: dict[str, tuple[int, int]] = {}
        self._began = time.monotonic()
        self._first = 0
        self._told = -STEP
        self._last = ""
        self.done = False

    def take(self, said: dict[str, Any]) -> None:
        """One line of the server."""
        state = str(said.get("status") or "")
        self.done = self.done or state == "success"
        total, completed = said.get("total"), said.get("completed", 0)
        digest = said.get("digest")
        if isinstance(digest, str) and isinstance(total, int) and isinstance(completed, int) and total > 0:
            if not self._parts:
                self._first = completed
            self._parts[digest] = (min(completed, total), total)
            self._show()
        elif state and state != self._last:
            self._status.passing(state)
        self._last = state

    def _show(self) -> None:
        have = sum(completed for completed, _ in self._parts.values())
        total = sum(size for _, size in self._parts.values())
        share = 100 * have // total
        rate = (have - self._first) / max(0.001, time.monotonic() - self._began)
        left = f", {(total - have) / rate:.0f} s left" if rate > 1 and have < total else ""
        text = f"{_size(have)} of {_size(total)}, {_size(rate)}/s{left}"
        if self._status.live:
            full = BAR * have // total
            self._status.passing(f"[{'#' * full}{'.' * (BAR - full)}] {share:3d} % {text}")
        elif share >= self._told + STEP:
            self._told = share - share % STEP
            self._status.note(f"{share} %: {text}")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return ""
