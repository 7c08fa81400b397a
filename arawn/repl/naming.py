"""Titles of sessions, asked for beside the typing; it does not know by whom they are made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from arawn.errors import ArawnError
from arawn.session import Session
from arawn.threads import start

if TYPE_CHECKING:
    from arawn.keeping import Keeper

PATIENCE_S = 1.0
"""Seconds that leaving waits for a title that is still asked for."""


class Naming:
    """Asks for a title once a session has its first turn, and keeps it when it is there."""

    def __init__(self, keeper: Keeper, ask: Callable[[Session], str | None]) -> None:
        self._keeper = keeper
        self._ask = ask
        self._session: Session | None = None
        self._thread: threading.Thread | None = None
        self._title: str | None = None
        self._fault: ArawnError | None = None

    def after_turn(self, session: Session) -> None:
        """A turn is stored."""
        self._take()
        if self._thread is None and self._keeper.enabled and len(session.turns) == 1:
            self._session = session
            self._thread = threading.Thread(target=self._work, args=(session,), daemon=True)
            start(self._thread)

    def close(self) -> None:
        """Leaving: what is asked for may still come, for a moment."""
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
            self._take()

    def _work(self, session: Session) -> None:
        try:
            self._title = self._ask(session)
        except ArawnError as fault:
            self._fault = fault

    def _take(self) -> None:
        """Keep a title that came: the store is used by one thread alone."""
        if self._thread is None or self._thread.is_alive() or self._session is None:
            return
        self._keeper.entitle(self._session, self._title, self._fault)
        self._thread = self._title = self._fault = None
