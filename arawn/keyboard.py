"""Who reads the keys of the terminal: a chat does while an answer comes, unless somebody asks to be alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Away = Callable[[], AbstractContextManager[None]]
"""Makes a context in which whoever reads the keys leaves them alone."""
_away: Away = nullcontext


def read_by(away: Away | None) -> None:
    """From now on somebody reads the keys who keeps away while a context of `away` lasts; None: nobody."""
    global _away  # there is one keyboard
    _away = away or nullcontext


def alone() -> AbstractContextManager[None]:
    """A context in which nobody else reads the keys: for a question, or a program that asks one."""
    return _away()
