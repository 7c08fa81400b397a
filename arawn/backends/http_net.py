"""Below the HTTP door: names looked up within a limit, silent sockets cut off, httpx loaded lightly."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from arawn.errors import TimedOut, Unreachable

_UNWANTED = ("anyio", "trio")


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
        try:
            for name in ("httpcore", "httpx"):
                import_module(name)
        finally:
            for name in absent:
                sys.modules.pop(name, None)
    import httpx

    return httpx


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def is_address(host: str) -> bool:
    """Whether `host` is an IP address and needs no look-up."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def look_up(host: str, port: int, limit: float, label: str) -> list[str]:
    """The addresses of `host`, IPv4 and IPv6 as the system orders them.

    The system's look-up blocks, signals included, so it runs in a thread that can be left behind. Raises
    TimedOut after `limit` seconds, Unreachable for an unknown name.
    """
    found: list[str] = []
    failed: list[OSError] = []

    def work() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(row[4][0]) for row in rows))
        except OSError as error:
            failed.append(error)
        except UnicodeError:
            failed.append(OSError(0, "not a valid name"))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        raise TimedOut(
            f"The name {host} was not found within {limit:g} s",
            hints=("the network and its name server", "the limit is limits.connect"),
        )
    if failed or not found:
        raise Unreachable(
            f"Cannot find {host}",
            detail=failed[0].strerror if failed and failed[0].strerror else "",
            hints=("the spelling of base_url", "the network connection", f"that {label} is really there"),
        )
    return found


class Watchdog:
    """Shuts a socket down when its deadline passes, so that a read that blocks ends at once.

    `expired` then names the limit that ran out. The deadline moves with every event.
    """

    def __init__(self, sock: Any) -> None:
        self.expired = ""
        self._socket = sock
        self._deadline = float("inf")
        self._limit = ""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def set(self, limit: str, seconds: float) -> None:
        """Give it `seconds` from now. Cheap: the thread looks again when the old deadline has come."""
        deadline = time.monotonic() + seconds
        sooner = deadline < self._deadline
        self._deadline, self._limit = deadline, limit
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        elif sooner:
            with self._changed:
                self._changed.notify()

    def stop(self) -> None:
        """Let go of the socket."""
        with self._changed:
            self._socket = None
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while self._socket is not None:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self.expired = self._limit
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # below TLS, if any
                    return
                self._changed.wait(left)


def probe(url: str, limit: float) -> Any:
    """The JSON that a server on this machine answers to GET `url` within `limit` seconds, or None.

    A bare socket: the probe decides a start where nothing is configured, and httpx would cost more than it.
    """
    import json
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    until = time.monotonic() + limit
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), limit) as sock:
            path = parts.path or "/"
            sock.sendall(
                f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n\r\n".encode()
            )
            data = b"".join(_received(sock, until))
        head, _, body = data.partition(b"\r\n\r\n")
        return json.loads(body) if b" 200 " in head[:20] else None
    except (OSError, ValueError, RecursionError):
        return None


def _received(sock: socket.socket, until: float) -> Iterator[bytes]:
    size = 0
    while size < 4 * 1024 * 1024:
        sock.settimeout(max(0.001, until - time.monotonic()))
        piece = sock.recv(65536)
        if not piece:
            return
        size += len(piece)
        yield piece
