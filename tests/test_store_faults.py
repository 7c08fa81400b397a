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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from inspect import getsource
from pathlib import Path

import pytest
from fake_provider import FakeProvider, Stream, openai_stream
from home import FAKE

from arawn.backends.scripted import Scripted
from arawn.engine import Conversation
from arawn.errors import StoreFault, UsageFault
from arawn.events import Attempt, Finish, Text
from arawn.keeping import Keeper, Place, Rules
from arawn.messages import (
    FilePart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    user,
)
from arawn.record import session_out
from arawn.render.sessions import listing
from arawn.session import Receipt, Session, Turn
from arawn.store import schema
from arawn.store.care import backup, check, look, recover, stats
from arawn.store.database import Database
from arawn.store.journal import Writer, outset
from arawn.store.search import search
from arawn.store.sessions import Store

ROOT = Path(__file__).parents[1]
CONFIG = FAKE + 'api_key = "sk-CANARY-0123456789abcdef"\n'
WHOLE = "the whole answer"
ANSWER = openai_stream(["the ", "whole ", "answer"])
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


def may_trace() -> bool:
    """A container may have strace and forbid what it does."""
    strace = shutil.which("strace")
    return (
        bool(strace)
        and subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True).returncode == 0
    )


needs_strace = pytest.mark.skipif(not may_trace(), reason="strace is not there, or may trace nothing")


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
        db.text_factory = lambda data: data.decode("utf-8", "replace")
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
    assert stored(data) == ["first"]
    listed = json.loads(arawn("session", "list", "--json").stdout)
    assert len(listed) == 2
    assert stored(data) == ["first", "second"] and not journals(data)


def test_F_DB_02_many_waiting_turns_are_not_each_waited_for(ask, data: Path) -> None:
    ask("first")
    for number in range(8):
        begun = outset(session(), None, user(f"left {number}"), "", ("fake", "m-1"), f"left{number}", number)
        Writer(data / "journal", begun).close()
    with contextlib.closing(sqlite3.connect(data / "sessions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        ask("second")
        assert time.monotonic() - began < 20, "the store is waited for once, not for each turn"
    ask("third")
    assert stored(data) == ["first", *(f"left {number}" for number in range(8)), "second", "third"]


def test_F_DB_02_a_chat_goes_on_and_its_turns_keep_their_order(tmp_path: Path) -> None:
    told: list[str] = []
    keeper = Keeper(tmp_path, Rules(), Place("/", ""), told.append, str)
    talk = Conversation(keeper.new(), journal=keeper)
    keeper.store.db.busy = 0.05
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


# A disk that says no -------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(folder: Path, options: str, source: str = "tmpfs", kind: str = "tmpfs") -> Iterator[None]:
    """A small or read-only disk at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", options, source, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def kept_in(done) -> Path:
    """The file that a run says it put the turn in."""
    found = re.search(r"it is kept in (\S+\.jsonl)", done.stderr.replace("\n", " "))
    assert found, done.stderr
    return Path(found[1])


@needs_root
def test_F_DB_05_a_full_disk_costs_no_answer(ask, arawn, data: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with mounted(data, "size=1m,mode=0700"):
        ask("first")
        filler = data / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        done = ask("second " + "long " * 9000, env={"TMPDIR": str(tmp_path / "tmp")})
        path = kept_in(done)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "No space left" in done.stderr or "the disk is full" in done.stderr
        filler.unlink()
        ask("third")
        assert arawn("session", "check").stdout == "sound\n"
        assert arawn("session", "import", str(path)).returncode == 0
        prompts = stored(data)
    assert [prompt.split()[0] for prompt in prompts] == ["first", "third", "second"]


@needs_root
def test_F_DB_05_a_disk_that_fills_while_the_answer_comes(arawn, data: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    pieces = [f"piece {number} " * 400 for number in range(400)]
    with mounted(data, "size=1m,mode=0700"), FakeProvider(openai_stream(pieces)) as fake:
        done = arawn("ask", "hi", config=CONFIG.format(url=fake.url), env={"TMPDIR": str(tmp_path / "tmp")})
        assert done.returncode == 0 and done.stdout == "".join(pieces) + "\n"
        path = kept_in(done)
        assert not journals(data)
        assert arawn("session", "import", str(path), env={"XDG_DATA_HOME": str(tmp_path)}).returncode == 0
        shown = json.loads(arawn("session", "show", "--json", env={"XDG_DATA_HOME": str(tmp_path)}).stdout)
    assert shown["said"][0]["messages"][1]["parts"][0]["text"] == "".join(pieces)


def test_F_DB_05_a_file_that_may_not_grow(ask, arawn, data: Path, tmp_path: Path) -> None:
    import resource

    ask("first")
    limit = (data / "sessions.db").stat().st_size // 2

    def small() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    (tmp_path / "tmp").mkdir()
    done = ask("second " + "long " * limit, preexec_fn=small, env={"TMPDIR": str(tmp_path / "tmp")})
    assert "not stored" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "tmp").iterdir()), "half a turn is kept nowhere"
    ask("third")
    assert [prompt.split()[0] for prompt in stored(data)] == ["first", "third"]


@needs_root
def test_F_DB_05_a_read_only_home(ask, arawn, home: Path, data: Path, tmp_path: Path) -> None:
    ask("first")
    (tmp_path / "tmp").mkdir()
    subprocess.run(["mount", "--bind", str(home), str(home)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(home)], check=True)
        done = ask_on(arawn, "second", TMPDIR=str(tmp_path / "tmp"))
        assert "Read-only file system" in done.stderr
        path = kept_in(done)
        listed = json.loads(arawn("session", "list", "--json").stdout)
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)
    assert [info["title"] for info in listed] == ["first"]
    assert arawn("session", "import", str(path)).returncode == 0
    assert stored(data) == ["first", "second"]


def ask_on(arawn, *words: str, **env: str):
    """Ask without writing the config again."""
    done = arawn("ask", *words, env=env)
    assert done.stdout == WHOLE + "\n" and done.returncode == 0, done.stderr
    return done


def no_more_than_others() -> None:
    """Even for root the modes of files hold."""
    import ctypes

    for capability in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


@pytest.mark.parametrize("mode", [0o500, 0o000], ids=["no writing", "no looking"])
def test_F_DB_05_a_data_folder_of_another_mode(ask, arawn, data: Path, mode: int) -> None:
    ask("first")
    data.chmod(mode)
    try:
        done = ask("second", preexec_fn=no_more_than_others)
        if mode == 0o000:
            kept_in(done).unlink()
        listed = arawn("session", "list", preexec_fn=no_more_than_others)
        assert "Traceback" not in listed.stderr and "fault of Arawn" not in listed.stderr
        assert ("first" in listed.stdout) == (mode == 0o500), listed.stderr
        data.chmod(0o700)
        (data / "sessions.db").chmod(0o400)
        waits = ask("third", preexec_fn=no_more_than_others)
        assert "waits in" in waits.stderr
        (data / "sessions.db").chmod(0o600)
        ask("fourth")
    finally:
        data.chmod(0o700)
    expected = ["first", "second", "third", "fourth"]
    assert stored(data) == (expected if mode else ["first", "third", "fourth"])


# A file that is damaged ----------------------------------------------------------------------------------


def broken(path: Path, kind: str) -> None:
    """Damage the store."""
    data = path.read_bytes()
    match kind:
        case "no database":
            path.write_bytes(b"this is a letter to my aunt\n" * 500)
        case "half":
            path.write_bytes(data[: len(data) // 2])
        case "a piece of a page":
            path.write_bytes(data[:5000])
        case "header":
            path.write_bytes(b"\0" * 100 + data[100:])
        case "zeros":
            path.write_bytes(b"\0" * len(data))
        case "empty":
            path.write_bytes(b"")
        case "tables gone":
            path.write_bytes(data[:60] + b"\0\0\0\0" + data[64:])


def keep_wal_out(data: Path) -> None:
    """Move all of the log into the file."""
    with contextlib.closing(sqlite3.connect(data / "sessions.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize(
    "kind", ["no database", "half", "a piece of a page", "header", "zeros", "tables gone"]
)
def test_F_DB_06_a_damaged_file_is_set_aside_and_told(ask, arawn, data: Path, kind: str) -> None:
    ask("first")
    keep_wal_out(data)
    broken(data / "sessions.db", kind)
    damaged = (data / "sessions.db").read_bytes()
    done = ask("second")
    aside = [path for path in data.glob("sessions.db.corrupt-*")]
    assert len(aside) == 1 and aside[0].read_bytes() == damaged
    assert str(aside[0]) in done.stderr and "doctor --recover" in done.stderr
    assert stat.S_IMODE(aside[0].stat().st_mode) == 0o600
    assert stored(data) == ["second"]
    assert "was damaged" not in ask("third").stderr
    assert stored(data) == ["second", "third"]


def test_F_DB_06_an_empty_file_is_a_new_store(ask, data: Path) -> None:
    ask("first")
    keep_wal_out(data)
    broken(data / "sessions.db", "empty")
    ask("second")
    assert stored(data) == ["second"]


def test_F_DB_06_many_at_once_set_a_damaged_file_aside_once(
    env: dict[str, str], fake: FakeProvider, ask, data: Path, tmp_path: Path
) -> None:
    ask("first")
    keep_wal_out(data)
    broken(data / "sessions.db", "no database")
    runs = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "arawn", "ask", f"prompt {number}"],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
        )
        for number in range(8)
    ]  # fmt: skip
    ends = [(run.communicate(timeout=60), run.returncode) for run in runs]
    assert all(code == 0 and out.decode() == WHOLE + "\n" for (out, _), code in ends), ends
    assert len(list(data.glob("sessions.db.corrupt-*"))) == 1
    assert sum(b"was damaged" in err for (_, err), _ in ends) == 1
    assert sorted(stored(data)) == [f"prompt {number}" for number in range(8)]


def test_F_DB_06_what_can_be_read_comes_back(ask, arawn, data: Path) -> None:
    for number in range(12):
        ask(f"prompt {number} " + "words " * 300)
    ask("-c", "and one more")
    keep_wal_out(data)
    path = data / "sessions.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        page = (
            db.execute("SELECT pageno FROM dbstat WHERE name = 'said'").fetchone() if has_dbstat() else None
        )
    whole = path.read_bytes()
    hurt = (page[0] - 1) * 4096 if page else len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:hurt] + b"\xff" * 100 + whole[hurt + 100 :])
    ask("after")
    (aside,) = data.glob("sessions.db.corrupt-*")
    done = arawn("doctor", "--offline", "--recover")
    assert "Traceback" not in done.stderr and str(aside) in done.stdout
    assert "after" in stored(data)
    assert aside.exists(), "the damaged file stays"


def has_dbstat() -> bool:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        try:
            db.execute("SELECT * FROM dbstat")
        except sqlite3.OperationalError:
            return False
        return True


MUTATIONS = 200


def test_F_DB_06_two_hundred_mutations(tmp_path: Path) -> None:
    """Whatever happened to the bytes: what is said now is answered, kept and found, and nothing raises."""
    told: list[str] = []
    good = tmp_path / "good"
    store = Store(good, told.append)
    for number in range(30):
        said = turn(f"t{number}", f"t{number - 1}" if number % 5 else None, f"some words {number} " * 30)
        store.put(session(said, id=f"s{number // 5}"), [said])
    store.close()
    keep_wal_out(good)
    whole = (good / "sessions.db").read_bytes()
    rng = random.Random(7)
    aside = 0
    for number in range(MUTATIONS):
        folder = tmp_path / f"m{number}"
        folder.mkdir(mode=0o700)
        (folder / "sessions.db").write_bytes(mutated(whole, rng))
        told.clear()
        keeper = Keeper(folder, Rules(), Place("/", ""), told.append, str)
        talk = Conversation(keeper.new(), journal=keeper)
        assert "".join(e.text for e in talk.ask(Scripted(WHOLE), "hello") if isinstance(e, Text)) == WHOLE
        keeper.settle()
        keeper.close()
        set_aside = list(folder.glob("*.corrupt-*"))
        aside += bool(set_aside)
        kept = said_in(folder)
        waits = len(list((folder / "journal").glob("*.jsonl")))
        assert "hello" in kept or (waits and told), (number, told)
        assert not set_aside or any("was damaged" in line for line in told)
        read_all(folder)
        for path in set_aside:
            with contextlib.suppress(StoreFault):
                recovered = Store(folder, told.append)
                recover(recovered, path)
                recovered.close()
        shutil.rmtree(folder)
    assert aside > MUTATIONS // 4


def mutated(whole: bytes, rng: random.Random) -> bytes:
    """Some bytes, a page, a piece or the end, otherwise than they were."""
    data = bytearray(whole)
    at, page = rng.randrange(len(data)), rng.randrange(len(data) // 4096) * 4096
    match rng.randrange(6):
        case 0:
            for _ in range(rng.choice((1, 10, 300))):
                data[rng.randrange(len(data))] = rng.randrange(256)
        case 1:
            data[page : page + 4096] = rng.randbytes(4096)
        case 2:
            del data[at:]
        case 3:
            data[at : at + 200] = bytes(200)
        case 4:
            data[rng.randrange(100)] = rng.randrange(256)
        case 5:
            data[page : page + 4096] = whole[rng.randrange(len(whole) // 4096) * 4096 :][:4096]
    return bytes(data)


def said_in(folder: Path) -> list[str]:
    """The prompts in the store as far as they can be read; those of a damage not met yet by recovering."""
    try:
        return stored(folder)
    except sqlite3.Error:
        other = Store(folder / "other", lambda line: None)
        recover(other, folder / "sessions.db")
        other.close()
        return stored(folder / "other")


def read_all(folder: Path) -> None:
    """All that reads a store gives something or a StoreFault."""
    store = Store(folder, lambda line: None)
    try:
        for info in store.listing():
            with contextlib.suppress(StoreFault, UsageFault):
                list(listing([info]))
                store.load(info.id)
        for work in (
            lambda: search(store, "words"),
            lambda: check(store),
            lambda: stats(store),
            lambda: list(look(folder)),
            store.unfinished,
            lambda: store.last("", "/"),
            lambda: store.delete(["s1"]),
        ):
            with contextlib.suppress(StoreFault, UsageFault):
                work()
    except StoreFault:
        pass
    finally:
        store.close()


# Versions ------------------------------------------------------------------------------------------------


def test_F_DB_07_a_newer_store_is_read_and_never_written(ask, arawn, data: Path) -> None:
    ask("first")
    keep_wal_out(data)
    with contextlib.closing(sqlite3.connect(data / "sessions.db")) as db:
        db.execute("PRAGMA user_version = 999")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = (data / "sessions.db").read_bytes()
    done = ask("second")
    assert done.stderr.count("a newer Arawn wrote") == 1 and "999" in done.stderr
    assert len(journals(data)) == 1
    assert "first" in arawn("session", "list").stdout
    for command in (("delete", "--yes", "first"), ("rename", "first", "other"), ("pin", "first")):
        assert arawn("session", *command).returncode == 1
    assert (data / "sessions.db").read_bytes() == before
    assert not (data / "sessions.db-wal").exists() or not (data / "sessions.db-wal").stat().st_size
    with contextlib.closing(sqlite3.connect(data / "sessions.db")) as db:
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
    arawn("session", "list")
    assert stored(data) == ["first", "second"]


def test_F_DB_07_a_newer_arawn_takes_over_meanwhile(tmp_path: Path) -> None:
    store = Store(tmp_path, lambda line: None)
    store.put(session(turn("t1")), [turn("t1")])
    with contextlib.closing(sqlite3.connect(tmp_path / "sessions.db")) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreFault, match="newer"):
        store.put(session(turn("t2")), [turn("t2")])
    store.close()
    assert stored(tmp_path) == ["say t1"]


def test_F_DB_07_a_newer_arawn_brings_it_up_while_this_one_waits(tmp_path: Path) -> None:
    class Overtaken(Database):
        @contextlib.contextmanager
        def alone(self) -> Iterator[None]:
            with super().alone():
                with contextlib.closing(sqlite3.connect(self.path)) as other:
                    other.execute("PRAGMA user_version = 999")
                yield

    Database(tmp_path / "sessions.db", lambda line: None, migrations=schema.MIGRATIONS[:1]).close()
    db = Overtaken(tmp_path / "sessions.db", lambda line: None)
    assert db.connection.execute("PRAGMA user_version").fetchone()[0] == 999, "it stays the newer one's"
    with pytest.raises(StoreFault, match="newer"), db.writing():
        pytest.fail("nothing is written")
    db.close()


def wider(db: sqlite3.Connection) -> None:
    """A later version, for these tests."""
    db.execute("ALTER TABLE session ADD COLUMN colour TEXT")
    db.execute("CREATE TABLE extra (a)")
    db.execute("UPDATE session SET colour = 'red'")


def wider_still(db: sqlite3.Connection) -> None:
    """One more."""
    db.execute("CREATE INDEX extra_a ON extra (a)")
    db.execute("INSERT INTO extra SELECT name FROM session")


LATER = (*schema.MIGRATIONS, wider, wider_still)


@pytest.mark.parametrize("version", range(1, len(LATER)))
def test_F_DB_08_each_older_store_is_brought_up(tmp_path: Path, version: int) -> None:
    told: list[str] = []
    Database(tmp_path / "sessions.db", told.append, migrations=LATER[:version]).close()
    store = Store(tmp_path, told.append) if version == len(schema.MIGRATIONS) else None
    if store:
        store.put(session(turn("t1")), [turn("t1")])
        store.close()
    assert not told
    for _ in range(2):
        db = Database(tmp_path / "sessions.db", told.append, migrations=LATER)
        assert db.connection.execute("PRAGMA user_version").fetchone()[0] == len(LATER)
        assert db.connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        db.close()
    (copy,) = tmp_path.glob("sessions.db.backup-v*")
    assert told == [f"the store of sessions is brought up to date; as it was it is kept as {copy}"]
    assert f"backup-v{version}-" in copy.name and stat.S_IMODE(copy.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(copy)) as old:
        assert old.execute("PRAGMA user_version").fetchone()[0] == version
        assert not store or old.execute("SELECT count(*) FROM turn").fetchone()[0] == 1


def all_or_nothing(folder: Path, versions: tuple[int, int]) -> None:
    """It is one of the versions, whole, and comes up from there; copies are whole or not there."""
    with contextlib.closing(sqlite3.connect(folder / "sessions.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] in versions
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    again = Database(folder / "sessions.db", lambda line: None, migrations=LATER)
    tables = again.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    assert again.connection.execute("PRAGMA user_version").fetchone()[0] == len(LATER)
    assert again.connection.execute("SELECT count(*) FROM extra").fetchone()[0] == (versions[0] > 0)
    assert tables > 20
    again.close()
    for copy in folder.glob("sessions.db.backup-*"):
        with contextlib.closing(sqlite3.connect(copy)) as db:
            assert db.execute("SELECT count(*) FROM turn").fetchone()[0] == 1
    assert not [path.name for path in folder.glob(".sessions.db.backup*")]


KILLED = """
import os, sqlite3, sys
from pathlib import Path
from arawn.store import database, schema

{steps}

left = int(sys.argv[2])
def step(what, *rest):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
class Counted(sqlite3.Connection):
    def execute(self, *args):
        step(args[0])
        return super().execute(*args)
    def backup(self, *args, **more):
        step("backup")
        super().backup(*args, **more)
        step("backup")
real = sqlite3.connect
sqlite3.connect = lambda *args, **more: real(*args, **more, factory=Counted)
database.Database(Path(sys.argv[1]), print, migrations=(*schema.MIGRATIONS, wider, wider_still)).close()
print("through")
"""


def test_F_DB_09_killed_at_every_statement_of_a_migration(tmp_path: Path) -> None:
    """From nothing, and from version 1: afterwards it is the old version or the new one, whole."""
    script = KILLED.format(steps="\n".join(getsource(step) for step in (wider, wider_still)))
    old = tmp_path / "old"
    store = Store(old, print)
    store.put(session(turn("t1")), [turn("t1")])
    store.close()

    def killed(case: tuple[str, int]) -> bool:
        start, number = case
        folder = tmp_path / f"{start}{number}"
        if start == "old":
            shutil.copytree(old, folder)
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder / "sessions.db"), str(number)],
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}, capture_output=True, text=True,
        )  # fmt: skip
        if "through" in done.stdout:
            return False
        assert done.returncode == -9, done.stderr
        all_or_nothing(folder, (0 if start == "nothing" else len(schema.MIGRATIONS), len(LATER)))
        return True

    with ThreadPoolExecutor(4) as pool:
        cases = [(start, number) for start in ("nothing", "old") for number in range(1, 61)]
        died = dict(zip(cases, pool.map(killed, cases), strict=True))
    assert not died["nothing", 60] and not died["old", 60], "the last ones come through: all were met"
    kills = sum(died.values())
    assert kills > 40


# A disk that fails in parts ------------------------------------------------------------------------------

FAILING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
static int fails(const char *what, const char *path) {
    const char *part = getenv(what), *number = getenv("FAIL_WITH");
    if (!part || !path || !strstr(path, part)) return 0;
    errno = number ? atoi(number) : EIO;
    return 1;
}
#define OPEN(name) int name(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
    if (fails("FAIL_OPEN", path)) return -1; \
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
    return real(path, flags, mode); }
OPEN(open)
OPEN(open64)
static int fails_on(const char *what, int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return fails(what, path);
}
#define MMAP(name, type) void *name(void *at, size_t size, int prot, int flags, int fd, type offset) { \
    if (fd >= 0 && fails_on("FAIL_MMAP", fd)) return MAP_FAILED; \
    void *(*real)(void *, size_t, int, int, int, type) = dlsym(RTLD_NEXT, #name); \
    return real(at, size, prot, flags, fd, offset); }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)
#define WRITE(name, rest, args) ssize_t name(int fd, const void *data, size_t size rest) { \
    if (fails_on("FAIL_WRITE", fd)) return -1; \
    ssize_t (*real)(int, const void *, size_t rest) = dlsym(RTLD_NEXT, #name); \
    return real args; }
#define NOTHING
WRITE(write, NOTHING, (fd, data, size))
#define OFFSET , off64_t offset
WRITE(pwrite64, OFFSET, (fd, data, size, offset))
WRITE(pwrite, OFFSET, (fd, data, size, offset))
#define SYNC(name) int name(int fd) { \
    if (fails_on("FAIL_SYNC", fd)) return -1; \
    int (*real)(int) = dlsym(RTLD_NEXT, #name); \
    return real(fd); }
SYNC(fsync)
SYNC(fdatasync)
"""


@pytest.fixture(scope="session")
def failing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that makes calls of the C library fail for some files."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("this needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("failing")
    (folder / "failing.c").write_text(FAILING)
    library = folder / "failing.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "failing.c"), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return str(library)


@pytest.mark.parametrize("call", ["FAIL_OPEN", "FAIL_MMAP"])
def test_F_DB_10_without_shared_memory_there_is_no_log_and_all_else_works(
    ask, arawn, data: Path, failing: str, call: str
) -> None:
    nfs = {"LD_PRELOAD": failing, call: "-shm", "FAIL_WITH": str(19)}
    ask("first", env=nfs)
    ask("-c", "second", env=nfs)
    assert stored(data) == ["first", "second"] and not journals(data)
    assert not (data / "sessions.db-wal").exists()
    assert arawn("session", "check", env=nfs).stdout == "sound\n"


@pytest.mark.parametrize("call", ["FAIL_OPEN", "FAIL_MMAP"])
def test_F_DB_10_a_store_with_a_log_that_came_to_such_a_disk(
    ask, arawn, data: Path, failing: str, call: str
) -> None:
    ask("first")
    nfs = {"LD_PRELOAD": failing, call: "-shm", "FAIL_WITH": str(19)}
    ask("-c", "second", env=nfs)
    assert "first" in arawn("session", "list", env=nfs).stdout
    ask("-c", "third")
    assert stored(data) == ["first", "second", "third"] and not journals(data)
    assert arawn("session", "check").stdout == "sound\n"


def test_F_DB_11_doctor_tells_the_version_of_sqlite_and_its_fault(arawn) -> None:
    told = arawn("doctor", "--offline").stdout
    assert f"SQLite {sqlite3.sqlite_version}" in told
    assert ("resetting the log" in told) == (sqlite3.sqlite_version_info < (3, 51, 3))


def test_F_DB_11_nobody_checkpoints_while_another_writes(tmp_path: Path) -> None:
    """Every write and every checkpoint of ours holds the one lock."""
    from arawn.store.files import locked

    store = Store(tmp_path, lambda line: None, busy=0.05)
    store.put(session(turn("t1")), [turn("t1")])
    with locked(tmp_path / ".sessions.db.lock", 1) as got:
        assert got
        before = (tmp_path / "sessions.db-wal").stat().st_size
        for work in (
            lambda: store.put(session(turn("t2")), [turn("t2")]),
            lambda: store.delete(["s1"]),
            lambda: store.pin("s1", True),
            store.db.empty_log,
        ):
            with pytest.raises(StoreFault, match="another program has been writing"):
                work()
        assert (tmp_path / "sessions.db-wal").stat().st_size == before
        assert [row[0] for row in store.db.connection.execute("PRAGMA wal_autocheckpoint")] == [0]
    store.close()
    assert stored(tmp_path) == ["say t1"]


@pytest.mark.parametrize(
    ("call", "number", "where"),
    [
        ("FAIL_WRITE", 5, "sessions.db"),
        ("FAIL_WRITE", 122, "sessions.db"),
        ("FAIL_SYNC", 5, "sessions.db"),
        ("FAIL_OPEN", 24, "sessions.db"),
        ("FAIL_OPEN", 5, "sessions.db-wal"),
        ("FAIL_OPEN", 24, ".lock"),
        ("FAIL_WRITE", 5, "/journal/"),
        ("FAIL_SYNC", 5, "/journal/"),
        ("FAIL_OPEN", 28, "/journal/"),
        ("FAIL_WRITE", 122, "/share/arawn/"),
        ("FAIL_SYNC", 5, "/share/arawn/"),
        ("FAIL_OPEN", 23, "/share/arawn/"),
    ],
)
@pytest.mark.parametrize("start", ["first run", "later"])
def test_F_DB_19_errors_of_the_disk_cost_no_answer(
    ask, arawn, data: Path, tmp_path: Path, failing: str, call: str, number: int, where: str, start: str
) -> None:
    if start == "later":
        ask("zero")
    (tmp_path / "tmp").mkdir()
    bad = {"LD_PRELOAD": failing, call: where, "FAIL_WITH": str(number), "TMPDIR": str(tmp_path / "tmp")}
    done = ask("first", env=bad)
    told = done.stderr.replace("\n", " ")
    for command in (("session", "list"), ("session", "search", "zero"), ("doctor", "--offline")):
        other = arawn(*command, env=bad)
        assert "Traceback" not in other.stderr and "fault of Arawn" not in other.stderr, other.stderr
    for path in (tmp_path / "tmp").glob("arawn-*.jsonl"):
        assert str(path) in told
        assert arawn("session", "import", str(path)).returncode == 0
    ask("second")
    assert stored(data) == [*(["zero"] if start == "later" else []), "first", "second"], told
    assert not journals(data)
    assert not list(data.glob("*.corrupt-*")), told
    assert arawn("session", "check").stdout == "sound\n"


# What is written -----------------------------------------------------------------------------------------


def test_F_DB_12_lone_surrogates_and_nul_are_stored_as_they_can_be(arawn, data: Path) -> None:
    odd = "a\\ud800b\\u0000c \\udcff"
    events = [
        f'{{"id":"c","model":"m{odd}","choices":[{{"index":0,"delta":{{"content":"{odd}",'
        f'"reasoning_content":"{odd}"}},"finish_reason":null}}]}}',
        f'{{"id":"c","model":"m{odd}","choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}',
    ]
    stream = Stream([f"data: {event}\n\n".encode() for event in events])
    with FakeProvider(stream) as fake:
        config = CONFIG.format(url=fake.url)
        done = arawn(
            "ask", b"x\xff\x00y".replace(b"\0", b"").decode("utf-8", "surrogateescape"), config=config
        )
        assert done.returncode == 0 and "not stored" not in done.stderr, done.stderr
        again = arawn(
            "ask",
            "-c",
            "x\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"),
            config=config,
        )
        assert again.returncode == 0 and "not stored" not in again.stderr, again.stderr
    shown = arawn("session", "show", "--json")
    assert shown.returncode == 0
    assert len(json.loads(shown.stdout)["said"]) == 2 and not journals(data)
    for command in (("session", "search", "b"), ("receipt",), ("session", "export"), ("session", "list")):
        assert arawn(*command).returncode == 0


ODD = "\ud800 \0 \udcff \uffff"


def test_F_DB_12_odd_text_in_every_place_of_a_turn(tmp_path: Path) -> None:
    parts = (
        TextPart(ODD),
        ReasoningPart(ODD, {"signature": ODD, ODD: 1}, (ODD, ODD)),
        ToolCallPart(ODD, ODD, ODD, {"a": [ODD]}, (ODD, ODD)),
    )
    messages = (
        Message("user", (TextPart(ODD), FilePart(b"\0\xff", "image/png", ODD))),
        Message("assistant", parts),
        Message("tool", (ToolResultPart(ODD, ODD, ODD, False),)),
        Message("assistant", (TextPart("end"),)),
    )
    attempt = Attempt(ODD, ODD, 200, 1.0, 2.0, None, 0.0, ODD)
    receipt = Receipt(ODD, ODD, ODD, ODD, ODD, ODD, ODD, settings={ODD: ODD, "x": [ODD]}, attempts=(attempt,))
    said = Turn("t1", None, messages, receipt, 1.0, "s1")
    begun = session(said)
    begun.title = begun.folder = begun.system = ODD
    begun.name_head(ODD)
    store = Store(tmp_path, lambda line: None)
    store.put(begun, [said], ODD)
    store.rename("s1", ODD)
    found = store.load("s1").turns["t1"]
    assert found.answer.endswith("end") and [one.role for one in found.messages] == [
        "user", "assistant", "tool", "assistant",
    ]  # fmt: skip
    assert search(store, "end") and not check(store)
    store.rename("s1", "plain")
    for word in (ODD, "\ud800", "\0", "x" * 10_000, "%", "_", "\\", "'", '"'):
        with pytest.raises(UsageFault):
            store.find(word)
        with pytest.raises(UsageFault):
            store.find_turn(word)
    with Path(tmp_path / "out.json").open("w") as file:
        json.dump(session_out(store.load("s1")), file)
    store.delete(["s1"])
    assert not check(store)
    store.close()


def test_F_DB_12_a_hundred_megabytes_in_a_turn(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, Rules(), Place("/", ""), print, str)
    talk = Conversation(keeper.new(), journal=keeper)
    large = "Wörter und mehr " * 6_500_000
    list(talk.ask(Scripted([Text(large), Finish("stop")]), "say much"))
    keeper.settle()
    keeper.close()
    store = Store(tmp_path, print)
    assert store.load(talk.session.id).turns[talk.session.head or ""].answer == large
    began = time.monotonic()
    assert search(store, "mehr")[0].role == "assistant"
    assert time.monotonic() - began < 15
    store.delete([talk.session.id])
    store.close()
    assert (tmp_path / "sessions.db").stat().st_size < 1_000_000


def test_F_DB_15_going_on_changes_no_row_that_is_there(ask, arawn, data: Path) -> None:
    ask("first")
    ask("-c", "second")
    before = rows(data)
    for command in (("session", "list"), ("session", "show"), ("resume",), ("session", "search", "whole")):
        arawn(*command)
    assert rows(data) == before
    ask("-c", "third")
    after = rows(data)
    for table in ("turn", "message", "said", "file"):
        assert set(before[table]) < set(after[table]) or before[table] == after[table], table
    assert len(after["session"]) == 1


def rows(data: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with contextlib.closing(sqlite3.connect(data / "sessions.db")) as db:
        names = ("session", "turn", "message", "said", "file", "branch")
        return {name: db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


def test_F_DB_16_the_clock_may_go_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order is by sequence: 2038, 1970 and back again change nothing."""
    store = Store(tmp_path, print)
    talk = Session("s1", "title")
    moments = [1.8e9, 2**31 + 5.0, 0.0, -5.0, 1e9, 1e11, 1.7e9]
    for number, at in enumerate(moments):
        one = turn(f"t{number}", talk.head)._replace(at=at)
        talk.add(one)
        store.put(talk, [one])
    other = session(turn("z")._replace(at=3.0, session="s2"), id="s2")
    store.put(other, other.turns.values())
    loaded = store.load("s1")
    assert [one.id for one in loaded.path()] == [f"t{number}" for number in range(len(moments))]
    assert [info.id for info in store.listing()] == ["s2", "s1"], "the one spoken in last, not the youngest"
    assert store.last("", "") == "s2"
    assert len(list(listing(store.listing(), now=-1e12))) == 2
    assert len(search(store, "say")) == len(moments) + 1
    store.close()


SECRET_WORDS = ("Xylophonquartett", "Kaffeelöffelchen", "日本庭園散歩", "grmblfx99", "Titelwortlaut")


def test_F_DB_17_a_deleted_session_leaves_no_byte(ask, arawn, data: Path) -> None:
    ask("one that stays " * 50)
    for number in range(3):
        ask(f"{SECRET_WORDS[4]} {number} " + " ".join(SECRET_WORDS[:4]), "--system", "grmblfx99 be brief")
    ask("-c", " ".join(SECRET_WORDS) * 300)
    ask("another that stays " * 50)
    assert leftovers(data), "before, they are there"
    for _ in range(3):
        ids = [
            i["id"]
            for i in json.loads(arawn("session", "list", "--json").stdout)
            if SECRET_WORDS[4] in i["title"]
        ]
        if ids:
            arawn("session", "delete", "--yes", ids[0])
    assert len(json.loads(arawn("session", "list", "--json").stdout)) == 2
    assert leftovers(data) == []
    assert arawn("session", "check").stdout == "sound\n"
    assert json.loads(arawn("session", "search", "--json", SECRET_WORDS[0]).stdout) == []
    assert json.loads(arawn("session", "search", "--json", "stays").stdout)


def leftovers(data: Path) -> list[str]:
    """Where words of the deleted sessions still stand: in the bytes of any file."""
    found = []
    for path in data.rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            for word in SECRET_WORDS:
                pieces = {word.lower(), word.lower().replace("ö", "o"), word.lower()[2:]}
                if not word.isascii() and "ö" not in word:
                    pieces = {word}
                found += [f"{path.name}: {piece}" for piece in pieces if piece.encode() in content]
    return found


def test_F_DB_17_while_another_has_the_store_open(tmp_path: Path) -> None:
    """A chat that stays open, and one that reads just now."""
    told: list[str] = []
    store, chat = Store(tmp_path, told.append, 0.2), Store(tmp_path, told.append, 0.2)
    said = turn("t1", None, "Xylophonquartett " * 2000)
    store.put(session(said), [said])
    chat.load("s1")
    reading = chat.db.connection.execute("SELECT * FROM message")
    reading.fetchone()
    store.delete(["s1"])
    assert any("leaves the file later" in line for line in told)
    reading.close()
    store.pin("s1", True)
    store.delete(["s1"])
    assert leftovers(tmp_path) == []
    chat.close()
    store.close()


def test_F_DB_17_copies_that_still_hold_it_are_named(ask, arawn, data: Path) -> None:
    ask("Xylophonquartett")
    arawn("session", "backup")
    (copy,) = data.glob("sessions.db.backup-*")
    done = arawn("session", "delete", "--yes", "Xylophonquartett")
    assert str(copy) in done.stderr
    ask("other")
    copy.unlink()
    assert "copies" not in arawn("session", "delete", "--yes", "other").stderr


# Where it is written -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sessions.db", ".sessions.db.lock", "journal/.x", "sessions.db-wal"])
@pytest.mark.parametrize("target", ["a file", "nothing"])
def test_F_DB_18_a_symbolic_link_is_not_followed(
    ask, arawn, data: Path, tmp_path: Path, name: str, target: str
) -> None:
    other = tmp_path / "other"
    if target == "a file":
        other.write_text("mine")
    path = data / name
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    path.symlink_to(other)
    done = ask("first", env={"TMPDIR": str(tmp_path)})
    assert other.exists() == (target == "a file")
    assert target == "nothing" or other.read_text() == "mine"
    arawn("session", "list")
    arawn("session", "backup", str(tmp_path / "copy"))
    assert target == "nothing" or other.read_text() == "mine"
    if path.is_symlink():
        path.unlink()
    arawn("session", "list")
    assert stored(data) == ["first"], done.stderr


def test_F_DB_18_links_in_the_place_of_backups_and_journals(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    data = tmp_path / "data"
    store = Store(data, print)
    (data / "copy").symlink_to(mine)
    with pytest.raises(UsageFault):
        backup(store, str(data / "copy"))
    (data / "journal").mkdir()
    (data / "journal" / "abc.jsonl").symlink_to(mine)
    (data / "journal" / ".new-turn.new").symlink_to(mine)
    with pytest.raises(OSError):
        Writer(data / "journal", outset(session(), None, user("x"), "", ("a", "b"), "new-turn", 1.0))
    store.close()
    Store(data, print).close()
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777], ids=oct)
def test_F_DB_everything_is_for_its_owner_alone(
    arawn, env: dict[str, str], data: Path, umask: int, fake: FakeProvider
) -> None:
    """Folders 0700 and files 0600 under any umask: log, index of the log, lock, journals, copies, what is
    set aside."""
    seen: dict[str, int] = {}

    def look_at_modes(conn: object) -> None:
        for _ in range(10):
            modes(data.parent, seen)
            time.sleep(0.01)
        ANSWER(conn)

    fake.behaviours = (look_at_modes,)

    def run(*words: str) -> None:
        done = arawn(*words, config=CONFIG.format(url=fake.url), preexec_fn=lambda: os.umask(umask))
        assert done.returncode == 0, done.stderr

    os.makedirs(data.parent.parent.parent / ".config" / "arawn", exist_ok=True)
    run("ask", "first")
    store = Store(data, print)
    store.pin(store.listing()[0].id, True)
    modes(data.parent, seen)
    run("session", "backup")
    store.close()
    keep_wal_out(data)
    broken(data / "sessions.db", "no database")
    run("ask", "second")
    modes(data.parent, seen)
    names = " ".join(seen)
    for part in ("journal/", ".jsonl", ".lock", "-wal", "-shm", ".backup-", ".corrupt-"):
        assert part in names, (part, names)
    wrong = {name: oct(mode) for name, mode in seen.items() if mode & 0o177 and not name.endswith("/")}
    wrong |= {name: oct(mode) for name, mode in seen.items() if mode != 0o700 and name.endswith("/")}
    assert not wrong


def modes(folder: Path, seen: dict[str, int]) -> None:
    """The widest mode that each name under `folder` was seen with."""
    for path in [folder / "arawn", *(folder / "arawn").rglob("*")]:
        with contextlib.suppress(FileNotFoundError):
            found = path.lstat()
            name = str(path.relative_to(folder)) + "/" * stat.S_ISDIR(found.st_mode)
            seen[name] = seen.get(name, 0) | stat.S_IMODE(found.st_mode)


@needs_strace
def test_F_DB_04_a_journal_goes_only_when_its_turn_is_on_the_disk(
    ask, env, data: Path, tmp_path: Path
) -> None:
    ask("first")
    log = tmp_path / "calls"
    calls = "pwrite64,fsync,fdatasync,unlink,unlinkat"
    ask(
        "second",
        program=("strace", "-f", "-y", "-o", str(log), "-e", f"trace={calls}",
                 sys.executable, "-P", "-m", "arawn"),
    )  # fmt: skip
    lines = log.read_text().splitlines()
    gone = next(n for n, line in enumerate(lines) if "unlink" in line and "/journal/" in line)
    assert ".jsonl" in lines[gone]
    synced = [n for n, line in enumerate(lines) if "sync(" in line and "sessions.db-wal" in line]
    written = [n for n, line in enumerate(lines) if "pwrite64(" in line and "sessions.db-wal" in line]
    assert written and synced and written[-1] < synced[-1] < gone, lines


@needs_strace
def test_F_DB_04_what_waits_in_a_journal_is_on_the_disk(ask, arawn, data: Path, tmp_path: Path) -> None:
    ask("first")
    log = tmp_path / "calls"
    with contextlib.closing(sqlite3.connect(data / "sessions.db")) as db:
        db.execute("PRAGMA user_version = 999")
    ask(
        "second",
        program=("strace", "-f", "-y", "-s", "9999", "-o", str(log), "-e", "trace=write,fsync,fdatasync",
                 sys.executable, "-P", "-m", "arawn"),
    )  # fmt: skip
    lines = [line for line in log.read_text().splitlines() if "/journal/" in line]
    assert "sync(" in lines[-1] and any('{\\"end\\"' in line for line in lines), lines
    (path,) = journals(data)
    assert json.loads(path.read_text().splitlines()[-1])["end"]["receipt"]["finish"] == "stop"


def test_F_DB_python_without_sqlite_costs_no_answer(ask, arawn, tmp_path: Path, data: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "sqlite3.py").write_text("raise ImportError('No module named _sqlite3')\n")
    done = ask("first", env={"PYTHONPATH": f"{bare}:{ROOT}"})
    assert "nothing can be stored" in done.stderr and "waits in" in done.stderr
    for command in ("list", "search x", "show"):
        listed = arawn("session", *command.split(), env={"PYTHONPATH": f"{bare}:{ROOT}"})
        assert listed.returncode == 1 and "fault of Arawn" not in listed.stderr, listed.stderr
    assert "no SQLite" in arawn("doctor", "--offline", env={"PYTHONPATH": f"{bare}:{ROOT}"}).stdout
    arawn("session", "list")
    assert stored(data) == ["first"]


@pytest.mark.parametrize("how", ["set aside", "removed", "put back from a copy"])
def test_F_DB_06_a_chat_follows_the_file_that_another_process_put_there(tmp_path: Path, how: str) -> None:
    told: list[str] = []
    path = tmp_path / "sessions.db"
    chat = Keeper(tmp_path, Rules(), Place("/", ""), told.append, str)
    talk = Conversation(chat.new(), journal=chat)

    def say(prompt: str) -> None:
        list(talk.ask(Scripted([Text("yes"), Finish("stop")]), prompt))
        chat.settle()

    say("one")
    chat.store.db.backup(tmp_path / "copy")
    say("two")
    match how:
        case "set aside":
            script = (
                f"from pathlib import Path; from arawn.store.sessions import Store; s = Store(Path({str(tmp_path)!r}), "
                "print); s.db.set_aside()"
            )
            done = subprocess.run(
                [sys.executable, "-c", script], env={"PYTHONPATH": str(ROOT)}, capture_output=True
            )
            assert b"was damaged" in done.stdout, done.stderr
        case "removed":
            for ending in ("", "-wal", "-shm"):
                Path(f"{path}{ending}").unlink(missing_ok=True)
        case _:
            for ending in ("-wal", "-shm"):
                Path(f"{path}{ending}").unlink(missing_ok=True)
            os.replace(tmp_path / "copy", path)
    ours = Store(tmp_path, told.append)
    say("three")
    other = session(turn("other"))
    ours.put(other, other.turns.values())
    chat.close()
    ours.put(session(turn("more"), id="s2"), [turn("more")])
    ours.close()
    assert stored(tmp_path) == ["one", "two", "three", "say other", "say more"]
    again = Store(tmp_path, told.append)
    assert [said.prompt.text for said in again.load(talk.session.id).path()] == ["one", "two", "three"]
    again.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert not journals(tmp_path) and not told


def many_pages(good: Path, told: list[str]) -> bytes:
    """The file of a store with 72 turns."""
    store = Store(good, told.append)
    for number in range(24):
        talk = Session(f"s{number}", f"title {number}")
        for place in range(3):
            words = f"{number} {place} " + "word " * 120
            talk.add(turn(f"t{number:04}{place:04}", talk.head, words, f"answer {words}"))
        store.put(talk, talk.turns.values())
    store.close()
    keep_wal_out(good)
    return (good / "sessions.db").read_bytes()


def test_F_DB_06_a_file_that_was_cut_gives_back_what_is_left(tmp_path: Path) -> None:
    told: list[str] = []
    whole = many_pages(tmp_path / "good", told)
    bad = tmp_path / "bad" / "sessions.db.corrupt-1"
    into = Store(bad.parent, told.append)
    bad.write_bytes(whole[: len(whole) * 3 // 4 + 100])
    recover(into, bad)
    assert not check(into) and not told
    into.close()
    assert len([text for text in stored(bad.parent) if text != "[lost]"]) >= 24


def test_F_DB_06_the_loss_of_any_page_costs_what_was_on_it(tmp_path: Path) -> None:
    """But for the first, which tells what all others are, and the one that leads to what was said."""
    told: list[str] = []
    good = tmp_path / "good"
    whole = many_pages(good, told)
    every = set(stored(good))
    with contextlib.closing(sqlite3.connect(good / "sessions.db")) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'message'").fetchone()[0] - 1
    for page in set(range(1, len(whole) // 4096)) - {root}:
        folder = tmp_path / f"p{page}"
        folder.mkdir()
        bad = folder / "sessions.db.corrupt-1"
        bad.write_bytes(whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :])
        into = Store(folder, told.append)
        for _ in range(1 + (page % 8 == 0)):  # once more changes nothing
            recover(into, bad)
        assert not check(into)
        into.close()
        found = [text for text in stored(folder) if text != "[lost]"]
        assert len(every - set(found)) <= 6, page
        assert len(found) == len(set(found)), page
        shutil.rmtree(folder)
    assert not told
