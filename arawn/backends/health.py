"""What was seen of each backend and model, remembered across processes; it knows no backend.

A small file in the state folder, a hint and no record: where it can't be read or written nothing is lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from arawn.events import Attempt

VERSION = 1
OPEN_AFTER = 3
"""Failures in a row after which a backend is passed over for a while."""
FIRST_REST_S, LONGEST_REST_S = 30.0, 600.0
BRIEF_REST_S = 5.0
"""After a 429 that says no time."""
SMOOTH = 0.3
"""Weight of the newest time in the running mean."""
FAILURES = ("unreachable", "timeout", "overloaded", "cut", "empty")
FORGET_S = 30 * 86400.0


class Seen(NamedTuple):
    """What is known of one backend and model. Times in seconds; `until` since 1970, 0 for "ask at once"."""

    first_event_s: float | None = None
    total_s: float | None = None
    asked: int = 0
    failed: int = 0
    in_a_row: int = 0
    last_error: str = ""
    until: float = 0.0
    at: float = 0.0


class Health:
    """The file, read when it is first asked. `note` is told each attempt, `save` adds them to the file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._seen: dict[str, Seen] | None = None
        self._turn = 0
        self._new: list[Attempt] = []
        self._turned = 0

    def of(self, backend: str, model: str) -> Seen:
        """What is known of a backend and model."""
        return self._known().get(_key(backend, model), Seen())

    def all(self) -> dict[tuple[str, str], Seen]:
        """Everything known, by (backend, model)."""
        return {_split(key): seen for key, seen in self._known().items()}

    def rest(self, backend: str, model: str) -> float:
        """Seconds for which it is better not asked, 0 where it may be."""
        return max(0.0, self.of(backend, model).until - self._clock())

    def turn(self) -> int:
        """A number that is one higher each time, over all processes: for taking turns."""
        self._known()
        self._turned += 1
        return self._turn + self._turned - 1

    def note(self, attempt: Attempt) -> None:
        """An attempt has ended."""
        known = self._known()
        key = _key(attempt.backend, attempt.model)
        known[key] = _after(known.get(key, Seen()), attempt, self._clock())
        self._new.append(attempt)

    def save(self) -> None:
        """Add what was noted to what other processes wrote meanwhile; trouble is passed over."""
        if not self._new and not self._turned:
            return
        from arawn.config.write import locked, write_private

        new, turned = self._new, self._turned
        self._new, self._turned = [], 0
        try:
            with locked(self._path):
                known, turn = self._read()
                now = self._clock()
                for attempt in new:
                    key = _key(attempt.backend, attempt.model)
                    known[key] = _after(known.get(key, Seen()), attempt, now)
                kept = {key: list(seen) for key, seen in known.items() if now - seen.at < FORGET_S}
                made = {"version": VERSION, "turn": turn + turned, "seen": kept}
                write_private(self._path, json.dumps(made).encode())
        except OSError:
            return
        self._seen, self._turn = known, turn + turned

    def _known(self) -> dict[str, Seen]:
        if self._seen is None:
            self._seen, self._turn = self._read()
        return self._seen

    def _read(self) -> tuple[dict[str, Seen], int]:
        try:
            made = json.loads(self._path.read_bytes())
            if made.get("version") != VERSION:
                return {}, 0
            return {key: _seen(row) for key, row in made["seen"].items()}, int(made["turn"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}, 0


def remembered(env: Mapping[str, str]) -> Health:
    """What this person's processes have seen."""
    from arawn.config.paths import paths

    return Health(paths(env).state_dir / "health.json")


def _after(seen: Seen, attempt: Attempt, now: float) -> Seen:
    """What is known after one more attempt."""
    seen = seen._replace(asked=seen.asked + 1, at=now)
    if attempt.error is None:
        return seen._replace(
            first_event_s=_mean(seen.first_event_s, attempt.first_event_s),
            total_s=_mean(seen.total_s, attempt.total_s),
            in_a_row=0,
            until=now + attempt.reset_s if attempt.reset_s else 0.0,
        )
    seen = seen._replace(failed=seen.failed + 1, last_error=attempt.error)
    if attempt.error == "rate_limited":
        return seen._replace(until=now + (attempt.reset_s or BRIEF_REST_S))
    if attempt.error not in FAILURES:
        return seen
    row = seen.in_a_row + 1
    rest = min(LONGEST_REST_S, FIRST_REST_S * 2 ** (row - OPEN_AFTER)) if row >= OPEN_AFTER else 0.0
    return seen._replace(in_a_row=row, until=max(seen.until, now + rest) if rest else seen.until)


def _mean(old: float | None, new: float | None) -> float | None:
    if new is None:
        return old
    return new if old is None else old + SMOOTH * (new - old)


def _seen(row: Any) -> Seen:
    made = Seen(*row)
    for value in (made.asked, made.failed, made.in_a_row, made.until, made.at):
        if not isinstance(value, int | float):
            raise ValueError("no numbers")
    return made


def _key(backend: str, model: str) -> str:
    return f"{backend}\n{model}"


def _split(key: str) -> tuple[str, str]:
    backend, _, model = key.partition("\n")
    return backend, model
