"""The HTTP door: the only place that sends a request to a model service; it knows dialects by name alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from arawn.backends.http_errors import translate
from arawn.backends.http_net import Watchdog, is_address, is_loopback, load_httpx, look_up, probe
from arawn.errors import ArawnError, ConfigFault, Cut, Refused, SecretFault, ServiceFault
from arawn.events import Attempt, Event, Reasoning, Text, ToolCall
from arawn.messages import Request
from arawn.wire import Call, Target
from arawn.wire.frames import parse, split

if TYPE_CHECKING:
    from arawn.secret import Secret

__all__ = ["Access", "HttpBackend", "Limits", "probe"]

AUTH_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization", "cookie")


class Limits(NamedTuple):
    """`[limits]`: seconds and bytes."""

    connect: float = 10.0
    first_event: float = 120.0
    idle: float = 90.0
    frame: int = 8 * 1024 * 1024
    reply: int = 32 * 1024 * 1024
    error_body: int = 64 * 1024


class Access(NamedTuple):
    """How to get in. `key` and `headers` are called when a request is made and not before.

    auth is `bearer`, `x-api-key` or `none`; `redact` masks keys; messages call the key `key_place`.
    """

    auth: str
    key: Callable[[], Secret | None]
    key_place: str
    headers: Callable[[], Mapping[str, str]]
    proxy: str | None
    ca_bundle: str | None
    insecure: bool
    redact: Callable[[str], str]


class _Course:
    """What is known of one attempt: times in seconds from its beginning."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._began = time.monotonic()
        self.status: int | None = None
        self.first: float | None = None

    def passed(self) -> float:
        return time.monotonic() - self._began

    def attempt(self, error: str | None) -> Attempt:
        target = self._target
        return Attempt(target.backend, target.model, self.status, error, 0.0, self.first, self.passed())


class HttpBackend:
    """A service behind HTTP. The client is made at the first request and kept for the next ones."""

    def __init__(self, target: Target, dialect: str, access: Access, limits: Limits) -> None:
        self.target = target
        self.name = target.backend
        self.model = target.model
        self._dialect = dialect
        self._access = access
        self._limits = limits
        self._client: Any = None

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def stream(self, request: Request) -> Iterator[Event]:
        """One attempt: events as they come, an Attempt at its end. Raises a ServiceFault where it fails."""
        course = _Course(self.target)
        try:
            yield from self._events(request, course)
        except ArawnError as fault:
            yield course.attempt(fault.code)
            raise
        yield course.attempt(None)

    def get_json(self, path: str, timeout: float | None = None) -> Any:
        """The JSON at a path below the base URL (model lists). Raises like `stream`."""
        base = self.target.base_url
        if path.startswith("/api/") or path.startswith("/v1/"):
            base = base.removesuffix("/v1")
        response = self._send(Call(base + path, {}, method="GET"), _Course(self.target))
        try:
            body = self._read_some(response, self._limits.frame)
        finally:
            response.close()
        frames = list(split([body], response.headers.get("content-type", "")))
        return parse(frames[0]) if frames else None

    def _events(self, request: Request, course: _Course) -> Iterator[Event]:
        dialect = import_module(f"arawn.wire.{self._dialect}")
        call: Call = dialect.write(request, self.target)
        target = self.target._replace(options={**self.target.options, **call.memo})
        response = self._send(call, course)
        watchdog = Watchdog(response.extensions["network_stream"].get_extra_info("socket"))
        try:
            watchdog.set("first_event", max(0.01, self._limits.first_event - course.passed()))
            frames = split(
                self._chunks(response, watchdog), response.headers.get("content-type", ""), self._limits.frame
            )
            idle = self._limits.idle
            for event in dialect.read(frames, target):
                if isinstance(event, Text | Reasoning | ToolCall):
                    if course.first is None:
                        course.first = course.passed()
                    watchdog.set("idle", idle)
                yield event
        finally:
            watchdog.stop()
            response.close()

    def _send(self, call: Call, course: _Course) -> Any:
        """The response, its status known to be 200; the body not read."""
        httpx = load_httpx()
        headers = self._headers()
        parts = urlsplit(call.url)
        host = parts.hostname or ""
        client = self._opened(host, parts.scheme)
        addresses = [""]
        if not (self._proxied(host) or is_address(host) or is_loopback(host)):
            port = parts.port or (443 if parts.scheme == "https" else 80)
            addresses = look_up(host, port, self._limits.connect, self.target.label)
        for number, address in enumerate(addresses):
            try:
                response = self._exchange(httpx, client, call, headers, address)
                break
            except httpx.ConnectError as error:
                if number + 1 == len(addresses):
                    raise self._ours(error, "connect") from None
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
                raise self._ours(error, "headers") from None
        course.status = response.status_code
        if response.status_code != 200:
            raise self._failed(response)
        return response

    def _exchange(self, httpx: Any, client: Any, call: Call, headers: dict[str, str], address: str) -> Any:
        """Send the request; to `address`, where one is given, with the name in Host header and TLS."""
        limits = self._limits
        url = httpx.URL(call.url)
        extensions: dict[str, Any] = {}
        if address:
            extensions["sni_hostname"] = url.host
            headers = {**headers, "host": url.netloc.decode("ascii")}
            url = url.copy_with(host=address)
        content = None
        if call.method == "POST":
            content = json.dumps(call.body, ensure_ascii=False).encode("utf-8", "replace")
        timeout = httpx.Timeout(limits.first_event, connect=limits.connect)
        request = client.build_request(
            call.method,
            url,
            headers={**headers, **call.headers},
            content=content,
            timeout=timeout,
            extensions=extensions,
        )
        response = client.send(request, stream=True)
        request.extensions["timeout"]["read"] = None  # from here on the watchdog counts
        return response

    def _headers(self) -> dict[str, str]:
        access, target = self._access, self.target
        headers = {
            "accept": "text/event-stream, application/json",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": "arawn",
            **{name.lower(): value for name, value in access.headers().items()},
        }
        key = access.key() if access.auth != "none" else None
        if key is not None:
            from arawn.secret import header_value

            value = header_value(key, access.key_place)
            name = "authorization" if access.auth == "bearer" else access.auth
            headers.setdefault(name, f"Bearer {value}" if access.auth == "bearer" else value)
        parts = urlsplit(target.base_url)
        secret = any(name in AUTH_HEADERS for name in headers)
        if (
            secret
            and parts.scheme == "http"
            and not is_loopback(parts.hostname or "")
            and not access.insecure
        ):
            raise SecretFault(
                f'The key of backend "{target.backend}" is not sent over plain http to {parts.hostname}',
                hints=("use https:// in base_url", f"or insecure = true under [backends.{target.backend}]"),
            )
        return headers

    def _proxied(self, host: str) -> bool:
        if self._access.proxy:
            return True
        from urllib.request import getproxies_environment

        return bool(getproxies_environment()) and not is_loopback(host)

    def _opened(self, host: str, scheme: str) -> Any:
        """The client, made once. Raises ConfigFault naming the variable that makes it impossible."""
        if self._client is None:
            httpx = load_httpx()
            from arawn.backends.http_tls import check_proxies, context, environment_fault

            verify = context(self._access.ca_bundle) if scheme == "https" else False
            proxied = self._proxied(host)
            if proxied:
                check_proxies()
            try:
                self._client = httpx.Client(
                    verify=verify, proxy=self._access.proxy, trust_env=proxied and not self._access.proxy
                )
            except (ImportError, ValueError, httpx.InvalidURL, OSError) as error:
                raise environment_fault(error, self._access.redact) from None
        return self._client

    def _failed(self, response: Any) -> ServiceFault:
        """The error behind a status that is no 200."""
        from arawn.wire.faults import fault

        status = response.status_code
        try:
            if 300 <= status < 400:
                place = urlsplit(response.headers.get("location", ""))
                where = f"{place.scheme}://{place.netloc}" if place.netloc else "another path"
                return Refused(
                    f'Backend "{self.name}" redirects to {where}, and redirects are not followed',
                    hints=("base_url: it must be the final address",),
                    status=status,
                )
            headers = {name.lower(): value for name, value in response.headers.items()}
            made = fault(
                status, headers, self._read_some(response, self._limits.error_body), self.target, time.time()
            )
        finally:
            response.close()
        made.detail = self._access.redact(made.detail)
        if status in (401, 403) and self._access.key_place:
            made.hints = (f"the key comes from {self._access.key_place}", *made.hints)
        return made

    def _read_some(self, response: Any, limit: int) -> bytes:
        """At most `limit` decoded bytes of a body, within the time that an answer may be silent."""
        watchdog = Watchdog(response.extensions["network_stream"].get_extra_info("socket"))
        watchdog.set("idle", min(self._limits.idle, self._limits.first_event))
        found = b""
        try:
            for chunk in self._chunks(response, watchdog):
                found += chunk
                if len(found) >= limit:
                    break
        except ServiceFault:
            if not found:
                return b""
        finally:
            watchdog.stop()
        return found[:limit]

    def _chunks(self, response: Any, watchdog: Watchdog) -> Iterator[bytes]:
        """The decoded body as it comes, counted. Raises Cut over the limit, TimedOut when silent too long."""
        httpx = load_httpx()
        limit, size = self._limits.reply, 0
        try:
            for chunk in _decoded(response.iter_raw(), response.headers.get("content-encoding", "")):
                size += len(chunk)
                if size > limit:
                    raise Cut(
                        f"The reply is larger than {limit // 1024 // 1024 or 1} MiB",
                        hints=("the limit is limits.reply",),
                        retryable=False,
                    )
                yield chunk
        except (httpx.HTTPError, httpx.StreamError, OSError, ValueError) as error:
            raise self._ours(error, watchdog.expired or "body") from None
        if watchdog.expired:
            raise self._ours(OSError(), watchdog.expired)

    def _ours(self, error: Exception, stage: str) -> ArawnError:
        return translate(error, stage, self.target, self._limits._asdict(), self._access.redact)


def _decoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Undo gzip or deflate in pieces of at most 64 KiB, so that a bomb is counted before it is unfolded.

    Nothing compressed was asked for, but some services do not listen.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from chunks
        return
    if name not in ("gzip", "x-gzip", "deflate"):
        raise ConfigFault(f"The reply came compressed as {name[:20]!r}, which was not asked for")
    import zlib

    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for chunk in chunks:
            pending = chunk
            while pending and not inflate.eof:
                piece = inflate.decompress(pending, 65536)
                pending = inflate.unconsumed_tail
                if piece:
                    yield piece
    except zlib.error:
        raise ValueError("the compressed reply is broken") from None
