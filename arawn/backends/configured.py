"""A backend as its `[backends.NAME]` table has it: settings filled in, files fitted, JSON by a ladder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from arawn.errors import ModelFault
from arawn.events import Event
from arawn.messages import FilePart, Request, only
from arawn.ports import Backend


class Known(NamedTuple):
    """What is known of the backend's model, looked up only where it is needed.

    takes: kinds of file; near: models that may have been meant by one that is not there; rungs: ways to JSON.
    """

    takes: Callable[[], frozenset[str]]
    near: Callable[[], list[str]]
    rungs: Callable[[], tuple[str, ...]]


class Configured:
    """A Backend around a Backend that fills in what its `[backends.NAME]` table says of every request.

    Requests for JSON go through the ladder of `backends.structured`, by the ways that `options` name.
    """

    def __init__(
        self,
        inner: Backend,
        settings: Mapping[str, Any],
        system: str | None,
        options: Mapping[str, Any],
        known: Known,
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._system = system
        self._options = options
        self._known = known
        self.name = inner.name
        self.model = inner.model

    def stream(self, request: Request) -> Iterator[Event]:
        """Ask with the settings that the request leaves open."""
        filled = {
            key: value
            for key, value in self._settings.items()
            if key != "extra" and getattr(request, key) in (None, ())
        }
        extra = {**self._settings.get("extra", {}), **request.extra}
        system = request.system if request.system is not None else self._system
        inner = self._inner
        if request.format is not None:
            from arawn.backends.structured import Structured

            options = {**self._options, "rungs": self._known.rungs()}
            inner = Structured(inner, request.format, options)
        messages = request.messages
        if any(isinstance(part, FilePart) for message in messages for part in message.parts):
            messages = only(messages, self._known.takes())  # said to another backend before
        return self._asked(inner, request._replace(messages=messages, system=system, extra=extra, **filled))

    def _asked(self, inner: Backend, request: Request) -> Iterator[Event]:
        """The reply; where there is no such model, the names that may have been meant."""
        try:
            yield from inner.stream(request)
        except ModelFault as fault:
            names = ", ".join(self._known.near())
            if names:
                fault.hints = (f"did you mean {names}?", *fault.hints)
            raise

    def close(self) -> None:
        """Close what is inside."""
        self._inner.close()
