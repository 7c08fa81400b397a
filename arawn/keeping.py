"""Keeps what is said: in a journal while a turn lasts, then in the store; trouble costs no answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import ArawnError, StoreFault
from arawn.events import Event
from arawn.messages import Message
from arawn.ports import Backend
from arawn.record import Json, session_without_keys, turn_without_keys, without_keys
from arawn.session import MAIN, Receipt, Session, Turn, title_of
from arawn.store.journal import Writer, new_id, outset

if TYPE_CHECKING:
    from arawn.store.sessions import Store

BUSY_S = 5.0
"""Seconds that an answer waits for a store that another program holds; its journal keeps it longer."""
DAY_S = 86400.0
WEEK_S = 7 * DAY_S


class Place(NamedTuple):
    """Where a session is spoken in: folder, and what tells this terminal from others ("" without one)."""

    folder: str
    terminal: str


class Rules(NamedTuple):
    """`[store]`: whether sessions are kept, how many seconds (None: for good), and with keys masked."""

    enabled: bool = True
    keep: float | None = None
    mask_keys: bool = True


class Keeper:
    """The Journal of one run of the program. After each turn `settle` moves it from its journal to the store.

    tell: says a line to the person. mask: a text without keys. complete: a receipt with what only the rest
    of the program knows (provider, settings, price). after: called when turns were settled.
    """

    def __init__(
        self,
        folder: Path,
        rules: Rules,
        place: Place,
        tell: Callable[[str], None],
        mask: Callable[[str], str],
        complete: Callable[[Receipt], Receipt] = lambda receipt: receipt,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._after = after
        self.folder = folder
        self.rules = rules
        self.place = place
        self._tell = tell
        self.mask = mask if rules.mask_keys else lambda text: text
        self._complete = complete
        self._told: set[str] = set()
        self._entries: list[_Entry] = []
        self._late: list[_Entry] = []
        self._store: Store | None = None

    @property
    def enabled(self) -> bool:
        """Whether anything is kept."""
        return self.rules.enabled

    @property
    def store(self) -> Store:
        """The store, opened when it is first needed. Raises StoreFault."""
        if self._store is None:
            try:
                from arawn.store.sessions import Store
            except ImportError as error:  # a Python that was built without SQLite
                raise StoreFault(f"nothing can be stored: {error}") from None
            self._store = Store(self.folder, self.tell, BUSY_S, self.mask)
        return self._store

    def new(self, system: str | None = None) -> Session:
        """A session that nothing was said in yet; it is stored with its first turn."""
        session = Session(new_id() if self.enabled else "", system=system)
        session.created, session.folder = time.time(), self.place.folder
        return session

    def fork(self, session: Session) -> Session:
        """A new session that shares what was said up to the head of this one."""
        made = self.new(session.system)
        made.title = session.title
        made.turns = {turn.id: turn for turn in session.path()}
        if session.head is not None:
            made.stand_at(session.head)
            made.name_head(MAIN)
            made.latest = next((turn.id for turn in reversed(session.path()) if turn.kind == "said"), None)
        return made

    def graft(self, session: Session, turns: tuple[Turn, ...]) -> list[Turn]:
        """Put copies of turns after the head. Raises StoreFault."""
        copies = []
        for turn in turns:
            copies.append(turn._replace(id=new_id(), parent=session.head, session=session.id))
            session.add(copies[-1])
        self._store_turns(session, copies)
        return copies

    def begin(
        self, session: Session, parent: str | None, message: Message, before: str, backend: Backend
    ) -> _Entry:
        """Keep what is about to be asked, before it is sent."""
        id, at = new_id(), time.time()
        if not self.enabled:
            return _Entry(id, at, session, None, self._complete, self.mask)
        kept = without_keys(message, self.mask)
        if kept is not message:
            self.tell(
                "this message holds what looks like a key: it is stored as ****; "
                "in a chat /undo takes it out of what is sent from here on"
            )
        asked = (backend.name, backend.model)
        heading = session_without_keys(session, self.mask, turns=False)
        first = outset(heading, parent, kept, self.mask(before), asked, id, at)
        first["session"]["terminal"] = self.place.terminal
        first["masked"] = self.rules.mask_keys
        writer = None
        try:
            writer = Writer(self.folder / "journal", first, lambda: self._make_ready(*asked))
        except OSError as error:
            self.tell(f"this answer may not be kept: {self.folder}: {error.strerror or error}")
        entry = _Entry(id, at, session, writer, self._complete, self.mask)
        entry.first = first
        self._entries.append(entry)
        return entry

    def _make_ready(self, backend: str, model: str) -> None:
        """Load what the end of a turn needs, while its answer still comes."""
        from contextlib import suppress
        from importlib import import_module

        with suppress(Exception):  # whatever it is, it comes again at the end and is told there
            import_module("arawn.store.sessions")
            self._complete(Receipt(backend, model=model))

    def settle(self) -> None:
        """Put the turns that ended into the store; what can't be put is kept otherwise, and told."""
        self._after()
        ended = [entry for entry in self._entries if entry.turn is not None]
        self._entries = [entry for entry in self._entries if entry.turn is None]
        # A turn follows the summaries made for it, and all that could not be put before.
        self._late += sorted(ended, key=lambda entry: entry.turn is not None and entry.turn.kind == "said")
        while self._late:
            try:
                self._put(self._late[0])
            except StoreFault as fault:
                for entry in ended:
                    self._left(entry, fault)
                return
            self._late.pop(0)
        if ended:
            self._clear_away()

    def _put(self, entry: _Entry) -> None:
        """Put a turn into the store, and away what kept it so far. Raises StoreFault."""
        turn, session = entry.turn, entry.session
        if turn is None:
            return
        if not session.title:
            session.title = title_of(self.mask(turn.prompt.text))
        self._store_turns(session, [turn])
        if entry.writer is not None:
            entry.writer.drop()
        if entry.rescued is not None:
            entry.rescued.unlink(missing_ok=True)

    def entitle(self, session: Session, title: str | None, fault: ArawnError | None = None) -> None:
        """A better title than the first prompt, of a session that is stored; trouble with that is told."""
        try:
            if fault is not None:
                raise fault
            if title is not None and self.enabled:
                session.title = self.mask(title)
                self.store.rename(session.id, session.title, by_person=False)
        except ArawnError as error:
            self.tell(f"this session has no better title: {error.sentence}")

    def rename(self, session: Session, title: str) -> None:
        """The title that the person gives. Raises StoreFault."""
        session.title = self.mask(title)
        if session.turns:
            self.store.rename(session.id, session.title)

    def moved(self, session: Session) -> None:
        """Keep where a session stands now; told, not raised, where that fails."""
        if not self.enabled or not session.turns:
            return
        try:
            self._store_turns(session, [])
        except StoreFault as fault:
            self.tell(fault.sentence)

    def masked(self, message: Message) -> Message:
        """The message as it is stored: the same one where it holds no key."""
        return without_keys(message, self.mask)

    def _store_turns(self, session: Session, turns: list[Turn]) -> None:
        """Put turns of a session. Raises StoreFault."""
        self.store.put(session, turns, self.place.terminal, lambda: list(session.turns.values()))

    def tell(self, text: str) -> None:
        """Say a line, each only once."""
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _left(self, entry: _Entry, fault: StoreFault) -> None:
        """A turn that the store did not take: its journal keeps it, or a file in the folder for such."""
        writer = entry.writer
        if writer is not None:
            writer.sync()
        if writer is not None and writer.trouble is None:
            place = writer.path.parent
            self.tell(f"{fault.sentence}; the answer waits in {place} and is taken in at the next use")
            return
        entry.rescued = path = self._rescue(entry)
        if path is None:
            self.tell(f"this answer is not stored: {fault.sentence}")
            return
        if writer is not None:  # it has a part of this answer, which must not be taken in before the whole
            writer.drop()
        self.tell(
            f"this answer is not stored: {fault.sentence}; it is kept in {path}: "
            "arawn session import takes it in"
        )

    def _rescue(self, entry: _Entry) -> Path | None:
        import json
        import tempfile
        from contextlib import suppress

        from arawn.record import turn_out

        if entry.turn is None or entry.first is None:
            return None
        end = turn_out(turn_without_keys(entry.turn, self.mask))
        end["messages"] = end["messages"][1:]
        name = ""
        try:
            handle, name = tempfile.mkstemp(".jsonl", "arawn-")
            with open(handle, "w", encoding="utf-8", errors="replace") as file:
                for line in (entry.first, {"end": end}):
                    file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        except OSError:
            with suppress(OSError):  # half a turn is none
                os.unlink(name)
            return None
        return Path(name)

    def _clear_away(self) -> None:
        """Once a day: sessions older than they are to be kept."""
        if self.rules.keep is None:
            return
        try:
            now, last = time.time(), self.store.fact("purged")
            if last is None or abs(now - float(last)) > DAY_S:
                # A clock that is once years ahead must not take with it what was said today.
                moment = now if last is None else min(now, float(last) + WEEK_S)
                gone = self.store.purge(moment - self.rules.keep)
                if gone:
                    self.tell(f"cleared away by [store] keep: {gone:,} session{'s' if gone > 1 else ''}")
                self.store.remember("purged", str(now))
        except (StoreFault, ValueError) as fault:
            self.tell(str(fault))


class _Entry:
    """A turn while it is said."""

    def __init__(
        self,
        id: str,
        at: float,
        session: Session,
        writer: Writer | None,
        complete: Callable[[Receipt], Receipt],
        mask: Callable[[str], str],
    ) -> None:
        self._mask = mask
        self.id = id
        self.at = at
        self.session = session
        self.writer = writer
        self.turn: Turn | None = None
        self.first: Json | None = None
        self.rescued: Path | None = None
        self._complete = complete

    def add(self, event: Event) -> None:
        """An event came."""
        if self.writer is not None:
            self.writer.add(event)

    def end(self, turn: Turn) -> Turn:
        """The turn is over."""
        self.turn = turn._replace(receipt=self._complete(turn.receipt))
        if self.writer is not None:
            kept = turn_without_keys(self.turn, self._mask)
            self.writer.end(kept, alone=kept != self.turn)
        return self.turn


def here() -> Place:
    """This folder, and this terminal by its device and the session of processes that it serves."""
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    if not hasattr(os, "ttyname"):
        return Place(folder, os.environ.get("WT_SESSION", ""))
    for stream in (sys.stdin, sys.stderr, sys.stdout):
        try:
            return Place(folder, f"{os.ttyname(stream.fileno())} {os.getsid(0)}")
        except (OSError, ValueError, AttributeError):
            continue
    return Place(folder, "")
