"""What can be wrong around the program: files, config, secrets, terminal, keyring, network, versions.

It changes nothing, sends no key, and shows no secret.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import ArawnError, ConfigFault

if TYPE_CHECKING:
    from arawn.config.load import Config

REACH_S = 5.0
SKEW_S = 300
LIBRARIES = ("httpx", "typer", "rich", "prompt_toolkit", "keyring", "tomlkit", "tomli_w", "fastjsonschema")


class Check(NamedTuple):
    """One thing that was looked at: `state` is ok, warn or fail."""

    state: str
    what: str
    detail: str
    remedy: str = ""


def checks(
    config: Config | None, fault: ConfigFault | None, env: Mapping[str, str], offline: bool
) -> Iterator[Check]:
    """All checks, one after the other. `fault` is why there is no config."""
    yield from _versions()
    yield from _files(config, env)
    if fault is not None or config is None:
        yield Check("fail", "config", fault.sentence if fault else "none", "mend it: arawn config edit")
    else:
        yield Check("ok", "config", ", ".join(str(path) for path in config.files) or "no file, defaults hold")
        yield from _secrets(config, env)
    yield from _terminal(env)
    yield from _keyring(config)
    yield from _variables(env)
    if not offline and config is not None:
        yield from _network(config, env)


def _versions() -> Iterator[Check]:
    import sqlite3
    import ssl
    from importlib.metadata import PackageNotFoundError, version

    from arawn import __version__

    yield Check("ok", "arawn", f"{__version__} on Python {sys.version.split()[0]}, {sys.platform}")
    yield Check("ok", "libraries", f"{ssl.OPENSSL_VERSION}, SQLite {sqlite3.sqlite_version}")
    found, missing = [], []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    state = "fail" if missing else "ok"
    text = ", ".join(found) + (f"; missing: {', '.join(missing)}" if missing else "")
    yield Check(state, "packages", text, "install arawn again")


def _files(config: Config | None, env: Mapping[str, str]) -> Iterator[Check]:
    """Modes and owners of what is there; what is not there yet is made when it is needed."""
    from arawn.config.paths import paths

    places = paths(env)
    files = [*(config.files if config else ()), *((places.state_dir / "history",))]
    for path, most in [
        *((Path(file), 0o600) for file in files),
        *(
            (folder, 0o700)
            for folder in (places.config_dir, places.data_dir, places.state_dir, places.cache_dir)
        ),
    ]:
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Check("fail", "file", f"{path}: {error.strerror}", "its owner and mode: ls -ld")
            continue
        yield _mode(path, found, most)


def _mode(path: Path, found: os.stat_result, most: int) -> Check:
    kind = "folder" if stat.S_ISDIR(found.st_mode) else "file"
    if hasattr(os, "getuid") and found.st_uid not in (os.getuid(), 0):
        return Check("warn", kind, f"{path} belongs to somebody else", f"chown it to yourself: {path}")
    beyond = stat.S_IMODE(found.st_mode) & ~most & 0o077
    if beyond and sys.platform != "win32":
        mode = f"{stat.S_IMODE(found.st_mode):o}"
        return Check("warn", kind, f"{path} has mode {mode}: others can look in", f"chmod {most:o} {path}")
    if not os.access(path, os.R_OK | (os.W_OK if kind == "folder" else 0)):
        return Check("fail", kind, f"{path} cannot be used by you", f"its owner and mode: ls -ld {path}")
    return Check("ok", kind, str(path))


def _secrets(config: Config, env: Mapping[str, str]) -> Iterator[Check]:
    """Every reference in the backends: whether it leads to something. No value is shown."""
    from arawn.config.paths import paths
    from arawn.secret import Resolver, references

    resolver = Resolver(
        env, home=paths(env).config_dir, timeout=float(config.get("limits.keyring")), interactive=False
    )
    for name, table in config.backends.items():
        for key in ("api_key", "token", "proxy"):
            text = str(table.get(key) or "")
            if not references(text):
                continue
            for found in resolver.inspect(text):
                where = f"backends.{name}.{key} = {found.reference}"
                if found.resolves:
                    yield Check("ok", "secret", f"{where} resolves")
                else:
                    yield Check("fail", "secret", f"{where}: {found.problem}", found.remedy)


def _terminal(env: Mapping[str, str]) -> Iterator[Check]:
    from arawn.render.terminal import color_wanted, width

    out = sys.stdout
    tty = out is not None and out.isatty()
    encoding = getattr(out, "encoding", "") or "unknown"
    color = "colour" if color_wanted(env, tty) else "no colour"
    size = f", {width(out.fileno(), env)} columns" if tty else ""
    text = (
        f"{'terminal' if tty else 'no terminal'}, TERM={env.get('TERM', 'unset')}, {encoding}, {color}{size}"
    )
    if "utf" not in encoding.lower():
        yield Check("warn", "output", text, "a UTF-8 locale shows all characters: export LANG=C.UTF-8")
    else:
        yield Check("ok", "output", text)


def _keyring(config: Config | None) -> Iterator[Check]:
    """Whether the system's keyring answers in time; nothing is read from it."""
    from arawn.keychain import Keychain

    limit = float(config.get("limits.keyring")) if config else 3.0
    began = time.monotonic()
    try:
        Keychain(timeout=limit).has("arawn-doctor")
    except ArawnError as fault:
        text = f"{fault.sentence} {fault.detail}".strip()
        yield Check(
            "warn", "keyring", text, "; ".join(fault.hints) or "keys may stand in variables or files too"
        )
    else:
        yield Check("ok", "keyring", f"answers in {time.monotonic() - began:.2f} s")


def _variables(env: Mapping[str, str]) -> Iterator[Check]:
    """Variables of TLS and proxies: what they name must be there."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        if env.get(name) and not os.path.exists(env[name]):
            yield Check(
                "fail", "TLS", f"{name} names {env[name]}, which is not there", f"unset {name}, or correct it"
            )
    if env.get("SSLKEYLOGFILE"):
        yield Check("warn", "TLS", "SSLKEYLOGFILE is set: whoever reads it can read what is sent", "unset it")
    from arawn.backends.http_tls import proxy_for

    for scheme in ("https", "http"):
        try:
            proxy, place = proxy_for(scheme, "service.example", None, "")
        except ConfigFault as fault:
            yield Check("fail", "proxy", fault.sentence, "; ".join(fault.hints))
        else:
            if proxy:
                shown = proxy.rpartition("@")[2].removeprefix(f"{scheme}://")
                yield Check("ok", "proxy", f"{place}: {shown} for {scheme}")


def _network(config: Config, env: Mapping[str, str]) -> Iterator[Check]:
    """Each service that is set up: whether something answers there. No key goes along."""
    from concurrent.futures import ThreadPoolExecutor

    from arawn.backends.choose import choose
    from arawn.providers import PROVIDERS

    names = list(config.backends)
    names += [
        row.name
        for row in PROVIDERS.values()
        if row.name not in names and any(env.get(name, "").strip() for name in row.telling_names)
    ]
    places: dict[str, str] = {}
    for name in names:
        try:
            choice = choose(config, env, name, None)
        except ConfigFault as fault:
            yield Check("fail", "backend", f"{name}: {fault.sentence}", "; ".join(fault.hints[:1]))
            continue
        if choice is not None:
            places[name] = choice.base_url
    with ThreadPoolExecutor(8) as pool:
        for name, check in zip(places, pool.map(_reach, places.values()), strict=True):
            yield check._replace(detail=f"{name}: {check.detail}")
    if not names:
        yield Check(
            "warn", "backend", "none is set up", "arawn config init, or set a key: arawn backend list"
        )


def _reach(base_url: str) -> Check:
    """Whether a service answers at all, and what its clock says."""
    from email.utils import parsedate_to_datetime

    from arawn.backends.http_fetch import reach

    began = time.monotonic()
    try:
        date = reach(base_url, REACH_S)
    except ArawnError as fault:
        detail = f"{fault.sentence}{': ' + fault.detail if fault.detail else ''}"
        return Check("fail", "network", detail, "; ".join(fault.hints[:1]))
    took = f"{base_url} answers in {time.monotonic() - began:.2f} s"
    try:
        skew = time.time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return Check("ok", "network", took)
    if abs(skew) > SKEW_S:
        return Check(
            "warn",
            "clock",
            f"{took}, and its clock is {skew:.0f} s off yours",
            "set the clock: certificates depend on it",
        )
    return Check("ok", "network", took)
