"""`arawn usage`: what was asked, how many tokens it took, and what it cost."""

from __future__ import annotations

from typing import Annotated

import typer

from arawn.cli import Json

app = typer.Typer()


@app.command()
def usage(
    ctx: typer.Context,
    by: Annotated[
        str, typer.Option("--by", metavar="day|backend|model|session", help="What to sum up by.")
    ] = "day",
    since: Annotated[
        str | None,
        typer.Option(metavar="SPAN|DATE", help="From then on: 30d, 12h, 2026-11-01; 30d unless said."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="From the beginning.")] = False,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """What was asked, and what it cost. Turns, tokens and money, from the turns in the store."""
    import sys

    from arawn.cli.stored import columns_of, moment, opened, print_json
    from arawn.errors import UsageFault
    from arawn.render import usage as shown
    from arawn.store.usage import BYS, sums

    chosen = next((one for one in BYS if one == by), None)
    if chosen is None:
        raise UsageFault(f"--by takes {', '.join(BYS)}, not {by!r}")
    if json and csv:
        raise UsageFault("--json and --csv exclude each other")
    if every and since is not None:
        raise UsageFault("--all and --since exclude each other")
    context, store = opened(ctx)
    start = 0.0 if every else moment("30d" if since is None else since, "--since")
    rows = store.read(lambda db: sums(db, chosen, start))
    if json:
        print_json(shown.document(rows, chosen, start))
    elif csv:
        sys.stdout.write(shown.table(rows, chosen))
    elif not rows:
        context.status.note("nothing was asked in that time; --all shows what was before")
    else:
        columns = columns_of(context, sys.stdout)
        aloud = columns is not None and context.spoken
        for line in shown.spoken(rows, chosen) if aloud else shown.lines(rows, chosen, columns):
            print(line)
