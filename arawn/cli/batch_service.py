"""`arawn batch --provider-batch`, `status`, `fetch`, `cancel`, `forget`: work at a batch service."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.cli import Json
from arawn.errors import ArawnError, Cut, EmptyAnswer, Incomplete, Refused, TimedOut, UsageFault

if TYPE_CHECKING:
    from arawn.batch.kept import Kept, Part, Shelf
    from arawn.batch.lines import Item
    from arawn.batch.out_file import OutFile
    from arawn.batch.service import Service
    from arawn.cli.context import Context
    from arawn.events import Event
    from arawn.fitting import FactsOf
    from arawn.messages import Format
    from arawn.wire.batches import State

TOLD = 5
"""Lines that cannot be handed over are told one by one up to so many."""

Which = Annotated[str | None, typer.Argument(metavar="ID", help="The batch, or how its id begins.")]


def hand_over(
    context: Context,
    source: str,
    out: str | None,
    form: Format | None,
    said: Mapping[str, Any],
    retry_failed: bool,
    json: bool,
) -> None:
    """Submit the lines of a file, with what is `said` of all of them, and leave."""
    from arawn.batch.kept import Kept, new_id
    from arawn.batch.reserve import Reserve
    from arawn.batch.service import Service
    from arawn.steps import filled

    read = _items(source, _done(out, retry_failed))
    items = [item._replace(request=filled(item.request, said)) for item in read]
    if not items:
        context.status.note("every line was done before")
        return
    model = context.model or items[0].model
    service = Service(context.load(), context.env, context.backend, model, _facts(context))
    try:
        _check(items, service, context)
        _quote(context, service, items)
        reserve = Reserve(context.load(), context.env, service, lambda event: _hear(context, event))
        items, hold = reserve.hold(items)
        choice = service.choice
        kept = Kept(
            new_id(), choice.name, choice.provider.name, choice.model, choice.base_url, service.style_name,
            choice.dialect, time.time(), source, tuple((item.id, item.digest) for item in items),
            form=form.schema if form is not None else None, structured=form is not None, out=out or "",
            hold=hold,
        )  # fmt: skip
        shelf = _shelf(context)
        try:
            kept = service.submit(items, form, kept, shelf)
        finally:
            reserve.end(taken=any(one.id == kept.id for one in shelf.all()))
    finally:
        service.close()
    context.status.note(f"{len(items):,} lines handed over; arawn batch status {kept.id} tells how it goes")
    if json:
        _print({"ok": True, "id": kept.id, "lines": len(items), "jobs": [part.job for part in kept.parts]})
    else:
        print(kept.id)


def status(ctx: typer.Context, which: Which = None, json: Json = False) -> None:
    """How a batch at a provider stands; all of them where none is named."""
    context: Context = ctx.find_root().obj
    shelf = _shelf(context)
    found = [shelf.find(which)] if which else shelf.all()
    rows = [_row(context, kept) for kept in found]
    if json:
        _print({"batches": rows})
        return
    if not rows:
        context.status.note("Nothing was handed to a batch service")
    from arawn.render.safe import clean

    for row in rows:
        told = f"{row['done']} of {row['lines']} done" if row["done"] is not None else f"{row['lines']} lines"
        told += f", {row['failed']} failed" if row["failed"] else ""
        line = f"{row['id']}  {row['phase']:<10} {told}  {row['backend']} · {row['model']}  {row['source']}"
        print(clean(line, newlines=False))
        if row["said"]:
            context.status.note(f"{row['id']}: {row['said']}")


def _row(context: Context, kept: Kept) -> dict[str, Any]:
    """What is to be said of a batch; a service that cannot be asked is told, not raised."""
    row: dict[str, Any] = {
        "id": kept.id, "backend": kept.backend, "model": kept.model, "source": kept.source, "made": kept.made,
        "lines": len(kept.ids), "jobs": [part.job for part in kept.parts], "phase": "unknown", "done": None,
        "failed": None, "said": None,
    }  # fmt: skip
    try:
        service = _reopened(context, kept)
        try:
            states = [service.state(part) for part in kept.parts]
        finally:
            service.close()
    except ArawnError as fault:
        row["said"] = context.redact(fault.sentence + (f": {fault.detail}" if fault.detail else ""))
        return row
    row["phase"] = _phase(states)
    known = [state for state in states if state.done is not None]
    row["done"] = sum(state.done or 0 for state in known) if known else None
    row["failed"] = sum(state.failed or 0 for state in known) if known else None
    row["said"] = "; ".join(dict.fromkeys(state.said for state in states if state.said)) or None
    return row


def _phase(states: list[State]) -> str:
    """One word for several jobs: what is least far."""
    order = ("unknown", "waiting", "running", "cancelling", "failed", "expired", "cancelled", "ended")
    return min((str(state.phase) for state in states), key=order.index, default="unknown")


def fetch(
    ctx: typer.Context,
    which: Which = None,
    out: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where the answers go.")
    ] = None,
    json: Json = False,
) -> None:
    """Write the answers of a batch at a provider into a file. As far as they are there."""
    from arawn.batch.lines import key_of
    from arawn.batch.out_file import OutFile
    from arawn.batch.reserve import settle
    from arawn.wire.batches import OVER

    context: Context = ctx.find_root().obj
    kept = _shelf(context).find(which)
    name = out or kept.out
    if not name:
        raise UsageFault("Where do the answers go?", hints=(f"arawn batch fetch {kept.id} -o out.jsonl",))
    service = _reopened(context, kept)
    file = OutFile(name)
    try:
        costs: list[float | None] = []
        open_jobs = 0
        start = 0
        for part in kept.parts:
            state = service.state(part)
            if state.phase in OVER:
                costs += _take(service, kept, (start, part), state, file)
            else:
                open_jobs += 1
            start += part.lines
        if not open_jobs:
            settle(context.env, kept.hold, costs)
        file.sort({key_of(id): place for place, (id, _) in enumerate(kept.ids)})
        _told(context, kept, file, name, open_jobs, json)
    finally:
        file.close()
        service.close()


def _take(
    service: Service, kept: Kept, place: tuple[int, Part], state: State, file: OutFile
) -> list[float | None]:
    """Write what a job has given; what it has not given is written as failed. The costs in USD."""
    from arawn.batch.lines import key_of
    from arawn.batch.record import Line, record
    from arawn.messages import Format

    form = Format(kept.form) if kept.structured else None
    start, part = place
    left = {
        f"r{number}": kept.ids[number]
        for number in range(start, min(start + part.lines, len(kept.ids)))
        if not file.is_answered(key_of(kept.ids[number][0]))
    }
    costs: list[float | None] = []
    for result in service.results(state):
        made = service.answered(result, form)
        said = made.fault is None or made.reply.text
        costs += [made.cost_usd] if said else []
        found = left.pop(result.id, None)
        if found is None:
            continue
        line = Line(
            *found,
            made.reply.text,
            made.finish,
            usages=[made.reply.usage] if said else [],
            costs=[made.cost_usd] if said else [],
            backend=kept.backend,
            model=made.model,
            attempts=1,
            fault=made.fault,
        )
        file.add(record(line, service.redact, form is not None))
    for found in left.values():
        line = Line(*found, backend=kept.backend, model=kept.model, fault=_lost(state))
        file.add(record(line, service.redact, form is not None))
    return costs


def _lost(state: State) -> ArawnError:
    """Why a line of a job that is over has no result."""
    match state.phase:
        case "expired":
            return TimedOut("The batch expired before this line was answered")
        case "cancelled":
            return Cut("The batch was cancelled before this line was answered")
        case "failed":
            return Refused("The service refused the batch", detail=state.said)
    return EmptyAnswer("The batch has ended without a result for this line")


def _told(context: Context, kept: Kept, file: OutFile, name: str, open_jobs: int, json: bool) -> None:
    """What is there by now. Raises Incomplete where a line has no answer."""
    from arawn.batch.lines import key_of

    keys = [key_of(id) for id, _ in kept.ids]
    answered = sum(file.is_answered(key) for key in keys)
    failed = sum(key in file.known and not file.is_answered(key) for key in keys)
    left = len(keys) - answered - failed
    if json:
        _print(
            {"ok": answered == len(keys), "id": kept.id, "out": name, "lines": len(keys),
             "answered": answered, "failed": failed, "left": left}
        )  # fmt: skip
    context.status.note(f"{answered:,} answered, {failed:,} failed, {left:,} not there yet: {name}")
    if open_jobs and left:
        raise Incomplete(
            f"The batch {kept.id} has not ended yet",
            hints=(f"arawn batch status {kept.id}", "fetch it later"),
        )
    if failed or left:
        again = f"arawn batch {kept.source} -o {name} --retry-failed asks them again, one by one"
        what = "1 line has no answer" if failed + left == 1 else f"{failed + left:,} lines have no answer"
        raise Incomplete(what, hints=(f"why stands in {name}", again))


def cancel(
    ctx: typer.Context, which: Annotated[str, typer.Argument(metavar="ID", help="The batch.")]
) -> None:
    """End a batch at a provider. What it has answered by then can be fetched."""
    from arawn.batch.kept import SENDING, UNSURE

    context: Context = ctx.find_root().obj
    kept = _shelf(context).find(which)
    jobs = [part for part in kept.parts if part.job != SENDING]
    service = _reopened(context, kept)
    try:
        for part in jobs:
            if service.state(part).phase in ("waiting", "running"):
                service.cancel(part)
    finally:
        service.close()
    if jobs:
        context.status.note(
            f"{kept.id}: its end is asked for; arawn batch status {kept.id} tells when it is there"
        )
    if len(jobs) < len(kept.parts):
        context.status.warn(f"{kept.id}: {UNSURE}")


def forget(
    ctx: typer.Context, which: Annotated[str, typer.Argument(metavar="ID", help="The batch.")]
) -> None:
    """Forget a batch at a provider. What comes back for it is deleted; the service is told nothing."""
    context: Context = ctx.find_root().obj
    shelf = _shelf(context)
    shelf.forget(shelf.find(which))


def _items(source: str, done: frozenset[str]) -> list[Item]:
    """The lines that are to be asked. Raises UsageFault for those that cannot be."""
    from arawn.batch.lines import BadLine, item
    from arawn.batch.run import lines, scan

    scan(source)
    made: list[Item] = []
    wrong = []
    for number, text in lines(source):
        try:
            one = item(text, number)
        except BadLine as fault:
            wrong.append(f"{source}:{number}: {fault.sentence}")
            continue
        if one.key not in done:
            made.append(one)
    _refuse(wrong)
    return made


def _check(items: list[Item], service: Service, context: Context) -> None:
    """Raises UsageFault for lines that are not for this service and model."""
    from arawn.messages import FilePart

    wrong = []
    for item in items:
        parts = [part for message in item.request.messages for part in message.parts]
        files = [part for part in parts if isinstance(part, FilePart)]
        unfit = [part for part in files if part.kind not in service.takes]
        if item.backend not in (None, service.choice.name):
            wrong.append(f"line {item.number}: it is for {item.backend}, and one batch has one backend")
        elif item.model not in (None, service.choice.model) and not context.model:
            wrong.append(f"line {item.number}: it is for {item.model}, and one batch has one model (-m)")
        elif unfit:
            wrong.append(f"line {item.number}: {service.choice.name} takes no {unfit[0].kind}")
    _refuse(wrong)


def _refuse(wrong: list[str]) -> None:
    if not wrong:
        return
    more = [f"and {len(wrong) - TOLD} more"] if len(wrong) > TOLD else []
    raise UsageFault("\n".join(["Nothing was handed over:", *wrong[:TOLD], *more]))


def _done(out: str | None, retry_failed: bool) -> frozenset[str]:
    """The keys of what the out file has already."""
    import os

    from arawn.batch.out_file import OutFile

    if out is None or not os.path.exists(out):
        return frozenset()
    file = OutFile(out)
    file.close()
    return frozenset(key for key, known in file.known.items() if known.ok or not retry_failed)


def _quote(context: Context, service: Service, items: list[Item]) -> None:
    """About what it will cost to send."""
    from arawn.tokens import of_request
    from arawn.wire.batches import SHARE

    tokens = round(sum(of_request(item.request) for item in items))
    choice = service.choice
    price = _facts(context)(choice.name, choice.provider.name, choice.model).input_price
    usd = "" if price is None else f", ${tokens * price * SHARE / 1e6:.4f} to send at half price"
    context.status.note(f"{choice.name} · {choice.model}: {len(items):,} lines, about {tokens:,} tokens{usd}")


def _hear(context: Context, event: Event) -> None:
    """What is to be known of the limits of money."""
    from arawn.events import Notice, Wait

    if isinstance(event, Wait):
        context.status.wait(event)
    elif isinstance(event, Notice):
        context.status.warn(event.text)


def _facts(context: Context) -> FactsOf:
    return context.app.models.facts


def _shelf(context: Context) -> Shelf:
    from arawn.batch.kept import Shelf
    from arawn.config.paths import paths

    return Shelf(paths(context.env).state_dir)


def _reopened(context: Context, kept: Kept) -> Service:
    from arawn.batch.service import reopened

    return reopened(kept, context.load(), context.env, _facts(context))


def _print(made: dict[str, Any]) -> None:
    from arawn.render.document import dump

    print(dump({"version": 1, **made}), flush=True)


def commands() -> Iterator[tuple[str, Any]]:
    """The subcommands of `arawn batch` that stand here."""
    yield from (("status", status), ("fetch", fetch), ("cancel", cancel), ("forget", forget))
