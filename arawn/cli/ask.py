"""`arawn ask`: one question, one answer, an exit code that tells how it went."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from arawn.cli import (
    Backend,
    Continue,
    JsonAlways,
    Model,
    NoStore,
    Private,
    Quiet,
    Reasoning,
    Resume,
    Role,
    Setting,
    Timeout,
)
from arawn.errors import ArawnError

if TYPE_CHECKING:
    from arawn.cli.answer import Form
    from arawn.cli.context import Context
    from arawn.cli.prompt import Prompt
    from arawn.engine import Conversation
    from arawn.keeping import Keeper
    from arawn.session import Session

app = typer.Typer()


Words = Annotated[
    list[str] | None, typer.Argument(metavar="WORDS...", help="The question; - is standard input.")
]
File = Annotated[
    list[str] | None,
    typer.Option(
        "--file", "-f", metavar="PATH|URL", help="Send a text, picture, PDF or recording too; - is stdin."
    ),
]
System = Annotated[
    str | None, typer.Option("--system", "-s", metavar="TEXT", help="System prompt for this question.")
]
JsonMode = Annotated[bool, typer.Option("--json-mode", help="Have the answer in JSON.")]
Schema = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|JSON|FIELDS", help="Have JSON that fits a schema, or 'name, age int, tags [str]'."
    ),
]
Keys = Annotated[
    str | None, typer.Option(metavar="KEY,KEY", help="Have a JSON object with exactly these keys.")
]
Jsonl = Annotated[
    bool, typer.Option("--jsonl", help="Print the events as they come, one JSON object a line.")
]
Extract = Annotated[
    bool, typer.Option("--extract", "-x", help="Print the first fenced block alone; without one, all.")
]
ExtractAll = Annotated[
    bool, typer.Option("--extract-all", help="Print all fenced blocks, an empty line between them.")
]
Raw = Annotated[bool, typer.Option("--raw", help="Show the Markdown source on a terminal.")]
Stream = Annotated[bool, typer.Option("--stream/--no-stream", help="Ask the service to stream, or not.")]

Pick = Annotated[
    str | None,
    typer.Option(metavar="cheapest|fastest|best", help="Ask whom a quote of this question chooses."),
]
Race = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME", help="Ask all of these; who begins first answers, the rest are cancelled."
    ),
]


@app.command()
def ask(
    ctx: typer.Context,
    words: Words = None,
    file: File = None,
    system: System = None,
    role: Role = None,
    backend: Backend = None,
    model: Model = None,
    option: Setting = None,
    json_mode: JsonMode = False,
    schema: Schema = None,
    keys: Keys = None,
    json: JsonAlways = False,
    jsonl: Jsonl = False,
    raw: Raw = False,
    extract: Extract = False,
    extract_all: ExtractAll = False,
    stream: Stream = True,
    reasoning: Reasoning = None,
    timeout: Timeout = None,
    race: Race = None,
    pick: Pick = None,
    continue_: Continue = False,
    resume: Resume = None,
    no_store: NoStore = False,
    private: Private = False,
    quiet: Quiet = False,
) -> None:
    """Ask one question. The answer goes to stdout, everything else to stderr."""
    from arawn.cli.answer import form_of
    from arawn.cli.keep import speak_in
    from arawn.cli.prompt import compose, wanted_format
    from arawn.cli.role import manner
    from arawn.engine import Conversation

    context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    form = form_of(json=json, jsonl=jsonl, raw=raw, extract=extract, extract_all=extract_all)
    context.pick, context.race = pick, _names(race)
    wanted = wanted_format(json_mode, schema, keys)
    context.load()
    prompt = compose(words or [], piped(words or [], file or []), file or [], context.app.fetch)
    said = manner(context, role, system, reasoning)
    keeper, session = speak_in(context, continue_, resume, said.system, keep=not no_store, private=private)
    conversation = Conversation(session, format=wanted, stream=stream, journal=keeper, **said.settings)
    conversation.planner = context.app.planner(keeper)
    try:
        _ask(context, conversation, prompt, "raw" if wanted is not None and form == "text" else form, timeout)
    finally:
        keeper.settle()
    _entitle(context, keeper, session)


def _ask(
    context: Context, conversation: Conversation, prompt: Prompt, form: Form, timeout: float | None
) -> None:
    from arawn.cli.answer import show
    from arawn.cli.keep import open_for

    why = ""
    if context.pick is not None:
        from arawn.cli.offers import pick_for

        why = pick_for(context, conversation, prompt)
    elif any(part.kind == "image" for part in prompt.parts):
        why = context.route("vision")
    opened = open_for(context, conversation.session, timeout)
    opened = opened._replace(why=why or opened.why)
    if prompt.parts:
        context.app.check_files(opened, prompt.parts)
    for sent in prompt.files:
        context.status.note(f"{sent.name}: {sent.kind}, {sent.size:,} bytes")
    for told in prompt.notes:
        context.status.warn(told)
    if opened.provider != "guide":
        context.status.note(f"{opened.name} · {opened.model} ({opened.why})")
    events = conversation.ask(opened.backend, prompt.text, prompt.parts)
    try:
        show(context, opened, events, form, conversation.session, has_data=conversation.format is not None)
    finally:
        opened.backend.close()


def _entitle(context: Context, keeper: Keeper, session: Session) -> None:
    """Have a new session named, where somebody does that."""
    if not (keeper.enabled and len(session.turns) == 1 and context.load().get("llm.routing.title")):
        return
    try:
        keeper.entitle(session, context.app.title(session))
    except ArawnError as fault:
        keeper.entitle(session, None, fault)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def piped(words: list[str], files: list[str]) -> bytes | None:
    """What is piped in, where anything is; a terminal is read only when `-` asks for it."""
    from arawn.cli.context import is_terminal

    if sys.stdin is None:
        return None
    if is_terminal(sys.stdin) and not _wants_input(words, files):
        return None
    from arawn.attach import read_stdin

    return read_stdin()


def _wants_input(words: list[str], files: list[str]) -> bool:
    if "-" in words or not files:
        return "-" in words
    from arawn.attach import STDIN

    return any(name in STDIN for name in files)
