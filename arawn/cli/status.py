"""`arawn status`: how the backends did lately: speed, failures, and who is better left in peace for now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from arawn.cli import Json

if TYPE_CHECKING:
    from arawn.backends.health import Seen
    from arawn.cli.context import Context

app = typer.Typer()


@app.command()
def status(ctx: typer.Context, json: Json = False) -> None:
    """How the backends did lately; nothing is asked. First tokens, failures and limits."""
    from arawn.cli.stored import print_json
    from arawn.render.safe import clean

    context: Context = ctx.find_root().obj
    health = context.app.health
    known = sorted(health.all().items(), key=lambda item: -item[1].at)
    if json:
        rows = [
            {"backend": name, "model": model, **seen._asdict(), "rest_s": health.rest(name, model)}
            for (name, model), seen in known
        ]
        print_json({"version": 1, "backends": rows})
        return
    if not known:
        context.status.note("Nothing was asked yet")
    width = max((len(name) + len(model) for (name, model), _ in known), default=0) + 3
    for (name, model), seen in known:
        line = f"{name} · {model}".ljust(width) + "  " + _told(seen, health.rest(name, model))
        print(clean(line, newlines=False))


def _told(seen: Seen, rest: float) -> str:
    words = [f"{seen.asked} asked"]
    if seen.first_event_s is not None:
        words.append(f"first token {seen.first_event_s:.2f} s")
    if seen.failed:
        words.append(f"{seen.failed} failed, last {seen.last_error}")
    if seen.left is not None:
        words.append(f"{seen.left} requests left when asked last")
    if rest > 0:
        words.append(f"left in peace for {rest:.0f} s more")
    return ", ".join(words)
