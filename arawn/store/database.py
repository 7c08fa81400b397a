"""The SQLite file: opened privately, migrated, locked, set aside when it is broken; it knows no session.

Writers and whoever checkpoints hold one lock file, so that no two of them ever work on the write-ahead log
at once: SQLite before 3.51.3 can corrupt a file there (https://sqlite.org/wal.html#walresetbug).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from arawn.errors import StoreFault
from arawn.store.files import create, locked, make, may_wait
from arawn.store.schema import MIGRATIONS, Migration

_WITHOUT_SHARED_MEMORY = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL)
"""What opening the log fails with on a file system without shared memory."""
CHECKPOINT_BYTES = 4 * 1024 * 1024
SLICE_S = 0.05
"""SQLite waits so long at once: no signal is heard meanwhile."""
Tell = Callable[[str], None]


class Unfit(StoreFault):
    """What was to be stored has no place in the store, now and later."""


class Damaged(sqlite3.DatabaseError):
    """A database, but not the one that it should be."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def is_damage(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Whether an error says that the file itself is broken; names that are no UTF-8 come from such a file."""
    lost = ("no such table", "no such column", "unsupported file format", "malformed", "invalid fts5")
    if isinstance(error, UnicodeDecodeError):
        return True
    return primary(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or str(error).startswith(lost)


def primary(error: Exception) -> int:
    """The primary result code of SQLite (https://sqlite.org/rescode.html), 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


class Database:
    """One open file. `read_only` where it may not be written: a newer Arawn wrote it, or the disk says no.

    `replaced`: how often another file took its place while it was open.
    """

    def __init__(
        self, path: Path, tell: Tell, busy: float = 30.0, migrations: Sequence[Migration] = MIGRATIONS
    ) -> None:
        """Open or make the file. A broken one is set aside and told. Raises StoreFault."""
        self.path = path
        self.read_only = False
        self._tell = tell
        self.busy = busy
        self._migrations = migrations
        self._identity: tuple[int, int] | None = None
        self._held = False
        self.replaced = 0
        self._with_log = True
        try:
            self.connection = self._open()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise self.fault(error) from None
            try:
                self.set_aside()
                self.connection = self._open()
            except (sqlite3.Error, OSError) as again:
                raise self.fault(again) from None
        except OSError as error:
            raise self.fault(error) from None

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes, on the disk when it ends. Raises sqlite3.Error, OSError, StoreFault."""
        if self.read_only:
            raise StoreFault(f"{self.path} is read-only here")
        with self.alone():
            self._follow()
            db = self.connection
            self._begin(db)
            try:
                if _version(db) != len(self._migrations):
                    raise StoreFault(f"a newer Arawn has taken over {self.path}: it is not written here")
                yield db
                db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
            self._checkpoint(CHECKPOINT_BYTES)

    def close(self) -> None:
        """Let go of the file. The last to do so empties the log, and nobody writes meanwhile."""
        quiet = contextlib.suppress(OSError, sqlite3.Error, StoreFault)
        with quiet, locked(self._lock_path, 0.2):  # where others hold it, they have the file open too
            self.connection.close()
        with quiet:
            self.connection.close()

    def lose_patience(self) -> None:
        """Who held the file for so long is not waited for again."""
        self.busy = 0.0
        self.connection.execute("PRAGMA busy_timeout = 0")

    def empty_log(self) -> bool:
        """Move all of the log into the file and cut it off; False where somebody reads from it all the time.

        Raises OSError, sqlite3.Error, StoreFault.
        """
        with self.alone():
            self._checkpoint(0, wait=True)
        with contextlib.suppress(FileNotFoundError):
            return os.stat(f"{self.path}-wal").st_size == 0
        return True

    def set_aside(self) -> Path | None:
        """Rename a broken file, with its log, and say so; None where another process did it before.

        Raises OSError, StoreFault.
        """
        with self.alone():
            if _identity(self.path) != self._identity:
                return None
            stamp = time.strftime("%Y%m%d-%H%M%S")
            aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}")
            number = 1
            while aside.exists():
                number += 1
                aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}-{number}")
            moved = False
            for ending in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(f"{self.path}{ending}", f"{aside}{ending}")
                    moved = True
        if not moved:
            return None
        self._tell(
            f"the store of sessions was damaged: it is kept as {aside}, and a new one was begun; "
            "arawn doctor --recover takes in what can still be read"
        )
        return aside

    def backup(self, target: Path) -> None:
        """Write a whole copy, consistent whatever others do meanwhile. Raises OSError, sqlite3.Error."""
        _copy(self.connection, target)

    def fault(self, error: sqlite3.Error | OSError | UnicodeDecodeError) -> StoreFault:
        """What an error of SQLite means, in a sentence."""
        if isinstance(error, OSError):
            return StoreFault(f"{error.filename or self.path}: {error.strerror or error}")
        said = {
            sqlite3.SQLITE_BUSY: "another program holds it",
            sqlite3.SQLITE_LOCKED: "another program holds it",
            sqlite3.SQLITE_READONLY: "it may not be written",
            sqlite3.SQLITE_IOERR: "the disk does not read or write it",
            sqlite3.SQLITE_FULL: "the disk is full",
            sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
            sqlite3.SQLITE_CORRUPT: "it is damaged",
            sqlite3.SQLITE_NOTADB: "it is no database",
        }
        return StoreFault(f"{self.path}: {said.get(primary(error), str(error))}")

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes or checkpoints meanwhile. Raises OSError, StoreFault."""
        if self._held:
            yield
            return
        began = time.monotonic()
        with locked(self._lock_path, self.busy) as got:
            if not got:
                waited = time.monotonic() - began
                told = f"for {waited:.0f} s" if waited >= 1 else "just now"
                raise StoreFault(f"{self.path}: another program has been writing {told}")
            self._held = True
            try:
                yield
            finally:
                self._held = False

    def _begin(self, db: sqlite3.Connection) -> None:
        """Begin to write, once nobody else does. Raises sqlite3.Error."""
        until = time.monotonic() + self.busy
        db.execute(f"PRAGMA busy_timeout = {int(min(self.busy, SLICE_S) * 1000)}")
        try:
            while True:
                try:
                    db.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    if primary(error) != sqlite3.SQLITE_BUSY or not may_wait(until):
                        raise
        finally:
            db.execute(f"PRAGMA busy_timeout = {int(self.busy * 1000)}")

    def _follow(self) -> None:
        """Open the file again where it was set aside, or put back from a copy, since it was opened."""
        if _identity(self.path) != self._identity:
            self.connection.close()
            self.connection = self._open()
            self.replaced += 1

    def _open(self) -> sqlite3.Connection:
        path = self.path
        if path.is_symlink():
            raise StoreFault(f"{path} is a symbolic link, which is not followed; link its folder instead")
        make(path)
        self._identity = _identity(path)
        self.read_only = not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        try:
            return self._set_up()
        except sqlite3.OperationalError as error:
            if self.read_only or primary(error) not in _WITHOUT_SHARED_MEMORY:
                raise
            self._drop_log()
            return self._set_up()

    def _drop_log(self) -> None:
        """Do without the log, which needs memory that processes share (https://sqlite.org/wal.html#noshm)."""
        self._with_log = False
        with self.alone(), contextlib.closing(sqlite3.connect(self.path, timeout=0)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = DELETE").fetchone()

    def _set_up(self) -> sqlite3.Connection:
        db = self._connect_to_read() if self.read_only else self._connect(str(self.path))
        try:
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("PRAGMA secure_delete = ON")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA temp_store = MEMORY")
            self._bring_up(db)
        except BaseException:
            db.close()
            raise
        return db

    def _connect(self, place: str, uri: bool = False) -> sqlite3.Connection:
        return sqlite3.connect(place, timeout=self.busy, isolation_level=None, uri=uri)

    def _connect_to_read(self) -> sqlite3.Connection:
        """A file that may not be written; where not even its log can be opened, the file alone."""
        from urllib.parse import quote

        place = f"file:{quote(str(self.path))}?mode=ro"
        db = self._connect(place, uri=True)
        try:
            _version(db)
        except sqlite3.OperationalError:
            db.close()
            db = self._connect(f"{place}&immutable=1", uri=True)
        return db

    def _bring_up(self, db: sqlite3.Connection) -> None:
        """Migrate what is older, and leave alone what is newer."""
        newest = len(self._migrations)
        version = _version(db)
        if version == newest and (self.read_only or not self._with_log or _is_wal(db)):
            return
        if version > newest:
            self.read_only = True
            db.execute("PRAGMA query_only = ON")
            self._tell(
                f"a newer Arawn wrote {self.path} (version {version}, this one knows {newest}): "
                "it is read and not written"
            )
            return
        if self.read_only:
            raise StoreFault(f"{self.path} is of an older Arawn and may not be written")
        with self.alone():
            version = _version(db)  # another process may have brought it up meanwhile
            if version <= 0:
                if version or db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                    raise Damaged("its tables are not those of a store")
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            if self._with_log:
                with contextlib.suppress(sqlite3.OperationalError):  # another process reads just now
                    db.execute("PRAGMA journal_mode = WAL").fetchone()
            self._migrate(db)

    def _migrate(self, db: sqlite3.Connection) -> None:
        """All steps that are missing, or none: under one lock, in one transaction, after a backup."""
        version = _version(db)
        newest = len(self._migrations)
        if version >= newest:  # another process, perhaps a newer Arawn, brought it up meanwhile
            return
        if version > 0:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            copy = self.path.with_name(f"{self.path.name}.backup-v{version}-{stamp}")
            for half in self.path.parent.glob(f".{self.path.name}.backup-*"):  # of who was ended in this
                half.unlink(missing_ok=True)
            _copy(db, copy)
            self._tell(f"the store of sessions is brought up to date; as it was it is kept as {copy}")
        db.execute("BEGIN IMMEDIATE")
        try:
            for step in self._migrations[_version(db) :]:
                step(db)
            db.execute(f"PRAGMA user_version = {newest}")
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def _checkpoint(self, least: int, wait: bool = False) -> None:
        """Move the log into the file where it is this long; readers are waited for where `wait` says so."""
        try:
            if os.stat(f"{self.path}-wal").st_size < least:
                return
            if not wait:
                self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (OSError, sqlite3.OperationalError):
            return
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {int(self.busy * 1000)}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _is_wal(db: sqlite3.Connection) -> bool:
    return bool(db.execute("PRAGMA journal_mode").fetchone()[0] == "wal")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _copy(db: sqlite3.Connection, target: Path) -> None:
    """A whole copy, which has its name only when it is whole. Raises OSError, sqlite3.Error."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(create(fresh))
        with contextlib.closing(sqlite3.connect(fresh)) as copy:
            db.backup(copy)
        os.replace(fresh, target)
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                os.unlink(f"{fresh}{ending}")
