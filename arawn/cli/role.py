"""`arawn role`, and `--role`: its system prompt, backend and settings, unless the person says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from arawn.cli import Json

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.roles import Role

app = typer.Typer(help="The roles that --role and /role take.")


@app.callback()
def _group() -> None:
    """The roles that --role and /role take."""


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the roles: what each says, and where it stands."""
    from arawn.render.document import dump
    from arawn.render.safe import clean
    from arawn.roles import Roles

    context = ctx.find_root().obj
    roles = Roles(context.warned(), context.env)
    found = [roles.find(name) for name in roles.names()]
    if json:
        print(context.redact(dump({"version": 1, "roles": [role._asdict() for role in found]})))
        return
    for role in found:
        name, told = (clean(text, newlines=False) for text in (role.name, f"{role.told} ({role.place})"))
        print(context.redact(f"{name:<12} {told}"))
    if not found:
        context.status.note(f"there are no roles: [roles.NAME] in the config, or {roles.folder}/NAME.md")


class Manner(NamedTuple):
    """How this run speaks: the system prompt, and what a Conversation says of every request."""

    system: str | None
    settings: dict[str, Any]
    role: Role | None = None

    @property
    def said(self) -> dict[str, Any]:
        """All of it by the fields of a request."""
        return self.settings if self.system is None else {**self.settings, "system": self.system}


def manner(context: Context, role: str | None, system: str | None, reasoning: str | None) -> Manner:
    """What `--role`, `--system` and `--reasoning` say together; `context` then asks the role's backend.

    Raises UsageFault for a role that there is not, ConfigFault for one with a mistake in it.
    """
    from arawn.cli.answer import wanted_effort

    effort = wanted_effort(reasoning)
    if role is None:
        return Manner(system, {} if effort is None else {"reasoning": effort})
    from arawn.roles import Roles

    found = Roles(context.load(), context.env).find(role)
    if not (context.race or context.pick):  # these choose whom to ask
        context.backend, context.model = found.asked(context.backend, context.model)
    settings = found.settings if effort is None else {**found.settings, "reasoning": effort}
    return Manner(found.system if system is None else system, settings, found)
