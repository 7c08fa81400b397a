"""`[[llm.providers]]`, entries with a name and a priority, read as the `[backends.NAME]` tables they mean."""

from __future__ import annotations

from typing import Any

RENAMED = {"text_model": "model"}


def with_entries(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """`values` with such entries among the backends, and what is wrong with them, a line each."""
    llm, backends = values.get("llm"), values.get("backends", {})
    if not isinstance(llm, dict) or "providers" not in llm or not isinstance(backends, dict):
        return values, []
    entries = llm["providers"]
    rest = {key: value for key, value in llm.items() if key != "providers"}
    made = dict(backends)
    wrong = []
    if not isinstance(entries, list):
        return {**values, "llm": rest}, ["llm.providers: expected [[llm.providers]] tables"]
    for number, entry in enumerate(entries, 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            wrong.append(f"llm.providers: entry {number} needs a name")
        elif name in made:
            wrong.append(f"llm.providers: {name!r} is there twice, or as [backends.{name}] too")
        else:
            made[name] = {RENAMED.get(key, key): value for key, value in entry.items() if key != "name"}
    return {**values, "llm": rest, "backends": made}, wrong
