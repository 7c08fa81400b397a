"""The one place that joins the parts: config, secrets, the HTTP door and routing become a backend to ask."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn import backends
from arawn.backends.choose import Choice, check_local, choose
from arawn.backends.names import route, standing_in
from arawn.doors import Doors, late, options, retry_policy, settings_of, system_of
from arawn.errors import ArawnError, ConfigFault
from arawn.fitting import elsewhere, kinds, refuse_unfit, ways
from arawn.messages import NOTHING, FilePart
from arawn.ports import Backend, Journal
from arawn.providers import GUIDE, PROVIDERS, services

if TYPE_CHECKING:
    from arawn.backends.embedding import Embedder
    from arawn.backends.health import Health
    from arawn.backends.race import Race
    from arawn.backends.router import Router
    from arawn.backends.routing import Place
    from arawn.config.load import Config
    from arawn.keeping import Keeper
    from arawn.lazy_planner import LazyPlanner
    from arawn.models import Models
    from arawn.planning import OpenedBackends
    from arawn.render.status import Status
    from arawn.routing import Parts
    from arawn.session import Receipt, Session, Turn


class Opened(NamedTuple):
    """A backend ready to be asked; `why` says how it was chosen, `waiting` what is waited for meanwhile.

    `settings` are what its table says of every request; `fits` tells whether another takes what it does not;
    `abort` ends what it is at work on, for good.
    """

    backend: Backend
    name: str
    label: str
    model: str
    why: str
    provider: str = ""
    waiting: Callable[[], str] = lambda: "waiting"
    settings: Mapping[str, Any] = NOTHING
    fits: Callable[[Sequence[FilePart]], bool] = lambda files: False
    abort: Callable[[], None] = lambda: None


class App:
    """The program over one config. Nothing is opened, resolved or asked before `open` is called."""

    def __init__(self, config: Config, env: Mapping[str, str], status: Status) -> None:
        self.config = config
        self._env = env
        self._status = status
        self._doors = Doors(config, env)
        self._opened: dict[str, Opened] = {}
        self._asked: dict[tuple[str, str], Opened] = {}
        self._models: Models | None = None
        self._health: Health | None = None
        self._routes = False
        self.private = False

    @property
    def models(self) -> Models:
        """The models of the backends that were opened."""
        if self._models is None:
            from arawn.config.paths import paths
            from arawn.models import Models

            own = self.config.values.get("catalog", {})
            idle = float(self.config.get("limits.idle"))
            folder = paths(self._env).cache_dir if backends.tape is None else Path(os.devnull)
            self._models = Models(self._doors.opened, own, folder, idle)  # a recording knows no earlier list
        return self._models

    def redact(self, text: str) -> str:
        """`text` without any key, known or only shaped like one."""
        return self._doors.redactor.redact(text)

    def key_place(self, backend: str) -> str:
        """Where the key of an opened backend stands, or ""."""
        return self._doors.opened[backend].key_place if backend in self._doors.opened else ""

    def open(
        self,
        backend: str | None,
        model: str | None,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> Opened:
        """Choose and build a backend, and those that stand in for it where none is named.

        `timeout` in seconds and `attempts` go over what the config says. Raises ConfigFault, SecretFault.
        """
        if backend is None and standing_in(self.config):
            from arawn.routing import first_by_priority, several

            backend = first_by_priority(self.config)
            routed = several(self._parts(timeout), backend, model)
            if routed is not None:
                return self._routed(routed)
        return self.open_one(backend, model, timeout, attempts)

    def open_race(self, names: Sequence[str], timeout: float | None = None) -> Opened:
        """A backend that asks all of `names` at once. Raises UsageFault, ConfigFault, SecretFault."""
        from arawn.routing import at_once

        return self._routed(at_once(self._parts(timeout), names))

    def open_one(
        self, backend: str | None, model: str | None, timeout: float | None = None,
        attempts: int | None = None, last: bool = True,
    ) -> Opened:  # fmt: skip
        """As `open`, without any that stand in; for another than the `last` no long wait is borne."""
        choice = choose(self.config, self._env, backend, model)
        if choice is None:
            from arawn.backends.guide import Guide

            guide = Guide()
            return Opened(guide, GUIDE, "the offline guide", guide.model, "nothing else is configured", GUIDE)
        for notice in choice.notices:
            self._status.warn(notice)
        if self.private:
            check_local(choice)
        choice = self._with_model(choice)
        place = self._place(choice, timeout)
        asked = self._retry(place, choice, attempts, last)
        from arawn.backends.configured import Configured, Known

        name, settings = choice.name, settings_of(self.config, choice)
        known = Known(lambda: self.takes(name), lambda: self.models.near(name), lambda: self.rungs(choice))
        system, said = system_of(self.config, choice), options(choice, self._env)
        routed = self._guard(choice, Configured(asked, settings, system, said, known), settings)
        shown = (name, choice.provider.label, choice.model, choice.why, choice.provider.name)
        opened = Opened(routed, *shown, lambda: late(choice, place), settings, abort=place.abort)
        self._opened[name] = self._asked[name, routed.model] = opened
        return opened

    def _guard(self, choice: Choice, one: Backend, said: Mapping[str, Any], vectors: bool = False) -> Backend:
        """A backend within the limits of money, where there are any."""
        if "budget" not in self.config.values:
            return one
        from arawn.budget import guarded

        return guarded(self, self._env, choice, one, said, vectors)

    @property
    def health(self) -> Health:
        """What is known of how the backends do."""
        if self._health is None:
            from arawn.backends.health import remembered

            self._health = remembered(self._env)
        return self._health

    def settle(self) -> None:
        """A turn is over: what was seen of the backends is remembered."""
        if self._health is not None and not self.private:
            self._health.save()

    def _parts(self, timeout: float | None) -> Parts:
        from arawn.backends.router import Ready
        from arawn.routing import Parts

        def ready(name: str, model: str | None, attempts: int | None, last: bool) -> Ready:
            opened = self.open_one(name, model, timeout, attempts, last)
            return Ready(opened.backend, opened.abort)

        return Parts(
            self.config,
            self._env,
            ready,
            lambda choice, model: self.models.facts(choice.name, choice.provider.name, model),
            lambda choice: kinds(choice.dialect, choice.provider.options),
            self.health,
        )

    def _routed(self, routed: Router | Race) -> Opened:
        self._routes = True
        label = f"{len(routed.candidates)} backends"
        shown = (routed.name, label, routed.model, routed.why, "", lambda: self._waits(routed.name))
        return Opened(routed, *shown, fits=routed.fits)

    def keeper(self, keep: bool = True) -> Keeper:
        """What keeps the sessions of this run: nothing, where `keep`, `[store]` or `private` says so."""
        from arawn.config.paths import paths
        from arawn.keeping import Keeper, Rules, here

        get, data = self.config.get, paths(self._env).data_dir
        played = backends.tape is not None and backends.tape.replays  # a replay says nothing new
        enabled = keep and not self.private and not played and bool(get("store.enabled"))
        rules = Rules(enabled, get("store.keep"), bool(get("store.mask_keys")))
        return Keeper(data, rules, here(), self._status.warn, self.redact, self.priced, self.settle)

    def planner(self, journal: Journal | None = None) -> LazyPlanner:
        """What sees that requests fit the models they go to, by `[context]`; summaries go to `journal`."""
        from arawn.lazy_planner import LazyPlanner

        return LazyPlanner(lambda: self._backends_to_plan_for().planner(journal), self.config)

    def title(self, session: Session) -> str | None:
        """A title by the backend of `[llm.routing] title`; None without one. Raises as asking does."""
        from arawn.titles import title_by

        found = route(self.config, "title")
        return title_by(self.aside(*found)[0].backend, session) if found else None

    def _backends_to_plan_for(self) -> OpenedBackends:
        from arawn.planning import OpenedBackends

        def beside(backend: str, model: str | None) -> tuple[Opened, OpenedBackends]:
            opened, app = self.aside(backend, model)
            return opened, app._backends_to_plan_for()

        doors = self._doors.opened
        return OpenedBackends(self.config, self._env, self._opened, doors, lambda: self.models, beside)

    def another(self, status: Status) -> App:
        """One more of the program, for a thread of its own; keyrings are asked once for all of them."""
        app = App(self.config, self._env, status)
        app.private, app._doors.keys = self.private, self._doors.keys
        return app

    def aside(self, backend: str, model: str | None) -> tuple[Opened, App]:
        """A backend, and the program that has it alone: those in use stay as they are. Raises as `open`."""
        app = self.another(self._status)
        app._doors.redactor = self._doors.redactor
        opened = app.open(backend, model)
        self._asked.setdefault((opened.name, opened.backend.model), opened)
        return opened, app

    def priced(self, receipt: Receipt) -> Receipt:
        """A receipt with provider, settings and cost: 0 for a local service, None where it is unknown."""
        from arawn.money import cost

        for attempt in () if self._routes else receipt.attempts:
            self.health.note(attempt)
        asked = next((one.model for one in receipt.attempts[::-1] if one.backend == receipt.backend), "")
        opened = self._asked.get((receipt.backend, asked)) or self._opened.get(receipt.backend)
        if opened is None:
            return receipt._replace(cost_usd=0.0) if receipt.backend == GUIDE else receipt
        settings = {**opened.settings, **receipt.settings}
        receipt = receipt._replace(provider=opened.provider, settings=settings)
        row = PROVIDERS.get(opened.provider)
        facts = self.models.facts(opened.name, opened.provider, opened.model)
        if row is not None and row.local and facts.input_price is None:
            return receipt._replace(cost_usd=0.0)
        return receipt._replace(cost_usd=cost(receipt.usage, facts), prices=facts.priced)

    def curl(self, session: Session, turn: Turn, backend: str | None = None, *, brief: bool = False) -> str:
        """The request of a turn as a curl command without keys; `backend` in the place of who answered it.

        Raises UsageFault where nothing was sent, and whatever `open` and the request itself would raise.
        """
        from arawn.curl import Names, asked, caught, command, request_of

        name, model = asked(turn, backend)
        names = Names(self.config, self._env, name)
        shown = App(self.config, names.env, self._status)
        shown._doors = names
        opened = shown.open(name, model, attempts=1)
        sent = caught(names, opened.backend, request_of(session, turn))
        return command(sent, names.options, self.redact, brief=brief)

    def embedder(self, backend: str | None, model: str | None, timeout: float | None = None) -> Embedder:
        """Choose and build who makes vectors. Raises ConfigFault or SecretFault where that cannot be done."""
        from arawn.backends.choose_embedding import choose_embedding
        from arawn.backends.embedding import Embedder

        choice, dimensions = choose_embedding(self.config, self._env, backend, model)
        for notice in choice.notices:
            self._status.warn(notice)
        places = (choice.base_url, *choice.regions)
        doors = [self._doors.open(choice._replace(base_url=place), timeout) for place in places]
        return Embedder(
            choice, doors, lambda asked: self._retry(asked, choice, None), dimensions,
            lambda whole: self._guard(choice, whole, NOTHING, vectors=True),
        )  # fmt: skip

    def reach(self, backend: str, limit: float) -> tuple[str, str]:
        """Origin of a backend, and the Date header of whatever answers there in time; no key goes along."""
        from arawn.backends.choose import origin_of

        choice = choose(self.config, self._env, backend, None)
        if choice is None:
            return "", ""
        door = self._doors.open(choice, limit)
        try:
            return origin_of(choice.base_url), door.reach(limit)
        finally:
            door.close()

    def _waits(self, name: str) -> str:
        """What is waited for where `name`, one of several, is asked."""
        return self._opened[name].waiting() if name in self._opened else f"waiting for {name}"

    def fetch(self, url: str) -> tuple[bytes, str]:
        """What the web has at `url`, and where in the end. Raises UsageFault, Unreachable or TimedOut."""
        from arawn.backends.http_fetch import fetch
        from arawn.backends.http_net import address
        from arawn.media import MEDIA_LIMIT

        allowed = self.config.get("files.allow_hosts") or ()
        self._status.working(lambda: f"fetching {address(url).host}")
        try:
            return fetch(url, MEDIA_LIMIT, allowed, float(self.config.get("limits.connect")))
        finally:
            self._status.clear()

    def takes(self, backend: str) -> frozenset[str]:
        """The kinds of file that may go with a message: image, pdf, audio."""
        door = self._doors.opened.get(backend)
        return kinds(door.dialect, door.target.options) if door is not None else frozenset()

    def check_files(self, opened: Opened, files: Sequence[FilePart]) -> None:
        """Raises UsageFault naming the first file that the backend or its model cannot take."""
        if opened.fits(files):
            return
        lacking = self.models.facts(opened.name, opened.provider, opened.model).lacking
        door = self._doors.opened.get(opened.name)
        untaken = door.target.options.get("untaken", ()) if door is not None else ()
        refuse_unfit(
            files,
            f"{opened.name}, {opened.model}",
            self.takes(opened.name) - lacking,
            untaken,
            lambda kind: elsewhere(kind, opened.name, self.config, self._env, self.models.facts),
        )

    def backend_names(self) -> list[str]:
        """Every name `--backend` takes: own tables first, then providers, then the guide."""
        own = sorted(self.config.backends)
        return own + [name for name in services() if name not in own] + [GUIDE]

    def model_names(self, opened: Opened) -> list[str]:
        """Model ids that the service lists now. Raises a ServiceFault where it does not say."""
        return sorted(entry.name for entry in self.models.listing(opened.name, refresh=True).entries)

    def rungs(self, choice: Choice) -> tuple[str, ...]:
        """Ways to get JSON, best first: by the service, and by what is known of the model."""
        native = self.models.facts(choice.name, choice.provider.name, choice.model).schema
        return ways(choice, native)

    def _with_model(self, choice: Choice) -> Choice:
        """A local server without a named model is asked for what it has; else the row's default holds."""
        if choice.model:
            return choice
        names = list(choice.found)
        if not names and choice.provider.local:
            door = self._doors.open(choice, 2.0)
            try:
                names = [entry.name for entry in self.models.listing(choice.name, refresh=True).entries]
            except ArawnError:
                names = []
            finally:
                door.close()
        default = choice.provider.model
        known = (
            [name for name in names if name == default or name.startswith(f"{default}:")] if default else []
        )
        model = (known or names or [default])[0]
        if not model and choice.provider.needs_key is False and choice.provider.local:
            model = "default"  # llama.cpp and vLLM serve one model under whatever name
        if not model:
            raise ConfigFault(
                f'Backend "{choice.name}" has no model',
                hints=(f'write model = "..." under [backends.{choice.name}]', "or give --model NAME"),
            )
        return choice._replace(model=model)

    def _place(self, choice: Choice, timeout: float | None) -> Place:
        """The door of the service, or those of all its regions."""
        if not choice.regions:
            return self._doors.open(choice, timeout)
        from arawn.backends.routing import Regions

        places = (*choice.regions, choice.base_url)  # the first is opened last: its door is the one kept
        doors = [self._doors.open(choice._replace(base_url=place), timeout) for place in places]
        health = None if backends.tape is not None else self.health
        return Regions((doors[-1], *doors[:-1]), (choice.base_url, *choice.regions), health)

    def _retry(self, door: Backend, choice: Choice, attempts: int | None, last: bool = True) -> Backend:
        from arawn.backends.routing import Retry

        policy = retry_policy(self.config, choice, attempts)
        if not last:
            policy = policy._replace(longest_asked=policy.max_delay)
        if backends.tape is not None and backends.tape.replays:
            from arawn.backends.cassette import Still

            still = Still()
            return Retry(door, policy, still.sleep, still.now)
        return Retry(door, policy)
