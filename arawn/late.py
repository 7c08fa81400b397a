"""A planner of the context that is made where there is something to plan: most first prompts fit anywhere."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from arawn.errors import ContextFault
from arawn.events import Event
from arawn.messages import FilePart, Message, Request
from arawn.ports import Backend, Planned
from arawn.session import Session

if TYPE_CHECKING:
    from arawn.config.load import Config
    from arawn.context import ContextPlanner

SHORT = 3000
"""Characters that are no more tokens than any window holds, in any language."""


class LatePlanner:
    """A Planner around one that `make` makes when it is needed."""

    def __init__(self, make: Callable[[], ContextPlanner], config: Config) -> None:
        self._make = make
        self._config = config
        self._whole: ContextPlanner | None = None

    @property
    def whole(self) -> ContextPlanner:
        """The planner itself."""
        if self._whole is None:
            self._whole = self._make()
        return self._whole

    def plan(
        self, session: Session, parent: str | None, message: Message, request: Request, backend: Backend
    ) -> Generator[Event, None, Planned]:
        """As `ports.Planner`."""
        size = len(message.text) + len(request.system or "")
        has_more = request.messages or any(isinstance(part, FilePart) for part in message.parts)
        if parent is None and not has_more and size < SHORT and not self._limited(backend):
            return Planned((message,), None)
        return (yield from self.whole.plan(session, parent, message, request, backend))

    def again(
        self,
        fault: ContextFault,
        planned: Planned,
        session: Session,
        message: Message,
        request: Request,
        backend: Backend,
    ) -> Generator[Event, None, Planned | None]:
        """As `ports.Planner`."""
        return (yield from self.whole.again(fault, planned, session, message, request, backend))

    def _limited(self, backend: Backend) -> bool:
        """Whether the config knows the window of the model, which may then be a small one."""
        table = self._config.backends.get(backend.name, {})
        return "catalog" in self._config.values or "context" in table or "num_ctx" in table
