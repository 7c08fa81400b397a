"""What is broken and what mends it: checks of this machine, the config and the way to each backend."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One line of the report: what was looked at, how it is, and what mends it. Never holds a secret."""

    state: State
    what: str
    detail: str
    remedy: str = ""
