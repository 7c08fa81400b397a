"""What each dialect sends, held against the provider's documented form: one table of cases for all.

The forms are those of the references named at the top of each module of `arawn.wire`.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from arawn.messages import (
    FilePart,
    Format,
    Message,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
    user,
)
from arawn.orderly import orderly
from arawn.providers import DIALECTS, PROVIDERS
from arawn.wire import Call, Target

HERE = ("b", "m")
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
TOOL = ToolSpec(
    "weather", "Tells the weather", {"type": "object", "properties": {"city": {"type": "string"}}}
)
CUT_OFF = '{"__raw__": "{\\"city\\": "}'
HI = (user("Hi"),)
CALLS = (
    user("Oslo and Rome?"),
    Message(
        "assistant",
        (
            ReasoningPart("hm", {"signed": "s"}, ("another", "model")),
            TextPart("Let me see."),
            ToolCallPart("call.1", "weather", '{"city": "Oslo"}'),
            ToolCallPart("call:2", "weather", '{"city": '),
        ),
    ),
    Message("tool", (ToolResultPart("call.1", "weather", "rain"), ToolResultPart("call:2", "weather", "no city", True))),
)  # fmt: skip
CASES: dict[str, Request] = {
    "plain": Request(HI),
    "whole": Request(HI, stream=False),
    "system": Request(HI, system="Be brief."),
    "turns": Request((user("One"), Message("assistant", (TextPart("Two"),)), user("Three"))),
    "image": Request((user("What?", (FilePart(b"\x89PNG", "image/png", "a.png"),)),)),
    "pdf": Request((user("What?", (FilePart(b"%PDF", "application/pdf", "a.pdf"),)),)),
    "audio": Request((user("What?", (FilePart(b"RIFF", "audio/wav", "a.wav"),)),)),
    "tools": Request(HI, tools=(TOOL,)),
    "forced": Request(HI, tools=(TOOL,), tool_choice="weather"),
    "results": Request(CALLS),
    "schema": Request(HI, format=Format(SCHEMA, "person")),
    "json": Request(HI, format=Format()),
    "effort": Request(HI, reasoning="medium"),
    "budget": Request(HI, reasoning=5000),
    "off": Request(HI, reasoning="off"),
    "stop": Request(HI, stop=("END", "STOP")),
    "limits": Request(HI, max_tokens=7, temperature=0.5, top_p=0.9),
    "extra": Request(HI, extra={"seed": 1}),
}
PNG, PDF, WAV = "iVBORw==", "JVBERg==", "UklGRg=="
FUNCTION = {"name": "weather", "description": "Tells the weather", "parameters": TOOL.parameters}


def _openai() -> dict[str, Any]:
    said = [{"role": "user", "content": "Hi"}]
    base = {"model": "m", "messages": said, "stream": True, "stream_options": {"include_usage": True}}

    def messages(*made: dict[str, Any]) -> dict[str, Any]:
        return base | {"messages": list(made)}

    def content(part: dict[str, Any]) -> dict[str, Any]:
        return messages({"role": "user", "content": [part, {"type": "text", "text": "What?"}]})

    def call(call_id: str, arguments: str) -> dict[str, Any]:
        return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}

    return {
        "plain": base,
        "whole": {"model": "m", "messages": said, "stream": False},
        "system": messages({"role": "system", "content": "Be brief."}, *said),
        "turns": messages(
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three"},
        ),
        "image": content({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
        "pdf": content(
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
        ),
        "audio": content({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}),
        "tools": base | {"tools": [{"type": "function", "function": FUNCTION}]},
        "forced": base
        | {
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
        },
        "results": messages(
            {"role": "user", "content": "Oslo and Rome?"},
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [call("call_1", '{"city": "Oslo"}'), call("call_2", CUT_OFF)],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {"role": "tool", "tool_call_id": "call_2", "content": "no city"},
        ),
        "schema": base
        | {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "person", "schema": SCHEMA, "strict": True},
            }
        },
        "json": base | {"response_format": {"type": "json_object"}},
        "effort": base | {"reasoning_effort": "medium"},
        "budget": base | {"reasoning_effort": "medium"},
        "off": base,
        "stop": base | {"stop": ["END", "STOP"]},
        "limits": base | {"max_tokens": 7, "temperature": 0.5, "top_p": 0.9},
        "extra": base | {"seed": 1},
    }


def _responses() -> dict[str, Any]:
    def said(text: str) -> dict[str, Any]:
        return {"role": "user", "content": [{"type": "input_text", "text": text}]}

    base = {"model": "m", "input": [said("Hi")], "stream": True, "store": False}
    tools = [{"type": "function", **FUNCTION, "strict": False}]
    thinking = {
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }

    def content(part: dict[str, Any]) -> dict[str, Any]:
        return base | {
            "input": [{"role": "user", "content": [part, {"type": "input_text", "text": "What?"}]}]
        }

    def call(call_id: str, arguments: str) -> dict[str, Any]:
        return {"type": "function_call", "call_id": call_id, "name": "weather", "arguments": arguments}

    return {
        "plain": base,
        "whole": base | {"stream": False},
        "system": base | {"instructions": "Be brief."},
        "turns": base | {"input": [said("One"), {"role": "assistant", "content": "Two"}, said("Three")]},
        "image": content(
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
        ),
        "pdf": content(
            {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
        ),
        "tools": base | {"tools": tools},
        "forced": base | {"tools": tools, "tool_choice": {"type": "function", "name": "weather"}},
        "results": base
        | {
            "input": [
                said("Oslo and Rome?"),
                {"role": "assistant", "content": "Let me see."},
                call("call_1", '{"city": "Oslo"}'),
                call("call_2", CUT_OFF),
                {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
                {"type": "function_call_output", "call_id": "call_2", "output": "no city"},
            ]
        },
        "schema": base
        | {"text": {"format": {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}}},
        "json": base | {"text": {"format": {"type": "json_object"}}},
        "effort": base | thinking,
        "budget": base | thinking,
        "off": base,
        "stop": base,
        "limits": base | {"max_output_tokens": 7, "temperature": 0.5, "top_p": 0.9},
        "extra": base | {"seed": 1},
    }


def _anthropic() -> dict[str, Any]:
    base = {
        "model": "m",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }
    tools = [
        {"name": "weather", "description": "Tells the weather", "input_schema": TOOL.parameters},
    ]

    def messages(*made: dict[str, Any]) -> dict[str, Any]:
        return base | {"messages": list(made)}

    def content(kind: str, media: str, data: str) -> dict[str, Any]:
        source = {"type": "base64", "media_type": media, "data": data}
        text = {"type": "text", "text": "What?"}
        return messages({"role": "user", "content": [{"type": kind, "source": source}, text]})

    def result(call_id: str, text: str, failed: bool) -> dict[str, Any]:
        return {"type": "tool_result", "tool_use_id": call_id, "content": text, "is_error": failed}

    return {
        "plain": base,
        "whole": base | {"stream": False},
        "system": base | {"system": "Be brief."},
        "turns": messages(
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three"},
        ),
        "image": content("image", "image/png", PNG),
        "pdf": content("document", "application/pdf", PDF),
        "tools": base | {"tools": tools},
        "forced": base | {"tools": tools, "tool_choice": {"type": "tool", "name": "weather"}},
        "results": messages(
            {"role": "user", "content": "Oslo and Rome?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
                    {
                        "type": "tool_use",
                        "id": "call_2",
                        "name": "weather",
                        "input": {"__raw__": '{"city": '},
                    },
                ],
            },
            {
                "role": "user",
                "content": [result("call_1", "rain", False), result("call_2", "no city", True)],
            },
        ),
        "schema": base | {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        "json": base,
        "effort": base | {"thinking": {"type": "enabled", "budget_tokens": 8192}, "max_tokens": 12288},
        "budget": base | {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 9096},
        "off": base,
        "stop": base | {"stop_sequences": ["END", "STOP"]},
        "limits": base | {"max_tokens": 7, "temperature": 0.5, "top_p": 0.9},
        "extra": base | {"seed": 1},
    }


def _gemini() -> dict[str, Any]:
    def said(text: str, role: str = "user") -> dict[str, Any]:
        return {"role": role, "parts": [{"text": text}]}

    base = {"contents": [said("Hi")]}
    tools = [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Tells the weather",
                    "parametersJsonSchema": TOOL.parameters,
                }
            ]
        }
    ]

    def config(**fields: Any) -> dict[str, Any]:
        return base | {"generationConfig": fields}

    def content(media: str, data: str) -> dict[str, Any]:
        inline = {"inlineData": {"mimeType": media, "data": data}}
        return {"contents": [{"role": "user", "parts": [inline, {"text": "What?"}]}]}

    def answer(**response: str) -> dict[str, Any]:
        return {"functionResponse": {"name": "weather", "response": response}}

    return {
        "plain": base,
        "whole": base,
        "system": base | {"systemInstruction": {"parts": [{"text": "Be brief."}]}},
        "turns": {"contents": [said("One"), said("Two", "model"), said("Three")]},
        "image": content("image/png", PNG),
        "pdf": content("application/pdf", PDF),
        "audio": content("audio/wav", WAV),
        "tools": base | {"tools": tools},
        "forced": base
        | {
            "tools": tools,
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
        },
        "results": {
            "contents": [
                said("Oslo and Rome?"),
                {
                    "role": "model",
                    "parts": [
                        {"text": "Let me see."},
                        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
                        {"functionCall": {"name": "weather", "args": {"__raw__": '{"city": '}}},
                    ],
                },
                {"role": "user", "parts": [answer(result="rain"), answer(error="no city")]},
            ]
        },
        "schema": config(responseMimeType="application/json", responseJsonSchema=SCHEMA),
        "json": config(responseMimeType="application/json"),
        "effort": config(thinkingConfig={"thinkingBudget": 8192, "includeThoughts": True}),
        "budget": config(thinkingConfig={"thinkingBudget": 5000, "includeThoughts": True}),
        "off": config(thinkingConfig={"thinkingBudget": 0, "includeThoughts": False}),
        "stop": config(stopSequences=["END", "STOP"]),
        "limits": config(maxOutputTokens=7, temperature=0.5, topP=0.9),
        "extra": base | {"seed": 1},
    }


def _cohere() -> dict[str, Any]:
    openai = _openai()
    made = {
        name: {key: value for key, value in body.items() if key != "stream_options"}
        for name, body in openai.items()
        if name not in ("pdf", "audio")
    }
    base = made["plain"]
    for message in made["results"]["messages"]:
        for call, own in zip(message.get("tool_calls", ()), ("call.1", "call:2"), strict=False):
            call["id"] = own
    for message, own in zip(made["results"]["messages"][2:], ("call.1", "call:2"), strict=True):
        message["tool_call_id"] = own
    return made | {
        "forced": made["forced"] | {"tool_choice": "REQUIRED"},
        "schema": base | {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
        "effort": base | {"thinking": {"type": "enabled", "token_budget": 8192}},
        "budget": base | {"thinking": {"type": "enabled", "token_budget": 5000}},
        "off": base | {"thinking": {"type": "disabled"}},
        "stop": base | {"stop_sequences": ["END", "STOP"]},
        "limits": base | {"max_tokens": 7, "temperature": 0.5, "p": 0.9},
    }


def _ollama() -> dict[str, Any]:
    window = {"num_ctx": 4096}
    base = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "options": window,
    }

    def messages(*made: dict[str, Any]) -> dict[str, Any]:
        return base | {"messages": list(made)}

    def call(arguments: dict[str, Any]) -> dict[str, Any]:
        return {"function": {"name": "weather", "arguments": arguments}}

    return {
        "plain": base,
        "whole": base | {"stream": False},
        "system": messages({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}),
        "turns": messages(
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three"},
        ),
        "image": messages({"role": "user", "content": "What?", "images": [PNG]}),
        "tools": base | {"tools": [{"type": "function", "function": FUNCTION}]},
        "forced": base | {"tools": [{"type": "function", "function": FUNCTION}]},
        "results": messages(
            {"role": "user", "content": "Oslo and Rome?"},
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [call({"city": "Oslo"}), call({"__raw__": '{"city": '})],
            },
            {"role": "tool", "tool_name": "weather", "content": "rain"},
            {"role": "tool", "tool_name": "weather", "content": "no city"},
        ),
        "schema": base | {"format": SCHEMA},
        "json": base | {"format": "json"},
        "effort": base | {"think": True},
        "budget": base | {"think": True},
        "off": base | {"think": False},
        "stop": base | {"options": window | {"stop": ["END", "STOP"]}},
        "limits": base | {"options": window | {"num_predict": 7, "temperature": 0.5, "top_p": 0.9}},
        "extra": base | {"seed": 1},
    }


def _replicate() -> dict[str, Any]:
    def given(**fields: Any) -> dict[str, Any]:
        return {"input": {"prompt": "Hi", **fields}, "stream": True, "version": "m"}

    calls = '[call weather {"city": "Oslo"}]\n[call weather {"city": ]'
    return {
        "plain": given(),
        "whole": given() | {"stream": False},
        "system": given(system_prompt="Be brief."),
        "turns": given(prompt="User: One\n\nAssistant: Two\n\nUser: Three\n\nAssistant:"),
        "image": given(prompt="What?", image=f"data:image/png;base64,{PNG}"),
        "results": given(
            prompt="User: Oslo and Rome?\n\n"
            f"Assistant: Let me see.\n{calls}\n\n"
            "Tool: rain\nno city\n\nAssistant:"
        ),
        "effort": given(reasoning_effort="medium"),
        "stop": given(stop_sequences="END,STOP"),
        "limits": given(max_tokens=7, temperature=0.5, top_p=0.9),
        "extra": given() | {"seed": 1},
    }


def _huggingface() -> dict[str, Any]:
    def given(text: str = "Hi", stream: bool = True, **fields: Any) -> dict[str, Any]:
        return {"inputs": text, "parameters": {"return_full_text": False, **fields}, "stream": stream}

    return {
        "plain": given(),
        "whole": given(stream=False),
        "system": given("Be brief.\n\nHi"),
        "turns": given("User: One\n\nAssistant: Two\n\nUser: Three\n\nAssistant:"),
        "stop": given(stop=["END", "STOP"]),
        "limits": given(max_new_tokens=7, temperature=0.5, top_p=0.9),
        "extra": given() | {"seed": 1},
    }


FORMS = {
    "openai": _openai(),
    "openai-responses": _responses(),
    "anthropic": _anthropic(),
    "gemini": _gemini(),
    "cohere": _cohere(),
    "ollama": _ollama(),
    "replicate": _replicate(),
    "huggingface": _huggingface(),
}


def written(dialect: str, request: Request, model: str = "m", **options: Any) -> Call:
    module = importlib.import_module("arawn.wire." + dialect.replace("-", "_"))
    call: Call = module.write(request, Target("b", "custom", "Service", "http://h", model, options))
    return call


@pytest.mark.parametrize(
    ("dialect", "case"), [(dialect, case) for dialect, forms in FORMS.items() for case in forms]
)
def test_body(dialect: str, case: str) -> None:
    assert written(dialect, CASES[case]).body == FORMS[dialect][case]


def test_every_dialect_is_in_the_table() -> None:
    assert FORMS.keys() == DIALECTS.keys()
    media = {"image", "pdf", "audio"}
    for dialect, forms in FORMS.items():
        can = importlib.import_module("arawn.wire." + dialect.replace("-", "_")).MEDIA
        assert media & forms.keys() == can, dialect
        assert {"plain", "system", "turns", "stop", "limits"} <= forms.keys()


@pytest.mark.parametrize(
    ("dialect", "stream", "path"),
    [
        ("openai", True, "/chat/completions"),
        ("openai-responses", True, "/responses"),
        ("anthropic", True, "/v1/messages"),
        ("gemini", True, "/models/m:streamGenerateContent?alt=sse"),
        ("gemini", False, "/models/m:generateContent"),
        ("cohere", True, "/v2/chat"),
        ("ollama", True, "/api/chat"),
        ("replicate", True, "/predictions"),
        ("huggingface", True, ""),
    ],
)
def test_path(dialect: str, stream: bool, path: str) -> None:
    assert written(dialect, Request(HI, stream=stream)).url == "http://h" + path


@pytest.mark.parametrize(
    ("model", "path", "version"),
    [
        ("meta/llama", "/models/meta/llama/predictions", None),
        ("meta/llama:0123", "/predictions", "0123"),
        ("0123abcd", "/predictions", "0123abcd"),
    ],
)
def test_replicate_by_model_or_version(model: str, path: str, version: str | None) -> None:
    call = written("replicate", Request(HI), model)
    assert call.url == "http://h" + path and call.body.get("version") == version


AZURE = {"deployments": True}


@pytest.mark.parametrize(
    ("base", "options", "url"),
    [
        ("https://r.example", AZURE, "https://r.example/openai/v1/chat/completions"),
        ("https://r.example/openai/v1", AZURE, "https://r.example/openai/v1/chat/completions"),
        ("https://r.example/openai", AZURE, "https://r.example/openai/v1/chat/completions"),
        (
            "https://r.example",
            AZURE | {"api_version": "2024-10-21"},
            "https://r.example/openai/deployments/m/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://r.example/openai/v1",
            AZURE | {"api_version": "preview"},
            "https://r.example/openai/v1/chat/completions?api-version=preview",
        ),
        (
            "https://r.example/openai/deployments/d/chat/completions?api-version=2024-10-21",
            AZURE,
            "https://r.example/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://r.example/models",
            AZURE | {"api_version": "2024-05-01-preview"},
            "https://r.example/models/chat/completions?api-version=2024-05-01-preview",
        ),
        ("https://h/v1/chat/completions", {}, "https://h/v1/chat/completions"),
        ("https://h/v1/", {}, "https://h/v1/chat/completions"),
    ],
)
def test_address_of_a_resource(base: str, options: dict[str, Any], url: str) -> None:
    from arawn.wire.openai import write

    assert write(Request(HI), Target("b", "p", "Service", base, "m", options)).url == url


def parts(*made: Any) -> tuple[Message, ...]:
    return (user("Hi"), Message("assistant", made), user("More"))


@pytest.mark.parametrize(
    ("dialect", "part", "seen"),
    [
        ("anthropic", ReasoningPart("hm", {"type": "thinking", "signature": "s1gn"}, HERE), "s1gn"),
        ("gemini", ReasoningPart("", {"thoughtSignature": "s1gn"}, HERE), "s1gn"),
        ("gemini", ToolCallPart("c", "t", "{}", {"thoughtSignature": "s1gn"}, HERE), "s1gn"),
        ("openai", ReasoningPart("", {"reasoning_details": [{"signature": "s1gn"}]}, HERE), "s1gn"),
        ("openai", ToolCallPart("c", "t", "{}", {"extra_content": {"google": "s1gn"}}, HERE), "s1gn"),
        ("openai-responses", ReasoningPart("", {"type": "reasoning", "encrypted_content": "s1gn"}, HERE), "s1gn"),
    ],
)  # fmt: skip
def test_what_is_opaque_goes_home_and_nowhere_else(dialect: str, part: Any, seen: str) -> None:
    assert seen in str(written(dialect, Request(orderly(parts(part, TextPart("x"))))).body)
    for origin in (("b", "another"), ("another", "m")):
        for other in DIALECTS:
            body = written(other, Request(orderly(parts(part._replace(origin=origin), TextPart("x"))))).body
            assert seen not in str(body)


def test_reasoning_goes_back_beside_calls_where_the_row_says_so() -> None:
    said = parts(ReasoningPart("hm", None, HERE), ToolCallPart("c", "t", "{}"))
    body = written("openai", Request(orderly(said)), reasoning_back="reasoning_content").body
    assert body["messages"][1]["reasoning_content"] == "hm"
    assert "hm" not in str(written("openai", Request(orderly(said))).body)


def test_a_call_nobody_answered_is_answered() -> None:
    said = parts(ToolCallPart("a", "t", "{}"), ToolCallPart("b", "t", "{}"))
    for dialect in ("openai", "anthropic", "gemini", "cohere", "ollama", "openai-responses"):
        assert str(written(dialect, Request(orderly(said))).body).count("was not run") == 2


def test_a_model_with_levels_gets_a_level_and_signed_calls() -> None:
    body = written("gemini", CASES["effort"], "gemini-3-pro", thinking_levels=("gemini-3",)).body
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "medium", "includeThoughts": True}
    body = written("gemini", CASES["results"], "gemini-3-pro", thinking_levels=("gemini-3",)).body
    assert "thoughtSignature" in body["contents"][1]["parts"][1]
    adaptive = written("anthropic", CASES["effort"], "claude-opus-4-7", adaptive=("claude-opus-4-7",)).body
    assert adaptive["thinking"] == {"type": "adaptive"} and adaptive["output_config"] == {"effort": "medium"}


def test_long_prompts_are_marked_for_the_cache_from_the_second_turn() -> None:
    long = "word " * 2000
    once = written("anthropic", Request((user(long),))).body
    assert "cache_control" not in str(once)
    twice = (user(long), Message("assistant", (TextPart("Two"),)), user("Three"))
    assert written("anthropic", Request(twice)).body["messages"][-1]["content"][-1]["cache_control"]
    assert written("anthropic", Request(HI, system=long)).body["system"][0]["cache_control"]
    assert "cache_control" not in str(written("anthropic", Request(twice, system=long), cache=False).body)


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
def test_efforts_of_every_row(row: Any) -> None:
    """Each row turns each effort into fields, or tells that it cannot."""
    for effort in ("off", "low", "medium", "high", 20_000):
        options = {**DIALECTS[row.dialect].options, **row.options}
        call = written(row.dialect, Request(HI, reasoning=effort), row.model or "m", **options)
        plain = written(row.dialect, Request(HI), row.model or "m", **options)
        assert effort in ("off",) or call.body != plain.body or call.notices


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("claude-opus-4-7", False), ("claude-sonnet-5-5", False), ("claude-opus-4-6", True),
        ("claude-sonnet-4-20250514", True), ("claude-3-5-haiku-latest", True), ("another", True),
    ],
)  # fmt: skip
def test_a_model_that_takes_no_temperature_gets_none(model: str, taken: bool) -> None:
    call = written("anthropic", CASES["limits"], model, **DIALECTS["anthropic"].options)
    assert ("temperature" in call.body) == ("top_p" in call.body) == taken
    assert call.notices == (() if taken else (f"{model} takes no temperature and no top_p: not sent",))


@pytest.mark.parametrize(
    ("model", "reasoning", "taken"),
    [
        ("gpt-4o", None, True), ("o3-mini", None, False), ("gpt-5-mini", None, False), ("gpt-5-chat-latest", None, True),
        ("gpt-5.1", None, True), ("gpt-5.1", "off", True), ("gpt-5.1", "high", False), ("another", "high", True),
    ],
)  # fmt: skip
def test_a_model_of_openai_that_takes_no_temperature_gets_none(
    model: str, reasoning: Any, taken: bool
) -> None:
    request = CASES["limits"]._replace(stop=("END",), reasoning=reasoning)
    chat = written("openai", request, model, **PROVIDERS["openai"].options)
    assert ("temperature" in chat.body) == ("top_p" in chat.body) == ("stop" in chat.body) == taken
    assert chat.notices == (
        () if taken else (f"{model} takes no temperature and no top_p and no stop: not sent",)
    )
    other = written("openai-responses", request, model, **PROVIDERS["openai"].options)
    assert ("temperature" in other.body) == taken and len(other.notices) == (1 if taken else 2)
    assert chat.body["max_completion_tokens"] == other.body["max_output_tokens"] == 7


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gemini-2.5-flash", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-pro", {"thinkingBudget": 128, "includeThoughts": False}),
        ("models/gemini-2.0-flash", None),
    ],
)
def test_thinking_is_left_off_as_far_as_the_model_can(model: str, sent: Any) -> None:
    config = written("gemini", CASES["off"], model, **DIALECTS["gemini"].options).body.get("generationConfig")
    assert (config or {}).get("thinkingConfig") == sent


def test_what_cannot_be_sent_is_told() -> None:
    assert written("openai-responses", CASES["stop"]).notices
    assert written("openai", CASES["effort"], efforts={}).notices
    two = user("What?", (FilePart(b"a", "image/png"), FilePart(b"b", "image/png")))
    assert written("replicate", Request((two,))).notices
