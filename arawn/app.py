"""The one place that joins the parts: config, secrets, the HTTP door and routing become a backend to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.backends.choose import Choice, choose
from arawn.errors import ArawnError, ConfigFault, UsageFault
from arawn.messages import FilePart
from arawn.ports import Backend
from arawn.providers import DIALECTS, GUIDE, PROVIDERS

if TYPE_CHECKING:
    from arawn.backends.embedding import Embedder
    from arawn.backends.http import HttpBackend, Limits
    from arawn.config.load import Config
    from arawn.models import Models
    from arawn.render.status import Status
    from arawn.secret import Secret


PROBE_S = 0.2


class Opened(NamedTuple):
    """A backend ready to be asked; `why` says how it was chosen, `waiting` what is waited for meanwhile."""

    backend: Backend
    name: str
    label: str
    model: str
    why: str
    provider: str = ""
    waiting: Callable[[], str] = lambda: "waiting"


class App:
    """The program over one config. Nothing is opened, resolved or asked before `open` is called."""

    def __init__(self, config: Config, env: Mapping[str, str], status: Status) -> None:
        from arawn.secret import Redactor

        self.config = config
        self._env = env
        self._status = status
        self._redactor = Redactor()
        self._doors: dict[str, HttpBackend] = {}
        self._models: Models | None = None

    @property
    def models(self) -> Models:
        """The models of the backends that were opened."""
        if self._models is None:
            from arawn.config.paths import paths
            from arawn.models import Models

            own = self.config.values.get("catalog", {})
            idle = float(self.config.get("limits.idle"))
            self._models = Models(self._doors, own, paths(self._env).cache_dir, idle)
        return self._models

    def redact(self, text: str) -> str:
        """`text` without any key, known or only shaped like one."""
        return self._redactor.redact(text)

    def key_place(self, backend: str) -> str:
        """Where the key of an opened backend stands, or ""."""
        door = self._doors.get(backend)
        return door.key_place if door is not None else ""

    def open(
        self,
        backend: str | None,
        model: str | None,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> Opened:
        """Choose and build a backend. Raises ConfigFault or SecretFault where that cannot be done.

        `timeout` in seconds and `attempts` go over what the config says.
        """
        choice = choose(self.config, self._env, backend, model)
        if choice is None:
            from arawn.backends.guide import Guide

            guide = Guide()
            return Opened(guide, GUIDE, "the offline guide", guide.model, "nothing else is configured", GUIDE)
        for notice in choice.notices:
            self._status.warn(notice)
        choice = self._with_model(choice)
        asked = self._retry(self._place(choice, timeout), choice, attempts)
        from arawn.backends.configured import Configured, Known

        routed: Backend = Configured(
            asked,
            self._settings(choice),
            self._system(choice),
            self._options(choice),
            Known(
                lambda: self.takes(choice.name),
                lambda: self.models.near(choice.name),
                lambda: self.rungs(choice),
            ),
        )
        label, provider = choice.provider.label, choice.provider.name
        return Opened(
            routed, choice.name, label, choice.model, choice.why, provider, lambda: self._waiting(choice)
        )

    def embedder(self, backend: str | None, model: str | None, timeout: float | None = None) -> Embedder:
        """Choose and build who makes vectors. Raises ConfigFault or SecretFault where that cannot be done."""
        from arawn.backends.choose_embedding import choose_embedding
        from arawn.backends.embedding import Embedder

        choice, dimensions = choose_embedding(self.config, self._env, backend, model)
        for notice in choice.notices:
            self._status.warn(notice)
        places = (choice.base_url, *choice.regions)
        doors = [self._door(choice._replace(base_url=place), timeout) for place in places]
        return Embedder(choice, doors, lambda asked: self._retry(asked, choice, None), dimensions)

    def reach(self, backend: str, limit: float) -> tuple[str, str]:
        """Origin of a backend, and the Date header of whatever answers there in time; no key goes along."""
        from arawn.backends.choose import origin_of

        choice = choose(self.config, self._env, backend, None)
        if choice is None:
            return "", ""
        door = self._door(choice, limit)
        try:
            return origin_of(choice.base_url), door.reach(limit)
        finally:
            door.close()

    def _waiting(self, choice: Choice) -> str:
        """What an answer that is late waits for: a local server may be loading the model."""
        from arawn.backends.http import probe
        from arawn.wire import dialect

        module = dialect(choice.dialect)
        if choice.provider.local and hasattr(module, "RUNNING"):
            running = probe(module.address(choice.base_url, module.RUNNING), PROBE_S)
            if running is not None and not module.is_loaded(running, choice.model):
                return f"{choice.name} is loading {choice.model}"
        return f"waiting for {choice.name}"

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
        door = self._doors.get(backend)
        return _kinds(door.dialect, door.target.options) if door is not None else frozenset()

    def check_files(self, opened: Opened, files: Sequence[FilePart]) -> None:
        """Raises UsageFault naming the first file that the backend or its model cannot take."""
        facts = self.models.facts(opened.name, opened.provider, opened.model)
        takes = self.takes(opened.name) - facts.lacking
        door = self._doors.get(opened.name)
        untaken = door.target.options.get("untaken", ()) if door is not None else ()
        for part in files:
            if part.kind in takes and part.media_type not in untaken:
                continue
            whole = part.kind not in takes
            told = f"{part.name or 'The file'} ({part.kind if whole else part.media_type})"
            fault = UsageFault(f"{told} cannot go to {opened.name}, {opened.model}")
            others = ", ".join(sorted(takes)) or "text alone"
            fault.hints = (f"it takes {others}", self._elsewhere(part.kind, opened.name))
            if not whole:
                fault.hints = (f"convert it to {'MP3 or WAV' if part.kind == 'audio' else 'PNG or JPEG'}",)
            raise fault

    def _elsewhere(self, kind: str, but: str) -> str:
        """Which backends of the person's may take a file of this kind, as far as is known without asking."""
        told = [
            row.name for row in PROVIDERS.values() if any(self._env.get(key) for key in row.telling_names)
        ]
        found = []
        for name in dict.fromkeys((*self.config.backends, *told)):
            try:
                choice = choose(self.config, self._env, name, None) if name != but else None
            except ArawnError:
                continue
            if choice is None:
                continue
            facts = self.models.facts(name, choice.provider.name, choice.model or choice.provider.model)
            if kind in _kinds(choice.dialect, choice.provider.options) - facts.lacking:
                found.append(name)
        return (
            f"{', '.join(found)} may take it: -b {found[0]}" if found else "another may: arawn backend list"
        )

    def backend_names(self) -> list[str]:
        """Every name `--backend` takes: own tables first, then providers, then the guide."""
        own = sorted(self.config.backends)
        return own + [name for name in PROVIDERS if name not in own and name != "custom"] + [GUIDE]

    def model_names(self, opened: Opened) -> list[str]:
        """Model ids that the service lists now. Raises a ServiceFault where it does not say."""
        return sorted(entry.name for entry in self.models.listing(opened.name, refresh=True).entries)

    def rungs(self, choice: Choice) -> tuple[str, ...]:
        """Ways to get JSON, best first: by the service, and by what is known of the model.

        A model that can does not help where its host has no tools either, or says itself that it cannot.
        """
        options = {**DIALECTS[choice.dialect].options, **choice.provider.options}
        ways = tuple(options.get("rungs", ("native", "tool", "prompt")))
        native = self.models.facts(choice.name, choice.provider.name, choice.model).schema
        if native is False:
            return tuple(way for way in ways if way != "native")
        can = native and "tool" in ways and "rungs" not in choice.provider.options
        return ("native", *ways) if can and "native" not in ways else ways

    def _with_model(self, choice: Choice) -> Choice:
        """A local server without a named model is asked for what it has; else the row's default holds."""
        if choice.model:
            return choice
        names = list(choice.found)
        if not names and choice.provider.local:
            door = self._door(choice, 2.0)
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

    def _place(self, choice: Choice, timeout: float | None) -> Backend:
        """The door of the service, or those of all its regions."""
        if not choice.regions:
            return self._door(choice, timeout)
        from arawn.backends.routing import Regions

        places = (*choice.regions, choice.base_url)  # the first is opened last: its door is the one kept
        doors = [self._door(choice._replace(base_url=place), timeout) for place in places]
        return Regions((doors[-1], *doors[:-1]), (choice.base_url, *choice.regions))

    def _door(self, choice: Choice, timeout: float | None) -> HttpBackend:
        from arawn.backends.http import Access, HttpBackend
        from arawn.wire import Target

        table, row = choice.table, choice.provider
        target = Target(
            choice.name, row.name, row.label, choice.base_url, self._deployment(choice), self._options(choice)
        )
        access = Access(
            auth=choice.auth,
            key=lambda: self._secret(choice.key) if choice.key else None,
            key_place=choice.key_place,
            headers=lambda: self._headers(choice),
            proxy=self._plain(table.get("proxy")),
            ca_bundle=table.get("ca_bundle"),
            insecure=bool(table.get("insecure", False)),
            redact=self.redact,
        )
        door = HttpBackend(target, choice.dialect, access, self._limits(table, timeout))
        self._doors[choice.name] = door
        return door

    def _options(self, choice: Choice) -> dict[str, Any]:
        """What the dialect may depend on: its own, the row's, and the table's settings that it knows."""
        row, table = choice.provider, choice.table
        options = {**DIALECTS[choice.dialect].options, **row.options, "start_hint": row.start_hint}
        named = ("num_ctx", "context", "keep_alive", "api_version", "cache")
        options |= {key: table[key] for key in named if key in table}
        for variable in row.options.get("version_env", ()):
            if self._env.get(variable, "").strip():
                options.setdefault("api_version", self._env[variable].strip())
        return options

    @staticmethod
    def _deployment(choice: Choice) -> str:
        """What the service calls the model: a deployment where the table names one."""
        table = choice.table
        mapped = dict(table.get("deployments", {})).get(choice.model)
        return str(mapped or table.get("deployment") or choice.model)

    def _secret(self, text: str) -> Secret:
        from arawn.config.paths import paths
        from arawn.secret import Resolver

        resolver = Resolver(
            self._env,
            home=paths(self._env).config_dir,
            timeout=float(self.config.get("limits.keyring")),
        )
        secret = resolver.resolve(text)
        self._redactor.add(secret.reveal())
        return secret

    def _plain(self, text: str | None) -> str | None:
        return self._secret(text).reveal() if text else None

    def _headers(self, choice: Choice) -> dict[str, str]:
        """The row's headers, then the user's own, references resolved."""
        dialect = DIALECTS[choice.dialect]
        headers = {**dialect.headers, **choice.provider.headers}
        named = {
            **dialect.options.get("account_headers", {}),
            **choice.provider.options.get("account_headers", {}),
        }
        for key, header in named.items():
            if choice.table.get(key):
                headers[header] = str(choice.table[key])
        for name, value in dict(choice.table.get("headers", {})).items():
            headers[name] = self._secret(value).reveal() if "$" in value else value
        return headers

    def _limits(self, table: Mapping[str, Any], timeout: float | None) -> Limits:
        from arawn.backends.http import Limits

        get = self.config.get
        wait = timeout or table.get("timeout")
        return Limits(
            connect=float(min(get("limits.connect"), wait) if wait else get("limits.connect")),
            first_event=float(wait or get("limits.first_event")),
            idle=float(wait or get("limits.idle")),
            frame=int(get("limits.frame")),
            reply=int(get("limits.reply")),
            error_body=int(get("limits.error_body")),
        )

    def _retry(self, door: Backend, choice: Choice, attempts: int | None = None) -> Backend:
        from arawn.backends.routing import Retry, RetryPolicy

        said = dict(choice.table.get("retry", {}))
        if attempts is not None:
            said["max_attempts"] = attempts
        policy = RetryPolicy(**{key: said[key] for key in RetryPolicy._fields if key in said})
        return Retry(door, policy)

    def _settings(self, choice: Choice) -> dict[str, Any]:
        """What the table, or else [llm], says of every request."""
        found: dict[str, Any] = {}
        for key in ("max_tokens", "temperature", "top_p", "stop", "reasoning"):
            value = choice.table.get(key, self.config.get(f"llm.{key}"))
            if value is not None:
                found[key] = value
        if "stop" in found:
            said = found["stop"]
            found["stop"] = (said,) if isinstance(said, str) else tuple(said)
        if choice.table.get("extra"):
            found["extra"] = choice.table["extra"]
        return found

    def _system(self, choice: Choice) -> str | None:
        value = choice.table.get("system", self.config.get("llm.system"))
        return None if value is None else str(value)


def _kinds(dialect: str, options: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of file that a dialect can send, less what the row says its service does not take."""
    from arawn.wire import dialect as module

    can = frozenset[str](module(dialect).MEDIA)
    return can & frozenset(options.get("media", can))
