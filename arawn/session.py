"""A session as it is kept: a tree of turns with named heads. Values and walks, no file and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from arawn.events import Attempt, Usage
from arawn.messages import NOTHING, FilePart, Message

MAIN = "main"
ASIDE = "aside"
"""In the place of a session's terminal: it was about a line of the shell, and -c does not go on with it."""
CANCELLED = "cancelled"
"""In the place of an attempt's error: another had begun to answer. It says nothing about the backend."""
TITLE = 60
Kind = Literal["said", "summary"]


class Seam(NamedTuple):
    """Where an answer goes on after a break: from character `at` of its text this backend and model wrote."""

    at: int
    backend: str
    model: str


class Receipt(NamedTuple):
    """What is known of a turn. Times in seconds, None is unknown.

    finish: as in the `--json` document; error, told: code and sentence of what went wrong. settings: what
    the request said (temperature, max_tokens, ...). estimate: prompt tokens as we guessed them before
    sending; left_out: messages of the session that were not sent. prices: date of the price table.
    """

    backend: str = ""
    provider: str = ""
    model: str = ""
    finish: str = "interrupted"
    finish_raw: str = ""
    error: str | None = None
    told: str | None = None
    usage: Usage = Usage()
    attempts: tuple[Attempt, ...] = ()
    settings: Mapping[str, Any] = NOTHING
    estimate: int | None = None
    left_out: int = 0
    cost_usd: float | None = None
    prices: str | None = None
    seams: tuple[Seam, ...] = ()

    @property
    def asked(self) -> str:
        """The model as it was asked for last; `model` is what answered, which may be called otherwise."""
        return self.attempts[-1].model if self.attempts else self.model

    @property
    def first_event_s(self) -> float | None:
        """From sending to the first event, waits and failed attempts included."""
        attempts = self._in_turn
        if not attempts or attempts[-1].first_event_s is None:
            return None
        *before, last = attempts
        spent = sum(attempt.waited_s + attempt.total_s for attempt in before)
        return spent + last.waited_s + (last.first_event_s or 0.0)

    @property
    def total_s(self) -> float:
        """From sending to the end."""
        return sum(attempt.waited_s + attempt.total_s for attempt in self._in_turn)

    @property
    def _in_turn(self) -> list[Attempt]:
        """The attempts without those made beside another that answered."""
        return [attempt for attempt in self.attempts if attempt.error != CANCELLED]

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens a second, from the first event on."""
        if not self.attempts or not self.usage.output:
            return None
        last = self.attempts[-1]
        spent = last.total_s - (last.first_event_s or 0.0)
        return self.usage.output / spent if spent > 0.001 else None


class Turn(NamedTuple):
    """What one side said and all that answers it. Immutable: another answer is another turn.

    `messages` are those that are sent: the user's first, then the answer's (none where none came). A
    `summary` stands for everything above it but the last turns that it keeps. `at` is seconds since 1970,
    `session` where it was said.
    """

    id: str
    parent: str | None
    messages: tuple[Message, ...]
    receipt: Receipt = Receipt()
    at: float = 0.0
    session: str = ""
    kind: Kind = "said"

    @property
    def prompt(self) -> Message:
        """What the person said."""
        return self.messages[0]

    @property
    def answer(self) -> str:
        """The text of the answer, as far as it came."""
        return "".join(message.text for message in self.messages[1:])

    @property
    def unfinished(self) -> bool:
        """Whether the answer broke off, or never came."""
        return self.receipt.finish in ("cut", "interrupted", "error")

    @property
    def kept(self) -> int:
        """How many of the turns right before a summary are sent after it as they are."""
        kept = self.receipt.settings.get("kept", 0)
        return kept if isinstance(kept, int) and kept > 0 else 0

    @property
    def files(self) -> tuple[FilePart, ...]:
        """What went along with the prompt."""
        return tuple(part for part in self.prompt.parts if isinstance(part, FilePart))


class Session:
    """A tree of turns in the order they were said, named heads, and where the person stands in it.

    `head` is the turn that the next one follows (None: the beginning), `branch` the name that moves along
    with it (None: no name does). `latest` is the turn that was asked last, wherever the head went since.
    """

    def __init__(self, id: str = "", title: str = "", system: str | None = None) -> None:
        self.id = id
        self.title = title
        self.system = system
        self.pinned = False
        self.folder = ""
        self.created = 0.0
        self.turns: dict[str, Turn] = {}
        self.branches: dict[str, str] = {}
        self.head: str | None = None
        self.branch: str | None = MAIN
        self.latest: str | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said up to the head, as it is sent."""
        return said(self.path())

    @property
    def updated(self) -> float:
        """When it was last spoken in, seconds since 1970."""
        return next((turn.at for turn in reversed(self.turns.values())), self.created)

    @property
    def current(self) -> Turn | None:
        """The turn that the person means by "the last answer": the one asked last, while they stand at it or
        right before it (it was taken back), else the last one that leads to where they stand."""
        latest = self.turns.get(self.latest or "")
        if latest is not None and self.head in (latest.id, latest.parent):
            return latest
        return next((turn for turn in reversed(self.path()) if turn.kind == "said"), latest)

    def path(self, end: str | None = "") -> tuple[Turn, ...]:
        """The turns from the beginning to `end`, the head unless said; () where `end` is None."""
        at = self.head if end == "" else end
        found: list[Turn] = []
        while at is not None and at in self.turns:
            found.append(self.turns[at])
            at = self.turns[at].parent
        return tuple(reversed(found))

    def add(self, turn: Turn) -> None:
        """Take a turn; the head, and the branch with it, move there."""
        self.turns[turn.id] = turn
        if turn.kind == "said":
            self.latest = turn.id
        self._move(turn.id)

    def step_back(self) -> Turn | None:
        """The head goes to before its turn, which stays in the tree; returns it, None at the beginning."""
        turn = self.turns.get(self.head or "")
        if turn is not None:
            self._move(turn.parent)
        return turn

    def stand_at(self, turn: str | None) -> None:
        """The head goes to `turn`; the branch that ends there moves along from then on, else none does."""
        self.head = turn
        self.branch = next((name for name, end in self.branches.items() if end == turn), None)
        if turn is None and not self.branches:
            self.branch = MAIN

    def switch(self, name: str) -> None:
        """The head goes to the end of a branch. Raises KeyError where there is no such branch."""
        self.head, self.branch = self.branches[name], name

    def name_head(self, name: str) -> None:
        """From here on `name` moves with the head. Raises KeyError at the beginning, before any turn."""
        if self.head is None:
            raise KeyError(name)
        self.branches[name] = self.head
        self.branch = name

    def number(self, turn: str) -> int:
        """The number of a turn, from 1, in the order they were said."""
        return list(self.turns).index(turn) + 1

    def find(self, word: str) -> Turn | None:
        """The turn meant by a number, the name of a branch, or the beginning of an id (4 or more)."""
        if word.isdecimal() and 0 < int(word) <= len(self.turns):
            return list(self.turns.values())[int(word) - 1]
        if word in self.branches:
            return self.turns.get(self.branches[word])
        near = [turn for id, turn in self.turns.items() if len(word) >= 4 and id.startswith(word)]
        return near[0] if len(near) == 1 else None

    def children(self, turn: str | None) -> list[Turn]:
        """The turns that follow `turn`; those that follow nothing for None."""
        return [one for one in self.turns.values() if self._above(one) == turn]

    def ends(self) -> list[Turn]:
        """The turns that nothing follows."""
        inner = {turn.parent for turn in self.turns.values()}
        return [turn for id, turn in self.turns.items() if id not in inner]

    def _above(self, turn: Turn) -> str | None:
        return turn.parent if turn.parent in self.turns else None

    def _move(self, turn: str | None) -> None:
        self.head = turn
        if self.branch is None:
            return
        if turn is None:
            self.branches.pop(self.branch, None)
        else:
            self.branches[self.branch] = turn


def standing(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The turns of a path that are sent: a summary takes the place of those before it, but for the last ones
    that it keeps as they are."""
    found: list[Turn] = []
    for turn in turns:
        if turn.kind == "summary":
            said = [one for one in found if one.kind == "said"]
            found = said[len(said) - turn.kept :] if turn.kept else []
            found.insert(0, turn)
        else:
            found.append(turn)
    return tuple(found)


def said(turns: tuple[Turn, ...]) -> tuple[Message, ...]:
    """The messages of a path as they are sent."""
    return tuple(message for turn in standing(turns) for message in turn.messages)


def common(one: tuple[Turn, ...], other: tuple[Turn, ...]) -> int:
    """How many turns two paths share from their beginning on."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a.id != b.id:
            break
        count += 1
    return count


def title_of(text: str) -> str:
    """A title from the first prompt: its first line with words in it, at most TITLE characters.

    Where that line ends with a colon, the next one that is no fence of code goes with it.
    """
    lines = (" ".join(line.split()) for line in text.splitlines() if line.strip(" \t`#>*-"))
    line = next(lines, "")
    if line.endswith(":"):
        line = f"{line} {next((more for more in lines if not more.startswith('```')), '')}".rstrip()
    if len(line) <= TITLE:
        return line
    cut = line[:TITLE].rsplit(" ", 1)[0] if " " in line[TITLE // 2 : TITLE] else line[: TITLE - 1]
    return cut.rstrip(" ,.;:") + "…"
