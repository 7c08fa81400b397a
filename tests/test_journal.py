"""The journal of a turn: readable however it ends, held by who writes it, taken in by who comes next."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arawn.backends.scripted import Scripted
from arawn.engine import Conversation
from arawn.events import Attempt, Event, Finish, Reasoning, Text, Usage
from arawn.keeping import Keeper, Place, Rules
from arawn.messages import FilePart, Message, ReasoningPart, TextPart, user
from arawn.session import Receipt, Session, Turn
from arawn.store import journal
from arawn.store.journal import LOST, Dead, Writer, dead, outset, read
from arawn.store.sessions import Store

ROOT = Path(__file__).parents[1]
PROMPT = user("the prompt ß 日本", (FilePart(b"\0\xff" * 50, "image/png", "a.png"),))
EVENTS: tuple[Event, ...] = (
    Reasoning("I think, "),
    Reasoning("therefore"),
    Text("I am. "),
    Text("Ich bin. \n日本 \u2028 \x1b[31m"),
    Usage(3, 4),
    Attempt("fake", "m-1", 200, None, 0.0, 0.1, 0.2),
    Text("End."),
)
ANSWER = "".join(event.text for event in EVENTS if isinstance(event, Text))


def begun(id: str = "t1", parent: str | None = None, at: float = 5.0, **more: Any) -> dict[str, Any]:
    """The first line of a journal."""
    session = Session("s1", "title", "be brief")
    return {**outset(session, parent, PROMPT, "", ("fake", "m-1"), id, at), **more}


def ended() -> Turn:
    """The turn whole."""
    answer = Message("assistant", (ReasoningPart("I think, therefore"), TextPart(ANSWER)))
    receipt = Receipt("fake", "custom", "m-1", "stop", usage=Usage(3, 4))
    return Turn("t1", None, (PROMPT, answer), receipt, 5.0, "s1")


def written(folder: Path, *, end: bool = True) -> bytes:
    """All that a turn leaves on the disk, event by event."""
    writer = Writer(folder, begun())
    for event in EVENTS:
        writer.add(event)
        writer._flush()
    if end:
        writer.end(ended())
    writer.close()
    return writer.path.read_bytes()


@pytest.mark.parametrize("end", [True, False])
def test_every_prefix_can_be_read(tmp_path: Path, end: bool) -> None:
    """Cut anywhere after the first line there is the prompt, and no less than the lines before the cut."""
    data = written(tmp_path, end=end)
    first = data.index(b"\n")
    lengths = []
    for cut in range(len(data) + 1):
        if cut < first:
            with pytest.raises(ValueError, match="journal"):
                read(data[:cut])
            continue
        known, turn = read(data[:cut])
        assert known["turn"] == turn.id == "t1" and turn.prompt == PROMPT
        assert ANSWER.startswith(turn.answer)
        whole = [json.loads(line) for line in data[first + 1 : cut].split(b"\n")[:-1]]
        assert len(turn.answer) >= sum(len(line.get("text", "")) for line in whole)
        lengths.append(len(turn.answer))
        assert turn.unfinished == (not end or turn.receipt.finish != "stop")
    assert lengths == sorted(lengths) and lengths[-1] == len(ANSWER)
    last = read(data)[1]
    if end:
        assert last.receipt.finish == "stop" and last.messages == ended().messages
    else:
        assert (last.receipt.finish, last.receipt.told, last.receipt.usage) == (
            "interrupted",
            LOST,
            Usage(3, 4),
        )
        assert last.receipt.attempts[0].status == 200
        assert last.messages[1].parts[0] == ReasoningPart("I think, therefore")


def test_bent_anywhere_it_is_read_or_refused(tmp_path: Path) -> None:
    """Bytes changed, lost, doubled: a turn or a ValueError, never anything else."""
    data = written(tmp_path)
    rng = random.Random(3)
    refused = 0
    for _ in range(4000):
        bent = bytearray(data)
        at = rng.randrange(len(bent))
        match rng.randrange(4):
            case 0:
                bent[at] = rng.randrange(256)
            case 1:
                del bent[at : at + rng.randrange(1, 30)]
            case 2:
                bent[at:at] = bent[at : at + 20]
            case 3:
                bent[at:at] = rng.choice([b"\n", b"{}", b"null", b"1e999", b'"', b"\0", b"[" * 5000])
        try:
            read(bytes(bent))
        except ValueError:
            refused += 1
    assert 0 < refused < 4000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_value_in_any_place_is_read_or_refused(data: st.DataObject) -> None:
    """Each key of the first line and of the end with something else in it; then it is taken in, or told."""
    import shutil
    import tempfile

    first = begun()
    lines: list[dict[str, Any]] = [
        first,
        {"text": "x"},
        {"end": {"parent": None, "kind": "said", "messages": [], "receipt": {"backend": "b"}}},
    ]
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = data.draw(st.sampled_from(lines))
        while isinstance(place, dict) and place:
            key = data.draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], dict) or data.draw(st.booleans()):
                place[key] = data.draw(JSON)
                break
            place = place[key]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "journal").mkdir()
        (folder / "journal" / "t1.jsonl").write_bytes(content)
        told: list[str] = []
        store = Store(folder, told.append)
        for info in store.listing():
            store.load(info.id)
        store.close()
        left = [path.name for path in (folder / "journal").iterdir()]
        assert left == [] or told or (left == ["t1.jsonl"] and first.get("version") not in (1, None)), (
            left,
            told,
        )
    finally:
        shutil.rmtree(folder)


def test_what_cannot_be_read_is_set_aside_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "bad.jsonl").write_text("what is this\n")
    (folder / "newer.jsonl").write_text(json.dumps(begun("newer", version=2)) + "\n")
    Writer(folder, begun("good")).close()
    told: list[str] = []
    store = Store(tmp_path, told.append)
    assert [turn.prompt for turn in store.load("s1").path()] == [PROMPT]
    store.close()
    assert sorted(path.name for path in folder.iterdir()) == ["bad.broken", "newer.jsonl"]
    assert len(told) == 1 and str(folder / "bad.broken") in told[0]


def test_what_nobody_came_to_send_goes(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.new", tmp_path / ".b.new"
    for path in (old, new):
        path.write_text("a prompt")
    os.utime(old, (1.7e9, 1.7e9))
    assert not list(dead(tmp_path)) and not old.exists() and new.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    found: list[list[Dead]] = []
    reader = threading.Thread(target=lambda: found.append(list(dead(tmp_path))), daemon=True)
    reader.start()
    reader.join(20)
    assert found == [[]]


def test_a_journal_is_its_writers_while_it_lives(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "journal", begun())
    assert list(dead(tmp_path / "journal")) == []
    store = Store(tmp_path, print)
    assert store.listing() == []
    writer.close()
    (left,) = dead(tmp_path / "journal")
    assert list(dead(tmp_path / "journal")) == [], "who takes it in holds it meanwhile"
    left.close()
    store.close()
    store = Store(tmp_path, print)
    assert [info.unfinished for info in store.listing()] == [True]
    assert store.unfinished() == ("s1", "t1")
    assert not list((tmp_path / "journal").iterdir())
    store.close()


def test_taken_in_in_the_order_they_were_said(tmp_path: Path) -> None:
    """Whatever the clock said, and however they are called; a chain of turns stays one."""
    names = ["zz", "mm", "aa", "qq"]
    for number, name in enumerate(names):
        parent = names[number - 1] if number else None
        Writer(tmp_path / "journal", begun(name, parent, at=1000.0 - number)).close()
        os.utime(tmp_path / "journal" / f"{name}.jsonl", ns=(number * 1000, number * 1000))
    store = Store(tmp_path, print)
    assert [turn.id for turn in store.load("s1").path()] == names
    store.close()


def test_a_turn_whose_end_is_there_is_taken_in_as_it_ended(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "journal", begun())
    writer.add(Text("half"))
    writer.end(ended())
    writer.close()
    store = Store(tmp_path, print)
    (turn,) = store.load("s1").path()
    assert turn.answer == ANSWER and not turn.unfinished and turn.receipt.backend == "fake"
    assert store.load("s1").system == "be brief"
    store.close()


def test_a_turn_that_is_in_the_store_already_is_not_taken_in_twice(tmp_path: Path) -> None:
    """Ended between the commit and the removal of the journal."""
    store = Store(tmp_path, print)
    session = Session("s1", "title")
    session.add(ended())
    store.put(session, [ended()])
    store.close()
    Writer(tmp_path / "journal", begun()).close()
    store = Store(tmp_path, print)
    (turn,) = store.load("s1").turns.values()
    assert turn.answer == ANSWER and not turn.unfinished
    assert not list((tmp_path / "journal").iterdir())
    store.close()


def test_the_head_goes_to_what_was_taken_in_unless_somebody_moved_it(tmp_path: Path) -> None:
    store = Store(tmp_path, print)
    session = Session("s1", "title")
    for id, parent in (("a", None), ("b", "a")):
        turn = ended()._replace(id=id, parent=parent)
        session.add(turn)
        store.put(session, [turn])
    Writer(tmp_path / "journal", begun("c", "b")).close()
    store.close()
    store = Store(tmp_path, print)
    assert store.load("s1").head == "c" and store.load("s1").branches == {"main": "c"}
    moved = store.load("s1")
    moved.stand_at("a")
    store.put(moved, [])
    Writer(tmp_path / "journal", begun("d", "c")).close()
    store.close()
    store = Store(tmp_path, print)
    loaded = store.load("s1")
    assert loaded.head == "a" and list(loaded.turns) == ["a", "b", "c", "d"]
    store.close()


def test_text_is_at_most_half_a_second_behind(tmp_path: Path) -> None:
    """Also where nothing more comes after it: the last piece before a silence is written too."""
    writer = Writer(tmp_path, begun())
    for number in range(3):
        writer.add(Text(f"piece {number} "))
        until = time.monotonic() + 5
        while read(writer.path.read_bytes())[1].answer.count("piece") <= number:
            assert time.monotonic() < until
            time.sleep(0.02)
    writer.close()


def test_the_prompt_is_there_before_anything_is_sent(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, Rules(), Place("/", ""), print, str)
    seen: list[str] = []

    def script(request: object) -> Iterator[Event]:
        (path,) = (tmp_path / "journal").glob("*.jsonl")
        seen.append(read(path.read_bytes())[1].prompt.text)
        yield Text("yes")
        yield Finish("stop")

    list(Conversation(keeper.new(), journal=keeper).ask(Scripted(script), "are you there?"))
    assert seen == ["are you there?"]
    keeper.close()


def test_many_take_in_at_once_and_each_turn_is_there_once(tmp_path: Path) -> None:
    for number in range(40):
        Writer(tmp_path / "journal", begun(f"t{number:02}", at=float(number))).close()
    script = f"from pathlib import Path; from arawn.store.sessions import Store; Store(Path({str(tmp_path)!r}), print).close()"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(6)
    ]
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert (run.returncode, out, err) == (0, b"", b"")
    store = Store(tmp_path, print)
    assert len(store.load("s1").turns) == 40
    store.close()
    assert not list((tmp_path / "journal").iterdir())


def test_a_prompt_of_odd_text(tmp_path: Path) -> None:
    odd = Message("user", (TextPart("\ud800 \0 \n\r\u2028 \udcff"),))
    first = outset(Session("s1"), None, odd, "", ("\ud800", "m\0"), "t1", 1.0)
    writer = Writer(tmp_path, first)
    writer.add(Text("\udfff"))
    writer.end(ended()._replace(messages=(odd,)))
    writer.close()
    assert read(writer.path.read_bytes())[1].prompt.text == "? \ufffd \n\r\u2028 ?"


def test_ids_do_not_repeat() -> None:
    made = {journal.new_id() for _ in range(5000)}
    assert len(made) == 5000
    assert all(len(id) == 12 and id.isalnum() and id == id.lower() for id in made)
