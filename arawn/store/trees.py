"""Sessions, turns and branches as rows; it knows SQL, and neither files nor locks."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from arawn.errors import StoreFault, UsageFault
from arawn.record import clean, receipt_in, receipt_out
from arawn.session import Session, Turn, title_of
from arawn.store.rows import drop_unsaid, message_of, put_message
from arawn.store.schema import spent_in

SURE = 4
"""So many characters are the beginning of an id rather than a word of a title."""
TAKEN_IN = 2**40
"""`session.last` is the last turn that was said here, or the time of what was taken in, less this."""
DAMAGE = (ValueError, TypeError, KeyError)
"""What reading a damaged row leads to."""
LAST = "CASE WHEN s.last > 0 THEN s.last ELSE s.head END"


class Info(NamedTuple):
    """A session as lists show it. Times in seconds since 1970; `turns` are those up to the head."""

    id: str
    title: str
    pinned: bool
    created: float
    updated: float
    turns: int
    folder: str
    backend: str
    model: str
    unfinished: bool


def row_of(db: sqlite3.Connection, id: str) -> int | None:
    """The row of a session by its id, None where there is none."""
    found = db.execute("SELECT id FROM session WHERE name = ?", (id,)).fetchone()
    return None if found is None else int(found[0])


def is_known(db: sqlite3.Connection, session: Session) -> bool:
    """Whether the session is in the store, or the turn that it stands at."""
    head = "SELECT 1 FROM turn WHERE name = ?"
    return row_of(db, session.id) is not None or db.execute(head, (session.head,)).fetchone() is not None


def session_row(db: sqlite3.Connection, session: Session, terminal: str) -> int:
    """The row of a session, made where there is none; what it is now holds."""
    row = row_of(db, session.id)
    first = next(iter(session.turns.values()), None)
    title = session.title or (title_of(first.prompt.text) if first else "")
    if row is None:
        made = db.execute(
            "INSERT INTO session (name, title, system, folder, terminal, created, pinned, named, last)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)",
            (
                session.id, clean(title), _clean(session.system), clean(session.folder), clean(terminal),
                session.created, int(session.pinned),
            ),
        ).lastrowid  # fmt: skip
        assert made is not None
        return made
    db.execute(
        "UPDATE session SET system = ?, folder = ?, terminal = ? WHERE id = ?",
        (_clean(session.system), clean(session.folder), clean(terminal), row),
    )
    return row


def put_turn(db: sqlite3.Connection, session: int, turn: Turn) -> int | None:
    """The row of a turn that was not there; None where it was."""
    if db.execute("SELECT 1 FROM turn WHERE name = ?", (turn.id,)).fetchone():
        return None
    receipt = turn.receipt
    hold = next((attempt.hold for attempt in reversed(receipt.attempts) if attempt.hold), "")
    kept = clean(json.dumps(receipt_out(receipt), ensure_ascii=False, separators=(",", ":")))
    row = db.execute(
        "INSERT INTO turn (name, session, parent, kind, at, backend, model, unfinished, receipt,"
        " cost, sent, cached, made, unpriced, hold)"
        " VALUES (?, ?, (SELECT id FROM turn WHERE name = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            turn.id, session, turn.parent, turn.kind, turn.at, clean(receipt.backend), clean(receipt.model),
            int(turn.unfinished), kept, *spent_in(kept, len(turn.messages) > 1), hold,
        ),
    ).lastrowid  # fmt: skip
    assert row is not None
    for place, message in enumerate(turn.messages):
        db.execute("INSERT INTO said VALUES (?, ?, ?)", (row, place, put_message(db, message)))
    db.execute("UPDATE session SET last = ? WHERE id = ?", (row, session))
    return row


def put_heads(db: sqlite3.Connection, row: int, session: Session) -> None:
    """Where a session stands: head and branches."""
    db.execute(
        "UPDATE session SET head = (SELECT id FROM turn WHERE name = ?), branch = ?,"
        " last = max(last, coalesce((SELECT id FROM turn WHERE name = ?), 0)) WHERE id = ?",
        (session.head, _clean(session.branch), session.head, row),
    )
    for name, turn in session.branches.items():  # those that another process made meanwhile stay
        db.execute(
            "INSERT OR REPLACE INTO branch SELECT ?, ?, id FROM turn WHERE name = ?", (row, clean(name), turn)
        )
    if session.branch is not None and session.branch not in session.branches:  # it went before all turns
        db.execute("DELETE FROM branch WHERE session = ? AND name = ?", (row, clean(session.branch)))
    # What a session shares with others stays in its tree, wherever its heads go: a branch without a name.
    db.execute(
        "INSERT OR IGNORE INTO branch SELECT ?1, '', id FROM turn WHERE name = ?2 AND session <> ?1",
        (row, session.head),
    )


def put_below(db: sqlite3.Connection, row: int, at: float) -> None:
    """Place a session that was taken in below all that were spoken in here, by the time it is of."""
    db.execute("UPDATE session SET last = ? WHERE id = ?", (int(at) - TAKEN_IN, row))


def follow(db: sqlite3.Connection, row: int, turn: int, parent: str | None, branch: Any) -> None:
    """A turn of a dead process: the head goes there where nobody moved it since."""
    above = db.execute("SELECT id FROM turn WHERE name = ?", (parent,)).fetchone()
    before = above[0] if above else None
    db.execute("UPDATE session SET head = ? WHERE id = ? AND head IS ?", (turn, row, before))
    if branch:
        db.execute(
            "INSERT INTO branch VALUES (?2, ?3, ?1) ON CONFLICT DO UPDATE SET turn = ?1 WHERE turn IS ?4",
            (turn, row, branch, before),
        )


_UP = """
WITH RECURSIVE up (id) AS (
    SELECT id FROM turn WHERE session = ?1
    UNION SELECT head FROM session WHERE id = ?1 AND head IS NOT NULL
    UNION SELECT turn FROM branch WHERE session = ?1
    UNION SELECT turn.parent FROM turn JOIN up ON turn.id = up.id WHERE turn.parent IS NOT NULL)
"""


def load(db: sqlite3.Connection, id: str) -> Session:
    """A whole session. Raises KeyError where there is none, StoreFault where a turn of it is damaged."""
    found = db.execute(
        "SELECT id, title, system, folder, created, pinned, head, branch FROM session WHERE name = ?", (id,)
    ).fetchone()
    if found is None:
        raise KeyError(id)
    row, title, system, folder, created, pinned, head, branch = found
    session = Session(id, title, system)
    session.folder, session.created, session.pinned = folder, created, bool(pinned)
    names: dict[int, str] = {}
    for number, turn in turns(db, row):
        names[number] = turn.id
        session.turns[turn.id] = turn._replace(parent=names.get(int(turn.parent)) if turn.parent else None)
        session.latest = turn.id if turn.kind == "said" else session.latest
    session.branches = {
        name: names[turn]
        for name, turn in db.execute("SELECT name, turn FROM branch WHERE session = ?", (row,))
        if turn in names and name
    }
    session.head, session.branch = names.get(head), branch
    return session


def turns(db: sqlite3.Connection, session: int) -> Iterator[tuple[int, Turn]]:
    """The turns of a session with their rows; `parent` is still the row of what they follow."""
    said: dict[int, list[Any]] = {}
    for turn, *message in db.execute(
        f"{_UP} SELECT s.turn, m.role, m.text, m.parts FROM up JOIN said s ON s.turn = up.id"
        " JOIN message m ON m.id = s.message ORDER BY s.turn, s.place",
        (session,),
    ).fetchall():
        said.setdefault(turn, []).append(message)
    for row in db.execute(
        f"{_UP} SELECT t.id, t.name, t.parent, t.kind, t.at, t.receipt, s.name FROM up"
        " JOIN turn t ON t.id = up.id LEFT JOIN session s ON s.id = t.session ORDER BY t.id",
        (session,),
    ).fetchall():
        made = _turn(db, row, said.get(row[0], []))
        if made is not None:
            yield row[0], made


def one_turn(db: sqlite3.Connection, row: int) -> Iterator[Turn]:
    """The turn of a row, its `parent` by name; nothing where it has no messages. Raises StoreFault."""
    said = db.execute(
        "SELECT m.role, m.text, m.parts FROM said s JOIN message m ON m.id = s.message"
        " WHERE s.turn = ? ORDER BY s.place",
        (row,),
    ).fetchall()
    found = db.execute(
        "SELECT t.id, t.name, p.name, t.kind, t.at, t.receipt, s.name FROM turn t"
        " LEFT JOIN turn p ON p.id = t.parent LEFT JOIN session s ON s.id = t.session WHERE t.id = ?",
        (row,),
    ).fetchone()
    made = _turn(db, found, said) if found is not None else None
    if made is not None:
        yield made


def _turn(db: sqlite3.Connection, row: Any, said: list[Any]) -> Turn | None:
    _, name, parent, kind, at, receipt, owner = row
    try:
        messages = tuple(message_of(db, *message) for message in said)
        kept = receipt_in(json.loads(receipt))
    except DAMAGE as error:
        raise StoreFault(
            f"turn {name} is damaged ({error})", hints=("arawn session check", "arawn doctor --recover")
        ) from None
    above = None if parent is None else str(parent)
    return Turn(name, above, messages, kept, at, owner or "", kind) if messages else None


def info(db: sqlite3.Connection, row: int) -> Info | None:
    """A session as lists show it; None where it was deleted just now. Raises StoreFault."""
    count = db.execute(
        "WITH RECURSIVE up (id) AS (SELECT head FROM session WHERE id = ?1 AND head IS NOT NULL"
        " UNION SELECT turn.parent FROM turn JOIN up ON turn.id = up.id WHERE turn.parent IS NOT NULL)"
        " SELECT count(*) FROM up",
        (row,),
    ).fetchone()[0]
    found = db.execute(
        "SELECT s.name, s.title, s.pinned, s.created, t.at, s.folder, t.backend, t.model, h.unfinished"
        f" FROM session s LEFT JOIN turn t ON t.id = {LAST} LEFT JOIN turn h ON h.id = s.head WHERE s.id = ?",
        (row,),
    ).fetchone()
    if found is None:
        return None
    name, title, pinned, created, at, folder, backend, model, unfinished = found
    try:
        return Info(
            str(name), str(title), bool(pinned), float(created), float(created if at is None else at), count,
            str(folder), str(backend or ""), str(model or ""), bool(unfinished),
        )  # fmt: skip
    except (ValueError, TypeError) as error:
        raise StoreFault(
            f"session {name} is damaged ({error})", hints=("arawn session check", "arawn doctor --recover")
        ) from None


def find(db: sqlite3.Connection, word: str) -> str:
    """The id meant by an id, its beginning, or a title or part of one. Raises UsageFault."""
    near = db.execute(
        "SELECT name, title FROM session WHERE name >= ?1 AND name < ?1 || '{' ORDER BY last DESC LIMIT 6",
        (word,),
    ).fetchall()
    if any(name == word for name, _ in near):
        return word
    like = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    titled = db.execute(
        "SELECT name, title FROM session WHERE title LIKE ? ESCAPE '\\'"
        " ORDER BY title <> ?, last DESC LIMIT 6",
        (like, word),
    ).fetchall()
    exact = [(name, title) for name, title in titled if title == word]
    long = near if len(word) >= SURE else []
    many = exact or long or list(dict.fromkeys([*near, *titled]))
    if not word or not many:
        raise UsageFault(f"There is no session {word!r}", hints=("arawn session list",))
    if len(many) == 1:
        return str(many[0][0])
    lines = tuple(f"{name}  {title}" for name, title in many)
    raise UsageFault(f"{word!r} may mean several sessions", hints=lines)


def unfinished(db: sqlite3.Connection) -> tuple[str, str] | None:
    """(session, turn) at the end of a session: what broke off last, else the question that failed last.

    What was only taken in broke off elsewhere.
    """
    failed = None
    for session, turn, receipt, answered in db.execute(
        "SELECT s.name, t.name, t.receipt, EXISTS (SELECT 1 FROM said WHERE turn = t.id AND place > 0)"
        " FROM turn t JOIN session s ON s.head = t.id AND s.id = t.session"
        " WHERE t.unfinished AND s.last > 0 ORDER BY t.id DESC"
    ):
        with contextlib.suppress(*DAMAGE):
            if answered or receipt_in(json.loads(receipt)).finish != "error":
                return str(session), str(turn)
        failed = failed or (str(session), str(turn))
    return failed


def delete(db: sqlite3.Connection, id: str) -> None:
    """Remove a session, and all that no other stands on."""
    row = row_of(db, id)
    if row is None:
        return
    # Turns that other sessions stand on become theirs.
    db.execute(
        """WITH RECURSIVE up (id, heir) AS (
            SELECT t.parent, t.session FROM turn t WHERE t.session <> ?1 AND t.parent IN
                (SELECT id FROM turn WHERE session = ?1)
            UNION SELECT head, id FROM session WHERE id <> ?1
                AND head IN (SELECT id FROM turn WHERE session = ?1)
            UNION SELECT turn, session FROM branch WHERE session <> ?1
                AND turn IN (SELECT id FROM turn WHERE session = ?1)
            UNION SELECT t.parent, up.heir FROM turn t JOIN up ON t.id = up.id WHERE t.parent IS NOT NULL)
        UPDATE turn SET session = (SELECT heir FROM up WHERE up.id = turn.id)
        WHERE session = ?1 AND id IN (SELECT id FROM up)""",
        (row,),
    )
    turns = [turn for (turn,) in db.execute("SELECT id FROM turn WHERE session = ?", (row,))]
    messages: dict[int, None] = {}
    for turn in turns:
        for (message,) in db.execute("SELECT message FROM said WHERE turn = ?", (turn,)):
            messages[message] = None
        db.execute("DELETE FROM said WHERE turn = ?", (turn,))
    db.execute(
        "INSERT INTO gone SELECT CAST(at / 3600 AS INTEGER), backend, sum(cost) FROM turn"
        " WHERE session = ? AND cost > 0 GROUP BY 1, 2"
        " ON CONFLICT DO UPDATE SET cost = gone.cost + excluded.cost",
        (row,),
    )
    db.execute("DELETE FROM turn WHERE session = ?", (row,))
    db.execute("DELETE FROM branch WHERE session = ?", (row,))
    db.execute("DELETE FROM session WHERE id = ?", (row,))
    drop_unsaid(db, messages)


def forget(db: sqlite3.Connection) -> None:
    """Make the index of words let go of what was deleted.

    Its own `secure-delete` would do so at once, but then SQLite before 3.42 could not read it any more.
    """
    with contextlib.suppress(sqlite3.OperationalError):
        db.execute("INSERT INTO word (word) VALUES ('optimize')")


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)
