"""Which backends can be asked now: local servers are looked for, nothing else is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.providers import Provider

PROBE_S = 0.2


def usable(context: Context) -> list[str]:
    """Backends that can be asked now: own tables, keys in the environment, local servers that run."""
    from arawn.backends.at_once import at_once
    from arawn.backends.names import telling
    from arawn.providers import PROVIDERS

    own = list(context.load().backends)
    rows = [row for row in PROVIDERS.values() if row.name not in own]
    told = [bool(telling(context.env, row)) for row in rows]
    probed = [row for row, key in zip(rows, told, strict=True) if row.probe and not key]
    running = at_once(lambda row: runs(context, row), probed, 2 * PROBE_S)
    here = {row.name for row, runs in zip(probed, running, strict=True) if runs}
    return own + [row.name for row, key in zip(rows, told, strict=True) if key or row.name in here]


def runs(context: Context, row: Provider) -> bool:
    """Whether a local server answers; one whose address is none counts too: asking it tells what is wrong."""
    from arawn.backends.choose import from_env
    from arawn.backends.http import probe
    from arawn.errors import ConfigFault

    try:
        place = from_env(context.env, row) or row.base_url
    except ConfigFault:
        return True
    return probe(place + row.probe, PROBE_S) is not None
