"""`arawn session`: list, show, search, rename, pin, delete, export, import, graph, stats, backup, check."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.cli import Json, session_transfer
from arawn.cli.stored import columns_of, done, moment, opened, print_json, session_of
from arawn.errors import UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.store.search import Hit

app = typer.Typer(
    help="The sessions that are kept. List, read, find, export and delete them.",
    no_args_is_help=False,
    invoke_without_command=True,
)

app.command("export")(session_transfer.export)
app.command("import")(session_transfer.import_)

Which = Annotated[
    str | None, typer.Argument(metavar="ID|TITLE", help="The session; the last one unless said.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.callback()
def session(ctx: typer.Context) -> None:
    """List the sessions, where no other command is given."""
    if ctx.invoked_subcommand is None:
        list_(ctx)


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="So many at most.")] = 20,
    all_: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    here: Annotated[bool, typer.Option("--here", help="Those of this folder alone.")] = False,
    json: Json = False,
) -> None:
    """The sessions spoken in last, pinned ones first."""
    from arawn.keeping import here as place

    context, store = opened(ctx)
    found = store.listing(None if all_ else limit, folder=place().folder if here else None)
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
    extract: Annotated[
        bool, typer.Option("--extract", "-x", help="The first fenced block of the last answer alone.")
    ] = False,
    extract_all: Annotated[
        bool, typer.Option("--extract-all", help="All fenced blocks of the last answer.")
    ] = False,
    json: Json = False,
) -> None:
    """What was said in a session, up to where it stands."""
    from arawn.cli.answer import form_of, sink_for

    form = form_of(json=json, extract=extract, extract_all=extract_all)
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
    if form != "text":
        sink = sink_for(form, context)
        sink.feed(path[-1].answer if path else "")
        sink.close()
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
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="So many at most.")] = 10,
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
        moment(since, "--since") if since is not None else None,
        moment(until, "--until") if until is not None else None,
        code,
    )
    phrases = [f'"{word}"' if " " in word and '"' not in word else word for word in words]
    hits = find(store, " ".join(phrases), limit, only)
    if json:
        print_json([_hit(hit) for hit in hits])
        return
    from arawn.render.sessions import found

    for line in found(hits, context.look.color, columns=columns_of(context, sys.stdout)):
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
    context, store = opened(ctx, masked=True)
    id, words = store.find(which), store.mask(" ".join(title).strip())
    if not words:
        raise UsageFault("A title needs a word")
    store.rename(id, words)
    done(json, f"{id}: {words}", id=id, title=words)


@app.command()
def pin(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(metavar="ID|TITLE", help="The session.")],
    off: Annotated[bool, typer.Option("--off", help="No longer.")] = False,
    json: Json = False,
) -> None:
    """Keep a session at the top of the list. It is not cleared away either."""
    context, store = opened(ctx)
    id = store.find(which)
    store.pin(id, not off)
    done(json, f"{id} is {'no longer ' if off else ''}pinned", id=id, pinned=not off)


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
    """Delete sessions for good. Nothing stays in the file; turns that others share stay with them."""
    context, store = opened(ctx)
    if which and before is None:
        names = store.listing(None, ids=[store.find(word) for word in which])
    elif before is not None and not which:
        names = store.listing(None, before=moment(before, "--before"))
    else:
        raise UsageFault("arawn session delete takes sessions, or --before DATE")
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
    done(json, f"{len(names)} deleted", deleted=[info.id for info in names])


@app.command()
def graph(ctx: typer.Context, which: Which = None, json: Json = False) -> None:
    """Draw a session's turns and branches."""
    from arawn.graph import graph as draw
    from arawn.graph import outline
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
    drawn = draw(session, plain=plain, columns=columns_of(context, sys.stdout))
    for line in outline(session) if context.look.accessible else drawn:
        print(clean(line))


@app.command()
def stats(ctx: typer.Context, json: Json = False) -> None:
    """How much is kept: sessions, turns, sizes, by backend and model."""
    from arawn.render.safe import clean
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
        print(clean(f"{row['turns']:>8,}  {row['backend']} · {row['model']}", newlines=False))


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
    done(json, f"Written: {path}", path=str(path))


@app.command()
def check(ctx: typer.Context, json: Json = False) -> None:
    """Read the whole store and say whether all of it is sound. Exit code 1 where it is not."""
    from arawn.render.safe import clean
    from arawn.store.care import check as look

    context, store = opened(ctx)
    problems = look(store)
    if json:
        print_json({"ok": not problems, "problems": problems})
    else:
        for problem in problems or ["sound"]:
            print(clean(problem))
    if problems:
        raise typer.Exit(1)


def _hit(hit: Hit) -> dict[str, Any]:
    made = hit._asdict()
    del made["pieces"]
    return {**made, "snippet": hit.snippet}


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
