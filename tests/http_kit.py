"""A backend on a loopback service, opened by hand, and what is heard of it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest
from fake_provider import FakeProvider, anthropic_stream, ollama_stream, openai_stream

from arawn.backends.http import Access, HttpBackend, Limits
from arawn.errors import ArawnError
from arawn.events import Collector, Event, Reply
from arawn.messages import Request, user
from arawn.secret import Secret
from arawn.wire import Target

if TYPE_CHECKING:
    from trustme import CA

CANARY = "sk-CANARY-0123456789abcdef"
ASK = Request((user("hi"),))
FAST = Limits(connect=1, first_event=0.4, idle=0.4)
STREAMS = {"openai": openai_stream, "anthropic": anthropic_stream, "ollama": ollama_stream}
each = pytest.mark.parametrize("dialect", STREAMS)


def access(auth: str = "none", key: str = "", **more: Any) -> Access:
    """A way to a service; `more` is headers, proxy, ca_bundle or insecure."""
    return Access(
        auth=auth, key=lambda: Secret(key, "test") if key else None, key_place="$env:KEY",
        headers=lambda: more.get("headers", {}), proxy=more.get("proxy"), ca_bundle=more.get("ca_bundle"),
        insecure=more.get("insecure", False), redact=lambda text: text.replace(key, "****") if key else text,
    )  # fmt: skip


def door(
    url: str, dialect: str = "openai", limits: Limits = FAST, *, label: str = "Service", auth: str = "bearer",
    key: str = CANARY, **more: Any,
) -> HttpBackend:  # fmt: skip
    """A backend that knows a key, and is not patient."""
    target = Target("b", "custom", label, url, "m-1", {"start_hint": "start it"})
    return HttpBackend(target, dialect, access(auth, key, **more), limits)


def heard(stream: Callable[[], Iterable[Event]]) -> tuple[Reply, ArawnError | None]:
    """What came, and the fault that ended it."""
    collector = Collector()
    try:
        for event in stream():
            collector.add(event)
    except ArawnError as fault:
        return collector.reply, fault
    return collector.reply, None


def ask(backend: HttpBackend, close: bool = True) -> tuple[Reply, ArawnError | None, float]:
    """What came, the fault, and the seconds it took; no fault shows the key."""
    began = time.monotonic()
    reply, error = heard(lambda: backend.stream(ASK))
    if error is not None:
        assert "CANARY" not in f"{error} {error.sentence} {error.detail} {error.hints}"
    if close:
        backend.close()
    return reply, error, time.monotonic() - began


def tls_server(authority: CA, name: str, reply: bytes) -> socket.socket:
    """A server with a certificate for this name, which gives each request the same bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                conn, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(conn, server_side=True) as secure:
                    FakeProvider._read(secure)
                    secure.sendall(reply)
            except OSError:
                conn.close()

    threading.Thread(target=serve, daemon=True).start()
    return server
