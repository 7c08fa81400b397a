"""`use NAME for this: ...` at the start of a message: another backend or model answers that one turn.

Nothing is guessed: NAME must be that of something that can be asked, and a sign or a new line must follow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import ArawnError
from arawn.messages import FilePart

if TYPE_CHECKING:
    from arawn.repl.chat import Chat
    from arawn.repl.loop import Repl

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
    if found is None or meant is None:
        if found is not None and found.plain:
            told = f'nobody that can be asked is called "{found.name}": {repl.opened.name} answers'
            chat.status.note(told)
        repl.answer(repl.conversation.ask(repl.opened.backend, text, parts))
        return
    if not found.rest.strip() and not parts:
        repl.draft = f"use {found.name} for this: "
        chat.status.note("say what to ask behind it")
        return
    _ask(repl, chat, meant, found.rest, parts)


def _ask(
    repl: Repl, chat: Chat, meant: tuple[str | None, str | None], rest: str, parts: tuple[FilePart, ...]
) -> None:
    before = repl.opened
    try:
        opened = repl.app.open(*meant)
        repl.app.check_files(opened, parts)
    except ArawnError as fault:
        repl.screen.fault(fault)
        repl.draft = rest
        return
    chat.status.note(f"{opened.name} · {opened.model} answers this one, as you say")
    repl.opened = opened
    try:
        repl.answer(repl.conversation.ask(opened.backend, rest, parts))
    finally:
        opened.backend.close()
        repl.opened = before
