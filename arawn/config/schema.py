"""What may be said in a config, looked up by path, and the example file made from it; it reads no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from arawn.config.row import Row
from arawn.config.rows import ROWS

__all__ = ["ROWS", "Row", "env_names", "example", "find", "path_text", "split_path", "suggest", "tree"]

SHORT_NAMES = {
    "ARAWN_BACKEND": "llm.backend",
    "ARAWN_MODEL": "llm.model",
    "ARAWN_LOG_LEVEL": "logging.level",
    "ARAWN_PORT": "server.port",
}
NOT_SETTINGS = frozenset({"ARAWN_CONFIG", "ARAWN_HOME", "ARAWN_DATA_DIR", "ARAWN_DEBUG"})

Path = tuple[str, ...]


@cache
def tree() -> dict[str, Any]:
    """The rows as nested tables: name (or `*`) to a Row or a further table."""
    root: dict[str, Any] = {}
    for row in ROWS:
        *tables, last = row.path.split(".")
        node = root
        for name in tables:
            node = node.setdefault(name, {})
        node[last] = row
    return root


def find(path: Path) -> Row | dict[str, Any] | None:
    """The row or the table at `path`; a path inside a `map` or `free` row gives that row. None: unknown."""
    node: Any = tree()
    for name in path:
        if isinstance(node, Row):
            return node if node.kind in ("map", "free") else None
        node = node.get(name) or node.get("*")
        if node is None:
            return None
    found: Row | dict[str, Any] = node
    return found


def split_path(text: str) -> Path:
    """A dotted path as its names; a name in quotes may hold dots. Empty names are kept for the caller."""
    names, current, quote = [], "", ""
    for char in text.strip():
        if quote:
            quote = "" if char == quote else quote
            current += "" if not quote else char
        elif char in "\"'":
            quote = char
        elif char == ".":
            names.append(current.strip())
            current = ""
        else:
            current += char
    return (*names, current.strip())


def path_text(path: Iterable[str | int]) -> str:
    """The names as one dotted path, quoted where TOML needs it; never longer than a line."""
    return ".".join(_name(str(name)) for name in path)


def _name(name: str) -> str:
    if name and all(char.isascii() and (char.isalnum() or char in "-_*") for char in name):
        return name if len(name) <= 60 else name[:60] + "..."
    shown = "".join(
        c if c.isprintable() and c not in '"\\' else c.encode("unicode_escape").decode() for c in name
    )
    return '"' + (shown if len(shown) <= 60 else shown[:60] + "...") + '"'


@cache
def env_names() -> Mapping[str, str]:
    """Environment variable to dotted path, for every setting without a chosen name in it."""
    names = {f"ARAWN_{row.path.replace('.', '_').upper()}": row.path for row in ROWS if "*" not in row.path}
    return names | SHORT_NAMES


def suggest(path: Path) -> str:
    """The closest thing that would have been right in place of `path`, or an empty text."""
    from difflib import get_close_matches

    parent = find(path[:-1]) if len(path) > 1 else tree()
    last = path[-1]
    if isinstance(parent, dict):
        names = [name for name in parent if name != "*"]
        near = get_close_matches(last.lower(), names, 1, 0.6)
        if len(path) > 1 and not near:
            near = [name for name in names if last.lower() in name.split("_")]
        if near and len(path) == 1 and isinstance(parent[near[0]], dict):
            setting = f"llm.{last} or " if last in tree()["llm"] else ""
            return f"{setting}[{near[0]}]"
        if near:
            return near[0]
    from arawn.providers import PROVIDERS

    if len(path) == 1 and last in PROVIDERS:
        return f"[backends.{last}]"
    wanted = path[-2:] if len(path) > 1 else path
    for tail in (wanted, path[-1:]):
        for row in ROWS:
            if tuple(row.path.split("."))[-len(tail) :] == tail:
                return row.path.replace("*", "NAME")
    near = get_close_matches(path_text(path), [row.path for row in ROWS if "*" not in row.path], 1, 0.7)
    return near[0] if near else ""


def toml_value(value: Any) -> str:
    """A value as TOML text on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        import json

        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_name(str(k))} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return str(value)


_NAMES = {
    "budget": "openai",
    "backends": "anthropic",
    "embeddings": "openai",
    "mcp": "fetch",
    "roles": "reviewer",
}
_HEAD = """\
# Arawn's settings, all of them, each with its default or an example. This file changes nothing as it
# stands: take the # away from what you need. `arawn config path` says where it belongs, `arawn config
# check` says what is wrong in it. A key is better not written here but referred to: "$keyring:NAME"
# (after `arawn secret set NAME`), "$env:VAR" or "$file:PATH"; a literal $ is written "$$".
"""


def example() -> str:
    """The example file: every setting, commented out, with what it means."""
    lines = [_HEAD]
    table = ""
    for row in ROWS:
        *names, last = row.path.split(".")
        here = ".".join(_NAMES.get(names[0], "name") if name == "*" else name for name in names)
        if here != table:
            table = here
            lines.append(f"\n{'#' if '*' in names else ''}[{here}]")
        last = _STARS.get(row.path, last)
        default = row.default if row.default is not None else _sample(row)
        note = "" if row.effect else " (no effect yet)"
        choices = f" One of: {', '.join(row.choices)}." if row.choices else ""
        lines.append(f"# {row.doc}{choices}{note}\n#{last} = {toml_value(default)}")
    return "\n".join(lines) + "\n"


_STARS = {"llm.routing.*": "title", "llm.weights.*": "groq", "aliases.*": "fast", "snippets.*": "brief"}
_BY_KIND: Mapping[str, Any] = {
    "str": "...",
    "path": "/path/to/file",
    "url": "https://api.example.com",
    "bool": False,
    "strings": ["api.example.com"],
    "int": 131072,
}


def _sample(row: Row) -> Any:
    if row.example is not None:
        return row.example
    return row.choices[0] if row.choices else _BY_KIND[row.kind]


if __name__ == "__main__":
    print(example(), end="")
