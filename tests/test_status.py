"""The line for people: what moves, what stays, what a terminal that cannot redraw is spared."""

from __future__ import annotations

import io
import os
import pty
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyte
import pytest

from arawn.errors import ArawnError, RateLimited
from arawn.events import Attempt, Usage, Wait
from arawn.render.ending import PARTS, Ending, line
from arawn.render.labelled import AccessibleStatus
from arawn.render.live import ASCII_FRAMES, FRAMES, LATE, TICK
from arawn.render.measure import cells
from arawn.render.status import Status, span
from arawn.render.theme import Theme
from arawn.render.thoughts import Thoughts
from arawn.session import Receipt, Turn


class Tty(io.StringIO):
    """A terminal of so many columns: what was written, and what a person sees."""

    def __init__(self, columns: int = 60) -> None:
        super().__init__()
        self._main, self._slave = pty.openpty()
        self.columns = columns
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def fileno(self) -> int:
        return self._slave

    @property
    def lines(self) -> list[str]:
        screen = pyte.Screen(self.columns, 24)
        pyte.Stream(screen).feed(self.getvalue().replace("\n", "\r\n"))
        return "\n".join(row.rstrip() for row in screen.display).rstrip().split("\n")

    def over(self) -> None:
        os.close(self._main)
        os.close(self._slave)


@pytest.fixture
def tty() -> Iterator[Tty]:
    made = Tty()
    yield made
    made.over()


def until(true: Callable[[], bool], seconds: float = 3.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def drawn(tty: Tty) -> int:
    return tty.getvalue().count("\r\x1b[K")


def test_what_comes_soon_is_not_waited_for_in_words(tty: Tty) -> None:
    status = Status(tty, True, False, True)
    asked = []
    status.working(lambda: f"waiting {asked.append(1)}")
    time.sleep(LATE / 2)
    status.clear()
    time.sleep(LATE)
    assert tty.getvalue() == "" and not asked


def test_a_spinner_turns_and_goes(tty: Tty) -> None:
    status = Status(tty, False, False, True)
    began = time.monotonic()
    status.working(lambda: "waiting for x")
    until(lambda: "waiting for x" in tty.getvalue())
    assert time.monotonic() - began >= LATE
    until(lambda: all(f"{frame} waiting for x" in tty.getvalue() for frame in FRAMES[:4]))
    assert tty.lines == [tty.lines[0]] and tty.lines[0].endswith("waiting for x…")
    status.clear()
    assert tty.lines == [""]
    written = tty.getvalue()
    time.sleep(3 * TICK)
    assert tty.getvalue() == written, "nothing is drawn afterwards"


def test_how_long_it_takes_is_told(tty: Tty) -> None:
    status = Status(tty, False, False, True, ascii=True)
    status.working(lambda: "loading m")
    until(lambda: "loading m 1 s" in tty.getvalue())
    status.clear()
    assert tty.getvalue().isascii() and "loading m..." in tty.getvalue()
    assert any(f"{frame} loading" in tty.getvalue() for frame in ASCII_FRAMES)


def test_what_is_waited_for_may_change_and_is_not_asked_all_the_time(tty: Tty) -> None:
    status = Status(tty, False, False, True)
    asked = []

    def label() -> str:
        asked.append(time.monotonic())
        return f"state {len(asked)}"

    status.working(label)
    until(lambda: "state 2" in tty.getvalue())
    assert asked[1] - asked[0] >= 1.0
    status.stage("summing up, part 1 of 3")
    until(lambda: "summing up, part 1 of 3" in tty.getvalue())
    status.clear()
    status.stage("too late")
    time.sleep(2 * TICK)
    assert "too late" not in tty.getvalue()


def test_a_label_that_fails_is_no_fault(tty: Tty) -> None:
    status = Status(tty, False, False, True)

    def label() -> str:
        raise OSError("the server is gone")

    status.working(label)
    until(lambda: drawn(tty) > 0)
    status.clear()


def test_notes_stand_above_what_moves(tty: Tty) -> None:
    status = Status(tty, False, False, True)
    status.working(lambda: "waiting for x")
    until(lambda: "waiting" in tty.getvalue())
    status.note("one: 503; asking two")
    status.warn("careful")
    until(lambda: len(tty.lines) == 3)
    assert tty.lines[:2] == ["one: 503; asking two", "Note: careful"] and "waiting for x" in tty.lines[2]
    status.clear()
    assert tty.lines == ["one: 503; asking two", "Note: careful"]


def test_no_line_is_torn_by_another_thread(tty: Tty) -> None:
    status = Status(tty, True, False, True)
    status.working(lambda: "waiting for x")
    until(lambda: "waiting" in tty.getvalue())
    said = [
        threading.Thread(target=lambda n=n: [status.note(f"note {n}.{k}") for k in range(20)])
        for n in range(4)
    ]
    for thread in said:
        thread.start()
    for thread in said:
        thread.join()
    status.clear()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", tty.getvalue())
    kept = [part.split("\r\x1b[K")[-1] for part in plain.split("\n")[:-1]]
    assert sorted(kept) == sorted(f"note {n}.{k}" for n in range(4) for k in range(20))


@pytest.mark.parametrize("columns", [1, 2, 20, 40])
def test_what_passes_never_wraps(columns: int) -> None:
    tty = Tty(columns)
    try:
        status = Status(tty, False, False, True)
        for text in ("x" * 200, "日本語" * 60, "e\u0301" * 100, "👩‍👩‍👧 " * 40):
            status.passing(text)
            status.wait(Wait(3.2, 5, text, 2, 3))
            status.thinking(text)
            time.sleep(1.2 * TICK)
            status.clear()
            assert tty.lines == [""], (columns, text[:5])
    finally:
        tty.over()


def test_a_countdown_gives_way_to_what_is_waited_for_next(tty: Tty) -> None:
    status = Status(tty, False, False, True)
    status.working(lambda: "waiting for x")
    for remaining in (0.6, 0.35, 0.1):
        status.wait(Wait(remaining, 1, "Backend x is overloaded", 2, 3))
        assert tty.lines[-1] == "waiting 1 s for attempt 2 of 3: Backend x is overloaded (Ctrl"[:59]
    until(lambda: "waiting for x" in tty.lines[-1])
    status.clear()


def test_a_countdown_is_told_once_where_nothing_can_be_redrawn() -> None:
    out = io.StringIO()
    status = Status(out, False, False, False)
    for remaining in (1.0, 0.5):
        status.wait(Wait(remaining, 1, "busy", 2, 3))
    assert out.getvalue() == "waiting 1 s for attempt 2 of 3: busy\n"


def test_F_TERM_20_a_dumb_terminal_is_sent_no_sequence() -> None:
    out = io.StringIO()
    status = Status(out, False, False, False, tty=True)
    thoughts = Thoughts(status)
    status.working(lambda: "waiting")
    status.wait(Wait(1.0, 1, "busy", 2, 3))
    thoughts.feed("let me see")
    time.sleep(LATE + 2 * TICK)
    thoughts.rest()
    status.passing("half")
    status.note("a note")
    status.ring("\x07")
    status.clear()
    assert "\x1b" not in out.getvalue() and "\r" not in out.getvalue() and "\x07" not in out.getvalue()
    assert "Thought for" in out.getvalue() and out.getvalue().endswith("a note\n")


@pytest.mark.parametrize(("quiet", "live"), [(True, True), (False, False), (True, False)])
def test_F_TERM_21_nothing_moves_where_nobody_looks(quiet: bool, live: bool) -> None:
    out = io.StringIO()
    status = Status(out, True, quiet, live)
    thoughts = Thoughts(status)
    status.working(lambda: "waiting")
    thoughts.feed("hm")
    time.sleep(LATE + 2 * TICK)
    status.clear()
    thoughts.rest(12)
    status.ring("\x07")
    Ending().tell(status, None, Usage(1, 2), 1.0)
    assert out.getvalue() == ""


def test_the_mark_turns_at_most_ten_times_a_second(tty: Tty) -> None:
    """F-TTY-20 asks for less than 0.5 % of a core at the prompt; waiting costs what these turns cost."""
    status = Status(tty, True, False, True)
    status.working(lambda: "waiting for x")
    until(lambda: drawn(tty) > 0)
    began, count = time.monotonic(), drawn(tty)
    time.sleep(1.0)
    spent, count = time.monotonic() - began, drawn(tty) - count
    status.clear()
    assert 0 < count <= 10 * spent + 1


def test_reasoning_is_one_line_then_how_long_it_took(tty: Tty) -> None:
    status = Status(tty, False, False, True)
    thoughts = Thoughts(status)
    status.working(lambda: "waiting for x")
    thoughts.begin()
    for word in ("First ", "I look\nat ", "what \x1b[2J\x9b31m\u202ewas asked, ") * 8:
        thoughts.feed(word)
    until(lambda: "thinking" in tty.lines[-1])
    assert len(tty.lines) == 1 and tty.lines[0].endswith("what was asked,") and " · …" in tty.lines[0]
    status.clear()
    thoughts.rest(840)
    assert re.fullmatch(r"Thought for [\d.]+ s, 840 tokens", tty.lines[0]) and len(tty.lines) == 1
    assert thoughts.last.count("First") == 8
    thoughts.rest(840)
    assert len(tty.lines) == 1, "told once"
    thoughts.begin()
    assert thoughts.last == ""


def test_reasoning_may_be_shown_or_hidden(tty: Tty) -> None:
    status = Status(tty, False, False, True)
    thoughts = Thoughts(status, "show")
    thoughts.feed("let me\n")
    thoughts.feed("see")
    status.clear()
    thoughts.rest()
    assert tty.lines == ["let me", "see"]
    thoughts.mode = "hide"
    thoughts.begin()
    status.working(lambda: "waiting for x")
    thoughts.feed("secret thought")
    until(lambda: "thinking" in tty.lines[-1])
    status.clear()
    thoughts.rest()
    assert tty.lines == ["let me", "see"] and thoughts.last == "secret thought"


def test_times_as_people_say_them() -> None:
    assert [span(s) for s in (0.0, 0.44, 3, 9.94, 9.96, 59.4, 60, 125, 3599.6, 3720)] == [
        "0 s", "0.4 s", "3 s", "9.9 s", "10 s", "59 s", "1 min", "2 min 5 s", "1 h 0 min", "1 h 2 min",
    ]  # fmt: skip


def turn(**more: Any) -> Turn:
    attempts = (Attempt("groq", "llama-3.3", 200, None, 0.0, 0.34, 10.34),)
    usage = Usage(1200, 840, reasoning=210)
    receipt = Receipt(
        "groq", "groq", "llama-3.3-70b", "stop", usage=usage, attempts=attempts, cost_usd=0.0012
    )
    return Turn("t", None, (), receipt._replace(**more))


WHOLE = [
    "groq", "llama-3.3-70b", "1,200 in / 840 out tokens (210 thinking)", "$0.0012", "first 0.3 s",
    "84 tokens/s", "10 s",
]  # fmt: skip


def test_the_parts_of_the_line_after_an_answer() -> None:
    usage = turn().receipt.usage
    assert line(PARTS, turn(), usage, 10.4) == WHOLE
    assert line(("time", "model", "time"), turn(), usage, 10.4) == ["10 s", "llama-3.3-70b", "10 s"]
    assert line((), turn(), usage, 10.4) == []
    assert line(PARTS, None, Usage(None, 5), 1.0) == ["? in / 5 out tokens", "1 s"]
    assert line(PARTS, None, Usage(), 1.0) == [], "nobody was asked"
    unknown = turn(cost_usd=None)
    assert "$" not in "".join(line(PARTS, unknown, usage, 1.0)), "never a price that is not known"
    assert line(("model",), turn(model="m\x1b[2J\n"), usage, 1.0) == ["m"]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, " · ".join(WHOLE)),
        (77, " · ".join(WHOLE[:4])),
        (30, "groq · llama-3.3-70b"),
        (10, "groq"),
        (3, "gr"),
    ],
)
def test_what_does_not_fit_is_left_out_from_the_end(columns: int, shown: str) -> None:
    tty = Tty(columns)
    try:
        Ending().tell(Status(tty, False, False, True), turn(), turn().receipt.usage, 10.4)
        assert tty.getvalue() == shown + "\n"
    finally:
        tty.over()


@pytest.mark.parametrize(
    ("ending", "seconds", "sent"),
    [
        (Ending(), 60, ""), (Ending((), "bell", 10), 9.9, ""), (Ending((), "bell", 10), 10.0, "\x07"),
        (Ending((), "osc9", 10), 12.4, "\x1b]9;Arawn: the answer is there, after 12 s\x07"), (Ending((), "osc9", 0), 0.0, "\x1b]9;Arawn: the answer is there, after 0 s\x07"),
    ],
)  # fmt: skip
def test_a_long_answer_may_be_heard(tty: Tty, ending: Ending, seconds: float, sent: str) -> None:
    ending.ring(Status(tty, False, False, True), seconds)
    assert tty.getvalue() == sent


def test_all_that_is_said_is_in_the_colours_of_the_theme(tty: Tty) -> None:
    own = {"dim": "blue", "warning": "red", "error": "green", "footer": "cyan", "spinner": "yellow"}
    status = Status(tty, True, False, True, Theme("auto", own))
    status.note("note")
    status.warn("warn")
    status.passing("passing")
    status.error(ArawnError("fault"))
    Ending(("model",)).tell(status, turn(), Usage(1, 1), 1.0)
    Thoughts(status, "show").feed("hm")
    status.clear()
    for piece in (
        "\x1b[34mnote\x1b[0m\n", "\x1b[31mNote: warn\x1b[0m\n", "\x1b[33mpassing\x1b[0m", "\x1b[32mError:\x1b[0m fault\n",
        "\x1b[36mllama-3.3-70b\x1b[0m\n", "\x1b[34mhm\x1b[0m\n",
    ):  # fmt: skip
        assert piece in tty.getvalue()


def test_an_error_takes_the_line_away(tty: Tty) -> None:
    status = Status(tty, False, False, True)
    status.working(lambda: "waiting")
    until(lambda: drawn(tty) > 0)
    status.error(RateLimited("Too many requests", detail="slow down", hints=("wait",)))
    time.sleep(2 * TICK)
    assert tty.lines == ["Error: Too many requests", "  it said: slow down", "Check:", "  - wait"]


def test_a_closed_terminal_ends_nothing() -> None:
    out = io.StringIO()
    status = Status(out, True, False, True)
    status.working(lambda: "waiting")
    out.close()
    time.sleep(LATE + 2 * TICK)
    status.note("x")
    status.clear()
    Status(None, True, False, True).note("x")


def test_notes_and_errors_end_their_lines_between_words(tty: Tty) -> None:
    words = "word " * 20 + "and a-word-longer-than-the-whole-line-" + "x" * 40
    for status in (Status(tty, False, False, True), AccessibleStatus(tty, False, True)):
        status.note(words)
        status.warn(words)
        status.error(ArawnError(words, detail=words, hints=(words, "日本語の " * 20)))
    shown = tty.getvalue().split("\n")
    assert max(cells(line) for line in shown if "longer-than" not in line) <= tty.columns
    assert all(
        set(line.split())
        <= {*words.split(), *["Note:", "Warning:", "Error:", "it", "said:", "Check:", "-", "日本語の"]}
        for line in shown
    )
    assert "    word word" in tty.getvalue(), "what hangs stands under its hint"


def test_a_file_gets_them_whole() -> None:
    out = io.StringIO()
    Status(out, False, False, False).error(ArawnError("word " * 60 + "end"))
    assert out.getvalue().count("\n") == 1
