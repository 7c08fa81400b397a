"""Addresses on the web: what is fetched, and what never is (F-TOOL-10)."""

from __future__ import annotations

import gzip
import socket
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, openai_stream
from test_ask import CONFIG

from arawn.backends.http_connect import Deadline
from arawn.backends.http_fetch import Checked, fetch, is_public
from arawn.errors import ArawnError, UsageFault

LIMIT = 1024 * 1024
INNER = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::",
    "2002:a00:1::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
    "2001::1", "::127.0.0.1", "100::1", "nonsense",
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
    "http://inner.example/", "http://mixed.example/", "http://mapped.example/",
]  # fmt: skip
NAMES = {
    "inner.example": ["10.1.2.3"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
    "mapped.example": ["::ffff:192.168.0.1"],
    "outer.example": ["93.184.216.34"],
}


def resolve(host: str, port: int, limit: float, label: str) -> list[str]:
    """A name server that knows a few names; numbers in any form are read as the system reads them."""
    if host in NAMES:
        return NAMES[host]
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
def test_F_TOOL_10_forms_of_inner_addresses(url: str) -> None:
    with pytest.raises(ArawnError) as caught:
        fetch(url, LIMIT, resolve=system)
    assert (
        "not fetched" in caught.value.sentence
        or "no such name" in caught.value.sentence
        or ("cannot be fetched" in caught.value.sentence)
    )


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


def test_no_key_and_no_cookie_goes_along() -> None:
    with FakeProvider(body(b"x", set_cookie="a=b")) as fake:
        fetch(fake.url, LIMIT, {"127.0.0.1"})
    headers = fake.requests[0].headers
    assert not {"cookie", "authorization", "referer"} & headers.keys() and headers["user-agent"] == "arawn"


def test_what_is_too_large_is_not_held() -> None:
    bomb = gzip.compress(b"\0" * 200 * LIMIT)
    with (
        FakeProvider(body(bomb, content_encoding="gzip")) as fake,
        pytest.raises(UsageFault, match="more than 1 MiB"),
    ):
        fetch(fake.url, LIMIT, {"127.0.0.1"})
    with FakeProvider(body(b"x", content_encoding="br")) as fake, pytest.raises(ArawnError):
        fetch(fake.url, LIMIT, {"127.0.0.1"})


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
