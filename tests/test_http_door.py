"""The HTTP door: how it connects, waits, leaves, reuses connections and goes through proxies."""

from __future__ import annotations

import datetime
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import trustme
from fake_provider import (
    Conn,
    FakeProvider,
    Stream,
    json_reply,
    openai_stream,
    raw,
    silent,
    sse,
    stall,
)
from http_kit import ASK, CANARY, FAST, STREAMS, access, ask, each
from http_kit import door as door_with_key

from arawn.backends.http import HttpBackend, Limits, probe
from arawn.backends.http_connect import Deadline, look_up, race
from arawn.backends.http_tls import issuer
from arawn.errors import ConfigFault, Cut, EmptyAnswer, ServiceFault, TimedOut, Unreachable
from arawn.secret import Secret
from arawn.wire import Target

door = partial(door_with_key, auth="none")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT"):
            monkeypatch.delenv(name)


def dripping_head(conn: Conn) -> None:
    conn.send(b"HTTP/1.1 200 OK\r\n")
    while not conn.stopping.is_set():
        conn.send(b"x: y\r\n")
        time.sleep(0.05)


def test_F_NET_09_headers_that_drip() -> None:
    with FakeProvider(dripping_head) as fake:
        _, error, took = ask(door(fake.url))
    assert isinstance(error, TimedOut) and error.sentence == "No answer from Service within 0.4 s"
    assert 0.38 < took < 3


@each
def test_F_STREAM_01_the_limit_is_kept_tightly(dialect) -> None:
    after = 3 if dialect == "anthropic" else 1
    limits = Limits(idle=0.5)
    with FakeProvider(stall(STREAMS[dialect](["Hel", "lo"]), after)) as fake:
        reply, error, took = ask(door(fake.url, dialect, limits))
    assert reply.text == "Hel" and isinstance(error, TimedOut)
    assert error.sentence == "Service stopped sending for 0.5 s" and 0.48 < took < 3
    assert not error.retryable, "the service was at work on it, and each try is paid"


def test_the_clock_stands_still_while_the_reader_is_busy() -> None:
    def slowly(conn: Conn) -> None:
        stream = openai_stream(["a", "b"])
        conn.head()
        conn.chunk(stream.events[0])
        time.sleep(0.7)
        for event in stream.events[1:]:
            conn.chunk(event)
        conn.end()

    with FakeProvider(slowly) as fake:
        asked = door(fake.url)
        events = asked.stream(ASK)
        assert next(events).text == "a"
        time.sleep(0.6)  # a pager that is not scrolled
        assert "".join(getattr(event, "text", "") for event in events) == "b"
        asked.close()


def lingering(stream: Stream, reset: bool):
    def behave(conn: Conn) -> None:
        conn.head(kind=stream.kind)
        for event in stream.events:
            conn.chunk(event)
        if reset:
            time.sleep(0.05)
            conn.reset()
        else:
            conn.wait_gone()

    return behave


@pytest.mark.parametrize("reset", [False, True])
@each
def test_a_whole_answer_counts_though_the_connection_does_not_end(dialect, reset) -> None:
    with FakeProvider(lingering(STREAMS[dialect](["ok"]), reset)) as fake:
        reply, error, took = ask(door(fake.url, dialect))
    assert (reply.text, error) == ("ok", None) and reply.finish is not None and took < 3


def test_F_NET_27_a_connection_serves_many_turns() -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        asked = door(fake.url)
        for _ in range(3):
            assert ask(asked, close=False)[0].text == "ok"
        asked.close()
        asked.close()
        assert len(fake.requests) == 3 and fake.connections == 1


@pytest.mark.parametrize("reset", [False, True])
def test_F_NET_27_a_kept_connection_that_dies_is_replaced_once(reset) -> None:
    def dies(conn: Conn) -> None:
        conn.reset() if reset else conn.sock.close()

    with FakeProvider(openai_stream(["one"]), dies, openai_stream(["two"]), dies, dies, dies) as fake:
        asked = door(fake.url)
        assert ask(asked, close=False)[0].text == "one"
        reply, error, _ = ask(asked, close=False)
        assert (reply.text, error) == ("two", None) and len(fake.requests) == 3
        _, error, _ = ask(asked)
        assert isinstance(error, Unreachable) and len(fake.requests) == 5, "once, and no more"


def test_a_new_connection_that_dies_is_not_replaced_here() -> None:
    with FakeProvider(lambda conn: conn.sock.close()) as fake:
        _, error, _ = ask(door(fake.url))
        assert isinstance(error, Unreachable) and error.retryable and len(fake.requests) == 1


def interrupt_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize("after", [None, 0, 1])
def test_ctrl_c_ends_a_blocked_read_and_the_connection(after) -> None:
    gone: list[float] = []

    def behave(conn: Conn) -> None:
        if after is not None:
            conn.head()
            for event in openai_stream(["x"]).events[:after]:
                conn.chunk(event)
        conn.wait_gone()
        gone.append(time.monotonic())

    with FakeProvider(behave) as fake:
        asked = door(fake.url, limits=Limits())
        timer = interrupt_after(0.2)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            for _ in asked.stream(ASK):
                pass
        timer.join()
        assert time.monotonic() - began < 3
        for _ in range(100):
            if gone:
                break
            time.sleep(0.01)
        assert gone and gone[0] - began < 3
        asked.close()


def test_F_NET_02_ctrl_c_ends_a_look_up(monkeypatch) -> None:
    asleep = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: (asleep.wait(20), [])[1])
    timer = interrupt_after(0.2)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(door("https://slow.invalid", limits=Limits()).stream(ASK))
    timer.join()
    asleep.set()
    assert time.monotonic() - began < 3


def test_F_NET_02_names_of_every_sort(monkeypatch) -> None:
    rows = [
        (socket.AF_INET6, 1, 6, "", ("2001:db8::1", 443, 0, 0)),
        (socket.AF_INET6, 1, 6, "", ("2001:db8::2", 443, 0, 0)),
        (socket.AF_INET, 1, 6, "", ("192.0.2.1", 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: rows)
    assert look_up("x.example", 443, 1, "X") == ["2001:db8::1", "192.0.2.1", "2001:db8::2"]

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match="Cannot find x.example") as caught:
        look_up("x.example", 443, 1, "X")
    assert "not known" in caught.value.detail


class Opened:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def test_F_NET_03_a_dead_address_costs_its_head_start_only() -> None:
    release, late, good = threading.Event(), Opened(), Opened()

    def connect(address: str) -> Opened:
        if address == "dead":
            release.wait(10)
            return late
        return good

    began = time.monotonic()
    assert race(["dead", "alive"], connect, Deadline("connect", 5)) is good
    assert time.monotonic() - began < 3
    release.set()
    assert late.closed.wait(1), "a connection that came too late is closed"
    assert not good.closed.is_set()


def test_F_NET_03_every_address_refuses() -> None:
    def connect(address: str) -> Opened:
        raise ConnectionRefusedError(address)

    began = time.monotonic()
    with pytest.raises(ConnectionRefusedError, match="b"):
        race(["a", "b"], connect, Deadline("connect", 5))
    assert time.monotonic() - began < 3


def test_F_NET_03_no_address_answers_within_the_limit() -> None:
    release = threading.Event()
    began = time.monotonic()

    def connect(_: str) -> Opened:
        release.wait(10)
        return Opened()

    with pytest.raises(TimeoutError):
        race(["a", "b"], connect, Deadline("connect", 0.4))
    assert time.monotonic() - began < 3
    release.set()


def test_F_NET_08_a_handshake_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, error, took = ask(
            door(f"https://127.0.0.1:{server.getsockname()[1]}", limits=FAST._replace(connect=0.5))
        )
    assert isinstance(error, TimedOut) and "limits.connect" in str(error.hints) and 0.45 < took < 3
    assert "http://" in str(error.hints)


@contextmanager
def tls_server(issued: trustme.LeafCert) -> Iterator[str]:
    """Shakes hands twice, since a client that refuses a certificate looks at it once more; the URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            conn, _ = server.accept()
            try:
                context.wrap_socket(conn, server_side=True).close()
            except OSError:
                conn.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield f"https://localhost:{server.getsockname()[1]}"
        thread.join(2)


@pytest.mark.parametrize(("days", "word"), [(-30, "expired"), (30, "not yet valid")])
def test_F_NET_06_a_wrong_clock(tmp_path, days, word) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    issued = authority.issue_cert(
        "localhost", not_before=at - datetime.timedelta(days=1), not_after=at + datetime.timedelta(days=1)
    )
    with tls_server(issued) as url:
        _, error, _ = ask(door(url, ca_bundle=str(tmp_path / "ca.pem")))
    assert isinstance(error, Unreachable) and word in error.detail and "clock" in str(error.hints)


def test_F_NET_04_the_issuer_is_named() -> None:
    authority = trustme.CA(organization_name="Nosy \u00e9 Ltd", organization_unit_name="Prying \u00e9")
    with tls_server(authority.issue_cert("localhost")) as url:
        _, error, _ = ask(door(url))
    assert (
        isinstance(error, Unreachable)
        and error.hints[0].endswith("issuer: Nosy é Ltd")
        and "verify" not in str(error.hints)
    )


@pytest.mark.parametrize(
    "data", [b"", b"0", b"0\x03abc", b"\x30\x84\xff\xff\xff\xff", b"0\x050\x03\x02\x01\x01"]
)
def test_what_is_no_certificate_has_no_issuer(data) -> None:
    with pytest.raises((ValueError, IndexError)):
        issuer(data)


REPLY = openai_stream(["ok"]).body


def test_F_NET_07_a_proxy_of_the_environment(monkeypatch) -> None:
    with FakeProvider(openai_stream(["ok"])) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert ask(door("http://192.0.2.1/v1"))[0].text == "ok"
        assert proxy.requests[0].path == "http://192.0.2.1/v1/chat/completions"
        assert ask(door("http://never-looked-up.invalid/v1"))[0].text == "ok", "names are the proxy's task"


def test_F_NET_07_no_proxy(monkeypatch) -> None:
    with FakeProvider(openai_stream(["ok"])) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        for exempt in ("192.0.2.1", "*", "::1,[::2],192.0.2.1, ,fe80::/10"):
            monkeypatch.setenv("NO_PROXY", exempt)
            _, error, _ = ask(door("http://192.0.2.1", limits=FAST._replace(connect=0.1)))
            assert isinstance(error, TimedOut | Unreachable) and not proxy.requests


@pytest.mark.parametrize("base", ["http://192.0.2.1", "https://192.0.2.1"])
def test_F_NET_07_a_proxy_that_wants_a_name(base) -> None:
    with FakeProvider(json_reply(407, {})) as proxy:
        _, error, _ = ask(door(base, proxy=proxy.url))
    assert isinstance(error, Unreachable) and "proxy" in error.sentence and not error.retryable
    assert "user name and password" in f"{error.sentence} {error.hints}"
    assert "proxy under [backends.b]" in str(error.hints)


def test_F_NET_07_a_proxy_that_is_down(monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    _, error, _ = ask(door("https://192.0.2.1"))
    assert (
        isinstance(error, Unreachable) and "The proxy" in error.sentence and "HTTPS_PROXY" in str(error.hints)
    )


@pytest.mark.parametrize("value", ["ftp://x:1", "socks5://x:1", "http://x:99999", "http://", "::"])
def test_F_NET_07_settings_that_are_no_proxy(value) -> None:
    _, error, _ = ask(door("https://192.0.2.1", proxy=value))
    assert isinstance(error, ConfigFault) and "proxy under [backends.b]" in error.sentence


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://[::1", "127.0.0.1:80", "gopher://127.0.0.1", "http://", ""]
)
def test_addresses_that_are_none(url) -> None:
    _, error, _ = ask(door(url))
    assert isinstance(error, ConfigFault | Unreachable) and error.exit_code in (3, 5)


def test_F_SECRET_05_a_password_in_the_address_is_not_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    _, error, _ = ask(door(f"http://me:{CANARY}@127.0.0.1:{port}"))
    assert error is not None and error.sentence == f"Cannot connect to Service at http://127.0.0.1:{port}"
    _, error, _ = ask(door(f"http://me:{CANARY}@192.0.2.1"))
    assert isinstance(error, ConfigFault) and "plain http" in error.sentence


@pytest.mark.parametrize(
    "name", ["Authorization", "api-key", "X-Goog-Api-Key", "x-auth-token", "Helicone-Auth", "Cookie"]
)
def test_F_SECRET_11_a_key_in_headers_of_ones_own(name) -> None:
    _, error, _ = ask(door("http://192.0.2.1", headers={name: "x"}))
    assert isinstance(error, ConfigFault) and "plain http" in error.sentence


@pytest.mark.parametrize(
    "said",
    [
        json_reply(401, {"error": {"message": f"Incorrect API key provided: {CANARY}"}}),
        Stream([sse({"error": {"message": f"bad key {CANARY}", "type": "invalid_request_error"}})]),
        json_reply(200, {"error": f"key {CANARY}"}),
        json_reply(307, {}, location=f"https://me:{CANARY}@other.example/?key={CANARY}"),
        raw(b"HTTP/1.1 200 " + CANARY.encode() + b"\0\r\n\r\n"),
    ],
)
def test_a_key_that_is_said_back_is_masked(said) -> None:
    with FakeProvider(said) as fake:
        _, error, _ = ask(door(fake.url, auth="bearer"))
    assert isinstance(error, ServiceFault)


def test_F_SECRET_01_a_header_of_ones_own_that_cannot_be_sent() -> None:
    for bad in ("\n", "\0", "\u2019"):
        with FakeProvider(openai_stream(["x"])) as fake:
            _, error, _ = ask(door(fake.url, headers={"x-api-key": f"{CANARY}{bad}x"}))
        assert isinstance(error, ConfigFault) and not fake.requests


def test_the_key_is_asked_for_only_when_a_request_is_made() -> None:
    def never() -> Secret:
        raise AssertionError("asked")

    unused = access("bearer")._replace(key=never)
    HttpBackend(Target("b", "custom", "S", "https://192.0.2.1", "m"), "openai", unused, FAST).close()


@pytest.mark.parametrize(("status", "whole"), [(200, True), (201, True), (206, True), (204, False)])
def test_F_NET_29_successes(status, whole) -> None:
    head = b"HTTP/1.1 %d X\r\ncontent-type: text/event-stream\r\n\r\n" % status
    with FakeProvider(raw(head + (REPLY if whole else b""))) as fake:
        reply, error, _ = ask(door(fake.url))
    assert reply.text == ("ok" if whole else "") and (error is None) == whole
    assert whole or isinstance(error, EmptyAnswer)


@pytest.mark.parametrize(
    "first", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"]
)
def test_F_NET_29_old_and_chatty_servers(first) -> None:
    with FakeProvider(raw(first + b"content-type: text/event-stream\r\n\r\n" + REPLY)) as fake:
        assert ask(door(fake.url))[0].text == "ok"


def test_an_error_that_never_ends_its_explanation() -> None:
    def behave(conn: Conn) -> None:
        conn.head(500, "application/json", 9999)
        conn.send(b'{"error": "it ')
        conn.wait_gone()

    with FakeProvider(behave) as fake:
        _, error, took = ask(door(fake.url))
    assert isinstance(error, ServiceFault) and error.status == 500 and took < 3


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
def test_a_compression_that_cannot_be_read(encoding) -> None:
    head = f"HTTP/1.1 200 X\r\ncontent-encoding: {encoding}\r\n\r\n".encode()
    with FakeProvider(raw(head + b"\x0b\x02\x80nonsense")) as fake:
        _, error, _ = ask(door(fake.url))
    assert isinstance(error, Cut) and not error.retryable and "compress" in error.detail


def test_lists() -> None:
    with FakeProvider(json_reply(200, {"data": [{"id": "m"}]})) as fake:
        asked = door(f"{fake.url}/v1")
        assert asked.get_json("/models") == {"data": [{"id": "m"}]}
        assert asked.get_json("/api/tags", timeout=1)
        assert [request.path for request in fake.requests] == ["/v1/models", "/api/tags"]
        assert {request.method for request in fake.requests} == {"GET"}
        asked.close()


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (silent, TimedOut),
        (stall(Stream([b'{"data": [']), 1), TimedOut),
        (raw(b'HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{"data"'), Cut),
        (raw(b"HTTP/1.1 200 X\r\n\r\n{]"), Cut),
        (json_reply(404, {}), ServiceFault),
    ],
)
def test_lists_that_do_not_come(behaviour, kind) -> None:
    with FakeProvider(behaviour) as fake:
        asked = door(fake.url, limits=Limits(idle=0.3))
        began = time.monotonic()
        with pytest.raises(kind):
            asked.get_json("/models", timeout=0.3)
        assert time.monotonic() - began < 3
        asked.close()


def test_probe() -> None:
    with FakeProvider(json_reply(200, {"models": []})) as fake:
        began = time.monotonic()
        assert probe(fake.url + "/api/tags", 20) == {"models": []}
        assert time.monotonic() - began < 3, "a server that keeps the connection is not waited for"
    began = time.monotonic()
    assert probe(fake.url + "/api/tags", 20) is None
    assert time.monotonic() - began < 3, "a closed port costs nothing"
    for behaviour in (silent, raw(b"HTTP/1.1 200 X\r\n\r\n<html>"), json_reply(500, {}), dripping_head):
        with FakeProvider(behaviour) as fake:
            began = time.monotonic()
            assert probe(fake.url, 0.15) is None
            assert time.monotonic() - began < 3


def test_F_STREAM_25_many_tiny_pieces() -> None:
    piece = sse({"choices": [{"index": 0, "delta": {"content": "x"}}]})
    stream = openai_stream([])
    stream.events = [piece * 1000] * 50 + stream.events
    with FakeProvider(stream) as fake:
        began = time.process_time()
        reply, error, _ = ask(door(fake.url, limits=Limits()))
        used = time.process_time() - began
    assert error is None and len(reply.text) == 50_000
    assert used < 5


def test_a_piece_is_seen_as_soon_as_it_came() -> None:
    sent: list[float] = []

    def behave(conn: Conn) -> None:
        conn.head()
        for event in openai_stream(["a", "b", "c"]).events:
            sent.append(time.monotonic())
            conn.chunk(event)
            time.sleep(0.5)
        conn.end()

    with FakeProvider(behave) as fake:
        asked = door(fake.url, limits=Limits())
        seen = [time.monotonic() for event in asked.stream(ASK) if getattr(event, "text", "")]
        asked.close()
    assert len(seen) == 3 and max(at - when for at, when in zip(seen, sent, strict=False)) < 0.4
