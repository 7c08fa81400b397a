"""Roles: a name for a system prompt, a backend, a model and settings; it asks nobody.

A role is a `[roles.NAME]` table, or the file NAME.md in the folder `roles` beside the config: its text is the
system prompt, and TOML between two lines of +++ at its beginning says the rest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.config.load import Config
from arawn.config.paths import expand, paths
from arawn.config.read import parse, read, shown_path
from arawn.config.schema import path_text
from arawn.errors import ConfigFault, UsageFault
from arawn.messages import SETTINGS, Effort

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "roles"
FENCE = "+++"


class Role(NamedTuple):
    """One role; None is not said. `place` is where it stands."""

    name: str
    system: str | None = None
    backend: str | None = None
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    reasoning: Effort | int | None = None
    place: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """What it says of every request."""
        said = {key: getattr(self, key) for key in SETTINGS}
        return {key: value for key, value in said.items() if value is not None}

    def asked(self, backend: str | None, model: str | None) -> tuple[str | None, str | None]:
        """Whom to ask where the person names these: what they say goes over what the role says."""
        if backend is not None:
            return backend, model
        return self.backend, model or self.model

    @property
    def told(self) -> str:
        """What it changes, in one line."""
        words = ["system prompt"] if self.system else []
        words += [
            f"{key} {value}" for key, value in (("backend", self.backend), ("model", self.model)) if value
        ]
        words += [f"{key} {_shown(value)}" for key, value in self.settings.items()]
        return ", ".join(words) or "nothing"


def _shown(value: Any) -> str:
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else str(value)


class Roles:
    """The roles of one person. Nothing is read before it is asked for."""

    def __init__(self, config: Config, env: Mapping[str, str]) -> None:
        self._config = config
        self._env = env

    @property
    def _tables(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._config.values.get("roles", {})
        return found

    @property
    def folder(self) -> Path:
        """Where roles are files."""
        return paths(self._env).config_dir / FOLDER

    def names(self) -> list[str]:
        """Every role there is."""
        try:
            files = [name.removesuffix(".md") for name in os.listdir(self.folder) if name.endswith(".md")]
        except OSError:
            files = []
        return sorted({*self._tables, *(name for name in files if name)})

    def find(self, name: str) -> Role:
        """The role called `name`, the config's before a file's.

        Raises UsageFault where there is none, ConfigFault for what is wrong in it.
        """
        if name in self._tables:
            return self._from_table(name)
        names = self.names()
        if name not in names:
            raise self._unknown(name, names)
        return self._from_file(name)

    def check(self) -> list[str]:
        """What is wrong in any of them, each with its place."""
        wrong = []
        for name in self.names():
            try:
                self.find(name)
            except ConfigFault as fault:
                wrong.append(fault.sentence)
        return wrong

    def _from_table(self, name: str) -> Role:
        table, origin = self._tables[name], self._config.origin
        said = self._prompt(name)
        prompts = [str(said["system"])] if "system" in said else []
        if "file" in said:
            stands = origin(("roles", name, "file")).place
            try:
                prompts.append(_text(self._path(str(said["file"]), stands)).strip())
            except ConfigFault as fault:
                path = path_text(("roles", name, "file"))
                raise ConfigFault(f"{stands}: {path}: {fault.sentence}") from None
        return _role(name, table, "\n\n".join(prompts) or None, origin(("roles", name)).place)

    def _prompt(self, name: str) -> Mapping[str, Any]:
        """What the last layer that says anything of the system prompt says."""
        for layer in reversed(self._config.layers):
            said: dict[str, Any] = layer.values.get("roles", {}).get(name, {})
            if "system" in said or "file" in said:
                return said
        return {}

    def _path(self, said: str, stands: str) -> str:
        """The file that is meant: beside the config file where that is said, which `stands` at a place."""
        if said.startswith("~"):
            return str(expand(said, self._env))
        beside = [str(file) for file in self._config.files if stands.startswith(shown_path(file) + ":")]
        return os.path.join(os.path.dirname(beside[0]) if beside else "", said)

    def _from_file(self, name: str) -> Role:
        path = self.folder / f"{name}.md"
        front, text = _parts(_text(path), shown_path(path))
        if front is None:
            return Role(name, system=text.strip() or None, place=shown_path(path))
        from arawn.config.check import check_file
        from arawn.config.check_roles import unknown_backend

        head = f"[{path_text(('roles', name))}]"  # in the place of the first +++, so that lines count alike
        source = parse(f"{head}\n{front}".encode(), shown_path(path))
        values, mistakes, _ = check_file(source)
        table = values.get("roles", {}).get(name, {})
        wrong = [mistake.text for mistake in mistakes]
        if list(source.values) != ["roles"] or list(source.values["roles"]) != [name]:
            wrong.append(f"{source.place}: a role says its settings alone, without a [table]")
        twice = [key for key in ("system", "file") if key in table]
        wrong += [f"{source.place}: {key}: the text below is its system prompt" for key in twice]
        missing = unknown_backend(self._config, table)
        wrong += [f"{source.place}: {missing}"] if missing else []
        if wrong:
            raise ConfigFault("\n".join(wrong))
        return _role(name, table, text.strip() or None, source.place)

    def _unknown(self, name: str, names: list[str]) -> UsageFault:
        near = get_close_matches(name, names, 1, 0.5)
        hints = (
            ("the roles are: " + ", ".join(names),)
            if names
            else (
                "a [roles.NAME] table in the config makes one",
                f"or a file: {shown_path(self.folder)}/NAME.md",
            )
        )
        meant = f'; did you mean "{near[0]}"?' if near else ""
        return UsageFault(f'There is no role "{name}"{meant}', hints=hints)


def _role(name: str, table: Mapping[str, Any], system: str | None, place: str) -> Role:
    said = {key: table[key] for key in ("backend", "model", *SETTINGS) if key in table}
    if "stop" in said:
        said["stop"] = tuple(said["stop"])
    return Role(name, system, place=place, **said)


def _text(path: str | Path) -> str:
    """The text of a file of at most 1 MiB. Raises ConfigFault, its sentence naming the file."""
    from pathlib import Path

    raw = read(Path(path), needed=True)
    try:
        return "" if raw is None else raw.data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigFault(f"{shown_path(path)}: is not UTF-8 text") from None


def _parts(text: str, place: str) -> tuple[str | None, str]:
    """What stands between the two +++ at the beginning (None without them), and the text below."""
    first, _, rest = text.partition("\n")
    if first.rstrip() != FENCE:
        return None, text
    lines = rest.split("\n")
    for number, line in enumerate(lines):
        if line.rstrip() == FENCE:
            return "\n".join(lines[:number]) + "\n", "\n".join(lines[number + 1 :])
    raise ConfigFault(f"{place}:1:1: the +++ at the beginning needs a second one below its settings")
