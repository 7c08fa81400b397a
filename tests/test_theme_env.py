"""The environment's word on colour and marks, for the whole program: ask, chat, lists; both streams."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream
from home import FAKE, configure
from term import Term

ANSWER = "# Head\n\n- **one** item\n- [ ] two\n\n> said\n\n---\n"
SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def fake(home: Path) -> Iterator[FakeProvider]:
    with FakeProvider(openai_stream([ANSWER], usage={"prompt_tokens": 3, "completion_tokens": 5})) as made:
        put(home, made)
        yield made


def put(home: Path, fake: FakeProvider, more: str = "") -> None:
    configure(home, FAKE.format(url=fake.url) + more)


def run(args: list[str], env: dict[str, str], cwd: Path, tty: str = "both") -> tuple[str, str, int]:
    """(stdout, stderr, exit code); `tty`: which of them are terminals: both, out, err, none."""
    ends, given = [], []
    for name in ("out", "err"):
        made = pty.openpty() if tty in ("both", name) else os.pipe()
        ends.append(made[0])
        given.append(made[1])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "arawn", *args], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
        stdout=given[0], stderr=given[1],
    )  # fmt: skip
    for fd in given:
        os.close(fd)
    got = {fd: b"" for fd in ends}
    left = set(ends)
    while left:
        for fd in select.select(list(left), [], [], 20)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                piece = b""
            got[fd] += piece
            if not piece:
                left.discard(fd)
    for fd in ends:
        os.close(fd)
    out, err = (got[fd].decode("utf-8", "replace").replace("\r\n", "\n") for fd in ends)
    return out, err, process.wait(10)


COLOURS = [
    # environment, options, config, which are terminals, colour on stdout, colour on stderr
    ({}, [], "", "both", True, True),
    ({}, [], "", "out", True, False),
    ({}, [], "", "err", False, True),
    ({}, [], "", "none", False, False),
    ({"NO_COLOR": "1"}, [], "", "both", False, False),
    ({"NO_COLOR": ""}, [], "", "both", True, True),
    ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, [], "", "both", False, False),
    ({"CLICOLOR": "0"}, [], "", "both", False, False),
    ({"CLICOLOR": "1"}, [], "", "none", False, False),
    ({"CLICOLOR_FORCE": "1"}, [], "", "none", False, True),
    ({"CLICOLOR_FORCE": "0"}, [], "", "none", False, False),
    ({"FORCE_COLOR": "1"}, [], "", "none", False, True),
    ({"FORCE_COLOR": "1", "TERM": "dumb"}, [], "", "none", False, True),
    ({"TERM": "dumb"}, [], "", "both", False, False),
    ({"TERM": ""}, [], "", "both", False, False),
    ({"NO_COLOR": "1"}, ["--color", "always"], "", "both", True, True),
    ({"FORCE_COLOR": "1"}, ["--color", "never"], "", "both", False, False),
    ({"NO_COLOR": "1"}, ["--color=auto"], "", "both", False, False),
    ({}, [], '[ui]\ncolor = "never"\n', "both", False, False),
    ({"NO_COLOR": "1"}, [], '[ui]\ncolor = "always"\n', "both", True, True),
    ({}, ["--color", "never"], '[ui]\ncolor = "always"\n', "both", False, False),
    ({"ARAWN_UI_COLOR": "never"}, [], "", "both", False, False),
]


@pytest.mark.parametrize(("more", "options", "config", "tty", "out_wanted", "err_wanted"), COLOURS)
def test_F_TERM_20_who_decides_on_colour(
    fake: FakeProvider, env: dict[str, str], home: Path, tmp_path: Path, more: dict[str, str],
    options: list[str], config: str, tty: str, out_wanted: bool, err_wanted: bool,
) -> None:  # fmt: skip
    put(home, fake, config)
    out, err, code = run(["ask", "hi", *options], {**env, **more}, tmp_path, tty)
    assert code == 0 and bool(SGR.search(out)) is out_wanted and bool(SGR.search(err)) is err_wanted, (
        out,
        err,
    )
    if tty in ("none", "err"):
        assert out == ANSWER, "a pipe gets the answer alone"
    else:
        assert "Head" in out and "**" not in SGR.sub("", out)
    if more.get("TERM") in ("dumb", "") and tty == "both":
        assert "\x1b" not in out + err and "\r" not in out + err


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("command", [["ask", "hi"], ["session", "list"], ["config", "path"], ["chat"]])
def test_color_stands_before_or_after_a_command(
    env: dict[str, str], tmp_path: Path, command: list[str], place: str
) -> None:
    for said, found in (("red", "not 'red'"), ("Always", "not 'Always'")):
        option = ["--color", said]
        args = [*option, *command] if place == "before" else [*command, *option]
        _, err, code = run(args, env, tmp_path, "none")
        assert code == 2 and f"--color takes auto, always or never, {found}" in err
    if command[0] in ("session", "config"):
        option = ["--color", "never"]
        args = [*option, *command] if place == "before" else [*command, *option]
        assert run(args, env, tmp_path)[2] == 0


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CLICOLOR": "0"}, {}])
def test_lists_obey_too(
    fake: FakeProvider, env: dict[str, str], tmp_path: Path, more: dict[str, str]
) -> None:
    assert run(["ask", "hi"], env, tmp_path)[2] == 0
    for args in (["session", "list"], ["session", "search", "one"], ["backend", "list"], ["usage"]):
        out, err, code = run(args, {**env, **more}, tmp_path)
        assert code == 0 and (not more or "\x1b" not in out + err), (args, out, err)
        out, err, _ = run(args, {**env, **more}, tmp_path, "none")
        assert "\x1b" not in out + err


@pytest.mark.parametrize(
    "more", [{"LANG": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
             {"LANG": "de_DE.ISO-8859-1"}, {"LANG": "C", "TERM": "dumb"}]
)  # fmt: skip
def test_F_TERM_20_our_own_marks_are_ascii_in_a_c_locale(
    fake: FakeProvider, env: dict[str, str], tmp_path: Path, more: dict[str, str]
) -> None:
    out, err, code = run(["ask", "hi"], {**env, **more}, tmp_path)
    assert code == 0 and (out + err).isascii(), (out, err)
    plain = SGR.sub("", out)
    assert "* one item" in plain and "[ ] two" in plain and "| said" in plain and "---" in plain
    assert "fake - m-1 - 3 in / 5 out tokens" in SGR.sub("", err)


def test_they_are_not_where_the_terminal_shows_more(
    fake: FakeProvider, env: dict[str, str], tmp_path: Path
) -> None:
    out, err, _ = run(["ask", "hi"], env, tmp_path)
    assert "• " in SGR.sub("", out) and "fake · m-1 · 3 in / 5 out tokens" in SGR.sub("", err)


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ('[ui]\ntheme = "dark"\n', "\x1b[1;38;5;183mHead"),
        ('[ui]\ntheme = "light"\n', "\x1b[1;38;5;61mHead"),
        ('[ui]\ntheme = "none"\n', "\x1b[1mHead"),
        ('[ui]\ntheme = "auto"\n', "\x1b[1;35mHead"),
        ('[ui.colors]\nheading = "#ff8800"\n', "\x1b[38;5;208mHead"),
    ],
)
def test_themes_of_an_answer(
    fake: FakeProvider, env: dict[str, str], home: Path, tmp_path: Path, config: str, wanted: str
) -> None:
    put(home, fake, config)
    out, _, code = run(["ask", "hi"], env, tmp_path)
    assert code == 0 and wanted in out, ascii(out)


def test_ask_asks_no_terminal(fake: FakeProvider, env: dict[str, str], tmp_path: Path) -> None:
    out, err, _ = run(["ask", "hi"], env, tmp_path)
    assert "\x1b]" not in out + err and "\x1b[c" not in out + err


COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7])[;m]")


@pytest.mark.parametrize(
    ("more", "options", "config", "wanted"),
    [
        ({}, [], "", True), ({"NO_COLOR": "1"}, [], "", False), ({"CLICOLOR": "0"}, [], "", False),
        ({}, ["--color", "never"], "", False), ({}, [], '[ui]\ncolor = "never"\n', False),
        ({"NO_COLOR": "1"}, ["--color", "always"], "", True), ({"LANG": "C", "NO_COLOR": "1"}, [], "", False),
    ],
)  # fmt: skip
def test_F_TERM_20_a_chat_obeys_too(
    fake: FakeProvider, env: dict[str, str], home: Path, tmp_path: Path, more: dict[str, str],
    options: list[str], config: str, wanted: bool,
) -> None:  # fmt: skip
    put(home, fake, config)
    argv = [sys.executable, "-m", "arawn", "chat", *options]
    with Term(argv, env={**env, **more}, cwd=tmp_path) as term:
        term.until(lambda: term.line.startswith("arawn>"), "a prompt").send("hi\r")
        term.wait("3 in / 5 out").until(lambda: term.line.startswith("arawn>"), "a prompt").send("\x04")
        assert term.end() == 0
        raw = term.raw.decode()
    assert bool(COLOUR.search(raw)) is wanted, ascii(raw)
    if more.get("LANG") == "C":
        assert "Backend fake - model m" in raw and "* one item" in raw


# ---- a chat asks


class Answering(Term):
    """A terminal that answers the question for its background, after a while, in pieces."""

    after = 0.0
    told = "rgb:ffff/ffff/ffff"
    asked_at: float | None = None
    done = False

    def pump(self, seconds: float = 0.02) -> bool:
        more = super().pump(seconds)
        if self.asked_at is None and b"\x1b]11;?" in self.raw:
            self.asked_at = time.monotonic()
        if self.asked_at is not None and not self.done and time.monotonic() - self.asked_at >= self.after:
            self.done = True
            if self.told:
                self.send(f"\x1b]11;{self.told}\x1b\\\x1b[?62;22c")
        return more

    def _answer(self, data: str) -> None:
        """pyte's own answer is left out."""


@pytest.mark.parametrize("after", [0.0, 0.5, 1.5])
def test_a_chat_takes_the_colours_that_fit(
    fake: FakeProvider, env: dict[str, str], tmp_path: Path, after: float
) -> None:
    with Answering([sys.executable, "-m", "arawn", "chat"], env=env, cwd=tmp_path) as term:
        term.after = after
        term.until(lambda: term.line.startswith("arawn>"), "a prompt")
        term.until(lambda: term.done, "the answer")
        time.sleep(0.1)
        term.send("hi\r").wait("3 in / 5 out")
        assert "arawn> hi\n" in term.screen and "rgb" not in term.screen and "62;22" not in term.screen
        assert "\x1b[1;38;5;61mHead" in term.raw.decode(), "the colours of a light background"
        term.until(lambda: term.line.startswith("arawn>"), "a prompt")
        term.send("\x04")
        assert term.end() == 0
    remembered = next((Path(env["HOME"]) / ".local" / "state" / "arawn").glob("backgrounds.json"))
    assert "light" in remembered.read_text()


def test_what_is_typed_before_the_answer_is_kept(
    fake: FakeProvider, env: dict[str, str], tmp_path: Path
) -> None:
    with Answering([sys.executable, "-m", "arawn", "chat"], env=env, cwd=tmp_path) as term:
        term.after = 0.05
        term.until(lambda: term.asked_at is not None, "the question").send("early ")
        term.until(lambda: term.done, "the answer").send("bird")
        term.prompt("early bird")


def test_a_terminal_that_never_answers_is_not_waited_for(
    fake: FakeProvider, env: dict[str, str], tmp_path: Path
) -> None:
    with Answering([sys.executable, "-m", "arawn", "chat"], env=env, cwd=tmp_path) as term:
        term.told = ""
        term.until(lambda: term.line.startswith("arawn>"), "a prompt")
        term.send("hi\x1b[D\x1b[D").until(lambda: "hi" in term.screen, "keys").send("o").until(
            lambda: "ohi" in term.screen, "arrows are arrows"
        )


@pytest.mark.parametrize(
    ("more", "config"),
    [
        ({"TERM": "dumb"}, ""), ({"TERM": "linux"}, ""), ({"TERM": "xterm"}, ""), ({"NO_COLOR": "1"}, ""),
        ({"COLORFGBG": "15;0"}, ""), ({}, '[ui]\ntheme = "dark"\n'), ({}, '[ui]\ntheme = "none"\n'),
        ({"ACCESSIBLE": "1"}, ""),
    ],
)  # fmt: skip
def test_who_is_not_asked(
    fake: FakeProvider, env: dict[str, str], home: Path, tmp_path: Path, more: dict[str, str], config: str
) -> None:
    put(home, fake, config)
    with Answering([sys.executable, "-m", "arawn", "chat"], env={**env, **more}, cwd=tmp_path) as term:
        term.until(lambda: "Ctrl-D to leave" in term.screen, "the welcome")
        time.sleep(0.3)
        term.pump()
        term.send("\x04")
        term.end()
        assert b"\x1b]11" not in term.raw and b"\x1b[c" not in term.raw


def test_notices_look_alike(env: dict[str, str], home: Path, tmp_path: Path) -> None:
    """Waits, retries and fallbacks are lines of one kind beside the answer, in ask as in chat."""

    def busy(conn: Conn) -> None:
        json_reply(503, {"error": {"message": "overloaded"}})(conn)

    for command in ("ask", "chat"):
        with FakeProvider(
            busy, openai_stream(["fine"], usage={"prompt_tokens": 1, "completion_tokens": 1})
        ) as fake:
            put(home, fake, '[backends.fake.retry]\ninitial_delay = "1s"\n')
            args = [command, "hi"] if command == "ask" else [command]
            with Term([sys.executable, "-m", "arawn", *args], env=env, cwd=tmp_path) as term:
                if command == "chat":
                    term.until(lambda: term.line.startswith("arawn>"), "a prompt").send("hi\r")
                term.wait("1 in / 1 out")
                assert "fine\nfake · m-1 · 1 in / 1 out tokens" in term.screen
                assert "overloaded" not in term.screen, "what passed is gone"
                raw = term.raw.decode()
                assert "overloaded" not in raw or "for attempt 2 of 3: " in raw
