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


class FilePart(NamedTuple):
    """An image, a PDF or a recording, as bytes; `name` is what the person called it."""

    data: bytes
    media_type: str
    name: str = ""

    @property
    def kind(self) -> str:
        """`image`, `pdf` or `audio`: what a model must be able to take."""
        return "pdf" if self.media_type == "application/pdf" else self.media_type.partition("/")[0]

    @property
    def base64(self) -> str:
        """The bytes as every wire format wants them."""
        from base64 import b64encode

        return b64encode(self.data).decode("ascii")


class ReasoningPart(NamedTuple):
    """A model's reasoning. `opaque` (signatures, encrypted blocks) goes back only to `origin`.

    `origin` is (backend name, model); `opaque` is in the dialect's own shape.
    """

    text: str
    opaque: Mapping[str, Any] | None = None
    origin: tuple[str, str] = ("", "")


class ToolCallPart(NamedTuple):
    """A tool call of the model. `arguments` is the JSON text as it came, valid or not.

    `opaque` goes back only to `origin`, as a ReasoningPart's does.
    """

    id: str
    name: str
    arguments: str
    opaque: Mapping[str, Any] | None = None
    origin: tuple[str, str] = ("", "")


class ToolResultPart(NamedTuple):
    """What a tool answered to the call `call_id`."""

    call_id: str
    name: str
    content: str
    failed: bool = False


Part = TextPart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart


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


class Format(NamedTuple):
    """The answer is to be JSON: an object of any shape, or one that fits `schema` (JSON Schema)."""

    schema: Mapping[str, Any] | None = None
    name: str = "answer"


Effort = Literal["off", "low", "medium", "high"]


class Request(NamedTuple):
    """Everything a backend needs to answer; None means: not said, the service decides.

    `reasoning` is an effort or a budget in tokens; `tool_choice` names the one tool that must be called.
    `session` is the id of the session that asks, for who counts its cost; it is never sent.
    """

    messages: tuple[Message, ...]
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = ""
    format: Format | None = None
    reasoning: Effort | int | None = None
    stream: bool = True
    extra: Mapping[str, Any] = NOTHING
    session: str = ""


SETTINGS = ("temperature", "top_p", "max_tokens", "stop", "reasoning")
"""The fields of a Request that a role or a chat may say for all of its requests."""


def user(text: str, files: tuple[FilePart, ...] = ()) -> Message:
    """A user message: the files first, as the services advise, then the text."""
    return Message("user", (*files, TextPart(text)))


def only(messages: tuple[Message, ...], kinds: frozenset[str]) -> tuple[Message, ...]:
    """`messages` with files of these kinds; in the place of another stands a line that says so."""
    made = []
    for message in messages:
        parts = tuple(
            TextPart(f"[{part.name or 'a file'}: {part.kind} that this model cannot take]\n")
            if isinstance(part, FilePart) and part.kind not in kinds
            else part
            for part in message.parts
        )
        made.append(message._replace(parts=parts))
    return tuple(made)
