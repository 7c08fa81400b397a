"""OpenAI's chat completions, as OpenAI and all who copied it speak it; pure, it knows no provider.

Source: https://platform.openai.com/docs/api-reference/chat, and recorded replies of some twenty services.
What is sent depends on the target's options; what is read is the union of what all send.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from arawn.errors import ServiceFault
from arawn.events import Event, Finish, Progress, Reasoning, Usage
from arawn.wire import Call, Target
from arawn.wire.alike import Alike
from arawn.wire.calls import Calls
from arawn.wire.faults import from_payload, instead
from arawn.wire.frames import Followed, Frame, encodable, parse
from arawn.wire.openai_write import MEDIA, url, write
from arawn.wire.reading import Speech, count, key, reason, table, tables, word

__all__ = ["MEDIA", "embed", "read", "write"]


_USUAL = {
    "id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "provider",
    "obfuscation", "p",
}  # fmt: skip
"""Of a chunk that may hold nothing but text; the last two hide how long that is, and say nothing."""
_SAID = {"role", "content"}
_HOLDS = ("content", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning")


class _Reply:
    """What is known of a reply so far."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.alike = Alike()
        self.speech = Speech()
        self.pieces: list[str] = []
        self.details: dict[Any, dict[str, Any]] = {}
        self.raw = ""
        self.whole = False
        self.first: Any = None
        self.model = ""
        self.refusal: list[str] = []
        self.citations: tuple[Mapping[str, Any], ...] = ()
        self.usage: Usage | None = None

    def finish(self) -> Iterator[Event]:
        yield from self.speech.flush()
        if any("signature" in detail or "data" in detail for detail in self.details.values()):
            yield Reasoning("", {"reasoning_details": list(self.details.values())})
        calls = self.calls.done()
        yield from calls
        if self.usage is not None:
            yield self.usage
        refusal = encodable("".join(self.refusal)) or None
        why = reason(self.raw, bool(calls))
        yield Finish(
            "refusal" if refusal and why == "stop" else why, self.raw, self.model, refusal, self.citations
        )


def read(frames: Iterable[Frame], target: Target) -> Iterator[Event]:
    """The events of a reply, streamed or whole.

    Raises the service's own error where one stands in the stream, Cut where the end is missing.
    """
    reply = _Reply()
    try:
        ended = yield from _frames(frames, target, reply)
    except ServiceFault:
        yield from _said(reply)
        raise
    yield from _said(reply)
    if not (reply.raw or reply.whole or ended):
        yield from reply.speech.flush()
        raise instead(reply.first, target)
    yield from reply.finish()


def _frames(frames: Iterable[Frame], target: Target, reply: _Reply) -> Generator[Event, None, bool]:
    """The events of all frames, but for the last pieces of text; whether the end mark was there.

    Pieces that came together leave together: all that is done with each is then done once.
    """
    for frame in frames:
        if frame.data.startswith("[DONE]"):
            return True
        chunk, words = _opened(frame, reply)
        if words is not None:
            reply.pieces.append(words)
            if type(frame) is not Followed:
                yield from _said(reply)
            continue
        yield from _said(reply)
        if isinstance(chunk, dict):
            yield from _chunk(chunk, reply)
        wrong = chunk if frame.event == "error" else _error(table(chunk))
        if wrong is not None:
            raise from_payload(wrong, target)
        reply.first = reply.first or chunk
    return False


def _opened(frame: Frame, reply: _Reply) -> tuple[Any, str | None]:
    """What is in a frame, and its text where that is all; of a frame like the one before the text alone."""
    words = reply.alike.text(frame.data) if frame.event != "error" else None
    if words is not None or not frame.data.strip():
        return None, words or ""
    if frame.event == "error":
        return parse(frame) if frame.data[:1] == "{" else frame.data, None
    chunk = parse(frame)
    words = _words(chunk, reply)
    if words is not None:
        reply.alike.learn(frame.data, words)
    return chunk, words


def _said(reply: _Reply) -> Iterator[Event]:
    """The pieces of text that came since."""
    if reply.pieces:
        text = "".join(reply.pieces)
        reply.pieces.clear()
        yield from reply.speech.text(text)


def _words(chunk: Any, reply: _Reply) -> str | None:
    """The text of a chunk that holds nothing else, as nearly all do; None where it must be read in full."""
    if type(chunk) is not dict or not chunk.keys() <= _USUAL or chunk.get("usage"):
        return None
    choices, model = chunk.get("choices"), chunk.get("model")
    if type(choices) is not list or len(choices) != 1 or not model or model != reply.model:
        return None
    choice = choices[0]
    if type(choice) is not dict or choice.get("finish_reason") or choice.get("index", 0) != 0:
        return None
    delta = choice.get("delta")
    if type(delta) is not dict or not delta.keys() <= _SAID or "message" in choice or "error" in choice:
        return None
    content = delta.get("content")
    return content if type(content) is str else None


def _error(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Where an error stands under its word, in the chunk or below it, or without it beside a code or type."""
    bare = "choices" not in chunk and "message" in chunk
    if chunk.get("error") or (bare and {"code", "type", "status_code"} & chunk.keys()):
        return chunk
    places = (*tables(chunk.get("choices")), table(chunk.get("x_groq")))
    return next((place for place in places if place.get("error")), None)


def _chunk(chunk: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    said = chunk.get("usage") or table(chunk.get("x_groq")).get("usage")
    if isinstance(said, dict):
        reply.usage = usage(said) or reply.usage
    reply.model = word(chunk.get("model")) or reply.model
    reply.alike = Alike()  # the pattern is good for the model that was known then
    if "citations" in chunk or "search_results" in chunk:
        reply.citations = _citations(chunk) or reply.citations
    for choice in tables(chunk.get("choices")):
        if choice.get("index", 0) in (0, None):
            yield from _choice(choice, reply)


def _choice(choice: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    delta, message = choice.get("delta"), choice.get("message")
    reply.whole = reply.whole or (message is not None and "delta" not in choice)
    came = reply.speech.any or len(reply.calls) or any(table(delta).get(name) for name in _HOLDS)
    if isinstance(message, dict) and not came:
        delta = message  # beside a delta it repeats what came: of use only where nothing did
    if isinstance(delta, dict):
        yield from _delta(delta, reply)
    else:
        yield from reply.speech.text(choice.get("text"))
    reply.raw = word(choice.get("finish_reason")) or reply.raw
    reply.usage = usage(table(choice.get("usage"))) or reply.usage


def _delta(delta: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    yield from reply.speech.thought(_thought(delta, reply))
    content = delta.get("content")
    for part in content if isinstance(content, list) else [content]:
        yield from _part(part, reply)
    refusal = delta.get("refusal")
    if isinstance(refusal, str):
        reply.refusal.append(refusal)
    cited = [table(note.get("url_citation")) for note in tables(delta.get("annotations"))]
    reply.citations += _cited(cited, reply.citations)
    yield from _tool_calls(delta, reply)


def _thought(delta: Mapping[str, Any], reply: _Reply) -> str:
    """Reasoning under any of its names; the same text may stand under two.

    OpenRouter's details are kept piece by piece: what is signed must go back as it came.
    """
    details = tables(delta.get("reasoning_details"))
    for detail in details:
        place = (key(detail.get("type")), key(detail.get("index")))
        known = reply.details.setdefault(place, {})
        for name, value in detail.items():
            grows = name in ("text", "summary", "data") and isinstance(value, str)
            known[name] = str(known.get(name) or "") + value if grows else value
    for name in ("reasoning_content", "reasoning", "thinking"):
        value = delta.get(name)
        if isinstance(value, str) and value:
            return value
    texts = [detail.get("text") or detail.get("summary") for detail in details]
    return "".join(text for text in texts if isinstance(text, str))


def _part(part: Any, reply: _Reply) -> Iterator[Event]:
    """A part of a content list: text, or Mistral's `thinking` with a list of its own."""
    if isinstance(part, str):
        yield from reply.speech.text(part)
    elif isinstance(part, dict):
        inner = part.get("thinking")
        if isinstance(inner, str):
            yield from reply.speech.thought(inner)
        elif isinstance(inner, list):
            for piece in tables(inner):
                yield from reply.speech.thought(piece.get("text"))
        else:
            yield from reply.speech.text(part.get("text"))


def _tool_calls(delta: Mapping[str, Any], reply: _Reply) -> Iterator[Event]:
    given = delta.get("tool_calls")
    calls = tables([given] if isinstance(given, dict) else given)  # older servers of Hugging Face send one
    for position, call in enumerate(calls):
        function = table(call.get("function"))
        index = call.get("index")
        if index is None and len(calls) > 1 and call.get("id") is None and not function.get("name"):
            index = position
        signed = table(call.get("extra_content"))
        opaque = {"extra_content": signed} if signed else None
        name, arguments = function.get("name"), function.get("arguments")
        label = reply.calls.add(index, call.get("id"), name, arguments, opaque)
        if name or arguments:
            yield Progress(f"writing a call of {label}")
    legacy = table(delta.get("function_call"))
    if legacy.get("name") or legacy.get("arguments"):
        reply.calls.add("function_call", None, legacy.get("name"), legacy.get("arguments"))
        yield Progress("writing a call")


def usage(said: Mapping[str, Any]) -> Usage | None:
    """Tokens as OpenAI's copies count them."""
    prompt, completion = count(said, "prompt_tokens"), count(said, "completion_tokens")
    if prompt is None and completion is None:
        return None
    cached = count(said.get("prompt_tokens_details"), "cached_tokens")
    for name in ("prompt_cache_hit_tokens", "cached_tokens"):
        cached = count(said, name) if cached is None else cached
    reasoning = count(said.get("completion_tokens_details"), "reasoning_tokens")
    if reasoning is None:
        reasoning = count(said, "reasoning_tokens")
    total = count(said, "total_tokens")
    # xAI counts reasoning beside the completion: only then does the total hold all three
    if (
        prompt is not None
        and completion is not None
        and reasoning
        and total == prompt + completion + reasoning
    ):
        completion += reasoning
    details = said.get("prompt_tokens_details")
    return Usage(
        prompt, completion, cached, reasoning, count(details, "cache_write_tokens"),
        audio=count(details, "audio_tokens"), searches=count(said, "num_search_queries"),
    )  # fmt: skip


def _citations(chunk: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Perplexity's sources: `search_results` with titles, else bare addresses in `citations`."""
    results = tables(chunk.get("search_results"))
    if results:
        return _cited(results, ())
    addresses = chunk.get("citations")
    found = addresses if isinstance(addresses, list) else []
    return tuple({"url": word(url), "title": ""} for url in found if word(url))


def _cited(
    rows: Iterable[Mapping[str, Any]], known: tuple[Mapping[str, Any], ...]
) -> tuple[Mapping[str, Any], ...]:
    """Sources with an address that are not known yet."""
    made = [{"url": word(row.get("url")), "title": word(row.get("title"))} for row in rows]
    return tuple(source for source in made if source["url"] and source not in known)


def embed(
    texts: Sequence[str], target: Target, *, purpose: str | None = None, dimensions: int | None = None
) -> Call:
    """The HTTP call that asks for the vectors of `texts`; there is no word for a purpose."""
    body: dict[str, Any] = {"model": target.model, "input": list(texts), "encoding_format": "float"}
    if dimensions is not None:
        body[str(target.options.get("dimensions_field", "dimensions"))] = dimensions
    where, query = url(target, "/embeddings")
    return Call(where + query, body)


if __name__ == "__main__":
    from arawn.wire.alone import run

    run(read)
