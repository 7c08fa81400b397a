"""The HTTP door: the only place that sends a request to a model service; it knows dialects by name alone."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from arawn.backends.http_access import PLAIN, Access, request_headers
from arawn.backends.http_body import PIECE, decoded
from arawn.backends.http_connect import Deadline
from arawn.backends.http_course import Course, Exchange, Limits
from arawn.backends.http_errors import Scene, proxy_wants_a_name, too_large, translate
from arawn.backends.http_net import address, load_httpx, parsed, probe
from arawn.backends.http_transport import replays, way_to
from arawn.errors import ArawnError, Cut, EmptyAnswer, Refused, ServiceFault, TimedOut
from arawn.events import Event, Notice, Progress, Reasoning, Text, ToolCall
from arawn.messages import Request
from arawn.wire import Call, Next, Target, dialect
from arawn.wire.frames import Frame, document, split
from arawn.wire.openai_write import url
from arawn.wire.retry_after import requests_left, until_reset

__all__ = ["Access", "HttpBackend", "Limits", "probe"]

LAST_BYTES_S = 0.25
"""After its end mark only the last bytes of a reply are waited for."""
ERROR_BODY_S = 5.0
"""What a status that says "failed" gets to explain itself."""
_SIGNS_OF_LIFE = (Text, Reasoning, ToolCall, Progress)


class HttpBackend:
    """A service behind HTTP. The way to it is made at the first request and kept for the next ones; a client
    of httpx around it would cost time alone: nothing here has redirects, cookies or forms.

    `way` is an httpx transport to take in the place of the network.
    """

    def __init__(
        self, target: Target, dialect_name: str, access: Access, limits: Limits, way: Any = None
    ) -> None:
        self.target = target
        self.name = target.backend
        self.model = target.model
        self.dialect = dialect_name
        self._access = access
        self._limits = limits
        self._way = way
        self._client: Any = None
        self._proxy_place = ""
        self._parting: Any = None
        self._now: Exchange | None = None
        self._ended = False

    @property
    def key_place(self) -> str:
        """Where the key stands, or "" where there is none."""
        return self._access.key_place

    def close(self) -> None:
        """Close the connections, once the service knows that it may stop."""
        if self._parting is not None:
            self._parting.join(self._limits.cancel)
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def abort(self) -> None:
        """End what is at work in another thread, a moment from now; nothing is asked here any more."""
        self._ended = True
        if self._now is not None:
            self._now.wait.end()

    @property
    def connecting(self) -> bool:
        """Whether nothing could be sent yet of the request that is at work."""
        return self._now is not None and not self._now.wait.used

    def stream(self, request: Request) -> Iterator[Event]:
        """One attempt: events as they come, an Attempt at its end. Raises a ServiceFault where it fails."""
        course = Course(self.target)
        try:
            yield from self._events(request, course)
        except ArawnError as fault:
            course.reset = getattr(fault, "retry_after", None)
            yield course.attempt(fault.code)
            raise self._clean(fault) from None
        yield course.attempt(None)

    def get_json(self, path: str, timeout: float | None = None) -> Any:
        """The JSON at a path below the base URL (model lists), in `timeout` seconds. Raises like `stream`."""
        if path.startswith("https://"):
            return self.send_json(Call(path, {}, method="GET"), timeout)
        where, query = url(self.target, path)
        if path.startswith(("/api/", "/v1/")):
            base = self.target.base_url
            where, query = base.removesuffix("/v1").removesuffix("/api") + path, ""
        return self.send_json(Call(where + query, {}, method="GET"), timeout)

    def send_json(self, call: Call, timeout: float | None = None) -> Any:
        """The JSON that answers `call`, None where it is empty. Raises like `stream`."""
        limits = self._limits
        if timeout is not None:
            limits = limits._replace(connect=min(timeout, limits.connect), first_event=timeout)
        found = list(self._framed(call, limits, document))
        return found[0] if found else None

    def reach(self, timeout: float) -> str:
        """The Date header of whatever answers at the base URL, whatever its status. Raises like `stream`.

        No key and no header of the person's own goes along.
        """
        exchange = Exchange(self._limits._replace(connect=timeout, first_event=timeout))
        try:
            call = Call(self.target.base_url, {}, method="GET")
            response = self._attempt(self._opened(), call, dict(PLAIN), exchange)
        except ArawnError as fault:
            raise self._clean(fault) from None
        response.close()
        return str(response.headers.get("date", ""))

    def frames(self, call: Call, patience: Callable[[Frame], float]) -> Iterator[Frame]:
        """All frames that answer `call`; `patience` says how long the next may take. Raises like `stream`."""
        return self._framed(call, self._limits._replace(reply=2**63), split, patience)

    def _framed(self, call: Call, limits: Limits, cut: Any, patience: Any = None) -> Iterator[Any]:
        """The pieces that `cut` makes of the reply."""
        exchange = Exchange(limits)
        try:
            response = self._send(call, exchange)
            chunks = self._chunks(response, exchange, limits.reply)
            try:
                for piece in cut(chunks, response.headers.get("content-type", ""), limits.frame):
                    yield piece
                    exchange.wait.set("idle", patience(piece) if patience else limits.idle)
            except ServiceFault:
                if exchange.failure is None:  # else it was read too early, and that is why
                    raise
            finally:
                response.close()
            if exchange.failure is not None:
                raise exchange.failure
        except ArawnError as fault:
            raise self._clean(fault) from None

    def _events(self, request: Request, course: Course) -> Iterator[Event]:
        spoken = dialect(self.dialect)
        step: Next | None = Next(spoken.write(request, self.target))
        try:
            while step is not None:
                yield from (Notice(notice, warning=True) for notice in step.call.notices)
                self._pause(step.wait, course)
                step = yield from self._reply(spoken, step.call, course)
            course.cancel = None
        finally:
            if course.cancel is not None:
                self._cancel(course.cancel)

    def _pause(self, wait: float, course: Course) -> None:
        """Wait before a reply is asked for again, never beyond what the first event may take."""
        if wait and self._limits.first_event - course.passed() < wait:
            raise TimedOut(
                f'Backend "{self.name}" did not answer within {self._limits.first_event:g} s',
                hints=("the limit is limits.first_event",),
                retryable=False,
            )
        if wait and not replays():
            time.sleep(wait)

    def _cancel(self, call: Call) -> None:
        """End the work at the service; the person has left, so it is not waited for and nothing is told."""
        import threading

        def end() -> None:
            brief = Exchange(Limits(self._limits.cancel, self._limits.cancel, self._limits.cancel))
            with contextlib.suppress(ArawnError, OSError, RuntimeError):
                self._send(call, brief).close()

        self._parting = threading.Thread(target=end, daemon=True)
        self._parting.start()

    def _reply(self, spoken: Any, call: Call, course: Course) -> Generator[Event, None, Next | None]:
        """The events of the reply to one call; what is returned says where the answer goes on."""
        target = self.target
        if call.memo:
            target = target._replace(options={**target.options, **call.memo})
        exchange = self._now = Exchange(self._limits, course.passed())
        if self._ended:
            exchange.wait.end()
        try:
            response = self._send(call, exchange)
        finally:
            course.status = exchange.status
        course.reset = until_reset(response.headers, None, time.time())
        course.left = requests_left(response.headers)
        chunks = self._chunks(response, exchange, self._limits.reply)
        following: Next | None = None
        try:
            frames = split(chunks, response.headers.get("content-type", ""), self._limits.frame)
            for event in spoken.read(frames, target):
                if isinstance(event, Next):
                    following, course.cancel = event, event.cancel or course.cancel
                    continue
                counts = isinstance(event, _SIGNS_OF_LIFE)
                if course.first is None and counts and not isinstance(event, Progress):
                    course.first = course.passed()
                yield event
                if counts:  # only now: while the reader holds an event, no time of the service passes
                    exchange.wait.set("idle", self._limits.idle)
            self._drain(chunks, exchange)
        except ServiceFault as fault:
            if exchange.failure is not None:  # the dialect saw an end too early, and this is why
                raise exchange.failure from None
            if not isinstance(fault, Cut | EmptyAnswer):
                course.cancel = None  # the service itself has ended the work
            raise
        finally:
            response.close()
        return following

    @staticmethod
    def _drain(chunks: Iterator[bytes], exchange: Exchange) -> None:
        """Take the last bytes of a whole reply, so that the connection can be used again."""
        exchange.wait.set("idle", LAST_BYTES_S)
        for _ in chunks:
            if exchange.wait.over:
                return

    def _send(self, call: Call, exchange: Exchange) -> Any:
        """The response, its status known to be a success; the body not read."""
        headers = {**request_headers(self._access, self.target, call.url), **call.headers}
        way = self._opened()
        try:
            response = self._attempt(way, call, headers, exchange)
        except ConnectionResetError:  # kept open since the last turn, and closed meanwhile by the service
            response = self._attempt(way, call, headers, exchange)
        exchange.status = response.status_code
        if not 200 <= response.status_code < 300:
            raise self._failed(response, exchange)
        if response.status_code in (204, 205):
            response.close()
            raise EmptyAnswer(f"The reply is empty (status {response.status_code})", status=exchange.status)
        return response

    def _attempt(self, way: Any, call: Call, headers: dict[str, str], exchange: Exchange) -> Any:
        """Send the request. Raises ConnectionResetError where a kept connection died before any answer."""
        httpx = load_httpx()
        connect = Deadline("connect", exchange.limits.connect)
        exchange.wait.set("first_event", exchange.limits.first_event - exchange.spent)
        content = None
        if call.method == "POST":
            content = call.content or json.dumps(call.body, ensure_ascii=False).encode("utf-8", "replace")
        waits = {"connect": connect, "read": exchange.wait, "write": exchange.wait, "pool": None}
        try:
            request = httpx.Request(
                call.method, parsed(call.url), headers=headers, content=content, extensions={"timeout": waits}
            )
            return way.handle_request(request)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            died = isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError)
            if died and not connect.used and not exchange.resent:
                exchange.resent = True
                raise ConnectionResetError from None
            stage = "headers"
            if isinstance(error, httpx.TimeoutException):
                stage = "connect" if isinstance(error, httpx.ConnectTimeout) else exchange.wait.limit
            raise translate(error, stage, self._scene(exchange.limits)) from None

    def _opened(self) -> Any:
        """The way out, made once. Raises ConfigFault naming the setting that makes it impossible."""
        if self._client is None:
            load_httpx()
            self._client = self._way
        if self._client is None:
            self._client, self._proxy_place = way_to(self.target, self._access)
        return self._client

    def _failed(self, response: Any, exchange: Exchange) -> ServiceFault:
        """The error behind a status that is no success."""
        from arawn.wire.faults import fault

        status = response.status_code
        try:
            if 300 <= status < 400:
                return self._redirect(response)
            if status == 407:
                return proxy_wants_a_name(self._scene(exchange.limits))
            body = self._error_body(response, exchange)
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        made = fault(status, headers, body, self.target, time.time())
        if made.code == "auth" and self._access.key_place:
            made.hints = (f"the key comes from {self._access.key_place}", *made.hints)
        return made

    def _redirect(self, response: Any) -> Refused:
        place = address(response.headers.get("location", ""))
        where = f"{place.scheme}://{place.netloc}" if place.netloc else "another path"
        return Refused(
            f'Backend "{self.name}" redirects to {where}, and redirects are not followed',
            hints=("base_url: it must be the final address",),
            status=response.status_code,
        )

    def _error_body(self, response: Any, exchange: Exchange) -> bytes:
        """The beginning of a body; whatever came of it, however it ended."""
        limit = self._limits.error_body
        exchange.wait.set("idle", min(self._limits.idle, ERROR_BODY_S))
        found: list[bytes] = []
        size = 0
        for chunk in self._chunks(response, exchange, limit + PIECE):
            found.append(chunk)
            size += len(chunk)
            if size >= limit:
                break
        return b"".join(found)[:limit]

    def _chunks(self, response: Any, exchange: Exchange, limit: int) -> Iterator[bytes]:
        """The decoded body as it comes, counted.

        It ends where the body ends or fails, and `exchange.failure` then says why: only the dialect knows
        whether the answer was whole by then.
        """
        httpx = load_httpx()
        size = 0
        try:
            for chunk in decoded(response.iter_raw(), response.headers.get("content-encoding", "")):
                size += len(chunk)
                if size > limit:
                    exchange.failure = too_large(limit)
                    return
                yield chunk
        except EOFError as error:
            exchange.failure = Cut("The reply cannot be read", detail=str(error), retryable=False)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            stage = exchange.wait.limit if isinstance(error, httpx.TimeoutException) else "body"
            failure = translate(error, stage, self._scene(exchange.limits))
            if isinstance(failure, TimedOut):
                failure.retryable = False  # the service was at work on it, and each try is paid
            exchange.failure = failure

    def _scene(self, limits: Limits) -> Scene:
        return Scene(self.target, limits, self._access.redact, self._proxy_place, self._issuer)

    def _issuer(self) -> str:
        from arawn.backends.http_tls import issuer_of

        base = address(self.target.base_url)
        return "" if self._proxy_place or replays() else issuer_of(base.host, base.port or 443)

    def _clean(self, fault: ArawnError) -> ArawnError:
        """The fault without a key that a service may have said back."""
        fault.redact(self._access.redact)
        return fault
