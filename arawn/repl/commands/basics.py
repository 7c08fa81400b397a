"""The slash commands of the chat itself: help, beginning anew, leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arawn.folding import fold
from arawn.repl.commands.registry import GROUPS, LEAVE, CommandName, command, find, listed, unknown

if TYPE_CHECKING:
    from arawn.repl.loop import Repl


@command("h", "?")
def help_(repl: Repl, name: CommandName = "") -> None:
    """This list, or about one. With the name of a command it tells all about that one."""
    if name:
        found = find(name.lstrip("/"))
        if found is None:
            raise unknown(name.lstrip("/"))
        others = ", ".join(f"/{alias}" for alias in found.aliases)
        told = f"{found.usage}  {found.help}" + (f" (also {others})" if others else "")
        repl.screen.say(fold(told, repl.screen.columns, "  "))
        return
    columns = repl.screen.columns
    if repl.settings.look.accessible:
        lines, columns = overview(1), None
    else:
        lines = overview(columns)
    for line in lines:
        repl.screen.say(fold(line, columns, "  "))


def overview(columns: int | None) -> list[str]:
    """All commands by their groups, two beside each other where the width allows, and the keys."""
    left = max(len(one.name) for one in listed()) + 1
    half = max(left + 2 + len(one.short) for one in listed())
    beside = 2 if (columns or 80) >= 2 * half + 2 else 1
    lines = []
    for group, heading in GROUPS.items():
        rows = [f"/{one.name:<{left}} {one.short}" for one in listed() if one.group == group]
        height = -(-len(rows) // beside)
        lines.append(heading)
        for place in range(height):
            lines.append("  ".join(f"{row:<{half}}" for row in rows[place::height]).rstrip())
    lines.append("/help COMMAND tells more of one. Enter sends; Alt-Enter or Ctrl-J: a new line.")
    lines.append("Ctrl-C stops the answer, Ctrl-R searches, Ctrl-D leaves; // sends a slash.")
    return lines


@command("new", group="tree")
def clear(repl: Repl) -> None:
    """Begin anew. What was said stays in its session."""
    repl.begin_anew()
    repl.screen.say("Started a new conversation.")


@command("q", "exit")
def quit_(repl: Repl) -> int:
    """Leave."""
    return LEAVE
