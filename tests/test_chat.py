"""`arawn chat` whole: the program, its config, a fake provider, on a terminal."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from fake_provider import FakeProvider, openai_stream
from home import configure
from term import Term
from test_ask import CONFIG


def begin(env: dict[str, str], fake: FakeProvider, *args: str, more: str = "") -> Term:
    home = Path(env["HOME"])
    configure(home, CONFIG.format(url=fake.url) + more)
    return Term([sys.executable, "-m", "arawn", *args], env=env, cwd=home)


def test_memory_over_turns_and_history_over_sessions(env: dict[str, str]) -> None:
    with FakeProvider(openai_stream(["Hello ", "**you**"])) as fake:
        with begin(env, fake, "chat") as term:
            term.say("first").wait("Hello you").say("/system be brief").wait("be brief").say("second")
            term.until(lambda: term.screen.count("Hello you") == 2, "the second answer").prompt().send("\x04")
            assert term.end() == 0 and term.restored
        sent = [message["content"] for message in fake.requests[-1].json["messages"]]
        assert sent == ["be brief", "first", "Hello **you**", "second"]
        history = Path(env["HOME"]) / ".local" / "state" / "arawn" / "history"
        assert stat.S_IMODE(history.stat().st_mode) == 0o600
        with begin(env, fake) as term:
            term.prompt().send("\x1b[A").prompt("second")


def test_history_can_be_switched_off(env: dict[str, str]) -> None:
    with (
        FakeProvider(openai_stream(["ok"])) as fake,
        begin(env, fake, "chat", more="[ui]\nhistory = false\nmarkdown = false\n") as term,
    ):
        term.say("secret thoughts").wait("ok").prompt().send("\x04")
        assert term.end() == 0
        assert not list(Path(env["HOME"]).rglob("history"))


def test_the_guide_talks_where_nothing_is_configured(env: dict[str, str]) -> None:
    with Term(
        [sys.executable, "-m", "arawn"], env={**env, "OLLAMA_HOST": "127.0.0.1:9"}, cwd=Path(env["HOME"])
    ) as term:
        term.say("how do I store an Anthropic key?").wait("keyring").prompt().send("\x04")
        assert term.end() == 0
