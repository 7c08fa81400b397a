"""`arawn cmd`: one command for a request, shown or handed on; run only when the person says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Backend, JsonAlways, Model, NoStore, Private, Quiet, Setting

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.cli.prompt import Prompt

app = typer.Typer()

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="WORDS...", help="What the command is to do; - is standard input."),
]
Shell = Annotated[
    str | None, typer.Option("--shell", metavar="NAME", help="The shell that it is for; yours unless said.")
]
Line = Annotated[str | None, typer.Option("--line", hidden=True)]
Widget = Annotated[bool, typer.Option("--widget", hidden=True)]


@app.command()
def cmd(
    ctx: typer.Context,
    words: Words = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what a command does, instead of making one.")
    ] = False,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    shell: Shell = None,
    json: JsonAlways = False,
    no_store: NoStore = False,
    private: Private = False,
    quiet: Quiet = False,
    line: Line = None,
    widget: Widget = False,
) -> None:
    """Have one shell command for what you say. It is never run unasked.

    Into a pipe it is printed alone. On a terminal you choose: run, edit, explain, copy or abort.
    """
    from arawn.cli.propose import COMMAND, Asking, Ways, deliver, told
    from arawn.errors import ArawnError

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet or widget)
    ways = Ways(shell or "", json, widget, not no_store, private)
    try:
        asking, prompt = Asking(context, ways), prompt_of(context, words or [], line)
        if explain:
            asking.explain(prompt.text, "json" if json else "text")
            return
        code = deliver(asking, asking.command(COMMAND, prompt))
    except ArawnError as fault:
        if not widget:
            raise
        code = told(context, fault)
    raise typer.Exit(code)


def prompt_of(context: Context, words: list[str], line: str | None) -> Prompt:
    """What is asked: a line of the shell as it is, or words and what is piped in. Raises UsageFault."""
    from arawn.cli.ask import piped
    from arawn.cli.prompt import Prompt, compose, whole
    from arawn.errors import UsageFault

    if line is not None and line.strip():
        return Prompt(whole(line))
    try:
        return compose(words, piped(words, []), [], context.app.fetch)
    except UsageFault as fault:
        fault.hints = ('arawn cmd "find large files"',)
        raise
