"""Colours by name: what the config takes, what the terminal is told, and which background it has."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.config.colors import COLOURS, Style, style
from arawn.config.load import Config, load
from arawn.config.rows_ui import COLORS
from arawn.config.values import BadValue
from arawn.errors import ConfigFault
from arawn.render.backdrop import Answers, Remembered, shade
from arawn.render.look import theme_of
from arawn.render.styles import STYLES
from arawn.render.terminal import ascii_only, background, depth, redraws, synchronised
from arawn.render.theme import Theme, parameters


@pytest.mark.parametrize(
    ("words", "sgr"),
    [
        ("bold magenta", "1;35"),
        ("Bright-Blue on black", "94;40"),
        ("bright_blue on bright-white", "94;107"),
        ("gray", "90"),
        ("underline italic dim reverse strike", "4;3;2;7;9"),
        ("on red", "41"),
        ("bold bold", "1"),
        ("none", ""),
        ("#ff8800", "38;2;255;136;0"),
        ("#F80", "38;2;255;136;0"),
        ("bold #000000 on #fff", "1;38;2;0;0;0;48;2;255;255;255"),
    ],
)
def test_words_of_a_style(words: str, sgr: str) -> None:
    assert parameters(words, 24) == sgr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("bould magenta", "found 'bould'; did you mean \"bold\"?"),
        ("bold magneta", 'did you mean "magenta"?'),
        ("brightblue", 'did you mean "bright-blue"?'),
        ("#ff880", "expected a colour such as #ff8800, found '#ff880'"),
        ("#gg8800", "expected a colour such as #ff8800"),
        ("red blue", "names a second colour, 'blue'"),
        ("red on", 'ends after "on"'),
        ("red on blue on green", "names a second colour, 'on'"),
        ("", "is empty"),
        ("   ", "is empty"),
        ("none red", "found 'none'"),
        ("31;1", "found '31;1'"),
    ],
)
def test_what_is_no_style_is_told(words: str, told: str) -> None:
    with pytest.raises(BadValue) as caught:
        style(words)
    assert told in str(caught.value)


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_whatever_is_said_of_a_colour_only_numbers_reach_the_terminal(words: str) -> None:
    try:
        found = parameters(words, 24)
    except BadValue:
        return
    assert re.fullmatch(r"[0-9;]*", found)


@given(st.tuples(*[st.integers(0, 255)] * 3))
@settings(max_examples=60, deadline=None)
def test_a_colour_becomes_one_that_the_terminal_has(rgb: tuple[int, int, int]) -> None:
    words = "#{:02x}{:02x}{:02x}".format(*rgb)
    kind, _, number = parameters(words, 8).rpartition(";")
    assert kind == "38;5" and 16 <= int(number) <= 255
    assert _apart(rgb, int(number)) == min(_apart(rgb, one) for one in range(16, 256))
    assert int(parameters(words, 4)) in {*range(30, 38), *range(90, 98)}


def _apart(rgb: tuple[int, int, int], number: int) -> int:
    return sum((one - other) ** 2 for one, other in zip(rgb, _xterm(number), strict=True))


def _xterm(number: int) -> tuple[int, ...]:
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    steps = (0, 95, 135, 175, 215, 255)
    number -= 16
    return steps[number // 36], steps[number // 6 % 6], steps[number % 6]


@pytest.mark.parametrize(
    ("words", "code"),
    [("#ff0000", 91), ("#800000", 31), ("#00ff00", 92), ("#0000ff", 94), ("#ffff00", 93), ("#000000", 30),
     ("#808080", 90), ("#c0c0c0", 37), ("#ffffff", 97), ("#008080", 36)],
)  # fmt: skip
def test_sixteen_colours_keep_the_hue(words: str, code: int) -> None:
    assert parameters(words, 4) == str(code)


def configured(home: Path, text: str, env: dict[str, str] | None = None) -> Config:
    path = home / "config.toml"
    path.write_text(text)
    return load(env={"HOME": str(home), **(env or {})}, cwd=None, config_file=str(path), flags=[])


def test_colours_of_the_config_come_first(home: Path) -> None:
    text = '[ui]\ntheme = "dark"\n[ui.colors]\nheading = "#ff8800"\ncode = "bold red on black"\n'
    got = configured(home, text)
    theme = theme_of(got.get, {"TERM": "xterm-256color", "COLORTERM": "truecolor"}, home, -1)
    assert theme.sgr("heading") == "38;2;255;136;0" and theme.sgr("code") == "1;31;40"
    assert theme.sgr("link") == parameters("underline #58a6ff", 24)
    assert theme.on("code", "x") == "\x1b[1;31;40mx\x1b[0m"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[ui]\ntheme = "drak"', 'did you mean "dark"?'),
        ('[ui.colors]\nhaeding = "red"', "did you mean heading?"),
        ('[ui.colors]\nheading = "read"', "did you mean \"red\"?"),
        ("[ui.colors]\nheading = 3", "expected words such as"),
        ('[ui]\nfooter = ["backend", "costs"]', 'did you mean "cost"?'),
        ('[ui]\nfooter = 3', "expected"),
        ('[ui]\nnotify = "beep"', 'expected one of "off", "bell", "osc9"'),
        ('[ui]\nnotify_after = "soon"', "expected seconds"),
        ('[ui]\nreasoning = "shown"', 'did you mean "show"?'),
    ],
)  # fmt: skip
def test_mistakes_in_the_look_are_told(home: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigFault) as caught:
        configured(home, text)
    assert told in caught.value.sentence and "config.toml:2:1" in caught.value.sentence


def test_values_of_before_still_hold(home: Path) -> None:
    for said in ("show", "hide", "line"):
        assert configured(home, f'[ui]\nreasoning = "{said}"').get("ui.reasoning") == said
    assert configured(home, "[ui]\nfooter = []").get("ui.footer") == []
    assert configured(home, '[ui]\nfooter = "cost"').get("ui.footer") == ["cost"]


def test_every_name_has_a_look_in_every_theme() -> None:
    assert set(STYLES) <= set(COLORS), "what a renderer asks for can be said in a config"
    for choice in ("auto", "dark", "light", "none"):
        for bits in (4, 8, 24):
            table = Theme(choice, None, bits).table()
            assert set(table) == set(COLORS)
    assert {name: Theme().sgr(name) for name in STYLES} == dict(STYLES), (
        "nothing known is the sixteen colours"
    )


def test_without_a_theme_there_is_no_colour_but_weight() -> None:
    plain = Theme("none", None, 24)
    for name in COLORS:
        codes = [int(code) for code in plain.sgr(name).split(";") if code]
        assert all(code < 10 for code in codes), name
    assert plain.sgr("heading") == "1" and plain.sgr("link") == "4" and plain.sgr("code") == "1"


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("choice", "grounds"),
    [("dark", ("#000000", "#0d1117", "#1e1e1e", "#002b36")), ("light", ("#ffffff", "#fafafa", "#fdf6e3"))],
)
def test_colours_are_read_easily_on_their_background(choice: Any, grounds: tuple[str, ...]) -> None:
    """WCAG 2.1 asks for 4.5 to 1."""
    theme = Theme(choice, None, 24)
    for name in COLORS:
        fore = style(theme.words(name)).fore
        for ground in grounds if fore else ():
            light, dark = sorted((_luminance(fore), _luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, fore, ground)


@pytest.mark.parametrize(
    ("env", "bits"),
    [
        ({}, 4), ({"TERM": "xterm"}, 4), ({"TERM": "linux", "COLORTERM": "truecolor"}, 4), ({"TERM": "dumb"}, 4),
        ({"TERM": "xterm-256color"}, 8), ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 24),
        ({"TERM": "xterm-kitty"}, 24), ({"TERM": "alacritty"}, 24), ({"TERM": "xterm-direct"}, 24),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, 24), ({"TERM": "xterm-256color", "WT_SESSION": "1"}, 24),
        ({"TERM": "xterm", "TERM_PROGRAM": "Apple_Terminal"}, 8), ({"TERM": "screen-256color"}, 8),
    ],
)  # fmt: skip
def test_depth(env: dict[str, str], bits: int) -> None:
    assert depth(env) == bits


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({"TERM": "xterm-kitty"}, True), ({"TERM": "foot"}, True), ({"TERM": "xterm-ghostty"}, True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, True), ({"TERM": "xterm-256color", "WT_SESSION": "x"}, True),
        ({"TERM": "xterm-256color"}, False), ({"TERM": "dumb"}, False), ({}, False), ({"TERM": "linux"}, False),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "WezTerm"}, False), ({"TERM": "screen", "WT_SESSION": "x"}, False),
    ],
)  # fmt: skip
def test_who_draws_at_once(env: dict[str, str], wanted: bool) -> None:
    assert synchronised(env) is wanted


@pytest.mark.parametrize(
    ("env", "encoding", "wanted"),
    [
        ({"LANG": "C"}, "utf-8", True), ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", True),
        ({"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, "utf-8", True), ({"LANG": "de_DE.ISO-8859-1"}, "utf-8", True),
        ({"LANG": "de_DE@euro"}, "utf-8", False), ({"LANG": "C.UTF-8"}, "utf-8", False), ({"LANG": "C.utf8"}, None, False),
        ({}, "utf-8", False), ({"LC_CTYPE": "C.UTF-8"}, "utf-8", False), ({"LANG": "de_DE.UTF-8"}, "ascii", True),
        ({"LC_CTYPE": "de_DE.UTF-8", "LANG": "C"}, "utf-8", False), ({"LC_CTYPE": "C", "LANG": "de_DE.UTF-8"}, "utf-8", True),
        ({"LC_ALL": "", "LANG": "C"}, "utf-8", True), ({"LC_ALL": "en_US.UTF-8", "LC_CTYPE": "C"}, "utf-8", False),
    ],
)  # fmt: skip
def test_F_TERM_20_when_our_marks_are_ascii(env: dict[str, str], encoding: str | None, wanted: bool) -> None:
    assert ascii_only(env, encoding) is wanted


def test_who_can_redraw() -> None:
    assert [redraws(env) for env in ({"TERM": "xterm"}, {"TERM": "dumb"}, {"TERM": ""}, {})] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("said", "told"),
    [("15;0", "dark"), ("0;15", "light"), ("0;default;15", "light"), ("7;8", "dark"), ("0;7", "light"), ("12;4", "dark"),
     ("", None), ("x", None), ("0;99", None), ("0;default", None)],
)  # fmt: skip
def test_background_by_the_environment(said: str, told: str | None) -> None:
    assert background({"COLORFGBG": said}) == told


@pytest.mark.parametrize(
    ("colour", "told"),
    [("rgb:0000/0000/0000", "dark"), ("rgb:ffff/ffff/ffff", "light"), ("rgb:1e/1e/1e", "dark"), ("rgb:f/f/e", "light"),
     ("rgba:fdf6/f6f6/e3e3/ffff", "light"), ("#002b36", "dark"), ("#fdf6e3", "light"), ("rgb:x/y/z", None), ("", None)],
)  # fmt: skip
def test_shade(colour: str, told: str | None) -> None:
    assert shade(colour) == told


ANSWER = "\x1b]11;rgb:fdf6/f6f6/e3e3\x1b\\\x1b[?62;22c"


@given(st.lists(st.integers(0, len("ab" + ANSWER + "cd")), max_size=6))
@settings(max_examples=60, deadline=None)
def test_an_answer_is_taken_out_of_the_keys_in_whatever_pieces(cuts: list[int]) -> None:
    whole = "ab" + ANSWER + "cd"
    at = sorted({0, len(whole), *(cut for cut in cuts if whole[cut - 1 : cut] != "\x1b")})
    answers = Answers()
    typed = "".join(answers.take(whole[begin:end]) for begin, end in zip(at, at[1:], strict=False))
    assert typed == "abcd" and answers.told == "light" and answers.whole


@pytest.mark.parametrize(
    "keys", ["\x1b[A", "\x1b", "\x1bOP", "\x1b[200~pasted ]11;\x1b[201~", "text \x1b]0;x\x07", "a[?1"]
)
def test_keys_are_left_alone(keys: str) -> None:
    assert Answers().take(keys) == keys


def test_what_a_terminal_answered_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "state" / "backgrounds.json"
    one, other = ({"TERM": "xterm-256color", "WINDOWID": name} for name in ("1", "2"))
    Remembered(path, one, -1).put("light")
    assert Remembered(path, one, -1).get() == "light" and Remembered(path, other, -1).get() is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    theme = theme_of(load(env={}, cwd=None, config_file=None, flags=[]).get, one, path.parent, -1)
    assert not theme.open and theme.sgr("code") == parameters("#0550ae", 8)
    for broken in ("", "[]", '{"x": 1}', "null", '{"a": ["dark", "never"]}'):
        path.write_text(broken)
        assert Remembered(path, one, -1).get() is None
    path.unlink()
    os.rmdir(path.parent)
    path.parent.write_text("no folder")
    Remembered(path, one, -1).put("dark")  # cannot be written: done without


def test_nobody_is_asked_where_it_is_known(home: Path) -> None:
    def theme(text: str = "", **env: str) -> Theme:
        return theme_of(configured(home, text).get, {"TERM": "xterm-256color", **env}, home, -1)

    assert theme().open
    assert not theme(COLORFGBG="0;15").open and not theme(TERM="linux").open and not theme(TERM="dumb").open
    for said in ("dark", "light", "none"):
        assert not theme(f'[ui]\ntheme = "{said}"').open
    told: list[str] = []
    asked = theme()
    asked.remember = told.append
    before = asked.sgr("code")
    asked.learn("light")
    assert told == ["light"] and not asked.open and asked.sgr("code") != before


def test_the_plain_style_is_nothing() -> None:
    assert style("none") == Style() and len(COLOURS) == 16
