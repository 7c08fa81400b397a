"""A conversation and its turns: ask, yield what comes, remember it; it knows only ports and values."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from arawn.errors import ArawnError, ContextFault, Cut, EmptyAnswer, Incomplete, Refused, ServiceFault
from arawn.events import Collector, Event, Reasoning, Reply, Text, ToolCall, outcome
from arawn.messages import (
    Effort,
    FilePart,
    Format,
    Message,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    user,
)
from arawn.orderly import orderly
from arawn.ports import Asked, Backend, Entry, Journal, Planned, Planner
from arawn.seam import Writers, ask_to_go_on, without_overlap
from arawn.session import Receipt, Session, Turn, said


class Conversation:
    """A session that is spoken in, and the settings that go with every request (None: the backend decides).

    Without a `journal` turns live in memory alone; without a `planner` everything said is sent.
    """

    def __init__(
        self,
        session: Session | None = None,
        *,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        stop: tuple[str, ...] = (),
        reasoning: Effort | int | None = None,
        format: Format | None = None,
        stream: bool = True,
        extra: Mapping[str, Any] | None = None,
        journal: Journal | None = None,
        planner: Planner | None = None,
    ) -> None:
        self.session = session if session is not None else Session()
        if system is not None:
            self.session.system = system
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.top_p = top_p
        self.stop = stop
        self.reasoning: Effort | int | None = reasoning
        self.format = format
        self.stream = stream
        self.extra = extra or {}
        self.journal = journal
        self.planner = planner

    def ask(self, backend: Backend, text: str, files: tuple[FilePart, ...] = ()) -> Iterator[Event]:
        """Say `text`, with `files`, and yield the reply.

        The turn is kept as far as it came, however it ends. Raises a ServiceFault after the last event
        where the answer is not whole (see `verdict`).
        """
        return self._turn(backend, user(text, files), self.session.head)

    @property
    def can_retry(self) -> bool:
        """Whether there is something to ask again."""
        return self.session.current is not None

    def retry(self, backend: Backend) -> Iterator[Event]:
        """Ask once more what was asked last, as a turn beside it; nothing happens without one."""
        turn = self.session.current
        return iter(()) if turn is None else self.again(backend, turn)

    def again(self, backend: Backend, turn: Turn) -> Iterator[Event]:
        """Ask once more what a turn asked, after what was said before it; a new turn beside it."""
        return self._turn(backend, turn.prompt, turn.parent)

    def resume(self, backend: Backend, turn: Turn) -> Iterator[Event]:
        """Go on with an answer that broke off; yields what is new. What came before keeps its place."""
        return self._turn(backend, turn.prompt, turn.parent, turn)

    def asked(self, backend: Backend, message: Message) -> Asked:
        """`message` as it would be asked next, for a planner."""
        return Asked(self.session, self.session.head, message, self.request(()), backend)

    def request(self, messages: tuple[Message, ...]) -> Request:
        """What asks for an answer to `messages` with the settings of this conversation."""
        return Request(
            orderly(messages), self.session.system, self.max_tokens, self.temperature, self.top_p, self.stop,
            format=self.format, reasoning=self.reasoning, stream=self.stream, extra=self.extra,
            session=self.session.id,
        )  # fmt: skip

    def _turn(
        self, backend: Backend, message: Message, parent: str | None, broken: Turn | None = None
    ) -> Iterator[Event]:
        before = broken.answer if broken is not None else ""
        entry = self._begin(parent, message, before, backend)
        collector = Writers(len(before))
        asked = Asked(self.session, parent, message, self.request(ask_to_go_on(before)), backend)
        planned = Planned((*said(self.session.path(parent)), message), parent)
        fault: ArawnError | None = None
        stopped = True
        try:
            if self.planner is not None:
                planned = yield from self.planner.plan(asked)
            try:
                yield from self._sent(backend, planned, before, collector, entry)
            except ContextFault as refused:
                planned = yield from self._less(asked, planned, refused, collector)
                yield from self._sent(backend, planned, before, collector, entry)
            fault, stopped = verdict(collector.reply, backend.name), False
        except ArawnError as error:
            fault, stopped = error, False
        finally:
            reply = collector.reply
            origin = origin_of(reply, backend, stopped)
            receipt = receipt_of(reply, origin, fault, stopped, self._settings())._replace(
                estimate=planned.estimate, left_out=planned.left_out, seams=collector.seams(origin)
            )
            answer = _answer(reply, origin, collector.mixed)
            if before and broken is not None:
                answer = Message("assistant", (TextPart(before), *_spoken(answer)))
                receipt = receipt._replace(seams=(*broken.receipt.seams, *receipt.seams))
            self._keep(entry, planned.parent, (message, answer) if answer.parts else (message,), receipt)
        if fault is not None:
            if isinstance(fault, ContextFault | Refused) and not reply.text:
                self.session.step_back()  # what was refused would be refused with all that follows it
            raise fault

    def _sent(
        self, backend: Backend, planned: Planned, before: str, collector: Collector, entry: Entry | None
    ) -> Iterator[Event]:
        """Send what is planned, and yield and keep what comes."""
        events = backend.stream(self.request((*planned.messages, *ask_to_go_on(before))))
        for event in without_overlap(before, events) if before else events:
            collector.add(event)
            if entry is not None:
                entry.add(event)
            yield event

    def _less(
        self, asked: Asked, planned: Planned, refused: ContextFault, collector: Collector
    ) -> Generator[Event, None, Planned]:
        """What to send once more after it was too long. Raises the fault where there is no less to send."""
        less = None
        if self.planner is not None and not collector.reply.text:
            less = yield from self.planner.again(asked, planned, refused)
        if less is None:
            raise refused
        return less

    def _begin(self, parent: str | None, message: Message, before: str, backend: Backend) -> Entry | None:
        if self.journal is None:
            return None
        return self.journal.begin(self.session, parent, message, before, backend)

    def _keep(
        self, entry: Entry | None, parent: str | None, messages: tuple[Message, ...], receipt: Receipt
    ) -> None:
        """Put the turn into the tree."""
        session = self.session
        if entry is None:
            session.add(Turn(str(len(session.turns) + 1), parent, messages, receipt))
        else:
            session.add(entry.end(Turn(entry.id, parent, messages, receipt, entry.at, session.id)))

    def _settings(self) -> dict[str, Any]:
        """What of these settings is said in a request."""
        settings = {
            "max_tokens": self.max_tokens, "temperature": self.temperature, "top_p": self.top_p,
            "stop": list(self.stop), "reasoning": self.reasoning, "extra": dict(self.extra),
            "format": None if self.format is None else self.format._asdict(),
            "stream": None if self.stream else False,
        }  # fmt: skip
        return {key: value for key, value in settings.items() if value not in (None, [], {})}


def receipt_of(
    reply: Reply,
    origin: tuple[str, str],
    fault: ArawnError | None,
    stopped: bool,
    settings: Mapping[str, Any],
) -> Receipt:
    """What is known of an answer by what came, before it is priced; `origin` is who gave it."""
    finish = reply.finish
    return Receipt(
        backend=origin[0],
        model=(finish.model if finish else "") or origin[1],
        finish=outcome(reply, fault, stopped),
        finish_raw=finish.raw if finish else "",
        error=fault.code if fault else None,
        told=fault.sentence if fault else None,
        usage=reply.usage,
        attempts=tuple(reply.attempts),
        settings=settings,
    )


def origin_of(reply: Reply, backend: Backend, stopped: bool) -> tuple[str, str]:
    """Who answered, was at it, or was asked last: behind one backend there may be several."""
    last = reply.attempts[-1] if reply.attempts and not stopped else None
    return (backend.name, backend.model) if last is None else (last.backend, last.model)


def _spoken(answer: Message) -> tuple[Part, ...]:
    """What was said aloud: reasoning about how to go on does not belong to the answer gone on with."""
    return tuple(part for part in answer.parts if not isinstance(part, ReasoningPart))


def _answer(reply: Reply, origin: tuple[str, str], mixed: bool) -> Message:
    """The message to remember, its parts in the order they came.

    Of a reply that was cut only text and reasoning stay: half a signature, or a call without its
    result, would make the next request fail, and so would one that another backend made (`mixed`).
    """
    whole = reply.finish is not None
    parts: list[Part] = []
    for event in reply.parts:
        match event:
            case Text():
                parts.append(TextPart(event.text))
            case Reasoning():
                parts.append(ReasoningPart(event.text, None if mixed or not whole else event.opaque, origin))
            case ToolCall() if whole:
                parts.append(ToolCallPart(event.id, event.name, event.arguments, event.opaque, origin))
    said_any = any(isinstance(part, TextPart | ToolCallPart) for part in parts)
    return Message("assistant", tuple(parts) if said_any else ())


def verdict(reply: Reply, backend: str) -> ServiceFault | None:
    """What keeps a reply that came to its end from being a whole answer; None where nothing does."""
    finish = reply.finish
    if finish is None:
        return EmptyAnswer(f'Backend "{backend}" ended without an answer')
    if finish.refusal or finish.reason == "refusal":
        return Refused("The model refused to answer", detail=finish.refusal or "")
    if finish.reason == "content_filter":
        return Refused(
            f'The content filter of backend "{backend}" stopped the answer',
            hints=("word the question otherwise",),
        )
    if finish.reason == "length":
        return Incomplete(
            "The answer was cut off at the token limit",
            hints=("raise it: -o backends." + backend + ".max_tokens=N", "or ask for a shorter answer"),
        )
    if finish.reason == "error":
        return Cut(
            f'Backend "{backend}" broke off its answer',
            detail=finish.raw,
            hints=("what came is above", "ask again") if reply.text else ("ask again",),
        )
    if not reply.text.strip() and not reply.tool_calls:
        return _empty(reply, backend)
    return None


def _empty(reply: Reply, backend: str) -> EmptyAnswer:
    if reply.reasoning:
        return EmptyAnswer(f'Backend "{backend}" sent reasoning but no answer', hints=("ask again",))
    return EmptyAnswer(
        f'Backend "{backend}" gave an empty answer', hints=("ask again", "or try another model: --model NAME")
    )
