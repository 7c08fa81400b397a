"""Where a project's own config file is; whether it may be believed is not decided here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from arawn.config.paths import home

FILE = Path(".arawn") / "config.toml"


def find_project(env: Mapping[str, str], cwd: Path | None) -> Path | None:
    """The nearest `.arawn/config.toml` at or above `cwd`.

    The walk ends at the root of the repository, before the home folder and before the root of the file
    system, so that neither the person's own ~/.arawn nor a stranger's file in /tmp's parents is taken.
    """
    if cwd is None:
        return None
    own = os.path.realpath(home(env))
    folder = os.path.abspath(cwd)
    while folder != os.path.dirname(folder) and os.path.realpath(folder) != own:
        candidate = os.path.join(folder, FILE)
        if os.path.lexists(candidate):
            return Path(candidate)
        if os.path.lexists(os.path.join(folder, ".git")):
            return None
        folder = os.path.dirname(folder)
    return None
