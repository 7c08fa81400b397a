"""Fetches what an address on the web holds: no key, no cookie, no inner network.

A page may lead anywhere: only http and https are asked, every address of a name is checked and the one that
was checked is connected to, each hop of a redirect anew. It knows no model service.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from arawn.backends.http_body import decoded
from arawn.backends.http_connect import Deadline, Network, look_up
from arawn.backends.http_net import is_address, load_httpx
from arawn.backends.http_transport import through
from arawn.errors import ArawnError, TimedOut, Unreachable, UsageFault

HOPS = 5
TOTAL_S = 60.0
LOOK_S = 3.0
"""Longest look-up of a name that a proxy will look up itself."""
PORTS = {"http": 80, "https": 443}
NAT64 = ipaddress.ip_network("64:ff9b::/96")
ISATAP = (0x00005EFE, 0x02005EFE)
"""The third quarter of an address that holds an IPv4 address in the last (RFC 5214, section 6.1)."""
CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "64:ff9b:1::/48", "100:0:0:1::/64")
        + ("2001::/23", "3fff::/20", "5f00::/16")
    )
)
"""Networks that some versions of `ipaddress` call global, Teredo among them, and tunnels that nobody needs.

192.0.0.192 tells a machine's secrets at Oracle, 168.63.129.16 is the host beneath a machine at Azure.
"""
INNER_NAMES = (
    ".localhost",
    ".local",
    ".internal",
    ".intranet",
    ".lan",
    ".home",
    ".corp",
    ".private",
    ".home.arpa",
)
Resolve = Callable[[str, int, float, str], list[str]]


class Fetched(NamedTuple):
    """The bytes of an address, and the address they came from in the end."""

    data: bytes
    url: str


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, whatever address is wrapped in it.

    Source: the IANA special-purpose address registries, as `ipaddress` has them; RFC 6052 for NAT64.
    """
    try:
        ip = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return False
    inner: list[Any] = [ip]
    if isinstance(ip, ipaddress.IPv6Address):
        inner += [found for found in (ip.ipv4_mapped, ip.sixtofour) if found is not None]
        if ip in NAT64:
            inner = [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
        elif ip.ipv4_mapped is not None:
            inner = [ip.ipv4_mapped]
        elif ip.is_site_local:
            return False
        elif int(ip) >> 32 & 0xFFFFFFFF in ISATAP:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    if any(one in network for one in inner for network in CLOSED):
        return False
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in inner)


class Checked(Network):
    """Connects only to addresses that were checked. `allowed` hosts are connected to wherever they are."""

    def __init__(self, allowed: Collection[str], resolve: Resolve) -> None:
        super().__init__("the address")
        self._allowed = allowed
        self._resolve = resolve

    def _addresses(self, host: str, port: int, limit: float) -> list[str]:
        """The addresses of `host`. Raises UsageFault where one of them is not public."""
        return vetted(host, port, limit, self._allowed, self._resolve)


def plain(host: str) -> str:
    """A host in one form: lower case, no brackets, no dot at its end, IDNA; "" for what is no name."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def vetted(host: str, port: int, limit: float, allowed: Collection[str], resolve: Resolve) -> list[str]:
    """The addresses of `host`, all public unless the host is allowed. Raises UsageFault or Unreachable."""
    addresses = [host.strip("[]")] if is_address(host) else resolve(host, port, limit, host)
    if plain(host) in allowed or (addresses and all(is_public(address) for address in addresses)):
        return addresses
    raise _refused(host)


def _refused(host: str) -> UsageFault:
    return UsageFault(
        f"{host} is not fetched: it is a machine of this or an inner network",
        hints=(
            f'if that is meant: allow_hosts = ["{plain(host)}"] under [files]',
            "or save it as a file: -f FILE",
        ),
    )


def _vet_for_proxy(host: str, port: int, limit: float, allowed: Collection[str], resolve: Resolve) -> None:
    """The proxy looks the name up itself: what can be known of it here is held against it here.

    Behind many proxies names of the internet are not known at all; those that look like one of an inner
    network, or like an address that was written oddly, are refused then.
    """
    try:
        vetted(host, port, limit, allowed, resolve)
    except (Unreachable, TimedOut):
        name = plain(host)
        end = name.rpartition(".")[2]
        if name not in allowed and ("." not in name or name.endswith(INNER_NAMES) or end[:1].isdigit()):
            raise _refused(host) from None


def fetch(
    url: str,
    limit: int,
    allowed: Collection[str] = (),
    connect: float = 10.0,
    resolve: Resolve = look_up,
    seconds: float = TOTAL_S,
) -> Fetched:
    """What `url` holds, at most `limit` bytes after decoding, within `seconds` in all.

    Once another host than an allowed one has led on, none is allowed any more: a page of anybody's shall not
    choose what an inner host is asked. Raises UsageFault for an address that is not fetched, Unreachable or
    TimedOut where it cannot be.
    """
    allowed = {plain(host) for host in allowed} - {""}
    total = Deadline("fetch", seconds)
    for _ in range(HOPS + 1):
        answer = _hop(_checked(url), total, min(connect, total.left()), limit, allowed, resolve)
        if isinstance(answer, bytes):
            return Fetched(answer, url)
        following = _joined(url, answer)
        if url.lower().startswith("https:") and not following.lower().startswith("https:"):
            raise UsageFault(f"{_host(url)} leads from https to something that is not: it is not followed")
        if plain(_host(url)) not in allowed:
            allowed = frozenset()
        url = following
    raise UsageFault(f"{_host(url)} leads on more than {HOPS} times")


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location.strip().replace(" ", "%20"))
    except ValueError:
        raise UsageFault(f"{_host(url)} leads to what is no address") from None


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme.lower() in PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
        parts = urlsplit("")
    if not fits or not url.isprintable() or " " in url:
        raise UsageFault("That is not an http:// or https:// address")
    if "@" in parts.netloc:
        raise UsageFault("An address with a user name in it is not fetched")
    return url


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the address"


def _hop(
    url: str, total: Deadline, connect: float, limit: int, allowed: Collection[str], resolve: Resolve
) -> bytes | str:
    """The body of one answer, or the address it leads to."""
    httpx = load_httpx()
    from arawn.backends.http_tls import context, proxy_for

    parts = urlsplit(url)
    host, scheme = parts.hostname or "", parts.scheme.lower()

    def way() -> Any:
        proxy, _ = proxy_for(scheme, host, None, "proxy")
        if proxy:  # the proxy looks the name up itself: what can be checked here is checked before
            _vet_for_proxy(host, parts.port or PORTS[scheme], min(connect, LOOK_S), allowed, resolve)
        transport = httpx.HTTPTransport(
            verify=context(None) if "https" in (scheme, proxy[:5]) else False,
            proxy=httpx.Proxy(proxy) if proxy else None,
            trust_env=False,
        )
        transport._pool._network_backend = Network(proxy) if proxy else Checked(allowed, resolve)
        return transport

    try:
        waits = {"connect": Deadline("connect", connect), "read": total, "write": total, "pool": None}
        headers = {"user-agent": "arawn", "accept": "*/*", "accept-encoding": "identity"}
        with httpx.Client(transport=through(way), trust_env=False) as client:
            request = client.build_request("GET", url, headers=headers, extensions={"timeout": waits})
            response = client.send(request, stream=True)
            try:
                return _body(response, url, limit)
            finally:
                response.close()
    except Unreachable as error:
        error.hints = ("the spelling of the address", "the network connection")
        raise
    except ArawnError:
        raise
    except (httpx.TimeoutException, TimeoutError):
        raise TimedOut(f"{host} took too long", hints=("save it as a file: -f FILE",)) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise Unreachable(f"{host} cannot be fetched", detail=str(error)[:300]) from None


def _body(response: Any, url: str, limit: int) -> bytes | str:
    status = response.status_code
    if status in (301, 302, 303, 307, 308) and response.headers.get("location"):
        return str(response.headers["location"])
    if not 200 <= status < 300:
        raise UsageFault(f"{_host(url)} answers with status {status}")
    found, size = [], 0
    try:
        for chunk in decoded(response.iter_raw(), response.headers.get("content-encoding", "")):
            size += len(chunk)
            if size > limit:
                raise UsageFault(f"{_host(url)} sends more than {limit // 1024 // 1024} MiB")
            found.append(chunk)
    except EOFError as error:
        raise Unreachable(f"{_host(url)} cannot be read", detail=str(error)) from None
    return b"".join(found)
