"""Every service of the table, reached through the whole program; and how little a new one takes."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, anthropic_stream, json_reply, ollama_stream, openai_stream, sse

from arawn.providers import DIALECTS, PROVIDERS, Provider

KEY = "sk-CANARY-0123456789abcdef"
GEMINI = {"candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}]}
COHERE = {"message": {"content": [{"type": "text", "text": "Hello"}]}, "finish_reason": "COMPLETE"}
RESPONSES = {
    "object": "response",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
}
REPLIES = {
    "/chat/completions": openai_stream(["Hello"]),
    "/v1/messages": anthropic_stream(["Hello"]),
    "/api/chat": ollama_stream(["Hello"]),
    "/v2/chat": json_reply(200, COHERE),
    "/responses": json_reply(200, RESPONSES),
    "/predictions": json_reply(200, {"status": "succeeded", "output": ["Hel", "lo"]}),
    ":streamGenerateContent": json_reply(200, GEMINI),
    "/models/m": json_reply(200, [{"generated_text": "Hello"}]),
}


def answer(conn: Conn) -> None:
    """What fits the path that was asked, as a service would."""
    path = conn.request.path.partition("?")[0]
    next(reply for ending, reply in REPLIES.items() if path.endswith(ending))(conn)


def asked(arawn: Any, *args: str, env: dict[str, str], config: str | None = None) -> Any:
    done = arawn("ask", "--json", *args, "Hi", env=env, config=config)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    return json.loads(done.stdout)


ROWS = [row for row in PROVIDERS.values() if row.name != "custom"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_answers(arawn, row: Provider) -> None:
    """NAME_API_KEY, NAME_MODEL and NAME_API_BASE are all that it takes."""
    name = row.name.upper()
    with FakeProvider(answer) as fake:
        env = {f"{name}_API_KEY": KEY, f"{name}_MODEL": "m", f"{name}_API_BASE": fake.url}
        said = asked(arawn, "--backend", row.name, env=env)
    assert (said["text"], said["provider"]) == ("Hello", row.name)
    header = row.auth or DIALECTS[row.dialect].auth
    sent = fake.requests[0].headers["authorization" if header == "bearer" else header]
    assert sent == (f"Bearer {KEY}" if header == "bearer" else KEY)


@pytest.mark.parametrize(
    ("name", "variables", "model"),
    [
        ("google", {"GEMINI_API_KEY": KEY, "GEMINI_MODEL": "m", "GEMINI_API_BASE": "URL"}, "m"),
        ("cohere", {"CO_API_KEY": KEY, "CO_API_URL": "URL"}, "command-a-03-2025"),
        ("replicate", {"REPLICATE_API_TOKEN": KEY, "REPLICATE_API_BASE": "URL"}, None),
        ("huggingface", {"HF_TOKEN": KEY, "HUGGINGFACE_API_BASE": "URL"}, None),
        (
            "azure",
            {"AZURE_OPENAI_API_KEY": KEY, "AZURE_OPENAI_ENDPOINT": "URL", "AZURE_OPENAI_DEPLOYMENT": "m"},
            "m",
        ),
        ("ollama", {"OLLAMA_HOST": "URL", "OLLAMA_MODEL": "m"}, "m"),
        ("github", {"GITHUB_TOKEN": KEY, "GITHUB_API_BASE": "URL"}, None),
        ("perplexity", {"PPLX_API_KEY": KEY, "PERPLEXITY_API_BASE": "URL"}, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_names_its_users_know(arawn, name: str, variables: dict[str, str], model: str | None) -> None:
    with FakeProvider(answer) as fake:
        said = asked(arawn, "-b", name, env={k: fake.url if v == "URL" else v for k, v in variables.items()})
    assert said["text"] == "Hello" and (model is None or said["attempts"][0]["model"] == model)


def test_a_shy_row_is_not_chosen_for_a_variable_that_serves_others(arawn) -> None:
    done = arawn("ask", "Hi", env={"GITHUB_TOKEN": KEY, "HF_TOKEN": KEY, "OLLAMA_HOST": "127.0.0.1:9"})
    assert "offline guide" in done.stderr


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_service_of_ones_own_takes_no_code(arawn, dialect: str) -> None:
    """provider = "custom" with any dialect, extra fields and headers of one's own."""
    with FakeProvider(answer) as fake:
        base = fake.url + ("/models" if dialect == "huggingface" else "")
        config = f"""
            [backends.mine]
            dialect = "{dialect}"
            base_url = "{base}"
            model = "m"
            api_key = "{KEY}"
            [backends.mine.headers]
            X-Team = "blue"
            [backends.mine.extra]
            seed = 7
        """
        said = asked(arawn, "-b", "mine", env={}, config=config)
    request = fake.requests[0]
    assert said["text"] == "Hello" and said["provider"] == "custom"
    assert request.headers["x-team"] == "blue" and request.json["seed"] == 7
    header = DIALECTS[dialect].auth
    assert KEY in request.headers["authorization" if header == "bearer" else header]


def test_a_made_up_service_takes_one_row(arawn, tmp_path) -> None:
    """The row is added to the table in a process of its own, and all of the program knows it."""
    script = tmp_path / "with_row.py"
    script.write_text(
        "import sys\n"
        "from arawn import providers\n"
        "row = providers.Provider('zork', 'Zork', 'openai', 'https://zork.example/v1', 'grue-1')\n"
        "providers.PROVIDERS['zork'] = row\n"
        "from arawn.cli import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    with FakeProvider(answer) as fake:
        env = {"ZORK_API_KEY": KEY, "ZORK_API_BASE": fake.url}
        done = arawn("ask", "--json", "Hi", env=env, program=[sys.executable, str(script)])
        listed = arawn("backend", "list", env=env, program=[sys.executable, str(script)])
    said = json.loads(done.stdout)
    assert (said["backend"], said["text"], fake.requests[0].json["model"]) == ("zork", "Hello", "grue-1")
    assert "zork" in listed.stdout


AZURE = f"""
[backends.azure]
endpoint = "{{url}}"
api_key = "{KEY}"
model = "gpt-4o"
"""


@pytest.mark.parametrize(
    ("more", "path", "model"),
    [
        ("", "/openai/v1/chat/completions", "gpt-4o"),
        ('deployment = "prod"', "/openai/v1/chat/completions", "prod"),
        (
            'deployment = "prod"\napi_version = "2024-10-21"',
            "/openai/deployments/prod/chat/completions?api-version=2024-10-21",
            "prod",
        ),
        (
            'api_version = "2024-10-21"\n[backends.azure.deployments]\ngpt-4o = "mine"',
            "/openai/deployments/mine/chat/completions?api-version=2024-10-21",
            "mine",
        ),
    ],
)
def test_azure_by_endpoint_and_deployment(arawn, more: str, path: str, model: str) -> None:
    with FakeProvider(answer) as fake:
        said = asked(arawn, env={}, config=AZURE.format(url=fake.url) + more)
    request = fake.requests[0]
    assert (said["text"], request.path, request.json["model"]) == ("Hello", path, model)
    assert request.headers["api-key"] == KEY and "authorization" not in request.headers


def test_azure_with_an_entra_token(arawn) -> None:
    config = '[backends.azure]\nendpoint = "{url}"\ntoken = "$env:MY_TOKEN"\nmodel = "m"\n'
    with FakeProvider(answer) as fake:
        asked(arawn, env={"MY_TOKEN": KEY}, config=config.format(url=fake.url))
        asked(
            arawn, "-b", "azure",
            config="", env={"AZURE_OPENAI_AD_TOKEN": KEY, "AZURE_OPENAI_ENDPOINT": fake.url, "AZURE_MODEL": "m"},
        )  # fmt: skip
    for request in fake.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}" and "api-key" not in request.headers


def test_the_key_of_the_environment_goes_to_the_endpoint_of_ones_own_file(arawn) -> None:
    with FakeProvider(answer) as fake:
        asked(
            arawn,
            env={"AZURE_OPENAI_API_KEY": KEY},
            config=f'[backends.azure]\nendpoint = "{fake.url}"\nmodel = "m"\n',
        )
    assert fake.requests[0].headers["api-key"] == KEY


def test_the_next_region_is_asked_at_once_where_one_fails(arawn) -> None:
    busy = json_reply(429, {"error": {"message": "busy"}})
    with FakeProvider(busy, answer) as first:  # whichever of the two names of it is asked first
        places = [first.url, first.url.replace("127.0.0.1", "localhost")]
        config = f'[backends.azure]\nendpoints = {json.dumps(places)}\napi_key = "{KEY}"\nmodel = "m"\n'
        done = arawn("ask", "--json", "Hi", config=config)
    said = json.loads(done.stdout)
    hosts = {request.headers["host"] for request in first.requests}
    assert said["text"] == "Hello" and len(first.requests) == len(hosts) == 2
    assert [attempt["status"] for attempt in said["attempts"]] == [429, 200]
    assert said["attempts"][1]["waited_s"] < 0.5
    assert (
        f"; asking {[place for place in places if first.requests[1].headers['host'] in place][0]}"
        in done.stderr
    )


def test_all_regions_down_is_three_requests_and_no_more(arawn) -> None:
    down = json_reply(503, {"error": {"message": "down"}})
    with FakeProvider(down) as first, FakeProvider(down) as second:
        config = (
            f'[backends.azure]\nendpoints = ["{first.url}", "{second.url}"]\napi_key = "{KEY}"\nmodel = "m"\n'
            '[backends.azure.retry]\ninitial_delay = "10ms"\nmax_delay = "10ms"\n'
        )
        done = arawn("ask", "Hi", config=config)
    assert done.returncode == 6 and len(first.requests) + len(second.requests) == 3


def test_a_model_that_speaks_another_dialect_is_asked_in_it(arawn) -> None:
    with FakeProvider(answer) as fake:
        env = {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": fake.url + "/v1"}
        asked(arawn, "-b", "openai", "-m", "o3-pro", env=env)
        asked(arawn, "-b", "openai", "-o", "backends.openai.dialect=openai-responses", env=env)
    assert [request.path for request in fake.requests] == ["/v1/responses"] * 2


def test_account_headers(arawn) -> None:
    with FakeProvider(answer) as fake:
        anthropic = (
            f'base_url = "{fake.url}"\napi_key = "{KEY}"\nbeta = "context-1m"\napi_version = "2024-01-01"'
        )
        asked(arawn, env={}, config=f"[backends.anthropic]\n{anthropic}\n")
        openai = f'base_url = "{fake.url}"\napi_key = "{KEY}"\norganization = "org-1"\nproject = "proj-1"'
        asked(arawn, env={}, config=f"[backends.openai]\n{openai}\n")
    first, second = (request.headers for request in fake.requests)
    assert (first["anthropic-beta"], first["anthropic-version"]) == ("context-1m", "2024-01-01")
    assert (second["openai-organization"], second["openai-project"]) == ("org-1", "proj-1")


@pytest.mark.parametrize(
    ("said", "sent"),
    [("low", "low"), ("HIGH", "high"), ("20000", "high"), ("off", None)],
)
def test_reasoning_is_asked_for(arawn, said: str, sent: str | None) -> None:
    config = '[backends.mine]\nbase_url = "{url}/v1"\nmodel = "m"\n'
    with FakeProvider(answer) as fake:
        asked(arawn, "--reasoning", said, env={}, config=config.format(url=fake.url))
        asked(arawn, "-o", f"llm.reasoning={said}", env={}, config=config.format(url=fake.url))
    assert [request.json.get("reasoning_effort") for request in fake.requests] == [sent, sent]


def test_a_word_for_reasoning_that_there_is_not(arawn) -> None:
    done = arawn("ask", "--reasoning", "wild", "Hi")
    assert done.returncode == 2 and "off, low, medium, high" in done.stderr
    done = arawn(
        "ask",
        "Hi",
        config='[llm]\nreasoning = "wild"\n[backends.x]\nbase_url = "http://127.0.0.1:9"\nmodel = "m"\n',
    )
    assert done.returncode == 3 and "off, low, medium, high" in done.stderr


def test_citations_stand_numbered_under_the_answer_on_a_terminal_and_in_the_document(arawn) -> None:
    def cited(conn: Conn) -> None:
        conn.head()
        conn.chunk(
            sse({"choices": [{"delta": {"content": "Yes [1]."}}], "citations": ["https://a.example/x"]})
        )
        conn.chunk(sse({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
        conn.end()

    config = '[backends.mine]\nbase_url = "{url}/v1"\nmodel = "m"\n'
    with FakeProvider(cited) as fake:
        said = asked(arawn, env={}, config=config.format(url=fake.url))
        plain = arawn("ask", "Hi", config=config.format(url=fake.url))
    assert said["citations"] == [{"url": "https://a.example/x", "title": ""}]
    assert plain.stdout == "Yes [1].\n"
