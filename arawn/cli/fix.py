"""`arawn fix`: the last command, mended; the person's shell tells which it was and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Backend, JsonAlways, Model, NoStore, Private, Quiet, Setting
from arawn.cli.cmd import Shell, Widget

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.cli.prompt import Prompt

app = typer.Typer()

TOLD, ENDED = "_ARAWN_COMMAND", "_ARAWN_STATUS"
"""What the shell's own function sets for this one run. No settings: those begin with ARAWN_."""


@app.command()
def fix(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORDS...", help="What is wrong, where the shell cannot know."),
    ] = None,
    command: Annotated[
        str | None, typer.Option("--command", metavar="TEXT", help="This command, instead of the last one.")
    ] = None,
    status: Annotated[
        int | None, typer.Option("--status", metavar="N", help="The exit status it had.")
    ] = None,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    shell: Shell = None,
    json: JsonAlways = False,
    no_store: NoStore = False,
    private: Private = False,
    quiet: Quiet = False,
    widget: Widget = False,
) -> None:
    """Mend the last command. With the keys of `arawn shell-init` the new one stands on your next line.

    The command, its exit status and what `arawn cmd` tells are sent; its output is not.
    """
    from arawn.cli.prompt import whole
    from arawn.cli.propose import MENDED, Asking, Ways, deliver, told
    from arawn.errors import ArawnError

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet or widget)
    try:
        asking = Asking(context, Ways(shell or "", json, widget, not no_store, private))
        last = whole(command or context.env.get(TOLD, "")).strip()
        ended = status if command is not None else _number(context.env.get(ENDED, ""))
        found = asking.command(
            MENDED, _prompt(context, last, ended, whole(" ".join(words or ())), asking.place.shell)
        )
        if found.command == last:
            raise ArawnError(
                "The answer is the same command again", hints=("say what is wrong: arawn fix ...",)
            )
        code = deliver(asking, found)
    except ArawnError as fault:
        if not widget:
            raise
        code = told(context, fault)
    raise typer.Exit(code)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _prompt(context: Context, last: str, ended: int | None, words: str, shell: str) -> Prompt:
    """What is asked. Raises UsageFault where there is no command, or nothing wrong with it."""
    from arawn.cli.prompt import Prompt
    from arawn.cli.propose import fenced
    from arawn.errors import UsageFault
    from arawn.shell import SHELLS

    if not last:
        name = shell if shell in SHELLS else "bash"
        asked = TOLD in context.env
        why = (
            "none was run in this shell yet, or outside of its history"
            if asked
            else f"the shell tells it after: arawn shell-init {name}"
        )
        raise UsageFault(
            "The last command is not known here", hints=(why, "or: arawn fix --command 'gti status'")
        )
    if ended == 0 and not words.strip():
        raise UsageFault(
            "The last command ended well", hints=("say what is wrong: arawn fix it shows too much",)
        )
    sent = context.redact(last)
    if sent != last:
        context.status.warn("the last command holds what looks like a key: **** is sent in its place")
    said = f"This command ended with exit status {ended}:" if ended is not None else "This command is wrong:"
    wish = f"\n\nWhat is wrong with it, as the person says: {words.strip()}" if words.strip() else ""
    return Prompt(f"{said}\n\n{fenced(sent)}{wish}")
