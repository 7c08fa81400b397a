"""Several backends asked at once: whose answer begins first is shown, the others are cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue

from arawn.backends.health import Health
from arawn.backends.router import SHOWN, Candidate, any_fits
from arawn.errors import ArawnError, Internal
from arawn.events import Attempt, Event, Notice
from arawn.messages import FilePart, Request
from arawn.ports import Backend

Came = Event | ArawnError | None
"""What a contestant tells: an event, the fault that ended it, or None at the end."""
AT_ONCE = 2
"""With hedge: so many at most at the same time."""


class Race:
    """A Backend over candidates; each next one is asked after `after` seconds of silence, 0 for all at once.

    One that fails before it said a word is replaced by the next at once. Raises the fault of the last.
    """

    def __init__(self, candidates: Sequence[Candidate], after: float, health: Health) -> None:
        self.candidates = list(candidates)
        self.why = f"the first to begin, after {after:g} s of silence" if after else "the first to begin"
        self._after = after
        self._health = health
        self._backends: list[Backend] = []
        self.name = candidates[0].name
        self.model = candidates[0].model

    def fits(self, files: Sequence[FilePart]) -> bool:
        """Whether one of them takes these files."""
        return any_fits(self.candidates, files)

    def close(self) -> None:
        """Close all that were opened."""
        for backend in self._backends:
            backend.close()
        self._backends.clear()

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply of the first that begins one."""
        waiting = []
        for one in self.candidates:
            why = one.unfit(request)
            if why:
                yield Notice(f"{one.label} is passed over: {why}", warning=True)
            else:
                waiting.append(one)
        run = _Run(request, waiting or self.candidates[:1], self._after)
        try:
            yield from run.events(self._health)
        finally:
            run.end()
            self._backends += [runner.backend for runner in run.runners if runner.backend is not None]


class _Runner:
    """One contestant in a thread of its own."""

    def __init__(self, one: Candidate, request: Request, results: SimpleQueue[tuple[_Runner, Came]]) -> None:
        self.one = one
        self.began = time.monotonic()
        self.backend: Backend | None = None
        self.held: list[Event] = []
        self.over = False
        self._request = request
        self._results = results
        self._stop = threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        """What it does is of no use any more."""
        self._stop.set()
        if not self.over:
            self.one.cancel()

    def _work(self) -> None:
        try:
            self.backend = self.one.open(True)
            events = self.backend.stream(self._request)
            try:
                for event in events:
                    if self._stop.is_set():
                        break
                    self._results.put((self, event))
            finally:
                close = getattr(events, "close", None)
                if close is not None:
                    close()
            self._results.put((self, None))
        except ArawnError as fault:
            self._results.put((self, fault))
        except Exception as error:  # a fault of ours must reach the one who waits
            self._results.put((self, Internal(f"{type(error).__name__}: {error}")))


class _Run:
    """One race."""

    def __init__(self, request: Request, candidates: Sequence[Candidate], after: float) -> None:
        self._request = request
        self._waiting = list(candidates)
        self._after = after
        self._results: SimpleQueue[tuple[_Runner, Came]] = SimpleQueue()
        self.runners: list[_Runner] = []
        self._winner: _Runner | None = None

    def events(self, health: Health) -> Iterator[Event]:
        """What is shown of it."""
        self._start()
        while not self._after and self._waiting:
            self._start()
        fault: ArawnError | None = None
        while self._winner is None:
            try:
                runner, came = self._results.get(timeout=self._patience())
            except Empty:
                slow = self._running()[0].one
                yield Notice(f"{slow.label} is slow; asking {self._waiting[0].label} too", warning=True)
                self._start()
                continue
            if isinstance(came, Attempt):
                health.note(came)
            if isinstance(came, ArawnError):
                runner.over, fault = True, came
                yield from runner.held
                if not self._running() and not self._waiting:
                    raise fault
                other = self._running()[0].one if self._running() else self._waiting[0]
                yield Notice(f"{runner.one.label}: {fault.sentence}; asking {other.label}", warning=True)
                if not self._running():
                    self._start()
                continue
            if came is not None:
                runner.held.append(came)
            if came is None or isinstance(came, SHOWN):
                self._winner = runner
                runner.over = came is None  # nothing in it: whoever asked judges that
        yield from self._won(self._winner, health)

    def _won(self, winner: _Runner, health: Health) -> Iterator[Event]:
        losers = [runner for runner in self._running() if runner is not winner]
        for loser in losers:
            loser.stop()
            spent = time.monotonic() - loser.began
            yield Notice(
                f"{winner.one.label} began first; {loser.one.label} is cancelled after {spent:.1f} s, "
                f"its cost is {loser.one.cancelled(self._request)}",
                warning=True,
            )
        yield from winner.held
        while not winner.over:
            runner, came = self._results.get()
            if runner is not winner:
                continue
            if isinstance(came, Attempt):
                health.note(came)
            if came is None or isinstance(came, ArawnError):
                winner.over = True
                if came is not None:
                    raise came
            else:
                yield came

    def end(self) -> None:
        """Stop all that still run."""
        for runner in self._running():
            runner.stop()

    def _running(self) -> list[_Runner]:
        return [runner for runner in self.runners if not runner.over]

    def _start(self) -> None:
        self.runners.append(_Runner(self._waiting.pop(0), self._request, self._results))

    def _patience(self) -> float | None:
        """How long the silence may last before one more is asked; None where nobody is left to ask."""
        if not self._waiting or len(self._running()) >= AT_ONCE:
            return None
        return max(0.0, self.runners[-1].began + self._after - time.monotonic())
