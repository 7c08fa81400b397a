"""`arawn model`: which models there are, what is known of each, and fetching one to a local server."""

from __future__ import annotations

import json as json_
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from arawn.cli import Backend

if TYPE_CHECKING:
    from arawn.app import App
    from arawn.catalog import Facts
    from arawn.cli.context import Context

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, help="The models of a backend.")

MARKS = ("vision", "audio", "pdf", "tools", "schema", "reasoning", "embedding")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


class Row(NamedTuple):
    """A model of a backend with what is known of it; `said` is what the service itself told."""

    backend: str
    facts: Facts
    said: dict[str, Any]


@app.callback()
def _group() -> None:
    """The models of a backend."""


@app.command("list")
def list_(
    ctx: typer.Context,
    query: Annotated[
        str, typer.Argument(metavar="[QUERY]", help="Only models with these words in them.")
    ] = "",
    backend: Backend = None,
    every: Annotated[bool, typer.Option("--all", help="Of every backend that can be asked.")] = False,
    refresh: Annotated[
        bool, typer.Option(help="Ask the service, even where a list of today is kept.")
    ] = False,
    json: Json = False,
) -> None:
    """List models, one a line: name, window, prices in USD per million tokens, what it can do."""
    context = ctx.find_root().obj
    context.take(backend)
    names = usable(context) if every else [None]
    rows = [row for name in _each(context, names, refresh) for row in name]
    words = query.lower().split()
    rows = [row for row in rows if all(word in f"{row.backend}:{row.facts.name}".lower() for word in words)]
    if json:
        made = [{"backend": row.backend, **_document(row.facts)} for row in rows]
        print(json_.dumps({"version": 1, "models": made}, ensure_ascii=False, indent=2))
        return
    for row in rows:
        print(_line(row, every))
    if not rows:
        context.status.note("there is no such model" if query else "no models are listed")


def usable(context: Context) -> list[str]:
    """Backends that can be asked now: own tables, keys in the environment, local servers that run."""
    from arawn.backends.choose import from_env
    from arawn.backends.http import probe
    from arawn.providers import PROVIDERS

    found = list(context.load().backends)
    for row in PROVIDERS.values():
        place = row.probe and (from_env(context.env, row) or row.base_url)
        here = bool(place) and probe(place + row.probe, 0.2) is not None
        if row.name not in found and (
            here or any(context.env.get(name, "").strip() for name in row.telling_names)
        ):
            found.append(row.name)
    return found


def _each(context: Context, names: list[Any], refresh: bool) -> list[list[Row]]:
    """The models of several backends, asked all at once; what fails is told and costs no other."""
    from concurrent.futures import ThreadPoolExecutor

    from arawn.errors import ArawnError

    program = context.app  # made once, before the threads
    if len(names) == 1:
        return [_rows(context, program, names[0], refresh)]

    def one(name: str) -> list[Row] | ArawnError:
        try:
            return _rows(context, program, name, refresh)
        except ArawnError as fault:
            return fault

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, names))
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, ArawnError):
            context.status.warn(f"{name}: {context.redact(answer.sentence)}")
    return [answer for answer in answers if not isinstance(answer, ArawnError)]


def _rows(context: Context, program: App, name: str | None, refresh: bool) -> list[Row]:
    """The models of one backend: its own list, else a kept one, else the catalogue's, and that is told."""
    from arawn.errors import ServiceFault, Unreachable
    from arawn.wire.listing import Entry

    opened = program.open(name or context.backend, context.model or "any")
    try:
        listing = program.models.listing(opened.name, refresh)
        entries = list(listing.entries)
        if listing.source == "cache":
            context.status.note(f"{opened.name}: as listed {_span(listing.age)} ago; --refresh asks again")
    except ServiceFault as fault:
        entries = [Entry(known) for known in program.models.known_names(opened.name)]
        if not entries or not isinstance(fault, Unreachable):
            raise
        context.status.warn(f"{fault.sentence}; these are the models known without it")
    found = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        found.append(Row(opened.name, program.models.joined(opened.name, opened.provider, entry), entry.said))
    return found


def _document(facts: Facts) -> dict[str, Any]:
    """Facts as JSON; unknown is null."""
    return facts._asdict()


def _line(row: Row, named: bool) -> str:
    from arawn.render.safe import clean

    facts = row.facts
    name = clean(f"{row.backend}:{facts.name}" if named else facts.name, newlines=False)
    prices = (
        f"{_number(facts.input_price)}/{_number(facts.output_price)}"
        if facts.input_price is not None or facts.output_price is not None
        else "-"
    )
    marks = ",".join(mark for mark in MARKS if getattr(facts, mark))
    return f"{name:<44} {_tokens(facts.context):>6} {prices:>12}  {marks or '-'}".rstrip()


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


def _tokens(count: int | None) -> str:
    if count is None:
        return "-"
    return (
        f"{count / 1e6:.3g}M"
        if count >= 1_000_000
        else f"{count / 1000:.3g}k"
        if count >= 1000
        else str(count)
    )


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 5400 else f"{max(1, seconds / 60):.0f} min"


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, BACKEND:MODEL, or an alias.")],
    backend: Backend = None,
    json: Json = False,
) -> None:
    """Tell all that is known of one model, and from where: service, catalogue or config."""
    from arawn.errors import ArawnError, ModelFault
    from arawn.render.safe import clean
    from arawn.wire.listing import Entry

    context = ctx.find_root().obj
    context.take(backend)
    program: App = context.app
    opened = program.open(context.backend, name)
    try:
        entries = {
            entry.name.removeprefix("models/"): entry for entry in program.models.listing(opened.name).entries
        }
    except ArawnError as fault:
        context.status.warn(f"{fault.sentence}; this is what is known without it")
        entries = {}
    entry = entries.get(opened.model.removeprefix("models/"))
    details = program.models.details(opened.name)
    if entries and entry is None and not details:
        from arawn.models import near

        meant = near(opened.model, entries)
        raise ModelFault(
            f'Backend "{opened.name}" lists no model "{opened.model}"',
            hints=(f"did you mean {', '.join(meant)}?",) if meant else (),
        )
    entry = (entry or Entry(opened.model))._replace(**details)
    facts = program.models.joined(opened.name, opened.provider, entry)
    own = program.models.own(opened.name, entry.name)
    places = {
        field: "config" if field in own else "service" if field in entry.said else "catalogue"
        for field, value in facts._asdict().items()
        if value is not None and field not in ("name", "provider")
    }
    if json:
        made = {"version": 1, "backend": opened.name, **_document(facts), "from": places}
        print(json_.dumps(made, ensure_ascii=False, indent=2))
        return
    print(clean(f"{opened.name}:{facts.name}", newlines=False))
    for field, place in places.items():
        value = getattr(facts, field)
        shown = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
        print(f"  {field:<18} {shown!s:<14} {place}")


@app.command()
def pull(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model of the server's library.")],
    backend: Backend = None,
) -> None:
    """Fetch a model to a local server (Ollama). Stopped and run again, it goes on where it was."""
    from arawn.cli.pull import pull as run

    context = ctx.find_root().obj
    context.take(backend)
    run(context, name)
