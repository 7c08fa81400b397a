"""Addresses on the web: what is fetched, and what never is (F-TOOL-10)."""

from __future__ import annotations

import gzip
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from fake_provider import Conn, FakeProvider, openai_stream
from home import configure
from term import Term
from test_ask import CONFIG
from test_attach import PNG

from arawn.backends.http_connect import Deadline
from arawn.backends.http_fetch import Checked, fetch, is_public, plain
from arawn.errors import ArawnError, TimedOut, Unreachable, UsageFault

LIMIT = 1024 * 1024
INNER = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::",
    "2002:a00:1::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
    "2001::1", "::127.0.0.1", "100::1", "nonsense", "", "2001:db8::5efe:7f00:1", "2a00::5efe:a9fe:a9fe",
    "2a00::200:5efe:10.0.0.1", "100:0:0:1::1", "5f00::1", "3fff::1", "2001:20::1", "2001:10::1", "192.88.99.1",
    "168.63.129.16", "100.100.100.200", "169.254.170.2", "192.0.0.192", "192.0.0.9", "4000::1", "::ffff:0:127.0.0.1", "ff0e::1",
    "2001:0:7f00:1::", "2001:0:808:808:0:0:80ff:fffe", "127.1", "0x7f000001",
]  # fmt: skip
OUTER = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INNER)
def test_F_TOOL_10_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTER)
def test_addresses_of_the_open_internet(address: str) -> None:
    assert is_public(address)


FORMS = [
    "http://127.0.0.1/", "http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://127.1/",
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/",
    "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[0:0:0:0:0:ffff:7f00:1]/", "http://[::]/",
    "http://0.0.0.0/", "http://0/", "http://10.0.0.1/", "http://192.168.0.1/", "http://172.16.0.1/",
    "http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/",
    "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
    "http://100.64.0.1/", "http://127.0.0.1:22/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/",
    "http://inner.example/", "http://mixed.example/", "http://mapped.example/", "http://INNER.example/",
    "http://inner.example./", "http://127.0.0.1./", "http://127.0.0.1%2f@x/", "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:7f00:1]/", "http://%31%32%37.0.0.1/",
    "http://0177.0.0.01/", "http://127.0.1/", "http://0000127.0.0.1/", "http://localhost%00.x.example/",
    "http://outer.example\\@127.0.0.1/", "http://outer.example#@127.0.0.1/", "http://127.0.0.1#outer.example/",
    "http://127.0.0.1?outer.example/", "http://[::1%25lo]/", "http://[2001:db8::5efe:7f00:1]/", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
]  # fmt: skip
NAMES = {
    "inner.example": ["10.1.2.3"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
    "mapped.example": ["::ffff:192.168.0.1"],
    "outer.example": ["93.184.216.34"],
}


def resolve(host: str, port: int, limit: float, label: str) -> list[str]:
    """A name server that knows a few names; numbers in any form are read as the system reads them."""
    if host.rstrip(".").lower() in NAMES:
        return NAMES[host.rstrip(".").lower()]
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(row[4][0]) for row in rows]


def system(host: str, port: int, limit: float, label: str) -> list[str]:
    if host.rstrip(".").lower().endswith("localhost"):
        return ["127.0.0.1"]
    try:
        return resolve(host, port, limit, label)
    except OSError:
        raise UsageFault(f"no such name: {host}") from None


@pytest.mark.parametrize("url", FORMS)
def test_F_TOOL_10_forms_of_inner_addresses(url: str, inner: FakeProvider) -> None:
    """Every form with the port of a server that is really there: it must not notice anything."""
    parts = urlsplit(url)
    at = url.find(parts.netloc) + len(parts.netloc)
    aimed = url if ":22" in url else f"{url[:at]}:{inner.port}{url[at:]}"
    before = inner.connections
    with pytest.raises(ArawnError) as caught:
        fetch(aimed, LIMIT, resolve=system)
    assert inner.connections == before
    said = caught.value.sentence
    assert any(
        words in said for words in ("not fetched", "no such name", "cannot be fetched", "is not an http")
    )


@pytest.fixture(scope="module")
def inner() -> Iterator[FakeProvider]:
    with FakeProvider(lambda conn: conn.head(200, length=0)) as fake:
        yield fake


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example/", "file:///etc/passwd", "gopher://x/", "http:///x", "http://", "http://u:p@x.example/",
     "http://x.example@127.0.0.1/", "http://x.example:99999/", "http://x.example/a b", "http://x.example/\n",
     "http://[::1", "javascript:alert(1)", "//x.example/"],
)  # fmt: skip
def test_F_TOOL_10_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageFault):
        fetch(url, LIMIT, resolve=lambda *_: pytest.fail("looked up"))


def test_F_TOOL_10_a_redirect_into_the_inner_network_is_not_followed() -> None:
    def leads(conn: Conn) -> None:
        conn.head(302, length=0, location=f"http://127.0.0.2:{fake.port}/secret")

    with FakeProvider(leads) as fake, pytest.raises(UsageFault, match="127.0.0.2 is not fetched"):
        fetch(f"{fake.url}/", LIMIT, {"127.0.0.1"})
    assert [request.path for request in fake.requests] == ["/"]


def test_F_TOOL_10_the_address_that_was_checked_is_the_one_that_is_asked() -> None:
    """A name that is public when it is checked and inner a moment later is looked up once."""
    asked: list[str] = []
    connected: list[str] = []

    def rebinding(host: str, port: int, limit: float, label: str) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    class Wire:
        def connect_tcp(self, host: str, *_: Any) -> Any:
            connected.append(host)
            raise OSError("no network in tests")

    network = Checked((), rebinding)
    network._tcp = Wire()
    with pytest.raises(OSError, match="no network"):
        network.connect_tcp("rebind.example", 80, Deadline("connect", 1))
    assert (asked, connected) == (["rebind.example"], ["93.184.216.34"])


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2/", "//127.0.0.2/", "http://2130706434/", "http://[::1]/", "http://localhost/", "ftp://127.0.0.1/",
     "file:///etc/passwd", "http://u:p@127.0.0.1/", "http://[", "http://inner.example/", "http://:80/", "\\\\127.0.0.2",
     "http://169.254.169.254/latest/", "gopher://127.0.0.1/", "http://127.0.0.1:99999/", "http://0/"],
)  # fmt: skip
def test_F_TOOL_10_no_redirect_leads_inside(location: str) -> None:
    with FakeProvider(lambda conn: conn.head(302, length=0, location=location)) as fake:
        with pytest.raises(ArawnError):
            fetch(f"{fake.url}/", LIMIT, {"127.0.0.1"}, resolve=system)
        assert len(fake.requests) <= 6 and all(
            request.path == "/" or "127.0.0.2" in request.path for request in fake.requests
        )


@pytest.fixture
def by_proxy(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeProvider], None]:
    """Have the environment name a proxy."""

    def set_up(proxy: FakeProvider) -> None:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)

    return set_up


def test_F_TOOL_10_a_stranger_cannot_lead_to_an_allowed_host(by_proxy) -> None:
    """An allowed host is asked only where the person names it or another allowed one leads to it."""

    def serve(conn: Conn) -> None:
        if "inner" in conn.request.path:
            body(b"secret")(conn)
        else:
            conn.head(302, length=0, location="http://inner.example/")

    allowed = ["INNER.example.", "mapped.example"]
    with FakeProvider(serve) as proxy:
        by_proxy(proxy)
        assert fetch("http://inner.example/", LIMIT, allowed, resolve=system).data == b"secret"
        assert fetch("http://mapped.example/", LIMIT, allowed, resolve=system).data == b"secret"
        proxy.requests.clear()
        with pytest.raises(UsageFault, match="inner.example is not fetched"):
            fetch("http://outer.example/", LIMIT, allowed, resolve=system)
        assert [request.path for request in proxy.requests] == ["http://outer.example/"]


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("Wiki.Intranet.", "wiki.intranet"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[::1]", "0:0:0:0:0:0:0:1"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_host_may_be_written_in_any_way(written: str, host: str) -> None:
    assert plain(written) == plain(host) != ""


def unknown(host: str, port: int, limit: float, label: str) -> list[str]:
    raise Unreachable(f"Cannot find {host}")


@pytest.mark.parametrize(
    ("url", "resolve", "fetched"),
    [
        ("http://outer.example/x", system, True),
        ("http://unknown.example/x", unknown, True),
        ("http://93.184.216.34/", system, True),
        ("http://inner.example/", system, False),
        ("http://inner.example/", unknown, True),
        ("http://2130706433/", unknown, False),
        ("http://0x7f.1/", unknown, False),
        ("http://127.0.0.1./", unknown, False),
        ("http://①②⑦.⓪.⓪.①/", unknown, False),
        ("http://10.0.0.1/", unknown, False),
        ("http://intranet/", unknown, False),
        ("http://metadata.google.internal/", unknown, False),
        ("http://printer.local/", unknown, False),
        ("http://localhost/", system, False),
    ],
)
def test_F_TOOL_10_through_a_proxy(url: str, resolve: Any, fetched: bool, by_proxy) -> None:
    """The proxy knows names that are not known here; what can be told here is held all the same."""
    with FakeProvider(body(b"by proxy")) as proxy:
        by_proxy(proxy)
        if fetched:
            assert fetch(url, LIMIT, resolve=resolve).data == b"by proxy"
        else:
            with pytest.raises(UsageFault, match="inner network"):
                fetch(url, LIMIT, resolve=resolve)
        assert [request.path for request in proxy.requests] == [url] * fetched


def test_F_TOOL_10_no_way_from_https_to_http(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FakeProvider(body(b"open")) as plainly, socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with context.wrap_socket(server.accept()[0], server_side=True) as line:
                line.recv(65536)
                line.sendall(
                    f"HTTP/1.1 302 X\r\nlocation: {plainly.url}\r\ncontent-length: 0\r\n\r\n".encode()
                )

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(UsageFault, match="from https"):
            fetch(f"https://127.0.0.1:{server.getsockname()[1]}/", LIMIT, {"127.0.0.1"})
        assert not plainly.requests


def body(data: bytes, kind: str = "text/plain", **headers: str) -> Any:
    def serve(conn: Conn) -> None:
        conn.head(200, kind, len(data), **headers)
        conn.send(data)

    return serve


def test_redirects_within_what_is_allowed_are_followed_five_times() -> None:
    def leads(conn: Conn) -> None:
        number = int(conn.request.path.strip("/") or 0)
        if number == 4:
            body(b"here")(conn)
        else:
            conn.head(302, length=0, location=f"/{number + 1}")

    with FakeProvider(leads) as fake:
        found = fetch(f"{fake.url}/0", LIMIT, {"127.0.0.1"})
    assert found.data == b"here" and found.url.endswith("/4")

    with (
        FakeProvider(lambda conn: conn.head(302, length=0, location="/again")) as fake,
        pytest.raises(UsageFault, match="more than 5 times"),
    ):
        fetch(f"{fake.url}/", LIMIT, {"127.0.0.1"})
    assert len(fake.requests) == 6


def test_no_key_and_no_cookie_goes_along(arawn, home) -> None:
    def leads(conn: Conn) -> None:
        if conn.request.path == "/":
            conn.head(302, length=0, location="/next", set_cookie="a=b")
        else:
            body(b"x", set_cookie="a=b")(conn)

    (home / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (home / ".netrc").chmod(0o600)
    files = '[files]\nallow_hosts = ["127.0.0.1"]\n'
    with FakeProvider(leads) as web, FakeProvider(openai_stream(["ok"])) as fake:
        done = arawn("ask", "what?", "-f", f"{web.url}/", config=CONFIG.format(url=fake.url) + files)
    assert done.returncode == 0 and len(web.requests) == 2, done.stderr
    for request in web.requests:
        assert not {"cookie", "authorization", "referer"} & request.headers.keys()
        assert request.headers["user-agent"] == "arawn" and not request.body


def test_what_is_too_large_is_not_held() -> None:
    bomb = gzip.compress(b"\0" * 200 * LIMIT)
    with (
        FakeProvider(body(bomb, content_encoding="gzip")) as fake,
        pytest.raises(UsageFault, match="more than 1 MiB"),
    ):
        fetch(fake.url, LIMIT, {"127.0.0.1"})
    with FakeProvider(body(b"x", content_encoding="br")) as fake, pytest.raises(ArawnError):
        fetch(fake.url, LIMIT, {"127.0.0.1"})


def endless(conn: Conn) -> None:
    conn.head(200, "text/plain")
    while not conn.stopping.is_set():
        conn.chunk(b"a" * 65536)


def test_what_never_ends_is_cut_at_the_limit() -> None:
    with FakeProvider(endless) as fake, pytest.raises(UsageFault, match="more than 1 MiB"):
        fetch(fake.url, LIMIT, {"127.0.0.1"})


def drips(conn: Conn) -> None:
    conn.head(200, "text/plain")
    while not conn.stopping.is_set():
        conn.chunk(b"a")
        conn.stopping.wait(0.05)


def drips_its_head(conn: Conn) -> None:
    conn.send(b"HTTP/1.1 200 OK\r\n")
    while not conn.stopping.is_set():
        conn.send(b"x-a: b\r\n")
        conn.stopping.wait(0.05)


def says_nothing(conn: Conn) -> None:
    conn.wait_gone()


def leads_on_slowly(conn: Conn) -> None:
    conn.stopping.wait(0.2)
    conn.head(302, length=0, location="/")


@pytest.mark.parametrize("slow", [drips, drips_its_head, says_nothing, leads_on_slowly])
def test_what_is_slow_is_left_in_time(slow: Any) -> None:
    began = time.monotonic()
    with FakeProvider(slow) as fake, pytest.raises(TimedOut, match="took too long"):
        fetch(fake.url, LIMIT, {"127.0.0.1"}, seconds=0.5)
    assert time.monotonic() - began < 8


def test_ctrl_c_ends_a_slow_fetch(env: dict[str, str], home) -> None:
    with FakeProvider(drips) as web, FakeProvider(openai_stream(["ok"])) as fake:
        configure(home, CONFIG.format(url=fake.url) + '[files]\nallow_hosts = ["127.0.0.1"]\n')
        argv = [sys.executable, "-P", "-m", "arawn", "ask", "what?", "-f", web.url]
        with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            until = time.monotonic() + 10
            while not web.requests and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(0.1)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            error = process.communicate(timeout=20)[1]
        assert process.returncode == 130 and time.monotonic() - began < 8
        assert b"Traceback" not in error and not fake.requests


def test_a_chat_waits_for_a_page_and_keeps_what_is_typed_meanwhile(env: dict[str, str], home) -> None:

    def slowly(conn: Conn) -> None:
        conn.stopping.wait(0.8)
        body(b"<html><p>It rains.", "text/html")(conn)

    turns = [drips, slowly]
    with FakeProvider(*turns) as web, FakeProvider(openai_stream(["Hello you"])) as fake:
        configure(home, CONFIG.format(url=fake.url) + '[files]\nallow_hosts = ["127.0.0.1"]\n')
        with Term([sys.executable, "-m", "arawn", "chat"], env=env, cwd=home) as term:
            term.say(f"/attach {web.url}").wait("fetching 127.0.0.1").send("\x03")
            term.say(f"/attach {web.url}").wait("fetching 127.0.0.1").send("what?").wait("(text")
            term.prompt("what?").send("\r").wait("Hello you")
            term.prompt().send("\x04")
            assert term.end() == 0 and term.restored
    said = fake.requests[0].json["messages"][0]["content"]
    assert said == f"what?\n\n{web.url}:\n```\nIt rains.\n```" and len(web.requests) == 2


def test_a_picture_on_the_web_is_one_whatever_its_server_says(arawn) -> None:
    files = '[files]\nallow_hosts = ["127.0.0.1"]\n'
    with FakeProvider(body(PNG, "text/html")) as web, FakeProvider(openai_stream(["ok"])) as fake:
        done = arawn("ask", "what?", "-f", f"{web.url}/a.txt", config=CONFIG.format(url=fake.url) + files)
    assert done.returncode == 0, done.stderr
    assert [part["type"] for part in fake.requests[0].json["messages"][0]["content"]] == ["image_url", "text"]
    assert "a.txt: image, 67 bytes" in done.stderr


def test_who_cannot_be_found_is_told_in_words_of_an_address() -> None:
    with pytest.raises(Unreachable) as caught:
        fetch("http://nobody.example/", LIMIT, resolve=unknown)
    assert caught.value.hints == ("the spelling of the address", "the network connection")


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_status_that_is_no_success_is_told(status: int) -> None:
    with (
        FakeProvider(lambda conn: conn.head(status, length=0)) as fake,
        pytest.raises(UsageFault, match=str(status)),
    ):
        fetch(fake.url, LIMIT, {"127.0.0.1"})


def test_a_page_goes_with_the_question_as_its_words(arawn) -> None:
    page = b"<!doctype html><title>News</title><script>x()</script><p>It rains.</p>"
    files = '[files]\nallow_hosts = ["127.0.0.1"]\n'
    with FakeProvider(body(page, "text/html")) as web, FakeProvider(openai_stream(["ok"])) as fake:
        done = arawn("ask", "what?", "-f", f"{web.url}/news", config=CONFIG.format(url=fake.url) + files)
        refused = arawn("ask", "what?", "-f", f"{web.url}/news", config=CONFIG.format(url=fake.url))
    said = fake.requests[0].json["messages"][0]["content"]
    assert done.returncode == 0 and "It rains." in said and f"{web.url}/news:" in said and "x()" not in said
    assert refused.returncode == 2 and "inner network" in refused.stderr and len(fake.requests) == 1


def test_F_TRUST_an_untrusted_project_cannot_open_the_inner_network(arawn, tmp_path) -> None:
    project = tmp_path / "work"
    (project / ".arawn").mkdir(parents=True)
    (project / ".arawn" / "config.toml").write_text('[files]\nallow_hosts = ["127.0.0.1"]\n')
    with FakeProvider(body(b"inner")) as web, FakeProvider(openai_stream(["ok"])) as fake:
        done = arawn("ask", "what?", "-f", web.url, config=CONFIG.format(url=fake.url))
    assert done.returncode == 2 and not fake.requests and not web.requests
