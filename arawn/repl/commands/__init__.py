"""The slash commands, a module a group: importing this makes them known; `registry` says what one is."""

from arawn.repl.commands import basics, compare, context, files, settings, spent, tree, wire

__all__ = ["basics", "compare", "context", "files", "settings", "spent", "tree", "wire"]
