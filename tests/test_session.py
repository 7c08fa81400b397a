"""A session as a tree, its drawing, differences between texts, and going on with what broke off: pure parts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.differing import likeness, pieces
from arawn.engine import Conversation, origin_of
from arawn.errors import Cut, Refused
from arawn.events import Attempt, Event, Finish, Reasoning, Text, ToolCall, Usage, collect, total
from arawn.graph import graph
from arawn.messages import Message, Request, TextPart, user
from arawn.money import cost
from arawn.record import message_in, message_out, receipt_in, receipt_out, session_in, session_out
from arawn.render.receipt import lines, money
from arawn.seam import GO_ON, rest, without_overlap
from arawn.session import Receipt, Seam, Session, Turn, title_of


def turn(id: str, parent: str | None, text: str = "", answer: str = "yes", **receipt) -> Turn:
    said = Message("assistant", (TextPart(answer),))
    return Turn(
        id, parent, (user(text or id), said), Receipt("b", "p", "m", **({"finish": "stop"} | receipt))
    )


def tree() -> Session:
    """1 - 2 - 3 [main], 2 - 4 - 5, and 6 beside 1."""
    session = Session("s")
    for id, parent in (("t1", None), ("t2", "t1"), ("t3", "t2")):
        session.add(turn(id, parent))
    session.stand_at("t2")
    session.add(turn("t4", "t2"))
    session.add(turn("t5", "t4"))
    session.stand_at(None)
    session.add(turn("t6", None))
    return session


def test_heads_and_branches() -> None:
    session = tree()
    assert session.branches == {"main": "t3"} and session.branch is None and session.head == "t6"
    session.switch("main")
    assert session.head == "t3" and [one.id for one in session.path()] == ["t1", "t2", "t3"]
    assert session.step_back() == session.turns["t3"] and session.branches == {"main": "t2"}
    session.name_head("alt")
    session.add(turn("t7", "t2"))
    assert session.branches == {"main": "t2", "alt": "t7"}, "only the branch one is on moves"
    assert {one.id for one in session.ends()} == {"t3", "t5", "t6", "t7"}
    assert session.find("4") == session.turns["t4"] and session.find("alt") == session.turns["t7"]
    assert session.find("9") is None and session.find("") is None and session.find("0") is None
    with pytest.raises(KeyError):
        Session().name_head("x")
    assert Session().step_back() is None


def test_graph() -> None:
    session = tree()
    session.switch("main")
    assert list(graph(session)) == [
        "├─● 6  t6 (m)",
        "● 1  t1 (m)",
        "● 2  t2 (m)",
        "├─● 4  t4 (m)",
        "│ ● 5  t5 (m)",
        "● 3  t3 (m) [main] ◀ here",
    ]
    assert all(line.isascii() for line in graph(session, plain=True))
    assert list(graph(Session())) == []


def test_a_long_session_is_drawn_without_recursion() -> None:
    session = Session()
    for number in range(5000):
        session.add(turn(f"t{number}", session.head))
    assert len(list(graph(session))) == 5000 and len(session.path()) == 5000


def test_a_summary_takes_the_place_of_what_is_above() -> None:
    session = tree()
    session.switch("main")
    made = turn("sum", "t3", "in short", "understood")._replace(kind="summary")
    session.add(made)
    session.add(turn("t8", "sum"))
    assert [message.text for message in session.messages] == ["in short", "understood", "t8", "yes"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("\n\n  # A heading\nmore", "# A heading"),
        ("```\ncode here", "code here"),
        ("Explain:\n\n```sh\nls  -la\n```", "Explain: ls -la"),
        ("Explain:\n\n```sh\n```\n", "Explain:"),
        ("a" * 80, "a" * 59 + "…"),
        ("word " * 30, ("word " * 12).strip() + "…"),
        ("", ""),
    ],
)
def test_title_of(text: str, title: str) -> None:
    assert title_of(text) == title and len(title_of(text)) <= 60


TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_pieces_make_both_texts(one: str, other: str) -> None:
    found = list(pieces(one, other))
    assert "".join(piece.text for piece in found if piece.kind != "new") == one
    assert "".join(piece.text for piece in found if piece.kind != "gone") == other
    assert 0 <= likeness(one, other) <= 1 and likeness(one, one) == 1


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=0, max_size=300), st.text(max_size=300), st.integers(0, 300), st.integers(1, 7))
def test_what_is_said_twice_is_said_once(before: str, new: str, back: int, size: int) -> None:
    """A model that begins with the last words once more; the stream may be cut anywhere."""
    again = before[len(before) - min(back, len(before)) :]
    whole = again + new
    events = [Text(whole[at : at + size]) for at in range(0, len(whole), size)] + [
        Usage(1, 1),
        Finish("stop"),
    ]
    came = list(without_overlap(before, iter(events)))
    text = "".join(event.text for event in came if isinstance(event, Text))
    assert text == rest(before, whole) and whole.endswith(text)
    assert came[-1] == Finish("stop") and all(event.text for event in came if isinstance(event, Text))
    if not new and len(again) >= 3:
        assert text == ""


def test_other_events_keep_their_place() -> None:
    call = ToolCall("1", "f", "{}")
    events = [Reasoning("hm"), Text("and "), Text("so"), call, Finish("tool_calls")]
    found = list(without_overlap("this and ", iter(events)))
    assert found == [Reasoning("hm"), Text("so"), call, Finish("tool_calls")]


class Scripted:
    """Answers by a list of replies, and remembers what it was asked."""

    name, model = "b", "m"

    def __init__(self, *replies: list[Event] | list[Event | Exception]) -> None:
        self.replies = list(replies)
        self.asked: list[Request] = []

    def stream(self, request: Request) -> Iterator[Event]:
        self.asked.append(request)
        for event in self.replies.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        """Nothing is open."""


def test_an_answer_that_broke_off_is_gone_on_with() -> None:
    backend = Scripted(
        [Text("one two thr"), Attempt("b", "m", 200, "cut"), Cut("cut")],
        [Text("two thr"), Text("ee four"), Usage(9, 3), Finish("stop")],
    )
    conversation = Conversation(system="be brief")
    with pytest.raises(Cut):
        list(conversation.ask(backend, "count"))
    broken = conversation.session.turns[conversation.session.latest]
    assert broken.unfinished and broken.answer == "one two thr" and broken.receipt.error == "cut"
    new = [event.text for event in conversation.resume(backend, broken) if isinstance(event, Text)]
    assert "".join(new) == "ee four"
    sent = backend.asked[1]
    assert [message.text for message in sent.messages] == ["count", "one two thr", GO_ON]
    assert sent.system == "be brief"
    whole = conversation.session.turns[conversation.session.latest]
    assert whole.answer == "one two three four" and whole.parent == broken.parent
    assert whole.receipt.seams == (Seam(11, "b", "m"),) and not whole.unfinished
    assert [message.role for message in conversation.session.messages] == ["user", "assistant"]


def test_nothing_had_come_so_it_is_asked_again() -> None:
    backend = Scripted([Cut("cut")], [Text("now"), Finish("stop")])
    conversation = Conversation()
    with pytest.raises(Cut):
        list(conversation.ask(backend, "hi"))
    list(conversation.resume(backend, conversation.session.turns["1"]))
    assert len(backend.asked[1].messages) == 1 and conversation.session.turns["2"].answer == "now"


def test_what_was_refused_is_not_sent_again_with_what_follows() -> None:
    backend = Scripted([Refused("no")], [Text("yes"), Finish("stop")])
    conversation = Conversation()
    with pytest.raises(Refused):
        list(conversation.ask(backend, "bad"))
    list(conversation.ask(backend, "good"))
    assert [message.text for message in backend.asked[1].messages] == ["good"]
    assert set(conversation.session.turns) == {"1", "2"}, "it stays in the tree"
    assert conversation.session.turns["1"].receipt.told == "no"


def test_retry_is_a_sibling() -> None:
    backend = Scripted([Text("a"), Finish("stop")], [Text("b"), Finish("stop")])
    conversation = Conversation()
    list(conversation.ask(backend, "hi"))
    list(conversation.retry(backend))
    assert [one.answer for one in conversation.session.children(None)] == ["a", "b"]
    assert conversation.session.branches == {"main": "2"}


def test_times_of_a_receipt_count_what_failed_before() -> None:
    attempts = (
        Attempt("b", "m", 429, "rate_limited", 0, None, 0.5),
        Attempt("b", "m", 200, None, 2.0, 0.25, 1.25),
    )
    receipt = Receipt(attempts=attempts, usage=Usage(5, 50), finish="stop")
    assert receipt.first_event_s == 2.75 and receipt.total_s == 3.75 and receipt.tokens_per_s == 50
    assert Receipt().first_event_s is None and Receipt().tokens_per_s is None
    told = dict(lines(turn("t", None)._replace(receipt=receipt)))
    assert "waited 2.0 s" in told["attempt 2"] and "status 429, rate_limited" in told["attempt 1"]
    assert told["cost"] == "unknown" and "50 out" in told["tokens"]


@pytest.mark.parametrize(
    ("amount", "told"),
    [(None, "unknown"), (0.0, "$0"), (0.00001, "under $0.0001"), (0.0123, "$0.0123"), (12.5, "$12.50")],
)
def test_money(amount: float | None, told: str) -> None:
    assert money(amount) == told


def test_cost_counts_cached_and_dear_tokens() -> None:
    from arawn.catalog import Facts

    facts = Facts("m", "p", input_price=2.0, output_price=10.0, cached_price=0.5)
    assert cost(Usage(1_000_000, 100_000, 400_000), facts) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 1.0)
    dear = facts._replace(dear_from=200_000, dear=(4.0, 20.0, 1.0))
    assert cost(Usage(1_000_000, 100_000, 400_000), dear) == pytest.approx(0.6 * 4 + 0.4 + 2.0)
    assert cost(Usage(100_000, 0), dear) == pytest.approx(0.2)
    assert cost(Usage(None, 5), facts) is None and cost(Usage(5, 5), Facts("m", "p")) is None


def test_records_are_read_back() -> None:
    session = tree()
    session.pinned, session.folder, session.created, session.system = True, "/x", 5.0, "be brief"
    again = session_in(session_out(session))
    assert again.turns == session.turns and again.branches == session.branches and again.head == session.head
    assert (again.pinned, again.folder, again.created, again.system) == (True, "/x", 5.0, "be brief")
    receipt = Receipt("b", "p", "m", usage=Usage(1, 2), attempts=(Attempt("b", "m", 200),), cost_usd=0.0)
    assert receipt_in(receipt_out(receipt)) == receipt
    assert message_in(message_out(user("a\0b\ud800"))).text == "a\ufffdb?"
    for bad in ({}, {"role": "x", "parts": []}, {"role": "user", "parts": 3}, []):
        with pytest.raises(ValueError):
            message_in(bad)


def test_who_answers_is_the_last_asked_or_who_was_at_it_when_the_person_left() -> None:
    reply = collect([Attempt("first", "m1", error="cut"), Text("so far")])
    assert origin_of(reply, Scripted(), stopped=False) == ("first", "m1")
    assert origin_of(reply, Scripted(), stopped=True) == (Scripted.name, Scripted.model)


def test_what_several_requests_took_is_summed_and_what_none_told_stays_unknown() -> None:
    assert total([Usage(1, 2), Usage(3, None, 4)]) == Usage(4, 2, 4)
    assert total([]) == Usage(), "nothing was asked"
