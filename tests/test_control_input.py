"""What comes in from people and pipes, on a real terminal and by the shell: odd bytes, sizes, names."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream
from home import FAKE, configure
from stages import wait_for
from term import Term

PROGRAM = [sys.executable, "-P", "-m", "arawn"]
ARAWN = " ".join(PROGRAM)
CONFIG = FAKE + "[ui]\ntoolbar = false\n"
DEAR = """
[catalog.m-1]
input_price = 1000.0
output_price = 1000.0
[budget]
per_turn = 0.01
action = "ask"
"""


def serve(conn: Conn) -> None:
    if conn.request.path.endswith("/models"):
        json_reply(200, {"data": [{"id": "m-1"}]})(conn)
    else:
        openai_stream(["an answer"])(conn)


@pytest.fixture
def fake(home: Path) -> Iterator[FakeProvider]:
    with FakeProvider(serve) as made:
        configure(home, CONFIG.format(url=made.url))
        yield made


def said(fake: FakeProvider) -> str:
    """The last message that the service was sent."""
    return str(fake.requests[-1].said)


@pytest.fixture
def chat(env: dict[str, str], home: Path, fake: FakeProvider) -> Iterator[Term]:
    with Term([*PROGRAM, "chat"], env=env, cwd=home) as term:
        yield term.prompt()


def shell(
    command: str, env: dict[str, str], home: Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", command.format(a=ARAWN)],
        env=env, cwd=home, capture_output=True, timeout=30, input=stdin,
    )  # fmt: skip


def test_F_INPUT_01_a_paste_of_many_lines(chat: Term, fake: FakeProvider) -> None:
    chat.send("\x1b[200~one\r\ntwo\rthree\x1b[201~").wait("three")
    wait_for(chat, 0.2)
    assert not fake.requests, "it needs Enter"
    chat.send("\r").wait("an answer")
    assert said(fake) == "one\ntwo\nthree"


def test_F_INPUT_02_typed_before_the_prompt_is_there(
    env: dict[str, str], home: Path, fake: FakeProvider
) -> None:
    with Term([*PROGRAM, "chat"], env=env, cwd=home, before="early\rbird\r") as term:
        term.wait("arawn> early")
        wait_for(term, 0.3)
        assert not fake.requests
        term.send("\r").wait("an answer")
        assert said(fake) == "early\nbird"


def test_F_INPUT_03_an_end_mark_inside_a_paste_approves_nothing(
    env: dict[str, str], home: Path, fake: FakeProvider
) -> None:
    """A budget's question takes no answer that was pasted before it was asked."""
    configure(home, CONFIG.format(url=fake.url) + DEAR)
    with Term([*PROGRAM, "chat"], env=env, cwd=home) as term:
        term.prompt().send("\x1b[200~hi\x1b[201~\ry\x1b[201~\r")
        wait_for(term, 0.5)
        if "y/N" not in term.screen:
            term.send("\r")
        term.wait("y/N")
        wait_for(term, 0.3)
        assert not fake.requests
        term.send("n").wait("Nothing was asked")
        assert not fake.requests


@pytest.mark.parametrize(
    ("pasted", "sent"),
    [("a\x1b]0;owned\x07b\x1b[31mc", "abc"), ("d\x00e\u009bf", None)],
)
def test_F_INPUT_04_controls_in_a_paste(
    chat: Term, fake: FakeProvider, pasted: str, sent: str | None
) -> None:
    chat.send(f"\x1b[200~{pasted}\x1b[201~").wait("left out of the paste")
    chat.send("\r").wait("an answer")
    assert b"owned" not in chat.raw and b"\x1b[31m" not in chat.raw and "\x00" not in said(fake)
    assert sent is None or said(fake) == sent


@pytest.mark.parametrize(
    "command",
    [r"{a} ask $'a\xffb' < /dev/null", r"printf 'a\xffb\n' | {a} chat"],
)
def test_F_INPUT_05_bytes_that_are_no_text(
    env: dict[str, str], home: Path, fake: FakeProvider, command: str
) -> None:
    done = shell(command, env, home)
    assert done.returncode == 0, done.stderr
    assert said(fake) == "a\ufffdb" and b"Traceback" not in done.stderr and b"codec" not in done.stderr


@pytest.mark.parametrize(
    ("piped", "heard", "lost"),
    [(r"a\xffb", "a\ufffdb", "1 byte is"), (r"\xff\xfe\xfd\xfc", "\ufffd" * 4, "4 bytes are")],
)
def test_F_INPUT_05_in_a_pipe_it_is_told(
    env: dict[str, str], home: Path, fake: FakeProvider, piped: str, heard: str, lost: str
) -> None:
    done = shell(f"printf 'x{piped}' | {{a}} ask", env, home)
    assert done.returncode == 0 and said(fake) == f"x{heard}", done.stderr
    assert f"stdin: {lost} no UTF-8".encode() in done.stderr and b"iconv" in done.stderr


def test_F_INPUT_05_in_a_paste(chat: Term, fake: FakeProvider) -> None:
    chat.send(b"\x1b[200~a\xffb\x1b[201~").until(lambda: "b" in chat.line[7:], "the paste").send("\r")
    chat.wait("an answer")
    assert said(fake) == "a\ufffdb"


def test_F_INPUT_06_nul_in_a_pipe(env: dict[str, str], home: Path, fake: FakeProvider) -> None:
    done = shell("{a} ask", env, home, b"a\0b")
    assert b"Traceback" not in done.stderr
    if done.returncode == 0:
        assert "\0" not in said(fake)
    else:
        assert done.returncode == 2 and done.stderr.startswith(b"Error:") and not fake.requests


def test_F_INPUT_07_a_paste_of_a_megabyte(chat: Term, fake: FakeProvider) -> None:
    data = ("\x1b[200~" + "0123456789abcde\n" * 65536 + "end\x1b[201~").encode()
    began, at = time.monotonic(), 0
    os.set_blocking(chat._fd, False)
    while at < len(data):
        try:
            at += os.write(chat._fd, data[at : at + 65536])
        except BlockingIOError:
            chat.pump(0.01)
    os.set_blocking(chat._fd, True)
    chat.until(lambda: "lines" in chat.screen or "end" in chat.line, "the paste")
    took = time.monotonic() - began
    assert took < 3, "the prompt is usable in 3 seconds"
    chat.send("\r").until(lambda: bool(fake.requests), "the request")
    assert said(fake).count("\n") == 65536 and said(fake).endswith("end")


def test_F_INPUT_07_a_pipe_of_50_megabytes(env: dict[str, str], home: Path, fake: FakeProvider) -> None:
    done = shell("head -c 52428800 /dev/zero | tr '\\0' 'a' | {a} ask", env, home)
    assert done.returncode in (2, 7) and not fake.requests
    assert b"MiB" in done.stderr or b"bytes" in done.stderr or b"tokens" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfwith a mark", "with a mark"),
        (b"one\r\ntwo", "one\ntwo"),
        ("zwölf €".encode("utf-16"), "zwölf €"),
    ],
    ids=["BOM", "CRLF", "UTF-16"],
)
@pytest.mark.parametrize("way", ["pipe", "file"])
def test_F_INPUT_08_texts_of_other_systems(
    env: dict[str, str], home: Path, fake: FakeProvider, data: bytes, text: str, way: str
) -> None:
    (home / "in.txt").write_bytes(data)
    done = shell("{a} ask < in.txt" if way == "pipe" else "{a} ask -f in.txt hi < /dev/null", env, home)
    assert done.returncode == 0, done.stderr
    assert text in said(fake).replace("\r\n", "\n") and "\ufeff" not in said(fake)


def test_F_INPUT_09_a_question_while_something_is_piped_in(
    env: dict[str, str], home: Path, fake: FakeProvider
) -> None:
    """Whoever must agree cannot be asked: it is refused, not taken for yes."""
    configure(home, CONFIG.format(url=fake.url) + DEAR)
    with Term(["bash", "-c", f"echo y | {ARAWN} ask hi"], env=env, cwd=home) as term:
        assert term.end() == 7
        assert "Nothing was asked" in term.screen and not fake.requests


@pytest.mark.parametrize(
    "command",
    ["{a} ask < /dev/null", "{a} ask '' < /dev/null", "{a} ask '  ' </dev/null", "printf ' \\n' | {a} ask"],
)
def test_F_INPUT_10_nothing_to_ask(env: dict[str, str], home: Path, fake: FakeProvider, command: str) -> None:
    done = shell(command, env, home)
    assert done.returncode == 2 and b"Error:" in done.stderr and not fake.requests


@pytest.mark.parametrize(
    ("words", "text"),
    [("-- -x", "-x"), ("-- --help me", "--help me"), ("@file", "@file"), ("'/help'", "/help")],
)
def test_F_INPUT_11_what_looks_like_an_option(
    env: dict[str, str], home: Path, fake: FakeProvider, words: str, text: str
) -> None:
    done = shell(f"{{a}} ask {words} </dev/null", env, home)
    assert done.returncode == 0, done.stderr
    assert said(fake) == text


def test_F_INPUT_12_a_key_is_kept_out_of_what_is_remembered(
    chat: Term, fake: FakeProvider, home: Path
) -> None:
    key = "sk-CANARY-0123456789abcdef0123456789abcdef"
    chat.send(f"my key is {key}\r").wait("an answer")
    chat.wait("key")
    chat.prompt().send("\x04")
    assert chat.end() == 0
    kept = [path for path in home.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert not kept, "neither the history, nor the store, nor a draft"


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "folder", "big", "closed", "missing"])
def test_F_INPUT_13_attachments_that_are_none(
    env: dict[str, str], home: Path, fake: FakeProvider, name: str
) -> None:
    os.mkfifo(home / "fifo")
    (home / "folder").mkdir()
    with open(home / "big", "wb") as file:
        file.truncate(10 << 30)
    (home / "closed").touch(0o000)
    if name == "closed" and os.geteuid() == 0:
        (home / "closed").unlink()  # root may read all
    began = time.monotonic()
    done = shell(f"{{a}} ask -f {name} hi </dev/null", env, home)
    assert time.monotonic() - began < 10
    assert done.returncode == 2 and b"Error:" in done.stderr and not fake.requests, done.stderr
