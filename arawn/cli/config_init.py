"""`arawn config init`: a first file from what is found on this machine, with references and never a key."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import ConfigFault, SecretFault, UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context

_PROBE_S = 0.3


class Found(NamedTuple):
    """A backend that could be used; `key` is a reference, empty where none is needed."""

    name: str
    key: str
    why: str


def make(context: Context, *, ask: bool, force: bool) -> Path:
    """Write the user's file; where it is. Raises UsageFault for an existing file without `force`."""
    from arawn.config.edit import check_text, write_config
    from arawn.config.load import user_file
    from arawn.config.read import shown_path
    from arawn.config.write import locked

    path, named = user_file(context.env, context.config_file)
    if path.exists() and not force:
        raise UsageFault(
            f"{shown_path(path)}: there is a file already",
            hints=("arawn config edit changes it", "or: arawn config init --force replaces it"),
        )
    if ask and not _can_ask():
        raise UsageFault("There is no terminal to ask on", hints=("arawn config init --non-interactive",))
    found = search(context.env)
    chosen = _choose(found, context) if ask else (found[0] if found else None)
    data = content(chosen, found).encode()
    _, mistakes = check_text(data, shown_path(path), context.env, named)
    if mistakes:
        raise ConfigFault("\n".join(mistakes))
    try:
        with locked(path):
            write_config(path, data, context.env)
    except OSError as error:
        raise ConfigFault(f"{shown_path(path)}: could not be written ({error.strerror})") from None
    if chosen is None:
        context.status.note("no key and no local server was found: the file holds examples only")
    return path


def search(env: Mapping[str, str]) -> list[Found]:
    """Providers whose key is in the environment, then local servers that answer now."""
    from arawn.backends.http import probe
    from arawn.providers import PROVIDERS

    found = []
    for row in PROVIDERS.values():
        variable = next((name for name in row.key_names if env.get(name, "").strip()), None)
        placed = row.base_url or any(env.get(name, "").strip() for name in row.base_names)
        if variable and placed and not row.local:
            found.append(Found(row.name, f"$env:{variable}", f"{variable} is set"))
    for row in PROVIDERS.values():
        if row.probe and probe(row.base_url + row.probe, _PROBE_S) is not None:
            found.append(Found(row.name, "", f"running at {row.base_url}"))
    return found


def content(chosen: Found | None, found: list[Found]) -> str:
    """The file: what was chosen first, what else was found after it. References only."""
    from arawn.config.schema import example, toml_value

    if chosen is None:
        return example()
    lines = [
        "# Arawn's settings. `arawn config check` looks for mistakes; all settings are in",
        "# the manual: ",
    ]
    lines[1] += "`arawn help config`."
    lines += ["", "[llm]", f"backend = {toml_value(chosen.name)}", "# temperature = 0.7"]
    for item in [chosen, *(other for other in found if other.name != chosen.name)]:
        lines += ["", f"[backends.{item.name}]  # {item.why}"]
        if item.key:
            lines.append(f"api_key = {toml_value(item.key)}")
        model = _model(item.name)
        lines.append(f"# model = {toml_value(model)}" if model else "# model = ")
    return "\n".join(lines) + "\n"


def _model(name: str) -> str:
    from arawn.providers import PROVIDERS

    return PROVIDERS[name].model


def _can_ask() -> bool:
    from arawn.cli.context import is_terminal

    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def _say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()


def _answer(question: str) -> str:
    _say(question, " ")
    line = sys.stdin.readline()
    if not line:
        raise UsageFault("Nothing was written: the question was not answered")
    return line.strip()


def _choose(found: list[Found], context: Context) -> Found | None:
    """Let the person pick what was found, or name a provider and paste its key."""
    from arawn.folding import fold
    from arawn.providers import PROVIDERS
    from arawn.render.terminal import width

    for number, item in enumerate(found, 1):
        _say(f"  {number}  {item.name}  ({item.why})")
    names = [name for name, row in PROVIDERS.items() if row.base_url]
    columns = width(sys.stderr.fileno(), context.env)
    _say(fold("Providers: " + ", ".join(names), columns, "  "))
    default, number_too = ("1", "A number, a") if found else ("none", "A")
    while True:
        said = _answer(f"Which one? {number_too} provider's name, or none [{default}]:") or default
        if said == "none":
            return None
        if said.isascii() and said.isdigit() and 1 <= int(said) <= len(found):
            return found[int(said) - 1]
        if said in names:
            return next((item for item in found if item.name == said), None) or _pasted(said, context)
        _say(f"  {said!r} is none of these")


def _pasted(name: str, context: Context) -> Found:
    """Take a key, hidden, into the keyring; without one the file refers to the usual variable."""
    import getpass

    from arawn.providers import PROVIDERS

    row = PROVIDERS[name]
    if not row.needs_key:
        return Found(name, "", row.start_hint or row.base_url)
    variable = row.key_names[0]
    _say(f"  Keys are made at {row.docs}. It goes into the keyring, not into the file.")
    key = getpass.getpass(f"Key for {name} (hidden; empty: use ${variable} later): ").strip()
    if not key:
        return Found(name, f"$env:{variable}", f"export {variable}=...")
    try:
        _store(name, key, context)
    except SecretFault as fault:
        context.status.warn(f"{fault.sentence}; the file refers to ${variable} instead")
        return Found(name, f"$env:{variable}", f"export {variable}=...")
    return Found(name, f"$keyring:{name}", "in the keyring")


def _store(name: str, key: str, context: Context) -> None:
    from arawn.config.paths import paths
    from arawn.keychain import Keychain, remember

    Keychain(interactive=True, waiting=context.status.note).set(name, key)
    remember(paths(context.env).data_dir / "secrets.json", name, there=True)
