"""How long a service asks to wait, from headers, body or words; it knows no clock (the time is handed in).

Sources: RFC 9110 section 10.2.3 (Retry-After); OpenAI and Azure `retry-after-ms`; Google `RetryInfo`;
Groq's sentence "Please try again in 6.57s"; Hugging Face `estimated_time`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def retry_after(headers: Mapping[str, str], message: str, payload: Any, now: float | None) -> float | None:
    """Seconds to wait, or None where nothing sensible was said (negative, endless and odd values)."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after", "").strip()
    if said:
        seconds = _number(said)
        return seconds if seconds is not None else _date(said, now)
    return _from_body(payload) or _from_words(message)


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """What `x-should-retry` says, or None."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value < 1e9 else None


def _date(text: str, now: float | None) -> float | None:
    """Seconds until an HTTP date; a date that has passed means: at once."""
    if now is None:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _from_body(payload: Any) -> float | None:
    body = payload[0] if isinstance(payload, list) and payload else payload
    if not isinstance(body, Mapping):
        return None
    estimate = body.get("estimated_time")
    if isinstance(estimate, int | float):
        return _number(str(estimate))
    inner = body.get("error")
    details = inner.get("details") if isinstance(inner, Mapping) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str):
            return _number(delay.removesuffix("s"))
    return None


def _from_words(message: str) -> float | None:
    """`try again in 1m2.5s`, `retry in 20s`, `try again in 350ms`, `available in 2 seconds`."""
    import re

    found = re.search(r"(?:try again|retry|available) in +(.{1,40})", message.lower(), re.DOTALL)
    if found is None:
        return None
    rest = found[1].replace(" ", "")
    match = re.match(r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:([\d.]{1,30})(ms|s))?", rest)
    if match is None or not match.group():
        return None
    hours, minutes, value, unit = match.groups()
    seconds = _number(value or "0")
    if seconds is None:
        return None
    whole = int((hours or "0")[:9]) * 3600 + int((minutes or "0")[:9]) * 60
    return whole + seconds / (1000 if unit == "ms" else 1)
