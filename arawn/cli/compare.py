"""`arawn compare`: one question to several backends at once, their answers beside each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.cli import Continue, NoStore, Private, Quiet, Reasoning, Resume, Role, Setting
from arawn.cli.ask import File, System, Words
from arawn.cli.context import need_output
from arawn.errors import ArawnError, UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.cli.prompt import Prompt
    from arawn.comparing import Asked, Comparison, Side
    from arawn.engine import Conversation
    from arawn.keeping import Keeper
    from arawn.render.beside import Display

USAGE = ("input", "output", "cached", "reasoning")
"""The figures of the `--json` document."""
app = typer.Typer()

Several = Annotated[
    list[str] | None,
    typer.Option(
        "--backend", "-b", metavar="BACKEND", help="Whom to ask, NAME or NAME:MODEL; once for each."
    ),
]


@app.command()
def compare(
    ctx: typer.Context,
    words: Words = None,
    file: File = None,
    system: System = None,
    role: Role = None,
    backend: Several = None,
    option: Setting = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document with all answers.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Tell what differs from the first answer, word by word.")
    ] = False,
    reasoning: Reasoning = None,
    continue_: Continue = False,
    resume: Resume = None,
    no_store: NoStore = False,
    private: Private = False,
    quiet: Quiet = False,
) -> None:
    """Ask several backends the same at once. Answers stand side by side where they fit, else one by one."""
    from arawn.cli.ask import piped
    from arawn.cli.keep import speak_in
    from arawn.cli.prompt import compose
    from arawn.cli.role import manner
    from arawn.engine import Conversation

    context = ctx.find_root().obj
    names = [*([context.backend] if context.backend else []), *(backend or ())]
    context.take(None, None, option, quiet)
    if len(names) < 2:
        raise UsageFault("arawn compare takes two backends or more", hints=("name each: -b A -b B",))
    need_output()
    context.load()
    prompt = compose(words or [], piped(words or [], file or []), file or [], context.app.fetch)
    said = manner(context, role, system, reasoning)
    keeper, session = speak_in(context, continue_, resume, said.system, keep=not no_store, private=private)
    conversation = Conversation(session, journal=keeper, **said.settings)
    compared = _Compared(context, names, prompt, keeper)
    code = compared.run(conversation, json, diff)
    if compared.stopped:
        raise KeyboardInterrupt
    if code:
        raise typer.Exit(code)


class _Compared:
    """One comparison from a command line; `broken` are those that could not even be opened, by name."""

    def __init__(self, context: Context, names: list[str], prompt: Prompt, keeper: Keeper) -> None:
        self.broken: dict[str, ArawnError] = {}
        self.stopped = False
        self._context = context
        self._prompt = prompt
        self._keeper = keeper
        self._asked = list(self._opened(names))

    def run(self, conversation: Conversation, json: bool, diff: bool) -> int:
        """Ask, show and keep; the exit code."""
        from arawn.comparing import Comparison, told, watch

        context, prompt = self._context, self._prompt
        comparison = Comparison(
            conversation,
            self._asked,
            lambda one, backend: one.ask(backend, prompt.text, prompt.parts),
        )
        try:
            if self._asked:
                display = self._display(comparison, json)
                watch(comparison, display, context.status, lambda side: context.redact(told(side)))
        finally:
            self._keep(comparison)
        self.stopped = comparison.stopped
        if json:
            self._document(comparison, diff)
        else:
            self._faults(comparison)
            if diff:
                _differences(context, comparison.sides)
        return self._code(comparison)

    def _opened(self, names: list[str]) -> Iterator[Asked]:
        from arawn.comparing import Asked

        for name in names:
            backend, _, model = name.partition(":")
            try:
                opened, beside = self._context.app.aside(backend, model or None)
                beside.check_files(opened, self._prompt.parts)
            except ArawnError as fault:
                self.broken[name] = fault
                continue
            label = f"{opened.name} · {opened.model}"
            yield Asked(label, opened.backend, beside.planner(self._keeper), opened.abort)

    def _display(self, comparison: Comparison, json: bool) -> Display:
        from arawn.cli.context import is_terminal
        from arawn.cli.stored import columns_of
        from arawn.render.beside import Nowhere, Stacked, beside, fits, numbered
        from arawn.render.safe import clean

        if json:
            return Nowhere()
        context, look, columns = self._context, self._context.look, columns_of(self._context, sys.stdout)
        labels = [clean(side.asked.label, newlines=False) for side in comparison.sides]
        heads = numbered(labels, look)
        if columns is not None and not look.accessible and fits(len(labels), columns):
            return beside(sys.stdout, heads, columns, look)
        if columns is None:
            heads = [f"==> {label} <==" for label in labels]
        aside = context.status.note if is_terminal(sys.stderr) else lambda text: None
        return Stacked(heads, lambda: look.sink(sys.stdout, context.env), _print, aside)

    def _keep(self, comparison: Comparison) -> None:
        """Go on from the first answer, and have all of them stored."""
        comparison.choose(comparison.first)
        self._keeper.settle()
        self._keeper.moved(comparison.session)
        for side in comparison.sides:
            side.asked.backend.close()

    def _faults(self, comparison: Comparison) -> None:
        """Tell what went wrong."""
        from arawn.cli.boundary import written

        faults = [(side.asked.label, side.fault) for side in comparison.sides if side.fault is not None]
        for label, fault in [*faults, *self.broken.items()]:
            written(fault, self._context)
            fault.redact(self._context.redact)
            fault.sentence = f"{label}: {fault.sentence}"
            self._context.status.error(fault)

    def _code(self, comparison: Comparison) -> int:
        """0 where all answered, 1 where some did not, and the worst code where none did."""
        faults = [side.fault for side in comparison.sides if side.fault is not None]
        faults += self.broken.values()
        if not faults:
            return 0
        some = any(side.ok for side in comparison.sides)
        return 1 if some else max(fault.exit_code for fault in faults)

    def _document(self, comparison: Comparison, diff: bool) -> None:
        from arawn.cli.stored import print_json
        from arawn.render.document import error

        redact = self._context.redact
        answers = [_answer(side, redact) for side in comparison.sides]
        for name, fault in self.broken.items():
            backend, _, model = name.partition(":")
            said = error(fault, redact)
            answers.append({"ok": False, "backend": backend, "model": model or None, "error": said})
        made: dict[str, Any] = {
            "version": 1,
            "ok": all(answer["ok"] for answer in answers),
            "session": (comparison.session.id or None) if comparison.session.turns else None,
            "answers": answers,
        }
        if diff:
            made["differences"] = list(_pieces(comparison.sides))
        self._context.printed = True
        print_json(made)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _answer(side: Side, redact: Callable[[str], str]) -> dict[str, Any]:
    from arawn.render.document import error

    turn = side.turn
    receipt = turn.receipt if turn is not None else None
    return {
        "ok": side.ok,
        "backend": receipt.backend if receipt else side.asked.backend.name,
        "provider": receipt.provider if receipt else None,
        "model": (receipt.model if receipt else "") or side.asked.backend.model,
        "text": side.text,
        "finish": receipt.finish if receipt else "interrupted",
        "usage": {key: getattr(receipt.usage, key) if receipt else None for key in USAGE},
        "cost_usd": receipt.cost_usd if receipt else None,
        "first_event_s": None if receipt is None else receipt.first_event_s,
        "total_s": round(side.seconds, 3),
        "turn": turn.id if turn is not None else None,
        "error": error(side.fault, redact),
    }


def _pairs(sides: list[Side]) -> Iterator[tuple[int, int]]:
    """The first answer with each of the others, by their numbers."""
    answered = [number for number, side in enumerate(sides, 1) if side.text]
    for other in answered[1:]:
        yield answered[0], other


def _pieces(sides: list[Side]) -> Iterator[dict[str, Any]]:
    from arawn.differing import likeness, pieces

    for one, other in _pairs(sides):
        texts = sides[one - 1].text, sides[other - 1].text
        found = [{"kind": piece.kind, "text": piece.text} for piece in pieces(*texts)]
        yield {"from": one, "to": other, "likeness": round(likeness(*texts), 3), "pieces": found}


def _differences(context: Context, sides: list[Side]) -> None:
    from arawn.differing import likeness, pieces
    from arawn.render.difference import drawn
    from arawn.render.safe import clean

    for one, other in _pairs(sides):
        before, after = sides[one - 1], sides[other - 1]
        alike = f"{likeness(before.text, after.text):.0%} alike"
        _print(f"\n--- {one}. {clean(before.asked.label, newlines=False)}")
        _print(f"+++ {other}. {clean(after.asked.label, newlines=False)} ({alike})")
        _print(drawn(pieces(before.text, after.text), context.look.color, context.look.theme))
