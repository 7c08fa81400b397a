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
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream

from arawn.backends.scripted import Scripted
from arawn.engine import Conversation
from arawn.errors import StoreFault, UsageFault
from arawn.events import Text
from arawn.keeping import Keeper, Place, Rules
from arawn.messages import Message, TextPart, user
from arawn.render.sessions import listing
from arawn.session import Receipt, Session, Turn
from arawn.store import schema
from arawn.store.care import check, look, recover, stats
from arawn.store.database import Database
from arawn.store.journal import Writer, outset
from arawn.store.search import search
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
        assert time.monotonic() - began < 9, "the store is waited for once, not for each turn"
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

    done = ask("second " + "long " * limit, preexec_fn=small)
    assert "not stored" in done.stderr and "Traceback" not in done.stderr
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


KILLED = """
import os, sqlite3, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_store_faults as here
from arawn.store import database

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
database.Database(Path(sys.argv[1]), print, migrations=here.LATER).close()
print("through")
"""


def test_F_DB_09_killed_at_every_statement_of_a_migration(tmp_path: Path) -> None:
    """From nothing, and from version 1: afterwards it is the old version or the new one, whole."""
    script = KILLED.format(tests=str(Path(__file__).parent))
    old = tmp_path / "old"
    store = Store(old, print)
    store.put(session(turn("t1")), [turn("t1")])
    store.close()
    kills = 0
    for start in ("nothing", "old"):
        for number in range(1, 400):
            folder = tmp_path / f"{start}{number}"
            if start == "old":
                shutil.copytree(old, folder)
            done = subprocess.run(
                [sys.executable, "-c", script, str(folder / "sessions.db"), str(number)],
                env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}, capture_output=True, text=True,
            )  # fmt: skip
            if "through" in done.stdout:
                break
            kills += 1
            assert done.returncode == -9, done.stderr
            versions = (0, len(LATER)) if start == "nothing" else (1, len(LATER))
            with contextlib.closing(sqlite3.connect(folder / "sessions.db")) as db:
                assert db.execute("PRAGMA user_version").fetchone()[0] in versions
                assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            again = Database(folder / "sessions.db", lambda line: None, migrations=LATER)
            tables = again.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            assert again.connection.execute("PRAGMA user_version").fetchone()[0] == len(LATER)
            assert again.connection.execute("SELECT count(*) FROM extra").fetchone()[0] == (start == "old")
            assert tables > 20
            again.close()
            for copy in folder.glob("sessions.db.backup-*"):
                with contextlib.closing(sqlite3.connect(copy)) as db:
                    assert db.execute("SELECT count(*) FROM turn").fetchone()[0] == 1
            assert not [path.name for path in folder.glob(".sessions.db.backup*")]
    assert kills > 40
