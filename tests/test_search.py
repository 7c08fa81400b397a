"""What a search lets through, near and far: held against a plain reading of everything that was said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arawn.messages import Message, TextPart, ToolCallPart, ToolResultPart, user
from arawn.session import Receipt, Session, Turn
from arawn.store.search import Filter, search
from arawn.store.sessions import Store

SESSIONS, TURNS = 20, 3
START = 1_700_000_000.0


def made(number: int) -> Session:
    """A session whose every text holds the word river; the rest of it goes by its number."""
    session = Session(f"s{number:011d}", f"session {number}")
    session.folder, session.created = f"/work/{number % 4}", START + number * 100
    for place in range(TURNS):
        answer = f"the river answers {number} {place}" + ("\n```\ncode\n```" if number % 5 == 0 else "")
        said = [user(f"does the river run {number} {place}?"), Message("assistant", (TextPart(answer),))]
        if number == 2:
            call = Message("assistant", (ToolCallPart("c", "look", "{}"),))
            result = Message("tool", (ToolResultPart("c", "look", f"a river was seen {place}"),))
            said[1:1] = [call, result]
        backend, model = ("rare", "r-1") if number == 1 else ("often", f"o-{number % 2}")
        receipt = Receipt(backend, model=model, finish="stop")
        id = f"t{number:07d}{place:04d}"
        session.add(Turn(id, session.head, tuple(said), receipt, session.created + place, session.id))
    return session


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    told: list[str] = []
    store = Store(tmp_path_factory.mktemp("data"), told.append)
    for number in range(SESSIONS):
        session = made(number)
        store.put(session, session.turns.values())
    yield store
    store.close()
    assert not told


def expected(only: Filter) -> set[tuple[str, str]]:
    """(turn, role) of every message that a filter lets through."""
    return {
        (turn.id, message.role)
        for number in range(SESSIONS)
        for turn in made(number).turns.values()
        for message in turn.messages
        if ("river" in message.text or message.role == "tool")
        and only.role in ("", message.role)
        and only.backend in ("", turn.receipt.backend)
        and turn.receipt.model.startswith(only.model)
        and made(number).folder.startswith(only.folder)
        and (only.since is None or turn.at >= only.since)
        and (only.until is None or turn.at < only.until)
        and (not only.code or "```" in message.text)
    }


@pytest.mark.parametrize("looked_at", [3, 10_000], ids=["far", "near"])
@pytest.mark.parametrize(
    "only",
    [
        Filter(),
        Filter(role="user"),
        Filter(role="tool"),
        Filter(backend="rare"),
        Filter(backend="nobody"),
        Filter(model="o-1"),
        Filter(folder="/work/3"),
        Filter(since=START + 1850),
        Filter(until=START + 150),
        Filter(since=START + 300, until=START + 500, folder="/work/3"),
        Filter(code=True),
        Filter("assistant", "often", "o-0", "/work/0", START, START + 9000, True),
        Filter(role="tool", backend="rare"),
    ],
    ids=lambda only: ",".join(f"{k}={v}" for k, v in only._asdict().items() if v) or "all",
)
def test_filters(store: Store, only: Filter, looked_at: int) -> None:
    found = search(store, "river", 1000, only, looked_at)
    assert {(hit.turn, hit.role) for hit in found} == expected(only)


def test_beginnings_only_where_no_whole_word_is(store: Store) -> None:
    assert len(search(store, "riv", 1000)) == len(search(store, "river", 1000)) > 0
    assert search(store, "run", 1000, Filter(role="assistant")) == [], "whole words are there, elsewhere"


def test_what_was_said_before_a_time_is_looked_for_there(tmp_path: Path) -> None:
    """A word as common as can be, in the middle of many turns: neither those after nor all before are read."""
    many, middle = 3000, START + 1500
    store = Store(tmp_path, print)
    session = Session("s1", "all")
    for number in range(many):
        session.add(
            Turn(f"t{number:04}", session.head, (user(f"river {number}"),), Receipt(), START + number)
        )
    store.put(session, session.turns.values())
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    store.db.connection.set_progress_handler(step, 100)
    spent = []
    for looked_at in (1, 450):
        before = steps[0]
        hits = search(store, "river", 1000, Filter(until=middle), looked_at)
        spent.append(steps[0] - before)
        assert {hit.turn for hit in hits} == {f"t{number:04}" for number in range(1500 - 400, 1500)}
    whole, near = spent
    assert near < whole / 2
    store.close()
