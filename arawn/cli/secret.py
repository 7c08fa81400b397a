"""`arawn secret`: keys in the system's keyring, never on the command line and never shown."""

from __future__ import annotations

import json as json_
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.cli import Json

if TYPE_CHECKING:
    from arawn.keychain import Keychain

app = typer.Typer(help="Keys in the system's keyring.")


@app.callback()
def _group() -> None:
    """Keys in the system's keyring."""


def _keychain(context: Any) -> Keychain:
    from arawn.cli.context import is_terminal
    from arawn.keychain import Keychain

    limit = float(context.load().get("limits.keyring"))
    return Keychain(limit, interactive=is_terminal(sys.stdin), waiting=context.status.note)


def _index(context: Any) -> Path:
    from arawn.config.paths import paths

    return paths(context.env).data_dir / "secrets.json"


def _remember(context: Any, name: str, *, there: bool) -> None:
    from arawn.config.write import locked
    from arawn.keychain import remember

    index = _index(context)
    with locked(index):
        remember(index, name, there=there)


@app.command("set", context_settings={"allow_extra_args": True})
def set_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the entry, for example anthropic.")],
) -> None:
    """Store a key: typed without echo, or one line from standard input."""
    from arawn.errors import UsageFault

    context = ctx.find_root().obj
    _name(name)
    if ctx.args:
        raise UsageFault(
            "A key on the command line would stay in the shell's history: it is not taken from there",
            hints=(
                f"arawn secret set {name} and type it, or pipe it in",
                "treat the one just typed as known to others",
            ),
        )
    keychain = _keychain(context)
    value = _value(name, keychain)
    keychain.set(name, value)
    _remember(context, name, there=True)
    context.status.note(f'stored; use it as api_key = "$keyring:{name}"')


def _name(name: str) -> None:
    from arawn.errors import UsageFault

    if not name or not all(char.isascii() and (char.isalnum() or char in "_.@/-") for char in name):
        raise UsageFault("A name has letters, digits and _ . @ / - only")


def _value(name: str, keychain: Keychain) -> str:
    from arawn.cli.context import is_terminal
    from arawn.errors import UsageFault

    if is_terminal(sys.stdin):
        from getpass import getpass

        keychain.kind()  # raises before a person types what cannot be stored
        value = getpass(f"Key for {name} (not shown): ").strip()
    else:
        value = (sys.stdin.readline() if sys.stdin is not None else "").strip()
    if not value:
        raise UsageFault("No key was given; nothing is stored")
    return value


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the names of stored keys, never their values."""
    from arawn.keychain import names

    found = names(_index(ctx.find_root().obj))
    if json:
        print(json_.dumps({"version": 1, "secrets": found}))
        return
    for name in found:
        print(name)
    if not found:
        ctx.find_root().obj.status.note("no keys are stored; arawn secret set NAME stores one")


@app.command("delete")
def delete(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the entry.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a stored key."""
    from arawn.cli.context import is_terminal
    from arawn.errors import SecretFault, UsageFault

    context = ctx.find_root().obj
    if not yes:
        if not is_terminal(sys.stdin):
            raise UsageFault("Deleting asks first, and there is no terminal to ask on", hints=("--yes",))
        if not typer.confirm(f"Delete the key {name}?"):
            raise typer.Exit(1)
    try:
        _keychain(context).delete(name)
    except SecretFault as fault:
        if "is not there" in fault.sentence:
            _remember(context, name, there=False)
        raise
    _remember(context, name, there=False)
    context.status.note(f"deleted {name}")


@app.command("test")
def test(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="NAME|REFERENCE", help="A name, or like $env:VAR.")],
) -> None:
    """Say whether a key resolves, from where, and its masked value."""
    from arawn.cli.context import is_terminal
    from arawn.config.paths import paths
    from arawn.errors import SecretFault, UsageFault
    from arawn.render.safe import clean
    from arawn.secret import Resolver, references

    context = ctx.find_root().obj
    text = reference if "$" in reference else f"$keyring:{reference}"
    if not references(text):
        raise UsageFault("That is no reference", hints=("like $env:VAR, $keyring:NAME or $file:PATH",))
    resolver = Resolver(
        context.env,
        home=paths(context.env).config_dir,
        timeout=float(context.load().get("limits.keyring")),
        interactive=is_terminal(sys.stdin),
        waiting=context.status.note,
    )
    for finding in resolver.inspect(text):
        if not finding.resolves:
            raise SecretFault(finding.problem, hints=(finding.remedy,) if finding.remedy else ())
        print(
            clean(f"{finding.reference} resolves from the {finding.place}: {finding.masked}", newlines=False)
        )
