"""Whether what is said of roles can hold: backends that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arawn.config.check_routing import is_known, near
from arawn.config.schema import path_text

if TYPE_CHECKING:
    from arawn.config.load import Config


def wrong_roles(config: Config) -> list[str]:
    """Mistakes in the `[roles.NAME]` tables, with their places."""
    wrong = []
    for name, table in config.values.get("roles", {}).items():
        at = f"[{path_text(('roles', name))}]"
        missing = unknown_backend(config, table)
        if missing:
            wrong.append(f"{config.origin(('roles', name, 'backend')).place}: {at} {missing}")
    return wrong


def unknown_backend(config: Config, table: Mapping[str, Any]) -> str:
    """What is wrong with the backend of a role, "" where nothing is."""
    name = table.get("backend")
    if name is None or is_known(config, name):
        return ""
    return f"backend: there is no backend {name!r}{near(config, name)}"
