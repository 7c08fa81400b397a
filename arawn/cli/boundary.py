"""The one place where a fault becomes a sentence and an exit code; no traceback passes it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from arawn import interrupt
from arawn.errors import ArawnError, Internal, StoreFault, UsageFault

if TYPE_CHECKING:
    from pathlib import Path

    from arawn.cli.context import Context


def report(error: BaseException, context: Context, args: Sequence[str]) -> int:
    """Tell `error` on stderr (and as JSON where asked for); return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, interrupt.Terminated):
        return error.code
    left = isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError)
    if isinstance(error, SystemExit) and not left:
        return error.code if isinstance(error.code, int) else 0
    if left:  # the CLI library makes an exit of it
        _silence()
        return 141
    try:
        fault = _known(error)
        if fault is None and interrupt.code():  # made into another on its way, as `__set_name__` does it
            return interrupt.code()
        fault = fault or Internal.of(error)
        written(fault, context)
        _tell(fault, error, context, args)
    except (OSError, MemoryError, ImportError) as lack:  # there is not even what it takes to tell it
        _plainly(lack)
        return getattr(error, "exit_code", 1)
    return fault.exit_code


def _known(error: BaseException) -> ArawnError | None:
    if isinstance(error, ArawnError):
        return error
    message = getattr(error, "format_message", None)  # a usage error or Abort of the CLI library
    if message is not None:
        return UsageFault(_told(error, str(message())), hints=(*_setting(error), f"{_command(error)} --help"))
    if type(error).__name__ == "Abort":
        return UsageFault("Nothing was done: the question was not answered")
    if isinstance(error, OSError) and error.strerror:
        fault = ArawnError(f"{error.strerror}" + (f": {error.filename}" if error.filename else ""))
        return fault
    if isinstance(error, ImportError) and "sqlite" in str(error).lower():
        return StoreFault("this Python was built without SQLite, so there is no store of sessions")
    if isinstance(error, AttributeError) and sys.stdout is None:  # what would have been told has no place
        return ArawnError("Standard output is closed")
    if isinstance(error, MemoryError):
        return ArawnError("Out of memory")
    return _not_whole(error)


def _not_whole(error: BaseException) -> ArawnError | None:
    """What is no fault of ours, but of how we were installed or of what the system grants."""
    if isinstance(error, ImportError) and not (error.name or "arawn").startswith("arawn"):
        name = str(error.name).partition(".")[0]
        return ArawnError(
            f"The package {name}, which Arawn needs, is missing or does not load",
            detail=str(error),
            hints=("install Arawn again", "arawn doctor tells which packages there are"),
        )
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return ArawnError(
            "The system starts no more threads for you", hints=("ulimit -u tells how many it grants",)
        )
    return None


def unknown_command(said: str, more: Sequence[str] = ()) -> UsageFault:
    """What to say of a command that there is not, and which one may be meant.

    With words after it that are no options it is rather a question than a command that is spelt wrong.
    """
    from difflib import get_close_matches

    from arawn.cli import COMMANDS
    from arawn.cli.completion_tree import tree

    if said == "version":
        return UsageFault("There is no command 'version'", hints=("arawn --version",))
    near = get_close_matches(said, COMMANDS) or [node.key for node in tree() if node.path[1:] == (said,)]
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    asks = not near or (more and not more[0].startswith("-"))
    hints = ('a question: arawn ask "..."', "arawn --help") if asks else ("arawn --help",)
    return UsageFault(f"There is no command {said!r}{meant}", hints=hints)


def _told(error: BaseException, message: str) -> str:
    """What the CLI library says, and which commands there are where one is missing."""
    names = getattr(getattr(getattr(error, "ctx", None), "command", None), "commands", {})
    if names and message.startswith("Missing command"):
        return f"{_command(error)} needs one of: {', '.join(names)}"
    return message.replace("\n", " ")


def _setting(error: BaseException) -> tuple[str, ...]:
    """How to say what is no option of the command: one that stands before it, or a setting for one run."""
    from arawn.config.schema import Row, find

    said = str(getattr(error, "option_name", ""))
    place = getattr(error, "ctx", None)
    if said and place is not None and any(said in one.opts for one in place.find_root().command.params):
        return (f"it stands before the command: arawn {said} ...",)
    name = said.lstrip("-").replace("-", "_")
    return (f"for this run: -o llm.{name}=...",) if name and isinstance(find(("llm", name)), Row) else ()


def _command(error: BaseException) -> str:
    """The command whose words were wrong, as it is typed."""
    names: list[str] = []
    place = getattr(error, "ctx", None)
    while place is not None and place.parent is not None:
        names.insert(0, place.info_name or "")
        place = place.parent
    return " ".join(["arawn", *names])


def written(fault: ArawnError, context: Context) -> None:
    """Have the traceback of a fault of ours, redacted, in a private file, and `fault` say where."""
    if not isinstance(fault, Internal) or fault.__cause__ is None:
        return
    place = record(fault.__cause__, context)
    hint = f"what happened is written down, without keys, in {place}"
    fault.hints = (hint if place else "run it again with --debug to see where",)


def record(error: BaseException, context: Context) -> Path | None:
    """Write down where a fault of ours came from; the file, or None where it cannot be written."""
    from arawn.config.edit import write_private
    from arawn.config.paths import paths

    place = paths(context.env).state_dir / "crash.txt"
    try:
        write_private(place, trace(error, context).encode("utf-8", "replace"))
    except OSError:
        return None
    return place


def trace(error: BaseException, context: Context) -> str:
    """Where a fault came from, without keys and without what a terminal would act on."""
    import traceback

    from arawn.render.safe import clean

    return clean(context.redact("".join(traceback.format_exception(error))))


def _tell(fault: ArawnError, error: BaseException, context: Context, args: Sequence[str]) -> None:
    command = next((arg for arg in args if arg in ("ask", "cmd", "fix", "embed", "resume", "session")), "")
    if not context.printed and command not in ("", "session") and ("--json" in args or "--jsonl" in args):
        from arawn.render.document import dump, failure
        from arawn.render.vectors import document

        embedding = command == "embed"
        made = document(fault=fault, redact=context.redact) if embedding else failure(fault, context.redact)
        print(dump(made), flush=True)
        context.printed = True
    status = context.status
    status.clear()
    if context.debug:
        sys.stderr.write(trace(error, context))
    fault.redact(context.redact)
    status.error(fault)


def _plainly(error: BaseException) -> None:
    """One line, by nothing that has yet to be loaded."""
    what = (isinstance(error, OSError) and error.strerror) or "Out of memory"
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"Error: {what}\n")


def _silence() -> None:
    """Point stdout at nothing, so that the last flush has nobody to complain to."""
    import os

    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
