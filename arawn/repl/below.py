"""What the prompt tells of the chat: its mode, and the line below it; it never makes the typing wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from arawn.messages import Message
from arawn.render.safe import clean
from arawn.render.terminal import redraws
from arawn.repl.toolbar import Bar, fitted
from arawn.session import MAIN
from arawn.threads import start

if TYPE_CHECKING:
    from arawn.ports import Planner
    from arawn.repl.chat import Chat
    from arawn.repl.loop import Repl

EMPTY = Message("user", ())


class Below:
    """The line of one chat. `grown` is called, in any thread, when it tells more than it did."""

    def __init__(self, repl: Repl, chat: Chat, vi_mode: Callable[[], str]) -> None:
        self._repl = repl
        self._chat = chat
        self._vi_mode = vi_mode
        self.grown: Callable[[], None] = lambda: None
        self._windows: dict[tuple[str, str], int | None] = {}
        self._used: int | None = None
        self._cost: float | None = None

    @property
    def on(self) -> bool:
        """Whether there is such a line here."""
        settings, env = self._chat.settings, self._chat.env
        return settings.toolbar and not settings.look.accessible and redraws(env)

    @property
    def mode(self) -> tuple[str, ...]:
        """What is not as usual with what is said next."""
        repl = self._repl
        modes = (
            repl.role.name if repl.role is not None else "",
            "json" if repl.conversation.format is not None else "",
            "private" if self._chat.settings.private else "",
        )
        return tuple(clean(mode, newlines=False) for mode in modes if mode)

    def look(self) -> None:
        """Take in what is known now, before a prompt: while one is typed in only little is looked up."""
        repl = self._repl
        session = repl.session
        last = session.turns.get(session.head or "")
        usage = last.receipt.usage if last is not None and last.kind == "said" else None
        counted = usage is not None and usage.input is not None
        self._used = (usage.input or 0) + (usage.output or 0) if usage is not None and counted else None
        costs = [
            turn.receipt.cost_usd for turn in session.turns.values() if turn.receipt.cost_usd is not None
        ]
        self._cost = sum(costs) if costs else None
        asked = (repl.opened.name, repl.opened.model)
        planner = repl.conversation.planner
        unknown = asked not in self._windows or not counted
        if self.on and session.turns and planner is not None and unknown:
            self._windows.setdefault(asked, None)
            start(threading.Thread(target=self._find_window, args=(asked, planner), daemon=True))

    def _find_window(self, asked: tuple[str, str], planner: Planner) -> None:
        with suppress(Exception):  # it is only not told then; whoever sends something learns why
            outlook = planner.outlook(self._repl.conversation.asked(self._repl.opened.backend, EMPTY))
            self._windows[asked] = outlook.window
            self._used = outlook.total if self._used is None else self._used
        self.grown()

    def line(self, columns: int) -> str:
        """The line below the prompt, for so many columns."""
        repl = self._repl
        branch, files, vi_mode = repl.session.branch, len(repl.attached), self._vi_mode()
        state = (
            *self.mode,
            f"branch {branch}" if branch not in (None, MAIN) else "",
            f"{files} file{'s' if files > 1 else ''} attached" if files else "",
            f"vi {vi_mode}" if vi_mode else "",
        )
        opened = repl.opened
        window = self._windows.get((opened.name, opened.model))
        names = [clean(name, newlines=False) for name in (opened.name, opened.model, *filter(None, state))]
        shown = Bar(names[0], names[1], self._used, window, self._cost, tuple(names[2:]))
        return fitted(shown, columns, repl.screen.ascii)
