"""The parts of the chat that need no terminal: what may be said, the history file, the commands."""

from __future__ import annotations

import io
import os
import re
import stat
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.errors import UsageFault
from arawn.messages import user
from arawn.repl.chat import Settings
from arawn.repl.commands import registry as commands
from arawn.repl.prompt.history import TAIL, HistoryFile
from arawn.repl.typeahead import tidy
from arawn.session import Session, Turn


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        ("a\tb", "a\tb"),
        ("a\0b", "a\ufffdb"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x\x1b]2;t\x1b\\y", "xy"),
        ("\x1b]0;never ended\nnext", "\nnext"),
        ("\x1b[200~pasted\x1b[201~", "pasted"),
        ("\x9bx\x7f\x08", "x"),
        ("bad \udcff byte \ud800", "bad \ufffd byte \ufffd"),
        (
            "family \U0001f468\u200d\U0001f469, \u0645\u200f",
            "family \U0001f468\u200d\U0001f469, \u0645\u200f",
        ),
    ],
)
def test_tidy(raw: str, said: str) -> None:
    assert tidy(raw) == said


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("\x1b[]\x07\r\n\0\x9b;m")))
@settings(max_examples=60, deadline=None)
def test_whatever_is_typed_can_be_sent_and_shown(raw: str) -> None:
    said = tidy(raw)
    said.encode()
    assert not [c for c in said if c not in "\n\t" and (c < " " or "\x7f" <= c <= "\x9f")]
    assert tidy(said) == said


@given(st.lists(st.text(min_size=1).map(tidy).filter(str.strip), max_size=5))
@settings(max_examples=30, deadline=None)
def test_history_gives_back_what_it_took(
    tmp_path_factory: pytest.TempPathFactory, entries: list[str]
) -> None:
    file = HistoryFile(tmp_path_factory.mktemp("history") / "deep" / "history")
    assert file.load() == []
    for entry in entries:
        file.append(entry)
    assert file.load() == entries


def test_history_is_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    before = os.umask(0)
    try:
        HistoryFile(path).append("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_only_the_end_of_a_long_history_is_read(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "history")
    file.append("first")
    file.append("x" * TAIL)
    file.append("last")
    assert file.load()[-1] == "last" and "first" not in file.load()


def test_commands_are_those_promised() -> None:
    import_module("arawn.repl.loop")  # makes all of them known
    promised = """
        help backend model system set attach files clear retry undo edit continue fork branch tree goto
        copy code save export session resume rename search tokens cost why context compact json role quit
        diff graft curl
    """
    assert set(promised.split()) <= {one.name for one in commands.listed()}
    aliases = {alias: one.name for one in commands.COMMANDS.values() for alias in one.aliases}
    assert aliases == {"h": "help", "?": "help", "new": "clear", "q": "quit", "exit": "quit"}
    for one in commands.COMMANDS.values():
        assert one.help.endswith(".") and "\n" not in one.help and len(one.short) <= 26, one.name
        assert one.argument in ("", *commands.WORDS), f"/{one.name} {one.argument}"
        assert one.group in commands.GROUPS


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("hlep", "/help"), ("modle", "/model"), ("exti", "/exit"), ("", None), ("zzzz", None)],
)
def test_an_unknown_command_names_the_one_meant(typed: str, meant: str | None) -> None:
    fault = commands.unknown(typed)
    assert isinstance(fault, UsageFault) and fault.sentence == f"Unknown command: /{typed}"
    assert [hint for hint in fault.hints if hint.startswith("did you mean")] == (
        [f"did you mean {meant}?"] if meant else []
    )


class FakeRepl:
    """What completion and /help ask of the chat."""

    def __init__(self) -> None:
        self.app = self.known = self.screen = self.opened = self
        self.out = io.StringIO()
        self.columns: int | None = 80
        self.settings = Settings()

    def backend_names(self) -> list[str]:
        return ["groq", "guide", "ollama"]

    def models(self, opened: object) -> list[str]:
        return ["m-1", "max", "\x1b[2Jm"]

    def sessions(self) -> list[str]:
        return ["k3x9", "abcd"]

    @property
    def session(self) -> Session:
        session = Session("s")
        session.add(Turn("t", None, (user("hi"),)))
        return session

    def say(self, line: str) -> None:
        self.out.write(line + "\n")


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("/b", ["/backend ", "/branch "]),
        ("/goto m", ["main"]),
        ("/resume k", ["k3x9"]),
        ("/retry g", ["groq", "guide"]),
        ("/q", ["/quit"]),
        ("/backend g", ["groq", "guide"]),
        ("/model m", ["m-1", "max"]),
        ("/help ret", ["retry"]),
        ("/system m", []),
        ("/quit m", []),
        ("/nothing m", []),
        ("/model m-1 m", []),
    ],
)
def test_candidates(text: str, offered: list[str]) -> None:
    assert [name for name, _ in commands.candidates(FakeRepl(), text)] == offered


@pytest.mark.parametrize(("columns", "most"), [(80, 40), (None, 40), (120, 40), (50, 70)])
def test_help_fits_the_screen_and_names_every_command(columns: int | None, most: int) -> None:
    repl = FakeRepl()
    repl.columns = columns
    commands.run(repl, "/help")
    lines = repl.out.getvalue().splitlines()
    assert max(map(len, lines)) <= max(80, columns or 0) and len(lines) <= most
    named = re.findall(r"(?:^|  )/(\w+) ", "\n".join(lines), re.M)
    assert set(named) == {one.name for one in commands.listed()}


def test_a_later_command_is_there_but_nowhere_listed() -> None:
    repl = FakeRepl()
    assert list(commands.candidates(repl, "/too")) == [] and "tools" in commands.COMMANDS
    commands.run(repl, "/tools")
    assert repl.out.getvalue().count("\n") == 1
