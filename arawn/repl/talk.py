"""The chat on a terminal: what is typed, at the prompt or while an answer comes, and what becomes of it."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, TextIO

from arawn.errors import ArawnError
from arawn.render.foot import Foot
from arawn.render.terminal import redraws
from arawn.repl import mentions, using
from arawn.repl.below import Below
from arawn.repl.commands import registry
from arawn.repl.listening import Listener
from arawn.repl.prompt.drafts import Draft
from arawn.repl.prompt.editor import Around, Editor, Feel
from arawn.repl.prompt.folds import Folds
from arawn.repl.tidying import tidy
from arawn.repl.typed import Typed, told
from arawn.snippets import expand

if TYPE_CHECKING:
    from arawn.repl.chat import Chat
    from arawn.repl.loop import Repl
    from arawn.repl.signals import Signals
    from arawn.repl.typeahead import Quiet

TOLD = 60
"""Characters of a queued message that are told."""


class Talk:
    """One chat on the terminal `source`, whose modes `quiet` rules between prompts."""

    def __init__(self, repl: Repl, chat: Chat, signals: Signals, source: TextIO, quiet: Quiet) -> None:
        self._repl = repl
        self._chat = chat
        self._signals = signals
        self._quiet = quiet
        self._folds = Folds()
        self._typed = Typed(self._folds)
        self._go_on = True
        self._secrets: dict[int, tuple[int, bool]] = {}
        history = chat.history_file
        self._draft = Draft(history.parent / "drafts" if history else None, _name_of(source))
        self._below = Below(repl, chat, lambda: self.editor.vi_mode)
        settings = chat.settings
        theme = settings.look.theme
        self.editor = Editor(
            source=source,
            out=chat.out,
            feel=Feel(
                settings.look.color,
                settings.editing_mode,
                self._below.line if self._below.on else None,
                settings.look.accessible,
                lambda: theme.words("prompt") if theme is not None else "bold cyan",
            ),
            around=Around(
                candidates=lambda text: registry.candidates(repl, text),
                snippets=lambda: settings.snippets,
                secret=self._is_secret,
                picture=self._picture,
                tell=chat.status.note,
                fault=repl.screen.fault,
            ),
            history=history,
            signals=signals,
            quiet=quiet,
            folds=self._folds,
            draft=self._draft,
            env=chat.env,
        )
        self._below.grown = self.editor.refresh
        if not settings.look.accessible and redraws(chat.env):
            repl.screen.foot = Foot(chat.out, self._told, partial(chat.status.styled, "dim"))
            chat.status.beside = self._told
        repl.listening = Listener(quiet, self._typed, signals.correct, self._heard).listening

    def run(self) -> int:
        """Talk until the person leaves; the exit code."""
        restored = self._draft.restore()
        if restored:
            self._repl.draft = restored
            self._chat.status.note("what you had typed when the last chat broke off is in the prompt again")
        while not self._signals.leave:
            try:
                code = self._next()
            except KeyboardInterrupt:
                if self._signals.press() or self._signals.leave:
                    return 130
                self._repl.screen.say("(Ctrl-D or /quit to leave)")
                continue
            except EOFError:
                code = registry.LEAVE
            if code is not None:
                self._repl.screen.say("Goodbye!")
                return code
        return 130

    # ---- what comes next

    def _next(self) -> int | None:
        """What waits, else what is typed now; an exit code where it means: leave."""
        typed = self._typed
        corrects, eof = typed.corrects, typed.eof
        queue, rest = typed.take()
        if queue and (corrects or self._go_on):
            text, *typed.queue = queue
            typed.text = rest
            self._chat.status.note(f"{'correction' if corrects else 'queued'}: {_short(text)}")
            return self._one(text)
        if queue:
            self._chat.status.note("what was queued is in the prompt")
        draft, self._repl.draft = self._repl.draft, ""
        draft = "\n".join(part for part in (draft, *queue, rest) if part)
        if eof and not draft:
            raise EOFError
        self._below.look()
        return self._one(self.editor.read(draft, self._below.mode, bool(queue and not rest)))

    def _one(self, text: str) -> int | None:
        """One message or command; an exit code where it means: leave."""
        said = text.strip()
        if not said:
            return None
        if said in registry.PARTING:
            return registry.LEAVE
        repl = self._repl
        repl.screen.code, repl.stopped = 0, False
        code = None
        try:
            if said.startswith("!") and not said.startswith("!!"):
                self._shell(self._folds.unfold(said[1:]).strip())
            elif said.startswith("/") and not said.startswith("//"):
                code = repl.command(self._folds.unfold(said))
            else:
                self._message(text)
        except ArawnError as fault:
            repl.screen.fault(fault)
        self._go_on = not repl.stopped and not repl.screen.code
        self._keep()
        return code

    def _message(self, text: str) -> None:
        """Send what was typed with what it names. Raises, and has it back in the prompt, what keeps it."""
        repl, typed = self._repl, text.strip("\n")
        if typed.lstrip().startswith(("//", "!!")):
            typed = typed.lstrip()[1:]
        self._signals.begin()
        try:
            files = repl.patient(lambda: mentions.take(typed, repl.taken, repl.attached))
        except KeyboardInterrupt:
            repl.draft, repl.stopped = text, True
            return
        except ArawnError:
            repl.draft = text
            raise
        if files:
            self._chat.status.note(mentions.told(files))
        try:
            repl.message(self._folds.unfold(expand(typed, self._chat.settings.snippets)), files)
        except ArawnError:
            repl.draft = text
            raise

    # ---- the shell

    def _shell(self, command: str) -> None:
        """Run a command; what it wrote is sent along only where the person says so."""
        from arawn.attach import Attachment
        from arawn.repl import shell

        if not command:
            self._repl.screen.say("A command of your shell stands behind the !, for example: !ls")
            return
        self._chat.out.flush()
        ran = shell.run(command, self._chat.env, self._quiet, self._signals)
        if self._signals.ended:
            raise self._signals.ended
        if ran.open_line:
            self._repl.screen.say("")
        self._chat.status.note(shell.told(ran))
        if not ran.output or not self._yes("Send this output along with the next message? y/N "):
            return
        text = f"$ {command}\n{ran.output}\n[{shell.told(ran)}]"
        self._repl.attached.append(Attachment("output of a command", len(ran.output.encode()), text))
        self._repl.screen.say("It goes with the next message; /attach - drops it.")

    def _yes(self, question: str) -> bool:
        """Whether the next key is y, alone; any other text than n begins the next message."""
        out = self._chat.out
        out.write(question)
        out.flush()
        self._signals.begin()
        try:
            key = self._repl.patient(self._quiet.key)
        except KeyboardInterrupt:
            key = ""
        text = tidy(key).strip("\n")
        yes = text in ("y", "Y")
        out.write("yes\n" if yes else "no\n")
        out.flush()
        self._repl.draft = "" if text in ("y", "Y", "n", "N") else text
        return yes

    # ---- what the editor asks

    def _picture(self) -> str:
        """Take the picture on the clipboard along; a line that tells it. Raises an ArawnError."""
        from arawn.attach import from_bytes
        from arawn.clipboard import paste_image

        file = from_bytes(paste_image(self._chat.env), "clipboard.png")
        if file.part is not None:
            using.check(self._repl, (file.part,))
        self._repl.attached.append(file)
        return f"with the next message: {file.name} ({file.kind}, {mentions.size(file.size)})"

    def _is_secret(self, text: str) -> bool:
        """Whether a text, or a paste whose mark is in it, looks like it holds a key."""
        return self._redacts(text) or any(
            self._is_secret_paste(span.number) for span in self._folds.spans(text)
        )

    def _is_secret_paste(self, number: int) -> bool:
        """As above; a long paste takes a moment, so each is looked through once."""
        text = self._folds.text(number)
        length, found = self._secrets.get(number, (-1, False))
        if length != len(text):
            found = self._redacts(text)
            self._secrets[number] = len(text), found
        return found

    def _redacts(self, text: str) -> bool:
        return self._repl.app.redact(text) != text

    def _heard(self) -> None:
        """Something was typed while an answer comes."""
        if self._repl.screen.foot is not None:
            self._repl.screen.foot.renew()
        self._keep()

    def _told(self, columns: int) -> str:
        """What is typed and not sent, in so many columns."""
        return told(self._typed.queue, self._typed.text, columns, self._repl.screen.ascii)

    def _keep(self) -> None:
        """Keep what is typed but not sent, so that a crash does not take it."""
        text = self._typed.everything
        self._draft.write("" if text and self._is_secret(text) else self._folds.unfold(text))


def _short(text: str) -> str:
    """The first line of a message, as far as it can be told in a line."""
    first, _, more = text.strip().partition("\n")
    return first[:TOLD] + (" …" if more or len(first) > TOLD else "")


def _name_of(source: TextIO) -> str:
    try:
        return os.ttyname(source.fileno())
    except (OSError, AttributeError, ValueError):
        return ""
