"""`[budget]`: no answer is asked that would pass a limit, whatever was spent by whom."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream
from home import configure
from hypothesis import given, settings
from hypothesis import strategies as st
from term import Term

from arawn.budget import Guard, Needs
from arawn.catalog import Facts
from arawn.errors import ArawnError, AuthFault, BudgetFault, Cut, StoreFault, Unreachable
from arawn.events import Attempt, Event, Finish, Notice, Text, Usage, Wait
from arawn.messages import Message, Request, TextPart, user
from arawn.money import cost
from arawn.quote import projected
from arawn.session import Receipt, Session, Turn
from arawn.store.ledger import Ledger
from arawn.store.sessions import Store

FACTS = Facts("m", "p", input_price=10.0, output_price=100.0)  # 1,000 tokens of answer are $0.10
NOW = 1_763_700_000.0
ASK = Request((user("Say something."),))


class Answering:
    """A backend whose answers have as many tokens as it is told, and no more than it is allowed."""

    name, model = "paid", "m"

    def __init__(self, tokens: int = 1000, fault: ArawnError | None = None, counted: bool = True) -> None:
        self.tokens, self.fault, self.counted = tokens, fault, counted
        self.asked: list[Request] = []
        self.closed = False

    def stream(self, request: Request) -> Iterator[Event]:
        self.asked.append(request)
        if self.fault is not None and not isinstance(self.fault, Cut):
            raise self.fault
        yield Text("word " * 50)
        if self.fault is not None:
            raise self.fault
        if self.counted:
            yield Usage(20, min(self.tokens, request.max_tokens or self.tokens))
        yield Finish("stop")
        yield Attempt(self.name, self.model, 200)

    def close(self) -> None:
        self.closed = True


def guard(folder: Path, inner: Answering, limits: dict, **more) -> Guard:
    needs = Needs(limits, lambda: FACTS, more.pop("said", {}), lambda: Ledger(folder), **more)
    return Guard(inner, needs._replace(clock=lambda: NOW, sleep=lambda seconds: None))


def spent(folder: Path, session: str = "") -> float:
    ledger = Ledger(folder)
    with ledger.alone() as page:
        page.settle()
        found = page.spent(0.0, session=session)
    ledger.close()
    return found.known + found.held


def keep(
    folder: Path, usd: float, at: float = NOW, backend: str = "paid", attempts: tuple[Attempt, ...] = ()
) -> None:
    store = Store(folder, print)
    made = Session(f"s{at}{backend}{usd}")
    said = (user("q"), Message("assistant", (TextPart("a"),)))
    made.add(
        Turn(
            f"t{at}{backend}{usd}", None, said, Receipt(backend, cost_usd=usd, attempts=attempts), at, made.id
        )
    )
    store.put(made, made.turns.values())
    store.close()


def run(backend: Guard, request: Request = ASK) -> list[Event]:
    try:
        return list(backend.stream(request))
    finally:
        backend.close()


def told(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


def test_within_the_limits_an_answer_is_asked_and_counted(tmp_path: Path) -> None:
    inner = Answering(500)
    events = run(guard(tmp_path, inner, {"per_day": 10.0, "per_turn": 1.0}))
    assert any(isinstance(event, Attempt) and event.hold for event in events) and inner.closed
    assert spent(tmp_path) == pytest.approx(20 * 10e-6 + 500 * 100e-6)
    assert not told(events)


@pytest.mark.parametrize(
    ("limits", "when", "backend", "refused"),
    [
        ({"per_day": 1.0}, NOW, "paid", True),
        ({"per_day": 1.0}, NOW, "another", True),
        ({"per_day": 1.0}, NOW - 2 * 86400, "paid", False),
        ({"per_month": 1.0}, NOW - 2 * 86400, "paid", True),
        ({"per_month": 1.0}, NOW - 40 * 86400, "paid", False),
        ({"per_turn": 0.05}, NOW, "paid", True),
        ({"backends": {"paid": {"per_day": 1.0}}}, NOW, "paid", True),
        ({"backends": {"paid": {"per_month": 1.0}}}, NOW - 2 * 86400, "paid", True),
        ({"backends": {"paid": {"per_day": 1.0}}}, NOW, "another", False),
        ({"backends": {"another": {"per_day": 0.01}}}, NOW, "paid", False),
        ({"per_session": 0.5}, NOW, "paid", False),
    ],
)
def test_what_the_store_says_was_spent_counts(
    tmp_path: Path, limits: dict, when: float, backend: str, refused: bool
) -> None:
    keep(tmp_path, 0.95, when, backend)
    inner = Answering()
    if not refused:
        run(guard(tmp_path, inner, limits))
        assert len(inner.asked) == 1
        return
    with pytest.raises(BudgetFault, match="Nothing was asked") as caught:
        run(guard(tmp_path, inner, limits))
    assert not inner.asked and caught.value.exit_code == 7
    assert any("-o budget." in hint for hint in caught.value.hints)


def test_a_session_has_its_own_limit(tmp_path: Path) -> None:
    for session, expected in (("one", 3), ("two", 3)):
        inner = Answering(1000)
        made = guard(tmp_path, inner, {"per_session": 0.35})
        with pytest.raises(BudgetFault, match="per_session"):
            for _ in range(9):
                list(made.stream(ASK._replace(session=session)))
        made.close()
        assert len(inner.asked) == expected and spent(tmp_path, session) <= 0.35
    # without a session (nothing is stored) the run is one
    inner = Answering(1000)
    made = guard(tmp_path, inner, {"per_session": 0.35})
    with pytest.raises(BudgetFault):
        for _ in range(9):
            list(made.stream(ASK))
    assert len(inner.asked) == 3


def test_what_is_stored_is_counted_once(tmp_path: Path) -> None:
    events = run(guard(tmp_path, Answering(1000), {"per_day": 5.0}))
    attempts = tuple(event for event in events if isinstance(event, Attempt))
    before = spent(tmp_path)
    keep(tmp_path, before, attempts=attempts)
    assert spent(tmp_path) == pytest.approx(before)
    with sqlite3.connect(tmp_path / "budget.db") as db:
        assert db.execute("SELECT count(*) FROM hold").fetchone() == (0,)
    db.close()


def test_what_was_deleted_was_spent_all_the_same(tmp_path: Path) -> None:
    keep(tmp_path, 0.6)
    keep(tmp_path, 0.35, backend="another")
    store = Store(tmp_path, print)
    store.delete([info.id for info in store.listing()])
    assert not store.listing()
    store.close()
    for limits in ({"per_day": 1.0}, {"per_month": 1.0}, {"backends": {"paid": {"per_day": 0.65}}}):
        with pytest.raises(BudgetFault):
            run(guard(tmp_path, Answering(), limits))
    run(guard(tmp_path, Answering(10), {"backends": {"paid": {"per_day": 0.75}}}))


def test_the_answer_is_kept_to_what_is_left(tmp_path: Path) -> None:
    keep(tmp_path, 0.8)
    inner = Answering(1_000_000)
    events = run(guard(tmp_path, inner, {"per_day": 1.0}))
    (asked,) = inner.asked
    assert asked.max_tokens is not None and 1900 < asked.max_tokens <= 2000
    assert spent(tmp_path) <= 1.0 and "room for an answer" in told(events)


def test_a_longest_answer_of_the_person_stays(tmp_path: Path) -> None:
    inner = Answering()
    run(guard(tmp_path, inner, {"per_day": 1.0}, said={"max_tokens": 5000}))
    run(guard(tmp_path, inner, {"per_day": 1.0}), ASK._replace(max_tokens=300))
    assert [one.max_tokens for one in inner.asked] == [None, 300]
    with pytest.raises(BudgetFault):
        run(guard(tmp_path, inner, {"per_day": 1.0}), ASK._replace(max_tokens=10_000))


def test_thinking_is_part_of_the_answer(tmp_path: Path) -> None:
    price = projected(ASK._replace(reasoning="high", max_tokens=100), FACTS, {}, NOW)
    assert price and price.length == 100 + 24576
    with pytest.raises(BudgetFault):
        run(guard(tmp_path, Answering(), {"per_turn": 1.0}), ASK._replace(reasoning="high"))


@pytest.mark.parametrize(
    ("fault", "counted", "least", "most"),
    [
        (AuthFault("no"), True, 0.0, 0.0),
        (Unreachable("no"), True, 0.0, 0.0),
        (Cut("cut"), True, 0.001, 0.02),  # the prompt and what came, by our guess
        (None, False, 0.001, 0.02),
    ],
)
def test_what_failed_costs_what_it_may_have_cost(
    tmp_path: Path, fault: ArawnError | None, counted: bool, least: float, most: float
) -> None:
    made = guard(tmp_path, Answering(1000, fault, counted), {"per_day": 10.0})
    if fault is not None:
        with pytest.raises(type(fault)):
            run(made)
    else:
        run(made)
    assert least <= spent(tmp_path) <= most


def test_an_answer_that_is_stopped_is_counted(tmp_path: Path) -> None:
    made = guard(tmp_path, Answering(), {"per_day": 10.0})
    events = made.stream(ASK)
    assert isinstance(next(events), Text)
    events.close()
    made.close()
    assert 0.001 < spent(tmp_path) < 0.02


def test_an_unknown_price_is_said_once_and_counts_as_nothing(tmp_path: Path) -> None:
    made = guard(tmp_path, Answering(), {"per_turn": 0.0001})
    made = Guard(Answering(), made._needs._replace(facts=lambda: Facts("m", "p")))
    first, second = run(made), run(made)
    assert told(first).count("price of m is not known") == 1 and not told(second)
    free = Guard(
        Answering(), made._needs._replace(facts=lambda: Facts("m", "p", input_price=0.0, output_price=0.0))
    )
    assert not told(run(free)) and not (tmp_path / "budget.db").exists()


def test_warn_goes_on_and_says_so(tmp_path: Path) -> None:
    keep(tmp_path, 0.95)
    inner = Answering()
    events = run(guard(tmp_path, inner, {"per_day": 1.0, "action": "warn"}))
    assert len(inner.asked) == 1 and inner.asked[0].max_tokens is None
    assert "budget.per_day = $1" in told(events) and spent(tmp_path) > 1.0


@pytest.mark.parametrize(("before", "level"), [(0.0, ""), (0.75, "80%"), (0.86, "95%")])
def test_80_and_95_percent_are_told(tmp_path: Path, before: float, level: str) -> None:
    keep(tmp_path, before)
    made = guard(tmp_path, Answering(10), {"per_day": 1.0})
    first, second = list(made.stream(ASK)), list(made.stream(ASK))
    made.close()
    assert (f"over {level}" in told(first)) if level else not told(first)
    assert "over" not in told(second) or level != "95%"


@pytest.mark.parametrize("yes", [True, False])
def test_ask_asks(tmp_path: Path, yes: bool) -> None:
    inner = Answering()
    made = guard(tmp_path, inner, {"per_turn": 0.01, "action": "ask"}, agreed=lambda: yes)
    if yes:
        assert "Ask all the same?" in told(run(made)) and len(inner.asked) == 1
    else:
        with pytest.raises(BudgetFault):
            run(made)
        assert not inner.asked


def test_cheaper_goes_on_with_another(tmp_path: Path) -> None:
    inner, other = Answering(), Answering()
    other.name, other.model = "cheap", "tiny"
    wanted: list[float] = []

    def cheaper(request: Request, usd: float) -> Answering:
        wanted.append(usd)
        return other

    made = guard(tmp_path, inner, {"per_turn": 0.01, "action": "cheaper"}, cheaper=cheaper)
    events = run(made)
    assert not inner.asked and len(other.asked) == 1 and other.closed and wanted == [0.01]
    assert "cheap · tiny answers instead" in told(events)
    with pytest.raises(BudgetFault):
        run(guard(tmp_path, inner, {"per_turn": 0.01, "action": "cheaper"}))


def test_answers_under_way_hold_what_they_may_cost(tmp_path: Path) -> None:
    """What is held is waited for; what it was held for too much is free again."""
    one, two = Answering(10), Answering(10)
    first = guard(tmp_path, one, {"per_day": 0.15}, said={"max_tokens": 1000})
    under_way = first.stream(ASK)
    next(under_way)
    second = guard(tmp_path, two, {"per_day": 0.15}, said={"max_tokens": 1000})
    events = second.stream(ASK)
    assert isinstance(next(events), Wait) and not two.asked
    list(under_way)
    assert any(isinstance(event, Finish) for event in events) and two.asked
    first.close()
    second.close()


@pytest.mark.parametrize("asked", ["ASK", "ASK._replace(max_tokens=1000)"])
def test_what_a_killed_process_held_is_likely_spent_and_no_more(tmp_path: Path, asked: str) -> None:
    """And nobody waits for it to be given back: who would pass the limit is told so at once."""
    script = (
        "import sys, os; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from test_budget import *\n"
        "made = guard(Path(sys.argv[1]), Answering(), {'per_day': 100.0})\n"
        f"events = made.stream({asked}); next(events); os.kill(os.getpid(), 9)\n"
    )
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(here), str(here.parent)], check=False
    )
    assert done.returncode == -9
    assert spent(tmp_path) == pytest.approx(0.1, rel=0.05)
    events = guard(tmp_path, Answering(), {"per_day": 0.15}).stream(ASK)
    with pytest.raises(BudgetFault):
        assert not isinstance(next(events), Wait)


LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "per_turn": st.floats(0.15, 2), "per_session": st.floats(0.15, 3), "per_day": st.floats(0.15, 4),
        "per_month": st.floats(0.15, 4),
    },
)  # fmt: skip
TURNS = st.lists(
    st.tuples(
        st.integers(0, 60_000), st.sampled_from([None, 200, 4000]), st.sampled_from(["s1", "s2", ""]),
        st.sampled_from(["answer", "stop", "cut", "auth", "uncounted"]), st.text(max_size=300),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(LIMITS, TURNS, st.booleans())
def test_no_sequence_of_turns_passes_a_limit(
    tmp_path_factory, limits: dict, turns: list, stored: bool
) -> None:
    """By more than our guess of one prompt is wrong: 20 tokens were counted, $0.0002."""
    folder = tmp_path_factory.mktemp("budget")
    real: dict[str, float] = {}
    for number, (tokens, most, session, ending, text) in enumerate(turns):
        faults = {"cut": Cut("cut"), "auth": AuthFault("no")}
        inner = Answering(tokens, faults.get(ending), ending != "uncounted")
        made = guard(folder, inner, limits)
        events = made.stream(Request((user(text),), max_tokens=most, session=session))
        usage, attempts = Usage(), []
        try:
            for event in events:
                if isinstance(event, Usage):
                    usage = event
                if isinstance(event, Attempt):
                    attempts.append(event)
                if ending == "stop":
                    break
        except ArawnError:
            pass
        events.close()
        made.close()
        usd = cost(usage, FACTS) or 0.0
        if "per_turn" in limits:
            assert usd <= limits["per_turn"] + 0.0002
        real[session] = real.get(session, 0.0) + usd
        real["all"] = real.get("all", 0.0) + usd
        if stored and attempts:
            keep(folder, usd, NOW + number, attempts=tuple(attempts))
    for name in ("per_day", "per_month"):
        assert real.get("all", 0.0) <= limits.get(name, 1e9) + 0.0002
    for session in ("s1", "s2"):
        if not stored:
            assert real.get(session, 0.0) <= limits.get("per_session", 1e9) + 0.0002
    assert spent(folder) >= real.get("all", 0.0) - 1e-9


def test_many_at_once_do_not_pass_a_limit(tmp_path: Path) -> None:
    """Threads of several processes, all asking as much as they may."""
    script = (
        "import sys, threading; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from test_budget import *\n"
        "def work():\n"
        "    for _ in range(12):\n"
        "        inner = Answering(3000); made = guard(Path(sys.argv[1]), inner, {'per_day': 2.0})\n"
        "        try:\n"
        "            for event in made.stream(ASK):\n"
        "                if isinstance(event, Usage): sys.stdout.write(f'{cost(event, FACTS)}\\n')\n"
        "        except BudgetFault: pass\n"
        "        made.close()\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "[one.start() for one in threads]; [one.join() for one in threads]\n"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", script, str(tmp_path), str(here), str(here.parent)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [one.communicate(timeout=60)[0] for one in running]
    assert all(one.returncode == 0 for one in running)
    paid = sum(float(line) for out in said for line in out.split())
    assert 1.0 < paid <= 2.0 + 0.0002 and spent(tmp_path) == pytest.approx(paid)


def test_a_ledger_serves_many_threads(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def work() -> None:
        for _ in range(20):
            with ledger.alone() as page:
                id = page.hold(NOW, "b", "", 1.0, 1.0)
            ledger.end(id, 0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.alone() as page:
        assert page.spent(0) == (40.0, 0.0)
    ledger.close()


def test_a_broken_ledger_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "budget.db").write_bytes(b"no database at all" * 100)
    run(guard(tmp_path, Answering(10), {"per_day": 1.0}))
    assert spent(tmp_path) > 0 and len(list(tmp_path.glob("budget.db.corrupt-*"))) == 1


def test_a_ledger_that_cannot_be_written_asks_nothing(tmp_path: Path) -> None:
    (tmp_path / "budget.db").mkdir()
    inner = Answering()
    with pytest.raises(StoreFault):
        run(guard(tmp_path, inner, {"per_day": 1.0}))
    assert not inner.asked


def test_many_amounts_do_not_slow_an_answer_down(tmp_path: Path) -> None:
    """Those of answers that are nowhere stored stay: they are read over at times, not at each answer."""
    ledger = Ledger(tmp_path)
    with ledger.alone() as page:
        for _ in range(5000):
            page.hold(NOW, "b", "", 0.0001, 0.0001)
    made = guard(tmp_path, Answering(1), {"per_day": 100.0})
    list(made.stream(ASK))
    statements: list[str] = []
    made._book()._db.set_trace_callback(statements.append)
    list(made.stream(ASK))
    made.close()
    ledger.close()
    assert 4 <= len(statements) < 20


CONFIG = """
[backends.fake]
provider = "custom"
base_url = "{url}/v1"
model = "m"
[catalog.m]
input_price = 10.0
output_price = 100.0
[backends.cheap]
provider = "custom"
base_url = "{url}/v1"
model = "tiny"
[catalog.tiny]
input_price = 0.001
output_price = 0.001
[llm]
backend = "fake"
[budget]
{budget}
"""


@pytest.fixture
def fake():
    with FakeProvider(openai_stream(["yes"])) as provider:
        yield provider


def test_ask_is_refused_before_anything_is_sent(arawn, fake, env) -> None:
    config = CONFIG.format(url=fake.url, budget="per_day = 0.01")
    done = arawn("ask", "hi", config=config)
    assert done.returncode == 7 and "Nothing was asked" in done.stderr and not fake.requests
    made = json.loads(arawn("ask", "--json", "hi").stdout)
    assert made["error"]["code"] == "budget" and not made["ok"]
    assert arawn("-o", "budget.per_day=5", "ask", "hi").stdout == "yes\n"
    done = arawn("-o", "budget.action=cheaper", "ask", "hi")
    assert done.stdout == "yes\n" and "cheap · tiny answers instead" in done.stderr
    assert fake.requests[-1].json["model"] == "tiny"
    done = arawn("-o", "budget.action=warn", "ask", "hi")
    assert done.returncode == 0 and "budget.per_day = $0.01" in done.stderr
    assert arawn("-o", "budget.action=ask", "ask", "hi").returncode == 7
    held = Path(env["HOME"], ".local/share/arawn/budget.db")
    assert held.stat().st_mode & 0o077 == 0


def test_receipts_of_all_runs_count(arawn, fake, env) -> None:
    config = CONFIG.format(url=fake.url, budget="per_day = 0.5")
    assert arawn("ask", "hi", config=config).returncode == 0
    keep(Path(env["HOME"], ".local/share/arawn"), 0.45, time.time())
    done = arawn("ask", "again")
    assert done.returncode == 7 and "per_day" in done.stderr and len(fake.requests) == 1


def test_chat_and_no_store_are_within_the_limits_too(arawn, fake) -> None:
    config = CONFIG.format(url=fake.url, budget="per_day = 0.01")
    done = arawn("chat", stdin="hello\n", config=config)
    assert "Nothing was asked" in done.stderr and not fake.requests
    assert arawn("ask", "--no-store", "hi").returncode == 7


def test_y_on_a_terminal_asks_all_the_same(env, fake, tmp_path: Path) -> None:
    configure(env["HOME"], CONFIG.format(url=fake.url, budget='per_turn = 0.01\naction = "ask"'))
    for typed, asked in (("n", 0), ("y", 1)):
        with Term([sys.executable, "-P", "-m", "arawn", "ask", "hi"], env=env, cwd=tmp_path) as term:
            term.wait("y/N").send(f"{typed}\n")
            assert term.end() == (0 if asked else 7)
        assert len(fake.requests) == asked


def test_a_key_in_a_chat_says_yes(env, fake, tmp_path: Path) -> None:
    configure(env["HOME"], CONFIG.format(url=fake.url, budget='per_turn = 0.01\naction = "ask"'))
    with Term([sys.executable, "-P", "-m", "arawn", "chat"], env=env, cwd=tmp_path) as term:
        term.prompt().say("hello")
        term.wait("y/N").send("n")
        term.wait("Nothing was asked")
        assert not fake.requests
        term.prompt().say("hello again")
        term.until(lambda: term.screen.count("y/N") == 2, "the second question").send("y")
        term.until(lambda: "yes" in term.screen.split("hello again")[1], "the answer")
        term.prompt().send("\x04")
        assert term.end() == 0 and len(fake.requests) == 1


def test_no_limit_costs_nothing(arawn, fake, env) -> None:
    arawn("ask", "hi", config=CONFIG.format(url=fake.url, budget='action = "warn"'))
    assert len(fake.requests) == 1 and not Path(env["HOME"], ".local/share/arawn/budget.db").exists()
