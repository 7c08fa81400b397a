"""`arawn curl` and `/curl`: the command sends what the door sends, and holds no key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dialects import DIALECTS
from fake_provider import Conn, FakeProvider, Request, Stream, json_reply, openai_stream
from home import configure
from hypothesis import given, settings
from hypothesis import strategies as st
from term import Term
from test_attach import PNG

from arawn.curl import MARK, shell

KEY = "sk-CANARY-0123456789abcdef"
TABLE = """
[llm]
backend = "fake"
[backends.fake]
dialect = "{dialect}"
base_url = "{url}"
model = "m-1"
api_key = "$env:FAKE_KEY"
"""
SHELLS = [name for name in ("sh", "bash", "dash", "zsh") if any(
    Path(folder, name).exists() for folder in os.environ["PATH"].split(os.pathsep)
)]  # fmt: skip


class World:
    """A fake of one dialect, the program with a config for it, and a shell to try its commands in."""

    def __init__(self, arawn: Callable, fake: FakeProvider, config: str, tmp_path: Path) -> None:
        self.arawn, self.fake, self.config, self.folder = arawn, fake, config, tmp_path

    def run(self, *args: str, key: str | None = KEY, **more: Any) -> Any:
        env = {"FAKE_KEY": key} if key is not None else {}
        return self.arawn(*args, config=self.config, env=env | more.pop("env", {}), **more)

    def in_shell(self, command: str, program: str = "sh", **env: str) -> Request:
        """What arrives when the command is run."""
        before = len(self.fake.requests)
        script = self.folder / "command.sh"
        script.write_text(command, "utf-8")
        done = subprocess.run(
            [program, str(script)],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **env}, capture_output=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr
        assert len(self.fake.requests) == before + 1
        return self.fake.requests[-1]


@pytest.fixture
def world(arawn, tmp_path):
    """`with world(dialect, more config) as w`."""
    from contextlib import contextmanager

    @contextmanager
    def make(dialect: str = "openai", more: str = "", table: str = TABLE):
        def serve(conn: Conn) -> None:
            if dialect == "replicate" and "stream" not in conn.request.path:
                urls = {"stream": f"{fake.url}/stream"}
                return json_reply(201, {"id": "p", "status": "starting", "urls": urls})(conn)
            if conn.request.method == "POST" and not conn.request.json.get("stream", True):
                return json_reply(200, DIALECTS[dialect].whole("Hello"))(conn)
            kind = "text/event-stream" if DIALECTS[dialect].sse else "application/x-ndjson"
            return Stream(DIALECTS[dialect].events("Hello"), kind)(conn)

        with FakeProvider(serve) as fake:
            yield World(arawn, fake, table.format(dialect=dialect, url=fake.url) + more, tmp_path)

    return make


def alike(door: Request, curl: Request) -> None:
    """Hold what curl sent against what the door sent."""
    assert (curl.method, curl.path) == (door.method, door.path)
    own = dict(door.headers)
    own.pop("connection")  # curl keeps none, having nothing more to say
    assert curl.headers == own
    assert curl.body == door.body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_sent_as_the_door_sends_it(world, dialect: str) -> None:
    with world(dialect) as w:
        done = w.run("ask", 'it\'s $5 `now` "quoted" \\n\n\ttab ö 漢 🎉', "-s", "Be 'brief'")
        assert done.returncode == 0, done.stderr
        sent = w.fake.requests[0]
        made = w.run("curl", key=None)
        assert made.returncode == 0, made.stderr
        alike(sent, w.in_shell(made.stdout, FAKE_KEY=KEY))
    assert KEY not in made.stdout and "$FAKE_KEY" in made.stdout and not MARK.search(made.stdout)


OPTIONS = {
    "settings": ["-o", "llm.temperature=0.25", "-o", "llm.max_tokens=99", "ask", "hi"],
    "not streamed": ["ask", "--no-stream", "hi"],
    "schema": ["ask", "--schema", "name, age int", "hi"],
    "reasoning": ["ask", "--reasoning", "low", "hi"],
    "picture": ["ask", "what?", "-f", "photo.png"],
    "extra": ["-o", 'backends.fake.extra.flag="it\'s"', "ask", "hi"],
}


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "ollama"])
@pytest.mark.parametrize("option", OPTIONS)
def test_options_are_part_of_it(world, option: str, dialect: str, tmp_path: Path) -> None:
    with world(dialect) as w:
        (tmp_path / "photo.png").write_bytes(PNG + os.urandom(3000))
        w.run(*OPTIONS[option], cwd=tmp_path)
        assert w.fake.requests, "something was sent"
        sent = w.fake.requests[0]
        made = w.run("curl")
        assert made.returncode == 0, made.stderr
        alike(sent, w.in_shell(made.stdout, FAKE_KEY=KEY))


@pytest.mark.parametrize("size", [90_000, 300_000, 1_500_000])
def test_a_long_prompt_fits_the_shell(world, size: int) -> None:
    """A single argument may have 128 KiB, and curl asks before it sends more than 1 MiB."""
    with world() as w:
        done = w.run("ask", "-", stdin="it's long " * (size // 10))
        assert done.returncode == 0, done.stderr
        alike(w.fake.requests[0], w.in_shell(w.run("curl").stdout, FAKE_KEY=KEY))


@pytest.mark.parametrize("program", SHELLS)
def test_every_shell_reads_it_alike(world, program: str) -> None:
    with world() as w:
        w.run("ask", "!history $HOME ${x} $(id) `id` \\ ' \" % * ? ~ # & ; | < > \x7f\u2028")
        alike(w.fake.requests[0], w.in_shell(w.run("curl").stdout, program, FAKE_KEY=KEY))


HEADERS = """
[backends.fake.headers]
X-Team = "a team's \\"name\\""
X-From-Env = "Token $env:OTHER_KEY!"
X-Api-Key = "literal-key-0123456789"
X-Kept = "$keyring:nobody"
X-Dollars = "5$$"
"""


def test_own_headers_and_what_is_hidden_of_them(world) -> None:
    with world(more=HEADERS) as w:
        with_all = w.config.replace('"$keyring:nobody"', '"kept-in-a-keyring"')
        w.arawn("ask", "hi", config=with_all, env={"FAKE_KEY": KEY, "OTHER_KEY": "other-0123456789"})
        sent = w.fake.requests[0]
        made = w.run("curl", key=None).stdout
        assert "literal-key" not in made and "'Token '\"$OTHER_KEY\"'!'" in made.replace(
            "'x-from-env: Token '", "'Token '"
        )
        names = {"FAKE_KEY": KEY, "OTHER_KEY": "other-0123456789"}
        values = {"x-api-key": "literal-key-0123456789", "x-kept": "kept-in-a-keyring", "x-dollars": "5$"}
        for line in made.splitlines():
            for header, value in values.items():
                if f"{header}: $" in line:
                    names[line.split("$")[1].split('"')[0]] = value
        alike(sent, w.in_shell(made, **names))


@pytest.mark.parametrize(
    ("key", "name"), [(f'"{KEY}"', "KEY"), ('"$keyring:nobody"', "KEY"), ('"$file:/nowhere"', "KEY"), ('"${FAKE_KEY}"', "FAKE_KEY")]
)  # fmt: skip
def test_the_name_in_the_place_of_the_key(world, key: str, name: str) -> None:
    with world() as w:
        w.run("ask", "hi")
        sent = w.fake.requests[0]
        w.config = w.config.replace('"$env:FAKE_KEY"', key)
        made = w.run("curl", key=None)
        assert f'authorization: Bearer ${name}"' in made.stdout and KEY not in made.stdout + made.stderr
        alike(sent, w.in_shell(made.stdout, **{name: KEY}))


def test_a_provider_without_its_key_is_shown_by_its_name(arawn) -> None:
    with FakeProvider(openai_stream(["Hi"])) as fake:
        told = {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": fake.url + "/v1"}
        assert arawn("ask", "-b", "openai", "hi", env=told).returncode == 0
        made = arawn("curl", env={"OPENAI_API_BASE": fake.url + "/v1"})
    assert made.returncode == 0, made.stderr
    assert '"authorization: Bearer $OPENAI_API_KEY"' in made.stdout and fake.url in made.stdout


def test_another_turn_and_another_backend(world) -> None:
    with world() as w:
        w.run("ask", "first question")
        w.run("ask", "-c", "second question")
        turns = json.loads(w.run("session", "show", "--json").stdout)["turns"]
        first, last = (w.run("curl", turn["id"]).stdout for turn in turns)
        assert "first question" in first and "second question" not in first
        assert "first question" in last and "second question" in last and "Hello" in last
        assert w.run("curl").stdout == last
        other = w.run("curl", "-b", "anthropic").stdout
    assert "https://api.anthropic.com/v1/messages" in other and '"x-api-key: $ANTHROPIC_API_KEY"' in other
    assert "anthropic-version" in other and "second question" in other


def test_nothing_is_sent_and_no_key_is_looked_up(world) -> None:
    with world() as w:
        w.run("ask", "hi")
        before = len(w.fake.requests)
        w.config = w.config.replace('"$env:FAKE_KEY"', '"$keyring:nobody"').replace(
            'model = "m-1"', 'model = "m-1"\nproxy = "http://joe:secret-word@127.0.0.1:9"\nca_bundle = "/nowhere.pem"'
        )  # fmt: skip
        made = w.run("curl")
        assert made.returncode == 0, made.stderr
        assert len(w.fake.requests) == before
    assert (
        "secret-word" not in made.stdout
        and "--proxy" in made.stdout
        and "--cacert /nowhere.pem" in made.stdout
    )


def test_a_key_in_the_words_is_masked(world) -> None:
    with world() as w:
        w.run("ask", "-o", "store.mask_keys=false", 'my key is\nsk-proj-0123456789abcdef in a "line"')
        made = w.run("curl").stdout
        body = w.in_shell(made, FAKE_KEY=KEY).json
    assert "sk-proj" not in made and body["messages"][0]["content"] == 'my key is\n**** in a "line"'


def test_faults_are_told(world, arawn) -> None:
    with world() as w:
        none = w.run("curl")
        assert none.returncode == 2 and "no session yet" in none.stderr
        assert w.run("curl", "nothing-like-it").returncode == 2
        w.run("ask", "hi")
        w.config = w.config.replace("fake", "renamed")
        gone = w.run("curl")
        assert gone.returncode == 3 and "fake" in gone.stderr and "Traceback" not in gone.stderr
    guide = arawn("--backend", "guide", "ask", "hi", config="")
    assert guide.returncode == 0
    told = arawn("curl", config="")
    assert told.returncode == 2 and "without a request" in told.stderr


def test_a_key_is_not_sent_where_the_door_would_not(world) -> None:
    """The same rule holds: no key over plain http to another machine."""
    with world() as w:
        w.run("ask", "hi")
        w.config = w.config.replace(w.fake.url, "http://other.example")
        made = w.run("curl")
    assert made.returncode == 3 and "plain http" in made.stderr and not made.stdout


def test_in_a_chat(world) -> None:
    with world() as w:
        done = w.run("chat", stdin="/curl\nhello\n/curl\n")
        assert "Nothing was asked yet" in done.stderr
        made = done.stdout.removeprefix("Hello\n")
        alike(w.fake.requests[0], w.in_shell(made, FAKE_KEY=KEY))


def test_in_a_replay_the_name_of_the_key_is_there(world, tmp_path) -> None:
    tape = str(tmp_path / "run.cassette")
    with world() as w:
        w.run("--record", tape, "chat", stdin="hello\n")
        done = w.run("--replay", tape, "chat", stdin="hello\n/curl\n", key=None)
        assert len(w.fake.requests) == 1
        alike(w.fake.requests[0], w.in_shell(done.stdout.removeprefix("Hello\n"), FAKE_KEY=KEY))


def test_in_a_chat_on_a_terminal_a_file_is_shortened(env, home, tmp_path) -> None:
    picture = tmp_path / "photo.png"
    picture.write_bytes(PNG + bytes(range(256)) * 40)
    with FakeProvider(openai_stream(["Nice\u202e picture"])) as fake:
        config = TABLE.format(dialect="openai", url=fake.url) + "[ui]\nhistory = false\n"
        configure(home, config)
        argv = [sys.executable, "-P", "-m", "arawn", "chat"]
        with Term(argv, env=env | {"FAKE_KEY": KEY}, cwd=tmp_path, rows=60, cols=100) as term:
            term.say("/attach photo.png").wait("bytes")
            term.say("what is this").wait("Nice")
            term.say("/curl").wait("characters]").prompt()
            shown = term.screen
    assert "$FAKE_KEY" in shown and KEY not in shown and len(shown) < 6000


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    st.sampled_from(["", "@@ARAWN:A_1@@", "x@@ARAWN:A_1@@y", "@@ARAWN:A_1@@@@ARAWN:B@@'"]),
)
@settings(max_examples=60, deadline=None)
def test_a_word_for_the_shell_is_one_word(text: str, marked: str) -> None:
    """With the values of its variables it is the text again."""
    word = shell(text + marked)
    done = subprocess.run(
        ["sh", "-c", f"printf '%s' {word}"], env={"A_1": "one's", "B": "$two"}, capture_output=True
    )
    assert done.stdout.decode() == text + MARK.sub(
        lambda mark: {"A_1": "one's", "B": "$two"}[mark[1]], marked
    )
