"""One worker of a batch: asks one line after the other, and hears of rate limits for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event as Flag
from threading import Lock
from typing import Any, NamedTuple

from arawn.app import App
from arawn.asking import Answer, ask
from arawn.batch.gate import Gate
from arawn.batch.lines import Item
from arawn.batch.record import Line, record
from arawn.errors import (
    ArawnError,
    AuthFault,
    BudgetFault,
    ConfigFault,
    Internal,
    ModelFault,
    RateLimited,
    ServiceFault,
    UsageFault,
)
from arawn.events import Attempt, Event, Wait
from arawn.messages import NOTHING, Format, Request
from arawn.session import Receipt
from arawn.steps import Given, Seat, filled, request, seat
from arawn.tasks import INPUT, Plan

PATIENCE = 6
"""How often a line is asked at most, where rate limits outlast the backend's own retries."""
LONGEST_WAIT_S = 600.0
SHORTEST_WAIT_S = 1.0
SETTLE = 256
"""After so many answers of a worker what was seen of the backends is remembered."""
SEATS = 8
"""Backends and models that one worker keeps open, where the lines name their own."""


class Job(NamedTuple):
    """What to do with every line. `backend` and `model` are for lines that name none.

    `new_app` makes an App for one worker; `timeout` is in seconds. `said` is what a role says.
    """

    new_app: Callable[[], App]
    backend: str | None = None
    model: str | None = None
    form: Format | None = None
    plan: Plan | None = None
    timeout: float | None = None
    width: int = 8
    retry_failed: bool = False
    said: Mapping[str, Any] = NOTHING


class Common:
    """What the workers of a run share: the ways to the backends, and whether to go on."""

    def __init__(self, width: int) -> None:
        self.stop = Flag()
        self.opening = Lock()
        """Held while backends are opened, one after the other."""
        self.again = 0
        self._width = width
        self._gates: dict[str, Gate] = {}
        self._lock = Lock()

    def gate(self, backend: str) -> Gate:
        """The way to a backend."""
        with self._lock:
            if backend not in self._gates:
                self._gates[backend] = Gate(self._width)
            return self._gates[backend]

    @property
    def closed_s(self) -> float:
        """Seconds for which a backend asked to be left alone."""
        return max((gate.closed_s for gate in list(self._gates.values())), default=0.0)

    def count_again(self) -> None:
        """A line is asked again after a rate limit."""
        with self._lock:
            self.again += 1


class Outcome(NamedTuple):
    """What came of a line: the answers of its steps, of which the last counts."""

    id: str | int
    digest: str
    answers: list[Answer]
    fault: ArawnError | None
    backend: str = ""
    model: str = ""

    def record(self, redact: Callable[[str], str], has_data: bool) -> dict[str, Any]:
        """The line of the out file."""
        last = self.answers[-1] if self.answers else None
        receipt = (
            last.receipt if last is not None else Receipt(self.backend, model=self.model, finish="error")
        )
        line = Line(
            self.id,
            self.digest,
            last.reply.text if last is not None else "",
            receipt.finish,
            [answer.reply.usage for answer in self.answers],
            [answer.receipt.cost_usd for answer in self.answers if answer.ok],
            receipt.backend,
            receipt.model,
            sum(len(answer.receipt.attempts) for answer in self.answers),
            self.fault,
        )
        return record(line, redact, has_data)


class Worker:
    """Asks one line after the other, at backends of its own, each over one connection that stays open."""

    def __init__(self, common: Common, job: Job) -> None:
        self._common = common
        self._job = job
        self._seats: dict[tuple[str | None, str | None], Seat] = {}
        self._steps: dict[str, Seat] = {}
        self._asked = 0

    def ready(self) -> None:
        """Open what every line needs. Raises ConfigFault, SecretFault."""
        if self._job.plan is None:
            self._seat(self._job.backend, self._job.model)
        elif not self._steps:
            with self._common.opening:
                for task in self._job.plan.tasks:
                    app = self._job.new_app()
                    job = self._job
                    self._steps[task.name] = seat(task, app, job.backend, job.model, job.timeout, job.said)

    def _seat(self, backend: str | None, model: str | None) -> Seat:
        found = self._seats.pop((backend, model), None)
        if found is None:
            while len(self._seats) >= SEATS:
                self._seats.pop(next(iter(self._seats))).opened.backend.close()
            with self._common.opening:
                app = self._job.new_app()
                opened = app.open(backend, model, self._job.timeout)
            found = Seat(app, opened, self._job.form, "", ())
        self._seats[backend, model] = found
        return found

    def close(self) -> None:
        """Let go of the connections."""
        for one in (*self._seats.values(), *self._steps.values()):
            one.opened.backend.close()
            one.app.settle()

    def ask(self, asked: Item) -> Outcome | None:
        """What came of a line; None where the run was stopped before, so that it is asked another time.

        Raises a fault that every other line would run into as well.
        """
        if self._job.plan is not None:
            return self._task(asked, self._job.plan)
        own = asked.backend is not None or asked.model is not None
        backend = asked.backend or (None if asked.model and not self._job.backend else self._job.backend)
        model = self._job.model or asked.model if asked.backend is None else asked.model
        try:
            seat = self._seat(backend, model)
        except ConfigFault as fault:
            if not own:
                raise
            return Outcome(asked.id, asked.digest, [], fault, backend or "", model or "")
        answer = self._one(seat, filled(asked.request._replace(format=self._job.form), self._job.said))
        if answer is None:
            return None
        if not own:
            _raise_for_all(answer.fault)
        return Outcome(asked.id, asked.digest, [answer], answer.fault)

    def _task(self, asked: Item, plan: Plan) -> Outcome | None:
        """Its steps one after the other: the other lines are asked meanwhile."""
        self.ready()
        lacking = [key for key in plan.keys if key not in asked.values]
        text = asked.request.messages[0].text
        if lacking or (plan.wants_input and not text.strip()):
            key = lacking[0] if lacking else INPUT
            fault = UsageFault(f"line {asked.number}: nothing gives {{{key}}}")
            return Outcome(asked.id, asked.digest, [], fault)
        given = plan._replace(values={key: asked.values[key] for key in plan.keys})
        answers: dict[str, Answer] = {}
        for task in plan.tasks:
            texts = {name: answer.reply.text for name, answer in answers.items()}
            wanted = request(task, self._steps[task.name], given, Given(text), texts)
            answer = self._one(self._steps[task.name], wanted._replace(stream=False))
            if answer is None:
                return None
            answers[task.name] = answer
            if answer.fault is not None:
                _raise_for_all(answer.fault)
                answer.fault.sentence = f"Step {task.name}: {answer.fault.sentence}"
                break
        made = list(answers.values())
        return Outcome(asked.id, asked.digest, made, made[-1].fault)

    def _one(self, seat: Seat, wanted: Request) -> Answer | None:
        """An answer; where the service has enough of us, all wait as it says, and it is asked again."""
        gate = self._common.gate(seat.opened.name)
        for attempt in range(1, PATIENCE + 1):
            if not gate.enter(self._common.stop.is_set):
                return None
            answer: Answer | None = None
            listener = _Listener(gate, self._common.stop)
            try:
                answer = ask(seat.app, seat.opened, wanted, listener.take, listener.leaves)
            finally:
                gate.leave(answer is not None and answer.ok)
            self._asked += 1
            if self._asked % SETTLE == 0:
                seat.app.settle()
            fault = answer.fault
            if listener.left and not answer.ok:
                return None
            if not isinstance(fault, RateLimited) or not fault.retryable or attempt == PATIENCE:
                return answer
            wait = fault.retry_after if fault.retry_after is not None else SHORTEST_WAIT_S * 2**attempt
            if wait > LONGEST_WAIT_S:
                raise fault
            gate.hold(max(wait, SHORTEST_WAIT_S))
            self._common.count_again()
        return None


class _Listener:
    """Hears the events of one request, so that a wait of one is a wait of all."""

    def __init__(self, gate: Gate, stop: Flag) -> None:
        self._gate = gate
        self._stop = stop
        self._error: str | None = None
        self._told = 0
        self._pausing = False
        self.left = False

    def leaves(self) -> bool:
        """Whether to break off: in a pause before another attempt, once the run is stopped."""
        self.left = self._pausing and self._stop.is_set()
        return self.left

    def take(self, event: Event) -> None:
        """One event."""
        self._pausing = isinstance(event, Wait)
        if isinstance(event, Attempt):
            self._error = event.error
        elif isinstance(event, Wait) and event.attempt != self._told:
            self._told = event.attempt
            if self._error == RateLimited.code:
                self._gate.hold(event.remaining)


def _raise_for_all(fault: ArawnError | None) -> None:
    """Raises a fault that no other line would escape, so that it is not paid for or told 10,000 times."""
    if isinstance(fault, BudgetFault) and fault.limit == "per_turn":
        return  # this line alone is too dear
    if isinstance(fault, AuthFault | ConfigFault | ModelFault | Internal):
        raise fault
    if isinstance(fault, RateLimited) and not fault.retryable:
        raise fault
    if isinstance(fault, ArawnError) and not isinstance(fault, ServiceFault | UsageFault):
        raise fault
