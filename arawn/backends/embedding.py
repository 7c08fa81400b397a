"""Vectors for texts from one service: batches, halved where they are too much, each asked through Retry."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from arawn.backends.choose import Choice
from arawn.backends.routing import Regions
from arawn.errors import ContextFault, Cut, Refused, ServiceFault
from arawn.events import Event, Notice, Progress, Usage
from arawn.messages import Request, user
from arawn.ports import Backend
from arawn.sums import whole
from arawn.wire import dialect
from arawn.wire.vectors import Vectors, read

if TYPE_CHECKING:
    from arawn.backends.http import HttpBackend

BATCH = 96
MOST = 256
"""Texts of one request: what a service takes, and never so many that the reply outgrows its limit."""
BATCH_BYTES = 400_000
"""Services also limit the tokens of one request (OpenAI: 300,000 of all its texts)."""
TOO_MUCH = ("too many", "batch", "too large", "too long", "at most", "maximum", "token", "exceed", "payload")


class _Job(NamedTuple):
    texts: Sequence[str]
    purpose: str | None
    dimensions: int | None


class _Asked:
    """A door as a backend that answers with vectors, so that what retries a chat retries this too."""

    def __init__(self, door: HttpBackend, spoken: str) -> None:
        self._door = door
        self._spoken = dialect(spoken)
        self.name = door.name
        self.model = door.model
        self.job = _Job((), None, None)
        self.found: Vectors | None = None

    def close(self) -> None:
        """Close the door."""
        self._door.close()

    def abort(self) -> None:
        """End what is at work there."""
        self._door.abort()

    @property
    def connecting(self) -> bool:
        """Whether nothing could be sent yet."""
        return self._door.connecting

    def stream(self, request: Request) -> Iterator[Event]:
        """Ask for the vectors of the job; they are in `found` then."""
        target, job = self._door.target, self.job
        call = self._spoken.embed(job.texts, target, purpose=job.purpose, dimensions=job.dimensions)
        yield from (Notice(notice, warning=True) for notice in call.notices)
        self.found = read(self._door.send_json(call), len(job.texts), target)


class _All:
    """All texts of a run as one request, so that a limit of money holds for the whole of it."""

    def __init__(self, name: str, model: str, work: Callable[[], Iterator[Event]], end: Callable[[], None]):
        self.name = name
        self.model = model
        self.close = end
        self._work = work

    def stream(self, request: Request) -> Iterator[Event]:
        """Make the vectors; what was read so far is told after each request."""
        return self._work()


class Embedder:
    """One service and model that make vectors. `dimensions` is the length that the config asks for.

    `guard` stands before a run as a whole, whose request has the texts as its messages.
    """

    def __init__(
        self,
        choice: Choice,
        doors: Sequence[HttpBackend],
        retried: Callable[[Backend], Backend],
        dimensions: int | None,
        guard: Callable[[Backend], Backend] = lambda one: one,
    ) -> None:
        self.name = choice.name
        self.provider = choice.provider.name
        self.model = choice.model
        self.why = choice.why
        self.dimensions = dimensions
        self._dialect = dialect(choice.dialect)
        self._asked = [_Asked(door, choice.dialect) for door in doors]
        places = (choice.base_url, *choice.regions)
        self._backend = retried(self._asked[0] if len(doors) == 1 else Regions(self._asked, places))
        self._size = min(int(doors[0].target.options.get("embed_batch", BATCH)), MOST)
        self._job = _Job((), None, None)
        self._found: list[Vectors] = []
        self._guarded = guard(_All(self.name, self.model, self._made, self._backend.close))

    def close(self) -> None:
        """Close the connections."""
        self._guarded.close()

    def embed(
        self,
        texts: Sequence[str],
        purpose: str | None = None,
        dimensions: int | None = None,
        tell: Callable[[Event], object] = lambda event: None,
    ) -> Vectors:
        """The vectors of `texts`, in their order; waits, notices and progress go to `tell`.

        Raises the ServiceFault of the batch that failed for good, and Refused where a service makes vectors
        of another length than was asked for.
        """
        dimensions = dimensions or self.dimensions
        if purpose is not None and not hasattr(self._dialect, "PURPOSES"):
            tell(Notice(f"{self.name} cannot be told a purpose: it is left out", warning=True))
            purpose = None
        self._job, self._found = _Job(texts, purpose, dimensions), []
        for event in self._guarded.stream(Request(tuple(map(user, texts)))):
            tell(event)
        return self._joined(self._found)

    def _made(self) -> Iterator[Event]:
        """Ask for the vectors of the job, batch after batch; they are in `_found` then."""
        texts, done = self._job.texts, 0
        while done < len(texts):
            batch = self._batch(texts, done)
            try:
                made = yield from self._ask(self._job._replace(texts=batch))
            except ServiceFault as fault:
                if len(batch) == 1 and isinstance(fault, ContextFault):
                    fault.sentence = f'Text {done + 1} is too long for "{self.model}"'
                if len(batch) == 1 or not _too_much(fault):
                    raise
                self._size = len(batch) // 2
                continue
            self._found.append(made)
            done += len(batch)
            yield _read(self._found)
            if len(batch) < len(texts):
                yield Progress(f"{done} of {len(texts)} texts")

    def _batch(self, texts: Sequence[str], start: int) -> Sequence[str]:
        """The texts of the next request, at least one."""
        size, end = 0, start
        for text in texts[start : start + self._size]:
            size += len(text.encode("utf-8", "replace"))
            if size > BATCH_BYTES and end > start:
                break
            end += 1
        return texts[start:end]

    def _ask(self, job: _Job) -> Generator[Event, None, Vectors]:
        for asked in self._asked:
            asked.job, asked.found = job, None
        yield from self._backend.stream(Request(()))
        made = next(asked.found for asked in self._asked if asked.found is not None)
        if job.dimensions is not None and made.dimensions != job.dimensions:
            raise Refused(
                f'"{self.model}" makes vectors of {made.dimensions} numbers, not of {job.dimensions}',
                hints=("leave out --dimensions", "or a model that can make shorter ones: --model NAME"),
            )
        return made

    def _joined(self, found: Sequence[Vectors]) -> Vectors:
        vectors = tuple(vector for made in found for vector in made.vectors)
        if len(set(map(len, vectors))) > 1:
            raise Cut(f'"{self.model}" made vectors of different lengths', retryable=False)
        model = next((made.model for made in found if made.model), "")
        return Vectors(vectors, _read(found)._replace(output=None), model, any(made.pooled for made in found))


def _read(found: Sequence[Vectors]) -> Usage:
    """The tokens that were read, as far as they were counted; none were written."""
    return Usage(whole([made.usage.input for made in found]), 0)


def _too_much(fault: ServiceFault) -> bool:
    """Whether fewer texts may do: the request was too large, or a limit of its texts or tokens is named."""
    if isinstance(fault, ContextFault):
        return True
    words = f"{fault.sentence} {fault.detail}".lower()
    return fault.status in (400, 413, 422) and any(word in words for word in TOO_MUCH)
