"""Several backends asked at once: what is shown and kept, who is gone on with, and how it is stopped."""

from __future__ import annotations

import io
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream, sse
from hypothesis import given, settings
from hypothesis import strategies as st
from term import Term
from test_session_cli import config, echo

from arawn.backends.scripted import Scripted
from arawn.comparing import MOST, Asked, Comparison, told, watch
from arawn.engine import Conversation
from arawn.errors import Overloaded, Unreachable, UsageFault
from arawn.events import Event, Finish, Notice, Text, Usage
from arawn.messages import Request
from arawn.render.beside import LEAST, Columns, Nowhere, Stacked, beside, fits
from arawn.render.look import Look
from arawn.render.measure import cells
from arawn.render.status import Status
from arawn.repl.commands.compare import parsed


def status() -> Status:
    return Status(io.StringIO(), False, False, False)


def compared(*backends: Scripted, conversation: Conversation | None = None) -> Comparison:
    conversation = conversation or Conversation()
    asked = [Asked(backend.name, backend) for backend in backends]
    return Comparison(conversation, asked, lambda one, backend: one.ask(backend, "why?"))


def test_turns_stand_beside_each_other() -> None:
    conversation = Conversation()
    list(conversation.ask(Scripted("before"), "first"))
    comparison = compared(
        Scripted("one", name="a"),
        Scripted([Text("t"), Usage(3, 4), Finish("stop")], name="b"),
        Scripted([Overloaded("too much")], name="c"),
        conversation=conversation,
    )
    watch(comparison, Nowhere(), status(), told)
    session = conversation.session
    head = session.head
    assert [turn.answer for turn in session.children(head)] == ["one", "t", ""]
    assert [side.ok for side in comparison.sides] == [True, True, False]
    assert session.current is not None and session.current.answer == "one"
    assert "3 in / 4 out tokens" in told(comparison.sides[1])
    assert told(comparison.sides[2]).startswith("failed after") and "too much" in told(comparison.sides[2])
    comparison.choose(comparison.sides[1])
    assert session.path()[-1].answer == "t" and session.branches == {"main": session.head}
    list(conversation.ask(backend := Scripted("after"), "go on"))
    assert [message.text for message in backend.requests[0].messages][-3:] == ["why?", "t", "go on"]


def test_all_are_asked_at_once() -> None:
    together = threading.Barrier(3, timeout=5)

    def meet(request: Request) -> Iterator[Event]:
        together.wait()
        yield Text("met")
        yield Finish("stop")

    comparison = compared(*(Scripted(meet, name=name) for name in "abc"))
    watch(comparison, Nowhere(), status(), told)
    assert all(side.ok for side in comparison.sides)


def test_more_than_that_are_not_asked() -> None:
    with pytest.raises(UsageFault, match="At most"):
        compared(*(Scripted("x") for _ in range(MOST + 1)))


def test_a_fault_of_ours_is_told_as_one() -> None:
    def broken(request: Request) -> Iterator[Event]:
        yield Text("begun")
        raise RuntimeError("oh")

    comparison = compared(Scripted(broken, name="a"), Scripted("fine", name="b"))
    watch(comparison, Nowhere(), status(), told)
    assert "RuntimeError" in told(comparison.sides[0]) and comparison.sides[1].ok


def test_stopping_keeps_what_came_and_takes_no_time() -> None:
    aborted, over = threading.Event(), threading.Event()

    def stuck(request: Request) -> Iterator[Event]:
        yield Text("half")
        if not aborted.wait(20):
            raise AssertionError("never stopped")
        raise Unreachable("the connection went")

    def deaf(request: Request) -> Iterator[Event]:
        yield Text("x")
        over.wait(20)

    session = Conversation()
    asked = [
        Asked("a", Scripted(stuck, name="a"), abort=aborted.set),
        Asked("b", Scripted(deaf, name="b")),
        Asked("c", Scripted("whole", name="c")),
    ]
    comparison = Comparison(session, asked, lambda one, backend: one.ask(backend, "why?"))
    seen: list[object] = []

    def wait(take: Callable[[], object]) -> object:
        if len(seen) >= 5:
            raise KeyboardInterrupt
        seen.append(take())
        return seen[-1]

    began = time.monotonic()
    watch(comparison, Nowhere(), status(), told, wait)
    assert comparison.stopped and time.monotonic() - began < 10
    turns = {turn.receipt.backend: turn for turn in session.session.turns.values()}
    assert turns["a"].answer == "half" and turns["a"].receipt.finish == "interrupted"
    assert turns["a"].receipt.error is None, "a stop is no fault"
    assert "b" not in turns, "who does not hear is left to itself"
    assert turns["c"].answer == "whole"
    assert told(comparison.sides[1]) == "[stopped]" and told(comparison.sides[0]).startswith("[stopped]")
    over.set()


def test_notices_are_told_behind_the_answers() -> None:
    out = io.StringIO()
    line = Status(out, False, False, False)
    chatty = Scripted([Text("a\n"), Notice("careful", warning=True), Text("b\n"), Finish("stop")], name="x")
    shown = io.StringIO()
    watch(compared(chatty, Scripted("y", name="y")), Columns(shown, ["x", "y"], 90, False, True), line, told)
    assert "Note: x: careful" in out.getvalue() and "careful" not in shown.getvalue()


@pytest.mark.parametrize(
    ("words", "names", "text"),
    [
        ("a b", ["a", "b"], ""),
        ("a, b,c", ["a", "b", "c"], ""),
        ("a b: why?", ["a", "b"], "why?"),
        ("a b : why?", ["a", "b"], "why?"),
        ("a ollama:llama3.2:1b: why: this?", ["a", "ollama:llama3.2:1b"], "why: this?"),
        ("a b:m", ["a", "b:m"], ""),
        ("a b:\nmany\nlines", ["a", "b"], "many\nlines"),
    ],
)
def test_what_is_said_of_whom(words: str, names: list[str], text: str) -> None:
    assert parsed(words) == (names, text)


ANSWERS = (
    "# Title\n\nSome **long** paragraph that goes on and on, so that it has to be wrapped in its column.\n\n"
    "- an item that is long enough to be wrapped at this width, really it is\n1. 日本語のテキストはここにあります。"
    "とても長いので折り返されます。\n\n```python\nif x:\n\treturn  # a comment that is much too long for it\n```\nend",
    "short\x1b[2J answer\n\nwith 👩\u200d👩\u200d👧 and e\u0301\n\n\n",
    "averyveryverylongwordwithoutanyspaceinitthatneedstobecutsomewhere " * 3,
)


def drawn(pieces: list[tuple[int, str]], look: Look, columns: int = 3 * LEAST + 6) -> str:
    out = io.StringIO()
    shown = beside(out, [f"{number}. x" for number in range(len(ANSWERS))], columns, look)
    for number, text in pieces:
        shown.feed(number, text)
    for number in range(len(ANSWERS)):
        shown.end(number, f"foot {number}")
    shown.close([""] * len(ANSWERS))
    return out.getvalue()


@pytest.mark.parametrize(
    "look", [Look(True, False, False), Look(True), Look(True, True)], ids=["source", "drawn", "color"]
)
def test_columns_are_the_same_however_the_answers_are_cut_and_mixed(look: Look) -> None:
    whole = drawn(list(enumerate(ANSWERS)), look)
    bare = re.sub("\x1b\\[[0-9;]*m", "", whole)
    lines = bare.splitlines()
    assert "\x1b" not in bare and (look.color or bare == whole)
    assert max(map(cells, lines)) <= 3 * LEAST + 6
    for needed in ("折り返されます。", "    return  # a comment", "foot 0", "wrapped at this"):
        assert needed in bare
    rng = random.Random(5)
    for _ in range(100):
        left = list(ANSWERS)
        pieces = []
        while any(left):
            number = rng.choice([place for place, text in enumerate(left) if text])
            size = rng.randint(1, 9)
            pieces.append((number, left[number][:size]))
            left[number] = left[number][size:]
        assert drawn(pieces, look) == whole


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet="a b\n`-#日\x1b[\u200d", max_size=200), min_size=2, max_size=3),
    st.integers(1, 30),
)
def test_columns_hold_any_text(texts: list[str], size: int) -> None:
    def draw(cut: int) -> str:
        out = io.StringIO()
        width = len(texts) * LEAST + (len(texts) - 1) * 3
        shown = Columns(out, ["x"] * len(texts), width, False, False)
        for number, text in enumerate(texts):
            for at in range(0, len(text), cut):
                shown.feed(number, text[at : at + cut])
            shown.end(number, "")
        shown.close([""] * len(texts))
        assert all(cells(line) <= width for line in out.getvalue().split("\n"))
        return out.getvalue()

    assert draw(size) == draw(10_000)


@pytest.mark.parametrize(
    ("count", "columns", "room"), [(2, 83, True), (2, 82, False), (3, 126, True), (2, None, False)]
)
def test_room_beside_each_other(count: int, columns: int | None, room: bool) -> None:
    assert fits(count, columns) is room


def test_one_below_the_other_each_waits_for_its_turn() -> None:
    said: list[str] = []
    sink = SimpleNamespace(feed=said.append, close=lambda: said.append("/"))
    shown = Stacked(["A", "B", "C"], lambda: sink, said.append, lambda text: said.append(f"({text})"))
    shown.feed(1, "b1")
    shown.feed(0, "a1")
    shown.end(2, "c over")
    shown.feed(1, "b2")
    shown.end(0, "a over")
    shown.feed(1, "b3")
    shown.close(["", "b stopped", ""])
    assert said == [
        *("A", "a1", "/", "(a over)", "", "B", "b1b2", "b3", "/", "(b stopped)"),
        *("", "C", "/", "(c over)"),
    ]


# ---- the command


def answer(conn: Conn) -> None:
    if conn.request.json["model"] == "bad":
        return json_reply(503, {"error": {"message": "too much"}}, retry_after="99")(conn)
    echo(conn)


MORE = '[backends.bad]\ndialect = "openai"\nbase_url = "{url}/v1"\nmodel = "bad"\nretry = {{ max_attempts = 1 }}\n'


def test_the_command_labels_answers_in_a_pipe(arawn: Callable) -> None:
    with FakeProvider(echo) as fake:
        done = arawn("compare", "why?", "-b", "fake", "-b", "other:m-9", config=config(fake))
        assert done.returncode == 0, done.stderr
        assert done.stdout == "==> fake · m-1 <==\nheard 1: why?\n\n==> other · m-9 <==\nheard 1: why?\n"
        assert {request.json["model"] for request in fake.requests} == {"m-1", "m-9"}
        (kept,) = json.loads(arawn("session", "list", "--json").stdout)
        assert arawn("ask", "-c", "more").stdout == "heard 3: more\n"
        tree = arawn("session", "graph", kept["id"]).stdout
        assert tree.splitlines()[0].startswith("├─● 2  why?") and "● 3  more" in tree


@pytest.mark.parametrize(
    ("names", "code", "ok"),
    [(("fake", "other"), 0, [True, True]), (("bad", "fake"), 1, [False, True]), (("bad", "bad"), 6, [False, False]),
     (("fake", "nobody"), 1, [True, False]), (("bad", "nobody"), 6, [False, False])],
)  # fmt: skip
def test_codes_and_the_document(arawn: Callable, names: tuple[str, ...], code: int, ok: list[bool]) -> None:
    with FakeProvider(answer) as fake:
        flags = [word for name in names for word in ("-b", name)]
        text = config(fake, MORE.format(url=fake.url))
        done = arawn("compare", "--json", "--diff", "why?", *flags, config=text)
    assert done.returncode == code, done.stderr
    made = json.loads(done.stdout)
    assert [one["ok"] for one in made["answers"]] == ok and made["ok"] is all(ok)
    for one in made["answers"]:
        assert (one["error"] is None) is one["ok"]
    assert len(made["differences"]) == (1 if all(ok) else 0)


def test_the_command_tells_faults_and_differences(arawn: Callable) -> None:
    with FakeProvider(answer) as fake:
        text = config(fake, MORE.format(url=fake.url))
        done = arawn(
            "compare", "x", "-b", "fake", "-b", "bad", "-b", "other:m-9", "--diff", "--no-store", config=text
        )
        assert done.returncode == 1 and "Error: bad · bad: " in done.stderr
        assert "+++ 3. other · m-9 (100% alike)" in done.stdout
        assert json.loads(arawn("session", "list", "--json").stdout) == []
        assert arawn("compare", "x", "-b", "fake").returncode == 2
        files = arawn("compare", "-f", "-", "-b", "fake", "-b", "other", stdin="from a pipe")
        assert files.stdout.count("from a pipe") == 2


def test_budgets_hold_for_each(arawn: Callable) -> None:
    prices = '[catalog."m-1"]\ninput_price = 1000000.0\noutput_price = 1000000.0\n[budget]\nper_turn = 0.5\n'
    with FakeProvider(echo) as fake:
        done = arawn("compare", "--json", "x", "-b", "fake", "-b", "other", config=config(fake, prices))
    first, second = json.loads(done.stdout)["answers"]
    assert done.returncode == 1 and first["error"]["code"] == "budget" and second["ok"], done.stdout


def test_no_key_and_no_escape_in_anything_that_is_told(arawn: Callable) -> None:
    def hostile(conn: Conn) -> None:
        if conn.request.json["model"] == "bad":
            told = "key sk-CANARY0123456789abcdef \x1b]0;owned\x07 refused"
            return json_reply(400, {"error": {"message": told}})(conn)
        openai_stream(["\x1b[2Jhi \x1b]0;x\x07there"])(conn)

    with FakeProvider(hostile) as fake:
        more = MORE.format(url=fake.url) + 'api_key = "sk-CANARY0123456789abcdef"\n'
        text = config(fake, more)
        one = arawn("compare", "x", "-b", "fake", "-b", "bad", config=text)
        two = arawn("compare", "x", "--json", "-b", "fake", "-b", "bad", config=text)
        three = arawn("chat", stdin="/compare fake bad: x\n", config=text)
    for done in (one, two, three):
        assert "CANARY" not in done.stdout + done.stderr and "\x1b" not in done.stderr
        assert "refused" in done.stdout + done.stderr


def slowly(conn: Conn) -> None:
    conn.head()
    for number in range(400):
        made = {"choices": [{"index": 0, "delta": {"content": f"w{number}\n"}, "finish_reason": None}]}
        conn.chunk(sse(made))
        if conn.stopping.wait(0.03):
            return


def test_ctrl_c_stops_the_command(env, arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(slowly) as fake:
        arawn("--version", config=config(fake))
        argv = [sys.executable, "-P", "-m", "arawn", "compare", "x", "-b", "fake", "-b", "other"]
        with Term(argv, env=env, cwd=tmp_path, cols=100) as term:
            term.wait("1. fake · m-1").wait("│ w3")
            began = time.monotonic()
            term.signal(signal.SIGINT)
            assert term.end() == 130 and time.monotonic() - began < 8
            assert "[stopped]" in term.screen
    kept = json.loads(arawn("session", "list", "--json").stdout)
    assert len(kept) == 1


def test_a_pipe_that_closes_ends_it_and_what_came_is_kept(env, arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(slowly) as fake:
        arawn("--version", config=config(fake))
        line = f"{sys.executable} -P -m arawn compare x -b fake -b other | head -3"
        began = time.monotonic()
        done = subprocess.run(
            ["sh", "-c", line], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=20
        )
    assert done.stdout.splitlines() == ["==> fake · m-1 <==", "w0", "w1"] and "Traceback" not in done.stderr
    assert time.monotonic() - began < 5
    (kept,) = json.loads(arawn("session", "list", "--json").stdout)
    assert "w1" in arawn("session", "show", kept["id"]).stdout


def test_sigterm_keeps_what_came(env, arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(slowly) as fake:
        arawn("--version", config=config(fake))
        argv = [sys.executable, "-P", "-m", "arawn", "compare", "x", "-b", "fake", "-b", "other"]
        with Term(argv, env=env, cwd=tmp_path, cols=100) as term:
            term.wait("│ w3").signal(signal.SIGTERM)
            assert term.end() == 143
    (kept,) = json.loads(arawn("session", "list", "--json").stdout)
    assert "w3" in arawn("session", "show", kept["id"]).stdout


# ---- in a chat


@pytest.fixture
def start(env, arawn: Callable, tmp_path: Path):
    """A chat on a terminal, over a fake that answers in this way."""
    open_: list[object] = []

    def begin(behave: Callable[[Conn], None] = echo, cols: int = 100, more: str = "") -> Term:
        fake = FakeProvider(behave).__enter__()
        open_.append(fake)
        arawn("--version", config=config(fake, more))
        term = Term([sys.executable, "-P", "-m", "arawn", "chat"], env=env, cwd=tmp_path, cols=cols, rows=40)
        open_.append(term)
        term.fake = fake
        return term.prompt() if "accessible" not in more else term.wait("You:")

    yield begin
    for one in reversed(open_):
        one.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("typed", "chosen"), [("2", "other"), ("other", "other"), ("", "fake"), ("9\r2", "other")]
)
def test_choosing_which_is_gone_on_with(start, typed: str, chosen: str) -> None:
    term = start().say("/compare fake other: why?").wait("Go on with which: 1 fake · m-1, 2 other · m-2? [1]")
    assert "1. fake · m-1" in term.screen and "│ 2. other · m-2" in term.screen, "in columns"
    term.send(typed + "\r").wait(f"Going on with {chosen}").prompt()
    told = "The next message goes to fake · m-1 as before; /backend and /model change that."
    assert (told in term.screen) == (chosen == "other")
    term.say("next").wait("heard 3: next").prompt()
    assert term.fake.requests[-1].json["model"] == "m-1"
    term.say("/tree").wait("├─● ").prompt()


def test_several_at_once_ask_nothing_about_the_budget(start) -> None:
    prices = '[catalog."m-1"]\ninput_price = 1000000.0\noutput_price = 1000000.0\n'
    term = start(more=prices + '[budget]\nper_turn = 0.5\naction = "ask"\n')
    term.say("/compare fake other: why?").wait("Going on with other").prompt()
    assert "Nothing was asked" in term.screen and "y/N" not in term.screen


def test_what_is_compared_may_name_files_and_snippets(start, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("the note\n")
    term = start(more='[snippets]\nbrief = "in three words"\n')
    term.say("/compare fake other: #brief: @note.txt").wait("with it: note.txt").wait(
        "Go on with which"
    ).send("\r")
    term.prompt()
    for request in term.fake.requests:
        said = request.said
        assert said == "in three words: @note.txt\n\nnote.txt:\n```\nthe note\n```"


def test_what_differs_is_told_of_an_answer_and_not_of_one_that_failed(start) -> None:
    more = '[backends.dead]\ndialect = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m-3"\n'
    term = start(more=more).say("/compare fake other dead: why?").wait("Go on with which").send("\r")
    term.wait("Going on with fake").prompt()
    term.say("/diff").wait("Both answers are the same.").prompt()


def test_the_question_is_in_ascii_where_all_else_is(start, env) -> None:
    env["LC_ALL"] = "C"
    start().say("/compare fake other: why?").wait("Go on with which: 1 fake - m-1, 2 other - m-2? [1]")


def test_what_it_cost_fits_the_width(start) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    term = start(openai_stream(["hi"], usage=usage), cols=70).say("/compare fake other: why?")
    term.wait("Go on with which").send("\r").wait("Going on with fake")
    term.prompt().say("/cost").wait("Today:").prompt()
    assert "####" in term.screen and "\n#" not in term.screen


def test_leaving_the_choice_takes_the_first(start) -> None:
    term = start().say("/compare fake other: why?").wait("Go on with which").send("\x03")
    term.wait("Going on with fake").prompt()


def test_one_below_the_other_where_there_is_no_room(start) -> None:
    term = start(cols=60).say("/compare fake other: why?").wait("2. other · m-2").wait("Go on with which")
    assert "│" not in term.screen


def test_answers_that_are_read_aloud_are_labelled(start) -> None:
    term = start(more="[ui]\naccessible = true\n")
    term.send("/compare fake other: why?\r").wait("Go on with which")
    assert "Answer 1 of 2: fake, m-1" in term.screen and "Answer 2 of 2: other, m-2" in term.screen
    assert "Go on with which: 1 fake, 2 other? [1]" in term.screen
    assert "│" not in term.screen and "─" not in term.screen


def test_the_last_prompt_again_and_the_old_answer_stays(start) -> None:
    term = (
        start()
        .say("first")
        .wait("heard 1: first")
        .say("/compare fake other")
        .wait("Go on with which")
        .send("\r")
    )
    term.wait("beside it: /goto 3 other · m-2").prompt()
    assert [request.said for request in term.fake.requests] == ["first"] * 3
    term.say("/tree").wait("● 2  first (m-1) [main] ◀ here")


def test_ctrl_c_stops_all_and_gives_the_prompt_back(start) -> None:
    term = start(slowly).say("/compare fake other: x").wait("│ w5")
    began = time.monotonic()
    term.send("\x03").wait("Going on with fake").prompt()
    assert time.monotonic() - began < 3
    assert term.screen.count("[stopped]") == 2
    assert term.say("/quit").end() == 0
