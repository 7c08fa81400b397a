"""The slash commands that show what goes over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arawn.errors import UsageFault
from arawn.repl.commands.registry import command

if TYPE_CHECKING:
    from arawn.repl.loop import Repl


@command(group="out")
def curl(repl: Repl) -> None:
    """The request as curl. Of the last answer, without the key."""
    session = repl.conversation.session
    turn = session.current
    if turn is None:
        raise UsageFault("Nothing was asked yet, so there is no request to show")
    repl.screen.say(repl.app.curl(session, turn, brief=repl.screen.on_terminal), whole=True)


@command(later=True)
def tools(repl: Repl) -> None:
    """Which tools may be used."""
    repl.screen.say("Models have no tools yet: they come in a later version.")
