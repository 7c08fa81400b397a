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
from arawn.store.files import create, locked, make
from arawn.store.schema import MIGRATIONS, Migration

CORRUPT, NOT_A_DATABASE = 11, 26
BUSY, LOCKED, PROTOCOL = 5, 6, 15
CHECKPOINT_BYTES = 4 * 1024 * 1024
Tell = Callable[[str], None]


def primary(error: sqlite3.Error) -> int:
    """The primary result code of SQLite (https://sqlite.org/rescode.html), 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


class Database:
    """One open file. `read_only` where it may not be written: a newer Arawn wrote it, or the disk says no."""

    def __init__(
        self, path: Path, tell: Tell, busy: float = 30.0, migrations: Sequence[Migration] = MIGRATIONS
    ) -> None:
        """Open or make the file. A broken one is set aside and told. Raises StoreFault."""
        self.path = path
        self.read_only = False
        self._tell = tell
        self._busy = busy
        self._migrations = migrations
        try:
            self.connection = self._open()
        except sqlite3.DatabaseError as error:
            if primary(error) not in (CORRUPT, NOT_A_DATABASE):
                raise self.fault(error) from None
            self.set_aside()
            try:
                self.connection = self._open()
            except sqlite3.Error as again:
                raise self.fault(again) from None
        except OSError as error:
            raise StoreFault(f"{path}: {error.strerror or error}") from None

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes, on the disk when it ends. Raises sqlite3.Error, OSError, StoreFault."""
        if self.read_only:
            raise StoreFault(f"{self.path} is read-only here")
        with self._alone():
            db = self.connection
            db.execute("BEGIN IMMEDIATE")
            try:
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
        with quiet, locked(self._lock_path, 0.2) as got:
            if got:
                self.connection.close()

    def empty_log(self) -> None:
        """Move all of the log into the file and cut it off, so that nothing deleted is left in it."""
        with contextlib.suppress(OSError, StoreFault), self._alone():
            self._checkpoint(0)

    def set_aside(self) -> Path | None:
        """Rename a broken file, with its log, and say so; None where another process did it before."""
        with self._alone():
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
        handle = create(target)
        os.close(handle)
        with contextlib.closing(sqlite3.connect(target)) as copy:
            self.connection.backup(copy)

    def fault(self, error: sqlite3.Error | OSError) -> StoreFault:
        """What an error of SQLite means, in a sentence."""
        if isinstance(error, OSError):
            return StoreFault(f"{self.path}: {error.strerror or error}")
        said = {
            BUSY: "another program holds it",
            LOCKED: "another program holds it",
            8: "it may not be written",
            10: "the disk does not read or write it",
            13: "the disk is full",
            14: "it cannot be opened",
            CORRUPT: "it is damaged",
            NOT_A_DATABASE: "it is no database",
        }
        return StoreFault(f"{self.path}: {said.get(primary(error), str(error))}")

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(f".{self.path.name}.lock")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self._lock_path, self._busy) as got:
            if not got:
                raise StoreFault(f"{self.path}: another program has been writing for {self._busy:.0f} s")
            yield

    def _open(self) -> sqlite3.Connection:
        path = self.path
        make(path)
        self.read_only = not os.access(path, os.W_OK)
        db = self._connect_to_read() if self.read_only else self._connect(str(path))
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
        return sqlite3.connect(place, timeout=self._busy, isolation_level=None, uri=uri)

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
        if version == newest and (self.read_only or _is_wal(db)):
            return
        if version > newest:
            self.read_only = True
            self._tell(
                f"a newer Arawn wrote {self.path} (version {version}, this one knows {newest}): "
                "it is read and not written"
            )
            return
        if self.read_only:
            raise StoreFault(f"{self.path} is of an older Arawn and may not be written")
        with self._alone():
            if version == 0:
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            with contextlib.suppress(sqlite3.OperationalError):  # a file system without shared memory
                db.execute("PRAGMA journal_mode = WAL").fetchone()
            self._migrate(db)

    def _migrate(self, db: sqlite3.Connection) -> None:
        """All steps that are missing, or none: under one lock, in one transaction, after a backup."""
        version = _version(db)
        newest = len(self._migrations)
        if version == newest:
            return
        if 0 < version < newest:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            copy = self.path.with_name(f"{self.path.name}.backup-v{version}-{stamp}")
            os.close(create(copy))
            with contextlib.closing(sqlite3.connect(copy)) as target:
                db.backup(target)
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

    def _checkpoint(self, least: int) -> None:
        """Move the log into the file where it is this long; readers that hold it back are not waited for."""
        try:
            if os.stat(f"{self.path}-wal").st_size < least:
                return
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (OSError, sqlite3.OperationalError):
            return
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {int(self._busy * 1000)}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _is_wal(db: sqlite3.Connection) -> bool:
    return bool(db.execute("PRAGMA journal_mode").fetchone()[0] == "wal")
