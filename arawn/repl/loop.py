"""The loop of `arawn chat`: read, answer, again; it knows neither the config nor how backends are built."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from typing import TYPE_CHECKING, TextIO, TypeVar

from arawn import __version__
from arawn.errors import ArawnError
from arawn.events import Event
from arawn.messages import FilePart
from arawn.render.thoughts import Thoughts
from arawn.repl import backdrop, using
from arawn.repl.chat import Backends, Chat, Opened, Settings
from arawn.repl.commands import registry, tree
from arawn.repl.commands.settings import begun
from arawn.repl.known import Known
from arawn.repl.naming import Naming
from arawn.repl.screen import Screen
from arawn.repl.show import Show, advice, will_pass
from arawn.repl.signals import Ended, Signals
from arawn.repl.tidying import tidy
from arawn.repl.typeahead import Quiet
from arawn.session import Session
from arawn.snippets import expand
from arawn.threads import start

if TYPE_CHECKING:
    from arawn.attach import Attachment
    from arawn.ports import Backend
    from arawn.render.terminal import Guard
    from arawn.repl.prompt.editor import Editor

T = TypeVar("T")
SHOWN_S = 0.1
"""Seconds after which the prompt, which goes first, is there."""


def run(chat: Chat) -> int:
    """Talk until the person leaves; returns the exit code.

    0 after Ctrl-D or /quit, 130 after Ctrl-C twice, 143 and 129 after SIGTERM and SIGHUP. Without a
    terminal each line of the source is a turn, and the code is that of the last fault, else 0.
    """
    with ExitStack() as stack:
        source = chat.source if _isatty(chat.source) and _isatty(chat.out) else None
        guard = _guard(chat.env) if source is not None else None
        signals = stack.enter_context(Signals(guard.restore if guard else lambda: None))
        if isinstance(chat.out, io.TextIOWrapper):
            chat.out.reconfigure(errors="replace")  # an ASCII locale shall not end the chat
        repl = Repl(chat, signals)
        stack.callback(repl.close)
        try:
            if source is None:
                return repl.lines()
            if guard is None:
                return repl.plainly()
            stack.enter_context(guard)
            return repl.talk(source, stack.enter_context(Quiet(source.fileno())))
        except (Ended, OSError) as error:
            ended = error if isinstance(error, Ended) else signals.ended
            if ended is None:
                raise
            with suppress(OSError, ValueError):  # the terminal may be gone, that being why we end
                chat.status.clear()
            return ended.code


def _guard(env: Mapping[str, str]) -> Guard | None:
    """Puts right what escape sequences set; a dumb terminal, which knows none, is spared them."""
    from arawn.render.terminal import Guard, redraws

    return Guard() if redraws(env) else None


def _isatty(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


__all__ = ["Backends", "Chat", "Opened", "Repl", "Settings", "run"]


class Repl:
    """The state of one chat, and what slash commands may do to it."""

    def __init__(self, chat: Chat, signals: Signals) -> None:
        self.app: Backends = chat.app
        self.opened: Opened = chat.opened
        self.conversation = chat.conversation
        self.keeper = chat.keeper
        self.settings: Settings = chat.settings
        self.role = chat.settings.role
        self.plain = begun(self.role)
        self.draft = ""
        self._naming = Naming(chat.keeper, chat.app.title) if chat.keeper is not None else None
        self._chat = chat
        self._signals = signals
        self._editor: Editor | None = None
        self._attended = False
        self.status = chat.status
        self.attached: list[Attachment] = []
        self.thoughts = Thoughts(chat.status, chat.settings.reasoning)
        self.stopped = False
        self.listening: Callable[[], AbstractContextManager[None]] = nullcontext
        self.screen = Screen(chat)
        self.known: Known = Known(chat.app, chat.keeper, self._complete_again)

    def talk(self, source: TextIO, quiet: Quiet) -> int:
        """The loop on a terminal."""
        self._attended = True
        self._welcome()
        settle = backdrop.ask(self._chat, quiet)
        from arawn.repl.talk import Talk

        talk = Talk(self, self._chat, self._signals, source, quiet)
        self._editor = talk.editor
        self._warm()
        settle()
        return talk.run()

    def lines(self) -> int:
        """The loop without a terminal: a line is a turn, answers alone go to the output."""
        try:
            while (line := self._line()) is not None:
                code = self._one(line)
                if code is not None or self._signals.leave:
                    return 130 if self._signals.leave else code or self.screen.code
            return self.screen.code
        except KeyboardInterrupt:
            return 130

    def plainly(self) -> int:
        """The loop on a terminal that can only print: it edits lines itself, and knows no key of ours."""
        self._attended = True
        self._welcome()
        out, prompt = self._chat.out, "You: " if self.settings.look.accessible else "arawn> "
        while not self._signals.leave:
            try:
                draft, self.draft = self.draft, ""
                if draft:  # it cannot be put behind the prompt
                    self.screen.say(draft, whole=True)
                out.write(prompt)
                out.flush()
                line = self._line()
                code = registry.LEAVE if line is None else self._one(line)
            except KeyboardInterrupt:
                if self._signals.twice:
                    return 130
                self.screen.say("\n(Ctrl-D or /quit to leave)")
                continue
            if code is not None:
                self.screen.say("Goodbye!")
                return code
        return 130

    def _line(self) -> str | None:
        """The next line of the source, tidied; None at its end."""
        source = getattr(self._chat.source, "buffer", self._chat.source)
        line = self.patient(lambda: source.readline() if source is not None else "")
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
        return tidy(text.removeprefix("\ufeff")) if text else None

    def _one(self, text: str) -> int | None:
        """One message or command; an exit code where it means: leave."""
        said = text.strip()
        if not said:
            return None
        if said.startswith("/") and not said.startswith("//"):
            return self.command(said)
        if self._attended and said in registry.PARTING:
            return registry.LEAVE
        try:
            text = said[1:] if said.startswith("//") else text.strip("\n")
            self.message(expand(text, self.settings.snippets))
        except ArawnError as error:
            self.screen.fault(error)
        return None

    def message(self, text: str, files: Sequence[Attachment] = ()) -> None:
        """Send a message with what is attached, and these files. Raises, before it is sent, UsageFault."""
        text, parts = self._with_files(text, files)
        using.ask(self, self._chat, text, parts)

    def command(self, said: str) -> int | None:
        """Do what a slash command says; an exit code where it means: leave."""
        self._signals.begin()
        try:
            self._signals.waiting()
            return registry.run(self, said)
        except KeyboardInterrupt:
            self._chat.status.clear()
            if not self._attended:
                raise
            self.stopped = True
            return None
        except ArawnError as error:
            self.screen.fault(error)
            return None
        finally:
            self._signals.busy()

    def _with_files(self, text: str, more: Sequence[Attachment] = ()) -> tuple[str, tuple[FilePart, ...]]:
        """The message together with what was attached, which goes along once.

        Raises UsageFault, and keeps it, where the backend that was switched to meanwhile cannot take it.
        """
        files = [*self.attached, *more]
        if not files:
            return text, ()
        from arawn.attach import enclosed, parts

        using.check(self, parts(files))
        self.attached = []
        return "\n\n".join([text, *enclosed(files)]), parts(files)

    def attach(self, name: str) -> None:
        """Take a file or a web page along with the next message. Raises what `arawn.attach.take` raises."""
        from arawn.attach import as_typed

        self.attached.append(self.taken(as_typed(name)))

    def taken(self, name: str) -> Attachment:
        """A file or a web page that this backend can take. Raises what `arawn.attach.take` raises."""
        from arawn.attach import take

        file = take(name, self.app.fetch)
        if file.part is not None:
            using.check(self, (file.part,))
        return file

    def answer(self, events: Iterator[Event]) -> None:
        """Show a turn to its end. A fault is told, and the chat goes on."""
        chat, label = self._chat, f"Answer from {self.opened.name}, {self.opened.model}:"
        show = Show(
            chat.status,
            lambda: self.screen.growing(self.conversation.format is not None, label),
            self._signals,
            thoughts=self.thoughts,
            ending=chat.settings.ending if self._attended else None,
            turn=lambda: self.session.current,
            verbose=chat.settings.verbose,
        )
        with self.listening():
            fault = show.run(events, self.opened.waiting)
        self.stopped = show.stopped
        self.settled()
        if show.stopped and not self._attended:
            raise KeyboardInterrupt  # nobody is there to say what comes next
        asked = self.session.turns.get(self.session.head or "")
        if show.stopped and asked is not None and asked.kind == "said" and not asked.answer:
            chat.status.note("it goes along with what you say next; /undo takes it back")
        if fault is not None:
            self.screen.fault(fault)
            self._take_back(fault)
            if what_next := advice(fault, self.session.current):
                chat.status.note(what_next)

    def _take_back(self, fault: ArawnError) -> None:
        """What was not answered, and will not be by waiting, does not go along with what is said next."""
        session = self.session
        asked = session.turns.get(session.latest or "")
        if asked is not None and asked.id == session.head and not asked.answer and not will_pass(fault):
            session.step_back()
            self.moved()

    def settled(self) -> None:
        """A turn is over: it is stored, and a new session gets its title."""
        if self.keeper is not None:
            from arawn.store.files import impatient

            self._signals.begin()
            with impatient(lambda: self._signals.asked_to_stop):
                self.keeper.settle()
            self.stopped = self.stopped or self._signals.asked_to_stop
        if self._naming is not None:
            self._naming.after_turn(self.session)

    def patient(self, wait: Callable[[], T]) -> T:
        """What `wait` gives; Ctrl-C raises KeyboardInterrupt there, and from then on nowhere else."""
        self._signals.waiting()
        try:
            return wait()
        finally:
            self._signals.busy()

    def ask_back(self, question: str) -> str:
        """What the person answers; "" where nobody is there."""
        if self._editor is None:
            return ""
        from arawn.repl.prompt.asking_back import ask

        return ask(self._editor, question)

    @property
    def session(self) -> Session:
        """The session that is spoken in."""
        return self.conversation.session

    @session.setter
    def session(self, session: Session) -> None:
        self.conversation.session = session

    def begin_anew(self) -> None:
        """A new session with the settings and the system prompt of this one."""
        system = self.session.system
        self.session = self.keeper.new(system) if self.keeper is not None else Session(system=system)

    def moved(self) -> None:
        """The head went elsewhere: that is kept too."""
        if self.keeper is not None:
            self.keeper.moved(self.session)

    def ask_with(self, name: str, ask: Callable[[Backend], Iterator[Event]]) -> None:
        """Answer what was asked last by the backend `name` for once; by whom it is for without a name."""
        if not name:
            using.again(self, self._chat, ask)
            return
        before, self.opened = self.opened, self.app.open(name, None)
        try:
            self.tell_opened()
            self.answer(ask(self.opened.backend))
        finally:
            self.opened.backend.close()
            self.opened = before

    def pick_session(self) -> str:
        """The id of the session that the person chooses, "" for none; without a terminal they are told."""
        if self.keeper is None:
            return ""
        sessions = [info for info in self.keeper.store.listing(200) if info.id != self.session.id]
        if self._editor is None or not sessions:
            for info in sessions[:10]:
                self.screen.say(f"{info.id}  {info.title}")
            if not sessions:
                self.screen.say("There is no other session.")
            return ""
        from arawn.repl.prompt.picker import numbered, pick

        if self.settings.look.accessible:
            return numbered(sessions, self.screen.say, self.ask_back)
        return pick(self._editor, sessions, self.keeper.store.load)

    def tell_opened(self) -> None:
        """Which backend answers."""
        self.screen.say(f"Backend {self.opened.name} · model {self.opened.model}")

    def switch(self, backend: str | None, model: str | None) -> None:
        """Go on with another backend or model; the conversation stays. Raises an ArawnError."""
        before = self.opened
        self.opened = self.app.open(backend, model)
        self.settings = self.settings._replace(sight=None)
        before.backend.close()
        self.tell_opened()

    def fetch_models(self) -> list[str]:
        """The models of this backend, asked for now; Ctrl-C ends the wait."""
        self._chat.status.working(lambda: "asking for the models")
        try:
            return self.patient(lambda: self.known.fetch(self.opened))
        finally:
            self._chat.status.clear()

    def _complete_again(self) -> None:
        if self._editor is not None:
            self._editor.refresh_completion()

    def close(self) -> None:
        """Let go of the backend and the store."""
        self.opened.backend.close()
        if self._naming is not None:
            self._naming.close()
        if self.keeper is not None:
            self.keeper.close()

    def _welcome(self) -> None:
        self.screen.say(f"Arawn {__version__}")
        self.tell_opened()
        self.screen.say("/help for commands, Ctrl-D to leave")
        if self.session.turns:
            tree.show_session(self)

    def _warm(self) -> None:
        """Load what draws Markdown while the person is typing; a fault in it is told when it is used."""

        def load() -> None:
            time.sleep(SHOWN_S)
            with suppress(Exception):
                from arawn.render.markdown import warm

                warm()

        if self._chat.settings.look.markdown:
            start(threading.Thread(target=load, daemon=True))
