"""A program in a real terminal: a pty that it controls, and the screen that a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

PATIENCE_S = 20.0
"""How long is waited for what will come: a machine with other work is slow. What is to be swift is measured."""
DRIVER = Path(__file__).parent / "repl_driver.py"
"""A chat with nothing of the person's, over backends that are scripted."""


class Term:
    """Spawn `argv` on a terminal of its own. `raw` is every byte it wrote; `screen` is what stands there."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        rows: int = 24,
        cols: int = 80,
        before: str = "",
    ) -> None:
        self.raw = bytearray()
        self._screen = pyte.Screen(cols, rows)
        self._screen.write_process_input = self._answer
        self._stream = pyte.ByteStream(self._screen)
        # The slave side stays open here, so that its modes can be read after the program is gone.
        self._fd, self._slave = pty.openpty()
        self.resize(rows, cols, tell=False)
        self.modes_before = termios.tcgetattr(self._slave)
        if before:
            self.send(before)
        self.process = subprocess.Popen(
            argv,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def __enter__(self) -> Term:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for fd in (self._fd, self._slave):
            if fd >= 0:
                os.close(fd)

    def _answer(self, data: str) -> None:
        os.write(self._fd, data.encode())

    def pump(self, seconds: float = 0.02) -> bool:
        """Take what was written; whether there was anything."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    @property
    def screen(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def line(self) -> str:
        """The line the cursor is on, as far as the cursor."""
        return self._screen.display[self._screen.cursor.y][: self._screen.cursor.x]

    def until(self, true: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> Term:
        end = time.monotonic() + seconds
        while not true():
            self.pump()
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain for {what}; on the screen:\n{self.screen}")
        return self

    def wait(self, text: str, seconds: float = PATIENCE_S) -> Term:
        """Until `text` stands on the screen."""
        return self.until(lambda: text in self.screen, repr(text), seconds)

    def prompt(self, typed: str = "", seconds: float = PATIENCE_S) -> Term:
        """Until the cursor stands behind the prompt and what was `typed` after it."""
        return self.until(
            lambda: self.line.rstrip() == f"arawn> {typed}".rstrip(), f"a prompt with {typed!r}", seconds
        )

    def send(self, text: str | bytes) -> Term:
        os.write(self._fd, text.encode() if isinstance(text, str) else text)
        return self

    def say(self, text: str) -> Term:
        """Type a line at a fresh prompt and press Enter."""
        return self.prompt().send(text).prompt(text).send("\r")

    def press_on(self) -> int:
        """Press Ctrl-C until the program is gone; its exit code.

        Of two that come before the program has looked, the system makes one.
        """
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < end:
            self.send("\x03")
            pressed = time.monotonic()
            while self.process.poll() is None and time.monotonic() < pressed + 0.3:
                self.pump()
        return self.end(0)

    def signal(self, number: int) -> Term:
        os.kill(self.process.pid, number)
        return self

    def resize(self, rows: int, cols: int, tell: bool = True) -> Term:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        if tell:
            self._screen.resize(max(rows, 1), max(cols, 1))
            self.signal(signal.SIGWINCH)
        return self

    def hang_up(self) -> None:
        """Close the window: the program's terminal is gone."""
        os.close(self._slave)
        os.close(self._fd)
        self._fd = self._slave = -1

    def end(self, seconds: float = PATIENCE_S) -> int:
        """Until the program is gone; its exit code."""
        self.until(lambda: self.process.poll() is not None, "the end", seconds)
        while self.pump(0):
            pass
        return self.process.returncode

    @property
    def modes(self) -> list[object]:
        return termios.tcgetattr(self._slave)

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was: its modes, no bracketed paste, a visible cursor."""
        on, off = self.raw.rfind(b"\x1b[?2004h"), self.raw.rfind(b"\x1b[?2004l")
        shown, hidden = self.raw.rfind(b"\x1b[?25h"), self.raw.rfind(b"\x1b[?25l")
        return self.modes == self.modes_before and on <= off and hidden <= shown


Start = Callable[..., Term]
"""What the fixture `start` gives: a chat of `DRIVER` on a terminal."""
