"""What a service says when it fails, in every shape seen, as one of our errors; it knows no provider by name.

Shapes: {"error": {"message", "type", "code"}}, {"error": "text"}, {"message"}, {"detail"}, {"code", "error"},
problem+json, lists of these, plain text and web pages. Sources: the providers' error references and
recorded replies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from arawn.errors import (
    AuthFault,
    ContextFault,
    ModelFault,
    Overloaded,
    RateLimited,
    Refused,
    ServiceFault,
    TimedOut,
    Unreachable,
)
from arawn.wire import Target
from arawn.wire.fault_words import (
    CONTEXT,
    FAILED,
    KEY,
    LATE,
    MODEL,
    OVERLOAD,
    PACE,
    PACE_TOO,
    POLICY,
    QUOTA,
    QUOTA_OR_PACE,
)
from arawn.wire.frames import encodable, loads, split
from arawn.wire.reading import tables, torn
from arawn.wire.retry_after import retry_after, should_retry, until_reset

DETAIL_LIMIT = 500
STREAM = ("data:", "event:", "id:", ":")
PAGE_LIMIT = 300
AGAIN = ("ask again",)
MESSAGES = (
    *("message", "detail", "msg", "Message", "error_message", "errorMessage", "title", "error_description"),
    *("base_resp", "status_msg"),
)


class Said(NamedTuple):
    """What a failure said of itself: its message and the words that classify it, lower case."""

    message: str
    words: str
    status: int | None = None


def fault(
    status: int, headers: Mapping[str, str], body: bytes, target: Target, now: float | None = None
) -> ServiceFault:
    """The error behind an HTTP status and body. `headers` have lower-case names; `now` is Unix time.

    A date in Retry-After is ignored without `now`.
    """
    text = body.decode("utf-8-sig", "replace").strip()
    payload = _json(text)
    said = _said(payload) if payload is not None else Said(_page_or_text(text), text[:2000].lower())
    after = retry_after(headers, said.message, payload, now)
    if after is None and status == 429:
        after = until_reset(headers, payload, now)
    made = _classify(status, said, target, after)
    made.retry_after = after
    told = should_retry(headers)
    if told is not None:
        made.retryable = told
    return made


def from_payload(payload: Any, target: Target) -> ServiceFault:
    """The error inside a reply that began as a success. It is retryable by its kind like any other."""
    said = _said(payload)
    after = retry_after({}, said.message, payload, None)
    made = _classify(said.status or 0, said, target, after)
    made.retry_after = after
    return made


def instead(first: Any, target: Target) -> ServiceFault:
    """What a reply was that never ended: words in the shape of no error, where its first object is such."""
    said = first if isinstance(first, Mapping) else {}
    if (
        any(isinstance(said.get(key), str | list) for key in ("message", "detail", "msg"))
        or "base_resp" in said
    ):
        return from_payload(said, target)
    return torn(target)


def _json(text: str) -> Any:
    if text.startswith(STREAM):  # asked for a stream some answer in one, whatever the status
        with suppress(ServiceFault):
            text = next((frame.data for frame in split([text.encode()])), "").strip()
    if text[:1] not in ("{", "["):
        return None
    try:
        return loads(text)
    except (ValueError, RecursionError):
        return None


def _said(payload: Any) -> Said:
    """Dig out the message, type, code and status, wherever they stand."""
    if isinstance(payload, list):
        return _said(payload[0]) if payload else Said("", "")
    if not isinstance(payload, Mapping):
        return Said(_line(str(payload)), str(payload).lower())
    inner = payload.get("error") or payload.get("errors")
    body: Mapping[str, Any] = inner if isinstance(inner, Mapping) else payload
    message = inner if isinstance(inner, str) else _message(body)
    if isinstance(inner, list):
        message = "; ".join(item if isinstance(item, str) else _said(item).message for item in inner)
    meta = body.get("metadata")
    if isinstance(meta, Mapping) and meta.get("raw"):
        message = f"{message}: {meta['raw']}"
    marks = [body.get("type"), body.get("code"), body.get("status"), payload.get("code"), payload.get("type")]
    for detail in tables(body.get("details")):
        marks += [detail.get("reason"), *(kind.get("quotaId") for kind in tables(detail.get("violations")))]
    words = " ".join(str(mark) for mark in (*marks, message) if mark is not None)
    return Said(_line(str(message)), " ".join([*words.lower().split(), ""]), _status(body, payload))


def _message(body: Mapping[str, Any]) -> str:
    for key in MESSAGES:
        value = body.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, Mapping | list) and value:
            return _said(value).message
    return json.dumps(dict(body), ensure_ascii=False)[:DETAIL_LIMIT] if body else ""


def _status(*bodies: Mapping[str, Any]) -> int | None:
    for body in bodies:
        for key in ("status_code", "status", "code"):
            value = body.get(key)
            if isinstance(value, str) and value.isdecimal() and len(value) == 3:
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
                return value
    return None


def _line(text: str, limit: int = DETAIL_LIMIT) -> str:
    text = encodable(" ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _page_or_text(text: str) -> str:
    lower = text[:8192].lower()
    if lower.startswith("<") or "<html" in lower:
        at = lower.find("<title")
        start, end = lower.find(">", at) + 1, lower.find("</title", at)
        title = text[start:end].strip() if 0 <= at < end else ""
        return _line(f"HTML page: {title}" if title else "HTML page", PAGE_LIMIT)
    return _line(text, PAGE_LIMIT)


def _has(said: Said, words: tuple[str, ...]) -> bool:
    return any(word in said.words for word in words)


def _classify(status: int, said: Said, target: Target, after: float | None) -> ServiceFault:
    """The class by the words first, because services disagree about statuses, then by the status.

    `after` are the seconds that the service asks to wait, if it does.
    """
    known = status or None
    detail = said.message
    if 400 <= status < 500 or not status:
        made = _by_words(known, said, target, after)
        if made is not None:
            return made
    if status in (401, 403):
        return _auth(target, detail, known)
    if status == 404:
        return _not_found(target, detail, known)
    if status == 429:
        return RateLimited(
            f'Backend "{target.backend}" limits how often it is asked', detail=detail, status=known
        )
    if status in (408, 504, 522, 524):
        return TimedOut(f'Backend "{target.backend}" took too long', detail=detail, status=known)
    if status in (502, 521, 523):
        return Unreachable(
            f'The gateway before backend "{target.backend}" gets no answer', detail=detail, status=known
        )
    if status == 424 or (status >= 500 and status != 501) or _has(said, OVERLOAD):
        words = "is overloaded" if status in (503, 529) or _has(said, OVERLOAD) else "failed"
        return Overloaded(f'Backend "{target.backend}" {words}', detail=detail, status=known)
    return Refused(
        f'The request was refused by backend "{target.backend}"',
        detail=detail,
        status=known,
        retryable=status in (409, 425),
        hints=(f"stream = false under [backends.{target.backend}]",)
        if "stream_options" in said.words
        else (),
    )


def _by_words(status: int | None, said: Said, target: Target, after: float | None) -> ServiceFault | None:
    detail = said.message
    if status == 402 or _has(said, QUOTA) or (after is None and _has(said, QUOTA_OR_PACE)):
        kind = RateLimited if status in (429, None) else Refused
        return kind(
            f'The quota of backend "{target.backend}" is used up',
            detail=detail,
            status=status,
            retryable=False,
            hints=("the plan and billing of the account",),
        )
    if _has(said, KEY):
        return _auth(target, detail, status)
    if _has(said, CONTEXT) or status == 413 or (status != 429 and _has(said, PACE_TOO)) or _too_large(said):
        return ContextFault(
            f'The prompt is too long for "{target.model}"',
            detail=detail,
            status=status,
            hints=(
                "send less: fewer files or a shorter prompt",
                "or a model with a larger context: --model NAME",
            ),
        )
    if _has(said, MODEL) or (status != 429 and _names_missing_model(said)):
        return _no_model(target, detail, status)
    if _has(said, POLICY):
        return Refused(
            f'The content policy of backend "{target.backend}" refused the request',
            detail=detail,
            status=status,
        )
    if _has(said, PACE):
        return RateLimited(
            f'Backend "{target.backend}" limits how often it is asked', detail=detail, status=status or 429
        )
    return None if status else _in_reply(said, target)


def _in_reply(said: Said, target: Target) -> ServiceFault | None:
    """A fault without a status, as services tell it in a reply that had begun."""
    if _has(said, LATE):
        return TimedOut(f'Backend "{target.backend}" took too long', detail=said.message, hints=AGAIN)
    if _has(said, FAILED):
        return Overloaded(
            f'Backend "{target.backend}" failed while answering', detail=said.message, hints=AGAIN
        )
    return _auth(target, said.message, None) if "unauthorized" in said.words else None


def _too_large(said: Said) -> bool:
    return "too large for model" in said.words or (
        "token" in said.words and "exceeds the available" in said.words
    )


def _names_missing_model(said: Said) -> bool:
    """A sentence that says of a model that it is not there."""
    words = said.words
    missing = any(
        mark in words
        for mark in (
            "not found",
            "not_found",
            "not exist",
            "no longer",
            "was removed",
            "decommissioned",
            "retired",
        )
    )
    return missing and "model" in words


def _auth(target: Target, detail: str, status: int | None) -> AuthFault:
    return AuthFault(
        f'Authentication failed for backend "{target.backend}"',
        detail=detail,
        status=status,
        hints=("the key and where it comes from: arawn config show --secrets", "that it may use this model"),
    )


def _no_model(target: Target, detail: str, status: int | None) -> ModelFault:
    return ModelFault(
        f'Model "{target.model}" not available',
        detail=detail,
        status=status,
        hints=(f"the models it has: arawn model list --backend {target.backend}", "the spelling of the name"),
    )


def _not_found(target: Target, detail: str, status: int | None) -> ServiceFault:
    bare = "/" not in target.base_url.partition("://")[2]
    often = "; many services want /v1 behind it" if bare else ""
    return Refused(
        f'Backend "{target.backend}" has nothing at this address',
        detail=detail,
        status=status,
        hints=(f"base_url (now {target.base_url}){often}", "that its dialect is the right one"),
    )
