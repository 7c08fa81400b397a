"""Bodies unfolded within bounds; it knows neither who sent them nor what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

PIECE = 64 * 1024
TOGETHER = 8 * 1024
"""Bytes that are passed on at once at most: to work through more would keep the first of them waiting."""


def gathered(chunks: Iterator[bytes], more: Callable[[bytes], bool]) -> Iterator[bytes]:
    """Join small chunks that are here already: of each, in turn, `more` tells whether the next one is."""
    held: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if not more(chunk) or size >= TOGETHER:
                joined, held, size = b"".join(held), [], 0
                yield joined
    except Exception:
        if held:
            yield b"".join(held)
        raise
    if held:
        yield b"".join(held)


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
