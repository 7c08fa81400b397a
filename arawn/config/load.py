"""The layers of settings as one Config: which files are read, what wins, who said it; it resolves no secret.

Built-in < user file < project file < ARAWN_* environment < flags, key by key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arawn.config.check import MOST, Mistake, check_file, check_whole
from arawn.config.paths import expand, legacy_file, paths
from arawn.config.read import Raw, Source, parse, read, shown_path
from arawn.config.row import Row
from arawn.config.schema import NOT_SETTINGS, env_names, find, path_text, split_path, suggest
from arawn.config.values import BadValue, coerce, from_text
from arawn.errors import ConfigFault

Names = tuple[str, ...]
KEY_LOG = "SSLKEYLOGFILE is set: whoever reads that file can read all that is sent, keys too; unset it"


class Origin(NamedTuple):
    """Who said a value: `layer` is default, user, project, env or flag."""

    layer: str
    place: str


class Layer(NamedTuple):
    """What one place said, checked and in its final types. `places` is for env and flags."""

    name: str
    values: dict[str, Any]
    source: Source | None = None
    places: Mapping[Names, str] = {}


class Config:
    """The settings that hold. Nothing in it changes after `load`."""

    def __init__(self, layers: Sequence[Layer], files: Sequence[Path], notices: Sequence[str]) -> None:
        self.layers = tuple(layers)
        self.files = tuple(files)
        self.notices = tuple(notices)
        self.values: dict[str, Any] = {}
        for layer in layers:
            _merge(self.values, layer.values)

    @property
    def backends(self) -> dict[str, dict[str, Any]]:
        """The [backends.NAME] tables by name."""
        found: dict[str, dict[str, Any]] = self.values.get("backends", {})
        return found

    def get(self, path: str | Names) -> Any:
        """The value at a dotted path, else the built-in default, else None."""
        names = split_path(path) if isinstance(path, str) else path
        said = _at(self.values, names)
        if said is not None:
            return said
        row = find(names)
        return coerce(row, row.default) if isinstance(row, Row) and row.default is not None else None

    def origin(self, path: str | Names) -> Origin:
        """Who said the value at `path`."""
        names = split_path(path) if isinstance(path, str) else path
        for layer in reversed(self.layers):
            if _at(layer.values, names) is not None:
                return Origin(layer.name, _place(layer, names))
        return Origin("default", "built in")

    def history(self, path: str) -> list[tuple[str, Any]]:
        """Every value said at `path` with its layer, the one that holds last."""
        names = split_path(path)
        said = ((layer.name, _at(layer.values, names)) for layer in self.layers)
        return [(name, value) for name, value in said if value is not None]


def load(
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    config_file: str | None,
    flags: Sequence[tuple[str, str, str]],
) -> Config:
    """Read, check and merge all layers. `flags` are (dotted path, value as text, how it was given).

    Raises ConfigFault with every mistake found, one a line.
    """
    mistakes: list[Mistake] = []
    notices = [KEY_LOG] if env.get("SSLKEYLOGFILE") else []
    layers: list[Layer] = []
    files: list[Path] = []
    for path, needed in _user_files(env, config_file):
        layer = _file_layer(path, needed, mistakes, notices)
        if layer is not None:
            layers.append(layer)
            files.append(path)
    project = _project_layer(env, cwd, files, layers, mistakes, notices)
    if project is not None:
        layers.append(project[1])
        files.append(project[0])
    layers += [_env_layer(env, mistakes), _flag_layer(flags, mistakes)]
    config = Config([layer for layer in layers if layer.values], files, notices)
    if not any(mistake.stops for mistake in mistakes):
        mistakes += check_whole(config, mistakes)
    if mistakes:
        more = [f"and {len(mistakes) - MOST} more"] if len(mistakes) > MOST else []
        raise ConfigFault("\n".join([*(mistake.text for mistake in mistakes[:MOST]), *more]))
    return config


def unknown_variables(env: Mapping[str, str]) -> list[str]:
    """A line for each ARAWN_* variable that means nothing, with what may have been meant."""
    from difflib import get_close_matches

    lines = []
    known = [*env_names(), *NOT_SETTINGS]
    for name in sorted(env):
        if name.startswith("ARAWN_") and name not in known:
            near = get_close_matches(name, known, 1, 0.7)
            lines.append(f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return lines


def user_file(env: Mapping[str, str], config_file: str | None) -> tuple[Path, bool]:
    """The file that `config set` writes, and whether the person named it (then it must exist to be read)."""
    named = config_file or env.get("ARAWN_CONFIG", "").strip()
    return (expand(named, env), True) if named else (paths(env).user_file, False)


def _user_files(env: Mapping[str, str], config_file: str | None) -> list[tuple[Path, bool]]:
    path, named = user_file(env, config_file)
    return [(path, True)] if named else [(legacy_file(env), False), (path, False)]


def _file_layer(path: Path, needed: bool, mistakes: list[Mistake], notices: list[str]) -> Layer | None:
    try:
        raw = read(path, needed=needed)
        source = parse(raw.data, shown_path(path)) if raw is not None else None
    except ConfigFault as fault:
        mistakes.append(Mistake(fault.sentence, stops=True))
        return None
    if raw is None or source is None:
        return None
    values, found, _ = check_file(source)
    mistakes += found
    layer = Layer("user", values, source)
    notices += _literal_keys(layer, raw, path)
    return layer


def _literal_keys(layer: Layer, raw: Raw, path: Path) -> list[str]:
    """A warning for each key that stands in the file itself, and one where others can read it."""
    lines = []
    for group in ("backends", "embeddings"):
        for name, table in layer.values.get(group, {}).items():
            key = table.get("api_key") if isinstance(table, dict) else None
            if key and not refers(key):
                place = _place(layer, (group, name, "api_key"))
                shown = path_text((name,))
                lines.append(
                    f"{place}: this key stands in the file itself; better: arawn secret set {shown}, "
                    f'then api_key = "$keyring:{shown}"'
                )
    if lines and os.name == "posix" and raw.mode & 0o077:
        lines.append(f"{shown_path(path)}: others can read this file and the key in it; chmod 600 it")
    return lines


def refers(text: str) -> bool:
    """Whether a text holds a reference to a secret rather than the secret."""
    if "$" not in text:
        return False
    from arawn.secret import references

    return bool(references(text))


def _project_layer(
    env: Mapping[str, str],
    cwd: Path | None,
    files: Sequence[Path],
    layers: Sequence[Layer],
    mistakes: list[Mistake],
    notices: list[str],
) -> tuple[Path, Layer] | None:
    from arawn.config.project import find_project

    path = find_project(env, cwd)
    if path is None or any(os.path.realpath(path) == os.path.realpath(file) for file in files):
        return None
    from arawn.config.trust import held_back, is_trusted, owned

    place = shown_path(path)
    try:
        raw = read(path)
        if raw is None:
            return None
        if not owned(raw):
            notices.append(f"{place} is not read: it belongs to another user")
            return None
        source = parse(raw.data, place)
    except ConfigFault as fault:
        mistakes.append(Mistake(fault.sentence, stops=True))
        return None
    if is_trusted(path, raw.data, env):
        values, found, _ = check_file(source)
    else:
        names = {name for layer in layers for name in layer.values.get("backends", {})}
        values, found, dropped = check_file(source, harmless_only=True, backends=names)
        if dropped:
            notices.append(held_back(place, dropped))
    mistakes += found
    return path, Layer("project", values, source)


def _env_layer(env: Mapping[str, str], mistakes: list[Mistake]) -> Layer:
    values: dict[str, Any] = {}
    places: dict[Names, str] = {}
    said = [name for name in env if name.startswith("ARAWN_") and name not in NOT_SETTINGS]
    for name in sorted(said, key=lambda name: (len(name), name)) if said else ():
        path = env_names().get(name)
        if path is not None and env[name].strip():
            _put(values, places, split_path(path), env[name], name, mistakes)
    return Layer("env", values, None, places)


def _flag_layer(flags: Sequence[tuple[str, str, str]], mistakes: list[Mistake]) -> Layer:
    values: dict[str, Any] = {}
    places: dict[Names, str] = {}
    for path, text, label in flags:
        _put(values, places, split_path(path), text, label, mistakes)
    return Layer("flag", values, None, places)


def _put(
    values: dict[str, Any],
    places: dict[Names, str],
    names: Names,
    text: str,
    place: str,
    mistakes: list[Mistake],
) -> None:
    try:
        value = value_at(names, text)
    except BadValue as bad:
        mistakes.append(Mistake(f"{place}: {bad}", stops=True))
        return
    node = values
    for name in names[:-1]:
        node = node.setdefault(name, {})
    node[names[-1]] = value
    places[names] = place


def value_at(names: Names, text: str) -> Any:
    """`text` as the value of the setting `names`. Raises BadValue, its text naming the setting."""
    from arawn.config.values import parsed

    row = find(names) if all(names) else None
    shown = path_text(names)
    if not isinstance(row, Row):
        near = "" if row else suggest(names)
        what = f"{shown} is a table, not a key" if row else f"unknown key {shown}"
        raise BadValue(what + (f"; did you mean {near}?" if near else ""))
    inside = names[len(row.path.split(".")) :]
    try:
        if not inside:
            return from_text(row, text)
        value: Any = text if row.kind == "map" else parsed(text)
        for name in reversed(inside):
            value = {name: value}
        coerce(row, value)
        return text if row.kind == "map" else parsed(text)
    except BadValue as bad:
        raise BadValue(f"{shown}: {bad}", bad.inside) from None


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict):
            own = base.get(key)
            base[key] = own = dict(own) if isinstance(own, dict) else {}
            _merge(own, value)
        else:
            base[key] = value


def _at(values: Any, names: Names) -> Any:
    for name in names:
        if not isinstance(values, dict):
            return None
        values = values.get(name)
    return values


def _place(layer: Layer, names: Names) -> str:
    if layer.source is not None:
        from arawn.config.entries import said_at
        from arawn.config.positions import locate, positions

        line, column = locate(positions(layer.source.text), said_at(layer.source.values, names))
        return f"{layer.source.place}:{line}:{column}"
    for length in range(len(names), 0, -1):
        if names[:length] in layer.places:
            return layer.places[names[:length]]
    return next((place for path, place in layer.places.items() if path[: len(names)] == names), layer.name)
