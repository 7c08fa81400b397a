"""What goes out over a connection, and in how many pieces; the stream beneath is a list."""

from __future__ import annotations

from typing import Any

import httpcore
import pytest

from arawn.backends.http_connect import SMALL, Deadline, Line

HEAD, BODY = b"POST / HTTP/1.1\r\n\r\n", b'{"model": "m"}'
LARGE = b"x" * (SMALL + 1)


class Stream:
    """Takes what is sent, and answers every read."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        self.sent.append(buffer)

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        return b"answer"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ([HEAD, BODY, b""], [HEAD + BODY]),
        ([HEAD, LARGE, b""], [HEAD + LARGE]),
        ([HEAD, b""], [HEAD]),
        ([HEAD], [HEAD]),
        ([HEAD, BODY, BODY], [HEAD + BODY, BODY]),
        ([HEAD, BODY, BODY, b""], [HEAD + BODY, BODY]),
        ([LARGE, BODY], [LARGE, BODY]),
        ([], []),
    ],
)  # fmt: skip
def test_a_head_goes_with_its_body_and_all_is_sent_before_anything_is_read(
    written: list[bytes], sent: list[bytes]
) -> None:
    stream = Stream()
    deadline = Deadline("idle", 5.0)
    line = Line(stream, deadline)
    for piece in written:
        line.write(piece, deadline)
    assert line.read(100, deadline) == b"answer"
    assert stream.sent == sent
    assert deadline.used == bool(sent)
    line.read(100, deadline)
    assert stream.sent == sent


def test_what_is_held_is_not_sent_once_nobody_waits_for_it() -> None:
    stream = Stream()
    deadline = Deadline("idle", 5.0)
    line = Line(stream, deadline)
    line.write(HEAD, deadline)
    assert not deadline.used
    deadline.end()
    with pytest.raises(httpcore.WriteTimeout):
        line.write(BODY, deadline)
    with pytest.raises(httpcore.WriteTimeout):
        line.read(100, deadline)
    assert stream.sent == []
