"""`@file` and `@https://...` in a message: what they name goes along with it, and the text stays as typed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arawn.attach import Attachment

_MENTION = re.compile(r'(?<!\S)@(?:"([^"\n]+)"|([^\s"]\S*))')
_AFTER = ".,;:!?)]}>'\""
"""Signs of the sentence that may stand right behind a name."""
_WEB = ("http://", "https://")


def mentioned(text: str) -> list[str]:
    """The files and addresses that a message names, each once, in their order.

    A name that is no file is a word like any other, and so is a folder; `@"a b"` holds spaces.
    """
    found: list[str] = []
    for match in _MENTION.finditer(text):
        name = _meant(match[1], "") if match[1] else _meant(match[2], _AFTER)
        if name and name not in found:
            found.append(name)
    return found


def _meant(said: str, after: str) -> str:
    """The file or address that was meant, "" where there is none."""
    bare = said.rstrip(after)
    if bare.lower().startswith(_WEB):
        opened = said[len(bare) : len(bare) + 1] == ")" and bare.count("(") > bare.count(")")
        address = bare + ")" if opened else bare
        return address if len(address.partition("://")[2]) > 1 else ""
    return next((name for name in (said, bare) if _is_file(name)), "")


def _is_file(name: str) -> bool:
    try:
        return bool(name) and os.path.exists(path := os.path.expanduser(name)) and not os.path.isdir(path)
    except ValueError:
        return False


def take(text: str, take_one: Callable[[str], Attachment], have: list[Attachment]) -> list[Attachment]:
    """What a message names and what is not in `have` already. Raises what `take_one` raises."""
    there = {file.name for file in have}
    return [take_one(name) for name in mentioned(text) if name not in there]


def told(files: list[Attachment]) -> str:
    """One line about what goes along."""
    return "with it: " + ", ".join(f"{file.name} ({file.kind}, {size(file.size)})" for file in files)


def size(count: int) -> str:
    """Bytes as people say them."""
    if count < 1000:
        return f"{count} bytes" if count != 1 else "1 byte"
    large = count / 1000
    for unit in ("kB", "MB"):
        if large < 1000:
            return f"{large:.1f} {unit}"
        large /= 1000
    return f"{large:.1f} GB"
