"""The `--json` document: one versioned shape for an answer and for a failure; knows no terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from arawn.errors import ArawnError, ServiceFault
from arawn.events import (
    Attempt,
    Event,
    Finish,
    Notice,
    Progress,
    Reasoning,
    Reply,
    Text,
    ToolCall,
    Usage,
    Wait,
    outcome,
)
from arawn.session import Turn

Document = dict[str, Any]


def document(
    reply: Reply,
    *,
    backend: str,
    provider: str,
    model: str,
    fault: ArawnError | None,
    redact: Callable[[str], str],
    interrupted: bool = False,
    has_data: bool = False,
    turn: Turn | None = None,
) -> Document:
    """The document of one turn, whole or not. Times in seconds, tokens normalised, unknown is null.

    `turn` is the turn as it is kept, which knows cost and session. `redact` takes keys out of what the fault
    says. `has_data` says that JSON was asked for: the text of a whole answer stands parsed under `data` too.
    """
    finish = reply.finish
    usage = reply.usage
    whole = fault is None and not interrupted
    last = reply.attempts[-1] if reply.attempts and not interrupted else None  # who answered, of several
    answered = (turn.receipt.backend, turn.receipt.model) if turn else (backend, model)
    if last is not None:
        answered = (last.backend, last.model)
    return {
        "version": 1,
        "ok": whole,
        "backend": answered[0] or None,
        "provider": (turn.receipt.provider if turn else "") or provider or None,
        "model": (finish.model if finish else "") or answered[1] or None,
        "text": reply.text,
        "data": json.loads(reply.text) if has_data and whole else None,
        "reasoning": reply.reasoning,
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": _arguments(call.arguments)}
            for call in reply.tool_calls
        ],
        "citations": [dict(citation) for citation in finish.citations] if finish else [],
        "refusal": finish.refusal if finish else None,
        "finish": outcome(reply, fault, interrupted),
        "finish_raw": (finish.raw or None) if finish else None,
        "usage": {
            "input": usage.input, "output": usage.output,
            "cached": usage.cached, "reasoning": usage.reasoning,
        },
        "cost_usd": turn.receipt.cost_usd if turn else None,
        "attempts": [_attempt(attempt) for attempt in reply.attempts],
        "session": (turn.session or None) if turn else None,
        "error": _interruption() if interrupted else error(fault, redact),
    }  # fmt: skip


def failure(fault: ArawnError, redact: Callable[[str], str]) -> Document:
    """The document of a failure before any backend was chosen."""
    return document(Reply(), backend="", provider="", model="", fault=fault, redact=redact)


def error(fault: ArawnError | None, redact: Callable[[str], str]) -> Document | None:
    """The `error` member: code, message, hint and HTTP status of a fault, without keys."""
    if fault is None:
        return None
    message = fault.sentence + (f": {fault.detail}" if fault.detail else "")
    return {
        "code": fault.code,
        "message": redact(message),
        "hint": redact("; ".join(fault.hints)) or None,
        "status": fault.status if isinstance(fault, ServiceFault) else None,
    }


def _interruption() -> Document:
    return {"code": "cut", "message": "Interrupted before the answer was whole", "hint": None, "status": None}


def _attempt(attempt: Attempt) -> Document:
    return {
        "backend": attempt.backend,
        "model": attempt.model,
        "status": attempt.status,
        "error": attempt.error,
        "waited_s": round(attempt.waited_s, 3),
        "first_event_s": None if attempt.first_event_s is None else round(attempt.first_event_s, 4),
        "total_s": round(attempt.total_s, 4),
    }


def _arguments(text: str) -> Any:
    """Arguments as an object; text that is no JSON object is kept under `__raw__`."""
    from arawn.wire.calls import as_object

    return as_object(text)


def line(event: Event) -> Document:
    """One event of `--jsonl`: its kind under `type`, its fields beside it."""
    match event:
        case Text() | Reasoning():
            return {"type": type(event).__name__.lower(), "text": event.text}
        case ToolCall():
            arguments = _arguments(event.arguments)
            return {"type": "tool_call", "id": event.id, "name": event.name, "arguments": arguments}
        case Usage():
            return {
                "type": "usage", "input": event.input, "output": event.output,
                "cached": event.cached, "reasoning": event.reasoning,
            }  # fmt: skip
        case Finish():
            return {"type": "finish", "finish": event.reason, "finish_raw": event.raw or None}
        case Notice():
            return {"type": "notice", "text": event.text, "warning": event.warning}
        case Progress():
            return {"type": "progress", "text": event.label}
        case Wait():
            return {"type": "wait", "remaining_s": round(event.remaining, 2), "reason": event.reason}
        case Attempt():
            return {"type": "attempt", **_attempt(event)}


def dump(value: Document) -> str:
    """One line of JSON in UTF-8; lone surrogates cannot pass."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return text.encode("utf-8", "replace").decode("utf-8")
