"""llm's database: a real one, written by llm itself, and one of each older shape.

`LLM` names the program (pip install llm, in a venv of its own), else it is looked for on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from fake_provider import FakeProvider, json_reply, openai_stream
from transfer_strategies import PNG

from arawn.errors import UsageFault
from arawn.events import Usage
from arawn.messages import FilePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.record import session_out
from arawn.session import Session
from arawn.transfer import read

LLM = os.environ.get("LLM") or shutil.which("llm") or ""
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
MODELS = """
- model_id: fake
  model_name: m-1
  api_base: {url}/v1
  vision: true
  supports_tools: true
"""


def call(name: str, arguments: str) -> object:
    function = {"name": name, "arguments": arguments}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }
    return completion("tool_calls", message)


def said(words: str) -> object:
    return completion("stop", {"role": "assistant", "content": words})


def completion(reason: str, message: dict[str, object]) -> object:
    choice = {"index": 0, "finish_reason": reason, "message": message}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [choice],
        "usage": USAGE,
    }


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What llm itself wrote: a conversation of two, one with a file and a fragment, one with a tool."""
    if not LLM:
        pytest.skip("llm is not installed: pip install llm, then LLM=.../llm")
    home = tmp_path_factory.mktemp("llm")
    picture = home / "p.png"
    picture.write_bytes(PNG)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LLM_USER_PATH": str(home),
        "OPENAI_API_KEY": "none",
    }

    def run(*words: str, stdin: bytes | None = None) -> None:
        done = subprocess.run([LLM, *words], env=env, capture_output=True, timeout=60, input=stdin or b"")
        assert done.returncode == 0, done.stderr.decode()

    answers = (
        openai_stream(["Hello", " there"], USAGE),
        openai_stream(["Again."], USAGE),
        openai_stream(["A picture."], USAGE),
        json_reply(200, call("llm_version", "{}")),
        json_reply(200, said("It is new.")),
    )
    with FakeProvider(*answers) as server:
        (home / "extra-openai-models.yaml").write_text(MODELS.format(url=server.url))
        run("-m", "fake", "-s", "Be kind", "Who are you?", "-o", "temperature", "0.5")
        run("-c", "And again?")
        run("-m", "fake", "-a", "-", "-f", str(home / "extra-openai-models.yaml"), "What is it?", stdin=PNG)
        run("-m", "fake", "-T", "llm_version", "--no-stream", "Which version?")
    return home / "logs.db"


def by_prompt(path: Path) -> dict[str, Session]:
    told: list[str] = []
    found = {session.path()[0].prompt.text: session for session in read(path, tell=told.append)}
    assert told == []
    return found


def test_what_llm_wrote_is_read(real: Path) -> None:
    found = by_prompt(real)
    assert len(found) == 3
    talk = found["Who are you?"]
    assert [turn.prompt.text for turn in talk.path()] == ["Who are you?", "And again?"]
    assert [turn.answer for turn in talk.path()] == ["Hello there", "Again."]
    assert talk.system == "Be kind" and talk.title == "Who are you?" and talk.created > 1.7e9
    receipt = talk.path()[0].receipt
    assert receipt.usage == Usage(7, 3) and receipt.settings == {"temperature": 0.5}
    assert receipt.finish == "stop" and receipt.total_s > 0 and receipt.backend == "llm"
    assert receipt.model in ("fake", "m-1")


def test_files_and_fragments_of_llm_are_read(real: Path) -> None:
    ((words, session),) = [pair for pair in by_prompt(real).items() if "What is it?" in pair[0]]
    assert "model_id: fake" in words and session.path()[0].files == (FilePart(PNG, "image/png"),)


def test_tools_of_llm_are_read_as_one_turn(real: Path) -> None:
    (turn,) = by_prompt(real)["Which version?"].path()
    parts = [part for message in turn.messages for part in message.parts]
    assert parts[1] == ToolCallPart("call_1", "llm_version", "{}")
    assert isinstance(parts[2], ToolResultPart) and parts[2].call_id == "call_1" and parts[2].content
    assert parts[3] == TextPart("It is new.") and turn.receipt.usage == Usage(14, 6)
    assert [message.role for message in turn.messages] == ["user", "assistant", "tool", "assistant"]


def test_the_same_database_gives_the_same_ids(real: Path) -> None:
    once, again = list(read(real)), list(read(real))
    assert [one.id for one in once] == [one.id for one in again]
    assert [list(one.turns) for one in once] == [list(one.turns) for one in again]


def database(path: Path, *lines: str) -> Path:
    connection = sqlite3.connect(path)
    with connection:
        for line in lines:
            connection.execute(line)
    connection.close()
    return path


LOG_1 = (  # 0.2 and before: m001 of llm/migrations.py, without and with chat_id
    "CREATE TABLE log (provider TEXT, system TEXT, prompt TEXT, response TEXT, model TEXT, timestamp TEXT)",
    "INSERT INTO log VALUES ('openai', 'Be kind', 'Hi', 'Hello', 'gpt-4', '2023-04-01 10:00:00')",
)
LOG_4 = (  # 0.4: after m008
    "CREATE TABLE logs (id INTEGER PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT, "
    "options_json TEXT, response TEXT, response_json TEXT, reply_to_id INTEGER, chat_id INTEGER, "
    "duration_ms INTEGER, datetime_utc TEXT)",
    "INSERT INTO logs VALUES (3, 'gpt-4', 'Hi', 'Be kind', NULL, '{}', 'Hello', NULL, NULL, NULL, 1500, '2023-07-01 10:00:00')",
    "INSERT INTO logs VALUES (4, 'gpt-4', 'More', NULL, NULL, '{}', 'There', NULL, 3, 3, 1, '2023-07-01 10:01:00')",
    "INSERT INTO logs VALUES (5, 'gpt-4', 'Alone', NULL, NULL, '{}', 'Yes', NULL, NULL, NULL, 1, '2023-07-01 10:02:00')",
)
RESPONSES = (  # 0.6 to 0.31: after m022
    "CREATE TABLE conversations (id TEXT PRIMARY KEY, name TEXT, model TEXT)",
    "CREATE TABLE responses (id TEXT PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT, "
    "options_json TEXT, response TEXT, response_json TEXT, conversation_id TEXT, duration_ms INTEGER, "
    "datetime_utc TEXT, input_tokens INTEGER, output_tokens INTEGER, token_details TEXT, schema_id TEXT, "
    "resolved_model TEXT, reasoning TEXT)",
    "CREATE TABLE attachments (id TEXT PRIMARY KEY, type TEXT, path TEXT, url TEXT, content BLOB)",
    'CREATE TABLE prompt_attachments (response_id TEXT, attachment_id TEXT, "order" INTEGER)',
    "CREATE TABLE fragments (id INTEGER PRIMARY KEY, hash TEXT, content TEXT)",
    'CREATE TABLE prompt_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER)',
    'CREATE TABLE system_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER)',
    "CREATE TABLE tool_calls (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, arguments TEXT, tool_call_id TEXT)",
    "CREATE TABLE tool_results (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, output TEXT, tool_call_id TEXT, exception TEXT)",
    "INSERT INTO conversations VALUES ('c1', 'A talk', 'gpt-4o')",
    "INSERT INTO responses VALUES ('r1', 'gpt-4o', 'Sum?', 'Be kind', NULL, '{\"temperature\": 1}', '', NULL, 'c1', 900, "
    "'2025-05-01T10:00:00+00:00', 5, 2, '{\"prompt_tokens_details\": {\"cached_tokens\": 4}, "
    "\"completion_tokens_details\": {\"reasoning_tokens\": 1}}', NULL, 'gpt-4o-2024', 'Let me see.')",
    "INSERT INTO responses VALUES ('r2', 'gpt-4o', '', NULL, NULL, '{}', 'It is 3.', NULL, 'c1', 100, "
    "'2025-05-01T10:00:05+00:00', 6, 3, NULL, NULL, NULL, NULL)",
    "INSERT INTO responses VALUES ('r3', 'gpt-4o', 'alone', NULL, NULL, '{}', 'yes', NULL, NULL, 1, "
    "'2025-05-01T10:00:07+00:00', 6, 3, NULL, NULL, NULL, NULL)",
    "INSERT INTO tool_calls VALUES (1, 'r1', 1, 'add', '{\"a\": 1, \"b\": 2}', 'call_9')",
    "INSERT INTO tool_results VALUES (1, 'r2', 1, 'add', '3', 'call_9', NULL)",
    f"INSERT INTO attachments VALUES ('a1', 'image/png', NULL, NULL, x'{PNG.hex()}')",
    "INSERT INTO attachments VALUES ('a2', 'image/png', '/etc/passwd', NULL, NULL)",
    "INSERT INTO prompt_attachments VALUES ('r1', 'a2', 1), ('r1', 'a1', 0)",
    "INSERT INTO fragments VALUES (1, 'h', 'A book.')",
    "INSERT INTO prompt_fragments VALUES ('r1', 1, 0)",
    "INSERT INTO system_fragments VALUES ('r1', 1, 0)",
)  # fmt: skip


def test_the_oldest_log(tmp_path: Path) -> None:
    (session,) = read(database(tmp_path / "log.db", *LOG_1))
    (turn,) = session.path()
    assert (turn.prompt.text, turn.answer, session.system) == ("Hi", "Hello", "Be kind")
    assert turn.receipt.model == "gpt-4" and turn.at == 1680343200.0


def test_logs_with_chats(tmp_path: Path) -> None:
    one, other = read(database(tmp_path / "log.db", *LOG_4))
    assert [(turn.prompt.text, turn.answer) for turn in one.path()] == [("Hi", "Hello"), ("More", "There")]
    assert one.path()[0].receipt.total_s == 1.5 and one.system == "Be kind"
    assert other.path()[0].prompt.text == "Alone"


def test_responses_with_tools_files_and_fragments(tmp_path: Path) -> None:
    one, alone = read(database(tmp_path / "log.db", *RESPONSES))
    assert one.title == "A talk" and one.system == "A book.\n\nBe kind" and alone.path()[0].answer == "yes"
    (turn,) = one.path()
    assert turn.prompt.parts == (
        FilePart(PNG, "image/png"),
        TextPart("[/etc/passwd: not in the database]\n"),
        TextPart("A book.\nSum?"),
    )
    assert turn.messages[1].parts == (
        ReasoningPart("Let me see."),
        ToolCallPart("call_9", "add", '{"a": 1, "b": 2}'),
    )
    assert turn.messages[2].parts == (ToolResultPart("call_9", "add", "3"),)
    assert turn.answer == "It is 3." and turn.receipt.usage == Usage(11, 5, 4, 1)
    assert turn.receipt.total_s == 1.0 and len(turn.receipt.attempts) == 2


def test_an_older_conversation_that_llm_went_on_with_stands_there_once(tmp_path: Path) -> None:
    """After an upgrade `llm -c` writes the whole of it anew; what only the older tables have stays."""
    new = (
        "CREATE TABLE threads (id TEXT, name TEXT, tip_message_hash TEXT, forked_from TEXT, datetime_utc TEXT)",
        "CREATE TABLE turns (id TEXT, thread_id TEXT, parent_message_hash TEXT, tip_message_hash TEXT, model TEXT, datetime_utc TEXT)",
        "CREATE TABLE messages (hash TEXT, parent_hash TEXT, role TEXT, provider_metadata TEXT)",
        "CREATE TABLE parts (id INTEGER PRIMARY KEY, message_hash TEXT, position INTEGER, type TEXT, tool_name TEXT, text TEXT, payload TEXT)",
        "INSERT INTO threads VALUES ('c1', 'A talk', 'm4', NULL, NULL)",
        "INSERT INTO turns VALUES ('t9', 'c1', 'm3', 'm4', 'new-model', '2026-01-01T10:00:00+00:00')",
        "INSERT INTO messages VALUES ('m1', NULL, 'user', NULL), ('m2', 'm1', 'assistant', NULL), "
        "('m3', 'm2', 'user', NULL), ('m4', 'm3', 'assistant', NULL)",
        "INSERT INTO parts VALUES (1, 'm1', 0, 'text', NULL, 'Hi', NULL), (2, 'm2', 0, 'text', NULL, 'Hello', NULL), "
        "(3, 'm3', 0, 'text', NULL, 'More', NULL), (4, 'm4', 0, 'text', NULL, 'There', NULL)",
    )
    old = (*RESPONSES[:9], "INSERT INTO conversations VALUES ('c1', 'A talk', 'm')")
    row = "INSERT INTO responses (id, model, prompt, response, conversation_id, datetime_utc) VALUES "
    known = row + "('r1', 'old-model', 'Hi', 'Hello', 'c1', '2025-01-01T10:00:00+00:00')"
    other = row + "('r2', 'old-model', 'Else', 'Lost', 'c1', '2025-01-01T10:01:00+00:00')"
    (session,) = read(database(tmp_path / "a.db", *old, *new, known))
    assert [(one.answer, one.receipt.model) for one in session.path()] == [
        ("Hello", "old-model"),
        ("There", "new-model"),
    ]
    assert len(session.turns) == 2
    (session,) = read(database(tmp_path / "b.db", *old, *new, known, other))
    assert [one.answer for one in session.path()] == ["Hello", "There"]
    assert "Lost" in [one.answer for one in session.turns.values()]


def test_what_is_no_database_of_llm(tmp_path: Path) -> None:
    other = database(tmp_path / "other.db", "CREATE TABLE x (a)")
    torn = tmp_path / "torn.db"
    torn.write_bytes(database(tmp_path / "log.db", *RESPONSES).read_bytes()[:6000])
    view = database(
        tmp_path / "view.db",
        "CREATE VIEW responses AS WITH RECURSIVE a(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM a) SELECT id FROM a",
    )
    for path, says in ((other, "none of llm's"), (torn, "cannot be read"), (view, "none of llm's")):
        with pytest.raises(UsageFault, match=says):
            list(read(path))


def test_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    path = database(tmp_path / "log.db", *RESPONSES)
    before = path.read_bytes()
    list(read(path))
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["log.db"]


@pytest.mark.parametrize(
    "value", ["x'00ff'", "1e308", "9223372036854775807", "''", "char(0)", "'{'", "'[1]'"]
)
@pytest.mark.parametrize(
    "column", ["options_json", "duration_ms", "datetime_utc", "token_details", "id", "response"]
)
def test_columns_of_any_type(tmp_path: Path, column: str, value: str) -> None:
    path = database(
        tmp_path / "log.db", *RESPONSES, f"UPDATE responses SET {column} = {value} WHERE id = 'r3'"
    )
    found = list(read(path))
    assert found[0].path()[0].answer == "It is 3." and len(found) == 2
    assert found[1].path()[0].receipt.model == "gpt-4o"
    json.dumps(session_out(found[1]))
