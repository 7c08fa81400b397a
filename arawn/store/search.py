"""Finding what was said: full text over all sessions, ranked by relevance and age; it knows no terminal."""

from __future__ import annotations

import contextlib
import math
import re
import sqlite3
import time
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.errors import StoreFault
from arawn.store.rows import INDEXED, findable, folded, message_of, spaced

if TYPE_CHECKING:
    from arawn.store.sessions import Store

CANDIDATES = 400
"""So many of the newest messages with the words are ranked: a common word costs what a rare one does."""
LOOKED_AT = 10_000
"""So many of them are looked at one by one for what else they must be."""
LONGEST = 2000
"""Characters of a query that are taken."""
AROUND = 60
HALF_LIFE_S = 90 * 86400.0
_END = 2**63 - 1
"""No row comes after it."""
Condition = tuple[str, tuple[Any, ...]]
"""A piece of SQL with the values for its question marks."""


class Filter(NamedTuple):
    """What else a message must be; times in seconds since 1970, None and "" ask for nothing."""

    role: str = ""
    backend: str = ""
    model: str = ""
    folder: str = ""
    since: float | None = None
    until: float | None = None
    code: bool = False


class Hit(NamedTuple):
    """A message that was found, in the turn of that id; `pieces`: (text, whether a hit) around it."""

    session: str
    title: str
    turn: str
    role: str
    at: float
    backend: str
    model: str
    pieces: tuple[tuple[str, bool], ...]
    score: float

    @property
    def snippet(self) -> str:
        """The neighbourhood, each hit between [ and ]."""
        return "".join(f"[{text}]" if hit else text for text, hit in self.pieces)


ANY = Filter()


def search(
    store: Store, words: str, limit: int = 10, only: Filter = ANY, looked_at: int = LOOKED_AT
) -> list[Hit]:
    """The messages with all of `words`, best first; "words in quotes" are a phrase, word* a beginning.

    Where nothing has them as whole words, beginnings of words are taken. Raises StoreFault.
    """
    terms = _terms(words[:LONGEST])
    if not terms:
        return []
    found = store.read(lambda db: _matching(db, terms, only, looked_at))
    hits = [_hit(store, row, terms) for row in found]
    best: dict[tuple[str, int], Hit] = {}
    for hit, row in zip(hits, found, strict=True):
        key = (hit.session, row[-1])
        if key not in best or best[key].score < hit.score:
            best[key] = hit
    return sorted(best.values(), key=lambda hit: -hit.score)[:limit]


def _terms(words: str) -> list[str]:
    found = [quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', words)]
    return [term.strip() for term in found if any(c.isalnum() for c in term)]


def _query(terms: list[str], beginnings: bool) -> str:
    """The query as FTS5 wants it: each term a phrase, so that no character of it is an operator."""
    made = []
    for term in terms:
        begins = beginnings or term.endswith("*")
        phrase = spaced(term.rstrip("*")).replace('"', " ").replace("\0", " ")
        made.append(f'"{phrase}"' + ("*" if begins else ""))
    return " ".join(made)


def _matching(db: sqlite3.Connection, terms: list[str], only: Filter, looked_at: int) -> list[Any]:
    try:
        whole = _query(terms, False)
        some = db.execute("SELECT 1 FROM word WHERE word MATCH ? LIMIT 1", (whole,)).fetchone()
        return _candidates(db, whole if some else _query(terms, True), only, looked_at)
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            raise StoreFault("this SQLite has no FTS5, so nothing can be searched") from None
        raise


def _candidates(db: sqlite3.Connection, query: str, only: Filter, looked_at: int) -> list[Any]:
    """The newest messages that `query` finds and `only` lets through."""
    turns = _asked(
        ("t.backend = ?", only.backend),
        ("t.model LIKE ? || '%'", only.model),
        (
            "t.session IN (SELECT id FROM session WHERE folder <> '' AND instr(folder || '/', ?) = 1)",
            only.folder and only.folder.rstrip("/") + "/",
        ),
        ("t.at >= ?", only.since),
        ("t.at < ?", only.until),
    )
    asked = turns + _asked(("m.role = ?", only.role), ("instr(m.text, ?) > 0", "```" if only.code else ""))
    last = "SELECT rowid FROM word WHERE word MATCH ? AND rowid <= ? ORDER BY rowid DESC LIMIT 1 OFFSET ?"
    far = db.execute(last, (query, _END, looked_at)).fetchone() if asked else None
    if far is None:
        return _found(db, query, asked)
    found = _found(db, query, [("word.rowid > ?", far), *asked])
    start = _before(db, only.until)
    if len(found) < CANDIDATES and start < far[0]:
        # What was said before then begins about there; the newest that has the words is far from it.
        end = db.execute(last, (query, start, looked_at)).fetchone() or (0,)
        older = _found(db, query, [("word.rowid BETWEEN ? AND ?", (end[0], start)), *asked])
        if len(older) == CANDIDATES:
            return (found + older)[:CANDIDATES]
    if len(found) < CANDIDATES:
        # Little of what has the words is let through: it is made out first, as looking at all takes long.
        found += _found(db, query, [("word.rowid <= ?", far), *_among(turns, only.role), *asked])
    return found[:CANDIDATES]


def _before(db: sqlite3.Connection, until: float | None) -> int:
    """The row of a message that was among the last ones said before that time."""
    if until is None:
        return _END
    # Several turns: what one of them says may have been said long before, and is kept since then.
    found = db.execute(
        "SELECT max(message) FROM said"
        " WHERE turn IN (SELECT id FROM turn WHERE at < ? ORDER BY at DESC LIMIT 50)",
        (until,),
    ).fetchone()
    return int(found[0] or 0)


def _among(turns: list[Condition], role: str) -> list[Condition]:
    made: list[Condition] = []
    if turns:
        within = " AND ".join(condition for condition, _ in turns)
        values = tuple(value for _, values in turns for value in values)
        said = f"SELECT message FROM said WHERE turn IN (SELECT t.id FROM turn t WHERE {within})"
        made.append((f"+word.rowid IN ({said})", values))
    if role == "tool":
        made.append(("+word.rowid IN (SELECT id FROM message WHERE role = 'tool')", ()))
    return made


def _asked(*conditions: tuple[str, Any]) -> list[Condition]:
    return [(condition, (value,)) for condition, value in conditions if value not in ("", None)]


def _found(db: sqlite3.Connection, query: str, asked: list[Condition]) -> list[Any]:
    conditions = ["word MATCH ?", *(condition for condition, _ in asked)]
    statement = (
        "SELECT s.name, s.title, t.name, m.role, t.at, t.backend, t.model, m.text, m.parts, m.id"
        " FROM word CROSS JOIN said ON said.message = word.rowid CROSS JOIN turn t ON t.id = said.turn"
        " CROSS JOIN message m ON m.id = word.rowid CROSS JOIN session s ON s.id = t.session"
        f" WHERE {' AND '.join(conditions)} ORDER BY word.rowid DESC LIMIT {CANDIDATES}"
    )
    return db.execute(statement, [query, *(value for _, values in asked for value in values)]).fetchall()


def _hit(store: Store, row: Any, terms: list[str]) -> Hit:
    session, title, turn, role, at, backend, model, text, parts, _ = row
    if parts is not None:  # what tools answered is found too
        with contextlib.suppress(ValueError, TypeError, KeyError):  # a damaged row: its text alone
            text = findable(message_of(store.db.connection, role, text, parts))
    text = unicodedata.normalize("NFC", str(text or "")[:INDEXED])
    plain = folded(text)
    where: list[tuple[int, int]] = []
    score = 0.0
    for term in terms:
        found = _places(plain, term)
        where += found[:50]
        often = len(found)
        score += often / (often + 1.2 * (0.25 + 0.75 * len(text) / 1000))
    age = max(0.0, time.time() - at)
    score *= 0.4 + 0.6 * math.exp(-age / HALF_LIFE_S * math.log(2))
    spans = sorted(where)
    return Hit(session, title, turn, role, at, backend, model, _pieces(text, spans), score)


def _places(plain: str, term: str) -> list[tuple[int, int]]:
    """Where a term stands as words, else where words begin so; words are divided by whatever is no letter."""
    parts = re.findall(r"\w+", folded(unicodedata.normalize("NFC", term)))
    if not parts:
        return []
    pattern = r"\W+".join(re.escape(part) for part in parts)
    if spaced(parts[0][0]) == parts[0][0]:
        pattern = r"(?<!\w)" + pattern
    if not term.endswith("*") and spaced(parts[-1][-1]) == parts[-1][-1]:
        whole = [found.span() for found in re.finditer(pattern + r"(?!\w)", plain)]
        if whole:
            return whole
    return [found.span() for found in re.finditer(pattern, plain)]


def _pieces(text: str, spans: list[tuple[int, int]]) -> tuple[tuple[str, bool], ...]:
    """The neighbourhood with the most hits, on one line."""
    if not spans:
        return ((" ".join(text[: 2 * AROUND].split()), False),)
    window = 3 * AROUND
    best = max(spans, key=lambda span: sum(span[0] <= other[0] < span[0] + window for other in spans))[0]
    start, end = max(0, best - AROUND), min(len(text), best + window - AROUND)
    made, at = [("…" if start else "", False)], start
    for first, last in spans:
        if first < at or last > end:
            continue
        made += [(text[at:first], False), (text[first:last], True)]
        at = last
    made += [(text[at:end], False), ("…" if end < len(text) else "", False)]
    return tuple((re.sub(r"\s+", " ", piece), hit) for piece, hit in made if piece)
