"""A conversation and its turns: ask, yield what comes, remember it; it knows only ports and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from arawn.errors import Cut, EmptyAnswer, Incomplete, Refused, ServiceFault
from arawn.events import Collector, Event, Reasoning, Reply, Text, ToolCall
from arawn.messages import (
    Effort,
    FilePart,
    Format,
    Message,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    answered,
    user,
)
from arawn.ports import Backend


class Conversation:
    """Messages said so far, and the settings that go with every request (None: the backend decides)."""

    def __init__(
        self,
        *,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        stop: tuple[str, ...] = (),
        reasoning: Effort | int | None = None,
        format: Format | None = None,
        stream: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.messages: tuple[Message, ...] = ()
        self.system = system
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.top_p = top_p
        self.stop = stop
        self.reasoning: Effort | int | None = reasoning
        self.format = format
        self.stream = stream
        self.extra = extra or {}

    def ask(self, backend: Backend, text: str, files: tuple[FilePart, ...] = ()) -> Iterator[Event]:
        """Say `text`, with `files`, and yield the reply.

        The message is remembered at once and the answer as far as it came, however the turn ends.
        Raises a ServiceFault after the last event where the answer is not whole (see `verdict`).
        """
        self.messages = (*self.messages, user(text, files))
        return self._turn(backend)

    @property
    def can_retry(self) -> bool:
        """Whether there is something to ask again."""
        return any(message.role == "user" for message in self.messages)

    def retry(self, backend: Backend) -> Iterator[Event]:
        """Drop what answered the last user message and ask it again; nothing happens without one."""
        kept = self.messages
        while kept and kept[-1].role != "user":
            kept = kept[:-1]
        if not kept:
            return iter(())
        self.messages = kept
        return self._turn(backend)

    def clear(self) -> None:
        """Forget what was said; the system prompt stays."""
        self.messages = ()

    def _turn(self, backend: Backend) -> Iterator[Event]:
        request = Request(
            answered(self.messages), self.system, self.max_tokens, self.temperature, self.top_p, self.stop,
            format=self.format, reasoning=self.reasoning, stream=self.stream, extra=self.extra,
        )  # fmt: skip
        collector = Collector()
        asked = self.messages
        try:
            for event in backend.stream(request):
                collector.add(event)
                yield event
        finally:
            answer = _answer(collector.reply, (backend.name, backend.model))
            if answer.parts and self.messages is asked:
                self.messages = (*asked, answer)
        fault = verdict(collector.reply, backend.name)
        if fault is not None:
            raise fault


def _answer(reply: Reply, origin: tuple[str, str]) -> Message:
    """The message to remember, its parts in the order they came.

    Of a reply that was cut only text and reasoning stay: half a signature, or a call without its
    result, would make the next request fail.
    """
    whole = reply.finish is not None
    parts: list[Part] = []
    for event in reply.parts:
        match event:
            case Text():
                parts.append(TextPart(event.text))
            case Reasoning():
                parts.append(ReasoningPart(event.text, event.opaque if whole else None, origin))
            case ToolCall() if whole:
                parts.append(ToolCallPart(event.id, event.name, event.arguments, event.opaque, origin))
    said = any(isinstance(part, TextPart | ToolCallPart) for part in parts)
    return Message("assistant", tuple(parts) if said else ())


def verdict(reply: Reply, backend: str) -> ServiceFault | None:
    """What keeps a reply that came to its end from being a whole answer; None where nothing does."""
    finish = reply.finish
    if finish is None:
        return EmptyAnswer(f'Backend "{backend}" ended without an answer')
    if finish.refusal or finish.reason == "refusal":
        return Refused("The model refused to answer", detail=finish.refusal or "")
    if finish.reason == "content_filter":
        return Refused(
            f'The content filter of backend "{backend}" stopped the answer',
            hints=("word the question otherwise",),
        )
    if finish.reason == "length":
        return Incomplete(
            "The answer was cut off at the token limit",
            hints=("raise it: -o backends." + backend + ".max_tokens=N", "or ask for a shorter answer"),
        )
    if finish.reason == "error":
        return Cut(
            f'Backend "{backend}" broke off its answer',
            detail=finish.raw,
            hints=("what came is above", "ask again") if reply.text else ("ask again",),
        )
    if not reply.text.strip() and not reply.tool_calls:
        return _empty(reply, backend)
    return None


def _empty(reply: Reply, backend: str) -> EmptyAnswer:
    if reply.reasoning:
        return EmptyAnswer(f'Backend "{backend}" sent reasoning but no answer', hints=("ask again",))
    return EmptyAnswer(
        f'Backend "{backend}" gave an empty answer', hints=("ask again", "or try another model: --model NAME")
    )
