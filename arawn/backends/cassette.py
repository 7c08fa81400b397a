"""Cassettes: what all HTTP of a run goes through where it is recorded or replayed: `arawn help cassettes`.

A cassette is a file of JSON lines: {"arawn": "cassette", "version": 1, ...} first, then what happened, each
line with the number `n` of the exchange it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from arawn.config.load import Config, Layer
from arawn.errors import UsageFault
from arawn.providers import PROVIDERS

if TYPE_CHECKING:
    from arawn.secret import Redactor

VERSION = 1
GROUPS = ("llm", "backends", "embeddings", "limits", "files", "catalog")
"""Settings that say what is asked: a replay takes them from the cassette."""


class Tape(Protocol):
    """What stands between a run and the network."""

    @property
    def replays(self) -> bool:
        """Whether it answers, so that nothing else is asked."""

    @property
    def redactor(self) -> Redactor:
        """Knows the keys of the run."""

    def transport(self, make: Callable[[], Any]) -> Any:
        """An httpx transport; `make` makes the one to the network."""

    def probed(self, url: str, ask: Callable[[], Any]) -> Any:
        """What a server on this machine says at `url`, or None; `ask` asks it."""

    def config(self, config: Config) -> Config:
        """The settings of the run, of which `config` was read."""

    def env(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """The environment of the run, which is `env` outside."""


class Still:
    """A clock that stands while nobody sleeps: a replay waits for nothing."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """It is later at once."""
        self._now += seconds


def opened(
    record: str | None, replay: str | None, env: Mapping[str, str], tell: Callable[[str], None]
) -> Tape | None:
    """The cassette of a run; `tell` says a line to the person. Raises UsageFault where it cannot be one."""
    if record is not None and replay is not None:
        raise UsageFault("--record and --replay exclude each other")
    if record is not None:
        from arawn.backends.cassette_record import Recorder

        return Recorder(record, env, tell)
    if replay is not None:
        from arawn.backends.cassette_play import Player

        return Player(replay)
    return None


def variables() -> tuple[frozenset[str], frozenset[str]]:
    """Environment variables that choose a backend: those that hold a key, and the others."""
    keys, others = set[str](), set[str]()
    for row in PROVIDERS.values():
        keys |= {*row.key_names, *row.telling_names, *row.options.get("token_env", ())}
        others |= {*row.base_names, *row.model_names, *row.options.get("version_env", ())}
    return frozenset(keys), frozenset(others - keys)


def replaced(config: Config, layers: Iterable[Layer]) -> Config:
    """`config` with what is asked from `layers`; flags of this run and all other settings stay."""
    flags = [layer for layer in config.layers if layer.name == "flag"]
    kept = [
        layer._replace(values={name: item for name, item in layer.values.items() if name not in GROUPS})
        for layer in config.layers
        if layer.name != "flag" and not layer.values.keys() <= set(GROUPS)
    ]
    return Config([*kept, *layers, *flags], config.files, config.notices)


def asked_settings(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """The layers of `config`, flags left out, with the settings that say what is asked."""
    for layer in config.layers:
        values = {name: item for name, item in layer.values.items() if name in GROUPS}
        if values and layer.name != "flag":
            yield layer.name, values
