"""The input of the prompt, as the system has it; it reads nothing itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from prompt_toolkit.input import create_input
from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.keys import Keys

from arawn.repl.typed import END

if TYPE_CHECKING:
    from prompt_toolkit.input import Input

# Shift-Enter as kitty's protocol and as xterm's modifyOtherKeys say it.
SHIFT_ENTER = ("\x1b[13;2u", "\x1b[27;2;13~")


def open_input(source: TextIO, sift: Callable[[str], str] = str) -> tuple[Input, Callable[[], bool]]:
    """The input of the prompt on the terminal `source`, and whether lines just came without marks.

    sift: takes out of what was read what the terminal itself said.
    """
    ANSI_SEQUENCES.update(dict.fromkeys(SHIFT_ENTER, Keys.ControlJ))
    ANSI_SEQUENCES[END] = Keys.Ignore  # of a paste whose beginning was read before the prompt
    if sys.platform == "win32":
        return create_input(source), lambda: False
    from arawn.repl.prompt.fast import Fast

    opened = Fast(source, sift)
    return opened, lambda: opened.bursting
