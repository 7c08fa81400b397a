"""A chunk that is like the one before but for its text says what a full reading of it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.wire import Target
from arawn.wire.alike import Alike
from arawn.wire.frames import Frame
from arawn.wire.openai import read


def _chunk(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}], **more}


def _data(text: str, **more: Any) -> str:
    return json.dumps(_chunk(text, **more), separators=(",", ":"))


TARGET = Target("b", "custom", "b", "http://127.0.0.1", "m")


@pytest.mark.parametrize("spaced", [True, False])
@pytest.mark.parametrize("text", ["", " two", 'a "b" \\ \n', "日本", "\u2028", "\ud83d"])
def test_the_text_of_a_like_chunk_is_read(text: str, spaced: bool) -> None:
    between = None if spaced else (",", ":")
    alike = Alike()
    assert alike.text(json.dumps(_chunk("one"), separators=between)) is None
    alike.learn(json.dumps(_chunk("one"), separators=between), "one")
    assert alike.text(json.dumps(_chunk(text), separators=between)) == text


@pytest.mark.parametrize(
    ("learnt", "text"),
    [
        (_data("one", content="two"), "one"),  # which of the two is the text?
        (_data('a "b"'), 'a "b"'),  # its end would have to be looked for
        ('{"text":"one"}', "one"),
        ('"one""', "one"),  # no JSON at all
    ],
)
def test_a_chunk_that_is_no_pattern_is_not_learnt(learnt: str, text: str) -> None:
    alike = Alike()
    alike.learn(learnt, text)
    assert alike.text(learnt) is None


@given(
    text=st.text(max_size=5) | st.just('x"},"finish_reason":"stop","y":{"z":"'),
    at=st.integers(0, 70),
    put=st.sampled_from(["", '"', "\\", "}", "\t", "x", '":"']),
    gone=st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_no_other_chunk_is_taken_for_a_like_one(text: str, at: int, put: str, gone: int) -> None:
    alike = Alike()
    alike.learn(_data("one"), "one")
    data = _data(text)
    data = data[:at] + put + data[at + gone :]
    found = alike.text(data)
    if found is not None:
        assert json.loads(data) == _chunk(found)


def test_a_chunk_of_another_model_ends_the_pattern() -> None:
    """The model that is told is the last that was named."""
    said = [
        _data("a"),
        _data("b"),
        _data("c", model="n"),
        _data("d"),
        '{"choices":[{"finish_reason":"stop"}]}',
    ]
    events = list(read([Frame("", data, at) for at, data in enumerate(said, 1)], TARGET))
    assert "".join(getattr(event, "text", "") for event in events) == "abcd"
    assert getattr(events[-1], "model", "") == "m"
