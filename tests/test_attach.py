"""Files that go with a question: told apart by content, refused in words, sent as each dialect has them."""

from __future__ import annotations

import base64
import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from fake_provider import FakeProvider, anthropic_stream, ollama_stream, openai_stream
from term import Term
from test_ask import CONFIG

from arawn.errors import UsageFault
from arawn.media import media_type, text_of
from arawn.messages import FilePart, TextPart, only, user
from arawn.pages import is_page, page_text


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")
    + chunk(b"IDAT", zlib.compress(b"\0\0"))
    + chunk(b"IEND", b"")
)
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
WAV = b"RIFF\x24\0\0\0WAVEfmt "
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"GIF89a\1\0", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (PDF, "application/pdf"),
        (b"junk before\n" + PDF, "application/pdf"),
        (WAV, "audio/wav"),
        (b"ID3\x04\0", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"fLaC\0", "audio/flac"),
        (b"OggS\0", "audio/ogg"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"plain text", ""),
        (b"", ""),
        (b"\xff\xfeh\0i\0", ""),
        (HEIC, ""),
    ],
)
def test_the_content_tells_what_it_is(data: bytes, kind: str) -> None:
    assert media_type(data) == kind


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (HEIC, "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"\0\0\0\x18ftypisom", "video"),
        (b"BM\x36\0\0\0", "BMP"),
        (b"II*\0", "TIFF"),
        (b"PK\x03\x04\x14\0", "office document"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"\x7fELF\2\1", "program"),
        (b"SQLite format 3\0", "SQLite"),
        (b"abc\0\1\2", "not text"),
    ],
)
def test_what_cannot_be_sent_is_named(data: bytes, words: str) -> None:
    with pytest.raises(UsageFault, match=words):
        text_of(data, "x")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfhi\r\nyou", "hi\nyou"),
        ("hé".encode("utf-16"), "hé"),
        (b"caf\xe9", "caf\ufffd"),
        (b"BM is a city", "BM is a city"),
        (b"<svg xmlns='x'/>", "<svg xmlns='x'/>"),
        (b"", ""),
    ],
)
def test_text_is_text(data: bytes, text: str) -> None:
    assert text_of(data, "x") == text


def test_a_page_becomes_its_words() -> None:
    page = (
        "<!DOCTYPE html><html><head><title>A &amp; B</title><style>p{}</style><script>evil()</script></head>"
        "<body><h1>Head</h1><p>One <b>two</b> <a href='https://x.example/y'>three</a>.</p>"
        "<ul><li>a</li><li>b</li></ul><a href='javascript:x'>no</a></body></html>"
    )
    assert is_page(page) and not is_page("plain <html> talk")
    text = page_text(page)
    assert (
        "A & B" in text
        and "One two three (https://x.example/y)." in text
        and "- a\n- b" in text.replace("\n\n", "\n")
    )
    assert "evil" not in text and "javascript" not in text and "p{}" not in text
    assert page_text("<p" * 50_000) is not None


@pytest.fixture
def ask(arawn, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "pic.txt").write_bytes(PNG)  # the name lies
    (work / "doc.pdf").write_bytes(PDF)
    (work / "talk.wav").write_bytes(WAV)
    (work / "notes.png").write_text("these are notes")
    (work / "photo.heic").write_bytes(HEIC)
    (work / "empty").write_bytes(b"")

    def run(fake: FakeProvider, *args: str, dialect: str = "openai", more: str = "", **options: Any):
        config = CONFIG.format(url=fake.url).replace('provider = "custom"', f'dialect = "{dialect}"')
        return arawn("ask", *args, config=config + more, **options)

    return run


B64 = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("dialect", "reply", "block"),
    [
        (
            "openai",
            openai_stream(["ok"]),
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64}"}},
        ),
        (
            "anthropic",
            anthropic_stream(["ok"]),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64}},
        ),
        ("ollama", ollama_stream(["ok"]), [B64]),
    ],
)
def test_a_picture_is_sent_whatever_its_name(ask, dialect: str, reply: Any, block: Any) -> None:
    with FakeProvider(reply) as fake:
        done = ask(fake, "what?", "-f", "pic.txt", "-f", "notes.png", dialect=dialect)
    assert done.returncode == 0, done.stderr
    message = fake.requests[0].json["messages"][0]
    if dialect == "ollama":
        assert message["images"] == block and "these are notes" in message["content"]
    else:
        assert message["content"][0] == block
        assert "these are notes" in message["content"][1]["text"]
    assert "pic.txt: image" in done.stderr and "notes.png: text, 15 bytes" in done.stderr


def test_a_picture_comes_through_the_pipe_too(ask) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "what is this?", stdin=PNG)
        also = ask(fake, "what is this?", "-f", "-", stdin=PNG)
        alone = ask(fake, stdin=PNG)
    assert done.returncode == also.returncode == alone.returncode == 0
    for request in fake.requests:
        kinds = [part["type"] for part in request.json["messages"][0]["content"]]
        assert kinds[0] == "image_url" and kinds[1:] in (["text"], [])


def test_text_from_the_pipe_as_a_file(ask) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        ask(fake, "sum up", "-f", "-", stdin="some log")
        ask(fake, "before", "-", "after", stdin="some log")
    first, second = (request.json["messages"][0]["content"] for request in fake.requests)
    assert first == "sum up\n\nstdin:\n```\nsome log\n```" and second == "before some log after"


@pytest.mark.parametrize(
    ("file", "dialect", "words"),
    [
        ("doc.pdf", "ollama", "it takes image"),
        ("talk.wav", "anthropic", "it takes image, pdf"),
        ("talk.wav", "replicate", "it takes image"),
        ("pic.txt", "huggingface", "text alone"),
        ("photo.heic", "openai", "convert it to JPEG or PNG"),
        ("missing.txt", "openai", "No such file"),
        (".", "openai", "is a folder"),
    ],
)
def test_what_cannot_go_is_named_before_anything_is_sent(ask, file: str, dialect: str, words: str) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "what?", "-f", file, dialect=dialect)
    assert done.returncode == 2 and words in done.stderr and not fake.requests
    assert file in done.stderr


def test_a_row_may_take_less_than_its_dialect(arawn, ask) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        env = {"DEEPSEEK_API_KEY": "sk-x0123456789", "DEEPSEEK_API_BASE": fake.url}
        done = arawn("-b", "deepseek", "ask", "what?", "-f", "pic.txt", env=env)
    assert done.returncode == 2 and "text alone" in done.stderr and not fake.requests


def test_files_beyond_their_limit(ask, tmp_path) -> None:
    big = tmp_path / "work" / "big"
    with FakeProvider(openai_stream(["ok"])) as fake:
        for size, words in ((11 * 2**20, "larger than 10 MiB"), (21 * 2**20, "larger than 20 MiB")):
            big.write_bytes(b"a" * size)
            done = ask(fake, "what?", "-f", "big")
            assert done.returncode == 2 and words in done.stderr
        big.write_bytes(PNG + b"\0" * 11 * 2**20)
        assert ask(fake, "what?", "-f", "big").returncode == 0
    assert len(fake.requests) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are POSIX")
def test_a_pipe_that_nobody_writes_to_does_not_hang(ask, tmp_path) -> None:
    os.mkfifo(tmp_path / "work" / "fifo")
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "what?", "-f", "fifo", timeout=10)
    assert done.returncode == 2 and "named pipe" in done.stderr


def test_an_empty_file_alone_is_nothing_to_ask(ask) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "what?", "-f", "empty")
    assert done.returncode == 0 and fake.requests[0].json["messages"][0]["content"].startswith("what?")


def test_what_another_backend_took_is_a_line_to_one_that_cannot() -> None:
    said = (user("see", (FilePart(PNG, "image/png", "a.png"), FilePart(PDF, "application/pdf", "b.pdf"))),)
    kept = only(said, frozenset({"image"}))[0].parts
    assert isinstance(kept[0], FilePart) and isinstance(kept[1], TextPart) and "b.pdf" in kept[1].text
    assert only(said, frozenset({"image", "pdf"})) == said


def test_attach_in_chat(env: dict[str, str]) -> None:
    home = Path(env["HOME"])
    (home / "pic.png").write_bytes(PNG)
    (home / "notes.txt").write_text("these are notes")
    path = home / ".config" / "arawn" / "config.toml"
    path.parent.mkdir(parents=True)
    with FakeProvider(openai_stream(["Hello you"])) as fake:
        path.write_text(CONFIG.format(url=fake.url))
        with Term([sys.executable, "-m", "arawn", "chat"], env=env, cwd=home) as term:
            term.say("/attach pic.png").wait("pic.png (image").say("/attach notes.txt").wait(
                "notes.txt (text"
            )
            term.say("/attach nothing").wait("No such file").say("what?").wait("Hello you")
            term.say("/attach").wait("Nothing is attached").say("and now?")
            term.until(lambda: len(fake.requests) == 2, "the second question").prompt().send("\x04")
            assert term.end() == 0
        first, second = (request.json["messages"] for request in fake.requests)
    assert [part["type"] for part in first[0]["content"]] == ["image_url", "text"]
    assert "these are notes" in json.dumps(first) and second[-1]["content"] == "and now?"
    assert second[0]["content"][0]["type"] == "image_url", "the conversation keeps it"
