"""Threads that leave signals to the main one; it does not know what they do."""

from __future__ import annotations

import signal
import threading

OURS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGCONT", "SIGTSTP", "SIGWINCH")


def start(thread: threading.Thread) -> None:
    """Start a thread that no signal is delivered to.

    The system may give a signal to any thread, and a handler of Python runs in the main one, which would
    then sleep on, or read on, until what it waits for comes.
    """
    if not hasattr(signal, "pthread_sigmask"):
        thread.start()
        return
    numbers = {getattr(signal, name) for name in OURS if hasattr(signal, name)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
