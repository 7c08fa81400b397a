"""`arawn ask -x` and `--extract-all`: blocks of the answer in the place of the answer."""

from __future__ import annotations

import sys

import pytest
from fake_provider import FakeProvider, openai_stream, torn
from home import FAKE, configure
from term import Term

CONFIG = FAKE + 'api_key = "sk-0123456789"\n'
PIECES = ["Look:\n\n``", "`python\nprint('1')\n\nprint(2)\n`", "``\n\nand\n\n```sh\nls\n```\nBye."]
NONE = ["Only **words**."]


@pytest.mark.parametrize(
    ("flags", "pieces", "out"),
    [
        (("-x",), PIECES, "print('1')\n\nprint(2)\n"),
        (("--extract",), PIECES, "print('1')\n\nprint(2)\n"),
        (("-x", "--raw"), PIECES, "print('1')\n\nprint(2)\n"),
        (("--extract-all",), PIECES, "print('1')\n\nprint(2)\n\nls\n"),
        (("-x",), NONE, "Only **words**.\n"),
        (("--extract-all",), NONE, "Only **words**.\n"),
    ],
)
def test_into_a_pipe(arawn, flags, pieces, out) -> None:
    with FakeProvider(openai_stream(pieces)) as fake:
        done = arawn("ask", *flags, "hi", config=CONFIG.format(url=fake.url))
    assert (done.returncode, done.stdout) == (0, out), done.stderr
    assert ("no fenced block" in done.stderr) == (pieces is NONE)


def test_a_session_keeps_the_whole_answer(arawn) -> None:
    with FakeProvider(openai_stream(PIECES)) as fake:
        arawn("ask", "-x", "hi", config=CONFIG.format(url=fake.url))
    assert "Bye." in arawn("session", "show").stdout
    assert arawn("session", "show", "-x").stdout == "print('1')\n\nprint(2)\n"
    assert arawn("session", "show", "--extract-all").stdout == "print('1')\n\nprint(2)\n\nls\n"
    assert arawn("session", "show", "-x", "--json").returncode == 2


def test_what_came_of_a_cut_answer_is_printed(arawn) -> None:
    with FakeProvider(torn(openai_stream(PIECES), 2)) as fake:
        done = arawn("ask", "-x", "hi", config=CONFIG.format(url=fake.url))
    assert done.returncode == 5 and done.stdout.startswith("print('1')\n\nprint(2)")


@pytest.mark.parametrize("flags", [("-x", "--json"), ("-x", "--extract-all"), ("--jsonl", "--extract-all")])
def test_two_forms_exclude_each_other(arawn, flags) -> None:
    done = arawn("ask", *flags, "hi")
    assert done.returncode == 2 and "exclude each other" in done.stderr


def test_on_a_terminal_the_block_is_not_rendered_and_harmless(env, home, tmp_path) -> None:
    hostile = ["```sh\necho \x1b]0;owned\x07'*a* **b**'\n```"]
    with FakeProvider(openai_stream(hostile)) as fake:
        configure(home, CONFIG.format(url=fake.url))
        argv = [sys.executable, "-P", "-m", "arawn", "ask", "-q", "-x", "hi"]
        with Term(argv, env=env, cwd=tmp_path) as term:
            assert term.end() == 0
            assert term.screen == "echo '*a* **b**'" and b"\x1b]0" not in bytes(term.raw)
