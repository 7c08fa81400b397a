"""The slash commands, one function each: its name, its docstring as help, its annotation as completion.

It knows nothing of the terminal; `Repl` in loop.py says and does what a command asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.errors import ArawnError, UsageFault
from arawn.folding import fold
from arawn.repl.screen import is_clean

if TYPE_CHECKING:
    from arawn.repl.loop import Repl

# What the argument of a command is; the name of the annotation chooses the completion.
CommandName = str
BackendName = str
ModelName = str
FreeText = str
PathName = str

LEAVE = 0
WORDS = {
    "CommandName": "[COMMAND]", "BackendName": "[NAME]", "ModelName": "[NAME]", "FreeText": "[TEXT]",
    "PathName": "[FILE]", "SessionName": "[ID]", "TurnName": "[N]", "TurnNames": "[A B]",
    "BranchName": "[NAME]", "RetryName": "[NAME]",
}  # fmt: skip
"""How each kind of argument is told."""


class Command(NamedTuple):
    """One command: `argument` is the annotation of its argument, "" where it takes none."""

    name: str
    aliases: tuple[str, ...]
    run: Callable[..., int | None]
    help: str
    argument: str

    @property
    def usage(self) -> str:
        """How it is typed."""
        return f"/{self.name} {WORDS.get(self.argument, '')}".rstrip()


COMMANDS: dict[str, Command] = {}


def command(*aliases: str) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Make a function a slash command. It returns None, or the exit code to leave with."""

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        said = {k: v for k, v in function.__annotations__.items() if k not in ("repl", "return")}
        name = function.__name__.rstrip("_")
        argument = next(iter(said.values()), "")
        COMMANDS[name] = Command(name, aliases, function, (function.__doc__ or "").strip(), argument)
        return function

    return register


def find(name: str) -> Command | None:
    """The command called `name`, by its name or an alias."""
    return COMMANDS.get(name) or next((c for c in COMMANDS.values() if name in c.aliases), None)


def run(repl: Repl, line: str) -> int | None:
    """Do what the slash command `line` says. Raises UsageFault for one that there is not."""
    name, argument = ([*line[1:].split(None, 1), "", ""])[:2]
    found = find(name)
    if found is None:
        raise unknown(name)
    argument = argument.strip()
    if not found.argument:
        if argument:
            raise UsageFault(f"/{found.name} takes no argument")
        return found.run(repl)
    return found.run(repl, argument)


def unknown(name: str) -> UsageFault:
    """The fault of a command that there is not, with the one that was meant where that can be told."""
    import difflib

    names = [*COMMANDS, *(alias for one in COMMANDS.values() for alias in one.aliases)]
    near = difflib.get_close_matches(name, names, 1, 0.5) if name else []
    hints = [f"did you mean /{near[0]}?"] if near else []
    hints += ["type /help for available commands", "begin with // to send a text that begins with a slash"]
    return UsageFault(f"Unknown command: /{name}", hints=tuple(hints))


def candidates(repl: Repl, text: str) -> Iterable[tuple[str, str]]:
    """Completions for the slash command `text`, as (what to insert, its help)."""
    name, space, argument = text.partition(" ")
    if not space:
        return [(_typed(c), c.help) for c in COMMANDS.values() if f"/{c.name}".startswith(name)]
    found = find(name[1:])
    if found is None or (" " in argument and found.argument != "PathName"):
        return []
    offered: dict[str, Callable[[], list[str]]] = {
        "CommandName": lambda: list(COMMANDS),
        "BackendName": repl.app.backend_names,
        "ModelName": lambda: repl.known.models(repl.opened),
        "PathName": lambda: _paths(argument),
        "SessionName": repl.known.sessions,
        "TurnName": lambda: list(repl.session.branches),
        "TurnNames": lambda: list(repl.session.branches),
        "RetryName": repl.app.backend_names,
    }
    names: Any = offered.get(found.argument, list)()
    return [(one, "") for one in names if one.startswith(argument) and is_clean(one)]


def _paths(begun: str) -> list[str]:
    """Files and folders that begin as what was typed."""
    import os

    folder, _, _ = begun.rpartition("/")
    try:
        with os.scandir(os.path.expanduser(folder + "/") if folder or begun[:1] == "/" else ".") as entries:
            names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    except OSError:
        return []
    return [f"{folder}/{name}" if folder or begun[:1] == "/" else name for name in names]


def _typed(one: Command) -> str:
    return f"/{one.name} " if one.argument else f"/{one.name}"


@command("h", "?")
def help_(repl: Repl, name: CommandName = "") -> None:
    """List the commands and keys, or tell about one."""
    if name:
        found = find(name.lstrip("/"))
        if found is None:
            raise unknown(name.lstrip("/"))
        others = ", ".join(f"/{alias}" for alias in found.aliases)
        repl.screen.say(f"{found.usage}  {found.help}" + (f" (also {others})" if others else ""))
        return
    width = max(len(one.usage) for one in COMMANDS.values())
    for one in COMMANDS.values():
        others = ", ".join(f"/{alias}" for alias in one.aliases)
        repl.screen.say(f"{one.usage:<{width}}  {one.help}" + (f" (also {others})" if others else ""))
    repl.screen.say("Enter sends; Alt-Enter, Ctrl-J or a backslash at the end begins a new line.")
    repl.screen.say("Ctrl-C stops the answer, Ctrl-R searches, Ctrl-D leaves; // sends a slash.")


@command()
def backend(repl: Repl, name: BackendName = "") -> None:
    """Show the backends, or switch to one."""
    if name:
        repl.switch(name, None)
        return
    repl.tell_opened()
    repl.screen.say(fold("Backends: " + ", ".join(repl.app.backend_names()), repl.screen.columns, "  "))


@command()
def model(repl: Repl, name: ModelName = "") -> None:
    """Show the models of this backend, or switch to one."""
    if name:
        repl.switch(repl.opened.name, name)
        return
    repl.tell_opened()
    try:
        names = repl.fetch_models()
    except ArawnError as error:
        repl.screen.fault(error)
        return
    repl.screen.say(
        fold(
            "Models: " + (", ".join(names) if names else "this backend lists none"), repl.screen.columns, "  "
        )
    )


@command()
def system(repl: Repl, text: FreeText = "") -> None:
    """Show or set the system prompt; a dash clears it."""
    session = repl.conversation.session
    if text:
        session.system = None if text == "-" else text
    repl.screen.say(
        f"System prompt: {session.system}" if session.system else "No system prompt of this chat."
    )


@command()
def attach(repl: Repl, name: PathName = "") -> None:
    """Send a file or page with the next message; a dash drops all."""
    if name == "-":
        repl.attached.clear()
    elif name:
        repl.attach(name)
    files = ", ".join(f"{file.name} ({file.kind}, {file.size:,} bytes)" for file in repl.attached)
    repl.screen.say(f"With the next message: {files}" if files else "Nothing is attached.")


@command()
def json(repl: Repl, fields: FreeText = "") -> None:
    """Answer in JSON, of a shape like 'name, age int'; off ends it."""
    if fields == "off":
        repl.conversation.format = None
        repl.screen.say("Answers are text again.")
        return
    from arawn.attach import read_text
    from arawn.messages import Format
    from arawn.structure import from_argument

    repl.conversation.format = Format(from_argument(fields, read_text)) if fields else Format()
    repl.screen.say("Answers are JSON now; /json off ends it.")


@command("new")
def clear(repl: Repl) -> None:
    """Begin anew; what was said stays in its session."""
    repl.begin_anew()
    repl.screen.say("Started a new conversation.")


@command("q", "exit")
def quit_(repl: Repl) -> int:
    """Leave."""
    return LEAVE
