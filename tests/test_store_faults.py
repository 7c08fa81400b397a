"""The faults of a store (F-DB): the answer is shown whole whatever the disk says, and nothing said is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream, sse

from arawn.errors import StoreFault
from arawn.messages import Message, TextPart, user
from arawn.session import Receipt, Session, Turn
from arawn.store import database, schema
from arawn.store.database import Database
from arawn.store.sessions import Store

ROOT = Path(__file__).parents[1]
CONFIG = """
[llm]
backend = "fake"
[backends.fake]
provider = "custom"
base_url = "{url}/v1"
model = "m-1"
api_key = "sk-CANARY-0123456789abcdef"
"""
WHOLE = "the whole answer"
ANSWER = openai_stream(["the ", "whole ", "answer"])
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there")


@pytest.fixture
def data(home: Path) -> Path:
    """The data folder of the program."""
    return home / ".local" / "share" / "arawn"


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    """A provider that answers the same each time."""
    with FakeProvider(ANSWER) as provider:
        yield provider


@pytest.fixture
def ask(arawn, fake: FakeProvider):
    """Ask one thing; the answer must be whole, exit code 0, and no traceback, whatever the store does."""

    def run(*words: str, **options):
        done = arawn("ask", *(words or ("hi",)), config=CONFIG.format(url=fake.url), **options)
        assert done.stdout == WHOLE + "\n", done.stderr
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr and "fault of Arawn" not in done.stderr, done.stderr
        return done

    return run


def turn(id: str, parent: str | None = None, said: str = "", answer: str = "yes") -> Turn:
    """A finished turn."""
    receipt = Receipt("fake", "custom", "m-1", "stop")
    messages = (user(said or f"say {id}"), Message("assistant", (TextPart(answer),)))
    return Turn(id, parent, messages, receipt, 1000.0, "s1")


def session(*turns: Turn, id: str = "s1") -> Session:
    """A session that says these."""
    made = Session(id, "title")
    for one in turns:
        made.add(one)
    return made


def stored(data: Path) -> list[str]:
    """The prompts in the store, in their order."""
    with contextlib.closing(sqlite3.connect(data / "sessions.db")) as db:
        return [
            text
            for (text,) in db.execute(
                "SELECT m.text FROM turn t JOIN said s ON s.turn = t.id AND s.place = 0"
                " JOIN message m ON m.id = s.message ORDER BY t.id"
            )
        ]


def journals(data: Path) -> list[Path]:
    """What waits."""
    return sorted((data / "journal").glob("*.jsonl"))


# A writer that holds the lock ---------------------------------------------------------------------------


def test_F_DB_02_a_writer_that_holds_the_lock_costs_no_answer_and_no_turn(ask, arawn, data: Path) -> None:
    ask("first")
    with contextlib.closing(sqlite3.connect(data / "sessions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = ask("second")
        assert done.stderr.count("another program holds it") == 1, done.stderr
        assert len(journals(data)) == 1
        assert str(data / "journal") in done.stderr
        ask("third")
    assert stored(data) == ["first"]
    listed = json.loads(arawn("session", "list", "--json").stdout)
    assert len(listed) == 3
    assert stored(data) == ["first", "second", "third"] and not journals(data)


def test_F_DB_02_many_waiting_turns_are_not_each_waited_for(ask, data: Path) -> None:
    ask("first")
    folder = data / "journal"
    with contextlib.closing(sqlite3.connect(data / "sessions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ask("second")
        for number in range(8):
            text = journals(data)[0].read_text().replace('"turn":"', f'"turn":"{number}')
            (folder / f"waits{number}.jsonl").write_text(text)
        began = time.monotonic()
        ask("third")
        assert time.monotonic() - began < 14, "the store is waited for once or twice, not for each turn"


def test_F_DB_02_a_chat_goes_on_and_its_turns_keep_their_order(tmp_path: Path) -> None:
    from arawn import keeping
    from arawn.engine import Conversation
    from arawn.backends.scripted import Scripted

    told: list[str] = []
    keeper = keeping.Keeper(tmp_path, keeping.Rules(), keeping.Place("/", ""), told.append, str)
    talk = Conversation(keeper.new(), journal=keeper)
    keeper.store.db._busy = 0.05
    keeper.store.db.connection.execute("PRAGMA busy_timeout = 50")
    with contextlib.closing(sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)) as other:
        for number in range(4):
            if number == 1:
                other.execute("BEGIN IMMEDIATE")
            if number == 3:
                other.execute("ROLLBACK")
            list(talk.ask(Scripted(f"answer {number}"), f"prompt {number}"))
            keeper.settle()
    loaded = keeper.store.load(talk.session.id)
    assert [one.prompt.text for one in loaded.path()] == [f"prompt {number}" for number in range(4)]
    assert not journals(tmp_path)
    assert len(told) == len(set(told)) and told
    keeper.close()
