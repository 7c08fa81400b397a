"""Which backend makes vectors, and with what: `[embeddings]` over the rules of `choose`; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arawn.backends.choose import Choice, choose, named, normal_base, origin_of, provider_of
from arawn.backends.names import spoken
from arawn.config.load import Config, Origin
from arawn.errors import ConfigFault
from arawn.providers import DIALECTS, GUIDE, PROVIDERS, Provider
from arawn.wire import dialect

LOCAL = "local"
"""What `[embeddings] backend` says by default: a model within Arawn itself, which does not exist yet."""


class Embedding(NamedTuple):
    """A backend before it is built, and the length of its vectors where the config says one."""

    choice: Choice
    dimensions: int | None


def choose_embedding(
    config: Config, env: Mapping[str, str], backend: str | None, model: str | None
) -> Embedding:
    """The backend that makes vectors in this run.

    Order: `backend` (--backend), [embeddings].backend, else whoever answers in a chat. Raises ConfigFault
    where that one makes none or no model is known, else as `choose` does.
    """
    backend, model = spoken(config, env, backend, model)
    name, why, notices = _named(config, env, backend)
    if name == GUIDE:
        raise ConfigFault("No backend that makes embeddings is set up", hints=_others(config, env))
    own = dict(_table(config, name))
    view = _View(config, name, own)
    row = provider_of(name, view.backends.get(name, {}), config)
    spoken_here = embeds(row, view.backends.get(name, {}))
    if not spoken_here:
        raise ConfigFault(f'Backend "{name}" makes no embeddings', hints=_others(config, env))
    wanted = model or _model(config, name, own, row, asked=backend is not None)
    if not wanted:
        raise ConfigFault(
            f'It is not known which model of backend "{name}" makes embeddings',
            hints=("give --model NAME", f'or model = "..." under [embeddings.{name}]', *_others(config, env)),
        )
    choice = choose(view, env, name, wanted)
    if choice is None:
        raise ConfigFault("No backend that makes embeddings is set up", hints=_others(config, env))
    said = tuple(view.placed(notice) for notice in choice.notices)
    choice = choice._replace(
        why=why, dialect=spoken_here, key_place=view.placed(choice.key_place),
        notices=(*notices, *view.notices_of_keys(choice), *said),
    )  # fmt: skip
    return Embedding(choice, own.get("dimensions"))


def embeds(row: Provider, table: Mapping[str, Any]) -> str:
    """The dialect in which a service is asked for vectors, empty where there is none."""
    spoken_there = str(table.get("dialect") or row.dialect)
    options = {**DIALECTS[spoken_there].options, **({} if "dialect" in table else row.options)}
    if options.get("embeds") is False:
        return ""
    name = str(options.get("embed_dialect", spoken_there))
    return name if hasattr(dialect(name), "embed") else ""


def _table(config: Config, name: str) -> Mapping[str, Any]:
    found = config.values.get("embeddings", {}).get(name, {})
    return found if isinstance(found, Mapping) else {}


def _named(config: Config, env: Mapping[str, str], backend: str | None) -> tuple[str, str, tuple[str, ...]]:
    if backend:
        return backend, "--backend", ()
    said, origin = str(config.get("embeddings.backend")), config.origin("embeddings.backend")
    if said != LOCAL:
        return said, origin.place, ()
    general = config.get("llm.defaults.embedding_backend")
    if general and origin.layer == "default":
        return str(general), config.origin("llm.defaults.embedding_backend").place, ()
    name, why, _ = named(config, env, None)
    if origin.layer == "default" or name == GUIDE:
        return name, why, ()
    return name, why, (f'{origin.place}: there is no "{LOCAL}" embedding model yet; {name} is asked instead',)


def _model(config: Config, name: str, own: Mapping[str, Any], row: Provider, *, asked: bool) -> str:
    """The model that is written for `name`, else the service's usual one."""
    if own.get("model"):
        return str(own["model"])
    owner = str(config.get("embeddings.backend"))
    general = config.origin("embeddings.model").layer != "default"
    if general and (owner == name or (owner == LOCAL and not asked)):
        return str(config.get("embeddings.model"))
    return str(row.options.get("embed_model", ""))


def _others(config: Config, env: Mapping[str, str]) -> tuple[str, ...]:
    """Who makes embeddings: those that are set up, else all that are known."""
    able = [name for name, row in PROVIDERS.items() if "embed_model" in row.options]
    ready = [name for name in able if any(env.get(key, "").strip() for key in PROVIDERS[name].key_names)]
    ready += [
        name for name, table in config.backends.items()
        if name not in ready and "embed_model" in provider_of(name, table, config).options
    ]  # fmt: skip
    names = ready or [
        name for name, row in PROVIDERS.items() if row.options.get("embeds", "embed_model" in row.options)
    ]
    return (f"{'these are set up and do' if ready else 'these do'}: {', '.join(names)} (--backend NAME)",)


class _View(Config):
    """The config as `choose` is to see it: `[embeddings.NAME]` stands over `[backends.NAME]`.

    A key of the backend stays at its own address: where the embeddings have another one, it is left out.
    """

    def __init__(self, config: Config, name: str, own: Mapping[str, Any]) -> None:
        super().__init__(config.layers, config.files, config.notices)
        self._name = name
        self._own = {key: own[key] for key in ("api_key", "base_url") if own.get(key)}
        self._held = ""
        table = dict(config.backends.get(name, {}))
        table.pop("deployment", None)  # that of the chat model
        if "api_key" in self._own:
            table.pop("token", None)
        if "base_url" in self._own:
            self._move(table)
        self._tables = {**config.backends, name: {**table, **self._own}}
        if not self._tables[name]:
            del self._tables[name]

    @property
    def backends(self) -> dict[str, dict[str, Any]]:
        """The tables, that of the one backend with what `[embeddings.NAME]` says over it."""
        return self._tables

    def origin(self, path: str | tuple[str, ...]) -> Origin:
        """Who said the value, in whichever of the two tables it stands."""
        return super().origin(self.placed(path) if isinstance(path, str) else path)

    def placed(self, text: str) -> str:
        """`text` with the table in which a value really stands."""
        for key in self._own:
            text = text.replace(f"backends.{self._name}.{key}", f"embeddings.{self._name}.{key}")
        if "base_url" in self._own:
            text = text.replace(f"[backends.{self._name}]", f"[embeddings.{self._name}]")
        return text

    def notices_of_keys(self, choice: Choice) -> tuple[str, ...]:
        """That a key was left at home, where no other took its place."""
        if not self._held or choice.key is not None:
            return ()
        return (
            f"backends.{self._name}.{self._held} is not sent to {origin_of(choice.base_url)}: it was given "
            f"for another address (to send one there: api_key in [embeddings.{self._name}])",
        )

    def _move(self, table: dict[str, Any]) -> None:
        """Another address: the backend's own ones do not hold, and its key only where it is at home."""
        row = provider_of(self._name, {**table, **self._own}, self)
        place = f"embeddings.{self._name}.base_url"
        homes = [str(table[key]) for key in ("base_url", "endpoint") if table.get(key)] or [row.base_url]
        at_home = {origin_of(normal_base(home, row, place)) for home in homes if home}
        if origin_of(normal_base(str(self._own["base_url"]), row, place)) not in at_home:
            for key in ("api_key", "token"):
                if table.pop(key, None):
                    self._held = key
        for key in ("endpoint", "endpoints"):
            table.pop(key, None)
