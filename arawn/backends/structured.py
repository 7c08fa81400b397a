"""A backend that answers in JSON of a given shape, or fails: a ladder of ways around any other backend.

native: the service itself holds the answer to the schema; tool: the answer is the arguments of a tool that
must be called; prompt: the schema stands in the system prompt. What comes is validated here in each case.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from arawn.errors import InvalidAnswer, Refused, ServiceFault
from arawn.events import Collector, Event, Finish, Notice, Reply, Text, ToolCall, Usage
from arawn.messages import Format, Message, Request, TextPart, ToolSpec, user
from arawn.ports import Backend
from arawn.structure import Shape

RUNGS = ("native", "tool", "prompt")
LABELS = {"native": "native schema", "tool": "forced tool", "prompt": "prompt"}
REPAIRS = 2
NOT_TAKEN = (400, 404, 405, 415, 422, 501)
"""Statuses by which a service says that it does not know a way to ask."""


class Structured:
    """Answers requests whose `format` is set; Text comes once, when it is valid JSON of the right shape.

    `options` are the backend's: `rungs`, `json_mode`, `tool_excludes_reasoning`.
    """

    def __init__(self, inner: Backend, form: Format, options: Mapping[str, Any]) -> None:
        self._inner = inner
        self._form = form
        self._options = options
        self._shape = Shape(form.schema)
        self.name = inner.name
        self.model = inner.model

    def close(self) -> None:
        """Close what is inside."""
        self._inner.close()

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply by the first way that the service takes.

        Raises InvalidAnswer, after the last text, where no repair helped; else what the service raised.
        """
        rungs = self._rungs(request)
        course = _Course()
        for rung in rungs:
            try:
                yield from self._climb(rung, request, course)
                return
            except Refused as fault:
                if rung == rungs[-1] or fault.status not in NOT_TAKEN or course.answered:
                    raise
                yield Notice(f"{self.name} does not take JSON by {LABELS[rung]}; asking another way")

    def _rungs(self, request: Request) -> tuple[str, ...]:
        rungs = tuple(self._options.get("rungs", RUNGS))
        if self._form.schema is None:  # for JSON of any shape there is nothing to make a tool of
            rungs = tuple(rung for rung in rungs if rung != "tool")
            if not self._options.get("json_mode", True):
                rungs = ("prompt",)
        thinks = request.reasoning not in (None, "off", 0)
        if thinks and self._options.get("tool_excludes_reasoning"):
            rungs = tuple(rung for rung in rungs if rung != "tool")
        return rungs or ("prompt",)

    def _asked(self, rung: str, request: Request) -> Request:
        schema = self._form.schema
        match rung:
            case "native":
                return request._replace(format=self._form)
            case "tool" if schema is not None:
                parameters = schema if _is_object(schema) else _wrapped(schema)
                tool = ToolSpec(self._form.name, "Give the answer.", parameters)
                return request._replace(format=None, tools=(tool,), tool_choice=tool.name)
        wanted = "Answer with JSON alone: no words around it, no fence."
        if schema is not None:
            wanted += " It must fit this JSON Schema:\n" + json.dumps(schema, ensure_ascii=False)
        system = f"{request.system}\n\n{wanted}" if request.system else wanted
        return request._replace(
            format=Format() if self._options.get("json_mode", True) else None, system=system
        )

    def _climb(self, rung: str, request: Request, course: _Course) -> Iterator[Event]:
        """One way, with its repairs."""
        asked = self._asked(rung, request)
        while True:
            reply = yield from self._once(asked, course)
            if reply.finish is None or reply.finish.reason not in ("stop", "tool_calls"):
                yield from _as_it_is(reply, course)
                return
            text = self._text(reply, rung)
            outcome = self._shape.check(text)
            if not outcome.problem:
                yield Notice(f"JSON by {LABELS[rung]}{course.said()}")
                yield Text(outcome.text)
                yield course.usage()
                yield reply.finish._replace(reason="stop")
                return
            if course.repairs == REPAIRS:
                yield from _as_it_is(reply, course, text)
                raise InvalidAnswer(
                    f"The answer is not the JSON that was asked for: {outcome.problem}",
                    hints=("the schema: is it more than the model can do?", "or another model: --model NAME"),
                )
            course.repairs += 1
            yield Notice(f"not valid ({outcome.problem}); asking to mend it, {course.repairs} of {REPAIRS}")
            asked = asked._replace(messages=(*asked.messages, *_complaint(text, outcome.problem)))

    def _once(self, asked: Request, course: _Course) -> Generator[Event, None, Reply]:
        collector = Collector()
        try:
            for event in self._inner.stream(asked):
                collector.add(event)
                if isinstance(event, Text | ToolCall):
                    course.answered = True
                elif not isinstance(event, Usage | Finish):
                    yield event
        except ServiceFault:
            if collector.reply.text:
                yield Text(collector.reply.text)
            raise
        reply = collector.reply
        course.usages.append(reply.usage)
        return reply

    def _text(self, reply: Reply, rung: str) -> str:
        """Where the JSON is: the arguments of the call, or the text of a model that did not call."""
        if rung != "tool" or not reply.tool_calls:
            return reply.text
        arguments = reply.tool_calls[0].arguments
        if _is_object(self._form.schema):
            return arguments
        try:
            return json.dumps(json.loads(arguments)["value"], ensure_ascii=False)
        except (ValueError, KeyError, TypeError, RecursionError):
            return arguments


class _Course:
    """What one request has come to, over all ways and repairs."""

    def __init__(self) -> None:
        self.repairs = 0
        self.answered = False
        self.usages: list[Usage] = []

    def said(self) -> str:
        return f", after {self.repairs} repair{'s' * (self.repairs > 1)}" if self.repairs else ""

    def usage(self) -> Usage:
        """All turns together; a figure that no turn told stays unknown."""
        sums = []
        for figures in zip(*self.usages, strict=True):
            known = [figure for figure in figures if figure is not None]
            sums.append(sum(known) if known else None)
        return Usage(*sums)


def _is_object(schema: Mapping[str, Any] | None) -> bool:
    return schema is None or schema.get("type", "object") == "object"


def _wrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments must be an object: another value goes into one."""
    return {"type": "object", "properties": {"value": dict(schema)}, "required": ["value"]}


def _as_it_is(reply: Reply, course: _Course, text: str | None = None) -> Iterator[Event]:
    """A reply that is not what was wanted, whole, so that nothing is lost."""
    said = reply.text if text is None else text
    if said:
        yield Text(said)
    yield course.usage()
    if reply.finish is not None:
        yield reply.finish


def _complaint(text: str, problem: str) -> tuple[Message, ...]:
    said = Message("assistant", (TextPart(text),)) if text.strip() else None
    wish = user(f"That is not valid: {problem}. Answer again with the corrected JSON alone.")
    return (said, wish) if said else (wish,)
