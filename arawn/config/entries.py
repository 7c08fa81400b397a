"""`[[llm.providers]]`, entries with a name and a priority, read as the `[backends.NAME]` tables they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {"text_model": "model"}
Key = tuple[str | int, ...]


def with_entries(values: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[Key, str]]]:
    """`values` with such entries among the backends, and what is wrong with them and where."""
    llm, backends = values.get("llm"), values.get("backends", {})
    if not isinstance(llm, dict) or "providers" not in llm or not isinstance(backends, dict):
        return values, []
    entries = llm["providers"]
    rest = {key: value for key, value in llm.items() if key != "providers"}
    at: Key = ("llm", "providers")
    if not isinstance(entries, list):
        return {**values, "llm": rest}, [(at, "llm.providers: expected [[llm.providers]] tables")]
    made = dict(backends)
    wrong: list[tuple[Key, str]] = []
    for number, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            wrong.append(((*at, number), f"llm.providers: entry {number + 1} needs a name"))
        elif name in made:
            what = f"[backends.{name}] is there" if name in backends else "it is the name of an earlier entry"
            wrong.append(((*at, number, "name"), f"llm.providers: {name!r} is there twice: {what} too"))
        else:
            made[name] = {RENAMED.get(key, key): value for key, value in entry.items() if key != "name"}
    return {**values, "llm": rest, "backends": made}, wrong


def said_at(values: Mapping[str, Any], path: Key) -> Key:
    """Where a file said what stands at `path`: below a backend that such an entry made, in that entry."""
    if len(path) < 2 or path[0] != "backends" or path[1] in values.get("backends", {}):
        return path
    entries = values.get("llm", {}).get("providers", [])
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict) and entry.get("name") == path[1]:
            rest = path[2:] or ("name",)
            old = next((key for key, new in RENAMED.items() if new == rest[0] and key in entry), rest[0])
            return ("llm", "providers", number, old, *rest[1:])
    return path
