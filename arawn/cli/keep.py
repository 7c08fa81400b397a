"""Which session a command speaks in, and whether it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arawn.errors import ArawnError, ConfigFault, UsageFault

if TYPE_CHECKING:
    from arawn.app import Opened
    from arawn.cli.context import Context
    from arawn.keeping import Keeper
    from arawn.session import Session


def speak_in(
    context: Context, continue_: bool, resume: str | None, system: str | None, *, keep: bool, private: bool
) -> tuple[Keeper, Session]:
    """What keeps this run, and the session it speaks in. Raises UsageFault, StoreFault."""
    context.warned()
    context.app.private = private
    keeper = context.app.keeper(keep)
    return keeper, session_for(keeper, continue_, resume, system)


def session_for(keeper: Keeper, continue_: bool, resume: str | None, system: str | None) -> Session:
    """The session to speak in: a new one unless an option names another. Raises UsageFault, StoreFault."""
    if continue_ and resume is not None:
        raise UsageFault("--continue and --resume exclude each other")
    if not continue_ and resume is None:
        return keeper.new(system)
    if not keeper.enabled:
        flag = "--continue" if continue_ else "--resume"
        raise UsageFault(f"{flag} needs the store, which is off in this run")
    store = keeper.store
    place = keeper.place
    found = store.find(resume) if resume else store.last(place.terminal, place.folder)
    if found is None:
        raise UsageFault("There is no session to go on with", hints=("arawn ask begins one",))
    session = store.load(found)
    session.folder = keeper.place.folder
    if system is not None:
        session.system = system
    return session


def open_for(context: Context, session: Session, timeout: float | None = None) -> Opened:
    """The backend to ask: what the options say, else who answered in this session last, else the config's."""
    from arawn.backends.names import standing_in

    app = context.app
    path = [turn for turn in session.path() if turn.kind == "said"]
    if context.race:
        if context.backend or context.model:
            raise UsageFault("--race names whom it asks, so it goes with no --backend or --model")
        return app.open_race(context.race, timeout)
    if context.backend or context.model or not path or standing_in(app.config):
        return app.open(context.backend, context.model, timeout)
    receipt = path[-1].receipt
    try:
        opened = app.open(receipt.backend or None, receipt.asked or None, timeout)
    except ConfigFault as fault:
        try:
            opened = app.open(None, None, timeout)
        except ArawnError:
            raise fault from None
        context.status.note(f"{receipt.backend} answered in this session, and cannot be asked now: {fault}")
        return opened
    return opened._replace(why="as before in this session")
