"""The built-in backend that answers from the manual; it is no model, needs nothing and sends nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from arawn.errors import Refused
from arawn.events import Event, Finish, Notice, Text, Usage
from arawn.manual import Section, flow, section
from arawn.manual.search import Hit, hits, terms
from arawn.messages import Request
from arawn.providers import FAMILIES, GUIDE, PROVIDERS, Provider

NOTICE = (
    "This is the offline guide, not a model (to add one: a key in the environment, Ollama, or "
    "`arawn config init`)"
)
ELSE = (
    "I am only the guide of Arawn, not a model: I can look up how Arawn is used, and I know nothing else. "
    "My manual has nothing on that."
)
_GREETING_WORDS = """
    hello hi hey hallo moin servus bonjour hola ciao howdy greetings good morning evening afternoon day there
    help me please thanks thank you test testing ping yo arawn world is this on are working start guide it
    ok okay how what can do i your who s whats up
"""
_ONWARD_WORDS = "more next continue else and further go on tell me please details detail"
_GREETING = frozenset(_GREETING_WORDS.split())
_ONWARD = frozenset(_ONWARD_WORDS.split())
_PLAIN = ("command",)
"""What is called so is a model's family, but in a question most often what is typed."""
_NAMES = {word: name for word, name in FAMILIES.items() if word not in _PLAIN}
_WHO = re.compile(
    r"\W*(are you|who (are|made) you|what are you|(what|which) (ai |llm )?model are you)\b", re.I
)
_WORD = re.compile(r"[a-z0-9.-]*[a-z0-9]")
_PIECE = re.compile(r"[^\n]*?[.:;!?](?:\s+|$)|[^\n]*\n+|[^\n]+$")


class Guide:
    """Answers how-to questions on Arawn from its manual, and says so; satisfies ports.Backend."""

    name = GUIDE
    model = "manual"

    def __init__(self) -> None:
        self._introduced = False

    def stream(self, request: Request) -> Iterator[Event]:
        """The fitting section as Markdown, in pieces of a sentence; a welcome where nothing fits.

        Raises Refused where JSON is asked for.
        """
        if request.format is not None:
            raise Refused(
                "The offline guide answers in words: for JSON a model is needed",
                hints=("to add one: a key in the environment, Ollama, or arawn config init",),
            )
        if not self._introduced:
            self._introduced = True
            yield Notice(NOTICE)
        for piece in _PIECE.findall(answer([m.text for m in request.messages if m.role == "user"])):
            yield Text(piece)
        yield Usage()
        yield Finish("stop", "stop", self.model)

    def close(self) -> None:
        """Nothing is open."""


def answer(said: list[str]) -> str:
    """The answer to the last of the user's messages; a mere "more" goes on with the one before."""
    return flow(_answer(said))


def _answer(said: list[str]) -> str:
    question = said[-1] if said else ""
    onward, asked = 0, list(said)
    while len(asked) > 1 and _is_only(asked[-1], _ONWARD):
        asked.pop()
        onward += 1
    question = asked[-1] if asked else ""
    if _is_only(question, _GREETING):
        return _welcome()
    if _WHO.match(question):
        return _itself()
    about = provider_in(question)
    if about is not None and len(asked) > 1 and _is_follow_up(question, about):
        question = f"{_without(asked[-2], provider_in(asked[-2]))} {about.name}"  # "and for OpenAI?"
    found = look_up(question)
    if onward >= len(found) > 0:
        return f"That is all the manual has on it. {_pages()}\n"
    if not found:
        return _welcome() if about and not onward and _is_name(question) else _unknown()
    return _told(found, onward, about)


def look_up(question: str) -> list[Hit]:
    """What answers `question`; a section with examples for any provider goes before one on the provider."""
    about = provider_in(question)
    if about is None:
        return hits(question)
    rest = _without(question, about)
    apart = hits(rest)
    if apart and apart[0].section.example:
        return apart
    if terms(rest):
        return hits(question)
    return sorted(hits(about.name), key=lambda hit: not hit.section.example)


def _without(question: str, about: Provider | None) -> str:
    """`question` without the words that name the provider `about`."""
    if about is None:
        return question
    aliases = [word for word, name in _NAMES.items() if name == about.name]
    called = (about.name, *about.label.lower().split(), *aliases)
    return " ".join(word for word in _WORD.findall(question.lower()) if not word.startswith(called))


def _is_follow_up(question: str, about: Provider) -> bool:
    return not terms(_without(question, about))


def provider_in(text: str) -> Provider | None:
    """The provider that a question names, by its name, its label or a model everybody knows."""
    low = text.lower()
    words = set(_WORD.findall(low)) | set(re.findall(r"[a-z0-9]+", low))
    for row in PROVIDERS.values():
        if row.docs and (row.name in words or f" {row.label.lower()} " in f" {low} "):
            return row
    return next((PROVIDERS[name] for word, name in _NAMES.items() if word in words), None)


def personal(text: str, example: str, about: Provider) -> str:
    """A section's examples with the provider `about` in place of the one they name."""
    row = PROVIDERS[example]
    pairs = (
        (row.docs, about.docs),
        (row.model, about.model or "MODEL"),
        (row.key_names[0], about.key_names[0]),
        (row.name, about.name),
        (row.label, about.label),
    )
    for old, new in pairs:
        text = text.replace(old, new)
    if not about.needs_key:
        return f"{about.label} needs no key on your own machine. Where yours asks for one:\n\n{text}"
    return text


def _is_only(text: str, words: frozenset[str]) -> bool:
    return len(text) < 80 and all(word in words for word in re.findall(r"\w+", text.lower()))


def _is_name(text: str) -> bool:
    return len(text.split()) <= 2


def _told(found: list[Hit], number: int, about: Provider | None) -> str:
    best = found[number].section
    parts = [f"## {best.title}", _body(best, about)]
    more = [hit.section for hit in found[number + 1 :] if hit.score > 0.6 * found[number].score][:2]
    see = f"The whole page: `arawn help {best.page}`."
    if more:
        see += " See also: " + ", ".join(f"{one.title} (`arawn help {one.page}`)" for one in more) + "."
    return "\n\n".join([*parts, see]) + "\n"


def _body(found: Section, about: Provider | None) -> str:
    if found.example and about is not None and about.name != found.example:
        return personal(found.body, found.example, about)
    return found.body


def _welcome() -> str:
    return f"{section('start', 'Welcome').body}\n\n{_ways()}\n\n{_pages()}\n"


def _itself() -> str:
    found = section("start", "What the guide is, and what it is not")
    return f"## {found.title}\n\n{found.body}\n\n{_ways()}\n"


def _unknown() -> str:
    return f"{ELSE}\n\n{_ways()}\n\n{_pages()}\n"


def _ways() -> str:
    return section("start", "Add a model").body


def _pages() -> str:
    return 'Ask me, for example, `arawn ask "how do I store a key?"`; `arawn help` lists all pages.'
