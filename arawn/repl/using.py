"""Another backend or model for one turn: by `use NAME for this: ...` at its start, or for its pictures.

Nothing is guessed: NAME must be that of something that can be asked, and a sign or a new line must follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import ArawnError
from arawn.messages import FilePart

if TYPE_CHECKING:
    from arawn.events import Event
    from arawn.ports import Backend
    from arawn.repl.chat import Chat
    from arawn.repl.loop import Repl

SEEN = "as llm.routing.vision says"
_WORD = r"[^\s:,;.]+(?:[:.]+[^\s:,;.]+)*"
_WISH = (
    rf"\s*(?:please\s+)?use\s+(?P<name>{_WORD}(?:[^\S\n]+{_WORD}){{0,3}}?)(?P<this>\s+for\s+this(?:\s+(?:one|turn))?)?"
    r"\s*(?:(?P<sign>[:,;]|\.(?=\s|$)|\s-(?=\s)|\n)|$)\s*(?P<rest>.*)"
)


class Wish(NamedTuple):
    """Who is wished for in the person's words, what to ask, and whether it said `for this`."""

    name: str
    rest: str
    plain: bool


def wish(text: str) -> Wish | None:
    """What a message wishes for, by its form alone; None where it is just a message."""
    found = re.match(_WISH, text, re.I | re.S)
    if found is None or "\n" in found["name"]:
        return None
    return Wish(found["name"].strip("\"'`"), found["rest"], found["this"] is not None)


def ask(repl: Repl, chat: Chat, text: str, parts: tuple[FilePart, ...]) -> None:
    """Ask what a message says, of whom it says where `[model_selector]` has that understood."""
    named = chat.settings.named
    found = wish(text) if named is not None else None
    meant = named(found.name) if named is not None and found is not None else None
    seen = _sight(repl, parts)
    if meant is None and seen is not None:
        _ask(repl, chat, seen, text, parts, SEEN)
    elif found is None or meant is None:
        if found is not None and found.plain:
            told = f'nobody that can be asked is called "{found.name}": {repl.opened.name} answers'
            chat.status.note(told)
        repl.answer(repl.conversation.ask(repl.opened.backend, text, parts))
    elif not found.rest.strip() and not parts:
        repl.draft = f"use {found.name} for this: "
        chat.status.note("say what to ask behind it")
    else:
        _ask(repl, chat, meant, found.rest, parts, "as you say")


def again(repl: Repl, chat: Chat, ask: Callable[[Backend], Iterator[Event]]) -> None:
    """Ask the last question once more, where it has pictures of whom they go to."""
    turn = repl.session.current
    parts = tuple(part for part in turn.prompt.parts if isinstance(part, FilePart)) if turn else ()
    seen = _sight(repl, parts)
    if seen is None:
        repl.answer(ask(repl.opened.backend))
    else:
        _by(repl, chat, seen, parts, SEEN, ask)


def check(repl: Repl, parts: Sequence[FilePart]) -> None:
    """Raises UsageFault for a file that who is asked now cannot take; who pictures go to is asked later."""
    if _sight(repl, parts) is None:
        repl.app.check_files(repl.opened, parts)


def _sight(repl: Repl, parts: Sequence[FilePart]) -> tuple[str, str | None] | None:
    """Whom `[llm.routing] vision` names, where there are pictures."""
    return repl.settings.sight if any(part.kind == "image" for part in parts) else None


def _ask(
    repl: Repl, chat: Chat, meant: tuple[str | None, str | None], rest: str, parts: tuple[FilePart, ...],
    why: str,
) -> None:  # fmt: skip
    if not _by(repl, chat, meant, parts, why, lambda backend: repl.conversation.ask(backend, rest, parts)):
        from arawn.attach import Attachment

        repl.draft = rest
        repl.attached += [Attachment(part.name, len(part.data), part=part) for part in parts]


def _by(
    repl: Repl, chat: Chat, meant: tuple[str | None, str | None], parts: tuple[FilePart, ...], why: str,
    ask: Callable[[Backend], Iterator[Event]],
) -> bool:  # fmt: skip
    """Have another answer one turn; whether it could be asked."""
    before = repl.opened
    try:
        opened = repl.app.open(*meant)
        repl.app.check_files(opened, parts)
    except ArawnError as fault:
        chat.status.note(f"{' · '.join(filter(None, meant))} was to answer this one, {why}")
        repl.screen.fault(fault)
        return False
    chat.status.note(f"{opened.name} · {opened.model} answers this one, {why}")
    repl.opened = opened
    try:
        repl.answer(ask(opened.backend))
    finally:
        opened.backend.close()
        repl.opened = before
    return True
