"""What is said: messages, their parts, and a request. Frozen values that know no wire format."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

NOTHING: Mapping[str, Any] = MappingProxyType({})
Role = Literal["user", "assistant", "tool"]


class TextPart(NamedTuple):
    """Plain text, as the person or the model wrote it."""

    text: str


class ReasoningPart(NamedTuple):
    """A model's reasoning. `opaque` (signatures, encrypted blocks) goes back only to `origin`.

    `origin` is (backend name, model); `opaque` is in the dialect's own shape.
    """

    text: str
    opaque: Mapping[str, Any] | None = None
    origin: tuple[str, str] = ("", "")


class ToolCallPart(NamedTuple):
    """A tool call of the model. `arguments` is the JSON text as it came, valid or not."""

    id: str
    name: str
    arguments: str


class ToolResultPart(NamedTuple):
    """What a tool answered to the call `call_id`."""

    call_id: str
    name: str
    content: str
    failed: bool = False


Part = TextPart | ReasoningPart | ToolCallPart | ToolResultPart


class Message(NamedTuple):
    """One message of a conversation; the system prompt is not one, it stands in the Request."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All text parts joined, nothing else."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


class ToolSpec(NamedTuple):
    """A tool the model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Request(NamedTuple):
    """Everything a backend needs to answer; None means: not said, the service decides."""

    messages: tuple[Message, ...]
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    stream: bool = True
    extra: Mapping[str, Any] = NOTHING


def user(text: str) -> Message:
    """A user message of plain text."""
    return Message("user", (TextPart(text),))
