"""What is typed while an answer comes, shown below it: the answer and the scrollback stay as without it."""

from __future__ import annotations

import io
import os
import random
import re
from collections.abc import Iterator

import pyte
import pytest
from term import Start

from arawn.render.foot import Foot, Over
from arawn.render.look import Look
from arawn.render.measure import cells
from arawn.repl.typed import told

MIXED = (
    "# A heading\n\nSome **bold** text with `code` that is long enough to be wrapped a few times, 日本語の文章も.\n\n"
    "| A | B |\n|---|---|\n| one | a cell with text in it |\n\n```python\ndef find(path):\n    return 'a long line"
    " of code that the terminal itself has to wrap somewhere in the middle'\n```\n\n- item\n  - nested item\n\n> quote\n"
    "\nTerminals count the columns of 👍🏽 each in its own way, those of 👩‍👩‍👧 too: 👋🏾 once more, 👍🏽👍🏽👍🏽 and so on.\n\n"
)


class Tty(io.StringIO):
    """A file that says it is on the terminal `fd`."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


@pytest.fixture
def terminal() -> Iterator[int]:
    import pty

    ours, theirs = pty.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


def everything(text: str, columns: int, rows: int) -> list[str]:
    """Every line that a terminal keeps, scrolled away or not."""
    screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.5)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    lines = ["".join(line[x].data for x in range(columns)) for line in screen.history.top]
    return "\n".join(line.rstrip() for line in [*lines, *screen.display]).rstrip().split("\n")


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_the_answer_is_as_without_it(terminal: int, columns: int) -> None:
    import fcntl
    import struct
    import termios

    rows = 8
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    look, drawn = Look(tty=True, color=True), 0
    for seed in range(12):
        dice = random.Random(seed)
        alone, below, typed = Tty(terminal), Tty(terminal), [""]

        def line(room: int, typed: list[str] = typed) -> str:
            return told([], typed[0], room, False)

        foot = Foot(below, line, lambda text: f"\x1b[2m{text}\x1b[0m")
        sinks = [look.sink(alone, {}), Over(foot, lambda out: look.sink(out, {}))]
        text = MIXED * 3
        while text:
            size = dice.randint(1, 30)
            for sink in sinks:
                sink.feed(text[:size])
            text = text[size:]
            if dice.random() < 0.4:
                typed[0] = dice.choice(["", "w", "what is typed meanwhile", "long and " * 20, "日本\nsecond"])
                foot.renew()
        for sink in sinks:
            sink.close()
        drawn += below.getvalue().count("\x1bD")
        wanted = everything(alone.getvalue(), columns, rows)
        assert everything(below.getvalue(), columns, rows) == wanted
    assert drawn > 100


def test_nothing_typed_costs_nothing(terminal: int) -> None:
    alone, below = Tty(terminal), Tty(terminal)
    look = Look(tty=True, color=True)
    for sink in (
        look.sink(alone, {}),
        Over(Foot(below, lambda room: "", str), lambda out: look.sink(out, {})),
    ):
        sink.feed(MIXED)
        sink.close()
    assert below.getvalue() == alone.getvalue()


@pytest.mark.parametrize(
    ("queue", "text", "columns", "shown"),
    [
        ([], "", 40, ""),
        ([], "abc", 40, "> abc"),
        ([], "one\ntwo", 40, "> one ↵ two"),
        (["of two lines\nsecond", "b"], "", 60, "queued: of two lines ↵ second (and 1 more)"),
        ([], "the beginning is far", 10, "> … is far"),
        (["first"], "", 40, "queued: first"),
        (["first", "a\nsecond"], "", 60, "queued: first (and 1 more)"),
        (["first"], "abc", 40, "queued: first > abc"),
        ([], "\x1b[2Jx\x9b", 40, "> x"),
        ([], "日本語日本語", 10, "> …日本語"),
    ],
)
def test_what_is_told(queue: list[str], text: str, columns: int, shown: str) -> None:
    assert told(queue, text, columns, False) == shown


@pytest.mark.parametrize("columns", [1, 5, 9, 20, 41])
def test_it_fits(columns: int) -> None:
    for queue in ([], ["日本 " * 30], ["a " * 50, "b"]):
        for text in ("", "x", "long " * 50, "日本" * 40):
            for plain in (True, False):
                assert cells(told(queue, text, columns, plain)) <= columns


def test_a_person_sees_what_they_type(start: Start) -> None:
    term = start(rows=10, MARKDOWN=1)
    term.say("slow").wait("w12 ").send("meanwhile").wait("> meanwhile").send("\r").wait("queued: meanwhile")
    term.send("more").wait("queued: meanwhile > more").send("\x7f" * 4).wait("w40 ")
    assert not re.search("> mor|> m\\b", term.screen)
    term.send("\x03").wait("[stopped]").wait("what was queued is in the prompt").prompt("meanwhile")
    assert "queued: " not in term.screen
    assert re.search(r"^w0 w1 [w\d\s]+\n\[stopped\]$", term.screen, re.M), "nothing stands in the answer"
