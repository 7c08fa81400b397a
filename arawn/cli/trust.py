"""`arawn trust`: allow a project's config file to act, after showing what it says."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer()


@app.command()
def trust(
    ctx: typer.Context,
    directory: Annotated[
        str, typer.Argument(metavar="[DIR]", help="The project's folder; this one if left out.")
    ] = "",
    list_: Annotated[bool, typer.Option("--list", help="List what is trusted.")] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Trust it no more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; for scripts.")] = False,
) -> None:
    """Let a project's config set more than harmless keys.

    Its .arawn/config.toml is shown first. The answer holds for exactly this content: when it changes, it
    must be trusted again.
    """
    from arawn.config.trust import entries

    context = ctx.find_root().obj
    if list_:
        for file, known in sorted(entries(context.env).items()):
            print(f"{_clean(file)}  {_state(file, known)}")
        return
    path = _file(context, directory)
    if revoke:
        _revoke(context, path)
    else:
        _allow(context, path, yes)


def _clean(text: str, newlines: bool = False) -> str:
    from arawn.render.safe import clean

    return clean(text, newlines=newlines)


def _state(file: str, known: str) -> str:
    from arawn.config.read import read
    from arawn.config.trust import digest
    from arawn.errors import ConfigFault

    try:
        raw = read(Path(file))
    except ConfigFault:
        raw = None
    if raw is None:
        return "(gone)"
    return "trusted" if digest(raw.data) == known else "(changed since: not trusted)"


def _file(context: Any, directory: str) -> Path:
    """The project file for a folder: its own, or the one that holds there."""
    from arawn.config.project import FILE, find_project
    from arawn.errors import UsageFault

    try:
        folder = Path(os.path.abspath(directory or os.getcwd()))
    except OSError:
        raise UsageFault("This folder no longer exists") from None
    _refuse_wide(context, folder)
    own = folder / FILE
    found = own if os.path.lexists(own) else find_project(context.env, folder)
    if found is None:
        raise UsageFault(f"{_clean(str(folder))} has no {FILE}")
    return found


def _refuse_wide(context: Any, folder: Path) -> None:
    from arawn.config.paths import home
    from arawn.errors import UsageFault

    real = os.path.realpath(folder)
    if real in (os.path.dirname(real), os.path.realpath(home(context.env))):
        raise UsageFault(
            "The home folder and the root folder are not projects",
            hints=("settings for everything belong into the file of `arawn config path`",),
        )


def _allow(context: Any, path: Path, yes: bool) -> None:
    from arawn.cli.context import is_terminal
    from arawn.config.read import read
    from arawn.config.trust import allow, is_trusted, owned
    from arawn.errors import UsageFault

    raw = read(path, needed=True)
    if raw is None or not owned(raw):
        raise UsageFault(f"{_clean(str(path))} belongs to another user")
    _show(context, path, raw.data)
    if is_trusted(path, raw.data, context.env):
        context.status.note("it is trusted already")
        return
    if not yes:
        if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
            raise UsageFault("There is no terminal to ask on", hints=("for scripts: arawn trust --yes",))
        sys.stderr.write("Trust this file, as it is now? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageFault("It is not trusted; nothing was changed")
    allow(path, raw.data, context.env)  # what was shown, not what may lie there by now
    context.status.note(f"trusted: {_clean(str(path))}")


def _show(context: Any, path: Path, data: bytes) -> None:
    """The whole file as it is, but for what a terminal would act on; then what needs trust."""
    from contextlib import suppress

    from arawn.config.check import check_file
    from arawn.config.read import parse, shown_path
    from arawn.config.schema import path_text
    from arawn.errors import ConfigFault

    print(f"{_clean(str(path))}:\n")
    for line in data.decode("utf-8", "replace").splitlines():
        shown = _clean(line, newlines=True)  # a single line; its indent stays
        print("    " + (shown if len(shown) <= 2000 else f"{shown[:2000]}... ({len(shown)} characters)"))
    source = parse(data, shown_path(path))
    known: Collection[str] = ()
    with suppress(ConfigFault):
        known = context.load().backends
    _, _, dropped = check_file(source, harmless_only=True, backends=known)
    print()
    for names in dropped:
        print(f"  needs trust: {path_text(names)}")


def _revoke(context: Any, path: Path) -> None:
    from arawn.config.trust import revoke

    known = revoke(path, context.env)
    context.status.note(f"{'no longer trusted' if known else 'was not trusted'}: {_clean(str(path))}")
