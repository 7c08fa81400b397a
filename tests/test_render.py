"""What reaches a terminal: the filter, the renderers, the status line; nothing foreign gets through."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pyte
import pytest
from fake_provider import FakeProvider, json_reply, openai_stream
from home import configure
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads import ESC, KEPT, PAYLOADS, forbidden

from arawn.errors import ArawnError
from arawn.events import Wait
from arawn.render.markdown import MarkdownStream
from arawn.render.plain import PlainStream
from arawn.render.safe import LONGEST, Filter, clean
from arawn.render.status import Status
from arawn.render.terminal import color_wanted, width

SGR = re.compile(r"\x1b\[[0-9;]*m")


def filtered(*pieces: str) -> str:
    keeper = Filter()
    return "".join([*(keeper.feed(piece) for piece in pieces), keeper.flush()])


def screen(text: str, columns: int = 40, rows: int = 24) -> pyte.Screen:
    made = pyte.Screen(columns, rows)
    pyte.Stream(made).feed(text.replace("\n", "\r\n"))
    return made


def check(name: str) -> None:
    payload, readable = PAYLOADS[name]
    assert filtered(payload) == readable
    assert not forbidden(markdown(payload), True)


def test_F_TERM_01_clipboard() -> None:
    check("clipboard")
    check("clipboard st")


def test_F_TERM_02_title() -> None:
    check("title")
    check("title 8-bit")
    assert screen(markdown(PAYLOADS["title"][0])).title == ""


def test_F_TERM_03_links_show_where_they_lead() -> None:
    check("link")
    shown = markdown("[https://good.example](http://evil.example) and [same](https://x.example)")
    assert "http://evil.example" in shown and "https://x.example" in shown and "]8;" not in shown
    assert "[image: cat] (http://x/cat.png)" in SGR.sub("", markdown("![cat](http://x/cat.png)"))


@pytest.mark.parametrize(
    "name", ["clear", "up and erase", "scroll region", "colour", "reset", "charset", "keypad"]
)
def test_F_TERM_04_cursor_and_erase(name) -> None:
    check(name)
    before = "first line\nsecond line\n"
    shown = screen(before + markdown(PAYLOADS[name][0])).display
    assert shown[0].startswith("first line") and shown[1].startswith("second line")


@pytest.mark.parametrize("name", ["position query", "attributes query", "setting query"])
def test_F_TERM_05_queries(name) -> None:
    check(name)


@pytest.mark.parametrize("name", ["8-bit csi", "8-bit dcs", "c1"])
def test_F_TERM_06_eight_bit_controls(name) -> None:
    check(name)


@pytest.mark.parametrize("name", ["apc", "pm", "sos", "tmux", "sixel"])
def test_F_TERM_07_string_sequences(name) -> None:
    check(name)


@given(
    st.lists(st.sampled_from([p for p, _ in PAYLOADS.values()] + list(KEPT)), max_size=4).map("".join),
    st.lists(st.integers(0, 200), max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_F_TERM_08_split_anywhere(text, cuts) -> None:
    at = sorted({0, len(text), *(c for c in cuts if c < len(text))})
    assert filtered(*(text[a:b] for a, b in zip(at, at[1:], strict=False))) == filtered(text)


@given(
    st.text(alphabet="\x1b[]P\\;a1m\x07\x9b\x9d\x9c\r\n\u200d👩💻\ufe0f\u202e", max_size=60),
    st.integers(0, 60),
)
@settings(max_examples=60, deadline=None)
def test_F_TERM_08_any_text_split_anywhere(text, cut) -> None:
    whole = filtered(text)
    assert filtered(text[:cut], text[cut:]) == whole and filtered(*text) == whole
    assert not forbidden(whole)


def test_F_TERM_09_an_unterminated_sequence_swallows_nothing() -> None:
    assert "the answer" in filtered(f"{ESC}]0;the answer\ngoes on")
    assert "goes on" in filtered(f"{ESC}]0;the answer\ngoes on")
    assert filtered(f"{ESC}]52;c;" + "x" * (LONGEST + 10) + "end").endswith("end")
    assert filtered(f"{ESC}P never ended").endswith("never ended")
    assert "text" in filtered(f"{ESC}[" + "9" * (LONGEST + 5) + "text")


@pytest.mark.parametrize("name", ["alternate screen", "mouse"])
def test_F_TERM_10_modes(name) -> None:
    check(name)
    made = pyte.Screen(20, 5)
    modes = set(made.mode)
    pyte.Stream(made).feed(markdown(PAYLOADS[name][0]).replace("\n", "\r\n"))
    assert set(made.mode) == modes


@pytest.mark.parametrize("name", ["overprint", "backspace", "bell and others"])
def test_F_TERM_11_overprinting(name) -> None:
    check(name)


def test_F_TERM_12_bidi() -> None:
    check("bidi")


@pytest.mark.parametrize("name", ["zero width", "tags", "selectors", "separators", "surrogate"])
def test_F_TERM_13_invisible(name) -> None:
    payload, readable = PAYLOADS[name]
    assert filtered(payload) == readable


@pytest.mark.parametrize("text", KEPT)
def test_F_TERM_13_emoji_and_scripts_are_kept(text) -> None:
    assert filtered(text) == text == filtered(*text)


HOSTILE = "".join(payload for payload, _ in PAYLOADS.values()).replace("\ud800", "")


def test_F_TERM_14_every_sink() -> None:
    out = io.StringIO()
    status = Status(out, True, False, True)
    status.note(HOSTILE)
    status.warn(HOSTILE)
    status.wait(Wait(3, 5, HOSTILE, 1, 3))
    status.reasoning(HOSTILE)
    status.clear()
    status.error(ArawnError(HOSTILE, detail=HOSTILE, hints=(HOSTILE,)))
    assert not forbidden(out.getvalue().replace("\r\x1b[K", ""), True)
    plain = io.StringIO()
    sink = PlainStream(plain, True)
    sink.feed(HOSTILE)
    sink.close()
    assert not forbidden(plain.getvalue())
    assert not forbidden(clean(HOSTILE, newlines=False)) and "\n" not in clean(HOSTILE, newlines=False)


def in_a_terminal(args: list[str], env: dict[str, str], cwd) -> str:
    """Run the program with everything on a pty; what it wrote there."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "arawn", *args],
        env=env,
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    data = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        data += piece
    process.wait(10)
    os.close(master)
    return data.decode("utf-8", "replace")


CONFIG = (
    '[llm]\nbackend = "fake"\n[backends.fake]\nprovider = "custom"\nbase_url = "{url}"\nmodel = "{model}"\n'
)


@pytest.mark.parametrize("where", ["answer", "error", "model", "reasoning", "tool", "list"])
def test_F_TERM_14_the_whole_program(where, env, home, tmp_path) -> None:
    tool = [{"index": 0, "id": "x", "function": {"name": HOSTILE, "arguments": "{}"}}]
    delta = {"reasoning": {"reasoning": HOSTILE}, "tool": {"tool_calls": tool}}.get(where, {"content": "ok"})
    stream = openai_stream([HOSTILE if where == "answer" else "ok"])
    if where in ("reasoning", "tool"):
        from fake_provider import sse

        stream.events.insert(0, sse({"choices": [{"index": 0, "delta": delta}]}))
    behaviour = {
        "error": json_reply(400, {"error": {"message": HOSTILE}}),
        "list": json_reply(200, {"data": [{"id": HOSTILE}]}),
    }.get(where, stream)
    with FakeProvider(behaviour) as fake:
        configure(home, CONFIG.format(url=fake.url, model="m"))
        model = ["-m", HOSTILE.replace("\0", "")] if where == "model" else []
        args = ["model", "list"] if where == "list" else ["ask", *model, "hi"]
        shown = (
            in_a_terminal(args, {**env, "COLUMNS": "80"}, tmp_path)
            .replace("\r\n", "\n")
            .replace("\r\x1b[K", "")
        )
    assert not forbidden(shown, True), ascii(shown)
    assert "ok" in shown or where in ("error", "answer", "list")


def test_F_TERM_16_brackets_are_text() -> None:
    for text in ("[/x] [bold]x[/bold] [link=http://x]y[/link]", "[[[", "a [b] (c)"):
        assert words(markdown(text)) == words(text)


def test_F_TERM_17_pathological_markdown() -> None:
    for text in (
        "[" * 20_000,
        "*" * 20_000,
        "`" * 20_001,
        "**a" * 5000,
        "> " * 3000 + "x",
        "|" + "a|" * 2000 + "\n" + "|" + "-|" * 2000 + "\n",
    ):
        assert markdown(text, piece=4096)


def test_F_TERM_18_a_line_without_end_is_bounded() -> None:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 80, True)
    for _ in range(2000):
        shown.feed("word " * 100)
    assert sys.getsizeof(shown._line) + sum(map(len, shown._growing._said)) < 50_000
    shown.close()
    assert len(out.getvalue()) < 2000 * 500 * 1.2


def test_F_TERM_20_poor_terminals() -> None:
    for env, tty, choice, wanted in [
        ({"TERM": "xterm"}, True, "auto", True), ({"TERM": "dumb"}, True, "auto", False), ({}, True, "auto", False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, "auto", False), ({"TERM": "xterm", "NO_COLOR": ""}, True, "auto", True),
        ({"FORCE_COLOR": "1"}, False, "auto", True), ({"CLICOLOR_FORCE": "1"}, False, "auto", True),
        ({"TERM": "xterm", "CLICOLOR": "0"}, True, "auto", False), ({"TERM": "xterm"}, False, "auto", False),
        ({"NO_COLOR": "1"}, True, "always", True), ({"FORCE_COLOR": "1"}, True, "never", False),
    ]:  # fmt: skip
        assert color_wanted(env, tty, choice) is wanted, (env, tty, choice)
    for columns, expected in (("abc", 80), ("0", 80), ("-3", 80), ("50", 50)):
        assert width(-1, {"COLUMNS": columns}) == expected


def test_F_TERM_20_a_c_locale(env, home, tmp_path) -> None:
    with FakeProvider(openai_stream(["Zażółć 日本 🎉"])) as fake:
        configure(home, CONFIG.format(url=fake.url, model="m"))
        for more in ({"LANG": "C", "LC_ALL": "POSIX", "PYTHONIOENCODING": "latin-1"}, {"TERM": "dumb"}):
            done = subprocess.run([sys.executable, "-P", "-m", "arawn", "ask", "hi"], env={**env, **more}, cwd=tmp_path,
                                  stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip
            assert done.stdout.decode() == "Zażółć 日本 🎉\n" and done.returncode == 0
            assert "Za" in in_a_terminal(["ask", "hi"], {**env, **more}, tmp_path)


def markdown(text: str, columns: int = 40, color: bool = True, piece: int = 3) -> str:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: columns, color)
    for at in range(0, len(text), piece):
        shown.feed(text[at : at + piece])
    shown.close()
    return out.getvalue()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", SGR.sub("", text))


GOLDEN = [
    ("# Title\n\ntext", ["Title", "", "text"]),
    ("a **bold** and *em* and `code` end", ["a bold and em and code end"]),
    ("- one\n- two\n  - deep\n1. first\n2) second", ["• one", "• two", "  • deep", "1. first", "2) second"]),
    ("* star\n+ plus", ["• star", "• plus"]),
    ("> quoted\n> more", ["│ quoted", "│ more"]),
    ("---\n***\n", ["─" * 40, "─" * 40]),
    ("```python\nx = 1\n  y\n```\nafter", ["```python", "x = 1", "  y", "```", "after"]),
    ("~~~\n# no heading\n~~~", ["~~~", "# no heading", "~~~"]),
    ("```console\n$ ls -l  # all\nout\n```\n```nosuch\nx\n```", ["```console", "$ ls -l  # all", "out", "```", "```nosuch", "x", "```"]),
    ("| a | b |\n|---|---|\n| 1 | 22 |\n\nend", ["a │ b", "──┼───", "1 │ 22", "", "end"]),
    ("a\n\n\n\nb", ["a", "", "b"]),
    ("2 * 3 * 4 and snake_case_name __init__ x", ["2 * 3 * 4 and snake_case_name init x"]),
    ("unclosed **bold and `code", ["unclosed **bold and `code"]),
    ("\\*not em\\* \\# x", ["*not em* # x"]),
    ("#hashtag and 3.14 and -5", ["#hashtag and 3.14 and -5"]),
    ("-5 degrees\n3.14 is pi", ["-5 degrees", "3.14 is pi"]),
    ("one two three four five six seven eight nine ten", ["one two three four five six seven eight", "nine ten"]),
    ("- one two three four five six seven eight nine", ["• one two three four five six seven", "  eight nine"]),
    ("`` a ` b ``", ["a ` b"]),
    ("***both*** x", ["both x"]),
    ("<https://x.example/a> y", ["https://x.example/a y"]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "lines"), GOLDEN)
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_markdown(source, lines, piece) -> None:
    shown = [line.rstrip() for line in screen(markdown(source, piece=piece)).display]
    while shown and not shown[-1]:
        shown.pop()
    assert shown == lines


@pytest.mark.parametrize(("source", "lines"), GOLDEN)
def test_colour_changes_nothing_but_colour(source, lines) -> None:
    assert SGR.sub("", markdown(source)) == SGR.sub("", markdown(source, piece=1))
    assert not SGR.search(markdown(source, color=False))
    assert not any(line.endswith(" ") for line in SGR.sub("", markdown(source)).split("\n"))


def test_F_TERM_22_wide_characters_wrap_inside_the_screen() -> None:
    text = "日本語の文章を表示する。" * 6 + " 👩\u200d💻 end " + "한국어 " * 12
    lines = SGR.sub("", markdown(text, columns=20)).rstrip("\n").split("\n")
    from rich.cells import cell_len

    assert all(cell_len(line) <= 20 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(st.lists(st.sampled_from(["word", "**bold**", "`code`", "- ", "# ", "\n", "\n\n", " ", "| a | b |\n|---|---|\n",
                                 "```\n", "[t](http://u)", "> ", "*", "_x_", "日本"]), max_size=30))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_word_is_lost(parts) -> None:
    text = "".join(parts)
    shown, said = ("".join(sorted("".join(words(each)).replace("_", ""))) for each in (markdown(text), text))
    assert shown == said


def long_answer(tokens: int) -> list[str]:
    block = (
        "Some plain words of a sentence with **bold** and `code` in it, going on for a while.\n\n"
        "- a list item with words\n- another one\n\n```python\ndef f(x: int) -> int:\n    return x + 1  # note\n```\n\n"
        "| head | other |\n|---|---|\n| cell | value |\n\n## A heading\n\n"
    )
    pieces = re.findall(r"\n+| ?[^\s]{1,5}| +", block)
    return (pieces * (tokens // len(pieces) + 1))[:tokens]


def test_a_long_answer_writes_at_most_twice_its_bytes() -> None:
    pieces = long_answer(20_000)
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 80, True)
    for piece in pieces:
        shown.feed(piece)
    shown.close()
    assert len(out.getvalue().encode()) <= 2 * len("".join(pieces).encode())


def test_the_work_grows_with_the_length_alone() -> None:
    def work(tokens: int) -> int:
        calls = 0

        def count(frame, event, arg) -> None:
            nonlocal calls
            calls += event == "call"

        shown = MarkdownStream(io.StringIO(), lambda: 80, True)
        sys.setprofile(count)
        for piece in long_answer(tokens):
            shown.feed(piece)
        shown.close()
        sys.setprofile(None)
        return calls

    assert work(8000) < 2.3 * work(4000)


def test_the_first_words_are_shown_at_once() -> None:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 80, True)
    shown.feed("Hello")
    assert out.getvalue() == "Hello"
