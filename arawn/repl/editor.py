"""The line editor, and the only door to prompt_toolkit; it knows nothing of backends or answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, get_common_complete_suffix
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.shortcuts import PromptSession
from prompt_toolkit.styles import Style

from arawn.render.safe import clean
from arawn.repl.history import HistoryFile
from arawn.repl.signals import Ended, Signals
from arawn.repl.typeahead import Quiet, tidy

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

PROMPT = "arawn> "
BURST = 0.03  # seconds: keys that follow sooner were not typed by hand
# Shift-Enter as kitty's protocol and as xterm's modifyOtherKeys say it.
SHIFT_ENTER = ("\x1b[13;2u", "\x1b[27;2;13~")

# Gives (what to insert, its help) for the word at the cursor; None: what is known may grow, ask `later`.
Candidates = Callable[[str], Iterable[tuple[str, str]]]


class _History(InMemoryHistory):
    """Keeps entries in a HistoryFile too; a file that can't be used is told once and done without."""

    def __init__(self, path: Path | None, tell: Callable[[str], None], secret: Callable[[str], bool]) -> None:
        self._file = HistoryFile(path) if path else None
        self._tell = tell
        self._secret = secret
        super().__init__([clean(entry) for entry in self._do(HistoryFile.load) or ()])

    def _do(self, action: Callable[[HistoryFile], Any]) -> Any:
        if self._file is None:
            return None
        try:
            return action(self._file)
        except OSError as error:
            self._tell(f"no history is kept: {error.strerror or error}: {self._file.path}")
            self._file = None
            return None

    def append_string(self, string: str) -> None:
        """Take one entry; a space before it keeps it out, and so does a key in it."""
        entry = tidy(string)
        if not entry.strip() or entry.startswith(" "):
            return
        if self._secret(entry):
            self._tell("this line looks like it holds a key: it is not kept in the history")
            return
        super().append_string(entry)

    def store_string(self, string: str) -> None:
        """Keep one entry over sessions."""
        super().store_string(string)
        self._do(lambda file: file.append(string))


class _Completer(Completer):
    """Completes slash commands and their arguments; anything else is prose."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What could stand at the cursor."""
        text = document.text_before_cursor
        if not is_command(text):
            return
        word = text.rpartition(" ")[2]
        for name, help_text in self._candidates(text):
            yield Completion(name, start_position=-len(word), display_meta=help_text)


def is_command(text: str) -> bool:
    """Whether `text` is a slash command: one line that begins with exactly one slash."""
    return text.startswith("/") and not text.startswith("//") and "\n" not in text


class Editor:
    """Reads messages from a terminal. `read` gives one message, tidied, maybe of several lines."""

    def __init__(
        self,
        *,
        source: TextIO,
        out: TextIO,
        color: bool,
        editing_mode: Literal["emacs", "vi"],
        history: Path | None,
        candidates: Candidates,
        tell: Callable[[str], None],
        secret: Callable[[str], bool],
        signals: Signals,
        quiet: Quiet,
    ) -> None:
        self._signals = signals
        self._quiet = quiet
        self._tell = tell
        self._notes: list[str] = []
        self._newline_at = float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._completer = _Completer(candidates)
        ANSI_SEQUENCES.update(dict.fromkeys(SHIFT_ENTER, Keys.ControlJ))
        self._session: PromptSession[str] = PromptSession(
            message=_message(color),
            style=Style([("prompt", "bold ansicyan")] if color else []),
            color_depth=None if color else ColorDepth.DEPTH_1_BIT,
            include_default_pygments_style=False,
            multiline=True,
            prompt_continuation=lambda width, number, wrapped: " " * width,
            editing_mode=EditingMode.VI if editing_mode == "vi" else EditingMode.EMACS,
            history=_History(history, self._notes.append, secret),
            completer=self._completer,
            complete_while_typing=Condition(lambda: is_command(self._session.default_buffer.text)),
            key_bindings=self._keys(),
            enable_suspend=True,
            input=create_input(source),
            output=_output(out),
        )
        self._session.app.ttimeoutlen = 0.05  # Esc in vi mode; Alt-Enter comes as one burst anyway

    def read(self, draft: str = "") -> str:
        """One message; `draft` is there to be edited.

        Raises EOFError (Ctrl-D at an empty prompt), KeyboardInterrupt (Ctrl-C there), Ended (SIGTERM,
        SIGHUP). In each case the terminal is as it was before.
        """
        self._tell_notes()
        held = draft + self._quiet.pending()
        self._signals.on_end = self._end
        self._quiet.paused = True
        try:
            text = self._session.prompt(default=held, pre_run=self._started, set_exception_handler=False)
        finally:
            self._loop = None
            self._signals.on_end = None
            self._quiet.paused = False
        if self._signals.ended:
            raise self._signals.ended
        self._tell_notes()
        return tidy(text)

    def run(self, make: Callable[[Input, Output], Application[Any]]) -> None:
        """Let something else have the terminal until it is done: `make` builds it from input and output."""
        self._quiet.paused = True
        try:
            make(self._session.input, self._session.output).run(set_exception_handler=False)
        finally:
            self._quiet.paused = False

    def _tell_notes(self) -> None:
        """Tell what came up while the prompt held the screen."""
        while self._notes:
            self._tell(self._notes.pop(0))

    def refresh_completion(self) -> None:
        """More is known now; may be called from any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the prompt ended meanwhile
                loop.call_soon_threadsafe(self._complete_again)

    def _complete_again(self) -> None:
        buffer = self._session.default_buffer
        if is_command(buffer.text) and not self._session.app.is_done:
            buffer.start_completion()

    def _started(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        self._loop = loop
        if self._signals.ended:
            raise self._signals.ended
        if self._signals.leave:  # Ctrl-C a second time, before the prompt could take it as a key
            raise KeyboardInterrupt

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault inside the editor ends the prompt, so that it is told like any other."""
        error = context.get("exception") or RuntimeError(str(context.get("message")))
        self._exit(error)

    def _end(self, ended: Ended) -> None:
        """Called by a signal handler: an exception raised here could be lost in the event loop."""
        loop = self._loop
        if loop is None:
            raise ended
        loop.call_soon_threadsafe(self._exit, ended)

    def _exit(self, error: BaseException) -> None:
        app = self._session.app
        if app.is_running and not app.is_done:
            app.exit(exception=error)

    def _more(self, event: KeyPressEvent) -> bool:
        """Whether text came with this Enter in one burst: then it is part of a paste without marks."""
        now = time.monotonic()
        text = (Keys.ControlM, Keys.ControlJ, Keys.ControlI)
        queue = event.app.key_processor.input_queue
        burst = any(len(press.key) == 1 or press.key in text for press in queue)
        burst = burst or now - self._newline_at < BURST
        if burst:
            self._newline_at = now
        return burst

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        here = has_focus(DEFAULT_BUFFER)
        keys.add("enter", filter=here)(self._enter)
        keys.add("c-j", filter=here)(_newline)
        keys.add("escape", "enter", filter=here)(_newline)
        keys.add("tab", filter=here)(self._tab)
        keys.add("c-c", filter=here)(_cancel)
        keys.add("<sigint>", filter=here)(_cancel)
        keys.add(Keys.BracketedPaste, filter=here)(self._paste)
        return keys

    def _enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if self._more(event):
            buffer.insert_text("\n")
        elif _continues(buffer):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    def _tab(self, event: KeyPressEvent) -> None:
        """Complete as far as it is certain; from there on Tab goes through the menu."""
        buffer = event.current_buffer
        if buffer.complete_state and len(buffer.complete_state.completions) > 1:
            buffer.complete_next()
            return
        found = list(
            self._completer.get_completions(buffer.document, CompleteEvent(completion_requested=True))
        )
        if len(found) == 1:
            buffer.cancel_completion()
            buffer.apply_completion(found[0])
            return
        buffer.insert_text(get_common_complete_suffix(buffer.document, found))
        buffer.start_completion()

    def _paste(self, event: KeyPressEvent) -> None:
        """A paste goes in whole and still needs Enter; controls in it would act on the terminal."""
        text = tidy(event.data)
        event.current_buffer.insert_text(text)
        lost = len(event.data.replace("\r\n", "\n")) - len(text)
        if lost:
            run_in_terminal(lambda: self._tell(f"{lost} control characters were left out of the paste"))


def _message(color: bool) -> StyleAndTextTuples:
    return [("class:prompt" if color else "", PROMPT)]


def _output(out: TextIO) -> Output:
    """The terminal, never asked where its cursor is: an answer that comes late would be read as typing."""
    output = create_output(out)
    if hasattr(output, "enable_cpr"):
        output.enable_cpr = False
    return output


def _newline(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text("\n")


def _cancel(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    if buffer.text:
        buffer.reset()
    else:
        event.app.exit(exception=KeyboardInterrupt())


def _continues(buffer: Buffer) -> bool:
    """Whether a lone backslash at the end asks for another line (two of them are a backslash)."""
    text = buffer.text
    slashes = len(text) - len(text.rstrip("\\"))
    return slashes % 2 == 1 and buffer.document.is_cursor_at_the_end
