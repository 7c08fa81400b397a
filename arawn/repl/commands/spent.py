"""The slash commands about what was used: tokens and money; they know no prices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from arawn.folding import fold
from arawn.repl.commands.context import seen
from arawn.repl.commands.registry import command

if TYPE_CHECKING:
    from arawn.events import Usage
    from arawn.repl.loop import Repl
    from arawn.session import Turn
    from arawn.sums import Sum


@command(group="spent")
def tokens(repl: Repl) -> None:
    """Count tokens. Of the last turn, of this session, and of the next request."""
    turns = list(repl.session.turns.values())
    current = repl.session.current
    rows = []
    if current is not None:
        rows.append(("last turn", _counted([current])))
    if turns:
        many = "1 turn" if len(turns) == 1 else f"{len(turns):,} turns"
        rows.append(("this session", f"{_counted(turns)}, in {many}"))
    if repl.conversation.planner is not None:
        found = seen(repl)
        window = f", in a window of {found.window:,}" if found.window else ""
        rows.append(("next request", f"about {found.total:,} before your message{window}"))
    width = max((len(what) for what, _ in rows), default=0)
    for what, told in rows:
        repl.screen.say(fold(f"{what:<{width}}  {told}", repl.screen.columns, " " * (width + 2)))
    if not rows:
        repl.screen.say("Nothing was asked yet.")


def _counted(turns: Sequence[Turn]) -> str:
    """The tokens of turns as their services counted them."""
    from arawn.events import total

    used: Usage = total(turn.receipt.usage for turn in turns)
    said = [
        f"{count:,} {what}"
        for count, what in (
            (used.input, "in"), (used.cached, "of them cached"), (used.output, "out"),
            (used.reasoning, "of them reasoning"),
        )
        if count is not None
    ]  # fmt: skip
    unknown = sum(1 for turn in turns if turn.receipt.usage.output is None)
    some = f" (and {unknown:,} not counted)" if unknown and said else ""
    return (", ".join(said) or "the service did not count") + some


@command(group="spent")
def cost(repl: Repl) -> None:
    """What was spent. On this session, and today by backend; arawn usage tells of other days."""
    import time

    from arawn.render.usage import lines, spoken
    from arawn.store.usage import day_of, sums

    turns = list(repl.session.turns.values())
    here = _by_backend(turns)
    wide = repl.screen.columns

    def say(rows: Sequence[Sum]) -> None:
        columns = None if wide is None else wide - 2
        aloud = repl.settings.look.accessible
        for line in spoken(rows, "backend") if aloud else lines(rows, "backend", columns):
            repl.screen.say("  " + fold(line, columns, "  "))

    repl.screen.say("This session:" if here else "Nothing was asked in this session yet.")
    say(here)
    if repl.keeper is None or not repl.keeper.enabled:
        return
    since = day_of(time.time())[0]
    today = repl.keeper.store.read(lambda db: sums(db, "backend", since))
    if today:
        repl.screen.say("Today:")
    say(today)


def _by_backend(turns: Sequence[Turn]) -> list[Sum]:
    """What turns cost, by who answered, dearest first."""
    from arawn.sums import Sum

    found: dict[str, Sum] = {}
    for turn in turns:
        key, receipt = turn.receipt.backend, turn.receipt
        one = found.get(key, Sum(key, 0, 0, 0, 0, 0.0, 0))
        used, came = receipt.usage, len(turn.messages) > 1
        found[key] = one._replace(
            turns=one.turns + 1,
            sent=one.sent + (used.input or 0),
            cached=one.cached + (used.cached or 0),
            made=one.made + (used.output or 0),
            cost=one.cost + (receipt.cost_usd or 0.0),
            unknown=one.unknown + (receipt.cost_usd is None and (came or used.output is not None)),
        )
    return sorted(found.values(), key=lambda one: (-one.cost, one.key))
