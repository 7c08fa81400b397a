"""The slash command that asks several at once, and the choice of the answer that is gone on with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from arawn.errors import ArawnError, UsageFault
from arawn.repl.commands.registry import OFFERS, command

if TYPE_CHECKING:
    from arawn.comparing import Asked, Comparison, Side
    from arawn.engine import Conversation
    from arawn.events import Event
    from arawn.messages import FilePart
    from arawn.ports import Backend
    from arawn.render.beside import Display
    from arawn.repl.loop import Repl

CompareWords = str

_COLON = re.compile(r":(?=\s|\Z)")


@command(group="ask")
def compare(repl: Repl, words: CompareWords = "") -> None:
    """Ask several at once. A and B (and C) are backends, NAME or NAME:MODEL; behind a colon stands what to
    ask, else the last prompt is asked again. You choose which answer is gone on with; the others stay
    beside it in the tree, and /diff tells what differs."""
    from arawn.comparing import Comparison, told, watch

    names, text = parsed(words)
    last = repl.session.current
    if not text and last is None:
        raise UsageFault(
            "Nothing was asked yet", hints=("say what to ask behind a colon: /compare A B: TEXT",)
        )
    prompt, files = _prompt(repl, text) if text else ("", last.files if last is not None else ())
    asked = _opened(repl, names, files)

    def ask(conversation: Conversation, backend: Backend) -> Iterator[Event]:
        if text or last is None:
            return conversation.ask(backend, prompt, files)
        return conversation.again(backend, last)

    comparison = Comparison(repl.conversation, asked, ask)
    if text:
        repl.attached.clear()
    try:
        with repl.listening():
            display = _display(repl, comparison)
            watch(comparison, display, repl.status, lambda side: repl.app.redact(told(side)), repl.patient)
        for side in comparison.sides:
            if side.fault is not None and side.fault.hints:
                hints = "; ".join(side.fault.hints)
                repl.status.note(repl.app.redact(f"{side.asked.label}: {hints}"))
        _choose(repl, comparison)
    finally:
        for one in asked:
            one.backend.close()


def parsed(words: str) -> tuple[list[str], str]:
    """The names, and what to ask behind the colon, "" for the last prompt. Raises UsageFault."""
    said, *text = _COLON.split(words, maxsplit=1)
    names = said.replace(",", " ").split()
    if len(names) < 2:
        raise UsageFault(
            "/compare takes two backends or more: /compare A B, or /compare A B: TEXT",
            hints=("NAME:MODEL asks another model of one",),
        )
    return names, "".join(text).strip()


def _prompt(repl: Repl, text: str) -> tuple[str, tuple[FilePart, ...]]:
    """What is asked: its snippets put in, with what is attached and the files that it names."""
    from arawn.attach import enclosed, parts
    from arawn.repl import mentions
    from arawn.snippets import expand

    named = mentions.take(text, repl.taken, repl.attached) if repl.screen.on_terminal else []
    if named:
        repl.status.note(mentions.told(named))
    files = [*repl.attached, *named]
    return "\n\n".join([expand(text, repl.settings.snippets), *enclosed(files)]), parts(files)


def _opened(repl: Repl, names: list[str], files: tuple[FilePart, ...]) -> list[Asked]:
    """Those that can be asked; of the others is told why not. Raises UsageFault where none can."""
    from arawn.comparing import Asked

    found = []
    for name in names:
        backend, _, model = name.partition(":")
        try:
            opened, beside = repl.app.aside(backend, model or None)
            beside.check_files(opened, files)
        except ArawnError as fault:
            repl.screen.fault(fault)
            continue
        label = f"{opened.name} · {opened.model}"
        found.append(Asked(label, opened.backend, beside.planner(repl.keeper), opened.abort))
    if not found:
        raise UsageFault("None of them can be asked")
    return found


def _display(repl: Repl, comparison: Comparison) -> Display:
    """Columns where they have room, else one answer below the other."""
    from arawn.render.beside import Stacked, beside, fits, numbered

    look, columns = repl.settings.look, repl.screen.columns
    labels = [side.asked.label for side in comparison.sides]
    raw = repl.conversation.format is not None
    heads = numbered(labels, look)
    if columns is not None and not look.accessible and fits(len(labels), columns):
        return beside(repl.screen.out, heads, columns, look, raw)
    return Stacked(heads, lambda: repl.screen.sink(raw=raw), repl.screen.say, repl.status.note)


def _choose(repl: Repl, comparison: Comparison) -> None:
    """Which answer is gone on with: the person's choice, else the first that there is."""
    chosen = comparison.first
    if chosen is not None and len(comparison.answered) > 1 and not comparison.stopped:
        chosen = _asked_for(repl, comparison, chosen)
    comparison.choose(chosen)
    repl.settled()
    repl.moved()
    repl.stopped = comparison.stopped
    if chosen is None or chosen.turn is None:
        faults = [side.fault for side in comparison.sides if side.fault is not None]
        repl.screen.code = max((fault.exit_code for fault in faults), default=0)
        repl.screen.say("None of them answered: /retry asks again.")
        return
    others = [
        f"/goto {repl.session.number(side.turn.id)} {side.asked.label}"
        for side in comparison.sides
        if side.turn is not None and side is not chosen
    ]
    beside = f"; beside it: {', '.join(others)}" if others else ""
    repl.screen.say(f"Going on with {chosen.asked.label}{beside}")
    asked = f"{repl.opened.name} · {repl.opened.model}"
    if chosen.asked.label != asked:
        repl.screen.say(f"The next message goes to {asked} as before; /backend and /model change that.")


def _asked_for(repl: Repl, comparison: Comparison, otherwise: Side) -> Side:
    """What the person chooses by number or name; `otherwise` where nobody says anything."""
    from arawn.render.terminal import in_ascii

    answered = comparison.answered
    numbers = {str(comparison.sides.index(side) + 1): side for side in answered}
    offered = ", ".join(f"{number} {side.asked.label}" for number, side in numbers.items())
    if repl.settings.look.accessible:
        offered = ", ".join(f"{number} {side.asked.backend.name}" for number, side in numbers.items())
    if repl.screen.ascii:
        offered = in_ascii(offered)
    first = comparison.sides.index(otherwise) + 1
    while True:
        said = repl.ask_back(f"Go on with which: {offered}? [{first}] ").strip()
        if not said:
            return otherwise
        near = [side for side in answered if side.asked.label.lower().startswith(said.lower())]
        near = near or [side for side in answered if said.lower() in side.asked.label.lower()]
        if said in numbers or len(near) == 1:
            return numbers.get(said) or near[0]
        repl.screen.say(f"That is none of them, or several: {said}")


def _names(repl: Repl, begun: str) -> list[str]:
    return [] if ": " in begun else repl.app.backend_names()


OFFERS["CompareWords"] = _names
