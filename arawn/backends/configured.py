"""A backend as its `[backends.NAME]` table has it: settings filled in, files fitted, JSON by a ladder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from arawn.events import Event
from arawn.messages import FilePart, Request, only
from arawn.ports import Backend


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
        takes: Callable[[], frozenset[str]],
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._system = system
        self._options = options
        self._takes = takes
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

            inner = Structured(inner, request.format, self._options)
        messages = request.messages
        if any(isinstance(part, FilePart) for message in messages for part in message.parts):
            messages = only(messages, self._takes())  # said to another backend before
        return inner.stream(request._replace(messages=messages, system=system, extra=extra, **filled))

    def close(self) -> None:
        """Close what is inside."""
        self._inner.close()
