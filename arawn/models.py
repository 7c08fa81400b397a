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


class Door(Protocol):
    """What is needed of the way to a service."""

    name: str
    target: Target
    dialect: str

    def get_json(self, path: str, timeout: float | None = None) -> Any:
        """The JSON at a path."""

    def send_json(self, call: Call, timeout: float | None = None) -> Any:
        """The JSON that answers a call."""

    def frames(self, call: Call) -> Iterator[Frame]:
        """The frames that answer a call."""


class Listing(NamedTuple):
    """Models and where the list is from: `live`, `cache` (then `age` in seconds) or `catalogue`."""

    entries: tuple[Entry, ...]
    source: str
    age: float = 0.0


def fetch(path: str, get: Callable[[str], Any]) -> tuple[Entry, ...]:
    """All pages of the list at `path`. Raises what `get` raises."""
    found: dict[str, Entry] = {}
    following: Mapping[str, str] | None = {}
    for _ in range(PAGES):
        if following is None:
            break
        mark = "&" if "?" in path else "?"
        payload = get(path + (mark + urlencode(following) if following else ""))
        found |= {entry.name: entry for entry in entries(payload) if entry.name not in found}
        following = next_page(payload)
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
            rows = tuple(Entry(**row) for row in data["models"] if isinstance(row["name"], str))
            age = max(0.0, time.time() - float(data["when"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return Listing(rows, "cache", age)

    def write(self, rows: Iterable[Entry]) -> None:
        """Keep a list; a full disk or a read-only folder costs nothing but the next request."""
        from contextlib import suppress

        from arawn.config.write import write_private

        models = [{"name": row.name, **row.said} for row in rows]
        data = {"version": 1, "when": time.time(), "models": models}
        with suppress(OSError):
            write_private(self._file, json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))


class Models:
    """The models of the backends that were opened, by backend name; `own` are the config's facts."""

    def __init__(self, doors: Mapping[str, Door], own: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
        self._doors = doors
        self._own = own
        self._folder = folder

    def listing(self, backend: str, refresh: bool = False) -> Listing:
        """The models of a backend: kept ones of the last day, else asked for now.

        Raises a ServiceFault where the service does not say.
        """
        door = self._doors.get(backend)
        if door is None:
            return Listing((), "live")
        kept = self._kept(door)
        found = None if refresh else kept.read()
        if found is not None and found.age < KEPT_S:
            return found
        rows = _asked(door, None)
        kept.write(rows)
        return Listing(rows, "live")

    def known_names(self, backend: str) -> list[str]:
        """Names of models without asking anybody: kept ones, however old, else the catalogue's."""
        door = self._doors.get(backend)
        if door is None:
            return []
        kept = self._kept(door).read()
        if kept is not None and kept.entries:
            return [entry.name for entry in kept.entries]
        return models(door.target.provider)

    def near(self, backend: str) -> list[str]:
        """Models that may have been meant by one that is not there, of the service or else the catalogue."""
        door = self._doors[backend]
        try:
            rows = _asked(door, NEAR_S)
            self._kept(door).write(rows)
        except ArawnError:
            rows = ()
        return near(door.target.model, [row.name for row in rows] or self.known_names(backend))

    def facts(self, backend: str, provider: str, model: str) -> Facts:
        """What is known of a model, the person's own facts over the catalogue's."""
        return facts(provider, model, self.own(backend, model))

    def joined(self, backend: str, provider: str, entry: Entry) -> Facts:
        """The same with what the service says between the two."""
        own = self.own(backend, entry.name)
        said = {key: value for key, value in entry.said.items() if key not in own}
        return facts(provider, entry.name, {**said, **own})

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
        return _lines(door, spoken.pull(model, door.target))

    def _kept(self, door: Door) -> Kept:
        return Kept(self._folder, door.name, door.target.base_url)


def _asked(door: Door, limit: float | None) -> tuple[Entry, ...]:
    """The list of the service itself, in `limit` seconds a page."""
    path = PROVIDERS[door.target.provider].models or DIALECTS[door.dialect].models
    return fetch(path, lambda where: door.get_json(where, limit)) if path else ()


def _lines(door: Door, call: Call) -> Iterator[dict[str, Any]]:
    for frame in door.frames(call):
        said = parse(frame)
        if isinstance(said, dict):
            if said.get("error"):
                raise from_payload(said, door.target)
            yield said


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Names like `name`, best first: spelt alike, or the same behind a slash."""
    from difflib import get_close_matches

    by_low: dict[str, str] = {}
    for one in known:
        by_low.setdefault(one.lower(), one)
        by_low.setdefault(one.lower().rpartition("/")[2], one)
    found = [by_low[low] for low in get_close_matches(name.lower(), by_low, most, 0.55)]
    within = [one for low, one in by_low.items() if len(name) > 3 and name.lower() in low]
    return [one for one in dict.fromkeys([*found, *within]) if one != name][:most]
