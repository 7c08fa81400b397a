"""Whether a request is the one that was recorded: all its words, but not what changes from run to run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from arawn.backends.cassette_cover import MASK

VOLATILE = frozenset(
    ("idempotency_key", "prompt_cache_key", "request_id", "safety_identifier", "seed", "user")
)
"""Fields of a body that do not count."""
CHANGING = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
)
"""Random numbers (UUID) and times in a text."""


def difference(recorded: Any, asked: Any, place: str = "") -> str | None:
    """Where two bodies differ first, as a path; None where they do not. Masked keys are like anything."""
    if isinstance(recorded, Mapping) and isinstance(asked, Mapping):
        return _tables(recorded, asked, place)
    if isinstance(recorded, list) and isinstance(asked, list):
        for number, (one, other) in enumerate(zip(recorded, asked, strict=False)):
            found = difference(one, other, f"{place}[{number}]")
            if found is not None:
                return found
        return None if len(recorded) == len(asked) else f"the length of {place or 'the body'}"
    if isinstance(recorded, str) and isinstance(asked, str):
        return None if _alike(recorded, asked) else place or "the body"
    same = recorded == asked and isinstance(recorded, bool) is isinstance(asked, bool)
    return None if same else place or "the body"


def _tables(recorded: Mapping[str, Any], asked: Mapping[str, Any], place: str) -> str | None:
    for name in (*recorded, *(name for name in asked if name not in recorded)):
        at = f"{place}.{name}" if place else str(name)
        if name in VOLATILE:
            continue
        if name not in recorded or name not in asked:
            return at
        found = difference(recorded[name], asked[name], at)
        if found is not None:
            return found
    return None


def _alike(recorded: str, asked: str) -> bool:
    """Whether two texts say the same, whatever stood where a key was masked or a time was told."""
    if recorded == asked:
        return True
    recorded, asked = CHANGING.sub("?", recorded), CHANGING.sub("?", asked)
    first, *others = recorded.split(MASK)
    if not others:
        return recorded == asked
    if not asked.startswith(first):
        return False
    at = len(first)
    for part in others[:-1]:
        found = asked.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(asked) - at >= len(others[-1]) and asked.endswith(others[-1])
