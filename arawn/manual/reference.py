"""The parts of the manual that are made from data: the provider table and the list of all settings.

`python -m arawn.manual.reference` writes them into the pages; a test tells when they are stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from arawn.config.rows import ROWS
from arawn.config.schema import toml_value
from arawn.providers import PROVIDERS


def providers() -> str:
    """Every provider: how to name it, its key's variable, its default model or address."""
    lines = ["| backend | key variable | default model | address |", "|---|---|---|---|"]
    for row in PROVIDERS.values():
        key = ", ".join(f"`{name}`" for name in row.key_names) if row.needs_key else "not needed"
        model = f"`{row.model}`" if row.model else "what the server has" if row.local else "yours to name"
        yours = "your `endpoint`" if row.has_place else "your `base_url`"
        lines.append(f"| `{row.name}` | {key} | {model} | {row.base_url or yours} |")
    return "\n".join(lines)


def settings() -> str:
    """Every setting under its table's heading: kind, default, meaning, and what has no effect yet."""
    lines: list[str] = []
    table = ""
    for row in ROWS:
        here = row.path.rpartition(".")[0].replace("*", "NAME")
        if here != table:
            table = here
            lines += ["", f"### Settings in [{here}]", ""]
        name = row.path.rpartition(".")[2].replace("*", "NAME")
        kind = " or ".join(row.choices) if row.choices else row.kind
        kind = f"list of {kind}" if row.choices and row.kind == "strings" else kind
        default = "" if row.default is None else f", default `{toml_value(row.default)}`"
        later = "" if row.effect else " No effect yet."
        lines.append(f"- `{name}` ({kind}{default}): {row.doc}{later}")
    return "\n".join(lines[1:])


def slash() -> str:
    """Every slash command as `/help` has it: how it is typed, and what it does."""
    from importlib import import_module

    from arawn.repl.commands.registry import listed

    import_module("arawn.repl.commands")
    lines = ["| command | what it does |", "|---|---|"]
    for one in listed():
        also = "".join(f" Also `/{alias}`." for alias in one.aliases)
        usage = one.usage.replace("|", "\\|")
        lines.append(f"| `{usage}` | {one.help}{also} |")
    return "\n".join(lines)


BLOCKS = {"providers": providers, "keys": settings, "slash": slash}


def fill(source: str) -> str:
    """`source` with what stands between `<!-- NAME -->` and `<!-- /NAME -->` made anew."""
    for name, make in BLOCKS.items():
        head, begin, rest = source.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- /{name} -->")
        if begin and end:
            source = f"{head}{begin}\n{make()}\n\n{end}{tail}"
    return source


if __name__ == "__main__":
    for page in sorted(Path(__file__).parent.glob("*.md")):
        before = page.read_text("utf-8")
        if fill(before) != before:
            page.write_text(fill(before), "utf-8")
            print(page.name, file=sys.stderr)
