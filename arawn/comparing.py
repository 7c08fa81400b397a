"""One prompt to several backends at once, each in a thread: what comes, and their turns beside each other.

It knows no terminal. All turns belong to one session, and are put into its tree when all is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from arawn.engine import Conversation
from arawn.errors import ArawnError, Internal, UsageFault
from arawn.events import Event, Notice, Text, close
from arawn.messages import Message, Request
from arawn.ports import Backend, Entry, Journal, Planner
from arawn.session import Session, Turn
from arawn.threads import start

if TYPE_CHECKING:
    from arawn.render.beside import Display
    from arawn.render.status import Status

MOST = 6
"""So many may be asked at once."""
PATIENCE_S = 0.15
"""So long those that are stopped may take to keep what came; then they are left to themselves."""
TICK_S = 0.2


class Asked(NamedTuple):
    """One of those that are asked. `label` is how people tell it from the others.

    `abort` ends what it is at work on, for good; `planner` sees that what it gets fits its model.
    """

    label: str
    backend: Backend
    planner: Planner | None = None
    abort: Callable[[], None] = lambda: None


Came = Event | ArawnError | None
"""What comes of one: an event, the fault that ended it, or None at its end."""


class Stopped(BaseException):
    """Nobody waits for this answer any more."""


class Side:
    """One answer while it comes; once it is `over` its `turn`, and the `fault` that ended it."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.turn: Turn | None = None
        self.fault: ArawnError | None = None
        self.over = False
        self.began = time.monotonic()
        self.seconds = 0.0

    @property
    def text(self) -> str:
        """The answer as far as it came."""
        return self.turn.answer if self.turn is not None else ""

    @property
    def ok(self) -> bool:
        """Whether it was answered whole."""
        return self.turn is not None and self.fault is None and not self.turn.unfinished


Ask = Callable[[Conversation, Backend], Iterator[Event]]


class Comparison:
    """The answers of several to one prompt, which `ask` puts in a conversation that each has for itself."""

    def __init__(self, conversation: Conversation, asked: Sequence[Asked], ask: Ask) -> None:
        if len(asked) > MOST:
            raise UsageFault(f"At most {MOST} can be asked at once, not {len(asked)}")
        self.sides = [Side(one) for one in asked]
        self.session = conversation.session
        self._conversation = conversation
        self._ask = ask
        self._lock = threading.Lock()
        self._numbers = count(len(self.session.turns) + 1)
        self._stop = threading.Event()
        self._queue: SimpleQueue[tuple[int, Came]] = SimpleQueue()
        self._trees: list[Session] = []
        self._latest = conversation.session.latest

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before all were over."""
        return self._stop.is_set()

    def begin(self) -> None:
        """Ask all of them."""
        self._trees = [_copied(self.session) for _ in self.sides]
        for number, (side, tree) in enumerate(zip(self.sides, self._trees, strict=True)):
            start(threading.Thread(target=self._work, args=(number, side, tree), daemon=True))

    def next(self, seconds: float = TICK_S) -> tuple[int, Came] | None:
        """What came next, and of which; None where nothing came in so many seconds."""
        try:
            number, came = self._queue.get(timeout=seconds)
        except Empty:
            return None
        if came is None or isinstance(came, ArawnError):
            side, tree = self.sides[number], self._trees[number]
            side.over, side.fault = True, came
            side.seconds = time.monotonic() - side.began
            side.turn = tree.turns.get(tree.latest or "") if tree.latest != self._latest else None
        return number, came

    @property
    def over(self) -> bool:
        """Whether nothing more is to come."""
        return all(side.over for side in self.sides)

    def stop(self) -> None:
        """End those that still run, and wait a moment until what came of them is kept."""
        self._stop.set()
        for side in self.sides:
            if not side.over:
                with suppress(ArawnError, OSError):
                    side.asked.abort()
        end = time.monotonic() + PATIENCE_S
        while not self.over and time.monotonic() < end:
            self.next(max(0.0, end - time.monotonic()))

    def settle(self) -> None:
        """Put the turns that there are into the session, in the order of those who were asked.

        What was asked last is then the first of them; where the session stands does not change.
        """
        for side, tree in zip(self.sides, self._trees, strict=True):
            if not side.over:
                continue
            for id, turn in tree.turns.items():
                self.session.turns.setdefault(id, turn)
        made = [side.turn for side in self.sides if side.turn is not None]
        if made:
            self.session.latest = made[0].id

    @property
    def answered(self) -> list[Side]:
        """Those of whose answer anything came."""
        return [side for side in self.sides if side.text]

    @property
    def first(self) -> Side | None:
        """The first whole answer, else the first of which anything came."""
        return next((side for side in self.answered if side.ok), next(iter(self.answered), None))

    def choose(self, side: Side | None) -> None:
        """Go on after this answer, where there is one; the others stay beside it."""
        if side is not None and side.turn is not None:
            self.session.add(side.turn)

    def _work(self, number: int, side: Side, tree: Session) -> None:
        conversation = copy(self._conversation)
        conversation.session = tree
        conversation.planner = side.asked.planner
        conversation.journal = _Shared(self._conversation.journal, self.session, self._lock, self._numbers)
        events = self._ask(conversation, _Until(side.asked.backend, self._stop))
        came: Came = None
        try:
            for event in events:
                self._queue.put((number, event))
        except Stopped:
            pass
        except ArawnError as fault:
            came = fault
        except Exception as error:  # a fault of ours must reach the one who waits
            came = Internal.of(error)
        finally:
            close(events)
            self._queue.put((number, came))


def watch(
    comparison: Comparison,
    display: Display,
    status: Status,
    footer: Callable[[Side], str],
    wait: Callable[[Callable[[], tuple[int, Came] | None]], tuple[int, Came] | None] = lambda take: take(),
) -> None:
    """Ask all, show what comes until all is over, and have it in the session.

    Ctrl-C, which `wait` lets through alone, stops all; see `Comparison.stopped`. What does not belong to an
    answer is told at the end, where it tears none.
    """
    later: list[tuple[str, Notice]] = []
    told = False
    try:
        comparison.begin()
        while not comparison.over:
            if not told and display.free:
                status.working(lambda: _waited_for(comparison))
                told = True
            found = wait(comparison.next)
            if found is None:
                continue
            number, came = found
            if isinstance(came, Notice):
                later.append((comparison.sides[number].asked.label, came))
            elif isinstance(came, Text):
                status.clear()
                told = False
                display.feed(number, came.text)
            elif came is None or isinstance(came, ArawnError):
                status.clear()
                told = False
                display.end(number, footer(comparison.sides[number]))
    except KeyboardInterrupt:
        comparison.stop()
    except BaseException:  # nobody looks any more, or the program is told to end
        comparison.stop()
        raise
    finally:
        comparison.settle()
        status.clear()
        display.close([footer(side) for side in comparison.sides])
    for label, notice in later:
        (status.warn if notice.warning else status.note)(f"{label}: {notice.text}")


def _waited_for(comparison: Comparison) -> str:
    labels = [side.asked.label for side in comparison.sides if not side.over]
    return "waiting for " + ", ".join(labels)


def told(side: Side) -> str:
    """How an answer went: time, tokens, cost, or what kept it from being whole."""
    from arawn.events import Usage
    from arawn.render.ending import line
    from arawn.render.status import span

    usage = side.turn.receipt.usage if side.turn is not None else Usage()
    if not side.over:
        return "[stopped]"
    parts = line(("time", "tokens", "cost"), side.turn, usage, side.seconds) or [span(side.seconds)]
    if side.fault is not None:
        return f"failed after {span(side.seconds)}: {side.fault.sentence}"
    stopped = side.turn is not None and side.turn.receipt.finish == "interrupted"
    return ("[stopped] " if stopped else "") + ", ".join(parts)


def _copied(session: Session) -> Session:
    """A session that grows by itself."""
    made = copy(session)
    made.turns, made.branches = dict(session.turns), dict(session.branches)
    return made


class _Until:
    """A Backend that ends without a fault once nobody waits any more: what came is kept as interrupted."""

    def __init__(self, inner: Backend, stop: threading.Event) -> None:
        self._inner = inner
        self._stop = stop

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def model(self) -> str:
        return self._inner.model

    def stream(self, request: Request) -> Iterator[Event]:
        events = self._inner.stream(request)
        try:
            for event in events:
                if self._stop.is_set():
                    raise Stopped
                yield event
        except ArawnError:
            if self._stop.is_set():
                raise Stopped from None
            raise
        finally:
            close(events)

    def close(self) -> None:
        self._inner.close()


class _Shared:
    """The Journal of all of them, used by one at a time; without one turns get numbers alone."""

    def __init__(
        self, inner: Journal | None, session: Session, lock: threading.Lock, numbers: count[int]
    ) -> None:
        self._inner = inner
        self._session = session
        self._lock = lock
        self._numbers = numbers

    def begin(
        self, session: Session, parent: str | None, message: Message, before: str, backend: Backend
    ) -> Entry:
        with self._lock:
            if self._inner is None:
                return _Numbered(str(next(self._numbers)))
            return _Locked(self._inner.begin(self._session, parent, message, before, backend), self._lock)


class _Numbered:
    """An Entry of a turn that is not kept."""

    at = 0.0

    def __init__(self, id: str) -> None:
        self.id = id

    def add(self, event: Event) -> None:
        """Nothing."""

    def end(self, turn: Turn) -> Turn:
        return turn


class _Locked:
    """An Entry that ends while no other does: the price of a turn is looked up in what all share."""

    def __init__(self, inner: Entry, lock: threading.Lock) -> None:
        self._inner = inner
        self._lock = lock
        self.id = inner.id
        self.at = inner.at
        self.add = inner.add

    def end(self, turn: Turn) -> Turn:
        with self._lock:
            return self._inner.end(turn)
