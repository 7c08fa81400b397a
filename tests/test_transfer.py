"""Sessions written and read back in our own forms: nothing may be lost, whatever was said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from transfer_strategies import HOSTILE, PNG, TEXTS, sessions

from arawn.errors import UsageFault
from arawn.events import Attempt, Usage
from arawn.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.record import session_out
from arawn.session import MAIN, Receipt, Seam, Session, Turn
from arawn.transfer import FORMATS, export, read
from arawn.transfer.source import Limits

PHASES = (
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
    Phase.shrink,
)  # explaining a whole session takes minutes
SLOW = settings(max_examples=40, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
WHOLE = ("markdown", "html", "json")


def written(tmp: Path, form: str, made: Iterable[Session]) -> Path:
    path = tmp / f"out.{form}"
    path.write_text("".join(export(made, form)), encoding="utf-8", newline="")
    return path


def back(tmp: Path, form: str, made: Iterable[Session]) -> list[Session]:
    told: list[str] = []
    found = list(read(written(tmp, form, made), tell=told.append))
    assert told == []
    return found


def same(one: Session, other: Session) -> None:
    assert session_out(one) == session_out(other)
    assert list(one.turns.values()) == list(other.turns.values())
    assert one.path() == other.path()


def chat(*turns: tuple[str, str], id: str = "s1") -> Session:
    made = Session(id, system="Be kind.")
    parent = None
    for number, (asked, said) in enumerate(turns, 1):
        messages = (Message("user", (TextPart(asked),)), Message("assistant", (TextPart(said),)))
        turn = Turn(f"turn{number}", parent, messages, Receipt(finish="stop"), 1.7e9 + number, id)
        made.add(turn)
        parent = turn.id
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.mark.parametrize("form", WHOLE)
@SLOW
@given(made=sessions())
def test_a_session_comes_back_whole(folder: Path, form: str, made: Session) -> None:
    (found,) = back(folder, form, [made])
    same(found, made)


@pytest.mark.parametrize("form", WHOLE)
@SLOW
@given(made=st.lists(sessions(), min_size=2, max_size=3))
def test_several_come_back_in_their_order(folder: Path, form: str, made: list[Session]) -> None:
    found = back(folder, form, made)
    assert len(found) == len(made)
    for one, other in zip(found, made, strict=True):
        same(one, other)


@pytest.mark.parametrize("form", WHOLE)
@SLOW
@given(asked=st.text(st.characters(), max_size=20), said=st.text("a\0\ud800\udfff<>-!\\\n", max_size=20))
def test_what_cannot_be_written_is_replaced_and_the_rest_stays(
    folder: Path, form: str, asked: str, said: str
) -> None:
    made = chat((asked, said))
    (found,) = back(folder, form, [made])
    assert session_out(found) == session_out(made)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("form", WHOLE)
def test_a_text_that_looks_like_our_own_marks(tmp_path: Path, form: str, hostile: str) -> None:
    said = f"{hostile}\nbetween\n{hostile}"
    made = chat((hostile, said), (said, hostile))
    made.title = made.system = hostile
    (found,) = back(tmp_path, form, [made])
    same(found, made)


def test_a_text_changed_by_hand_is_what_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "markdown", [chat(("Where is it?", "In the atic."))])
    path.write_bytes(path.read_bytes().replace(b"atic", b"attic").replace(b"\n", b"\r\n"))
    (found,) = read(path)
    assert found.path()[0].answer.strip() == "In the attic."


def test_markdown_shows_what_was_said_and_hides_the_rest(tmp_path: Path) -> None:
    made = chat(("Why?", "Because.\n```py\nx = 1"), ("And then?", "Nothing."))
    made.add(Turn("side", None, (Message("user", (TextPart("Elsewhere"),)),), Receipt(), 0.0, "s1"))
    made.stand_at("turn2")
    text = "".join(export([made], "markdown"))
    shown = re.sub(r"<!-- arawn:.* -->\n", "", text)
    assert (
        shown.index("Why?")
        < shown.index("Nothing.")
        < shown.index("Other branches")
        < shown.index("Elsewhere")
    )
    assert "receipt" not in shown and shown.count("```") == 2


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and the addresses it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.seen = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.seen += data


ALLOWED = """
html head meta title style body article h1 h2 h3 h4 h5 h6 section p div details summary script a img em strong
code pre ul ol li blockquote table thead tbody tr th td s hr br
"""


@SLOW
@given(made=sessions(), said=TEXTS)
def test_a_page_runs_nothing_and_loads_nothing(made: Session, said: str) -> None:
    made.add(Turn("last", None, (Message("user", ()), Message("assistant", (TextPart(said),)))))
    text = "".join(export([made], "html"))
    page = Page()
    page.feed(text)
    page.close()
    for tag, attributes in page.elements:
        assert tag in ALLOWED.split()
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "script" or attributes["type"] == "application/json"
        assert tag not in ("script", "img") or (attributes.get("src") or "data:").startswith("data:")
        if "href" in attributes:
            assert re.match(r"https?://|mailto:", attributes["href"] or "", re.I)
    assert text.count("<script") == 1 == text.count("</script")
    assert "prefers-color-scheme: dark" in text and "@media print" in text and "url(" not in text


def test_a_page_shows_pictures_reasoning_calls_and_branches() -> None:
    made = Session("s1", "A <b>title</b>")
    parts = (
        ReasoningPart("hm"),
        TextPart("**bold** <i>no</i> [a](https://example.org) ![p](https://example.org/x.png)"),
        ToolCallPart("c1", "look", '{"a": 1}'),
    )
    said = (
        Message("user", (FilePart(PNG, "image/png", "p.png"), TextPart("see <this>"))),
        Message("assistant", parts),
        Message("tool", (ToolResultPart("c1", "look", "seen"),)),
    )
    made.add(Turn("one1", None, said, Receipt("b", model="m", finish="stop", cost_usd=0.5)))
    made.add(Turn("two2", None, (Message("user", (TextPart("other"),)),)))
    made.stand_at("one1")
    text = "".join(export([made], "html"))
    for piece in (
        "A &lt;b&gt;title",
        'src="data:image/png;base64,',
        "<strong>bold</strong> &lt;i&gt;no",
        "Other branches",
        "see &lt;this&gt;",
        "$0.5000",
        "hm",
        '<a href="https://example.org/x.png" rel="noreferrer nofollow">p</a>',
    ):
        assert piece in text
    assert "<img" in text and text.count("<img") == 1


def spoken(session: Session) -> list[tuple[str, Any]]:
    """What the training form can hold: texts, files without their names, calls and results."""
    found: list[tuple[str, Any]] = []
    for message in session.messages:
        for part in message.parts:
            if isinstance(part, FilePart):
                part = part._replace(name="")
            if isinstance(part, ToolResultPart):
                part = part._replace(failed=False)
            if not isinstance(part, ReasoningPart):
                found.append((message.role, part))
    return found


LINES = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1)


@SLOW
@given(st.lists(st.tuples(LINES, LINES), min_size=1, max_size=4), st.none() | LINES)
def test_the_training_form_holds_what_was_said(
    folder: Path, turns: list[tuple[str, str]], system: str | None
) -> None:
    made = chat(*turns)
    made.system = system
    (found,) = back(folder, "jsonl", [made])
    assert spoken(found) == spoken(made) and found.system == system
    assert [turn.prompt.text for turn in found.path()] == [asked for asked, _ in turns]


def test_the_training_form_holds_calls_and_pictures(tmp_path: Path) -> None:
    made = chat(("first", "abandoned"))
    made.step_back()
    said = (
        Message(
            "user", (FilePart(PNG, "image/png", "p.png"), FilePart(b"%PDF-1.7", "application/pdf", "d.pdf"))
        ),
        Message("assistant", (ReasoningPart("hm"), ToolCallPart("c1", "look", '{"a": 1}'))),
        Message("tool", (ToolResultPart("c1", "look", "seen"),)),
        Message("assistant", (TextPart("It is a cat."),)),
    )
    made.add(Turn("t2", None, said))
    path = written(tmp_path, "jsonl", [made, Session("empty")])
    (line,) = map(json.loads, path.read_text().splitlines())
    assert [one["role"] for one in line["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert line["messages"][1]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert line["messages"][2]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"a": 1}'}
    assert "abandoned" not in path.read_text()
    (found,) = read(path)
    assert spoken(found) == spoken(made)


def test_the_same_line_has_the_same_id_and_another_has_another(tmp_path: Path) -> None:
    once = back(tmp_path, "jsonl", [chat(("a", "b")), chat(("a", "c"))])
    again = back(tmp_path, "jsonl", [chat(("a", "b"))])
    assert once[0].id == again[0].id != once[1].id and list(once[0].turns) == list(again[0].turns)


def test_nothing_is_a_list_of_nothing() -> None:
    assert json.loads("".join(export([], "json"))) == []
    assert "".join(export([], "jsonl")) == "" == "".join(export([], "markdown"))


def test_forms_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="no export as pdf"):
        export([], "pdf")
    with pytest.raises(UsageFault, match="no import of pdf"):
        next(read(tmp_path, "pdf"))


def broken(form: str, session: Session) -> str:
    """The text of a session that cannot be read any more."""
    text = "".join(export([session], form))
    return text.replace('"version": 1', '"version": 99')


@pytest.mark.parametrize("form", WHOLE)
def test_one_bad_among_many_is_told_and_the_others_are_read(tmp_path: Path, form: str) -> None:
    good = [chat(("a", "b"), id="one1"), chat(("c", "d"), id="two2")]
    if form == "json":
        text = json.dumps(
            [session_out(good[0]), {"arawn": "session", "version": 99}, 7, session_out(good[1])]
        )
    else:
        one, two = ("".join(export([each], form)) for each in good)
        text = one + broken(form, chat(("x", "y"))) + two
    path = tmp_path / "many"
    path.write_text(text)
    told: list[str] = []
    assert [one.id for one in read(path, tell=told.append)] == ["one1", "two2"]
    assert told[0].startswith("session 2 is passed over: it is of version 99")


def test_a_list_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    path = written(tmp_path, "json", [chat(("a", "b"), id="one1"), chat(("c", "d"), id="two2")])
    path.write_text(path.read_text()[:-200])
    told: list[str] = []
    assert [one.id for one in read(path, tell=told.append)] == ["one1"]
    assert "nothing is read behind session 1" in told[0]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../etc"},
        {"id": "a b"},
        {"id": 7},
        {"turns": [{"id": "x" * 65, "parent": None, "messages": [{"role": "user", "parts": []}]}]},
        {
            "turns": [
                {"id": "aaaa", "parent": "bbbb", "messages": [{"role": "user", "parts": []}]},
                {"id": "bbbb", "parent": "aaaa", "messages": [{"role": "user", "parts": []}]},
            ]
        },
        {"turns": [{"id": "aaaa", "parent": "aaaa", "messages": [{"role": "user", "parts": []}]}]},
    ],
)
def test_ids_that_are_none_and_circles_are_not_taken(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(session_out(chat(("a", "b"))) | change))
    with pytest.raises(UsageFault, match="no conversation"):
        list(read(path))


def test_what_is_no_session(tmp_path: Path) -> None:
    pdf = tmp_path / "a.pdf"
    pdf.write_bytes(b"%PDF-1.7\n\x00\x01")
    empty = tmp_path / "empty"
    empty.touch()
    some = tmp_path / "some.txt"
    some.write_text("Hello")
    for path, says in (
        (pdf, "of no form"),
        (empty, "is empty"),
        (some, "of no form"),
        (tmp_path / "gone", "No such file"),
        (tmp_path / ("x" * 300), "name too long"),
    ):
        with pytest.raises(UsageFault, match=says):
            list(read(path))
    with pytest.raises(UsageFault, match="larger than 3 bytes"):
        list(read(some, limits=Limits(file=3)))


def test_every_form_is_told_by_its_content(tmp_path: Path) -> None:
    for form in FORMATS:
        path = tmp_path / "no-ending"
        path.write_text("".join(export([chat(("a", "b")), chat(("c", "d"), id="s2")], form)))
        assert len(list(read(path))) == 2
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert len(list(read(path))) == 2
        assert MAIN in next(read(path)).branches


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, "markdown", [chat(("a", "caf?"))])
    path.write_bytes(path.read_bytes().replace(b"caf?", b"caf\xe9"))
    told: list[str] = []
    (found,) = read(path, tell=told.append)
    assert found.path()[0].answer == "caf\ufffd" and "not all UTF-8" in told[0]


def test_a_receipt_with_every_field_comes_back(tmp_path: Path) -> None:
    """A field that is added to a receipt or an attempt must be written and read as well."""
    attempt = Attempt(*("b", "m", 429, "rate_limited", 1.0, 2.0, 3.0), reset_s=4.0, hold="h", left=5)
    receipt = Receipt(
        *("b", "p", "m", "stop", "raw", "cut", "told", Usage(*range(1, 1 + len(Usage._fields)))),
        attempts=(attempt,),
        settings={"temperature": 1},
        estimate=5,
        left_out=6,
        cost_usd=7.0,
        prices="2026-11-01",
        seams=(Seam(8, "b", "m"),),
    )
    for value in (receipt, attempt, receipt.usage):
        plain = type(value)("b", "m") if isinstance(value, Attempt) else type(value)()
        same_fields = [name for name in value._fields[2:] if getattr(value, name) == getattr(plain, name)]
        assert not same_fields, f"{type(value).__name__} has fields that nothing tries: {same_fields}"
    made = Session("s1")
    made.add(Turn("turn", None, (Message("user", (TextPart("q"),)),), receipt, 1.0, "s1"))
    for form in WHOLE:
        (found,) = back(tmp_path, form, [made])
        assert found.turns["turn"].receipt == receipt
