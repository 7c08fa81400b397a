"""`arawn config`: look at the settings, check them, change them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from arawn.cli import Json

app = typer.Typer(help="Look at the settings, check and change them.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="A dotted path, such as llm.model.")]


@app.callback()
def _group() -> None:
    """Look at the settings, check and change them."""


@app.command()
def show(
    ctx: typer.Context,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Where each reference points, and whether it resolves.")
    ] = False,
    origin: Annotated[bool, typer.Option("--origin", help="Say of every value where it comes from.")] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the keys themselves.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --reveal: do not ask, not even a pipe.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what holds: files, backends, limits. Keys are hidden."""
    from arawn.cli import config_secrets, config_show

    context = ctx.find_root().obj
    if reveal:
        config_secrets.may_reveal(force)
    config = context.load()
    rows = config_secrets.secret_rows(context, config, reveal) if secrets or reveal else None
    if json:
        config_show.print_json(context, config, rows)
    else:
        config_show.print_text(context, config, origin)
        if rows is not None:
            config_secrets.print_rows(rows)
    if rows is not None:
        config_secrets.complain(rows)


@app.command()
def path(ctx: typer.Context) -> None:
    """Print which file your settings belong into."""
    from arawn.config.load import user_file
    from arawn.config.read import shown_path

    context = ctx.find_root().obj
    print(shown_path(user_file(context.env, context.config_file)[0]))


@app.command()
def check(ctx: typer.Context) -> None:
    """Check all files, variables and flags. Every mistake is named, and what has no effect yet."""
    from arawn.config.load import unknown_variables
    from arawn.config.mask import leaves
    from arawn.config.read import shown_path
    from arawn.config.row import Row
    from arawn.config.schema import find, path_text
    from arawn.errors import ConfigFault
    from arawn.roles import Roles

    context = ctx.find_root().obj
    config = context.load()
    wrong = Roles(config, context.env).check()
    if "tasks" in config.values:
        from arawn.config.check_tasks import wrong_tasks

        wrong = [*wrong, *wrong_tasks(config)]
    if wrong:
        raise ConfigFault("\n".join(wrong))
    for file in config.files:
        print(f"{shown_path(file)}: no mistakes")
    if not config.files:
        print("No config files loaded (using defaults)")
    for names, _ in leaves(config.values):
        row = find(names)
        if isinstance(row, Row) and not row.effect:
            print(f"{config.origin(names).place}: {path_text(names)} has no effect yet")
    if "llm" in config.values or len(config.backends) > 1:
        from arawn.cli.config_routing import explained

        for line in explained(context):
            print(line)
    for line in (*unknown_variables(context.env), *config.notices):
        context.status.warn(line)


@app.command()
def get(ctx: typer.Context, key: Key) -> None:
    """Print one value, the one that holds. A key is hidden, a reference is shown as it is."""
    from arawn.cli.config_show import plain
    from arawn.config.mask import masked
    from arawn.config.schema import find, path_text, split_path, suggest
    from arawn.errors import ArawnError, ConfigFault

    context = ctx.find_root().obj
    names = split_path(key)
    if find(names) is None:
        near = suggest(names)
        raise ConfigFault(f"unknown key {path_text(names)}" + (f"; did you mean {near}?" if near else ""))
    value = context.load().get(names)
    if value is None:
        raise ArawnError(f"{path_text(names)} is not set")
    print(plain(context, masked(names, value)))


@app.command("set", context_settings={"ignore_unknown_options": True})
def set_(
    ctx: typer.Context, key: Key, value: Annotated[str, typer.Argument(metavar="VALUE", help="Its value.")]
) -> None:
    """Set one value in your file; comments and order stay."""
    from arawn.config.edit import set_value

    context = ctx.find_root().obj
    _written(context, set_value(context.env, context.config_file, key, value))


@app.command()
def unset(ctx: typer.Context, key: Key) -> None:
    """Take one value, or a whole table, out of your file."""
    from arawn.config.edit import unset_value

    context = ctx.find_root().obj
    _written(context, unset_value(context.env, context.config_file, key))


@app.command()
def edit(ctx: typer.Context) -> None:
    """Open your file in $VISUAL or $EDITOR. What comes back is checked before it is taken."""
    from arawn.cli.config_edit import edit_file

    context = ctx.find_root().obj
    _written(context, edit_file(context))


@app.command()
def init(
    ctx: typer.Context,
    non_interactive: Annotated[
        bool, typer.Option("--non-interactive", help="Ask nothing; take what is found.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a first file. Keys in the environment and servers on this machine are found."""
    from arawn.cli.config_init import make

    context = ctx.find_root().obj
    _written(context, make(context, ask=not non_interactive, force=force))


def _written(context: Any, file: Any) -> None:
    from arawn.config.read import shown_path

    context.status.note(f"written: {shown_path(file)}")
