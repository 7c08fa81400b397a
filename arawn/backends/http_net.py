"""Below the HTTP door: httpx loaded lightly, what a host is, a probe of this machine; it keeps no state."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import socket
import sys
import time
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from arawn import backends

_UNWANTED = ("anyio", "trio")
PROBE_MOST = 4 * 1024 * 1024


def load_httpx() -> ModuleType:
    """httpx without what its synchronous client has no use for.

    Where they are installed, httpx pulls in click, rich and pygments for its own command line, and httpcore
    anyio and asyncio for clients that are not used here: 60 ms and more. While both load, the command line is
    an empty stand-in and the others are marked as absent, which httpcore takes as "not installed".
    """
    if "httpx" not in sys.modules:
        absent = [name for name in (*_UNWANTED, "httpx._main") if name not in sys.modules]
        stub = ModuleType("httpx._main")
        stub.__dict__["main"] = lambda: None
        modules: dict[str, Any] = sys.modules
        for name in absent:
            modules[name] = stub if name == "httpx._main" else None
        collecting = gc.isenabled()
        gc.disable()  # imports make many objects and no garbage
        try:
            for name in ("httpcore", "httpx"):
                import_module(name)
        finally:
            for name in absent:
                sys.modules.pop(name, None)
            gc.freeze()  # else the first token may have to wait until all of them were looked through
            if collecting:
                gc.enable()
    import httpx

    return httpx


class Address(NamedTuple):
    """What of an address may be shown: `netloc` is host[:port]; `user` tells that a user name was in it."""

    scheme: str
    host: str
    netloc: str
    user: bool
    port: int | None = None


@lru_cache(64)
def address(url: str) -> Address:
    """Take an address apart; one that cannot be read gives empty parts."""
    try:
        parts = urlsplit(url)
        _, at, netloc = parts.netloc.rpartition("@")
        return Address(parts.scheme, parts.hostname or "", netloc, bool(at), parts.port)
    except ValueError:
        return Address("", "", "", False)


@lru_cache(64)
def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


@lru_cache(64)
def parsed(url: str) -> Any:
    """An address as httpx has it, read once: most are asked again and again. Raises httpx.InvalidURL."""
    return load_httpx().URL(url)


def is_address(host: str) -> bool:
    """Whether `host` is an IP address and needs no look-up."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def probe(url: str, limit: float) -> Any:
    """The JSON that a server on this machine answers to GET `url` within `limit` seconds, or None.

    A bare socket: the probe decides a start where nothing is configured, and httpx would cost more than it.
    """
    if backends.tape is not None:
        return backends.tape.probed(url, lambda: _probe(url, limit))
    return _probe(url, limit)


def _probe(url: str, limit: float) -> Any:
    import json

    until = time.monotonic() + limit
    try:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 80), limit) as sock:
            path = parts.path or "/"
            sock.sendall(
                f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n\r\n".encode()
            )
            head, body = _received(sock, until)
        return json.loads(body) if b" 200 " in head[:20] else None
    except (OSError, ValueError, RecursionError):
        return None


def _received(sock: socket.socket, until: float) -> tuple[bytes, bytes]:
    """Head and body, to the length that the head tells or else to the end."""
    data, head, body, length = b"", b"", b"", PROBE_MOST
    while len(body) < length and len(data) < PROBE_MOST:
        sock.settimeout(max(0.001, until - time.monotonic()))
        piece = sock.recv(65536)
        if not piece:
            break
        if time.monotonic() > until:
            raise TimeoutError
        data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        _, named, told = head.lower().partition(b"\r\ncontent-length:")
        if named and len(head) < len(data):
            length = int(told.partition(b"\r\n")[0])
    return head, body
