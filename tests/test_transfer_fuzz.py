"""Files to import that are bent, cut, blown up or made to harm: only a sentence may come of them, or sessions."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_transfer import chat
from test_transfer_foreign import CLAUDE, LOG, SESSION, TALK
from test_transfer_llm import LOG_4, RESPONSES, database
from transfer_strategies import HOSTILE, PNG

from arawn.errors import UsageFault
from arawn.record import session_in, session_out
from arawn.session import Session
from arawn.transfer import FOREIGN, FORMATS, export, read
from arawn.transfer.source import Limits

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
CHANCES = st.integers(0, 2**32)
GPTME = [
    {"role": "system", "content": "s", "timestamp": "2025-01-01T10:00:00"},
    {"role": "user", "content": "q", "files": ["/x"], "timestamp": "2025-01-01T10:00:01"},
    {"role": "assistant", "content": "a", "metadata": {"usage": {"input_tokens": 1}, "cost": 1.5}},
]
OPENAI = {"messages": [
    {"role": "system", "content": "s"},
    {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "r"},
]}  # fmt: skip
DOCUMENTS: list[Any] = [TALK, CLAUDE, OPENAI, session_out(chat(("a", "b"), ("c", "d")))]
ODD: list[Any] = [
    None, True, -1, 0, 10**400, 1e308, -1e308, "", "\0", "\ud800", "x" * 3000, [], {}, [[]], {"a": {}}, [None], ["user"],
    {"role": "user"}, "../../etc/passwd", "9" * 5000, "2024-01-01T00:00:00+99:99", "0001-01-01T00:00:00", [0, "a", {}],
]  # fmt: skip


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of every form."""
    folder = tmp_path_factory.mktemp("seeds")
    texts = [
        "".join(export([chat(("a", "b\n" + words)), chat(("c", words))], form))
        for form in FORMATS
        for words in HOSTILE[:2]
    ]
    texts += [json.dumps([value]) for value in DOCUMENTS[:2]]
    texts += ["\n".join(json.dumps(line) for line in GPTME), LOG, SESSION]
    found = [text.encode() for text in texts]
    for name, lines in (("a.db", LOG_4), ("b.db", RESPONSES)):
        found.append(database(folder / name, *lines).read_bytes())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("conversations.json", json.dumps([TALK] * 3))
        made.writestr("file-abc.png", PNG)
    kept = folder / "kept"
    kept.mkdir()
    for number, data in enumerate([*found, archive.getvalue()]):
        (kept / str(number)).write_bytes(data)
    return kept


def bend(data: bytes, chance: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(made) + 1)
        end = min(len(made), at + chance.choice((1, 1, 4, 64, 4096)))
        piece = chance.choice(
            (
                b"",
                bytes([chance.randrange(256)]),
                b"\0" * 9,
                b"[" * 3000,
                b'"',
                b"\n",
                b"\xff",
                made[at:end] * 3,
            )
        )
        made[at:end] = piece
    return bytes(made[: chance.choice((len(made), len(made), chance.randrange(len(made) + 1)))])


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*way, key))
    return found


def twisted(value: Any, chance: random.Random) -> Any:
    """A document with some of its values exchanged for others, or keys left out."""
    made = copy.deepcopy(value)
    for _ in range(chance.choice((1, 1, 2, 4))):
        ways = places(made)
        if not ways:
            break
        *above, last = chance.choice(ways)
        inner = made
        for key in above:
            inner = inner[key]
        if chance.random() < 0.2 and isinstance(inner, dict):
            del inner[last]
        else:
            inner[last] = copy.deepcopy(chance.choice(ODD))
    return made


def taken(path: Path, form: str | None = None) -> list[Session]:
    """What is read, held to what every session must be; nothing but UsageFault may be raised."""
    told: list[str] = []
    found: list[Session] = []
    try:
        for session in read(path, form, told.append, Limits(text=2**22)):
            found.append(session)
    except UsageFault as error:
        assert error.sentence and "\n" not in error.sentence
    for session in found:
        out = session_out(session)
        json.dumps(out).encode()
        assert session_out(session_in(json.loads(json.dumps(out)))) == out
        assert len(session.path()) <= len(session.turns) and session.updated >= 0
        for turn in session.turns.values():
            assert isinstance(turn.at, float) and turn.prompt.role in ("user", "assistant", "tool")
            assert turn.receipt.total_s >= 0 or turn.receipt.attempts
        for written in FORMATS:
            "".join(export([session], written)).encode()
    return found


@SLOW
@given(CHANCES)
def test_bent_files(seeds: Path, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "bent"
    for whole in chance.sample(sorted(seeds.iterdir()), 5):
        path.write_bytes(bend(whole.read_bytes(), chance))
        taken(path)


@SLOW
@given(CHANCES)
def test_twisted_documents(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "twisted"
    for value in (*DOCUMENTS, GPTME):
        lines = (
            [twisted(one, chance) for one in value] if isinstance(value, list) else [twisted(value, chance)]
        )
        text = "\n".join(json.dumps(one) for one in lines)
        path.write_text(chance.choice((text, f"[{text}]" if len(lines) == 1 else text)))
        taken(path)


@SLOW
@given(CHANCES)
def test_twisted_marks(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """The comments of Markdown and the data of HTML, with other values in them."""
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "marks"
    lines = "".join(export([chat(("a", "b"), ("c", "d"))], "markdown")).split("\n")
    for _ in range(chance.choice((1, 3))):
        at = chance.randrange(len(lines))
        begins, mark, rest = lines[at].partition("<!-- arawn:")
        if mark and "{" in rest:
            name, _, inner = rest.removesuffix(" -->").partition(" ")
            lines[at] = f"{mark}{name} {json.dumps(twisted(json.loads(inner), chance))} -->"
        elif chance.random() < 0.5:
            del lines[at]
        else:
            lines.insert(chance.randrange(len(lines)), lines[at])
    path.write_text("\n".join(lines))
    taken(path)


@SLOW
@given(CHANCES)
def test_any_value_in_any_column(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / f"twisted-{chance.random()}.db"
    database(path, *RESPONSES, *LOG_4)
    connection = sqlite3.connect(path)
    with connection:
        for _ in range(chance.choice((1, 2, 5))):
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            table = chance.choice(tables)
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            value = chance.choice((None, -1, 2**62, 1.5, "", "x", b"\0\xff", "{", "[]", '{"a": 1e999}', "\0"))
            try:
                connection.execute(f'UPDATE "{table}" SET "{chance.choice(columns)}" = ?', [value])
            except sqlite3.IntegrityError:
                continue
    connection.close()
    taken(path)
    os.unlink(path)


@pytest.mark.parametrize("form", FORMATS + FOREIGN)
def test_every_reader_takes_every_file(seeds: Path, tmp_path: Path, form: str) -> None:
    """The form is named wrongly."""
    for number, seed in enumerate(
        [
            *(one.read_bytes() for one in seeds.iterdir()),
            b"x",
            b"\0",
            b"[" * 200_000,
            b'{"a":' * 100_000,
            b"- " * 9000,
            b"a:\n" * 9,
        ]
    ):
        path = tmp_path / str(number)
        path.write_bytes(seed)
        taken(path, form)


def bomb(path: Path, name: str, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made, made.open(name, "w") as file:
        for _ in range(size // 2**20):
            file.write(b" " * 2**20)
    return path


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.zip", "conversations.json", 64 * 2**20)
    assert path.stat().st_size < 100_000
    for limits in (Limits(text=2**20), Limits(unpacked=2**20)):
        with pytest.raises(UsageFault, match="unpacks to more than is taken"):
            list(read(path, limits=limits))


def test_an_archive_of_too_many_files(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as made:
        for number in range(20):
            made.writestr(f"{number}.json", "[]")
    with pytest.raises(UsageFault, match="more than 10 files"):
        list(read(path, limits=Limits(members=10)))


def test_a_picture_that_is_too_large_or_damaged_costs_no_conversation(tmp_path: Path) -> None:
    pointers = [
        {"content_type": "image_asset_pointer", "asset_pointer": f"file-service://file-{name}"}
        for name in "AB"
    ]
    message = {
        "author": {"role": "user"},
        "content": {"content_type": "multimodal_text", "parts": [*pointers, "q"]},
    }
    talk = {"id": "c", "mapping": {"u": {"id": "u", "parent": None, "message": message}}, "current_node": "u"}
    path = bomb(tmp_path / "x.zip", "file-A.png", 32 * 2**20)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as made:
        made.writestr("conversations.json", json.dumps([talk]))
        made.writestr("file-B.png", PNG)
    path.write_bytes(path.read_bytes().replace(b"file-B.pngs", b"file-B.png\0"))
    (session,) = read(path)
    assert "too large, or damaged" in session.path()[0].prompt.text and len(session.path()[0].files) == 1


def test_an_archive_with_a_password_or_without_conversations(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("conversations.json", json.dumps([TALK]))
    locked = bytearray(path.read_bytes())
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(UsageFault, match="cannot be unpacked"):
        list(read(path))
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.txt", "x")
    with pytest.raises(UsageFault, match="holds no file"):
        list(read(path))


def test_links_of_a_folder_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps([TALK]))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "conversations.json").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    with pytest.raises(UsageFault, match="holds no file"):
        list(read(folder))


def test_a_long_and_a_deep_conversation(tmp_path: Path) -> None:
    """As many messages as nobody writes, each behind the other: no recursion, no square of them."""
    mapping: dict[str, Any] = {}
    for number in range(20_000):
        message = {"author": {"role": ("user", "assistant")[number % 2]}, "content": {"parts": [str(number)]}}
        mapping[f"n{number}"] = {"parent": f"n{number - 1}", "message": message}
    path = tmp_path / "long.json"
    path.write_text(json.dumps([{"id": "c", "mapping": mapping, "current_node": "n19999"}]))
    (session,) = read(path)
    assert len(session.path()) == 10_000 and session.path()[-1].answer == "19999"


def hostile(name: str) -> bytes:
    """Files that are small, and would take for ever if they were read without care."""
    if name == "comb":
        mapping: dict[str, Any] = {}
        for number in range(6_000):
            for key, role, above in (
                (f"a{number}", "assistant", f"a{number - 1}"),
                (f"u{number}", "user", f"a{number}"),
            ):
                mapping[key] = {
                    "parent": above,
                    "message": {"author": {"role": role}, "content": {"parts": ["x"]}},
                }
        return json.dumps([{"id": "c", "mapping": mapping}]).encode()
    if name == "results":
        tool = {"type": "tool_result", "content": "y" * 60}
        blocks = [{"type": "tool_use", "id": "x", "name": "f"}] * 20_000 + [tool] * 60_000
        messages = [
            {"uuid": "q", "sender": "human", "text": "q"},
            {"uuid": "a", "sender": "assistant", "content": blocks},
        ]
        return json.dumps([{"uuid": "k", "chat_messages": messages}]).encode()
    return {
        "scripts": b'<script type="application/json" class="arawn-session">' * 60_000,
        "spaces": b"model: x\nmessages:\n- a" + b" " * 400_000 + b"x\n",
        "chats": b"# CHAT:" + b"[2024-01-01T00:00:00Z" * 60_000,
        "marks": b"<!-- arawn:session {} -->\n" * 60_000,
        "fences": b"<!-- arawn:session " + b"<!-- " * 200_000,
        "blanks": b"model: x\nmessages:\n- a: x\n" + b"\n" * 300_000 + b"  b: x\n" * 3,
    }[name]


@pytest.mark.parametrize(
    "name", ["comb", "results", "scripts", "spaces", "chats", "marks", "fences", "blanks"]
)
def test_small_files_that_would_take_for_ever(tmp_path: Path, name: str) -> None:
    """Files whose cost would grow with the square of their size, were they read without care."""
    path = tmp_path / name
    path.write_bytes(hostile(name))
    found: list[Session] = []
    with contextlib.suppress(UsageFault):
        found += read(path)
    assert len(found) <= 1
