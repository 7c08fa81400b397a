"""Reads the keys while an answer comes, in a thread of its own, so that none is lost; it shows nothing."""

from __future__ import annotations

import codecs
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from arawn import keyboard
from arawn.repl.typeahead import PATIENCE_S, Quiet
from arawn.repl.typed import BURST, Typed
from arawn.threads import start

AWAY_S = 0.2
"""How often it is looked whether the terminal is ours again."""


class Listener:
    """Gives what is typed on the terminal of `quiet` to `typed`, while the context `listening` lasts.

    correct: called, in the thread, when the answer shall stop for what was typed. changed: called after
    something was typed.
    """

    def __init__(
        self, quiet: Quiet, typed: Typed, correct: Callable[[], None], changed: Callable[[], None]
    ) -> None:
        self._quiet = quiet
        self._typed = typed
        self._correct = correct
        self._changed = changed
        self._thread: threading.Thread | None = None
        self._wake = -1

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take what is typed meanwhile. What comes later is left to whoever reads next."""
        if not self._quiet.works:
            yield
            return
        keyboard.read_by(self._away)
        try:
            with self._quiet.marking():
                self._begin()
                try:
                    yield
                finally:
                    self._end()
        finally:
            keyboard.read_by(None)

    @contextmanager
    def _away(self) -> Iterator[None]:
        """As `keyboard.Away`; only the thread that listens is asked, so this may be any other."""
        try:
            self._end()
            yield
        finally:  # where Ctrl-C came in the middle of it, too
            self._begin()

    def _begin(self) -> None:
        if self._wake >= 0:
            self._end()
        woken, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, args=(woken,), daemon=True)
        start(self._thread)

    def _end(self) -> None:
        with suppress(OSError):
            os.close(self._wake)
        self._wake = -1
        if self._thread is not None:
            self._thread.join()
        self._typed.finish()

    def _run(self, woken: int) -> None:
        if hasattr(signal, "SIGTTIN"):  # in the background reading fails then, instead of stopping the answer
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTIN})
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        fd, ending = self._quiet.fd, False
        try:
            while True:
                ready = self._wait(fd, woken, ending)
                ending = ending or woken in ready
                if fd not in ready:
                    if ending:
                        return
                    self._typed.settle()
                elif not ending or self._typed.unfinished:
                    if not self._read(fd, decoder, ending):
                        return
                else:
                    return
                self._changed()
        except (OSError, ValueError):
            return  # the terminal is gone; the main thread learns it
        finally:
            with suppress(OSError):
                os.close(woken)

    def _wait(self, fd: int, woken: int, ending: bool) -> list[int]:
        """Which of the two can be read; at the end only what a paste or a key lacks is waited for."""
        open_ = self._typed.unfinished
        if ending:
            patience: float | None = (BURST if self._typed.doubtful else PATIENCE_S) if open_ else 0.0
            return select.select([fd], [], [], patience)[0]
        return select.select([fd, woken], [], [], BURST if self._typed.doubtful else None)[0]

    def _read(self, fd: int, decoder: codecs.IncrementalDecoder, ending: bool) -> bool:
        """Take what there is; False where nothing will come any more."""
        try:
            if os.tcgetpgrp(fd) != os.getpgrp():
                time.sleep(AWAY_S)
                return not ending
            data = os.read(fd, 65536)
        except OSError:
            time.sleep(AWAY_S)
            return not ending and os.isatty(fd)
        if not data:
            return False
        self._typed.feed(self._quiet.sift(decoder.decode(data)))
        if self._typed.corrects:
            self._correct()
        return True
