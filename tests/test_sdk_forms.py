"""What each dialect sends, held against the types that the services' own SDKs give their requests.

A field that the SDK does not know, one that it demands and we leave out, and a value of another type or another
word than it names are all told.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

import pytest
import typing_extensions
from test_requests import CASES, FORMS, written

from arawn.providers import PROVIDERS

pytestmark = pytest.mark.filterwarnings("ignore")

OTHERWISE = {
    ("gemini", "extra"): "the extra field of the table is OpenAI's",
    ("anthropic", "extra"): "the extra field of the table is OpenAI's",
    ("ollama", "extra"): "the extra field of the table is OpenAI's",
    ("openai-responses", "extra"): "the extra field of the table is OpenAI's",
    ("mistralai", "extra"): "the extra field of the table is OpenAI's",
    ("ollama", "image"): "the SDK takes a picture of its own kind, and writes it as base64 as we do",
    ("mistralai", "audio"): "its row takes no audio",
    ("anthropic", "limits"): "the SDK has only what the newest models take, and they take no temperature",
}


def openai(body: Any) -> list[str]:
    from openai.types.chat import completion_create_params as params

    return members(body, fields(params.CompletionCreateParamsBase) | STREAM)


def openai_responses(body: Any) -> list[str]:
    from openai.types.responses import response_create_params as params

    return members(body, fields(params.ResponseCreateParamsBase) | STREAM)


def anthropic(body: Any) -> list[str]:
    from anthropic.types import message_create_params as params

    return members(body, fields(params.MessageCreateParamsBase) | STREAM)


def gemini(body: Any) -> list[str]:
    from google.genai import types as google

    known = {
        "contents": typing.Required[list[google.Content]],
        "systemInstruction": google.Content,
        "generationConfig": google.GenerationConfig,
        "tools": list[google.Tool],
        "toolConfig": google.ToolConfig,
    }
    return members(body, known)


def cohere(body: Any) -> list[str]:
    from cohere.v2.client import V2Client

    return members(body, signature(V2Client.chat) | STREAM)


def mistral(body: Any) -> list[str]:
    from mistralai.client import models

    return through(models.ChatCompletionRequest, body)


def ollama(body: Any) -> list[str]:
    from ollama import _types

    # the request takes any object for a message
    said = [line for message in body["messages"] for line in through(_types.Message, message)]
    return through(_types.ChatRequest, body) + said


SDKS = {
    "openai": ("openai", openai),
    "openai-responses": ("openai", openai_responses),
    "anthropic": ("anthropic", anthropic),
    "gemini": ("google.genai", gemini),
    "cohere": ("cohere", cohere),
    "ollama": ("ollama", ollama),
    "mistralai": ("mistralai", mistral),
}
OPTIONS = {"mistralai": PROVIDERS["mistral"].options}
STREAM = {"stream": bool}
"""Three SDKs set it themselves, by which of their methods is called."""


def through(model: Any, body: Any) -> list[str]:
    """What pydantic refuses of `body`, or does not give back."""
    try:
        made = model.model_validate(body).model_dump_json(by_alias=True, exclude_unset=True)
    except ValueError as error:
        return str(error).splitlines()
    return [] if json.loads(made) == json.loads(json.dumps(body)) else [f": came back as {made}"]


def signature(method: Any) -> dict[str, Any]:
    """The parameters of a method as fields."""
    hints = typing.get_type_hints(method, include_extras=True)
    given = inspect.signature(method).parameters
    return {
        name: typing_extensions.Required[hints[name]]
        if given[name].default is inspect.Parameter.empty
        else hints[name]
        for name in given
        if name not in ("self", "request_options")
    }


def fields(kind: Any) -> dict[str, Any]:
    """The fields of a typed dictionary or a pydantic model, under the names that go over the wire."""
    if hasattr(kind, "model_fields"):
        made = {}
        for name, field in kind.model_fields.items():
            alias = field.serialization_alias or field.alias or name
            made[alias] = (
                typing_extensions.Required[field.annotation] if field.is_required() else field.annotation
            )
        return made
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    return {
        name: typing_extensions.Required[hint] if name in kind.__required_keys__ else hint
        for name, hint in hints.items()
    }


def is_demanded(hint: Any) -> bool:
    return get_origin(hint) in (typing.Required, typing_extensions.Required)


def wrong(value: Any, hint: Any, at: str = "") -> list[str]:
    """What of `value` does not fit `hint`, each with its place."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (typing.Required, typing_extensions.Required, typing.NotRequired, typing.Annotated):
        return wrong(value, args[0], at)
    if origin in (typing.Union, types.UnionType):
        found = [wrong(value, arg, at) for arg in args]
        return min(found, key=len) if all(found) else []
    if origin is typing.Literal:
        return [] if value in args else [f"{at}: {value!r} is none of {args}"]
    if typing_extensions.is_typeddict(hint) or hasattr(hint, "model_fields"):
        return members(value, fields(hint), at)
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return inside(value, issubclass(origin, Mapping), args[-1], at)
    return plain(value, hint, at)


def inside(value: Any, named: bool, hint: Any, at: str) -> list[str]:
    if not isinstance(value, Mapping if named else list | tuple):
        return [f"{at}: {value!r} is no {'object' if named else 'list'}"]
    pairs = value.items() if named else enumerate(value)
    return [line for key, item in pairs for line in wrong(item, hint, f"{at}.{key}")]


def plain(value: Any, hint: Any, at: str) -> list[str]:
    if hint is None:
        hint = type(None)
    if hint in (Any, object) or not isinstance(hint, type):
        return []
    words = [word.value for word in hint] if hasattr(hint, "__members__") else None
    kinds = {float: (int, float), bytes: (str,)}.get(hint, (str,) if words else (hint,))
    fits = isinstance(value, kinds) and (hint is bool or not isinstance(value, bool))
    return [] if fits and (words is None or value in words) else [f"{at}: {value!r} is no {hint.__name__}"]


def members(value: Any, known: dict[str, Any], at: str = "") -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{at}: {value!r} is no object"]
    lines = [f"{at}: {name} is not known" for name in value if name not in known]
    lines += [f"{at}: {name} is missing" for name in known if is_demanded(known[name]) and name not in value]
    for name in known.keys() & value.keys():
        lines += wrong(value[name], known[name], f"{at}.{name}")
    return lines


@pytest.mark.parametrize("name", SDKS)
def test_a_request_fits_the_types_of_the_sdk(name: str) -> None:
    module, look = SDKS[name]
    pytest.importorskip(module, reason=f"the SDK {module} is not installed")
    spoken = "openai" if name == "mistralai" else name
    cases = [case for case in FORMS[spoken] if (name, case) not in OTHERWISE]
    bodies = {case: written(spoken, CASES[case], **OPTIONS.get(name, {})).body for case in cases}
    found = [f"{case}{line}" for case, body in bodies.items() for line in look(body)]
    assert not found, "\n".join(found)
    turns = next(key for key in ("messages", "contents", "input") if key in bodies["plain"])
    for damage in ({"odd": 1}, {"stream": "yes"}, {turns: [{"role": "user", "content": {"odd": 1}}]}):
        assert look({**bodies["plain"], **damage}), damage
