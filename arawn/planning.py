"""What the planner of the context asks of the program: windows, who sums up, which models take more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from arawn.backends.choose import choose
from arawn.backends.names import route, set_up
from arawn.context import ContextPlanner, Profile, Rules
from arawn.errors import ArawnError
from arawn.ports import Backend, Journal
from arawn.providers import PROVIDERS
from arawn.tokens import PATCHES

if TYPE_CHECKING:
    from arawn.backends.http import HttpBackend
    from arawn.config.load import Config
    from arawn.models import Models

OFFERED = 3
"""Models with a larger window that are named, at most."""


class Opened(Protocol):
    """An opened backend, as far as it matters here."""

    @property
    def backend(self) -> Backend:
        """What is asked."""

    @property
    def provider(self) -> str:
        """The name of the service's row."""

    @property
    def model(self) -> str:
        """The model as the person calls it."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What its table says of every request."""


class OpenedBackends:
    """The backends of one run as the planner sees them.

    opened and doors: by name, what was opened. models: the models, loaded where they are needed. aside: opens
    a backend beside the one in use, in a run of its own.
    """

    def __init__(
        self,
        config: Config,
        env: Mapping[str, str],
        opened: Mapping[str, Opened],
        doors: Mapping[str, HttpBackend],
        models: Callable[[], Models],
        aside: Callable[[str, str | None], tuple[Opened, OpenedBackends]],
    ) -> None:
        self._config = config
        self._env = env
        self._opened = opened
        self._doors = doors
        self._models = models
        self._aside = aside
        self._beside: tuple[Opened, OpenedBackends] | None = None
        self._contexts: dict[tuple[str, str], int | None] = {}

    def profile(self, backend: Backend) -> Profile:
        """As `arawn.context.Backends`."""
        if self._beside is not None and self._beside[0].backend is backend:
            return self._beside[1].profile(backend)
        opened, door = self._opened.get(backend.name), self._doors.get(backend.name)
        if opened is None or door is None:
            return Profile(real=False)
        options, table = door.target.options, self._config.backends.get(backend.name, {})
        catalog = self._config.values.get("catalog", {})
        said = {**catalog.get(opened.model, {}), **catalog.get(f"{backend.name}:{opened.model}", {})}
        return Profile(
            context=options.get("num_ctx") or options.get("context") or said.get("context"),
            max_tokens=opened.settings.get("max_tokens"),
            system=table.get("system", self._config.get("llm.system")),
            pictures=options.get("pictures", PATCHES),
        )

    def context(self, backend: Backend) -> int | None:
        """As `arawn.context.Backends`: what the service last said of its models, else the catalogue."""
        if self._beside is not None and self._beside[0].backend is backend:
            return self._beside[1].context(backend)
        opened = self._opened.get(backend.name)
        if opened is None:
            return None
        asked = (backend.name, opened.model)
        if asked not in self._contexts:
            self._contexts[asked] = self._looked_up(backend.name, opened)
        return self._contexts[asked]

    def _looked_up(self, name: str, opened: Opened) -> int | None:
        """The window by the kept list and the catalogue; a local server is asked where they are silent."""
        models = self._models()
        listed = next((row.said for row in models.known(name).entries if row.name == opened.model), {})
        found = models.joined(name, opened.provider, opened.model, listed).context
        row = PROVIDERS.get(opened.provider)
        if found is None and row is not None and row.local:
            said = models.details(name)
            found = models.joined(name, opened.provider, opened.model, said).context
        return found

    def summariser(self, backend: Backend) -> Backend:
        """As `arawn.context.Backends`: the backend that `[llm.routing]` says, else the one in use."""
        found = route(self._config, "compact", "summarization")
        if found is None:
            return backend
        self._beside = self._aside(*found)
        return self._beside[0].backend

    def larger(self, backend: Backend, tokens: int) -> tuple[str, ...]:
        """As `arawn.context.Backends`: of the backends that have a table or a key, without asking anybody."""
        found: list[tuple[int, str]] = []
        for name in set_up(self._config, self._env):
            try:
                choice = choose(self._config, self._env, name, None)
            except ArawnError:
                continue
            if choice is None:
                continue
            model = choice.model or choice.provider.model
            context = self._models().facts(name, choice.provider.name, model).context
            if context and context > tokens and (name, model) != (backend.name, backend.model):
                found.append((context, f"-b {name} -m {model} ({context:,} tokens)"))
        return tuple(typed for _, typed in sorted(found)[:OFFERED])

    def planner(self, journal: Journal | None) -> ContextPlanner:
        """The planner that `[context]` describes."""
        get = self._config.get
        rules = Rules(
            policy=get("context.policy"),
            reserve=get("context.reserve"),
            compact_at=float(get("context.compact_at")),
            keep=int(get("context.keep")),
        )
        return ContextPlanner(rules, self, journal)
