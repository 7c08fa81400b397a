"""`arawn status`: how the backends did lately: speed, failures, and who is better left in peace for now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from arawn.backends.health import Seen

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def status(
    ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False
) -> None:
    """How the backends did lately: first tokens, failures, limits; nothing is asked."""
    from arawn.cli.stored import print_json
    from arawn.render.safe import clean

    context = ctx.find_root().obj
    known = sorted(context.app.health.all().items(), key=lambda item: -item[1].at)
    if json:
        print_json({"version": 1, "backends": [_row(name, model, seen) for (name, model), seen in known]})
        return
    if not known:
        context.status.note("Nothing was asked yet")
    width = max((len(name) + len(model) for (name, model), _ in known), default=0) + 3
    for (name, model), seen in known:
        print(clean(f"{name} · {model}".ljust(width)) + "  " + _told(seen))


def _row(name: str, model: str, seen: Seen) -> dict[str, Any]:
    return {"backend": name, "model": model, **seen._asdict(), "rest_s": max(0.0, seen.until - time.time())}


def _told(seen: Seen) -> str:
    words = [f"{seen.asked} asked"]
    if seen.first_event_s is not None:
        words.append(f"first token {seen.first_event_s:.2f} s")
    if seen.failed:
        words.append(f"{seen.failed} failed, last {seen.last_error}")
    if seen.left is not None:
        words.append(f"{seen.left} requests left when asked last")
    rest = seen.until - time.time()
    if rest > 0:
        words.append(f"left in peace for {rest:.0f} s more")
    return ", ".join(words)
