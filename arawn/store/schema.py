"""The tables of the store, as one function a version; it does not know who uses them.

A session is a row and the turns that point to it; a turn points to the one it follows, so that sessions
share a beginning. What was said is kept once, by its content. The index of words has no text of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

Migration = Callable[[sqlite3.Connection], None]


def sessions_and_turns(db: sqlite3.Connection) -> None:
    """Version 1."""
    for statement in (
        """CREATE TABLE session (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, title TEXT NOT NULL, system TEXT,
            folder TEXT NOT NULL, terminal TEXT NOT NULL, created REAL NOT NULL, pinned INTEGER NOT NULL,
            named INTEGER NOT NULL, last INTEGER NOT NULL, head INTEGER, branch TEXT)""",
        "CREATE INDEX session_order ON session (pinned, last)",
        "CREATE INDEX session_last ON session (last)",
        "CREATE INDEX session_terminal ON session (terminal, last)",
        "CREATE INDEX session_folder ON session (folder, last)",
        """CREATE TABLE turn (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, session INTEGER NOT NULL,
            parent INTEGER, kind TEXT NOT NULL, at REAL NOT NULL, backend TEXT NOT NULL, model TEXT NOT NULL,
            unfinished INTEGER NOT NULL, receipt TEXT NOT NULL)""",
        "CREATE INDEX turn_session ON turn (session)",
        "CREATE INDEX turn_facts ON turn (backend, model, at, session)",
        "CREATE INDEX turn_parent ON turn (parent)",
        "CREATE INDEX turn_unfinished ON turn (id) WHERE unfinished",
        """CREATE TABLE message (
            id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role TEXT NOT NULL, text TEXT NOT NULL,
            parts TEXT)""",
        "CREATE INDEX message_tool ON message (id) WHERE role = 'tool'",
        """CREATE TABLE said (
            turn INTEGER NOT NULL, place INTEGER NOT NULL, message INTEGER NOT NULL,
            PRIMARY KEY (turn, place)) WITHOUT ROWID""",
        "CREATE INDEX said_message ON said (message)",
        "CREATE TABLE file (hash TEXT PRIMARY KEY, data BLOB NOT NULL)",
        """CREATE TABLE holds (
            message INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (message, file)) WITHOUT ROWID""",
        "CREATE INDEX holds_file ON holds (file)",
        """CREATE TABLE branch (
            session INTEGER NOT NULL, name TEXT NOT NULL, turn INTEGER NOT NULL,
            PRIMARY KEY (session, name)) WITHOUT ROWID""",
        "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE VIRTUAL TABLE word USING fts5 (
            text, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')""",
    ):
        db.execute(statement)


def spending(db: sqlite3.Connection) -> None:
    """Version 2: what turns cost beside their receipts, so that sums over a million of them are quick.

    `cost` in USD, NULL where unknown, `unpriced` where it is so although something came. `hold` is the id
    under which a budget knows the turn. `gone` has what deleted turns cost, by the hour since 1970: the
    budget of that month holds all the same.
    """
    for statement in (
        "ALTER TABLE turn ADD COLUMN cost REAL",
        "ALTER TABLE turn ADD COLUMN sent INTEGER",
        "ALTER TABLE turn ADD COLUMN cached INTEGER",
        "ALTER TABLE turn ADD COLUMN made INTEGER",
        "ALTER TABLE turn ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE turn ADD COLUMN hold TEXT NOT NULL DEFAULT ''",
    ):
        db.execute(statement)
    for row, receipt, answered in db.execute(
        "SELECT id, receipt, EXISTS (SELECT 1 FROM said WHERE turn = turn.id AND place > 0) FROM turn"
    ):
        found = spent_in(receipt, bool(answered))
        db.execute(
            "UPDATE turn SET cost = ?, sent = ?, cached = ?, made = ?, unpriced = ? WHERE id = ?",
            (*found, row),
        )
    db.execute(
        "CREATE INDEX turn_spent ON turn (at, backend, model, session, cost, sent, cached, made, unpriced)"
    )
    db.execute("CREATE INDEX turn_hold ON turn (hold) WHERE hold <> ''")
    db.execute(
        "CREATE TABLE gone (hour INTEGER, backend TEXT, cost REAL, PRIMARY KEY (hour, backend)) WITHOUT ROWID"
    )


def spent_in(receipt: str, answered: bool) -> tuple[float | None, int | None, int | None, int | None, int]:
    """(cost, sent, cached, made, unpriced) of a receipt's JSON; nothing is known of a damaged one."""
    import json

    try:
        made = json.loads(receipt)
        usage, cost = made.get("usage", {}), made.get("cost_usd")
        counts = [usage.get(key) for key in ("input", "cached", "output")]
    except (ValueError, AttributeError, RecursionError):
        return None, None, None, None, 0
    known = float(cost) if isinstance(cost, int | float) else None
    sent, cached, written = (
        count if isinstance(count, int) and 0 <= count < 1 << 60 else None for count in counts
    )
    return known, sent, cached, written, int(known is None and (answered or written is not None))


MIGRATIONS: Sequence[Migration] = (sessions_and_turns, spending)
