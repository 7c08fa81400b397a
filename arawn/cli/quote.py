"""`arawn quote`: what a question would be at each backend, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Json
from arawn.cli.ask import File, Keys, Schema, System, Words
from arawn.errors import UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context

app = typer.Typer()


@app.command()
def quote(
    ctx: typer.Context,
    words: Words = None,
    file: File = None,
    system: System = None,
    schema: Schema = None,
    keys: Keys = None,
    cheap: Annotated[
        bool,
        typer.Option("--cheapest-that-fits", help="Print BACKEND:MODEL of the cheapest that can be asked."),
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fastest", help="Print BACKEND:MODEL of the one whose first token came soonest.")
    ] = False,
    json: Json = False,
) -> None:
    """What a question would cost at each backend. Tokens, fit, what is missing, cost; nothing is sent."""
    from arawn.cli.ask import piped
    from arawn.cli.offers import offers, pick
    from arawn.cli.prompt import compose, wanted_format
    from arawn.cli.stored import print_json
    from arawn.messages import Request, user
    from arawn.render.quote import document, lines

    context: Context = ctx.find_root().obj
    if cheap and fast:
        raise UsageFault("--cheapest-that-fits and --fastest exclude each other")
    wanted = wanted_format(False, schema, keys)
    prompt = compose(words or [], piped(words or [], file or []), file or [], context.app.fetch)
    request = Request((user(prompt.text, prompt.parts),), system, format=wanted)
    found = offers(context, request)
    picked, why = pick(found, "cheapest" if cheap else "fastest", request) if cheap or fast else (None, "")
    if json:
        print_json(document(found, picked, why, context.redact))
        return
    if picked is not None:
        print(f"{picked.backend}:{picked.model}")
        context.status.note(why)
        return
    for line in lines(found, picked, context.redact):
        print(line)
    if not any(one.usable for one in found):
        context.status.note("none of them can be asked this")
