"""The faults of a store (F-DB): the answer is shown whole whatever the disk says, and nothing said is lost."""

from __future__ import annotations

import contextlib
import json
import os
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

from arawn.messages import Message, TextPart, user
from arawn.session import Receipt, Session, Turn

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
    from arawn.backends.scripted import Scripted
    from arawn.engine import Conversation

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
