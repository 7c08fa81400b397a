"""Sessions as lines for people: lists, hits, ages and sizes; it knows no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from arawn.folding import cells, clipped, folded, shared
from arawn.render.safe import clean
from arawn.session import Session, Turn


class Listed(Protocol):
    """A session of a list."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def title(self) -> str:
        """Its title."""

    @property
    def pinned(self) -> bool:
        """Whether it stays at the top."""

    @property
    def updated(self) -> float:
        """When it was last spoken in."""

    @property
    def turns(self) -> int:
        """How many turns lead to its head."""

    @property
    def backend(self) -> str:
        """Who answered last."""

    @property
    def model(self) -> str:
        """With which model."""

    @property
    def unfinished(self) -> bool:
        """Whether its last answer broke off."""


def ago(seconds: float) -> str:
    """A time that has passed, in its largest unit."""
    for limit, unit, size in ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600), (86400 * 60, "d", 86400)):
        if seconds < limit:
            return f"{max(0, seconds) / size:.0f} {unit}"
    return f"{seconds / 86400 / 30.4:.0f} mon" if seconds < 86400 * 730 else f"{seconds / 86400 / 365:.0f} y"


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def listing(
    sessions: Iterable[Listed], now: float | None = None, columns: int | None = None
) -> Iterator[str]:
    """A line a session: id, age, turns, title (shorter where it must fit in `columns`), who answered."""
    now = time.time() if now is None else now
    for info in sessions:
        marks = ("* " if info.pinned else "") + ("(unfinished) " if info.unfinished else "")
        head = f"{info.id}  {ago(now - info.updated):>7}  {info.turns:>3}  {marks}"
        who = clean(f" ({info.backend} · {info.model})" if info.backend else "", newlines=False)
        title = clean(info.title, newlines=False)
        who = f" {who}" if who else ""
        yield head + (shared(title, who, columns - cells(head)) if columns else title + who)


class Found(Protocol):
    """A message that was found."""

    @property
    def session(self) -> str:
        """The session's id."""

    @property
    def title(self) -> str:
        """Its title."""

    @property
    def role(self) -> str:
        """Who said it."""

    @property
    def at(self) -> float:
        """When."""

    @property
    def pieces(self) -> tuple[tuple[str, bool], ...]:
        """Its neighbourhood: texts, and whether each is a hit."""


def found(
    hits: Iterable[Found], color: bool, now: float | None = None, columns: int | None = None
) -> Iterator[str]:
    """Two lines a hit: the session, and what was said with the hits marked, folded to `columns`."""
    now = time.time() if now is None else now
    for hit in hits:
        head = f"{hit.session}  {ago(now - hit.at):>7}  "
        title = clean(hit.title, newlines=False)
        yield head + (clipped(title, columns - len(head)) if columns else title)
        shown = [(_inside(text), marked) for text, marked in hit.pieces]
        begin, end = ("\x1b[1;33m", "\x1b[0m") if color else ("[", "]")
        if not color:
            shown = [(f"{begin}{text}{end}" if marked else text, False) for text, marked in shown]
        if columns:
            shown = list(folded(shown, len(f"    {hit.role}: "), columns, "    "))
        line = "".join(f"{begin}{text}{end}" if marked else text for text, marked in shown)
        yield f"    {hit.role}: {line}"


def _inside(text: str) -> str:
    """A piece of a line, with its spaces to what stands before and after it."""
    before, after = (" " if text[place].isspace() else "" for place in (0, -1)) if text else ("", "")
    inner = clean(text, newlines=False)
    return f"{before}{inner}{after}" if inner else before


def spoken(session: Session, turns: Iterable[Turn]) -> Iterator[str]:
    """A session as a text to read, turn by turn."""
    yield clean(f"# {session.title or session.id}\n\n", newlines=True)
    if session.system:
        yield clean(f"System: {session.system}\n\n")
    for turn in turns:
        if turn.kind == "summary":
            yield clean(f"--- summary of what is above ---\n{turn.answer}\n\n")
            continue
        yield clean(f"--- {session.number(turn.id)}. You\n{turn.prompt.text}\n\n")
        for file in turn.files:
            yield clean(f"[{file.name or file.kind}: {file.media_type}, {len(file.data):,} bytes]\n")
        who = turn.receipt.model or turn.receipt.backend or "answer"
        state = f" ({turn.receipt.told or turn.receipt.finish})" if turn.unfinished else ""
        answer = f"{turn.answer}\n" if turn.answer else ""
        yield clean(f"--- {who}{state}\n{answer}\n")
