"""`arawn help`: the manual on the terminal, the same pages that the guide answers from."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command("help")
def help_(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None, typer.Argument(metavar="[TOPIC]...", help="A page, or words to look for.")
    ] = None,
) -> None:
    """Show a page of the manual, or find the section that fits some words; alone it lists the pages."""
    from arawn.manual import ORDER, find, page, pages

    if not topic:
        text = "# Manual\n\n" + "".join(f"- `arawn help {one.name}`: {one.summary}\n" for one in pages())
    elif len(topic) == 1 and topic[0].lower() in ORDER:
        text = page(topic[0].lower()).text
    else:
        section = find(" ".join(topic))
        if section is None:
            raise _nothing(" ".join(topic), ORDER)
        text = f"{section.text}\n\nFrom `arawn help {section.page}`.\n"
    _show(ctx, text)


def _nothing(topic: str, names: tuple[str, ...]) -> Exception:
    from difflib import get_close_matches

    from arawn.errors import UsageFault

    near = get_close_matches(topic.lower(), names, 1)
    hints = (f"arawn help {near[0]}",) if near else ("arawn help lists the pages",)
    return UsageFault(f'The manual says nothing about "{topic}"', hints=hints)


def _show(ctx: typer.Context, text: str) -> None:
    from arawn.cli.context import is_terminal

    if not is_terminal(sys.stdout):
        sys.stdout.write(text)
        return
    from arawn.render.markdown import MarkdownStream
    from arawn.render.terminal import color_wanted, width

    color = color_wanted(os.environ, True, ctx.find_root().obj.color or "auto")
    shown = MarkdownStream(sys.stdout, lambda: width(sys.stdout.fileno(), os.environ), color)
    shown.feed(text)
    shown.close()
