"""How many tokens a request of a session is likely to have: a guess by characters, put right by real counts.

Two things are learnt from the turns that a service counted: how much more or less its tokenizer makes of a
text than our guess (`factor`), and what it adds to every prompt (the offset). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import ceil
from typing import NamedTuple

from arawn.messages import FilePart, Message, Request
from arawn.session import Session, Turn, standing
from arawn.tokens import PATCHES, PictureRule, of_message, of_messages, of_part, of_request

SEEN = 8
"""Of so many turns at most the counts are looked at, the newest."""
RECENT = 3
"""Turns that a count is held against: one alone may have had a schema, or pages that were searched."""
PRIOR = 500
"""Tokens that our guess counts for against real ones, so that a short prompt proves little."""
ADDED = 1500
"""Tokens that a service may put before a prompt: so much of the first difference says nothing of the text."""
LEAST, MOST = 0.5, 3.0
UNLIKELY = 0.3
"""Less than this share of the guess was not counted whole: some count no cached tokens."""
LEAST_WINDOW = 256
"""A smaller number in a service's words is no window."""
EXACT = 2
"""How near a turn is that was answered by the very model."""
DOUBT, DOUBT_NEW = 0.2, 0.1
"""How far a guess may be too high, with no real count at all and for what is new since the last one."""


class Sample(NamedTuple):
    """A turn that was counted: by us, in characters alone, by the service, and what we had told."""

    guess: float
    counted: int
    told: int | None


class Gauge:
    """The measure of one session for one backend and model. `bare` is the request without its messages."""

    def __init__(
        self, session: Session, asked: tuple[str, str], bare: Request, pictures: PictureRule = PATCHES
    ) -> None:
        self._session = session
        self._fixed = of_request(bare)
        self._system = of_request(bare._replace(system=None))
        self._pictures = pictures
        self._turns: dict[str, float] = {}
        ranked = self._ranked(asked)
        self.samples = tuple(self._sample(turn) for turn in ranked[1])
        self.samples = tuple(one for one in self.samples if one.counted > UNLIKELY * one.guess)
        self.factor = _factor(self.samples)
        last = self.samples[-1] if self.samples and ranked[0] == EXACT else None
        self._anchor = last
        self._offset = self._added(last) if last is not None else 0.0
        self.last = None if last is None else (last.counted, last.told or ceil(last.guess))

    def _added(self, last: Sample) -> float:
        """What the service adds to a prompt: by the last count, unless that was out of the ordinary."""
        over = [one.counted - self.factor * one.guess for one in self.samples[-RECENT:]]
        middle = sorted(over)[(len(over) - 1) // 2]
        return over[-1] if abs(over[-1] - middle) <= max(PRIOR, last.counted / 10) else middle

    def of(self, turns: Iterable[Turn], following: Sequence[Message] = ()) -> int:
        """Tokens of a request with these turns and messages."""
        guess = self._guess(turns, following)
        return ceil(max(self.factor * guess + self._offset, LEAST * guess))

    def between(self, turns: Iterable[Turn]) -> int:
        """Tokens of these turns alone."""
        return ceil(self.factor * sum(self._of_turn(turn) for turn in turns))

    def least(self, size: int) -> int:
        """What a request that is guessed at `size` has at least, as good as surely."""
        if self._anchor is None:
            return int(size * (1 - DOUBT))
        return int(size - DOUBT_NEW * max(0.0, size - self._anchor.counted))

    def kinds(self, turns: Sequence[Turn], message: Message) -> tuple[tuple[str, int], ...]:
        """Where the tokens of a request are, by kind."""
        before = [one for turn in turns for one in turn.messages]
        files = self._files((*before, message))
        told = sum(self._of_turn(turn) for turn in turns if turn.kind == "said")
        summary = sum(self._of_turn(turn) for turn in turns if turn.kind == "summary")
        here = of_message(message, self._pictures) if message.parts else 0.0
        found = (
            ("system prompt", self._fixed - self._system),
            ("summary", summary),
            ("turns", told - self._files(before)),
            ("files", files),
            ("this message", here - self._files((message,))),
        )
        rows = tuple((kind, ceil(self.factor * size)) for kind, size in found)
        return (*rows, ("added by the service", max(0, ceil(self._offset + self.factor * self._system))))

    def _files(self, messages: Iterable[Message]) -> float:
        return sum(
            of_part(part, self._pictures)
            for message in messages
            for part in message.parts
            if isinstance(part, FilePart)
        )

    def _guess(self, turns: Iterable[Turn], following: Iterable[Message]) -> float:
        before = sum(self._of_turn(turn) for turn in turns)
        return self._fixed + before + of_messages(following, self._pictures)

    def _of_turn(self, turn: Turn) -> float:
        if turn.id not in self._turns:
            self._turns[turn.id] = of_messages(turn.messages, self._pictures)
        return self._turns[turn.id]

    def _ranked(self, asked: tuple[str, str]) -> tuple[int, list[Turn]]:
        """The newest counted turns of the nearest kind: of this model, else this backend, else any."""
        found: dict[int, list[Turn]] = {}
        for turn in self._session.turns.values():
            if turn.kind == "said" and turn.receipt.usage.input and not turn.receipt.seams:
                found.setdefault(_nearness(turn, asked), []).append(turn)
        best = max(found, default=0)
        return best, found.get(best, [])[-SEEN:]

    def _sample(self, turn: Turn) -> Sample:
        """What was sent with that turn, in our guess, and its count."""
        turns = list(standing(self._session.path(turn.parent)))
        left_out = turn.receipt.left_out
        while left_out > 0 and turns:
            place = oldest(turns)
            left_out -= len(turns.pop(place).messages)
        receipt = turn.receipt
        return Sample(self._guess(turns, (turn.prompt,)), receipt.usage.input or 0, receipt.estimate)


def oldest(turns: Sequence[Turn]) -> int:
    """The place of the turn that is left out first: a summary stands for many, and goes last."""
    return next((place for place, turn in enumerate(turns) if turn.kind == "said"), 0)


def _nearness(turn: Turn, asked: tuple[str, str]) -> int:
    """EXACT for the same model (services answer under longer names), 1 for the same backend, else 0."""
    receipt = turn.receipt
    if receipt.backend != asked[0]:
        return 0
    if receipt.attempts and receipt.attempts[-1].model == asked[1]:
        return EXACT
    answered, wanted = (name.rpartition("/")[2].lower() for name in (receipt.model, asked[1]))
    return EXACT if answered.startswith(wanted) or wanted.startswith(answered) else 1


def _factor(samples: Sequence[Sample]) -> float:
    """How many real tokens there are to each that we guess.

    From the shortest to the longest prompt, where they differ enough, whatever the service adds to both;
    else from the longest alone, when more was counted than it may add.
    """
    if not samples:
        return 1.0
    low, high = min(samples), max(samples)
    more, counted = high.guess - low.guess, float(high.counted - low.counted)
    if more < PRIOR:
        excess = high.counted - high.guess
        more, counted = high.guess, high.guess + min(excess, max(0.0, excess - ADDED))
    return min(MOST, max(LEAST, (counted + PRIOR) / (more + PRIOR)))


_LIMITS = (
    r"(?:maximum|max|limit|window|allowed|context size|context length|n_ctx)[^\d\n]{0,60}?(\d[\d,_.]*)",
    r"(\d[\d,_.]*)\s*(?:tokens? )?(?:maximum|limit|allowed)",
)


def limits(text: str) -> tuple[int | None, int | None]:
    """Tokens that a request had and that are allowed, in a service's words; None where they do not tell."""
    over = re.search(r"(\d[\d,]*(?:\s*\+\s*\d[\d,]*)*)\s*(?:tokens?\s*)?>\s*(\d[\d,]*)", text)
    if over is not None:
        return sum(_number(part) for part in over.group(1).split("+")), _number(over.group(2))
    numbers = [_number(found) for found in re.findall(r"\d[\d,_.]*", text)]
    for pattern in _LIMITS:
        match = re.search(pattern, text, re.I)
        limit = _number(match.group(1)) if match else 0
        if limit >= LEAST_WINDOW:
            asked = next((number for number in numbers if number > limit), None)
            return asked, limit
    return None, None


def _number(text: str) -> int:
    digits = re.sub(r"\D", "", text)
    return int(digits[:12] or 0)
