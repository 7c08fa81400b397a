"""What holds for a whole run: what breaks beside the command is not shown, and memory is not dumped."""

from __future__ import annotations

import sys
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from arawn import interrupt
from arawn.cli.boundary import record, trace

if TYPE_CHECKING:
    from arawn.cli.context import Context

_core: tuple[int, int] | None = None


def on_faults(context: Context) -> None:
    """Have what breaks in a thread, or while something is thrown away, written down and not shown.

    Python would print its traceback into the answer, with whatever key stands in it.
    """

    def note(error: BaseException | None) -> None:
        if error is None or isinstance(error, SystemExit):
            return
        with suppress(Exception):  # there may be no memory left, or no file may be opened
            if context.debug:
                sys.stderr.write(trace(error, context))
            record(error, context)

    def unraisable(said: sys.UnraisableHookArgs) -> None:
        if interrupt.lost(said.exc_value):
            return
        if sys.warnoptions:  # whoever asks for warnings changes the program, and is to see these, too
            sys.__unraisablehook__(said)
        else:
            note(said.exc_value)

    threading.excepthook = lambda said: note(said.exc_value)
    sys.unraisablehook = unraisable
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def no_core_dump() -> None:
    """Let the system write no image of our memory, keys and all, should we crash."""
    global _core
    try:
        import resource

        _core = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, _core[1]))
    except (ImportError, OSError, ValueError):  # no such limit on this system
        _core = None


def core_dump_as_before() -> None:
    """For a command of the person's own that takes our place."""
    if _core is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, _core)
