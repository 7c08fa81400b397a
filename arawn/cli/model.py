"""`arawn model`: which models a backend has, asked of the service itself."""

from __future__ import annotations

import json as json_
from typing import Annotated

import typer

from arawn.cli import Backend

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, help="The models of a backend.")


@app.callback()
def _group() -> None:
    """The models of a backend."""


@app.command("list")
def list_(
    ctx: typer.Context,
    query: Annotated[
        str, typer.Argument(metavar="[QUERY]", help="Only models with this in their name.")
    ] = "",
    backend: Backend = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the models that one backend offers now, one a line."""
    context = ctx.find_root().obj
    context.take(backend)
    opened = context.app.open(context.backend, context.model or None)
    names = [name for name in context.app.model_names(opened) if query.lower() in name.lower()]
    if json:
        print(
            json_.dumps({"version": 1, "backend": opened.name, "models": names}, ensure_ascii=False, indent=2)
        )
        return
    from arawn.render.safe import clean

    for name in names:
        print(clean(name, newlines=False))
    if not names:
        context.status.note(
            f"{opened.name} lists no such model" if query else f"{opened.name} lists no models"
        )
