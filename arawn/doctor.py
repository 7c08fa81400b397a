"""What can be wrong around the program: files, config, secrets, terminal, keyring, network, versions.

It changes nothing, sends no key, and shows no secret.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import ArawnError, ConfigFault

if TYPE_CHECKING:
    from arawn.config.load import Config

REACH_S = 5.0
WAL_RESET = " (its fault in resetting the log, mended in 3.51.3, is kept away by a lock)"
SKEW_S = 300
LIBRARIES = ("httpx", "typer", "rich", "prompt_toolkit", "keyring", "tomlkit", "tomli_w", "fastjsonschema")


Reach = Callable[[str, float], tuple[str, str]]
"""Backend and limit in seconds -> its origin, and the Date header of whatever answers there."""


class Check(NamedTuple):
    """One thing that was looked at: `state` is ok, warn or fail."""

    state: str
    what: str
    detail: str
    remedy: str = ""


def checks(
    config: Config | None, fault: ConfigFault | None, env: Mapping[str, str], reach: Reach | None
) -> Iterator[Check]:
    """All checks, one after the other. `fault` is why there is no config; without `reach` no network."""
    yield from _versions()
    yield from _files(config, env)
    yield from _store(env)
    yield from _config(config, fault, env)
    if config is not None:
        yield from _secrets(config, env)
    yield from _terminal(config, env)
    yield from _keyring(config, env)
    yield from _variables(env)
    if reach is not None and config is not None:
        yield from _network(config, env, reach)


def _config(config: Config | None, fault: ConfigFault | None, env: Mapping[str, str]) -> Iterator[Check]:
    """Whether the config can be used, each mistake on its own, and what is worth a word."""
    from arawn.config.load import unknown_variables

    if fault is not None or config is None:
        hint = "; ".join(fault.hints) if fault and fault.hints else "mend it: arawn config edit"
        for line in (fault.sentence if fault else "none").split("\n"):
            yield Check("fail", "config", line, hint)
    else:
        yield Check("ok", "config", ", ".join(str(path) for path in config.files) or "no file, defaults hold")
        yield from (Check("warn", "config", notice) for notice in config.notices)
    yield from (
        Check("warn", "variable", line, "unset it, or correct its name") for line in unknown_variables(env)
    )


def _versions() -> Iterator[Check]:
    import ssl
    from importlib.metadata import PackageNotFoundError, version

    from arawn import __version__

    yield Check("ok", "arawn", f"{__version__} on Python {sys.version.split()[0]}, {sys.platform}")
    yield Check("ok", "libraries", f"{ssl.OPENSSL_VERSION}, SQLite {_sqlite()}")
    found, missing = [], []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    state = "fail" if missing else "ok"
    text = ", ".join(found) + (f"; missing: {', '.join(missing)}" if missing else "")
    yield Check(state, "packages", text, "install arawn again")


def _sqlite() -> str:
    try:
        import sqlite3
    except ImportError:  # a Python that was built without it
        return "is missing"
    spared = "" if sqlite3.sqlite_version_info >= (3, 51, 3) else WAL_RESET
    return sqlite3.sqlite_version + spared


def _store(env: Mapping[str, str]) -> Iterator[Check]:
    """The store of sessions, as it is: nothing is taken in, set aside or migrated here."""
    from arawn.config.paths import paths

    try:
        from arawn.store.care import look
    except ImportError:  # a Python that was built without SQLite
        yield Check("fail", "store", "this Python has no SQLite, so nothing can be kept", "another Python")
        return
    for state, text, remedy in look(paths(env).data_dir):
        yield Check(state, "store", text, remedy)


def _files(config: Config | None, env: Mapping[str, str]) -> Iterator[Check]:
    """Modes and owners of what is there; what is not there yet is made when it is needed."""
    from arawn.config.paths import paths

    places = paths(env)
    read = config.files if config else ()
    own = [path for path in read if not _of_a_project(path, env)]
    folders = dict.fromkeys((places.config_dir, places.data_dir, places.state_dir, places.cache_dir))
    wanted = [*((path, 0o600) for path in (*own, places.state_dir / "history"))]
    for path, most in [*wanted, *((folder, 0o700) for folder in folders)]:
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Check("fail", "file", f"{path}: {error.strerror}", "its owner and mode: ls -ld")
            continue
        yield _mode(path, found, most)


def _of_a_project(path: Path, env: Mapping[str, str]) -> bool:
    """Whether it is a project's file: that one is shared, and holds no keys."""
    from arawn.config.paths import legacy_file

    return path.parent.name == ".arawn" and path != legacy_file(env)


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
    """Every reference in the settings: whether it leads to something. No value is shown."""
    from arawn.config.mask import leaves
    from arawn.config.paths import paths
    from arawn.config.row import Row
    from arawn.config.schema import find, path_text
    from arawn.secret import Resolver, references

    resolver = Resolver(
        env, home=paths(env).config_dir, timeout=float(config.get("limits.keyring")), interactive=False
    )
    for names, value in leaves(config.values):
        row = find(names)
        kind = row.kind if isinstance(row, Row) else ""
        if kind not in ("secret", "map") or not isinstance(value, str) or not references(value):
            continue
        used = isinstance(row, Row) and row.effect
        for found in resolver.inspect(value):
            where = f"{path_text(names)} = {found.reference}"
            if found.resolves:
                yield Check("ok", "secret", f"{where} resolves")
            else:
                state = "fail" if used else "warn"
                yield Check(state, "secret", f"{where}: {found.problem}", found.remedy)


def _terminal(config: Config | None, env: Mapping[str, str]) -> Iterator[Check]:
    from arawn.render.terminal import color_wanted, width

    out = sys.stdout
    tty = out is not None and not out.closed and out.isatty()
    encoding = getattr(out, "encoding", "") or "unknown"
    said = str(config.get("ui.color")) if config else "auto"
    color = "colour" if color_wanted(env, tty, said) else "no colour"
    size = f", {width(out.fileno(), env)} columns" if tty else ""
    text = (
        f"{'terminal' if tty else 'no terminal'}, TERM={env.get('TERM', 'unset')}, {encoding}, {color}{size}"
    )
    if "utf" not in encoding.lower():
        yield Check("warn", "output", text, "a UTF-8 locale shows all characters: export LANG=C.UTF-8")
    else:
        yield Check("ok", "output", text)


def _keyring(config: Config | None, env: Mapping[str, str]) -> Iterator[Check]:
    """Which keyring there is, who chose it, and whether it answers in time; nothing is read from it."""
    from arawn.keychain import Keychain, chosen_by

    chosen = chosen_by(env)
    said = f"; chosen by {', '.join(chosen)}" if chosen else ""

    limit = float(config.get("limits.keyring")) if config else 3.0
    began = time.monotonic()
    chain = Keychain(timeout=limit)
    try:
        name = chain.kind()
        chain.has("arawn-doctor")
    except ArawnError as fault:
        text = f"{fault.sentence} {fault.detail}".strip() + said
        yield Check(
            "warn", "keyring", text, "; ".join(fault.hints) or "keys may stand in variables or files too"
        )
    else:
        yield Check("ok", "keyring", f"{name} answers in {time.monotonic() - began:.2f} s{said}")


def _variables(env: Mapping[str, str]) -> Iterator[Check]:
    """Variables of TLS and proxies: what they name must be there and be what it should."""
    from arawn.backends.http_tls import context, proxy_for

    named = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if env.get(name)]
    try:
        context(None)
    except ConfigFault as fault:
        yield Check("fail", "TLS", fault.sentence, "; ".join(fault.hints) or f"unset {', '.join(named)}")
    else:
        places = ", ".join(f"{name}={env[name]}" for name in named) or "the system's store"
        yield Check("ok", "TLS", f"certificates: {places}")
    for scheme in ("https", "http"):
        try:
            proxy, place = proxy_for(scheme, "service.example", None, "")
        except ConfigFault as fault:
            yield Check("fail", "proxy", fault.sentence, "; ".join(fault.hints))
        else:
            if proxy:
                shown = proxy.rpartition("@")[2].removeprefix(f"{scheme}://")
                yield Check("ok", "proxy", f"{place}: {shown} for {scheme}")


def _network(config: Config, env: Mapping[str, str], reach: Reach) -> Iterator[Check]:
    """Each service that is set up: whether something answers there. No key goes along."""
    from arawn.backends.at_once import at_once
    from arawn.backends.names import set_up

    names = set_up(config, env)
    found = at_once(lambda name: _reached(name, reach), names, REACH_S + 1)
    for name, check in zip(names, found, strict=True):
        yield check or Check("fail", "network", f"{name}: no answer within {REACH_S:g} s", "the network")
    if not names:
        yield Check(
            "warn", "backend", "none is set up", "arawn config init, or set a key: arawn backend list"
        )


def _reached(name: str, reach: Reach) -> Check:
    """Whether a service answers at all, and what its clock says."""
    from email.utils import parsedate_to_datetime

    began = time.monotonic()
    try:
        place, date = reach(name, REACH_S)
    except ArawnError as fault:
        what = "backend" if isinstance(fault, ConfigFault) else "network"
        detail = f"{name}: {fault.sentence}{': ' + fault.detail if fault.detail else ''}"
        return Check("fail", what, detail, "; ".join(fault.hints[:2]))
    took = f"{name}: {place} answers in {time.monotonic() - began:.2f} s"
    try:
        skew = time.time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return Check("ok", "network", took)
    if abs(skew) <= SKEW_S:
        return Check("ok", "network", took)
    detail = f"{took}, and its clock is {skew:.0f} s off yours"
    return Check("warn", "clock", detail, "set the clock: certificates depend on it")
