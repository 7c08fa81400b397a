"""One question outside of any conversation: asked, collected, priced; it does not know where it came from."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from arawn.app import App, Opened
from arawn.engine import origin_of, receipt_of, verdict
from arawn.errors import ArawnError
from arawn.events import Collector, Event, Reply, close
from arawn.messages import Message, Request, TextPart
from arawn.session import Receipt, Turn


class Answer(NamedTuple):
    """What came of a question: `fault` is None where it is whole. `at` is seconds since 1970."""

    reply: Reply
    receipt: Receipt
    fault: ArawnError | None
    at: float

    @property
    def ok(self) -> bool:
        """Whether the answer is whole."""
        return self.fault is None and self.receipt.finish != "interrupted"

    def turn(self, request: Request) -> Turn:
        """The question, as far as it was said last, and its answer, to be kept in a session."""
        messages = request.messages[-1:]
        if self.reply.text:
            messages = (*messages, Message("assistant", (TextPart(self.reply.text),)))
        return Turn("", None, messages, self.receipt, self.at)


def ask(
    app: App,
    opened: Opened,
    request: Request,
    tell: Callable[[Event], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Answer:
    """Ask `opened`, which `app` opened. `tell` gets each event; once `stopped` says so no more is read."""
    collector = Collector()
    fault: ArawnError | None = None
    at, left = time.time(), False
    events = opened.backend.stream(request)
    try:
        for event in events:
            collector.add(event)
            if tell is not None:
                tell(event)
            if stopped():
                left = True
                break
        else:
            fault = verdict(collector.reply, opened.name)
    except ArawnError as error:
        fault = error
    finally:
        close(events)
    reply = collector.reply
    said = {"max_tokens": request.max_tokens, "temperature": request.temperature, "system": request.system}
    settings = {key: value for key, value in said.items() if value is not None}
    origin = origin_of(reply, opened.backend, left)
    return Answer(reply, app.priced(receipt_of(reply, origin, fault, left, settings)), fault, at)
