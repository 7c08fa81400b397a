"""A backend that answers in JSON of a given shape, or fails: a ladder of ways around any other backend.

native: the service itself holds the answer to the schema; tool: the answer is the arguments of a tool that
must be called; prompt: the schema stands in the system prompt. What comes is validated here in each case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from arawn.errors import InvalidAnswer, Overloaded, Refused, ServiceFault
from arawn.events import Collector, Event, Finish, Notice, Reply, Text, ToolCall, Usage, close, total
from arawn.messages import Format, Message, Request, TextPart, ToolSpec, user
from arawn.ports import Backend
from arawn.structure import Shape

RUNGS = ("native", "tool", "prompt")
PLAIN = "plain"
"""The last way: as `prompt`, without asking for the service's JSON mode."""
LABELS = {"native": "native schema", "tool": "forced tool", "prompt": "prompt", PLAIN: "prompt"}
REPAIRS = 2
NOT_TAKEN = (400, 404, 405, 415, 422, 501)
"""Statuses by which a service says that it does not know a way to ask."""
OF_THE_WAY = re.compile(r"schema|grammar|response_?format|json|format|tool|structured", re.I)
"""Words in a fault without such a status that tell the same: some servers fail over a schema with a 500."""
TOLD_BY_THE_ENGINE = ("length", "content_filter", "refusal")
"""Ends that need no look at the text: the engine says what they are."""


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
            except (Refused, Overloaded) as fault:
                if rung == rungs[-1] or course.answered or not _not_taken(fault):
                    raise
                yield Notice(f"{self.name} does not take JSON by {self._label(rung)}; asking another way")

    def _rungs(self, request: Request) -> tuple[str, ...]:
        """The ways for this request, best first; the last needs nothing of the service."""
        rungs = tuple(self._options.get("rungs", RUNGS))
        mode = self._options.get("json_mode", True)
        if self._form.schema is None:  # for JSON of any shape there is nothing to make a tool of
            return ("prompt", PLAIN) if mode else ("prompt",)
        thinks = request.reasoning not in (None, "off", 0)
        if thinks and self._options.get("tool_excludes_reasoning"):
            rungs = tuple(rung for rung in rungs if rung != "tool")
        rungs = rungs or ("prompt",)
        return (*rungs, PLAIN) if mode and rungs[-1] == "prompt" else rungs

    def _label(self, rung: str) -> str:
        if self._form.schema is None and rung == "prompt" and self._options.get("json_mode", True):
            return "native mode"
        return LABELS[rung]

    def _asked(self, rung: str, request: Request) -> Request:
        schema = self._form.schema
        match rung:
            case "native":
                return request._replace(format=self._form)
            case "tool" if schema is not None:
                parameters = {"type": "object", **schema} if _is_object(schema) else _wrapped(schema)
                tool = ToolSpec(self._form.name, "Give the answer.", parameters)
                return request._replace(format=None, tools=(tool,), tool_choice=tool.name)
        wanted = "Answer with JSON alone: no words around it, no fence."
        if schema is not None:
            wanted += " It must fit this JSON Schema:\n" + json.dumps(schema, ensure_ascii=False)
        system = f"{request.system}\n\n{wanted}" if request.system else wanted
        mode = rung != PLAIN and self._options.get("json_mode", True)
        return request._replace(format=Format() if mode else None, system=system)

    def _climb(self, rung: str, request: Request, course: _Course) -> Iterator[Event]:
        """One way, with its repairs."""
        asked = self._asked(rung, request)
        while True:
            reply = yield from self._once(asked, course, rung)
            text = self._text(reply, rung)
            finish = reply.finish
            if finish is None or finish.refusal or finish.reason in TOLD_BY_THE_ENGINE:
                yield from course.all_there_is(text, finish)
                return
            outcome = self._shape.check(text)
            if not outcome.problem:
                yield Notice(f"JSON by {self._label(rung)}{course.said()}")
                yield from course.all_there_is(outcome.text, finish._replace(reason="stop"))
                return
            if course.repairs == REPAIRS:
                yield from course.all_there_is(text, finish)
                raise InvalidAnswer(
                    f"The answer is not the JSON that was asked for: {outcome.problem}",
                    hints=("the schema: is it more than the model can do?", "or another model: --model NAME"),
                )
            course.repairs += 1
            course.last = text
            yield Notice(f"not valid ({outcome.problem}); asking to mend it, {course.repairs} of {REPAIRS}")
            asked = asked._replace(messages=(*asked.messages, *_complaint(text, outcome.problem)))

    def _once(self, asked: Request, course: _Course, rung: str) -> Generator[Event, None, Reply]:
        """One request; what is no part of the answer passes through. A fault comes after the last text."""
        collector = Collector()
        events = self._inner.stream(asked)
        try:
            for event in events:
                collector.add(event)
                if isinstance(event, Text | ToolCall):
                    course.answered = True
                elif not isinstance(event, Usage | Finish):
                    yield event
        except ServiceFault:
            text = self._text(collector.reply, rung) or course.last
            if course.answered:
                course.usages.append(collector.reply.usage)
                yield from course.all_there_is(text, None)
            raise
        finally:
            close(events)
        course.usages.append(collector.reply.usage)
        return collector.reply

    def _text(self, reply: Reply, rung: str) -> str:
        """Where the JSON is: the arguments of the calls, or the text of a model that did not call."""
        calls = [call.arguments for call in reply.tool_calls if rung == "tool"]
        if not calls:
            return reply.text
        return "\n".join(calls if _is_object(self._form.schema) else [_unwrapped(one) for one in calls])


class _Course:
    """What one request has come to, over all ways and repairs."""

    def __init__(self) -> None:
        self.repairs = 0
        self.answered = False
        self.last = ""
        self.usages: list[Usage] = []

    def said(self) -> str:
        return f", after {self.repairs} repair{'s' * (self.repairs > 1)}" if self.repairs else ""

    def all_there_is(self, text: str, finish: Finish | None) -> Iterator[Event]:
        """The end: a text that is whole or was not what was wanted, all usage, and how it ended."""
        if text:
            yield Text(text)
        yield total(self.usages)
        if finish is not None:
            yield finish


def _not_taken(fault: ServiceFault) -> bool:
    """Whether a fault is about the way of asking, so that another way may do."""
    if isinstance(fault, Refused) and fault.status in NOT_TAKEN:
        return True
    return fault.status in (None, 500) and bool(OF_THE_WAY.search(fault.detail))


def _is_object(schema: Mapping[str, Any] | None) -> bool:
    return schema is None or schema.get("type", "object" if "properties" in schema else "") == "object"


def _wrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments must be an object: another value goes into one, and what refers to the top goes along."""
    return {"type": "object", "properties": {"value": _moved(dict(schema))}, "required": ["value"]}


def _moved(part: Any) -> Any:
    if isinstance(part, Mapping):
        target = part.get("$ref")
        made = {name: _moved(value) for name, value in part.items()}
        if isinstance(target, str) and (target == "#" or target.startswith("#/")):
            made["$ref"] = "#/properties/value" + target[1:]
        return made
    return [_moved(one) for one in part] if isinstance(part, list) else part


def _unwrapped(arguments: str) -> str:
    try:
        value = json.loads(arguments)["value"]
        text = json.dumps(value, ensure_ascii=False)
        return text if text.isprintable() else json.dumps(value)  # half a character cannot be shown
    except (ValueError, KeyError, TypeError, RecursionError):
        return arguments


def _complaint(text: str, problem: str) -> tuple[Message, ...]:
    """The bad answer and what is wrong with it; never two messages of one role, which some refuse."""
    said = Message("assistant", (TextPart(text if text.strip() else "(no answer)"),))
    return said, user(f"That is not valid: {problem}. Answer again with the corrected JSON alone.")
