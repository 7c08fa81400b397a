"""Snippets: short names that stand for texts in a chat message, from `[snippets]` and from files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from arawn.errors import ArawnError

if TYPE_CHECKING:
    from arawn.config.load import Config

NAME = r"[^\W\d_][\w-]*"
FOLDER = "snippets"
_CODE = r"(?P<code>```.*?(?:```|\Z)|`[^`\n]*`)"
_PIECES = re.compile(rf"{_CODE}|(?P<kept>\\)?(?<![\w#&/])#(?P<name>{NAME})(?![\w#])", re.S)


def expand(text: str, snippets: Mapping[str, str]) -> str:
    r"""`text` with each `#NAME` of a snippet replaced by what it stands for, all at once.

    Names that there are not, code, and `\#NAME` (less its backslash) stay as they are.
    """

    def put(found: re.Match[str]) -> str:
        name = found["name"]
        if found["code"] or name not in snippets:
            return found[0]
        return f"#{name}" if found["kept"] else snippets[name]

    return _PIECES.sub(put, text) if snippets and "#" in text else text


def load(config: Config, env: Mapping[str, str]) -> dict[str, str]:
    """All snippets by name: those of the config, and NAME.md in the folder `snippets` beside it.

    A file that cannot be read is none.
    """
    import os

    from arawn.attach import read_text
    from arawn.config.paths import paths

    folder = paths(env).config_dir / FOLDER
    found: dict[str, str] = {}
    try:
        names = sorted(entry for entry in os.listdir(folder) if entry.endswith(".md"))
    except OSError:
        names = []
    for name in names:
        if re.fullmatch(NAME, name.removesuffix(".md")):
            try:
                found[name.removesuffix(".md")] = read_text(str(folder / name)).strip("\n")
            except ArawnError:
                continue
    return found | {name: str(text) for name, text in config.values.get("snippets", {}).items()}
