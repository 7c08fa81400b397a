"""Runs a reader under a coverage-guided fuzzer, by hand: `python benchmarks/fuzz.py DIALECT [options]`.

It needs atheris (https://github.com/google/atheris) beside arawn. DIALECT is a name of the config, such as
`openai-responses`, or `faults`, `listing`, `vectors`. The options are libFuzzer's: a folder holds inputs to
begin with, -max_total_time=120 (seconds) and -rss_limit_mb=512 are useful. Anything that is no error of ours
ends the run and leaves its input in a file.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["arawn.wire"]):
    from arawn.errors import ArawnError
    from arawn.wire import Target, dialect
    from arawn.wire.faults import fault
    from arawn.wire.frames import parse, split
    from arawn.wire.listing import entries, next_page
    from arawn.wire.vectors import read as vectors

    NAME = sys.argv.pop(1)
    READER = None if NAME in ("faults", "listing", "vectors") else dialect(NAME)

TARGET = Target("b", "custom", "the service", "http://x", "m")


def one(data: bytes) -> None:
    """One input: the first byte says where it is cut."""
    try:
        if READER is not None:
            at = data[0] if data else 0
            for _ in READER.read(split([data[1 : at + 1], data[at + 1 :]]), TARGET):
                pass
        elif NAME == "faults":
            fault(data[0] * 3 if data else 0, {}, data[1:], TARGET, 0.0)
        else:
            for frame in split([data]):
                value = parse(frame)
                if NAME == "listing":
                    entries(value)
                    next_page(value)
                else:
                    vectors(value, 1, TARGET)
    except ArawnError:
        return


atheris.Setup(sys.argv, one)
atheris.Fuzz()
