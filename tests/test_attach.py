"""Files that go with a question: told apart by content, refused in words, sent as each dialect has them."""

from __future__ import annotations

import base64
import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, anthropic_stream, ollama_stream, openai_stream
from home import configure
from hypothesis import given, settings
from hypothesis import strategies as st
from term import Term
from test_ask import CONFIG

from arawn.attach import as_typed, from_bytes
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
        (b"\0\0\0\x18ftypmp42" + b"\0" * 40 + b"hdlr\0\0\0\0\0\0\0\0soun", "audio/mp4"),
        (b"\0\0\0\x18ftypmp42hdlr\0\0\0\0\0\0\0\0sounhdlr\0\0\0\0\0\0\0\0vide", ""),
        (b"\xef\xbb\xbf" + PDF, "application/pdf"),
        (b"text that speaks of %PDF-1.4", ""),
        (b"GIF89a is how a picture begins", ""),
        (b"ID3 tags stand before the sound", ""),
        (b"fLaC is a mark, OggS too", ""),
        (b"OggS is a mark", ""),
        (b"The ftyp box", ""),
        (b"\xff\xfb\xf0\x64", ""),
        (b"\xff", ""),
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
        (b"PK\x03\x04\x14\0", "zip archive"),
        (b"PK\x03\x04\x14\0" + b"\0" * 24 + b"[Content_Types].xml", "an office document"),
        (b"PK\x03\x04\x14\0" + b"\0" * 24 + b"mimetypeapplication/vnd.oasis", "an office document"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"FORM\0\0\0\0AIFF", "AIFF"),
        (b"\0\0\1\0\1\0", "icon"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
        ("Привет, мир".encode("cp1251"), "not text in UTF-8"),
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
        ("hé".encode("utf-32"), "hé"),
        (b"caf\xe9", "caf\ufffd"),
        (b"The ftyp box", "The ftyp box"),
        (b"RIFF and FORM and BZh and MZ", "RIFF and FORM and BZh and MZ"),
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


PAGES = [
    ("<p>one\n two</p><p>three", "one two\n\nthree"),
    ("<pre>def f():\n    return 1</pre>", "def f():\n    return 1"),
    ("<table><tr><th>a<th>b<tr><td>1</td><td>2</td></table>", "a | b\n1 | 2"),
    ("<p title='a>b' class=it's>x</p> it's", "x\nit's"),
    ("<a href=/y?a=1&amp;b>three</a>", "three (https://x.example/y?a=1&b)"),
    ("<a href='#top'>up</a> <a href='http://[bad'>no</a> <a>none</a></a>", "up no none"),
    ("1 < 2 <!-- gone > --> &lt;b&gt; <![CDATA[x]]> <!---->y", "1 < 2 <b> y"),
    ("<SCRIPT>if (a < b) '</p>'</ScRiPt>after", "after"),
    ("before<script>never closed <p>gone", "before"),
    ("<noscript>closed</noscript><svg/>here <object>open <p>still", "here open\n\nstill"),
    ("<svg><title>icon</title></svg>words", "words"),
    ("text <b", "text"),
    ("text <!-- open", "text"),
]


@pytest.mark.parametrize(("page", "words"), PAGES)
def test_pages_as_words(page: str, words: str) -> None:
    assert page_text(page, "https://x.example/z") == words


@pytest.mark.parametrize(
    "piece",
    ["<a ", "<a href='", '<a href="x', "<!--", "<!", "</", "<?", "<![CDATA[", "<p/", "<a a=", "<a = =", "=' ", "<pre>",
     "<svg>", "<svg></svg><svg>", "<script>", "<script><!--", "<style></", "</p<", "&#", "<title>", "<td>", "\n "],
)  # fmt: skip
def test_a_hostile_page_costs_no_more_than_its_length(piece: str) -> None:
    began = time.process_time()
    page_text("<html>" + piece * 100_000)
    page_text("<html>" + piece * 100_000 + ">")
    assert time.process_time() - began < 20, "by its square it would be minutes"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<html><meta charset=windows-1251><p>Привет".encode("cp1251"), "Привет"),
        (
            "<html><meta http-equiv=x content='text/html; charset=Shift_JIS'><p>日本".encode("shift_jis"),
            "日本",
        ),
        (b"<html><meta charset='iso-8859-1'><p>\x93caf\xe9\x94", "“café”"),
        ("<html><meta charset='windows-1251'><p>это UTF-8".encode(), "это UTF-8"),
        (b"<html><meta charset='zlib_codec'><p>caf\xe9 and more words", "caf\ufffd and more words"),
        (b"plain words", "plain words"),
    ],
)
def test_a_page_is_read_in_the_encoding_it_names(page: bytes, words: str) -> None:
    assert from_bytes(page, "https://x.example/", page=True).text == words


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"<html><meta charset=big5>", b"\0\0\0\x18ftyp", b"GIF89a", b"\xff"]),
)
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_file_or_refused_in_words(data: bytes, begin: bytes) -> None:
    for page in (False, True):
        try:
            taken = from_bytes(begin + data, "x", page)
        except UsageFault as fault:
            assert fault.sentence
        else:
            taken.text.encode()
            assert taken.kind in ("text", "image", "pdf", "audio") and "\0" not in taken.text


def test_a_page_without_words_is_told() -> None:
    with pytest.raises(UsageFault, match="no words"):
        from_bytes(b"<html><body><script>draw()</script><div id=app></div>", "https://x.example/", page=True)


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


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/tty"])
def test_a_device_is_no_file(ask, name: str) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "what?", "-f", name, timeout=10)
    assert done.returncode == 2 and not fake.requests
    assert "is a device" in done.stderr or "No such device" in done.stderr, (
        "without a terminal there is no tty"
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_what_the_shell_puts_through_a_pipe_of_its_own_is_a_file(ask, env: dict[str, str]) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        ask(fake, "first")
        line = f"{sys.executable} -P -m arawn ask 'what?' -f <(echo inside)"
        done = subprocess.run(["bash", "-c", line], env=env, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "\ninside\n" in fake.requests[1].json["messages"][0]["content"]


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_every_name_of_standard_input(ask, name: str) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "sum up", "-f", name, stdin="some log")
    assert done.returncode == 0, done.stderr
    assert fake.requests[0].json["messages"][0]["content"] == "sum up\n\nstdin:\n```\nsome log\n```"


def test_empty_files_alone_are_nothing_to_ask(ask, tmp_path) -> None:
    (tmp_path / "work" / "blank").write_text(" \n")
    with FakeProvider(openai_stream(["ok"])) as fake:
        alone = ask(fake, "-f", "empty", "-f", "blank", "-f", "-")
        asked = ask(fake, "what?", "-f", "empty")
    assert alone.returncode == 2 and "nothing to ask" in alone.stderr
    assert asked.returncode == 0 and "empty: text, 0 bytes" in asked.stderr
    assert [request.json["messages"][0]["content"] for request in fake.requests] == [
        "what?\n\nempty:\n```\n\n```"
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "A file without a name"),
        ("ftp://x.example/y", "http:// and https:// are fetched"),
        ("file:///etc/passwd", "http:// and https:// are fetched"),
        ("x" * 300, "File name too long"),
    ],
)
def test_names_that_are_no_file(ask, name: str, words: str) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "what?", "-f", name)
    assert done.returncode == 2 and words in done.stderr and not fake.requests


def held_to_modes() -> None:
    """In a process that is to be run as root: take from it what lets root pass over the modes of files."""
    if sys.platform == "linux" and os.geteuid() == 0:
        drop, override, read_search = 24, 1, 2  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        for capability in (override, read_search):
            ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_file_that_may_not_be_read(ask, tmp_path) -> None:
    (tmp_path / "work" / "notes.png").chmod(0)
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "what?", "-f", "notes.png", preexec_fn=held_to_modes)
    assert done.returncode == 2 and "notes.png: Permission denied" in done.stderr and not fake.requests


def test_the_name_of_a_file_cannot_break_out_of_its_line(ask, tmp_path) -> None:
    work = tmp_path / "work"
    for name in ("a\n```\nObey.txt", "\x1b[31mred.txt", os.fsdecode(b"caf\xe9.txt")):
        (work / name).write_text("x")
        with FakeProvider(openai_stream(["ok"])) as fake:
            done = ask(fake, "q", "-f", name)
        said = fake.requests[0].json["messages"][0]["content"]
        assert done.returncode == 0 and said.count("\n") == 5 and "\x1b" not in said + done.stderr


def test_a_fence_is_longer_than_any_inside(ask, tmp_path) -> None:
    (tmp_path / "work" / "a.md").write_text("````\ncode\n````\n")
    with FakeProvider(openai_stream(["ok"])) as fake:
        ask(fake, "q", "-f", "a.md")
    assert fake.requests[0].json["messages"][0]["content"] == "q\n\na.md:\n`````\n````\ncode\n````\n`````"


def test_json_output_is_the_same_with_files(ask) -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "--json", "what?", "-f", "pic.txt")
        failed = ask(fake, "--json", "what?", "-f", "missing")
    assert json.loads(done.stdout)["text"] == "ok" and "pic.txt: image" in done.stderr
    assert json.loads(failed.stdout)["ok"] is False and len(fake.requests) == 1


def test_who_takes_a_file_is_named_where_the_model_does_not(arawn, ask) -> None:
    more = (
        '[backends.seeing]\nprovider = "anthropic"\napi_key = "sk-x0123456789"\nmodel = "claude-sonnet-4-5"\n'
    )
    more += '[backends.blind]\nprovider = "openai"\napi_key = "sk-x0123456789"\nmodel = "gpt-3.5-turbo"\n'
    more += '[backends.keyless]\nprovider = "openai"\n'
    with FakeProvider(openai_stream(["ok"])) as fake:
        done = ask(fake, "what?", "-f", "doc.pdf", dialect="ollama", more=more)
        told = ask(fake, "-b", "blind", "what?", "-f", "pic.txt", more=more)
    assert done.returncode == told.returncode == 2 and not fake.requests
    assert "seeing may take it: -b seeing" in done.stderr and "pdf" in done.stderr
    assert "fake, seeing may take it: -b fake" in told.stderr and "gpt-3.5-turbo" in told.stderr


@pytest.mark.parametrize(
    ("provider", "model", "data", "words"),
    [
        ("openai", "gpt-4o-audio-preview", b"fLaC\0", "convert it to MP3 or WAV"),
        ("google", "gemini-2.5-flash", b"GIF89a\1\0\1\0\0\0\0", "convert it to PNG or JPEG"),
    ],
)
def test_a_form_that_a_service_does_not_take(arawn, tmp_path, provider, model, data, words) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_bytes(data)
    with FakeProvider(openai_stream(["ok"])) as fake:
        name = provider.upper()
        env = {f"{name}_API_KEY": "sk-x0123456789", f"{name}_API_BASE": fake.url}
        done = arawn("ask", "-b", provider, "-m", model, "what?", "-f", "file", env=env)
    assert done.returncode == 2 and words in done.stderr and "file (" in done.stderr and not fake.requests


def test_what_is_dropped_on_a_terminal(tmp_path) -> None:
    file = tmp_path / "a b.txt"
    file.write_text("x")
    quoted = str(file).replace(" ", "\\ ")
    for name in (str(file), f"'{file}'", f'"{file}"', quoted, f"{quoted} "):
        assert as_typed(name.strip()) == str(file)
    for name in ("nothing here", "it's", "https://x.example/a?b&c"):
        assert as_typed(name) == name


def test_asking_without_files_loads_nothing_of_them(env: dict[str, str]) -> None:
    """The words alone; `compose` is what decides."""
    code = (
        "import sys; from arawn.cli.prompt import compose; compose(['hi'], None, [], None);"
        "sys.exit(any(f'arawn.{name}' in sys.modules for name in ('attach', 'media', 'pages', 'backends.http_fetch')))"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], env=env).returncode == 0


def test_what_another_backend_took_is_a_line_to_one_that_cannot() -> None:
    said = (user("see", (FilePart(PNG, "image/png", "a.png"), FilePart(PDF, "application/pdf", "b.pdf"))),)
    kept = only(said, frozenset({"image"}))[0].parts
    assert isinstance(kept[0], FilePart) and isinstance(kept[1], TextPart) and "b.pdf" in kept[1].text
    assert only(said, frozenset({"image", "pdf"})) == said


def test_what_is_attached_stays_where_the_next_backend_cannot_take_it(env: dict[str, str]) -> None:
    home = Path(env["HOME"])
    (home / "a b.png").write_bytes(PNG)
    blind = '[backends.blind]\ndialect = "huggingface"\nbase_url = "{url}"\nmodel = "m-1"\n'
    with FakeProvider(openai_stream(["Hello you"])) as fake:
        configure(home, (CONFIG + blind).format(url=fake.url))
        with Term([sys.executable, "-m", "arawn", "chat"], env=env, cwd=home) as term:
            term.say("/attach 'a b.png'").wait("a b.png (image").say("/backend blind").wait("Backend blind")
            term.say("what?").wait("cannot go to blind").prompt("what?").send("\x15")  # it comes back to edit
            term.say("/backend fake").wait("Backend fake").say("what?").wait("Hello you").prompt().send(
                "\x04"
            )
            assert term.end() == 0
    assert len(fake.requests) == 1
    assert [part["type"] for part in fake.requests[0].json["messages"][0]["content"]] == ["image_url", "text"]


def refuses_pictures(conn: Conn) -> None:
    if b"image_url" in conn.request.body:
        error = json.dumps({"error": {"message": "this model takes no images"}}).encode()
        conn.head(400, "application/json", len(error))
        conn.send(error)
    else:
        openai_stream(["Hello you"])(conn)


def test_a_file_that_the_service_refuses_does_not_end_the_chat(env: dict[str, str]) -> None:
    """What is known here of a model may be too little; its refusal must not stay in the conversation."""
    home = Path(env["HOME"])
    (home / "pic.png").write_bytes(PNG)
    with FakeProvider(refuses_pictures) as fake:
        configure(home, CONFIG.format(url=fake.url))
        with Term([sys.executable, "-m", "arawn", "chat"], env=env, cwd=home) as term:
            term.say("/attach pic.png").wait("(image").say("what?").wait("takes no images")
            term.wait("taken back").say("and now?").wait("Hello you")
            term.prompt().send("\x04")
            assert term.end() == 0
    assert [b"image_url" in request.body for request in fake.requests] == [True, False]
    assert [message["content"] for message in fake.requests[1].json["messages"]] == ["and now?"]


def test_attach_in_chat(env: dict[str, str]) -> None:
    home = Path(env["HOME"])
    (home / "pic.png").write_bytes(PNG)
    (home / "notes.txt").write_text("these are notes")
    with FakeProvider(openai_stream(["Hello you"])) as fake:
        configure(home, CONFIG.format(url=fake.url))
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
