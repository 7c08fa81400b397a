"""`arawn curl`: the request of a turn as a command that sends it again."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from arawn.cli import Backend, Setting

app = typer.Typer()


@app.command()
def curl(
    ctx: typer.Context,
    which: Annotated[
        str | None, typer.Argument(metavar="ID", help="A turn or a session; the last turn unless said.")
    ] = None,
    backend: Backend = None,
    option: Setting = None,
) -> None:
    """Print the request of a turn as a curl command. $NAME or $KEY stands in the place of the key.

    With --backend: as that backend would be asked the same.
    """
    from arawn.cli.context import is_terminal
    from arawn.cli.stored import found_turn, opened

    context, store = opened(ctx)
    context.take(backend, None, option)
    session, turn = found_turn(store, which)
    made = context.app.curl(session, turn, context.backend)
    if is_terminal(sys.stdout):
        from arawn.render.safe import clean

        made = clean(made)
    print(made)
