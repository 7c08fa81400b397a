"""A backend that plays ready-made events, for tests and demonstrations; it sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from arawn.events import Event, Finish, Text
from arawn.messages import Request

Script = str | Sequence[Event | Exception] | Callable[[Request], Iterator[Event]]


class Scripted:
    """Plays one script a request, the last one again and again; `requests` keeps what was asked."""

    def __init__(self, *scripts: Script, name: str = "scripted", model: str = "scripted") -> None:
        self.name = name
        self.model = model
        self.requests: list[Request] = []
        self._scripts = scripts or ("",)

    def stream(self, request: Request) -> Iterator[Event]:
        """The next script's events; an exception among them is raised."""
        script = self._scripts[min(len(self.requests), len(self._scripts) - 1)]
        self.requests.append(request)
        if isinstance(script, str):
            yield Text(script)
            yield Finish("stop", "stop", self.model)
        elif callable(script):
            yield from script(request)
        else:
            for event in script:
                if isinstance(event, Exception):
                    raise event
                yield event

    def close(self) -> None:
        """Nothing is open."""
