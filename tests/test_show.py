"""One answer on the screen with all that comes beside it: nothing is torn, nothing is told twice."""

from __future__ import annotations

import io
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, openai_stream, sse
from home import FAKE, configure
from term import Term

from arawn.errors import ArawnError, Unreachable
from arawn.events import Attempt, Event, Finish, Notice, Progress, Reasoning, Text, ToolCall, Usage, Wait
from arawn.render.ending import Ending
from arawn.render.plain import PlainStream
from arawn.render.status import Status
from arawn.render.thoughts import Mode, Thoughts
from arawn.repl.show import Show
from arawn.repl.signals import Signals
from arawn.session import Receipt, Turn

USAGE = Usage(12, 40, reasoning=7)
TURN = Turn(
    "t",
    None,
    (),
    Receipt("one", model="m-1", usage=USAGE, attempts=(Attempt("one", "m-1", 200, None, 0, 0.2, 2.2),)),
)


class Both(io.StringIO):
    """Output and status line on one screen; what passes is taken away at once."""

    @property
    def text(self) -> str:
        lines = self.getvalue().split("\n")
        return "\n".join(line.split("\r\x1b[K")[-1] for line in lines)


def shown(
    events: Iterator[Event] | list[Event], mode: Mode = "line", ending: Ending | None = None
) -> tuple[str, Show, Thoughts, ArawnError | None]:
    out = Both()
    status = Status(out, False, False, True)
    thoughts = Thoughts(status, mode)
    show = Show(
        status, lambda: PlainStream(out, True), Signals(lambda: None), thoughts=thoughts,
        ending=ending if ending is not None else Ending(), turn=lambda: TURN,
    )  # fmt: skip
    fault = show.run(iter(events), lambda: "waiting for one")
    return out.text, show, thoughts, fault


THOUGHT = [Reasoning("let me "), Reasoning("see")]
ANSWER: list[Event] = [Text("the "), Text("answer"), USAGE, Finish("stop")]
FOOTER = "one · m-1 · 12 in / 40 out tokens (7 thinking) · first 0.2 s · 20 tokens/s\n"


def timeless(text: str) -> str:
    return re.sub(r"Thought for [\d.]+ s", "Thought for N s", text)


@pytest.mark.parametrize(
    ("mode", "before"),
    [("line", "Thought for N s\n"), ("show", "let me see\n\n"), ("hide", "")],
)
def test_reasoning_before_the_answer(mode: Mode, before: str) -> None:
    text, _, thoughts, fault = shown([*THOUGHT, *ANSWER], mode)
    assert timeless(text) == before + "the answer\n" + FOOTER and fault is None
    assert thoughts.last == "let me see"


def test_reasoning_within_the_answer_tears_nothing() -> None:
    text, _, _, _ = shown([Text("first"), *THOUGHT, Text("second"), Finish("stop")])
    assert timeless(text).startswith("first\nThought for N s\nsecond\n")
    hidden, _, _, _ = shown([Text("first"), *THOUGHT, Text(" second"), Finish("stop")], "hide")
    assert hidden.startswith("first second\n")


def test_tokens_of_reasoning_are_told_where_they_are_known_by_then() -> None:
    text, _, _, _ = shown([*THOUGHT, Usage(1, None, reasoning=1840), *ANSWER])
    assert timeless(text).startswith("Thought for N s, 1,840 tokens\nthe answer\n")


def test_notices_come_before_the_text_or_after_it() -> None:
    call = ToolCall("1", "look\x1b[2J", "{}")
    text, _, _, _ = shown(
        [Notice("asking two", True), Progress("planning"), Text("the "), call, Text("answer"), Finish("stop")]
    )
    assert text.startswith(
        "Note: asking two\nthe answer\nthe model asked for the tool look; no tool was offered or run\n"
    )


def test_waits_vanish() -> None:
    waits = [Wait(left / 10, 1, "busy", 2, 3) for left in range(10, 0, -3)]
    text, _, _, _ = shown([*waits, *ANSWER])
    assert timeless(text) == "the answer\n" + FOOTER


@pytest.mark.parametrize(
    "before", [[], THOUGHT, [Text("half")], [*THOUGHT, Text("half")], [Text("half"), *THOUGHT]]
)
def test_a_stop_or_a_fault_keeps_what_came_and_leaves_a_clean_line(before: list[Event]) -> None:
    def events(error: BaseException) -> Iterator[Event]:
        yield from before
        raise error

    for error in (KeyboardInterrupt(), Unreachable("gone")):
        text, show, _, fault = shown(events(error))
        stopped = isinstance(error, KeyboardInterrupt)
        assert show.stopped is stopped and (fault is None) is stopped
        assert ("half\n" in text) is any(isinstance(event, Text) for event in before)
        assert text.endswith("[stopped]\n" if stopped else "\n") or not text
        assert "one · m-1" not in text, "no figures of what did not end"


def test_without_a_reader_nothing_is_told_afterwards() -> None:
    out = Both()
    show = Show(
        Status(out, False, False, False), lambda: PlainStream(out, False), Signals(lambda: None),
        thoughts=Thoughts(Status(out, False, False, False)),
    )  # fmt: skip
    assert show.run(iter([*THOUGHT, *ANSWER]), lambda: "waiting") is None
    assert out.getvalue() == "the answer\n" or out.getvalue() == "the answer"


def test_a_long_answer_rings(monkeypatch: Any) -> None:
    for ending, sent in (
        (Ending((), "bell", 0.0), "\x07"),
        (Ending((), "off", 0.0), ""),
        (Ending((), "bell", 60), ""),
    ):
        text, _, _, _ = shown(list(ANSWER), ending=ending)
        assert text == "the answer\n" + sent
    rung, _, _, fault = shown(iter_fault(), ending=Ending((), "bell", 0.0))
    assert fault is not None and rung.endswith("\x07"), "who waits long for a fault wants to know as well"


def iter_fault() -> Iterator[Event]:
    yield Text("half")
    raise Unreachable("gone")


# ---- the whole program


def delta(**what: str) -> bytes:
    return sse({"id": "c", "model": "m-1", "choices": [{"index": 0, "delta": what, "finish_reason": None}]})


def thinking(*pieces: bytes, pause: float = 0.15) -> Any:
    end = openai_stream([], usage={"prompt_tokens": 3, "completion_tokens": 5}).events

    def serve(conn: Conn) -> None:
        conn.head()
        for piece in (*pieces, *end):
            conn.chunk(piece)
            time.sleep(pause)
        conn.end()

    return serve


def configured(env: dict[str, str], fake: FakeProvider, more: str = "") -> None:
    configure(env["HOME"], FAKE.format(url=fake.url) + more)


PIECES = (
    delta(reasoning_content="First I look "), delta(reasoning_content="at the sea"), delta(content="The sea "),
    delta(reasoning_content="hm, again"), delta(content="is deep."),
)  # fmt: skip


@pytest.mark.parametrize("mode", ["line", "show", "hide"])
def test_ask_thinks_on_a_terminal_and_loses_nothing(env: dict[str, str], tmp_path: Path, mode: str) -> None:
    with FakeProvider(thinking(*PIECES, pause=0.4 if mode == "line" else 0)) as fake:
        configured(env, fake, f'[ui]\nreasoning = "{mode}"\nfooter = ["tokens"]\n')
        with Term([sys.executable, "-m", "arawn", "ask", "Hi"], env=env, cwd=tmp_path, cols=200) as term:
            if mode == "line":
                term.wait("thinking · First I look at the sea")
            term.wait("3 in / 5 out tokens")
            assert term.end() == 0
        lines = [line for line in term.screen.split("\n") if "(" not in line and line]
        lines = ["Thought" if line.startswith("Thought for ") else line for line in lines]
    assert (
        lines
        == {
            "line": ["Thought", "The sea", "Thought", "is deep.", "3 in / 5 out tokens"],
            "show": ["First I look at the sea", "The sea", "hm, again", "is deep.", "3 in / 5 out tokens"],
            "hide": ["The sea is deep.", "3 in / 5 out tokens"],
        }[mode]
    )


def test_reasoning_never_goes_to_standard_output(arawn: Any) -> None:
    for mode in ("line", "show", "hide"):
        with FakeProvider(thinking(*PIECES, pause=0)) as fake:
            done = arawn("ask", "hi", config=FAKE.format(url=fake.url) + f'[ui]\nreasoning = "{mode}"\n')
        assert (
            done.stdout == "The sea is deep.\n" and "look" not in done.stderr and "Thought" not in done.stderr
        )


def test_what_is_waited_for_while_connecting(env: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as full, FakeProvider(thinking()) as fake:
        configured(env, fake)
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        crowd = []
        for _ in range(4):  # nobody accepts: the next one has to wait for its connection
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            crowd.append(one)
        argv = [
            sys.executable,
            "-m",
            "arawn",
            "-o",
            f"backends.fake.base_url=http://127.0.0.1:{port}",
            "ask",
            "Hi",
        ]
        with Term(argv, env=env, cwd=tmp_path) as term:
            term.wait("connecting to fake")
            term.signal(2)
            assert term.end() == 130
        for one in crowd:
            one.close()


def test_several_backends_say_whom_they_wait_for(env: dict[str, str], tmp_path: Path) -> None:
    with FakeProvider(thinking(delta(content="late"), pause=0.2)) as fake:
        slow = fake.behaviours[0]
        fake.behaviours = (lambda conn: (time.sleep(1.2), slow(conn))[1],)
        configured(
            env, fake, f'[backends.other]\nprovider = "custom"\nbase_url = "{fake.url}"\nmodel = "n"\n'
        )
        argv = [sys.executable, "-m", "arawn", "-o", 'llm.fallback_backends=["other"]', "ask", "Hi"]
        with Term(argv, env=env, cwd=tmp_path) as term:
            term.wait("waiting for fake").wait("late")
            assert term.end() == 0


def test_in_the_background_nothing_moves(env: dict[str, str], tmp_path: Path) -> None:
    """The terminal is somebody else's then; a note that stays is still told."""

    def late(conn: Conn) -> None:
        conn.head()
        time.sleep(2.5)
        conn.chunk(delta(content="answer here"))
        for event in openai_stream([]).events:
            conn.chunk(event)
        conn.end()

    with FakeProvider(late) as fake:
        configured(env, fake)
        with Term(
            ["bash", "--norc", "-i"], env={**env, "PS1": "$ ", "PY": sys.executable}, cwd=tmp_path
        ) as term:
            term.wait("$").send('"$PY" -m arawn ask hi < /dev/null &\r').wait("fake · m")
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                term.pump()
            assert b"waiting for" not in term.raw
            term.send("fg\r").wait("waiting for fake").wait("answer here")
            assert "waiting for" not in term.screen
