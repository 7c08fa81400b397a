"""`arawn session`: list, show, search, rename, pin, delete, export, import, graph, stats, backup, check."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from arawn.cli import session_transfer
from arawn.errors import UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.session import Session, Turn
    from arawn.store.search import Hit
    from arawn.store.sessions import Store

app = typer.Typer(
    help="Sessions: what was said is kept; list, read, find, export and delete it.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    invoke_without_command=True,
)

app.command("export")(session_transfer.export)
app.command("import")(session_transfer.import_)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[
    str | None, typer.Argument(metavar="ID|TITLE", help="The session; the last one unless said.")
]
Whose = Annotated[list[str], typer.Argument(metavar="ID|TITLE...", help="The sessions.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.callback()
def session(ctx: typer.Context) -> None:
    """List the sessions, where no other command is given."""
    if ctx.invoked_subcommand is None:
        list_(ctx)


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many at most.")] = 20,
    all_: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    here: Annotated[bool, typer.Option("--here", help="Those of this folder alone.")] = False,
    json: Json = False,
) -> None:
    """The sessions spoken in last, pinned ones first."""
    from arawn.keeping import here as place

    context, store = opened(ctx)
    where, values = ("folder = ?", (place().folder,)) if here else ("", ())
    found = store.listing(10**9 if all_ else limit, where, values)
    if json:
        print_json([info._asdict() for info in found])
        return
    from arawn.render.sessions import listing

    for line in listing(found, columns=columns_of(context, sys.stdout)):
        print(line)
    if not found:
        context.status.note("There is no session yet; arawn ask begins one")


@app.command()
def show(
    ctx: typer.Context,
    which: Which = None,
    turn: Annotated[str | None, typer.Option("--turn", metavar="N|BRANCH", help="Up to that turn.")] = None,
    json: Json = False,
) -> None:
    """What was said in a session, up to where it stands."""
    context, store = opened(ctx)
    session = session_of(store, which)
    end = session.find(turn) if turn else session.turns.get(session.head or "")
    if turn and end is None:
        raise UsageFault(f"There is no turn or branch {turn!r} in session {session.id}")
    path = session.path(end.id if end else None)
    if json:
        from arawn.record import session_out, turn_out

        print_json(
            {**session_out(session), "path": [one.id for one in path], "said": [turn_out(o) for o in path]}
        )
        return
    from arawn.render.sessions import spoken

    for piece in spoken(session, path):
        sys.stdout.write(piece)


@app.command()
def search(
    ctx: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="WORDS...", help='Words; "in quotes" a phrase, word* a beginning.')
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many at most.")] = 10,
    role: Annotated[str | None, typer.Option(metavar="user|assistant|tool", help="Said by.")] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="BACKEND", help="Answered by this backend.")
    ] = None,
    of: Annotated[str | None, typer.Option("--of", metavar="MODEL", help="By models that begin so.")] = None,
    folder: Annotated[str | None, typer.Option(metavar="DIR", help="Said in this folder or below.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE|30d", help="Not before.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE|30d", help="Before.")] = None,
    code: Annotated[bool, typer.Option("--code", help="With a block of code.")] = False,
    json: Json = False,
) -> None:
    """Find what was said, in any session; the best and the newest first."""
    from arawn.store.search import Filter
    from arawn.store.search import search as find

    context, store = opened(ctx)
    if role not in (None, "user", "assistant", "tool"):
        raise UsageFault(f"--role is user, assistant or tool, not {role!r}")
    only = Filter(
        role or "",
        by or "",
        of or "",
        _absolute(folder),
        _moment(since, "--since"),
        _moment(until, "--until"),
        code,
    )
    phrases = [f'"{word}"' if " " in word and '"' not in word else word for word in words]
    hits = find(store, " ".join(phrases), limit, only)
    if json:
        print_json([_hit(hit) for hit in hits])
        return
    from arawn.render.sessions import found

    for line in found(hits, context.color_out, columns=columns_of(context, sys.stdout)):
        print(line)
    if not hits:
        context.status.note("Nothing was found")


@app.command()
def rename(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(metavar="ID|TITLE", help="The session.")],
    title: Annotated[list[str], typer.Argument(metavar="TITLE...", help="Its new title.")],
    json: Json = False,
) -> None:
    """Give a session a title."""
    context, store = opened(ctx)
    id, words = store.find(which), " ".join(title).strip()
    if not words:
        raise UsageFault("A title needs a word")
    store.rename(id, words)
    done(context, json, f"{id}: {words}", id=id, title=words)


@app.command()
def pin(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(metavar="ID|TITLE", help="The session.")],
    off: Annotated[bool, typer.Option("--off", help="No longer.")] = False,
    json: Json = False,
) -> None:
    """Keep a session at the top of the list, and from being cleared away."""
    context, store = opened(ctx)
    id = store.find(which)
    store.pin(id, not off)
    done(context, json, f"{id} is {'no longer ' if off else ''}pinned", id=id, pinned=not off)


@app.command()
def delete(
    ctx: typer.Context,
    which: Annotated[list[str] | None, typer.Argument(metavar="ID|TITLE...", help="The sessions.")] = None,
    before: Annotated[
        str | None, typer.Option(metavar="DATE|30d", help="All last spoken in before; pinned ones stay.")
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete sessions for good, so that nothing stays in the file; turns that others share stay with them."""
    context, store = opened(ctx)
    moment = _moment(before, "--before")
    if bool(which) == (moment is not None):
        raise UsageFault("arawn session delete takes sessions, or --before DATE")
    if which:
        ids = [store.find(word) for word in which]
        names = store.listing(len(ids), f"name IN ({','.join('?' * len(ids))})", ids)
    else:
        names = store.listing(
            10**9,
            "NOT pinned AND (SELECT at FROM turn WHERE id = max(last, coalesce(head, 0))) < ?",
            (moment,),
        )
    from arawn.render.sessions import listing
    from arawn.store.care import copies

    if not yes and names:
        for line in listing(names, columns=columns_of(context, sys.stderr)):
            print(line, file=sys.stderr)
        _agree(
            context,
            f"Delete {'this session' if len(names) == 1 else f'these {len(names)} sessions'} for good?",
        )
    store.delete([info.id for info in names])
    left = copies(store.folder) if names else []
    if left:
        context.status.warn("copies made earlier may still hold it: " + ", ".join(str(path) for path in left))
    done(context, json, f"{len(names)} deleted", deleted=[info.id for info in names])


@app.command()
def graph(ctx: typer.Context, which: Which = None, json: Json = False) -> None:
    """Draw a session's turns and branches."""
    from arawn.graph import graph as draw
    from arawn.render.safe import clean

    context, store = opened(ctx)
    session = session_of(store, which)
    if json:
        print_json(
            {
                "id": session.id,
                "head": session.head,
                "branches": session.branches,
                "turns": [
                    {
                        "number": n,
                        "id": t.id,
                        "parent": t.parent,
                        "model": t.receipt.model,
                        "finish": t.receipt.finish,
                    }
                    for n, t in enumerate(session.turns.values(), 1)
                ],
            }
        )
        return
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    for line in draw(session, plain=plain, columns=columns_of(context, sys.stdout)):
        print(clean(line))


@app.command()
def stats(ctx: typer.Context, json: Json = False) -> None:
    """How much is kept: sessions, turns, sizes, by backend and model."""
    from arawn.render.sessions import size
    from arawn.store.care import stats as count

    context, store = opened(ctx)
    found = count(store)
    if json:
        print_json(found)
        return
    print(f"file      {found['path']}")
    print(f"size      {size(found['bytes'])}, {size(found['text_bytes'])} of text in it")
    print(f"sessions  {found['sessions']:,}  turns {found['turns']:,}  messages {found['messages']:,}")
    for row in found["by"]:
        print(f"{row['turns']:>8,}  {row['backend']} · {row['model']}")


@app.command()
def backup(
    ctx: typer.Context,
    target: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Where; beside the store unless said.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a whole copy of the store, whatever others do meanwhile."""
    from arawn.store.care import backup as copy

    context, store = opened(ctx)
    path = copy(store, target)
    done(context, json, f"Written: {path}", path=str(path))


@app.command()
def check(ctx: typer.Context, json: Json = False) -> None:
    """Read the whole store and say whether all of it is sound; exit code 1 where it is not."""
    from arawn.store.care import check as look

    context, store = opened(ctx)
    problems = look(store)
    if json:
        print_json({"ok": not problems, "problems": problems})
    else:
        for problem in problems or ["sound"]:
            print(problem)
    if problems:
        raise typer.Exit(1)


def opened(ctx: typer.Context) -> tuple[Context, Store]:
    """The store of this run, opened. Raises StoreFault."""
    from arawn.config.paths import paths
    from arawn.store.sessions import Store

    context = ctx.find_root().obj
    return context, Store(paths(context.env).data_dir, context.status.warn)


def found_turn(store: Store, which: str | None) -> tuple[Session, Turn]:
    """The turn meant by its id, or the last of the session meant; of all without a word."""
    if which:
        session, turn = store.find_turn(which)
        found = store.load(session)
        return found, found.turns[turn]
    found = session_of(store, None)
    return found, found.turns[found.head or found.latest or ""]


def session_of(store: Store, which: str | None) -> Session:
    """The session meant by a word, or the one that -c goes on with. Raises UsageFault."""
    from arawn.keeping import here

    place = here()
    id = store.find(which) if which else store.last(place.terminal, place.folder)
    if id is None:
        raise UsageFault("There is no session yet", hints=("arawn ask begins one",))
    return store.load(id)


def _hit(hit: Hit) -> dict[str, Any]:
    made = hit._asdict()
    del made["pieces"]
    return {**made, "snippet": hit.snippet}


def print_json(value: Any) -> None:
    """One document on standard output."""
    from arawn.render.document import dump

    print(dump(value))


def columns_of(context: Context, stream: TextIO) -> int | None:
    """How wide the terminal is that `stream` goes to; None where it goes elsewhere."""
    from arawn.cli.context import is_terminal
    from arawn.render.terminal import width

    return width(stream.fileno(), context.env) if is_terminal(stream) else None


def done(context: Context, json: bool, line: str, **document: Any) -> None:
    """Tell what was done, as a line or as JSON."""
    from arawn.render.safe import clean

    if json:
        print_json(document)
    else:
        print(clean(line))


def _agree(context: Context, question: str) -> None:
    """Ask; anything but yes leaves things as they are."""
    from arawn.cli.context import is_terminal

    if not is_terminal(sys.stdin):
        raise UsageFault("This asks before it deletes, and nobody is there to answer", hints=("add --yes",))
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        context.status.note("Nothing was changed")
        raise typer.Exit(1)


def _absolute(folder: str | None) -> str:
    import os

    return os.path.abspath(os.path.expanduser(folder)) if folder else ""


def _moment(text: str | None, flag: str) -> float | None:
    """Seconds since 1970 of a date (2026-01-31, with a time or not) or of so long ago (30d, 12h)."""
    if text is None:
        return None
    import time
    from datetime import datetime

    from arawn.config.values import span

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        seconds = span(text)
    if seconds is None:
        raise UsageFault(f"{flag} takes a date such as 2026-01-31, or a time ago such as 30d, not {text!r}")
    return time.time() - seconds
