"""Exports of ChatGPT, Claude, aichat and gptme, made by the forms that their readers name."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transfer_strategies import PNG

from arawn.errors import UsageFault
from arawn.events import Usage
from arawn.messages import FilePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.record import session_out
from arawn.session import Session
from arawn.transfer import export, read
from arawn.transfer.tree import BEGINS
from arawn.transfer.yaml import parse

IMAGE = "sediment://file_00ff"


def node(
    id: str, parent: str | None, role: str = "", content: Any = None, at: float | None = None, **more: Any
) -> dict[str, Any]:
    """A node of `mapping`, as the specification that arawn/transfer/chatgpt.py names has it."""
    if not role:
        return {"id": id, "parent": parent, "children": [], "message": None}
    held = content if isinstance(content, dict) else {"content_type": "text", "parts": [content]}
    author = {"role": role, "name": more.pop("name", None), "metadata": {}}
    message = {
        "id": id,
        "author": author,
        "create_time": at,
        "content": held,
        "status": "finished_successfully",
    }
    message |= {"recipient": "all", "metadata": {}, **more}
    return {"id": id, "parent": parent, "children": [], "message": message}


def chatgpt(*nodes: dict[str, Any], head: str, **more: Any) -> dict[str, Any]:
    mapping = {one["id"]: one for one in nodes}
    for one in nodes:
        if one["parent"] in mapping:
            mapping[one["parent"]]["children"].append(one["id"])
    made = {"conversation_id": "c-1", "title": "A talk", "create_time": 1700000000.5, "mapping": mapping}
    return made | {"current_node": head, "default_model_slug": "gpt-4o", **more}


PROFILE = {
    "content_type": "user_editable_context",
    "user_profile": "I am Ada.",
    "user_instructions": "Be short.",
}
TALK = chatgpt(
    node("root", None),
    node("sys", "root", "system", ""),
    node("ctx", "sys", "user", PROFILE, metadata={"is_visually_hidden_from_conversation": True}),
    node("u1", "ctx", "user", "Hi", 1700000001.0),
    node("a1", "u1", "assistant", "Hello", 1700000002.0, metadata={"model_slug": "gpt-4"}),
    node("a2", "u1", "assistant", "Hello again", 1700000003.0, metadata={"model_slug": "gpt-5"}),
    node("u2", "a2", "user", "Compute", 1700000004.0),
    node("u2b", "a2", "user", "Compute better", 1700000005.0),
    node("t", "u2b", "assistant", {"content_type": "thoughts", "thoughts": [{"summary": "S", "content": "C"}]}),
    node("c", "t", "assistant", {"content_type": "code", "language": "python", "text": "1+1"}, recipient="python"),
    node("r", "c", "tool", {"content_type": "execution_output", "text": "2"}, name="python"),
    node("a3", "r", "assistant", "It is 2.", 1700000009.0),
    head="a3",
)  # fmt: skip


def put(tmp: Path, value: Any, name: str = "conversations.json") -> Path:
    path = tmp / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def said(session: Session) -> list[tuple[str, str]]:
    return [(turn.prompt.text, turn.answer) for turn in session.path()]


def test_a_tree_of_chatgpt(tmp_path: Path) -> None:
    (session,) = read(put(tmp_path, [TALK]))
    assert session.title == "A talk" and session.created == 1700000000.5
    assert session.system == "I am Ada.\n\nBe short."
    assert said(session) == [("Hi", "Hello again"), ("Compute better", "It is 2.")]
    prompts = [(turn.prompt.text, turn.answer, turn.receipt.model) for turn in session.turns.values()]
    assert prompts == [
        ("Hi", "Hello", "gpt-4"),
        ("Hi", "Hello again", "gpt-5"),
        ("Compute", "", ""),
        ("Compute better", "It is 2.", "gpt-4o"),
    ]
    last = session.path()[-1]
    assert last.at == 1700000005.0 and last.receipt.finish == "stop"
    assert last.messages[1].parts == (ReasoningPart("S\nC"), ToolCallPart("c", "python", '{"input": "1+1"}'))
    assert last.messages[2].parts == (ToolResultPart("c", "python", "2"),)
    assert list(session.turns.values())[2].unfinished and session.branches == {"main": session.head}


def test_pictures_of_chatgpt_in_its_archive_and_without_it(tmp_path: Path) -> None:
    parts = [{"content_type": "image_asset_pointer", "asset_pointer": IMAGE}, "What is it?"]
    attached = [{"id": "file_00ff", "name": "cat.png"}, {"id": "file-gone", "name": "old.pdf"}]
    held = {"content_type": "multimodal_text", "parts": parts}
    value = [chatgpt(node("u", None, "user", held, 1.0, metadata={"attachments": attached}), head="u")]
    (bare,) = read(put(tmp_path, value))
    assert (
        bare.path()[0].prompt.text
        == "[old.pdf: not in the export]\n[cat.png: not in the export]\nWhat is it?"
    )
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("conversations.json", json.dumps(value))
        made.writestr("chat.html", "<html>")
        made.writestr("user-1/file_00ff-1234.png", PNG)
        made.writestr("../../etc/evil.json", "[]")
    (full,) = read(archive)
    assert full.path()[0].files == (FilePart(PNG, "image/png", "cat.png"),)
    assert full.id == bare.id and list(full.turns) == list(bare.turns)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["conversations.json", "export.zip"]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"content_type": "code", "language": "python", "text": "x"}, "```python\nx\n```"),
        ({"content_type": "tether_quote", "title": "T", "url": "https://example.org", "text": "q"}, "T\nhttps://example.org\nq"),
        ({"content_type": "multimodal_text", "parts": [{"content_type": "audio_transcription", "text": "spoken"}]}, "spoken"),
        ({"content_type": "something_new", "text": "kept"}, "kept"),
        ({"content_type": "multimodal_text", "parts": [{"asset_pointer": IMAGE}]}, "[file_00ff: not in the export]\n"),
    ],
)  # fmt: skip
def test_contents_of_chatgpt(tmp_path: Path, content: Any, shown: str) -> None:
    talk = chatgpt(node("u", None, "user", "q", 1.0), node("a", "u", "assistant", content, 2.0), head="a")
    (session,) = read(put(tmp_path, talk))
    assert session.path()[0].answer == shown


def test_calls_and_results_that_fit_nothing(tmp_path: Path) -> None:
    talk = chatgpt(
        node("a0", None, "assistant", "Welcome!"),
        node("u", "a0", "user", "q", 1.0),
        node("c1", "u", "assistant", '{"q": 1}', recipient="browser"),
        node("r0", "c1", "tool", "first", name="browser"),
        node("r1", "r0", "tool", "second", name="browser"),
        node("a1", "r1", "assistant", "So."),
        node("r2", "a1", "tool", "stray", name="bio"),
        head="r2",
    )
    (session,) = read(put(tmp_path, talk))
    assert said(session) == [(BEGINS, "Welcome!"), ("q", "So.\n\n[bio]\nstray")]
    messages = session.path()[1].messages
    assert messages[1].parts == (ToolCallPart("c1", "browser", '{"q": 1}'),)
    assert messages[2].parts == (ToolResultPart("c1", "browser", "first\n\nsecond"),)


def test_one_bad_conversation_among_many_is_told(tmp_path: Path) -> None:
    circle = chatgpt(node("a", "b", "user", "x"), node("b", "a", "assistant", "y"), head="b")
    empty = chatgpt(node("root", None), head="root", conversation_id="c-2")
    told: list[str] = []
    found = list(read(put(tmp_path, [circle, {"mapping": 7}, None, empty, TALK]), tell=told.append))
    assert [one.title for one in found] == ["A talk"]
    assert [line.split(":")[0] for line in told] == [
        "conversation 1 is passed over",
        "conversation 2 is passed over",
        "conversation 3 is passed over",
        "1 without a message is passed over",
    ]


CLAUDE = {
    "uuid": "k-1",
    "name": "Notes",
    "created_at": "2025-01-02T03:04:05.678901Z",
    "chat_messages": [
        {
            "uuid": "m1", "sender": "human", "text": "Read it", "created_at": "2025-01-02T03:04:06Z",
            "content": [{"type": "text", "text": "Read it"}],
            "attachments": [{"file_name": "a.txt", "extracted_content": "The ```text```.\n"}],
            "files": [{"file_name": "cat.png"}],
        },
        {
            "uuid": "m2", "sender": "assistant", "text": "Done", "created_at": "2025-01-02T03:04:09Z",
            "content": [
                {"type": "thinking", "thinking": "Well."},
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"q": "x"}},
                {"type": "tool_result", "tool_use_id": "toolu_1", "name": "search",
                 "content": [{"type": "text", "text": "found"}], "is_error": False},
                {"type": "text", "text": "Done."},
                {"type": "token_budget"},
            ],
        },
        {"uuid": "m3", "sender": "human", "text": "Old form", "created_at": "x", "content": []},
    ],
}  # fmt: skip


def test_a_conversation_of_claude(tmp_path: Path) -> None:
    (session,) = read(put(tmp_path, [CLAUDE]))
    first, second = session.path()
    assert session.title == "Notes" and session.created == 1735787045.678901 and first.at == 1735787046
    assert first.prompt.parts == (
        TextPart("a.txt:\n````\nThe ```text```.\n````\n\n"),
        TextPart("[cat.png: not in the export]\n"),
        TextPart("Read it"),
    )
    assert [message.parts for message in first.messages[1:]] == [
        (ReasoningPart("Well."), TextPart("Let me look."), ToolCallPart("toolu_1", "search", '{"q": "x"}')),
        (ToolResultPart("toolu_1", "search", "found"),),
        (TextPart("Done."),),
    ]
    assert first.receipt.provider == "claude" and second.prompt.text == "Old form" and second.unfinished


def test_branches_of_claude(tmp_path: Path) -> None:
    def one(id: str, parent: str, sender: str) -> dict[str, Any]:
        return {"uuid": id, "parent_message_uuid": parent, "sender": sender, "text": id, "content": []}

    root = "00000000-0000-4000-8000-000000000000"
    messages = [one("a", root, "human"), one("b", "a", "assistant"), one("c", "a", "assistant")]
    value = {"uuid": "k", "name": "", "chat_messages": messages, "current_leaf_message_uuid": "b"}
    (session,) = read(put(tmp_path, value))
    assert said(session) == [("a", "b")] and len(session.turns) == 2 and session.title == "a"


LOG = """# CHAT: hello there [2024-05-01T10:00:00+02:00] (coder)
Hi,
you

--------
# A heading

```
--------
```
--------

# CHAT:[2023-04-01T10:00:00Z]
Second
--------
Answer
--------

"""


def test_the_log_of_aichat(tmp_path: Path) -> None:
    one, other = read(put(tmp_path, LOG, "messages.md"))
    assert one.title == "hello there" and one.created == 1714550400
    assert said(one) == [("Hi,\nyou\n", "# A heading\n\n```\n--------\n```")]
    assert one.path()[0].receipt.settings == {"role": "coder"}
    assert said(other) == [("Second", "Answer")] and other.title == "Second"


SESSION = """model: openai:gpt-4o
temperature: 0.7
save_session: null
compressed_messages:
- role: system
  content: Be kind
- role: user
  content: |-
    First: line

      indented
    # no comment
- role: assistant
  content: 'It''s "so"'
messages:
- role: system
  content: 'What was said: things'
- role: user
  content:
  - type: text
    text: "Look \\u2713\\n"
  - type: image_url
    image_url:
      url: data:image/png;base64,PICTURE
- role: tool
  content:
    tool_results:
    - call:
        name: add
        arguments:
          a: 1
          b: [2, 3]
        id: call_1
      output:
        sum: 6
    text: ''
    sequence: false
- role: assistant
  content: |
    Six.
data_urls: {}
"""


def test_a_session_of_aichat(tmp_path: Path) -> None:
    text = SESSION.replace("PICTURE", FilePart(PNG, "image/png").base64)
    (session,) = read(put(tmp_path, text, "20240501T100000-adding.yaml"))
    assert session.system == "Be kind" and session.title == "adding" and session.created == 1714557600
    assert said(session)[:2] == [
        ("First: line\n\n  indented\n# no comment", 'It\'s "so"'),
        ("<system>What was said: things</system>", ""),
    ]
    last = session.path()[-1]
    assert last.prompt.parts == (TextPart("Look ✓\n"), FilePart(PNG, "image/png"))
    assert last.messages[1].parts == (ToolCallPart("call_1", "add", '{"a": 1, "b": [2, 3]}'),)
    assert last.messages[2].parts == (ToolResultPart("call_1", "add", '{"sum": 6}'),)
    assert last.answer == "Six.\n" and last.receipt.model == "openai:gpt-4o"
    assert last.receipt.settings == {"temperature": 0.7}


YAML = [
    ("a: 1\nb:\n- x\n- - y\n  - z\n", {"a": 1, "b": ["x", ["y", "z"]]}),
    ("- a: |1-\n    x\n   y\n  b: >-\n    one\n    two\n\n    three\n", [{"a": " x\ny", "b": "one two\nthree"}]),
    ('"a b": "q\\x41\\U0001F600\\\n  z"\n', {"a b": "qA\U0001f600z"}),
    ("---\n# c\na: ~  # d\nb: true\nc: -1.5e2\nd: []\ne: {}\nf:\n", {"a": None, "b": True, "c": -150.0, "d": [], "e": {}, "f": None}),
    ("a: |+\n  x\n\n\nb: plain\n  goes on\n", {"a": "x\n\n\n", "b": "plain goes on"}),
    ("a: 'one\n\n  two'\n", {"a": "one\ntwo"}),
    ("a: x:y#z - w\n", {"a": "x:y#z - w"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), YAML)
def test_yaml(text: str, value: Any) -> None:
    assert parse(text) == value == parse(text.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x 1\n", "line 1: anchors"),
        ("a: 1\nb: !t 2\n", "line 2: anchors"),
        ('a: "x\n', "has no end"),
        ('a: "\\q"\n', "no escape"),
        ("a: 'x' y\n", "line 1: something stands behind"),
        ("a: 'x'\n - b\n", "line 2: this does not belong"),
        ("- " * 80, "nested too deeply"),
        ("a: [1, b]\n", "Expecting"),
    ],
)
def test_yaml_that_is_not_taken(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\x85\u2028\u2029\r"))
        | st.sampled_from(["a: b", "- x\n  y", "\n\nx\n", "'", '"', "#", " |", "true", "12", "---\n...\n"]),
        max_size=4,
    )
)
def test_texts_in_every_style_of_yaml(texts: list[str]) -> None:
    """As serde_yaml writes them: literal with the depth said, single and double quoted."""
    lines = []
    for text in texts:
        lines.append(f"- content: {json.dumps(text, ensure_ascii=False)}")
        body = "".join(f"    {line}\n" for line in text.split("\n"))
        lines.append(f"  literal: |2+\n{body}".rstrip("\n") if text.strip(" \n") else "  literal: ''")
        quoted = text.replace("'", "''")
        lines.append(
            f"  single: '{quoted}'" if "\n" not in text and text.strip(" \t") == text else "  single: ''"
        )
    found = parse("\n".join(lines) + "\n") or []
    for text, one in zip(texts, found, strict=True):
        assert one["content"] == text
        assert one["literal"].rstrip("\n") in (text.rstrip("\n"), "")
        assert one["single"] in (text, "")


def gptme(folder: Path, *lines: tuple[str, str], name: str = "conversation.jsonl") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for number, (role, content) in enumerate(lines):
            value: dict[str, Any] = {
                "role": role,
                "content": content,
                "timestamp": f"2025-01-01T10:00:0{number}+00:00",
            }
            if role == "assistant":
                usage = {
                    "input_tokens": 5,
                    "output_tokens": 2,
                    "cache_read_tokens": 4,
                    "cache_creation_tokens": 1,
                }
                value["metadata"] = {"model": "anthropic/m", "cost": 0.25, "usage": usage}
            if content == "Look":
                value["files"] = ["/home/x/cat.png"]
            file.write(json.dumps(value) + "\n")


def test_a_conversation_of_gptme_with_branches(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    start = (("system", "You are gptme."), ("user", "Look"), ("assistant", "Running."))
    gptme(logs / "2025-01-01-cat", *start, ("system", "Ran"), ("assistant", "It is a cat."))
    gptme(logs / "2025-01-01-cat", *start, ("user", "Stop"), name="branches/edit-0.jsonl")
    (logs / "2025-01-01-cat" / "config.toml").write_text('[chat]\nname = "The cat"\n')
    gptme(logs / "other", ("user", "Hi"))
    cat, other = read(logs)
    assert cat.title == "The cat" and cat.system == "You are gptme." and other.title == "other"
    assert said(cat) == [
        ("[/home/x/cat.png: not in the log]\nLook", "Running."),
        ("<system>Ran</system>", "It is a cat."),
    ]
    assert len(cat.turns) == 3 and set(cat.branches) == {"main", "edit-0"}
    assert cat.turns[cat.branches["edit-0"]].prompt.text == "Stop"
    receipt = cat.path()[0].receipt
    assert (
        receipt.usage == Usage(10, 2, 4, cache_write=1)
        and receipt.cost_usd == 0.25
        and receipt.model == "anthropic/m"
    )
    (alone,) = read(logs / "2025-01-01-cat")
    (file,) = read(logs / "2025-01-01-cat" / "conversation.jsonl")
    assert session_out(alone) == session_out(cat) == session_out(file)


def test_a_folder_of_exports(tmp_path: Path) -> None:
    (session,) = read(put(tmp_path, [TALK]))
    folder = tmp_path / "all"
    folder.mkdir()
    for form in ("markdown", "html", "json"):
        session.id = f"id-{form}"
        (folder / f"x.{ {'markdown': 'md'}.get(form, form) }").write_text("".join(export([session], form)))
    (folder / "b.yaml").write_text(SESSION)
    (folder / "broken.json").write_text("{")
    (folder / "secret.json").symlink_to(tmp_path / "conversations.json")
    told: list[str] = []
    found = list(read(folder, tell=told.append))
    assert len(found) == 4 and len(told) == 1 and "broken.json" in told[0]


@pytest.mark.parametrize(
    "value",
    [
        [TALK],
        [CLAUDE],
        LOG,
        SESSION.replace("PICTURE", "aGk="),
        {"messages": [{"role": "user", "content": "x"}]},
    ],
)
def test_the_same_file_gives_the_same(tmp_path: Path, value: Any) -> None:
    path = put(tmp_path, value)
    once, again = list(read(path)), list(read(path))
    assert [session_out(one) for one in once] == [session_out(one) for one in again]
    whole = put(tmp_path, "".join(export(once, "json")), "again.json")
    assert [session_out(one) for one in read(whole)] == [session_out(one) for one in once]


def test_a_form_that_is_named_is_not_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path, [TALK])
    assert len(list(read(path, "chatgpt"))) == 1
    with pytest.raises(UsageFault, match="could be read"):
        list(read(path, "claude"))
    with pytest.raises(UsageFault, match="no SQLite"):
        list(read(path, "llm"))


def test_files_of_aichat_and_gptme_in_an_archive_are_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "logs in use" / "2025-01-01-cat"
    gptme(folder, ("user", "Look"), ("assistant", "It is a cat."))
    plain = put(tmp_path, SESSION, "adding.yaml")
    for name, path in (
        ("2025-01-01-cat/conversation.jsonl", folder / "conversation.jsonl"),
        ("s/adding.yaml", plain),
    ):
        archive = tmp_path / "other.zip"
        with zipfile.ZipFile(archive, "w") as made:
            made.write(path, name)
        (one,), (other,) = read(path), read(archive)
        assert (one.id, list(one.turns), one.title) == (other.id, list(other.turns), other.title)
