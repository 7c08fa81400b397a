"""The store as one uses it: trees that come back as they were, nothing kept twice, no key, nothing where
nothing is to be kept."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream
from home import FAKE
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arawn.backends.scripted import Scripted
from arawn.engine import Conversation
from arawn.errors import UsageFault
from arawn.events import Finish, Reasoning, Text, ToolCall
from arawn.keeping import Keeper, Place, Rules
from arawn.messages import FilePart, Message, TextPart, ToolResultPart, user
from arawn.record import session_out
from arawn.secret import Redactor
from arawn.session import Receipt, Session, Turn, common
from arawn.store import trees
from arawn.store.care import check, stats
from arawn.store.sessions import Store

CONFIG = FAKE + 'api_key = "{key}"\n'


@pytest.fixture
def told() -> list[str]:
    """What the store said."""
    return []


@pytest.fixture
def store(tmp_path: Path, told: list[str]) -> Iterator[Store]:
    """An empty store; nothing of it is told."""
    made = Store(tmp_path / "data", told.append)
    yield made
    made.close()
    assert not told


RULES = Rules()


def keeper_of(folder: Path, rules: Rules = RULES, mask=str) -> Keeper:
    """The keeper of a run in `folder`."""
    return Keeper(folder, rules, Place("/work", "tty1"), print, mask)


def turn(id: str, parent: str | None = None, at: float = 1000.0, owner: str = "s1") -> Turn:
    """A finished turn."""
    receipt = Receipt("fake", "custom", "m-1", "stop")
    messages = (user(f"say {id}"), Message("assistant", (TextPart(f"said {id}"),)))
    return Turn(id, parent, messages, receipt, at, owner)


def put(store: Store, session: Session, *turns: Turn, terminal: str = "") -> Session:
    """Say turns in a session, and store it."""
    for one in turns:
        session.add(one)
    store.put(session, turns, terminal)
    return session


def one(store: Store, query: str) -> object:
    """A single value."""
    return store.read(lambda db: db.execute(query).fetchone()[0])


def same(left: Session, right: Session) -> None:
    """Both are the same session, turn for turn."""
    assert session_out(left) == session_out(right)
    assert left.latest == right.latest


# Trees ---------------------------------------------------------------------------------------------------


def test_a_session_comes_back_as_it_was(store: Store) -> None:
    talk = Session("s1", "title", "be brief")
    talk.folder, talk.created = "/here", 12.5
    put(store, talk, turn("a"), turn("b", "a"))
    talk.name_head("good")
    put(store, talk, turn("c", "b"))
    talk.stand_at("a")
    put(store, talk, turn("d", "a"))
    same(store.load("s1"), talk)
    talk.switch("good")
    put(store, talk)
    same(store.load("s1"), talk)
    assert store.load("s1").branch == "good"


def test_undoing_all_and_saying_otherwise(store: Store) -> None:
    talk = put(store, Session("s1", "t"), turn("a"), turn("b", "a"))
    talk.step_back(), talk.step_back()
    put(store, talk)
    back = store.load("s1")
    same(back, talk)
    assert back.head is None and len(back.turns) == 2
    put(store, back, turn("c"))
    loaded = store.load("s1")
    assert [one.id for one in loaded.path()] == ["c"] and loaded.branches == {"main": "c"}


def test_what_forks_share_is_stored_once_and_stays(store: Store) -> None:
    talk = put(store, Session("s1", "t"), turn("a"), turn("b", "a"))
    keeper = keeper_of(store.folder)
    fork = keeper.fork(talk)
    keeper.moved(fork)
    put(store, fork, turn("c", "b", owner=fork.id))
    assert one(store, "SELECT count(*) FROM turn") == 3
    assert [t.id for t in store.load(fork.id).path()] == ["a", "b", "c"]
    assert list(store.load("s1").turns) == ["a", "b"]
    for _ in range(3):
        fork.step_back()
    put(store, fork)
    assert list(store.load(fork.id).turns) == ["a", "b", "c"], "what was taken back stays in the tree"
    store.delete(["s1"])
    assert list(store.load(fork.id).turns) == ["a", "b", "c"]
    with pytest.raises(UsageFault):
        store.load("s1")
    store.delete([fork.id])
    assert [
        one(store, f"SELECT count(*) FROM {table}") for table in ("turn", "message", "said", "branch")
    ] == [0] * 4
    keeper.close()
    assert not check(store)


def test_the_same_message_twice_is_one_row_and_files_are_kept_once(store: Store) -> None:
    picture = FilePart(b"\x89PNG" + bytes(100_000), "image/png", "a.png")
    talk = Session("s1", "t")
    for number in range(3):
        message = user("what is this?", (picture._replace(name=f"{number}.png"),))
        put(store, talk, Turn(f"t{number}", talk.head, (message, *turn("x").messages[1:]), session="s1"))
    assert one(store, "SELECT count(*) FROM file") == 1
    assert one(store, "SELECT count(*) FROM message WHERE role = 'assistant'") == 1
    assert one(store, "SELECT count(*) FROM message WHERE role = 'user'") == 3, "their names differ"
    assert [t.files[0].name for t in store.load("s1").path()] == ["0.png", "1.png", "2.png"]
    assert {t.files[0].data for t in store.load("s1").path()} == {picture.data}
    assert stats(store)["file_bytes"] == len(picture.data)
    store.delete(["s1"])
    assert one(store, "SELECT count(*) FROM file") == 0


def test_two_that_speak_in_one_session_both_stay(store: Store, tmp_path: Path) -> None:
    put(store, Session("s1", "t"), turn("a"))
    mine, other = store.load("s1"), store.load("s1")
    put(store, mine, turn("b", "a"))
    other.name_head("theirs")
    put(store, other, turn("c", "a"))
    put(store, mine, turn("d", "b"))
    loaded = store.load("s1")
    assert [t.id for t in loaded.path()] == ["a", "b", "d"]
    assert loaded.branches == {"main": "d", "theirs": "c"}


class Trees(RuleBasedStateMachine):
    """Any order of what one does in a chat, against lists; the store is opened and read anew after each."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = Path(tempfile.mkdtemp())
        self.keeper = keeper_of(self.folder)
        # For each session: rows (row of the parent or None, prompt, answer), where it stands, named rows.
        self.sessions: dict[str, Session] = {}
        self.rows: dict[str, list[tuple[int | None, str, str]]] = {}
        self.at: dict[str, int | None] = {}
        self.named: dict[str, dict[str, int]] = {}
        self.count = 0
        self.now = self.new()

    def teardown(self) -> None:
        import shutil

        if hasattr(self, "folder"):
            self.keeper.close()
            shutil.rmtree(self.folder)

    def new(self) -> str:
        session = self.keeper.new()
        self.know(session, [], None, {})
        return session.id

    def know(self, session: Session, rows: list, at: int | None, named: dict[str, int]) -> None:
        self.sessions[session.id] = session
        self.rows[session.id], self.at[session.id], self.named[session.id] = rows, at, named

    def ids(self) -> list[str]:
        return list(self.sessions[self.now].turns)

    def move(self, row: int | None) -> None:
        self.at[self.now] = row
        branch = self.sessions[self.now].branch
        if branch is not None:
            if row is None:
                self.named[self.now].pop(branch, None)
            else:
                self.named[self.now][branch] = row

    @rule(text=st.sampled_from(["one", "two", "drei ß", "日本"]))
    def say(self, text: str) -> None:
        self.count += 1
        conversation = Conversation(self.sessions[self.now], journal=self.keeper)
        list(conversation.ask(Scripted([Text(f"answer {self.count}"), Finish("stop")]), text))
        self.keeper.settle()
        rows = self.rows[self.now]
        rows.append((self.at[self.now], text, f"answer {self.count}"))
        self.move(len(rows) - 1)

    @rule()
    def undo(self) -> None:
        at = self.at[self.now]
        self.sessions[self.now].step_back()
        self.keeper.moved(self.sessions[self.now])
        if at is not None:
            self.move(self.rows[self.now][at][0])

    @precondition(lambda self: self.rows[self.now])
    @rule(number=st.integers(0, 99), edit=st.booleans())
    def goto(self, number: int, edit: bool) -> None:
        """/goto N, or /edit N, which stands before it."""
        rows, session = self.rows[self.now], self.sessions[self.now]
        row: int | None = number % len(rows)
        if edit:
            row = rows[number % len(rows)][0]
        session.stand_at(None if row is None else self.ids()[row])
        self.keeper.moved(session)
        self.at[self.now] = row

    @precondition(lambda self: self.at[self.now] is not None)
    @rule(name=st.sampled_from(["main", "x", "ü"]))
    def branch(self, name: str) -> None:
        self.sessions[self.now].name_head(name)
        self.keeper.moved(self.sessions[self.now])
        self.named[self.now][name] = self.at[self.now] or 0

    @precondition(lambda self: self.at[self.now] is not None)
    @rule()
    def fork(self) -> None:
        path = self.path(self.now)
        session = self.keeper.fork(self.sessions[self.now])
        self.keeper.moved(session)
        rows = [
            (number - 1 if number else None, *self.rows[self.now][row][1:]) for number, row in enumerate(path)
        ]
        self.know(session, rows, len(rows) - 1, {"main": len(rows) - 1})
        self.now = session.id

    @precondition(lambda self: len(self.sessions) > 1)
    @rule(number=st.integers(0, 99))
    def switch(self, number: int) -> None:
        self.now = list(self.sessions)[number % len(self.sessions)]

    @rule()
    def another(self) -> None:
        self.now = self.new()

    @precondition(lambda self: len(self.sessions) > 1 and self.rows[self.now])
    @rule(number=st.integers(0, 99))
    def graft(self, number: int) -> None:
        source = list(self.sessions)[number % len(self.sessions)]
        session, other = self.sessions[self.now], self.sessions[source]
        new = other.path()[common(session.path(), other.path()) :]
        if source == self.now or not new:
            return
        self.keeper.graft(session, new)
        rows = self.rows[self.now]
        for row in self.path(source)[-len(new) :]:
            rows.append((self.at[self.now], *self.rows[source][row][1:]))
            self.move(len(rows) - 1)

    @precondition(lambda self: len(self.sessions) > 1)
    @rule(number=st.integers(0, 99))
    def delete(self, number: int) -> None:
        id = list(self.sessions)[number % len(self.sessions)]
        self.keeper.store.delete([id])
        for known in (self.sessions, self.rows, self.at, self.named):
            del known[id]
        if id == self.now:
            self.now = next(iter(self.sessions))

    def path(self, id: str) -> list[int]:
        """The rows that lead to where a session stands."""
        found, row = [], self.at[id]
        while row is not None:
            found.append(row)
            row = self.rows[id][row][0]
        return found[::-1]

    @invariant()
    def all_of_it_is_there(self) -> None:
        if not hasattr(self, "folder"):
            return
        store = Store(self.folder, print)
        assert not check(store)
        kept = {id for id in self.sessions if self.rows[id]}
        assert {info.id for info in store.listing(1000)} == kept
        for id in kept:
            loaded = store.load(id)
            ids = list(loaded.turns)
            shown = [
                (None if one.parent is None else ids.index(one.parent), one.prompt.text, one.answer)
                for one in loaded.turns.values()
            ]
            assert shown == self.rows[id]
            assert [ids.index(one.id) for one in loaded.path()] == self.path(id)
            assert {name: ids.index(end) for name, end in loaded.branches.items()} == self.named[id]
            assert loaded.branch == self.sessions[id].branch
        store.close()


TestTrees = Trees.TestCase
TestTrees.settings = settings(
    max_examples=25, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)


# Finding, listing, clearing away -------------------------------------------------------------------------


def test_found_by_id_by_its_beginning_and_by_title(store: Store) -> None:
    for id, title in (("abc111", "The river"), ("abc222", "The river bank"), ("xyz", "100% sure_thing")):
        put(store, Session(id, title), turn(f"t-{id}", owner=id))
    assert store.find("abc111") == store.find("abc1") == store.find("The river") == "abc111"
    assert store.find("bank") == store.find("RIVER BANK") == "abc222"
    assert store.find("100%") == store.find("sure_") == "xyz"
    for many in ("abc", "river", "The"):
        with pytest.raises(UsageFault) as caught:
            store.find(many)
        assert len(caught.value.hints) == 2 and "abc111" in " ".join(caught.value.hints)
    for none in ("", "nothing", "%", "r_ver", "'; DROP TABLE session; --"):
        if none == "%":
            continue
        with pytest.raises(UsageFault):
            store.find(none)
    assert store.find("%") == "xyz"
    assert store.find_turn("t-xyz") == ("xyz", "t-xyz")
    assert store.find_turn("bank") == ("abc222", "t-abc222")


def test_two_of_one_title_are_told_apart(store: Store) -> None:
    for id in ("abc", "def"):
        put(store, Session(id, "hi"), turn(f"t-{id}", owner=id))
    with pytest.raises(UsageFault) as caught:
        store.find("hi")
    assert len(caught.value.hints) == 2


def test_go_on_with_this_terminals_last_else_the_folders_else_the_last(store: Store) -> None:
    for id, folder, terminal in (
        ("a", "/x", "tty1"),
        ("b", "/x", "tty2"),
        ("c", "/y", "tty3"),
        ("d", "/z", ""),
    ):
        session = Session(id, id)
        session.folder = folder
        put(store, session, turn(f"t-{id}", owner=id), terminal=terminal)
    assert store.last("tty1", "/y") == "a"
    assert store.last("tty9", "/x") == "b"
    assert store.last("", "/y") == "c"
    assert store.last("tty9", "/nowhere") == store.last("", "") == "d"
    again = store.load("a")
    put(store, again, turn("t-a2", "t-a", owner="a"), terminal="tty3")
    assert store.last("tty3", "/y") == "a" and store.last("tty1", "/q") == "a"


def test_pinned_first_then_the_last_spoken_in(store: Store) -> None:
    for id in "abcd":
        put(store, Session(id, id), turn(f"t-{id}", owner=id))
    store.pin("b", True)
    assert [info.id for info in store.listing()] == ["b", "d", "c", "a"]
    put(store, store.load("a"), turn("t-a2", "t-a", owner="a"))
    store.pin("b", False)
    assert [info.id for info in store.listing(2)] == ["a", "d"]
    assert store.listing(1)[0].turns == 2


def test_a_title_given_stays(store: Store) -> None:
    talk = put(store, Session("s1", "first words"), turn("a"))
    store.rename("s1", "by a model", by_person=False)
    assert store.load("s1").title == "by a model"
    store.rename("s1", "mine")
    store.rename("s1", "by a model again", by_person=False)
    put(store, talk, turn("b", "a"))
    assert store.load("s1").title == "mine"


def test_what_is_older_than_keep_goes_but_pinned(store: Store) -> None:
    now = time.time()
    for id, days in (("old", 100), ("pinned", 100), ("new", 10)):
        put(store, Session(id, id), turn(f"t-{id}", at=now - days * 86400, owner=id))
    store.pin("pinned", True)
    keeper = keeper_of(store.folder, Rules(keep=90 * 86400.0))
    talk = Conversation(keeper.new(), journal=keeper)
    list(talk.ask(Scripted([Text("yes"), Finish("stop")]), "hello"))
    keeper.settle()
    keeper.close()
    assert {info.id for info in store.listing()} == {"pinned", "new", talk.session.id}
    assert store.fact("purged")
    store.remember("purged", str(now - 2 * 86400))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 70 * 365 * 86400)  # a clock gone wrong
        keeper.settle()
        list(talk.ask(Scripted([Text("yes"), Finish("stop")]), "and on"))
        keeper.settle()
        keeper.close()
    assert {info.id for info in store.listing()} == {"pinned", "new", talk.session.id}


def test_what_a_list_is_asked_for(store: Store) -> None:
    """`session delete --before` and `[store] keep` mean the same sessions, one without a turn by its beginning."""
    for id, at, folder in (("old", 10.0, "/a"), ("new", 1000.0, "/a"), ("pinned", 10.0, "/b")):
        session = Session(id, id)
        session.folder = folder
        put(store, session, turn(f"t-{id}", at=at, owner=id))
    empty = Session("empty", "nothing in it")
    empty.created = 20.0
    store.take(empty)
    store.pin("pinned", True)
    assert {info.id for info in store.listing(None, before=100.0)} == {"old", "empty"}
    assert {info.id for info in store.listing(folder="/a")} == {"old", "new"}
    assert {info.id for info in store.listing(folder="/a", before=100.0)} == {"old"}
    assert {info.id for info in store.listing(ids=["new", "none"])} == {"new"} and store.listing(ids=[]) == []
    assert store.purge(100.0) == 2 and {info.id for info in store.listing(None)} == {"new", "pinned"}


def test_a_session_that_another_deletes_meanwhile(store: Store) -> None:
    talk = put(store, Session("s1", "t"), turn("a"))
    store.delete(["s1"])
    put(store, talk, turn("b", "a"))
    assert [t.id for t in store.load("s1").path()] == ["b"]
    store.delete(["s1", "s1", "nothing"])
    put(store, talk)
    assert store.listing() == [], "moving about in it does not bring it back"
    assert store.listing() == [] and store.purge(1e12) == 0


def test_listing_while_another_deletes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in "ab":
        put(store, Session(id, id), turn(f"t-{id}", owner=id))
    real = trees.info

    def late(db: sqlite3.Connection, row: int) -> trees.Info | None:
        db.execute("DELETE FROM session WHERE name = 'a'")
        return real(db, row)

    monkeypatch.setattr(trees, "info", late)
    assert [info.id for info in store.listing()] == ["b"]


# Keys ----------------------------------------------------------------------------------------------------

KEYS = (
    "sk-proj-Zq3aB9cD0eF1gH2iJ3kL4mN5oP6qR7sT",
    "gsk_Zq3aB9cD0eF1gH2iJ3kL4mN5oP6qR7sT8uV9wX0yZ1aB2cD3eF4gH",
)
CONFIGURED = "a-key-that-looks-like-no-key-42"


def grep(folder: Path, words: tuple[str, ...]) -> list[str]:
    """In which files the words stand, whatever their case."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "config.toml":
            content = path.read_bytes().lower()
            found += [f"{path.name}: {word}" for word in words if word.lower().encode() in content]
    return found


def in_a_journal(folder: Path, words: str) -> None:
    """Wait until the words are on the disk."""
    until = time.monotonic() + 10
    while not any(words in path.read_text() for path in folder.rglob("journal/*.jsonl")):
        assert time.monotonic() < until, f"no journal says {words!r}"
        time.sleep(0.01)


def test_no_key_that_was_typed_is_on_the_disk(arawn, home: Path) -> None:
    words = (*KEYS, CONFIGURED)
    seen: list[list[str]] = []
    echo = openai_stream(
        [f"you said {word[:9]}" if n % 2 else word[9:] + " and " for n, word in enumerate(words)] + [*words]
    )

    def behave(conn) -> None:
        in_a_journal(home, "go on" if seen else "my keys")
        seen.append(grep(home, words))
        echo(conn)

    with FakeProvider(behave) as fake:
        config = CONFIG.format(url=fake.url, key=CONFIGURED)
        done = arawn(
            "ask", f"{KEYS[0]} {CONFIGURED} my keys {KEYS[1]}", "--system", f"use {KEYS[0]}", config=config
        )
        assert done.returncode == 0 and "looks like a key" in done.stderr
        assert KEYS[0] in fake.requests[0].said, "it is sent as it was typed"
        arawn("ask", "-c", "go on", config=config)
    assert seen == [[], []] and grep(home, words) == []
    (listed,) = json.loads(arawn("session", "list", "--json").stdout)
    assert "****" in listed["title"]
    assert json.loads(arawn("session", "search", "--json", KEYS[0]).stdout) == []
    assert "****" in arawn("session", "export").stdout


def test_no_key_is_kept_in_any_place_of_a_turn(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.add(CONFIGURED)
    keeper = keeper_of(tmp_path, mask=redactor.redact)
    key = KEYS[0]
    events = [
        Reasoning(f"thinking {key} {CONFIGURED}", {"signature": "x"}, ),
        Text(f"half {key[:12]}"), Text(f"{key[12:]} and {KEYS[1]}"),
        ToolCall("c", "look", json.dumps({"key": key})),
        Finish("tool_calls"),
    ]  # fmt: skip
    talk = Conversation(keeper.new(f"system {key}"), journal=keeper, extra={"header": key})
    list(talk.ask(Scripted(events), f"say {key}"))
    keeper.settle()
    result = Message("tool", (ToolResultPart("c", "look", f"found {key}", False),))
    other = talk.session.turns[talk.session.head or ""]
    keeper.graft(talk.session, (other._replace(messages=(*other.messages, result)),))
    keeper.moved(talk.session)
    fork = keeper.fork(talk.session)
    keeper.moved(fork)
    keeper.close()
    assert grep(tmp_path, (*KEYS, CONFIGURED, key[12:])) == []
    assert key in talk.session.path()[-1].messages[-1].parts[0].content, "what goes on in memory is whole"


def test_a_key_in_a_journal_of_the_dead_is_masked_when_it_is_taken_in(tmp_path: Path) -> None:
    redactor = Redactor()
    keeper = keeper_of(tmp_path, mask=redactor.redact)
    entry = keeper.begin(keeper.new(), None, user("hi"), "", Scripted())
    entry.add(Text("your key is " + KEYS[0][:20]))
    entry.add(Text(KEYS[0][20:] + " I think"))
    assert entry.writer is not None
    in_a_journal(tmp_path, "I think")
    entry.writer.close()
    store = Store(tmp_path, print)
    assert [one.answer for one in store.load(entry.session.id).path()] == ["your key is **** I think"]
    store.close()
    assert grep(tmp_path, KEYS) == []


def test_mask_keys_off_keeps_what_was_said(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path, Rules(mask_keys=False), Redactor().redact)
    talk = Conversation(keeper.new(), journal=keeper)
    list(talk.ask(Scripted([Text(KEYS[0]), Finish("stop")]), KEYS[1]))
    keeper.settle()
    loaded = keeper.store.load(talk.session.id).path()[0]
    assert (loaded.prompt.text, loaded.answer) == (KEYS[1], KEYS[0])
    keeper.close()


# Where nothing is kept -----------------------------------------------------------------------------------


def whole_home(home: Path, hints: bool = True) -> dict[str, tuple[str, int]]:
    """Every file and folder, with what is in it and its mode; without `hints` not how the backends do."""
    paths = [path for path in sorted(home.rglob("*")) if hints or path.name not in HINTS]
    return {
        str(path.relative_to(home)): (
            sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            stat.S_IMODE(path.stat().st_mode),
        )
        for path in paths
    }


HINTS = ("health.json", ".health.json.lock", "state", "share", "arawn", ".local")


@pytest.mark.parametrize("how", [["--no-store"], ["--private"], ["-o", "store.enabled=false"]])
@pytest.mark.parametrize("before", [False, True], ids=["first run", "later"])
def test_nothing_is_written(arawn, home: Path, how: list[str], before: bool) -> None:
    with FakeProvider(openai_stream(["yes"])) as fake:
        config = CONFIG.format(url=fake.url, key=KEYS[0])
        if before:
            arawn("ask", "kept", config=config)
        else:
            arawn("--version", config=config)
        hints = how == ["--private"]
        found = whole_home(home, hints)
        done = arawn("ask", *how, "not kept")
        assert done.returncode == 0 and done.stdout == "yes\n"
        assert whole_home(home, hints) == found
        for command in (["-c"], ["--resume", "kept"]):
            refused = arawn("ask", *how, *command, "x")
            assert refused.returncode == 2 and "needs the store" in refused.stderr
        assert whole_home(home, hints) == found
        assert len(fake.requests) == 1 + before


def test_private_asks_nobody_elsewhere(arawn, home: Path) -> None:
    config = (
        CONFIG.format(url="http://service.example", key=KEYS[0]) + '[backends.other]\nprovider = "openai"\n'
    )
    arawn("--version", config=config)
    found = whole_home(home)
    for more in ([], ["-b", "other"], ["-b", "anthropic", "-m", "claude-x"]):
        done = arawn(
            "ask",
            "--private",
            *more,
            "secret",
            env={"ANTHROPIC_API_KEY": "x" * 30, "OPENAI_API_KEY": "y" * 30},
        )
        assert done.returncode in (2, 3) and done.stdout == "", done.stderr
    assert whole_home(home) == found


def test_no_key_is_left_in_a_journal_that_waits(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path, mask=Redactor().redact)
    keeper.store.db.busy = 0.0
    keeper.store.db.connection.execute("PRAGMA busy_timeout = 0")
    talk = Conversation(keeper.new(), journal=keeper)
    with contextlib.closing(sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        pieces = [Text("before "), Text(KEYS[0][:20]), Text(KEYS[0][20:]), Finish("stop")]
        list(talk.ask(Scripted(pieces), "hello"))
        keeper.settle()
        assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 1
        assert grep(tmp_path, (*KEYS, KEYS[0][20:])) == []
    keeper.settle()
    assert [one.answer for one in keeper.store.load(talk.session.id).path()] == ["before ****"]
    keeper.close()
