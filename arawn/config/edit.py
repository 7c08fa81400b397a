"""Changing one setting in a file and nothing else in it; every change is checked before it is written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arawn.config.write import locked, write_private
from arawn.errors import ConfigFault, UsageFault

if TYPE_CHECKING:
    from arawn.config.read import Source

__all__ = ["check_text", "reference_only", "set_value", "unset_value", "write_config", "write_private"]

Names = tuple[str, ...]


def set_value(env: Mapping[str, str], config_file: str | None, key: str, text: str) -> Path:
    """Set one key in the user's file, comments and order kept; the file that was written.

    Raises UsageFault for a key on the command line, ConfigFault for a value that does not fit, a file that
    is broken (it is kept as it is), or one that cannot be written.
    """
    from arawn.config.load import value_at
    from arawn.config.schema import split_path
    from arawn.config.values import BadValue

    names = split_path(key)
    try:
        value = _stored(names, text, value_at(names, text))
    except BadValue as bad:
        raise ConfigFault(str(bad)) from None
    reference_only(names, text)

    def change(document: Any, plain: dict[str, Any]) -> None:
        _set(document, names, value, fresh=_fresh_table)
        _set(plain, names, value, fresh=lambda parent, last: {})

    return _edit(env, config_file, change)


def unset_value(env: Mapping[str, str], config_file: str | None, key: str) -> Path:
    """Take one key, or a whole table, out of the user's file. Raises ConfigFault where it is not in it."""
    from arawn.config.schema import path_text, split_path

    names = split_path(key)

    def change(document: Any, plain: dict[str, Any]) -> None:
        for root in (plain, document):
            node: Any = root
            for name in names[:-1]:
                node = node.get(name) if hasattr(node, "get") else None
            if not hasattr(node, "pop") or names[-1] not in node:
                raise ConfigFault(f"{path_text(names)} is not set in that file")
            del node[names[-1]]

    return _edit(env, config_file, change)


def reference_only(names: Names, text: str) -> None:
    """Raise UsageFault where `text` is a key itself: a command line can be read by others and is kept."""
    import re

    from arawn.config.load import refers
    from arawn.config.row import Row
    from arawn.config.schema import find, path_text

    row = find(names)
    if not isinstance(row, Row) or refers(text):
        return
    named = row.kind == "map" and re.search(r"auth|key|token|secret|passw|cookie", names[-1], re.I)
    secret = row.kind == "secret" and (not row.path.endswith("proxy") or "@" in text)
    if named or secret:
        shown = path_text(names[1:2])
        raise UsageFault(
            f"{path_text(names)}: a key does not belong on the command line, where others can read it",
            hints=(
                f"store it: arawn secret set {shown}",
                f"then: arawn config set {path_text(names)} '$keyring:{shown}'",
                "or refer to a variable: '$env:NAME'",
            ),
        )


def check_text(data: bytes, place: str, env: Mapping[str, str], named: bool) -> tuple[Source, list[str]]:
    """A file's content parsed, and all its mistakes. Raises ConfigFault where it is no TOML.

    `named`: the person chose this file, so that nothing else is read below it.
    """
    from arawn.config.check import check_file, check_whole
    from arawn.config.load import Config, Layer
    from arawn.config.paths import legacy_file
    from arawn.config.read import parse, read

    source = parse(data, place)
    values, mistakes, _ = check_file(source)
    layers = [Layer("user", values, source)]
    if not named:
        with contextlib.suppress(ConfigFault):
            raw = read(legacy_file(env))
            if raw is not None:
                below = parse(raw.data, str(legacy_file(env)))
                layers.insert(0, Layer("user", check_file(below)[0], below))
    mistakes += check_whole(Config(layers, (), ()), mistakes)
    return source, [mistake.text for mistake in mistakes]


def write_config(path: Path, data: bytes, env: Mapping[str, str]) -> None:
    """`write_private` for a config file; an OSError becomes a ConfigFault that says nothing is lost."""
    from arawn.config.paths import paths
    from arawn.config.read import shown_path

    try:
        write_private(path, data)
    except OSError as error:
        raise ConfigFault(
            f"{shown_path(path)}: could not be written ({error.strerror}); it is as it was"
        ) from None
    if path.parent == paths(env).config_dir:
        with contextlib.suppress(OSError):
            os.chmod(path.parent, 0o700)


def _edit(
    env: Mapping[str, str], config_file: str | None, change: Callable[[Any, dict[str, Any]], None]
) -> Path:
    from arawn.config.load import user_file
    from arawn.config.read import shown_path

    path, named = user_file(env, config_file)
    try:
        with locked(path):
            _edit_locked(path, named, env, change)
    except OSError as error:
        raise ConfigFault(f"{shown_path(path)}: could not be written ({error.strerror})") from None
    return path


def _edit_locked(
    path: Path, named: bool, env: Mapping[str, str], change: Callable[[Any, dict[str, Any]], None]
) -> None:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from arawn.config.read import read, shown_path

    raw = read(path)
    place = shown_path(path)
    try:
        source, before = check_text(raw.data if raw else b"", place, env, named)
    except ConfigFault as fault:
        raise ConfigFault(
            fault.sentence, detail=fault.detail, hints=("the file is kept as it is: arawn config edit",)
        ) from None
    try:
        document = tomlkit.parse(source.text)
        change(document, source.values)
        data = tomlkit.dumps(document).encode()
        fresh, after = check_text(data, place, env, named)
        same = _pruned(fresh.values) == _pruned(source.values)
    except (TOMLKitError, RecursionError, KeyError, TypeError, ValueError, AttributeError):
        same, data, after = False, b"", []
    if not same:
        raise ConfigFault(
            f"{place}: this cannot be changed here without touching the rest",
            hints=("the file is kept as it is: arawn config edit",),
        )
    _refuse_new(before, after)
    write_config(path, data, env)


def _pruned(value: Any) -> Any:
    """Tables without empty ones: whether a table that holds nothing more keeps its header does not matter."""
    if not isinstance(value, dict):
        return value
    kept = {name: _pruned(item) for name, item in value.items()}
    return {name: item for name, item in kept.items() if item != {}}


def _refuse_new(before: Sequence[str], after: Sequence[str]) -> None:
    """Mistakes that were there before do not keep anyone from mending another; new ones are refused."""
    import re

    old = {re.sub(r":\d+:\d+: ", ": ", text) for text in before}
    new = [text for text in after if re.sub(r":\d+:\d+: ", ": ", text) not in old]
    if new:
        raise ConfigFault("\n".join(new), hints=("nothing was written",))


def _stored(names: Names, text: str, value: Any) -> Any:
    """What to write: quantities as the person wrote them, all else in its type."""
    from arawn.config.row import Row
    from arawn.config.schema import find

    row = find(names)
    if not isinstance(row, Row) or row.kind not in ("duration", "size"):
        return value
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _set(root: Any, names: Names, value: Any, fresh: Callable[[Any, bool], Any]) -> None:
    node = root
    for depth, name in enumerate(names[:-1], 1):
        if name not in node:
            node[name] = fresh(node, depth == len(names) - 1)
        node = node[name]
    node[names[-1]] = value


def _fresh_table(parent: Any, last: bool) -> Any:
    """A new table that fits where it is put; one that only holds tables has no header of its own."""
    import tomlkit
    from tomlkit.items import InlineTable

    if isinstance(parent, InlineTable):
        return tomlkit.inline_table()
    return tomlkit.table(is_super_table=not last)
