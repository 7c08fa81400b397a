"""`arawn chat`: joins the REPL with a backend and the settings it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Backend, Continue, Model, NoStore, Private, Quiet, Reasoning, Resume, Role, Setting

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.cli.role import Manner
    from arawn.config.load import Config
    from arawn.repl.chat import Settings
    from arawn.repl.prompt.inputrc import Keys

Named = Callable[[str], tuple[str | None, str | None] | None]
app = typer.Typer()


@app.command()
def chat(
    ctx: typer.Context,
    system: Annotated[
        str | None, typer.Option("--system", "-s", metavar="TEXT", help="System prompt.")
    ] = None,
    role: Role = None,
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
    """Talk with a model. It knows what was said before, sessions are kept, and /help lists the commands."""
    from arawn.cli.context import need_output
    from arawn.cli.keep import open_for, speak_in
    from arawn.cli.role import manner
    from arawn.config.paths import paths
    from arawn.engine import Conversation
    from arawn.repl.loop import Chat, run

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    need_output()
    config = context.load()
    said = manner(context, role, system, reasoning)
    keeper, session = speak_in(context, continue_, resume, said.system, keep=not no_store, private=private)
    opened = open_for(context, session)
    history = paths(context.env).state_dir / "history" if config.get("ui.history") and not private else None
    planner = context.app.planner(keeper)
    conversation = Conversation(session, journal=keeper, planner=planner, **said.settings)
    code = run(
        Chat(
            app=context.app,
            opened=opened,
            conversation=conversation,
            keeper=keeper,
            status=context.status,
            out=sys.stdout,
            history_file=history,
            settings=_settings(context, said, private),
            env=context.env,
        )
    )
    raise typer.Exit(code)


def _settings(context: Context, said: Manner, private: bool) -> Settings:
    from arawn.backends.names import route
    from arawn.render.ending import ending_of
    from arawn.repl.chat import Settings
    from arawn.roles import Roles
    from arawn.snippets import load

    config = context.load()
    return Settings(
        look=context.look,
        reasoning=config.get("ui.reasoning"),
        ending=ending_of(config.get),
        editing_mode=_keys(config, context.env),
        toolbar=config.get("ui.toolbar"),
        private=private,
        verbose=context.verbose,
        named=_named(config, context.env) if config.get("model_selector.enabled") else None,
        sight=None if context.backend or context.model else route(config, "vision"),
        snippets=load(config, context.env),
        roles=Roles(config, context.env),
        role=said.role,
    )


def _keys(config: Config, env: Mapping[str, str]) -> Keys:
    from arawn.repl.prompt.inputrc import keys

    said = config.get("ui.keys")
    return keys(said if said != "auto" else config.get("ui.editing_mode") or said, env)


def _named(config: Config, env: Mapping[str, str]) -> Named:
    from arawn.selector import named

    return lambda words: named(words, config, env)
