"""The out file of a batch: a journal of answers while it runs, sorted as the input is at its end.

A line is appended as soon as its answer is there. A line that a crash tore is dropped; of two lines with one
id the later holds. It knows neither backends nor prompts.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from arawn.batch.lines import key_of
from arawn.errors import ArawnError, UsageFault
from arawn.store.files import try_lock

SYNC_S = 1.0
"""A power cut loses no more than this; a crash of the program alone loses nothing."""
BREAKS = {mark: f"\\u{mark:04x}" for mark in (0x85, 0x2028, 0x2029)}
"""Some programs end a line at these."""
LONGEST = 64 * 1024 * 1024
"""Bytes of a line at most, in what is read and in what was written."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


class Known(NamedTuple):
    """What was written of an id before: whether it is an answer, and the mark of the line that was asked."""

    ok: bool
    digest: str


class OutFile:
    """An open out file, held against other runs. `known` is what stands in it, by the keys of the ids.

    Raises UsageFault where the file is not one of a batch: nothing in it is touched then.
    """

    def __init__(self, name: str) -> None:
        self.path = Path(os.path.realpath(os.path.expanduser(name)))
        self.name = name
        self.known: dict[str, Known] = {}
        self.torn = False
        self._lock = threading.Lock()
        self._synced = time.monotonic()
        self._size = 0
        try:
            self._handle = os.open(self.path, _FLAGS, 0o600)
        except OSError as error:
            raise UsageFault(f"{name}: {error.strerror}") from None
        try:
            self._take()
        except BaseException:
            os.close(self._handle)
            raise

    def _take(self) -> None:
        if not stat.S_ISREG(os.fstat(self._handle).st_mode):
            raise UsageFault(
                f"{self.name} is no regular file",
                hints=("answers are kept in a file, so that nothing is lost",),
            )
        if not try_lock(self._handle):
            raise UsageFault(f"Another batch writes {self.name} at this moment")
        end = 0
        for start, line in self._lines():
            made = _record(line)
            if made is None:
                if not self._is_torn(start, line):
                    number = len(self.known) + 1
                    raise UsageFault(
                        f"{self.name} is no out file of a batch (line {number} or near it)",
                        hints=("nothing in it was changed: name another with -o",),
                    )
                self.torn = True
                break
            end = start + len(line)
            self.known[key_of(made["id"])] = Known(bool(made["ok"]), str(made.get("input", "")))
        if self.torn:
            os.ftruncate(self._handle, end)
        self._size = end

    def _is_torn(self, start: int, line: bytes) -> bool:
        """Whether a line that is none is the last, torn while it was written."""
        last = start + len(line) >= os.fstat(self._handle).st_size
        ours = line.startswith(b'{"id": '[: len(line)]) or not line.strip(b"\0\n")
        return last and ours

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with open(self.path, "rb") as file:
            start = 0
            while line := file.readline(LONGEST):
                yield start, line
                start += len(line)

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a line, whole or not at all. Raises ArawnError where the disk says no. From any thread."""
        text = json.dumps(record, ensure_ascii=False)
        data = (text if text.isascii() else text.translate(BREAKS)).encode("utf-8", "replace") + b"\n"
        with self._lock:
            done = 0
            try:
                while done < len(data):
                    done += os.write(self._handle, data[done:])
                now = time.monotonic()
                if now - self._synced > SYNC_S:
                    os.fsync(self._handle)
                    self._synced = now
            except OSError as error:
                if done < len(data):
                    with contextlib.suppress(OSError):
                        os.ftruncate(self._handle, self._size)
                raise ArawnError(
                    f"{self.name} cannot be written: {error.strerror}",
                    hints=("run the same again once that is mended: it goes on where it stopped",),
                ) from None
            self._size += len(data)
            self.known[key_of(record["id"])] = Known(bool(record["ok"]), "")

    def is_answered(self, key: str) -> bool:
        """Whether it holds an answer to the line with this key."""
        return key in self.known and self.known[key].ok

    def sort(self, ranks: Mapping[str, int]) -> None:
        """Put the lines into the order of `ranks`, the last of each id alone; lines of other ids follow.

        The file is replaced in one step. Raises ArawnError where the disk says no.
        """
        last: dict[str, tuple[int, int]] = {}
        lines = 0
        for start, line in self._lines():
            made = _record(line)
            if made is not None:
                lines += 1
                last[key_of(made["id"])] = (start, len(line))
        end = len(ranks)
        order = sorted(last, key=lambda key: (ranks.get(key, end), last[key][0]))
        starts = [last[key][0] for key in order]
        if lines == len(last) and starts == sorted(starts):
            self._sync()
            return
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            with open(self.path, "rb") as file, open(fresh, "xb") as made_file:
                os.fchmod(made_file.fileno(), stat.S_IMODE(os.fstat(self._handle).st_mode))
                for key in order:
                    file.seek(last[key][0])
                    made_file.write(file.read(last[key][1]))
                made_file.flush()
                os.fsync(made_file.fileno())
            os.replace(fresh, self.path)
        except OSError as error:
            raise ArawnError(f"{self.name} is whole, but could not be sorted: {error.strerror}") from None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(fresh)

    def _sync(self) -> None:
        with contextlib.suppress(OSError):
            os.fsync(self._handle)

    def close(self) -> None:
        """Let go of the file."""
        self._sync()
        os.close(self._handle)


def _record(line: bytes) -> dict[str, Any] | None:
    """A whole line of ours, or None."""
    if not line.endswith(b"\n"):
        return None
    try:
        made = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = (
        isinstance(made, dict) and isinstance(made.get("ok"), bool) and isinstance(made.get("id"), str | int)
    )
    return made if whole else None
