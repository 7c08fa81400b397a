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
from arawn.session import CANCELLED

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
LONGEST_RESET_S = 86400.0
"""However long a service says it takes no more, it is asked again after a day."""
LARGEST = 1 << 20
"""Bytes; a larger file is none of ours."""


class Seen(NamedTuple):
    """What is known of one backend and model. Times in seconds; `until` since 1970, 0 for "ask at once".

    left: so many requests the service said, when it answered last, it takes before its limit.
    """

    first_event_s: float | None = None
    total_s: float | None = None
    asked: int = 0
    failed: int = 0
    in_a_row: int = 0
    last_error: str = ""
    until: float = 0.0
    at: float = 0.0
    left: int | None = None


class Health:
    """The file, read when it is first asked. `note` is told each attempt, `save` adds them to the file.

    Without a `path` nothing is read or kept.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._seen: dict[str, Seen] | None = None
        self._turn = 0
        self._new: list[tuple[Attempt, float]] = []
        self._turned = 0

    def of(self, backend: str, model: str) -> Seen:
        """What is known of a backend and model."""
        return self._known().get(_key(backend, model), Seen())

    def all(self) -> dict[tuple[str, str], Seen]:
        """Everything known, by (backend, model)."""
        return {_split(key): seen for key, seen in self._known().items()}

    def rest(self, backend: str, model: str) -> float:
        """Seconds for which it is better not asked, 0 where it may be (after a clock was set back too)."""
        left = self.of(backend, model).until - self._clock()
        return left if 0 < left <= LONGEST_RESET_S else 0.0

    def stumbled(self, backend: str, model: str) -> bool:
        """Whether it failed a short while ago and never gave an answer."""
        seen = self.of(backend, model)
        lately = self._clock() - seen.at < LONGEST_REST_S
        return seen.first_event_s is None and seen.failed > 0 and lately

    def turn(self) -> int:
        """A number that is one higher each time, over all processes: for taking turns."""
        self._known()
        self._turned += 1
        return self._turn + self._turned - 1

    def note(self, attempt: Attempt) -> None:
        """An attempt has ended."""
        if attempt.error == CANCELLED:
            return
        known = self._known()
        key = _key(attempt.backend, attempt.model)
        now = self._clock()
        known[key] = _after(known.get(key, Seen()), attempt, now)
        self._new.append((attempt, now))

    def save(self) -> None:
        """Add what was noted to what other processes wrote meanwhile; trouble is passed over."""
        if not self._new and not self._turned:
            return
        from arawn.config.write import locked, write_private

        new, turned = self._new, self._turned
        self._new, self._turned = [], 0
        if self._path is None:
            return
        try:
            with locked(self._path):
                known, turn = self._read()
                for attempt, at in new:
                    key = _key(attempt.backend, attempt.model)
                    known[key] = _after(known.get(key, Seen()), attempt, at)
                now = self._clock()
                kept = {key: list(seen) for key, seen in known.items() if now - seen.at < FORGET_S}
                made = {"version": VERSION, "turn": turn + turned, "seen": kept}
                write_private(self._path, json.dumps(made).encode())
        except (OSError, ValueError):
            return
        self._seen, self._turn = known, turn + turned

    def _known(self) -> dict[str, Seen]:
        if self._seen is None:
            self._seen, self._turn = self._read()
        return self._seen

    def _read(self) -> tuple[dict[str, Seen], int]:
        try:
            if self._path is None or not self._path.is_file() or self._path.stat().st_size > LARGEST:
                return {}, 0
            made = json.loads(self._path.read_bytes())
            if made.get("version") != VERSION:
                return {}, 0
            return {key: _seen(row) for key, row in made["seen"].items()}, int(made["turn"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}, 0


def remembered(env: Mapping[str, str]) -> Health:
    """What this person's processes have seen."""
    from arawn import backends
    from arawn.config.paths import paths

    if backends.tape is not None:  # a recording says how things were when it was made
        return Health(None)
    return Health(paths(env).state_dir / "health.json")


def _after(seen: Seen, attempt: Attempt, now: float) -> Seen:
    """What is known after one more attempt."""
    seen = seen._replace(asked=seen.asked + 1, at=now)
    reset = min(attempt.reset_s or 0.0, LONGEST_RESET_S)
    if attempt.error is None:
        return seen._replace(
            first_event_s=_mean(seen.first_event_s, attempt.first_event_s),
            total_s=_mean(seen.total_s, attempt.total_s),
            in_a_row=0,
            left=attempt.left,
            until=now + reset if reset else 0.0,
        )
    seen = seen._replace(failed=seen.failed + 1, last_error=attempt.error)
    limited = attempt.error == "rate_limited"
    if not limited and attempt.error not in FAILURES:
        return seen
    row = seen.in_a_row + 1
    rest = 0.0
    if limited:
        rest = reset or _growing(BRIEF_REST_S, row - 1)
    elif row >= OPEN_AFTER:
        rest = _growing(FIRST_REST_S, row - OPEN_AFTER)
    return seen._replace(in_a_row=row, until=max(seen.until, now + rest) if rest else seen.until)


def _growing(first: float, times: int) -> float:
    """A rest that doubles."""
    return float(min(LONGEST_REST_S, first * 2 ** min(times, 16)))


def _mean(old: float | None, new: float | None) -> float | None:
    if new is None:
        return old
    return new if old is None else old + SMOOTH * (new - old)


def _seen(row: Any) -> Seen:
    """A row of the file. Raises ValueError or TypeError for one that was not written here."""
    made = Seen(*row)
    known = [made.asked, made.failed, made.in_a_row, made.until, made.at]
    times = [one for one in (made.first_event_s, made.total_s, made.left) if one is not None]
    if not isinstance(made.last_error, str) or not all(
        isinstance(value, int | float) and 0 <= value < 1e12 for value in (*known, *times)
    ):
        raise ValueError("not of ours")
    return made


def _key(backend: str, model: str) -> str:
    return f"{backend}\n{model}"


def _split(key: str) -> tuple[str, str]:
    backend, _, model = key.partition("\n")
    return backend, model
