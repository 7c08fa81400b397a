"""The offline guide: what it finds, how it speaks, and that it stays offline and honest."""

from __future__ import annotations

import socket
import time

import pytest

from arawn import manual
from arawn.backends.guide import ELSE, NOTICE, Guide, answer, look_up
from arawn.events import Finish, Notice, Text, Usage, collect
from arawn.manual import search
from arawn.messages import Message, Request, TextPart, user
from arawn.providers import PROVIDERS

FOUND = [
    ("how do I store an Anthropic key?", "secrets", "Store a key"),
    ("where do I put my API token", "secrets", "Store a key"),
    ("save my openai password", "secrets", "Store a key"),
    ("how to set the groq api key", "secrets", "Store a key"),
    ("add a key for mistral to the keyring", "secrets", "Store a key"),
    ("how do I sotre a key", "secrets", "Store a key"),
    ("how do i delete a stored key", "secrets", "List, test and delete stored keys"),
    ("list my stored secrets", "secrets", "List, test and delete stored keys"),
    ("what does $env: mean", "secrets", "References to secrets: $env, $keyring, $file"),
    ("can I read the key from a file", "secrets", "Key in a file"),
    ("the keyring is locked", "secrets", "Keyring problems"),
    ("There is no keyring on this machine", "secrets", "Keyring problems"),
    ("keyrng does not answer", "secrets", "Keyring problems"),
    ("is my key shown in logs?", "secrets", "How keys are protected"),
    ("where does my key come from", "secrets", "Check where every key comes from"),
    ("how do I use ollama", "backends", "Use Ollama"),
    ("local llama on another machine", "backends", "Use Ollama"),
    ("how do I connect LM Studio", "backends", "Use LM Studio, llama.cpp or vLLM"),
    ("how to use claude", "backends", "Use Anthropic, OpenAI, Groq or another hosted service"),
    ("add a custom openai compatible endpoint", "backends", "Add a service of your own"),
    ("how can I use litellm gateway", "backends", "Add a service of your own"),
    ("I am behind a corporate proxy", "backends", "Proxies and certificates"),
    ("which providers are supported?", "backends", "The providers"),
    ("how is the backend chosen", "backends", "Which backend answers by default"),
    ("change the default model", "backends", "Set the default model"),
    ("list available models", "backends", "List the models of a backend"),
    ("send a custom header", "backends", "Extra fields and headers"),
    ("my key is not sent to the gateway", "backends", "The address of a service, and where a key goes"),
    ("where is the config file", "config", "Where the config file is"),
    ("configuration file location", "config", "Where the config file is"),
    ("create a config file", "config", "Write a first file"),
    ("what takes precedence, environment or flags", "config", "What wins"),
    ("check my config for mistakes", "config", "Find mistakes"),
    ("change a setting", "config", "Change settings"),
    ("what does limits.idle do", "errors", "Time limits"),
    ("how do I fix the last command", "shell", "Mend the last command"),
    ("turn words into a shell command", "shell", "One command for what you say"),
    ("change the key of the widget", "shell", "Keys in your shell"),
    ("print only the code", "shell", "Code alone"),
    ("install tab completion", "shell", "Completions"),
    ("is there a man page", "shell", "The man page"),
    ("how do I stop an answer", "ask", "Stop an answer"),
    ("cancel a running response", "ask", "Stop an answer"),
    ("pipe a diff into it", "ask", "Pipe text in"),
    ("attach a file", "ask", "Send files"),
    ("can I send an image", "ask", "Send files"),
    ("set a system prompt", "ask", "Set a system prompt"),
    ("how do I set the temperature", "ask", "Temperature, longest answer and other settings for one run"),
    ("how do I write several lines", "chat", "Keys: new line, stop, search, leave"),
    ("how do I quit the chat", "chat", "Keys: new line, stop, search, leave"),
    ("slash commands", "chat", "Slash commands"),
    ("compare two models side by side", "compare", "Compare in a chat"),
    ("compare several backends from a script", "compare", "Compare from the command line"),
    ("how do I define a role", "roles", "Make a role"),
    ("role from a markdown file", "roles", "A role in a file of its own"),
    ("snippets in chat messages", "roles", "Snippets: short names for long texts"),
    ("copy the answer to the clipboard", "chat", "Take code and answers out"),
    ("how many tokens did this session cost", "chat", "What it took"),
    ("regenerate the answer", "chat", "Ask again"),
    ("switch model during a conversation", "chat", "Switch the model in the middle"),
    ("start a new conversation", "chat", "Begin a new conversation"),
    ("what do the exit codes mean", "errors", "Exit codes"),
    ("exit code 6", "errors", "Exit codes"),
    ("I get 401 unauthorized", "errors", "Authentication failed"),
    ("Cannot connect to Ollama at http://localhost:11434", "errors", "Cannot connect"),
    ("connection refused", "errors", "Cannot connect"),
    ('Model "x" not available', "errors", "Model not available"),
    ("rate limit exceeded 429", "errors", "Rate limited or overloaded"),
    ("context length exceeded", "errors", "Prompt too long"),
    ("it is slow and times out", "errors", "Time limits"),
    ("increase the timeout", "errors", "Time limits"),
    ("how many retries are made", "errors", "Retries"),
    ("json output for scripts", "json", "One document: --json"),
    ("stream events as ndjson", "json", "Events: --jsonl"),
    ("does it send telemetry?", "privacy", "What is sent, and where"),
    ("do you track me", "privacy", "What is sent, and where"),
    ("where is the chat history stored", "privacy", "Where the files lie"),
    ("disable the history", "privacy", "Keep no history"),
    ("trust a project", "trust", "Trust a project"),
    ("what may a project file set", "trust", "What a project file may set"),
    ("revoke trust", "trust", "List and revoke trust"),
    ("turn off colors", "look", "Colours and Markdown"),
    ("tab completion for zsh", "shell", "Completions"),
    ("autocompletion in fish", "shell", "Completions"),
    ("hide the thinking", "look", "Reasoning"),
    ("colours for a light background", "look", "Themes"),
    ("change the color of headings", "look", "Colours of your own"),
    ("beep when a long answer is finished", "look", "Hear that it is there"),
    ("what does the spinner wait for", "look", "What is waited for"),
    ("tokens per second after each answer", "look", "The line after an answer"),
    ("how do I install arawn", "start", "Install Arawn"),
    ("what is this offline guide", "start", "What the guide is, and what it is not"),
    ("list all commands of the program", "start", "All commands"),
    ("how do I add a model", "start", "Add a model"),
    ("get started with a real model", "start", "Add a model"),
]

FOUND += [
    ("how do I use gpt-4o", "backends", "Use Anthropic, OpenAI, Groq or another hosted service"),
    ("my company uses a self signed certificate", "backends", "Proxies and certificates"),
    ("can I use several openai accounts", "backends", "Several accounts or models of one provider"),
    ("why did the answer stop in the middle", "errors", "The answer was cut"),
    ("can I paste multiple lines", "chat", "Keys: new line, stop, search, leave"),
    ("docker container without keyring", "secrets", "Keyring problems"),
    ("I pasted my key into the config file", "secrets", "Literal key in the config"),
    ("set default backend", "backends", "Which backend answers by default"),
    ("my ollama is on port 11435", "backends", "Use Ollama"),
    ("gimme json output", "json", "One document: --json"),
    ("what happens when I press ctrl-c", "chat", "Keys: new line, stop, search, leave"),
]

ELSEWHERE = [
    "what is the capital of France?",
    "Why is the sky blue?",
    "write a python function that sorts a list",
    "what time is it",
    "summarize this file",
    "tell me a joke",
    "who was the first president of the united states",
    "translate 'good night' into German",
    "2+2",
    "how do I center a div",
    "what did OpenAI announce yesterday",
    "write an email to my boss",
    "git rebase vs merge",
    "write me a haiku about autumn",
    "What is a red-black tree?",
    "please fix the bug in my javascript",
    "日本の首都はどこですか",
]


def told(*said: str) -> str:
    return collect(Guide().stream(Request(tuple(user(text) for text in said)))).text


@pytest.mark.parametrize(("question", "page", "title"), FOUND, ids=[row[0] for row in FOUND])
def test_finds(question: str, page: str, title: str) -> None:
    best = [(hit.section.page, hit.section.title, round(hit.score, 1)) for hit in look_up(question)[:4]]
    assert best, "nothing found"
    assert best[0][:2] == (page, title), best


@pytest.mark.parametrize("question", ELSEWHERE)
def test_admits_what_it_does_not_know(question: str) -> None:
    text = told(question)
    assert text.startswith(ELSE), search.hits(question)[:2]
    assert "ANTHROPIC_API_KEY" in text and "Ollama" in text and "arawn config init" in text


@pytest.mark.parametrize(
    "question", ["Hello", "hi!", "", "  ", "help", "Good morning", "Hello, are you working?", "?"]
)
def test_welcomes(question: str) -> None:
    text = told(question)
    assert "This is Arawn" in text and "offline guide" in text
    for way in ("ANTHROPIC_API_KEY", "Ollama", "`arawn config init`", "arawn ask"):
        assert way in text
    assert len(text) < 2000


def test_a_key_question_is_answered_exactly() -> None:
    text = told("how do I store an Anthropic key?")
    assert text.startswith("## Store a key\n")
    for line in (
        "arawn secret set anthropic",
        'api_key = "$keyring:anthropic"',
        "export ANTHROPIC_API_KEY=...",
    ):
        assert line in text
    assert "<!--" not in text


@pytest.mark.parametrize(
    "name", [row.name for row in PROVIDERS.values() if row.needs_key and row.name != "anthropic"]
)
def test_examples_are_of_the_provider_asked_for(name: str) -> None:
    row = PROVIDERS[name]
    text = told(f"how do I store my {name} key?")
    assert f"arawn secret set {name}" in text and f'"$keyring:{name}"' in text and row.docs in text
    assert f"export {row.key_names[0]}=..." in text
    assert "nthropic" not in text


def test_a_local_server_needs_no_key() -> None:
    assert "Ollama needs no key" in told("how do I store a key for ollama")
    assert "arawn secret set openai" in told("where do I put my chatgpt key")


def test_goes_on_with_the_question_before() -> None:
    first = told("how do I store a key?")
    more = told("how do I store a key?", "more")
    assert more != first and more.startswith("## ")
    assert "arawn secret set groq" in told("how do I store an anthropic key?", "and for groq?")
    assert "all the manual has" in told("how do I store a key?", *["more"] * 60)


def test_speaks_as_a_backend() -> None:
    guide = Guide()
    asked = (user("hi"), Message("assistant", (TextPart("hello"),)), user("how do I use ollama"))
    events = list(guide.stream(Request(asked)))
    assert (guide.name, guide.model) == ("guide", "manual")
    assert events[0] == Notice(NOTICE) and "\n" not in NOTICE
    assert events[-2:] == [Usage(), Finish("stop", "stop", "manual")]
    pieces = [event.text for event in events if isinstance(event, Text)]
    assert len(pieces) > 10 and max(map(len, pieces)) < 300
    assert "".join(pieces) == answer(["hi", "how do I use ollama"])
    assert not any(isinstance(event, Notice) for event in guide.stream(Request(asked))), "it says so once"
    guide.close()
    guide.close()


def test_the_pieces_are_the_whole_text() -> None:
    for section in manual.sections():
        question = f"{section.page} {section.title}"
        assert told(question) == answer([question])


def test_paragraphs_flow() -> None:
    source = "# T\n\nA line\nand on.\n\n- one\n  more\n- two\n\n1. first\n   of it\n\n| a |\n|---|\n\n```sh\nx\ny\n```\nend\nof it\n"
    flowing = "# T\n\nA line and on.\n\n- one more\n- two\n\n1. first of it\n\n| a |\n|---|\n\n```sh\nx\ny\n```\nend of it\n"
    assert manual.flow(source) == flowing
    for page in manual.ORDER:
        assert manual.flow(manual.text(page)).split() == manual.text(page).split()


def test_never_claims_to_be_a_model() -> None:
    for question in (
        "are you a model?",
        "who are you",
        "what are you",
        "are you ChatGPT?",
        "Hello",
        "tell me a joke",
    ):
        text = told(question)
        assert "guide" in text, question
        low = text.lower()
        assert not any(claim in low for claim in ("i am a model", "i am an ai", "language model", "as an ai"))
    assert "not a model" in NOTICE and "offline" in NOTICE


def test_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("the guide opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for question, *_ in FOUND[:10]:
        told(question)


def test_is_quick() -> None:
    """Reading all pages and ranking them takes some 10 ms; the bound leaves room for a busy machine."""
    best = 1.0
    for _ in range(7):
        began = time.perf_counter()
        told("how do I store an Anthropic key?")
        best = min(best, time.perf_counter() - began)
    assert best < 0.1


@pytest.mark.parametrize(
    "question", ["key " * 100_000, "a" * 1_000_000, "\0\x1b[31m", "😀" * 5000, "\ud800", "[[[(((*"]
)
def test_takes_any_question(question: str) -> None:
    began = time.perf_counter()
    assert told(question).strip()
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 0, "- `secrets`: A key is best kept out of files"),
        (["secrets"], 0, "# Keys and secrets\n"),
        (["Secrets"], 0, "# Keys and secrets\n"),
        (["store", "a", "key"], 0, "## Store a key\n"),
        (["session"], 0, "# Sessions\n"),
        (["replay"], 0, "## May I change the model? arawn replay\n"),
        (["doctor"], 0, "`arawn doctor` looks at everything around"),
        (["help"], 0, "- `secrets`: A key is best kept out of files"),
        (["proxy"], 0, "## Proxies and certificates\n"),
        (["secrts"], 2, "did you mean: arawn help secrets"),
        (["the capital of France"], 2, "arawn help lists the pages"),
    ],
)
def test_help(arawn, args: list[str], code: int, said: str) -> None:
    done = arawn("help", *args)
    assert done.returncode == code, done.stderr
    assert said in (done.stderr if code else done.stdout)
    assert "<!--" not in done.stdout and "\x1b" not in done.stdout


def test_ask_answers_on_a_fresh_machine(arawn) -> None:
    nobody = {"OLLAMA_HOST": "127.0.0.1:9", "LMSTUDIO_API_BASE": "http://127.0.0.1:9/v1"}
    done = arawn("ask", "how do I store an Anthropic key?", env=nobody)
    assert done.returncode == 0, done.stderr
    assert "arawn secret set anthropic" in done.stdout and "offline" not in done.stdout
    assert done.stderr.count("\n") == 1 and "offline guide" in done.stderr
