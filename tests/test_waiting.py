"""What a terminal says while no answer comes yet."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, json_reply, ollama_stream
from term import Term


@pytest.mark.parametrize(
    ("running", "words"),
    [({"models": []}, "loading llama3"), ({"models": [{"name": "llama3:latest"}]}, "waiting for ollama")],
)
def test_a_model_that_is_loading_is_shown_as_such(env: dict[str, str], running: object, words: str) -> None:
    seen = threading.Event()

    def serve(conn: Conn) -> None:
        if conn.request.path == "/api/ps":
            json_reply(200, running)(conn)
        elif conn.request.path == "/api/chat":
            seen.wait(10)
            ollama_stream(["Hello"])(conn)
        else:
            json_reply(200, {"models": [{"name": "llama3:latest"}]})(conn)

    with FakeProvider(serve) as fake:
        argv = [sys.executable, "-m", "arawn", "-b", "ollama", "-m", "llama3", "ask", "Hi"]
        with Term(argv, env={**env, "OLLAMA_HOST": fake.url}, cwd=Path(env["HOME"])) as term:
            term.wait(words)
            seen.set()
            term.wait("Hello")
            assert term.end() == 0
            assert words not in term.screen, "the passing line is gone"
        assert [r.path for r in fake.requests].count("/api/chat") == 1
