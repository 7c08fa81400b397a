"""`arawn chat`: joins the REPL with a backend and the settings it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Backend, Continue, Model, NoStore, Private, Quiet, Reasoning, Resume, Setting

if TYPE_CHECKING:
    from arawn.config.load import Config

Named = Callable[[str], tuple[str | None, str | None] | None]
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def chat(
    ctx: typer.Context,
    system: Annotated[str | None, typer.Option("--system", "-s", help="System prompt.")] = None,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    reasoning: Reasoning = None,
    continue_: Continue = False,
    resume: Resume = None,
    no_store: NoStore = False,
    private: Private = False,
    quiet: Quiet = False,
) -> None:
    """Talk with a model: memory over turns, history over sessions, /help for commands."""
    from arawn.cli.answer import wanted_effort
    from arawn.cli.keep import open_for, speak_in
    from arawn.config.paths import paths
    from arawn.engine import Conversation
    from arawn.repl.loop import Chat, Settings, run
    from arawn.snippets import load as snippets_of

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    config = context.load()
    keeper, session = speak_in(context, continue_, resume, system, keep=not no_store, private=private)
    opened = open_for(context, session)
    history = paths(context.env).state_dir / "history" if config.get("ui.history") and not private else None
    settings = Settings(
        look=context.look,
        reasoning=config.get("ui.reasoning"),
        editing_mode=config.get("ui.editing_mode"),
        named=_named(config, context.env) if config.get("model_selector.enabled") else None,
        snippets=snippets_of(config, context.env),
    )
    planner = context.app.planner(keeper)
    conversation = Conversation(session, reasoning=wanted_effort(reasoning), journal=keeper, planner=planner)
    code = run(
        Chat(
            app=context.app,
            opened=opened,
            conversation=conversation,
            keeper=keeper,
            status=context.status,
            out=sys.stdout,
            history_file=history,
            settings=settings,
            env=context.env,
        )
    )
    raise typer.Exit(code)


def _named(config: Config, env: Mapping[str, str]) -> Named:
    from arawn.selector import named

    return lambda words: named(words, config, env)
