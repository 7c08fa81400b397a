"""What somebody finds who does everything that the pages on routing, money and batches promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_provider import FakeProvider, json_reply, openai_stream

HELLO = openai_stream(["Hello"], usage={"prompt_tokens": 100, "completion_tokens": 50})
REFUSED = json_reply(400, {"error": {"message": "no", "type": "invalid_request_error"}})
TABLE = '[backends.{name}]\ndialect = "openai"\nbase_url = "{url}/v1"\nmodel = "m"\napi_key = "k-{name}"\n'
MODELS = '[backends.a.models]\ngen = "big"\n[aliases]\nshort = "@gen"\nlong = "a:big"\n'
PRICES = '[catalog."big"]\ninput_price = 100\noutput_price = 1000\n'


def config(fake: FakeProvider, llm: str = "", more: str = "") -> str:
    """Two backends at one place."""
    tables = "".join(TABLE.format(name=name, url=fake.url) for name in "ab")
    return f'[llm]\nbackend = "a"\n{llm}\n{tables}{more}'


def said(done: Any) -> dict[str, Any]:
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("llm", ["", 'fallback_backends = ["b"]'])
@pytest.mark.parametrize("name", ["@gen", "a:@gen", "short", "long", "a:big"])
def test_a_model_is_called_and_priced_by_its_own_name(arawn, name: str, llm: str) -> None:
    with FakeProvider(HELLO) as fake:
        done = arawn("ask", "--json", "-m", name, "hi", config=config(fake, llm, MODELS + PRICES))
        assert done.returncode == 0 and fake.requests[0].json["model"] == "big"
    assert said(done)["attempts"][0]["model"] == "big" and said(done)["cost_usd"] == pytest.approx(0.06)
    assert "a · big (" in done.stderr


def test_a_key_of_another_backend_says_where_it_is(arawn) -> None:
    with FakeProvider(HELLO) as fake:
        done = arawn("ask", "-b", "b", "-m", "@gen", "hi", config=config(fake, more=MODELS))
        assert done.returncode == 3 and "-b a -m @gen" in done.stderr and not fake.requests


@pytest.mark.parametrize("more", [("-b", "a"), ("-m", "big")])
def test_a_race_beside_another_choice_is_a_mistake(arawn, more: tuple[str, str]) -> None:
    with FakeProvider(HELLO) as fake:
        done = arawn("ask", "--race", "a,b", *more, "hi", config=config(fake))
        assert done.returncode == 2 and "--race" in done.stderr and not fake.requests


def test_one_that_fails_in_a_race_leaves_the_other_waited_for(arawn) -> None:
    def late(conn: Any) -> None:
        conn.stopping.wait(0.5)
        HELLO(conn)

    with FakeProvider(late) as slow, FakeProvider(REFUSED) as bad:
        table = TABLE.format(name="c", url=bad.url)
        done = arawn("ask", "--race", "c,a", "hi", config=config(slow, more=table))
    assert done.returncode == 0 and "; waiting for a · m" in done.stderr and "; asking" not in done.stderr


def test_a_limit_for_a_backend_that_is_not_there_is_a_mistake(arawn) -> None:
    with FakeProvider(HELLO) as fake:
        done = arawn("config", "check", config=config(fake, more="[budget.backends.bb]\nper_day = 1\n"))
        assert done.returncode == 3 and "budget.backends.bb: there is no backend 'bb'" in done.stderr
        right = arawn("config", "check", config=config(fake, more="[budget.backends.b]\nper_day = 1\n"))
        assert right.returncode == 0


def test_nobody_is_asked_a_question_without_a_terminal(arawn) -> None:
    limit = '[budget]\nper_turn = 0.01\naction = "ask"\n'
    with FakeProvider(HELLO) as fake:
        done = arawn("ask", "-m", "big", "hi", config=config(fake, more=PRICES + limit))
        assert done.returncode == 7 and not fake.requests
    assert "y/N" not in done.stderr and "Nothing was asked" in done.stderr


def test_one_line_without_an_answer_is_one_line(arawn, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "in.jsonl").write_text('"a"\n')
    with FakeProvider(REFUSED) as fake:
        done = arawn("batch", "in.jsonl", "-o", "out.jsonl", config=config(fake))
    assert done.returncode == 1 and "1 line has no answer" in done.stderr
