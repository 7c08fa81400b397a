"""Which backend a name stands for that is none; it reads no config."""

from __future__ import annotations

from collections.abc import Iterable


def meant(name: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """The backend that `name` stands for: who makes models called so, else the closest of `known`; or ""."""
    from difflib import get_close_matches

    from arawn.providers import FAMILIES

    return FAMILIES.get(name.lower()) or next(iter(get_close_matches(name, list(known), 1, cutoff)), "")
