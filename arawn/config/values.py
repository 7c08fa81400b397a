"""A single value: whether it fits its row, and what it is then. It knows neither files nor layers.

No message holds the value of a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

from arawn.config.row import Row
from arawn.messages import Effort

_TIMES = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_WORDS = {
    "str": "a string",
    "path": "a path",
    "url": "an address",
    "secret": "a string",
    "provider": "a provider's name",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "duration": 'seconds, or a text such as "30s" or "2m"',
    "size": 'bytes, or a text such as "8 MiB"',
    "strings": "a list of strings",
    "map": "a table of strings",
    "free": "a table",
    "style": 'words such as "bold magenta"',
    "effort": "off, low, medium, high, or a number of tokens",
}
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_DEEPEST = 32
MOST_REASONING = 1_000_000


class BadValue(ValueError):
    """A value that does not fit; the text says why, in words that follow the key's name.

    `inside` are the names below the key, where the fault is in a table.
    """

    def __init__(self, text: str, inside: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.inside = inside


def coerce(row: Row, value: Any) -> Any:
    """`value` (as TOML gave it) in the type of `row`: durations in seconds, sizes in bytes."""
    if row.kind in ("int", "float"):
        return _within(row, _number(row, value))
    if row.kind in ("duration", "size"):
        return _within(row, _quantity(row, value))
    if row.kind == "bool":
        if not isinstance(value, bool):
            raise _wrong(row, value)
        return value
    if row.kind in ("map", "free", "strings"):
        return _many(row, value)
    if row.kind == "effort":
        return effort(value)
    if not isinstance(value, str):
        raise _wrong(row, value)
    return _text(row, value)


def effort(value: Any) -> Effort | int:
    """How much a model may think: a word, or a budget in tokens. Raises BadValue."""
    word = value.strip().lower() if isinstance(value, str) else value
    for known in get_args(Effort):
        if word == known:
            return cast("Effort", known)
    if isinstance(word, str) and word.isascii() and word.isdecimal() and len(word) < 8:
        word = int(word)
    if isinstance(word, int) and not isinstance(word, bool) and 0 <= word <= MOST_REASONING:
        return word
    raise BadValue(f"expected {_WORDS['effort']}, found {shown(value)}")


def from_text(row: Row, text: str) -> Any:
    """`text` from the environment or a command line in the type of `row`. Raises BadValue."""
    if row.kind == "bool":
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise BadValue(f"expected true or false, found {shown(text)}")
        return word in _TRUE
    if row.kind in ("int", "float"):
        try:
            number = int(text) if row.kind == "int" else float(text)
        except ValueError:
            raise BadValue(f"expected {_WORDS[row.kind]}, found {shown(text)}") from None
        return coerce(row, number)
    if row.kind == "strings" and not text.lstrip().startswith("["):
        return coerce(row, [text])
    if row.kind in ("strings", "map", "free"):
        return coerce(row, parsed(text))
    return coerce(row, text)


def parsed(text: str) -> Any:
    """`text` as one TOML value, or as a string where it is none."""
    import tomllib

    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text


def shown(value: Any) -> str:
    """A value for a message: short, on one line, nothing a terminal acts on."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def span(text: str) -> float | None:
    """Seconds of a duration such as 30s, 12h or 90d; None where it is none."""
    return quantity(text, _TIMES)


def quantity(text: str, units: Mapping[str, float]) -> float | None:
    """A number with a unit from `units` (case does not matter); None where it is not one."""
    stripped = text.strip().lower()
    sign = -1.0 if stripped.startswith("-") else 1.0
    stripped = stripped.removeprefix("-")
    digits = len(stripped) - len(stripped.lstrip("0123456789."))
    number, unit = stripped[:digits], stripped[digits:].strip()
    if not number.isascii() or (unit and unit not in units):
        return None
    try:
        return sign * float(number) * (units[unit] if unit else 1.0)
    except ValueError:
        return None


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
    names |= {list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def _wrong(row: Row, value: Any) -> BadValue:
    wanted = " or ".join(f'"{choice}"' for choice in row.choices) or _WORDS[row.kind]
    found = _kind(value)
    if isinstance(value, bool):
        found = str(value).lower()
    elif isinstance(value, int | float) and row.kind != "secret":
        found = f"the number {shown(value)}"
    elif isinstance(value, str) and row.kind != "secret":
        found = f"the string {shown(value)}"
    return BadValue(f"expected {wanted}, found {found}")


def _number(row: Row, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int if row.kind == "int" else int | float):
        raise _wrong(row, value)
    return _finite(float(value) if row.kind == "float" and abs(value) < 1e300 else value)


def _finite(value: int | float) -> int | float:
    if not abs(value) <= 2**63:  # nan too
        raise BadValue("is not a usable number")
    return value


def _quantity(row: Row, value: Any) -> int | float:
    number = value
    if isinstance(value, str):
        number = quantity(value, _TIMES if row.kind == "duration" else _SIZES)
    if number is None or isinstance(number, bool) or not isinstance(number, int | float):
        raise _wrong(row, value)
    _finite(number)
    return float(number) if row.kind == "duration" else int(number)


def _within(row: Row, number: int | float) -> int | float:
    if row.low is not None and number < row.low:
        raise BadValue(f"must be at least {row.low:g}, not {number:g}")
    if row.high is not None and number > row.high:
        raise BadValue(f"must be at most {row.high:g}, not {number:g}")
    if row.kind == "duration" and number == 0 and row.path.startswith("limits"):
        raise BadValue("must be more than 0")
    return number


def _many(row: Row, value: Any) -> Any:
    if row.kind == "strings":
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise (
                _wrong(row, value) if not isinstance(items, list) else BadValue("expected only strings in it")
            )
        for item in items:
            if row.choices and item not in row.choices:
                raise BadValue(_one_of(item, row.choices))
        return list(items)
    if not isinstance(value, dict):
        raise _wrong(row, value)
    if row.kind == "free":
        _check_free(value, 0)
        return value
    for name, item in value.items():
        if not isinstance(item, str):
            raise BadValue(f"expected a string, found {_kind(item)}", (name,))
        _one_line(item, (name,))
        _one_line(name, (name,))
    return dict(value)


def _check_free(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise BadValue(f"is nested more than {_DEEPEST} deep")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_free(item, depth + 1)
    elif not isinstance(value, str | int) and not (isinstance(value, float) and abs(value) < 1e308):
        raise BadValue("holds something that JSON cannot (a date, inf or nan)")


def _one_line(text: str, inside: tuple[str, ...] = ()) -> None:
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise BadValue("holds a line break or another control character", inside)


def _text(row: Row, value: str) -> str:
    if row.choices and value not in row.choices:
        raise BadValue(_one_of(value, row.choices))
    if row.kind == "provider":
        _provider(value)
    if row.kind == "style":
        _style(value)
    if row.kind == "url":
        check_url(value, query=row.path.startswith("mcp"))
    elif not row.path.endswith(("system", ".prompt", "tasks.*.schema", "snippets.*")):
        _one_line(value.strip("\r\n") if row.kind == "secret" else value)
    if not value.strip() and row.kind in ("path", "secret"):
        raise BadValue("is empty")
    if row.kind == "secret" and value.startswith("$"):
        _reference(value)
    return value


def _reference(value: str) -> None:
    """Raise BadValue where `value` begins like a reference and is none. It is not shown: it may be a key."""
    from arawn.secret import references

    kind = value[1:].partition(":")[0]
    like = value.startswith("${") or (":" in value and kind.isalpha())
    if like and not any(value.startswith(found) for found in references(value)):
        from difflib import get_close_matches

        near = get_close_matches(kind.lower(), ("env", "keyring", "file"), 1)
        raise BadValue(
            "begins like a reference and is none of $env:NAME, ${NAME}, $keyring:NAME and $file:PATH"
            + (f"; did you mean ${near[0]}:?" if near else "; a dollar itself is written $$")
        )


def _one_of(value: str, choices: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(value.lower(), choices, 1)
    listed = ", ".join(f'"{choice}"' for choice in choices)
    return f"expected one of {listed}, found {shown(value)}" + (
        f'; did you mean "{near[0]}"?' if near else ""
    )


def _style(value: str) -> None:
    from arawn.config.colors import style

    style(value)


def _provider(value: str) -> None:
    from arawn.providers import PROVIDERS

    if value not in PROVIDERS:
        from arawn.config.meant import meant

        near = meant(value.lower(), PROVIDERS, 0.6)
        raise BadValue(
            f"no provider is called {shown(value)}" + (f'; did you mean "{near}"?' if near else "")
        )


def check_url(value: str, query: bool = False) -> None:
    """Raise BadValue where `value` is no plain http(s) address. It is never shown: it may hold a key."""
    from urllib.parse import urlsplit

    if not value.isprintable() or " " in value:
        raise BadValue("holds a space or a control character")
    try:
        parts = urlsplit(value)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise BadValue("is not an address (its port must be a number up to 65535)") from None
    if parts.scheme not in ("http", "https"):
        found = f", not {shown(parts.scheme + ':')}" if parts.scheme and "@" not in value else ""
        raise BadValue(f"must begin with http:// or https://{found}")
    if "@" in parts.netloc:
        raise BadValue("must not hold a user name or password; put the key into api_key")
    if not host or port == 0:
        raise BadValue("names no host" if not host else "has the port 0")
    if (parts.query or parts.fragment) and not query:
        raise BadValue("must end before ? or #")
