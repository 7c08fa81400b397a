"""`arawn embed`: texts become vectors, one JSON array a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import Backend, JsonAlways, Model, Quiet, Setting, Timeout
from arawn.cli.context import need_output
from arawn.errors import ArawnError, Cut, UsageFault

if TYPE_CHECKING:
    from arawn.backends.embedding import Embedder
    from arawn.cli.context import Context
    from arawn.events import Event
    from arawn.wire.vectors import Vectors

app = typer.Typer()

PURPOSES = ("query", "document", "classification", "clustering")
Words = Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="The texts; - is standard input.")]
File = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", metavar="PATH|URL", help="A file is a text too; - is standard input."),
]
Lines = Annotated[bool, typer.Option("--lines", help="Each line of a file or of standard input is a text.")]
Purpose = Annotated[
    str | None,
    typer.Option(metavar="|".join(PURPOSES), help="What the vectors are for, where a service has a word."),
]
Dimensions = Annotated[
    int | None, typer.Option(min=1, metavar="NUMBER", help="Length of the vectors, where it can be chosen.")
]


@app.command()
def embed(
    ctx: typer.Context,
    words: Words = None,
    file: File = None,
    lines: Lines = False,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    purpose: Purpose = None,
    dimensions: Dimensions = None,
    json: JsonAlways = False,
    timeout: Timeout = None,
    quiet: Quiet = False,
) -> None:
    """Turn texts into vectors, one JSON array a line. All else goes to stderr."""
    context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    if purpose is not None and purpose not in PURPOSES:
        raise UsageFault(f"--purpose takes {', '.join(PURPOSES)}, not {purpose!r}")
    need_output()
    context.load()
    texts = gather(context, words or [], file or [], lines)
    context.warned()
    embedder = context.app.embedder(context.backend, context.model, timeout)
    context.status.note(f"{embedder.name} · {embedder.model} ({embedder.why})")
    made: Vectors | None = None
    fault: ArawnError = Cut("Interrupted before all vectors were there")
    try:
        made = embedder.embed(texts, purpose, dimensions, lambda event: _tell(context, event))
    except ArawnError as error:
        fault = error
        raise
    finally:
        embedder.close()
        context.status.clear()
        if json:
            _document(context, embedder, made, fault)
    if not json:
        _show(made)
    _count(context, made)


def _tell(context: Context, event: Event) -> None:
    from arawn.events import Notice, Progress, Wait

    match event:
        case Wait():
            context.status.wait(event)
        case Notice():
            (context.status.warn if event.warning else context.status.note)(event.text)
        case Progress():
            context.status.passing(event.label)
        case _:
            pass


def _document(context: Context, embedder: Embedder, made: Vectors | None, fault: ArawnError) -> None:
    from arawn.render.document import dump
    from arawn.render.vectors import document

    context.printed = True
    print(
        dump(
            document(
                made, backend=embedder.name, provider=embedder.provider, model=embedder.model,
                fault=None if made is not None else fault, redact=context.redact,
            )
        ),
        flush=True,
    )  # fmt: skip


def _show(made: Vectors) -> None:
    from arawn.render.vectors import lines

    for line in lines(made):
        sys.stdout.write(line)
    sys.stdout.flush()


def _count(context: Context, made: Vectors) -> None:
    count = len(made.vectors)
    tokens = f", {made.usage.input:,} tokens" if made.usage.input is not None else ""
    context.status.note(f"{count} vector{'' if count == 1 else 's'} of {made.dimensions} numbers{tokens}")
    if made.pooled:
        context.status.warn(
            "this model answers with a vector for each token: these are their means, which other programs "
            "may build otherwise"
        )


def gather(context: Context, words: list[str], files: list[str], lines: bool) -> list[str]:
    """The texts in their order: arguments, then files. A line end at the end of a file is no part of it.

    Raises UsageFault where there is none, or one is empty or no text.
    """
    from arawn.cli.context import is_terminal

    if not words and not files and not is_terminal(sys.stdin):
        words = ["-"]
    found: list[tuple[str, str]] = []
    for number, word in enumerate(words, 1):
        if word == "-":
            found += _cut(_piped(), "standard input", lines)
        else:
            text = word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            found.append((f"text {number}", text))
    for name in files:
        found += _cut(_piped() if name == "-" else _read(context, name), name, lines)
    if not found:
        raise UsageFault(
            "There is nothing to embed", hints=('arawn embed "Hello"', "or: some command | arawn embed -")
        )
    empty = [place for place, text in found if not text.strip()]
    if empty:
        raise UsageFault(f"There is nothing to embed in {empty[0]}: it is empty")
    return [text for _, text in found]


def _cut(text: str, name: str, lines: bool) -> list[tuple[str, str]]:
    """A text, or its lines, each with its place."""
    text = text.removesuffix("\n")
    if not lines:
        return [(name, text)]
    return [(f"line {number} of {name}", line) for number, line in enumerate(text.split("\n"), 1)]


def _piped() -> str:
    from arawn.attach import read_stdin
    from arawn.media import text_of

    if sys.stdin is None:
        raise UsageFault("Standard input is closed")
    return text_of(read_stdin(), "standard input")


def _read(context: Context, name: str) -> str:
    from arawn.attach import take

    taken = take(name, context.app.fetch)
    if taken.part is not None:
        raise UsageFault(f"{name} is no text ({taken.part.media_type}): only texts become vectors here")
    return taken.text
