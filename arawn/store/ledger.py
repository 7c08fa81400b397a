"""What answers under way may cost, and did: a small file beside the store, shared by all processes.

It holds amounts alone, no word of what was asked. What the store knows of an answer later takes the place of
its amount here; of answers that are not stored, or that broke off uncounted, the amount stays.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from arawn.errors import StoreFault
from arawn.programs import runs
from arawn.store.database import is_damage
from arawn.store.files import make
from arawn.store.sessions import FILE, Store

NAME = "budget.db"
BUSY_S = 20.0
"""Seconds to wait for another process that counts or holds."""
KEPT_S = 62 * 86400.0
"""Two months: the limits of a day and a month look no further back."""
SETTLE_S = 2.0
"""So often the amounts are held against the store; before anything is refused they are too."""


class Spent(NamedTuple):
    """USD: what was spent, and what answers under way hold besides."""

    known: float
    held: float


class Ledger:
    """The file, opened. Methods raise StoreFault where it cannot be read or written. For any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._kept: sqlite3.Connection | None = None
        self._settled = float("-inf")
        path = folder / NAME
        try:
            try:
                self._db = self._opened()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                os.replace(path, path.with_name(f"{NAME}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}"))
                self._db = self._opened()
        except sqlite3.Error as error:
            raise StoreFault(f"{path}: {error}") from None
        except OSError as error:
            raise StoreFault(f"{path}: {error.strerror or error}") from None

    def _opened(self) -> sqlite3.Connection:
        make(self._folder / NAME)
        db = sqlite3.connect(self._folder / NAME, BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            # Amounts of the last second are what a power cut may cost; each answer is spared its sync.
            db.execute("PRAGMA synchronous = OFF")
            db.execute(
                "CREATE TABLE IF NOT EXISTS hold (id TEXT PRIMARY KEY, at REAL NOT NULL,"
                " backend TEXT NOT NULL, session TEXT NOT NULL, usd REAL NOT NULL, likely REAL NOT NULL,"
                " process INTEGER NOT NULL)"
            )
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._db.close()
            if self._kept is not None:
                self._kept.close()
                self._kept = None

    @contextlib.contextmanager
    def alone(self) -> Iterator[Page]:
        """Nobody else counts or holds meanwhile."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    page = Page(self._db, self._store())
                    if time.monotonic() - self._settled > SETTLE_S:
                        page.settle()
                        self._settled = time.monotonic()
                    yield page
                    self._db.execute("COMMIT")
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreFault(f"{self._folder / NAME}: {error}") from None

    def end(self, id: str, usd: float | None) -> None:
        """An answer is over: what it cost, None for nothing at all."""
        with self._lock, contextlib.suppress(sqlite3.Error):  # then it stays at what it may cost
            if usd is None:
                self._db.execute("DELETE FROM hold WHERE id = ?", (id,))
            else:
                self._db.execute("UPDATE hold SET usd = ?, process = 0 WHERE id = ?", (usd, id))

    def keep(self, id: str) -> None:
        """What is held is spent for now, by work that goes on elsewhere; `end` says later what it cost."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._db.execute("UPDATE hold SET process = 0 WHERE id = ?", (id,))

    def _store(self) -> sqlite3.Connection | None:
        """The store, to be read; None where there is none. What dead processes left is taken in first."""
        from urllib.parse import quote

        path = self._folder / FILE
        if self._kept is None and path.exists():
            Store(self._folder, lambda line: None).close()
            place = f"file:{quote(path.as_posix())}?mode=ro"
            self._kept = sqlite3.connect(
                place, BUSY_S, isolation_level=None, check_same_thread=False, uri=True
            )
        return self._kept


class Page:
    """What the ledger says while nobody else writes in it."""

    def __init__(self, db: sqlite3.Connection, store: sqlite3.Connection | None) -> None:
        self._db = db
        self._store = store

    def settle(self) -> None:
        """Let go of what the store knows by now, and of what dead processes held beyond what is likely."""
        held = self._db.execute("SELECT id, process, usd, likely FROM hold").fetchall()
        for id, process, usd, likely in held:
            if self._is_stored(id):
                self._db.execute("DELETE FROM hold WHERE id = ?", (id,))
            elif process and not runs(process):
                self._db.execute("UPDATE hold SET usd = ?, process = 0 WHERE id = ?", (min(usd, likely), id))

    def _is_stored(self, id: str) -> bool:
        """Whether the store knows what that answer cost."""
        if self._store is None:
            return False
        query = "SELECT 1 FROM turn WHERE hold = ? AND cost IS NOT NULL"
        return self._store.execute(query, (id,)).fetchone() is not None

    def spent(self, since: float, backend: str = "", session: str = "") -> Spent:
        """What was spent since then (seconds since 1970): of one backend, or in one session, where named."""
        where, values = "at >= ?", [since, *(name for name in (backend, session) if name)]
        where += " AND backend = ?" if backend else ""
        known = 0.0
        if self._store is not None:
            inner = " AND session = (SELECT id FROM session WHERE name = ?)" if session else ""
            query = f"SELECT coalesce(sum(cost), 0) FROM turn WHERE {where}{inner}"
            known = float(self._store.execute(query, values).fetchone()[0])
            if not session:
                named = " AND backend = ?" if backend else ""
                query = f"SELECT coalesce(sum(cost), 0) FROM gone WHERE hour >= ?{named}"
                known += float(self._store.execute(query, (int(since // 3600), *values[1:])).fetchone()[0])
        where += " AND session = ?" if session else ""
        over, under_way = self._db.execute(
            "SELECT coalesce(sum(CASE WHEN process = 0 THEN usd END), 0),"
            f" coalesce(sum(CASE WHEN process <> 0 THEN usd END), 0) FROM hold WHERE {where}",
            values,
        ).fetchone()
        return Spent(known + float(over), float(under_way))

    def hold(self, at: float, backend: str, session: str, usd: float, likely: float) -> str:
        """Hold an amount for an answer that is about to be asked; `likely` is what it costs as a rule."""
        id = os.urandom(8).hex()
        self._db.execute("DELETE FROM hold WHERE at < ?", (at - KEPT_S,))
        self._db.execute(
            "INSERT INTO hold VALUES (?, ?, ?, ?, ?, ?, ?)",
            (id, at, backend, session, usd, likely, os.getpid()),
        )
        return id
