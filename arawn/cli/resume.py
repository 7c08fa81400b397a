"""`arawn resume`: show an answer that broke off, and go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Backend, JsonAlways, Model, Quiet, Setting
from arawn.errors import UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.keeping import Keeper
    from arawn.session import Session, Turn

app = typer.Typer()


@app.command()
def resume(
    ctx: typer.Context,
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="ID|TITLE", help="A session or turn; the answer that broke off last unless said."
        ),
    ] = None,
    show_only: Annotated[bool, typer.Option("--show", help="Show what came, and ask nothing.")] = False,
    json: JsonAlways = False,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    quiet: Quiet = False,
) -> None:
    """Go on with an answer that broke off. At the same backend or another: what came, then the rest."""
    from arawn.cli.answer import Form, show, sink_for
    from arawn.cli.keep import open_for
    from arawn.engine import Conversation

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    context.warned()
    keeper = context.app.keeper()
    session, turn = _broken(context, keeper, which, json)
    session.stand_at(turn.id)
    context.status.note(f"session {session.id}: {session.title}")
    what = "broke off" if turn.answer or turn.receipt.finish != "error" else "failed before any answer"
    context.status.note(f"{what}: {turn.receipt.told or turn.receipt.finish}")
    if show_only and json:
        _print_document(turn)
        return
    if show_only:
        shown = sink_for("text", context)
        shown.feed(turn.answer)
        shown.close()
        return
    opened = open_for(context, session)
    seam = f"continued by {opened.name} · {opened.model}" if turn.answer else "nothing had come; asked again"
    conversation = Conversation(session, journal=keeper, planner=context.app.planner(keeper))
    form: Form = "json" if json else "text"
    try:
        rest = conversation.resume(opened.backend, turn)
        show(context, opened, rest, form, session, before=(turn.answer, seam))
    finally:
        opened.backend.close()
        keeper.settle()


def _print_document(turn: Turn | None) -> None:
    """What came of a turn as it is kept; without one that nothing broke off."""
    from arawn.events import Reply, Text
    from arawn.render.document import document, dump

    reply = Reply()
    made = document(reply, backend="", provider="", model="", fault=None, redact=str) | {"finish": None}
    if turn is not None:
        receipt = turn.receipt
        reply.parts, reply.usage, reply.attempts = [Text(turn.answer)], receipt.usage, [*receipt.attempts]
        made = document(reply, backend="", provider="", model="", fault=None, redact=str, turn=turn)
        error = {"code": receipt.error, "message": receipt.told, "hint": "arawn resume", "status": None}
        made |= {"ok": False, "finish": receipt.finish, "error": error}
    print(dump(made))


def _broken(context: Context, keeper: Keeper, which: str | None, json: bool) -> tuple[Session, Turn]:
    """The answer that is meant, or that broke off last; where there is none the program is done."""
    from arawn.cli.stored import found_turn

    if not keeper.enabled:
        raise UsageFault("The store is off, so nothing is kept that could be gone on with")
    if which is None:
        found = keeper.store.unfinished()
        if found is None:
            context.status.note("No answer broke off: there is nothing to go on with")
            if json:
                _print_document(None)
            raise typer.Exit(0)
        session = keeper.store.load(found[0])
        return session, session.turns[found[1]]
    session, turn = found_turn(keeper.store, which)
    if not turn.unfinished and turn.receipt.finish != "length":
        raise UsageFault(f"The answer of turn {turn.id} did not break off", hints=("arawn ask -c asks more",))
    return session, turn
