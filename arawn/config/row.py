"""A setting as a value; which settings there are is not known here."""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    """One setting. `path` is dotted, `*` standing for a name that the person chooses.

    `kind`: str, int, float, bool, choice, duration (seconds; "2m"), size (bytes; "8 MiB"), strings (a list,
    or one string), path, url, secret, provider, effort, style (words of a colour), map (names to
    strings), free (any table).
    `harmless` ones may be set by a project file that is not trusted; `effect` is False where the feature
    comes later. `low` and `high` are inclusive bounds; `default` is written as in a file, None: unset.
    """

    path: str
    kind: str
    default: Any
    doc: str
    harmless: bool = False
    effect: bool = True
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    example: Any = None
