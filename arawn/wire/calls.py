"""Tool calls put together from fragments, and tools as the services describe them; shared by the dialects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from arawn.events import ToolCall
from arawn.messages import ToolSpec
from arawn.wire.frames import encodable, loads
from arawn.wire.reading import key, word


def as_text(arguments: str) -> str:
    """Arguments as the text of a JSON object: many servers parse what goes back to them."""
    found = as_object(arguments)
    return json.dumps(found) if "__raw__" in found or not arguments else arguments


def as_object(arguments: str) -> Any:
    """Arguments as the JSON object they should be; text that is none is kept under `__raw__`."""
    try:
        value = loads(arguments or "{}")
        json.dumps(value, allow_nan=False)  # Python reads NaN, which is no JSON and which nobody takes
    except (ValueError, RecursionError):
        return {"__raw__": arguments}
    return value if isinstance(value, dict) else {"__raw__": arguments}


def functions(tools: Iterable[ToolSpec]) -> list[dict[str, Any]]:
    """Tools as OpenAI's chat completions and Ollama describe them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in tools
    ]


def unique(call_id: Any, taken: set[str]) -> str:
    """The id of the next whole call: the service's own where it is new, else one of ours; now it is taken."""
    made = word(call_id) or f"call_{len(taken)}"
    while made in taken:
        made = f"{made}_{len(taken)}"
    taken.add(made)
    return made


def fit_id(call_id: str, length: int | None = None) -> str:
    """A call's id as every service takes it: letters, digits, `_` and `-`; `length` where it must be exact.

    The same id always gives the same result, so calls and results still match.
    """
    if length is not None:
        if len(call_id) == length and call_id.isascii() and call_id.isalnum():
            return call_id
        from hashlib import sha256

        return sha256(call_id.encode("utf-8", "replace")).hexdigest()[:length]
    fit = "".join(mark if mark.isascii() and (mark.isalnum() or mark in "_-") else "_" for mark in call_id)
    return fit[:64] or "call"


WHOLE = 3
"""Pieces in which the arguments of a call come at most where a fragment brings all of them."""


class Calls:
    """Fragments of tool calls by index; whole calls may come in one piece, ids late or never."""

    def __init__(self) -> None:
        self._open: dict[Any, _Slot] = {}
        self._places: dict[Any, Any] = {}  # where the last call is of an index that several calls have
        self._last: Any = None

    def __len__(self) -> int:
        return len(self._open)

    def add(
        self, index: Any, call_id: Any, name: Any, arguments: Any, opaque: Mapping[str, Any] | None = None
    ) -> str:
        """Take a fragment, give the name of its call. Without an index a new id or name begins a call,
        else the last goes on."""
        index = index if isinstance(index, tuple) else key(index)
        if index is None:
            index = self._without_index(call_id, name)
        place = self._places.get(index, index)
        known = self._open.get(place)
        if known is not None and name and known.name:
            if known.repeats(call_id, name, arguments):
                return known.name
            if known.is_over(call_id, name, arguments):
                place = self._places[index] = (index, len(self._open))
        self._last = place
        slot = self._open.setdefault(place, _Slot())
        slot.id = slot.id or (call_id if isinstance(call_id, str) else "")
        slot.name = slot.name or word(name)
        slot.opaque = opaque or slot.opaque
        if isinstance(arguments, str):
            slot.pieces.append(arguments)
        elif arguments is not None:
            slot.pieces.append(json.dumps(arguments, ensure_ascii=False))
        return slot.name

    def _without_index(self, call_id: Any, name: Any) -> Any:
        if self._last is None or call_id or name:
            known = self._open.get(self._last)
            same = known is not None and call_id and call_id == known.id
            return self._last if same else ("new", len(self._open))
        return self._last

    def done(self) -> list[ToolCall]:
        """All calls, in order of their beginning, ids non-empty and unique."""
        made: list[ToolCall] = []
        taken: set[str] = set()
        for slot in self._open.values():
            given = encodable("".join(slot.pieces)) or "{}"
            filled = given.removeprefix("{}")  # some servers begin with empty ones and then send them
            arguments = filled if filled.strip() else given
            if slot.name or arguments != "{}":  # some servers fill what is not set with empty values
                call_id = unique(slot.id, taken)
                made.append(ToolCall(call_id, slot.name, arguments, slot.opaque))
        return made


def _is_whole(arguments: Any) -> bool:
    """Whether nothing can follow: an object, or the text of one."""
    text = isinstance(arguments, str)
    return isinstance(arguments, dict) or (
        text and arguments[-1:] == "}" and "__raw__" not in as_object(arguments)
    )


class _Slot:
    """A call that is put together."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.opaque: Mapping[str, Any] | None = None

    def _given(self) -> str:
        """The arguments, where they came in so few pieces that they may have come whole."""
        return "".join(self.pieces) if len(self.pieces) <= WHOLE else ""

    def repeats(self, call_id: Any, name: Any, arguments: Any) -> bool:
        """Whether this call comes once more as it is, as some servers have it at the end."""
        same = bool(call_id) and call_id == self.id and name == self.name
        return same and _is_whole(arguments) and arguments == self._given()

    def is_over(self, call_id: Any, name: Any, arguments: Any) -> bool:
        """Whether a fragment with a name, of the same index, begins another call: it has another id.

        Where ids tell nothing it does where this call is whole, and another name or whole arguments come.
        """
        if call_id and self.id and call_id != self.id:
            return True
        another = name != self.name or (not call_id and _is_whole(arguments))
        return another and _is_whole(self._given())
