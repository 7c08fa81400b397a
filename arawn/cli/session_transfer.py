"""`arawn session export` and `import`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Json
from arawn.errors import UsageFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arawn.session import Session
    from arawn.store.sessions import Store

JOURNAL = b'{"arawn":"journal"'


def export(
    ctx: typer.Context,
    which: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID|TITLE...", help="The sessions; the last one unless said."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All sessions.")] = False,
    form: Annotated[
        str | None, typer.Option("--format", "-f", metavar="markdown|html|json|jsonl", help="The form.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[
        str | None,
        typer.Option("--output", "-O", metavar="FILE", help="Write a file; its ending tells the form."),
    ] = None,
) -> None:
    """Write sessions as Markdown, HTML, JSON or JSONL. To stdout or a file; JSONL is for training."""
    from arawn.cli.stored import mask_of, opened, session_of
    from arawn.record import session_without_keys
    from arawn.transfer import export as pieces
    from arawn.transfer.file import write_file

    context, store = opened(ctx)
    form = "json" if json else form
    if which and every:
        raise UsageFault("--all exports every session; name none beside it")

    def chosen() -> Iterator[Session]:
        mask = mask_of(context)
        if every:
            for info in store.listing(None):
                yield session_without_keys(store.load(info.id), mask)
        else:
            words: list[str | None] = [*which] if which else [None]
            for word in words:
                yield session_without_keys(session_of(store, word), mask)

    if output is not None and output != "-":
        path = write_file(chosen(), output, form)
        context.status.note(f"Written: {path}")
        return
    from arawn.render.safe import Filter

    shown = Filter() if sys.stdout.isatty() else None
    for piece in pieces(chosen(), form or "markdown"):
        sys.stdout.write(piece if shown is None else shown.feed(piece))
    if shown is not None:
        sys.stdout.write(shown.flush())


def import_(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files, folders or zip archives.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="What wrote it: chatgpt, claude, llm, aichat, gptme, or a form of export.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Take in sessions, Arawn's and others'. Exports of ChatGPT and Claude, logs of llm, of aichat, of gptme.

    What is here already is passed over, so a file can be taken in again.
    """
    from arawn.cli.stored import done, opened
    from arawn.render.safe import clean
    from arawn.transfer import read

    context, store = opened(ctx, masked=True)

    def tell(line: str) -> None:
        context.status.warn(clean(line, newlines=False))

    sessions = turns = 0
    for file in files:
        if form is None and _is_journal(file):
            took = [_adopted(store, file)]
        else:
            took = [store.take(session) for session in read(file, form, tell)]
        sessions += sum(new > 0 for new in took)
        turns += sum(took)
    told = f"{sessions} session{'s' * (sessions != 1)}, {turns} turn{'s' * (turns != 1)} taken in"
    done(json, told, sessions=sessions, turns=turns)


def _is_journal(file: Path) -> bool:
    """Whether it is a turn that was kept there because the store could not take it."""
    try:
        with open(file, "rb") as begun:
            return begun.read(len(JOURNAL)) == JOURNAL
    except OSError:
        return False


def _adopted(store: Store, file: Path) -> int:
    """How many turns of such a file were new."""
    from arawn.store.journal import read
    from arawn.store.sessions import NOT_OURS

    try:
        return store.adopt(*read(file.read_bytes()))
    except (OSError, *NOT_OURS) as error:
        raise UsageFault(f"{file}: {error}") from None
