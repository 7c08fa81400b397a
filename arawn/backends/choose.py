"""Which backend answers, and with what: the rules by which config, environment and table meet.

It reads values only: no request is sent, no secret resolved, except that local servers may be probed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.backends.names import spoken, telling
from arawn.errors import ConfigFault, SecretFault
from arawn.providers import CUSTOM, DIALECTS, GUIDE, PROVIDERS, Provider

if TYPE_CHECKING:
    from arawn.config.load import Config

PROBE_LIMIT_S = 0.15
_LAYERS = ("default", "user", "project", "env", "flag")


class Choice(NamedTuple):
    """A backend before it is built. `key` is a secret text (reference or literal) or None.

    `why` says in a few words how it came to be chosen; `found` are model ids a probe has seen; `regions`
    are further base URLs of the same service; `auth` is the header that holds the key.
    """

    name: str
    provider: Provider
    table: Mapping[str, Any]
    base_url: str
    model: str
    key: str | None = None
    key_place: str = ""
    why: str = ""
    dialect: str = ""
    auth: str = ""
    regions: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    found: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """What goes with its dialect, and over it what goes with the service's row."""
        return {**DIALECTS[self.dialect].options, **self.provider.options}


def choose(config: Config, env: Mapping[str, str], backend: str | None, model: str | None) -> Choice | None:
    """The backend for this run, or None for the guide.

    Order: `backend` (--backend), [llm].backend, the only [backends.*] table, the first provider whose key
    is in the environment, a running local server, else the guide. Raises ConfigFault for an unknown name
    or a missing base URL or model, SecretFault for a missing key.
    """
    backend, model = spoken(config, env, backend, model)
    place = ""
    if backend is None and model is None:
        backend, model, place = _spoken_in_config(config, env)
    name, why, found = named(config, env, backend)
    if name == GUIDE:
        return None
    why = place or why
    table = config.backends.get(name, {})
    row = provider_of(name, table, config)
    base_url, base_layer, regions = _base(config, env, name, table, row)
    key, key_place, notices = _key(config, env, name, table, row, base_url, base_layer)
    wanted, model_notice = _model(config, env, name, table, row, model, explicit=backend is not None)
    notices += model_notice
    dialect = str(table.get("dialect") or _dialect(row, wanted or row.model))
    auth = (
        "bearer"
        if "token" in table or key_place in row.options.get("token_env", ())
        else str(table.get("auth", ""))
    )
    auth = auth or (row.auth if dialect == row.dialect else "") or DIALECTS[dialect].auth
    return Choice(
        name, row, table, base_url, wanted, key, key_place, why, dialect, auth, regions, notices, found
    )


def _spoken_in_config(config: Config, env: Mapping[str, str]) -> tuple[str | None, str | None, str]:
    """The same for [llm].model where it names a backend too, and where that stands.

    A project's file may choose a model and no backend, so there it is a model's name alone.
    """
    general, origin = config.get("llm.model"), config.origin("llm.model")
    if not general or origin.layer not in ("user", "env", "flag"):
        return None, None, ""
    said_after = _LAYERS.index(origin.layer) > _LAYERS.index(config.origin("llm.backend").layer)
    owner = None if said_after else config.get("llm.backend")
    backend, model = spoken(config, env, owner, str(general))
    return (None, None, "") if backend is None or model == general else (backend, model, origin.place)


def _dialect(row: Provider, model: str) -> str:
    """The row's dialect, or that of the models which speak another one."""
    for beginning, dialect in row.options.get("dialects", ()):
        if model.startswith(beginning):
            return str(dialect)
    return row.dialect


def provider_of(name: str, table: Mapping[str, Any], config: Config) -> Provider:
    """The row behind a backend name: its `provider`, the row of that name, or `custom`."""
    wanted = str(table.get("provider", name if name in PROVIDERS else CUSTOM if table else name))
    if wanted not in PROVIDERS:
        known = wanted.partition(":")[0] in (*config.backends, *PROVIDERS)
        both = (f"a backend and its model: -m {wanted}",) if known else ()
        raise ConfigFault(_unknown(wanted, config), hints=(*both, "arawn backend list shows what there is"))
    return PROVIDERS[wanted]


def _unknown(name: str, config: Config) -> str:
    from arawn.config.meant import meant

    near = meant(name, [*config.backends, *PROVIDERS, GUIDE], 0.6)
    return f'There is no backend "{name}"' + (f'; did you mean "{near}"?' if near else "")


def named(config: Config, env: Mapping[str, str], backend: str | None) -> tuple[str, str, tuple[str, ...]]:
    """The name of the backend to ask, why it is this one, and the models a probe has seen."""
    if backend:
        return backend, "--backend", ()
    configured = config.get("llm.backend")
    if configured:
        return str(configured), config.origin("llm.backend").place, ()
    if len(config.backends) == 1:
        return next(iter(config.backends)), "the only backend in the config", ()
    for row in PROVIDERS.values():
        variable = telling(env, row)
        if variable:
            return row.name, f"{variable} is set", ()
    return _running(env)


def _running(env: Mapping[str, str]) -> tuple[str, str, tuple[str, ...]]:
    """A local server that answers within the limit, all probes together."""
    import time

    from arawn.backends.http import probe

    until = time.monotonic() + PROBE_LIMIT_S
    for row in PROVIDERS.values():
        left = until - time.monotonic()
        if not row.probe or left <= 0:
            continue
        base = from_env(env, row) or row.base_url
        answer = probe(base + row.probe, left)
        if answer is not None:
            from arawn.wire.listing import entries

            return row.name, f"running at {base}", tuple(entry.name for entry in entries(answer))
    return GUIDE, "", ()


def from_env(env: Mapping[str, str], row: Provider) -> str:
    """The base URL that the environment names, or "". Raises ConfigFault for one that is none."""
    for variable in row.base_names:
        if env.get(variable, "").strip():
            return normal_base(env[variable].strip(), row, variable)
    return ""


def normal_base(url: str, row: Provider, place: str) -> str:
    """`url` without a slash at its end; a bare host gets scheme, port and path of the provider's row.

    Raises ConfigFault for what is no http(s) address. OLLAMA_HOST may be `host`, `host:port` or 0.0.0.0.
    """
    from urllib.parse import urlsplit

    own = urlsplit(row.base_url)
    text = url if "://" in url else f"{own.scheme or 'https'}://{url}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigFault(f"{place}: not an address that can be reached") from None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.username
        or not text.isprintable()
        or " " in text
    ):
        raise ConfigFault(f"{place}: not an http:// or https:// address without a user name in it")
    if host == "0.0.0.0":  # what a server binds to is no address to call
        text = text.replace("0.0.0.0", "127.0.0.1", 1)
    if "://" not in url and port is None and own.port:
        text = text.rstrip("/") + f":{own.port}"
    if parts.path in ("", "/") and own.path:
        text = text.rstrip("/") + own.path
    return text.rstrip("/")


def _base(
    config: Config, env: Mapping[str, str], name: str, table: Mapping[str, Any], row: Provider
) -> tuple[str, str, tuple[str, ...]]:
    """The base URL, the layer it comes from ("row" where it is the provider's own), and further ones.

    A resource's `endpoint` is a base URL under the name its users know; of `endpoints` the first is asked
    first.
    """
    for key in ("base_url", "endpoint", "endpoints"):
        said = table.get(key)
        if said:
            path = f"backends.{name}.{key}"
            urls = [normal_base(str(url), row, path) for url in (said if key == "endpoints" else [said])]
            return urls[0], config.origin(path).layer, tuple(urls[1:])
    said_there = from_env(env, row)
    if said_there:
        return said_there, "env", ()
    if not row.base_url:
        word = "endpoint" if row.options.get("deployments") else "base_url"
        raise ConfigFault(
            f'Backend "{name}" has no {word}',
            hints=(
                f'write {word} = "https://..." under [backends.{name}]',
                *(f"or set {variable}" for variable in row.base_env),
            ),
        )
    return row.base_url, "row", ()


def origin_of(url: str) -> str:
    """scheme://host:port of `url`, what a key is bound to."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def check_local(choice: Choice) -> None:
    """Raises ConfigFault where what is said to this backend would leave this machine."""
    from urllib.parse import urlsplit

    host = (urlsplit(choice.base_url).hostname or "").lower()
    away = choice.model.lower().endswith(("-cloud", ":cloud"))
    if (host in ("localhost", "::1") or host.startswith("127.")) and not choice.regions and not away:
        return
    what = f"{choice.model} runs elsewhere" if away else f"{choice.name} is at {host}"
    raise ConfigFault(
        f"A private run asks this machine alone, and {what}",
        hints=("choose a local backend: -b ollama", "or leave --private out"),
    )


def _key(
    config: Config,
    env: Mapping[str, str],
    name: str,
    table: Mapping[str, Any],
    row: Provider,
    base_url: str,
    base_layer: str,
) -> tuple[str | None, str, tuple[str, ...]]:
    """The key for `base_url`, where it stands, and what to tell.

    A key belongs to the place it was given for: its own table's base_url, or the provider's own address.
    Where the address comes from elsewhere the key stays at home unless `allow_hosts` names the host.
    """
    key, place, layer = None, "", ""
    for word in ("token", "api_key"):
        if key is None and table.get(word):
            key, place = str(table[word]), f"backends.{name}.{word}"
            layer = config.origin(place).layer
    if key is None:
        for variable in (*row.key_names, *row.options.get("token_env", ())):
            if env.get(variable, "").strip():
                key, place, layer = f"$env:{variable}", variable, "env"
                break
    if key is None:
        if row.needs_key and base_layer == "row":
            raise _no_key(name, row)
        return None, "", ()
    host = origin_of(base_url)
    home = {origin_of(row.base_url)} if row.base_url else set()
    allowed = {str(value).lower() for value in table.get("allow_hosts", ())}
    if not home and layer == "env" and base_layer == "user":
        return (
            key,
            place,
            (),
        )  # a service without an address of its own: the person's own file says where it is
    if host in home or base_layer == layer or host.split("://")[1].rpartition(":")[0] in allowed:
        return key, place, ()
    short = host.split("://")[1]
    bare = short.rpartition(":")[0]
    notice = (
        f"{place} is not sent to {short}: it was given for another address "
        f'(to send it there: api_key beside base_url in [backends.{name}], or allow_hosts = ["{bare}"])'
    )
    return None, "", (notice,)


def _no_key(name: str, row: Provider) -> SecretFault:
    variable = row.key_names[0]
    return SecretFault(
        f'No key for backend "{name}"',
        hints=(
            f"set it like: export {variable}=...",
            f'or: arawn secret set {name}, then api_key = "$keyring:{name}" under [backends.{name}]',
            *((f"keys are made at {row.docs}",) if row.docs else ()),
        ),
    )


def _model(
    config: Config,
    env: Mapping[str, str],
    name: str,
    table: Mapping[str, Any],
    row: Provider,
    model: str | None,
    *,
    explicit: bool,
) -> tuple[str, tuple[str, ...]]:
    if model:
        return model, ()
    general = config.get("llm.model")
    notices: tuple[str, ...] = ()
    if general:
        if _belongs(config, name, explicit):
            return spoken(config, {}, name, str(general))[1] or "", ()
        if not explicit:
            notices = (f"[llm].model is not used: it belongs to [llm].backend, which is not {name}",)
    if table.get("model"):
        return str(table["model"]), notices
    for variable in row.model_names:
        if env.get(variable, "").strip():
            return env[variable].strip(), notices
    return "", notices


def _belongs(config: Config, name: str, explicit: bool) -> bool:
    """Whether [llm].model was said of backend `name`.

    A model given in the environment or for this run, with no [llm].backend beside it, is for whoever answers.
    """
    owner = config.get("llm.backend")
    layer = config.origin("llm.model").layer
    if not owner:
        return not explicit and layer in ("env", "flag")
    if owner != name:
        return False
    return bool(owner == _held(config, layer))


def _held(config: Config, layer: str) -> str:
    """The [llm].backend that held where `layer` was read, or the first one said later."""
    said = [(_LAYERS.index(at), str(value)) for at, value in config.history("llm.backend")]
    before = [value for at, value in said if at <= _LAYERS.index(layer)]
    return before[-1] if before else said[0][1] if said else ""
