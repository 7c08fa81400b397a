"""What may be completed in a chat: models, asked for beside the typing, and sessions; it shows nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from arawn.errors import ArawnError
from arawn.threads import start

if TYPE_CHECKING:
    from arawn.keeping import Keeper
    from arawn.repl.chat import Backends, Opened


class Known:
    """Names as far as they are known. `grown` is called, in any thread, when there are more of them."""

    def __init__(self, app: Backends, keeper: Keeper | None, grown: Callable[[], None]) -> None:
        self._app = app
        self._keeper = keeper
        self._grown = grown
        self._models: dict[str, list[str]] = {}
        self._fetching: set[str] = set()

    def sessions(self) -> list[str]:
        """The ids of the sessions spoken in last; none where they cannot be told."""
        if self._keeper is None or not self._keeper.enabled:
            return []
        try:
            return [info.id for info in self._keeper.store.listing(20)]
        except ArawnError:
            return []

    def models(self, opened: Opened) -> list[str]:
        """The models of a backend; asks for them beside the typing where they are not known."""
        if opened.name not in self._models and opened.name not in self._fetching:
            self._fetching.add(opened.name)
            start(threading.Thread(target=self._fetch, args=(opened,), daemon=True))
        return self._models.get(opened.name, [])

    def fetch(self, opened: Opened) -> list[str]:
        """The models of a backend, asked for now. Raises an ArawnError."""
        names = self._models[opened.name] = self._app.model_names(opened)
        return names

    def _fetch(self, opened: Opened) -> None:
        try:
            self.fetch(opened)
        except ArawnError:
            return  # `/model` alone tells why; while typing nobody asked
        self._grown()
