"""The command tree as completions and the man page need it: commands, options, and what their values are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import typer

DYNAMIC = ("backend", "model", "session", "role", "task")
"""What only the person's own files know: `completion_values` reads it, and so do shells where they can."""
BY_OPTION = {
    "--backend": "backend",
    "--by": "backend",
    "--model": "model",
    "--of": "model",
    "--resume": "session",
}
BY_ARGUMENT = {
    "run": "task",
    "backend test": "backend",
    "model show": "model",
    "help": "page",
    "config get": "setting",
    "config set": "setting",
    "config unset": "setting",
}
FILES = ("PATH", "FILE", "DIR", "IN.jsonl", "PATH|URL", "FILE|JSON|FIELDS")


class Value(NamedTuple):
    """What a value is: one of DYNAMIC, `file`, `words` (these alone), `value` (free), or `flag` (none)."""

    kind: str
    words: tuple[str, ...] = ()


FLAG, FREE, FILE = Value("flag"), Value("value"), Value("file")


class Option(NamedTuple):
    """An option: its names, what its value is and is called, its help."""

    names: tuple[str, ...]
    value: Value
    metavar: str
    help: str


class Node(NamedTuple):
    """A command: the words that lead to it, its help, its options, its subcommands' names and helps.

    `argument` is what its arguments are, `metavars` what they are called, `text` its whole help.
    """

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    commands: tuple[tuple[str, str], ...]
    argument: Value
    metavars: tuple[str, ...]
    text: str

    @property
    def key(self) -> str:
        """The words that lead to it."""
        return " ".join(self.path)


def tree() -> list[Node]:
    """Every command, the root first; hidden ones are left out."""
    from arawn.cli import app

    root = typer.main.get_command(app)
    return list(_walk(root, (), typer.Context(root)))


def _walk(command: Any, path: tuple[str, ...], ctx: Any) -> Iterator[Node]:
    names = command.list_commands(ctx) if hasattr(command, "list_commands") else []
    found = [(name, command.get_command(ctx, name)) for name in names]
    found = [(name, sub) for name, sub in found if not sub.hidden]
    options = [
        _option(param) for param in command.params if param.param_type_name == "option" and not param.hidden
    ]
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    metavars = tuple(param.metavar or (param.name or "").upper() for param in arguments)
    help_ = Option(("--help", "-h"), FLAG, "", "Show this message and leave.")
    heads = tuple((name, _short(sub)) for name, sub in found)
    value = _argument(" ".join(path), metavars)
    text = (command.help or "").strip()
    yield Node(path, _short(command), (*options, help_), heads, value, metavars, text)
    for name, sub in found:
        yield from _walk(sub, (*path, name), ctx)


def _short(command: Any) -> str:
    return str(command.get_short_help_str(200)).rstrip(".")


def _argument(key: str, metavars: tuple[str, ...]) -> Value:
    """What the arguments of a command are."""
    if key in BY_ARGUMENT:
        return _named(BY_ARGUMENT[key])
    bare = metavars[0].strip("[].") if metavars else ""
    if bare in FILES:
        return FILE
    return Value("session") if bare.startswith("ID") else _choice(bare)


def _named(kind: str) -> Value:
    if kind == "page":
        from arawn.manual import ORDER

        return Value("words", ORDER)
    if kind == "setting":
        from arawn.config.rows import ROWS

        return Value("words", tuple(row.path for row in ROWS if "*" not in row.path))
    return Value(kind)


def _choice(metavar: str) -> Value:
    """The words of a|b|NUMBER that stand for themselves."""
    words = tuple(word for word in metavar.split("|") if word.isalpha() and word.islower())
    return Value("words", words) if "|" in metavar and words else FREE


def _option(param: Any) -> Option:
    names = tuple(dict.fromkeys([*param.opts, *param.secondary_opts]))
    metavar = param.metavar or ""
    help_ = (param.help or "").rstrip(".")
    if param.is_flag:
        return Option(names, FLAG, "", help_)
    if metavar in FILES:
        value = FILE
    elif names[0] == "--role" and "|" not in metavar:
        value = Value("role")
    else:
        value = next((Value(BY_OPTION[name]) for name in names if name in BY_OPTION), _choice(metavar))
    return Option(names, value, metavar or _called(param, value), help_)


def _called(param: Any, value: Value) -> str:
    """What a value is called where nothing says so."""
    if value.kind in DYNAMIC:
        return value.kind.upper()
    return "N" if str(param.type.name).startswith(("int", "float")) else "TEXT"


def taking(nodes: list[Node]) -> dict[str, dict[str, Value]]:
    """Every option name that takes a value: what it is, by the command it stands after."""
    found: dict[str, dict[str, Value]] = {}
    for node in nodes:
        for option in node.options:
            for name in option.names if option.value is not FLAG else ():
                found.setdefault(name, {})[node.key] = option.value
    return found


def backends() -> list[str]:
    """The names that `--backend` takes without any config."""
    from arawn.providers import GUIDE, services

    return [*services(), GUIDE]
