"""One run over the lines of a batch: workers in threads, each line asked once however often it breaks off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Event as Flag
from threading import Lock, Thread

from arawn.batch.lines import BadLine, digest_of, id_of, item, key_of
from arawn.batch.out_file import LONGEST, OutFile
from arawn.batch.worker import Common, Job, Outcome, Worker
from arawn.errors import ArawnError, UsageFault
from arawn.sums import whole

DOWN = ("unreachable", "timeout", "overloaded", "rate_limited")
"""Faults that say nothing of the line: many of them in a row end the run."""


class Tally:
    """What came of it so far. `cost_usd` is None once an answer's cost is not known."""

    def __init__(self) -> None:
        self.answered = 0
        self.failed = 0
        self.before = 0
        self.failed_before = 0
        self.changed: list[str | int] = []
        self.cost_usd: float | None = 0.0
        self.input = 0
        self.output = 0
        self.faults: dict[str, tuple[int, str]] = {}
        """What went wrong, by error code: how often, and the first of it in words."""

    @property
    def done(self) -> int:
        """Lines that this run has done."""
        return self.answered + self.failed


def lines(name: str) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers. Raises UsageFault."""
    try:
        with open(name, "rb") as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                if line.strip():
                    yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
    except OSError as error:
        raise UsageFault(f"{name}: {error.strerror}") from None


def scan(name: str) -> Mapping[str, int]:
    """The keys of the ids in the in file with their places.

    Raises UsageFault for an id that stands there twice: its answers could not be told apart.
    """
    places: dict[str, int] = {}
    for number, text in lines(name):
        key = key_of(id_of(text, number))
        if key in places:
            first = next(at for at, line in lines(name) if key_of(id_of(line, at)) == key)
            raise UsageFault(
                f"{name}:{number}: the id {key} stands in line {first} too",
                hints=("ids tell the answers apart: give each line its own",),
            )
        places[key] = len(places)
    if not places:
        raise UsageFault(f"There is nothing in {name}")
    return places


class Run:
    """One run over the lines. `start` begins it, `stop` lets what is under way come to its end."""

    def __init__(self, name: str, out: OutFile, job: Job, redact: Callable[[str], str]) -> None:
        self.tally = Tally()
        self.fault: BaseException | None = None
        self._out = out
        self._earlier = bool(out.known)
        self._job = job
        self._redact = redact
        self._lines = lines(name)
        self._take = Lock()
        self._count = Lock()
        self._common = Common(job.width)
        self._row = 0
        self._over = Flag()
        self._working = 0

    def start(self) -> None:
        """Begin. The first worker opens what it needs here, so that a mistake in the config is raised."""
        first = Worker(self._common, self._job)
        first.ready()
        workers = [first, *(Worker(self._common, self._job) for _ in range(self._job.width - 1))]
        self._working = len(workers)
        for worker in workers:
            Thread(target=self._work, args=(worker,), daemon=True).start()

    def pass_over(self) -> None:
        """Look at the lines where none is left to be asked, so that it is told what they are."""
        self._next()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, so long at most; whether it is there."""
        return self._over.wait(seconds)  # Ctrl-C in a join would make a thread that runs pass for ended

    def stop(self, fault: BaseException | None = None) -> None:
        """No further line is begun."""
        with self._count:
            self.fault = self.fault or fault
        self._common.stop.set()

    @property
    def stopped(self) -> bool:
        """Whether no further line is begun."""
        return self._common.stop.is_set()

    @property
    def closed_s(self) -> float:
        """Seconds for which a backend asked to be left alone."""
        return self._common.closed_s

    @property
    def again(self) -> int:
        """How often a line was asked again after a rate limit."""
        return self._common.again

    def _work(self, worker: Worker) -> None:
        try:
            while (taken := self._next()) is not None:
                self._one(worker, *taken)
        except ArawnError as fault:
            self.stop(fault)
        except BaseException as error:  # it must reach the one who waits, whatever it is
            self.stop(error)
        finally:
            worker.close()
            with self._count:
                self._working -= 1
                if not self._working:
                    self._over.set()

    def _next(self) -> tuple[int, str] | None:
        """The next line that is to be asked."""
        while not self.stopped:
            with self._take:
                number, text = next(self._lines, (0, ""))
            if not number:
                return None
            if self._wanted(number, text):
                return number, text
        return None

    def _wanted(self, number: int, text: str) -> bool:
        if not self._earlier:  # an id stands there once: what this run adds is never looked for
            return True
        id = id_of(text, number)
        known = self._out.known.get(key_of(id))
        if known is None or (not known.ok and self._job.retry_failed):
            return True
        with self._count:
            self.tally.before += 1
            self.tally.failed_before += not known.ok
            if known.digest and known.digest != digest_of(text):
                self.tally.changed.append(id)
        return False

    def _one(self, worker: Worker, number: int, text: str) -> None:
        try:
            asked = item(text, number, task=self._job.plan is not None)
        except BadLine as fault:
            fault.sentence = f"line {number}: {fault.sentence}"
            self._write(Outcome(id_of(text, number), "", [], fault))
            return
        outcome = worker.ask(asked)
        if outcome is not None:
            self._write(outcome)

    def _write(self, outcome: Outcome) -> None:
        record = outcome.record(self._redact, self._job.form is not None)
        self._out.add(record)
        tally = self.tally
        with self._count:
            if record["ok"]:
                tally.answered += 1
            else:
                tally.failed += 1
            if outcome.answers:
                tally.cost_usd = whole([tally.cost_usd, record["cost_usd"]])
            tally.input += record["usage"]["input"] or 0
            tally.output += record["usage"]["output"] or 0
            if record["error"] is not None:
                code, said = record["error"]["code"], f"{outcome.id}: {record['error']['message']}"
                count, first = tally.faults.get(code, (0, said))
                tally.faults[code] = (count + 1, first)
            down = outcome.fault is not None and outcome.fault.code in DOWN
            self._row = self._row + 1 if down else 0
            gone = self._row >= max(16, 2 * self._job.width)
        if gone:
            self.stop(outcome.fault)
