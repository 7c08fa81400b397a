"""`arawn quote` and `ask --pick`: what a question would be at each backend, and whom to ask; nothing is sent."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream

from arawn import quote as quoting
from arawn.backends.choose import Choice
from arawn.backends.names import set_up
from arawn.catalog import Facts
from arawn.config.load import load
from arawn.errors import ConfigFault
from arawn.events import Attempt, Usage
from arawn.messages import FilePart, Format, Message, Request, TextPart, ToolSpec, user
from arawn.money import cost
from arawn.quote import Offer, cheapest, fastest, offers, projected
from arawn.render.quote import document, lines
from arawn.session import Receipt, Session, Turn
from arawn.store.sessions import Store

CONFIG = """
[backends.dear]
provider = "custom"
base_url = "{url}/v1"
model = "big"
[backends.cheap]
provider = "custom"
base_url = "{url}/v1"
model = "small"
[backends.odd]
provider = "custom"
base_url = "{url}/v1"
model = "unknown-one"
[catalog.big]
input_price = 10.0
output_price = 50.0
context = 200000
vision = true
pdf = true
[catalog.small]
input_price = 0.1
output_price = 0.5
context = 4000
vision = false
pdf = false
schema = false
tools = false
"""
HELLO = Request((user("Hello there"),))


def found(
    tmp_path: Path, request: Request, config: str = CONFIG, env: dict | None = None, **more
) -> list[Offer]:
    file = tmp_path / "c.toml"
    file.write_text(config.replace("{url}", "http://127.0.0.1:9"))
    env = {"HOME": str(tmp_path), **(env or {})}
    made = load(env=env, cwd=None, config_file=str(file), flags=())
    catalog = made.values.get("catalog", {})

    def facts(name: str, provider: str, model: str) -> Facts:
        return Facts(
            model, provider, **{key: catalog.get(model, {}).get(key) for key in catalog.get(model, {})}
        )

    return offers(made, env, facts, request, **more)


def by(offers: list[Offer]) -> dict[str, Offer]:
    return {one.backend: one for one in offers}


def test_each_backend_is_offered_cheapest_first(tmp_path: Path) -> None:
    made = found(tmp_path, HELLO, measured={("cheap", "small"): 0.4})
    assert [one.backend for one in made] == ["cheap", "dear", "odd"]
    dear = by(made)["dear"]
    assert dear.cost and dear.window == 200_000 and dear.usable and dear.first_s is None
    assert dear.cost.likely == pytest.approx(dear.tokens * 10e-6 + quoting.TYPICAL * 50e-6)
    assert by(made)["cheap"].first_s == 0.4 and by(made)["odd"].cost is None


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    picture = FilePart(b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "image/png", "a.png")
    paper = FilePart(b"%PDF-1.4", "application/pdf", "a.pdf")
    schema = Format({"type": "object"})
    tool = ToolSpec("t", "d", {})
    request = Request((user("x", (picture, paper)),), format=schema, tools=(tool,))
    made = by(found(tmp_path, request))
    assert set(made["cheap"].missing) == {"image", "pdf", "schema", "tools"} and not made["cheap"].usable
    assert "image" not in made["dear"].missing


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    made = found(tmp_path, Request((user("word " * 5000),)))
    small = by(made)["cheap"]
    assert not small.fits and not small.usable and by(made)["dear"].fits
    best = cheapest(made)
    assert best and best.backend == "dear" and made[-1].backend == "cheap"
    told = "\n".join(lines(made, best, str))
    assert "does not fit" in told and "* dear" in told


def test_the_cheapest_and_the_fastest(tmp_path: Path) -> None:
    made = found(tmp_path, HELLO, measured={("cheap", "small"): 2.0, ("dear", "big"): 0.3})
    one, other = cheapest(made), fastest(made)
    assert one and one.backend == "cheap" and other and other.backend == "dear"
    nothing = cheapest(made, 0.0)
    assert nothing is None
    limited = cheapest(made, 0.01)
    assert limited and limited.backend == "cheap"
    unmeasured = fastest(found(tmp_path, HELLO))
    assert unmeasured and unmeasured.backend == "cheap"
    alone = cheapest(found(tmp_path, HELLO, CONFIG.split("[catalog.big]")[0]))
    assert alone is not None and alone.cost is None


def test_who_cannot_be_asked_says_why(tmp_path: Path) -> None:
    config = '[backends.nokey]\nprovider = "openai"\n[backends.guide2]\nprovider = "ollama"\n'
    made = by(found(tmp_path, HELLO, config, {"GROQ_API_KEY": "gsk_0123456789"}))
    assert "No key" in made["nokey"].trouble and not made["nokey"].usable
    assert not made["groq"].trouble and made["groq"].model

    def refuse(choice: Choice) -> None:
        raise ConfigFault(f"{choice.name} is elsewhere")

    made = by(found(tmp_path, HELLO, check=refuse))
    assert all(one.trouble.endswith("elsewhere") and not one.usable for one in made.values())


def test_the_projection_is_the_cost_of_such_an_answer() -> None:
    facts = Facts("m", "p", input_price=3.0, output_price=15.0, dear_from=100, dear=(6.0, 30.0))
    for request in (HELLO, Request((user("word " * 400),), max_tokens=77)):
        made = projected(request, facts, {}, 0.0)
        assert made and made.length == (request.max_tokens or quoting.TYPICAL)
        assert made.likely == cost(Usage(made.tokens, made.length), facts, 0.0)
    assert projected(HELLO, Facts("m", "p"), {}, 0.0) is None


def test_other_names_are_cleaned_and_keys_masked() -> None:
    one = Offer(
        "a\x1b[2J", "m", "p", Facts("m", "p"), 3, None, (), None, None, "bad sk-secret-key-0123456789"
    )
    told = "\n".join(lines([one], None, lambda text: text.replace("sk-secret-key-0123456789", "****")))
    assert "\x1b" not in told and "sk-secret" not in told
    assert document([one], None, "", str)["offers"][0]["usable"] is False


@pytest.fixture
def fake():
    with FakeProvider(openai_stream(["yes"])) as provider:
        yield provider


def measure(env: dict[str, str]) -> None:
    """Turns in the store, of which the dear backend was the faster."""
    store = Store(Path(env["HOME"], ".local/share/arawn"), print)
    session = Session("s")
    for backend, model, took in (("dear", "big", 0.2), ("cheap", "small", 3.0)):
        attempts = (Attempt(backend, model, 200, None, 0.0, took, took + 1),)
        receipt = Receipt(backend, "custom", model, "stop", attempts=attempts)
        said = (user("q"), Message("assistant", (TextPart("a"),)))
        session.add(Turn(f"t-{backend}", None, said, receipt, time.time(), "s"))
    store.put(session, session.turns.values())
    store.close()


def test_the_command_sends_nothing(arawn, fake, env) -> None:
    config = CONFIG.replace("{url}", fake.url)
    shown = arawn("quote", "hello", config=config).stdout
    assert shown.index("cheap") < shown.index("dear") < shown.index("odd") and "unknown" in shown
    made = json.loads(arawn("quote", "--json", "--fastest", "hello").stdout)
    assert made["pick"]["backend"] == "cheap" and len(made["offers"]) == 3
    measure(env)
    assert json.loads(arawn("quote", "--json", "--fastest", "hello").stdout)["pick"]["backend"] == "dear"
    assert arawn("quote", "--cheapest-that-fits", "hello").stdout == "cheap:small\n"
    assert arawn("quote", "--cheapest-that-fits", "-", stdin="word " * 6000).stdout == "dear:big\n"
    assert arawn("quote", "--fastest", "--cheapest-that-fits", "x").returncode == 2
    assert not fake.requests


def test_nothing_set_up_is_said(arawn) -> None:
    done = arawn("quote", "hello")
    assert done.returncode == 3 and "No backend is set up" in done.stderr


@pytest.mark.parametrize(("how", "model"), [("cheapest", "small"), ("fastest", "big"), ("best", "big")])
def test_pick_asks_whom_it_chooses_and_says_why(arawn, fake, env, how: str, model: str) -> None:
    measure(env)
    done = arawn("ask", "--pick", how, "hello", config=CONFIG.replace("{url}", fake.url))
    assert done.stdout == "yes\n" and fake.requests[-1].json["model"] == model
    assert f"the {how} of 3 that can be asked this" in done.stderr
    assert "cost about unknown" not in done.stderr


def test_pick_goes_with_no_backend_and_no_other_word(arawn, fake) -> None:
    config = CONFIG.replace("{url}", fake.url)
    assert arawn("ask", "--pick", "nicest", "x", config=config).returncode == 2
    assert arawn("ask", "--pick", "best", "-b", "dear", "x").returncode == 2
    assert not fake.requests


def test_pick_that_none_fits_says_of_each_why(arawn, fake) -> None:
    config = CONFIG.replace("{url}", fake.url).replace("context = 200000", "context = 300")
    config += "[catalog.unknown-one]\ncontext = 300\n"
    done = arawn("ask", "--pick", "best", "-", stdin="word " * 9000, config=config)
    assert done.returncode == 3 and "dear: it does not fit" in done.stderr and not fake.requests


def test_a_backend_is_set_up_by_its_table_or_a_key_that_is_more_than_spaces(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[backends.mine]\nbase_url = "http://127.0.0.1:9"\n[backends.groq]\nmodel = "m"\n')
    env = {"OPENAI_API_KEY": " ", "MISTRAL_API_KEY": "x", "GROQ_API_KEY": "y"}
    assert set_up(load(env=env, cwd=None, config_file=str(file), flags=()), env) == [
        "mine",
        "groq",
        "mistral",
    ]
