"""All modules with slash commands: importing this makes them known, in the order that `/help` has."""

from __future__ import annotations

from arawn.repl import (
    commands,
    compare_commands,
    context_commands,
    file_commands,
    settings_commands,
    spent_commands,
    tree_commands,
    wire_commands,
)

MODULES = (
    commands,
    settings_commands,
    file_commands,
    tree_commands,
    compare_commands,
    context_commands,
    spent_commands,
    wire_commands,
)
