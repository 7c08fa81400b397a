"""Bodies unfolded within bounds; it knows neither who sent them nor what they say."""

from __future__ import annotations

from collections.abc import Iterator

PIECE = 64 * 1024


def decoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Undo gzip or deflate in pieces of at most 64 KiB, so that a bomb is counted before it is unfolded.

    Nothing compressed was asked for, but some services do not listen. Raises EOFError for what is broken or
    compressed in another way.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from chunks
        return
    if name not in ("gzip", "x-gzip", "deflate"):
        raise EOFError(f"it is compressed as {name[:20]!r}, which was not asked for")
    import zlib

    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for chunk in chunks:
            pending = chunk
            while pending and not inflate.eof:
                piece = inflate.decompress(pending, PIECE)
                pending = inflate.unconsumed_tail
                if piece:
                    yield piece
    except zlib.error:
        raise EOFError("its compression is broken") from None
