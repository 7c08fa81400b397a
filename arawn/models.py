"""The models of a backend: listed by the service page by page, kept for a day; it sends nothing itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from arawn.wire.listing import Entry, entries, next_page

PAGES = 20
KEPT_S = 24 * 3600.0


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
