"""`arawn replay`: ask every prompt of a session again at another backend, and tell what differs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.cli import Backend, Json, Model, Quiet, Setting

if TYPE_CHECKING:
    from arawn.app import Opened
    from arawn.cli.context import Context
    from arawn.session import Session, Turn

app = typer.Typer()


@app.command()
def replay(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(metavar="ID|TITLE", help="The session.")],
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask the prompts of a session again elsewhere. What differs, cost and time: may I change the model?

    Each prompt is asked with what was said before it, as it was said then. Nothing is added to the session.
    """
    from arawn.cli.stored import opened as opened_store
    from arawn.cli.stored import print_json

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    context.warned()
    _, store = opened_store(ctx)
    session = store.load(store.find(which))
    opened = context.app.open(context.backend, context.model)
    context.status.note(f"session {session.id} again at {opened.name} · {opened.model}")
    rows: list[dict[str, Any]] = []
    try:
        for row in _replayed(context, opened, session):
            rows.append(row)
            if not json:
                _show(context, row)
    finally:
        opened.backend.close()
    whole = _whole(session, opened, rows)
    if json:
        print_json(whole)
    else:
        _sum_up(whole)
    if whole["failed"]:
        raise typer.Exit(1)


def _replayed(context: Context, opened: Opened, session: Session) -> Iterator[dict[str, Any]]:
    from arawn.differing import likeness

    for turn in session.path():
        if turn.kind != "said":
            continue
        context.status.working(opened.waiting)
        began = time.monotonic()
        new, error = _asked(context, opened, session, turn)
        context.status.clear()
        yield {
            "number": session.number(turn.id),
            "prompt": turn.prompt.text,
            "before": _side(turn, turn.receipt.total_s),
            "after": _side(new, time.monotonic() - began) | {"error": error},
            "likeness": round(likeness(turn.answer, new.answer), 3),
        }


def _asked(context: Context, opened: Opened, session: Session, turn: Turn) -> tuple[Turn, str | None]:
    """The turn as it is answered now, and what went wrong."""
    from arawn.engine import Conversation
    from arawn.errors import ArawnError
    from arawn.session import Session as Tree

    tree = Tree(system=session.system)
    tree.turns = {one.id: one for one in session.path(turn.parent)}
    conversation = Conversation(tree)
    error = None
    try:
        for _ in conversation.again(opened.backend, turn):
            pass
    except ArawnError as fault:
        error = context.redact(fault.sentence)
    made = tree.turns[tree.latest or ""]
    return made._replace(receipt=context.app.priced(made.receipt)), error


def _side(turn: Turn, seconds: float) -> dict[str, Any]:
    receipt = turn.receipt
    return {
        "backend": receipt.backend,
        "model": receipt.model,
        "text": turn.answer,
        "finish": receipt.finish,
        "usage": receipt.usage._asdict(),
        "cost_usd": receipt.cost_usd,
        "total_s": round(seconds, 3),
    }


def _whole(session: Session, opened: Opened, rows: list[dict[str, Any]]) -> dict[str, Any]:
    def total(side: str, key: str) -> float | None:
        values = [row[side][key] for row in rows]
        return None if any(value is None for value in values) else round(sum(values), 8)

    return {
        "version": 1,
        "session": session.id,
        "backend": opened.name,
        "model": opened.model,
        "turns": rows,
        "failed": sum(1 for row in rows if row["after"]["error"]),
        "likeness": round(sum(row["likeness"] for row in rows) / len(rows), 3) if rows else None,
        "cost_usd": {"before": total("before", "cost_usd"), "after": total("after", "cost_usd")},
        "total_s": {"before": total("before", "total_s"), "after": total("after", "total_s")},
    }


def _show(context: Context, row: dict[str, Any]) -> None:
    from arawn.differing import pieces
    from arawn.render.difference import drawn
    from arawn.render.safe import clean
    from arawn.session import title_of

    before, after = row["before"], row["after"]
    print(f"{row['number']}. {clean(title_of(row['prompt']), newlines=False)}")
    print(
        f"   {row['likeness']:.0%} alike; {before['total_s']:.1f} s -> {after['total_s']:.1f} s; "
        f"{_costs(before['cost_usd'], after['cost_usd'])}"
    )
    if after["error"]:
        print(f"   {clean(after['error'], newlines=False)}")
    elif before["text"] != after["text"]:
        print(drawn(pieces(before["text"], after["text"]), context.look.color, context.look.theme))
    print()
    sys.stdout.flush()


def _costs(before: float | None, after: float | None) -> str:
    from arawn.render.receipt import money

    return "cost unknown" if before is None and after is None else f"{money(before)} -> {money(after)}"


def _sum_up(whole: dict[str, Any]) -> None:
    cost, spent, turns = whole["cost_usd"], whole["total_s"], whole["turns"]
    if not turns:
        print("Nothing was asked in this session.")
        return
    paid = _costs(cost["before"], cost["after"])
    print(
        f"{len(turns)} turn{'s' * (len(turns) > 1)}, {whole['likeness']:.0%} alike, "
        f"{whole['failed']} failed; {spent['before']:.1f} s -> {spent['after']:.1f} s; {paid}"
    )
