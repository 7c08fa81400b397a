"""One line of a batch: what it asks, in any of the forms that are about; it reads no file and asks nobody.

    "a prompt"
    {"id": "a", "prompt": "...", "system": "...", "model": "...", "max_tokens": 9, "temperature": 0.1}
    {"id": "a", "messages": [{"role": "user", "content": "..."}]}
    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [...]}}

The last is OpenAI's own (https://platform.openai.com/docs/guides/batch); further fields of its body are sent
as they are, those of the other forms are the person's own. With a task every further key is a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from arawn.errors import UsageFault
from arawn.messages import NOTHING, FilePart, Message, Part, Request, Role, TextPart, user
from arawn.orderly import orderly

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant"}
_TAKEN = frozenset(
    ("model", "messages", "prompt", "system", "max_tokens", "max_completion_tokens", "temperature", "top_p")
    + ("stop", "stream", "stream_options", "n", "backend", "id", "custom_id")
)
"""Fields of a body that are understood, or that make no sense in a batch."""


class Item(NamedTuple):
    """A question. `key` is its id as text, `digest` tells whether a line was changed since.

    `values` are for the placeholders of a task; `backend` and `model` None: those of the batch.
    """

    id: str | int
    number: int
    digest: str
    request: Request
    values: Mapping[str, str] = NOTHING
    backend: str | None = None
    model: str | None = None

    @property
    def key(self) -> str:
        """The id, so that 1 and "1" are two."""
        return key_of(self.id)


class BadLine(UsageFault):
    """A line that asks nothing that can be asked."""


def key_of(id: str | int) -> str:
    """An id as one text: a number and its digits are two."""
    return json.dumps(id)


def id_of(text: str, number: int) -> str | int:
    """The id of a line, whatever else is wrong with it: its own, else its number in the file."""
    try:
        return _id(_parsed(text), number)
    except BadLine:
        return _by_number(number)


def _by_number(number: int) -> str:
    return f"line-{number}"


def _id(said: Any, number: int) -> str | int:
    if isinstance(said, dict):
        for name in ("id", "custom_id"):
            value = said.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
                raise BadLine(f"its {name} is neither a text nor a number")
            return _sound(value) if isinstance(value, str) else value
    return _by_number(number)


def digest_of(text: str) -> str:
    """A short mark of what a line says."""
    return blake2b(text.strip().encode("utf-8", "replace"), digest_size=6).hexdigest()


def item(text: str, number: int, *, task: bool = False) -> Item:
    """What a line asks. Raises BadLine, the sentence without the place."""
    said = _parsed(text)
    id = _id(said, number)
    digest = digest_of(text)
    if isinstance(said, str):
        return Item(id, number, digest, Request((user(_some(said)),)))
    if not isinstance(said, dict):
        raise BadLine("it is neither an object nor a text")
    backend, model = _name(said, "backend"), _name(said, "model")
    if task:
        text = _text(said.get("input", said.get("prompt", "")), "input")
        taken = ("id", "custom_id", "input", "prompt")
        values = {key: _value(key, value) for key, value in said.items() if key not in taken}
        return Item(id, number, digest, Request((user(text),)), values)
    body = said.get("body", said)
    if not isinstance(body, dict):
        raise BadLine("its body is no object")
    request = _request(body)
    if body is not said:
        request = request._replace(extra={name: body[name] for name in body if name not in _TAKEN})
    return Item(id, number, digest, request, backend=backend, model=model or _name(body, "model"))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise BadLine("it is nested too deeply") from None
    except ValueError as error:
        raise BadLine(f"it is no JSON ({error})"[:200]) from None


def _request(body: Mapping[str, Any]) -> Request:
    """What a body asks, its further fields as they are."""
    for name in ("tools", "functions"):
        if body.get(name):
            raise BadLine(f"it has {name}, which a batch does not run")
    if body.get("n") not in (None, 1):
        raise BadLine("it wants several answers at once (n)")
    system, messages = _messages(body)
    limit = body.get("max_tokens", body.get("max_completion_tokens"))
    stop = body.get("stop")
    stops = [] if stop is None else stop if isinstance(stop, list) else [stop]
    return Request(
        messages,
        system,
        max_tokens=None if limit is None else int(_number(limit, "max_tokens", 1, 10**9)),
        temperature=_optional(body, "temperature", 2),
        top_p=_optional(body, "top_p", 1),
        stop=tuple(_text(one, "stop") for one in stops),
        stream=False,
    )


def _messages(body: Mapping[str, Any]) -> tuple[str | None, tuple[Message, ...]]:
    """The system prompt and what was said."""
    system = body.get("system")
    systems = [] if system is None else [_text(system, "system")]
    said = body.get("messages")
    if said is None:
        if "prompt" not in body:
            raise BadLine("it has neither prompt nor messages")
        return (systems[0] if systems else None), (user(_some(_text(body["prompt"], "prompt"))),)
    if not isinstance(said, list) or not said:
        raise BadLine("its messages are no list with something in it")
    made: list[Message] = []
    for message in said:
        if not isinstance(message, dict):
            raise BadLine("one of its messages is no object")
        role = message.get("role")
        parts = _parts(message.get("content"))
        if role in ("system", "developer"):
            systems.append(Message("user", parts).text)
        elif isinstance(role, str) and role in _ROLES:
            made.append(Message(_ROLES[role], parts))
        else:
            raise BadLine(f"one of its messages has the role {role!r}"[:80])
    if not made or made[-1].role != "user":
        raise BadLine("its last message is none of the user's")
    return "\n\n".join(systems) or None, orderly(tuple(made))


def _parts(content: Any) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(_sound(content)),)
    if not isinstance(content, list):
        raise BadLine("one of its messages has no content")
    return tuple(_part(part) for part in content)


def _part(part: Any) -> Part:
    if isinstance(part, str):
        return TextPart(_sound(part))
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "input_text"):
        return TextPart(_text(part.get("text"), "text"))
    if kind == "image_url":
        said = part.get("image_url")
        return _picture(said.get("url") if isinstance(said, dict) else said)
    raise BadLine(f"a part of its messages is of the type {kind!r}, which is not taken"[:120])


def _picture(address: Any) -> FilePart:
    from base64 import b64decode

    from arawn.media import media_type

    head, _, data = address.partition(",") if isinstance(address, str) else ("", "", "")
    if not head.startswith("data:"):
        raise BadLine("a picture of it is no data: address, and a batch fetches nothing")
    try:
        made = b64decode(data, validate=True)
    except ValueError:
        raise BadLine("a picture of it is no base64") from None
    kind = media_type(made)
    if not kind:
        raise BadLine("a picture of it is none")
    return FilePart(made, kind)


def _sound(text: str) -> str:
    """Half a character, which JSON can hold, cannot be sent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _some(text: str) -> str:
    if not text.strip():
        raise BadLine("its prompt is empty")
    return _sound(text)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise BadLine(f"its {name} is no text")
    return _sound(value)


def _value(name: str, value: Any) -> str:
    """A value for a placeholder; what is no text as JSON."""
    return _sound(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _name(said: Mapping[str, Any], key: str) -> str | None:
    value = said.get(key)
    if value is None or value == "":
        return None
    return _text(value, key)


def _optional(body: Mapping[str, Any], name: str, high: float) -> float | None:
    value = body.get(name)
    return None if value is None else _number(value, name, 0, high)


def _number(value: Any, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadLine(f"its {name} is no number from {low:g} to {high:g}")
    return float(value)
