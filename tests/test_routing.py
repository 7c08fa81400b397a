"""Who is asked, in which order, how often and how long, where backends fail: every fault, every strategy."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fake_provider import (
    Behaviour,
    FakeProvider,
    anthropic_stream,
    dump,
    openai_stream,
    sse,
    stall,
    torn,
)
from routing_kit import FAULTS, KEYS, TEXT, Clock, Kit, answer, error, late, nobody_asks, served

from arawn.backends.health import Health
from arawn.backends.race import Race
from arawn.backends.router import Candidate, Policy, Ready, Router, by_speed, by_weight
from arawn.backends.scripted import Scripted
from arawn.catalog import Facts
from arawn.engine import Conversation
from arawn.errors import (
    ArawnError,
    AuthFault,
    ConfigFault,
    Cut,
    EmptyAnswer,
    Overloaded,
    RateLimited,
    TimedOut,
)
from arawn.events import Attempt, Event, Finish, Reasoning, Reply, Text, ToolCall, Usage, collect
from arawn.messages import (
    FilePart,
    Format,
    Message,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolSpec,
    user,
)
from arawn.ports import Backend
from arawn.routing import several
from arawn.session import Seam, Turn

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import routing

ASK = Request((user("hi"),))
LLM = {
    "fallback": "",
    "round-robin": 'strategy = "round-robin"',
    "weighted": 'strategy = "weighted"\nweights = {a = 1, b = 0}',
    "cost-optimized": 'strategy = "cost-optimized"',
    "fastest": 'strategy = "fastest"',
}
HEDGE = 'strategy = "hedge"\nhedge_after = "10s"'
PRICES = {"a": Facts("m-a", "custom", input_price=1.0, output_price=1.0)}


class Came:
    """What came of one question."""

    def __init__(self, backend: Backend, request: Request = ASK) -> None:
        self.events: list[Event] = []
        self.fault: ArawnError | None = None
        began = time.monotonic()
        try:
            for event in backend.stream(request):
                self.events.append(event)
        except ArawnError as fault:
            self.fault = fault
        self.spent = time.monotonic() - began
        self.reply: Reply = collect(self.events)
        backend.close()

    @property
    def attempts(self) -> list[tuple[str, str | None]]:
        return [(one.backend, one.error) for one in self.reply.attempts]

    @property
    def told(self) -> list[str]:
        return [one.text for one in self.reply.notices]


def spoken(router: Router | Race) -> tuple[Turn, Reply]:
    """One turn in a conversation, and what came."""
    conversation = Conversation()
    try:
        reply = collect(conversation.ask(router, "hi"))
    finally:
        router.close()
    return conversation.session.turns["1"], reply


def counts(fakes: Sequence[FakeProvider]) -> list[int]:
    return [len(fake.requests) for fake in fakes]


def no_key_elsewhere(fakes: Sequence[FakeProvider]) -> None:
    """Each fake got its own key and no other."""
    for own, fake in zip("abc", fakes, strict=False):
        for request in fake.requests:
            seen = repr(request.headers) + request.body.decode("utf-8", "replace")
            assert KEYS[own] in seen
            assert not [key for name, key in KEYS.items() if name != own and key in seen]


# --- one fails, the other answers


@pytest.mark.parametrize("strategy", [*LLM, "hedge", "race"])
@pytest.mark.parametrize("name", FAULTS)
def test_one_fails_and_the_other_stands_in(tmp_path: Path, name: str, strategy: str) -> None:
    fault = FAULTS[name]
    with served(fault.serve, late if strategy == "race" else answer()) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm=LLM.get(strategy, HEDGE))
        kit.facts = PRICES
        came = Came(kit.race("a", "b") if strategy == "race" else kit.routed())
    asked_a = 0 if fault.serve is None else 1
    no_key_elsewhere(fakes)
    if strategy == "race":
        assert counts(fakes) == [asked_a, 1] and came.reply.text == TEXT
        assert came.attempts[-1] == ("b", None) and [one for one, _ in came.attempts] == ["a", "b"]
        assert [line for line in came.told if "m-a" in line], "who lost, and why, is told"
        return
    assert kit.clock.now == 0, "nothing is waited for where another may answer"
    if not fault.switches:
        assert counts(fakes) == [1, 0] and came.fault is not None and came.fault.code == fault.code
        assert came.attempts == [("a", fault.code)] and not came.told
        return
    assert counts(fakes) == [asked_a, 1] and came.fault is None and came.reply.text == TEXT
    assert came.attempts == [("a", fault.code), ("b", None)]
    assert len(came.told) == 1 and "m-a" in came.told[0] and came.told[0].endswith("; asking b · m-b")
    assert came.spent < 2


# --- many asks


@pytest.mark.parametrize("kind", routing.KINDS)
def test_a_thousand_asks_under_faults_are_all_answered_once(tmp_path: Path, kind: str) -> None:
    made = routing.storm(tmp_path, 1000, **routing.KINDS[kind])
    assert (made.whole, made.twice, made.untold) == (1000, 0, 0)
    assert made.faults >= (150 if routing.KINDS[kind] else 3) and made.requests == 1000 + made.faults


def test_routing_costs_less_than_a_millisecond(tmp_path: Path) -> None:
    alone, routed = routing.overhead(tmp_path, 60)
    more = statistics.median(after - before for before, after in zip(alone, routed, strict=True))
    assert more <= routing.MOST_MS


# --- nobody answers: the last one alone is asked again


@pytest.mark.parametrize("strategy", [*LLM, "hedge"])
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.switches])
def test_all_fail(tmp_path: Path, name: str, strategy: str) -> None:
    fault = FAULTS[name]
    with served(fault.serve, fault.serve) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm=LLM.get(strategy, HEDGE))
        kit.facts = PRICES
        came = Came(kit.routed())
    again = 3 if fault.retried else 1
    assert counts(fakes) == ([0, 0] if fault.serve is None else [1, again])
    assert came.attempts == [("a", fault.code)] + [("b", fault.code)] * again
    assert came.fault is not None and came.fault.code == fault.code
    waits = {"429 after 20 s": 44.0}.get(name, 3.0 if fault.retried else 0.0)
    assert kit.clock.now == pytest.approx(waits), "1 s, then 2 s; or what the service asked for"
    no_key_elsewhere(fakes)


@pytest.mark.parametrize(
    ("llm", "asked", "waited"),
    [
        ("", [1, 1, 3], 3.0),
        ("fallback.max_retries = 0", [1, 1, 1], 0.0),
        ("fallback.max_retries = 1", [2, 2, 2], 3.0),
        ("fallback.max_retries = 3\nfallback.retry_delay_ms = 100", [4, 4, 4], 3 * 0.7),
        ("fallback.enabled = false", [3, 0, 0], 3.0),
        ("fallback.on = ['rate_limited']", [1, 0, 0], 0.0),
    ],
)
def test_the_promised_number_of_requests(tmp_path: Path, llm: str, asked: list[int], waited: float) -> None:
    with served(error(503), error(503), error(503)) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm=llm)
        if "enabled" in llm:
            assert several(kit.parts, None, None) is None
            came = Came(kit.open("a", None, None, True).backend)
        else:
            came = Came(kit.routed())
    assert counts(fakes) == asked and kit.clock.now == pytest.approx(waited)
    assert len(came.attempts) == sum(asked), "the receipt has all attempts"


def test_a_table_of_its_own_goes_over_the_common_number(tmp_path: Path) -> None:
    with served(error(503), answer()) as fakes:
        more = '[backends.a.retry]\nmax_attempts = 2\ninitial_delay = "100ms"\n'
        came = Came(Kit(tmp_path, [fake.url for fake in fakes], more).routed())
    assert counts(fakes) == [2, 1] and came.reply.text == TEXT


def test_a_long_wait_is_not_borne_where_another_may_answer(tmp_path: Path) -> None:
    with served(error(429, retry_after="31"), answer()) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm="fallback.max_retries = 3")
        came = Came(kit.routed())
    assert counts(fakes) == [1, 1] and kit.clock.now == 0 and came.reply.text == TEXT


def test_the_same_backend_twice_is_asked_once(tmp_path: Path) -> None:
    with served(error(503), error(503)) as fakes:
        llm = 'fallback_backends = ["b", "a", "b", "b:m-b", "a:m-a"]'
        kit = Kit(tmp_path, [fake.url for fake in fakes])
        kit.config.values["llm"]["fallback_backends"] = ["b", "a", "b", "b:m-b", "a:m-a"]
        Came(kit.routed())
    assert counts(fakes) == [1, 3], llm


# --- the middle of an answer


CUTS: dict[str, Behaviour] = {
    "torn": torn(openai_stream(["It is ", "a who"]), 2),
    "no end mark": openai_stream(["It is ", "a who"], finish=None, done=False),
    "silence": stall(openai_stream(["It is ", "a who"]), 2),
    "overloaded": openai_stream(["It is ", "a who"], finish=None, done=False).__class__(
        [*openai_stream(["It is ", "a who"], finish=None, done=False).events,
         sse({"error": {"message": "Overloaded", "type": "overloaded_error", "code": 503}})]
    ),
}  # fmt: skip


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_in_the_middle_is_the_end_unless_it_is_to_go_on(tmp_path: Path, cut: str) -> None:
    with served(CUTS[cut], answer()) as fakes:
        came = Came(Kit(tmp_path, [fake.url for fake in fakes]).routed())
    assert counts(fakes) == [1, 0] and came.reply.text == "It is a who" and came.fault is not None


@pytest.mark.parametrize("again", ["le answer.", "a whole answer.", "It is a whole answer."])
@pytest.mark.parametrize("cut", CUTS)
def test_another_goes_on_without_saying_a_word_twice(tmp_path: Path, cut: str, again: str) -> None:
    with served(CUTS[cut], answer(again)) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm="fallback.mid_stream = true")
        turn, reply = spoken(kit.routed())
    assert reply.text == turn.answer == TEXT and counts(fakes) == [1, 1]
    assert turn.receipt.seams == (Seam(len("It is a who"), "b", "m-b"),)
    assert (turn.receipt.backend, turn.receipt.finish, turn.receipt.error) == ("b", "stop", None)
    assert [one.backend for one in turn.receipt.attempts] == ["a", "b"]
    assert [one.text for one in reply.notices if one.text.endswith("; continued by b · m-b")]
    sent = fakes[1].requests[0].json["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "user"] and sent[1][
        "content"
    ] == "It is a who"
    no_key_elsewhere(fakes)


def test_three_write_one_answer(tmp_path: Path) -> None:
    with served(
        torn(openai_stream(["It is "]), 1), torn(openai_stream(["a whole"]), 1), answer("a whole answer.")
    ) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm="fallback.mid_stream = true")
        turn, reply = spoken(kit.routed())
    assert (
        reply.text == TEXT
        and turn.receipt.seams == (Seam(6, "b", "m-b"), Seam(13, "c", "m-c"))
        and counts(fakes) == [1, 1, 1]
    )


def test_one_that_can_t_go_on_is_left_out_of_the_seams(tmp_path: Path) -> None:
    with served(torn(openai_stream(["It is "]), 1), error(503), answer("a whole answer.")) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm="fallback.mid_stream = true")
        turn, reply = spoken(kit.routed())
    assert reply.text == TEXT
    assert turn.receipt.seams == (Seam(6, "c", "m-c"),)
    assert [(one.backend, one.error) for one in turn.receipt.attempts] == [
        ("a", "cut"), ("b", "overloaded"), ("c", None),
    ]  # fmt: skip


def test_json_is_never_gone_on_with(tmp_path: Path) -> None:
    with served(torn(openai_stream(['{"a": ', "1"]), 2), answer("}")) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm="fallback.mid_stream = true")
        came = Came(kit.routed(), ASK._replace(format=Format()))
    assert counts(fakes) == [1, 0] and came.fault is not None


def two(first: Sequence[Event | Exception], second: Sequence[Event | Exception], *, mid: bool = True, **more):
    """A Router over two that play these events, and who was asked."""
    backends = [
        Scripted(script, name=name, model=f"m-{name}") for name, script in (("a", first), ("b", second))
    ]
    candidates = [Candidate(one.name, one.model, lambda last, one=one: Ready(one)) for one in backends]
    on = frozenset(more.pop("on", ("unreachable", "timeout", "overloaded")))
    return Router(candidates, Policy(on, mid), Health(None)), backends


def attempt(name: str, fault: str | None = None) -> Attempt:
    return Attempt(name, f"m-{name}", 200, fault)


GOOD = [Text("good"), Finish("stop"), attempt("b")]


@pytest.mark.parametrize("end", [ToolCall("toolu_1", "f", "{}"), Finish("stop")])
def test_a_tool_call_or_an_end_is_never_gone_on_with(end: Event) -> None:
    router, (_, second) = two([Text("so"), end, attempt("a", "cut"), Cut("gone")], GOOD)
    assert isinstance(Came(router).fault, Cut) and not second.requests


def test_reasoning_of_one_never_carries_the_signature_of_another() -> None:
    signed = {"signature": "SECRET-OF-A"}
    router, _ = two(
        [Reasoning("hm", signed), Reasoning("well"), attempt("a", "cut"), Cut("gone")],
        [Reasoning("so", {"signature": "OF-B"}), *GOOD],
    )
    conversation = Conversation()
    assert collect(conversation.ask(router, "hi")).text == "good"
    parts = conversation.session.messages[-1].parts
    assert [part.opaque for part in parts if isinstance(part, ReasoningPart)] == [None, None]


def test_a_whole_answer_of_one_keeps_its_signature() -> None:
    router, _ = two(
        [attempt("a", "overloaded"), Overloaded("no")], [Reasoning("so", {"signature": "OF-B"}), *GOOD]
    )
    conversation = Conversation()
    collect(conversation.ask(router, "hi"))
    kept = [part for part in conversation.session.messages[-1].parts if isinstance(part, ReasoningPart)]
    assert kept[0].opaque == {"signature": "OF-B"} and kept[0].origin == ("b", "m-b")


# --- answers with nothing in them


EMPTY: list[Event | Exception] = [Finish("stop"), attempt("a")]


@pytest.mark.parametrize(
    ("events", "on", "code"),
    [
        (EMPTY, "empty", "empty"),
        ([Text(" \n"), *EMPTY], "", None),
        ([Finish("content_filter"), attempt("a")], "refused", "refused"),
        ([Finish("stop", refusal="no"), attempt("a")], "refused", "refused"),
        ([Finish("error"), attempt("a")], "unreachable", "cut"),
        ([attempt("a", "empty"), EmptyAnswer("a page")], "empty", "empty"),
    ],
)
def test_an_answer_with_nothing_in_it(events, on: str, code: str | None) -> None:
    router, (_, second) = two(events, GOOD, mid=False, on=("cut", on) if on != "unreachable" else (on,))
    came = Came(router)
    assert len(second.requests) == (code is not None)
    assert came.attempts == ([("a", code), ("b", None)] if code else [("a", None)])
    kept, _ = two(events, GOOD, mid=False, on=("rate_limited",))
    assert Came(kept).attempts[0][0] == "a", "by default it is left as it is"


def test_an_empty_answer_by_default_is_the_engine_s_to_judge(tmp_path: Path) -> None:
    with served(openai_stream([]), answer()) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes])
        with pytest.raises(EmptyAnswer):
            spoken(kit.routed())
        assert counts(fakes) == [1, 0]
        kit.config.values["llm"]["fallback"] = {"on": ["empty"]}
        assert spoken(kit.routed())[1].text == TEXT
    assert counts(fakes) == [2, 1]


# --- capabilities


PNG = FilePart(b"\x89PNG", "image/png", "a.png")


@pytest.mark.parametrize(
    ("request_", "facts", "why"),
    [
        (Request((user("see", (PNG,)),)), {"vision": False}, "it takes no image"),
        (ASK._replace(tools=(ToolSpec("f", "", {}),)), {"tools": False}, "it calls no tools"),
        (Request((user("word " * 20_000),)), {"context": 8000}, "do not fit its window of 8,000"),
    ],
)
@pytest.mark.parametrize("strategy", ["fallback", "fastest", "hedge", "race"])
def test_what_one_cannot_take_goes_to_the_other(tmp_path: Path, request_, facts, why, strategy) -> None:
    with served(answer("wrong"), answer()) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], llm=LLM.get(strategy, HEDGE))
        kit.facts = {"a": Facts("m-a", "custom", **facts)}
        came = Came(kit.race("a", "b") if strategy == "race" else kit.routed(), request_)
    assert counts(fakes) == [0, 1] and came.reply.text == TEXT
    assert len(came.told) == 1 and "a · m-a is passed over" in came.told[0] and why in came.told[0]


def test_where_none_takes_it_the_first_is_asked_and_that_is_told(tmp_path: Path) -> None:
    with served(answer(), answer()) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes])
        kit.facts = {name: Facts("m", "custom", context=10) for name in "ab"}
        came = Came(kit.routed(), Request((user("word " * 5000),)))
    assert counts(fakes) == [1, 0] and "a · m-a is asked all the same" in came.told[-1]


def test_a_picture_does_not_reach_a_blind_model_when_its_answer_is_gone_on_with(tmp_path: Path) -> None:
    from arawn.seam import ask_to_go_on

    with served(answer("wrong"), answer()) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes])
        kit.facts = {"a": Facts("m-a", "custom", vision=False)}
        Came(kit.routed(), Request((user("see", (PNG,)), *ask_to_go_on("It shows"))))
    assert counts(fakes) == [0, 1]


# --- nothing of one reaches another


def test_what_belongs_to_one_never_reaches_another(tmp_path: Path) -> None:
    """Signatures stay at home and ids of calls are made to fit, whoever stands in."""
    said = (
        user("hi"),
        Message("assistant", (
            ReasoningPart("thought", {"signature": "SIG-OF-A", "reasoning_details": [{"data": "SIG-OF-A"}]}, ("a", "m-a")),
            TextPart("I call"),
            ToolCallPart("call:of/a", "f", "{}", {"thought_signature": "SIG-OF-A"}, ("a", "m-a")),
        )),
    )  # fmt: skip
    from arawn.messages import ToolResultPart

    messages = (*said, Message("tool", (ToolResultPart("call:of/a", "f", "done"),)), user("go on"))
    for dialect, behave in (("openai", answer()), ("anthropic", anthropic_stream([TEXT]))):
        with served(error(503), behave) as fakes:
            kit = Kit(tmp_path, [fake.url for fake in fakes], f'dialect = "{dialect}"\n')
            came = Came(kit.routed(), Request(messages))
        assert came.reply.text == TEXT, came.fault
        body = fakes[1].requests[0].body.decode()
        assert "SIG-OF-A" not in body and KEYS["a"] not in repr(fakes[1].requests[0].headers)
        assert "call:of/a" not in body or dialect == "openai"


def test_the_request_is_written_anew(tmp_path: Path) -> None:
    with served(error(529), anthropic_stream([TEXT])) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], 'dialect = "anthropic"\nsystem = "Be b."\n')
        Came(kit.routed(), ASK)
    assert fakes[0].requests[0].json["messages"] == [{"role": "user", "content": "hi"}]
    assert fakes[1].requests[0].path == "/v1/messages" and fakes[1].requests[0].json["model"] == "m-b"
    assert "Be b." in dump(fakes[1].requests[0].json).decode()


def test_one_that_can_t_be_asked_at_all_is_told_and_passed_over(tmp_path: Path) -> None:
    with served(answer(), answer()) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes])
        kit.config.values["backends"]["a"]["api_key"] = "$env:NOT_THERE"
        came = Came(kit.routed())
    assert counts(fakes) == [0, 1] and "NOT_THERE" in came.told[0] and came.told[0].endswith("asking b · m-b")


@pytest.mark.parametrize("strategy", ["fallback", "hedge"])
def test_a_spare_that_can_t_be_asked_takes_nothing_away(tmp_path: Path, strategy: str) -> None:
    """The one that is left is asked again as ever, and its fault is the one that is raised."""
    with served(error(503)) as fakes:
        kit = Kit(tmp_path, [fakes[0].url], llm=LLM.get(strategy, HEDGE))
        kit.config.values["llm"]["fallback_backends"] = ["openai"]  # there is no key for it
        came = Came(kit.routed())
    assert counts(fakes) == [3] and isinstance(came.fault, Overloaded) and not came.told


def test_a_first_one_that_can_t_be_asked_is_told(tmp_path: Path) -> None:
    with served(answer()) as fakes:
        kit = Kit(tmp_path, [fakes[0].url])
        kit.config.values["llm"] |= {"backend": "openai", "fallback_backends": ["a"]}
        came = Came(kit.routed())
    assert came.reply.text == TEXT and came.told == [
        'openai · ?: No key for backend "openai"; asking a · m-a'
    ]


def test_where_none_can_be_asked_the_first_says_why(tmp_path: Path) -> None:
    kit = Kit(tmp_path, ["http://x"])
    kit.config.values["llm"] |= {"backend": "openai", "fallback_backends": ["groq"]}
    came = Came(kit.routed())
    assert isinstance(came.fault, ConfigFault)


def test_the_guide_may_stand_in(tmp_path: Path) -> None:
    with served(error(503)) as fakes:
        kit = Kit(tmp_path, [fakes[0].url])
        kit.config.values["llm"]["fallback_backends"] = ["guide"]
        came = Came(kit.routed(), Request((user("How do I set a key?"),)))
    assert counts(fakes) == [1] and came.reply.text and came.fault is None


# --- strategies: who is first


def firsts(kit: Kit, times: int) -> str:
    return "".join(kit.routed().name for _ in range(times))


def test_round_robin_goes_on_over_runs(tmp_path: Path) -> None:
    kit = Kit(tmp_path, ["http://x"] * 3, llm=LLM["round-robin"])
    assert firsts(kit, 4) == "abca"
    kit.health.save()
    again = Kit(tmp_path, ["http://x"] * 3, llm=LLM["round-robin"])
    assert firsts(again, 3) == "bca"


def test_weights_share_the_work(tmp_path: Path) -> None:
    kit = Kit(tmp_path, ["http://x"] * 3, llm='strategy = "weighted"\nweights = {a = 3, b = 1, c = 0}')
    said = firsts(kit, 500)
    assert 0.65 < said.count("a") / 500 < 0.85 and said.count("c") == 0


def test_weights_by_a_known_chance() -> None:
    candidates = [
        Candidate(name, "m", lambda last: Ready(Scripted()), weight=w) for name, w in (("a", 1), ("b", 4))
    ]
    chances = iter([0.5, 0.5])
    assert [one.name for one in by_weight(lambda: next(chances))(candidates, Health(None))] == ["b", "a"]


def test_the_cheapest_is_first_and_the_unknown_last(tmp_path: Path) -> None:
    kit = Kit(tmp_path, ["http://x"] * 3, llm=LLM["cost-optimized"])
    kit.facts = {
        name: Facts("m", "custom", input_price=price, output_price=price)
        for name, price in (("a", 3.0), ("c", 1.0))
    }
    router = kit.routed()
    assert isinstance(router, Router) and [one.name for one in router._next or ()] == ["c", "a", "b"]


def test_the_fastest_is_first_and_the_unmeasured_is_tried() -> None:
    health = Health(None, Clock(1000))
    candidates = [Candidate(name, "m", lambda last: Ready(Scripted())) for name in "abcd"]
    for name, seconds in (("a", 0.9), ("b", 0.3)):
        health.note(Attempt(name, "m", 200, None, first_event_s=seconds, total_s=1))
    health.note(Attempt("d", "m", 401, "auth"))
    assert "".join(one.name for one in by_speed(candidates, health)) == "cbad", (
        "one that failed just now is last"
    )


# --- hedge and race


class Slow:
    """A backend that answers when it is let, and notes that it was closed and whether it asked on."""

    def __init__(self, name: str, *, words: Sequence[str] = ("slow",), hold: bool = True) -> None:
        self.name, self.model = name, f"m-{name}"
        self.let = threading.Event()
        if not hold:
            self.let.set()
        self.words = words
        self.asked = self.said = 0
        self.aborted = threading.Event()
        self.closed = threading.Event()

    def stream(self, request: Request) -> Iterator[Event]:
        self.asked += 1
        try:
            while not self.let.wait(0.005):
                if self.aborted.is_set():
                    raise TimedOut("ended")
            for word in self.words:
                self.said += 1
                yield Text(word)
            yield Usage(1, 1)
            yield Finish("stop")
            yield Attempt(self.name, self.model, 200, None, first_event_s=0.1, total_s=0.2)
        finally:
            self.closed.set()

    def close(self) -> None:
        """Nothing is open."""

    def candidate(self, cost: str = "$1") -> Candidate:
        return Candidate(
            self.name, self.model, lambda last: Ready(self, self.aborted.set), cancelled=lambda request: cost
        )


def test_hedge_asks_one_alone_that_is_quick() -> None:
    first, second = Slow("a", hold=False), Slow("b", hold=False)
    came = Came(Race([first.candidate(), second.candidate()], 5.0, Health(None)))
    assert (first.asked, second.asked) == (1, 0) and came.reply.text == "slow" and not came.told


def test_hedge_asks_a_second_after_silence_and_cancels_the_loser() -> None:
    first, second, third = Slow("a"), Slow("b", hold=False, words=("quick", " one")), Slow("c", hold=False)
    before = set(threading.enumerate())
    health = Health(None)
    race = Race([one.candidate() for one in (first, second, third)], 0.05, health)
    came = Came(race)
    assert came.reply.text == "quick one" and (first.asked, second.asked, third.asked) == (1, 1, 0)
    assert came.told[0] == "a · m-a is slow; asking b · m-b too"
    assert "a · m-a is cancelled after 0." in came.told[1] and "its cost is $1" in came.told[1]
    assert came.attempts == [("a", "cancelled"), ("b", None)], "the receipt has all attempts"
    assert first.closed.wait(2) and first.said == 0 and nobody_asks(before)
    assert health.of("a", "m-a").asked == 0 and health.of("b", "m-b").asked == 1
    assert (race.name, race.model) == ("b", "m-b")


def test_at_most_two_at_once() -> None:
    slow = [Slow(name) for name in "abc"]
    threading.Timer(0.3, slow[0].let.set).start()
    came = Came(Race([one.candidate() for one in slow], 0.03, Health(None)))
    assert [one.asked for one in slow] == [1, 1, 0] and came.reply.text == "slow"
    assert came.spent >= 0.25


def test_a_race_asks_all_at_once_and_each_once() -> None:
    slow = [Slow(name, hold=name != "c") for name in "abc"]
    before = set(threading.enumerate())
    came = Came(Race([one.candidate() for one in slow], 0.0, Health(None)))
    assert came.reply.text == "slow" and [one.asked for one in slow] == [1, 1, 1]
    assert sorted(came.attempts[:2]) == [("a", "cancelled"), ("b", "cancelled")] and came.attempts[2] == (
        "c",
        None,
    )
    assert nobody_asks(before) and len([line for line in came.told if "is cancelled" in line]) == 2


def test_a_race_that_all_lose_raises_the_fault_of_the_last(tmp_path: Path) -> None:
    with served(error(401), error(503)) as fakes:
        came = Came(Kit(tmp_path, [fake.url for fake in fakes]).race("a", "b"))
    assert len(fakes[0].requests) == 1 and 1 <= len(fakes[1].requests) <= 3
    assert came.fault is not None and len(came.attempts) == sum(counts(fakes))


def test_an_end_without_a_beginning_does_not_win() -> None:
    empty = Scripted([Finish("stop"), attempt("a")], name="a", model="m-a")
    other = Slow("b")
    threading.Timer(0.1, other.let.set).start()
    race = Race([Candidate("a", "m-a", lambda last: Ready(empty)), other.candidate()], 0.0, Health(None))
    came = Came(race)
    assert came.reply.text == "slow" and came.attempts == [("a", "empty"), ("b", None)]


@pytest.mark.parametrize("after", [0.0, 0.02])
@pytest.mark.parametrize("said", [0, 1])
def test_who_leaves_a_race_ends_it(after: float, said: int) -> None:
    """A reader that goes away (Ctrl-C) before the first word, or in the middle."""
    slow = [Slow(name, words=("x",) * 1000) for name in "ab"]
    before = set(threading.enumerate())
    events = Race([one.candidate() for one in slow], after, Health(None)).stream(ASK)
    if said:
        slow[0].let.set()
        while not isinstance(next(events), Text):
            pass
        began = time.monotonic()
        events.close()
    else:
        began = time.monotonic()
        import signal

        previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        try:
            with pytest.raises(KeyboardInterrupt):
                list(events)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - began < 3 and nobody_asks(before)
    assert all(one.closed.is_set() for one in slow if one.asked)


def test_one_that_is_cancelled_while_it_opens_asks_nothing() -> None:
    opening, go = threading.Event(), threading.Event()
    late, quick = Slow("a", hold=False), Slow("b")

    def open_(last: bool) -> Ready:
        opening.set()
        go.wait(5)
        return Ready(late, late.aborted.set)

    before = set(threading.enumerate())
    race = Race([Candidate("a", "m-a", open_), quick.candidate()], 0.0, Health(None))
    opening_then = threading.Timer(0.05, quick.let.set)
    opening_then.start()
    came = Came(race)
    assert opening.is_set() and came.reply.text == "slow"
    go.set()
    assert nobody_asks(before) and late.asked == 0


@pytest.mark.parametrize("stage", ["before headers", "before the first event"])
def test_a_cancelled_request_is_hung_up(tmp_path: Path, stage: str) -> None:
    """Over HTTP: the service sees its client leave at once, long before any limit."""
    left: list[float] = []
    asked = threading.Event()

    def hanging(conn) -> None:
        asked.set()
        if stage != "before headers":
            conn.head()
        left.append(conn.wait_gone(10))

    def quick(conn) -> None:
        asked.wait(10)  # one that was not asked yet has nobody to leave
        answer()(conn)

    with served(hanging, quick) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes], more="")
        kit.config.values["limits"] = {"first_event": 20.0, "idle": 20.0, "connect": 2.0}
        came = Came(kit.race("a", "b"))
        until = time.monotonic() + 10
        while not left and time.monotonic() < until:
            time.sleep(0.01)
    assert came.reply.text == TEXT and left and left[0] < 5


def test_two_models_of_one_backend_race_each_other(tmp_path: Path) -> None:
    """The loser alone is cancelled, though both have the same name."""

    def by_model(conn) -> None:
        if conn.request.json["model"] == "slow":
            conn.wait_gone(10)
        else:
            time.sleep(0.1)
            answer()(conn)

    with served(by_model) as fakes:
        kit = Kit(tmp_path, [fakes[0].url])
        kit.config.values["limits"] = {"first_event": 20.0, "idle": 20.0, "connect": 2.0}
        came = Came(kit.race("a:slow", "a:quick"))
    assert came.reply.text == TEXT and came.reply.attempts[-1].model == "quick"


# --- what is known of their health


def test_one_that_rests_is_asked_last_and_that_is_told(tmp_path: Path) -> None:
    for strategy in (*LLM, "hedge"):
        with served(answer("wrong"), answer()) as fakes:
            kit = Kit(tmp_path, [fake.url for fake in fakes], llm=LLM.get(strategy, HEDGE))
            kit.facts = PRICES
            kit.health.note(Attempt("a", "m-a", 429, "rate_limited", reset_s=60))
            router = kit.routed()
            assert (router.name, router.model) == ("b", "m-b")
            came = Came(router)
        assert counts(fakes) == [0, 1] and came.reply.text == TEXT, strategy
        assert came.told == ["a · m-a is asked last: rate_limited, for 60 s more"]


def test_where_all_rest_they_are_asked_as_ever(tmp_path: Path) -> None:
    with served(answer(), answer("wrong")) as fakes:
        kit = Kit(tmp_path, [fake.url for fake in fakes])
        for name in "ab":
            kit.health.note(Attempt(name, f"m-{name}", 429, "rate_limited", reset_s=60))
        came = Came(kit.routed())
    assert counts(fakes) == [1, 0] and not came.told


def test_connections_are_kept_over_turns(tmp_path: Path) -> None:
    with served(error(503), answer()) as fakes:
        router = Kit(tmp_path, [fake.url for fake in fakes]).routed()
        for _ in range(5):
            assert collect(router.stream(ASK)).text == TEXT
        router.close()
    assert counts(fakes) == [3, 5], "after three failures in a row it is left in peace"
    assert fakes[1].connections <= 2, "one as the last that is left, one as the first"


def test_who_is_at_it_when_the_reader_leaves() -> None:
    """Who wrote a part that nobody waited for the end of is known by name."""
    router, _ = two([attempt("a", "overloaded"), Overloaded("no")], [Text("good"), Text("more"), *GOOD])
    conversation = Conversation()
    events = conversation.ask(router, "hi")
    while not isinstance(next(events), Text):
        pass
    events.close()
    receipt = conversation.session.turns["1"].receipt
    assert (receipt.backend, receipt.model, receipt.finish) == ("b", "m-b", "interrupted")


def test_ctrl_c_asks_nobody_else() -> None:
    def interrupted(request: Request) -> Iterator[Event]:
        raise KeyboardInterrupt
        yield

    second = Scripted(GOOD, name="b")
    first = Scripted(interrupted, name="a")
    router = Router(
        [Candidate("a", "m-a", lambda last: Ready(first)), Candidate("b", "m-b", lambda last: Ready(second))],
        Policy(frozenset(("unreachable",))), Health(None),
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        list(router.stream(ASK))
    assert not second.requests


def test_faults_of_ours_are_no_reason_to_ask_another() -> None:
    from arawn.errors import Internal

    router, (_, second) = two([Internal("ours")], GOOD)
    assert isinstance(Came(router).fault, Internal) and not second.requests


@pytest.mark.parametrize("fault", [AuthFault("x"), RateLimited("x"), ConfigFault("x")])
def test_only_what_is_listed_makes_another_stand_in(fault) -> None:
    for on in ((), ("auth",), ("rate_limited",)):
        router, (_, second) = two([attempt("a", fault.code), fault], GOOD, on=on)
        Came(router)
        assert len(second.requests) == (fault.code in on or isinstance(fault, ConfigFault))
