"""Tool calls put together from fragments, and what the end of a reply means; shared by the dialects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from arawn.events import FinishReason, ToolCall
from arawn.messages import ToolSpec

REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "refusal",
}


def reason(raw: str, has_calls: bool) -> FinishReason:
    """The normalised reason: tool calls decide, a cut at a limit stays one, unknown words mean stop."""
    known = REASONS.get(raw.lower(), "stop")
    return "tool_calls" if has_calls and known in ("stop", "tool_calls") else known


def as_object(arguments: str) -> Any:
    """Arguments as the JSON object they should be; text that is none is kept under `__raw__`."""
    try:
        value = json.loads(arguments or "{}")
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


class Calls:
    """Fragments of tool calls by index; whole calls may come in one piece, ids late or never."""

    def __init__(self) -> None:
        self._open: dict[Any, list[Any]] = {}
        self._last: Any = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, index: Any, call_id: Any, name: Any, arguments: Any) -> None:
        """Take a fragment. Without an index a new id or name begins a call, else the last goes on."""
        if index is None:
            index = self._without_index(call_id, name)
        elif self._is_another(index, call_id, name):
            index = (index, len(self._open))
        self._last = index
        slot = self._open.setdefault(index, ["", "", []])
        slot[0] = slot[0] or (call_id if isinstance(call_id, str) else "")
        slot[1] = slot[1] or (name if isinstance(name, str) else "")
        if isinstance(arguments, str):
            slot[2].append(arguments)
        elif arguments is not None:
            slot[2].append(json.dumps(arguments, ensure_ascii=False))

    def _without_index(self, call_id: Any, name: Any) -> Any:
        if self._last is None or call_id or name:
            known = self._open.get(self._last)
            same = known is not None and call_id and call_id == known[0]
            return self._last if same else ("new", len(self._open))
        return self._last

    def _is_another(self, index: Any, call_id: Any, name: Any) -> bool:
        """Whole calls that all claim index 0: a new id together with a name is a new call."""
        known = self._open.get(index)
        return bool(known and call_id and name and known[0] and known[0] != call_id)

    def done(self) -> Iterator[ToolCall]:
        """All calls, in order of their beginning, ids non-empty and unique."""
        seen: set[str] = set()
        for number, (call_id, name, pieces) in enumerate(self._open.values()):
            if not name and not pieces:
                continue
            unique = call_id or f"call_{number}"
            while unique in seen:
                unique = f"{unique}_{number}"
            seen.add(unique)
            yield ToolCall(unique, name, "".join(pieces) or "{}")
