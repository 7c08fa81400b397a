"""The way out: an httpx transport with our certificates, proxy and network, or a cassette in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arawn import backends
from arawn.backends.http_access import Access
from arawn.backends.http_connect import Network
from arawn.backends.http_net import address, load_httpx
from arawn.wire import Target

KEEP_ALIVE_S = 60.0


def through(make: Callable[[], Any]) -> Any:
    """The transport that `make` makes, or the cassette of this run in its place or around it."""
    return make() if backends.tape is None else backends.tape.transport(make)


def replays() -> bool:
    """Whether a cassette answers: then no key is needed, nothing is waited for, no socket is opened."""
    return backends.tape is not None and backends.tape.replays


def way_to(target: Target, access: Access) -> tuple[Any, str]:
    """The transport to a service, and where the proxy in between is set, "" for none.

    Raises ConfigFault naming the setting that makes it impossible.
    """
    proxy_place = ""

    def make() -> Any:
        nonlocal proxy_place
        httpx = load_httpx()
        from arawn.backends.http_tls import context, proxy_for

        base = address(target.base_url)
        own = f"proxy under [backends.{target.backend}]"
        proxy, proxy_place = proxy_for(base.scheme, base.host, access.proxy, own)
        trusted = context(access.ca_bundle, access.insecure) if base.scheme == "https" else None
        between = context(access.ca_bundle) if proxy[:5] == "https" else None
        beyond = httpx.Proxy(proxy, ssl_context=between) if proxy else None
        transport = httpx.HTTPTransport(
            verify=trusted or False,
            proxy=beyond,
            trust_env=False,
            limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S),
        )
        # httpx hands no network backend through; without ours a look-up or a slow peer has no limit
        transport._pool._network_backend = Network(target.label, joins=backends.tape is None)
        return transport

    return through(make), proxy_place
