"""`arawn doctor`: everything that can be wrong around the program, checked and told with a remedy."""

from __future__ import annotations

import json as json_
from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Json

if TYPE_CHECKING:
    from arawn.cli.context import Context

app = typer.Typer()


@app.command()
def doctor(
    ctx: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Touch no network.")] = False,
    recover: Annotated[
        bool, typer.Option("--recover", help="Take in what damaged stores of sessions still hold, instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Check what can be wrong around the program.

    That is files, config, secrets, terminal, keyring, network and versions; exit 1 if one is broken.
    """
    from arawn.doctor import checks
    from arawn.errors import ConfigFault
    from arawn.render.safe import clean

    context: Context = ctx.find_root().obj
    if recover:
        return _recover(context, json)
    fault: ConfigFault | None = None
    config = None
    try:
        config = context.load()
    except ConfigFault as error:
        fault = error
    rows = []
    reach = context.app.reach if config is not None and not offline else None
    for row in checks(config, fault, context.env, reach):
        rows.append(row)
        if not json:
            line = clean(f"{row.what}: {context.redact(row.detail)}", newlines=False, limit=400)
            print(f"{row.state:<4}  {line}", flush=True)
            if row.remedy and row.state != "ok":
                print("      - " + clean(context.redact(row.remedy), newlines=False, limit=400))
    broken = [row for row in rows if row.state == "fail"]
    if json:
        made = [
            {**row._asdict(), "detail": context.redact(row.detail), "remedy": context.redact(row.remedy)}
            for row in rows
        ]
        print(json_.dumps({"version": 1, "ok": not broken, "checks": made}, ensure_ascii=False, indent=2))
    if broken:
        raise typer.Exit(1)


def _recover(context: Context, json: bool) -> None:
    """Take in what the files that were set aside still hold; they stay. Exit 1 where one can't be read."""
    from arawn.config.paths import paths
    from arawn.errors import StoreFault
    from arawn.render.safe import clean
    from arawn.store.care import damaged, recover
    from arawn.store.sessions import Store

    folder = paths(context.env).data_dir
    store = Store(folder, context.status.warn)
    rows: list[dict[str, object]] = []
    for path in damaged(folder):
        row: dict[str, object] = {"path": str(path), "sessions": 0, "turns": 0, "error": None}
        rows.append(row)
        try:
            row["sessions"], row["turns"] = recover(store, path)
            line = f"{path}: {row['sessions']} sessions could be read, {row['turns']} turns were taken in"
        except StoreFault as fault:
            row["error"] = line = fault.sentence
        if not json:
            print(clean(line, newlines=False))
    if json:
        print(json_.dumps({"version": 1, "files": rows}, ensure_ascii=False, indent=2))
    elif not rows:
        context.status.note("No store was damaged: there is nothing to take in")
    if any(row["error"] for row in rows):
        raise typer.Exit(1)
