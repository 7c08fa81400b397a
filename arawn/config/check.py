"""Whether what was said can hold: all mistakes of a file, and of the whole; it reads nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.config.entries import Key, said_at, with_entries
from arawn.config.read import Source
from arawn.config.row import Row
from arawn.config.schema import path_text, suggest, tree
from arawn.config.values import BadValue, coerce

if TYPE_CHECKING:
    from arawn.config.load import Config

Names = tuple[str, ...]

MOST = 100
"""Mistakes that are told; a file with more of them is no config file."""


class Mistake(NamedTuple):
    """A line for the person; one that `stops` makes it pointless to check what depends on the rest."""

    text: str
    stops: bool = False
    path: Names = ()


class _Walk:
    """One pass over a file's values."""

    def __init__(self, harmless_only: bool, backends: Collection[str]) -> None:
        self.harmless_only = harmless_only
        self.backends = backends
        self.wrong: list[tuple[Key, str]] = []
        self.dropped: list[Names] = []

    def table(self, said: dict[str, Any], spec: dict[str, Any], path: Names) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in said.items():
            at = (*path, name)
            found = spec.get(name) if name != "*" else None
            if found is None:
                found = spec.get("*")
            if self.held(at, found, spec):
                self.drop(at, value)
            elif found is None:
                self.wrong.append((at, _unknown(at) if len(self.wrong) < MOST else "unknown key"))
            elif isinstance(found, Row):
                self.leaf(at, found, value, kept)
            elif not isinstance(value, dict) and self.harmless_only:
                self.drop(at, value)
            elif not isinstance(value, dict):
                self.wrong.append((at, f"{path_text(at)}: expected a table"))
            else:
                inner = self.table(value, found, at)
                if inner or not self.harmless_only:
                    kept[name] = inner
        return kept

    def drop(self, at: Names, value: Any) -> None:
        """Note what is not taken; of a table, the keys in it."""
        self.dropped += [(*at, name) for name in value] if isinstance(value, dict) and value else [at]

    def leaf(self, at: Names, row: Row, value: Any, kept: dict[str, Any]) -> None:
        try:
            kept[at[-1]] = coerce(row, value)
        except BadValue as bad:
            where = at + bad.inside
            self.wrong.append((where, f"{path_text(where)}: {bad}"))

    def held(self, at: Names, found: Any, spec: dict[str, Any]) -> bool:
        """Whether an untrusted file may not say this. Names of its own it may not make: a first backend
        would be the one that is asked."""
        if not self.harmless_only:
            return False
        if len(at) == 2 and at[0] == "backends":
            return at[1] not in self.backends
        if isinstance(found, Row):
            return not found.harmless
        if found is None:
            return not any(isinstance(row, Row) and row.harmless for row in spec.values())
        return False


def _unknown(at: Names) -> str:
    near = suggest(at)
    return f"unknown key {path_text(at)}" + (f"; did you mean {near}?" if near else "")


def check_file(
    source: Source, *, harmless_only: bool = False, backends: Collection[str] = ()
) -> tuple[dict[str, Any], list[Mistake], list[Names]]:
    """The values of a file in their types, every mistake in it, and the paths that were held back.

    With `harmless_only` (a project file without trust) only harmless keys are taken, for `backends` that
    are known without it, and only their mistakes count.
    """
    walk = _Walk(harmless_only, backends)
    given, wrong = with_entries(source.values)
    walk.wrong += wrong
    values = walk.table(given, tree(), ())
    return values, _placed(source, walk.wrong), walk.dropped


def _placed(source: Source, wrong: list[tuple[Key, str]]) -> list[Mistake]:
    if not wrong:
        return []
    from arawn.config.positions import locate, positions

    places = positions(source.text)
    found = [(locate(places, said_at(source.values, path)), text, path) for path, text in wrong]
    found.sort(key=lambda mistake: mistake[:2])
    return [
        Mistake(f"{source.place}:{line}:{column}: {text}", path=tuple(map(str, path)))
        for (line, column), text, path in found
    ]


def check_whole(config: Config, known: Collection[Mistake]) -> list[Mistake]:
    """Mistakes that show only when all layers are together; not of tables with mistakes already `known`."""
    wrong = {mistake.path[1] for mistake in known if mistake.path[:1] == ("backends",) and mistake.path[1:]}
    found = [_backend_name(config)] if config.values.get("llm", {}).get("backend") is not None else []
    found += [_backend(config, name, table) for name, table in config.backends.items() if name not in wrong]
    named = config.values.get("llm", {}).keys() & {"fallback_backends", "fallback", "weights"}
    if named or "backends" in config.values.get("budget", {}):
        from arawn.config.check_routing import wrong_routing

        found += [Mistake(text) for text in wrong_routing(config)]
    if "roles" in config.values:
        from arawn.config.check_roles import wrong_roles

        found += [Mistake(text) for text in wrong_roles(config)]
    return [mistake for mistake in found if mistake is not None]


def _backend_name(config: Config) -> Mistake | None:
    from arawn.providers import GUIDE, PROVIDERS

    name = config.values["llm"]["backend"]
    if name in config.backends or name == GUIDE or (name in PROVIDERS and PROVIDERS[name].has_place):
        return None
    from arawn.config.meant import meant
    from arawn.config.values import shown

    near = meant(name, [*config.backends, *PROVIDERS, GUIDE])
    place = config.origin("llm.backend").place
    tail = f'; did you mean "{near}"?' if near else f"; a [backends.{path_text((name,))}] table would make it"
    return Mistake(f"{place}: llm.backend: there is no backend {shown(name)}{tail}")


def _backend(config: Config, name: str, table: dict[str, Any]) -> Mistake | None:
    """A table needs a provider, or an address and what is spoken there."""
    wrong = _unfit(name, table)
    if not wrong:
        return None
    place = config.origin(("backends", name)).place  # costs a scan of the file
    return Mistake(f"{place}: [{path_text(('backends', name))}]{wrong}")


def _unfit(name: str, table: dict[str, Any]) -> str:
    from arawn.providers import CUSTOM, GUIDE, PROVIDERS

    if name == GUIDE:
        return ": guide is built in and takes no settings"
    provider = table.get("provider", name if name in PROVIDERS else CUSTOM)
    if PROVIDERS[provider].has_place or any(table.get(key) for key in ("base_url", "endpoint", "endpoints")):
        return ""
    from arawn.config.meant import meant

    near = meant(name, PROVIDERS) if "provider" not in table else ""
    if near:
        return f': no provider is called so; did you mean "{near}"?'
    asked = "provider" in table or "dialect" in table
    return " needs base_url" if asked else " needs provider (or base_url, and dialect where it is not openai)"
