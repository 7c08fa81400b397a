"""`arawn model pick`: models scored by what a request speaks of; reasons and weights."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.catalog import Facts, facts
from arawn.events import Usage
from arawn.money import cost
from arawn.quote import Cost, Offer
from arawn.selector import ASPECTS, KINDS, best, kinds, most_for, quality, scored

MODELS = [
    ("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("openai", "o3"), ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-3-5-haiku-latest"), ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"), ("mistral", "codestral-latest"), ("groq", "llama-3.1-8b-instant"),
    ("perplexity", "sonar"), ("ollama", "llama3"),
]  # fmt: skip


def offer(provider: str, model: str, **more) -> Offer:
    known = facts(provider, model)
    usd = cost(Usage(10, 1000), known, 0.0)
    price = None if usd is None else Cost(0.0, 0.0, usd, 10, 1000)
    return Offer(provider, model, provider, known, 10, known.context, (), price)._replace(**more)


ALL = [offer(*one) for one in MODELS]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("generate Python with type hints", "code"),
        ("what is in this screenshot?", "vision"),
        ("summarize a long contract of 300 pages", "long documents"),
        ("prove the theorem step by step", "reasoning"),
        ("translate this into German", "translation"),
        ("embed my notes for semantic search", "embeddings"),
        ("search the web for the latest news", "search of the web"),
        ("extract the fields as JSON", "structured data"),
        ("a quick headline", "quick small work"),
        ("write a poem", "writing"),
        ("transcribe this recording of a podcast", "audio"),
    ],
)
def test_words_tell_the_kind_of_work(text: str, kind: str) -> None:
    assert kinds(text)[0].name == kind


def test_words_inside_words_tell_nothing() -> None:
    assert not kinds("Hello, how are you?") and not kinds("encoded scripture")
    assert {kind.name for kind in KINDS} >= {"code", "vision", "reasoning", "translation", "embeddings"}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("generate Python with type hints", "codestral-latest"),
        ("search the web for the latest news", "sonar"),
        ("embed these", "text-embedding-3-small"),
        ("prove it step by step, think", "o3"),
    ],
)
def test_what_models_are_known_for_decides_where_it_alone_counts(text: str, known: str) -> None:
    alone = {**dict.fromkeys(ASPECTS, 0.0), "specialisation": 1.0}
    found = scored(ALL, text, alone)
    first = found[0].total
    assert known in [one.offer.model for one in found if one.total == first]
    assert found[0].reasons[0].startswith("specialisation: known for")


def test_only_embedding_models_embed_and_only_others_answer() -> None:
    assert {one.offer.model for one in scored(ALL, "embed my notes")} == {"text-embedding-3-small"}
    assert "text-embedding-3-small" not in {one.offer.model for one in scored(ALL, "write code")}


def test_weights_turn_the_choice() -> None:
    def first(aspect: str) -> str:
        return scored(ALL, "hello", {**dict.fromkeys(ASPECTS, 0.0), aspect: 2.0})[0].offer.model

    assert first("cost") == "llama3" and first("context").startswith("gemini-2.5")
    assert first("quality") in ("o3", "gemini-2.5-pro", "claude-sonnet-4-5")
    quick = [one._replace(first_s=0.2 if one.model == "gpt-4o" else 9.0) for one in ALL]
    assert scored(quick, "hello", {**dict.fromkeys(ASPECTS, 0.0), "speed": 1.0})[0].offer.model == "gpt-4o"


def test_what_is_measured_here_goes_over_a_guess() -> None:
    (slow,) = scored([offer("openai", "gpt-4o-mini", first_s=20.0)], "x")
    (guess,) = scored([offer("openai", "gpt-4o-mini")], "x")
    assert slow.aspects["speed"] == 0.0 < guess.aspects["speed"]
    assert "measured here" in slow.reasons[1] and "not measured here yet" in guess.reasons[1]


def test_the_most_it_may_cost() -> None:
    dear = scored(ALL, "hello")
    cheap = scored(ALL, "hello", most=0.001)
    assert {one.offer.model for one in cheap} < {one.offer.model for one in dear}
    assert all(one.offer.cost and one.offer.cost.likely <= 0.001 for one in cheap)
    unknown = [offer("custom", "nobody-knows")]
    assert scored(unknown, "x") and not scored(unknown, "x", most=1.0)
    assert scored(unknown, "x")[0].reasons[2] == "cost: its price is not known"


@pytest.mark.parametrize(
    ("said", "usd"),
    [
        ("low", 0.002),
        ("Medium", 0.02),
        ("high", 0.2),
        ("0.5", 0.5),
        ("$1", 1.0),
        ("much", None),
        ("-1", None),
        ("nan", None),
    ],
)
def test_max_cost_in_words_and_numbers(said: str, usd: float | None) -> None:
    assert most_for(said) == usd


def test_quality_says_what_it_is_based_on() -> None:
    better, told = quality(facts("openai", "o3"))
    assert better > quality(facts("openai", "gpt-4o-mini"))[0] and "it reasons" in told and "$" in told
    assert "70 billion" in quality(Facts("llama-3.3-70b", "x"))[1]
    assert quality(Facts("llama-70b", "x"))[0] > quality(Facts("llama-8b", "x"))[0]
    assert quality(Facts("who", "x"))[1] == "nothing is known that tells"


def test_best_is_by_quality_and_fitness() -> None:
    one, reasons = best(ALL, "prove the theorem")
    assert one and one.facts.reasoning and any("reason" in reason for reason in reasons)
    assert best([], "x") == (None, ())


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=80), st.dictionaries(st.sampled_from(ASPECTS), st.floats(0, 100)), st.permutations(ALL)
)
def test_scores_are_between_0_and_1_whatever_is_said(
    text: str, weights: dict[str, float], offers: list[Offer]
) -> None:
    found = scored(offers, text, weights)
    assert all(
        0 <= one.total <= 1 and all(0 <= value <= 1 for value in one.aspects.values()) for one in found
    )
    assert [one.total for one in found] == sorted((one.total for one in found), reverse=True)
    assert [one.offer for one in found] == [one.offer for one in scored(ALL, text, weights)]


CONFIG = """
[backends.one]
provider = "openai"
api_key = "sk-x-0123456789"
[backends.two]
provider = "mistral"
api_key = "mk-x-0123456789"
[model_selector.weights]
cost = 0
speed = 0
context = 0
quality = 0
"""


def test_the_command(arawn) -> None:
    done = arawn("model", "pick", "generate Python with type hints", "--explain", config=CONFIG)
    assert done.returncode == 0 and done.stdout.startswith("1. ") and "known for code" in done.stdout
    assert "quality" not in done.stdout  # its weight is 0
    made = json.loads(arawn("model", "pick", "write", "Python", "--json", "--top", "5").stdout)
    assert made["kinds"][0] in ("code", "writing") and len(made["picks"]) == 5
    assert {one["backend"] for one in made["picks"]} <= {"one", "two"}
    cheap = json.loads(arawn("model", "pick", "code", "--max-cost", "0.0005", "--json").stdout)["picks"]
    assert cheap and all(one["cost_usd"] <= 0.0005 for one in cheap)
    assert arawn("model", "pick", "x", "--max-cost", "some").returncode == 2
    assert arawn("model", "pick", "x", "--max-cost", "0").returncode == 7
    assert arawn("model", "pick", " ").returncode == 2


def test_a_table_of_models_is_among_them(arawn) -> None:
    config = '[backends.mine]\nprovider="custom"\nbase_url="http://127.0.0.1:9/v1"\nmodel="a"\n[backends.mine.models]\ngen="b"\n'
    made = json.loads(arawn("model", "pick", "x", "--json", config=config).stdout)
    assert {one["model"] for one in made["picks"]} == {"a", "b"}


def test_nothing_set_up(arawn) -> None:
    done = arawn("model", "pick", "x")
    assert done.returncode == 3 and "No backend is set up" in done.stderr
