"""`arawn man`: the man page, by man where it is there, by a pager, or as text into a pipe."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def man(
    roff: Annotated[bool, typer.Option("--roff", help="Print its source, for man itself.")] = False,
) -> None:
    """Show the man page. Every command and option, exit codes, files and variables.

    To have `man arawn` itself: arawn man --roff > ~/.local/share/man/man1/arawn.1
    """
    from arawn.cli.context import is_terminal

    if roff:
        from arawn.cli import man_page

        sys.stdout.write(man_page.roff())
    elif not is_terminal(sys.stdout):
        from arawn.cli import man_page

        sys.stdout.write(man_page.plain())
    else:
        code = _shown()
        if code:
            raise typer.Exit(code)


def _shown() -> int:
    """Let man or a pager show it; the exit code of who did."""
    import shlex

    from arawn.cli.man_page import PLACE, plain
    from arawn.programs import found

    path = os.environ.get("PATH")
    viewer = found("man", path)
    if viewer is not None and PLACE.is_file():
        return _run([viewer, str(PLACE)])  # a name with a slash in it is a file to man
    pager = shlex.split(os.environ.get("PAGER", "")) or ["less", "-FRX"]
    place = found(pager[0], path)
    if place is None:
        sys.stdout.write(plain())
        return 0
    return _run([place, *pager[1:]], plain())


def _run(command: list[str], text: str | None = None) -> int:
    """Run what shows the page, with `text` as its input. Ctrl-C is for it."""
    import signal
    import subprocess

    before = signal.signal(signal.SIGINT, lambda number, frame: None)  # not SIG_IGN: that would be inherited
    try:
        return subprocess.run(command, input=text, text=True, check=False).returncode
    except BrokenPipeError:
        return 0
    finally:
        signal.signal(signal.SIGINT, before)
