"""Whether files can go to a model, and who else might take them; nobody is asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arawn.backends.choose import Choice, choose
from arawn.backends.names import set_up
from arawn.errors import ArawnError, UsageFault
from arawn.messages import FilePart

if TYPE_CHECKING:
    from arawn.catalog import Facts
    from arawn.config.load import Config

FactsOf = Callable[[str, str, str], "Facts"]


def kinds(dialect: str, options: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of file that a dialect can send, less what the row says its service does not take."""
    from arawn.wire import dialect as module

    can = frozenset[str](module(dialect).MEDIA)
    return can & frozenset(options.get("media", can))


def refuse_unfit(
    files: Sequence[FilePart],
    whom: str,
    takes: frozenset[str],
    untaken: Iterable[str],
    others: Callable[[str], str],
) -> None:
    """Raises UsageFault naming the first file that `whom` cannot take; `others` tells who might."""
    refused = tuple(untaken)
    for part in files:
        if part.kind in takes and part.media_type not in refused:
            continue
        whole = part.kind not in takes
        told = f"{part.name or 'The file'} ({part.kind if whole else part.media_type})"
        fault = UsageFault(f"{told} cannot go to {whom}")
        fault.hints = (f"it takes {', '.join(sorted(takes)) or 'text alone'}", others(part.kind))
        if not whole:
            fault.hints = (f"convert it to {'MP3 or WAV' if part.kind == 'audio' else 'PNG or JPEG'}",)
        raise fault


def elsewhere(kind: str, but: str, config: Config, env: Mapping[str, str], facts: FactsOf) -> str:
    """Which backends of the person's may take a file of this kind, as far as is known without asking."""
    found = []
    for name in set_up(config, env):
        try:
            choice = choose(config, env, name, None) if name != but else None
        except ArawnError:
            continue
        if choice is None:
            continue
        known = facts(name, choice.provider.name, choice.model or choice.provider.model)
        if kind in kinds(choice.dialect, choice.provider.options) - known.lacking:
            found.append(name)
    return f"{', '.join(found)} may take it: -b {found[0]}" if found else "another may: arawn backend list"


def ways(choice: Choice, native: bool | None) -> tuple[str, ...]:
    """Ways to get JSON, best first; `native` tells whether the model is known to hold to a schema.

    A model that can does not help where its host has no tools either, or says itself that it cannot.
    """
    known = tuple(choice.options.get("rungs", ("native", "tool", "prompt")))
    if native is False:
        return tuple(way for way in known if way != "native")
    can = native and "tool" in known and "rungs" not in choice.provider.options
    return ("native", *known) if can and "native" not in known else known
