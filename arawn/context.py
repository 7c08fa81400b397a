"""Sees that what is sent fits the model: guesses its tokens, leaves out or sums up what is oldest; no I/O.

A guess is by characters (`arawn.tokens`), put right by what the services counted in earlier turns.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol

from arawn.errors import ArawnError, ContextFault
from arawn.events import Event, Notice
from arawn.gauge import Gauge, limits, oldest
from arawn.messages import Message
from arawn.ports import Asked, Backend, Journal, Outlook, Planned, Policy
from arawn.session import Session, Turn, standing
from arawn.summary import cut, own_words, room, spoken, summed_up
from arawn.tokens import PATCHES, PictureRule

SMALL = 3000
"""Tokens that fit any window: nothing is looked up for a first prompt below."""
ANSWER = 4096
"""Kept for the answer where nothing says how long it may be, at most a quarter of the window."""
UNKNOWN = 8192
"""What a summariser of unknown window is asked to read at most."""
WORTH = 0.2
"""Of the window: summing up less than this, before it must be, costs more than it gives."""


class Rules(NamedTuple):
    """What `[context]` says. `reserve` in tokens, `compact_at` a share of the window, `keep` in turns."""

    policy: Policy = "compact"
    reserve: int | None = None
    compact_at: float = 0.85
    keep: int = 4


class Profile(NamedTuple):
    """What the config says of a backend, without looking anything up.

    `context` and `max_tokens` in tokens, None: not said. `pictures` is the rule for them. A
    backend that is not `real` answers itself and has no window.
    """

    context: int | None = None
    max_tokens: int | None = None
    system: str | None = None
    pictures: PictureRule = PATCHES
    real: bool = True


class Backends(Protocol):
    """The backends of a run, as far as a planner asks about them."""

    def profile(self, backend: Backend) -> Profile:
        """What the config says of the backend."""

    def context(self, backend: Backend) -> int | None:
        """The window of its model in tokens, looked up; None where nobody knows."""

    def summariser(self, backend: Backend) -> Backend:
        """Who sums up for `backend`, closed after; an ArawnError where that one cannot be opened."""

    def larger(self, backend: Backend, tokens: int) -> tuple[str, ...]:
        """What to type for a configured model with a larger window, best first."""


class _Frame(NamedTuple):
    """One request that is being planned: what stays the same whatever is left out of it."""

    asked: Asked
    gauge: Gauge
    profile: Profile

    def size(self, turns: Sequence[Turn]) -> int:
        """Tokens of the request with these turns before the message."""
        return self.gauge.of(turns, (self.asked.message, *self.asked.request.messages))

    def planned(self, turns: Sequence[Turn], parent: str | None, left_out: int = 0) -> Planned:
        """What is sent with these turns before the message."""
        return Planned((*said_of(turns), self.asked.message), parent, self.size(turns), left_out)


class ContextPlanner:
    """A Planner by the rules of `[context]`; summaries go through `journal`, where there is one."""

    def __init__(self, rules: Rules, backends: Backends, journal: Journal | None = None) -> None:
        self.rules = rules
        self._backends = backends
        self._journal = journal

    def plan(self, asked: Asked) -> Generator[Event, None, Planned]:
        """As `ports.Planner`."""
        frame = self._frame(asked)
        turns = standing(asked.session.path(asked.parent))
        size = frame.size(turns)
        window = frame.profile.context
        if window is None and (turns or size >= SMALL) and frame.profile.real:
            window = self._backends.context(asked.backend)
        if window is None:
            return frame.planned(turns, asked.parent)
        return (yield from self._fitted(frame, turns, window, self._reserve(frame, window)))

    def again(
        self, asked: Asked, planned: Planned, fault: ContextFault
    ) -> Generator[Event, None, Planned | None]:
        """Less than what the service just refused as too long, once; None where no less can be sent.

        How much less is by the limit that the service names, else half.
        """
        turns = list(standing(asked.session.path(planned.parent)))
        while turns and len(said_of(turns)) + 1 > len(planned.messages):
            turns.pop(oldest(turns))
        if self.rules.policy == "refuse" or not turns:
            return None
        frame = self._frame(asked)
        size = frame.size(turns)
        counted, limit = limits(f"{fault.sentence} {fault.detail}")
        if limit is not None:
            limit = limit - self._reserve(frame, limit)
            limit = int(size * min(1.0, limit / counted)) if counted else limit
        most = min(limit, size * 9 // 10) if limit else size // 2
        yield Notice(f"{asked.backend.name} refused it as too long; less is sent", warning=True)
        return (yield from self._dropped(frame, turns, planned.parent, most, None))

    def compact(self, asked: Asked, focus: str = "") -> Generator[Event, None, Turn | None]:
        """As `ports.Planner`."""
        frame = self._frame(asked)
        turns = standing(asked.session.path(asked.parent))
        window = frame.profile.context or self._backends.context(asked.backend)
        older, kept = _split(frame, turns, self.rules.keep, (window or UNKNOWN) // 2)
        if not any(turn.kind == "said" for turn in older):
            older, kept = list(turns), []
        if not any(turn.kind == "said" for turn in older):
            return None
        return (yield from self._summed_up(frame, older, kept, window, focus))

    def outlook(self, asked: Asked) -> Outlook:
        """As `ports.Planner`."""
        frame = self._frame(asked)
        turns = standing(asked.session.path(asked.parent))
        window = frame.profile.context
        if window is None and frame.profile.real:
            window = self._backends.context(asked.backend)
        reserve = self._reserve(frame, window) if window else 0
        total = frame.size(turns)
        left = list(turns)
        if window is not None:
            _drop(frame, left, self._most(window, reserve))
        return Outlook(
            frame.gauge.kinds(turns, asked.message),
            total,
            window,
            reserve,
            len(turns) - len(left),
            self.rules.policy,
            frame.gauge.last,
        )

    def _frame(self, asked: Asked) -> _Frame:
        session, backend = asked.session, asked.backend
        profile = self._backends.profile(backend)
        system = session.system if session.system is not None else profile.system
        bare = asked.request._replace(messages=(), system=system)
        gauge = Gauge(session, (backend.name, backend.model), bare, profile.pictures)
        return _Frame(asked, gauge, profile)

    def _reserve(self, frame: _Frame, window: int) -> int:
        """Tokens to keep for the answer; half the window at most, a quarter where nobody said how many."""
        told = self.rules.reserve or frame.asked.request.max_tokens or frame.profile.max_tokens
        if self.rules.reserve is None and isinstance(frame.asked.request.reasoning, int):
            told = (told or ANSWER) + frame.asked.request.reasoning
        return min(told, window // 2) if told else min(ANSWER, window // 4)

    def _most(self, window: int, reserve: int) -> int:
        """Tokens from which on something is done."""
        hard = window - reserve
        return min(hard, int(window * self.rules.compact_at)) if self.rules.policy == "compact" else hard

    def _fitted(
        self, frame: _Frame, turns: tuple[Turn, ...], window: int, reserve: int
    ) -> Generator[Event, None, Planned]:
        """What is sent so that it fits. Raises ContextFault where it cannot, or must not be made to."""
        hard, parent = window - reserve, frame.asked.parent
        size = frame.size(turns)
        if size <= self._most(window, reserve):
            return frame.planned(turns, parent)
        alone = frame.size(())
        if frame.gauge.least(alone) > hard:
            raise self._refusal(frame, alone, window, reserve, False)
        if self.rules.policy == "compact":
            parent = yield from self._compacted(frame, turns, window, size > hard)
            turns = standing(frame.asked.session.path(parent))
        if frame.size(turns) <= hard:
            return frame.planned(turns, parent)
        if self.rules.policy == "refuse":
            if frame.gauge.least(frame.size(turns)) > hard:
                raise self._refusal(frame, size, window, reserve, bool(turns))
            return frame.planned(turns, parent)
        return (yield from self._dropped(frame, turns, parent, hard, (window, reserve)))

    def _compacted(
        self, frame: _Frame, turns: tuple[Turn, ...], window: int, must: bool
    ) -> Generator[Event, None, str | None]:
        """Sum up the older turns and return what to follow then; the old parent where that brings nothing."""
        parent = frame.asked.parent
        older, kept = _split(frame, turns, self.rules.keep, window // 3)
        gain = frame.gauge.between(older)
        if not any(turn.kind == "said" for turn in older) or (not must and gain < WORTH * window):
            return parent
        try:
            summary = yield from self._summed_up(frame, older, kept, window)
        except ArawnError as error:
            instead = "; the oldest are left out instead" if must else ", and are sent as they are"
            yield Notice(f"the older turns could not be summed up ({error.sentence}){instead}", warning=True)
            return parent
        told = _turns(sum(turn.kind == "said" for turn in older))
        now = frame.size(standing(frame.asked.session.path(summary.id)))
        yield Notice(
            f"summed up: the {told}, {frame.size(turns):,} tokens are now about {now:,}; "
            "the turns themselves are kept, /context shows it"
        )
        return summary.id

    def _summed_up(
        self,
        frame: _Frame,
        older: Sequence[Turn],
        kept: Sequence[Turn],
        window: int | None,
        focus: str = "",
    ) -> Generator[Event, None, Turn]:
        """The turn that stands for the older ones, added to the session. Raises an ArawnError."""
        session, parent, backend = frame.asked.session, frame.asked.parent, frame.asked.backend
        by = self._backends.summariser(backend)
        mine = window if by is backend else None
        limit = mine or self._backends.profile(by).context or self._backends.context(by) or UNKNOWN
        space = room(limit)
        size = int(space.piece / max(1.0, frame.gauge.factor))
        what = "older turn" if len(older) == 1 else _turns(len(older))
        yield Notice(f"summing up the {what} first, by {by.name}")
        try:
            text, receipt = yield from summed_up(by, older, size, space.summary, focus)
        except ContextFault:
            text, receipt = yield from summed_up(by, older, size // 3, space.summary, focus)
        finally:
            if by is not backend:
                by.close()
        path = session.path(parent)
        above = [turn for turn in path if turn not in kept and turn.kind == "said"]
        words = own_words(above, room(window or limit).words)
        messages = spoken(cut(text, room(window or limit).summary), words, len(above))
        settings = {"kept": len(kept), **({"focus": focus} if focus else {})}
        turn = Turn("", parent, messages, receipt._replace(settings=settings), kind="summary")
        return self._kept(session, turn, by)

    def _kept(self, session: Session, turn: Turn, by: Backend) -> Turn:
        """Put a summary into the tree, and into the store where there is one."""
        if self._journal is None:
            turn = turn._replace(id=str(len(session.turns) + 1))
        else:
            entry = self._journal.begin(session, turn.parent, turn.prompt, "", by)
            turn = entry.end(turn._replace(id=entry.id, at=entry.at, session=session.id))
        session.add(turn)
        return turn

    def _dropped(
        self,
        frame: _Frame,
        turns: Sequence[Turn],
        parent: str | None,
        most: int,
        known: tuple[int, int] | None,
    ) -> Generator[Event, None, Planned]:
        """What is sent without the oldest turns, so that it has at most `most` tokens.

        Raises ContextFault where not even the message alone fits a window (and reserve) that is `known`.
        """
        left = list(turns)
        dropped = _drop(frame, left, most)
        size = frame.size(left)
        if known is not None and size > most and frame.gauge.least(size) > most:
            raise self._refusal(frame, size, *known, False)
        if dropped:
            whole, part = frame.size(turns), frame.gauge.between(dropped)
            what = "1 oldest turn" if len(dropped) == 1 else f"{len(dropped)} oldest turns"
            yield Notice(
                f"left out: the {what}, about {part:,} of {whole:,} tokens; /context shows it", warning=True
            )
        return frame.planned(left, parent, len(said_of(dropped)))

    def _refusal(self, frame: _Frame, size: int, window: int, reserve: int, history: bool) -> ContextFault:
        """The fault of a request that does not fit."""
        what = "The conversation" if history else "The prompt"
        elsewhere = self._backends.larger(frame.asked.backend, size)
        hints = [f"a model with a larger window: {elsewhere[0]}"] if elsewhere else []
        if history:
            hints += ["/compact sums up what was said so far", "-o context.policy=drop leaves out the oldest"]
        else:
            hints.append("send less: a shorter text, fewer or smaller files")
        if not frame.gauge.samples:
            hints.append(f'is its window larger? say so: [catalog."{frame.asked.backend.model}"] context = N')
        return ContextFault(
            f'{what} does not fit "{frame.asked.backend.model}": about {size:,} tokens, and its window has '
            f"{window:,}, of which {reserve:,} are for the answer",
            hints=tuple(hints),
        )


def said_of(turns: Sequence[Turn]) -> list[Message]:
    """Their messages."""
    return [message for turn in turns for message in turn.messages]


def _turns(count: int) -> str:
    return "1 older turn" if count == 1 else f"{count} older turns"


def _drop(frame: _Frame, turns: list[Turn], most: int) -> list[Turn]:
    """Take the oldest turns away until the request has at most `most` tokens; returns them."""
    dropped: list[Turn] = []
    size = frame.size(turns)
    while turns and size > most:
        turn = turns.pop(oldest(turns))
        size -= frame.gauge.between((turn,))
        dropped.append(turn)
    return dropped


def _split(frame: _Frame, turns: Sequence[Turn], keep: int, most: int) -> tuple[list[Turn], list[Turn]]:
    """The turns to sum up, and the last ones to keep: `keep` at most, and at most `most` tokens."""
    kept: list[Turn] = []
    for turn in reversed(turns):
        if turn.kind == "summary" or len(kept) >= keep or frame.gauge.between((turn, *kept)) > most:
            break
        kept.insert(0, turn)
    return list(turns[: len(turns) - len(kept)]), kept
