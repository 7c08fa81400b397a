"""Chunks of a body that came in one read, joined into one; of HTTP it knows no more than where they end.

Services send a chunk for every event, and h11 works for each of them as long as all that comes after it.
"""

from __future__ import annotations

import re

LONGEST_HEAD = 64 * 1024
_END = re.compile(rb"\n\r?\n")
_CHUNKED = re.compile(rb"^transfer-encoding:[ \t]*chunked[ \t]*\r?$", re.I | re.M)
_SIZE = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})(?:;[^\r\n]*)?\r\n")
"""What stands between two chunks (RFC 9112, section 7.1)."""
_TORN = re.compile(rb"(?:\r(?:\n(?:[0-9A-Fa-f]{1,15}(?:;[^\r\n]{0,200})?\r?)?)?)?\Z")
"""The beginning of that, at the end of a read."""


class Chunks:
    """One response as it is read. What is not known is passed on as it came: it is for h11 to judge."""

    def __init__(self) -> None:
        self._head: bytes | None = b""  # so far; None behind it
        self._chunked = False
        self._left = 0  # bytes of a chunk that are still to come
        self._torn = b""
        self._given = 0  # bytes of it that were passed on

    def join(self, read: bytes) -> bytes:
        """`read` with its chunks as one; empty where there is nothing of a chunk in it."""
        if self._head is not None:
            return self._begin(self._head, read)
        return self._joined(read) if self._chunked else read

    def _begin(self, before: bytes, read: bytes) -> bytes:
        """Pass on the head, up to which there are no chunks."""
        head = before + read
        end = _END.search(head)
        if end is None:
            self._head = head if len(head) < LONGEST_HEAD else None
            return read
        self._head = None
        self._chunked = _CHUNKED.search(head, 0, end.end()) is not None
        self._torn, self._given = b"\r\n", 2  # as behind a chunk, though that is the head's end
        begin = end.end() - len(before)
        return read[:begin] + self.join(read[begin:])

    def _joined(self, read: bytes) -> bytes:
        data, at = self._torn + read, self._left
        parts = [data[:at]]
        while (found := _SIZE.match(data, at)) and (size := int(found[1], 16)):
            at = found.end() + size
            parts.append(data[found.end() : at])
        self._left = max(0, at - len(data))
        self._torn, rest = data[at:], b""
        if _TORN.match(self._torn) is None:  # the last chunk
            self._chunked, rest = False, self._torn
        body = b"".join(parts)
        joined = b"\r\n%x\r\n%b" % (len(body), body) if body else b""
        made = (joined + rest)[self._given :]
        if made:
            self._given = 0
        return made
