"""A planner of the context that is made when there is something to plan: most first prompts fit anywhere."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from arawn.errors import ContextFault
from arawn.events import Event
from arawn.messages import FilePart
from arawn.ports import Asked, Backend, Outlook, Planned, Planner
from arawn.session import Turn

if TYPE_CHECKING:
    from arawn.config.load import Config

SHORT = 3000
"""Characters that are no more tokens than any window holds, in any language."""


class LazyPlanner:
    """A Planner that lets through what fits any window; for all else it asks the one that `make` makes."""

    def __init__(self, make: Callable[[], Planner], config: Config) -> None:
        self._make = make
        self._config = config
        self._made: Planner | None = None

    @property
    def _planner(self) -> Planner:
        if self._made is None:
            self._made = self._make()
        return self._made

    def plan(self, asked: Asked) -> Generator[Event, None, Planned]:
        """As `ports.Planner`."""
        message, request = asked.message, asked.request
        size = len(message.text) + len(request.system or "")
        has_more = request.messages or any(isinstance(part, FilePart) for part in message.parts)
        if asked.parent is None and not has_more and size < SHORT and not self._limited(asked.backend):
            return Planned((message,), None)
        return (yield from self._planner.plan(asked))

    def again(
        self, asked: Asked, planned: Planned, fault: ContextFault
    ) -> Generator[Event, None, Planned | None]:
        """As `ports.Planner`."""
        return self._planner.again(asked, planned, fault)

    def compact(self, asked: Asked, focus: str = "") -> Generator[Event, None, Turn | None]:
        """As `ports.Planner`."""
        return self._planner.compact(asked, focus)

    def outlook(self, asked: Asked) -> Outlook:
        """As `ports.Planner`."""
        return self._planner.outlook(asked)

    def _limited(self, backend: Backend) -> bool:
        """Whether the config knows the window of the model, which may then be a small one."""
        table = self._config.backends.get(backend.name, {})
        return "catalog" in self._config.values or "context" in table or "num_ctx" in table
