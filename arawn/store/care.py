"""Looking after the store: counts, copies, checks, and saving what a damaged file still holds."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from arawn.config.write import must_be_free
from arawn.errors import StoreFault
from arawn.messages import Message, user
from arawn.record import digest
from arawn.session import Receipt, Session, Turn
from arawn.store import trees
from arawn.store.database import Unfit
from arawn.store.files import create
from arawn.store.rows import has_message, message_of
from arawn.store.schema import MIGRATIONS
from arawn.store.sessions import FILE, JOURNALS, NOT_OURS, Store


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
    must_be_free(path)
    try:
        store.db.backup(path)
    except OSError as error:
        raise StoreFault(f"{path}: {error.strerror or error}") from None
    except sqlite3.Error as error:
        raise store.db.fault(error) from None
    return path


def check(store: Store) -> list[str]:
    """What is wrong with the store, a sentence each; [] where all of it is sound. Reads the whole file."""
    try:
        return list(_problems(store.db.connection))
    except sqlite3.DatabaseError as error:
        return [str(error)]


def _problems(db: sqlite3.Connection) -> Iterator[str]:
    found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)")]
    if found != ["ok"]:
        yield from found
    for what, rows in (
        ("turns without a session", "turn WHERE session NOT IN (SELECT id FROM session)"),
        (
            "turns that follow nothing",
            "turn WHERE parent IS NOT NULL AND parent NOT IN (SELECT id FROM turn)",
        ),
        ("turns without a message", "turn WHERE id NOT IN (SELECT turn FROM said)"),
        ("files that are missing", "holds WHERE file NOT IN (SELECT hash FROM file)"),
    ):
        count = db.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]
        if count:
            yield f"{what}: {count}"
    try:
        db.execute("INSERT INTO word (word) VALUES ('integrity-check')")
    except sqlite3.OperationalError:
        return  # no FTS5 here, or it may not be written
    except sqlite3.DatabaseError as error:
        yield f"the index of words is damaged: {error}"


def copies(folder: Path) -> list[Path]:
    """The files beside the store that may hold what is deleted from it: copies, and what was set aside."""
    found = [path for ending in ("backup-*", "corrupt-*") for path in folder.glob(f"{FILE}.{ending}")]
    return sorted([*found, *(folder / JOURNALS).glob("*.broken")])


def damaged(folder: Path) -> list[Path]:
    """The files that were set aside, oldest first."""
    return sorted(
        path for path in folder.glob(f"{FILE}.corrupt-*") if not path.name.endswith(("-wal", "-shm"))
    )


def recover(store: Store, path: Path) -> tuple[int, int]:
    """Take what a damaged file still holds into the store: (sessions, turns) that were read.

    What can't be read of it is passed over; the file stays. Raises StoreFault where it is no database.
    """
    sessions = turns = 0
    with _read_copy(path, store.folder) as source:
        rows: dict[int, None] = {}
        try:
            rows = dict.fromkeys(_rows(source, "session"))
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if not _reads(source, "message"):
                raise StoreFault(f"{path}: {error}: nothing can be read from it") from None
        for row in (*rows, None):  # at last what no turn is known of any more
            session = _loose(source, store, path) if row is None else _saved(source, row)
            if session is not None and session.turns:
                sessions += 1
                with contextlib.suppress(Unfit):
                    turns += store.take(session)
    return sessions, turns


def _reads(db: sqlite3.Connection, table: str) -> bool:
    try:
        return next(_rows(db, table), None) is not None
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False


def _loose(db: sqlite3.Connection, store: Store, path: Path) -> Session:
    """The messages of which is not known any more when they were said, in the order of their first time."""
    found: list[tuple[str, Message]] = []
    with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
        for row in sorted(dict.fromkeys(_rows(db, "message"))):
            with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError, *NOT_OURS):
                name, *content = db.execute(
                    "SELECT hash, role, text, parts FROM message WHERE id = ?", (row,)
                ).fetchone()
                if not store.read(partial(has_message, name)):
                    found.append((bytes(name).hex(), message_of(db, *content)))
    session = Session(f"lost{digest(path.name.encode())[:8]}", f"Pieces of {path.name}")
    session.created = path.stat().st_mtime
    for name, message in found:
        if message.role == "user" or not session.turns:
            lost = () if message.role == "user" else (user("[lost]"),)
            session.add(
                Turn(
                    name[:12],
                    session.head,
                    (*lost, message),
                    Receipt(finish="stop"),
                    session.created,
                    session.id,
                )
            )
        elif session.head is not None:
            turn = session.turns[session.head]
            session.turns[turn.id] = turn._replace(messages=(*turn.messages, message))
    return session


@contextlib.contextmanager
def _read_copy(path: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """A copy of a damaged file, open, its indexes made anew where that can be. Raises StoreFault."""
    from shutil import copyfile

    copy = folder / f".recover-{os.getpid()}.db"
    try:
        for ending in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                os.close(create(Path(f"{copy}{ending}")))
                copyfile(f"{path}{ending}", f"{copy}{ending}")
        _lengthen(copy)
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.text_factory = _lenient
            with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                db.execute("REINDEX")
            yield db
    except OSError as error:
        raise StoreFault(f"{error.filename or path}: {error.strerror or error}") from None
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                os.unlink(f"{copy}{ending}")


def _lengthen(path: Path) -> None:
    """Make a file that was cut as long as it says it was: SQLite reads nothing of one that is shorter.

    Its header has the size of a page at byte 16 and their number at byte 28 (https://sqlite.org/fileformat.html).
    """
    with open(path, "r+b") as file, contextlib.suppress(OSError):
        head = file.read(32)
        said = int.from_bytes(head[16:18], "big") * int.from_bytes(head[28:32], "big")
        if head.startswith(b"SQLite format 3\0") and os.fstat(file.fileno()).st_size < said:
            file.truncate(said)


def look(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The state of the store, which is not changed: (ok, warn or fail; what; what to do about it)."""
    path = folder / FILE
    if not path.exists():
        yield "ok", "there is none yet", ""
    else:
        yield _looked_at(path)
    for name in damaged(folder):
        yield "warn", f"{name} was damaged and set aside", "arawn doctor --recover; then delete that file"
    waiting = list((folder / JOURNALS).glob("*.jsonl"))
    if waiting:
        yield (
            "warn",
            f"turns that wait in {folder / JOURNALS}: {len(waiting)}",
            "arawn session list takes them in",
        )
    for name in (folder / JOURNALS).glob("*.broken"):
        yield "warn", f"{name} could not be read", "look into it, then delete it"


def _looked_at(path: Path) -> tuple[str, str, str]:
    from urllib.parse import quote

    try:
        place = f"file:{quote(str(path))}?mode=ro"
        with contextlib.closing(sqlite3.connect(place, uri=True, timeout=5)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                return (
                    "warn",
                    f"{path} was written by a newer Arawn",
                    "update this one: until then it reads only",
                )
            count = db.execute("SELECT count(*) FROM session").fetchone()[0]
            found = [str(row[0]) for row in db.execute("PRAGMA quick_check(3)")]
    except sqlite3.Error as error:
        return "fail", f"{path}: {error}", "arawn session list sets a damaged file aside"
    if found != ["ok"]:
        return "fail", f"{path} is damaged: {'; '.join(found)}", "arawn session check tells all of it"
    return "ok", f"{path}: {count} session{'s' * (count != 1)}", ""


def _rows(db: sqlite3.Connection, table: str) -> Iterator[int]:
    """The rows of a table as far as they can be read, from both ends where the middle is damaged."""
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
            if last is not None and (found[0] - last) * (1 if order == "ASC" else -1) <= 0:
                break  # a damaged tree leads back to where it was
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


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "replace")
