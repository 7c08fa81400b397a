"""Another program on our terminal, and the terminal as it was after it; it knows no editor and no shell."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from arawn.repl.signals import Signals

TICK_S = 0.1
GRACE_S = 1.0
"""How long a program has to end after it was told to."""


@contextmanager
def ours_no_more(signals: Signals) -> Iterator[None]:
    """While it lasts Ctrl-C is for the program that has the terminal, and the end, when we are told to, waits
    until that program has ended.
    """
    on_end = signals.on_end
    before = signal.signal(signal.SIGINT, lambda *_: None)  # ignoring it would be inherited
    woken = signal.set_wakeup_fd(-1)  # by which the loop of the prompt would learn of it all the same
    signals.on_end = lambda ended: None
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, before)
        signals.on_end = on_end
        if signals.ended is not None and on_end is not None:
            on_end(signals.ended)


def run(argv: Sequence[str], signals: Signals) -> int:
    """Run a program on our terminal to its end; its exit code, negative for a signal. Raises OSError.

    Where we are told to end meanwhile, so is it.
    """
    with ours_no_more(signals), subprocess.Popen(argv) as process:
        while True:
            try:
                return process.wait(TICK_S)
            except subprocess.TimeoutExpired:
                if signals.ended is not None:
                    return end(process)


def end(process: subprocess.Popen[bytes]) -> int:
    """Tell a program to end, and see that it does; its exit code."""
    process.terminate()
    try:
        return process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
