"""`--role`: the system prompt, backend and settings of a role, unless the person says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.roles import Role


class Manner(NamedTuple):
    """How this run speaks: the system prompt, and what a Conversation says of every request."""

    system: str | None
    settings: dict[str, Any]
    role: Role | None = None


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
