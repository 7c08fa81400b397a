"""What of a setting may be shown; it resolves nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from arawn.config.row import Row
from arawn.config.schema import find
from arawn.secret import references

Names = tuple[str, ...]

_SECRET = re.compile(r"api_?-?key|token|secret|passw|auth|cookie|credential", re.I)


def masked(path: Names, value: Any) -> Any:
    """`value` of the setting `path` with every key in it hidden; references are shown as such."""
    if isinstance(value, Mapping):
        return {name: masked((*path, name), item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return _items(path, value)
    if not isinstance(value, str):
        return value
    row = find(path)
    kind = row.kind if isinstance(row, Row) else "str"
    if kind == "secret" and path[-1] == "proxy":
        return re.sub(r"(?<=//)[^/]*@", "****@", value) if "//" in value else hidden(value)
    if kind in ("secret", "map") or (kind == "free" and any(_SECRET.search(name) for name in path[2:])):
        return hidden(value)
    if kind == "url":
        return re.sub(r"[?#].*", "?****", re.sub(r"(?<=//)[^/]*@", "****@", value))
    return value


def hidden(text: str) -> str:
    """A reference as it stands; of a key `****`, with its last 4 characters where it has 20 or more."""
    parts = references(text)
    if parts == [text]:
        return text
    if parts:
        return "**** with " + ", ".join(parts)
    return "****" + (text[-4:] if len(text) >= 20 and text.isprintable() else "")


def leaves(values: Mapping[str, Any], path: Names = ()) -> Iterator[tuple[Names, Any]]:
    """Every set value with its path; `free` tables and lists are one value, empty tables none."""
    for name, value in values.items():
        at = (*path, name)
        row = find(at)
        inside = isinstance(value, dict) and not (isinstance(row, Row) and row.kind == "free")
        if inside:
            yield from leaves(value, at)
        else:
            yield at, value


def _items(path: Names, value: list[Any] | tuple[Any, ...]) -> list[Any]:
    """A list; arguments such as --token X or --token=X lose the X."""
    shown: list[Any] = []
    after = False
    for item in value:
        text = item if isinstance(item, str) else ""
        flag, equals, rest = text.partition("=")
        secret = bool(_SECRET.search(flag)) and flag.startswith("-")
        if after and not text.startswith("-"):
            shown.append(hidden(text))
        else:
            shown.append(f"{flag}={hidden(rest)}" if secret and equals else masked(path, item))
        after = secret and not equals
    return shown
