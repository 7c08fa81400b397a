"""The command line: the root command, its options, and the one error boundary; bodies import late."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

COMMANDS = (
    "ask",
    "chat",
    "compare",
    "cmd",
    "fix",
    "run",
    "batch",
    "resume",
    "session",
    "receipt",
    "replay",
    "status",
    "curl",
    "usage",
    "quote",
    "embed",
    "backend",
    "model",
    "role",
    "config",
    "secret",
    "trust",
    "doctor",
    "shell-init",
    "completions",
    "man",
    "help",
)
PLURALS = {
    "sessions": "session",
    "backends": "backend",
    "models": "model",
    "roles": "role",
    "secrets": "secret",
}

Backend = Annotated[
    str | None,
    typer.Option("--backend", "-b", metavar="BACKEND", help="Whom to ask: a [backends.NAME] or a provider."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="MODEL", help="Model to ask, BACKEND:MODEL, or an alias."),
]
Setting = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="KEY=VALUE", help="Any setting for this run, by its dotted path."),
]
Reasoning = Annotated[
    str | None,
    typer.Option(metavar="off|low|medium|high|TOKENS", help="How much the model may think first."),
]
Role = Annotated[
    str | None, typer.Option("--role", metavar="ROLE", help="Speak as this role: system prompt and settings.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
JsonAlways = Annotated[bool, typer.Option("--json", help="Print one JSON document, on failure too.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Longest silence to bear.")
]
Tasks = Annotated[
    str | None, typer.Option("--tasks", "-t", metavar="FILE", help="Take tasks from a file as well.")
]

Continue = Annotated[
    bool,
    typer.Option(
        "--continue",
        "-c",
        help="Go on with the last session of this terminal, else of this folder, else of all.",
    ),
]
Resume = Annotated[str | None, typer.Option("--resume", metavar="ID|TITLE", help="Go on with that session.")]
NoStore = Annotated[bool, typer.Option("--no-store", help="Keep nothing of this session.")]
Private = Annotated[
    bool, typer.Option("--private", help="Keep nothing, and ask backends on this machine alone.")
]


class Commands(TyperGroup):
    """The commands by name; each module is imported when its command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of `--help`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command called `cmd_name`, or None."""
        from arawn.cli import everywhere

        name = PLURALS.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        app = import_module(f"arawn.cli.{name.replace('-', '_')}").app
        app.rich_markup_mode = None
        command = typer.main.get_command(app)
        command.name = name
        # Arawn has completions of its own (see completions/); typer would offer its own at each command.
        command.params = [one for one in command.params if not (one.name or "").endswith("_completion")]
        everywhere.give(command)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """A plural noun on its own lists."""
        if args and args[0] in PLURALS and len(args) == 1:
            args = [PLURALS[args[0]], "list"]
        if args and args[0] not in (*COMMANDS, *PLURALS):
            from arawn.cli.boundary import unknown_command

            raise unknown_command(args[0], args[1:])
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from arawn import __version__

        typer.echo(f"arawn {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    ctx: typer.Context,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="FILE", help="Read FILE instead of the user's config file."),
    ] = None,
    color: Annotated[
        str | None, typer.Option(metavar="auto|always|never", help="Colour on the terminal.")
    ] = None,
    accessible: Annotated[
        bool, typer.Option("--accessible", help="Labels and sentences on the terminal, for screen readers.")
    ] = False,
    continue_: Continue = False,
    resume: Resume = None,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell every attempt on stderr.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="On a fault, a redacted traceback on stderr.")
    ] = False,
    record: Annotated[
        str | None, typer.Option(metavar="FILE", help="Record all HTTP of this run, without keys.")
    ] = None,
    replay: Annotated[
        str | None, typer.Option(metavar="FILE", help="Answer from a recording: no network, no key.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """A command-line assistant for every model backend you have.

    Alone on a terminal it is `arawn chat`; with something piped in it is `arawn ask`.
    """
    context = ctx.obj
    context.config_file = config
    context.paint(color)
    context.accessible = context.accessible or accessible
    context.verbose = verbose
    context.debug = context.debug or debug
    context.take(backend, model, option, quiet)
    if record is not None or replay is not None:
        context.put_in(record, replay)
    if ctx.invoked_subcommand is None:
        _begin(ctx, continue_, resume)
    elif continue_ or resume:
        from arawn.errors import UsageFault

        raise UsageFault("--continue and --resume stand after the command", hints=("arawn ask -c ...",))


def _begin(ctx: typer.Context, continue_: bool, resume: str | None) -> None:
    """What `arawn` alone does."""
    from arawn.cli.context import is_terminal

    if is_terminal(sys.stdin):
        from arawn.cli.chat import chat

        chat(ctx, continue_=continue_, resume=resume)
    else:
        from arawn.cli.ask import ask

        ask(ctx, ["-"], continue_=continue_, resume=resume)


def run(args: Sequence[str]) -> int:
    """Run the program with `args`; every fault ends here as a sentence and an exit code.

    Returns the exit code of the table in the README. Only what a signal raises at the very end leaves it.
    """
    from arawn import interrupt
    from arawn.cli import boundary, hooks
    from arawn.cli.context import Context

    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character must not end the answer
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    context = Context(os.environ)
    hooks.on_faults(context)
    hooks.no_core_dump()
    try:
        interrupt.begin()
        result = app(list(args), standalone_mode=False, prog_name="arawn", obj=context)
        return result if isinstance(result, int) else 0
    except BaseException as error:
        return boundary.report(error, context, args)
