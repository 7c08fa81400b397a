"""The models of the backends: listed page by page, kept for a day, joined with what is known of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from arawn.catalog import Facts, facts, models
from arawn.errors import ArawnError
from arawn.providers import DIALECTS, PROVIDERS
from arawn.wire import Call, Target, dialect
from arawn.wire.faults import from_payload
from arawn.wire.frames import Frame, parse
from arawn.wire.listing import Entry, entries, next_page

PAGES = 20
KEPT_S = 24 * 3600.0
NEAR_S = 2.0
"""What may be spent on finding out which model was meant."""
CHECKING_S = 900.0
TEXTS, COUNTS = ("name", "family", "parameters", "quantization"), ("context", "output", "size")
PRICES = ("input_price", "output_price", "cached_price")
LONGEST = 200
"""Of a name no more is compared with others."""
MOST = 3
"""So many names at most are said to be like another."""


class Door(Protocol):
    """What is needed of the way to a service."""

    name: str
    target: Target
    dialect: str

    def get_json(self, path: str, timeout: float | None = None) -> Any:
        """The JSON at a path."""

    def send_json(self, call: Call, timeout: float | None = None) -> Any:
        """The JSON that answers a call."""

    def frames(self, call: Call, patience: Callable[[Frame], float]) -> Iterator[Frame]:
        """The frames that answer a call; the next may take `patience` seconds of the last."""


class Listing(NamedTuple):
    """Models and where the list is from: `live`, `cache` (then `age` in seconds) or `catalogue`."""

    entries: tuple[Entry, ...]
    source: str
    age: float = 0.0


def fetch(path: str, get: Callable[[str], Any], pages: int = PAGES) -> tuple[Entry, ...]:
    """The first `pages` pages of the list at `path`. Raises what `get` raises."""
    found: dict[str, Entry] = {}
    following: Mapping[str, str] | None = {}
    for _ in range(pages):
        mark = "&" if "?" in path else "?"
        payload = get(path + (mark + urlencode(following) if following else ""))
        found |= {entry.name: entry for entry in entries(payload) if entry.name not in found}
        last, following = following, next_page(payload)
        if following is None or following == last:
            break
    return tuple(found.values())


class Kept:
    """Lists on disk, a file for each backend and address; one that cannot be read or written is none."""

    def __init__(self, folder: Path, backend: str, base_url: str) -> None:
        from hashlib import sha256

        plain = "".join(mark if mark.isalnum() or mark in "-_" else "_" for mark in backend)[:40]
        digest = sha256(f"{backend} {base_url}".encode()).hexdigest()[:12]
        self._file = folder / "models" / f"{plain}-{digest}.json"

    def read(self) -> Listing | None:
        """The list that was kept, however old."""
        try:
            data = json.loads(self._file.read_bytes())
            rows = tuple(_entry(row) for row in data["models"])
            age = time.time() - float(data["when"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return Listing(rows, "cache", age if age >= 0 else KEPT_S)  # from the future: a clock was wrong

    def write(self, rows: Iterable[Entry]) -> None:
        """Keep a list; a full disk or a read-only folder costs nothing but the next request."""
        from contextlib import suppress

        from arawn.config.write import write_private

        models = [{"name": row.name, **row.said} for row in rows]
        data = {"version": 1, "when": time.time(), "models": models}
        with suppress(OSError):
            write_private(self._file, json.dumps(data).encode())

    def forget(self) -> None:
        """Drop the list: it is known to be wrong."""
        from contextlib import suppress

        with suppress(OSError):
            self._file.unlink()


class Models:
    """The models of the backends that were opened, by backend name.

    `own` are the config's facts; a model that is fetched without progress for `idle` seconds is given up.
    """

    def __init__(
        self, doors: Mapping[str, Door], own: Mapping[str, Mapping[str, Any]], folder: Path, idle: float
    ) -> None:
        self._doors = doors
        self._own = own
        self._folder = folder
        self._idle = idle

    def listing(self, backend: str, refresh: bool = False) -> Listing:
        """The models of a backend: kept ones of the last day, else asked for now.

        A local server is asked each time: it costs nothing, and what it has may change at any moment. Raises
        a ServiceFault where the service does not say.
        """
        door = self._doors.get(backend)
        if door is None:
            return Listing((), "live")
        kept = self._fresh(door)
        if kept is not None and not refresh:
            return kept
        rows = _asked(door, None, PAGES)
        if rows:
            self._kept(door).write(rows)
        return Listing(rows, "live")

    def known(self, backend: str) -> Listing:
        """Models without asking anybody: kept ones, however old, else those of the catalogue."""
        door = self._doors.get(backend)
        if door is None:
            return Listing((), "catalogue")
        kept = self._kept(door).read()
        if kept is not None and kept.entries:
            return kept
        return Listing(tuple(Entry(name) for name in models(door.target.provider)), "catalogue")

    def near(self, backend: str) -> list[str]:
        """Models that may have been meant by one that is not there, found out within NEAR_S."""
        door = self._doors[backend]
        listing = self._fresh(door)
        if listing is None:
            try:
                listing = Listing(_asked(door, NEAR_S, 1), "live")
            except ArawnError:
                listing = None
        if listing is None or not listing.entries:
            listing = self.known(backend)
        return near(door.target.model, [row.name for row in listing.entries])

    def _fresh(self, door: Door) -> Listing | None:
        """The kept list, where it can be trusted to be the service's own still."""
        if PROVIDERS[door.target.provider].local:
            return None
        kept = self._kept(door).read()
        return kept if kept is not None and kept.entries and kept.age < KEPT_S else None

    def facts(self, backend: str, provider: str, model: str) -> Facts:
        """What is known of a model, the person's own facts over the catalogue's."""
        return facts(provider, model, self.own(backend, model))

    def joined(self, backend: str, provider: str, model: str, said: Mapping[str, Any]) -> Facts:
        """The same with what the service says between the two."""
        return facts(provider, model, {**said, **self.own(backend, model)})

    def own(self, backend: str, model: str) -> dict[str, Any]:
        """What the person's config says of a model."""
        return {**self._own.get(model, {}), **self._own.get(f"{backend}:{model}", {})}

    def details(self, backend: str) -> dict[str, Any]:
        """What the service says of the one model that is asked, where it can be; else nothing."""
        door = self._doors.get(backend)
        spoken = dialect(door.dialect) if door is not None else None
        if door is None or spoken is None or not hasattr(spoken, "describe"):
            return {}
        try:
            return dict(spoken.described(door.send_json(spoken.describe(door.target), NEAR_S)))
        except ArawnError:
            return {}

    def pulling(self, backend: str, model: str) -> Iterator[dict[str, Any]] | None:
        """What the server tells while it fetches a model; None where it cannot. Raises like a question."""
        door = self._doors.get(backend)
        spoken = dialect(door.dialect) if door is not None else None
        if door is None or spoken is None or not hasattr(spoken, "pull"):
            return None
        return self._lines(door, spoken.pull(model, door.target))

    def _lines(self, door: Door, call: Call) -> Iterator[dict[str, Any]]:
        """The lines of the server; after them the kept list is no longer what it has."""
        for frame in door.frames(call, Patience(self._idle)):
            said = parse(frame)
            if isinstance(said, dict):
                if said.get("error"):
                    raise from_payload(said, door.target)
                yield said
        self._kept(door).forget()

    def _kept(self, door: Door) -> Kept:
        return Kept(self._folder, door.name, door.target.base_url)


class Patience:
    """How long a server that fetches a model may take to its next line, in seconds.

    It says every moment how far it is, also where nothing comes: only a line that is new is progress. Between
    two parts it reads what it has once more and is silent for as long as its disk takes.
    """

    def __init__(self, idle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle = idle
        self._clock = clock
        self._last = ""
        self._until = 0.0

    def __call__(self, frame: Frame) -> float:
        """The seconds from now."""
        now = self._clock()
        if frame.data != self._last:
            self._last = frame.data
            self._until = now + (self._idle if '"digest"' in frame.data else max(self._idle, CHECKING_S))
        return self._until - now


def _entry(row: dict[str, Any]) -> Entry:
    """A row as it was kept. Raises what any reading may raise where it is not what was written."""
    for field, value in row.items():
        kind = str if field in TEXTS else int if field in COUNTS else float if field in PRICES else bool
        if type(value) is not kind:
            raise ValueError(field)
    return Entry(**row)


def _asked(door: Door, limit: float | None, pages: int) -> tuple[Entry, ...]:
    """The list of the service itself, in `limit` seconds a page."""
    path = PROVIDERS[door.target.provider].models or DIALECTS[door.dialect].models
    return fetch(path, lambda where: door.get_json(where, limit), pages) if path else ()


def near(name: str, known: Iterable[str]) -> list[str]:
    """Names like `name`, best first: spelt alike, or the same behind a slash. None for a known name."""
    from difflib import get_close_matches

    by_low: dict[str, str] = {}
    for full in known:
        one = full.removeprefix("models/")
        by_low.setdefault(one.lower(), one)
        by_low.setdefault(one.lower().rpartition("/")[2], one)
    if name in by_low.values():
        return []
    found = [by_low[low] for low in get_close_matches(name.lower()[:LONGEST], by_low, MOST, 0.55)]
    within = [one for low, one in by_low.items() if len(name) > 3 and name.lower() in low]
    return list(dict.fromkeys([*found, *within]))[:MOST]
