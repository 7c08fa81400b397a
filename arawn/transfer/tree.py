"""Foreign conversations as sessions: messages that follow one another, perhaps in several ways, become turns.

A turn is what the person said and everything up to where the person speaks again; where an answer was given
twice there are two turns. It knows no form.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from arawn.events import total
from arawn.messages import FilePart, Message, Part, Role, TextPart, ToolCallPart, ToolResultPart
from arawn.session import MAIN, Receipt, Session, Turn, title_of
from arawn.transfer.shape import id_of

SHARED = 1_000_000
"""How often messages may stand in turns again because answers branch off one another."""
BEGINS = "[the conversation begins with an answer]"
Pieces = tuple[tuple[Role, Part], ...]


class Said(NamedTuple):
    """A message of a foreign tree: one side's pieces, each with its role; none means it is passed over.

    `at` is seconds since 1970 (0: unknown); `receipt` is what is known of an answer.
    """

    id: str
    parent: str | None
    pieces: Pieces
    at: float = 0.0
    receipt: Receipt | None = None

    @property
    def asks(self) -> bool:
        """Whether the person says it."""
        return bool(self.pieces) and self.pieces[0][0] == "user"


Cell = tuple[Any, Said]
"""A message behind those before it in its turn: (Cell or None, message)."""


def user(*parts: Part) -> Pieces:
    """What the person said, without empty texts."""
    return _pieces("user", parts)


def answer(*parts: Part) -> Pieces:
    """What a model said, without empty texts; a result of a tool goes into a message of its own."""
    return _pieces("assistant", parts)


def _pieces(role: Role, parts: Iterable[Part]) -> Pieces:
    return tuple(
        ("tool" if isinstance(part, ToolResultPart) else role, part)
        for part in parts
        if not isinstance(part, TextPart) or part.text
    )


def grow(session: Session, said: Iterable[Said], head: str | None = None) -> Session:
    """`session` with the turns of these messages; it stands where `head` was said, else at the latest.

    Title and beginning are filled in where they are empty. Raises ValueError for messages in a circle.
    """
    below = _below(said)
    turns: list[tuple[float, Turn]] = []
    when: dict[str | None, float] = {None: 0.0}
    where: dict[str, str] = {}
    shared = 0
    waiting: list[tuple[Said, str | None, Cell | None]] = [
        (one, None, None) for one in _last_first(below[None])
    ]
    while waiting:
        one, above, before = waiting.pop()
        cell: Cell = (None if one.asks else before, one)
        after = below.get(one.id, [])
        turn_id = id_of(session.id, one.id)
        if not after or any(next.asks for next in after):
            chain = _chain(cell)
            shared += len(chain)
            if shared > SHARED + 2 * len(when):
                raise ValueError("its answers branch off one another too often")
            at = next((one.at for one in chain if one.at), when[above] or session.created)
            when[turn_id] = max(at, when[above])
            turns.append((when[turn_id], _turn(turn_id, above, chain, at, session.id)))
            for member in chain:
                where.setdefault(member.id, turn_id)
            where[one.id] = turn_id
        waiting += [
            (next, turn_id, None) if next.asks else (next, above, cell) for next in _last_first(after)
        ]
    for _, turn in sorted(turns, key=lambda each: each[0]):
        session.turns[turn.id] = turn
        session.latest = turn.id
    return _stand(session, where.get(_kept(below, head) or ""))


def _stand(session: Session, head: str | None) -> Session:
    session.head = head or session.latest
    if session.head is not None:
        session.branches = {MAIN: session.head}
    first = next(iter(session.turns.values()), None)
    if first is not None:
        session.title = session.title or title_of(first.prompt.text)
        session.created = session.created or first.at
    return session


def _last_first(said: list[Said]) -> list[Said]:
    return said[::-1]


class _Below(dict[str | None, list[Said]]):
    """What follows each message; `up` leads from a message that is passed over to the one before it."""

    def __init__(self) -> None:
        super().__init__({None: []})
        self.up: dict[str, str | None] = {}


def _below(said: Iterable[Said]) -> _Below:
    known: dict[str, Said] = {}
    for one in said:
        known.setdefault(one.id, one)
    found = _Below()
    found.up = {
        one.id: one.parent if one.parent in known else None for one in known.values() if not one.pieces
    }
    for one in known.values():
        if one.pieces:
            found.setdefault(_kept(found, one.parent if one.parent in known else None), []).append(one)
    _no_circle(found, sum(1 for one in known.values() if one.pieces))
    return found


def _kept(below: _Below, id: str | None) -> str | None:
    """The message itself, or the nearest above it that is not passed over."""
    steps = 0
    while id in below.up:
        id = below.up[id]
        steps += 1
        if steps > len(below.up):
            raise ValueError("its messages follow one another in a circle")
    return id


def _no_circle(below: _Below, total: int) -> None:
    reached = 0
    waiting = list(below[None])
    while waiting:
        one = waiting.pop()
        reached += 1
        waiting += below.get(one.id, [])
    if reached != total:
        raise ValueError("its messages follow one another in a circle")


def _chain(cell: Cell | None) -> list[Said]:
    found: list[Said] = []
    while cell is not None:
        cell, one = cell
        found.append(one)
    return found[::-1]


def _turn(id: str, above: str | None, chain: list[Said], at: float, session: str) -> Turn:
    messages = fold(one.pieces for one in chain)
    return Turn(id, above, messages, _receipt(chain, len(messages) > 1), at, session)


def _receipt(chain: list[Said], answered: bool) -> Receipt:
    """What is known of all the calls of a turn together; the last one says who answered and how it ended."""
    known = [one.receipt for one in chain if one.receipt is not None]
    made = known[-1] if known else Receipt(finish="stop" if answered else "interrupted")
    if len(known) > 1:
        costs = [one.cost_usd for one in known if one.cost_usd is not None]
        usage = total(one.usage for one in known)
        attempts = tuple(attempt for one in known for attempt in one.attempts)
        made = made._replace(usage=usage, attempts=attempts, cost_usd=sum(costs) if costs else None)
    return made


def fold(said: Iterable[Pieces]) -> tuple[Message, ...]:
    """The messages of a turn as a model takes them: roles change from one to the next, results have calls."""
    folder = _Folder()
    for pieces in said:
        folder.between = True
        for role, part in pieces:
            folder.add(role, part)
    made = folder.finish()
    if not made or made[0].role != "user":
        made = (Message("user", (TextPart(BEGINS),)), *made)
    return made


class _Folder:
    def __init__(self) -> None:
        self.made: list[tuple[Role, list[Part]]] = []
        self.open: OrderedDict[str, str] = OrderedDict()
        self.named: dict[str, deque[str]] = {}
        self.used: set[str] = set()
        self.between = False
        self.more: list[str] = []

    def add(self, role: Role, part: Part) -> None:
        if isinstance(part, ToolResultPart):
            self._result(part)
            return
        if isinstance(part, ToolCallPart):
            part = self._call(part)
        elif isinstance(part, FilePart) and role != "user":
            part = TextPart(f"[{part.name or 'a file'}: {part.media_type}]\n")
        self._put(role, part)

    def finish(self) -> tuple[Message, ...]:
        """All that was added."""
        self._join()
        return tuple(Message(role, tuple(parts)) for role, parts in self.made)

    def _join(self) -> None:
        """What else came of a call goes to its result."""
        if self.more:
            last = self.made[-1][1][-1]
            if isinstance(last, ToolResultPart):
                self.made[-1][1][-1] = last._replace(content="\n\n".join((last.content, *self.more)))
            self.more = []

    def _put(self, role: Role, part: Part) -> None:
        self._join()
        if not self.made or self.made[-1][0] != role:
            self.made.append((role, []))
        parts = self.made[-1][1]
        if self.between and isinstance(part, TextPart) and parts and isinstance(parts[-1], TextPart):
            part = TextPart("\n\n" + part.text)
        self.between = False
        parts.append(part)

    def _call(self, part: ToolCallPart) -> ToolCallPart:
        id = part.id or f"call_{len(self.used) + 1}"
        while id in self.used:
            id = f"{part.id or 'call'}_{len(self.used) + 1}_"
        self.used.add(id)
        self.open[id] = part.name
        self.named.setdefault(part.name, deque()).append(id)
        return part._replace(id=id)

    def _first(self, name: str) -> str:
        """The first open call of a name, "" where there is none."""
        waiting = self.named.get(name, deque())
        while waiting and waiting[0] not in self.open:
            waiting.popleft()
        return waiting[0] if waiting else ""

    def _result(self, part: ToolResultPart) -> None:
        """A result goes to the call it names, else to the first open one of its name, else to any."""
        id = part.call_id if part.call_id in self.open else ""
        id = id or self._first(part.name) or next(iter(self.open), "")
        if id:
            name = self.open.pop(id)
            self._put("tool", part._replace(call_id=id, name=part.name or name))
            return
        if self.made and self.made[-1][0] == "tool":
            self.more.append(part.content)
        else:
            self._put("assistant", TextPart(f"[{part.name or 'a tool'}]\n{part.content}"))
