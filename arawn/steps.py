"""Runs a plan of tasks: independent ones at once, each at its own backend; it shows nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.asking import Answer, ask
from arawn.backends.names import route
from arawn.errors import ConfigFault, UsageFault
from arawn.events import Event
from arawn.messages import NOTHING, FilePart, Format, Request, user
from arawn.tasks import INPUT, Plan, Task, fill

if TYPE_CHECKING:
    from arawn.app import App, Opened

AT_ONCE = 16
"""Tasks that are asked at the same time at most."""


class Given(NamedTuple):
    """What {input} is: a text, and the pictures, PDFs and recordings that go with it."""

    text: str = ""
    parts: tuple[FilePart, ...] = ()


class Seat(NamedTuple):
    """All that a task needs before it can be asked; `app` is its own, so that it can run in a thread.

    `said` is what a role says of every request that leaves it open.
    """

    app: App
    opened: Opened
    form: Format | None
    text: str
    parts: tuple[FilePart, ...]
    said: Mapping[str, Any] = NOTHING


class Step(NamedTuple):
    """A task and what came of it; `answer` is None where it was not asked."""

    task: Task
    request: Request | None = None
    answer: Answer | None = None

    @property
    def state(self) -> str:
        """answered, failed, or not run."""
        return "not run" if self.answer is None else "answered" if self.answer.ok else "failed"


def seat(
    task: Task,
    app: App,
    backend: str | None,
    model: str | None,
    timeout: float | None = None,
    said: Mapping[str, Any] = NOTHING,
) -> Seat:
    """Open what a task needs; `backend` and `model` are for a task that names none.

    Raises ConfigFault, with the place of the task, where it cannot work.
    """
    from arawn.attach import as_typed, enclosed, parts, take

    form = _form(task)
    opened = app.open(*_whom(task, app, backend, model), timeout)
    try:
        taken = [take(_inside(task, as_typed(name)), app.fetch) for name in task.files]
    except UsageFault as fault:
        raise ConfigFault(f"{task.place}: [tasks.{task.name}] files: {fault.sentence}") from None
    files = parts(taken)
    if files:
        app.check_files(opened, files)
    return Seat(app, opened, form, "\n\n".join(enclosed(taken)), files, said)


def _whom(task: Task, app: App, backend: str | None, model: str | None) -> tuple[str | None, str | None]:
    """Backend and model: the task's own, else those of the command line, else `[llm.routing]` of its name."""
    if task.backend:
        return task.backend, task.model
    found = route(app.config, task.name)
    if found and not (backend or model or task.model):
        return found
    return backend, task.model or model


def _form(task: Task) -> Format | None:
    if task.schema is None:
        return None
    from arawn.attach import read_text
    from arawn.structure import from_argument

    try:
        return Format(from_argument(task.schema, lambda name: read_text(_inside(task, name))))
    except UsageFault as fault:
        raise ConfigFault(f"{task.place}: [tasks.{task.name}] schema: {fault.sentence}") from None


def _inside(task: Task, name: str) -> str:
    """A file as the task names it: beside the file the task stands in."""
    if name.lower().startswith(("http://", "https://")):
        return name
    return os.path.join(task.folder, os.path.expanduser(name))


def request(task: Task, seat: Seat, plan: Plan, given: Given, answers: Mapping[str, str]) -> Request:
    """What is sent for a task once the answers it requires are there."""
    text = fill(task.prompt, {**plan.values, **answers, INPUT: given.text})
    if seat.text:
        text = f"{text}\n\n{seat.text}"
    files = (*seat.parts, *given.parts) if task.takes_input else seat.parts
    own = Request((user(text, files),), task.system, task.max_tokens, task.temperature, format=seat.form)
    return filled(own, seat.said)


def filled(asked: Request, said: Mapping[str, Any]) -> Request:
    """A request with what is said of all where it says nothing itself."""
    return asked._replace(**{key: value for key, value in said.items() if getattr(asked, key) in (None, ())})


def run(
    plan: Plan,
    seats: Mapping[str, Seat],
    given: Given,
    tell: Callable[[Task, Event], None],
    begun: Callable[[Task], None] = lambda task: None,
    session: str = "",
) -> Iterator[Step]:
    """Each step as it ends. After a failure nothing new begins; what is at work comes to its end.

    `session` is the id of the one that the steps will be turns of. `tell` is called in the thread of the
    task. Closing the iterator stops everything.
    """
    ended: SimpleQueue[Step | BaseException] = SimpleQueue()
    stop = Flag()
    left = list(plan.tasks)
    answers: dict[str, str] = {}
    running = 0
    failed = False
    try:
        while True:
            able = [] if failed else [task for task in left if all(name in answers for name in task.requires)]
            for task in able[: AT_ONCE - running]:
                left.remove(task)
                running += 1
                begun(task)
                asked = request(task, seats[task.name], plan, given, answers)._replace(session=session)
                _begin(task, seats[task.name], asked, tell, stop, ended)
            if not running:
                break
            step = ended.get()
            running -= 1
            if isinstance(step, BaseException):
                raise step
            if step.answer is not None and step.answer.ok:
                answers[step.task.name] = step.answer.reply.text
            else:
                failed = True
            yield step
    finally:
        stop.set()
    for task in left:
        yield Step(task)


def _begin(
    task: Task,
    seat: Seat,
    asked: Request,
    tell: Callable[[Task, Event], None],
    stop: Flag,
    ended: SimpleQueue[Step | BaseException],
) -> None:
    def work() -> None:
        try:
            answer = ask(seat.app, seat.opened, asked, lambda event: tell(task, event), stop.is_set)
            ended.put(Step(task, asked, answer))
        except BaseException as error:  # it must reach the one who waits, whatever it is
            ended.put(error)
        finally:
            seat.opened.backend.close()
            seat.app.settle()

    Thread(target=work, name=task.name, daemon=True).start()
