"""The services' own SDKs as a second reader: the same recorded bytes, the same text, tool calls and token counts.

Cases on which an SDK is known to read otherwise, or to die, say so themselves and are left out.
"""

from __future__ import annotations

import gc
import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider
from test_corpus import DIALECTS, FOLDER, KNOWN, everything, read

HERE = Path(__file__).parent
MOST = 24
"""Cases of each kind and SDK: every n-th, so that all sources have their share."""
Reading = tuple[str, list[tuple[str, Any]], tuple[int | None, int | None]]
SAID = [{"role": "user", "content": "hi"}]
pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no recorded replies here"),
    pytest.mark.filterwarnings("ignore"),
]


def arguments(text: Any) -> Any:
    if not isinstance(text, str):
        return dict(text or {})
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {"__raw__": text}


def openai_chat(url: str, stream: bool) -> Reading:
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
    asked = client.chat.completions.create(model="m", messages=SAID, stream=stream)
    if not stream:
        message, usage = asked.choices[0].message, asked.usage
        if message is None:  # the older completions have the text beside it
            return (
                getattr(asked.choices[0], "text", ""),
                [],
                chat_counts(usage),
            )
        calls = [(c.function.name, arguments(c.function.arguments)) for c in message.tool_calls or ()]
        return message.content or "", calls, chat_counts(usage)
    text, parts, usage = "", {}, None
    for chunk in asked:
        usage = chunk.usage or usage
        for choice in chunk.choices[:1]:
            if choice.index == 0 and choice.delta:
                text += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    slot = parts.setdefault(call.index, ["", ""])
                    slot[0] = slot[0] or (call.function.name or "")
                    slot[1] += call.function.arguments or ""
    calls = [(name, arguments(given)) for name, given in parts.values()]
    return text, calls, chat_counts(usage)


def counts(usage: Any, sent: str, made: str) -> tuple[int | None, int | None]:
    if usage is None:
        return None, None
    return getattr(usage, sent, None), getattr(usage, made, None)


def chat_counts(usage: Any) -> tuple[int | None, int | None]:
    """xAI leaves reasoning out of its count of output, which its total shows; ours does not."""
    sent, made = counts(usage, "prompt_tokens", "completion_tokens")
    thought = getattr(getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None) or 0
    beside = thought and usage.total_tokens == (sent or 0) + (made or 0) + thought
    return sent, made + thought if beside and made is not None else made


def openai_responses(url: str, stream: bool) -> Reading:
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
    asked = client.responses.create(model="m", input="hi", stream=stream)
    if stream:
        asked = next(e.response for e in asked if e.type in ("response.completed", "response.incomplete"))
    calls = [(i.name, arguments(i.arguments)) for i in asked.output if i.type == "function_call"]
    return asked.output_text, calls, counts(asked.usage, "input_tokens", "output_tokens")


def anthropic(url: str, stream: bool) -> Reading:
    from anthropic import Anthropic

    client = Anthropic(base_url=url, api_key="k", max_retries=0)
    if stream:
        with client.messages.stream(model="m", max_tokens=9, messages=SAID) as asked:
            message = asked.get_final_message()
    else:
        message = client.messages.create(model="m", max_tokens=9, messages=SAID)
    text = "".join(block.text for block in message.content if block.type == "text")
    calls = [(block.name, arguments(block.input)) for block in message.content if block.type == "tool_use"]
    usage = message.usage
    sent = (
        usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    )
    return text, calls, (sent, usage.output_tokens)


def google(url: str, stream: bool) -> Reading:
    from google import genai

    client = genai.Client(api_key="k", http_options={"base_url": url, "api_version": "v1beta"})
    ask = client.models.generate_content_stream if stream else client.models.generate_content
    asked = ask(model="m", contents="hi")
    text, calls, usage = "", [], None
    for chunk in asked if stream else [asked]:
        usage = chunk.usage_metadata or usage
        content = chunk.candidates[0].content if chunk.candidates else None
        for part in (content.parts if content else None) or ():
            if part.text and not part.thought:
                text += part.text
            if part.function_call:
                calls.append((part.function_call.name, arguments(part.function_call.args)))
    sent, made = counts(usage, "prompt_token_count", "candidates_token_count")
    thought = getattr(usage, "thoughts_token_count", None)
    return text, calls, (sent, None if made is thought is None else (made or 0) + (thought or 0))


def cohere(url: str, stream: bool) -> Reading:
    import cohere as sdk

    client = sdk.ClientV2(api_key="k", base_url=url)
    if not stream:
        reply = client.chat(model="m", messages=SAID)
        text = "".join(part.text for part in reply.message.content or () if part.type == "text")
        calls = [(c.function.name, arguments(c.function.arguments)) for c in reply.message.tool_calls or ()]
        return text, calls, whole(reply.usage.tokens)
    text, parts, tokens = "", [], None
    for event in client.chat_stream(model="m", messages=SAID):
        message = getattr(getattr(event, "delta", None), "message", None)
        if event.type == "content-delta":
            text += message.content.text or ""
        elif event.type == "tool-call-start":
            parts.append([message.tool_calls.function.name, message.tool_calls.function.arguments or ""])
        elif event.type == "tool-call-delta":
            parts[-1][1] += message.tool_calls.function.arguments or ""
        elif event.type == "message-end":
            tokens = event.delta.usage.tokens
    return text, [(name, arguments(given)) for name, given in parts], whole(tokens)


def whole(tokens: Any) -> tuple[int | None, int | None]:
    return int(tokens.input_tokens), int(tokens.output_tokens)


def mistral(url: str, stream: bool) -> Reading:
    from mistralai.client import Mistral

    client = Mistral(api_key="k", server_url=url)
    if not stream:
        reply = client.chat.complete(model="m", messages=SAID)
        message = reply.choices[0].message
        calls = [(c.function.name, arguments(c.function.arguments)) for c in message.tool_calls or ()]
        return plain(message.content), calls, chat_counts(reply.usage)
    text, parts, usage = "", {}, None
    for event in client.chat.stream(model="m", messages=SAID):
        usage = event.data.usage or usage
        for choice in event.data.choices[:1]:
            text += plain(choice.delta.content) if choice.index == 0 else ""
            for call in choice.delta.tool_calls or ():
                name, given = parts.get(call.index or 0, ("", ""))
                more = call.function.arguments
                more = more if isinstance(more, str) else json.dumps(more)
                parts[call.index or 0] = (name or call.function.name, given + more)
    calls = [(name, arguments(given)) for name, given in parts.values()]
    return text, calls, chat_counts(usage)


def plain(content: Any) -> str:
    """A text, or the text parts of a list."""
    if isinstance(content, list):
        return "".join(part.text for part in content if getattr(part, "type", "") == "text")
    return content if isinstance(content, str) else ""


def ollama(url: str, stream: bool) -> Reading:
    import ollama as sdk

    asked = sdk.Client(host=url).chat(model="m", messages=SAID, stream=stream)
    text, calls, last = "", [], None
    for chunk in asked if stream else [asked]:
        text += chunk.message.content or ""
        calls += [(c.function.name, dict(c.function.arguments)) for c in chunk.message.tool_calls or ()]
        last = chunk
    return text, calls, (last.prompt_eval_count, last.eval_count)


SDKS = {
    "openai": ("openai", "chat.completions", openai_chat),
    "openai responses": ("openai", "responses", openai_responses),
    "anthropic": ("anthropic", "anthropic.messages", anthropic),
    "google-genai": ("google.genai", "google.generate", google),
    "cohere": ("cohere", "cohere.v2.chat", cohere),
    "mistralai": ("mistralai", "chat.completions", mistral),
    "ollama": ("ollama", "ollama.chat", ollama),
}


def sample(name: str, api: str, kind: str) -> list[dict[str, Any]]:
    """Cases that this SDK reads as they are meant, by what they say of it themselves."""
    sdk = name.split(" ")[0]
    found = [
        case
        for case in everything()
        if case["api"] == api
        and case["kind"] == kind
        and case["oracle"].removeprefix("sdk:").partition("==")[0].partition("(")[0] == sdk
        and all(value == "same" for value in case["sdk"].values())
        and case["id"] not in KNOWN
        and "inline_think" not in case["tags"]
        and not case["expect"].get("error")
        and "base64" not in case["response"].get("body_encoding", "")
    ]
    return found[:: max(1, len(found) // MOST)][:MOST]


@pytest.mark.parametrize("kind", ["json", "stream"])
@pytest.mark.parametrize("name", SDKS)
def test_the_sdk_reads_the_same(name: str, kind: str) -> None:
    module, api, ask = SDKS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(module, reason=f"the SDK {name.split(' ')[0]} is not installed")
        chosen = sample(name, api, kind)
        assert len(chosen) >= 8, (name, kind, len(chosen))
        wrong = {}
        for case in chosen:
            body = case["response"]["body"].encode()
            content = dict(case["response"]["headers"]).get("content-type", "application/json")

            def serve(conn: Conn, body: bytes = body, content: str = content) -> None:
                conn.head(200, content, len(body))
                conn.send(body)

            with FakeProvider(serve) as fake:
                theirs = ask(fake.url, kind == "stream")
            reply, error = read(case, [body])
            calls = [(call.name, arguments(call.arguments)) for call in reply.tool_calls]
            ours = (reply.text, calls, (reply.usage.input, reply.usage.output))
            if error is not None or ours != theirs:
                wrong[case["id"]] = (error, ours, theirs)
        gc.collect()  # the SDKs leave their connections open
    print(f"{name}, {kind}: {len(chosen) - len(wrong)} of {len(chosen)} read alike")
    assert not wrong, json.dumps({k: str(v)[:600] for k, v in wrong.items()}, indent=1)


def test_every_api_of_the_table_has_a_reader_here() -> None:
    for _, api, _ in SDKS.values():
        assert importlib.util.find_spec(f"arawn.wire.{DIALECTS[api]}")
