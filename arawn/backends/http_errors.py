"""Foreign exceptions of the HTTP door become ours, by one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from arawn.errors import ArawnError, ConfigFault, Cut, TimedOut, Unreachable
from arawn.wire import Target


def translate(
    error: Exception, stage: str, target: Target, limits: Mapping[str, Any], redact: Callable[[str], str]
) -> ArawnError:
    """What a foreign exception means at a stage.

    stage: `connect`, `headers` (sent, nothing came), `body`, or the limit that ran out (first_event, idle).
    """
    kind = type(error).__name__
    said = redact(" ".join(str(error).split()))[:300]
    if stage in ("first_event", "idle"):
        return _silent(stage, target, limits)
    if kind in ("InvalidURL", "UnsupportedProtocol", "LocalProtocolError", "UnicodeEncodeError"):
        return ConfigFault(
            f'The address or a header of backend "{target.backend}" cannot be used',
            hints=(f"base_url and headers under [backends.{target.backend}]",),
        )
    if kind in ("ConnectTimeout", "PoolTimeout"):
        return _no_connection(target, limits["connect"])
    if kind == "ReadTimeout":
        return _silent("first_event", target, limits)
    if kind == "ProxyError":
        return Unreachable(
            f"The proxy before {target.label} refused",
            detail=said,
            hints=("its user name and password, if it says 407", f"proxy under [backends.{target.backend}]"),
        )
    secure = _tls(target, said)
    if secure is not None:
        return secure
    if stage == "body":
        return Cut(
            f'The connection to backend "{target.backend}" broke in the middle of the answer',
            detail=said,
            hints=("what came is above", "ask again"),
        )
    if kind == "RemoteProtocolError":
        return Unreachable(
            f"{target.label} at {origin(target)} closed the connection without an answer",
            detail=said,
            hints=("is it http:// rather than https://, or the other way round?",),
        )
    return Unreachable(
        f"Cannot connect to {target.label} at {origin(target)}",
        detail=said if "refused" not in said.lower() else "",
        hints=(*_start(target), f"base_url under [backends.{target.backend}]"),
    )


def _no_connection(target: Target, seconds: float) -> TimedOut:
    return TimedOut(
        f"No connection to {target.label} at {origin(target)} within {seconds:g} s",
        hints=(
            *_start(target),
            "the network, or a firewall in between",
            "base_url: is it http:// rather than https://, or the other way round?",
            "the limit is limits.connect",
        ),
    )


def origin(target: Target) -> str:
    """scheme://host[:port] as the person knows it."""
    parts = urlsplit(target.base_url)
    return f"{parts.scheme}://{parts.netloc}"


def _start(target: Target) -> tuple[str, ...]:
    hint = target.options.get("start_hint")
    return (str(hint),) if hint else ()


def _silent(limit: str, target: Target, limits: Mapping[str, Any]) -> TimedOut:
    seconds = limits[limit]
    if limit == "idle":
        return TimedOut(
            f"{target.label} stopped sending for {seconds:g} s",
            hints=("what came is above", "the limit is limits.idle"),
        )
    return TimedOut(
        f"No answer from {target.label} within {seconds:g} s",
        hints=("a model that is loading takes long: limits.first_event is the limit", "or --timeout SECONDS"),
    )


def _tls(target: Target, said: str) -> ArawnError | None:
    if "CERTIFICATE_VERIFY_FAILED" in said or "certificate" in said.lower():
        return _certificate(target, said)
    if "SSL" in said or "WRONG_VERSION_NUMBER" in said:
        return Unreachable(
            f"{target.label} at {origin(target)} does not speak TLS",
            detail=said,
            hints=("is it http:// rather than https://?", "a proxy in between"),
        )
    return None


def _certificate(target: Target, said: str) -> Unreachable:
    hints = [
        'an own certificate authority: ca_bundle = "FILE" under [backends.'
        + target.backend
        + "], or SSL_CERT_FILE",
        "that base_url has the right host",
    ]
    if "not yet valid" in said or "expired" in said:
        hints.insert(0, "the clock of this machine")
    if "self-signed" in said or "self signed" in said or "unable to get" in said:
        hints.insert(0, "who issued it: a company's proxy puts its own certificate in between")
    return Unreachable(
        f"The certificate of {target.label} at {origin(target)} is not trusted",
        detail=said,
        hints=tuple(hints),
        retryable=False,
    )
