"""The prompt of `ask`: words, standard input and files become one text, within limits."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from arawn.errors import UsageFault

if TYPE_CHECKING:
    from arawn.messages import Format

LIMIT = 10 * 1024 * 1024
"""Bytes taken from standard input and from each file."""


def compose(words: Sequence[str], piped: str | None, files: Sequence[str]) -> str:
    """One prompt: `-` among the words is where the piped text goes, else it follows the words.

    Files follow, each fenced under its name. Raises UsageFault where nothing but blanks remains.
    """
    words = [_whole(word) for word in words]
    text = " ".join((piped or "") if word == "-" else word for word in words)
    if piped and "-" not in words:
        text = f"{text}\n\n{piped}" if text.strip() else piped
    parts = [text] if text.strip() else []
    parts += [_fenced(name, read_file(name)) for name in files]
    if not parts:
        raise UsageFault(
            "There is nothing to ask", hints=('arawn ask "Hello"', "or: some command | arawn ask -")
        )
    return "\n\n".join(parts)


def wanted_format(json_mode: bool, schema: str | None, keys: str | None) -> Format | None:
    """What `--json-mode`, `--schema` and `--keys` ask for. Raises UsageFault for a schema that is none."""
    said = [
        flag for flag, given in (("--json-mode", json_mode), ("--schema", schema), ("--keys", keys)) if given
    ]
    if len(said) > 1:
        raise UsageFault(f"{said[0]} and {said[1]} exclude each other")
    if not said:
        return None
    from arawn.messages import Format
    from arawn.structure import from_argument, from_keys

    if schema is not None:
        return Format(from_argument(schema, read_file))
    return Format(from_keys(keys)) if keys is not None else Format()


def _whole(text: str) -> str:
    """Arguments that were no UTF-8 arrive as lone surrogates; they cannot be sent."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decode(data: bytes, name: str) -> str:
    """Text of `data`: UTF-8 with or without BOM, UTF-16 with BOM; bad bytes become U+FFFD, CRLF becomes LF.

    Raises UsageFault for what is not text.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        if b"\0" in data[:4096] and b"\n" not in data[:4096].replace(b"\0", b"", 1)[:0]:
            raise UsageFault(f"{name} is not text; only text can be sent for now")
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\0", "\ufffd")


def read_stream(stream: BinaryIO, name: str = "standard input") -> str:
    """All of `stream`, at most LIMIT bytes. Raises UsageFault with the limit where there is more."""
    data = stream.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise UsageFault(f"{name} is larger than {LIMIT // 1024 // 1024} MiB", hints=("send a part of it",))
    return decode(data, name)


def read_file(name: str) -> str:
    """The text of a file. Raises UsageFault for a folder, a pipe nobody writes to, or no permission."""
    try:
        handle = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise UsageFault(f"{name}: {error.strerror}") from None
    mode = os.fstat(handle).st_mode
    if stat.S_ISDIR(mode):
        os.close(handle)
        raise UsageFault(f"{name} is a folder", hints=("name the files in it: -f a -f b",))
    with os.fdopen(handle, "rb") as file:
        if stat.S_ISFIFO(mode):
            if not name.startswith(("/dev/fd/", "/proc/")):  # what the shell made for <(command)
                raise UsageFault(f"{name} is a named pipe", hints=(f"cat {name} | arawn ask -",))
            os.set_blocking(handle, True)
        try:
            return read_stream(file, name)
        except OSError as error:
            raise UsageFault(f"{name}: {error.strerror}") from None


def _fenced(name: str, text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{os.path.basename(name)}:\n{fence}\n{text.rstrip(chr(10))}\n{fence}"
