"""What a slash command is: a function whose name, docstring and annotation are its name, help, completion.

It knows nothing of the terminal; `Repl` in loop.py says and does what a command asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import UsageFault
from arawn.repl.prompt.nearby import scanned
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
PARTING = ("exit", "quit")
"""What a person at a terminal types alone to leave, as in a shell: no question is meant by it."""
WORDS = {
    "CommandName": "[COMMAND]", "BackendName": "[NAME]", "ModelName": "[NAME]", "FreeText": "[TEXT]",
    "PathName": "[FILE]", "SessionName": "[ID]", "TurnName": "[N]", "TurnNames": "[A B]",
    "BranchName": "[NAME]", "RetryName": "[NAME]", "RoleName": "[NAME]", "SettingText": "[KEY=VALUE]",
    "CodeNumber": "[N]", "CopyWords": "[code [N]|all]", "SaveWords": "[FILE] [code [N]]",
    "ReasoningWord": "[show|hide|line|last]", "CompareWords": "[A B] [: TEXT]",
}  # fmt: skip
"""How each kind of argument is told."""
GROUPS = {
    "ask": "Answers", "who": "Who answers, and how", "with": "What goes along", "tree": "The session",
    "out": "Taking out", "spent": "What it takes", "": "The chat",
}  # fmt: skip
"""The groups of `/help` in their order, each with its heading."""


class Command(NamedTuple):
    """One command: `argument` is the annotation of its argument, "" where it takes none.

    `group` is where `/help` lists it. One that comes `later` is listed and completed nowhere.
    """

    name: str
    aliases: tuple[str, ...]
    run: Callable[..., int | None]
    help: str
    argument: str
    group: str = ""
    later: bool = False

    @property
    def usage(self) -> str:
        """How it is typed."""
        return f"/{self.name} {WORDS.get(self.argument, '')}".rstrip()

    @property
    def short(self) -> str:
        """The first sentence of its help, without the full stop."""
        return self.help.partition(". ")[0].rstrip(".")


COMMANDS: dict[str, Command] = {}


def command(
    *aliases: str, group: str = "", later: bool = False
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Make a function a slash command. It returns None, or the exit code to leave with."""

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        said = {k: v for k, v in function.__annotations__.items() if k not in ("repl", "return")}
        name = function.__name__.rstrip("_")
        argument = next(iter(said.values()), "")
        told = " ".join((function.__doc__ or "").split())
        COMMANDS[name] = Command(name, aliases, function, told, argument, group, later)
        return function

    return register


def listed() -> list[Command]:
    """Those that are there, in the order of `/help`."""
    found = [one for one in COMMANDS.values() if not one.later]
    return sorted(found, key=lambda one: list(GROUPS).index(one.group))


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
            raise UsageFault(f"/{name} takes no argument")
        return found.run(repl)
    return found.run(repl, argument)


def unknown(name: str) -> UsageFault:
    """The fault of a command that there is not, with the one that was meant where that can be told."""
    import difflib

    names = [*(one.name for one in listed()), *(alias for one in listed() for alias in one.aliases)]
    near = difflib.get_close_matches(name, names, 1, 0.5) if name else []
    hints = [f"did you mean /{near[0]}?"] if near else []
    hints += ["type /help for available commands", "begin with // to send a text that begins with a slash"]
    return UsageFault(f"Unknown command: /{name}", hints=tuple(hints))


OFFERS: dict[str, Callable[[Repl, str], Iterable[str]]] = {
    "CommandName": lambda repl, begun: [one.name for one in listed()],
    "BackendName": lambda repl, begun: repl.app.backend_names(),
    "ModelName": lambda repl, begun: repl.known.models(repl.opened),
    "PathName": lambda repl, begun: paths(begun),
    "SessionName": lambda repl, begun: repl.known.sessions(),
    "TurnName": lambda repl, begun: list(repl.session.branches),
    "TurnNames": lambda repl, begun: list(repl.session.branches),
    "RetryName": lambda repl, begun: repl.app.backend_names(),
}
"""What may stand for each kind of argument, given what of it is typed."""
MANY = ("TurnNames", "CompareWords", "CopyWords", "SaveWords")
"""The kinds of which several may stand behind each other."""


def candidates(repl: Repl, text: str) -> Iterable[tuple[str, str]]:
    """Completions for the slash command `text`, as (what to insert, its help)."""
    name, space, argument = text.partition(" ")
    if not space:
        return [
            (_typed(c), c.short) for c in COMMANDS.values() if f"/{c.name}".startswith(name) and not c.later
        ]
    found = find(name[1:])
    if found is None or (" " in argument and found.argument not in ("PathName", *MANY)):
        return []
    begun = argument.rpartition(" ")[2] if found.argument in MANY else argument
    names = OFFERS[found.argument](repl, argument) if found.argument in OFFERS else ()
    return [(one, "") for one in names if one.startswith(begun) and is_clean(one)]


def paths(begun: str) -> list[str]:
    """What is in the folder of a path as far as that is typed."""
    folder, slash, _ = begun.rpartition("/")
    return scanned(folder + slash)


def _typed(one: Command) -> str:
    return f"/{one.name} " if one.argument else f"/{one.name}"
