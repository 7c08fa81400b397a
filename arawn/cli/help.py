"""`arawn help`: the manual's pages, the same that the offline guide answers from."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.errors import ArawnError

if TYPE_CHECKING:
    from arawn.manual import Section

app = typer.Typer()


@app.command("help")
def help_(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC]...", help="A page, or what you look for.")
    ] = None,
) -> None:
    """Show a page of the manual; without a topic, list the pages."""
    show(ctx.find_root().obj, _listing() if topic in (None, [], ["help"]) else _page(" ".join(topic)))


def show(context: Any, text: str) -> None:
    """Print Markdown: rendered on a terminal, as it is into a pipe."""
    from arawn.cli.context import is_terminal

    if not is_terminal(sys.stdout):
        sys.stdout.write(text)
        return
    from arawn.manual import flow
    from arawn.render.look import Look
    from arawn.render.terminal import color_wanted

    with contextlib.suppress(ArawnError):  # the manual is there without a config, too
        context.load()
    color = color_wanted(context.env, True, context.color or "auto")
    look = Look(True, color and not context.spoken, accessible=context.spoken)
    sink = look.sink(sys.stdout, context.env)
    sink.feed(flow(text))
    sink.close()


def _listing() -> str:
    from arawn.manual import pages

    lines = [f"- `{page.name}`: {page.summary}" for page in pages()]
    head = "# The manual\n\n`arawn help PAGE` shows a page, `arawn help WORDS...` looks for something, and "
    return head + "`arawn COMMAND --help` lists a command's options.\n\n" + "\n".join(lines) + "\n"


def _page(topic: str) -> str:
    """The page called `topic`, else the section that fits best. Raises UsageFault where there is neither."""
    from arawn.cli import COMMANDS
    from arawn.manual import ORDER, text
    from arawn.manual.search import find

    name = topic.strip().lower().removesuffix(".md")
    for page in (name, name + "s"):
        if page in ORDER:
            return text(page)
    near = _near(name)
    found = _of_command(name) or find(topic)
    if found is not None and (name in COMMANDS or not near or " " in name):
        return f"## {found.title}\n\n{found.body}\n\nThe whole page: `arawn help {found.page}`.\n"
    from arawn.errors import UsageFault

    hints = [f"did you mean: arawn help {near}?"] if near else []
    if found is not None:
        hints.append(f'the closest section is "{found.title}" in: arawn help {found.page}')
    raise UsageFault(f"The manual has no page {topic!r}", hints=(*hints, "arawn help lists the pages"))


def _of_command(name: str) -> Section | None:
    """The section about a command: the one that is named after it, else the one that names it most."""
    from arawn.cli import COMMANDS
    from arawn.manual import sections

    if name not in COMMANDS:
        return None
    said = re.compile(rf"arawn {name}\b(?!-)")
    return max(sections(), key=lambda one: (bool(said.search(one.title)), len(said.findall(one.body))))


def _near(name: str) -> str:
    from difflib import get_close_matches

    from arawn.manual import ORDER

    return next(iter(get_close_matches(name, ORDER, 1, 0.7)), "")
