"""Well-formed replies of every dialect, made of pieces of text, so that one test can break them all alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fake_provider import dump


def _sse(values: list[Any], named: bool = False) -> list[bytes]:
    return [
        (f"event: {value['type']}\n".encode() if named else b"") + b"data: " + dump(value) + b"\n\n"
        for value in values
    ]


class Spoken(NamedTuple):
    """One dialect: `begin`, then an event for each piece, then `end`; `whole` is the unstreamed reply.

    `thought` is a piece of reasoning, `stopped` an end with the service's word for a limit, `filtered` for its
    policy, `failure` an error in the stream, `usage` an end with token counts of the test's choosing.
    """

    sse: bool
    begin: list[bytes]
    piece: Callable[[str], bytes]
    end: list[bytes]
    whole: Callable[[str], Any]
    failure: bytes
    thought: bytes | None = None
    stopped: list[bytes] | None = None
    filtered: list[bytes] | None = None
    usage: Callable[[Any], list[bytes]] | None = None
    error: Any = None
    plain: bool = False

    def events(self, *texts: str) -> list[bytes]:
        return [*self.begin, *map(self.piece, texts), *self.end]

    def body(self, *texts: str) -> bytes:
        return b"".join(self.events(*texts))

    def torn(self, *texts: str) -> bytes:
        return b"".join([*self.begin, *map(self.piece, texts)])


def _openai() -> Spoken:
    def chunk(delta: Any, why: str | None = None) -> Any:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": why}]}

    done = b"data: [DONE]\n\n"
    return Spoken(
        True,
        _sse([{"choices": [], "prompt_filter_results": []}, chunk({"role": "assistant", "content": ""})]),
        lambda text: _sse([chunk({"content": text})])[0],
        [*_sse([chunk({}, "stop")]), done],
        lambda text: {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]},
        _sse([{"error": {"message": "Overloaded now", "code": 503}}])[0],
        _sse([chunk({"reasoning_content": "hm"})])[0],
        [*_sse([chunk({}, "length")]), done],
        [*_sse([chunk({}, "content_filter")]), done],
        lambda said: [*_sse([chunk({}, "stop"), {"choices": [], "usage": said}]), done],
        {"error": {"message": "MESSAGE", "code": "x"}},
    )


def _responses() -> Spoken:
    def event(kind: str, **fields: Any) -> Any:
        return {"type": f"response.{kind}", **fields}

    def done(status: str = "completed", **more: Any) -> list[bytes]:
        return _sse(
            [event(status, response={"object": "response", "status": status, "output": [], **more})], True
        )

    return Spoken(
        True,
        _sse([event("created", response={"status": "in_progress"})], True),
        lambda text: _sse([event("output_text.delta", delta=text, output_index=0)], True)[0],
        done(),
        lambda text: {
            "object": "response",
            "status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}],
        },
        _sse([{"type": "error", "message": "Overloaded now", "code": "server_overloaded"}], True)[0],
        _sse([event("reasoning_summary_text.delta", delta="hm", output_index=1)], True)[0],
        done("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        done("incomplete", incomplete_details={"reason": "content_filter"}),
        lambda said: done(usage=said),
        {"error": {"message": "MESSAGE", "code": "x"}},
    )


def _anthropic() -> Spoken:
    def close(why: str = "end_turn", usage: Any = None) -> list[bytes]:
        return _sse(
            [
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": why}, "usage": usage},
                {"type": "message_stop"},
            ],
            True,
        )

    def piece(kind: str, field: str, text: str, index: int = 0) -> bytes:
        delta = {"type": kind, field: text}
        return _sse([{"type": "content_block_delta", "index": index, "delta": delta}], True)[0]

    return Spoken(
        True,
        _sse(
            [
                {"type": "message_start", "message": {"model": "m", "usage": None}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "ping"},
            ],
            True,
        ),
        lambda text: piece("text_delta", "text", text),
        close(),
        lambda text: {
            "type": "message",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
        },
        _sse([{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded now"}}], True)[
            0
        ],
        piece("thinking_delta", "thinking", "hm", 1),
        close("max_tokens"),
        close("refusal"),
        lambda said: close(usage=said),
        {"type": "error", "error": {"type": "x", "message": "MESSAGE"}},
    )


def _gemini() -> Spoken:
    def chunk(text: str | None, why: str | None = None, **more: Any) -> Any:
        parts = [] if text is None else [{"text": text}]
        candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
        return {"candidates": [candidate | ({"finishReason": why} if why else {})], **more}

    return Spoken(
        True,
        [],
        lambda text: _sse([chunk(text)])[0],
        _sse([chunk(None, "STOP")]),
        lambda text: chunk(text, "STOP"),
        _sse([{"error": {"code": 503, "message": "Overloaded now", "status": "UNAVAILABLE"}}])[0],
        _sse([{"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}]}}]}])[0],
        _sse([chunk(None, "MAX_TOKENS")]),
        _sse([{"promptFeedback": {"blockReason": "SAFETY"}}]),
        lambda said: _sse([chunk(None, "STOP", usageMetadata=said)]),
        {"error": {"code": 0, "message": "MESSAGE", "status": "X"}},
    )


def _cohere() -> Spoken:
    def content(**fields: str) -> Any:
        return {"type": "content-delta", "index": 0, "delta": {"message": {"content": fields}}}

    def close(why: str = "COMPLETE", usage: Any = None) -> list[bytes]:
        end = {"type": "message-end", "delta": {"finish_reason": why, "usage": {"tokens": usage}}}
        return [*_sse([{"type": "content-end", "index": 0}, end], True), b"data: [DONE]\n\n"]

    return Spoken(
        True,
        _sse([{"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}}], True),
        lambda text: _sse([content(text=text)], True)[0],
        close(),
        lambda text: {"message": {"content": [{"type": "text", "text": text}]}, "finish_reason": "COMPLETE"},
        _sse([{"message": "Overloaded now"}])[0],
        _sse([content(thinking="hm")], True)[0],
        close("MAX_TOKENS"),
        close("ERROR_TOXIC"),
        lambda said: close(usage=said),
        {"message": "MESSAGE"},
    )


def _ollama() -> Spoken:
    def line(text: str, **more: Any) -> bytes:
        return (
            dump({"model": "m", "message": {"role": "assistant", "content": text}, "done": False, **more})
            + b"\n"
        )

    return Spoken(
        False,
        [],
        line,
        [line("", done=True, done_reason="stop")],
        lambda text: {"message": {"content": text}, "done": True},
        b'{"error":"Overloaded now"}\n',
        dump({"message": {"thinking": "hm"}, "done": False}) + b"\n",
        [line("", done=True, done_reason="length")],
        None,
        lambda said: [line("", done=True, done_reason="stop", **(said if isinstance(said, dict) else {}))],
        {"error": "MESSAGE"},
    )


def _replicate() -> Spoken:
    def event(name: str, data: str) -> bytes:
        lines = "".join(f"data: {line}\n" for line in data.split("\n"))
        return f"event: {name}\nid: 1:0\n{lines}\n".encode("utf-8", "surrogatepass")

    return Spoken(
        True,
        [b": hi\n\n"],
        lambda text: event("output", text),
        [event("done", "{}")],
        lambda text: {"status": "succeeded", "output": [text]},
        event("error", '{"detail": "Overloaded now"}'),
        error={"detail": "MESSAGE", "status": 0},
        plain=True,
    )


def _huggingface() -> Spoken:
    def token(text: str, **more: Any) -> bytes:
        return (
            b"data:"
            + dump({"token": {"text": text, "special": False}, "generated_text": None, **more})
            + b"\n\n"
        )

    def close(why: str) -> list[bytes]:
        return [token("", generated_text="x", details={"finish_reason": why, "generated_tokens": 2})]

    return Spoken(
        True,
        [],
        token,
        close("eos_token"),
        lambda text: [{"generated_text": text}],
        b'data:{"error":"Overloaded now","error_type":"overloaded"}\n\n',
        stopped=close("length"),
        error={"error": "MESSAGE"},
    )


DIALECTS: dict[str, Spoken] = {
    "openai": _openai(),
    "openai-responses": _responses(),
    "anthropic": _anthropic(),
    "gemini": _gemini(),
    "cohere": _cohere(),
    "ollama": _ollama(),
    "replicate": _replicate(),
    "huggingface": _huggingface(),
}
