"""Markdown on a terminal: the same lines however it is cut, all that markdown-it finds, linear work, nothing lost."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable

import pyte
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from payloads import forbidden

from arawn.render import spans, table
from arawn.render.markdown import LONGEST, MarkdownStream
from arawn.render.measure import cells, clusters

SGR = re.compile(r"\x1b\[[0-9;]*m")
TABLE = "\n| a | b |\n|---|:-:|\n"
PLAIN = (
    *(
        "word",
        "two words ",
        "**bold**",
        "*em*",
        "_x_",
        "`code`",
        "~~gone~~",
        "[t](http://u)",
        "![i](http://p)",
    ),
    *("<http://a.b> ", "<b>", "&amp;", "日本語。", "한국어 ", "e\u0301", "12", "x" * 50, " ", "  ", "\\*"),
)
MARKS = (
    "*",
    "**",
    "***",
    "_",
    "`",
    "``",
    "~~",
    "[",
    "](",
    "](u)",
    ")",
    "!",
    "<",
    ">",
    "&",
    "|",
    "\\|",
    "=",
    "-",
    "+",
    ".",
)
LINES = (
    *("\n", "\n", "\n\n", "\n  ", "\n    ", "\n\n    ", "- ", "* ", "1. ", "3) ", "# ", "## ", "> ", ">", "---\n", "===\n"),
    *("***\n", "```py\n", "```\n", "~~~\n", TABLE, "| 1 | 2 |\n", "\na | b\n-|-\n", "<div>\n", "</div>\n", "<!-- ", "-->"),
    *("- a\n- b\n", "  - c\n", "> q\n", "> - i\n", "-\n", ">\n", "- ```\n", "  x\n", "- - n\n", "1) x\n", "2. y\n", "\t", "<pre>\n"),
)  # fmt: skip
OURS = (
    "$x_1$",
    "$5 ",
    "$$\n",
    "\\[\n",
    "\\]\n",
    "\\(a_b\\)",
    "[ ] ",
    "- [x] ",
    "[^1]",
    "[^1]: ",
    "{",
    "\\\n",
)
HOSTILE = ("\x1b[31m", "\x1b]0;t\x07", "\x9b2J", "\u202e", "\r", "\0", "&#27;[2J", "&#x202e;", "\ud800")
WIDE = ("👩\u200d💻", "👍🏽", "🇩🇪", "❤\ufe0f", "שלום ", "مرحبا ", "ก็", "「引用」", "ﾊﾝｶｸ")


def soup(*words: Iterable[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from([word for group in words for word in group]), max_size=25).map("".join)


@st.composite
def nested(draw: st.DrawFn, deep: int = 0) -> str:
    """A document as a model would write it: whole blocks, in lists and quotes too."""
    words = st.lists(st.sampled_from(PLAIN), min_size=1, max_size=6).map(lambda each: "w" + "".join(each))
    blocks = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(("text", "head", "code", "table", "rule", "list", "quote", "under")))
        if kind in ("list", "quote") and deep < 3:
            inner = draw(nested(deep + 1)).split("\n")
            mark = "> " if kind == "quote" else draw(st.sampled_from(("- ", "* ", "7. ", "- [ ] ")))
            then = "> " if kind == "quote" else " " * len(mark.removesuffix("[ ] "))
            blocks.append("\n".join((then if number else mark) + line for number, line in enumerate(inner)))
        elif kind == "table":
            blocks.append(
                "| h | k |\n|--:|---|\n"
                + "\n".join(f"| {draw(words)} | x |" for _ in range(draw(st.integers(0, 4))))
            )
        else:
            text = draw(words)
            form = {
                "head": "## {}",
                "code": "```python\n{}\n\n  x = 1\n```",
                "rule": "***",
                "under": "{}\n---",
            }
            blocks.append(form.get(kind, "{}").replace("{}", text))
    return draw(st.sampled_from(("\n\n", "\n\n", "\n"))).join(blocks)


def render(pieces: Iterable[str], columns: int = 80, color: bool = True) -> str:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: columns, color)
    for piece in pieces:
        shown.feed(piece)
    shown.close()
    return out.getvalue()


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, at, number = [], 0, 0
    while at < len(text):
        size = sizes[number % len(sizes)]
        pieces.append(text[at : at + size])
        at, number = at + size, number + 1
    return pieces


def scrollback(text: str, columns: int, rows: int = 12) -> list[str]:
    """Every line that a terminal keeps. pyte stops at a joiner, so those are left out."""
    screen = pyte.HistoryScreen(columns, rows, history=100_000, ratio=0.5)
    pyte.Stream(screen).feed(re.sub("[\u200d\ufe0f]", "", text).replace("\n", "\r\n"))
    kept = ["".join(line[at].data for at in range(columns)) for line in screen.history.top]
    return [line.rstrip() for line in (*kept, *screen.display)]


DOCUMENTS = st.one_of(
    nested(),
    soup(PLAIN, LINES),
    soup(PLAIN, MARKS, LINES, OURS),
    soup(PLAIN, MARKS, LINES, OURS, HOSTILE, WIDE),
)


@given(
    DOCUMENTS,
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.sampled_from((7, 20, 40, 80, 120)),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_screen_is_the_same_however_it_is_cut(text, sizes, columns, color) -> None:
    once = render([text], columns, color)
    pieces = render(cut(text, sizes), columns, color)
    assert scrollback(pieces, columns) == scrollback(once, columns)
    assert pieces == once
    assert not forbidden(once, True)
    assert not re.search(r"[ \t]\n", SGR.sub("", re.sub(r"\S[ \t]+\n", "\n", once))) or re.search(
        "```|~~~", text
    )


def fixed_screens() -> list[str]:
    return [
        "> quote\n> - item\n>   ```sh\n>   ls\n>\n>   cd\n>   ```\nlazy\n\n1. a\n\n       code\n2. b\n",
        "Title\n===\n\ntext\n| a | b |\n|---|---|\n| 1 | 2 |\n\nName | Value\n--- | ---\nx | y\n",
        "- [ ] open\n- [x] done\n\n\n- [link](http://u)\n10. ten\n10. eleven\n",
        "$$\nx = a_1 * b_1\n$$\n\n\\[ a_1*b*c \\] and $x*y*z$ for $5 and *10*$\n",
    ]


@pytest.mark.parametrize("text", fixed_screens())
def test_every_single_cut(text) -> None:
    once = render([text], 30)
    for at in range(1, len(text)):
        assert render([text[:at], text[at:]], 30) == once, (text[:at], text[at:])


# What markdown-it says of a document


def reader() -> MarkdownIt:
    made = (
        MarkdownIt("commonmark", {"maxNesting": 40}).enable(["table", "strikethrough"]).disable("reference")
    )
    made.normalizeLink = made.normalizeLinkText = lambda address: address
    return made


def said(children: list[Token]) -> str:
    out: list[str] = []
    links: list[tuple[str, int]] = []
    for token in children:
        if token.type in ("text", "code_inline", "html_inline"):
            out.append(token.content)
        elif token.type == "link_open":
            links.append((str(token.attrs["href"]), len(out)))
        elif token.type == "link_close":
            address, begin = links.pop()
            if address and not spans.same("".join(out[begin:]), address):
                out.append(f"({address})")
        elif token.type == "image":
            label, address = said(token.children or []), token.attrs["src"]
            out.append((f"[image:{label}]" if label else "[image]") + (f"({address})" if address else ""))
    return "".join(out)


def expected(text: str) -> str:
    """The text of all tokens in order, with the marks of items; spaces, bars and rules left out."""
    out: list[str] = []
    lists: list[int] = []
    for token in reader().parse(text):
        if token.type == "inline":
            out.append(said(token.children or []))
        elif token.type in ("fence", "code_block", "html_block"):
            out.append(token.content)
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            lists.append(int(token.attrs.get("start", 1)) if token.type[0] == "o" else -1)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
        elif token.type == "list_item_open":
            out.append(f"{lists[-1]}{token.markup}" if lists[-1] >= 0 else "•")
            lists[-1] += lists[-1] >= 0
    return bare("".join(out))


def bare(text: str) -> str:
    return re.sub(r"[\s│─═┼]", "", SGR.sub("", text))


def apart(text: str) -> bool:
    """Where we are another opinion than markdown-it: cells too many, and a table whose head looks like an item."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        rule = number and re.search(r"\|\s*(?:-+|:-+:?)\s*\|?\s*$|^\W*-\|-", line)
        before = lines[number - 1]
        if rule and (re.match(r"\s*(?:[-+*#<>]|\d+[.)])", before) or lines[number - 2].endswith("\\")):
            return True
        if "| 1 | 2 |" in line and not line.startswith("| 1"):
            return True
    return False


FENCES = re.compile(r"\x1b\[2m[ │]*(?:`{3,}|~{3,})[^\x1b]*\x1b\[0m")
"""The lines around code, which stand there dim, as does the bar of a quote."""


@given(st.one_of(nested(), soup(PLAIN, LINES), soup(PLAIN, MARKS, LINES)))
@example("> ```python\n> word\n> \n>   x = 1\n> ```")
@settings(max_examples=60, deadline=None)
def test_all_that_markdown_it_finds_is_shown_and_no_more(text) -> None:
    text = text.replace("[ ] ", "")
    if apart(text) or text.count("|") > 60:
        return
    assert bare(FENCES.sub("", render([text], 3000))) == expected(text)


DEPTH = [
    ("- a\n  - b\n    - c\n\n      d\n", ["• a", "  • b", "    • c", "", "      d"]),
    ("> a\n> > b\n>\n> c\n\nd", ["│ a", "│ │ b", "│", "│ c", "", "d"]),
    ("1. a\n1. b\n   > c\n   > ```\n   > x\n   > ```\n5. d", ["1. a", "2. b", "   │ c", "   │ ```", "   │ x", "   │ ```", "3. d"]),
    ("7) a\n7) b", ["7) a", "8) b"]),
    ("- \n  a\n-\n- b", ["• a", "•", "• b"]),
    ("- # A\n  text\n- ```\n  x\n  ```", ["• A", "  text", "• ```", "  x", "  ```"]),
    ("- [ ] a\n- [x] b\n1. [X] c\n- [ ]", ["☐ a", "☑ b", "1. ☑ c", "• [ ]"]),
    ("Title\n===\nOther **one**\n---\nx", ["Title", "═════", "Other one", "─────────", "x"]),
    ("a\n***\nb", ["a", "─" * 40, "b"]),
    ("<div>\n  *a*\n</div>\n\n<b>*a*</b>", ["<div>", "  *a*", "</div>", "", "<b>a</b>"]),
    ("x\n\n    a\n\n\n    b\n\nc", ["x", "", "a", "", "", "b", "", "c"]),
    ("text[^1] more\n\n[^1]: The note", ["text[1] more", "", "[1]: The note"]),
    ("[a](http://b/) [b.c](https://b.c/) ![p](q)", ["a (http://b/) b.c [image: p] (q)"]),
    ("**a\nb** ~~c\nd~~", ["a", "b c", "d"]),
    ("$a_1*b*c_1$ \\(x_1*y*\\)", ["$a_1*b*c_1$ \\(x_1*y*\\)"]),
    ("$$\n- a_1\n= b\n$$\n*x*", ["$$", "- a_1", "= b", "$$", "x"]),
    ("```a\nx\n````\ny", ["```a", "x", "````", "y"]),
    ("~~~\nx\n```\n~~~", ["~~~", "x", "```", "~~~"]),
    ("a\\\nb  \nc", ["a", "b", "c"]),
    ("a\n\n\n\n\nb\n\n\n", ["a", "", "b"]),
    ("&lt;b&gt; &#27;[1m &nosuch;", ["<b> &#27;[1m &nosuch;"]),
    ("[x](javascript:a) <javascript:a>", ["[x](javascript:a) <javascript:a>"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "lines"), DEPTH)
@pytest.mark.parametrize("piece", [1, 4, 1000])
def test_blocks(text, lines, piece) -> None:
    shown = SGR.sub("", render(cut(text, [piece]), 60)).split("\n")
    assert shown == [*lines, ""]


# Tables


def lines_of(text: str, columns: int) -> list[str]:
    return SGR.sub("", render([text], columns)).rstrip("\n").split("\n")


def test_a_table_is_wrapped_in_its_cells() -> None:
    text = "| name | what it is |\n|:--|--:|\n| `one` | a long text that has to be wrapped |\n| 日本語 | b<br>c |\n"
    shown = lines_of(text, 30)
    assert all(cells(line) <= 30 for line in shown)
    assert shown[0] == "name   │            what it is" and shown[1].startswith("───────┼─")
    assert " ".join(" ".join(line.split("│")[-1] for line in shown[2:4]).split()).startswith("a long text")
    assert shown[-2:] == ["日本語 │                     b", "       │                     c"]


def test_a_table_that_is_too_wide_becomes_lists() -> None:
    names = [f"head{number}" for number in range(9)]
    row = "| " + " | ".join(names) + " |\n"
    shown = lines_of(row + "|---" * 9 + "|\n" + row * 2, 30)
    assert shown[:9] == [f"{name}: {name}" for name in names] and shown[9] == "───" and len(shown) == 19


@pytest.mark.parametrize(
    "head", ["| name | b |", "name | b", "a much longer name than that | b", "a \\| c | b"]
)
def test_the_head_of_a_table_may_be_on_the_screen_already(head) -> None:
    text = f"{head}\n--- | ---\nx | y\n"
    assert render(cut(text, [1]), 20) == render([text], 20)
    shown = lines_of(text, 60)
    assert len({line.index("│") for line in (shown[0], shown[2])}) == 1 and len(shown) == 3


def test_a_table_longer_than_the_screen_grows() -> None:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 60, True)
    shown.feed("| a | b |\n|---|---|\n")
    for number in range(table.HELD * 4):
        shown.feed(f"| {number} | text |\n")
        assert (f"\n{number} " in SGR.sub("", out.getvalue())) == (number >= table.HELD - 1)
    shown.close()
    assert len(SGR.sub("", out.getvalue()).split("\n")) == table.HELD * 4 + 3


def test_a_table_appears_at_once_where_the_terminal_can() -> None:
    text = "word\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nend"
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 60, True, synchronised=True)
    for piece in cut(text, [1]):
        shown.feed(piece)
    shown.close()
    drawn = out.getvalue()
    assert drawn.count("\x1b[?2026h") == drawn.count("\x1b[?2026l") == 1
    assert "a │ b" in SGR.sub("", drawn[drawn.index("?2026h") : drawn.index("?2026l")])
    assert re.sub(r"\x1b\[\?2026[hl]", "", drawn) == render([text], 60)
    assert "2026" not in render([text])


# What a person sees, and when


@pytest.mark.parametrize("text", ["42 ", "3.1", "7:", "**4", "-5", "$3", "1.5", "Hi", "é", "日", "(a", '"x'])
def test_the_first_text_is_shown_at_once(text) -> None:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 80, True)
    shown.feed(text)
    shown.feed("x**`" if text[0] in "*`" else "")
    assert SGR.sub("", out.getvalue()).strip()


def test_words_are_shown_as_they_come() -> None:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 80, True)
    seen = []
    for piece in (
        "Hel",
        "lo wor",
        "ld\n",
        "- it",
        "em **bo",
        "ld** x\n",
        "> quo",
        "te\n",
        "## He",
        "ad\n\n",
        "日",
        "本",
    ):
        shown.feed(piece)
        seen.append(SGR.sub("", out.getvalue()))
    assert [each.rsplit("\n", 1)[-1] for each in seen] == [
        *("Hel", "Hello wor", "Hello world", "• it", "• item", "• item bold x", "│ quo", "│ quote"),
        *("He", "Head", "日", "日本"),
    ]  # fmt: skip


def test_code_is_coloured_over_lines() -> None:
    text = '```python\nx = """a\nb"""\ny = 1\n```\n\n```c\n/* a\n b */ int x;\n```\n'
    shown = render(cut(text, [1])).split("\n")
    assert shown[0] == "\x1b[2m```python\x1b[0m" and shown[4] == "\x1b[2m```\x1b[0m"
    assert shown[2] == '\x1b[32mb"""\x1b[0m' and "\x1b[36m1" in shown[3]
    assert shown[7] == "\x1b[2m/* a\x1b[0m" and shown[8].startswith("\x1b[2m b */ \x1b[0m\x1b[34mint")


def test_styles_are_taken_by_name() -> None:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 80, True, styles={"heading": "38;5;9", "code": ""})
    shown.feed("# A `b`\n\n`c`")
    shown.close()
    assert out.getvalue() == "\x1b[38;5;9mA b\x1b[0m\n\nc\n"


def test_ascii_marks() -> None:
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 20, False, ascii_only=True)
    shown.feed("- a\n- [x] b\n\n> c\n\n---\n\nt\n===\n\n| a | b |\n|---|---|\n| c | d |\n")
    shown.close()
    assert out.getvalue().isascii()


def test_east_asian_text_breaks_between_characters_but_not_before_a_full_stop() -> None:
    shown = lines_of("日本語日本語日本語日本。日本「語日本語日本」語", 20)
    assert all(cells(line) <= 20 and line[0] not in "。」" and line[-1] != "「" for line in shown)


def test_there_is_one_measure() -> None:
    from wcwidth import wcwidth

    for number in (
        *range(0xA1, 0x3100),
        *range(0x4DF0, 0xA000),
        *range(0xABF0, 0xD7B0),
        *range(0xFF00, 0xFFEF),
    ):
        char = chr(number)
        assert cells(char) == max(0, wcwidth(char)), hex(number)
        assert cells(f"a{char}日") == 3 + max(0, wcwidth(char)) or wcwidth(char) <= 0, hex(number)


def test_what_belongs_to_one_character() -> None:
    assert list(clusters("a👩\u200d💻e\u0301🇩🇪🇫🇷👍🏽x")) == [
        "a",
        "👩\u200d💻",
        "e\u0301",
        "🇩🇪",
        "🇫🇷",
        "👍🏽",
        "x",
    ]
    assert cells("👩\u200d💻") == 2 and cells("e\u0301") == 1 and cells("日本") == 4


WIDTHS = [*range(1, 120), 0, 1, 2, 3, 500, 0, 40, *range(80, 5, -1)]


@given(nested(), st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_F_TERM_19_a_resize_in_the_middle_loses_nothing(text, piece) -> None:
    text = text.replace("[ ] ", "").replace("|--:|", "|---|")
    at = 0

    def width() -> int:
        nonlocal at
        at += 1
        return WIDTHS[at % len(WIDTHS)]

    out = io.StringIO()
    shown = MarkdownStream(out, width, True)
    for part in cut(text, [piece]):
        shown.feed(part)
    shown.close()
    drawn = out.getvalue()
    if "| h | k |" in text:  # a narrow screen turns rows into lists, and wrapped cells stand side by side
        letters = [set(re.findall(r"[^\W\d]", SGR.sub("", each))) for each in (drawn, render([text]))]
        assert letters[0] | set("hk") == letters[1] | set("hk")
    else:
        assert bare(drawn) == bare(render([text], 3000))


# Cost


SHAPES = {
    "prose": "Some plain words of a sentence going on for a while, and so on it goes. ",
    "list": "- an item with **bold** words\n",
    "nested list": "- a\n  - b words\n    1. c words `x`\n",
    "one item": "more of one item\n  ",
    "quote": "> quoted words that go on\n",
    "paragraph": "Some **bold** words and `code` in a line with *em* too.\n",
    "fence": "def f(x: int) -> int:\n    return x + 1  # note\n",
    "table": "| a cell | `code` | words of it |\n",
    "code in a list": "- item\n  ```py\n  x = 1\n  ```\n",
    "open marks": "*a _b [c `d <e $f \n",
    "east": "日本語の文章、",
}
BEFORE = {"fence": "```python\n", "table": "| a | b | c |\n|---|---|---|\n", "one item": "- "}


def tokens(shape: str, count: int) -> list[str]:
    return re.findall(r"\n+| ?[^\s]{1,5}| +", BEFORE.get(shape, "") + SHAPES[shape] * count)[:count]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_is_linear(shape) -> None:
    def work(count: int) -> int:
        calls = 0

        def counted(frame: object, event: str, arg: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        pieces = tokens(shape, count)
        shown = MarkdownStream(io.StringIO(), lambda: 120, True)
        sys.setprofile(counted)
        try:
            for piece in pieces:
                shown.feed(piece)
            shown.close()
        finally:
            sys.setprofile(None)
        return calls

    render(["- x\n\n```py\nx\n```\n"])
    work(200)
    assert work(4000) < 2.2 * work(2000) + 2000


@pytest.mark.parametrize("shape", SHAPES)
def test_memory_does_not_grow_with_the_answer(shape) -> None:
    pieces = tokens(shape, 6000)

    class Nowhere(io.StringIO):
        def write(self, text: str) -> int:
            return len(text)

    shown = MarkdownStream(Nowhere(), lambda: 120, True)
    for piece in pieces[:1000]:
        shown.feed(piece)
    tracemalloc.start()
    for piece in pieces[1000:]:
        shown.feed(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    shown.close()
    assert peak < 1_000_000, peak


@pytest.mark.parametrize(("shape", "most"), [("prose", 1.5), ("paragraph", 1.5), ("list", 1.5), ("quote", 1.5), ("fence", 2), ("table", 2), ("code in a list", 2)])  # fmt: skip
def test_few_bytes_are_written(shape, most) -> None:
    pieces = tokens(shape, 5000)
    assert len(render(pieces, 120).encode()) <= most * len("".join(pieces).encode())


@pytest.mark.parametrize("start", ["", "```\n", "<div ", "| a ", "\\[", "> ", "*"])
def test_a_line_without_end(start) -> None:
    text = start + "word|" * 20_000
    assert render(cut(text, [5000])) == render([text])
    assert bare(render([text])).replace("|", "").count("word") == 20_000
    assert LONGEST < 20_000


@pytest.mark.parametrize(
    "text", ["Hello, *you*. ", "# He", "- it", "1. it", "**Bo** ", "日本", "“Zażółć” — ", "42 "]
)
def test_first_words_load_nothing(text, env) -> None:
    program = (
        "import io, sys, os\nfrom arawn.render.markdown import MarkdownStream\nout = io.StringIO()\n"
        f"shown = MarkdownStream(out, lambda: 80, True)\nshown.feed({text!r})\n"
        "early = {'markdown_it', 'pygments', 'rich', 'wcwidth'} & set(sys.modules)\n"
        "print(len(out.getvalue()) > 1, early)\nsys.stdout.flush()\nos._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True set()"
