"""Which project files a person has allowed, by place and content; it asks nobody and shows nothing.

What is allowed stands in the state folder, never in the project: a project cannot decide its own trust.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arawn.config.paths import home, paths
from arawn.config.read import Raw
from arawn.errors import UsageFault


def store(env: Mapping[str, str]) -> Path:
    """The file that holds what was allowed."""
    return paths(env).state_dir / "trust.json"


def owned(raw: Raw) -> bool:
    """Whether a file belongs to the person or to root; on platforms without owners, always."""
    return not hasattr(os, "getuid") or raw.owner in (os.getuid(), 0)


def digest(data: bytes) -> str:
    """What a file's content is known by."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def is_trusted(path: Path, data: bytes, env: Mapping[str, str]) -> bool:
    """Whether exactly this content was allowed at exactly this place."""
    allowed = entries(env)
    return bool(allowed) and allowed.get(os.path.realpath(path)) == digest(data)


def entries(env: Mapping[str, str]) -> dict[str, str]:
    """Real path to content digest. What cannot be read allows nothing."""
    try:
        text = store(env).read_bytes()
    except OSError:
        return {}
    import json

    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, dict):
        return {}
    return {str(path): value for path, value in files.items() if isinstance(value, str)}


def allow(path: Path, data: bytes, env: Mapping[str, str]) -> None:
    """Remember that this content may act at this place. Raises UsageFault for the home folder and /."""
    real = os.path.realpath(path)
    folder = os.path.dirname(os.path.dirname(real))
    if folder in (os.path.dirname(folder), os.path.realpath(home(env))):
        raise UsageFault(
            "The home folder and the root folder are not projects",
            hints=("settings for everything belong into `arawn config path`",),
        )
    _change(env, {real: digest(data)}, ())


def revoke(path: Path, env: Mapping[str, str]) -> bool:
    """Forget a file; whether it was known."""
    real = os.path.realpath(path)
    known = real in entries(env)
    if known:
        _change(env, {}, (real,))
    return known


def _change(env: Mapping[str, str], add: Mapping[str, str], drop: Sequence[str]) -> None:
    import json

    from arawn.config.write import locked, write_private

    place = store(env)
    with locked(place):
        found = {path: value for path, value in entries(env).items() if path not in drop} | dict(add)
        write_private(place, json.dumps({"files": found}, indent=1).encode() + b"\n")


def held_back(place: str, dropped: Sequence[Sequence[str]]) -> str:
    """The one line that names what an untrusted file wanted to set."""
    from arawn.config.schema import path_text

    names = [path_text(path) for path in dropped]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"{place} is not trusted: held back {shown} (to look at it and allow it: arawn trust)"
