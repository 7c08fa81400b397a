"""`arawn ask`: one question, one answer, an exit code that tells how it went."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from arawn.cli import Backend, Model, Quiet, Reasoning, Setting

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def ask(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORDS...", help="The question; - is standard input.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", metavar="PATH", help="Send a text file too.")
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="System prompt for this question.")
    ] = None,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document, on failure too.")] = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print the events as they come, one JSON object a line.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Show the Markdown source on a terminal.")] = False,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Ask the service to stream, or not.")
    ] = True,
    reasoning: Reasoning = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Longest silence to bear.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Ask one question. The answer goes to stdout, everything else to stderr."""
    from arawn.cli.answer import Form, effort, show
    from arawn.cli.prompt import compose
    from arawn.engine import Conversation
    from arawn.errors import UsageFault

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    if json and jsonl:
        raise UsageFault("--json and --jsonl exclude each other")
    prompt = compose(words or [], _piped(words or []), file or [])
    config = context.load()
    for notice in config.notices:
        context.status.warn(notice)
    opened = context.app.open(context.backend, context.model, timeout)
    if opened.provider != "guide":
        context.status.note(f"{opened.name} · {opened.model} ({opened.why})")
    conversation = Conversation(system=system, reasoning=effort(reasoning), stream=stream)
    form: Form = "json" if json else "jsonl" if jsonl else "raw" if raw else "text"
    show(context, context.app, opened, conversation.ask(opened.backend, prompt), form)


def _piped(words: list[str]) -> str | None:
    """What is piped in, where anything is; a terminal is read only when `-` asks for it."""
    from arawn.cli.context import is_terminal
    from arawn.cli.prompt import read_stream
    from arawn.errors import UsageFault

    if sys.stdin is None:
        return None
    if is_terminal(sys.stdin) and "-" not in words:
        return None
    try:
        return read_stream(sys.stdin.buffer)
    except OSError as error:
        raise UsageFault(f"standard input cannot be read: {error.strerror}") from None
