"""Several backends asked at once: whose answer begins first is shown, the others are cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Iterator, Sequence
from queue import Empty, SimpleQueue

from arawn.backends.health import Health
from arawn.backends.router import Candidate, Ready, any_fits, is_listed, rested, sorted_out
from arawn.backends.routing import SHOWN
from arawn.errors import ArawnError, EmptyAnswer, Internal
from arawn.events import Attempt, Event, Finish, Notice, close
from arawn.messages import FilePart, Request
from arawn.ports import Backend
from arawn.session import CANCELLED
from arawn.threads import start

Kept = dict[tuple[str, str, bool], Ready]
"""What is open, by backend, model, and whether it was opened as the last that is left."""
Came = Event | ArawnError | None
"""What a contestant tells: an event, the fault that ended it, or None at the end."""
AT_ONCE = 2
"""With hedge: so many at most at the same time."""


class Race:
    """A Backend over candidates; each next one is asked after `after` seconds of silence, 0 for all at once.

    One that fails before it said a word, by a fault of `on` (None: any), is replaced by the next at once.
    Raises the fault of the last.
    """

    def __init__(
        self, candidates: Sequence[Candidate], after: float, health: Health, on: Container[str] | None = None
    ) -> None:
        self.candidates = list(candidates)
        self._on = on
        self.why = f"the first to begin, after {after:g} s of silence" if after else "the first to begin"
        self._after = after
        self._health = health
        self._kept: Kept = {}
        first = (rested(self.candidates, health) if after else self.candidates)[0]
        self.name = first.name
        self.model = first.model

    def fits(self, files: Sequence[FilePart]) -> bool:
        """Whether one of them takes these files."""
        return any_fits(self.candidates, files)

    def close(self) -> None:
        """Close all that were opened."""
        for ready in self._kept.values():
            ready.backend.close()
        self._kept.clear()

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply of the first that begins one."""
        order = rested(self.candidates, self._health) if self._after else self.candidates
        left = yield from sorted_out(order, request, self._health if self._after else Health(None))
        run = _Run(request, left, self._after, self._kept, self._health, self._on)
        try:
            for event in run.events():
                self.name, self.model = run.asked.name, run.asked.model
                yield event
        finally:
            run.end()


class _Runner:
    """One contestant in a thread of its own."""

    def __init__(
        self,
        one: Candidate,
        last: bool,
        request: Request,
        kept: Kept,
        results: SimpleQueue[tuple[_Runner, Came]],
    ) -> None:
        self.one = one
        self.began = time.monotonic()
        self.held: list[Event] = []
        self.over = False
        self._key = (one.name, one.model, last)
        self._kept = kept
        self._ready = kept.get(self._key)
        self._request = request
        self._results = results
        self._stop = threading.Event()
        start(threading.Thread(target=self._work, daemon=True))

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def stop(self) -> None:
        """What it does is of no use any more."""
        self._stop.set()
        self._kept.pop(self._key, None)  # one that was ended asks nothing any more
        if self._ready is not None:
            self._ready.abort()

    def _work(self) -> None:
        try:
            self._ready = self._ready or self.one.open(self._key[2])
            self._kept[self._key] = self._ready
            self._tell(self._ready.backend)
            self._results.put((self, None))
        except ArawnError as fault:
            self._results.put((self, fault))
        except Exception as error:  # a fault of ours must reach the one who waits
            self._results.put((self, Internal.of(error)))
        finally:
            if self._stop.is_set() and self._ready is not None:
                self._kept.pop(self._key, None)
                self._ready.backend.close()

    def _tell(self, backend: Backend) -> None:
        """Pass on what comes, until nobody waits for it."""
        if self._stop.is_set():
            return
        events = backend.stream(self._request)
        try:
            for event in events:
                if self._stop.is_set():
                    return
                self._results.put((self, event))
        finally:
            close(events)


class _Run:
    """One race."""

    def __init__(
        self,
        request: Request,
        candidates: Sequence[Candidate],
        after: float,
        kept: Kept,
        health: Health,
        on: Container[str] | None,
    ) -> None:
        self._on = on
        self._request = request
        self._waiting = list(candidates)
        self._after = after
        self._kept = kept
        self._health = health
        self._results: SimpleQueue[tuple[_Runner, Came]] = SimpleQueue()
        self._runners: list[_Runner] = []
        self._winner: _Runner | None = None

    @property
    def asked(self) -> Candidate:
        """The one that began to answer, or was asked first."""
        return (self._winner or self._runners[0]).one

    def events(self) -> Iterator[Event]:
        """What is shown of it."""
        self._start()
        while not self._after and self._waiting:
            self._start()
        while self._winner is None:
            try:
                runner, came = self._results.get(timeout=self._patience())
            except Empty:
                slow = self._running()[0].one
                yield Notice(f"{slow.label} is slow; asking {self._waiting[0].label} too", warning=True)
                self._start()
                continue
            if came is None and self._others(runner):  # ended without a word: another may have an answer
                came = EmptyAnswer(f'Backend "{runner.one.name}" gave an empty answer')
            if isinstance(came, ArawnError):
                yield from self._failed(runner, came)
            elif came is None or (isinstance(came, SHOWN) and not self._empty(runner, came)):
                self._winner, runner.over = runner, came is None
            if came is not None and not isinstance(came, ArawnError):
                runner.held.append(came)
        yield from self._won(self._winner)

    def _empty(self, runner: _Runner, came: Event) -> bool:
        """Whether this is an end without a beginning, which is no answer while another may have one."""
        return isinstance(came, Finish) and not came.refusal and bool(self._others(runner))

    def _failed(self, runner: _Runner, fault: ArawnError) -> Iterator[Event]:
        """One is out. Raises its fault where nobody is left."""
        runner.over = True
        for event in self._noted(runner.held, fault.code):
            if not isinstance(event, Finish):
                yield event
        if self._on is not None and not is_listed(fault, self._on):
            self._waiting.clear()
        others = self._others(runner)
        if not others:
            raise fault
        running = self._running()
        then = "waiting for" if running else "asking"
        yield Notice(f"{runner.one.label}: {fault.sentence}; {then} {others[0].label}", warning=True)
        if not running:
            self._start()

    def _won(self, winner: _Runner) -> Iterator[Event]:
        for loser in [runner for runner in self._running() if runner is not winner]:
            loser.stop()
            loser.over = True
            one = loser.one
            yield from self._noted([event for event in loser.held if isinstance(event, Attempt)])
            yield Attempt(one.name, one.model, None, CANCELLED, total_s=loser.spent)
            yield Notice(
                f"{winner.one.label} began first; {one.label} is cancelled after {loser.spent:.1f} s, "
                f"its cost is {one.cancelled(self._request)}",
                warning=True,
            )
        yield from self._noted(winner.held)
        while not winner.over:
            runner, came = self._results.get()
            if runner is not winner:
                continue
            if came is None or isinstance(came, ArawnError):
                winner.over = True
                if came is not None:
                    raise came
            else:
                yield from self._noted([came])

    def end(self) -> None:
        """Stop all that still run."""
        for runner in self._running():
            runner.stop()

    def _noted(self, events: Sequence[Event], error: str | None = None) -> Iterator[Event]:
        """The events, the attempts among them told to the health; none is good where there is an `error`."""
        for event in events:
            if isinstance(event, Attempt):
                told = event._replace(error=event.error or error)
                self._health.note(told)
                yield told
            else:
                yield event

    def _running(self) -> list[_Runner]:
        return [runner for runner in self._runners if not runner.over]

    def _others(self, runner: _Runner) -> list[Candidate]:
        """Who may still answer."""
        return [one.one for one in self._running() if one is not runner] + self._waiting

    def _start(self) -> None:
        one = self._waiting.pop(0)
        self._runners.append(_Runner(one, not self._waiting, self._request, self._kept, self._results))

    def _patience(self) -> float | None:
        """How long the silence may last before one more is asked; None where nobody is left to ask."""
        if not self._waiting or len(self._running()) >= AT_ONCE:
            return None
        return max(0.0, self._runners[-1].began + self._after - time.monotonic())
