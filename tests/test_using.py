"""`use NAME for this: ...` in a chat: who answers that one turn, and what is just a message."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream
from hypothesis import given
from hypothesis import strategies as st

from arawn.config.load import Config, load
from arawn.repl.using import wish
from arawn.selector import named


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("use claude for this: explain WAL", "claude", "explain WAL"),
        ("Use Claude for this, explain WAL", "Claude", "explain WAL"),
        ("use gpt-4o: and so on", "gpt-4o", "and so on"),
        ("use gpt-4o\nand so on", "gpt-4o", "and so on"),
        ("use gpt-4.1. Tell me more.", "gpt-4.1", "Tell me more."),
        ("use my azure settings: hi", "my azure settings", "hi"),
        ("please use llama3.2:1b for this: hi", "llama3.2:1b", "hi"),
        ("use claude for this", "claude", ""),
        ("use claude for this - a dash", "claude", "a dash"),
        ("use @generator for this turn: write", "@generator", "write"),
        ("use work:gpt-4o for this: write: it", "work:gpt-4o", "write: it"),
    ],
)
def test_the_form_of_a_wish(text: str, name: str, rest: str) -> None:
    found = wish(text)
    assert found is not None and (found.name, found.rest) == (name, rest)


@pytest.mark.parametrize(
    "text",
    [
        "How do I use claude for this: a script?",
        "use claude to write a script",
        "use the openai library in this program and tell me how it goes with errors",
        "I use gpt-4o: it is fine",
        "used claude: fine",
        "use",
        "",
        "/use claude: x",
    ],
)
def test_what_is_no_wish_is_a_message(text: str) -> None:
    assert wish(text) is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_wish_stands_at_the_start_alone(before: str, after: str) -> None:
    text = f"{before}x use claude for this: {after}"
    found = wish(text)
    assert (
        found is None or found.name.lower() != "claude" or text.lstrip().lower().startswith(("use", "please"))
    )


CONFIG = """
[aliases]
quick = "work:small-one"
[backends.work]
provider = "custom"
base_url = "http://127.0.0.1:9/v1"
model = "big-one"
[backends.work.models]
generator = "gen-one"
[backends.mine]
provider = "azure"
endpoint = "http://127.0.0.1:9"
model = "deployed"
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "c.toml"
    file.write_text(CONFIG)
    return load(env={"HOME": str(tmp_path)}, cwd=None, config_file=str(file), flags=())


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("work", ("work", None)), ("Work", ("work", None)), ("my work settings", ("work", None)),
        ("my azure settings", ("mine", None)), ("quick", (None, "quick")), ("@generator", (None, "@generator")),
        ("work:other", ("work", "other")), ("big-one", ("work", "big-one")), ("gen-one", ("work", "gen-one")),
        ("claude", ("anthropic", None)), ("gpt-4o", ("mine", "gpt-4o")), ("claude-sonnet-4-5", ("mine", "claude-sonnet-4-5")),
        ("gemini", None), ("docker", None), ("a hammer", None), ("", None),
    ],
)  # fmt: skip
def test_what_a_name_means(config: Config, words: str, meant: tuple[str | None, str | None] | None) -> None:
    found = named(words, config, {"ANTHROPIC_API_KEY": "sk-ant-0123456789"})
    if words.startswith(("gpt-4o", "claude-s")):  # who sells it: azure sells what others make, by their names
        assert found is None or found[1] == words
    else:
        assert found == meant


CHAT = """
[llm]
backend = "one"
[backends.one]
provider = "custom"
base_url = "{url}/v1"
model = "first"
[backends.two]
provider = "custom"
base_url = "{url}/v1"
model = "second"
[model_selector]
enabled = {enabled}
"""


@pytest.fixture
def fake():
    with FakeProvider(openai_stream(["yes"])) as provider:
        yield provider


def asked(fake: FakeProvider) -> list[tuple[str, str]]:
    return [(one.json["model"], one.said) for one in fake.requests]


def test_one_turn_goes_elsewhere_and_that_is_confirmed(arawn, fake) -> None:
    lines = "hello\nuse two for this: say more\nand on\nuse nobody for this: still\nuse two to think\n"
    done = arawn("chat", stdin=lines, config=CHAT.format(url=fake.url, enabled="true"))
    assert asked(fake) == [
        ("first", "hello"), ("second", "say more"), ("first", "and on"),
        ("first", "use nobody for this: still"), ("first", "use two to think"),
    ]  # fmt: skip
    assert done.stderr.count("two · second answers this one") == 1
    assert 'nobody that can be asked is called "nobody"' in done.stderr
    assert done.stdout == "yes\n" * 5


def test_nothing_of_it_is_understood_unless_it_is_switched_on(arawn, fake) -> None:
    arawn("chat", stdin="use two for this: hi\n", config=CHAT.format(url=fake.url, enabled="false"))
    assert asked(fake) == [("first", "use two for this: hi")]


def test_a_wish_without_a_question_asks_nobody(arawn, fake) -> None:
    done = arawn("chat", stdin="use two for this\n", config=CHAT.format(url=fake.url, enabled="true"))
    assert not fake.requests and "say what to ask" in done.stderr


def test_a_backend_that_cannot_be_opened_is_told(arawn, fake) -> None:
    config = CHAT.format(url=fake.url, enabled="true") + '[backends.three]\nprovider = "openai"\n'
    done = arawn("chat", stdin="use three for this: hi\nhello\n", config=config)
    assert "No key" in done.stderr and asked(fake) == [("first", "hello")]
