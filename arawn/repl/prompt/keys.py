"""What the keys of the prompt do beside prompt_toolkit's own; it knows no chat."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, get_common_complete_suffix
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import emacs_mode, has_focus, vi_insert_mode, vi_navigation_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from arawn.repl.typed import BURST, ends_open

if TYPE_CHECKING:
    from arawn.repl.prompt.completing import Completions
    from arawn.repl.prompt.pasting import Pasting


class Acts(NamedTuple):
    """What keys do beyond editing: open the editor with a text, which returns what it left, or None; attach
    the picture on the clipboard; tell a line above the prompt.
    """

    edit: Callable[[str], str | None]
    picture: Callable[[], None]
    tell: Callable[[str], None]


class Bindings:
    """The keys, over one `pasting` and one completer. bursting: whether lines just came without marks."""

    def __init__(
        self, pasting: Pasting, completer: Completions, acts: Acts, bursting: Callable[[], bool]
    ) -> None:
        self._pasting = pasting
        self._completer = completer
        self._acts = acts
        self._bursting = bursting
        self._newline_at = float("-inf")

    def keys(self) -> KeyBindings:
        """The bindings for the prompt."""
        keys = KeyBindings()
        here = has_focus(DEFAULT_BUFFER)
        typing = here & (emacs_mode | vi_insert_mode)
        keys.add("enter", filter=here)(self._enter)
        keys.add("c-j", filter=here)(_newline)
        keys.add("escape", "enter", filter=here)(_newline)
        keys.add("tab", filter=here)(self._tab)
        keys.add("c-c", filter=here)(_cancel)
        keys.add("<sigint>", filter=here)(_cancel)
        keys.add("c-o", filter=here)(self._unfold)
        keys.add("c-v", filter=typing)(self._picture)
        keys.add("c-x", "c-e", filter=typing)(self._edit)
        keys.add("v", filter=here & vi_navigation_mode)(self._edit)
        keys.add(Keys.BracketedPaste, filter=here, save_before=self._is_new)(self._paste)
        return keys

    def _is_new(self, event: KeyPressEvent) -> bool:
        """Whether a paste begins: what belongs to it is undone with it."""
        return not self._pasting.just_now

    def _more(self, event: KeyPressEvent) -> bool:
        """Whether text came with this Enter in one burst: then it is part of a paste without marks."""
        now = time.monotonic()
        text = (Keys.ControlM, Keys.ControlJ, Keys.ControlI, Keys.BracketedPaste)
        queue = event.app.key_processor.input_queue
        burst = any(len(press.key) == 1 or press.key in text for press in queue)
        burst = burst or now - self._newline_at < BURST
        burst = burst or self._bursting() or (self._pasting.just_now and comes_more(event.app.input.fileno()))
        if burst:
            self._newline_at = now
        return burst

    def _enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if self._more(event):
            buffer.insert_text("\n")
        elif ends_open(buffer.text) and buffer.document.is_cursor_at_the_end:
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
        """A paste goes in whole and still needs Enter."""
        lost = self._pasting.paste(event.current_buffer, event.data)
        if lost:
            self._acts.tell(f"{lost} control characters were left out of the paste")

    def _unfold(self, event: KeyPressEvent) -> None:
        if not self._pasting.unfold(event.current_buffer):
            self._acts.tell("this paste is too long to be shown here: Ctrl-X Ctrl-E shows it in your editor")

    def _picture(self, event: KeyPressEvent) -> None:
        run_in_terminal(self._acts.picture)

    def _edit(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state:
            buffer.cancel_completion()

        def edit() -> None:
            made = self._acts.edit(buffer.text)
            if made is not None:
                self._pasting.whole(buffer, made)

        run_in_terminal(edit)


def comes_more(handle: int) -> bool:
    """Whether something can be read from the terminal already."""
    import select

    try:
        return bool(select.select([handle], [], [], 0)[0])
    except (OSError, ValueError):
        return False


def _newline(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text("\n")


def _cancel(event: KeyPressEvent) -> None:
    """Ctrl-C: empty the line; undo brings it back, as it may have been long."""
    buffer: Buffer = event.current_buffer
    text = buffer.text
    if not text:
        event.app.exit(exception=KeyboardInterrupt())
        return
    buffer.reset()
    buffer.document = Document(text)
    buffer.save_to_undo_stack()
    buffer.text = ""
