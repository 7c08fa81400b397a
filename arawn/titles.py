"""A title for a session, asked from a cheap model; it knows neither config nor store."""

from __future__ import annotations

from arawn.events import Text
from arawn.messages import Request, user
from arawn.ports import Backend
from arawn.session import TITLE, Session

ASKED = (
    "Give the conversation below a title: at most six words, in its own language, no quotes, no full stop. "
    "Answer with the title alone.\n\n"
)
SHOWN = 2000
"""Characters of the prompt, and half as many of the answer, that are sent along."""
TOKENS = 200
"""Room for the answer: a model that thinks first needs more than a title."""


def title_by(backend: Backend, session: Session) -> str | None:
    """What `backend` would call the session by its first turn; None where it says nothing."""
    turn = next(iter(session.turns.values()), None)
    if turn is None or not turn.answer:
        return None
    said = f"{ASKED}User: {turn.prompt.text[:SHOWN]}\n\nAssistant: {turn.answer[: SHOWN // 2]}"
    request = Request((user(said),), max_tokens=TOKENS, reasoning="off", stream=False)
    try:
        text = "".join(event.text for event in backend.stream(request) if isinstance(event, Text))
    finally:
        backend.close()
    line = next((" ".join(line.split()) for line in text.splitlines() if line.strip()), "")
    return line.removeprefix("Title:").strip(" \"'`*#.“”«»")[:TITLE] or None
