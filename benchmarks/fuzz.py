"""Runs a reader under a coverage-guided fuzzer, by hand: `python benchmarks/fuzz.py DIALECT [options]`.

It needs atheris (https://github.com/google/atheris) beside arawn. DIALECT is a name of the config, such as
`openai-responses`, or `faults`, `listing`, `vectors`. The options are libFuzzer's: a folder holds inputs to
begin with, each a byte that says where it is cut and then a body; -max_total_time=120 (seconds),
-max_len=16384 and -rss_limit_mb=512 are useful. An input is bent as bytes or, where it holds JSON, as values.
Anything that is no error of ours, a reply without an end or with two, and a text that cannot be written end
the run and leave the input in a file.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["arawn.wire"]):
    from arawn.errors import ArawnError
    from arawn.events import Finish
    from arawn.wire import Next, Target, dialect
    from arawn.wire.faults import fault
    from arawn.wire.frames import parse, split
    from arawn.wire.listing import entries, next_page
    from arawn.wire.vectors import read as vectors

    NAME = sys.argv.pop(1)
    READER = None if NAME in ("faults", "listing", "vectors") else dialect(NAME)

TARGET = Target("b", "custom", "the service", "http://x", "m")
ODD = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "\ud83d",
    "a" * 200,
    [],
    {},
    [[]],
    [{}],
    ["x"],
    {"a": 1},
    "done",
    "error",
)


def one(data: bytes) -> None:
    """One input: the first byte says where it is cut."""
    at = data[0] if data else 0
    try:
        if READER is not None:
            written(reply([data[1 : at + 1], data[at + 1 :]]))
        elif NAME == "faults":
            written(fault(at * 3, {}, data[1:], TARGET, 0.0).detail)
        else:
            for frame in split([data[1:]]):
                value = parse(frame)
                if NAME == "listing":
                    written(entries(value))
                    next_page(value)
                else:
                    written(vectors(value, 1, TARGET))
    except ArawnError as error:
        written((error.sentence, error.detail, error.hints))


def reply(chunks: list[bytes]) -> list[Any]:
    """The events of a reply, which must end once."""
    events = list(READER.read(split(chunks), TARGET))
    if sum(isinstance(event, Finish | Next) for event in events) != 1:
        raise AssertionError("a reply ends once")
    return [event._replace(opaque=None) if hasattr(event, "opaque") else event for event in events]


def written(value: Any) -> None:
    """All texts in `value` can be encoded."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list | tuple):
        for item in value:
            written(item)
    elif isinstance(value, dict):
        written(list(value.items()))


def bent(data: bytes, size: int, seed: int) -> bytes:
    """Half of the time another value somewhere in the JSON of one line, else what libFuzzer does to bytes."""
    chance = random.Random(seed)
    lines = data[1:].split(b"\n")
    at = chance.randrange(len(lines))
    mark, text = (b"data: ", lines[at][5:]) if lines[at].startswith(b"data:") else (b"", lines[at])
    try:
        value = json.loads(text) if chance.random() < 0.5 else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict | list):
        return bytes(atheris.Mutate(data, size))
    place: Any = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = chance.choice(keys)
        if not isinstance(place[key], dict | list) or chance.random() < 0.2:
            place[key] = chance.choice(ODD)
            break
        place = place[key]
    lines[at] = mark + json.dumps(value).encode()
    return (data[:1] + b"\n".join(lines))[:size]


atheris.Setup(sys.argv, one, custom_mutator=bent)
atheris.Fuzz()
