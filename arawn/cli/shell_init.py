"""`arawn shell-init`: the lines that give a shell its keys; it reads no config."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from arawn.shell import EXPLAIN_KEY, KEY

app = typer.Typer()


@app.command("shell-init")
def shell_init(
    shell: Annotated[
        str | None, typer.Argument(metavar="[bash|zsh|fish]", help="The shell; that of $SHELL unless said.")
    ] = None,
    key: Annotated[
        str, typer.Option(metavar="KEY", help="Makes a command of the line, or mends the last one.")
    ] = KEY,
    explain_key: Annotated[
        str, typer.Option("--explain-key", metavar="KEY", help="Explains the line; 'none' for no key.")
    ] = EXPLAIN_KEY,
) -> None:
    """Print what gives your shell two keys and `arawn fix`.

    For bash and zsh: eval "$(arawn shell-init zsh)"; for fish: arawn shell-init fish | source.
    """
    from arawn.errors import UsageFault
    from arawn.shell import SHELLS, BadKey, script
    from arawn.shell.place import name_of

    name = shell or name_of(os.environ)
    try:
        print(script(name, key, explain_key), end="")
    except KeyError:
        raise UsageFault(f"There are no keys for {name!r}", hints=(f"one of {', '.join(SHELLS)}",)) from None
    except BadKey as error:
        raise UsageFault(str(error)) from None
