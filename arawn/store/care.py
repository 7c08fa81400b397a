"""Looking after the store: counts, copies, checks, and saving what a damaged file still holds."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arawn.errors import StoreFault, UsageFault
from arawn.session import Session, Turn
from arawn.store import trees
from arawn.store.sessions import FILE, Store


def stats(store: Store) -> dict[str, Any]:
    """Counts and bytes; `by` has the turns of each backend and model, most first."""

    def work(db: sqlite3.Connection) -> dict[str, Any]:
        def one(query: str) -> int:
            return int(db.execute(query).fetchone()[0] or 0)

        rows = db.execute(
            "SELECT backend, model, count(*) FROM turn GROUP BY backend, model ORDER BY 3 DESC"
        ).fetchall()
        return {
            "path": str(store.db.path),
            "bytes": sum(_size(Path(f"{store.db.path}{end}")) for end in ("", "-wal")),
            "sessions": one("SELECT count(*) FROM session"),
            "turns": one("SELECT count(*) FROM turn"),
            "messages": one("SELECT count(*) FROM message"),
            "text_bytes": one("SELECT sum(length(CAST(text AS BLOB))) FROM message"),
            "file_bytes": one("SELECT sum(length(data)) FROM file"),
            "by": [{"backend": backend, "model": model, "turns": turns} for backend, model, turns in rows],
        }

    return store.read(work)


def backup(store: Store, target: str | None) -> Path:
    """Write a whole copy to `target`, or beside the store; returns where. Raises UsageFault, StoreFault."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = Path(target).expanduser() if target else store.db.path.with_name(f"{FILE}.backup-{stamp}")
    if path.is_dir():
        path = path / f"{FILE}.backup-{stamp}"
    if path.exists():
        raise UsageFault(f"{path} is there already")
    try:
        store.db.backup(path)
    except OSError as error:
        raise StoreFault(f"{path}: {error.strerror or error}") from None
    except sqlite3.Error as error:
        raise store.db.fault(error) from None
    return path


def check(store: Store) -> list[str]:
    """What is wrong with the store, a sentence each; [] where all of it is sound. Reads the whole file."""

    def work(db: sqlite3.Connection) -> list[str]:
        found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)")]
        problems = [] if found == ["ok"] else found
        for what, query in (
            ("turns without a session", "session NOT IN (SELECT id FROM session)"),
            ("turns that follow nothing", "parent IS NOT NULL AND parent NOT IN (SELECT id FROM turn)"),
            ("turns without a message", "id NOT IN (SELECT turn FROM said)"),
        ):
            count = db.execute(f"SELECT count(*) FROM turn WHERE {query}").fetchone()[0]
            problems += [f"{count} {what}"] if count else []
        lost = db.execute("SELECT count(*) FROM holds WHERE file NOT IN (SELECT hash FROM file)").fetchone()[
            0
        ]
        problems += [f"{lost} files are missing"] if lost else []
        with contextlib.suppress(sqlite3.OperationalError):
            try:
                db.execute("INSERT INTO word (word) VALUES ('integrity-check')")
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                problems.append(f"the index of words is damaged: {error}")
        return problems

    try:
        return work(store.db.connection)
    except sqlite3.DatabaseError as error:
        return [str(error)]


def damaged(folder: Path) -> list[Path]:
    """The files that were set aside, oldest first."""
    return sorted(
        path for path in folder.glob(f"{FILE}.corrupt-*") if not path.name.endswith(("-wal", "-shm"))
    )


def recover(store: Store, path: Path) -> tuple[int, int]:
    """Take what a damaged file still holds into the store: (sessions, turns) that were read.

    What can't be read of it is passed over; the file stays. Raises StoreFault where it is no database.
    """
    before = store.read(lambda db: db.execute("SELECT count(*) FROM turn").fetchone()[0])
    source = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    sessions = 0
    with contextlib.closing(source):
        try:
            names = list(_ids(source, "session"))
        except sqlite3.DatabaseError as error:
            raise StoreFault(f"{path}: {error}: nothing can be read from it") from None
        for row in names:
            session = _saved(source, row)
            if session is not None and session.turns:
                store.put(session, list(session.turns.values()))
                sessions += 1
    after = store.read(lambda db: db.execute("SELECT count(*) FROM turn").fetchone()[0])
    return sessions, after - before


def _ids(db: sqlite3.Connection, table: str) -> Iterator[int]:
    """Row ids as far as they can be read, from both ends where the middle is damaged."""
    for order, sign in (("ASC", ">"), ("DESC", "<")):
        last: int | None = None
        while True:
            where = f"WHERE id {sign} {last}" if last is not None else ""
            try:
                found = db.execute(f"SELECT id FROM {table} {where} ORDER BY id {order} LIMIT 1").fetchone()
            except sqlite3.DatabaseError:
                if last is None and order == "DESC":
                    raise
                break
            if found is None:
                return
            last = int(found[0])
            yield last


def _saved(db: sqlite3.Connection, row: int) -> Session | None:
    """A session as far as it can be read."""
    try:
        name = db.execute("SELECT name FROM session WHERE id = ?", (row,)).fetchone()[0]
    except (sqlite3.DatabaseError, TypeError):
        return None
    with contextlib.suppress(sqlite3.DatabaseError, StoreFault, KeyError, ValueError, TypeError):
        return trees.load(db, name)
    session = Session(name, "")
    with contextlib.suppress(sqlite3.DatabaseError, TypeError):
        title, folder, created = db.execute(
            "SELECT title, folder, created FROM session WHERE id = ?", (row,)
        ).fetchone()
        session.title, session.folder, session.created = str(title), str(folder), float(created)
    turns: list[Turn] = []
    with contextlib.suppress(sqlite3.DatabaseError):
        for (turn,) in db.execute("SELECT id FROM turn WHERE session = ? ORDER BY id", (row,)):
            with contextlib.suppress(sqlite3.DatabaseError, StoreFault, ValueError, TypeError):
                turns += trees.one_turn(db, turn)
    for turn in turns:
        session.add(turn if turn.parent in session.turns else turn._replace(parent=session.head))
    return session


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
