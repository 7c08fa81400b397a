"""A session's tree drawn as lines of text, older turns first; it knows no terminal."""

from __future__ import annotations

from collections.abc import Iterator

from arawn.folding import cells, shared
from arawn.session import Session, Turn, title_of

MARKS = ("●", "├─", "│ ", "◀ here")
ASCII = ("*", "|-", "| ", "<- here")


def graph(session: Session, plain: bool = False, columns: int | None = None) -> Iterator[str]:
    """One line a turn: its number, its prompt, who answered, the branches that end there.

    What leads to the head stays at the left; other branches stand to its right, each before the line
    goes on. `plain` draws with ASCII alone; in `columns` the prompts are shortened to fit.
    """
    dot, fork, bar, here = ASCII if plain else MARKS
    numbers = {id: number for number, id in enumerate(session.turns, 1)}
    width = len(str(len(numbers)))
    main = {turn.id for turn in session.path()}
    below = _below(session, main)
    names: dict[str, list[str]] = {}
    for name, end in session.branches.items():
        names.setdefault(end, []).append(name)
    roots = below.get(None, [])
    waiting = [("", "", last) for last in roots[-1:]]
    waiting += [("", fork, other) for other in reversed(roots[:-1])]
    while waiting:
        before, own, turn = waiting.pop()
        labels = [f"[{name}]" for name in names.get(turn.id, [])]
        labels += [here] if turn.id == session.head else []
        drawn = f"{before}{own}{dot} {numbers[turn.id]:>{width}}  "
        after = "".join(f" {label}" for label in labels)
        yield drawn + _told(turn, columns and columns - cells(drawn + after)) + after
        inside = before + (bar if own else "")
        following = below.get(turn.id, [])
        waiting += [(inside, "", last) for last in following[-1:]]
        waiting += [(inside, fork, other) for other in reversed(following[:-1])]


def outline(session: Session) -> Iterator[str]:
    """The same in words, in the order in which the turns were asked, for who has it read aloud."""
    numbers = {id: number for number, id in enumerate(session.turns, 1)}
    names: dict[str, list[str]] = {}
    for name, end in session.branches.items():
        names.setdefault(end, []).append(f"end of branch {name}")
    for id, number in numbers.items():
        turn = session.turns[id]
        parent = numbers.get(turn.parent or "", 0)
        after = "" if parent == number - 1 else f", after turn {parent}" if parent else ", from the beginning"
        labels = names.get(id, []) + (["you are here"] if id == session.head else [])
        yield "; ".join((f"Turn {number}{after}: {_told(turn, None)}", *labels))


def _below(session: Session, main: set[str]) -> dict[str | None, list[Turn]]:
    """What follows each turn: other branches first, last what leads to the head, or else the newest."""
    below: dict[str | None, list[Turn]] = {}
    for turn in session.turns.values():
        below.setdefault(turn.parent if turn.parent in session.turns else None, []).append(turn)
    for turns in below.values():
        turns.sort(key=lambda turn: turn.id in main)
    return below


def _told(turn: Turn, columns: int | None) -> str:
    """A turn in a few words."""
    if turn.kind == "summary":
        return "(summary of what is above)"
    who = f" ({turn.receipt.model})" if turn.receipt.model else ""
    state = " (unfinished)" if turn.unfinished else ""
    said = title_of(turn.prompt.text) or "(no text)"
    if columns is None:
        return f"{said}{who}{state}"
    return shared(said, who, columns - cells(state)) + state
