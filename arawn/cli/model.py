"""`arawn model`: which models there are, what is known of each, and fetching one to a local server."""

from __future__ import annotations

import json as json_
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from arawn.cli import Backend, Json
from arawn.cli.model_pick import pick

if TYPE_CHECKING:
    from arawn.app import App, Opened
    from arawn.catalog import Facts
    from arawn.cli.context import Context
    from arawn.wire.listing import Entry

app = typer.Typer(help="The models of a backend.")

LIST_S = 15.0
"""A service that does not list its models within this time is told from a kept list, or the catalogue."""
GRACE_S = 5.0
OF_FILE = ("family", "parameters", "quantization", "size")


class Listed(NamedTuple):
    """The models of a backend, as `arawn.models` has them, with what is known of each."""

    backend: str
    source: str
    age: float
    facts: list[Facts]


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
        bool, typer.Option("--refresh", help="Ask the service, even where a list of today is kept.")
    ] = False,
    json: Json = False,
) -> None:
    """List models, one a line. Name, window, prices in USD per million tokens, what it can do."""
    context = ctx.find_root().obj
    context.take(backend)
    if every:
        found = _every(context, refresh)
    else:
        found = [_listed(context, context.app, None, refresh)]
        found = _whole_catalogue(context) if found[0].source == "guide" else found
    rows = [(one.backend, facts) for one in found for facts in one.facts if _fits(query, one.backend, facts)]
    if json:
        lists = [{"backend": one.backend, "source": one.source, "age_s": round(one.age)} for one in found]
        made = [{"backend": name, **facts._asdict()} for name, facts in rows]
        print(json_.dumps({"version": 1, "models": made, "lists": lists}, indent=2))
        return
    named = every or len(found) > 1
    _print(context, [(f"{name}:{facts.name}" if named else facts.name, facts) for name, facts in rows])
    if not rows:
        names = [facts.name for one in found for facts in one.facts]
        _nothing(context, query, names)


def _print(context: Context, rows: list[tuple[str, Facts]]) -> None:
    """The models; on a terminal fitted to its width."""
    import sys

    from arawn.cli.context import is_terminal
    from arawn.render.models import LEGEND, letters, lines
    from arawn.render.terminal import width

    columns = width(sys.stdout.fileno(), context.env) if rows and is_terminal(sys.stdout) else None
    for line in lines(rows, columns):
        print(line)
    if columns is not None and letters(rows, columns):
        context.status.note(LEGEND)


def _nothing(context: Context, query: str, names: list[str]) -> None:
    from arawn.models import near

    meant = near(query, names) if query else []
    hint = f"; did you mean {', '.join(meant)}?" if meant else ""
    context.status.note(f"there is no such model{hint}" if query else "no models are listed")


def _fits(query: str, backend: str, facts: Facts) -> bool:
    """Whether every word of the query is somewhere in name, backend or abilities, signs between aside."""
    from arawn.render.models import MARKS

    marks = " ".join(mark for mark in MARKS if getattr(facts, mark))
    text = f"{backend}:{facts.name} {marks}".lower()
    squeezed = _squeezed(text)
    return all(word in text or (_squeezed(word) or word) in squeezed for word in query.lower().split())


def _squeezed(text: str) -> str:
    return "".join(mark for mark in text if mark.isalnum())


def _every(context: Context, refresh: bool) -> list[Listed]:
    """The models of all backends, asked at once; what fails is told, and costs no other but the last."""
    from arawn.backends.at_once import at_once
    from arawn.cli.usable import usable
    from arawn.errors import ArawnError, TimedOut

    program, names = context.app, usable(context)  # made once, before the threads

    def one(name: str) -> Listed | ArawnError:
        try:
            return _listed(context, program, name, refresh)
        except ArawnError as fault:
            return fault

    if not names:
        return _whole_catalogue(context)
    found = []
    faults = []
    for name, answer in zip(names, at_once(one, names, LIST_S + GRACE_S), strict=True):
        if isinstance(answer, Listed):
            found.append(answer)
            continue
        faults.append(answer or TimedOut(f"the list was not whole within {LIST_S + GRACE_S:g} s"))
        context.status.warn(f"{name}: {context.redact(faults[-1].sentence)}")
    if faults and not found:
        raise faults[0]
    return found


def _listed(context: Context, program: App, name: str | None, refresh: bool) -> Listed:
    """The models of one backend: its own list, else a kept one, else the catalogue's, and that is told."""
    from arawn.errors import AuthFault, ServiceFault
    from arawn.providers import GUIDE
    from arawn.render.models import span

    limit = min(LIST_S, float(context.load().get("limits.first_event")))
    opened = program.open(name or context.backend, context.model or "any", limit)
    if opened.name == GUIDE:
        return Listed(GUIDE, GUIDE, 0.0, [])
    try:
        listing = program.models.listing(opened.name, refresh)
        if listing.source == "cache":
            context.status.note(f"{opened.name}: as listed {span(listing.age)} ago; --refresh asks again")
    except ServiceFault as fault:
        listing = program.models.known(opened.name)
        if not listing.entries or isinstance(fault, AuthFault):
            raise
        instead = f"as listed {span(listing.age)} ago" if listing.source == "cache" else "of the catalogue"
        sentence = context.redact(fault.sentence)
        context.status.warn(f"{sentence}; these are the models known without it, {instead}")
    name, provider = opened.name, opened.provider
    told = [(entry.name.removeprefix("models/"), entry.said) for entry in listing.entries]
    facts = [program.models.joined(name, provider, model, said) for model, said in told]
    return Listed(name, listing.source, listing.age, sorted(facts, key=lambda one: one.name))


def _whole_catalogue(context: Context) -> list[Listed]:
    """What is known where nothing is set up."""
    from arawn.catalog import dated, facts, models, services

    context.status.note(f"no backend is set up; these are the models of the catalogue of {dated()}")
    return [
        Listed(name, "catalogue", 0.0, [facts(name, model) for model in sorted(models(name))])
        for name in services()
    ]


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, BACKEND:MODEL, or an alias.")],
    backend: Backend = None,
    json: Json = False,
) -> None:
    """Tell all that is known of one model. And from where: service, catalogue or config."""
    from arawn.providers import GUIDE
    from arawn.render.models import fact
    from arawn.render.safe import clean

    context = ctx.find_root().obj
    context.take(backend)
    program: App = context.app
    opened = program.open(context.backend, name, LIST_S)
    if opened.name == GUIDE:
        owner, model = _maker(name)
        opened, entry = opened._replace(name=owner, provider=owner, model=model), None
    else:
        entry = _entry(context, program, opened)
    said = entry.said if entry is not None else {}
    facts = program.models.joined(opened.name, opened.provider, opened.model, said)
    own = program.models.own(opened.name, opened.model)
    values = {**facts._asdict(), **{field: said[field] for field in OF_FILE if field in said}}
    places = {
        field: "config" if field in own else "service" if field in said else "catalogue"
        for field, value in values.items()
        if value is not None and field not in ("name", "provider")
    }
    if json:
        print(json_.dumps({"version": 1, "backend": opened.name, **values, "from": places}, indent=2))
        return
    print(clean(f"{opened.name}:{facts.name}", newlines=False))
    if not places:
        context.status.note("nothing more is known of it; a [catalog] table can say it: arawn help backends")
    for field, place in places.items():
        told = facts if place == "catalogue" else facts._replace(dear=None)
        if field not in ("dear", "dear_from", "dearer", "hours"):
            print(f"  {field:<18} {fact(field, values[field], told):<32} {place}")


def _entry(context: Context, program: App, opened: Opened) -> Entry | None:
    """What the service says of the model; None where it says nothing. Raises ModelFault where it has none."""
    from arawn.errors import ArawnError, ModelFault
    from arawn.models import near
    from arawn.wire.listing import Entry

    try:
        listed = program.models.listing(opened.name).entries
    except ArawnError as fault:
        sentence = context.redact(fault.sentence)
        context.status.warn(f"{sentence}; this is what is known without it")
        listed = program.models.known(opened.name).entries
    wanted = opened.model.removeprefix("models/")
    entry = next((entry for entry in listed if entry.name.removeprefix("models/") == wanted), None)
    details = program.models.details(opened.name)
    if listed and entry is None and not details:
        meant = near(wanted, [entry.name for entry in listed])
        raise ModelFault(
            f'Backend "{opened.name}" lists no model "{wanted}"',
            hints=(
                *((f"did you mean {', '.join(meant)}?",) if meant else ()),
                f"the models it has: arawn model list --backend {opened.name}",
            ),
        )
    return (entry or Entry(wanted))._replace(**details) if entry or details else None


def _maker(name: str) -> tuple[str, str]:
    """The first service in the catalogue that has the model, or the one that is named before it.

    Raises ModelFault where none has.
    """
    from arawn.catalog import facts, models, services
    from arawn.errors import ModelFault
    from arawn.models import near

    head, _, tail = name.partition(":")
    places = [(head, tail)] if head in services() else [(service, name) for service in services()]
    found = next((place for place in places if facts(*place).priced), None)
    if found is None:
        meant = near(name, [model for service in services() for model in models(service)])
        raise ModelFault(
            f'No backend is set up, and the catalogue knows no model "{name}"',
            hints=(f"did you mean {', '.join(meant)}?",) if meant else (),
        )
    return found


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


app.command()(pick)
