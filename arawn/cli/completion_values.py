"""The names that a person's own files know, for completions: read without any check, and quickly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MOST = 200
_NAME = re.compile(r"[\w.:/@+-]{1,120}", re.ASCII)
"""What goes into a line of the shell: nothing that means something to it."""


def values(kind: str, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names of a kind, each with a word about it or ""; none where nothing can be read."""
    made = {"backend": _backends, "model": _models, "session": _sessions, "role": _roles}.get(kind)
    found = made(env) if made is not None else ((name, "") for name in _table(kind + "s", env))
    for name, about in dict(found).items():
        if _NAME.fullmatch(name):
            yield name, about


def _config(env: Mapping[str, str]) -> dict[str, Any]:
    import tomllib

    from arawn.config.paths import paths

    said = env.get("ARAWN_CONFIG", "").strip()
    try:
        return tomllib.loads((Path(said) if said else paths(env).user_file).read_text("utf-8-sig"))
    except (OSError, ValueError):
        return {}


def _table(name: str, env: Mapping[str, str]) -> list[str]:
    found = _config(env).get(name)
    return list(found) if isinstance(found, dict) else []


def _backends(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    from arawn.cli.completion_tree import backends

    yield from ((name, "") for name in (*backends(), *_table("backends", env)))


def _roles(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    from arawn.config.paths import paths

    files = (file.stem for file in sorted((paths(env).config_dir / "roles").glob("*.md")))
    yield from ((name, "") for name in (*_table("roles", env), *files))


def _models(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    import json

    from arawn.config.paths import paths

    for file in sorted((paths(env).cache_dir / "models").glob("*.json")):
        try:
            for row in json.loads(file.read_bytes())["models"]:
                yield str(row["name"]), file.stem.rpartition("-")[0]
        except (OSError, ValueError, TypeError, KeyError):
            continue


def _sessions(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    from arawn.config.paths import paths
    from arawn.errors import ArawnError
    from arawn.render.safe import clean
    from arawn.store.sessions import FILE, Store

    folder = paths(env).data_dir
    if not (folder / FILE).exists():
        return
    try:
        for info in Store(folder, lambda line: None, busy=0.2).listing(MOST):
            yield info.id, clean(info.title, newlines=False, limit=60)
    except ArawnError:
        return
