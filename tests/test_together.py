"""What came together is taken together, and nothing that came waits for what has not."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.backends.http_chunks import Chunks
from arawn.backends.http_connect import FIRST_READ, Deadline, Line
from arawn.wire.frames import Followed, Frame, split

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class _Stream:
    def __init__(self, reads: list[bytes]) -> None:
        self.reads = reads

    def write(self, data: bytes, timeout: float) -> None:
        """Nobody looks at it."""

    def read(self, size: int, timeout: float) -> bytes:
        read, self.reads[0] = self.reads[0][:size], self.reads[0][size:]
        if not self.reads[0]:
            del self.reads[0]
        return read


def _framed(chunk: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(chunk), chunk)


ONE_TWO = _framed(b"one") + _framed(b"two")


@pytest.mark.parametrize(
    ("reads", "joined"),
    [
        ([HEAD + ONE_TWO], [HEAD + b"6\r\nonetwo"]),
        ([HEAD, ONE_TWO], [HEAD, b"6\r\nonetwo"]),
        ([HEAD[:-1], HEAD[-1:] + ONE_TWO], [HEAD[:-1], b"\n6\r\nonetwo"]),
        ([HEAD + ONE_TWO + b"3\r\nt", b"en\r\n"], [HEAD + b"7\r\nonetwot", b"\r\n2\r\nen"]),
        ([HEAD + ONE_TWO + b"3\r", b"\nten\r\n"], [HEAD + b"6\r\nonetwo", b"\r\n3\r\nten"]),
        ([HEAD + b"3;a=b\r\none\r\n03\r\ntwo\r\n"], [HEAD + b"6\r\nonetwo"]),
        ([HEAD + ONE_TWO + b"0\r\n\r\n"], [HEAD + b"6\r\nonetwo\r\n0\r\n\r\n"]),
        ([HEAD + b"3\r\nonemore"], [HEAD + b"3\r\nonemore"]),
        ([HEAD.replace(b"chunked", b"gzip") + ONE_TWO], [HEAD.replace(b"chunked", b"gzip") + ONE_TWO]),
        ([b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + ONE_TWO],) * 2,
    ],
)
def test_a_line_joins_the_chunks_of_a_read(reads: list[bytes], joined: list[bytes]) -> None:
    line = Line(_Stream([*reads, b""]), Deadline("idle", 5))
    assert [line.read(65536) for _ in joined] == joined


def test_what_comes_first_is_passed_on_soon_and_what_follows_in_larger_pieces() -> None:
    line = Line(_Stream([HEAD + _framed(b"x" * 1024) * 200]), Deadline("idle", 5))
    sizes = [len(line.read(65536)) for _ in range(6)]
    assert sizes[0] <= FIRST_READ
    assert sizes == sorted(sizes) and 60_000 < sizes[-1] <= 65536
    line.write(b"GET")
    line.write(b"")
    assert len(line.read(65536)) <= FIRST_READ


def _read(reads: list[bytes]) -> tuple[bytes, str, list[int]]:
    """What h11 makes of these: the body, how it ended, and how much of it there was after each."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    reader.send(h11.EndOfMessage())
    body = b""
    sizes: list[int] = []
    for read in reads:
        if read:  # none would be the end
            reader.receive_data(read)
        try:
            while (event := reader.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.EndOfMessage):
                    return body, "end", sizes
                body += bytes(event.data) if isinstance(event, h11.Data) else b""
        except h11.RemoteProtocolError:
            return body, "fault", sizes
        sizes.append(len(body))
    return body, "open", sizes


@given(
    chunks=st.lists(st.text("ab\r\n0;", min_size=1, max_size=9), max_size=6),
    last=st.sampled_from([b"", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"oh\r\n"]),
    cuts=st.lists(st.integers(1, 160), max_size=8),
    spoiled=st.none() | st.tuples(st.integers(0, 120), st.sampled_from(b"\r\n0a;")),
)
@settings(max_examples=200, deadline=None)
def test_joined_chunks_say_what_they_said_and_say_it_at_once(
    chunks: list[str], last: bytes, cuts: list[int], spoiled: tuple[int, int] | None
) -> None:
    whole = bytearray(HEAD + b"".join(_framed(chunk.encode()) for chunk in chunks) + last)
    if spoiled is not None and spoiled[0] < len(whole):
        whole[spoiled[0]] = spoiled[1]
    ends = sorted({*(cut for cut in cuts if cut < len(whole)), len(whole)})
    reads = [bytes(whole[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
    joiner = Chunks()
    plain, joined = _read(reads), _read([joiner.join(read) for read in reads])
    assert joined[:2] == plain[:2]
    if plain[1] == "open":
        assert joined[2] == plain[2]


def test_the_last_frame_of_a_chunk_is_followed_by_none() -> None:
    frames = split(iter([b"data: 1\n\ndata: 2\n\n", b"data: 3\n\nda", b"ta: 4\n\n"]), "text/event-stream")
    assert [type(frame) for frame in frames] == [Followed, Frame, Frame, Frame]
