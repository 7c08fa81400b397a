"""What is said: messages, their parts, and a request. Frozen values that know no wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class TextPart:
    """Plain text, as the person or the model wrote it."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """A model's reasoning. `opaque` (signatures, encrypted blocks) goes back only to `origin`.

    `origin` is (backend name, model); `opaque` is in the dialect's own shape.
    """

    text: str
    opaque: Mapping[str, Any] | None = None
    origin: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A tool call of the model. `arguments` is the JSON text as it came, valid or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """What a tool answered to the call `call_id`."""

    call_id: str
    name: str
    content: str
    failed: bool = False


Part = TextPart | ReasoningPart | ToolCallPart | ToolResultPart


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; the system prompt is not one, it stands in the Request."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All text parts joined, nothing else."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """Everything a backend needs to answer; None means: not said, the service decides."""

    messages: tuple[Message, ...]
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    stream: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


def user(text: str) -> Message:
    """A user message of plain text."""
    return Message("user", (TextPart(text),))
