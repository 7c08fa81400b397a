"""Model lists of real services, and what they say beside the names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arawn.wire.listing import entries, next_page

FOLDER = Path(__file__).parents[2] / "shared" / "corpus" / "dev"
APIS = ("models", "google.models", "cohere.models", "ollama.models")


@pytest.mark.skipif(not FOLDER.is_dir(), reason="no recorded replies here")
def test_every_recorded_list() -> None:
    cases = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/*.json"))]
    lists = [case for case in cases if case["api"] in APIS and case["kind"] == "json"]
    assert len(lists) > 20
    for case in lists:
        payload, expect = json.loads(case["response"]["body"]), case["expect"]["models"]
        names = [entry.name for entry in entries(payload)]
        assert (len(names), names[:5], names[-1:]) == (expect["n"], expect["first"], expect["last"]), case[
            "id"
        ]
        assert bool(next_page(payload)) == bool(expect["next_page"] or expect["has_more"]), case["id"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "a", "context_window": 8, "max_completion_tokens": 4}, {"context": 8, "output": 4}),
        (
            {"id": "a", "capabilities": {"vision": True, "function_calling": False, "reasoning": True}},
            {"vision": True, "tools": False, "reasoning": True},
        ),
        (
            {"id": "a", "capabilities": {"image_input": {"supported": True}, "thinking": {"supported": False}}},
            {"vision": True, "reasoning": False},
        ),
        (
            {
                "id": "a",
                "architecture": {"input_modalities": ["text", "image"]},
                "supported_parameters": ["tools", "structured_outputs"],
                "pricing": {"prompt": "0.000003", "completion": "0.000015"},
            },
            {
                "vision": True, "audio": False, "tools": True, "schema": True, "reasoning": False,
                "input_price": 3.0, "output_price": 15.0,
            },
        ),
        (
            {"name": "models/x", "inputTokenLimit": 10, "outputTokenLimit": 5, "thinking": True,
             "supportedGenerationMethods": ["generateContent"]},
            {"context": 10, "output": 5, "reasoning": True, "embedding": False},
        ),
        ({"name": "e", "details": {"families": ["bert"]}}, {"embedding": True}),
        (
            {"name": "e", "size": 7, "details": {"family": "llama", "families": ["llama", "clip"],
             "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}},
            {"vision": True, "family": "llama", "parameters": "8.0B", "quantization": "Q4_K_M", "size": 7},
        ),
        (  # Cohere
            {"name": "a", "endpoints": ["chat"], "supports_vision": False, "context_length": 132096.0,
             "features": ["json_mode", "json_schema", "tools"]},
            {"context": 132096, "vision": False, "tools": True, "schema": True, "embedding": False},
        ),
        ({"name": "a", "features": ["logprobs", "vision"]}, {"vision": True, "tools": False}),
        (  # GitHub
            {"id": "a", "capabilities": ["streaming", "tool-calling"], "limits": {"max_input_tokens": 9,
             "max_output_tokens": 3}, "supported_input_modalities": ["text", "image"]},
            {"context": 9, "output": 3, "vision": True, "audio": False, "tools": True},
        ),
        (  # Groq
            {"id": "a", "input_modalities": ["text"], "supported_features": ["tools", "reasoning"],
             "pricing": {"prompt": "0.00000005", "input_cache_read": "0.00000001"}},
            {"vision": False, "audio": False, "tools": True, "schema": False, "reasoning": True,
             "input_price": 0.05, "cached_price": 0.01},
        ),
        (  # Moonshot, Fireworks
            {"id": "a", "supports_image_in": True, "supports_reasoning": False, "supports_tools": True},
            {"vision": True, "reasoning": False, "tools": True},
        ),
        (  # LM Studio
            {"key": "a", "max_context_length": 8, "capabilities": {"vision": True, "trained_for_tool_use": False},
             "params_string": "4B", "size_bytes": 5, "quantization": {"name": "4bit"}},
            {"context": 8, "vision": True, "tools": False, "parameters": "4B", "size": 5, "quantization": "4bit"},
        ),
        ({"id": "a", "type": "vlm", "arch": "gemma3"}, {"vision": True, "family": "gemma3"}),
        ({"id": "a", "architecture": {"modality": "text+image->text"}}, {"vision": True, "audio": False}),
        ({"id": "a", "pricing": {"input": 10, "cache_read": 1}}, {"input_price": 10.0, "cached_price": 1.0}),
        ({"id": "a", "pricing": {"prompt": "-1", "completion": "nan", "input": True}}, {}),
        ({"id": "a", "providers": [{"supports_tools": False}, {"supports_tools": True}]}, {"tools": True}),
        ({"id": "a", "context_length": -5, "pricing": "free", "capabilities": [], "endpoints": 7}, {}),
    ],
)  # fmt: skip
def test_what_a_list_says_beside_the_name(row, said) -> None:
    assert entries({"data": [row]})[0].said == said


@pytest.mark.parametrize("payload", [None, 7, "x", [], {}, {"data": 7}, {"data": [7, None, {}]}, [[]]])
def test_what_is_no_list_has_no_models(payload) -> None:
    assert entries(payload) == [] and next_page(payload) is None


def test_names_of_every_shape() -> None:
    assert [e.name for e in entries([{"id": "a"}, {"owner": "o", "name": "n"}, {"model": "m"}])] == [
        "a",
        "o/n",
        "m",
    ]
    assert [e.name for e in entries({"data": None, "models": [{"key": "k"}]})] == ["k"]


def test_next_pages() -> None:
    assert next_page({"nextPageToken": "t"}) == {"pageToken": "t"}
    assert next_page({"next_page_token": "t"}) == {"page_token": "t"}
    assert next_page({"has_more": True, "last_id": "l"}) == {"after_id": "l"}
    assert next_page({"next": "https://x/models?cursor=c%3D&y=1"}) == {"cursor": "c="}
    assert next_page({"next": "https://[x/?cursor=c"}) is None and next_page({"next": 7}) is None
    assert next_page({"has_more": False, "last_id": "l"}) is None
