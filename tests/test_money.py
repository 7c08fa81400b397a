"""What answers cost: held against genai-prices' own calculation, on what real services counted."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import pytest
import test_corpus as corpus

from arawn.catalog import Facts, facts
from arawn.catalog.make import NAMES
from arawn.events import Attempt, Usage
from arawn.money import cost
from arawn.record import receipt_in, receipt_out
from arawn.session import Receipt
from arawn.wire.frames import split

WHEN = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)  # in the dear hours of DeepSeek
VENDORS = {"xai": "xai", "openrouter": "openrouter", "cerebras": "cerebras", "moonshot": "moonshot"}
FLAVOURS = {"chat.completions": "chat", "responses": "responses", "cohere.v2.chat": "tokens"}
OTHERWISE = {  # where genai-prices reads a reply otherwise than we do: why
    "azure-0816164285": "xAI counts reasoning beside the completion, at Azure too",
    "azure-3dc17f65f5": "the same",
    "azure-9e25efc12d": "the same",
    "deepseek-c7a5e3266f": "cached tokens stand in another field there",
    "perplexity-32bd6d115e": "citation tokens are not counted as output",
}
needs_corpus = pytest.mark.skipif(not corpus.FOLDER.is_dir(), reason="no recorded replies here")


class Spent(NamedTuple):
    """What a recorded reply counted."""

    id: str
    service: str
    model: str
    usage: Usage
    case: dict[str, Any]


def known(service: str, model: str) -> bool:
    made = facts(service, model)
    return None not in (made.input_price, made.output_price)


@cache
def recorded() -> list[Spent]:
    """All replies of priced models whose `expect.usage` is whole, by our meaning of the fields."""
    found = []
    for case in corpus.cases():
        said = case["expect"].get("usage") or {}
        sent, made = corpus.expected_usage(case)
        service = case["provider"] if case["provider"] in NAMES else VENDORS.get(case["vendor"], "")
        if not service or not case["model"] or sent is None or made is None:
            continue
        cached, written = said.get("cached"), said.get("cache_write")
        if (cached or 0) + (written or 0) > sent or not known(service, case["model"]):
            continue
        usage = Usage(sent, made, cached, said.get("reasoning"), written)
        found.append(Spent(case["id"], service, case["model"], usage, case))
    return found


def theirs(usage: Any, spent: Spent) -> float | None:
    genai = pytest.importorskip("genai_prices", reason="genai-prices is not installed")
    try:
        found = genai.calc_price(
            usage, spent.model, provider_id=NAMES[spent.service], genai_request_timestamp=WHEN
        )
    except (LookupError, ValueError):  # no such model there, or counts that contradict each other
        return None
    return float(found.total_price)


@needs_corpus
def test_200_usage_records_cost_what_genai_prices_says() -> None:
    genai = pytest.importorskip("genai_prices", reason="genai-prices is not installed")
    drawn = random.Random(5).sample(recorded(), 220)
    held, services = 0, set()
    for spent in drawn:
        told = spent.usage
        plain = genai.Usage(
            input_tokens=told.input,
            output_tokens=told.output,
            cache_read_tokens=told.cached or 0,
            cache_write_tokens=told.cache_write or 0,
            output_reasoning_tokens=told.reasoning or 0,
        )
        expected = theirs(plain, spent)
        if expected is not None:
            assert cost(told, facts(spent.service, spent.model), WHEN.timestamp()) == pytest.approx(
                expected, rel=1e-12
            ), spent
            held, services = held + 1, services | {spent.service}
    assert held >= 200 and len(services) >= 8


@needs_corpus
def test_what_a_reply_cost_is_read_from_it_as_genai_prices_does() -> None:
    genai = pytest.importorskip("genai_prices", reason="genai-prices is not installed")
    kinds: dict[str, int] = {}
    held = 0
    for spent in recorded():
        extracted = read_by(genai, spent)
        reply, error = corpus.read(spent.case, [corpus.body(spent.case)])
        if extracted is None or error is not None or reply.usage.input is None:
            continue
        for kind in ("cached", "cache_write", "reasoning", "audio", "tooling", "searches"):
            kinds[kind] = kinds.get(kind, 0) + bool(getattr(reply.usage, kind))
        mine = cost(reply.usage, facts(spent.service, spent.model), WHEN.timestamp())
        expected = theirs(extracted, spent)
        alike = expected is None or mine == pytest.approx(expected, rel=1e-12)
        assert alike != (spent.id in OTHERWISE), (spent.id, mine, expected)
        held += alike and expected is not None
    assert held > 600 and len(kinds) == 6 and min(kinds.values()) > 0, (held, kinds)


def read_by(genai: Any, spent: Spent) -> Any:
    """What genai-prices itself takes from the reply; None where it has no way to."""
    kind = dict(spent.case["response"]["headers"]).get("content-type", "")
    found = None
    for frame in split([corpus.body(spent.case)], kind):
        try:
            said = json.loads(frame.data)
        except ValueError:
            continue
        said = said.get("response", said) if isinstance(said, dict) else said
        for flavour in (FLAVOURS.get(spent.case["api"], "default"), "default"):
            try:
                found = genai.extract_usage(said, provider_id=NAMES[spent.service], api_flavor=flavour).usage
                break
            except Exception:
                continue  # another frame has the counts, or another flavour reads them
    return found


FACTS = Facts(
    "m", "p", input_price=2.0, output_price=10.0, cached_price=0.5, cache_write_price=2.5,
    cache_write_1h_price=4.0, audio_price=6.0, reasoning_price=3.0, request_price=5.0, search_price=10.0,
)  # fmt: skip
CASES = [
    (Usage(1_000_000, 0), 2.0),
    (Usage(1_000_000, 0, 1_000_000), 0.5),
    (Usage(1_000_000, 0, 2_000_000), 0.5),  # more cached than sent: some services count so
    (Usage(1_000_000, 0, None, None, 400_000), 0.6 * 2 + 0.4 * 2.5),
    (Usage(1_000_000, 0, None, None, 400_000, 300_000), 0.6 * 2 + 0.1 * 2.5 + 0.3 * 4),
    (Usage(1_000_000, 0, audio=500_000), 1.0 + 3.0),
    (Usage(1_000_000, 0, tooling=1_000_000), 4.0),
    (Usage(0, 1_000_000, None, 250_000), 7.5 + 0.75),
    (Usage(0, 0, searches=3), 0.03),
]


@pytest.mark.parametrize(("usage", "usd"), CASES)
def test_every_kind_at_its_own_price(usage: Usage, usd: float) -> None:
    assert cost(usage, FACTS, 0) == pytest.approx(usd + 0.005)


def test_without_a_price_of_its_own_the_plain_one_holds() -> None:
    plain = Facts("m", "p", input_price=2.0, output_price=10.0)
    usage = Usage(1_000_000, 1_000_000, 300_000, 300_000, 300_000, 100_000, 100_000)
    assert cost(usage, plain, 0) == pytest.approx(12.0)


def test_unknown_is_not_nothing_and_local_is() -> None:
    assert cost(Usage(1, 1), Facts("m", "p", input_price=1.0)) is None
    assert cost(Usage(None, 1), FACTS) is None and cost(Usage(1, None), FACTS) is None
    assert cost(Usage(10**9, 10**9, tooling=5, searches=5), facts("ollama", "anything")) == 0.0
    assert cost(Usage(1, 1), facts("custom", "nobody-knows")) is None


def test_steps_by_length_and_prices_by_the_hour() -> None:
    made = FACTS._replace(
        dear_from=100, dear=(20.0, None), dearer=((1000, (200.0, 100.0)),), hours=((60, 120, (4.0, 20.0)),)
    )
    free = made._replace(request_price=None)
    assert cost(Usage(100, 0), free, 0) == pytest.approx(100 * 2e-6)
    assert cost(Usage(101, 1), free, 0) == pytest.approx(101 * 20e-6 + 10e-6)
    assert cost(Usage(1001, 1), free, 0) == pytest.approx(1001 * 200e-6 + 100e-6)
    assert cost(Usage(100, 0), free, 86400 * 9 + 3600) == pytest.approx(100 * 4e-6)
    assert cost(Usage(100, 0), free, 7200) == pytest.approx(100 * 2e-6)
    night = free._replace(hours=((1200, 60, (1.0, 5.0)),))
    assert [cost(Usage(10**6, 0), night._replace(dear_from=None, dearer=None), at * 60) for at in (1199, 1200, 59, 60)] == [
        2.0, 1.0, 1.0, 2.0,
    ]  # fmt: skip


def test_a_price_of_the_person_goes_over_the_whole_table() -> None:
    own = facts("deepseek", "deepseek-chat", {"input_price": 1.0, "output_price": 1.0})
    assert facts("deepseek", "deepseek-chat").hours and own.hours is None
    assert cost(Usage(10**6, 0), own, WHEN.timestamp()) == 1.0


def test_models_of_makers_that_azure_sells_are_priced() -> None:
    for maker, model in (("moonshot", "kimi-k2.5"), ("xai", "grok-4-fast-reasoning"), ("openai", "gpt-4o")):
        assert facts("azure", model).output_price == facts(maker, model).output_price is not None


def test_all_counts_are_kept_in_a_receipt() -> None:
    attempt = Attempt("b", "m", hold="h1")
    receipt = Receipt(
        "b", usage=Usage(*range(1, len(Usage._fields) + 1)), attempts=(attempt, attempt._replace(hold=""))
    )
    assert receipt_in(receipt_out(receipt)) == receipt
