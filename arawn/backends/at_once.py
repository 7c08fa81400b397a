"""Pieces of work that wait for others, all at once; Ctrl-C and a limit leave behind what is not done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
TICK = 0.05


def at_once(work: Callable[[T], R], items: Sequence[T], limit: float) -> list[R | None]:
    """What `work` makes of each item, in their order; None for one that is not done within `limit` seconds.

    A thread each, which ends with the program. Raises what the first of them raised.
    """
    made: list[R | None] = [None] * len(items)
    failed: list[BaseException] = []

    def run(place: int) -> None:
        try:
            made[place] = work(items[place])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(items))]
    for thread in threads:
        thread.start()
    until = time.monotonic() + limit
    for thread in threads:
        while thread.is_alive() and time.monotonic() < until:
            thread.join(TICK)
    if failed:
        raise failed[0]
    return list(made)
