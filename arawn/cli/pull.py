"""Fetching a model to a local server, with what has come so far shown; the server itself does the work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from arawn.errors import Cut, TimedOut, Unreachable, UsageFault
from arawn.providers import GUIDE, PROVIDERS, Provider
from arawn.render.models import size
from arawn.render.safe import clean

if TYPE_CHECKING:
    from arawn.cli.context import Context

BAR = 20
STEP = 10
"""Per cent between two lines where no line can be redrawn."""
MOST = 2**63
AGAIN = "run it again: it goes on from here"


def pull(context: Context, name: str) -> None:
    """Fetch `name` and show how it goes. Raises UsageFault where the backend cannot do that."""
    from arawn.cli.usable import runs

    program = context.app
    opened = program.open(context.backend, name)
    model = opened.model
    frames = program.models.pulling(opened.name, model)
    home = _home()
    elsewhere = context.backend is None and (opened.name == GUIDE or (model == name and runs(context, home)))
    if frames is None and elsewhere:
        opened, model = program.open(home.name, name), name
        frames = program.models.pulling(opened.name, model)
    if frames is None:
        raise UsageFault(
            f'Models cannot be fetched to backend "{opened.name}"',
            hints=(f"a local server takes them: -b {home.name}",),
        )
    progress = Progress(context)
    try:
        for said in frames:
            progress.take(said)
    except KeyboardInterrupt:
        context.status.clear()
        context.status.note(f"[stopped; arawn model pull {name} goes on from here]")
        raise
    except (Cut, TimedOut, Unreachable) as fault:
        fault.hints = (AGAIN, *fault.hints) if progress.begun else fault.hints
        raise
    finally:
        context.status.clear()
    if not progress.done:
        raise Cut(f"The server stopped before {model} was whole", hints=(AGAIN,))
    print(f"{clean(model, newlines=False)} is there")


def _home() -> Provider:
    """The local server that fetches models, where another backend is asked by itself."""
    from arawn.wire import dialect

    return next(row for row in PROVIDERS.values() if row.local and hasattr(dialect(row.dialect), "pull"))


class Progress:
    """What has come of each part, as one passing line, or a line each ten per cent."""

    def __init__(self, context: Context) -> None:
        self._status = context.status
        self._parts: dict[str, Part] = {}
        self._last = ""
        self.done = False

    @property
    def begun(self) -> bool:
        """Whether a part has begun to come."""
        return bool(self._parts)

    def take(self, said: dict[str, Any]) -> None:
        """One line of the server."""
        state = str(said.get("status") or "")
        self.done = self.done or state == "success"
        total, completed = _bytes(said.get("total")), _bytes(said.get("completed", 0))
        digest = said.get("digest")
        if isinstance(digest, str) and total and completed is not None:
            have = min(completed, total)
            part = self._parts.setdefault(digest, Part(have))
            name = digest.partition(":")[2][:12] or digest[:12]
            self._show(part, f"part {len(self._parts)} {name}", have, total)
        elif state and state != self._last:
            self._status.passing(state)
        self._last = state

    def _show(self, part: Part, name: str, have: int, total: int) -> None:
        share = 100 * have // total
        rate = part.rate(have)
        left = f", {_span((total - have) / rate)} left" if rate > 1 and have < total else ""
        pace = f", {size(rate)}/s" if rate > 1 else ""
        text = f"{size(have)} of {size(total)}{pace}{left}"
        if self._status.live:
            full = BAR * have // total
            self._status.passing(f"{name} [{'#' * full}{'.' * (BAR - full)}] {share:3d} % {text}")
        elif share >= part.told + STEP:
            part.told = share - share % STEP
            self._status.note(f"{name} {share} %: {text}")


class Part:
    """How fast one part comes; what was there when it began was not fetched now."""

    def __init__(self, have: int) -> None:
        self._first = have
        self._began = time.monotonic()
        self.told = -STEP

    def rate(self, have: int) -> float:
        """Bytes a second since it began."""
        return (have - self._first) / max(0.001, time.monotonic() - self._began)


def _bytes(value: Any) -> int | None:
    """A number of bytes that can be one."""
    return value if type(value) is int and 0 <= value < MOST else None


def _span(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:02.0f} min"
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s" if seconds >= 60 else f"{seconds:.0f} s"
