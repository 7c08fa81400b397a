"""How long a service asks to wait, from headers, body or words; it knows no clock (the time is handed in).

Sources: RFC 9110 section 10.2.3 (Retry-After); OpenAI and Azure `retry-after-ms`; Google `RetryInfo`;
Groq's sentence "Please try again in 6.57s"; Hugging Face `estimated_time`; the rate-limit headers of OpenAI
(durations), Anthropic (RFC 3339), GitHub and OpenRouter (Unix time); draft-ietf-httpapi-ratelimit-headers-07.
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
    """`try again in 1m2.5s`, `retry after 20 seconds`, `available in 2 seconds`, `wait 31 seconds`."""
    import re

    found = re.search(
        r"(?:(?:try again|retry|available) (?:in|after)|wait) +(\d.{0,40})", message.lower(), re.DOTALL
    )
    if found is None:
        return None
    rest = found[1].replace(" ", "")
    return _duration(rest)


def _duration(text: str) -> float | None:
    """`1h2m3.5s` and parts of it, `350ms`; what follows is not looked at."""
    import re

    match = re.match(r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:([\d.]{1,30})(ms|s))?", text)
    if match is None or not match.group():
        return None
    hours, minutes, value, unit = match.groups()
    seconds = _number(value or "0")
    if seconds is None:
        return None
    whole = int((hours or "0")[:9]) * 3600 + int((minutes or "0")[:9]) * 60
    return whole + seconds / (1000 if unit == "ms" else 1)


def until_reset(headers: Mapping[str, str], payload: Any, now: float | None) -> float | None:
    """Seconds until the last of the limits that are used up begins anew, or None where no header says so.

    OpenRouter keeps these headers of whom it asked in its body.
    """
    error = payload.get("error") if isinstance(payload, Mapping) else None
    meta = error.get("metadata") if isinstance(error, Mapping) else None
    within = meta.get("headers") if isinstance(meta, Mapping) else None
    said = {**(within if isinstance(within, Mapping) else {}), **headers}
    known = {str(name).lower(): str(value).strip() for name, value in said.items()}
    found = []
    for name, value in known.items():
        plain = name in ("ratelimit-reset", "x-ratelimit-reset")
        if plain or ("ratelimit" in name and "reset" in name):
            left = known.get(name.replace("reset", "remaining"), "0" if plain else "")
            seconds = _moment(value, now) if left == "0" else None
            if seconds is not None:
                found.append(seconds)
    return max(found, default=None)


def _moment(text: str, now: float | None) -> float | None:
    """Seconds from now until a moment: seconds, a duration, Unix time (ms too) or RFC 3339."""
    try:
        number = float(text)
    except ValueError:
        return _duration(text.lower()) if text[4:5] != "-" else _rfc3339(text, now)
    if not 0 <= number < 1e14:
        return None
    if number < 1e8:
        return number
    return None if now is None else max(0.0, (number / 1000 if number > 1e11 else number) - now)


def _rfc3339(text: str, now: float | None) -> float | None:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return None if now is None else max(0.0, aware.timestamp() - now)
    except (ValueError, OverflowError):
        return None


def requests_left(headers: Mapping[str, str]) -> int | None:
    """How many requests are left of the tightest limit that counts them, or None where no header says so."""
    found = []
    for name, value in headers.items():
        known = name.lower()
        plain = known in ("ratelimit-remaining", "x-ratelimit-remaining")
        counts = "ratelimit" in known and "remaining" in known and "request" in known
        if (plain or counts) and str(value).strip().isdecimal() and len(value) < 12:
            found.append(int(value))
    return min(found, default=None)
