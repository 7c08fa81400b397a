"""Choosing a session on the terminal: a list that typing narrows, and below it how the chosen one ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.output import Output

from arawn.render.safe import clean

if TYPE_CHECKING:
    from arawn.repl.prompt.editor import Editor
    from arawn.session import Session
    from arawn.store.trees import Info

SHOWN = 8
PREVIEW = 6
SPOKEN = 9
"""So many are told at once where they are read aloud."""
ESCAPE_S = 0.1
"""So long after an Escape the rest of a key's sequence may come; without any it is the key itself."""
KEYS = "Type to narrow the list; Enter goes on with the session, Escape leaves."


class Picker:
    """The state of one choice; `chosen` is the id, "" while there is none."""

    def __init__(self, sessions: Sequence[Info], load: Callable[[str], Session]) -> None:
        self.chosen = ""
        self._all = sessions
        self._load = load
        self._at = 0
        self._previews: dict[str, str] = {}
        self.filter = Buffer(multiline=False, on_text_changed=lambda _: self._move(-self._at))

    @property
    def found(self) -> list[Info]:
        """The sessions with all words of the filter in their title, folder or model."""
        return narrowed(self._all, self.filter.text)

    def lines(self) -> StyleAndTextTuples:
        """The list around the chosen one."""
        found = self.found
        first = max(0, min(self._at - SHOWN // 2, len(found) - SHOWN))
        made: StyleAndTextTuples = []
        for place, info in enumerate(found[first : first + SHOWN], first):
            mark, style = ("> ", "reverse") if place == self._at else ("  ", "")
            if place == self._at:  # where there is no room for all rows, this one is shown
                made.append(("[SetCursorPosition]", ""))
            made.append((style, f"{mark}{info.id[:8]}  {_ago(info.updated):>8}  {_told(info)}\n"))
        return made or [("", "  (no session has these words)\n")]

    def preview(self) -> str:
        """How the session under the cursor ended."""
        found = self.found
        if not found:
            return ""
        id = found[self._at].id
        if id not in self._previews:
            path = self._load(id).path()
            last = path[-1] if path else None
            said = f"You: {last.prompt.text.strip()}\n{last.answer.strip()}" if last else "(empty)"
            self._previews[id] = clean(said)
        return self._previews[id]

    def _move(self, by: int) -> None:
        self._at = max(0, min(len(self.found) - 1, self._at + by))

    def keys(self) -> KeyBindings:
        """Up, down, Enter; Escape, Ctrl-C and Ctrl-D leave things as they are."""
        keys = KeyBindings()
        for names, by in (
            (("up", "c-p"), -1),
            (("down", "c-n"), 1),
            (("pageup",), -SHOWN),
            (("pagedown",), SHOWN),
        ):
            for name in names:
                keys.add(name)(lambda event, by=by: self._move(by))

        @keys.add("enter")
        def take(event: KeyPressEvent) -> None:
            found = self.found
            self.chosen = found[self._at].id if found else ""
            event.app.exit()

        for name in ("escape", "c-c", "c-d"):
            keys.add(name, eager=True)(lambda event: event.app.exit())
        return keys

    def layout(self) -> Layout:
        """The filter, the list, and the preview; on a small screen first the preview gives way."""
        asked = VSplit(
            [Window(FormattedTextControl("Session: "), width=9), Window(BufferControl(self.filter))], height=1
        )
        rows = Window(
            FormattedTextControl(self.lines), height=_height(SHOWN, least=1, weight=4), wrap_lines=False
        )
        rule = Window(char="-", height=_height(1))
        below = Window(FormattedTextControl(self.preview), height=_height(PREVIEW), wrap_lines=True)
        keys = Window(
            FormattedTextControl(KEYS),
            height=Dimension(min=0, max=2, weight=4),
            wrap_lines=True,
            dont_extend_height=True,
            style="italic",
        )
        return Layout(HSplit([asked, rows, keys, rule, below]), focused_element=self.filter)


def _height(lines: int, least: int = 0, weight: int = 1) -> Dimension:
    """So many lines, or as many as there is room for."""
    return Dimension(min=least, preferred=lines, max=lines, weight=weight)


def pick(editor: Editor, sessions: Sequence[Info], load: Callable[[str], Session]) -> str:
    """The id of the session that the person chooses, "" where none is."""
    picker = Picker(sessions, load)

    def made(source: Input, out: Output) -> Application[None]:
        app: Application[None] = Application(
            layout=picker.layout(), key_bindings=picker.keys(), input=source, output=out, erase_when_done=True
        )
        app.ttimeoutlen = ESCAPE_S
        return app

    editor.run(made)
    return picker.chosen


def numbered(sessions: Sequence[Info], say: Callable[[str], None], ask: Callable[[str], str]) -> str:
    """The same for who has the screen read to them: a list with numbers, and a question.

    `say` tells a line, `ask` gives what is typed, "" for nothing.
    """
    found = sessions
    while True:
        for number, info in enumerate(found[:SPOKEN], 1):
            say(f"{number}. {_told(info)}, {_ago(info.updated)} ago")
        if len(found) > SPOKEN:
            say(f"{len(found) - SPOKEN} more are not told.")
        typed = ask("Number of the session, or words to look for; Enter alone leaves. Session:").strip()
        if not typed:
            return ""
        if typed.isdecimal() and 0 < int(typed) <= len(found[:SPOKEN]):
            return found[int(typed) - 1].id
        near = narrowed(sessions, typed)
        if near:
            found = near
        else:
            say(f"No session has these words or this number: {typed}")


def narrowed(sessions: Sequence[Info], words: str) -> list[Info]:
    """The sessions with all the words in their title, folder or model."""
    wanted = words.lower().split()
    return [info for info in sessions if all(word in _told(info).lower() for word in wanted)]


def _told(info: Info) -> str:
    return clean(f"{info.title} ({info.model})" if info.model else info.title, newlines=False)


def _ago(at: float) -> str:
    from arawn.render.sessions import ago

    return ago(time.time() - at)
