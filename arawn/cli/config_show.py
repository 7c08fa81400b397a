"""The text and the JSON of `arawn config show`; no key is in either."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arawn.config.mask import hidden, leaves, masked
from arawn.config.read import shown_path
from arawn.config.schema import ROWS, path_text

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.config.load import Config

_OWN_SECTION = ("llm", "backends", "limits")


def print_text(context: Context, config: Config, origin: bool) -> None:
    """Print what holds, for people."""
    lines = ["Config files:", *(f"  {shown_path(file)}" for file in config.files)]
    if not config.files:
        lines = ["No config files loaded (using defaults)"]
    lines += ["", *_chosen(context, config), "", *_backends(config, context.env)]
    lines += ["", "Limits:"]
    lines += [
        f"  {row.path.split('.')[1]:<12} {_amount(row.kind, config.get(row.path))}"
        for row in ROWS
        if row.path.startswith("limits.")
    ]
    other = [(names, value) for names, value in leaves(config.values) if names[0] not in _OWN_SECTION]
    if other:
        lines += ["", "Other settings:"]
        lines += [f"  {path_text(names)} = {_value(names, value)}" for names, value in other]
    if origin:
        lines += ["", "Origins:", *_origins(config)]
    if config.notices:
        lines += ["", "Warnings:", *(f"  {notice}" for notice in config.notices)]
    for line in lines:
        print(plain(context, line))


def print_json(context: Context, config: Config, secrets: list[dict[str, Any]] | None) -> None:
    """Print the same as one JSON document; with every value its layer and place."""
    document: dict[str, Any] = {
        "version": 1,
        "files": [shown_path(file) for file in config.files],
        "backend": context.backend or config.get("llm.backend"),
        "values": masked((), config.values),
        "origins": {
            path_text(names): {"layer": config.origin(names).layer, "place": config.origin(names).place}
            for names, _ in leaves(config.values)
        },
        "warnings": list(config.notices),
    }
    if secrets is not None:
        document["secrets"] = secrets
    text = json.dumps(document, ensure_ascii=True, indent=2)
    print(text if secrets is not None and any("value" in row for row in secrets) else context.redact(text))


def plain(context: Context, value: Any) -> str:
    """A value or a line for stdout: no key by its shape, nothing that a terminal acts on."""
    from arawn.render.safe import clean

    if isinstance(value, str):
        return clean(context.redact(value), newlines=True)
    if isinstance(value, float):
        return f"{value:g}"
    return clean(context.redact(json.dumps(value, ensure_ascii=False)), newlines=False)


def _chosen(context: Context, config: Config) -> list[str]:
    name = context.backend or config.get("llm.backend")
    if not name:
        only = list(config.backends)
        return [f"Backend: {only[0]} (the only one)" if len(only) == 1 else "Backend: chosen at every start"]
    place = "--backend" if context.backend else config.origin("llm.backend").place
    lines = [f"Backend: {name} ({place})"]
    lines += [
        f"  {path_text(names[1:])} = {_value(names, value)}"
        for names, value in leaves({"llm": config.values.get("llm", {})})
        if names[1] != "backend"
    ]
    return lines


def _backends(config: Config, env: Mapping[str, str]) -> list[str]:
    from arawn.providers import CUSTOM, PROVIDERS

    lines = []
    for name in sorted(config.backends):
        table = config.backends[name]
        provider = table.get("provider", name if name in PROVIDERS else CUSTOM)
        row = PROVIDERS[provider]
        model = table.get("model") or row.model or "(its own)"
        lines.append(f"  {path_text((name,)):<12} {provider} / {model}  {key_status(table, row, env)}")
        lines += [
            f"    {path_text(names[2:])} = {_value(names, value)}"
            for names, value in leaves({"backends": {name: table}})
            if names[2:] not in (("api_key",), ("provider",), ("model",)) and len(names) > 2
        ]
    return ["Backends:", *lines] if lines else ["No backends configured"]


def key_status(table: Mapping[str, Any], row: Any, env: Mapping[str, str]) -> str:
    """Where a backend's key comes from, in a few words without the key."""
    if table.get("api_key"):
        return hidden(table["api_key"])
    found = next((name for name in row.key_names if env.get(name, "").strip()), None)
    if found:
        return f"$env:{found}"
    return "(no key)" if row.needs_key else "(no key needed)"


def _value(names: tuple[str, ...], value: Any) -> str:
    return json.dumps(masked(names, value), ensure_ascii=False)


def _amount(kind: str, value: Any) -> str:
    if kind == "duration":
        return f"{value:g} s"
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value} bytes"


def _origins(config: Config) -> list[str]:
    said = dict(leaves(config.values))
    lines = []
    for names, value in said.items():
        layer, place = config.origin(names)
        lines.append(f"  {path_text(names)} = {_value(names, value)}  ({layer}: {place})")
    lines += [
        f"  {row.path} = {json.dumps(config.get(row.path))}  (default)"
        for row in ROWS
        if "*" not in row.path
        and row.effect
        and row.default is not None
        and tuple(row.path.split(".")) not in said
    ]
    return lines
