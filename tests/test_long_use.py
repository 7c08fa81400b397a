"""What only shows in the long run: a long chat, a big store, files that grow, clocks that jump, lines that die."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_provider import FakeProvider, json_reply, openai_stream
from home import FAKE, configure
from term import Term

from arawn.backends.scripted import Scripted
from arawn.engine import Conversation
from arawn.keeping import Keeper, Place, Rules
from arawn.repl.prompt.history import MOST, TAIL, HistoryFile


def work_of(db: sqlite3.Connection, work: Callable[[], object]) -> int:
    """Hundreds of SQLite's own steps that some work takes: a measure that knows no clock."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    db.set_progress_handler(count, 100)
    work()
    db.set_progress_handler(None, 0)
    return steps[0]


def test_F_DB_13_a_hundred_thousand_sessions(tmp_path: Path) -> None:
    """Listing, going on and adding a turn cost what they cost with a few sessions."""
    keeper = Keeper(tmp_path, Rules(), Place("/work", "tty"), print, str)
    db = keeper.store.db.connection

    def say() -> None:
        list(Conversation(keeper.new(), journal=keeper).ask(Scripted("answer"), "prompt"))
        keeper.settle()

    for _ in range(20):
        say()
    tasks = {
        "listing": keeper.store.listing,
        "adding": say,
        "of a folder": lambda: keeper.store.listing(folder="/work"),
    }
    before = {name: work_of(db, task) for name, task in tasks.items()}
    db.executescript("""
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
        INSERT INTO session (name, title, folder, terminal, created, pinned, named, last)
            SELECT 'x' || n, 'title ' || n, '/' || (n % 50), '', n, 0, 0, n - 200000 FROM n;
        INSERT INTO turn (name, session, parent, kind, at, backend, model, unfinished, receipt)
            SELECT 't' || name, id, NULL, '', created, 'b', 'm', 0, '{}' FROM session WHERE name GLOB 'x*';
        UPDATE session SET head = (SELECT max(id) FROM turn WHERE session = session.id) WHERE name GLOB 'x*';
    """)
    after = {name: work_of(db, task) for name, task in tasks.items()}
    assert db.execute("SELECT count(*) FROM session").fetchone()[0] > 100_000
    assert {name: steps for name, steps in after.items() if steps > 3 * before[name] + 20} == {}, before
    assert len(keeper.store.listing()) == 20
    keeper.close()


def rss() -> float:
    """Megabytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="what a process uses is read from /proc")
def test_F_OPS_07_a_long_chat_keeps_no_files_threads_or_memory(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, Rules(), Place("/", ""), print, str)
    talk = Conversation(keeper.new(), journal=keeper)

    def say(number: int) -> None:
        list(talk.ask(Scripted(f"answer {number} " + "word " * 200), f"prompt {number}"))
        keeper.settle()

    for number in range(20):
        say(number)
    files, threads, memory = len(os.listdir("/proc/self/fd")), threading.active_count(), rss()
    for number in range(20, 220):
        say(number)
    end = time.monotonic() + 20  # those of the last turn end when they see that it is over
    while threading.active_count() > threads and time.monotonic() < end:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= files and threading.active_count() <= threads
    assert rss() - memory < 10, "of two thousand turns it is less than fifty"
    keeper.close()


@pytest.mark.skipif(sys.platform != "linux", reason="what a process uses is read from /proc")
def test_F_OPS_07_a_chat_on_a_terminal_keeps_no_files_or_threads(env, home, tmp_path) -> None:
    with FakeProvider(openai_stream(["word "] * 20)) as fake:
        configure(home, FAKE.format(url=fake.url))
        with Term([sys.executable, "-P", "-m", "arawn", "chat"], env=env, cwd=tmp_path) as term:

            def used(number: int) -> list[int]:
                term.say(f"question {number}").until(
                    lambda: len(fake.requests) == number, "the request", 10
                ).prompt()
                return [len(os.listdir(f"/proc/{term.process.pid}/{of}")) for of in ("fd", "task")]

            early = [used(number) for number in range(1, 6)]
            late = [used(number) for number in range(6, 31)]
            most = [max(of) for of in zip(*early, strict=True)]
            rest = [
                min(of) for of in zip(*late[-10:], strict=True)
            ]  # one that comes and goes is none that stays
            assert all(now <= then for now, then in zip(rest, most, strict=True)), (most, rest)
            term.send("\x04")
            assert term.end() == 0


# Each look at the wall clock is years from the one before; what measures a wait must not care.
JUMPS = """
import itertools, sys, time
now, jump = time.time, itertools.cycle((0, 3e8, -3e8, 5e8, -1e9))
time.time = lambda: now() + next(jump)
sys.argv[:] = ["arawn", *sys.argv[1:]]
from arawn.__main__ import main
main()
"""


def test_F_OPS_06_a_clock_that_jumps(arawn) -> None:
    jumping = (sys.executable, "-P", "-c", JUMPS)
    busy = json_reply(429, {"error": {"message": "later"}}, retry_after="0")
    with FakeProvider(busy, openai_stream(["Hello"])) as fake:
        more = {"program": jumping, "config": FAKE.format(url=fake.url)}
        done = arawn("ask", "--json", "hi", **more)
        told = json.loads(done.stdout)
        assert done.returncode == 0 and told["text"] == "Hello", done.stderr
        for attempt in told["attempts"]:
            times = [attempt[name] for name in ("waited_s", "first_event_s", "total_s")]
            assert all(value is None or 0 <= value < 30 for value in times), attempt
        for words in ("session list", "usage", "receipt", "status", "ask -c again", "doctor"):
            done = arawn(*words.split(), **more)
            assert done.returncode in (0, 1) and "Traceback" not in done.stderr + done.stdout, (
                words,
                done.stderr,
            )
            assert "fault of Arawn" not in done.stderr, (words, done.stderr)
    assert "hi" in arawn("session", "list").stdout, "nothing was cleared away"


def test_F_OPS_09_files_that_are_written_again_and_again_stay_small(arawn, home, tmp_path) -> None:
    """There is no log: of what is written at each use nothing grows but the history, and it is cut."""
    raising = "import sys\nsys.argv[:] = ['arawn', 'ask', 'hi']\nfrom typer.core import TyperCommand\n"
    raising += "def broken(self, ctx):\n    raise RuntimeError('x' * 1000)\nTyperCommand.invoke = broken\n"
    raising += (
        "import os\nfrom arawn.cli import run\nfor _ in range(50):\n    run(['ask', 'hi'])\nos._exit(0)\n"
    )
    assert arawn(program=(sys.executable, "-P", "-c", raising)).returncode == 0
    state = home / ".local" / "state" / "arawn"
    assert [path.name for path in state.iterdir() if path.is_file()] == ["crash.txt"]
    assert (state / "crash.txt").stat().st_size < 20_000

    history = HistoryFile(tmp_path / "h" / "history")
    history.append("the first")
    history.append("a long one\n" + "y" * MOST)
    for number in range(300):
        history.append(f"entry {number} " + "z" * (TAIL // 250))
    assert history.path.stat().st_size > MOST
    kept = history.load()
    assert history.path.stat().st_size <= TAIL and history.path.stat().st_mode & 0o777 == 0o600
    assert kept[-1].startswith("entry 299 ") and all(entry.startswith("entry ") for entry in kept)
    history.append("the next")
    assert history.load() == [*kept, "the next"]


def test_F_NET_28_a_line_that_dies_in_the_middle(arawn) -> None:
    """No byte and no end comes any more, as after a change of the network: the idle limit ends it."""

    def dies(conn) -> None:
        conn.head()
        conn.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"so far"},"finish_reason":null}]}\n\n')
        conn.wait_gone()

    with FakeProvider(dies) as fake:
        done = arawn("ask", "hi", "-o", "limits.idle=0.4", config=FAKE.format(url=fake.url))
        assert done.returncode == 5 and done.stdout == "so far\n" and "limits.idle" in done.stderr, (
            done.stderr
        )
        assert len(fake.requests) == 1, "what came is not asked for, and paid for, again"
    assert "(unfinished) hi" in arawn("session", "list").stdout
