"""What goes to the model is planned, in the whole program: notices, exit codes, who sums up, /context, /compact."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Outcome
from fake_provider import Behaviour, Conn, FakeProvider, openai_stream

LONG = "The quick brown fox jumps over the lazy dog. " * 20  # about 220 tokens
CONFIG = """
[llm]
backend = "fake"
[backends.fake]
provider = "custom"
base_url = "{url}/v1"
model = "big-m"
api_key = "sk-fake-0123456789abcdef"
[catalog.big-m]
context = {window}
input_price = 1.0
output_price = 2.0
[context]
reserve = 300
keep = 1
"""
SMALL = """
[backends.small]
provider = "custom"
base_url = "{url}/v1"
model = "unused"
api_key = "sk-small-0123456789abcdef"
[llm.routing]
compact = "small:tiny"
"""
WIDE = """
[backends.wide]
provider = "custom"
base_url = "http://127.0.0.1:9/v1"
model = "wide-m"
[catalog.wide-m]
context = 1000000
"""


def heard(fake: FakeProvider) -> list[list[str]]:
    """The texts of each request, the system prompt first where there is one."""
    return [[message["content"] for message in request.json["messages"]] for request in fake.requests]


def summing(conn: Conn) -> None:
    first = conn.request.json["messages"][0]["content"]
    text = "They spoke of a fox." if first.startswith("You sum up") else "Indeed."
    size = sum(len(message["content"]) for message in conn.request.json["messages"])
    openai_stream([text], usage={"prompt_tokens": size // 4, "completion_tokens": 3})(conn)


def talk(
    arawn: Callable[..., Outcome], fake: FakeProvider, count: int, more: str = "", window: int = 1500
) -> None:
    config = CONFIG.format(url=fake.url, window=window) + more
    for number in range(count):
        done = arawn("ask", *(["-c"] if number else []), f"Question {number}: {LONG}", config=config)
        assert done.returncode == 0, done.stderr


def test_a_session_that_grows_is_summed_up(arawn: Callable[..., Outcome]) -> None:
    with FakeProvider(summing) as fake:
        talk(arawn, fake, 5)
        done = arawn("ask", "-c", f"Question 5: {LONG}")
        assert done.returncode == 0 and done.stdout == "Indeed.\n"
        assert "summed up: the 4 older turns, " in done.stderr and "are now about" in done.stderr
        first, second, last = heard(fake)[5:]
    assert first[0] == second[0] and first[0].startswith("You sum up") and "Question 0: The quick" in first[1]
    assert "the summary so far:\n\nThey spoke of a fox." in second[1] and "Question 3: The quick" in second[1]
    assert "They spoke of a fox." in last[0] and "Question 0: " in last[0], "the person's own words"
    assert [text[:10] for text in last[2:]] == ["Question 4", "Indeed.", "Question 5"]
    shown = json.loads(arawn("session", "show", "--json").stdout)
    assert [turn["kind"] for turn in shown["turns"]] == ["said"] * 5 + ["summary", "said"]
    with FakeProvider(summing) as again:
        config = CONFIG.format(url=again.url, window=1500)
        assert arawn("ask", "-c", "And now?", config=config).returncode == 0
        ((*_, before, question),) = heard(again)
    assert (before, question) == ("Indeed.", "And now?")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_refused_with_exit_code_7_before_anything_is_sent(
    arawn: Callable[..., Outcome], form: tuple[str, ...]
) -> None:
    with FakeProvider(summing) as fake:
        talk(arawn, fake, 5, WIDE)
        done = arawn("ask", "-c", "-o", "context.policy=refuse", *form, f"Question 5: {LONG}")
        assert len(fake.requests) == 5 and done.returncode == 7
        told = json.loads(done.stdout)["error"] if form else {"message": done.stderr, "hint": done.stderr}
        assert "its window has 1,500, of which 300 are for the answer" in told["message"]
        assert "-b wide -m wide-m (1,000,000 tokens)" in told["hint"]
        if form:
            assert told["code"] == "context"
        assert arawn("ask", "-c", "-o", "context.policy=refuse", "Short?").returncode == 0, "taken back"


def test_left_out_is_said(arawn: Callable[..., Outcome]) -> None:
    with FakeProvider(summing) as fake:
        talk(arawn, fake, 5)
        done = arawn("ask", "-c", "-o", "context.policy=drop", f"Question 5: {LONG}")
        assert done.returncode == 0 and "left out: the 1 oldest turn, about 2" in done.stderr
        assert heard(fake)[-1][0].startswith("Question 1")
    receipt = json.loads(arawn("receipt", "--json").stdout)
    assert receipt["left_out"] == 2 and 900 < receipt["estimate"] <= 1200


@pytest.mark.parametrize("work", ["compact", "summarization"])
def test_who_sums_up_may_be_another(arawn: Callable[..., Outcome], work: str) -> None:
    with FakeProvider(summing) as small, FakeProvider(summing) as fake:
        prices = '[catalog."small:tiny"]\ninput_price = 1000.0\noutput_price = 0.0\n'
        talk(arawn, fake, 6, SMALL.format(url=small.url).replace("compact =", f"{work} =") + prices)
        assert len(fake.requests) == 6 and len(small.requests) > 0
        request = small.requests[0]
        assert request.json["model"] == "tiny" and "sk-small" in request.headers["authorization"]
        shown = json.loads(arawn("session", "show", "--json").stdout)
        (summary,) = (turn["receipt"] for turn in shown["turns"] if turn["kind"] == "summary")
        assert summary["backend"] == "small" and summary["cost_usd"] == summary["usage"]["input"] / 1000
        done = arawn("ask", "-c", "Who answers?")
        assert done.returncode == 0 and len(fake.requests) == 7, "not who summed up"


def test_what_is_private_is_summed_up_on_this_machine_alone(arawn: Callable[..., Outcome]) -> None:
    lines = "\n".join(f"Question {number}: {LONG}" for number in range(7))
    with FakeProvider(summing) as fake:
        config = CONFIG.format(url=fake.url, window=1500) + SMALL.format(url="https://summaries.example")
        done = arawn("chat", "--private", stdin=lines, config=config)
    assert done.returncode == 0 and len(fake.requests) == 7
    assert "(A private run asks this machine alone, and small is at summaries.example)" in done.stderr


def test_a_summariser_that_is_not_there_costs_no_answer(arawn: Callable[..., Outcome]) -> None:
    with FakeProvider(summing) as fake:
        talk(arawn, fake, 5)
        more = SMALL.format(url="http://127.0.0.1:9").replace("compact =", "compact = 'nobody'\n#")
        config = CONFIG.format(url=fake.url, window=1500) + more
        done = arawn("ask", "-c", f"Question 5: {LONG}", config=config)
        assert done.returncode == 0 and done.stdout == "Indeed.\n"
        assert "could not be summed up" in done.stderr and "left out: " in done.stderr


def _refusing(limit: int) -> Behaviour:
    """Refuses more than `limit` characters, as OpenAI does."""

    def answer(conn: Conn) -> None:
        size = len(conn.request.body)
        if size <= limit:
            summing(conn)
            return
        message = f"This model's maximum context length is {limit // 4} tokens. You sent {size // 4} tokens."
        body = json.dumps({"error": {"message": message, "code": "context_length_exceeded"}}).encode()
        conn.head(400, "application/json", len(body))
        conn.send(body)

    return answer


def test_F_NET_12_a_window_that_nobody_knew_is_asked_once_more_with_less(
    arawn: Callable[..., Outcome],
) -> None:
    with FakeProvider(_refusing(4500)) as fake:
        config = CONFIG.format(url=fake.url, window=10**6)
        talk(arawn, fake, 4, window=10**6)
        done = arawn("ask", "-c", f"Question 4: {LONG}", config=config)
        assert done.returncode == 0 and done.stdout == "Indeed.\n"
        assert "fake refused it as too long" in done.stderr and "left out: " in done.stderr
        assert len(fake.requests) == 6
        refused = arawn("ask", "-c", "-o", "context.policy=refuse", f"Question 5: {LONG}", config=config)
        assert refused.returncode == 7 and len(fake.requests) == 7


def test_the_chat_shows_how_full_the_window_is_and_sums_up_when_told(arawn: Callable[..., Outcome]) -> None:
    lines = [
        f"Question 0: {LONG}",
        f"Question 1: {LONG}",
        "/context",
        "/compact the colours",
        "/context",
        "More?",
    ]
    lines += ["/undo", "/undo", "And now?"]
    with FakeProvider(summing) as fake:
        done = arawn("chat", stdin="\n".join(lines) + "\n", config=CONFIG.format(url=fake.url, window=2000))
        texts = heard(fake)
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    assert "turns" in shown and "window of big-m" in shown and "kept for the answer" in shown
    assert "free" in shown and "Nothing would be left out now." in shown
    assert "Last request: " in shown and "as the service counted" in shown
    assert "They spoke of a fox." in shown and "tokens are now about" in shown and "/undo goes back" in shown
    assert "summary" in shown.partition("tokens are now about")[2]
    assert "Keep above all what concerns: the colours" in texts[2][1]
    assert [text[:9] for text in texts[3]] == ["[The earl", "I have re", "Question ", "Indeed.", "More?"]
    assert [text[:9] for text in texts[4]] == ["Question ", "Indeed.", "Question ", "Indeed.", "And now?"]


def _ollama(conn: Conn) -> None:
    """Answers in Ollama's own form; the model has a window of 2,048 tokens."""
    said: dict[str, Any] = {
        "message": {"role": "assistant", "content": "Indeed."},
        "done": True,
        "done_reason": "stop",
    }
    if conn.request.path == "/api/show":
        said = {"model_info": {"llama.context_length": 2048}}
    body = json.dumps(said).encode() + b"\n"
    conn.head(200, "application/json", len(body))
    conn.send(body)


def test_a_local_server_is_asked_for_the_window_of_its_model(arawn: Callable[..., Outcome]) -> None:
    with FakeProvider(_ollama) as fake:
        config = (
            f'[llm]\nbackend = "ollama"\n[backends.ollama]\nbase_url = "{fake.url}"\nmodel = "homemade"\n'
        )
        short = arawn("ask", "Short?", config=config)
        assert short.returncode == 0 and "/api/show" not in [request.path for request in fake.requests]
        done = arawn("ask", LONG * 20, config=config, env={"ANTHROPIC_API_KEY": "sk-ant-0123456789abcdef"})
        asked = [request.path for request in fake.requests if request.path != "/api/ps"]
    assert done.returncode == 7 and "its window has 2,048" in done.stderr
    assert "a model with a larger window: -b anthropic -m claude" in done.stderr
    assert asked == ["/api/chat", "/api/show"]


def test_compact_with_nothing_said(arawn: Callable[..., Outcome]) -> None:
    with FakeProvider(summing) as fake:
        done = arawn("chat", stdin="/compact\n/context\n", config=CONFIG.format(url=fake.url, window=2000))
    assert "Nothing was summed up." in done.stdout and not fake.requests


def test_the_guide_has_no_window(arawn: Callable[..., Outcome]) -> None:
    done = arawn("chat", stdin="hello\n/context\n", env={"OLLAMA_HOST": "127.0.0.1:9"})
    assert "is not known: everything is sent" in done.stdout and done.returncode == 0
