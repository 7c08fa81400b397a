"""A command of the person's own shell, shown as it runs, and what it wrote; it decides nothing about it."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from arawn.errors import UsageFault
from arawn.programs import found
from arawn.repl import child
from arawn.repl.signals import Signals
from arawn.repl.tidying import tidy
from arawn.repl.typeahead import Quiet

KEPT = 100_000
"""Bytes of output that are kept, from its beginning and from its end, half each."""
# Makes the terminal that it is given its own, so that Ctrl-C there is for the command alone.
_OWN = "import fcntl,os,sys,termios;fcntl.ioctl(0,termios.TIOCSCTTY,0);os.execvp(sys.argv[1],sys.argv[1:])"
_BACK = re.compile(r"[^\n\x08]\x08")


class Ran(NamedTuple):
    """A command that was run: its exit code (negative for a signal) and what it wrote.

    cut: bytes that were left out of `output`. open_line: its last line was not ended.
    """

    code: int
    output: str
    cut: int = 0
    open_line: bool = False


def told(ran: Ran) -> str:
    """How it ended, in a few words."""
    ended = f"exit status {ran.code}" if ran.code >= 0 else f"ended by signal {-ran.code}"
    return ended + (f", {ran.cut:,} bytes of its output left out" if ran.cut else "")


class _Kept:
    """The beginning and the end of what was written."""

    def __init__(self) -> None:
        self._first = b""
        self._last = b""
        self.cut = 0
        self.open_line = False

    def add(self, data: bytes) -> None:
        """Take a piece."""
        if not data:
            return
        self.open_line = not data.endswith(b"\n")
        room = KEPT // 2 - len(self._first)
        self._first += data[:room]
        self._last += data[room:] if room < len(data) else b""
        if len(self._last) > KEPT:
            self.cut += len(self._last) - KEPT // 2
            self._last = self._last[-KEPT // 2 :]

    def text(self) -> str:
        """What a person would have read."""
        more = max(0, len(self._last) - KEPT // 2)
        self.cut += more
        gap = f"\n[... {self.cut:,} bytes are left out ...]\n".encode() if self.cut else b""
        raw = (self._first + gap + self._last[more:]).decode("utf-8", "replace").replace("\r\n", "\n")
        while _BACK.search(raw):  # bold and underlined text as terminals of paper wrote it
            raw = _BACK.sub("", raw)
        return tidy("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in raw.split("\n"))).strip("\n")


def run(command: str, env: Mapping[str, str], quiet: Quiet, signals: Signals) -> Ran:
    """Run a command in $SHELL on a terminal of its own that is shown on ours. Raises UsageFault."""
    shell = env.get("SHELL") or "/bin/sh"
    place = found(shell, env.get("PATH"))
    if sys.platform != "win32" and place is None:
        raise UsageFault(f"There is no shell {shell}", hints=("SHELL says which one runs a command",))
    try:
        if sys.platform == "win32":
            with quiet.lent():
                return Ran(child.run([env.get("COMSPEC", "cmd.exe"), "/c", command], signals), "")
        kept = _Kept()
        with quiet.lent():
            code = _on_terminal([place or shell, "-c", command], quiet.fd, kept, signals)
    except OSError as error:
        raise UsageFault(f"The shell {shell} does not start: {error.strerror or error}") from None
    output = kept.text()
    return Ran(code, output, kept.cut, kept.open_line)


def _on_terminal(argv: list[str], fd: int, kept: _Kept, signals: Signals) -> int:
    import pty
    import termios
    import tty

    ours, theirs = pty.openpty()
    try:
        termios.tcsetattr(theirs, termios.TCSANOW, termios.tcgetattr(fd))
        _same_size(fd, ours)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _OWN, *argv],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    tty.setraw(fd, termios.TCSANOW)
    try:
        with process, child.ours_no_more(signals):
            _pass_on(fd, ours, kept, process, signals)
            return child.end(process) if signals.ended is not None else process.wait()
    finally:
        os.close(ours)


def _pass_on(fd: int, ours: int, kept: _Kept, process: subprocess.Popen[bytes], signals: Signals) -> None:
    """Show what the command writes, and give it what is typed, to its end."""
    size, typed = None, b""
    os.set_blocking(ours, False)
    while signals.ended is None:
        size = _same_size(fd, ours, size)
        ready, takes, _ = select.select([fd, ours], [ours] if typed else [], [], child.TICK_S)
        if fd in ready:
            more = os.read(fd, 4096)
            if not more:
                return
            typed = _give(ours, _interrupted(ours, typed, more))
        elif takes:
            typed = _give(ours, typed)
        if ours in ready:
            if not _show(ours, kept):
                return
        elif process.poll() is not None:  # something it left in the background may hold the terminal
            while select.select([ours], [], [], 0)[0] and _show(ours, kept):
                pass
            return


def _give(ours: int, typed: bytes) -> bytes:
    """Give the command what was typed; what of it does not fit yet, as it reads nothing."""
    try:
        return typed[os.write(ours, typed) :]
    except BlockingIOError:
        return typed


def _interrupted(ours: int, waiting: bytes, more: bytes) -> bytes:
    """What is to be given now. A Ctrl-C overtakes what waits, and drops it, as a terminal does."""
    import termios

    modes = termios.tcgetattr(ours)
    before, key, rest = more.rpartition(modes[6][termios.VINTR])
    if not waiting or not key or not modes[3] & termios.ISIG:
        return waiting + more
    with suppress(OSError):
        os.killpg(os.tcgetpgrp(ours), signal.SIGINT)
    return rest


def _show(ours: int, kept: _Kept) -> bool:
    """Show and keep what was written; False where nothing will be any more."""
    try:
        data = os.read(ours, 65536)
    except OSError:  # nobody has the other side any more
        return False
    kept.add(data)
    rest = data
    while rest:
        rest = rest[os.write(sys.stdout.fileno(), rest) :]
    return bool(data)


def _same_size(fd: int, ours: int, known: bytes | None = None) -> bytes:
    """Give the command's terminal the size of ours where that changed."""
    import fcntl
    import termios

    size = fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8)
    if size != known:
        fcntl.ioctl(ours, termios.TIOCSWINSZ, size)
    return size
