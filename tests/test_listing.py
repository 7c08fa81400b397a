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


def test_next_pages() -> None:
    assert next_page({"nextPageToken": "t"}) == {"pageToken": "t"}
    assert next_page({"next_page_token": "t"}) == {"page_token": "t"}
    assert next_page({"has_more": True, "last_id": "l"}) == {"after_id": "l"}
    assert next_page({"next": "https://x/models?cursor=c%3D&y=1"}) == {"cursor": "c%3D"}
    assert next_page({"has_more": False, "last_id": "l"}) is None
