"""What came together is taken together, and nothing that came waits for what has not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arawn.backends.http_body import TOGETHER, gathered
from arawn.backends.http_connect import Deadline, Line
from arawn.wire.frames import Followed, Frame, split


class _Stream:
    def __init__(self, reads: list[bytes]) -> None:
        self.reads = reads

    def read(self, size: int, timeout: float) -> bytes:
        return self.reads.pop(0)


def _framed(chunk: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(chunk), chunk)


WHOLE = b"HTTP/1.1 200 OK\r\n\r\n" + _framed(b"one") + _framed(b"two")


@pytest.mark.parametrize(
    ("read", "more"),
    [
        (WHOLE, [True, False]),
        (WHOLE + b"3", [True, False]),
        (WHOLE + b"3\r\n", [True, False]),
        (WHOLE + b"3\r\nt", [True, True]),
        (WHOLE + b"3;name=value\r\nt", [True, True]),
        (WHOLE + b"0\r\n\r\n", [True, False]),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nonetwo", [False, False]),
    ],
)
def test_a_line_knows_what_it_has_read(read: bytes, more: list[bool]) -> None:
    line = Line(_Stream([read]), Deadline("idle", 5))
    line.read(65536)
    assert [line.more(chunk) for chunk in (b"one", b"two")] == more


def test_chunks_are_joined_as_long_as_more_is_here() -> None:
    here = {b"a": True, b"b": False, b"c": False, b"d": True}
    assert list(gathered(iter([b"a", b"b", b"c", b"d"]), here.__getitem__)) == [b"ab", b"c", b"d"]
    many = list(gathered(iter([b"x" * 1024] * 100), lambda chunk: True))
    assert max(map(len, many)) <= TOGETHER and sum(map(len, many)) == 102_400


def test_what_came_before_a_fault_is_passed_on() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise OSError

    found = gathered(broken(), lambda chunk: True)
    assert next(found) == b"a"
    with pytest.raises(OSError):
        next(found)


def test_the_last_frame_of_a_chunk_is_followed_by_none() -> None:
    frames = split(iter([b"data: 1\n\ndata: 2\n\n", b"data: 3\n\nda", b"ta: 4\n\n"]), "text/event-stream")
    assert [type(frame) for frame in frames] == [Followed, Frame, Frame, Frame]
