"""Gemini's function calls, whole or with arguments that stream by JSON path; pure.

Source: https://ai.google.dev/gemini-api/docs/function-calling and Vertex AI's `PartialArg`
(https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/Content#PartialArg).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from arawn.events import ToolCall
from arawn.wire.calls import unique
from arawn.wire.frames import encodable
from arawn.wire.reading import table, tables, word

VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")
DEPTH = 64
GAP = 16
"""Most elements of a list that a path may leave out: an index comes from the reply."""


class GeminiCalls:
    """Calls as they become whole: `add` takes a `functionCall` and gives the call that ended with it."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self._open: dict[str, Any] = {}
        self._name = ""
        self._opaque: dict[str, Any] = {}
        self._going = False

    def add(self, call: Mapping[str, Any], signed: Mapping[str, Any]) -> ToolCall | None:
        """Take one `functionCall` with the signature of its part."""
        native = call.get("id")
        opaque = {**signed, **({"id": native} if isinstance(native, str) and native else {})}
        if not self._going:
            self._name, self._open, self._opaque = word(call.get("name")), {}, opaque
        self._opaque |= opaque
        self._open |= table(call.get("args"))
        for piece in tables(call.get("partialArgs")):
            _put(self._open, word(piece.get("jsonPath")), piece)
        self._going = bool(call.get("willContinue"))
        return None if self._going else self._whole()

    def _whole(self) -> ToolCall:
        arguments = encodable(json.dumps(self._open, ensure_ascii=False))
        call_id = unique(self._opaque.get("id"), self.ids)
        return ToolCall(call_id, self._name, arguments, dict(self._opaque) or None)


def _put(root: dict[str, Any], path: str, piece: Mapping[str, Any]) -> None:
    """Set the value of `piece` at `$.a[0].b`; a string that was begun there goes on."""
    steps = _steps(path)
    kind = next((kind for kind in VALUES if kind in piece), None)
    if not steps or kind is None or len(steps) > DEPTH:
        return
    value = None if kind == "nullValue" else piece[kind]
    place: Any = root
    for step, following in zip(steps, steps[1:], strict=False):
        place = _enter(place, step, [] if isinstance(following, int) else {})
    known = _enter(place, steps[-1], None)
    grown = known + value if isinstance(known, str) and isinstance(value, str) else value
    last = steps[-1]
    if isinstance(place, dict):
        place[str(last)] = grown
    elif isinstance(place, list) and isinstance(last, int) and last < len(place):
        place[last] = grown


def _enter(place: Any, step: str | int, empty: Any) -> Any:
    """What stands at `step` of `place`, made where it is missing."""
    if isinstance(place, dict) and isinstance(step, str):
        return place.setdefault(step, empty)
    if isinstance(place, list) and isinstance(step, int) and step < len(place) + GAP:
        place.extend(None for _ in range(len(place), step + 1))
        if place[step] is None:
            place[step] = empty
        return place[step]
    return None


def _steps(path: str) -> list[str | int]:
    """`$.a[0]['b.c']` as names and indexes; empty for what is no such path."""
    import re

    found = re.findall(r"""\.([^.\[\]]+)|\[(\d{1,6})\]|\['([^']*)'\]|\["([^"]*)"\]""", path.removeprefix("$"))
    return [int(index) if index else name or single or double for name, index, single, double in found]
