"""`arawn receipt`: how an answer came to be: attempts, who answered, time, tokens, cost."""

from __future__ import annotations

from typing import Annotated

import typer

from arawn.cli import Json

app = typer.Typer()


@app.command()
def receipt(
    ctx: typer.Context,
    which: Annotated[
        str | None, typer.Argument(metavar="ID", help="A turn or a session; the last answer unless said.")
    ] = None,
    json: Json = False,
) -> None:
    """How an answer came to be. Attempts, who answered, waits, time, tokens, cost, settings, files."""
    from arawn.cli.stored import found_turn, opened, print_json
    from arawn.render.receipt import aligned, document
    from arawn.render.safe import clean

    _, store = opened(ctx)
    _, turn = found_turn(store, which)
    if json:
        print_json(document(turn))
        return
    for line in aligned(turn):
        print(clean(line, newlines=False))
