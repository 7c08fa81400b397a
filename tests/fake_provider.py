"""A loopback provider of our own: threads and raw sockets, so that it can misbehave in every way."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Behaviour = Callable[["Conn"], None]


class Request:
    """One request as it came."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        self.method, self.path, self.headers, self.body = method, path, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def said(self) -> Any:
        """The last message, where the dialect is that of OpenAI."""
        return self.json["messages"][-1]["content"]


class Conn:
    """A connection with a request read from it; `gone` tells when the client left."""

    def __init__(self, sock: socket.socket, request: Request, stopping: threading.Event) -> None:
        self.sock, self.request, self.stopping = sock, request, stopping

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def head(
        self, status: int = 200, kind: str = "text/event-stream", length: int | None = None, **headers: str
    ) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}"]
        lines.append(f"content-length: {length}" if length is not None else "transfer-encoding: chunked")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def chunk(self, data: bytes) -> None:
        if data:
            self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self.send(b"0\r\n\r\n")

    def wait_gone(self, limit: float = 20.0) -> float:
        """Seconds until the client closed, at most `limit`."""
        began = time.monotonic()
        self.sock.settimeout(0.05)
        while time.monotonic() - began < limit and not self.stopping.is_set():
            try:
                if not self.sock.recv(4096):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        return time.monotonic() - began

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class FakeProvider:
    """Serves one behaviour a request, the last again and again."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = behaviours
        self.requests: list[Request] = []
        self.connections = 0
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> FakeProvider:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(2)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock:
            try:
                while not self._stopping.is_set():
                    request = self._read(sock)
                    if request is None:
                        return
                    with self._lock:
                        self.requests.append(request)
                        number = min(len(self.requests), len(self.behaviours)) - 1
                    conn = Conn(sock, request, self._stopping)
                    self.behaviours[number](conn)
                    if sock.fileno() < 0:
                        return
            except (OSError, ValueError):
                return

    @staticmethod
    def _read(sock: socket.socket) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            body += sock.recv(65536)
        method, path, _ = first.split(" ", 2)
        return Request(method, path, headers, body)


def dump(value: Any) -> bytes:
    """JSON as services send it: UTF-8 unescaped, except what UTF-8 cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def sse(value: Any, event: str = "") -> bytes:
    return (f"event: {event}\n".encode() if event else b"") + b"data: " + dump(value) + b"\n\n"


class Stream:
    """A streamed answer as events; callable as a behaviour, one HTTP chunk an event."""

    def __init__(self, events: Sequence[bytes], kind: str = "text/event-stream") -> None:
        self.events, self.kind = list(events), kind

    def __call__(self, conn: Conn) -> None:
        conn.head(kind=self.kind)
        for event in self.events:
            conn.chunk(event)
        conn.end()

    @property
    def body(self) -> bytes:
        return b"".join(self.events)


def openai_stream(
    pieces: Sequence[str], usage: Any = None, finish: str | None = "stop", done: bool = True
) -> Stream:
    def event(delta: Any, why: str | None = None) -> bytes:
        return sse(
            {"id": "c", "model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": why}]}
        )

    events = [event({"content": piece}) for piece in pieces]
    if finish:
        events.append(event({}, finish))
    if usage:
        events.append(sse({"choices": [], "usage": usage}))
    if done:
        events.append(b"data: [DONE]\n\n")
    return Stream(events)


def anthropic_stream(pieces: Sequence[str], stop: str = "end_turn") -> Stream:
    start = {"model": "m-1", "usage": {"input_tokens": 3, "output_tokens": 1}}
    values: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    values += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        for piece in pieces
    ]
    values += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return Stream([sse(value, value["type"]) for value in values])


def ollama_stream(pieces: Sequence[str], reason: str = "stop") -> Stream:
    lines: list[dict[str, Any]] = [
        {"model": "m-1", "message": {"content": piece}, "done": False} for piece in pieces
    ]
    lines.append(
        {"model": "m-1", "message": {"content": ""}, "done": True, "done_reason": reason,
         "prompt_eval_count": 3, "eval_count": 2}
    )  # fmt: skip
    return Stream([dump(line) + b"\n" for line in lines], "application/x-ndjson")


def json_reply(status: int, value: Any, **headers: str) -> Behaviour:
    return body_reply(status, dump(value), "application/json", **headers)


def body_reply(status: int, data: bytes, kind: str, **headers: str) -> Behaviour:
    def behave(conn: Conn) -> None:
        conn.head(status, kind, len(data), **headers)
        conn.send(data)

    return behave


def raw(data: bytes, close: bool = True) -> Behaviour:
    def behave(conn: Conn) -> None:
        conn.send(data)
        if close:
            conn.sock.close()

    return behave


def stall(stream: Stream, after: int, pings: float = 0.0, ping: bytes = b": ping\n\n") -> Behaviour:
    """The first `after` events, then silence (or a ping every `pings` seconds) until the client leaves."""

    def behave(conn: Conn) -> None:
        conn.head(kind=stream.kind)
        for event in stream.events[:after]:
            conn.chunk(event)
        while pings and not conn.stopping.wait(pings):
            conn.chunk(ping)
        conn.wait_gone()

    return behave


def silent(conn: Conn) -> None:
    """No headers, ever."""
    conn.wait_gone()


def torn(stream: Stream, after: int, reset: bool = False) -> Behaviour:
    """The first `after` events, then the connection ends without the last HTTP chunk, or with a reset."""

    def behave(conn: Conn) -> None:
        conn.head(kind=stream.kind)
        for event in stream.events[:after]:
            conn.chunk(event)
        time.sleep(0.05)
        conn.reset() if reset else conn.sock.close()

    return behave


def bytewise(stream: Stream) -> Behaviour:
    """Every byte its own HTTP chunk."""

    def behave(conn: Conn) -> None:
        conn.head(kind=stream.kind)
        body = stream.body
        conn.send(b"".join(b"1\r\n%c\r\n" % byte for byte in body))
        conn.end()

    return behave


def endless(first: bytes, again: bytes) -> Behaviour:
    def behave(conn: Conn) -> None:
        conn.head()
        conn.chunk(first)
        while not conn.stopping.is_set():
            conn.chunk(again)

    return behave
