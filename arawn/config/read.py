"""A config file from disk to parsed TOML; it knows nothing of what the keys mean.

Nothing here blocks: only regular files are opened, and none larger than 1 MiB.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from arawn.errors import ConfigFault

LARGEST = 1 << 20


class Raw(NamedTuple):
    """The bytes of a file as they were in the one moment they were read; `owner` is a user id."""

    data: bytes
    owner: int
    mode: int


class Source(NamedTuple):
    """A parsed file: `text` is what `values` was parsed from, without a byte order mark."""

    place: str
    text: str
    values: dict[str, Any]


def read(path: Path, *, needed: bool = False) -> Raw | None:
    """The content of `path`; None where nothing is there and it is not `needed`. Raises ConfigFault."""
    import stat

    place = shown_path(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ConfigFault(f"{place}: is not a file")
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with open(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigFault(f"{place}: is not a file")
            data = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            raise ConfigFault(f"{place}: is a link to nothing") from None
        if needed:
            raise ConfigFault(f"{place}: there is no such file") from None
        return None
    except PermissionError:
        raise ConfigFault(
            f"{place}: may not be read", hints=("it should belong to you, with mode 600",)
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigFault(f"{place}: cannot be read ({_why(error)})") from None
    if len(data) > LARGEST:
        raise ConfigFault(f"{place}: is larger than 1 MiB, which is no config file")
    return Raw(data, status.st_uid, stat.S_IMODE(status.st_mode))


def parse(data: bytes, place: str) -> Source:
    """The TOML in `data`. Raises ConfigFault: what is wrong, where, and the line it is in."""
    import tomllib

    text = _decoded(data, place)
    if len(text) > 4096:
        _refuse_endless_key(text, place)
    try:
        return Source(place, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigFault(_syntax(str(error), text, place)) from None
    except RecursionError:
        raise ConfigFault(f"{place}:1:1: is nested too deep") from None
    except (ValueError, OverflowError):
        raise ConfigFault(f"{place}:1:1: holds a number that is too large") from None


def _refuse_endless_key(text: str, place: str) -> None:
    """The parser's time grows with the square of a dotted key's length: a 1 MiB one would take minutes."""
    import re

    found = re.search(r"(?<![\w.\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){200}", text)
    if found:
        raise ConfigFault(f"{place}:{text.count(chr(10), 0, found.start()) + 1}:1: is nested too deep")


def shown_path(path: Path | str) -> str:
    """A path for a message, nothing in it that a terminal acts on."""
    text = os.fsencode(path).decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        good = data[: error.start]
        line = good.count(b"\n") + 1
        column = len(good[good.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        other = " (it looks like UTF-16)" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise ConfigFault(f"{place}:{line}:{column}: is not UTF-8 text{other}") from None


def _syntax(message: str, text: str, place: str) -> str:
    """What the parser said, with its place in front and the line below."""
    import re

    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    lines = text.replace("\r\n", "\n").split("\n")
    line, column = (int(found[1]), int(found[2])) if found else (max(1, text.rstrip().count("\n") + 1), 1)
    what = re.sub(r" \(at .*\)$", "", message)
    if what == "Invalid value":
        what += "; a text stands in quotation marks"
    if not found:
        what += " at the end of the file"
        column = len(lines[line - 1]) + 1
    if "\r" in text.replace("\r\n", ""):
        what += " (lines must end in LF or CR LF, not in CR alone)"
    what = what[:1].lower() + what[1:200]
    return (
        f"{place}:{line}:{column}: {_visible(what)}{_excerpt(lines[line - 1] if line <= len(lines) else '')}"
    )


def _excerpt(line: str) -> str:
    """The source line, without the value of anything that may be a key."""
    import re

    name = line.partition("=")[0]
    if re.search(r"key|token|secret|passw|auth|header|proxy|env", line, re.I):
        line = f"{name.rstrip()} = ****" if "=" in line else "****"
    line = _visible(line.strip())
    return f"\n    {line[:100]}" if line else ""


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
