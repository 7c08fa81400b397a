"""`arawn chat`: joins the REPL with a backend and the settings it needs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from arawn.cli import Backend, Model, Quiet, Reasoning, Setting

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def chat(
    ctx: typer.Context,
    system: Annotated[str | None, typer.Option("--system", "-s", help="System prompt.")] = None,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    reasoning: Reasoning = None,
    quiet: Quiet = False,
) -> None:
    """Talk with a model: memory over turns, history over sessions, /help for commands."""
    from arawn.cli.answer import wanted_effort
    from arawn.cli.context import is_terminal
    from arawn.config.paths import paths
    from arawn.engine import Conversation
    from arawn.render.terminal import color_wanted
    from arawn.repl.loop import Chat, Settings, run

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    config = context.load()
    for notice in config.notices:
        context.status.warn(notice)
    opened = context.app.open(context.backend, context.model)
    keep = bool(config.get("ui.history"))
    settings = Settings(
        color=color_wanted(context.env, is_terminal(sys.stdout), str(config.get("ui.color"))),
        markdown=bool(config.get("ui.markdown")),
        reasoning=config.get("ui.reasoning"),
        editing_mode=config.get("ui.editing_mode"),
    )
    code = run(
        Chat(
            app=context.app,
            opened=opened,
            conversation=Conversation(system=system, reasoning=wanted_effort(reasoning)),
            status=context.status,
            out=sys.stdout,
            history_file=paths(context.env).state_dir / "history" if keep else None,
            settings=settings,
            env=context.env,
        )
    )
    raise typer.Exit(code)
