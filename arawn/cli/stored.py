"""What the commands about what is kept share: the store opened, what a word means in it, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import typer

from arawn.errors import UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.session import Session, Turn
    from arawn.store.sessions import Store


def opened(ctx: typer.Context, masked: bool = False) -> tuple[Context, Store]:
    """The store of this run, opened; `masked`: what it takes in is kept without keys. Raises StoreFault."""
    from arawn.config.paths import paths
    from arawn.store.sessions import Store

    context = ctx.find_root().obj
    mask = mask_of(context) if masked else str
    return context, Store(paths(context.env).data_dir, context.status.warn, mask=mask)


def mask_of(context: Context) -> Callable[[str], str]:
    """What takes keys out of a text that is kept or given away: those of all backends, and whatever has the
    shape of one. `[store] mask_keys = false` leaves them; a config with mistakes in it does not."""
    from arawn.backends.choose import choose
    from arawn.config.paths import paths
    from arawn.errors import ArawnError, ConfigFault
    from arawn.providers import PROVIDERS
    from arawn.secret import Redactor, Resolver

    redactor = Redactor()
    try:
        config = context.load()
    except ConfigFault:
        return redactor.redact
    if not config.get("store.mask_keys"):
        return str
    resolver = Resolver(context.env, home=paths(context.env).config_dir)
    for name in {**config.backends, **PROVIDERS}:
        with suppress(ArawnError):
            choice = choose(config, context.env, name, None)
            if choice is not None and choice.key and "$keyring:" not in choice.key:  # those take too long
                redactor.add(resolver.resolve(choice.key).reveal())
    return redactor.redact


def found_turn(store: Store, which: str | None) -> tuple[Session, Turn]:
    """The turn meant by its id, or the last of the session meant; of all without a word."""
    if which:
        session, turn = store.find_turn(which)
        found = store.load(session)
        return found, found.turns[turn]
    found = session_of(store, None)
    return found, found.turns[found.head or found.latest or ""]


def session_of(store: Store, which: str | None) -> Session:
    """The session meant by a word, or the one that -c goes on with. Raises UsageFault."""
    from arawn.keeping import here

    place = here()
    id = store.find(which) if which else store.last(place.terminal, place.folder)
    if id is None:
        raise UsageFault("There is no session yet", hints=("arawn ask begins one",))
    return store.load(id)


def print_json(value: Any) -> None:
    """One document on standard output."""
    from arawn.render.document import dump

    print(dump(value))


def columns_of(context: Context, stream: TextIO) -> int | None:
    """How wide the terminal is that `stream` goes to; None where it goes elsewhere."""
    from arawn.cli.context import is_terminal
    from arawn.render.terminal import width

    return width(stream.fileno(), context.env) if is_terminal(stream) else None


def done(json: bool, line: str, **document: Any) -> None:
    """Tell what was done, as a line or as JSON."""
    from arawn.render.safe import clean

    if json:
        print_json(document)
    else:
        print(clean(line))


def moment(text: str, flag: str) -> float:
    """Seconds since 1970 of a date (2026-01-31, with a time or not) or of so long ago (30d, 12h).

    Raises UsageFault, with the option's name in it.
    """
    import time
    from datetime import datetime

    from arawn.config.values import span

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        seconds = span(text)
    if seconds is None:
        raise UsageFault(f"{flag} takes a date such as 2026-01-31, or a time ago such as 30d, not {text!r}")
    return time.time() - seconds
