"""Shows one answer as it comes, below the prompt; it does not know where the events come from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from arawn.errors import ArawnError, ServiceFault
from arawn.events import (
    Attempt,
    Collector,
    Event,
    Finish,
    Notice,
    Progress,
    Reasoning,
    Text,
    ToolCall,
    Wait,
    close,
)

if TYPE_CHECKING:
    from arawn.render.ending import Ending
    from arawn.render.look import Sink
    from arawn.render.status import Status
    from arawn.render.thoughts import Thoughts
    from arawn.repl.signals import Signals
    from arawn.session import Turn


class MakeSink(Protocol):
    """Makes the sink of one answer, when its first text comes."""

    def __call__(self) -> Sink:
        """A fresh sink."""


def advice(fault: ArawnError, turn: Turn | None) -> str:
    """What the person can do after a turn that ended so; "" where the fault itself says it."""
    answered = turn is not None and bool(turn.answer)
    if turn is not None and turn.receipt.finish == "length":
        return "/continue goes on with it"
    if not will_pass(fault):
        return "" if answered else "taken back: it is not sent again with what follows; /retry sends it again"
    if answered:
        return "/continue goes on with it, /retry asks again"
    return "/retry asks again; otherwise it goes along with what you say next"


def will_pass(fault: ArawnError) -> bool:
    """Whether the same may be answered later."""
    return isinstance(fault, ServiceFault) and fault.retryable


class Show:
    """One answer on the screen. Text goes to the sink, all else to the status line.

    thoughts: takes the reasoning, over all answers of a chat. ending: what is told afterwards, nothing where
    nobody reads it. turn: the turn, asked once it is over, for what it cost. verbose: attempts are told, too.
    """

    def __init__(
        self,
        status: Status,
        sink: MakeSink,
        signals: Signals,
        *,
        thoughts: Thoughts,
        ending: Ending | None = None,
        turn: Callable[[], Turn | None] = lambda: None,
        verbose: bool = False,
    ) -> None:
        self._verbose = verbose
        self._turn = turn
        self._status = status
        self._make = sink
        self._signals = signals
        self._thoughts = thoughts
        self._ending = ending
        self._sink: Sink | None = None
        self._aside = False
        self._later: list[Notice] = []
        self._collector = Collector()
        self.stopped = False

    def run(self, events: Iterator[Event], waiting: Callable[[], str]) -> ArawnError | None:
        """Show everything, however it ends; returns the fault that ended it. Ctrl-C is no fault.

        What came stays on the screen, and `events` is closed, so that the conversation keeps it too.
        """
        began = time.monotonic()
        fault: ArawnError | None = None
        self._signals.begin()
        self._thoughts.begin()
        try:
            self._status.working(waiting)
            self._aside = True
            self._each(events)
        except KeyboardInterrupt:
            self.stopped = True
        except ArawnError as error:
            fault = error
        finally:
            self._signals.busy()
            close(events)
            self._end_text()
        self._afterwards(time.monotonic() - began, fault)
        return fault

    def _each(self, events: Iterator[Event]) -> None:
        while True:
            self._signals.waiting()
            event = next(events, None)
            self._signals.busy()
            if event is None:
                return
            self._collector.add(event)
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Text():
                self._text(event.text)
            case Reasoning() if event.text:
                if self._thoughts.mode != "hide":
                    self._step_aside()
                self._thoughts.feed(event.text)
            case Wait():
                self._step_aside()
                self._status.wait(event)
            case Progress() if self._sink is None:
                self._status.stage(event.label)
            case Notice():
                self._notice(event)
            case ToolCall():
                said = f"the model asked for the tool {event.name}; no tool was offered or run"
                self._notice(Notice(said))
            case Attempt() if self._verbose:
                self._notice(Notice(event.told))
            case Finish():
                self._citations(event)
            case _:
                pass

    def _text(self, text: str) -> None:
        if self._aside:
            self._come_back()
        if self._sink is None:
            self._sink = self._make()
        self._sink.feed(text)

    def _notice(self, notice: Notice) -> None:
        """Told at once before the text, after it where a line in between would tear the text."""
        if self._sink is None:
            self._tell(notice)
        else:
            self._later.append(notice)

    def _tell(self, notice: Notice) -> None:
        (self._status.warn if notice.warning else self._status.note)(notice.text)

    def _step_aside(self) -> None:
        """From now on the status line has the screen."""
        self._aside = True
        self._close_sink()

    def _come_back(self) -> None:
        """From now on the answer has it."""
        self._aside = False
        self._status.clear()
        self._thoughts.rest(self._collector.reply.usage.reasoning)

    def _end_text(self) -> None:
        """End what is open on the screen: the status line, or the answer."""
        if self._aside:
            self._come_back()
        self._close_sink()

    def _close_sink(self) -> None:
        if self._sink is not None:
            sink, self._sink = self._sink, None
            sink.close()

    def _citations(self, finish: Finish) -> None:
        lines = []
        for number, citation in enumerate(finish.citations, 1):
            words = (str(citation.get(key) or "") for key in ("title", "url"))
            lines.append(f"{number}. " + " ".join(word for word in words if word))
        if lines and self._sink is not None:
            self._sink.feed("\n\n" + "\n".join(lines))

    def _afterwards(self, seconds: float, fault: ArawnError | None) -> None:
        for notice in self._later:
            self._tell(notice)
        if self.stopped:
            self._status.note("[stopped]")
        elif self._ending is not None:
            if fault is None:
                self._ending.tell(self._status, self._turn(), self._collector.reply.usage, seconds)
            self._ending.ring(self._status, seconds)
