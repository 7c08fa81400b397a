"""The backend that answers when nothing is configured: it looks the question up in the manual, offline."""

from __future__ import annotations

from collections.abc import Iterator

from arawn.events import Event, Finish, Notice, Text
from arawn.messages import Request
from arawn.providers import GUIDE

NOTICE = "this is Arawn's offline guide, not a model; to add one: export a key (GROQ_API_KEY=...) or arawn config init"

WELCOME = """\
Hello. I am the offline guide of Arawn: no model is set up yet, so I can only answer questions about Arawn itself.

To get a model, any one of these is enough:

- **A key in the environment**: `export GROQ_API_KEY=...` (or `ANTHROPIC_API_KEY`, `OPENAI_API_KEY`, ...)
- **A local server**: start Ollama or LM Studio; it is found by itself
- **`arawn config init`**: finds keys and servers and writes a small config file

Then ask again, or ask me: `arawn ask "how do I store an Anthropic key?"`. `arawn help` lists the manual's pages.
"""

UNKNOWN = """\
I am only the offline guide of Arawn, not a model, and the manual says nothing about that.

To get answers to such questions add a model: `export GROQ_API_KEY=...` (or another provider's key), start Ollama,
or run `arawn config init`. `arawn help` lists what I know.
"""


class Guide:
    """Answers from the packaged manual. It opens no connection and never claims to be a model."""

    name = GUIDE
    model = "manual"

    def stream(self, request: Request) -> Iterator[Event]:
        """The section that fits the last question, or how to get a model."""
        yield Notice(NOTICE)
        question = next((m.text for m in reversed(request.messages) if m.role == "user"), "")
        for piece in _pieces(answer(question)):
            yield Text(piece)
        yield Finish("stop", "stop", self.model)

    def close(self) -> None:
        """Nothing is open."""


def answer(question: str) -> str:
    """The answer to a question, as Markdown."""
    from arawn.manual import find, words

    asked = words(question)
    if not asked or set(asked) <= {
        "hello",
        "hi",
        "hey",
        "good",
        "morning",
        "evening",
        "thank",
        "test",
        "work",
        "ping",
    }:
        return WELCOME
    section = find(question)
    if section is None:
        return UNKNOWN
    text = for_provider(section.text, question)
    return f"{text}\n\nMore: `arawn help {section.page}`\n"


def for_provider(text: str, question: str) -> str:
    """The section with the provider's names that the question asks about in place of the example's."""
    from arawn.providers import PROVIDERS

    asked = question.lower()
    for row in PROVIDERS.values():
        if row.needs_key and (row.name in asked or row.label.lower() in asked):
            text = text.replace("secret set anthropic", f"secret set {row.name}")
            text = text.replace("keyring:anthropic", f"keyring:{row.name}")
            text = text.replace("[backends.anthropic]", f"[backends.{row.name}]")
            text = text.replace("ANTHROPIC_API_KEY", row.key_names[0]).replace(
                "of Anthropic", f"of {row.label}"
            )
            break
    return text


def _pieces(text: str) -> Iterator[str]:
    """A line at a time: it is read like anything else that streams."""
    yield from text.splitlines(keepends=True)
