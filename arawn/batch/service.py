"""Work handed to the batch service of a provider: submitted, looked at, fetched; bodies by the dialects.

What is asked passes through the same settings as a question of `ask`; what comes back is read by the same
readers. It knows neither terminal nor command line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from arawn.backends.choose import Choice, choose
from arawn.backends.configured import Configured, Known
from arawn.batch.kept import SENDING, UNSURE, Kept, Part, Shelf
from arawn.batch.lines import Item
from arawn.catalog import Facts
from arawn.config.load import Config
from arawn.doors import Doors, options, settings_of, system_of
from arawn.engine import verdict
from arawn.errors import ArawnError, ConfigFault, Cut, EmptyAnswer, InvalidAnswer, TimedOut, UsageFault
from arawn.events import Collector, Event, Reply, collect, outcome
from arawn.fitting import FactsOf, kinds, ways
from arawn.messages import Format, Request
from arawn.money import cost
from arawn.wire import Call, dialect
from arawn.wire.batches import SHARE, Line, Result, State, created, style
from arawn.wire.faults import fault as fault_of
from arawn.wire.frames import Frame, parse

UPLOAD_S = 900.0
IDLE_S = 120.0


class Answered(NamedTuple):
    """A result in our words; `cost_usd` is None where it is not known."""

    reply: Reply
    finish: str
    model: str
    cost_usd: float | None
    fault: ArawnError | None


class _Written(Exception):
    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


class _Desk:
    """Stands where a service would be: takes down the first request, or answers it with a known reply."""

    def __init__(self, name: str, model: str, reply: Iterator[Event] | None = None) -> None:
        self.name = name
        self.model = model
        self._reply = reply

    def stream(self, request: Request) -> Iterator[Event]:
        """The known reply, once. Raises _Written without one."""
        reply, self._reply = self._reply, None
        if reply is None:
            raise _Written(request)
        yield from reply

    def close(self) -> None:
        """Nothing is open."""


class Service:
    """The batch service of one backend.

    Raises ConfigFault, SecretFault where there is no way to it, UsageFault where it has none.
    """

    def __init__(
        self,
        config: Config,
        env: Mapping[str, str],
        backend: str | None,
        model: str | None,
        facts: FactsOf,
    ) -> None:
        choice = choose(config, env, backend, model)
        if choice is None:
            raise UsageFault("The offline guide has no batch service", hints=("name a backend: -b NAME",))
        named = str(choice.provider.options.get("batch", ""))
        if not named:
            raise UsageFault(
                f"{choice.provider.label} has no batch service that Arawn knows",
                hints=("without --provider-batch the lines are asked from here",),
            )
        self.style = style(named)
        self.style_name = named
        if choice.dialect not in self.style.DIALECTS:
            raise UsageFault(f"The batch service of {choice.provider.label} does not speak {choice.dialect}")
        choice = choice._replace(model=choice.model or choice.provider.model)
        self._doors = Doors(config, env)
        self.door = self._doors.open(choice, None)
        self.choice: Choice = choice
        self._config = config
        self._env = env
        self._facts = facts

    @property
    def takes(self) -> frozenset[str]:
        """The kinds of file that may go along."""
        return kinds(self.choice.dialect, self.choice.provider.options)

    @property
    def facts(self) -> Facts:
        """What is known of the model."""
        return self._facts(self.choice.name, self.choice.provider.name, self.choice.model)

    @property
    def redact(self) -> Callable[[str], str]:
        """A text without the keys that were used."""
        return self._doors.redactor.redact

    def close(self) -> None:
        """Let go of the connection."""
        self.door.close()

    def _around(self, desk: _Desk) -> Configured:
        """What a question passes on its way, as the config has it."""
        choice, native = self.choice, self.facts.schema
        known = Known(lambda: self.takes, list, lambda: ways(choice, native))
        config = self._config
        said = options(choice, self._env)
        return Configured(desk, settings_of(config, choice), system_of(config, choice), said, known)

    def call(self, request: Request) -> Call:
        """The request as it would be sent alone. Raises UsageFault for what cannot go through a batch."""
        desk = _Desk(self.choice.name, self.door.model)
        try:
            for _ in self._around(desk).stream(request._replace(stream=False)):
                pass
        except _Written as written:
            made: Call = dialect(self.door.dialect).write(written.request, self.door.target)
            return made
        raise UsageFault("This request is answered without being sent")

    def answered(self, result: Result, form: Format | None) -> Answered:
        """A result as an answer, priced at the batch's share."""
        fault = self._refusal(result)
        reply = Reply()
        if fault is None:
            reply, fault = self._collected(result, form)
        model = (reply.finish.model if reply.finish else "") or self.choice.model
        usd = cost(reply.usage, self.facts)
        share = None if usd is None else usd * SHARE
        return Answered(reply, outcome(reply, fault, False), model, share, fault)

    def _refusal(self, result: Result) -> ArawnError | None:
        """What the service says in the place of an answer."""
        if result.ended == "expired":
            return TimedOut("The batch expired before this line was answered")
        if result.ended:
            return Cut("The batch was cancelled before this line was answered")
        if result.body is None:
            said = result.error if isinstance(result.error, str) else json.dumps(result.error)
            return fault_of(result.status, {}, said.encode("utf-8", "replace"), self.door.target)
        return None

    def _collected(self, result: Result, form: Format | None) -> tuple[Reply, ArawnError | None]:
        collector = Collector()
        try:
            desk = _Desk(self.choice.name, self.door.model, self._read(result))
            for event in self._around(desk).stream(Request((), format=form)):
                collector.add(event)
            return collector.reply, verdict(collector.reply, self.choice.name)
        except _Written:  # it would be asked to mend its JSON, which is no longer possible
            bad = InvalidAnswer("The answer is not the JSON that was asked for", hints=("ask it again",))
            return collect(self._read(result)), bad
        except ArawnError as error:
            return collector.reply, error

    def _read(self, result: Result) -> Iterator[Event]:
        """The events of a reply."""
        frame = Frame("", json.dumps(result.body), 1)
        events: Iterator[Event] = dialect(self.door.dialect).read(iter((frame,)), self.door.target)
        return events

    def submit(self, items: Sequence[Item], form: Format | None, kept: Kept, shelf: Shelf) -> Kept:
        """Hand everything over, in as many jobs as it takes; each is kept before it leaves and after.

        Raises what the service says; what was handed over until then is kept.
        """
        for lines in self._jobs(items, form):
            name = f"arawn-{kept.id}-{len(kept.parts) + 1}"
            file = self._uploaded(lines, name)
            before, kept = kept, kept._replace(parts=(*kept.parts, Part(SENDING, len(lines))))
            shelf.put(kept)
            try:
                reply = self.door.send_json(self.style.create(lines, self.door.target, name, file), UPLOAD_S)
            except ArawnError as fault:
                if not isinstance(fault, TimedOut | Cut | EmptyAnswer):  # else it may be there all the same
                    shelf.put(before) if before.parts else shelf.forget(kept)
                raise
            job = created(reply)
            if not job:
                raise EmptyAnswer("The service took the batch, but gave it no id")
            kept = kept._replace(parts=(*before.parts, Part(job, len(lines))))
            shelf.put(kept)
        return kept

    def _uploaded(self, lines: Sequence[Line], name: str) -> str:
        """The id of the file that goes before a job, "" where none does."""
        call = self.style.upload(lines, self.door.target, name)
        if call is None:
            return ""
        file = created(self.door.send_json(call, UPLOAD_S))
        if not file:
            raise EmptyAnswer("The service took the file of requests, but gave it no id")
        return file

    def _jobs(self, items: Sequence[Item], form: Format | None) -> Iterator[list[Line]]:
        """The lines, cut where a job would have too many or be too large."""
        lines: list[Line] = []
        size = 0
        for number, item in enumerate(items):
            line = Line(f"r{number}", self.call(item.request._replace(format=form)))
            length = len(json.dumps(line.call.body)) + 200
            if lines and (len(lines) >= self.style.MOST_LINES or size + length > self.style.MOST_BYTES):
                yield lines
                lines, size = [], 0
            lines.append(line)
            size += length
        if lines:
            yield lines

    def state(self, part: Part) -> State:
        """How a job stands; one that may never have arrived says so. Raises as a question does."""
        if part.job == SENDING:
            return State("waiting", said=UNSURE)
        made: State = self.style.state(
            self.door.send_json(self.style.look(part.job, self.door.target)), self.door.target
        )
        return made

    def cancel(self, part: Part) -> None:
        """End a job; what it has answered until then stays."""
        self.door.send_json(self.style.cancel(part.job, self.door.target))

    def results(self, state: State) -> Iterator[Result]:
        """The results of a job, in whatever order they come."""
        yield from state.inline
        for call in state.outputs:
            for frame in self.door.frames(call, lambda frame: IDLE_S):
                yield from self.style.results(parse(frame))


def reopened(kept: Kept, config: Config, env: Mapping[str, str], facts: FactsOf) -> Service:
    """The service that has this work. Raises ConfigFault where the config names another place by now."""
    service = Service(config, env, kept.backend, kept.model, facts)
    if (service.choice.base_url, service.style_name) != (kept.base_url, kept.style):
        service.close()
        raise ConfigFault(
            f'Backend "{kept.backend}" was at {kept.base_url} when this batch was handed over, '
            f"and is at {service.choice.base_url} now",
            hints=(f"set base_url of [backends.{kept.backend}] to what it was, to fetch it",),
        )
    return service
