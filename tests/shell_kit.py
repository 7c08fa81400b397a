"""A home, a program called arawn, and a provider that answers by what it is asked: for the tests of shells."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fake_provider import Conn, FakeProvider, openai_stream
from home import FAKE, configure, need
from term import Term

CONFIG = FAKE + 'api_key = "$env:FAKE_KEY"\n'
KEY = "sk-0123456789abcdef"
ANSWERS = {
    "find large": ["```sh\nec", "ho found\n``", "`"],
    "words": ["I cannot do that without knowing more."],
    "quotes": ["```sh\nprintf '%s\\n' \"it's \\$5 \\\\o\" é\n```"],
    "lines": ["```sh\necho one\necho two\n```"],
    "code 3": ["```sh\nsh -c 'exit 3'\n```"],
    "signals": ["```sh\ngrep SigIgn /proc/self/status\n```"],
    "stays": ["Careful with it.\n\n```sh\ntouch ran\n```"],
    "bidi": ["```sh\necho \u202etxt.\u202c\x1b[2J ok\n```"],
}
EXPLAINED = "It shows what is there."
MENDED = "```\necho mended\n```"


def serve(conn: Conn) -> None:
    """Answer by the system prompt, then by the words of the question."""
    messages = conn.request.json["messages"]
    system, asked = messages[0]["content"], messages[-1]["content"]
    if "slow" in asked:
        conn.wait_gone(3)
    if "explain a shell command" in system:
        answer = [EXPLAINED]
    elif "mend a shell command" in system:
        answer = [MENDED]
    else:
        answer = next((found for words, found in ANSWERS.items() if words in asked), ["ls"])
    openai_stream(answer)(conn)


class Patient(Term):
    """A terminal that waits longer: a shell and what it starts need their time on a machine with other work."""

    def until(self, true: Callable[[], bool], what: str, seconds: float = 10.0) -> Term:
        return super().until(true, what, max(seconds, 10.0))


class Kit:
    """Where a person sits: `env`, `folder`, `home`, the provider's requests, and shells to type into."""

    def __init__(self, env: dict[str, str], home: Path, folder: Path, fake: FakeProvider) -> None:
        self.home, self.folder, self.fake = home, folder, fake
        programs = home / "bin"
        programs.mkdir()
        self.program = programs / "arawn"
        self.program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m arawn "$@"\n')
        self.program.chmod(0o755)
        self.env = env | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "FAKE_KEY": KEY,
            "SHELL": "/bin/sh",
            "TMPDIR": str(folder),
        }
        self.env.pop("DISPLAY", None)
        configure(home, CONFIG.format(url=fake.url))

    @property
    def asked(self) -> list[str]:
        """What the provider was asked."""
        return [request.said for request in self.fake.requests]

    @property
    def systems(self) -> list[str]:
        """What it was told before."""
        return [request.json["messages"][0]["content"] for request in self.fake.requests]

    def term(self, *args: str, **env: str) -> Term:
        """The program on a terminal."""
        return Patient([str(self.program), *args], env=self.env | env, cwd=self.folder, rows=40, cols=100)

    def shell(self, name: str, init: str | None = None, before: str = "") -> Term:
        """A shell of a person who has put arawn's line at the end of their own."""
        place = need(name)
        line = "arawn shell-init fish | source" if name == "fish" else f'eval "$(arawn shell-init {name})"'
        line = line if init is None else init
        texts = {
            "bash": (".bashrc", "PS1='P> '; HISTFILE=~/.hist; HISTCONTROL=ignoreboth\n"),
            "zsh": (
                ".zshrc",
                "PS1='P> '; HISTFILE=~/.hist; HISTSIZE=100; SAVEHIST=100; setopt hist_ignore_space\n",
            ),
            "fish": (
                ".config/fish/config.fish",
                "set -U fish_greeting ''; function fish_prompt; printf 'P> '; end\n"
                "function fish_title; end; set -g fish_autosuggestion_enabled 0\n",
            ),
        }
        file, text = texts[name]
        path = self.home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}{before}\n{line}\n")
        return Patient([place, "-i"], env=self.env | {"SHELL": place}, cwd=self.folder, rows=40, cols=100)


def prompt(term: Term, typed: str = "", seconds: float = 8.0) -> Term:
    """Until the cursor stands behind a prompt and `typed`."""
    return term.until(
        lambda: term.line.rstrip() == f"P> {typed}".rstrip(), f"a prompt with {typed!r}", seconds
    )


def settle(term: Term, seconds: float = 0.15) -> Term:
    """Until nothing was written for a while."""
    quiet = time.monotonic() + seconds
    while time.monotonic() < quiet:
        if term.pump(0.02):
            quiet = time.monotonic() + seconds
    return term


def kit_of(env: dict[str, str], home: Path, tmp_path: Path, behave: Callable[[Conn], None] = serve):
    """A kit over a provider on loopback; for a fixture."""
    folder = tmp_path / "here"
    folder.mkdir()
    with FakeProvider(behave) as fake:
        yield Kit(env, home, folder, fake)
