"""The terminal between two prompts: nothing typed is echoed into an answer and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from arawn.repl.tidying import tidy

MARKED, UNMARKED = "\x1b[?2004h", "\x1b[?2004l"
"""The terminal puts marks around what is pasted; it puts none."""
PATIENCE_S = 0.3
"""How long the rest of a paste is waited for."""


class Quiet:
    """While it lasts the terminal `fd` neither echoes nor waits for whole lines; Ctrl-C still works.

    Enter and Ctrl-J stay apart, and Ctrl-S and Ctrl-Q are keys. `paused` is set while somebody else (the
    prompt, another program) rules the modes. Afterwards they are as they were. Where there are no such
    modes (Windows) it does nothing.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._before: list[Any] | None = None
        self.paused = False
        self._marked = False
        self._handled: list[int] = []
        self.before = ""
        """What was typed and read already."""
        self.sift: Callable[[str], str] = str
        """Takes out of keys that were read what the terminal itself said."""

    def __enter__(self) -> Quiet:
        try:
            import signal
            import termios

            self._before = termios.tcgetattr(self.fd)
        except (ImportError, OSError, termios.error):
            return self
        self._apply()
        # A shell that took the terminal back (Ctrl-Z) gives it back with its own modes.
        actions = {signal.SIGCONT: self._apply, signal.SIGTSTP: self._stop}
        for number, action in actions.items():
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, lambda *_, action=action: action())
                self._handled.append(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is None:
            return
        import signal

        for number in self._handled:
            signal.signal(number, signal.SIG_DFL)
        self.restore()

    @property
    def works(self) -> bool:
        """Whether the terminal has modes."""
        return self._before is not None

    def restore(self) -> None:
        """Put the modes back; a terminal that is gone is no fault."""
        if self._before is None:
            return
        import contextlib
        import termios

        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self.fd, termios.TCSANOW, self._before)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """While it lasts another program has the terminal, with the modes of before.

        Then whoever had it, we or the prompt, has it again as it was.
        """
        if self._before is None:
            yield
            return
        import termios

        ours, paused = termios.tcgetattr(self.fd), self.paused
        self.paused = True
        self.restore()
        try:
            yield
        finally:
            self.paused = paused
            _take_back(self.fd, ours)

    @contextmanager
    def marking(self) -> Iterator[None]:
        """While it lasts the terminal marks what is pasted, for us to read."""
        self._mark(True)
        try:
            yield
        finally:
            self._mark(False)

    def _mark(self, on: bool) -> None:
        self._marked = on
        self._write(MARKED if on else UNMARKED)

    def _write(self, text: str) -> None:
        import contextlib
        import os

        with contextlib.suppress(OSError):
            os.write(self.fd, text.encode())

    def _stop(self) -> None:
        """Ctrl-Z: whoever gets the terminal gets it as it was."""
        import os
        import signal

        if self._marked:
            self._write(UNMARKED)
        self.restore()
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)
        self._apply()

    def _apply(self) -> None:
        if self._before is None or self.paused:
            return
        import contextlib
        import termios

        modes = list(self._before)
        modes[0] = modes[0] & ~(termios.ICRNL | termios.IXON)
        modes[3] = modes[3] & ~(termios.ECHO | termios.ICANON) | termios.NOFLSH  # Ctrl-C drops nothing typed
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self.fd, termios.TCSANOW, modes)
        if self._marked:
            self._write(MARKED)

    def key(self) -> str:
        """The next key, and what came together with it; waits for it. "" where the terminal is gone."""
        import os

        if self._before is None:
            return ""
        try:
            return os.read(self.fd, 65536).decode("utf-8", "surrogateescape")
        except OSError:
            return ""

    def pending(self) -> str:
        """What was typed or pasted since the last prompt, tidied, without the newlines at its end.

        Raises EOFError where that is Ctrl-D alone.
        """
        if self._before is None:
            return ""
        import os
        import select

        data, wait = b"", 0.0
        while select.select([self.fd], [], [], wait)[0]:
            try:
                chunk = os.read(self.fd, 65536)
            except OSError:  # the terminal is gone; whoever reads next learns it
                break
            if not chunk:
                break
            data += chunk
            wait = PATIENCE_S if data.rfind(b"\x1b[200~") > data.rfind(b"\x1b[201~") else 0.0
        text, self.before = self.before + self.sift(data.decode("utf-8", "surrogateescape")), ""
        if text and not text.strip("\x04"):
            raise EOFError
        return tidy(text).rstrip("\n")


def _take_back(fd: int, modes: list[Any]) -> None:
    """Have the terminal again after a program that may have died with it."""
    import contextlib
    import os
    import signal
    import termios

    number = signal.SIGTTOU
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})  # else asking for the terminal would stop us
    try:
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(fd) != os.getpgrp():
                os.tcsetpgrp(fd, os.getpgrp())
            termios.tcsetattr(fd, termios.TCSANOW, modes)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
