"""What `cmd` and `fix` share: a command is asked of a model, and given to a pipe, a key or a person."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.cli.context import is_terminal
from arawn.errors import ArawnError, ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arawn.app import Opened
    from arawn.cli.answer import Form
    from arawn.cli.context import Context
    from arawn.cli.prompt import Prompt
    from arawn.events import Event, Reply
    from arawn.extract import Proposal
    from arawn.keeping import Keeper
    from arawn.session import Session
    from arawn.shell.place import Place

COMMAND = """You turn a request into one shell command.
{place}.
Answer with one fenced code block that holds one command for that shell, on one line where that is possible,
and with nothing else: no explanation, no second choice. A pipeline, or commands joined by && or ;, count as
one. Use programs that such a system has by itself where they suffice. If no command can do it, answer with
one sentence that says why, and without any code block."""
MENDED = """You mend a shell command that failed or did not do what was meant.
{place}.
Answer with one fenced code block that holds the corrected command for that shell, on one line where that is
possible, and with nothing else. Change no more than is needed. If it cannot be mended, answer with one
sentence that says why, and without any code block."""
EXPLAINED = """You explain a shell command to somebody who is about to run it.
{place}.
Say in one sentence what it does, then what each part means, shortly. If it deletes, overwrites, sends,
installs or needs other rights, say what, first. Do not run anything and ask nothing back."""


class Ways(NamedTuple):
    """How a command is to be had. `widget`: for a key of the shell, which shows errors itself."""

    shell: str = ""
    json: bool = False
    widget: bool = False
    keep: bool = True
    private: bool = False


class Asking:
    """One run of `cmd` or `fix`: asks, explains, and tells how it went."""

    def __init__(self, context: Context, ways: Ways) -> None:
        from arawn.shell.place import here

        self.context = context
        self.ways = ways
        self.place: Place = here(context.env, ways.shell)
        self._introduced = False

    def introduce(self, opened: Opened) -> None:
        """Say once what the config has to say, and who is asked."""
        if not self._introduced:
            self.context.warned()
            self.context.status.note(f"{opened.name} · {opened.model} ({opened.why})")
        self._introduced = True

    def command(self, system: str, prompt: Prompt) -> Proposal:
        """The command that the model proposes. Raises ArawnError where it proposes none, or failed."""
        from arawn.cli.answer import Showing
        from arawn.extract import proposal

        reply: Reply | None = None
        found: Proposal | None = None
        fault: ArawnError | None = None
        stopped = True
        with _Turn(self, system, prompt) as turn:
            showing = Showing("json", self.context, turn.opened)
            try:
                showing.run(turn.events)
                reply = showing.collector.reply
                found = self._checked(proposal(reply.text), reply.text)
                stopped = False
            except ArawnError as error:
                fault, stopped = error, False
                raise
            finally:
                if self.ways.json:
                    self._document(turn, reply or showing.collector.reply, found, fault, stopped)
        if found.beside:
            self.context.status.note("the answer also said: " + _clipped(found.beside))
        return found

    def explain(self, command: str, form: Form = "text") -> None:
        """Show on standard output what a command does. Raises ArawnError."""
        from arawn.cli.answer import show
        from arawn.cli.prompt import Prompt

        with _Turn(self, EXPLAINED, Prompt(f"Explain:\n\n{fenced(command)}")) as turn:
            show(self.context, turn.opened, turn.events, form, turn.session)

    def _checked(self, found: Proposal | None, answer: str) -> Proposal:
        """A proposal that may be handed on."""
        if found is None:
            raise ArawnError("The answer holds no command", detail=answer.strip())
        if self.ways.json or self.ways.widget or not is_terminal(sys.stdout):
            self.check(found.command)
        return found

    def check(self, command: str) -> None:
        """Raises ArawnError where a command that nobody is shown first holds what nobody would see."""
        from arawn.cli.choose import hidden, visible

        if hidden(command):
            raise ArawnError(
                f"The command holds characters that cannot be seen, and is not handed on: {visible(command)}"
            )

    def _document(
        self, turn: _Turn, reply: Reply, found: Proposal | None, fault: ArawnError | None, stopped: bool
    ) -> None:
        from arawn.render.document import document, dump

        opened, session = turn.opened, turn.session
        made: dict[str, Any] = document(
            reply, backend=opened.name, provider=opened.provider, model=opened.model, fault=fault,
            redact=self.context.redact, interrupted=stopped, turn=session.turns.get(session.latest or ""),
        )  # fmt: skip
        self.context.printed = True
        print(dump({**made, "command": found.command if found else None}), flush=True)


class _Turn:
    """A question on its own: a session is opened for it, and settled and closed however it ends."""

    opened: Opened
    events: Iterator[Event]
    session: Session
    keeper: Keeper

    def __init__(self, asking: Asking, system: str, prompt: Prompt) -> None:
        self._asking, self._system, self._prompt = asking, system, prompt

    def __enter__(self) -> _Turn:
        from arawn.cli.keep import open_for
        from arawn.engine import Conversation
        from arawn.providers import GUIDE
        from arawn.session import ASIDE

        context, ways = self._asking.context, self._asking.ways
        system = self._system.format(place=self._asking.place)
        context.app.private = ways.private
        why = context.route("code_generation")
        self.keeper = context.app.keeper(ways.keep)
        self.keeper.place = self.keeper.place._replace(terminal=ASIDE)
        self.session = self.keeper.new(system)
        conversation = Conversation(
            self.session, journal=self.keeper, planner=context.app.planner(self.keeper)
        )
        opened = open_for(context, self.session)
        self.opened = opened._replace(why=why or opened.why)
        if self.opened.provider == GUIDE:
            raise ConfigFault(
                "No backend is set up, and the offline guide makes no commands", hints=("arawn config init",)
            )
        self._asking.introduce(self.opened)
        self.events = conversation.ask(self.opened.backend, self._prompt.text, self._prompt.parts)
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.backend.close()
        self.keeper.settle()


def deliver(asking: Asking, found: Proposal) -> int:
    """Hand a command on: alone into a pipe, with choices on a terminal; never run unasked. The exit code."""
    if asking.ways.json:
        return 0
    if is_terminal(sys.stdout) and not asking.ways.widget:
        from arawn.cli.choose import Choosing, opened_terminal

        terminal = opened_terminal()
        if terminal is not None:
            with terminal:
                command = Choosing(asking, terminal).run(found.command)
            return 1 if command is None else _run(asking, command)
    asking.check(found.command)
    print(found.command, flush=True)
    return 0


def _run(asking: Asking, command: str) -> int:
    """Let the person's shell run a command in our place, so that its exit code and its keys are its own."""
    import os
    import signal

    from arawn.cli.hooks import core_dump_as_before
    from arawn.shell.place import run_with

    program = [*run_with(os.environ, asking.ways.shell), command]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if os.name != "posix":
        import subprocess

        return subprocess.run(program, check=False).returncode
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores these, and what is run in its place would, too
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    core_dump_as_before()
    os.execv(program[0], program)


def told(context: Context, fault: ArawnError) -> int:
    """Tell a fault to a key of the shell, which shows what stands on standard output. The exit code."""
    from arawn.render.safe import clean

    lines = [fault.sentence, *([fault.detail] if fault.detail else []), *fault.hints[:1]]
    for line in lines:
        print("arawn: " + clean(context.redact(line), newlines=False, limit=300))
    sys.stdout.flush()
    return fault.exit_code


def fenced(text: str) -> str:
    """`text` in a fence that nothing in it closes."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "…"
