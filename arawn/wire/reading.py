"""What all readers share: text as it can be shown, counts, and what the end of a reply means. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arawn.errors import Cut
from arawn.events import FinishReason, Reasoning, Text
from arawn.messages import NOTHING
from arawn.wire import Target
from arawn.wire.frames import Frame, Surrogates, encodable, parse
from arawn.wire.think import Think

REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "error_limit": "length",
    "token_limit": "length",
    "time_limit": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "error_toxic": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "sensitive": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "image_prohibited_content": "content_filter",
    "image_recitation": "content_filter",
    "model_armor": "content_filter",
    "refusal": "refusal",
    "error": "error",
    "abort": "error",
    "insufficient_system_resource": "error",
    "network_error": "error",
    "other": "error",
    "image_other": "error",
    "no_image": "error",
    "language": "error",
    "malformed_function_call": "error",
    "malformed_response": "error",
    "unexpected_tool_call": "error",
    "too_many_tool_calls": "error",
    "missing_thought_signature": "error",
}
"""Every service's own words, lower case; what stands in none of the documents means stop."""


MOST = 10**15
"""No service counts as many tokens or bytes."""


def objects(frames: Iterable[Frame]) -> Iterator[tuple[Frame, dict[str, Any]]]:
    """The JSON objects of a reply with their frames, up to `[DONE]`. Raises Cut for what is no JSON."""
    for frame in frames:
        if frame.data.startswith("[DONE]"):
            break
        data = parse(frame) if frame.data.strip() else None
        if isinstance(data, dict):
            yield frame, data


def reason(raw: str, has_calls: bool) -> FinishReason:
    """The normalised reason: tool calls decide, a cut at a limit stays one, unknown words mean stop."""
    known = REASONS.get(raw.lower().replace("-", "_"), "stop")
    return "tool_calls" if has_calls and known in ("stop", "tool_calls") else known


def count(where: Any, key: str) -> int | None:
    """A number of tokens that makes sense, or None. Cohere writes them as floats."""
    value = where.get(key) if isinstance(where, Mapping) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST else None


def table(value: Any) -> Mapping[str, Any]:
    """`value` where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else NOTHING


def tables(value: Any) -> list[Mapping[str, Any]]:
    """The objects of `value` where it is a list, else none."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def key(value: Any) -> Any:
    """`value` as the key of a table: an index that a service sent may be anything."""
    return value if isinstance(value, str | int | float | None) else type(value).__name__


def word(value: Any) -> str:
    """`value` where it is a text, as it can be encoded; else nothing."""
    return encodable(value) if isinstance(value, str) else ""


def torn(target: Target) -> Cut:
    """The error of a reply that stopped with neither a finish reason nor its end mark."""
    return Cut(
        f'The answer of backend "{target.backend}" was cut off before its end',
        hints=("what came is above", "ask again"),
    )


class Speech:
    """Pieces of text and reasoning as they can be shown: split characters joined, `<think>` taken out."""

    def __init__(self) -> None:
        self._text = Surrogates()
        self._thought = Surrogates()
        self._think = Think()
        self.any = False

    def text(self, piece: Any) -> Iterator[Text | Reasoning]:
        """A piece of the answer; what is no text or empty gives nothing."""
        if isinstance(piece, str) and piece:
            self.any = True
            whole = self._text.feed(piece)
            if whole:
                yield from self._think.feed(whole)

    def thought(self, piece: Any) -> Iterator[Reasoning]:
        """A piece of reasoning from a field of its own."""
        if isinstance(piece, str) and piece:
            whole = self._thought.feed(piece)
            if whole:
                yield Reasoning(whole)

    def flush(self) -> Iterator[Text | Reasoning]:
        """What is still held back; may be called twice."""
        held = self._text.flush()
        if held:
            yield from self._think.feed(held)
        yield from self._think.flush()
