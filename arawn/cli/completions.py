"""`arawn completions`: the completion files put where the person's shell looks for them.

`python -m arawn.cli.completions [FOLDER]` writes all four, as they are in `completions/`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

app = typer.Typer(
    help="Completions for your shell: install or show them. For bash, zsh, fish and PowerShell.",
)

SHELLS = ("bash", "zsh", "fish", "powershell")
Shell = Annotated[
    str | None,
    typer.Argument(metavar="[bash|zsh|fish|powershell]", help="The shell; that of $SHELL unless said."),
]


class Target(NamedTuple):
    """Where the file of a shell goes, the file that its user writes, and the line for that, or "".

    `needed`: without the line it is never found.
    """

    file: Path
    rc: Path
    line: str = ""
    needed: bool = True


@app.command()
def install(
    shell: Shell = None,
    print_: Annotated[bool, typer.Option("--print", help="Print the file, and write nothing.")] = False,
) -> None:
    """Write the completion file into your own folders. What else is needed is told, not done."""
    from arawn.cli.completion_files import text

    name = _shell(shell)
    made = text(name)
    if print_:
        sys.stdout.write(made)
        return
    place = target(name, os.environ)
    _write(place.file, made)
    print(f"Written: {_shown(place.file)}")
    if place.line and not _stands(place):
        why = "It needs" if place.needed else "Where bash-completion is not installed, it needs"
        print(f"{why} this line in {_shown(place.rc)}:\n\n  {place.line}\n")
    print("A new shell has them then.")


@app.command()
def show(shell: Shell = None) -> None:
    """Say where the completions are. For each shell, or for one, and whether they are of this version."""
    from arawn.cli.completion_files import text

    for name in SHELLS if shell is None else (_shell(shell),):
        place = target(name, os.environ)
        try:
            state = "up to date" if place.file.read_text("utf-8") == text(name) else "of another version"
        except (OSError, ValueError):
            state = "not installed"
        lacks = place.line and place.needed and not _stands(place)
        missing = f"; {_shown(place.rc)} lacks: {place.line}" if lacks else ""
        told = missing if state != "not installed" else f"; arawn completions install {name}"
        print(f"{name:<10} {state:<18} {_shown(place.file)}{told}")


@app.command(hidden=True)
def values(kind: Annotated[str, typer.Argument()]) -> None:
    """Names for the completion files to offer, one a line."""
    from arawn.cli.completion_values import values as found

    for name, about in found(kind, os.environ):
        print(f"{name}\t{about}" if about else name)


def target(shell: str, env: Mapping[str, str], platform: str = sys.platform) -> Target:
    """Where the file of a shell goes by its own rules, and what its user has to write once."""
    from arawn.config.paths import home

    base = home(env)
    data = _folder(env, "XDG_DATA_HOME", base / ".local/share")
    config = _folder(env, "XDG_CONFIG_HOME", base / ".config")
    if shell == "bash":
        folder = _folder(env, "BASH_COMPLETION_USER_DIR", data / "bash-completion")
        file = folder / "completions/arawn"
        return Target(file, base / ".bashrc", f". {_quoted(file)}", needed=False)
    if shell == "zsh":
        file = data / "zsh/site-functions/_arawn"
        line = f"fpath=({_quoted(file.parent)} $fpath); autoload -Uz compinit; compinit"
        return Target(file, _folder(env, "ZDOTDIR", base) / ".zshrc", line)
    if shell == "fish":
        return Target(config / "fish/completions/arawn.fish", config / "fish/config.fish")
    folder = base / "Documents/PowerShell" if platform == "win32" else config / "powershell"
    file, rc = folder / "arawn.ps1", folder / "Microsoft.PowerShell_profile.ps1"
    return Target(file, rc, f". '{str(file).replace(chr(39), chr(39) * 2)}'")


def _folder(env: Mapping[str, str], name: str, default: Path) -> Path:
    said = env.get(name, "")
    return Path(said) if os.path.isabs(said) else default


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _stands(place: Target) -> bool:
    """Whether the person's own file names the place already."""
    try:
        text = place.rc.read_text("utf-8", errors="replace")
    except OSError:
        return False
    return any(str(path) in text or _shown(path) in text for path in (place.file, place.file.parent))


def _shown(path: Path) -> str:
    from arawn.config.read import shown_path

    return shown_path(path)


def _shell(said: str | None) -> str:
    """The shell that is meant. Raises UsageFault for one that has no completions."""
    from arawn.errors import UsageFault
    from arawn.shell.place import name_of

    name = said or name_of(os.environ)
    name = {"pwsh": "powershell"}.get(name, name)
    if name not in SHELLS:
        raise UsageFault(f"There are no completions for {name!r}", hints=(f"one of {', '.join(SHELLS)}",))
    return name


def _write(path: Path, text: str) -> None:
    """Put a file in its place at once, through a link that is there. Raises ArawnError."""
    import contextlib

    from arawn.errors import ArawnError

    real = Path(os.path.realpath(path))
    fresh = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, "utf-8")
        os.replace(fresh, real)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise ArawnError(
            f"{_shown(path)} cannot be written: {error.strerror}",
            hints=("arawn completions install --print",),
        ) from None


if __name__ == "__main__":
    from arawn.cli.completion_files import texts

    made_in = Path(sys.argv[1] if len(sys.argv) > 1 else "completions")
    made_in.mkdir(exist_ok=True)
    for each, content in texts().items():
        (made_in / each).write_text(content, "utf-8")
