"""The manual as pages and sections, read from the Markdown files beside it; it knows no question.

A comment under a heading speaks to the search: `<!-- words: ... -->` are words people use for the thing,
`<!-- example: NAME -->` says which provider its examples name.
"""

from __future__ import annotations

import os
from typing import NamedTuple

ORDER = (
    "start",
    "ask",
    "chat",
    "tour",
    "roles",
    "compare",
    "sessions",
    "transfer",
    "context",
    "tasks",
    "batch",
    "backends",
    "routing",
    "money",
    "config",
    "secrets",
    "trust",
    "errors",
    "json",
    "embed",
    "cassettes",
    "privacy",
    "look",
    "shell",
)
"""The pages as a reader meets them."""


class Page(NamedTuple):
    """A page: its name is what `arawn help NAME` takes, its summary one sentence."""

    name: str
    title: str
    summary: str


class Section(NamedTuple):
    """A part of a page under one heading. `body` is Markdown without comments; `words` are for the search.

    `example` is the provider that its examples name, or "".
    """

    page: str
    title: str
    body: str
    words: str
    example: str


def read(name: str) -> str:
    """The file of a page as it is. Raises KeyError for a page that there is not."""
    if name not in ORDER:
        raise KeyError(name)
    with open(os.path.join(os.path.dirname(__file__), f"{name}.md"), encoding="utf-8") as file:
        return file.read()


def text(name: str) -> str:
    """A page for readers: its Markdown without comments. Raises KeyError for a page that there is not."""
    return _visible(read(name))


def pages() -> list[Page]:
    """All pages in reading order."""
    found = []
    for name in ORDER:
        title, _, rest = text(name).partition("\n")
        first = " ".join(rest.strip().partition("\n\n")[0].split())
        found.append(Page(name, title.removeprefix("# "), first.partition(". ")[0].rstrip(".") + "."))
    return found


def sections() -> list[Section]:
    """All sections of all pages, in reading order; what stands above a page's first heading is one too."""
    return [section for name in ORDER for section in _split(name, read(name))]


def section(page: str, title: str) -> Section:
    """One section by its heading. Raises KeyError where there is none."""
    for found in _split(page, read(page)):
        if found.title == title:
            return found
    raise KeyError(f"{page}: {title}")


def flow(source: str) -> str:
    """Markdown with each paragraph and list item on one line, so that whoever shows it can wrap it."""
    made: list[str] = []
    fenced = False
    for line in source.split("\n"):
        mark = line.startswith("```")
        joins = not (fenced or mark) and made and _goes_on(made[-1], line)
        if joins:
            made[-1] += " " + line.lstrip()
        else:
            made.append(line)
        fenced = fenced != mark
    return "\n".join(made)


def _goes_on(before: str, line: str) -> bool:
    """Whether `line` continues the paragraph or list item that `before` is part of."""
    text = line.lstrip()
    if not text or not before.strip() or before.startswith(("#", "|", "```")):
        return False
    return not (text.startswith(("#", "|", "- ", "```")) or text.partition(". ")[0].isdecimal())


def _split(page: str, source: str) -> list[Section]:
    found: list[Section] = []
    title, lines, fenced = "", [""], False
    for line in source.split("\n"):
        if line.startswith("```"):
            fenced = not fenced
        if not fenced and line.startswith(("# ", "## ", "### ")):
            found += _made(page, title, lines)
            title, lines = line.lstrip("#").strip(), []
        else:
            lines.append(line)
    return found + _made(page, title, lines)


def _made(page: str, title: str, lines: list[str]) -> list[Section]:
    source = "\n".join(lines)
    body = _visible(source).strip()
    if not title or not body:
        return []
    return [Section(page, title, body, _said(source, "words"), _said(source, "example"))]


def _said(source: str, key: str) -> str:
    _, found, rest = source.partition(f"<!-- {key}:")
    return rest.partition("-->")[0].strip() if found else ""


def _visible(source: str) -> str:
    """`source` without the lines that are comments."""
    kept = "\n".join(line for line in source.split("\n") if not line.startswith("<!--"))
    while "\n\n\n" in kept:
        kept = kept.replace("\n\n\n", "\n\n")
    return kept.strip() + "\n"
