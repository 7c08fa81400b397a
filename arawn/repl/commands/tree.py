"""The slash commands that move in a session's tree and between sessions; one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arawn.errors import UsageFault
from arawn.repl.commands.registry import FreeText, PathName, command
from arawn.repl.commands.settings import forget
from arawn.session import Session, Turn, common

if TYPE_CHECKING:
    from arawn.keeping import Keeper
    from arawn.repl.loop import Repl

TurnName = str
TurnNames = str
BranchName = str
SessionName = str
RetryName = str


@command(group="ask")
def undo(repl: Repl) -> None:
    """Take back the last turn. Its prompt comes back to edit; it stays in the tree."""
    number = repl.session.number(repl.session.head) if repl.session.head else 0
    turn = repl.session.step_back()
    if turn is None:
        raise UsageFault("Nothing was said yet, so there is nothing to take back")
    _mean(repl, turn)
    repl.moved()
    repl.screen.say(f"Took back turn {number}; it stays in the tree: /goto {number}")
    if turn.kind == "said":
        repl.draft = turn.prompt.text


@command(group="ask")
def edit(repl: Repl, number: TurnName = "") -> None:
    """Say a turn otherwise. Its prompt comes back; what it led to stays in the tree."""
    turn = _turn(repl, number)
    repl.session.stand_at(turn.parent)
    _mean(repl, turn)
    repl.moved()
    repl.draft = turn.prompt.text
    repl.screen.say(
        f"Before turn {repl.session.number(turn.id)}, which stays in the tree with what followed it"
    )


@command(group="ask")
def retry(repl: Repl, with_backend: RetryName = "") -> None:
    """Ask again, elsewhere too. NAME is another backend for this once."""
    if not repl.conversation.can_retry:
        raise UsageFault("Nothing was asked yet, so there is nothing to ask again")
    name = with_backend.removeprefix("with ").strip()
    repl.ask_with(name, repl.conversation.retry)


@command(group="ask")
def continue_(repl: Repl, with_backend: RetryName = "") -> None:
    """Go on where it broke off. NAME is another backend for this once."""
    turn = repl.session.current
    if turn is None or not (turn.unfinished or turn.receipt.finish == "length"):
        raise UsageFault("The last answer did not break off")
    name = with_backend.removeprefix("with ").strip()
    repl.ask_with(name, lambda backend: repl.conversation.resume(backend, turn))


@command(group="tree")
def fork(repl: Repl) -> None:
    """Split off a new session. It shares what was said so far; the old one stays."""
    old, keeper = repl.session, _keeper(repl, "a new session is begun with /clear")
    if old.head is None:
        raise UsageFault("Nothing was said yet, so there is nothing to share")
    repl.session = keeper.fork(old)
    repl.moved()
    repl.screen.say(
        f"Session {repl.session.id} begins with the {_turns(len(repl.session.turns))} said so far;"
    )
    repl.screen.say(f"the other one stays: /resume {old.id}")


@command(group="tree")
def branch(repl: Repl, name: BranchName = "") -> None:
    """Show or name branches. NAME becomes the name of this one."""
    session = repl.session
    if name:
        if not name.replace("-", "").replace("_", "").replace("/", "").replace(".", "").isalnum():
            raise UsageFault(f"{name!r} is no name of a branch: letters, digits, - _ . /")
        if name.isdecimal():
            raise UsageFault("A number means a turn, and cannot name a branch")
        if session.head is None:
            raise UsageFault("Nothing was said yet, so there is no branch to name")
        session.name_head(name)
        repl.moved()
    lines = [
        f"{'*' if name == session.branch else ' '} {name}  turn {session.number(end)}"
        for name, end in session.branches.items()
    ]
    for line in lines or ["There are no branches yet."]:
        repl.screen.say(line)


@command(group="tree")
def goto(repl: Repl, place: TurnName = "") -> None:
    """Go to a turn or branch. /tree shows their numbers and names."""
    session = repl.session
    if place in session.branches:
        session.switch(place)
    else:
        session.stand_at(_turn(repl, place).id)
    _mean(repl, session.turns.get(session.head or ""))
    repl.moved()
    _show_end(repl)


@command(group="tree")
def tree(repl: Repl) -> None:
    """Draw the session. Turns, branches, and where you are."""
    from arawn.graph import graph, outline

    if not repl.session.turns:
        repl.screen.say("Nothing was said yet.")
    drawn = graph(repl.session, plain=repl.screen.ascii, columns=repl.screen.columns)
    for line in outline(repl.session) if repl.settings.look.accessible else drawn:
        repl.screen.say(line)


@command(group="ask")
def diff(repl: Repl, two: TurnNames = "") -> None:
    """What differs by word. Of this answer and the one beside it, or of two turns."""
    from arawn.differing import pieces

    one, other = _two(repl, two.split())
    if one.answer == other.answer:
        repl.screen.say("Both answers are the same.")
        return
    repl.screen.say(f"--- turn {repl.session.number(one.id)} ({one.receipt.model})")
    repl.screen.say(f"+++ turn {repl.session.number(other.id)} ({other.receipt.model})")
    repl.screen.difference(list(pieces(one.answer, other.answer)))


@command(group="tree")
def graft(repl: Repl, place: TurnName = "") -> None:
    """Bring turns here. Those of another branch or session are put after this turn."""
    session = repl.session
    if not place:
        raise UsageFault("/graft takes a turn, a branch or another session", hints=("/tree shows this one",))
    keeper = _keeper(repl, "nothing can be put into it")
    if place in session.branches or place.isdecimal():
        source = session
        path = session.path(_turn(repl, place).id)
    else:
        source = keeper.store.load(keeper.store.find(place))
        path = source.path()
    beyond = path[common(session.path(), path) :]
    new = tuple(turn for turn in beyond if turn.kind == "said")  # a summary would stand for what is here
    if not new:
        raise UsageFault("There is nothing there that is not here already")
    copies = keeper.graft(session, new)
    repl.screen.say(f"Put here: {_turns(len(copies))}")
    _show_end(repl)


@command(group="tree")
def session(repl: Repl) -> None:
    """Which session this is. And where in it you are."""
    now = repl.session
    if not now.turns:
        repl.screen.say("No session yet: the first message begins it.")
        return
    kept = repl.keeper is not None and repl.keeper.enabled
    repl.screen.say(f"Session {now.id}: {now.title}" if kept else "This chat is not kept.")
    where = f"branch {now.branch}" if now.branch else "on no branch"
    at = f"turn {now.number(now.head)} of {len(now.turns)}" if now.head else "the beginning"
    ends = len(now.ends())
    repl.screen.say(f"At {at}, {where}" + (f"; the tree has {ends} ends: /tree" if ends > 1 else ""))


@command(group="tree")
def resume(repl: Repl, which: SessionName = "") -> None:
    """Go on with another one. Without an ID you choose from a list."""
    store = _keeper(repl).store
    id = store.find(which) if which else repl.pick_session()
    if not id:
        return
    repl.session = store.load(id)
    forget(repl)
    show_session(repl)


@command(group="tree")
def rename(repl: Repl, title: FreeText = "") -> None:
    """Give the session a title. It is found by it later."""
    keeper = _keeper(repl, "there is no title to change")
    if not title:
        raise UsageFault("/rename takes the new title")
    keeper.rename(repl.session, title)
    repl.screen.say(f"Title: {repl.session.title}")


@command(group="tree")
def search(repl: Repl, words: FreeText = "") -> None:
    """Find what was said. In any session, by its words."""
    from arawn.render.sessions import found
    from arawn.store.search import search as find

    if not words:
        raise UsageFault("/search takes words to look for")
    hits = find(_keeper(repl).store, words, limit=8)
    for line in found(hits, color=False, columns=repl.screen.columns):
        repl.screen.say(line)
    repl.screen.say("/resume ID goes on with one." if hits else "Nothing was found.")


@command(group="out")
def export(repl: Repl, name: PathName = "") -> None:
    """Write the whole session. FILE ends in .md, .html, .json or .jsonl."""
    from arawn.record import session_without_keys
    from arawn.transfer.file import write_file

    if not name:
        raise UsageFault("/export takes a file: .md, .html, .json or .jsonl")
    mask = repl.app.redact if repl.keeper is None else repl.keeper.mask
    path = write_file([session_without_keys(repl.session, mask)], name, hint="")
    repl.screen.say(f"Written: {path}")


@command(group="spent")
def why(repl: Repl) -> None:
    """How the answer came. Attempts, waits, tokens, cost and settings of the last one."""
    from arawn.render.receipt import aligned

    turn = repl.session.current
    if turn is None:
        raise UsageFault("Nothing was asked yet")
    for line in aligned(turn):
        repl.screen.say(line)


def _turn(repl: Repl, word: str) -> Turn:
    """The turn that a number, a branch or the beginning of an id means; the head without a word."""
    session = repl.session
    if not word and session.head is None:
        raise UsageFault("Nothing was said yet")
    found = session.find(word) if word else session.turns.get(session.head or "")
    if found is None:
        raise UsageFault(f"There is no turn or branch {word!r}", hints=("/tree shows what there is",))
    return found


def _two(repl: Repl, words: list[str]) -> tuple[Turn, Turn]:
    session: Session = repl.session
    if len(words) == 2:
        return _turn(repl, words[0]), _turn(repl, words[1])
    if len(words) == 1:
        return _turn(repl, words[0]), _turn(repl, "")
    last = _turn(repl, "")
    others = [turn for turn in session.children(last.parent) if turn.id != last.id]
    if words or not others:
        raise UsageFault("/diff takes two turns or branches", hints=("/tree shows what there is",))
    return ([turn for turn in others if turn.answer] or others)[-1], last


def _mean(repl: Repl, turn: Turn | None) -> None:
    """From here on this is the turn that /retry, /continue and /why are about."""
    if turn is not None and turn.kind == "said":
        repl.session.latest = turn.id


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count:,} turns"


def show_session(repl: Repl) -> None:
    """Which session is gone on with, and how it ended."""
    repl.screen.say(f"Session {repl.session.id}: {repl.session.title}")
    _show_end(repl)


def _show_end(repl: Repl) -> None:
    """The last exchange, so that one sees where one is."""
    from arawn.session import title_of

    path = repl.session.path()
    if not path:
        repl.screen.say("At the beginning.")
        return
    repl.screen.say(f"{_turns(len(path))}; the last was: {title_of(path[-1].prompt.text)}")
    repl.screen.text(path[-1].answer)
    if path[-1].unfinished:
        repl.screen.say("(this answer broke off: /continue goes on with it)")


def _keeper(repl: Repl, otherwise: str = "there is no other session") -> Keeper:
    """What keeps this chat. Raises UsageFault, with what follows from it, where nothing does."""
    if repl.keeper is None or not repl.keeper.enabled:
        raise UsageFault(f"This chat is not kept, so {otherwise}")
    return repl.keeper
