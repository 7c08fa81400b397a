"""The picture of the house, held against the imports: a line may import only lines below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "arawn"

LINES = """
cli
repl
batch
steps
asking | tasks | roles | snippets
app | attach | doctor
budget | selector
curl | quote
keeping | comparing | doors | money | planning | titles | routing | fitting | lazy_planner
engine | context | backends | render | models | store | transfer
wire | config
catalog
providers | secret | structure | media | pages | clipboard
shorthand | keywords | differing | extract | shell
graph | gauge | summary | sums
record | seam | tokens | orderly | folding
ports
session
events
messages
errors | threads | keyboard | programs | interrupt
"""
LEVEL = {
    name: (-number, name)
    for number, line in enumerate(LINES.split("\n"))
    for name in (part.strip() for part in line.split("|"))
    if name
}
DOORS = {
    "httpx": ("backends.http",),
    "httpcore": ("backends.http",),
    "keyring": ("secret", "keychain"),
    "tomli_w": ("config",),
    "tomlkit": ("config",),
    "fastjsonschema": ("structure",),
    "sqlite3": ("store", "memory", "doctor", "transfer.llm"),
    "rich": ("render",),
    "pygments": ("render",),
    "markdown_it": ("transfer.html", "render"),
    "prompt_toolkit": ("repl",),
    "typer": ("cli",),
    "click": (),
}
PURE = (
    *("errors", "messages", "events", "session", "record", "seam", "ports", "wire", "engine"),
    *("tokens", "gauge", "summary", "context", "orderly", "folding", "extract"),
)
IMPURE = {"os", "time", "random", "threading", "socket", "subprocess", "pathlib", "asyncio", "io", "secrets"}
ROOT = ("", "__init__", "__main__", "manual")


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found.append((".".join(part for part in parts if part != "__init__"), path))
    return found


def imports(path: Path) -> list[tuple[str, bool]]:
    """(imported module, whether at the module's top and not for types alone)."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    main = {
        id(node)
        for block in tree.body
        if isinstance(block, ast.If) and "__main__" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in main:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found += [(name, node in tree.body and id(node) not in typing_only) for name in names]
    return found


def place(module: str) -> str:
    return module.split(".")[0] if module else ""


@pytest.mark.parametrize(
    ("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_house(module: str, path: Path) -> None:
    own = place(module)
    for name, _ in imports(path):
        top = name.split(".")[0]
        if top == "arawn":
            other = place(name.removeprefix("arawn").lstrip("."))
            if own in ROOT or other in ROOT or other == own or other == "__version__":
                continue
            other = "secret" if other == "keychain" else other
            mine = "secret" if own == "keychain" else own
            assert mine in LEVEL and other in LEVEL, f"{module} imports {name}: not in the picture"
            assert mine == other or LEVEL[mine][0] > LEVEL[other][0], (
                f"{module} imports {name}: upwards or sideways"
            )
        elif top in DOORS:
            assert module.startswith(DOORS[top]) and DOORS[top], f"{module} imports {name}: not its door"
        elif own in PURE:
            assert top not in IMPURE, f"{module} imports {name}: it must stay pure"


@pytest.mark.parametrize(
    ("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_size(module: str, path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400, f"{module} has outgrown its room"
    assert "noqa" not in text and "type: ignore" not in text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = (
                node.end_lineno - node.lineno + 1 - len(ast.get_docstring(node, clean=False) or "").__bool__()
            )
            assert lines <= 50, f"{module}.{node.name} has {lines} lines"


def asked_for(node: ast.AST) -> list[ast.AST]:
    """What a node makes a choice by: conditions wherever they stand, comparisons, and the cases of a match."""
    match node:
        case ast.If() | ast.IfExp() | ast.While() | ast.Assert():
            return [node.test]
        case ast.comprehension():
            return [*node.ifs]
        case ast.match_case():
            return [node.pattern, *([node.guard] if node.guard else [])]
        case ast.Compare():
            return [node]
    return []


def choices_by(code: str, names: set[str]) -> list[int]:
    """The lines that choose by one of the names."""
    return [
        said.lineno
        for node in ast.walk(ast.parse(code))
        for choice in asked_for(node)
        for said in ast.walk(choice)
        if isinstance(said, ast.Constant) and said.value in names
    ]


@pytest.mark.parametrize(
    "code",
    [
        'if name == "ollama": pass',
        'a = 1 if name in ("openai", "ollama") else 2',
        'while "ollama" != name: pass',
        'match name:\n case "ollama" | "openai": pass',
        'match name:\n case _ if name == "ollama": pass',
        'match name, 1:\n case ("ollama", _): pass',
        'a = [n for n in names if n != "ollama"]',
        'a = name in {"ollama"}',
        'a = name == "ollama" or name',
        'assert name == "ollama"',
    ],
)
def test_a_choice_by_name_is_seen(code: str) -> None:
    assert choices_by(code, {"ollama"})
    assert not choices_by(code.replace("ollama", "x").replace("openai", "y"), {"ollama"})


def test_no_provider_in_an_if() -> None:
    from arawn.providers import PROVIDERS

    names = {row.name for row in PROVIDERS.values()} - {"custom"}
    found = [f"{module}:{line}" for module, path in modules() for line in choices_by(path.read_text(), names)]
    assert not found, f"asked for a provider by name: {', '.join(sorted(set(found)))}"
