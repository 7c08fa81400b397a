"""What is sent fits the model: the guess and how real counts put it right, refusing, leaving out, summing up."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.context import ContextPlanner, Profile, Rules
from arawn.engine import Conversation
from arawn.errors import ArawnError, ContextFault, Unreachable
from arawn.events import Attempt, Event, Finish, Notice, Text, Usage
from arawn.gauge import Gauge, limits
from arawn.keeping import Keeper, Place
from arawn.keeping import Rules as Keeping
from arawn.messages import FilePart, Message, Request, TextPart, ToolCallPart, ToolResultPart, user
from arawn.ports import Asked, Backend, Planned
from arawn.providers import DIALECTS
from arawn.record import session_in, session_out
from arawn.session import Receipt, Session, Turn, said, standing
from arawn.store.journal import read
from arawn.summary import HEAD, SYSTEM, own_words, pieces
from arawn.tokens import PATCHES, of_file, of_messages, of_picture, of_request, of_text, picture_size

WORDS = "The quick brown fox jumps over the lazy dog and then goes home to sleep. "


class Service:
    """Counts tokens in its own way, refuses what it has no room for, and sums up where it is asked to."""

    def __init__(
        self,
        name: str = "fake",
        window: int = 10**9,
        factor: float = 1.0,
        added: int = 0,
        fails: Callable[[Request], ArawnError | None] = lambda request: None,
        says: str = "",
    ) -> None:
        self.name, self.model = name, "m"
        self.window, self.factor, self.added = window, factor, added
        self.requests: list[Request] = []
        self.counts: list[int] = []
        self._fails = fails
        self._says = says
        self.closed = 0

    def stream(self, request: Request) -> Iterator[Event]:
        self.requests.append(request)
        fault = self._fails(request)
        if fault is not None:
            raise fault
        count = int(of_request(request) * self.factor) + self.added
        self.counts.append(count)
        if count + (request.max_tokens or 0) > self.window:
            yield Attempt(self.name, self.model, 400, "context", total_s=0.1)
            raise ContextFault(
                "The prompt is too long",
                detail=self._says.format(count=count, window=self.window),
            )
        yield Attempt(self.name, self.model, 200, total_s=0.1)
        yield Text("They spoke of foxes." if request.system == SYSTEM else "Indeed. " + WORDS)
        yield Usage(count, 20)
        yield Finish("stop", model=self.model)

    def close(self) -> None:
        self.closed += 1


class Known:
    """What is known of the backends, by name; who is asked is kept in `asked`."""

    def __init__(
        self,
        context: dict[str, int | None] | int | None = None,
        summariser: Backend | ArawnError | None = None,
        larger: tuple[str, ...] = (),
        profile: Profile | None = None,
    ) -> None:
        self._context = context
        self._summariser = summariser
        self._larger = larger
        self._profile = profile or Profile()
        self.asked: list[str] = []

    def profile(self, backend: Backend) -> Profile:
        return self._profile

    def context(self, backend: Backend) -> int | None:
        self.asked.append(backend.name)
        return self._context.get(backend.name) if isinstance(self._context, dict) else self._context

    def summariser(self, backend: Backend) -> Backend:
        if isinstance(self._summariser, ArawnError):
            raise self._summariser
        return self._summariser or backend

    def larger(self, backend: Backend, tokens: int) -> tuple[str, ...]:
        return self._larger


def talk(
    count: int,
    size: int = 100,
    system: str | None = None,
    *,
    planner: ContextPlanner | None = None,
    **more: Any,
) -> Conversation:
    """A conversation of `count` turns, each of about 2 * `size` tokens."""
    session = Session(system=system)
    for number in range(count):
        text = f"Question {number}: " + WORDS * (size // 18)
        answer = Message("assistant", (TextPart(f"Answer {number}: " + WORDS * (size // 18)),))
        session.add(Turn(f"t{number}", session.head, (user(text), answer), Receipt("fake", model="other")))
    return Conversation(session, planner=planner, **more)


def run(conversation: Conversation, backend: Backend, text: str = "And now?") -> tuple[list[str], str]:
    """Ask; the notices and the answer."""
    events = list(conversation.ask(backend, text))
    return (
        [one.text for one in events if isinstance(one, Notice) and not one.text.startswith("summing up ")],
        "".join(event.text for event in events if isinstance(event, Text)),
    )


def roles(request: Request) -> list[str]:
    return [message.role for message in request.messages]


def numbers(request: Request) -> list[int]:
    """The turns that are sent whole."""
    return [
        int(message.text.split(":")[0].split()[1])
        for message in request.messages
        if message.role == "user" and message.text.startswith("Question")
    ]


# Leaving out


def test_the_oldest_turns_are_left_out_whole_and_it_is_said() -> None:
    service = Service(window=2500)
    planner = ContextPlanner(Rules("drop", reserve=500), Known(2500))
    conversation = talk(20, system="Be brief.", planner=planner)
    tree = dict(conversation.session.turns)
    notices, answer = run(conversation, service)
    (request,) = service.requests
    left = numbers(request)
    assert left == list(range(left[0], 20)) and 5 < left[0] < 19, "a run of turns up to the last"
    assert request.messages[-1] == user("And now?") and request.system == "Be brief."
    assert service.counts[0] <= 2000 and answer
    (told,) = notices
    assert told.startswith(f"left out: the {left[0]} oldest turns, about ") and "/context shows it" in told
    assert conversation.session.turns.items() >= tree.items(), "nothing is lost"
    receipt = conversation.session.turns[conversation.session.latest or ""].receipt
    assert receipt.left_out == 2 * left[0]
    assert receipt.estimate == pytest.approx(service.counts[0], abs=1)


def test_calls_go_with_their_results() -> None:
    service = Service()
    session = Session()
    for number in range(6):
        call = ToolCallPart("call_0", "look", "{}")
        messages = (
            user(f"Question {number}:"),
            Message("assistant", (call,)),
            Message("tool", (ToolResultPart("call_0", "look", WORDS * 20),)),
            Message("assistant", (TextPart("So."),)),
        )
        session.add(Turn(str(number), session.head, messages))
    planner = ContextPlanner(Rules("drop", reserve=100), Known(1400))
    conversation = Conversation(session, planner=planner)
    notices, _ = run(conversation, service)
    sent = roles(service.requests[0])
    assert notices and sent == ["user", "assistant", "tool", "assistant"] * (len(sent) // 4) + ["user"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 400), max_size=12),
    st.integers(600, 4000),
    st.sampled_from(["drop", "compact", "refuse"]),
    st.integers(0, 5),
    st.sampled_from([1.0, 1.3, 0.8]),
)
def test_what_is_sent_fits_and_has_the_message_or_nothing_is_sent(
    sizes: list[int], window: int, policy: Any, keep: int, factor: float
) -> None:
    service = Service(window=int(window * 1.35))  # a guess may be wrong by a quarter
    planner = ContextPlanner(Rules(policy, reserve=100, keep=keep), Known(window))
    conversation = Conversation(Session(system="Be brief."), planner=planner)
    for number, size in enumerate(sizes):
        session = conversation.session
        turn = (
            user(f"Question {number}: " + "word " * size),
            Message("assistant", (TextPart("Yes. " * size),)),
        )
        session.add(Turn(f"t{number}", session.head, turn))
    everything = {turn.id for turn in conversation.session.turns.values()}
    try:
        run(conversation, service)
    except ContextFault as fault:
        assert policy == "refuse" and not service.requests and fault.exit_code == 7
        return
    last = service.requests[-1]
    assert last.messages[-1] == user("And now?") and last.system == "Be brief."
    assert roles(last)[::2] == ["user"] * (len(last.messages) // 2 + 1)
    assert set(conversation.session.turns) >= everything
    assert numbers(last) == sorted(numbers(last))


# Refusing


def test_F_NET_12_what_does_not_fit_is_refused_before_it_is_sent() -> None:
    service = Service(window=2500)
    known = Known(2500, larger=("-b big -m huge (1,000,000 tokens)",))
    conversation = talk(20, planner=ContextPlanner(Rules("refuse"), known))
    with pytest.raises(ContextFault) as caught:
        run(conversation, service)
    fault = caught.value
    assert not service.requests and fault.exit_code == 7
    assert "2,500" in fault.sentence and "about 3,3" in fault.sentence and "does not fit" in fault.sentence
    hints = "\n".join(fault.hints)
    assert "-b big -m huge" in hints and "/compact" in hints and "-o context.policy=drop" in hints
    assert conversation.session.head == "t19", "the message is taken back"


def test_a_guess_alone_does_not_refuse_what_may_fit() -> None:
    service = Service(factor=0.7)
    conversation = talk(20, planner=ContextPlanner(Rules("refuse", reserve=100), Known(3400)))
    estimate = of_messages((*conversation.session.messages, user("And now?")))
    assert estimate > 3300, "the guess is a little above"
    notices, answer = run(conversation, service)
    assert answer and not notices


@pytest.mark.parametrize("policy", ["refuse", "drop", "compact"])
def test_a_message_that_no_leaving_out_makes_fit_is_refused(policy: Any) -> None:
    service = Service()
    conversation = talk(3, planner=ContextPlanner(Rules(policy, reserve=100), Known(1000)))
    with pytest.raises(ContextFault) as caught:
        run(conversation, service, WORDS * 200)
    assert all(request.system == SYSTEM for request in service.requests), (
        "nothing but a summary was asked for"
    )
    assert "1,000" in caught.value.sentence
    if policy != "refuse":
        assert "send less" in "\n".join(caught.value.hints)


# Summing up


def compacted(service: Service, count: int = 20, **rules: Any) -> Conversation:
    known = Known(3000, rules.pop("summariser", None))
    return talk(count, planner=ContextPlanner(Rules(**{"reserve": 500, **rules}), known))


def test_older_turns_are_summed_up_and_stay_in_the_tree() -> None:
    service = Service(window=3000)
    conversation = compacted(service, keep=3)
    session = conversation.session
    before = dict(session.turns)
    notices, _ = run(conversation, service)
    summary = next(turn for turn in session.turns.values() if turn.kind == "summary")
    last = service.requests[-1]
    assert session.turns.items() > before.items() and session.path()[-2] == summary
    assert summary.parent == "t19" and summary.kept == 3 and summary.receipt.backend == "fake"
    assert summary.receipt.usage.input == sum(service.counts[:-1]) and summary.receipt.attempts
    assert numbers(last) == [17, 18, 19] and last.messages[-1] == user("And now?")
    assert last.messages[0].text.startswith(HEAD.format(turns="17 turns"))
    assert "They spoke of foxes." in last.messages[0].text and "Question 0:" in last.messages[0].text
    assert roles(last) == ["user", "assistant"] * 4 + ["user"]
    assert notices[0].startswith("summed up: the 17 older turns, ") and "/context" in notices[0]
    assert session.turns[session.latest or ""].prompt.text == "And now?"
    asked = len(service.requests)
    run(conversation, service, "More?")
    assert len(service.requests) == asked + 1, "it is not summed up again at once"


def test_summing_up_goes_in_pieces_that_never_overflow() -> None:
    small = Service("small", window=1000)
    service = Service(window=3000)
    conversation = compacted(service, 40, summariser=small)
    planner = ContextPlanner(Rules(reserve=500), Known({"fake": 3000, "small": 1000}, small))
    conversation.planner = planner
    run(conversation, service)
    assert len(small.requests) > 5 and small.closed == 1
    assert all(request.system == SYSTEM for request in small.requests)
    assert all(count <= 1000 - 2 * 125 for count in small.counts), "each leaves room for its answer"
    heard = "".join(request.messages[0].text for request in small.requests)
    assert all(f"Question {number}:" in heard and f"Answer {number}:" in heard for number in range(36))
    assert "They spoke of foxes." in small.requests[1].messages[0].text, "the summary so far goes along"
    assert [request.system for request in service.requests] == [None]


def test_the_person_s_own_words_are_kept_as_they_are() -> None:
    turns = [Turn(str(n), None, (user(f"I decided on plan {n}. " + "x " * n),)) for n in range(40)]
    kept = own_words(turns, 200)
    assert kept.startswith("- I decided on plan 0.\n") and "plan 39." in kept and "plan 20." not in kept
    assert of_text(kept) < 260
    assert own_words([Turn("1", None, (user("word " * 5000),))], 200).endswith("…")


@pytest.mark.parametrize("late", [False, True], ids=["at once", "in the second piece"])
def test_a_summary_that_fails_costs_no_turn(late: bool) -> None:
    seen = itertools.count()

    def fails(request: Request) -> ArawnError | None:
        return Unreachable("Cannot connect to small") if next(seen) >= late else None

    small = Service("small", fails=fails)
    service = Service(window=3000)
    conversation = compacted(service, 20, summariser=small)
    conversation.planner = ContextPlanner(Rules(reserve=500), Known({"fake": 3000, "small": 2000}, small))
    notices, answer = run(conversation, service)
    assert answer and len(service.requests) == 1
    assert "could not be summed up (Cannot connect to small)" in notices[0] and "left out" in notices[0]
    assert notices[1].startswith("left out: the ")
    assert not any(turn.kind == "summary" for turn in conversation.session.turns.values())
    assert numbers(service.requests[0])[-1] == 19


def test_a_summariser_that_cannot_be_opened_costs_no_turn_either() -> None:
    service = Service(window=3000)
    conversation = compacted(service, summariser=Unreachable("no key"))
    notices, answer = run(conversation, service)
    assert answer and "(no key)" in notices[0] and len(service.requests) == 1


def test_what_still_fits_is_sent_whole_where_summing_up_fails() -> None:
    conversation = talk(16, planner=ContextPlanner(Rules(reserve=100), Known(3000, Unreachable("no key"))))
    service = Service(window=3000)
    notices, _ = run(conversation, service)
    assert "are sent as they are" in notices[0] and len(notices) == 1
    assert numbers(service.requests[0]) == list(range(16))


def test_a_summary_on_a_summary() -> None:
    service = Service(window=3000)
    conversation = compacted(service, keep=2)
    for number in range(40):
        run(conversation, service, f"Question {20 + number}: {WORDS * 5}")
    session = conversation.session
    summaries = [turn for turn in session.turns.values() if turn.kind == "summary"]
    assert len(summaries) > 1
    assert max(service.counts) <= 3000
    again = next(request for request in service.requests[3:] if request.system == SYSTEM)
    assert "They spoke of foxes." in again.messages[0].text.partition("<conversation>")[0]
    assert len([turn for turn in standing(session.path()) if turn.kind == "summary"]) == 1
    assert session.path()[0].id == "t0" and len(said(session.path())) < 60


def test_compact_now_with_a_focus() -> None:
    service = Service()
    conversation = talk(3)
    planner = ContextPlanner(Rules(), Known(100_000))
    told = list(planner.compact(conversation.asked(service, user("")), "the foxes"))
    assert isinstance(told[0], Notice) and told[0].text == "summing up the 3 older turns first, by fake"
    (asked,) = service.requests
    assert "Keep above all what concerns: the foxes" in asked.messages[0].text
    turn = conversation.session.turns[conversation.session.head or ""]
    assert turn.kind == "summary" and turn.receipt.settings["focus"] == "the foxes"
    assert conversation.can_retry and conversation.session.latest == "t2"
    assert list(planner.compact(Conversation().asked(service, user("")))) == []


def test_pieces_lose_nothing() -> None:
    turns = list(talk(5, 400).session.turns.values())
    found = list(pieces(turns, 150))
    assert all(of_text(piece) < 190 for piece in found)
    assert sum(piece.count("fox") for piece in found) >= 200


def test_a_stored_summary_is_one_when_it_comes_back(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, Keeping(), Place("/f", ""), lambda text: None, lambda text: text)
    service = Service(window=3000)
    planner = ContextPlanner(Rules(reserve=500, keep=3), Known(3000), keeper)
    conversation = Conversation(keeper.new(), journal=keeper, planner=planner)
    for number in range(20):
        run(conversation, service, f"Question {number}: {WORDS * 8}")
        journals = [read(path.read_bytes())[1] for path in (tmp_path / "journal").glob("*.jsonl")]
        assert {turn.id: turn.kind for turn in journals}.items() <= {
            id: turn.kind for id, turn in conversation.session.turns.items()
        }.items()
        keeper.settle()
    list(planner.compact(conversation.asked(service, user(""))))
    keeper.settle()
    back = keeper.store.load(conversation.session.id)
    copies = [back, session_in(session_out(back)), keeper.fork(back)]
    keeper.close()
    assert {one.turns[one.latest or ""].prompt.text[:11] for one in copies} == {"Question 19"}, (
        "/retry asks it"
    )
    assert [one.messages for one in copies] == [back.messages] * 3
    assert back.messages == conversation.session.messages and back.head == conversation.session.head
    assert "summary" in {turn.kind for turn in back.turns.values()}
    assert len(back.turns) == len(conversation.session.turns)
    assert len(back.path()) == len(back.turns), "all of it is one line"


# A window that nobody knows


@pytest.mark.parametrize(
    ("says", "fewest"),
    [
        ("This model's maximum context length is {window} tokens. However, you sent {count} tokens", 8),
        ("too long", 5),
    ],
)
def test_what_the_service_refused_is_sent_once_more_with_less(says: str, fewest: int) -> None:
    service = Service(window=2500, says=says)
    conversation = talk(16, planner=ContextPlanner(Rules("drop", reserve=300), Known()))
    notices, answer = run(conversation, service)
    assert answer and len(service.requests) == 2 and len(numbers(service.requests[1])) >= fewest
    assert "refused it as too long" in notices[0] and notices[1].startswith("left out: ")
    receipt = conversation.session.turns[conversation.session.latest or ""].receipt
    assert [attempt.status for attempt in receipt.attempts] == [400, 200] and receipt.left_out
    assert receipt.finish == "stop" and receipt.error is None


@pytest.mark.parametrize(("policy", "turns"), [("refuse", 16), ("drop", 0)])
def test_it_is_not_where_that_is_not_wanted_or_helps_nothing(policy: Any, turns: int) -> None:
    service = Service(window=100)
    conversation = talk(turns, planner=ContextPlanner(Rules(policy), Known()))
    with pytest.raises(ContextFault, match="The prompt is too long"):
        run(conversation, service, WORDS * 10)
    assert len(service.requests) == 1


def test_twice_refused_is_refused() -> None:
    service = Service(window=10)
    conversation = talk(16, planner=ContextPlanner(Rules("drop"), Known()))
    with pytest.raises(ContextFault):
        run(conversation, service)
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("text", "asked", "limit"),
    [
        ("This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens.", 150000, 128000),
        ("prompt is too long: 210000 tokens > 200000 maximum", 210000, 200000),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1200000, 1048576),
        ("the request exceeds the available context size (8192 tokens), n_prompt_tokens 9000", 9000, 8192),
        ("However, you requested 9000 tokens (8000 in the messages, 1000 in the completion). maximum context length is 8,192", 9000, 8192),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", 210000, 200000),
        ("max_tokens must be positive", None, None),
        ("", None, None),
        ("too long", None, None),
    ],
)  # fmt: skip
def test_limits_in_the_words_of_services(text: str, asked: int | None, limit: int | None) -> None:
    assert limits(text) == (asked, limit)


# What costs nothing


def test_a_short_first_prompt_looks_nothing_up() -> None:
    known = Known(100_000)
    service = Service()
    conversation = Conversation(planner=ContextPlanner(Rules(), known))
    run(conversation, service, "Hi")
    assert known.asked == []
    run(conversation, service, "Hi again")
    assert known.asked == ["fake"]


def test_a_window_of_the_config_holds_also_for_a_short_prompt() -> None:
    conversation = Conversation(planner=ContextPlanner(Rules(), Known(profile=Profile(context=50))))
    with pytest.raises(ContextFault, match="its window has 50"):
        run(conversation, Service(), WORDS * 5)


def test_a_backend_without_a_window_gets_everything() -> None:
    service = Service()
    conversation = talk(30, planner=ContextPlanner(Rules("drop"), Known(100, profile=Profile(real=False))))
    run(conversation, service)
    assert len(numbers(service.requests[0])) == 30


@pytest.mark.parametrize(
    ("rules", "profile", "settings", "room"),
    [
        (Rules(reserve=700), Profile(), {}, 9300),
        (Rules(), Profile(), {}, 7500),
        (Rules(), Profile(max_tokens=300), {}, 9700),
        (Rules(), Profile(max_tokens=300), {"max_tokens": 1000}, 9000),
        (Rules(), Profile(), {"max_tokens": 9000}, 5000),
        (Rules(), Profile(max_tokens=300), {"reasoning": 1000}, 8700),
    ],
)
def test_room_for_the_answer(rules: Rules, profile: Profile, settings: dict[str, Any], room: int) -> None:
    planner = ContextPlanner(rules, Known(10_000, profile=profile))
    conversation = Conversation(planner=planner, **settings)
    seen = planner.outlook(conversation.asked(Service(), user("Hi")))
    assert seen.window is not None and seen.window - seen.reserve == room


# The guess


def test_the_guess_converges_to_what_the_service_counts() -> None:
    service = Service(factor=1.7, added=1200)
    conversation = Conversation(planner=ContextPlanner(Rules(), Known(10**6)))
    off = []
    for number in range(8):
        run(conversation, service, f"Question {number}: " + WORDS * (5 + 7 * number))
        receipt = conversation.session.turns[conversation.session.latest or ""].receipt
        off.append(abs((receipt.estimate or 0) - service.counts[-1]) / service.counts[-1])
    assert off[0] > 0.5, "at first it cannot know"
    assert max(off[4:]) < 0.05 and off[-1] < 0.03, off


def test_what_another_service_adds_is_not_taken_over() -> None:
    service, other = Service(factor=1.0, added=1400), Service("other")
    conversation = Conversation(planner=ContextPlanner(Rules(), Known(10**6)))
    run(conversation, service, "Hi")
    planner = ContextPlanner(Rules(), Known(10**6))
    long = user(WORDS * 1000)
    seen = planner.outlook(conversation.asked(other, long))
    assert seen.total == pytest.approx(of_messages((*conversation.session.messages, long)), rel=0.05)
    here = planner.outlook(conversation.asked(service, long))
    assert here.total == pytest.approx(seen.total + 1400, rel=0.05)


def test_counts_without_what_was_cached_are_not_believed() -> None:
    session = Session()
    session.add(Turn("1", None, (user(WORDS * 100),), Receipt("fake", model="m", usage=Usage(12, 3))))
    planner = ContextPlanner(Rules(), Known(10**6))
    conversation = Conversation(session)
    seen = planner.outlook(conversation.asked(Service(), user("Hi")))
    assert seen.total > 1000 and seen.counted is None


def test_outlook_tells_kinds_and_what_would_be_left_out() -> None:
    service = Service()
    conversation = talk(20, system="Be brief. " * 20, planner=ContextPlanner(Rules("drop"), Known(10**6)))
    run(conversation, service)
    planner = ContextPlanner(Rules("drop", reserve=100), Known(2000))
    seen = planner.outlook(conversation.asked(service, user("What?")))
    kinds = dict(seen.kinds)
    assert kinds["system prompt"] > 40 and kinds["turns"] > 3000 and kinds["summary"] == kinds["files"] == 0
    assert sum(kinds.values()) == pytest.approx(seen.total, rel=0.02)
    assert seen.counted is not None and seen.counted[0] == service.counts[0] and seen.window == 2000
    assert seen.counted[1] == pytest.approx(service.counts[0], abs=1)
    assert 5 < seen.left_out < 21 and seen.reserve == 100


def test_plan_yields_what_it_returns() -> None:
    planner = ContextPlanner(Rules("drop", reserve=100), Known(1000))
    conversation = talk(10)
    request = conversation.request((user("Go on."),))
    steps = planner.plan(Asked(conversation.session, "t9", user("Now?"), request, Service()))
    told: list[Event] = []
    planned: Planned | None = None
    while planned is None:
        try:
            told.append(next(steps))
        except StopIteration as stop:
            planned = stop.value
    assert planned.parent == "t9" and planned.messages[-1] == user("Now?") and planned.left_out
    assert len(told) == 1 and (planned.estimate or 0) <= 900


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        (WORDS * 100, 1500, 1800),
        ("def add(left: int, right: int) -> int:\n    return left + right\n\n\n" * 50, 900, 1400),
        ("人人生而自由,在尊严和权利上一律平等。" * 100, 1300, 2100),
        ("Все люди рождаются свободными и равными в своём достоинстве и правах. " * 50, 900, 1800),
        ('{"name":"Ann","tags":["a","b"],"count":12345,"ok":true},' * 50, 1000, 2000),
        ("3.14159265358979323846 " * 100, 800, 1600),
        ("QmFzZTY0IGlzIG5vdCB0ZXh0IGF0IGFsbA" * 100, 1400, 2800),
        ("👍" * 100, 100, 400),
        (" " * 1000 + "x", 10, 200),
        ("", 0, 0),
    ],
    ids=["english", "code", "chinese", "russian", "json", "digits", "base64", "emoji", "blanks", "nothing"],
)
def test_text_costs_about_what_tokenizers_make_of_it(text: str, low: int, high: int) -> None:
    assert low <= of_text(text) <= high


def _jpeg(width: int, height: int) -> bytes:
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08" + size + b"\x01\x01\x11\x00"


def _png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (_png(640, 480), (640, 480)),
        (_jpeg(1024, 768), (1024, 768)),
        (b"GIF89a" + b"\x20\x03\x58\x02" + bytes(4), (800, 600)),
        (b"RIFF....WEBPVP8X" + bytes(8) + b"\xff\x04\x00\xff\x02\x00", (1280, 768)),
        (b"RIFF....WEBPVP8L" + bytes(4) + b"\x2f" + (319 | 239 << 14).to_bytes(4, "little") + bytes(9), (320, 240)),
        (b"RIFF....WEBPVP8 " + bytes(10) + b"\x80\x02\xe0\x01", (640, 480)),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"\xff\xd8\xff\xe0\x00\x00" * 9, None),
        (b"", None),
    ],
)  # fmt: skip
def test_size_of_a_picture(data: bytes, size: tuple[int, int] | None) -> None:
    assert picture_size(data) == size


@pytest.mark.parametrize(
    ("dialect", "size", "tokens"),
    [
        ("openai", (1024, 1024), 765),  # the example of OpenAI's own reference
        ("openai", (2048, 4096), 1105),
        ("openai-responses", (1024, 1024), 765),
        ("anthropic", (1000, 1000), 1334),  # Anthropic's table: 200, 1000 and 1092 pixels square
        ("anthropic", (1092, 1092), 1590),
        ("anthropic", (4000, 4000), 1600),
        ("gemini", (384, 384), 258),
        ("gemini", (1000, 500), 516),
        ("cohere", (280, 280), 100),
        ("openai", None, 1500),
        ("openai", (0, 5), 1500),
    ],
)
def test_tokens_of_a_picture(dialect: str, size: tuple[int, int] | None, tokens: int) -> None:
    rule = DIALECTS[dialect].options.get("pictures", PATCHES)
    assert of_picture(size, rule) == pytest.approx(tokens, abs=1)


def test_tokens_of_other_files() -> None:
    pages = b"%PDF-1.7" + b"<< /Type /Page >>" * 3 + b"<< /Type /Pages >>"
    assert of_file(FilePart(pages, "application/pdf")) == 6000
    assert of_file(FilePart(b"%PDF-1.7" + bytes(120_000), "application/pdf")) == 6000
    assert of_file(FilePart(bytes(16_000 * 60), "audio/mpeg")) == 32 * 60
    assert of_file(FilePart(bytes(32_000 * 60), "audio/wav")) == 32 * 60


# Recorded prompts and what services counted for them

FOLDER = Path(__file__).parents[2] / "shared" / "corpus" / "dev"
recorded = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded prompts at {FOLDER.name}")


def _texts(content: Any) -> str:
    parts = [content] if isinstance(content, str | dict) else content or []
    return "".join(part if isinstance(part, str) else str(part.get("text") or "") for part in parts)


def _prompts() -> Iterator[tuple[str, Request, int]]:
    """(service and model, the request, tokens that it was counted for) of recorded prompts of text alone."""
    for path in sorted(FOLDER.glob("*/*.json")):
        case = json.loads(path.read_text())
        body = case["request"].get("body")
        usage = case["expect"].get("usage") or {}
        if not isinstance(body, dict) or case["request"].get("made_up") or "tools" in body:
            continue
        rows = body.get("messages") or body.get("contents")
        if not isinstance(rows, list) or not usage.get("input") or "elided" in json.dumps(body):
            continue
        told = [row.get("content", row.get("parts")) for row in rows]
        if any(isinstance(part, dict) and not set(part) & {"text"} for one in told for part in one or ()):
            continue
        first = _texts(body.get("system") or (body.get("systemInstruction") or {}).get("parts"))
        messages = tuple(
            Message("user" if row.get("role") in ("user", None) else "assistant", (TextPart(_texts(text)),))
            for row, text in zip(rows, told, strict=True)
        )
        count = usage["input"] + (usage.get("cached") or 0) * (case["api"] == "anthropic.messages")
        yield f"{case['provider']} {case['model']}", Request(messages, first or None), count


@recorded
def test_recorded_prompts_are_guessed_as_they_were_counted() -> None:
    """Where the text is most of what was counted; what some services add is learnt, not guessed."""
    ratios = [count / of_request(request) for _, request, count in _prompts() if of_request(request) >= 50]
    assert len(ratios) > 40
    assert 0.85 < statistics.median(ratios) < 1.15
    assert sum(0.7 < ratio < 1.4 for ratio in ratios) / len(ratios) > 0.75


@recorded
def test_recorded_counts_put_the_guess_right() -> None:
    """Prompts of one model one after another: from the fourth on the guess is nearer, in tokens."""
    plain: list[float] = []
    learnt: list[float] = []
    found: dict[str, list[tuple[Request, int]]] = {}
    for model, request, count in _prompts():
        found.setdefault(model, []).append((request, count))
    for rows in found.values():
        session = Session()
        for number, (request, count) in enumerate(rows[:12]):
            *before, last = request.messages
            gauge = Gauge(session, ("b", "m"), Request(()))
            system = request.system or ""
            prompt = user(system + last.text)
            guess = gauge.of((), (*before, prompt))
            if number >= 3:
                learnt.append(abs(guess - count))
                plain.append(abs(of_messages((*before, prompt)) + 3 - count))
            parent = Turn(f"p{number}", None, tuple(before), Receipt()) if before else None
            if parent is not None:
                session.add(parent)
            receipt = Receipt("b", model="m", usage=Usage(count, 1))
            session.add(Turn(f"t{number}", parent.id if parent else None, (prompt,), receipt))
    assert len(learnt) > 100
    assert statistics.median(learnt) < statistics.median(plain)
    assert statistics.mean(learnt) < 0.8 * statistics.mean(plain)


@recorded
def test_limits_in_recorded_errors() -> None:
    told = []
    for path in sorted(FOLDER.glob("*/*.json")):
        case = json.loads(path.read_text())
        if "error_context" in case["tags"]:
            told.append(limits(case["response"]["body"]))
    assert len(told) > 5
    assert sum(limit is not None for _, limit in told) >= len(told) / 2
    assert all(asked is None or limit is None or asked > limit for asked, limit in told)
