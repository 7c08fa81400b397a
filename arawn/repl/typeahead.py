"""The terminal between two prompts: nothing typed is echoed into an answer and nothing typed is lost."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|O[ -~]|.)?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def tidy(text: str) -> str:
    """What a person may say: valid Unicode, newlines as they are here, no control but newline and tab.

    Undecodable bytes (kept as surrogates by whoever decoded them) become U+FFFD, and so does NUL.
    """
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return _CONTROL.sub("", _SEQUENCE.sub("", text))


class Quiet:
    """While it lasts the terminal `fd` neither echoes nor waits for whole lines; Ctrl-C still works.

    `paused` is set while somebody else (the prompt) rules the modes. Afterwards they are as they were.
    Where there are no such modes (Windows) it does nothing.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None
        self.paused = False
        self._handled: list[int] = []

    def __enter__(self) -> Quiet:
        try:
            import signal
            import termios

            self._before = termios.tcgetattr(self._fd)
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

    def restore(self) -> None:
        """Put the modes back; a terminal that is gone is no fault."""
        if self._before is None:
            return
        import contextlib
        import termios

        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self._fd, termios.TCSANOW, self._before)

    def _stop(self) -> None:
        """Ctrl-Z: whoever gets the terminal gets it as it was."""
        import os
        import signal

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
        modes[3] = modes[3] & ~(termios.ECHO | termios.ICANON)
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self._fd, termios.TCSANOW, modes)

    def pending(self) -> str:
        """What was typed or pasted since the last prompt, tidied, without the newlines at its end.

        Raises EOFError where that is Ctrl-D alone.
        """
        if self._before is None:
            return ""
        import os
        import select

        chunks = []
        while select.select([self._fd], [], [], 0)[0]:
            try:
                chunk = os.read(self._fd, 65536)
            except OSError:  # the terminal is gone; whoever reads next learns it
                break
            if not chunk:
                break
            chunks.append(chunk)
        text = b"".join(chunks).decode("utf-8", "surrogateescape")
        if text and not text.strip("\x04"):
            raise EOFError
        return tidy(text).rstrip("\n")
