"""Files that go with a question: from disk, a pipe or the web, told apart by content; it asks no model."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

from arawn.errors import UsageFault
from arawn.media import MEDIA_LIMIT, TEXT_LIMIT, UNREADABLE, media_type, text_of
from arawn.messages import FilePart

Fetch = Callable[[str], tuple[bytes, str]]
_LOST = "\ufffd"
STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
"""How standard input is called among files."""


class Attachment(NamedTuple):
    """One file: its text, or its bytes as a part; `size` in bytes, `lost` of them stand as U+FFFD in it."""

    name: str
    size: int
    text: str = ""
    part: FilePart | None = None
    lost: int = 0

    @property
    def kind(self) -> str:
        """text, image, pdf or audio."""
        return self.part.kind if self.part is not None else "text"


def take(name: str, fetch: Fetch) -> Attachment:
    """The file, or what the web has at the address, called `name`.

    Raises UsageFault for what cannot be read or sent; for an address what `fetch` raises.
    """
    if name.lower().startswith(("http://", "https://")):
        data, address = fetch(name)
        return from_bytes(data, address, page=True)
    return from_bytes(read_bytes(name), name)


def from_bytes(data: bytes, name: str, page: bool = False, most: float = UNREADABLE) -> Attachment:
    """What `data` is. A web page is turned into its words where `page` is set.

    A text that cannot be read is refused where that is more than the share `most` of it.
    """
    short = os.path.basename(name.rstrip("/")) or name
    kind = media_type(data)
    if kind:
        return Attachment(name, len(data), part=FilePart(data, kind, _shown(short)))
    if len(data) > TEXT_LIMIT:
        raise _too_large(name, TEXT_LIMIT)
    text = _page(data, name) if page else text_of(data, name, most)
    lost = 0 if page else max(0, text.count(_LOST) - data.count(_LOST.encode()))
    return Attachment(name, len(data), text, lost=lost)


def _page(data: bytes, address: str) -> str:
    """The words of a web page, or the text that it is."""
    from arawn.pages import charset, is_page, page_text

    told = charset(data)
    text = data.decode(told, "replace").replace("\0", "\ufffd") if told else text_of(data, address)
    if not is_page(text):
        return text
    words = page_text(text, address)
    if not words:
        raise UsageFault(f"{address} has no words in it", hints=("a script may make them: save it as text",))
    return words


def read_stream(stream: BinaryIO, name: str = "standard input") -> bytes:
    """All of `stream`. Raises UsageFault where it is more than is ever sent."""
    data = stream.read(MEDIA_LIMIT + 1)
    if len(data) > MEDIA_LIMIT:
        raise _too_large(name, MEDIA_LIMIT)
    return data


def read_stdin() -> bytes:
    """All of standard input. Raises UsageFault where it is too much, or cannot be read."""
    try:
        return read_stream(sys.stdin.buffer)
    except OSError as error:
        raise UsageFault(f"standard input cannot be read: {error.strerror}") from None


def _too_large(name: str, limit: int) -> UsageFault:
    return UsageFault(
        f"{name} is larger than {limit // 1024 // 1024} MiB", hints=("send a part of it, or make it smaller",)
    )


def read_bytes(name: str) -> bytes:
    """The bytes of a file. Raises UsageFault for a folder, a device, a pipe by name, or no permission."""
    try:
        handle = os.open(
            os.path.expanduser(name), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not the name of a file"
        address = ("of addresses, http:// and https:// are fetched",) if "://" in name else ()
        raise UsageFault(f"{name or 'A file without a name'}: {why}", hints=address) from None
    mode = os.fstat(handle).st_mode
    if stat.S_ISDIR(mode):
        os.close(handle)
        raise UsageFault(f"{name} is a folder", hints=("name the files in it: -f a -f b",))
    with os.fdopen(handle, "rb") as file:
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):  # it may have no end, or wait for somebody to type
            raise UsageFault(f"{name} is a device, not a file")
        if stat.S_ISFIFO(mode) and not name.startswith(("/dev/fd/", "/proc/")):  # the shell's <(command)
            raise UsageFault(f"{name} is a named pipe", hints=(f"cat {name} | arawn ask -",))
        if hasattr(os, "O_NONBLOCK"):
            os.set_blocking(handle, True)
        try:
            return read_stream(file, name)
        except OSError as error:
            raise UsageFault(f"{name}: {error.strerror}") from None


def read_text(name: str) -> str:
    """The text of a file. Raises UsageFault for what cannot be read or is no text."""
    return text_of(read_bytes(name), name)


def enclosed(files: Sequence[Attachment]) -> list[str]:
    """The texts among `files`, each fenced under its name."""
    return [_fenced(file) for file in files if file.part is None]


def parts(files: Sequence[Attachment]) -> tuple[FilePart, ...]:
    """What is no text among `files`."""
    return tuple(file.part for file in files if file.part is not None)


def as_typed(name: str) -> str:
    """The file that `name` means where terminals quote what is dropped on them: '/a b' or /a\\ b."""
    if os.path.exists(os.path.expanduser(name)):
        return name
    import shlex

    try:
        words = shlex.split(name)
    except ValueError:
        return name
    return words[0] if len(words) == 1 and os.path.exists(os.path.expanduser(words[0])) else name


def _shown(name: str) -> str:
    """A file's name as one line without controls: it may be anybody's, and the model reads it."""
    return "".join(char if char.isprintable() else "?" for char in name)


def _fenced(file: Attachment) -> str:
    fence = "```"
    while fence in file.text:
        fence += "`"
    address = file.name.lower().startswith(("http://", "https://"))
    name = file.name if address else _shown(os.path.basename(file.name))
    return f"{name}:\n{fence}\n{file.text.rstrip(chr(10))}\n{fence}"
