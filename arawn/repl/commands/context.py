"""The slash commands about what goes to the model: how full its window is, and summing up to make room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arawn.errors import UsageFault
from arawn.events import Text
from arawn.messages import Message, user
from arawn.repl.commands.registry import FreeText, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arawn.events import Event
    from arawn.ports import Outlook, Planner
    from arawn.repl.loop import Repl


@command(group="spent")
def compact(repl: Repl, focus: FreeText = "") -> None:
    """Sum up to make room. TEXT is what matters; the turns stay in the tree."""
    from arawn.summary import text_of

    planner = _planner(repl)
    before = _outlook(repl, planner).total
    head = repl.session.head

    def summed_up() -> Iterator[Event]:
        asked = repl.conversation.asked(repl.opened.backend, Message("user", ()))
        turn = yield from planner.compact(asked, focus)
        if turn is not None:
            yield Text(text_of(turn) + "\n")

    repl.answer(summed_up())
    if repl.session.head == head:
        repl.screen.say("Nothing was summed up.")
        return
    after = _outlook(repl, planner).total
    repl.screen.say(
        f"{before:,} tokens are now about {after:,}; the turns stay in the tree, /undo goes back."
    )


@command(group="spent")
def context(repl: Repl) -> None:
    """How full the window is. And what would go with the next message."""
    for line in told(seen(repl), repl.opened.model):
        repl.screen.say(line)


def told(seen: Outlook, model: str) -> list[str]:
    """The outlook as lines: tokens by kind, and what they are held against."""
    rows = _adding_up(seen)
    rows.append(("together", seen.total))
    if seen.window is not None:
        rows += [("kept for the answer", seen.reserve)]
        rows += [
            ("free", max(0, seen.window - seen.reserve - seen.total)),
            (f"window of {model}", seen.window),
        ]
    width = max(len(kind) for kind, _ in rows)
    lines = [f"{kind:<{width}}  {size:>9,}{_share(size, seen.window)}" for kind, size in rows]
    if seen.window is None:
        lines.append(f"The window of {model} is not known: everything is sent, and the service tells.")
    if seen.counted is not None:
        counted, guessed = seen.counted
        lines.append(
            f"Last request: {counted:,} tokens as the service counted, {guessed:,} as we had guessed."
        )
    lines.append(_next(seen))
    return lines


def _adding_up(seen: Outlook) -> list[tuple[str, int]]:
    """Tokens by kind. Each is a guess; the whole is put right by real counts, and they by it."""
    found = [(kind, size) for kind, size in seen.kinds if size]
    guessed = sum(size for _, size in found)
    rows = [(kind, round(size * seen.total / guessed)) for kind, size in found]
    if rows:
        most = max(range(len(rows)), key=lambda place: rows[place][1])
        kind, size = rows[most]
        rows[most] = (kind, size + seen.total - sum(size for _, size in rows))
    return rows


def _share(size: int, window: int | None) -> str:
    return f"  {100 * size / window:5.1f} %" if window else ""


def _next(seen: Outlook) -> str:
    """What would be done with the next message."""
    if not seen.left_out:
        return "Nothing would be left out now."
    turns = "turn" if seen.left_out == 1 else f"{seen.left_out} turns"
    match seen.policy:
        case "compact":
            some = "" if seen.left_out == 1 else f", about {seen.left_out} of them"
            return f"With the next message the older turns would be summed up{some}."
        case "drop":
            return f"With the next message the {turns} said first would be left out."
        case _:
            return f"The next message would be refused; without the {turns} said first it would fit."


def seen(repl: Repl) -> Outlook:
    """How the next request stands. Raises UsageFault where nobody looks after that."""
    return _outlook(repl, _planner(repl))


def _outlook(repl: Repl, planner: Planner) -> Outlook:
    message = Message("user", ())
    if repl.attached:
        from arawn.attach import enclosed, parts

        message = user("\n\n".join(enclosed(repl.attached)), parts(repl.attached))
    return planner.outlook(repl.conversation.asked(repl.opened.backend, message))


def _planner(repl: Repl) -> Planner:
    planner = repl.conversation.planner
    if planner is None:
        raise UsageFault("This chat does not look after what is sent")
    return planner
