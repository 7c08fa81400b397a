"""The line editor on prompt_toolkit; it knows nothing of backends or answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Always, Condition, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.layout import (
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    VerticalAlign,
    Window,
)
from prompt_toolkit.layout.processors import TabsProcessor
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.shortcuts import PromptSession
from prompt_toolkit.styles import DynamicStyle, Style

from arawn.errors import ArawnError
from arawn.repl.prompt import reflow
from arawn.repl.prompt.completing import Candidates, Completions
from arawn.repl.prompt.drafts import LATE_S, Draft
from arawn.repl.prompt.folds import Folds
from arawn.repl.prompt.input import open_input
from arawn.repl.prompt.keys import Acts, Bindings
from arawn.repl.prompt.nearby import Nearby
from arawn.repl.prompt.paint import painted
from arawn.repl.prompt.past import Past, Suggested
from arawn.repl.prompt.pasting import Pasting
from arawn.repl.signals import Ended, Signals
from arawn.repl.tidying import tidy
from arawn.repl.typeahead import Quiet

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

PROMPT = "arawn"
MENU = 8
"""Rows that the menu of completions has, where the screen has them."""


class Feel(NamedTuple):
    """How the prompt looks and feels. `toolbar` gives the line below it for so many columns.

    spoken: what is shown is read aloud, so nothing comes up by itself. prompt: the style of the prompt, asked
    each time it is drawn.
    """

    color: bool = False
    keys: Literal["emacs", "vi"] = "emacs"
    toolbar: Callable[[int], str] | None = None
    spoken: bool = False
    prompt: Callable[[], str] = lambda: "bold cyan"


class Around(NamedTuple):
    """What the prompt needs of the chat: completions, snippets, what looks like it holds a key (a text, or a
    paste whose mark is in it), the picture on the clipboard taken along (returns a line that tells it), how
    to tell a line and a fault.
    """

    candidates: Candidates
    snippets: Callable[[], Mapping[str, str]]
    secret: Callable[[str], bool]
    picture: Callable[[], str]
    tell: Callable[[str], None]
    fault: Callable[[ArawnError], None]


class Editor:
    """Reads messages from a terminal. `read` gives one message, tidied, maybe of several lines.

    Long pastes are marks in it, which `folds` knows.
    """

    def __init__(
        self,
        *,
        source: TextIO,
        out: TextIO,
        feel: Feel,
        around: Around,
        history: Path | None,
        signals: Signals,
        quiet: Quiet,
        folds: Folds,
        draft: Draft,
        env: Mapping[str, str],
    ) -> None:
        self._signals = signals
        self._quiet = quiet
        self._around = around
        self._feel = feel
        self._env = env
        self._draft = draft
        self._late: asyncio.TimerHandle | None = None
        self._notes: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mode: tuple[str, ...] = ()
        self._new = True
        self._folds = folds
        self._pasting = Pasting(folds)
        self._completer = Completions(
            around.candidates, Nearby(self.refresh_completion).names, around.snippets
        )
        self._session = self._made(source, out, history)
        self._session.default_buffer.on_text_changed += lambda _: self._changed()
        if reflow.reflows(env):
            reflow.renew(self._session.app)
        self._session.app.before_render += lambda _: self._fit_menu()
        self._session.app.ttimeoutlen = 0.05  # Esc in vi mode; Alt-Enter comes as one burst anyway
        if feel.toolbar is not None:
            self._add_toolbar()

    def _made(self, source: TextIO, out: TextIO, history: Path | None) -> PromptSession[str]:
        acts = Acts(self._edit, self._picture, self._tell_above)
        past = Past(history, self._folds, self._notes.append, self._around.secret)
        feel = self._feel
        keyboard, bursting = open_input(source, self._quiet.sift)
        completing = Condition(self._completing)
        return PromptSession(
            message=self._message,
            style=DynamicStyle(self._style),
            color_depth=None if feel.color else ColorDepth.DEPTH_1_BIT,
            include_default_pygments_style=False,
            multiline=True,
            prompt_continuation=lambda width, number, wrapped: " " * width,
            editing_mode=EditingMode.VI if feel.keys == "vi" else EditingMode.EMACS,
            history=past,
            enable_history_search=~completing,
            auto_suggest=Suggested()
            if feel.color and not feel.spoken
            else None,  # without colour it would look typed
            completer=self._completer,
            complete_while_typing=completing if not feel.spoken else False,
            key_bindings=Bindings(self._pasting, self._completer, acts, bursting).keys(),
            enable_suspend=True,
            input_processors=[TabsProcessor(char1=" ", char2=" ")],  # else a tab of a paste is shown as ^I
            input=keyboard,
            output=_output(out),
        )

    def read(self, draft: str = "", mode: tuple[str, ...] = (), ended: bool = False) -> str:
        """One message; `draft` is there to be edited, and the prompt tells the `mode`.

        ended: the last line of the draft is whole; what was typed since then is another.

        Raises EOFError (Ctrl-D at an empty prompt), KeyboardInterrupt (Ctrl-C there), Ended (SIGTERM,
        SIGHUP). In each case the terminal is as it was before.
        """
        self._tell_notes()
        pending = self._quiet.pending()
        held = draft + ("\n" if ended and pending else "") + pending
        self._mode = mode
        self._pasting.reset(held)
        self._signals.on_end = self._end
        self._quiet.paused = True
        try:
            text = self._session.prompt(default=held, pre_run=self._started, set_exception_handler=False)
        finally:
            self._loop = None
            self._signals.on_end = None
            self._quiet.paused = False
            self._keep(sent=self._signals.ended is None)
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

    def refresh(self) -> None:
        """What the toolbar tells may be different now; may be called from any thread."""
        self._session.app.invalidate()

    def refresh_completion(self) -> None:
        """More is known now; may be called from any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the prompt ended meanwhile
                loop.call_soon_threadsafe(self._complete_again)

    def _complete_again(self) -> None:
        buffer = self._session.default_buffer
        if self._completing() and not self._session.app.is_done and not self._feel.spoken:
            buffer.start_completion()

    def _completing(self) -> bool:
        return self._completer.wanted(self._session.default_buffer.document.text_before_cursor)

    def _style(self) -> Style:
        return _style_of(painted(self._feel.prompt()))

    def _message(self) -> StyleAndTextTuples:
        mode = f" [{', '.join(self._mode)}]" if self._mode else ""
        asked = f"You{mode}: " if self._feel.spoken else f"{PROMPT}{mode}> "
        return [("class:prompt" if self._feel.color else "", asked)]

    # ---- what happens beside the typing

    def _tell_notes(self) -> None:
        """Tell what came up while the prompt held the screen."""
        while self._notes:
            self._around.tell(self._notes.pop(0))

    def _tell_above(self, text: str) -> None:
        run_in_terminal(lambda: self._around.tell(text))

    def _edit(self, text: str) -> str | None:
        from arawn.repl import external

        self._keep()  # nothing is kept later while the editor has the terminal
        try:
            made = external.edited(self._folds.unfold(text), self._env, self._quiet, self._signals)
        except ArawnError as fault:
            self._around.fault(fault)
            return None
        return self._folds.refold(made, text)

    def _picture(self) -> None:
        try:
            self._around.tell(self._around.picture())
        except ArawnError as fault:
            self._around.fault(fault)

    def _changed(self) -> None:
        self._pasting.changed(self._session.default_buffer)
        if self._loop is not None and self._late is None and self._draft.kept:
            self._late = self._loop.call_later(LATE_S, self._keep)

    def _keep(self, sent: bool = False) -> None:
        """Keep the draft, unless a key is in it; nothing once it was `sent`, or dropped."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
        text = "" if sent else self._session.default_buffer.text
        self._draft.write("" if text and self._around.secret(text) else self._folds.unfold(text))

    # ---- beginning and end

    def _started(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        self._loop = loop
        if self._signals.ended:
            raise self._signals.ended
        early, self._new = self._new and self._signals.asked_to_stop, False
        if self._signals.leave or early:  # Ctrl-C before the prompt could take it as a key
            raise KeyboardInterrupt
        self._changed()

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

    # ---- the line below the prompt

    def _add_toolbar(self) -> None:
        """prompt_toolkit's own shows only where the terminal was asked for its cursor, which we never do."""
        window = Window(FormattedTextControl(self._bar), dont_extend_height=True, height=Dimension(max=1))
        shown = Condition(lambda: bool(self._told())) & ~is_done
        root = self._session.layout.container
        if isinstance(root, HSplit):
            root.children.append(ConditionalContainer(window, filter=shown))
            root.align = VerticalAlign.TOP  # room that a menu needed and needs no more is below the line
            self._session.layout.current_window.dont_extend_height = Always()

    def _fit_menu(self) -> None:
        """Keep no more room for the menu than there is: on a small screen nothing would be shown at all."""
        rows = self._session.output.get_size().rows
        self._session.reserve_space_for_menu = max(1, min(MENU, rows - 1 - bool(self._told())))

    def _told(self) -> str:
        size = self._session.output.get_size()
        if self._feel.toolbar is None or size.rows < 3:
            return ""
        return self._feel.toolbar(size.columns)

    def _bar(self) -> StyleAndTextTuples:
        return [("ansibrightblack" if self._feel.color else "", self._told())]

    @property
    def vi_mode(self) -> str:
        """The mode of vi's keys, as the toolbar tells it; "" with Emacs' keys."""
        if self._feel.keys != "vi":
            return ""
        return "insert" if self._session.app.vi_state.input_mode == InputMode.INSERT else "normal"


def _output(out: TextIO) -> Output:
    """The terminal, never asked where its cursor is: an answer that comes late would be read as typing."""
    output = create_output(out)
    if hasattr(output, "enable_cpr"):
        output.enable_cpr = False
    return output


@cache
def _style_of(prompt: str) -> Style:
    return Style([("prompt", prompt), ("auto-suggestion", "ansibrightblack")])
