"""Where Arawn's files live on this platform; it opens none of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Paths(NamedTuple):
    """The folders of one person; any of them may be missing or read-only."""

    config_dir: Path
    user_file: Path
    data_dir: Path
    state_dir: Path
    cache_dir: Path


def paths(env: Mapping[str, str]) -> Paths:
    """The places that hold for `env`.

    $ARAWN_HOME gathers all in one folder; else the XDG variables hold (absolute ones only, as their
    specification says), else the platform's own places. $ARAWN_DATA_DIR moves the data alone.
    """
    own = env.get("ARAWN_HOME", "").strip()
    base = home(env)
    if own:
        folder = expand(own, env)
        found = (folder, folder / "data", folder / "state", folder / "cache")
    elif sys.platform == "win32":
        found = _windows(env, base)
    else:
        found = _unix(env, base)
    config, data, state, cache = found
    moved = env.get("ARAWN_DATA_DIR", "").strip()
    if moved:
        data = expand(moved, env)
    return Paths(config, config / "config.toml", data, state, cache)


def legacy_file(env: Mapping[str, str]) -> Path:
    """The file that first users were told of; it is read too, below `config.toml`."""
    return home(env) / ".arawn" / "arawn.toml"


def home(env: Mapping[str, str]) -> Path:
    """The home folder: $HOME where it is absolute, else what the user database says."""
    said = env.get("HOME") or (env.get("USERPROFILE", "") if sys.platform == "win32" else "")
    if said and os.path.isabs(said):
        return Path(said)
    if sys.platform != "win32":
        import pwd

        try:
            return Path(pwd.getpwuid(os.getuid()).pw_dir)
        except KeyError:
            pass
    return Path(os.path.abspath(os.sep)) / "nonexistent"


def expand(text: str, env: Mapping[str, str]) -> Path:
    """`text` as a path, a leading ~ being the home of `env`; relative ones stay as they are."""
    if text == "~" or text.startswith(("~/", "~\\")):
        return home(env) / text[2:]
    path = Path(text)
    return path if path.is_absolute() else Path(os.path.abspath(text)) if _cwd_exists() else path


def _cwd_exists() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _absolute(env: Mapping[str, str], name: str, default: Path) -> Path:
    said = env.get(name, "")
    return Path(said) if said and os.path.isabs(said) else default


def _unix(env: Mapping[str, str], base: Path) -> tuple[Path, Path, Path, Path]:
    config = _absolute(env, "XDG_CONFIG_HOME", base / ".config") / "arawn"
    data = _absolute(env, "XDG_DATA_HOME", base / ".local/share") / "arawn"
    state = _absolute(env, "XDG_STATE_HOME", base / ".local/state") / "arawn"
    cache = _absolute(env, "XDG_CACHE_HOME", base / ".cache") / "arawn"
    if sys.platform == "darwin":
        support = base / "Library/Application Support/arawn"
        said = os.path.isabs(env.get("XDG_CONFIG_HOME", ""))
        config = config if said or config.is_dir() else support
        data = data if os.path.isabs(env.get("XDG_DATA_HOME", "")) else support
        state = state if os.path.isabs(env.get("XDG_STATE_HOME", "")) else support / "state"
        cache = cache if os.path.isabs(env.get("XDG_CACHE_HOME", "")) else base / "Library/Caches/arawn"
    return config, data, state, cache


def _windows(env: Mapping[str, str], base: Path) -> tuple[Path, Path, Path, Path]:
    roaming = _absolute(env, "APPDATA", base / "AppData/Roaming") / "arawn"
    local = _absolute(env, "LOCALAPPDATA", base / "AppData/Local") / "arawn"
    config = _absolute(env, "XDG_CONFIG_HOME", roaming.parent) / "arawn"
    return config, local / "data", local / "state", local / "cache"
