"""`arawn backend`: what can be asked, and what each still needs."""

from __future__ import annotations

import json as json_
from typing import Annotated, Any

import typer

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, help="The backends that can be asked."
)


@app.callback()
def _group() -> None:
    """The backends that can be asked."""


@app.command("list")
def list_(
    ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False
) -> None:
    """List every backend: where its key stands and which model it asks. Nothing is sent."""
    context = ctx.find_root().obj
    rows = _rows(context.load(), context.env)
    if json:
        print(json_.dumps({"version": 1, "backends": rows}, ensure_ascii=False, indent=2))
        return
    from arawn.render.safe import clean

    for row in rows:
        name, model, key = (clean(row[part] or "-", newlines=False) for part in ("name", "model", "key"))
        print(f"{name:<14} {row['provider']:<12} {model:<44} {key}")


def _rows(config: Any, env: Any) -> list[dict[str, Any]]:
    from arawn.backends.choose import provider_of
    from arawn.providers import GUIDE, PROVIDERS

    rows = []
    for name in [
        *sorted(config.backends),
        *(n for n in PROVIDERS if n not in config.backends and n != "custom"),
    ]:
        table = config.backends.get(name, {})
        row = provider_of(name, table, config)
        model = table.get("model") or next((env[v] for v in row.model_names if env.get(v)), row.model)
        rows.append(
            {
                "name": name,
                "provider": row.name,
                "model": model or None,
                "key": _key(table, row, env),
                "configured": name in config.backends,
            }
        )
    rows.append(
        {"name": GUIDE, "provider": GUIDE, "model": "manual", "key": "no key needed", "configured": False}
    )
    return rows


def _key(table: Any, row: Any, env: Any) -> str:
    if table.get("api_key"):
        text = str(table["api_key"])
        return text if text.startswith("$") and " " not in text else "in the config file"
    for variable in row.key_names:
        if env.get(variable, "").strip():
            return f"{variable} is set"
    return f"set {row.key_names[0]}" if row.needs_key else "no key needed"
