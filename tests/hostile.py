"""Streams of hostile text, made at random, and what of each may reach a terminal."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable, Iterator

from payloads import KEPT, PAYLOADS

from arawn.errors import ArawnError
from arawn.events import Wait
from arawn.render.accessible import AccessibleStream
from arawn.render.labelled import AccessibleStatus
from arawn.render.markdown import MarkdownStream
from arawn.render.plain import PlainStream
from arawn.render.safe import clean
from arawn.render.status import Status
from arawn.render.styles import STYLES

WORDS = ("plain", "text", "日本語", "naïve", "`code`", "**bold**", "| a | b |", "- item", "# head", "> quote")
MARKS = (
    "\n",
    "\n\n",
    " ",
    "\n```\n",
    "\n| a | b |\n|---|---|\n| ",
    " | ",
    "\n- ",
    "\n> ",
    "[",
    "](http://x/",
    ")",
)
PIECES = (
    "\x1b", "\x9b", "\x90", "\x9d", "[", "]", "0;", "52;c;", "?1049h", "2J", "31m", "38;5;1m", "m", "H", "\x07",
    "\x1b\\", "\x9c", "P", "_", "^", "X", "(0", "c", "\r", "\b", "\v", "\f", "\x00", "\x7f", "\u202e", "\u2066",
    "\u200b", "\u200d", "\ufeff", "\u2028", "\ud800", "\U000e0041", "\ufe0f", "\x85", "a", "7", ";",
)  # fmt: skip
ALLOWED = re.compile(r"\r\x1b\[K|\x1b\[\?2026[hl]")
SGR = re.compile(r"\x1b\[([0-9;]*)m")
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060\u2066-\u2069\u2028\u2029\ufeff\ud800-\udfff]"
)
"""What no terminal may be given; newline and tab are text."""
_OURS = {number for style in STYLES.values() for number in style.split(";")} | {"", "0", "22", "2", "1", "31"}


def payload(rng: random.Random) -> tuple[str, str]:
    """A stream of known attacks and plain text, and what of it a person may read."""
    parts: list[tuple[str, str]] = []
    known = list(PAYLOADS.values())
    for _ in range(rng.randint(1, 8)):
        parts.append(rng.choice(known))
        parts.append((word := rng.choice((*WORDS, *KEPT)), word))
        parts.append((mark := rng.choice((" ", "\n")), mark))
    return "".join(bad for bad, _ in parts), "".join(good for _, good in parts)


def noise(rng: random.Random) -> str:
    """A stream that nobody thought of: broken sequences, bytes that are no text, marks of Markdown."""
    parts: list[str] = []
    for _ in range(rng.randint(1, 40)):
        kind = rng.random()
        if kind < 0.4:
            parts.append(rng.choice(PIECES))
        elif kind < 0.55:
            parts.append(rng.randbytes(rng.randint(1, 6)).decode("utf-8", rng.choice(("replace", "ignore"))))
        elif kind < 0.65:
            parts.append(rng.choice(tuple(PAYLOADS.values()))[0])
        elif kind < 0.8:
            parts.append(rng.choice(MARKS))
        else:
            parts.append(rng.choice(WORDS))
    return "".join(parts)


def cut(text: str, rng: random.Random) -> Iterator[str]:
    """The text in pieces of random length."""
    at = 0
    while at < len(text):
        size = rng.choice((1, 1, 2, 3, 7, 30))
        yield text[at : at + size]
        at += size


def bad(shown: str, colours: bool = False) -> list[str]:
    """What of it should not have reached the terminal; `colours` allows the styles of the theme."""
    left = ALLOWED.sub("", shown)
    found = []
    if colours:
        for style in SGR.findall(left):
            if not set(style.split(";")) <= _OURS:
                found.append(style)
        left = SGR.sub("", left)
    return found + FORBIDDEN.findall(left)


# ---- the sinks: each takes pieces and gives what it wrote


def _sink(make: Callable[[io.StringIO], object]) -> Callable[[Iterator[str]], str]:
    def run(pieces: Iterator[str]) -> str:
        out = io.StringIO()
        sink = make(out)
        for piece in pieces:
            sink.feed(piece)
        sink.close()
        return out.getvalue()

    return run


def _reasoning(make: Callable[[io.StringIO], Status]) -> Callable[[Iterator[str]], str]:
    def run(pieces: Iterator[str]) -> str:
        out = io.StringIO()
        status = make(out)
        for piece in pieces:
            status.reasoning(piece)
        status.clear()
        return out.getvalue()

    return run


def _lines(make: Callable[[io.StringIO], Status]) -> Callable[[Iterator[str]], str]:
    def run(pieces: Iterator[str]) -> str:
        out = io.StringIO()
        status = make(out)
        text = "".join(pieces)
        status.note(text)
        status.warn(text)
        status.wait(Wait(3, 5, text, 1, 3))
        status.passing(text)
        status.clear()
        status.error(ArawnError(text, detail=text, hints=(text,)))
        return out.getvalue()

    return run


SINKS: dict[str, Callable[[Iterator[str]], str]] = {
    "markdown": _sink(lambda out: MarkdownStream(out, lambda: 60, False)),
    "markdown with colours": _sink(lambda out: MarkdownStream(out, lambda: 60, True)),
    "markdown on a narrow screen": _sink(lambda out: MarkdownStream(out, lambda: 9, False)),
    "plain": _sink(lambda out: PlainStream(out, True)),
    "accessible": _sink(lambda out: AccessibleStream(out, patience=0)),
    "reasoning": _reasoning(lambda out: Status(out, False, False, True)),
    "reasoning, accessible": _reasoning(lambda out: AccessibleStatus(out, False, True)),
    "lines": _lines(lambda out: Status(out, False, False, True)),
    "lines, accessible": _lines(lambda out: AccessibleStatus(out, False, True)),
}


def check(seed: int) -> str:
    """One stream through one sink; "" where all is well, else what is wrong."""
    rng = random.Random(seed)
    name = tuple(SINKS)[seed % len(SINKS)]
    colours = name.endswith("colours")
    if rng.random() < 0.3:
        text, wanted = payload(rng)
        if clean(text) != wanted:
            return f"{seed}: the filter changed what may be read: {ascii(text)}"
    else:
        text = noise(rng)
    shown = SINKS[name](cut(text, rng))
    if found := bad(shown, colours):
        return f"{seed}: {name} let through {ascii(found)} of {ascii(text)}"
    if "lines" in name or not clean(text):
        return ""
    if shown != SINKS[name](iter((clean(text),))):
        return f"{seed}: {name} shows other text than without the attack: {ascii(text)}"
    return ""
