"""The httpx transports of cassettes: one around the way to the network, one in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx

from arawn import errors
from arawn.backends.cassette_play import Played, Player
from arawn.backends.http_body import decoded

if TYPE_CHECKING:
    from arawn.backends.cassette_record import Exchange, Recorder

BROKEN_OFF = "the recording ends here"


class Recording(httpx.BaseTransport):
    """Lets everything pass, and has it written down."""

    def __init__(self, inner: Any, tape: Recorder) -> None:
        self._inner = inner
        self._tape = tape

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it on."""
        exchange = self._tape.begin(
            request.method, str(request.url), request.headers.multi_items(), request.read()
        )
        try:
            response = self._inner.handle_request(request)
        except Exception as error:
            exchange.fault(error, _connected(request))
            raise
        headers = response.headers
        exchange.head(response.status_code, headers.multi_items(), _connected(request))
        packed = headers.get("content-encoding", "")
        for name in ("content-encoding", "content-length") if packed else ():
            headers.pop(name, None)
        return httpx.Response(
            response.status_code,
            headers=headers,
            stream=_Recorded(response.stream, packed, exchange),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _Recorded(httpx.SyncByteStream):
    """A body on its way, unpacked: in a packed one no key would be seen."""

    def __init__(self, inner: Any, packed: str, exchange: Exchange) -> None:
        self._inner = inner
        self._packed = packed
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in decoded(iter(self._inner), self._packed):
                self._exchange.piece(piece)
                yield piece
        except Exception as error:
            self._exchange.fault(error)
            raise
        self._exchange.end()

    def close(self) -> None:
        """Nobody wants more of it."""
        self._inner.close()
        self._exchange.end("left")


class Playing(httpx.BaseTransport):
    """Answers from a cassette."""

    def __init__(self, tape: Player) -> None:
        self._tape = tape

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The reply that was recorded, or its fault raised again. Raises NotRecorded."""
        found = self._tape.find(request.method, str(request.url), request.read())
        connect = _connect(request)
        if hasattr(connect, "used"):  # a fault of a connection that was kept open is asked again
            connect.used = found.connected
        if found.status is None:
            raise _again(found, request)
        headers = [(name.encode("utf-8"), value.encode("utf-8")) for name, value in found.headers]
        return httpx.Response(found.status, headers=headers, stream=_Played(found, request))


class _Played(httpx.SyncByteStream):
    def __init__(self, found: Played, request: httpx.Request) -> None:
        self._found = found
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        yield from self._found.pieces
        if not self._found.ended:
            raise _again(self._found, self._request)


def _connect(request: httpx.Request) -> Any:
    """Until when a connection must stand: the Deadline of our door, or what others have there."""
    return request.extensions.get("timeout", {}).get("connect")


def _connected(request: httpx.Request) -> bool:
    return bool(getattr(_connect(request), "used", True))


def _again(found: Played, request: httpx.Request) -> Exception:
    """The exception that was recorded; where none was, that of a connection that broke."""
    name, said = found.fault or ("ReadError", BROKEN_OFF)
    own = getattr(errors, name, None)
    if isinstance(own, type) and issubclass(own, errors.ArawnError):
        return own(said, detail=found.detail, hints=found.hints)
    if name == "EOFError":
        return EOFError(said)
    foreign = getattr(httpx, name, None)
    if not (isinstance(foreign, type) and issubclass(foreign, httpx.TransportError)):
        foreign = httpx.ReadError
    raised: Exception = foreign(said, request=request)
    return raised
