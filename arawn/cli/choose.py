"""A command shown on a terminal with what can be done with it, one key each; it runs nothing itself."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from arawn import interrupt
from arawn.errors import ArawnError, UsageFault

if TYPE_CHECKING:
    from arawn.cli.propose import Asking

CHOICES = "[r]un  [e]dit  e[x]plain  [c]opy  [a]bort: "
HELP = "Press r, e, x, c or a; nothing is run before r is pressed."
WORDS = {"r": "run", "e": "edit", "x": "explain", "c": "copy", "a": "abort", "q": "abort"}
ENDED = ("", "\x04", "\x1b")
ESCAPES_S = 0.05
"""What belongs to an arrow key comes within so many seconds of its first byte."""


def hidden(command: str) -> bool:
    """Whether a command holds characters that a terminal would not show, or that would fool it."""
    from arawn.render.safe import clean

    return clean(command) != command


def visible(command: str) -> str:
    """A command with all that is hidden spelled out, and a mark where a line ends."""
    from arawn.render.safe import clean

    if hidden(command):
        command = "".join(
            char if char in "\n\t" or clean(char) == char else _spelled(char) for char in command
        )
    return command.replace("\n", " ⏎\n")


def _spelled(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 256 else f"\\u{{{number:x}}}"


class Terminal:
    """The person's terminal: lines to it, single keys from it. `fd` is open for both."""

    def __init__(self, read: int, write: int, own: bool) -> None:
        self._read, self._write, self._own = read, write, own

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._own:
            os.close(self._read)

    def say(self, text: str) -> None:
        """Write a piece; raises OSError where the terminal is gone."""
        data = text.encode(sys.stderr.encoding or "utf-8", "replace")
        while data:
            data = data[os.write(self._write, data) :]

    def key(self, question: str) -> str:
        """Ask, and take the next key that is one character, in lower case; "" at the end of input.

        What was typed before is dropped: it was not meant for a question that nobody had seen. Arrow keys
        and pastes are none.
        """
        import signal
        import termios
        import tty

        def again(number: int, frame: object) -> None:  # after Ctrl-Z and fg the shell has set its own modes
            tty.setcbreak(self._read, termios.TCSADRAIN)
            self.say(question)

        before: list[Any] = termios.tcgetattr(self._read)
        continued = signal.signal(signal.SIGCONT, again)
        try:
            tty.setcbreak(self._read, termios.TCSAFLUSH)
            self.say(question)
            while True:
                data = os.read(self._read, 1024)
                if data == b"\x1b":
                    data += self._rest()
                text = data.decode("utf-8", "replace")
                if len(text.rstrip("\r\n")) <= 1 and not (data and not text.strip("\r\n")):
                    return text.rstrip("\r\n").lower()
        finally:
            signal.signal(signal.SIGCONT, continued)
            termios.tcsetattr(self._read, termios.TCSADRAIN, before)

    def _rest(self) -> bytes:
        from select import select

        return os.read(self._read, 1024) if select([self._read], [], [], ESCAPES_S)[0] else b""


class _Console(Terminal):
    """The same under Windows."""

    def key(self, question: str) -> str:
        """Ask, and take the next key."""
        import importlib

        console = importlib.import_module("msvcrt")
        while console.kbhit():
            console.getwch()
        self.say(question)
        key = str(console.getwch())
        if key == "\x03":
            raise KeyboardInterrupt
        return key.lower()


def opened_terminal() -> Terminal | None:
    """The terminal that the person sits at; None where there is none to read from."""
    from arawn.cli.context import is_terminal

    if os.name != "posix":
        seen = is_terminal(sys.stdin) and is_terminal(sys.stdout)
        return _Console(sys.stdin.fileno(), sys.stdout.fileno(), own=False) if seen else None
    try:
        handle = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        if not is_terminal(sys.stdin):
            return None
        return Terminal(sys.stdin.fileno(), sys.stdout.fileno(), own=False)
    return Terminal(handle, handle, own=True)


class Choosing:
    """Shows a command and does what is chosen, until it is to be run or not."""

    def __init__(self, asking: Asking, terminal: Terminal) -> None:
        from arawn.render.terminal import color_wanted

        context = asking.context
        self._asking = asking
        self._terminal = terminal
        color = color_wanted(context.env, True, context.color or str(context.load().get("ui.color")))
        self._bold = color and not context.spoken

    def run(self, command: str) -> str | None:
        """The command to be run, as it was shown last; None where none is. Ctrl-C raises."""
        self._show(command)
        while True:
            try:
                key = self._terminal.key(CHOICES)
            except KeyboardInterrupt:
                self._terminal.say("\n")
                raise
            word = "abort" if key in ENDED else WORDS.get(key, "")
            self._terminal.say(f"{word}\n")
            if word in ("run", "abort"):
                return command if word == "run" else None
            command = self._do(word, command)

    def _do(self, word: str, command: str) -> str:
        """One of the choices that come back to the question; the command afterwards."""
        try:
            if word == "explain":
                self._asking.explain(command)
            elif word == "copy":
                from arawn.clipboard import copy

                self._terminal.say(f"copied by {copy(command)}\n")
            elif word == "edit":
                command = self._edited(command)
                self._show(command)
            else:
                self._terminal.say(HELP + "\n")
        except ArawnError as fault:  # the command is still there, and so is the question
            fault.redact(self._asking.context.redact)
            self._asking.context.status.error(fault)
        return command

    def _show(self, command: str) -> None:
        shown = visible(command)
        lines = ("\x1b[1m" + line + "\x1b[0m" if self._bold else line for line in shown.split("\n"))
        self._terminal.say("\nCommand:\n\n" + "".join(f"  {line}\n" for line in lines) + "\n")
        if hidden(command):
            self._terminal.say("It holds hidden characters; they are spelled out above.\n")
        if "\n" in command:
            self._terminal.say("It has several lines; ⏎ stands where each ends.\n")

    def _edited(self, command: str) -> str:
        """The command as the person wants it; as it was where nothing is left of it."""
        from arawn.cli.context import is_terminal

        if "\n" in command or hidden(command) or not is_terminal(sys.stdin):
            return self._in_editor(command)
        try:
            import readline
        except ImportError:
            return self._in_editor(command)
        readline.set_startup_hook(lambda: readline.insert_text(command))
        try:
            return input("> ").strip() or command
        except (EOFError, KeyboardInterrupt):
            interrupt.go_on()
            self._terminal.say("\n")
            return command
        finally:
            readline.set_startup_hook(None)

    def _in_editor(self, command: str) -> str:
        """The same by $VISUAL or $EDITOR, in a private file of its own. Raises UsageFault."""
        import contextlib
        import subprocess
        import tempfile

        from arawn.render.terminal import Guard
        from arawn.repl import external

        handle, name = tempfile.mkstemp(prefix="arawn-", suffix=".sh")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(command + "\n")
            words = [*external.command(self._asking.context.env), name]
            try:
                with Guard():
                    code = subprocess.run(words, check=False).returncode
            except OSError as error:
                raise UsageFault(
                    f"the editor {words[0]!r} does not start ({error.strerror})", hints=("set $EDITOR",)
                ) from None
            if code:
                raise UsageFault(f"the editor {words[0]!r} ended with {code}; the command is as it was")
            with open(name, encoding="utf-8", errors="replace") as file:
                return file.read().strip("\n") or command
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)
