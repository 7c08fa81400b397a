"""Ways to services: what a config says of one becomes an HTTP door with its key, headers and limits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from arawn import backends
from arawn.backends.choose import Choice
from arawn.errors import ConfigFault, SecretFault
from arawn.providers import DIALECTS

if TYPE_CHECKING:
    from arawn.backends.http import HttpBackend, Limits
    from arawn.backends.routing import Place, RetryPolicy
    from arawn.config.load import Config
    from arawn.secret import Redactor, Resolver, Secret


class Keys:
    """Looks keys up, for any thread: a keyring is asked once for a key, however many want it at that time."""

    def __init__(self, resolver: Resolver) -> None:
        from threading import Lock

        self._resolver = resolver
        self._lock = Lock()
        self._failed: dict[str, tuple[float, SecretFault]] = {}

    def get(self, text: str) -> Secret:
        """The value of a text with references. Raises SecretFault."""
        since = time.monotonic()
        with self._lock:
            when, fault = self._failed.get(text, (0.0, None))
            if fault is not None and when >= since:  # it came to nothing while this one waited
                raise fault
            try:
                return self._resolver.resolve(text)
            except SecretFault as error:
                self._failed[text] = (time.monotonic(), error)
                raise


class Doors:
    """The doors of one run by the names of their backends, in `opened`; keys are resolved when used.

    `way` is an httpx transport that all of them take in the place of the network.
    """

    def __init__(self, config: Config, env: Mapping[str, str]) -> None:
        from arawn.secret import Redactor

        self.config = config
        self.redactor: Redactor = Redactor() if backends.tape is None else backends.tape.redactor
        self.opened: dict[str, HttpBackend] = {}
        self.way: Any = None
        self._env = env

    def open(self, choice: Choice, timeout: float | None) -> HttpBackend:
        """The way to the service of `choice`, remembered by its name; nothing is connected yet."""
        from arawn.backends.http import Access, HttpBackend
        from arawn.wire import Target

        table, row = choice.table, choice.provider
        target = Target(
            choice.name, row.name, row.label, choice.base_url, deployment(choice), options(choice, self._env)
        )
        access = Access(
            auth=choice.auth,
            key=lambda: self._secret(choice.key) if choice.key else None,
            key_place=choice.key_place,
            headers=lambda: self._headers(choice),
            proxy=self._plain(table.get("proxy")),
            ca_bundle=table.get("ca_bundle"),
            insecure=bool(table.get("insecure", False)),
            redact=self.redactor.redact,
        )
        door = HttpBackend(target, choice.dialect, access, self._limits(table, timeout), self.way)
        self.opened[choice.name] = door
        self._know(choice.key)
        return door

    def _know(self, text: str | None) -> None:
        """Have a key masked before it is used, in a prompt too; one in a keyring takes too long for that."""
        if text and "$keyring:" not in text:
            with suppress(ConfigFault, SecretFault):
                self._secret(text)

    def _secret(self, text: str) -> Secret:
        from arawn.secret import Secret

        if backends.tape is not None and backends.tape.replays:
            return Secret("replayed", text)  # nobody reads it, so that it is not looked up
        secret = self.keys.get(text)
        self.redactor.add(secret.reveal())
        return secret

    @cached_property
    def keys(self) -> Keys:
        """What looks keys up: one for all doors that share it."""
        from arawn.config.paths import paths
        from arawn.secret import Resolver

        limit = float(self.config.get("limits.keyring"))
        return Keys(Resolver(self._env, home=paths(self._env).config_dir, timeout=limit))

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


def options(choice: Choice, env: Mapping[str, str]) -> dict[str, Any]:
    """What the dialect may depend on: its own, the row's, and the table's settings that it knows."""
    row, table = choice.provider, choice.table
    options = {**choice.options, "start_hint": row.start_hint}
    named = ("num_ctx", "context", "keep_alive", "api_version", "cache")
    options |= {key: table[key] for key in named if key in table}
    for variable in row.options.get("version_env", ()):
        if env.get(variable, "").strip():
            options.setdefault("api_version", env[variable].strip())
    return options


def deployment(choice: Choice) -> str:
    """What the service calls the model: a deployment where the table names one."""
    table = choice.table
    mapped = dict(table.get("deployments", {})).get(choice.model)
    return str(mapped or table.get("deployment") or choice.model)


def settings_of(config: Config, choice: Choice) -> dict[str, Any]:
    """What the table, or else [llm], or else [llm.defaults], says of every request."""
    found: dict[str, Any] = {}
    defaults = config.values.get("llm", {}).get("defaults", {})
    for key in ("max_tokens", "temperature", "top_p", "stop", "reasoning"):
        value = choice.table.get(key, config.get(f"llm.{key}"))
        value = defaults.get(key) if value is None else value
        if value is not None:
            found[key] = value
    if "stop" in found:
        said = found["stop"]
        found["stop"] = (said,) if isinstance(said, str) else tuple(said)
    if choice.table.get("extra"):
        found["extra"] = choice.table["extra"]
    return found


def system_of(config: Config, choice: Choice) -> str | None:
    """The system prompt of the table, or else of [llm]."""
    value = choice.table.get("system", config.get("llm.system"))
    return None if value is None else str(value)


def retry_policy(config: Config, choice: Choice, attempts: int | None) -> RetryPolicy:
    """How often is asked again: by the table's own `retry`, else by what [llm.fallback] says."""
    from arawn.backends.routing import RetryPolicy

    common = config.values.get("llm", {}).get("fallback", {})
    said: dict[str, Any] = {}
    if "max_retries" in common:
        said["max_attempts"] = common["max_retries"] + 1
    for key, name in (("retry_delay_ms", "initial_delay"), ("max_delay_ms", "max_delay")):
        if key in common:
            said[name] = common[key] / 1000
    if "backoff_multiplier" in common:
        said["backoff_multiplier"] = common["backoff_multiplier"]
    said |= dict(choice.table.get("retry", {}))
    if attempts is not None:
        said["max_attempts"] = attempts
    return RetryPolicy(**{key: said[key] for key in RetryPolicy._fields if key in said})


PROBE_S = 0.2


def late(choice: Choice, place: Place) -> str:
    """What an answer that is late waits for: the way to the service, its model, or its first token."""
    from arawn.backends.http_net import probe
    from arawn.wire import dialect

    if place.connecting:
        return f"connecting to {choice.name}"
    module = dialect(choice.dialect)
    if choice.provider.local and hasattr(module, "RUNNING"):
        running = probe(module.address(choice.base_url, module.RUNNING), PROBE_S)
        if running is not None and not module.is_loaded(running, choice.model):
            return f"{choice.name} is loading {choice.model}"
    return f"waiting for {choice.name}"
