"""What the names that a person gives mean: BACKEND:MODEL, aliases, @KEY, and who stands in for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arawn.errors import ConfigFault
from arawn.providers import GUIDE, PROVIDERS, Provider

if TYPE_CHECKING:
    from arawn.config.load import Config


def spoken(
    config: Config, env: Mapping[str, str], backend: str | None, model: str | None
) -> tuple[str | None, str | None]:
    """Backend and model as `--model` names them: an alias of the config, BACKEND:MODEL, or a model alone.

    A colon also stands in the tags of local models (`mistral:7b`): a provider's name before it counts only
    where it is set up, and nothing does where the backend was named already.
    """
    if model is None:
        return backend, None
    model = str(config.values.get("aliases", {}).get(model, model))
    if model.startswith("@"):
        return by_key(config, backend, model[1:])
    head, colon, tail = model.partition(":")
    if tail.startswith("@") and head in config.backends and backend in (None, head):
        return by_key(config, head, tail[1:])
    if not colon or not tail or (backend is not None and backend != head):
        return backend, model
    row = PROVIDERS.get(head)
    ready = row is not None and (
        head == backend
        or not row.needs_key
        or any(env.get(variable, "").strip() for variable in row.key_names)
    )
    if head in config.backends or head == GUIDE or ready:
        return head, tail
    return backend, model


def route(config: Config, *works: str) -> tuple[str, str | None] | None:
    """Backend and model that `[llm.routing]` names for the first of `works` that it has; None without one."""
    table = config.values.get("llm", {}).get("routing", {})
    said = next((str(table[work]) for work in works if table.get(work)), "")
    name, _, model = said.partition(":")
    return (name, model or None) if name else None


def telling(env: Mapping[str, str], row: Provider) -> str:
    """The variable of the environment whose key alone makes this a backend to ask, or ""."""
    return next((name for name in row.telling_names if env.get(name, "").strip()), "")


def set_up(config: Config, env: Mapping[str, str]) -> list[str]:
    """The names of the backends that have a table, or a key in the environment."""
    told = [row.name for row in PROVIDERS.values() if telling(env, row)]
    return list(dict.fromkeys((*config.backends, *told)))


def by_key(config: Config, backend: str | None, key: str) -> tuple[str, str]:
    """Backend and model that `-m @KEY` means, by `[backends.NAME.models]` of the one asked, or of any.

    Raises ConfigFault.
    """
    tables = {name: table.get("models", {}) for name, table in config.backends.items()}
    owners = {name: models[key] for name, models in tables.items() if key in models}
    wanted = backend or config.get("llm.backend")
    if wanted in owners:
        return str(wanted), str(owners[wanted])
    if backend is None and len(owners) == 1:
        return next((name, str(model)) for name, model in owners.items())
    known = sorted({key for models in tables.values() for key in models})
    raise ConfigFault(
        f"@{key} is a model of {', '.join(sorted(owners))}" if owners else f"no backend has a model @{key}",
        hints=(
            f"ask it there: -b {min(owners)} -m @{key}"
            if owners
            else f"there are: {', '.join(known) or 'none'}",
            "they stand in [backends.NAME.models]",
        ),
    )


def standing_in(config: Config) -> list[str]:
    """Who is asked beside the one backend: `fallback_backends`, else the tables with a `priority`, in order.

    [] where nobody is, or where `[llm.fallback] enabled` is false.
    """
    if not config.get("llm.fallback.enabled"):
        return []
    said = config.get("llm.fallback_backends")
    if said:
        return [str(name) for name in said]
    ranked = [(table["priority"], name) for name, table in config.backends.items() if "priority" in table]
    return [name for _, name in sorted(ranked)]
