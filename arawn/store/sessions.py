"""The sessions in the store: put, found, loaded, changed, deleted; it does not know who speaks in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from arawn.errors import StoreFault, UsageFault
from arawn.record import Json, clean, session_without_keys, turn_without_keys
from arawn.session import ASIDE, MAIN, Session, Turn
from arawn.store import journal, trees
from arawn.store.database import Database, Tell, Unfit, is_damage
from arawn.store.trees import Info

FILE = "sessions.db"
JOURNALS = "journal"
T = TypeVar("T")
NOT_OURS = (ValueError, TypeError, AttributeError, KeyError, ArithmeticError)
"""What reading a journal leads to that says something else than ours do."""
_UNFIT = (
    UnicodeEncodeError,
    OverflowError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
_OLD = f"NOT s.pinned AND coalesce((SELECT at FROM turn WHERE id = {trees.LAST}), s.created) < ?"
"""A session `s` that is not pinned and was last spoken in before a time."""


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class Store:
    """The store in a data folder. Opening it takes in what dead processes left behind.

    Methods raise StoreFault where SQLite or the disk says no; a damaged file is set aside, told, and a new
    one goes on.
    """

    def __init__(
        self, folder: Path, tell: Tell, busy: float = 30.0, mask: Callable[[str], str] = str
    ) -> None:
        """`mask`: what is put or taken in is kept as it says."""
        self.folder = folder
        self.tell = tell
        self.mask = mask
        self.db = Database(folder / FILE, tell, busy)
        self.waiting = 0
        self._in_file: dict[str, int] = {}
        self._take_in()

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    def put(
        self,
        session: Session,
        turns: Iterable[Turn],
        terminal: str = "",
        whole: Callable[[], list[Turn]] | None = None,
    ) -> None:
        """Keep turns of a session, and where it stands; what is there already stays as it is.

        `whole` gives all its turns, for when the file was begun anew while it is spoken in.
        """
        given = list(turns)
        session = session_without_keys(session, self.mask, turns=not session.title)

        def work() -> None:
            with self.db.writing() as db:
                anew = self._in_file.get(session.id, 0) < self.db.replaced
                said = whole() if whole is not None and anew else given
                kept = [turn_without_keys(turn, self.mask) for turn in said]
                if not kept and not trees.is_known(db, session):
                    return  # deleted meanwhile, with all that was said in it
                row = trees.session_row(db, session, terminal)
                for turn in kept:
                    trees.put_turn(db, row, turn)
                trees.put_heads(db, row, session)
            self._in_file[session.id] = self.db.replaced

        self._guard(work)

    def take(self, session: Session) -> int:
        """Take in a session from elsewhere; returns how many turns were new.

        Where it is here already it gets what it lacks, and stays where it stands.
        """
        session = session_without_keys(session, self.mask)

        def work() -> int:
            with self.db.writing() as db:
                row = trees.row_of(db, session.id)
                known = row is not None
                if row is None:
                    row = trees.session_row(db, session, "")
                made = [trees.put_turn(db, row, turn) for turn in session.turns.values()]
                if not known:
                    trees.put_heads(db, row, session)
                    trees.put_below(db, row, session.updated)
                return sum(new is not None for new in made)

        return self._guard(work)

    def load(self, id: str) -> Session:
        """A whole session by its id. Raises UsageFault where there is none."""
        try:
            return self._guard(lambda: trees.load(self.db.connection, id))
        except KeyError:
            raise UsageFault(f"There is no session {id!r}", hints=("arawn session list",)) from None

    def listing(
        self,
        limit: int | None = 20,
        *,
        ids: Sequence[str] | None = None,
        folder: str | None = None,
        before: float | None = None,
    ) -> list[Info]:
        """The sessions spoken in last, pinned ones first; no `limit`: all of them.

        Those of some `ids` alone, of a `folder`, or last spoken in `before` a time and not pinned.
        """
        asked: list[tuple[str, Sequence[Any]]] = []
        if ids is not None:
            asked.append((f"s.name IN ({','.join('?' * len(ids))})", ids))
        if folder is not None:
            asked.append(("s.folder = ?", (folder,)))
        if before is not None:
            asked.append((_OLD, (before,)))
        where = " AND ".join(["TRUE", *(condition for condition, _ in asked)])
        query = f"SELECT s.id FROM session s WHERE {where} ORDER BY s.pinned DESC, s.last DESC LIMIT ?"
        values = [*(value for _, given in asked for value in given), -1 if limit is None else limit]
        return self._guard(
            lambda: [
                info
                for (row,) in self.db.connection.execute(query, values).fetchall()
                if (info := trees.info(self.db.connection, row)) is not None
            ]
        )

    def find(self, word: str) -> str:
        """The id of the session meant by an id, its beginning, or a title. Raises UsageFault."""
        return self._guard(lambda: trees.find(self.db.connection, clean(word)))

    def find_turn(self, word: str) -> tuple[str, str]:
        """(session, turn) meant by the id of a turn or its beginning, or by a session, whose last it is.

        Raises UsageFault.
        """

        word = clean(word)

        def work() -> tuple[str, str]:
            db = self.db.connection
            near = db.execute(
                "SELECT s.name, t.name FROM turn t JOIN session s ON s.id = t.session"
                " WHERE t.name >= ?1 AND t.name < ?1 || '{' LIMIT 2",
                (word,),
            ).fetchall()
            if len(near) == 1 and len(word) >= trees.SURE:
                return str(near[0][0]), str(near[0][1])
            session = trees.find(db, word)
            found = db.execute(
                "SELECT t.name FROM session s JOIN turn t ON t.id = coalesce(s.head, s.last)"
                " WHERE s.name = ?",
                (session,),
            ).fetchone()
            if found is None:
                raise UsageFault(f"Nothing was said in session {session}")
            return session, str(found[0])

        return self._guard(work)

    def last(self, terminal: str, folder: str) -> str | None:
        """The session to go on with: this terminal's last, else this folder's, else the last of all.

        One of ASIDE is none of them.
        """

        def work() -> str | None:
            db = self.db.connection
            for column, value in (("terminal", terminal), ("folder", folder), ("1", 1)):
                if not value:
                    continue
                found = db.execute(
                    f"SELECT name FROM session WHERE {column} = ? AND terminal != ?"
                    " ORDER BY last DESC LIMIT 1",
                    (value, ASIDE),
                ).fetchone()
                if found is not None:
                    return str(found[0])
            return None

        return self._guard(work)

    def unfinished(self) -> tuple[str, str] | None:
        """(session, turn) of the answer that broke off last and that nothing was said after.

        Where there is none, the question that failed last before any answer came.
        """
        return self._guard(lambda: trees.unfinished(self.db.connection))

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` reads from the open file."""
        return self._guard(lambda: work(self.db.connection))

    def rename(self, id: str, title: str, by_person: bool = True) -> None:
        """Give a title; what a model proposes does not go over what a person gave."""
        self._change(
            "UPDATE session SET title = ?, named = ? WHERE name = ? AND named <= ?",
            (clean(self.mask(title)), int(by_person), id, int(by_person)),
        )

    def pin(self, id: str, pinned: bool) -> None:
        """Keep a session at the top, and from being cleared away; or no longer."""
        self._change("UPDATE session SET pinned = ? WHERE name = ?", (int(pinned), id))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove sessions so that nothing of them is left in the file; turns that others share stay."""

        def work() -> None:
            with self.db.alone():
                with self.db.writing() as db:
                    for id in ids:
                        trees.delete(db, id)
                    trees.forget(db)
                self.db.connection.executescript("PRAGMA incremental_vacuum")  # `execute` frees one page
                if not self.db.empty_log():
                    self.tell("another program reads the store: what was deleted leaves the file later")

        self._guard(work)

    def purge(self, before: float) -> int:
        """Delete the sessions last spoken in before that time, pinned ones excepted; returns how many."""
        query = f"SELECT s.name FROM session s WHERE {_OLD}"
        names = self._guard(lambda: [name for (name,) in self.db.connection.execute(query, (before,))])
        if names:
            self.delete(names)
        return len(names)

    def fact(self, name: str) -> str | None:
        """A remembered value."""
        query = "SELECT value FROM fact WHERE name = ?"
        found = self._guard(lambda: self.db.connection.execute(query, (name,)).fetchone())
        return None if found is None else str(found[0])

    def remember(self, name: str, value: str) -> None:
        """Keep a value by name."""
        self._change("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def _take_in(self) -> None:
        """Put what dead processes left behind into the store; what can't be put waits for the next time."""
        folder = self.folder / JOURNALS
        for left in journal.dead(folder, self.tell):
            if self.db.read_only or self.waiting:  # a turn stands on those before it
                self.waiting += 1
                left.close()
                continue
            try:
                self.adopt(left.first, left.turn)
            except (Unfit, *NOT_OURS) as error:
                left.set_aside(self.tell, str(error))
            except StoreFault:
                self.waiting += 1
                self.db.lose_patience()
                left.close()
            else:
                left.drop()
        if self.waiting:
            turns = "1 turn waits" if self.waiting == 1 else f"{self.waiting} turns wait"
            self.tell(f"{turns} in {folder} until the store can be written")

    def adopt(self, first: Json, turn: Turn) -> int:
        """Take in the turn of a journal that nobody writes, `first` being its first line; 0 where it is here.

        The session stands there then, unless somebody moved it since. Raises also one of NOT_OURS.
        """
        said, turn = first["session"], turn_without_keys(turn, self.mask)
        if first.get("masked"):  # piece by piece: a key that came in two pieces is seen only now
            from arawn.secret import Redactor

            turn = turn_without_keys(turn, Redactor().redact)
        session = session_without_keys(journal.session_of(first, turn), self.mask, turns=False)
        branch = said.get("branch")

        def work() -> int:
            with self.db.writing() as db:
                known = trees.row_of(db, session.id)
                if known is None:
                    session.branch = str(branch) if branch else MAIN
                    session.add(turn)
                    row = trees.session_row(db, session, str(said.get("terminal") or ""))
                    trees.put_turn(db, row, turn)
                    trees.put_heads(db, row, session)
                    return 1
                new = trees.put_turn(db, known, turn)
                if new is not None:
                    trees.follow(db, known, new, turn.parent, branch)
                return int(new is not None)

        return self._guard(work)

    def _change(self, statement: str, values: Sequence[Any]) -> None:
        def work() -> None:
            with self.db.writing() as db:
                db.execute(statement, values)

        self._guard(work)

    def _guard(self, work: Callable[[], T]) -> T:
        """Do `work`; once more in a new file where the old one turns out to be damaged."""
        try:
            return work()
        except _UNFIT as error:
            raise Unfit(f"{self.db.path}: this cannot be stored: {error}") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if str(error).startswith("Could not decode"):  # a text with a byte gone wrong: read what can be
                self.db.connection.text_factory = _lenient
                return work()
            if not is_damage(error) or self.db.read_only:
                raise self.db.fault(error) from None
            self.db.connection.close()
            try:
                self.db.set_aside()
                before, self.db = self.db, Database(self.folder / FILE, self.tell, self.db.busy)
                self.db.replaced = before.replaced + 1
                return work()
            except (sqlite3.Error, OSError) as again:
                raise self.db.fault(again) from None
        except OSError as error:
            raise self.db.fault(error) from None
