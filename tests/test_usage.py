"""`arawn usage`: sums over the store, by day, backend, model and session; as a table, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from term import Term

from arawn.events import Attempt, Usage
from arawn.messages import Message, TextPart, user
from arawn.render.measure import cells
from arawn.render.usage import lines, spoken, table
from arawn.session import Receipt, Session, Turn
from arawn.store.schema import MIGRATIONS, sessions_and_turns, spent_in
from arawn.store.sessions import Store
from arawn.store.usage import day_of, first_tokens, month_of, sums
from arawn.sums import Sum, total

NOON = datetime(2026, 11, 20, 12).timestamp()
DAY = 86400.0


def receipt(backend: str, cost: float | None, sent: int = 100, **more) -> Receipt:
    attempts = (Attempt(backend, "asked", 200, None, 0.0, 0.25, 1.0),)
    usage = more.pop("usage", Usage(sent, 10, 5))
    return Receipt(backend, "p", "m", "stop", usage=usage, attempts=attempts, cost_usd=cost, **more)


def put(store: Store, session: str, turns: list[tuple[float, Receipt]], answer: str = "yes") -> None:
    made = Session(session, f"About {session}")
    answered = (Message("assistant", (TextPart(answer),)),) if answer else ()
    for number, (at, kept) in enumerate(turns):
        made.add(Turn(f"{session}-{number}", None, (user("q"), *answered), kept, at, session))
    store.put(made, made.turns.values())


@pytest.fixture
def store(env: dict[str, str]):
    made = Store(Path(env["HOME"], ".local/share/arawn"), print)
    yield made
    made.close()


def test_sums_by_everything(store: Store) -> None:
    put(store, "s1", [(NOON - 2 * DAY, receipt("a", 0.5)), (NOON, receipt("b", 0.25, 1000))])
    put(store, "s2", [(NOON + 60, receipt("a", 0.0)), (NOON + 61, receipt("a", None))])
    read = store.read
    days = read(lambda db: sums(db, "day", 0))
    assert [one[:7] for one in days] == [
        ("2026-11-18", 1, 100, 5, 10, 0.5, 0), ("2026-11-20", 3, 1200, 15, 30, 0.25, 1),
    ]  # fmt: skip
    assert [(one.key, one.cost, one.unknown) for one in read(lambda db: sums(db, "backend", 0))] == [
        ("a", 0.5, 1), ("b", 0.25, 0),
    ]  # fmt: skip
    assert [one.key for one in read(lambda db: sums(db, "model", 0))] == ["a:m", "b:m"]
    assert [(one.key, one.title) for one in read(lambda db: sums(db, "session", 0))] == [
        ("s1", "About s1"), ("s2", "About s2"),
    ]  # fmt: skip
    assert [one.key for one in read(lambda db: sums(db, "day", NOON - 1))] == ["2026-11-20"]
    assert read(lambda db: sums(db, "day", 0, NOON - DAY))[0].turns == 1
    assert read(lambda db: sums(db, "session", NOON + 999)) == []
    assert read(first_tokens) == {("a", "asked"): 0.25, ("b", "asked"): 0.25}


def test_a_failure_that_cost_nothing_is_not_an_unknown_price(store: Store) -> None:
    refused = receipt("a", None, usage=Usage())._replace(finish="error", error="auth")
    put(store, "s", [(NOON, refused)], answer="")
    put(store, "t", [(NOON, refused._replace(finish="cut"))], answer="half of")
    (found,) = store.read(lambda db: sums(db, "backend", 0))
    assert (found.turns, found.unknown) == (2, 1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 9e8), st.sampled_from("abc"), st.none() | st.floats(0, 5)), max_size=25)
)
def test_every_way_of_summing_has_the_same_sum(said: list[tuple[float, str, float | None]]) -> None:
    db = sqlite3.connect(":memory:")
    for step in MIGRATIONS:
        step(db)
    db.execute(
        "INSERT INTO session (name, title, folder, terminal, created, pinned, named, last)"
        " VALUES ('s', '', '', '', 0, 0, 0, 0)"
    )
    for number, (at, backend, cost) in enumerate(said):
        db.execute(
            "INSERT INTO turn (name, session, kind, at, backend, model, unfinished, receipt, cost, sent, unpriced)"
            " VALUES (?, 1, 'said', ?, ?, 'm', 0, '{}', ?, 7, ?)",
            (str(number), at, backend, cost, int(cost is None)),
        )
    expected = sum(cost for _, _, cost in said if cost is not None)
    for by in ("day", "backend", "model", "session"):
        whole = total(sums(db, by, 0))
        assert (whole.turns if whole else 0) == len(said)
        assert (whole.cost if whole else 0) == pytest.approx(expected)
        assert (whole.unknown if whole else 0) == sum(cost is None for _, _, cost in said)
    db.close()


@given(st.floats(0, 4e9))
def test_days_and_months_hold_their_moment(at: float) -> None:
    begins, ends = day_of(at)
    assert begins <= at < ends and 22 * 3600 < ends - begins < 26 * 3600
    assert month_of(at) <= begins


def test_an_older_store_gets_its_sums(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    db = sqlite3.connect(file)
    sessions_and_turns(db)
    kept = (
        '{"usage":{"input":7,"output":3},"cost_usd":0.5}',
        '{"usage":{"output":3}}',
        "{broken",
        "[]",
        '{"usage":3}',
    )
    for number, text in enumerate(kept):
        db.execute(
            "INSERT INTO turn (name, session, kind, at, backend, model, unfinished, receipt)"
            " VALUES (?, 1, 'said', ?, 'a', 'm', 0, ?)", (str(number), NOON, text),
        )  # fmt: skip
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    told: list[str] = []
    store = Store(tmp_path, told.append)
    (found,) = store.read(lambda db: sums(db, "backend", 0))
    store.close()
    assert found == Sum("a", 5, 7, 0, 6, 0.5, 1)
    assert len(told) == 1 and "backup-v1" in told[0]


def test_a_receipt_that_is_odd_is_no_cost() -> None:
    assert spent_in('{"cost_usd":"much"}', True) == (None, None, None, None, 1)
    assert spent_in('{"usage":{"input":1%s,"output":-1}}' % ("0" * 40), False) == (None, None, None, None, 0)
    assert spent_in('{"usage":{"input":1.5}}', False) == (None, None, None, None, 0)
    assert spent_in("[" * 100_000, True) == (None, None, None, None, 0)


ROWS = [Sum("2026-11-18", 3, 1200, 0, 30, 0.5, 0), Sum("2026-11-19", 1, 12_000_000, 9, 2, 0.0, 1)]


def test_a_table_with_bars_fits_its_terminal() -> None:
    made = list(lines(ROWS, "day", 80))
    assert made[0].split() == ["DAY", "TURNS", "IN", "CACHED", "OUT", "COST"]
    assert made[1].endswith("#") and "$0.5000" in made[1] and not made[2].endswith("#")
    assert "1 unknown" in made[2] and "$0.5000 + 1 unknown" in made[3] and len(made) == 4
    for columns in range(20, 200):
        plain = list(lines(ROWS, "day", columns))
        assert all(cells(line) <= max(columns, 60) for line in plain) and plain[0].isascii()
    assert list(lines([], "day", 80)) == [] and "#" not in "".join(lines(ROWS, "day", None))
    free = [one._replace(cost=0.0, unknown=0) for one in ROWS]
    assert list(lines(free, "day", 80))[2].endswith("#")  # by tokens where nothing cost


def test_aloud_each_number_has_its_name() -> None:
    made = list(spoken(ROWS, "day"))
    assert made[0] == (
        "Day: 2026-11-18; cost: $0.5000; turns: 3; tokens out: 30; in: 1,200; of them cached: 0"
    )
    assert len(made) == 3 and made[2].startswith("Day: all; cost: $0.5000 + 1 unknown; turns: 4;")
    assert len(list(spoken(ROWS[:1], "day"))) == 1 and not list(spoken([], "day"))


def test_names_of_others_are_cleaned_and_no_formula() -> None:
    odd = [Sum("\x1b[31m=cmd()", 1, 1, 1, 1, 0.0, 0, "=1+1")]
    assert "\x1b" not in "".join(lines(odd, "session", 80))
    (row,) = list(csv.reader(io.StringIO(table(odd, "session"))))[1:]
    assert "\x1b" not in row[0] and row[-1] == "'=1+1"


def test_the_command(arawn, store: Store) -> None:
    now = time.time()
    put(store, "s1", [(now - 2, receipt("a", 0.5)), (now - 1, receipt("b", None))])
    put(store, "old", [(now - 90 * DAY, receipt("a", 3.0))])
    made = json.loads(arawn("usage", "--json", "--by", "backend").stdout)
    assert made["total"]["cost_usd"] == 0.5 and made["total"]["unknown"] == 1 and made["by"] == "backend"
    assert json.loads(arawn("usage", "--json", "--all").stdout)["total"]["cost_usd"] == 3.5
    assert json.loads(arawn("usage", "--json", "--since", "100d").stdout)["total"]["turns"] == 3
    rows = list(csv.DictReader(io.StringIO(arawn("usage", "--csv", "--by", "session").stdout)))
    assert rows[0]["session"] == "s1" and rows[0]["cost_usd"] == "0.5" and rows[0]["title"] == "About s1"
    assert "unknown" in arawn("usage", "--by", "model").stdout
    assert "#" not in arawn("usage").stdout
    for bad in (["--by", "week"], ["--since", "soon"], ["--json", "--csv"], ["--all", "--since", "1d"]):
        assert arawn("usage", *bad).returncode == 2


def test_nothing_asked_yet(arawn) -> None:
    done = arawn("usage")
    assert done.returncode == 0 and not done.stdout and "nothing was asked" in done.stderr
    assert json.loads(arawn("usage", "--json").stdout)["rows"] == []


def test_sums_read_the_index_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "x.db")
    for step in MIGRATIONS:
        step(db)
    db.executemany(
        "INSERT INTO turn (name, session, kind, at, backend, model, unfinished, receipt, cost, sent)"
        " VALUES (?, 1, 'said', ?, ?, 'm', 0, '{}', 0.001, 10)",
        ((str(number), number * 300.0, f"b{number % 5}") for number in range(100_000)),
    )
    for by in ("day", "backend"):
        query = (
            "SELECT at, backend, model, session, cost, sent, cached, made, unpriced FROM turn WHERE at >= 0"
        )
        plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "COVERING INDEX turn_spent" in plan
        whole = total(sums(db, by, 0))
        assert whole and whole.turns == 100_000 and whole.cost == pytest.approx(100)
    db.close()


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_bars_on_a_real_terminal(env, store: Store, tmp_path: Path, columns: int) -> None:
    now = time.time()
    put(store, "s1", [(now - 2 * DAY, receipt("a", 0.5)), (now - 1, receipt("b", 0.25))])
    store.close()
    command = [sys.executable, "-P", "-m", "arawn", "usage"]
    with Term(command, env=env, cwd=tmp_path, cols=columns) as term:
        term.wait("all")
        assert term.end() == 0
        assert ("##" in term.screen) == (columns >= 80)
        rows = [line for line in term.screen.splitlines() if line.strip()]
    assert len(rows) == 4  # nothing wraps
