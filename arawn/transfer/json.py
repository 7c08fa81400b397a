"""Sessions as JSON: one document, or a list of them. Nothing is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from arawn.record import session_in, session_out
from arawn.session import Session
from arawn.transfer.shape import Tell, dumps, each, elements, numbered, table
from arawn.transfer.source import Source


def write(sessions: Iterable[Session]) -> Iterator[str]:
    """The document of a session; several, or none, are a list."""
    waiting = iter(sessions)
    first = next(waiting, None)
    second = next(waiting, None)
    if first is not None and second is None:
        yield dumps(session_out(first), indent=2) + "\n"
        return
    yield "["
    if first is not None and second is not None:
        yield "\n" + dumps(session_out(first), indent=2)
        for session in (second, *waiting):
            yield ",\n" + dumps(session_out(session), indent=2)
    yield "\n]\n"


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """The sessions of a document, of a list, or of an object with `sessions`."""
    return each(numbered(_values(source.text(tell)), "session", tell), session_in, tell)


def _values(text: str) -> Iterator[Any]:
    for value in elements(text):
        if isinstance(value, dict) and isinstance(value.get("sessions"), list):
            yield from value["sessions"]
        else:
            yield table(value) if isinstance(value, dict) else value
