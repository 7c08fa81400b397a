"""`arawn batch`: many questions from a file, and the batch services of providers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from arawn import interrupt
from arawn.cli import Backend, Model, Quiet, Role, Tasks, Timeout, batch_service
from arawn.cli.ask import JsonMode, Keys, Schema
from arawn.errors import ArawnError, Incomplete, UsageFault
from arawn.render.status import Status

if TYPE_CHECKING:
    from arawn.batch.out_file import OutFile
    from arawn.batch.run import Run
    from arawn.batch.worker import Job
    from arawn.cli.context import Context

TICK_S = 0.25
PATIENT_S = 600.0
"""Longest silence to bear where nobody says: an answer comes whole, so nothing is heard before its end."""


class Batches(TyperGroup):
    """`run` is meant where no command is named: `arawn batch in.jsonl -o out.jsonl`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What stands first is a command, or what `run` is to do."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args or ["--help"])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name; `run` for a file."""
        return super().get_command(ctx, cmd_name) or self.commands["run"]


app = typer.Typer(
    cls=Batches,
    help="Many questions from a file, each answered once.\n\n"
    "`arawn batch IN.jsonl -o OUT.jsonl` is `arawn batch run`, which has the options.",
    no_args_is_help=False,
)

for _name, _command in batch_service.commands():
    app.command(_name)(_command)

In = Annotated[str, typer.Argument(metavar="IN.jsonl", help="A question a line; - is standard input.")]
Out = Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Where the answers go.")]
Width = Annotated[
    int, typer.Option("--concurrency", metavar="N", min=1, max=512, help="Questions at a time.")
]
Task = Annotated[str | None, typer.Option("--task", metavar="NAME", help="Run this task for each line.")]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Ask again what failed in an earlier run.")]
Provider = Annotated[
    bool, typer.Option("--provider-batch", help="Hand it to the provider's batch service, and leave.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document about the run.")]


@app.command()
def run(
    ctx: typer.Context,
    in_: In,
    out: Out = None,
    concurrency: Width = 8,
    task: Task = None,
    tasks: Tasks = None,
    backend: Backend = None,
    model: Model = None,
    role: Role = None,
    json_mode: JsonMode = False,
    schema: Schema = None,
    keys: Keys = None,
    retry_failed: Retry = False,
    provider_batch: Provider = False,
    timeout: Timeout = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answer every line of a file. Broken off, the same command goes on where it stopped."""
    from arawn.cli.prompt import wanted_format
    from arawn.cli.role import manner

    context: Context = ctx.find_root().obj
    context.take(backend, model, None, quiet)
    form = wanted_format(json_mode, schema, keys)
    if task is not None and form is not None:
        raise UsageFault("A task says itself which form its answer has (schema), so --task stands alone")
    if context.load().get("budget.action") == "ask":
        context.say("budget.action", "refuse", "arawn batch")  # nobody is asked for every line
    context.warned()
    said = manner(context, role, None, None).said
    if provider_batch:
        if task is not None:
            raise UsageFault("--task and --provider-batch exclude each other: it answers one prompt a line")
        with _as_file(in_) as name:
            batch_service.hand_over(context, name, out, form, said, retry_failed, json)
        return
    if out is None:
        raise UsageFault("Where do the answers go?", hints=(f"arawn batch {in_} -o out.jsonl",))
    status = _Once(context.status)
    from arawn.batch.worker import Job

    plan = _plan(context, task, tasks)
    job = Job(
        lambda: context.another_app(status), context.backend, context.model, form, plan,
        timeout or _patience(context), concurrency, retry_failed, said,
    )  # fmt: skip
    with _as_file(in_) as name:
        _run(context, name, out, job, json)


class _Once(Status):
    """Says each line once, however many workers have it to say."""

    def __init__(self, inner: Status) -> None:
        super().__init__(None, False, True, False)
        self._inner = inner
        self._told: set[str] = set()

    def warn(self, text: str) -> None:
        """One line that matters."""
        if text not in self._told:
            self._told.add(text)
            self._inner.warn(text)


def _patience(context: Context) -> float | None:
    """The time for an answer, where the config does not say one itself."""
    config = context.load()
    said = config.origin("limits.first_event").layer != "default"
    return None if said or any("timeout" in table for table in config.backends.values()) else PATIENT_S


def _plan(context: Context, task: str | None, file: str | None) -> Any:
    if task is None:
        if file is not None:
            raise UsageFault("--tasks needs --task NAME")
        return None
    from arawn.cli.run import known
    from arawn.tasks import plan

    return plan(known(context, file), task, None)


@contextmanager
def _as_file(name: str) -> Iterator[str]:
    """The in file as one that can be read twice: standard input is put into a private one."""
    if name != "-":
        yield name
        return
    import shutil
    from tempfile import NamedTemporaryFile

    if sys.stdin is None:
        raise UsageFault("Standard input is closed")
    with NamedTemporaryFile(prefix="arawn-", suffix=".jsonl") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield file.name


def _run(context: Context, name: str, out: str, job: Job, json: bool) -> None:
    from arawn.batch.out_file import OutFile
    from arawn.batch.run import Run, scan

    ranks = scan(name)
    if os.path.exists(out) and os.path.samefile(name, out):
        raise UsageFault(f"{out} is the in file: the answers need another one")
    file = OutFile(out)
    began = time.monotonic()
    stopped = False
    try:
        if file.torn:
            context.status.note(f"{out}: the last line was torn when it was written, and is asked again")
        left = sum(not _is_done(file, key, job) for key in ranks)
        if left < len(ranks):
            context.status.note(f"{len(ranks) - left:,} of {len(ranks):,} lines were done before")
        course = Run(name, file, job, context.redact)
        if left:
            course.start()
            stopped = _watch(context, course, left)
        else:
            course.pass_over()
        context.status.clear()
        if not stopped:
            file.sort(ranks)
    finally:
        file.close()
    _tell(context, course, len(ranks), out, time.monotonic() - began, stopped, json)


def _is_done(file: OutFile, key: str, job: Job) -> bool:
    known = file.known.get(key)
    return known is not None and (known.ok or not job.retry_failed)


def _watch(context: Context, course: Run, left: int) -> bool:
    """Show how it goes until it ends; whether it was stopped. A second Ctrl-C leaves at once."""
    began = time.monotonic()
    stopped = False
    while True:
        try:
            if course.wait(TICK_S):
                return stopped
            context.status.passing(progress(course, left, time.monotonic() - began))
        except KeyboardInterrupt:
            if stopped:
                raise
            stopped = True
            course.stop()
            interrupt.go_on()
            context.status.note("stopping: what is under way is waited for; Ctrl-C again leaves it")


def progress(course: Run, left: int, seconds: float) -> str:
    """How far it is, how fast, what it cost, and how long it will last."""
    tally = course.tally
    rate = tally.done / seconds if seconds > 0 else 0.0
    parts = [f"{tally.done:,} of {left:,}"]
    if tally.failed:
        parts.append(f"{tally.failed:,} failed")
    parts.append(f"{rate:,.1f}/s")
    if tally.answered:
        parts.append("cost unknown" if tally.cost_usd is None else f"${tally.cost_usd:.4f}")
    if rate and tally.done < left:
        parts.append(f"{span((left - tally.done) / rate)} left")
    if course.closed_s:
        parts.append(f"asked to wait {course.closed_s:.0f} s")
    return " · ".join(parts)


def span(seconds: float) -> str:
    """A time in words: 9 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _tell(
    context: Context, course: Run, count: int, out: str, seconds: float, stopped: bool, json: bool
) -> None:
    """What came of it. Raises what ended it early, or a fault where lines failed."""
    tally, status = course.tally, context.status
    left = count - tally.done - tally.before
    failed = tally.failed + tally.failed_before
    fault = _fault(course, failed, left, out)
    if json:
        _document(context, course, count, left, out, seconds, stopped, fault)
    for told, first in tally.faults.values():
        status.note(f"{told:,} failed like this: {first}")
    if tally.changed:
        status.warn(
            f"{len(tally.changed):,} lines were changed since they were answered (first: "
            f"{tally.changed[0]}); their answers are those of before"
        )
    cost = "cost unknown" if tally.cost_usd is None else f"${tally.cost_usd:.4f}"
    done = f"{tally.answered:,} answered, {tally.failed:,} failed in {span(seconds)}, {cost}"
    status.note(done + (f"; {left:,} left: the same command goes on with them" if left else ""))
    if stopped:
        raise KeyboardInterrupt
    if fault is not None:
        raise fault


def _fault(course: Run, failed: int, left: int, out: str) -> BaseException | None:
    if course.fault is not None:
        return course.fault
    if not failed:
        return None
    return Incomplete(
        "1 line has no answer" if failed == 1 else f"{failed:,} lines have no answer",
        hints=(f"why stands in {out}, under error", "--retry-failed asks them again"),
    )


def _document(
    context: Context,
    course: Run,
    count: int,
    left: int,
    out: str,
    seconds: float,
    stopped: bool,
    fault: BaseException | None,
) -> None:
    from arawn.render.document import dump, error

    tally = course.tally
    told = error(fault, context.redact) if isinstance(fault, ArawnError) else None
    context.printed = True
    print(
        dump(
            {
                "version": 1, "ok": not left and fault is None, "out": out, "lines": count,
                "answered": tally.answered, "failed": tally.failed, "before": tally.before, "left": left,
                "asked_again": course.again, "interrupted": stopped, "seconds": round(seconds, 3),
                "usage": {"input": tally.input, "output": tally.output}, "cost_usd": tally.cost_usd,
                "error": told,
            }
        ),
        flush=True,
    )  # fmt: skip
