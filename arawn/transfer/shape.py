"""Values out of anybody's files: read by their shape, named for good, told where they are wrong.

It knows no form and no file. What is not as it should be raises ValueError with a few plain words.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from arawn.session import Session

Tell = Callable[[str], None]
FAULTS = (ValueError, OverflowError, RecursionError)
"""What reading a value may raise: of another shape, a number too large, nested too deeply."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_SHOWN = 60
LATEST = 253402300800.0
"""Seconds since 1970 at the end of the year 9999."""


def id_of(*words: str) -> str:
    """An id that stays the same for the same words: 16 letters and digits, 80 bits of their SHA-256."""
    from hashlib import sha256

    data = "\0".join(words).encode("utf-8", "surrogatepass")
    return "".join(_ALPHABET[byte & 31] for byte in sha256(data).digest()[:16])


def shown(text: str) -> str:
    """A foreign text short enough for a sentence, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON text that can be written as UTF-8."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


DECODER = json.JSONDecoder(parse_constant=_no_number)


def loads(text: str) -> Any:
    """JSON, with neither NaN nor Infinity. Raises ValueError, also for what is nested too deeply."""
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def elements(text: str) -> Iterator[Any]:
    """The elements of a JSON list one after another; ValueError where it breaks off, those before given.

    Any other value is given alone.
    """
    at = _blank(text, 0)
    if text[at : at + 1] != "[":
        yield loads(text)
        return
    at = _blank(text, at + 1)
    while text[at : at + 1] != "]":
        try:
            value, at = DECODER.raw_decode(text, at)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        yield value
        at = _blank(text, at)
        if text[at : at + 1] == ",":
            at = _blank(text, at + 1)
        elif text[at : at + 1] != "]":
            raise ValueError(f"it is not whole: a comma or ] was expected at character {at}")


def conversations(text: str) -> Iterator[Any]:
    """The elements of a JSON list, or of the `conversations` of an object; any other value alone."""
    for value in elements(text):
        inner = value.get("conversations") if isinstance(value, dict) else None
        if isinstance(inner, list):
            yield from inner
        else:
            yield value


_BLANK = re.compile(r"[ \t\r\n]*")


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def table(value: Any) -> Mapping[str, Any]:
    """A JSON object. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"an object was expected, not {kind(value)}")
    return value


def tables(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; what is none is passed over, no list at all is an empty one."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def strings(value: Any) -> list[str]:
    """The texts of a list; no list at all is an empty one."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text, or "" for anything else."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A finite number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def count(value: Any) -> int | None:
    """A whole number from 0 on, None for anything else."""
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if ok else None


def kind(value: Any) -> str:
    """What a JSON value is, in a word."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")


def moment(value: Any, *, local: bool = False) -> float:
    """Seconds since 1970 of a number or an ISO 8601 text, 0 where it is neither, or of no year up to 9999.

    A text without a zone is in UTC, or in this machine's where `local`.
    """
    at = number(value) or 0.0
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.strip())
            at = (found if found.tzinfo or local else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, OSError):
            return 0.0
    return at if 0 <= at < LATEST else 0.0


def day(at: float) -> str:
    """A time as it is shown, in UTC; "" where it is not known."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC") if at > 0 else ""
    except (ValueError, OverflowError, OSError):
        return ""


def sound(session: Session) -> Session:
    """`session`, where ids are ids, times are times and no turn follows itself. Raises ValueError."""
    known: set[str] = set()
    for id in (session.id, *session.turns):
        if not _ID.fullmatch(id):
            raise ValueError(f"{shown(id)!r} is no id")
    for at in (session.created, *(turn.at for turn in session.turns.values())):
        if not 0 <= at < LATEST:
            raise ValueError(f"{at} is no time")
    for turn in session.turns.values():
        seen: set[str] = set()
        one: str | None = turn.id
        while one is not None and one in session.turns and one not in known:
            if one in seen:
                raise ValueError("its turns follow one another in a circle")
            seen.add(one)
            one = session.turns[one].parent
        known |= seen
    return session


def each(found: Iterable[tuple[str, Any]], make: Callable[[Any], Session], tell: Tell) -> Iterator[Session]:
    """A session of each value; one of another shape is told with its place and passed over."""
    for place, value in found:
        try:
            made = sound(make(value))
        except FAULTS as error:
            tell(f"{place} is passed over: {reason(error)}")
            continue
        yield made


def numbered(values: Iterable[Any], what: str, tell: Tell) -> Iterator[tuple[str, Any]]:
    """Values with their place ("conversation 3"); where their list breaks off, that is told."""
    number = 0
    try:
        for value in values:
            number += 1
            yield f"{what} {number}", value
    except FAULTS as error:
        tell(f"nothing is read behind {what} {number}: {reason(error)}")


def lines(whole: str, tell: Tell) -> Iterator[tuple[str, Any]]:
    """The values of lines of JSON with their place; a line that is none is told and passed over."""
    for number, line in enumerate(whole.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = loads(line.strip())
        except FAULTS as error:
            tell(f"line {number} is passed over: {reason(error)}")
            continue
        yield f"line {number}", value


def reason(error: BaseException) -> str:
    """Why, in words."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return shown(str(error)) or "it is of another shape"
