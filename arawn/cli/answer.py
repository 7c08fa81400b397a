"""Shows one reply as it comes: text to a pipe, Markdown to a terminal, or JSON; all else goes to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from arawn.cli.context import is_terminal, need_output
from arawn.errors import ArawnError, UsageFault
from arawn.events import (
    Attempt,
    Collector,
    Event,
    Finish,
    Notice,
    Progress,
    Reasoning,
    Text,
    ToolCall,
    Wait,
    close,
)
from arawn.render.thoughts import Thoughts

if TYPE_CHECKING:
    from arawn.app import Opened
    from arawn.cli.context import Context
    from arawn.events import Reply
    from arawn.messages import Effort
    from arawn.render.look import Sink
    from arawn.render.status import Status
    from arawn.session import Session

TELLING_S = 0.5

Form = Literal["text", "raw", "json", "jsonl", "extract", "extract-all"]


def form_of(**flags: bool) -> Form:
    """The form that the options ask for; --raw goes with all. Raises UsageFault for two others."""
    forms: tuple[Form, ...] = ("json", "jsonl", "extract", "extract-all")
    said = [form for form in forms if flags.get(form.replace("-", "_"))]
    if len(said) > 1:
        raise UsageFault(f"--{said[0]} and --{said[1]} exclude each other")
    return said[0] if said else "raw" if flags.get("raw") else "text"


def wanted_effort(text: str | None) -> Effort | int | None:
    """What `--reasoning` says. Raises UsageFault for another word."""
    if text is None:
        return None
    from arawn.config.values import BadValue, effort

    try:
        return effort(text)
    except BadValue as error:
        raise UsageFault(f"--reasoning: {error}") from None


class _Blocks:
    """Holds an answer back and prints its first fenced block, or all; the whole text where it has none."""

    def __init__(self, out: Sink, status: Status, *, every: bool) -> None:
        self._out = out
        self._status = status
        self._every = every
        self._pieces: list[str] = []
        self._told = time.monotonic()

    def feed(self, text: str) -> None:
        """Hold a piece back; a passing line says from time to time that something comes."""
        self._pieces.append(text)
        if time.monotonic() - self._told > TELLING_S:
            self._told = time.monotonic()
            self._status.passing(f"{sum(map(len, self._pieces)):,} characters so far")

    def close(self) -> None:
        """Print what there is."""
        from arawn import extract

        self._status.clear()
        text = "".join(self._pieces)
        found = (extract.every if self._every else extract.first)(text)
        if found is None and text.strip():
            self._status.note("there is no fenced block in the answer; this is all of it")
        self._out.feed(text if found is None else found)
        self._out.close()


class _Nowhere:
    """For `--json`: the text is in the document."""

    def feed(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def sink_for(form: Form, context: Context, opened: Opened | None = None) -> Sink:
    """The sink for standard output as it is now; `opened` says whose answer it is."""
    need_output()
    if form in ("json", "jsonl"):
        return _Nowhere()
    label = f"Answer from {opened.name}, {opened.model}:" if opened and form in ("text", "raw") else ""
    out = context.look.sink(sys.stdout, context.env, raw=form != "text", label=label)
    if form in ("extract", "extract-all"):
        return _Blocks(out, context.status, every=form == "extract-all")
    return out


class Showing:
    """Takes events one by one; `reply` is what came so far."""

    def __init__(self, form: Form, context: Context, opened: Opened) -> None:
        self.form: Form = form
        self.collector = Collector()
        self._sink = sink_for(form, context, opened)
        self._context = context
        self._opened = opened
        self._status: Status = context.status
        self._waiting = True
        self._begun = False
        self._later: list[Notice] = []
        self._thoughts = Thoughts(self._status, context.load().get("ui.reasoning"))

    def run(self, events: Iterator[Event]) -> None:
        """Show everything; the sink is closed however it ends, so nothing held back is lost."""
        self._status.working(self._opened.waiting)
        try:
            for event in events:
                self.take(event)
        finally:
            self._clear()
            self._sink.close()
            for notice in self._later:
                self._tell(notice)
            close(events)  # where Ctrl-C came between two events, nobody has told the service yet

    def show_before(self, text: str, seam: str) -> None:
        """What came of this answer earlier, and a line for people where it goes on."""
        if text:
            self.collector.add(Text(text))
            self._sink.feed(text)
            if is_terminal(sys.stdout):  # the seam gets a line of its own there
                self._sink.close()
                self._sink = sink_for(self.form, self._context, self._opened)
        if seam:
            self._status.note(f"[{seam}]")

    def take(self, event: Event) -> None:
        """Show one event."""
        self.collector.add(event)
        if type(event) is Text:
            if self._waiting:
                self._clear()
            self._begun = True
            self._sink.feed(event.text)
        else:
            self._aside(event)
        if self.form == "jsonl" and type(event) is not Progress:
            from arawn.render.document import dump, line

            print(dump(line(event)), flush=True)

    def _clear(self) -> None:
        self._waiting = False
        self._status.clear()
        self._thoughts.rest(self.collector.reply.usage.reasoning)

    def _step_aside(self) -> None:
        """From now on the status line has the screen: what stands there of the answer must not be torn."""
        self._waiting = True
        if self._begun and is_terminal(sys.stdout) and self.form in ("text", "raw"):
            self._begun = False
            self._sink.close()
            self._sink = sink_for(self.form, self._context, self._opened)

    def _tell(self, notice: Notice) -> None:
        (self._status.warn if notice.warning else self._status.note)(notice.text)

    def _notice(self, notice: Notice) -> None:
        """Told at once before the text, after it where a line in between would tear the text."""
        if self._begun and is_terminal(sys.stdout):
            self._later.append(notice)
        else:
            self._tell(notice)

    def _aside(self, event: Event) -> None:
        match event:
            case Reasoning() if event.text:
                if self._thoughts.mode != "hide" and self._status.tty:
                    self._step_aside()
                self._thoughts.feed(event.text)
            case Wait():
                self._step_aside()
                self._status.wait(event)
            case Progress() if not self._begun:
                self._status.stage(event.label)
            case Notice():
                self._notice(event)
            case ToolCall():
                said = f"the model asked for the tool {event.name}; no tool was offered or run"
                self._notice(Notice(said))
            case Attempt() if self._context.verbose:
                self._notice(Notice(event.told))
            case Finish():
                self._citations(event)
            case _:
                pass

    def _citations(self, finish: Finish) -> None:
        """Numbered links under the answer, on a terminal; a pipe gets the answer alone."""
        if not finish.citations or self.form != "text" or not is_terminal(sys.stdout):
            return
        lines = [
            f"{number}. {citation.get('title') or ''} {citation.get('url', '')}".replace("  ", " ")
            for number, citation in enumerate(finish.citations, 1)
        ]
        self._sink.feed("\n\n" + "\n".join(lines))


def show(
    context: Context,
    opened: Opened,
    events: Iterator[Event],
    form: Form,
    session: Session,
    has_data: bool = False,
    before: tuple[str, str] = ("", ""),
) -> None:
    """Show one turn of `session` whole. Raises what the turn raised, after the document if one is wanted.

    `has_data` says that a whole answer is JSON; `before` is what of it came earlier, and what to say there.
    """
    showing = Showing(form, context, opened)
    showing.show_before(*before)
    began = time.monotonic()
    fault: ArawnError | None = None
    stopped = True
    try:
        showing.run(events)
        stopped = False
    except ArawnError as error:
        fault, stopped = error, False
        turn = session.turns.get(session.latest or "")
        if session.id and turn is not None and turn.answer:
            way = "or go on with it" if error.hints else "go on with it"
            if turn.unfinished:
                error.hints = (*error.hints, f"{way}: arawn resume")
            elif turn.receipt.finish == "length":
                error.hints = (*error.hints, f"{way}: arawn resume {session.id}")
        raise
    finally:
        reply = showing.collector.reply
        if form in ("json", "jsonl"):
            _document(context, opened, reply, fault, stopped, form, session, has_data)
        elif stopped:
            if not isinstance(sys.exc_info()[1], BrokenPipeError):  # whoever read has left
                context.status.note("[stopped]")
        else:
            _afterwards(context, session, reply, fault, time.monotonic() - began)


def _document(
    context: Context,
    opened: Opened,
    reply: Reply,
    fault: ArawnError | None,
    stopped: bool,
    form: Form,
    session: Session,
    has_data: bool,
) -> None:
    from arawn.render.document import document, dump

    made = document(
        reply,
        backend=opened.name,
        provider=opened.provider,
        model=opened.model,
        fault=fault,
        redact=context.redact,
        interrupted=stopped,
        has_data=has_data,
        turn=session.turns.get(session.latest or ""),
    )
    context.printed = True
    print(dump({"type": "result", **made} if form == "jsonl" else made), flush=True)


def _afterwards(
    context: Context, session: Session, reply: Reply, fault: ArawnError | None, seconds: float
) -> None:
    """For people: who answered, tokens, cost, time; a pipe that collects stderr is spared it."""
    if not context.status.tty:
        return
    from arawn.render.ending import ending_of

    ending = ending_of(context.load().get)
    if fault is None:
        ending.tell(context.status, session.turns.get(session.latest or ""), reply.usage, seconds)
    ending.ring(context.status, seconds)
