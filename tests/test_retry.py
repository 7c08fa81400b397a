"""When the same request is made again, how long is waited before, and how that is told."""

from __future__ import annotations

import pytest
from routing_kit import Clock

from arawn.backends.routing import Retry, RetryPolicy
from arawn.backends.scripted import Scripted
from arawn.errors import (
    ArawnError,
    AuthFault,
    ContextFault,
    Cut,
    Internal,
    ModelFault,
    Overloaded,
    RateLimited,
    Refused,
    SecretFault,
    TimedOut,
    Unreachable,
)
from arawn.events import Attempt, Event, Finish, Notice, Reasoning, Text, ToolCall, Usage, Wait
from arawn.messages import Request, user

ASK = Request((user("hi"),))
WHOLE: list[Event] = [Text("ok"), Finish("stop"), Attempt("b", "m", 200)]


def failing(fault: Exception, *before: Event) -> list[Event | Exception]:
    return [*before, Attempt("b", "m", 500, "x"), fault]


def run(*scripts, policy: RetryPolicy | None = None, chance: float = 1.0):
    clock, inner = Clock(), Scripted(*scripts)
    retry = Retry(inner, policy or RetryPolicy(), clock.sleep, clock, lambda: chance)
    events: list[Event] = []
    error = None
    try:
        for event in retry.stream(ASK):
            events.append(event)
    except ArawnError as raised:
        error = raised
    retry.close()
    return events, error, clock.now, len(inner.requests)


def test_nothing_is_added_where_nothing_fails() -> None:
    assert run(WHOLE) == (WHOLE, None, 0.0, 1)


FAULTS = [
    (Unreachable("x"), 3), (TimedOut("x"), 3), (Cut("x"), 3), (Overloaded("x"), 3), (RateLimited("x"), 3),
    (AuthFault("x"), 1), (ModelFault("x"), 1), (ContextFault("x"), 1), (Refused("x"), 1),
    (Refused("x", retryable=True), 3), (Overloaded("x", retryable=False), 1),
    (RateLimited("x", retryable=False), 1), (SecretFault("x"), 1), (Internal("x"), 1),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "requests"), FAULTS)
def test_F_NET_17_what_is_asked_again(fault, requests) -> None:
    _, error, waited, made = run(failing(fault))
    assert error is fault and made == requests and waited <= 30


@pytest.mark.parametrize("most", [1, 2, 5])
def test_F_NET_17_the_first_attempt_counts(most) -> None:
    policy = RetryPolicy(max_attempts=most, initial_delay=0.1)
    assert run(failing(Overloaded("x")), policy=policy)[3] == most


@pytest.mark.parametrize("piece", [Text("a"), Reasoning("a"), ToolCall("1", "f", "{}"), Finish("stop")])
def test_F_NET_25_never_after_something_was_shown(piece) -> None:
    events, error, waited, made = run(failing(Cut("x"), piece), WHOLE)
    assert made == 1 and waited == 0 and isinstance(error, Cut) and events[0] == piece


@pytest.mark.parametrize("piece", [Usage(1, 2), Notice("n")])
def test_what_shows_no_answer_does_not_hinder(piece) -> None:
    assert run(failing(Cut("x"), piece), WHOLE)[3] == 2


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_waits_grow_with_full_jitter(chance) -> None:
    events, _, waited, _ = run(failing(Overloaded("x")), policy=RetryPolicy(4, 1.0, 3.0, 2.0), chance=chance)
    told = [event.waited_s for event in events if isinstance(event, Attempt)]
    assert told == pytest.approx([0, 1 * chance, 2 * chance, 3 * chance])
    assert waited == pytest.approx(6 * chance)


def test_F_NET_17_all_waits_together_are_bounded() -> None:
    _, error, waited, made = run(failing(Overloaded("x")), policy=RetryPolicy(9, 20.0, 20.0, 1.0))
    assert isinstance(error, Overloaded) and waited == pytest.approx(20) and made == 2


@pytest.mark.parametrize(("chance", "waits"), [(0.0, 7.0), (1.0, 7.7)])
def test_F_NET_13_the_wait_that_is_asked_for(chance, waits) -> None:
    events, error, waited, made = run(failing(RateLimited("slow", retry_after=7.0)), WHOLE, chance=chance)
    assert error is None and waited == pytest.approx(waits) and made == 2
    told = [event for event in events if isinstance(event, Wait)]
    assert len(told) >= 7 * 3 and told[0].total == pytest.approx(waits)
    assert [event.remaining for event in told] == sorted((event.remaining for event in told), reverse=True)
    assert (told[0].reason, told[0].attempt, told[0].of) == ("slow", 2, 3)


def test_F_NET_13_a_wait_that_is_asked_for_may_be_longer_than_ours() -> None:
    _, error, waited, _ = run(failing(RateLimited("x", retry_after=100.0)), WHOLE, chance=0)
    assert error is None and waited == pytest.approx(100)


def test_no_wait_at_all() -> None:
    events, error, waited, _ = run(failing(RateLimited("x", retry_after=0.0)), WHOLE)
    assert error is None and waited == 0 and not [event for event in events if isinstance(event, Wait)]


@pytest.mark.parametrize(
    ("asked", "said"), [(121.0, "2 min"), (3600.0, "60 min"), (86400.0, "24 h"), (1e9, "277778 h")]
)
def test_F_NET_15_too_long_a_wait_stops_and_says_when(asked, said) -> None:
    fault = RateLimited("x", retry_after=asked, hints=("other",))
    _, error, waited, made = run(failing(fault))
    assert error is fault and waited == 0 and made == 1
    assert said in fault.hints[0] and fault.hints[1] == "other"


def test_ctrl_c_ends_a_wait() -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    inner = Scripted(failing(Overloaded("x")))
    with pytest.raises(KeyboardInterrupt):
        list(Retry(inner, RetryPolicy(), interrupted, Clock(), lambda: 1.0).stream(ASK))
    assert len(inner.requests) == 1


def test_a_reader_that_leaves_during_a_wait_ends_it() -> None:
    inner, clock = Scripted(failing(Overloaded("x"))), Clock()
    events = Retry(inner, RetryPolicy(), clock.sleep, clock, lambda: 1.0).stream(ASK)
    while not isinstance(next(events), Wait):
        pass
    events.close()
    assert len(inner.requests) == 1 and clock.now == 0


def test_a_reader_that_leaves_closes_what_is_inside() -> None:
    closed: list[bool] = []

    def script(_: Request):
        try:
            yield Text("a")
            yield Text("b")
        finally:
            closed.append(True)

    events = Retry(Scripted(script), RetryPolicy()).stream(ASK)
    next(events)
    events.close()
    assert closed == [True]


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        list(Retry(Scripted([ZeroDivisionError()]), RetryPolicy()).stream(ASK))


def test_names_pass_through() -> None:
    retry = Retry(Scripted(name="n", model="m"), RetryPolicy())
    assert (retry.name, retry.model) == ("n", "m")


def test_scripted_plays_its_scripts_in_turn_and_the_last_again() -> None:
    scripted = Scripted("one", [Text("two"), Finish("length")])
    played = [[event for event in scripted.stream(ASK)] for _ in range(3)]
    assert played[0] == [Text("one"), Finish("stop", "stop", "scripted")]
    assert played[1] == played[2] == [Text("two"), Finish("length")]
    assert scripted.requests == [ASK] * 3
