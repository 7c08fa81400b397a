"""Connections within limits: names looked up, addresses raced, every read bounded; it knows no HTTP."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from arawn.backends.http_chunks import Chunks
from arawn.backends.http_net import is_address, is_loopback
from arawn.errors import TimedOut, Unreachable

if TYPE_CHECKING:
    from queue import SimpleQueue

HEAD_START_S = 0.25
"""What an address gets before the next one is tried beside it (RFC 8305, section 5)."""
MOST_ADDRESSES = 6
SMALL = 16 * 1024
"""Bytes of a head that wait for the body behind it: one packet for both, and one call of the system."""
FIRST_READ = 4 * 1024
"""Bytes that are read first of a response, which is to be shown soon; each read that is full doubles them."""
GLANCE_S = 0.2
"""How often a read that waits looks whether it still may."""


class Deadline:
    """The moment until which something must have come; `limit` is the setting under `[limits]` that says so.

    It travels in the place of httpcore's timeouts, which count one read each: a peer that sends a byte now
    and then would never reach them. `used` tells that a connection was opened or something sent under it,
    `ended` that it is over for good, which any thread may say.
    """

    __slots__ = ("ended", "limit", "until", "used")

    def __init__(self, limit: str, seconds: float) -> None:
        self.used = self.ended = False
        self.set(limit, seconds)

    def set(self, limit: str, seconds: float) -> None:
        """Give it `seconds` from now."""
        self.limit, self.until = limit, time.monotonic() + seconds

    def end(self) -> None:
        """Nothing may be read or written under it any more."""
        self.ended = True

    def left(self) -> float:
        """Seconds left, never quite 0: a socket takes 0 for "do not wait at all"."""
        return 0.001 if self.ended else max(0.001, self.until - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return self.ended or time.monotonic() >= self.until


class Network:
    """The network backend of httpcore (https://www.encode.io/httpcore/network-backends/).

    `joins`: chunks that come together are passed on as one.
    """

    def __init__(self, label: str, joins: bool = True) -> None:
        from httpcore import SyncBackend

        self._label = label
        self._joins = joins
        self._tcp = SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> Line:
        """A connection to `host`, whatever address of it answers first. `timeout` is a Deadline."""
        timeout.used = True
        addresses = self._addresses(host, port, timeout.left())

        def connect(address: str) -> Any:
            return self._tcp.connect_tcp(address, port, timeout.left(), local_address, socket_options)

        found = connect(addresses[0]) if len(addresses) == 1 else race(addresses, connect, timeout)
        return Line(found, timeout, self._joins)

    def _addresses(self, host: str, port: int, limit: float) -> list[str]:
        """Where `host` is, found within `limit` seconds."""
        if is_address(host) or is_loopback(host):
            return [host]
        return look_up(host, port, limit, self._label)

    def sleep(self, seconds: float) -> None:
        """Part of the protocol."""
        time.sleep(seconds)


class Line:
    """A network stream whose every read and write ends with its deadline."""

    def __init__(self, stream: Any, deadline: Deadline, joins: bool = True) -> None:
        self._stream = stream
        self._deadline = deadline
        self._joins = joins
        self._held = b""
        self._chunks = Chunks()
        self._room = FIRST_READ

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        """What comes next; raises httpcore.ReadTimeout."""
        from httpcore import ReadTimeout

        deadline = timeout or self._deadline
        if self._held:
            self.write(b"", deadline)
        while not deadline.over:
            with contextlib.suppress(ReadTimeout):  # looked at again: another thread may have ended it
                read = self._stream.read(min(max_bytes, self._room), min(deadline.left(), GLANCE_S))
                if len(read) == self._room:
                    self._room *= 2
                found = self._chunks.join(read) if self._joins else read
                if found or not read:
                    return found
        raise ReadTimeout("timed out")

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        """Send, a small piece together with what comes behind it. An empty one, which ends a request, or a
        read sends what is held. Raises httpcore.WriteTimeout."""
        deadline = timeout or self._deadline
        if deadline.ended:  # what nobody waits for any more is not asked either
            from httpcore import WriteTimeout

            raise WriteTimeout("ended")
        if not self._held and len(buffer) <= SMALL:
            self._held = buffer
            return
        buffer, self._held = self._held + buffer, b""
        self._stream.write(buffer, deadline.left())
        self._chunks, self._room = Chunks(), FIRST_READ  # a response of its own follows
        deadline.used = True

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: Any = None) -> Line:
        """The same line, encrypted."""
        deadline = timeout or self._deadline
        stream = self._stream.start_tls(ssl_context, server_hostname, deadline.left())
        return Line(stream, deadline, self._joins)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a stream, `is_readable` above all: it tells that a server hung up."""
        return self._stream.get_extra_info(info)


def look_up(host: str, port: int, limit: float, label: str) -> list[str]:
    """The addresses of `host`, families taking turns, in the system's order.

    The system's look-up blocks, signals included, so it runs in a thread that can be left behind. Raises
    TimedOut after `limit` seconds, Unreachable for an unknown name.
    """
    found: list[list[str]] = []
    failed: list[str] = []

    def work() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            families = dict.fromkeys(row[0] for row in rows)
            found.extend([str(row[4][0]) for row in rows if row[0] == family] for family in families)
        except OSError as error:
            failed.append(error.strerror or "")
        except UnicodeError:
            failed.append("not a valid name")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        raise TimedOut(
            f"The name {host} was not found within {limit:.3g} s",
            hints=("the network and its name server", "the limit is limits.connect"),
        )
    if not found:
        raise Unreachable(
            f"Cannot find {host}",
            detail=failed[0] if failed else "",
            hints=("the spelling of base_url", "the network connection", f"that {label} is really there"),
        )
    turns = [group[at] for at in range(MOST_ADDRESSES) for group in found if at < len(group)]
    return list(dict.fromkeys(turns))[:MOST_ADDRESSES]


def race(addresses: list[str], connect: Any, deadline: Deadline) -> Any:
    """The first connection that stands, each address given a head start over the next.

    An address whose packets vanish (IPv6 that leads nowhere) costs the head start and not the whole limit.
    Raises what the last one raised.
    """
    from queue import Empty, SimpleQueue

    results: SimpleQueue[Any] = SimpleQueue()
    over = threading.Event()

    def attempt(address: str) -> None:
        try:
            results.put(connect(address))
        except Exception as error:
            results.put(error)
        if over.is_set():
            _close_all(results)

    waiting, running = list(addresses), 0
    failure: Exception = TimeoutError("timed out")
    try:
        while waiting or (running and not deadline.over):
            if waiting:
                threading.Thread(target=attempt, args=(waiting.pop(0),), daemon=True).start()
                running += 1
            try:
                found = results.get(timeout=min(HEAD_START_S, deadline.left()))
            except Empty:
                continue
            running -= 1
            if not isinstance(found, Exception):
                return found
            failure = found
    finally:
        over.set()
        _close_all(results)
    raise failure


def _close_all(results: SimpleQueue[Any]) -> None:
    """Close connections that came too late to be used."""
    from queue import Empty

    while True:
        try:
            late = results.get_nowait()
        except Empty:
            return
        if not isinstance(late, Exception):
            late.close()
