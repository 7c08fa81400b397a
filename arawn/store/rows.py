"""Messages as rows: kept once by their content, found by their words; it knows neither turns nor sessions."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from hashlib import blake2b

from arawn.messages import FilePart, Message, ToolResultPart
from arawn.record import Json, clean, digest, message_in, message_out

INDEXED = 1_000_000
"""Characters of one message that can be searched."""

# Scripts written without spaces between words: each of their characters is a word of the index, and what is
# looked for in them is a phrase. So one character is enough to find, where trigrams need three.
_UNSPACED = (
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff])"
)


class _Fold(dict[int, str]):
    """A character without case and accent, in any script; always one for one."""

    def __missing__(self, code: int) -> str:
        from unicodedata import combining, normalize

        letter = chr(code)
        made = "".join(part for part in normalize("NFKD", letter) if not combining(part)).casefold()
        self[code] = made if len(made) == 1 else letter
        return self[code]


_FOLD = _Fold()


def folded(text: str) -> str:
    """`text`, which is in the form NFC, without case and accents; as long as it was."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def spaced(text: str) -> str:
    """`text` as the index of words has it."""
    if text.isascii():
        return text
    from unicodedata import normalize

    return re.sub(_UNSPACED, r" \1 ", folded(normalize("NFC", text)))


def findable(message: Message) -> str:
    """What of a message can be found: its text, and what tools answered."""
    results = [part.content for part in message.parts if isinstance(part, ToolResultPart)]
    return clean("\n".join([message.text, *results]))[:INDEXED]


def indexed(message: Message) -> str:
    """The same as the index of words has it."""
    return spaced(findable(message))


def has_message(name: bytes, db: sqlite3.Connection) -> bool:
    """Whether the message of that hash is there."""
    return db.execute("SELECT 1 FROM message WHERE hash = ?", (name,)).fetchone() is not None


def put_message(db: sqlite3.Connection, message: Message) -> int:
    """The row of a message, made where there is none; the bytes of its files are kept with it."""
    made = message_out(message, whole=False)
    name = blake2b(json.dumps(made, sort_keys=True).encode(), digest_size=16).digest()
    found = db.execute("SELECT id FROM message WHERE hash = ?", (name,)).fetchone()
    if found is not None:
        return int(found[0])
    text, parts = _split(made)
    row = db.execute(
        "INSERT INTO message (hash, role, text, parts) VALUES (?, ?, ?, ?)", (name, message.role, text, parts)
    ).lastrowid
    assert row is not None
    for part in message.parts:
        if isinstance(part, FilePart):
            name_of = digest(part.data)
            db.execute("INSERT OR IGNORE INTO file VALUES (?, ?)", (name_of, part.data))
            db.execute("INSERT OR IGNORE INTO holds VALUES (?, ?)", (row, name_of))
    words = indexed(message)
    if words.strip():
        db.execute("INSERT INTO word (rowid, text) VALUES (?, ?)", (row, words))
    return row


def _split(made: Json) -> tuple[str, str | None]:
    """All text in one piece, and the parts with the length of theirs; None where text is all there is."""
    text = "".join(part["text"] for part in made["parts"] if part["type"] == "text")
    if len(made["parts"]) == 1 and made["parts"][0]["type"] == "text":
        return text, None
    parts = [
        {"type": "text", "chars": len(part["text"])} if part["type"] == "text" else part
        for part in made["parts"]
    ]
    return text, clean(json.dumps(parts, ensure_ascii=False, separators=(",", ":")))


def message_of(db: sqlite3.Connection, role: str, text: str, parts: str | None) -> Message:
    """A message from its row. Raises ValueError for a damaged one."""
    if parts is None:
        return message_in({"role": role, "parts": [{"type": "text", "text": text}]})
    made, at = json.loads(parts), 0
    for part in made:
        if part.get("type") == "text":
            length = int(part.pop("chars"))
            part["text"] = text[at : at + length]
            at += length

    def bytes_of(name: str) -> bytes:
        found = db.execute("SELECT data FROM file WHERE hash = ?", (name,)).fetchone()
        if found is None:
            raise KeyError(name)
        return bytes(found[0])

    return message_in({"role": role, "parts": made}, bytes_of)


def drop_unsaid(db: sqlite3.Connection, messages: Iterable[int]) -> None:
    """Remove those of `messages` that no turn says any more, with their words and files."""
    for row in messages:
        if db.execute("SELECT 1 FROM said WHERE message = ? LIMIT 1", (row,)).fetchone():
            continue
        role, text, parts = db.execute(
            "SELECT role, text, parts FROM message WHERE id = ?", (row,)
        ).fetchone() or ("user", "", None)
        try:
            words = indexed(message_of(db, role, text, parts))
        except (ValueError, TypeError, KeyError):  # a damaged row: its text alone
            words = spaced(clean(str(text or ""))[:INDEXED])
        if words.strip():
            db.execute("INSERT INTO word (word, rowid, text) VALUES ('delete', ?, ?)", (row, words))
        files = [name for (name,) in db.execute("SELECT file FROM holds WHERE message = ?", (row,))]
        db.execute("DELETE FROM holds WHERE message = ?", (row,))
        db.execute("DELETE FROM message WHERE id = ?", (row,))
        for name in files:
            db.execute(
                "DELETE FROM file WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM holds WHERE file = ?1)",
                (name,),
            )
