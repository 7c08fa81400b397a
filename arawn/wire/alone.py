"""Runs one dialect by itself: `python -m arawn.wire.openai < reply.sse` prints its events."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from arawn.errors import ArawnError
from arawn.events import Event
from arawn.wire import Next, Target
from arawn.wire.frames import Frame, split


def run(read: Callable[[Iterable[Frame], Target], Iterator[Event | Next]]) -> None:
    """Read a recorded body from standard input and print an event a line; a fault goes to stderr."""
    target = Target("recorded", "custom", "the recording", "", "")
    try:
        for event in read(split(iter(lambda: sys.stdin.buffer.read(4096), b"")), target):
            print(ascii(event))
    except ArawnError as error:
        print(f"{type(error).__name__}: {ascii(error.sentence)} {ascii(error.detail)}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
