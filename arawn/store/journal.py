"""A turn on disk while it is said: one append-only file, so that nothing that came is lost with its process.

The prompt is there before the request leaves, what comes is at most a second behind, also for the disk. The
process holds a lock on the file for as long as it lives: a file without one is of a process that died.
It knows no SQLite, so that asking does not load it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from arawn.events import Attempt, Event, Reasoning, Text, Usage
from arawn.messages import Message, Part, ReasoningPart, TextPart
from arawn.record import Json, message_in, message_out, receipt_in, receipt_out, turn_in
from arawn.session import Receipt, Session, Turn
from arawn.store.files import create, try_lock
from arawn.threads import start

VERSION = 1
TICK = 0.25
"""Seconds between two writes of what came."""
HALF_MADE_S = 3600.0
"""So old a file without its name is nobody's any more."""

LOST = "Arawn was ended before the answer was whole"
SUFFIX = ".jsonl"


class Newer(ValueError):
    """A journal that a newer Arawn wrote."""


def new_id() -> str:
    """Twelve letters and digits by chance (60 bits), without those that look like others."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return "".join(alphabet[byte & 31] for byte in os.urandom(12))


def outset(
    session: Session,
    parent: str | None,
    message: Message,
    before: str,
    asked: tuple[str, str],
    id: str,
    at: float,
) -> Json:
    """The first line of a journal: the prompt, where it belongs, and who (backend, model) is asked."""
    return {
        "arawn": "journal",
        "version": VERSION,
        "turn": id,
        "at": at,
        "parent": parent,
        "before": before,
        "backend": asked[0],
        "model": asked[1],
        "message": message_out(message),
        "session": {
            "id": session.id,
            "title": session.title,
            "system": session.system,
            "folder": session.folder,
            "created": session.created or at,
            "branch": session.branch,
        },
    }


class Writer:
    """One journal, open and locked. `trouble` is what keeps it from being written, else None."""

    def __init__(self, folder: Path, first: Json, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Write the first line. Raises OSError where that can't be done; no file is left then.

        `meanwhile` is called once, in a thread, while more of an answer is waited for than has come already.
        """
        self.path = folder / (first["turn"] + SUFFIX)
        self.trouble: OSError | None = None
        self._lock = threading.Lock()
        self._pending: list[str] = []  # whole lines, and after them pieces of text, one line together
        self._pieces: list[str] = []
        self._written = time.monotonic()
        self._synced = False
        self._answered = False
        self._meanwhile: Callable[[], None] | None = meanwhile
        self._over = threading.Event()
        fresh = folder / f".{first['turn']}.new"
        self._handle = create(fresh)
        try:
            try_lock(self._handle)
            self._write(_line(first))
            self._begun = os.lseek(self._handle, 0, os.SEEK_CUR)
            os.replace(fresh, self.path)  # from here on it is seen, whole and locked
        except BaseException:
            os.close(self._handle)
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise
        start(threading.Thread(target=self._keep_up, daemon=True))

    def add(self, event: Event) -> None:
        """Take what came."""
        line: Json
        if type(event) is Text:
            self._answered = True
            with self._lock:
                self._pieces.append(event.text)
                if time.monotonic() - self._written >= TICK:
                    self._flush()
            return
        match event:
            case Reasoning():
                line = {"reasoning": event.text}
            case Attempt():
                line = {"attempt": event._asdict()}
            case Usage():
                line = {"usage": event._asdict()}
            case _:
                return
        with self._lock:
            self._join()
            self._pending.append(_line(line))
            if time.monotonic() - self._written >= TICK:
                self._flush()

    def end(self, turn: Turn, alone: bool = False) -> None:
        """Write how the turn ended; `alone`, what came stays in that form only, as there are keys in it.

        `sync` sees that it is on the disk, where nothing else keeps the turn.
        """
        answers = [message_out(message) for message in turn.messages[1:]]
        receipt = receipt_out(turn.receipt)
        end = {"parent": turn.parent, "kind": turn.kind, "messages": answers, "receipt": receipt}
        made = {"end": end}
        with self._lock:
            if alone:
                self._go_back()
            self._join()
            self._pending.append(_line(made))
            self._flush()

    def sync(self) -> None:
        """See that all of it is on the disk; nothing more comes."""
        self._over.set()
        with self._lock:
            try:
                if self._handle >= 0:
                    _to_disk(self._handle)
            except OSError as error:
                self.trouble = self.trouble or error

    def drop(self) -> None:
        """The turn is in the store: the file goes."""
        self._over.set()
        with self._lock, contextlib.suppress(OSError):
            os.unlink(self.path)
        self.close()

    def close(self) -> None:
        """Let go of the file, which stays."""
        self._over.set()
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def _keep_up(self) -> None:
        while not self._over.wait(TICK):
            with self._lock:
                if self._pending or self._pieces:
                    self._flush()
                handle = os.dup(self._handle) if not self._synced and self._handle >= 0 else -1
                self._synced = True
            if handle >= 0:  # outside the lock: a slow disk must not hold up the answer
                with contextlib.suppress(OSError):
                    _to_disk(handle)
                os.close(handle)
            if self._answered and self._meanwhile is not None:
                meanwhile, self._meanwhile = self._meanwhile, None
                meanwhile()

    def _go_back(self) -> None:
        """To after the first line."""
        self._pending.clear()
        self._pieces.clear()
        with contextlib.suppress(OSError):
            os.ftruncate(self._handle, self._begun)
            os.lseek(self._handle, self._begun, os.SEEK_SET)

    def _join(self) -> None:
        """Make a line of the pieces that came since the last one."""
        if self._pieces:
            text, self._pieces = "".join(self._pieces), []
            self._pending.append(_line({"text": text}))

    def _flush(self) -> None:
        self._join()
        text, self._pending = "".join(self._pending), []
        self._written = time.monotonic()
        if self.trouble is None and self._handle >= 0:
            try:
                self._write(text)
            except OSError as error:
                self.trouble = error

    def _write(self, text: str) -> None:
        data = memoryview(text.encode("utf-8", "replace"))
        while data:
            data = data[os.write(self._handle, data) :]
        self._synced = False


class Dead:
    """A journal that no process holds any more; `turn` is what is in it. Locked until `drop` or `close`."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self.first, self.turn = read(path.read_bytes())

    def drop(self) -> None:
        """What was in it is in the store."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        self.close()

    def set_aside(self, tell: Callable[[str], None], why: str) -> None:
        """It can't be used: keep it under another name, and say so."""
        _set_aside(self.path, tell, why)
        self.close()

    def close(self) -> None:
        """Let go of it; it stays."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def dead(folder: Path, tell: Callable[[str], None] = lambda line: None) -> Iterator[Dead]:
    """The journals that were left behind, oldest first; one that can't be read is set aside, which is told.

    Those of a newer Arawn are left to it.
    """
    found = []
    with contextlib.suppress(OSError):
        for path in folder.glob(".*.new"):  # of who was ended before the prompt was sent
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime > HALF_MADE_S:
                    path.unlink()
        for path in folder.glob("*" + SUFFIX):
            with contextlib.suppress(OSError):  # another process takes them in as well
                found.append((path.lstat().st_mtime_ns, path))
    for _, path in sorted(found):
        try:
            handle = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            continue
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode) or not try_lock(handle) or os.fstat(handle).st_nlink == 0:
            os.close(handle)
            continue
        try:
            left = Dead(path, handle)
        except (OSError, Newer):
            os.close(handle)
        except ValueError as error:
            _set_aside(path, tell, str(error))
            os.close(handle)
        else:
            yield left


def _set_aside(path: Path, tell: Callable[[str], None], why: str) -> None:
    aside = path.with_suffix(".broken")
    with contextlib.suppress(OSError):
        path.rename(aside)
        tell(f"a turn that was left behind cannot be read ({why}): it is kept as {aside}")


def read(data: bytes) -> tuple[Json, Turn]:
    """The first line of a journal and the turn that it makes. Raises ValueError where there is none.

    A last line that was cut is passed over; without an end the turn is one that was interrupted.
    """
    lines = data.split(b"\n")
    first = _table(lines[0])
    if first is None or first.get("arawn") != "journal":
        raise ValueError("this is no journal of Arawn")
    version = first.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        raise (Newer if newer else ValueError)(f"a journal of version {version!r}")
    made = [line for line in map(_table, lines[1:]) if line is not None]
    ends = [line["end"] for line in made if isinstance(line.get("end"), dict)]
    try:
        return first, _ended(first, ends[0]) if ends else _interrupted(first, made)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"a journal with something else in it: {error}") from None


def session_of(first: Json, turn: Turn) -> Session:
    """The session that the first line of a journal tells of, without the turn."""
    said = first["session"]
    session = Session(turn.session, str(said.get("title") or ""), said.get("system"))
    session.folder = str(said.get("folder") or "")
    session.created = float(said.get("created") or turn.at)
    return session


def _interrupted(first: Json, lines: list[Json]) -> Turn:
    """The turn as far as it came."""
    prompt = message_in(first.get("message"))
    parts: list[tuple[type[TextPart] | type[ReasoningPart], str]] = []
    if first.get("before"):
        parts.append((TextPart, str(first["before"])))
    for line in lines:
        for key, kind in (("text", TextPart), ("reasoning", ReasoningPart)):
            if isinstance(line.get(key), str):
                parts.append((kind, line[key]))
    attempts = [line["attempt"] for line in lines if "attempt" in line]
    usage = [line["usage"] for line in lines if "usage" in line]
    receipt = receipt_in(
        {
            "backend": first.get("backend"),
            "model": first.get("model"),
            "finish": "interrupted",
            "error": "cut",
            "told": LOST,
            "attempts": attempts,
            "usage": usage[-1] if usage else {},
        }
    )
    answer = _joined(parts)
    said = any(isinstance(part, TextPart) for part in answer)
    return _turn(first, (prompt, Message("assistant", answer)) if said else (prompt,), receipt)


def _ended(first: Json, end: Any) -> Turn:
    made = turn_in(
        {
            **first,
            "id": first.get("turn"),
            "parent": end.get("parent"),
            "kind": end.get("kind"),
            "session": "",
            "messages": [first["message"], *end.get("messages", [])],
            "receipt": end.get("receipt", {}),
        }
    )
    return _turn(first, made.messages, made.receipt)._replace(parent=made.parent, kind=made.kind)


def _turn(first: Json, messages: tuple[Message, ...], receipt: Receipt) -> Turn:
    session, parent = first.get("session"), first.get("parent")
    if not isinstance(session, dict) or not isinstance(session.get("id"), str):
        raise ValueError("a journal of no session")
    at = first.get("at")
    when = float(at) if isinstance(at, int | float) else 0.0
    kept = None if parent is None else str(parent)
    return Turn(str(first.get("turn")), kept, messages, receipt, when, session["id"])


def _joined(pieces: list[tuple[type[TextPart] | type[ReasoningPart], str]]) -> tuple[Part, ...]:
    """Neighbours of a kind as one part."""
    made: list[tuple[type[TextPart] | type[ReasoningPart], list[str]]] = []
    for kind, text in pieces:
        if not made or made[-1][0] is not kind:
            made.append((kind, []))
        made[-1][1].append(text)
    return tuple(kind("".join(texts)) for kind, texts in made)


def _table(line: bytes) -> Json | None:
    try:
        made = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return made if isinstance(made, dict) else None


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _line(value: Json) -> str:
    return _encode(value) + "\n"


def _to_disk(handle: int) -> None:
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(handle)
