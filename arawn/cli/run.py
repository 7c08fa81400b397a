"""`arawn run`: a named task, with the tasks it requires; the answer of the last one goes to stdout."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.cli import Backend, Model, NoStore, Private, Quiet, Role, Setting, Tasks, Timeout
from arawn.errors import ArawnError, UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.events import Event
    from arawn.keeping import Keeper
    from arawn.render.look import Sink
    from arawn.session import Session
    from arawn.steps import Given, Seat, Step
    from arawn.tasks import Plan, Task

app = typer.Typer()

Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help="The task; without it, the tasks are listed.")
]
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE|WORDS...", help="Values for {KEY}; other words are the {input}."),
]
File = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", metavar="PATH|URL", help="A file is {input} too; - is standard input."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; nothing is sent.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document with every step.")]
_VALUE = re.compile(r"([A-Za-z_][\w-]*)=(.*)", re.S)


@app.command()
def run(
    ctx: typer.Context,
    name: Name = None,
    words: Words = None,
    file: File = None,
    tasks: Tasks = None,
    dry_run: DryRun = False,
    backend: Backend = None,
    model: Model = None,
    role: Role = None,
    option: Setting = None,
    json: Json = False,
    timeout: Timeout = None,
    no_store: NoStore = False,
    private: Private = False,
    quiet: Quiet = False,
) -> None:
    """Run a task of [tasks.NAME]. The answer goes to stdout, everything else to stderr."""
    from arawn.cli.role import manner

    context: Context = ctx.find_root().obj
    context.take(backend, model, option, quiet)
    try:
        found = known(context, tasks)
        if name is None:
            _list(found, json)
            return
        plan, given = _planned(context, found, name, words or [], file or [])
        seats = seated(context, plan, private, timeout, manner(context, role, None, None).said)
        if given.parts:
            _check_parts(plan, seats, given)
        if dry_run:
            _show_plan(plan, seats, given, json)
            return
        keeper = context.app.keeper(not no_store and not private)
        _run(context, plan, seats, given, keeper, json)
    except ArawnError as fault:
        if json and not context.printed:
            from arawn.render.document import dump, failure

            context.printed = True
            print(dump(failure(fault, context.redact)), flush=True)
        raise


def known(context: Context, file: str | None) -> dict[str, Task]:
    """The tasks of the config and of a file, which goes before it."""
    from arawn.tasks import from_config, from_file

    return {**from_config(context.warned()), **(from_file(file) if file else {})}


def _list(tasks: dict[str, Task], json: bool) -> None:
    if json:
        from arawn.render.document import dump

        shown = [
            {"task": task.name, "requires": task.requires, "place": task.place} for task in tasks.values()
        ]
        print(dump({"version": 1, "tasks": shown}))
        return
    if not tasks:
        raise UsageFault(
            "There is no task", hints=("a [tasks.NAME] table in the config makes one: arawn help tasks",)
        )
    from arawn.render.safe import clean

    for task in tasks.values():
        after = f"  after {', '.join(task.requires)}" if task.requires else ""
        print(clean(f"{task.name}{after}", newlines=False))


def _planned(
    context: Context, tasks: dict[str, Task], name: str, words: Sequence[str], files: Sequence[str]
) -> tuple[Plan, Given]:
    """The plan, and its input, which is read only where something wants it."""
    from arawn.cli.prompt import compose
    from arawn.steps import Given
    from arawn.tasks import plan

    values, spoken = _values(words)
    made = plan(tasks, name, values)
    if not made.wants_input:
        if spoken or files:
            what = f'the words "{" ".join(spoken)}"' if spoken else f"the file {files[0]}"
            raise UsageFault(f"No prompt of this task has {{input}}: {what} would go nowhere")
        return made, Given()
    data = _piped([*spoken, *files])
    if not (spoken or files or (data or b"").strip()):
        raise UsageFault(
            f'The task "{made.wants_input}" has {{input}}, and there is none',
            hints=(f"cat notes.txt | arawn run {name}", f"or: arawn run {name} -f notes.txt"),
        )
    prompt = compose(spoken, data, list(files), context.app.fetch)
    return made, Given(prompt.text, prompt.parts)


def _piped(said: Sequence[str]) -> bytes | None:
    """What is piped in; a terminal is read only where `-` is among what was said, else not waited for."""
    from arawn.attach import STDIN, read_stdin
    from arawn.cli.context import is_terminal

    wanted = any(word in STDIN for word in said)
    if sys.stdin is None or (not wanted and (is_terminal(sys.stdin) or said)):
        return None
    return read_stdin()


def _values(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    spoken = []
    for word in words:
        match = _VALUE.fullmatch(word)
        if match is None:
            spoken.append(word)
        elif match[1] in values:
            raise UsageFault(f"{match[1]}= is given twice")
        else:
            values[match[1]] = match[2].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return values, spoken


def seated(
    context: Context, plan: Plan, private: bool, timeout: float | None, said: Mapping[str, Any]
) -> dict[str, Seat]:
    """Everything opened that the plan needs, before anything is sent."""
    from arawn.steps import seat

    made = {}
    for task in plan.tasks:
        app = context.another_app()
        app.private = private
        made[task.name] = seat(task, app, context.backend, context.model, timeout, said)
    return made


def _check_parts(plan: Plan, seats: dict[str, Seat], given: Given) -> None:
    for task in plan.tasks:
        if task.takes_input:
            seat = seats[task.name]
            seat.app.check_files(seat.opened, given.parts)


def _show_plan(plan: Plan, seats: dict[str, Seat], given: Given, json: bool) -> None:
    from arawn.cli.run_show import plan_lines, plan_steps
    from arawn.render.document import dump

    steps = plan_steps(plan, seats, given)
    if json:
        print(dump({"version": 1, "task": plan.last.name, "steps": steps}))
        return
    for line in plan_lines(steps):
        print(line)


def _run(
    context: Context, plan: Plan, seats: dict[str, Seat], given: Given, keeper: Keeper, json: bool
) -> None:
    from arawn.cli.answer import sink_for
    from arawn.cli.run_show import document
    from arawn.steps import run as steps_of

    structured = seats[plan.last.name].form is not None
    sink = sink_for("json" if json else "raw" if structured else "text", context)
    session = keeper.new()
    session.title = plan.last.name
    teller = _Teller(context, plan, seats, sink)
    ended: dict[str, Step] = {}
    stopped = True
    try:
        for step in steps_of(plan, seats, given, teller.take, teller.begun, session.id):
            ended[step.task.name] = step
            _keep(keeper, session, step)
        stopped = False
    finally:
        context.status.clear()
        sink.close()
        keeper.settle()
        if json:
            made = document(plan, seats, ended, stopped, teller.asked, context.redact)
            _document(context, made, session if keeper.enabled else None)
    _verdict(context, plan, ended, json)


class _Teller:
    """Shows what happens in several threads, one event at a time."""

    def __init__(self, context: Context, plan: Plan, seats: dict[str, Seat], sink: Sink) -> None:
        self._context = context
        self._seats = seats
        self._last = plan.last
        self._many = len(plan.tasks) > 1
        self._sink = sink
        self._lock = Lock()
        self.asked: list[str] = []

    def begun(self, task: Task) -> None:
        """Says who is asked."""
        opened = self._seats[task.name].opened
        self.asked.append(task.name)
        with self._lock:
            self._context.status.note(f"{task.name}: {opened.name} · {opened.model}")

    def take(self, task: Task, event: Event) -> None:
        """One event of a task."""
        from arawn.events import Attempt, Notice, Text, Wait

        before = f"{task.name}: " if self._many else ""
        status = self._context.status
        with self._lock:
            match event:
                case Text() if task is self._last:
                    status.clear()
                    self._sink.feed(event.text)
                case Wait():
                    status.wait(event._replace(reason=before + event.reason))
                case Notice():
                    (status.warn if event.warning else status.note)(before + event.text)
                case Attempt() if self._context.verbose:
                    status.note(f"{before}{event.backend} {event.model} {event.error or 'ok'}")
                case _:
                    pass


def _keep(keeper: Keeper, session: Session, step: Step) -> None:
    """A step is a turn of the session; trouble with that costs no answer."""
    if not keeper.enabled or step.request is None or step.answer is None:
        return
    from arawn.messages import user

    turn = step.answer.turn(step.request)
    receipt = turn.receipt
    settings = {**receipt.settings, "task": step.task.name}
    told = keeper.masked(user(receipt.told)).text if receipt.told is not None else None
    kept = turn._replace(
        messages=tuple(keeper.masked(message) for message in turn.messages),
        receipt=receipt._replace(settings=settings, told=told),
    )
    try:
        keeper.graft(session, (kept,))
    except ArawnError as fault:
        keeper.tell(f"the step {step.task.name} is not stored: {fault.sentence}")


def _document(context: Context, made: dict[str, Any], session: Session | None) -> None:
    from arawn.render.document import dump

    context.printed = True
    made["session"] = session.id or None if session is not None and session.turns else None
    print(dump(made), flush=True)


def _verdict(context: Context, plan: Plan, ended: dict[str, Step], json: bool) -> None:
    """Raises the fault of the first step that failed, once it is told what the others gave."""
    failed = next((step for step in ended.values() if step.state == "failed"), None)
    if failed is None or failed.answer is None or failed.answer.fault is None:
        return
    from arawn.render.safe import clean

    status = context.status
    for step in ended.values():
        if step.answer is not None and step.answer.ok and step.task is not plan.last and not json:
            status.note(f"{step.task.name} gave:")
            for line in clean(step.answer.reply.text).split("\n"):
                status.note(f"  {line}")
    skipped = [step.task.name for step in ended.values() if step.answer is None]
    if skipped:
        status.note(f"not run: {', '.join(skipped)}")
    sys.stdout.flush()
    fault = failed.answer.fault
    if len(plan.tasks) > 1:
        fault.sentence = f"Step {failed.task.name}: {fault.sentence}"
        fault.args = (fault.sentence,)
    raise fault
