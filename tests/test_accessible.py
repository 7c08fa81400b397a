"""Accessible mode: what a screen reader is given, whole sentence by whole sentence, with words for all signs."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream
from home import configure
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads import PAYLOADS, forbidden
from term import Term

from arawn.config.load import load
from arawn.errors import ArawnError
from arawn.events import Wait
from arawn.graph import outline
from arawn.messages import user
from arawn.render.accessible import AccessibleStream
from arawn.render.labelled import AccessibleStatus
from arawn.render.look import Look, accessible_wanted
from arawn.render.sentences import LONGEST, Sentences
from arawn.repl.prompt.picker import numbered
from arawn.session import Receipt, Session, Turn
from arawn.store.trees import Info


class Recorded(io.StringIO):
    """Keeps each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        if text:
            self.writes.append(text)
        return super().write(text)


def told(*pieces: str, columns: int = 0, **more: object) -> str:
    out = io.StringIO()
    stream = AccessibleStream(out, columns=(lambda: columns) if columns else None, **more)
    for piece in pieces:
        stream.feed(piece)
    stream.close()
    return out.getvalue()


CASES = {
    "heading": ("## Two ##\n", "Heading level 2: Two\n"),
    "underlined heading": ("What is new?\n===\nText", "Heading level 1: What is new?\nText\n"),
    "text": ("One line\nand more.\n\nNext", "One line and more.\n\nNext\n"),
    "emphasis": ("a **b** *c* _d_ ~~e~~", "a b c d (struck out: e)\n"),
    "code in a line": ("run `a *b*` now", "run `a *b*` now\n"),
    "link": ("[here](https://x.org/a) <https://y.org>", "here (https://x.org/a) https://y.org\n"),
    "picture": ("![a cat](c.png)", "[image: a cat] (c.png)\n"),
    "items": ("* a\n* b\n", "- a\n- b\n"),
    "numbers": ("3. a\n4. b\n", "3. a\n4. b\n"),
    "nested": ("- a\n  1. b\n     - c\n- d", "- a\nLevel 2: 1. b\nLevel 3: - c\n- d\n"),
    "tasks": ("- [x] a\n- [ ] b", "- Done: a\n- To do: b\n"),
    "item with code": ("1. a\n   ```\n   x\n   ```\n2. b", "1. a\nCode:\nx\nEnd of code.\n2. b\n"),
    "item that is code": ("- ```\n  x\n  ```\n", "-\nCode:\nx\nEnd of code.\n"),
    "code": ("```python\nif x:\n\n    y\n```\n", "Code, python:\nif x:\n\n    y\nEnd of code.\n"),
    "code without an end": ("~~~\nx", "Code:\nx\nEnd of code.\n"),
    "indented code": ("    x\n\n    y\nz", "Code:\nx\n\ny\nEnd of code.\nz\n"),
    "quote": ("> a\n> b\n\nc", "Quote:\na b\nEnd of quote.\n\nc\n"),
    "quote in a quote": (
        "> a\n>> b\n",
        "Quote:\na\nQuote, level 2:\nb\nEnd of quote.\nEnd of quote.\n",
    ),
    "table": (
        "| Name | Age |\n|---|--:|\n| Ann | 3 |\n| `Bo` | |\n",
        "Table, 2 columns: Name, Age.\nRow 1. Name: Ann; Age: 3\nRow 2. Name: `Bo`\nEnd of table.\n",
    ),
    "table without bars around it": (
        "a | b\n--- | ---\n1 | 2",
        "Table, 2 columns: a, b.\nRow 1. a: 1; b: 2\nEnd of table.\n",
    ),
    "no table": ("a | b\nc", "a | b c\n"),
    "rule": ("a\n\n---\n\nb", "a\n\nSection break.\n\nb\n"),
    "formula": ("$$\nx^2\n$$\n", "Formula:\nx^2\nEnd of formula.\n"),
    "formula in a line": ("so $x_1 * y$ is", "so $x_1 * y$ is\n"),
    "html": ("<div>\nhi\n</div>\n", "<div>\nhi\n</div>\n"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_told(name: str) -> None:
    said, expected = CASES[name]
    assert told(said) == expected
    assert told(*said) == expected, "letter by letter"


BLOCK = st.sampled_from([said.rstrip("\n") for said, _ in CASES.values()])
DOCUMENT = st.lists(
    st.one_of(BLOCK, st.text("ab.?! \n*_`[]()|#->1~$<", max_size=30)), min_size=1, max_size=8
).flatmap(lambda blocks: st.sampled_from(["\n\n", "\n"]).map(lambda gap: gap.join(blocks)))


@settings(max_examples=150, deadline=None)
@given(DOCUMENT, st.lists(st.integers(0, 400), max_size=12), st.sampled_from([0, 20]))
def test_any_cut_gives_the_same_text(document: str, cuts: list[int], columns: int) -> None:
    places = sorted({min(cut, len(document)) for cut in cuts})
    pieces = [document[begin:end] for begin, end in zip([0, *places], [*places, len(document)], strict=True)]
    whole = told(document, columns=columns)
    assert told(*pieces, columns=columns) == whole
    assert told(*document, columns=columns) == whole
    assert "\r" not in whole and "\x1b" not in whole


@settings(max_examples=60, deadline=None)
@given(st.lists(BLOCK.filter(lambda block: "$$" not in block), min_size=1, max_size=6))
def test_all_words_are_there_in_their_order(blocks: list[str]) -> None:
    """Against markdown-it itself, which knows nothing of this renderer."""
    from markdown_it import MarkdownIt

    document = "\n\n".join(blocks)
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    words = []
    for token in parser.parse(document):
        if token.type in ("fence", "code_block", "html_block"):
            words += token.content.split()
        for inner in token.children or ():
            if inner.type in ("text", "code_inline"):
                words += re.sub(r"^\[[ x]\]", "", inner.content).split()
    shown, at = told(document), 0
    for word in words:
        found = shown.find(word, at)
        if found < 0 and f"{word}" in " ".join(words[: words.index(word) + 1]):
            found = shown.find(word)  # a header stands once more before each value
        assert found >= 0, (word, shown)
        at = found


@pytest.mark.parametrize("name", PAYLOADS)
def test_hostile_text_is_filtered(name: str) -> None:
    payload = PAYLOADS[name][0]
    for shape in ("{}", "# {}", "- {}", "> {}", "```\n{}\n```", "| {} |\n|---|\n| {} |", "[{}](http://{})"):
        shown = told(*shape.replace("{}", payload))
        assert not forbidden(shown) and "\r" not in shown


# ---- when it is told


def test_sentences_are_told_whole_and_at_once() -> None:
    out = Recorded()
    stream = AccessibleStream(out)
    seen = []
    for word in re.findall(r"\S+ ", "One is here. Two, e.g. this, is “quoted.” Is that 3.5? "):
        stream.feed(word)
        seen.append(out.getvalue())
    assert seen[1] == "" and seen[2] == "One is here."
    assert set(seen[3:]) - {"One is here."} == {
        "One is here. Two, e.g. this, is “quoted.”",
        "One is here. Two, e.g. this, is “quoted.” Is that 3.5?",
    }


def test_a_paragraph_is_told_at_its_end() -> None:
    out = Recorded()
    stream = AccessibleStream(out)
    stream.feed("no end of a sentence\n")
    assert out.getvalue() == ""
    stream.feed("\n")
    assert out.getvalue() == "no end of a sentence\n"


def test_rows_items_and_code_are_told_line_by_line() -> None:
    out = Recorded()
    stream = AccessibleStream(out)
    stream.feed("```\none\ntw")
    assert out.getvalue() == "Code:\none\n"
    stream.feed("o\n```\n|a|\n|-|\n|1|\n|2")
    assert out.getvalue().endswith("Row 1. a: 1\n")
    stream.feed("|\n\n- item\n- n")
    assert out.getvalue().endswith("\n- item\n")


def test_after_a_while_what_there_is_is_told() -> None:
    out = Recorded()
    stream = AccessibleStream(out, patience=0.1)
    stream.feed("this sentence takes its ti")
    end = time.monotonic() + 3
    while not out.writes and time.monotonic() < end:
        time.sleep(0.01)
    assert out.getvalue() == "this sentence takes its", "no half of a word"
    stream.feed("me. And")
    assert out.getvalue() == "this sentence takes its time."
    stream.close()
    assert out.getvalue() == "this sentence takes its time. And\n"


def test_a_fault_of_the_output_is_not_lost_in_the_thread() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "full")

    stream = Sentences(Full(), patience=0.05)
    stream.text("some words")
    time.sleep(0.2)
    with pytest.raises(OSError, match="full"):
        stream.text(" more")


def test_text_without_an_end_is_not_held_for_ever() -> None:
    out = Recorded()
    stream = AccessibleStream(out)
    for _ in range(LONGEST):
        stream.feed("word ")
    assert len(out.getvalue()) > 3 * LONGEST
    assert max(map(len, out.writes)) <= LONGEST
    assert all(write.strip().endswith("word") for write in out.writes), "no half of a word"


def test_lines_are_broken_between_words() -> None:
    shown = told("Alpha beta gamma. Delta " * 20, columns=30)
    assert all(len(line) <= 30 for line in shown.split("\n"))
    assert shown.split() == ("Alpha beta gamma. Delta " * 20).split()


def test_what_is_no_markdown_stays_as_it_is() -> None:
    assert told('{"a": "*b*",\n', '  "c": 1}', raw=True) == '{"a": "*b*",\n  "c": 1}\n'


def test_the_label_stands_before_the_first_word_alone() -> None:
    assert told("", "a", "\n\nb", label="Answer:") == "Answer:\na\n\nb\n"
    assert told("", label="Answer:") == ""


# ---- the line for people


def status(quiet: bool = False, late: float = 1.0) -> tuple[AccessibleStatus, Recorded]:
    out = Recorded()
    return AccessibleStatus(out, quiet, tty=True, late=late), out


def test_lines_have_labels() -> None:
    line, out = status()
    line.note("one · m-1")
    line.note("[stopped]")
    line.warn("look \x1b[2Jhere")
    line.error(ArawnError("It failed", detail="why", hints=("this",)))
    assert out.getvalue() == (
        "Note: one, m-1\nNote: stopped\nWarning: look here\n"
        "Error: It failed\n  it said: why\nCheck:\n  - this\n"
    )
    assert line.fitting(["a" * 200, "b"]) == "a" * 200 + ", b"


def test_quiet_is_quiet() -> None:
    line, out = status(quiet=True)
    line.note("a")
    line.warn("b")
    line.reasoning("c.")
    line.working(lambda: "d")
    line.wait(Wait(3, 3, "429", 2, 3))
    line.clear()
    assert out.getvalue() == ""


def test_waits_are_told_once() -> None:
    line, out = status(late=0.03)
    line.working(lambda: "waiting for one")
    until(lambda: out.getvalue() != "")
    time.sleep(0.15)
    line.stage("thinking")
    until(lambda: "Thinking" in out.getvalue())
    for seconds in (3.0, 2.0, 1.0):
        line.wait(Wait(seconds, 3, "429", 2, 3))
    line.clear()
    line.passing("never")
    time.sleep(0.1)
    assert out.getvalue() == "Waiting for one.\nThinking.\nWaiting 3 s: 429, attempt 2 of 3.\n"


def test_what_is_quick_is_not_told() -> None:
    line, out = status()
    line.working(lambda: "waiting")
    line.clear()
    assert out.getvalue() == ""


def test_reasoning_has_a_label_and_an_end() -> None:
    line, out = status()
    for piece in ("Let me ", "see. So it", " is"):
        line.reasoning(piece)
    assert out.getvalue() == "Reasoning:\nLet me see."
    line.clear()
    assert out.getvalue() == "Reasoning:\nLet me see. So it is\nEnd of reasoning.\n"


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 3
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    assert true()


# ---- where it is chosen, and what else is told in it


@pytest.mark.parametrize(
    ("value", "choice", "wanted"),
    [(None, False, False), ("", False, False), ("0", False, False), ("no", False, False)]
    + [("1", False, True), ("yes", False, True), (None, True, True), ("0", True, True)],
)
def test_who_asks_for_it(value: str | None, choice: bool, wanted: bool) -> None:
    assert accessible_wanted({} if value is None else {"ACCESSIBLE": value}, choice) is wanted


def test_into_a_pipe_goes_the_text_alone() -> None:
    out = io.StringIO()
    sink = Look(tty=False, accessible=True).sink(out, {}, label="Answer from a, b:")
    sink.feed("# a\n")
    sink.close()
    assert out.getvalue() == "# a\n"


def test_the_setting_is_read(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[ui]\naccessible = true\n")
    assert load(env={}, cwd=None, config_file=str(file), flags=()).get("ui.accessible") is True


def test_the_tree_is_told_in_words() -> None:
    session = Session()
    for id, parent, text in (("a", None, "first"), ("b", "a", "second"), ("c", "a", "other")):
        session.turns[id] = Turn(id, parent, (user(text),), Receipt(model="m", finish="stop"))
    session.head = "c"
    session.branches = {"main": "b"}
    assert list(outline(session)) == [
        "Turn 1: first (m)",
        "Turn 2: second (m); end of branch main",
        "Turn 3, after turn 1: other (m); you are here",
    ]


def test_a_session_is_chosen_by_its_number() -> None:
    sessions = [
        Info(id, title, False, 0.0, 0.0, 1, "", "", "", False)
        for id, title in (("x1", "about cats"), ("x2", "about dogs"))
    ]
    said: list[str] = []
    answers = iter(["9", "dogs", "1"])
    assert numbered(sessions, said.append, lambda question: next(answers)) == "x2"
    assert said[0].startswith("1. about cats, ") and said[1].startswith("2. about dogs, ")
    assert said[2].startswith("No session has these words") and said[-1].startswith("1. about dogs")
    assert numbered(sessions, said.append, lambda question: "") == ""


REPLY = ["# Ti", "tle\n\nIt **is", "** so. And", " so on.\n\n|a|b|\n|-|-|\n|1|2|\n"]
SPOKEN = "Heading level 1: Title\n\nIt is so. And so on.\n\nTable, 2 columns: a, b.\nRow 1. a: 1; b: 2"
OURS = re.compile(rb"\x1b|\r(?!\r?\n)|[\xe2\xc2]")


def provider() -> FakeProvider:
    def serve(conn: Conn) -> None:
        if conn.request.path.endswith("/models"):
            json_reply(200, {"data": [{"id": "m-1"}]})(conn)
        else:
            openai_stream(REPLY, usage={"prompt_tokens": 3, "completion_tokens": 9})(conn)

    return FakeProvider(serve)


def argv(*more: str) -> list[str]:
    return [sys.executable, "-P", "-m", "arawn", "-b", "openai", "-m", "m-1", *more]


def asking(env: dict[str, str], fake: FakeProvider, **more: str) -> dict[str, str]:
    return {**env, "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{fake.url}/v1", **more}


@pytest.mark.parametrize("way", ["before", "after", "env", "config"])
def test_ask_on_a_terminal(env: dict[str, str], home: Path, way: str) -> None:
    if way == "config":
        configure(home, "[ui]\naccessible = true\n")
    words = {"before": ("--accessible", "ask", "hi"), "after": ("ask", "hi", "--accessible")}
    more = {"ACCESSIBLE": "1"} if way == "env" else {}
    with provider() as fake:
        variables = asking(env, fake, **more)
        with Term(argv(*words.get(way, ("ask", "hi"))), env=variables, cwd=home) as term:
            assert term.end() == 0
    text = term.raw.decode().replace("\r\n", "\n")
    assert not OURS.search(bytes(term.raw)), "nothing but plain lines"
    assert "Note: openai, m-1 (" in text
    assert f"Answer from openai, m-1:\n{SPOKEN}\nEnd of table.\nNote: openai, m-1, 3 in / 9 out" in text


def test_a_chat_on_a_terminal(env: dict[str, str], home: Path) -> None:
    with provider() as fake:
        variables = asking(env, fake, ACCESSIBLE="1")
        with Term(argv("chat"), env=variables, cwd=home, rows=60) as term:
            term.wait("Backend openai, model m-1").wait("You:").send("hi\r")
            term.wait("Answer from openai, m-1:").wait(SPOKEN.split("\n")[-1]).wait("End of table.")
            term.wait("Note: openai, m-1").until(lambda: term.line.startswith("You:"), "the prompt")
            term.send("/tree\r").wait("Turn 1: hi (m-1); end of branch main; you are here")
            term.until(lambda: term.line.startswith("You:"), "the prompt")
            assert "arawn>" not in term.screen
            term.send("\x04")
            assert term.end() == 0 and term.restored
    answer = bytes(term.raw).partition(b"Answer from")[2].partition(b"Note: ")[0]
    assert not OURS.search(answer), "the answer is plain lines"


def test_a_chat_begins_where_a_number_says(env: dict[str, str], home: Path) -> None:
    with provider() as fake:
        variables = asking(env, fake, ACCESSIBLE="1")
        with Term(argv("ask", "about cats"), env=variables, cwd=home) as term:
            assert term.end() == 0
        with Term(argv("chat"), env=variables, cwd=home, rows=60) as term:
            term.wait("You:").send("/resume\r").wait("1. about cats (m-1), ").wait("Session:")
            term.send("1\r").wait("the last was: about cats").send("\x04")
            assert term.end() == 0


def test_a_fault_is_told_in_lines(env: dict[str, str], home: Path) -> None:
    fake = FakeProvider(json_reply(401, {"error": {"message": "bad key"}}))
    with fake, Term(argv("ask", "hi"), env=asking(env, fake, ACCESSIBLE="1"), cwd=home) as term:
        assert term.end() == 4
    assert not OURS.search(bytes(term.raw)) and "Error: " in term.screen


def test_a_command_and_a_page_of_the_manual_are_plain_lines(env: dict[str, str], home: Path) -> None:
    answer = openai_stream(["```sh\nls -l\n```"])
    variables = {"ACCESSIBLE": "1"}
    with (
        FakeProvider(answer) as fake,
        Term(argv("cmd", "list files"), env=asking(env, fake, **variables), cwd=home) as term,
    ):
        term.wait("[a]bort").send("a")
        term.end()
        assert "ls -l" in term.screen and not OURS.search(bytes(term.raw))
    configure(home, "[ui]\naccessible = true\n")
    with Term(argv("help", "look"), env=env, cwd=home) as term:
        assert term.end() == 0
    assert term.raw.startswith(b"Heading level 1: How it looks\r\n") and b"\x1b" not in term.raw
