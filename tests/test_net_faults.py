"""The HTTP door against a provider that misbehaves: limits, statuses, keys, proxies, certificates."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import threading
import time
import zlib

import pytest
import trustme
from fake_provider import (
    Conn,
    FakeProvider,
    body_reply,
    bytewise,
    endless,
    json_reply,
    openai_stream,
    raw,
    silent,
    sse,
    stall,
    torn,
)
from http_kit import ASK, CANARY, FAST, STREAMS, ask, door, each, tls_server
from routing_kit import Clock

from arawn.backends.http import Limits
from arawn.backends.routing import Retry, RetryPolicy
from arawn.errors import (
    ArawnError,
    AuthFault,
    ConfigFault,
    ContextFault,
    Cut,
    EmptyAnswer,
    ModelFault,
    Overloaded,
    RateLimited,
    Refused,
    SecretFault,
    TimedOut,
    Unreachable,
)
from arawn.events import Attempt, Collector, Wait


@each
def test_an_answer(dialect) -> None:
    with FakeProvider(STREAMS[dialect](["Hel", "lo"])) as fake:
        reply, error, _ = ask(door(fake.url, dialect))
    assert (reply.text, error) == ("Hello", None)
    (attempt,) = reply.attempts
    assert attempt.status == 200 and attempt.error is None and 0 < attempt.first_event_s <= attempt.total_s


@each
def test_byte_by_byte(dialect) -> None:
    with FakeProvider(bytewise(STREAMS[dialect](["Zażółć ", "日本🎉"]))) as fake:
        assert ask(door(fake.url, dialect))[0].text == "Zażółć 日本🎉"


def test_one_client_serves_many_turns_even_when_the_server_hangs_up() -> None:
    def once(conn: Conn) -> None:
        openai_stream(["ok"])(conn)
        conn.sock.close()

    with FakeProvider(once) as fake:
        opened = door(fake.url)
        for _ in range(3):
            assert "".join(getattr(e, "text", "") for e in opened.stream(ASK)) == "ok"
            time.sleep(0.02)
        opened.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_F_NET_01_connection_refused() -> None:
    port = closed_port()
    _, error, took = ask(door(f"http://localhost:{port}", label="Ollama"))
    assert error.sentence == f"Cannot connect to Ollama at http://localhost:{port}"
    assert isinstance(error, Unreachable) and "start it" in error.hints and not error.retryable and took < 3


def test_F_NET_02_unknown_and_slow_names(monkeypatch) -> None:
    _, error, _ = ask(door("https://no-such-host.invalid"))
    assert isinstance(error, Unreachable | TimedOut) and "no-such-host.invalid" in error.sentence
    asleep = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: (asleep.wait(20), [])[1])
    _, error, took = ask(door("https://slow.invalid", limits=FAST._replace(connect=0.3)))
    asleep.set()
    assert isinstance(error, TimedOut) and took < 3


def test_F_NET_03_localhost_that_is_only_ipv4() -> None:
    with FakeProvider(openai_stream(["ok"])) as fake:
        reply, error, _ = ask(door(f"http://localhost:{fake.port}"))
    assert (reply.text, error) == ("ok", None)


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def test_F_NET_04_certificates(authority, tmp_path) -> None:
    body = openai_stream(["ok"]).body
    reply = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
    with tls_server(authority, "localhost", reply) as server:
        url = f"https://localhost:{server.getsockname()[1]}"
        _, error, _ = ask(door(url))
        assert isinstance(error, Unreachable) and "not trusted" in error.sentence and not error.retryable
        assert "ca_bundle" in str(error.hints) and "verify" not in str(error.hints)
        assert ask(door(url, insecure=True))[0].text == "ok", "asked for by name"
        got, error, _ = ask(door(url, ca_bundle=str(tmp_path / "ca.pem")))
        assert (got.text, error) == ("ok", None)
        server.shutdown(socket.SHUT_RDWR)
    with tls_server(authority, "other.example", reply) as server:
        url = f"https://localhost:{server.getsockname()[1]}"
        _, error, _ = ask(door(url, ca_bundle=str(tmp_path / "ca.pem")))
        assert isinstance(error, Unreachable) and "base_url" in str(error.hints)
        server.shutdown(socket.SHUT_RDWR)


def test_F_NET_05_certificate_files_that_are_not_there(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    _, error, _ = ask(door("https://127.0.0.1:9"))
    assert isinstance(error, ConfigFault) and "SSL_CERT_FILE" in error.sentence
    monkeypatch.delenv("SSL_CERT_FILE")
    _, error, _ = ask(door("https://127.0.0.1:9", ca_bundle=str(tmp_path)))
    assert isinstance(error, ConfigFault) and "ca_bundle" in error.sentence


@pytest.mark.parametrize("value", ["ftp://x:1", "socks5://x:1", "http://x:99999"])
def test_F_NET_07_proxy_variables_that_cannot_be_used(monkeypatch, value) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    _, error, _ = ask(door("https://192.0.2.1"))
    assert isinstance(error, ConfigFault) and "HTTPS_PROXY" in error.sentence
    with FakeProvider(openai_stream(["ok"])) as fake:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert ask(door(fake.url))[0].text == "ok", "loopback never goes through a proxy"


def test_F_NET_08_tls_spoken_to_a_plain_server() -> None:
    with FakeProvider(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as fake:
        _, error, _ = ask(door(fake.url.replace("http://", "https://")))
    assert isinstance(error, Unreachable | TimedOut) and "http://" in str(error.hints)


def test_F_NET_09_no_headers_ever() -> None:
    with FakeProvider(silent) as fake:
        _, error, took = ask(door(fake.url))
    assert isinstance(error, TimedOut) and "limits.first_event" in str(error.hints) and 0.3 < took < 3


STATUSES = [
    ("NET_10", 401, {"error": {"message": "bad"}}, AuthFault, 4), ("NET_10", 403, {"error": "no"}, AuthFault, 4),
    ("NET_11", 404, {"error": {"message": "model x not found", "code": "model_not_found"}}, ModelFault, 7),
    ("NET_12", 400, {"error": {"message": "maximum context length is 10"}}, ContextFault, 7),
    ("NET_17", 500, {"error": "x"}, Overloaded, 6), ("NET_17", 502, {}, Unreachable, 5),
    ("NET_17", 503, {}, Overloaded, 6), ("NET_17", 504, {}, TimedOut, 5), ("NET_17", 529, {}, Overloaded, 6),
    ("NET_13", 429, {"error": "slow"}, RateLimited, 6),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "body", "kind", "code"), STATUSES)
def test_F_NET_10_statuses(name, status, body, kind, code) -> None:
    with FakeProvider(json_reply(status, body)) as fake:
        reply, error, _ = ask(door(fake.url))
    assert isinstance(error, kind) and error.exit_code == code and error.status == status
    assert len(fake.requests) == 1 and reply.attempts[0].status == status


def test_F_NET_11_model_not_there() -> None:
    test_F_NET_10_statuses(*STATUSES[2])


def test_F_NET_12_context_too_long_is_not_tried_again() -> None:
    with FakeProvider(
        json_reply(400, {"error": {"message": "x", "code": "context_length_exceeded"}})
    ) as fake:
        _, error, _ = ask(Retry(door(fake.url), RetryPolicy()))
    assert isinstance(error, ContextFault) and len(fake.requests) == 1


def retried(fake, policy=None, chance=lambda: 0.0):
    clock = Clock()
    waits: list[Wait] = []
    collector, error = Collector(), None
    try:
        opened = Retry(door(fake.url), policy or RetryPolicy(), clock.sleep, clock, chance)
        for event in opened.stream(ASK):
            collector.add(event)
            if isinstance(event, Wait):
                waits.append(event)
    except ArawnError as raised:
        error = raised
    opened.close()
    return collector.reply, error, clock, waits


def test_F_NET_13_waits_as_long_as_it_is_asked_to() -> None:
    slow = json_reply(429, {"error": "slow"}, retry_after="7")
    with FakeProvider(slow, openai_stream(["ok"])) as fake:
        reply, error, clock, waits = retried(fake)
    assert (reply.text, error) == ("ok", None) and clock.now == pytest.approx(7)
    assert len(waits) > 20 and waits[0].remaining > waits[-1].remaining and waits[0].of == 3
    assert [attempt.waited_s for attempt in reply.attempts] == [0.0, 7.0]


def test_F_NET_15_too_long_a_wait_stops_at_once() -> None:
    with FakeProvider(json_reply(429, {"error": "slow"}, retry_after="86400")) as fake:
        _, error, clock, _ = retried(fake)
    assert isinstance(error, RateLimited) and clock.now == 0 and "24 h" in str(error.hints)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_F_NET_17_three_requests_at_most(status) -> None:
    with FakeProvider(json_reply(status, {"error": "x"})) as fake:
        _, error, clock, _ = retried(fake, chance=lambda: 1.0)
    assert error is not None and len(fake.requests) == 3 and clock.now <= 30


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 422, 501 - 79])
def test_what_is_not_tried_again(status) -> None:
    with FakeProvider(json_reply(status, {"error": "x"})) as fake:
        retried(fake)
    assert len(fake.requests) == 1


def test_F_NET_17_connection_faults_are_tried_again() -> None:
    def hang_up(conn: Conn) -> None:
        conn.sock.close()

    with FakeProvider(hang_up, torn(openai_stream(["a"]), 0), openai_stream(["ok"])) as fake:
        reply, error, _, _ = retried(fake)
    assert (reply.text, error) == ("ok", None) and len(reply.attempts) == 3


def test_F_NET_25_never_after_the_first_piece() -> None:
    with FakeProvider(torn(openai_stream(["first ", "second"]), 1), openai_stream(["again"])) as fake:
        reply, error, _, _ = retried(fake)
    assert reply.text == "first " and isinstance(error, Cut) and len(fake.requests) == 1


@pytest.mark.parametrize("status", [502, 404])
def test_F_NET_19_a_web_page_as_error(status) -> None:
    page = b"<html><head><title>502 Bad \x1b[31m Gateway</title></head>" + b"<p>x</p>" * 9999
    with FakeProvider(body_reply(status, page, "text/html")) as fake:
        _, error, _ = ask(door(fake.url))
    assert (
        error.detail.startswith("HTML page: 502 Bad") and len(error.detail) <= 300 and error.status == status
    )


def test_F_NET_20_a_web_page_as_answer() -> None:
    with FakeProvider(body_reply(200, b"<!doctype html><title>Sign in</title>", "text/html")) as fake:
        _, error, _ = ask(door(fake.url))
    assert (
        isinstance(error, EmptyAnswer) and "not an API answer" in error.sentence and "Sign in" in error.detail
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_F_NET_21_redirects_are_not_followed(status) -> None:
    with FakeProvider(openai_stream(["stolen"])) as other:
        with FakeProvider(json_reply(status, {}, location=f"{other.url}/x?key=1")) as fake:
            _, error, _ = ask(door(fake.url))
        assert isinstance(error, Refused) and other.url in error.sentence and "key=1" not in error.sentence
        assert not other.requests


@pytest.mark.parametrize("header", ["bearer", "x-api-key"])
def test_F_SECRET_08_a_redirect_gets_no_key(header) -> None:
    with FakeProvider(openai_stream(["x"])) as other:
        with FakeProvider(json_reply(307, {}, location=other.url)) as fake:
            ask(door(fake.url, auth=header, headers={"api-key": CANARY}))
        assert len(fake.requests) == 1 and not other.requests


def test_F_SECRET_09_a_redirect_gets_no_prompt() -> None:
    test_F_SECRET_08_a_redirect_gets_no_key("bearer")


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_F_NET_22_a_compressed_bomb(status, encoding) -> None:
    zeros = b'data: {"x":"' + b"0" * (200 * 1024 * 1024)
    bomb = gzip.compress(zeros, 1) if encoding == "gzip" else zlib.compress(zeros, 1)
    del zeros
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with FakeProvider(body_reply(status, bomb, "text/event-stream", content_encoding=encoding)) as fake:
        _, error, _ = ask(door(fake.url, limits=Limits()))
    assert isinstance(error, Cut if status == 200 else Overloaded)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024


def test_compressed_answers_are_read() -> None:
    body = gzip.compress(openai_stream(["ok"]).body)
    with FakeProvider(body_reply(200, body, "text/event-stream", content_encoding="gzip")) as fake:
        assert ask(door(fake.url))[0].text == "ok"


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 1_000_000 + b"\r\n\r\n", b"nonsense\r\n\r\n", b""]
)
def test_F_NET_23_odd_heads(head) -> None:
    with FakeProvider(raw(head)) as fake:
        _, error, _ = ask(door(fake.url))
    assert isinstance(error, Unreachable)


@each
def test_F_STREAM_01_silence_after_the_first_piece(dialect) -> None:
    with FakeProvider(stall(STREAMS[dialect](["Hel", "lo"]), 3 if dialect == "anthropic" else 1)) as fake:
        reply, error, took = ask(door(fake.url, dialect))
    assert reply.text == "Hel" and isinstance(error, TimedOut) and "limits.idle" in str(error.hints)
    assert 0.35 < took < 3 and error.exit_code == 5


@pytest.mark.parametrize(
    "ping", [b": ping\n\n", sse({"choices": [{"index": 0, "delta": {"content": ""}}]}), sse({"choices": []})]
)
@pytest.mark.parametrize("after", [0, 1])
def test_F_STREAM_02_pings_are_no_answer(ping, after) -> None:
    with FakeProvider(stall(openai_stream(["Hel"]), after, 0.05, ping)) as fake:
        reply, error, took = ask(door(fake.url))
    assert reply.text == "Hel" * after and isinstance(error, TimedOut) and took < 3


@each
@pytest.mark.parametrize("reset", [False, True])
def test_F_STREAM_05_a_connection_that_breaks(dialect, reset) -> None:
    with FakeProvider(
        torn(STREAMS[dialect](["Hel", "lo"]), 3 if dialect == "anthropic" else 1, reset)
    ) as fake:
        reply, error, _ = ask(door(fake.url, dialect))
    assert reply.text == "Hel" and isinstance(error, Cut) and error.exit_code == 5


def test_F_STREAM_10_a_giant_event_over_http() -> None:
    with FakeProvider(endless(b'data: {"x":"', b"y" * 65536)) as fake:
        _, error, _ = ask(door(fake.url, limits=FAST._replace(frame=1024 * 1024)))
    assert isinstance(error, Cut) and "limits.frame" in str(error.hints)


def test_F_STREAM_11_an_endless_answer() -> None:
    piece = sse({"choices": [{"index": 0, "delta": {"content": "word " * 2000}}]})
    with FakeProvider(endless(b"", piece)) as fake:
        reply, error, _ = ask(door(fake.url, limits=FAST._replace(reply=2 * 1024 * 1024)))
    assert isinstance(error, Cut) and "limits.reply" in str(error.hints) and len(reply.text) > 1_000_000


@pytest.mark.parametrize("bad", ["\n", "\r", "\0", "\u2019", " "])
def test_F_SECRET_01_a_key_that_is_no_header(bad) -> None:
    with FakeProvider(openai_stream(["x"])) as fake:
        _, error, _ = ask(door(fake.url, key=f"sk-CANARY{bad}0123456789"))
    assert isinstance(error, SecretFault) and "0123456789" not in str(error.sentence) and not fake.requests


def test_F_SECRET_01_white_space_around_a_key_is_taken_off() -> None:
    with FakeProvider(openai_stream(["x"])) as fake:
        ask(door(fake.url, key=f"  {CANARY}\n"))
    assert fake.requests[0].headers["authorization"] == f"Bearer {CANARY}"


def test_F_SECRET_05_no_key_in_an_address() -> None:
    for auth in ("bearer", "x-api-key"):
        with FakeProvider(openai_stream(["x"])) as fake:
            ask(door(fake.url, auth=auth))
        assert CANARY not in fake.requests[0].path and CANARY in json.dumps(fake.requests[0].headers)


@pytest.mark.parametrize("more", [{}, {"headers": {"Authorization": f"Bearer {CANARY}"}, "key": ""}])
def test_F_SECRET_11_no_key_over_plain_http(more) -> None:
    _, error, took = ask(door("http://192.0.2.1", **more))
    assert isinstance(error, SecretFault) and "192.0.2.1" in error.sentence and took < 3
    _, error, _ = ask(door("http://192.0.2.1", insecure=True, limits=FAST._replace(connect=0.1), **more))
    assert isinstance(error, TimedOut | Unreachable)


def test_a_reader_that_leaves_closes_the_connection() -> None:
    gone: list[float] = []

    def behave(conn: Conn) -> None:
        conn.head()
        conn.chunk(openai_stream(["x"]).events[0])
        gone.append(conn.wait_gone())

    with FakeProvider(behave) as fake:
        opened = door(fake.url, limits=Limits())
        events = opened.stream(ASK)
        assert next(events).text == "x"
        events.close()
        opened.close()
        for _ in range(100):
            if gone:
                break
            time.sleep(0.02)
    assert gone and gone[0] < 3


def test_attempts_are_told_when_they_fail() -> None:
    with FakeProvider(json_reply(500, {})) as fake:
        events, opened = [], door(fake.url)
        with pytest.raises(Overloaded):
            for event in opened.stream(ASK):
                events.append(event)
        opened.close()
    assert isinstance(events[-1], Attempt) and events[-1].error == "overloaded"


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_F_NET_26_no_other_backend_hears_the_prompt(arawn, status) -> None:
    """However it fails: a question goes to the backend that was chosen and to nobody else."""
    with (
        FakeProvider(json_reply(status, {"error": {"message": "no"}})) as chosen,
        FakeProvider(openai_stream(["I heard it"])) as other,
    ):
        config = f"""
            [llm]
            backend = "here"
            [backends.here]
            provider = "ollama"
            base_url = "{chosen.url}"
            model = "m"
            [backends.here.retry]
            initial_delay = "10ms"
            [backends.cloud]
            base_url = "{other.url}/v1"
            model = "m"
        """
        env = {"OPENAI_API_KEY": CANARY, "OPENAI_API_BASE": other.url}
        done = arawn("ask", "private", config=config, env=env)
    asked = [request for request in chosen.requests if request.method == "POST"]
    assert done.returncode != 0 and asked and not other.requests and "I heard it" not in done.stdout
