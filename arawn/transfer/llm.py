"""The database of Simon Willison's llm (`logs.db`), of any version: what was asked and answered in it.

After llm's own migrations (llm/migrations.py) and what versions from 0.4.1 to 0.36 write: `logs` (to 0.5),
`conversations` and `responses` (from 0.6), `threads`, `turns`, `messages` and `parts` (from 0.32). Files are
taken where the database holds them; one that it only names is named, and not read from disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import SQLITE_LIMIT_LENGTH, Connection, Row, connect
from sqlite3 import Error as SqliteError
from typing import Any

from arawn.errors import UsageFault
from arawn.session import Session
from arawn.transfer.llm_turns import NAME, Query, legacy, sent
from arawn.transfer.shape import Tell, each, id_of, shown, text
from arawn.transfer.source import Source
from arawn.transfer.tree import grow

LONGEST = 256 * 1024 * 1024
"""Bytes of a value."""


def read(source: Source, tell: Tell) -> Iterator[Session]:
    """A session of each conversation, and of each answer that belongs to none."""
    if source.path is None:
        raise UsageFault(f"{source.label} must be a file of its own to be read")
    try:
        with closing(_open(source.path)) as connection:
            base = _Base(connection)
            if not base.columns.keys() & {"responses", "turns", "logs", "log"}:
                raise UsageFault(f"{source.label} is a SQLite database, but none of llm's")
            yield from each(_found(base), lambda id: _session(base, id, source.at), tell)
    except (SqliteError, ValueError) as error:
        raise UsageFault(f"{source.label} cannot be read: {shown(str(error))}") from None


def _open(path: Path) -> Connection:
    """The database, to be read only; one whose log cannot be opened is taken as it lies there."""
    address = path.resolve().as_uri()
    for way in ("mode=ro", "mode=ro&immutable=1"):
        try:
            made = connect(f"{address}?{way}", uri=True)
            made.setlimit(SQLITE_LIMIT_LENGTH, LONGEST)
            made.row_factory = Row
            made.text_factory = _text
            made.execute("PRAGMA trusted_schema=OFF")
            made.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return made
        except SqliteError as error:
            fault = error
    raise UsageFault(f"{path} cannot be read: {shown(str(fault))}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class _Base:
    """Rows as plain values. Only real tables are asked: a view may be endless."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.columns: dict[str, list[str]] = {}
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        for name, sql in made:
            if isinstance(sql, str) and sql.lstrip().upper().startswith("CREATE TABLE") and _plain(name):
                listed = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
                self.columns[name] = [row["name"] for row in listed]

        self._places: dict[tuple[str, str], dict[Any, list[int]]] = {}

    def __call__(self, table: str, column: str, value: Any) -> list[dict[str, Any]]:
        """The rows of a table with this value in this column; none where it has no such table or column."""
        if not isinstance(value, str | int | float | bytes | None) or not self._has(table, column):
            return []
        try:
            if (table, column) not in self._places:
                self._places[table, column] = self._look(table, column)
            what = "*" if "id" in self.columns[table] else "*, rowid AS id"
            ask = f'SELECT {what} FROM "{table}" WHERE rowid = ?'
            rows = self._places[table, column].get(value, [])
            return [dict(row) for place in rows for row in self._connection.execute(ask, [place])]
        except SqliteError as error:
            raise ValueError(str(error)) from None

    def _has(self, table: str, column: str) -> bool:
        """The rows of the oldest versions are numbered, and have no column that says so."""
        return table in self.columns and column in (*self.columns[table], "id")

    def _look(self, table: str, column: str) -> dict[Any, list[int]]:
        """Where each value stands: llm has no index on what belongs together."""
        found: dict[Any, list[int]] = {}
        for value, place in self._connection.execute(
            f'SELECT "{column}", rowid FROM "{table}" ORDER BY rowid'
        ):
            found.setdefault(value, []).append(place)
        return found

    def ids(self, table: str, column: str) -> list[Any]:
        """The different values of a column, in their order."""
        self(table, column, None)
        return [*self._places.get((table, column), {})]


def _plain(name: Any) -> bool:
    return isinstance(name, str) and name.isidentifier()


def _found(base: _Base) -> Iterator[tuple[str, tuple[str, Any]]]:
    """What becomes a session: (what it is, id), with its place."""
    columns = (
        ("conversations", "id"),
        ("responses", "conversation_id"),
        ("threads", "id"),
        ("turns", "thread_id"),
    )
    talks = dict.fromkeys(id for table, column in columns for id in base.ids(table, column))
    for id in talks:
        if isinstance(id, str):
            yield f"conversation {id}", ("conversation", id)
    for row in base("responses", "conversation_id", None):
        yield f"response {row.get('id')}", ("response", row.get("id"))
    for table in ("log", "logs"):
        chats = {id: chat for chat in base.ids(table, "chat_id") for id in _ids(base, table, chat)}
        for chat in dict.fromkeys(chats.get(id, id) for id in base.ids(table, "id")):
            yield f"chat {chat}", (table, chat)


def _ids(base: _Base, table: str, chat: Any) -> list[Any]:
    return [] if chat is None else [row.get("id") for row in base(table, "chat_id", chat)]


def _session(base: Query, found: tuple[str, Any], at: float) -> Session:
    kind, id = found
    session = Session(id_of(NAME, kind, str(id)))
    if kind == "conversation":
        rows = (*base("conversations", "id", id), *base("threads", "id", id))
        session.title = next((text(row.get("name")) for row in rows if text(row.get("name"))), "")
        older = legacy(base, "responses", base("responses", "conversation_id", id))
        made = sent(base, id).with_older(older)
    elif kind == "response":
        made = legacy(base, "responses", base("responses", "id", id))
    else:
        rows = (*base(kind, "id", id), *base(kind, "chat_id", id))
        made = legacy(base, kind, [*{row.get("id"): row for row in rows}.values()])
    session.system = made.system or None
    if not any(one.at for one in made.said):
        session.created = at
    return grow(session, made.said, made.head)
