"""Foreign exceptions of the HTTP door become ours, by one table; it knows no dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from arawn.backends.http_net import address, is_loopback
from arawn.errors import ArawnError, ConfigFault, Cut, TimedOut, Unreachable
from arawn.wire import Target

if TYPE_CHECKING:
    from arawn.backends.http_course import Limits

UNUSABLE = (
    "InvalidURL",
    "UnsupportedProtocol",
    "LocalProtocolError",
    "UnicodeEncodeError",
    "UnicodeError",
    "ValueError",
)


class Scene(NamedTuple):
    """Where an exception happened. `proxy_place` names the setting of the proxy in between, if any.

    `issuer` finds out who issued the service's certificate; it is asked only where that was refused.
    """

    target: Target
    limits: Limits
    redact: Callable[[str], str]
    proxy_place: str = ""
    issuer: Callable[[], str] = str


def translate(error: Exception, stage: str, scene: Scene) -> ArawnError:
    """What a foreign exception means at a stage.

    stage: `headers` (nothing of the answer came), `body`, or the limit that ran out: connect, first_event,
    idle.
    """
    target = scene.target
    kind = type(error).__name__
    said = scene.redact(" ".join(str(error).split()))[:300]
    if "Timeout" in kind:
        return _late(stage, scene)
    if kind in UNUSABLE:
        return ConfigFault(
            f'The address or a header of backend "{target.backend}" cannot be used',
            hints=(f"base_url and headers under [backends.{target.backend}]",),
        )
    if kind == "ProxyError":
        return _proxy("refused", said, scene)
    secure = _tls(scene, said)
    if secure is not None:
        return secure
    if stage == "body":
        return Cut(
            f'The connection to backend "{target.backend}" broke in the middle of the answer',
            detail=said,
            hints=("what came is above", "ask again"),
        )
    if kind in ("RemoteProtocolError", "ReadError", "WriteError"):
        return Unreachable(
            f"{_first(target)} at {origin(target)} closed the connection without an answer",
            detail=said,
            hints=("is it http:// rather than https://, or the other way round?",),
        )
    if scene.proxy_place:
        return _proxy("cannot be connected to", said, scene)
    refused = "refused" in said.lower()
    here = is_loopback(address(target.base_url).host)
    start = _start(target) or (("is it running?",) if refused and here else ())
    return Unreachable(
        f"Cannot connect to {target.label} at {origin(target)}",
        detail="" if refused else said,
        hints=(*start, f"base_url under [backends.{target.backend}]"),
        retryable=not (refused and here),  # nobody listens on this machine: waiting only hides it
    )


def proxy_wants_a_name(scene: Scene) -> Unreachable:
    """407: the proxy asks who is there."""
    fault = _proxy("asks for a user name and password", "", scene)
    fault.status = 407
    return fault


def origin(target: Target) -> str:
    """scheme://host[:port] as the person knows it, without a user name or password."""
    base = address(target.base_url)
    return f"{base.scheme}://{base.netloc}"


def _proxy(what: str, said: str, scene: Scene) -> Unreachable:
    place = scene.proxy_place or "the proxy's address"
    return Unreachable(
        f"The proxy before {scene.target.label} {what}",
        detail=said,
        hints=(f"it is set by {place}", "its user name and password, if it says 407"),
        retryable="407" not in said and "password" not in what,
    )


def _first(target: Target) -> str:
    """The service where a sentence begins with it; names such as vLLM stay as they are."""
    return f"The {target.label[4:]}" if target.label.startswith("the ") else target.label


def _start(target: Target) -> tuple[str, ...]:
    hint = target.options.get("start_hint")
    return (str(hint),) if hint else ()


def _late(stage: str, scene: Scene) -> TimedOut:
    target, limits = scene.target, scene.limits
    if stage == "connect":
        return TimedOut(
            f"No connection to {target.label} at {origin(target)} within {limits.connect:g} s",
            hints=(
                *_start(target),
                "the network, or a firewall in between",
                "base_url: is it http:// rather than https://, or the other way round?",
                "the limit is limits.connect",
            ),
        )
    if stage == "idle":
        return TimedOut(
            f"{_first(target)} stopped sending for {limits.idle:g} s",
            hints=("what came is above", "the limit is limits.idle"),
        )
    return TimedOut(
        f"No answer from {target.label} within {limits.first_event:g} s",
        hints=("a model that is loading takes long: limits.first_event is the limit", "or --timeout SECONDS"),
    )


def _tls(scene: Scene, said: str) -> ArawnError | None:
    if "CERTIFICATE_VERIFY_FAILED" in said or "certificate" in said.lower():
        return _certificate(scene, said)
    target = scene.target
    if "SSL" in said or "WRONG_VERSION_NUMBER" in said:
        return Unreachable(
            f"{_first(target)} at {origin(target)} does not speak TLS",
            detail=said,
            hints=("is it http:// rather than https://?", "a proxy in between"),
            retryable=False,
        )
    return None


def _certificate(scene: Scene, said: str) -> Unreachable:
    target, issuer = scene.target, scene.issuer()
    hints = [
        'an own certificate authority: ca_bundle = "FILE" under [backends.'
        + target.backend
        + "], or SSL_CERT_FILE",
        "that base_url has the right host",
    ]
    if "not yet valid" in said or "expired" in said:
        hints.insert(0, "the clock of this machine")
    if "self-signed" in said or "self signed" in said or "unable to get" in said:
        hints.insert(0, "a company's proxy in between, which puts its own certificate there")
    if issuer:
        hints.insert(0, f"that you trust its issuer: {issuer}")
    return Unreachable(
        f"The certificate of {target.label} at {origin(target)} is not trusted",
        detail=said,
        hints=tuple(hints),
        retryable=False,
    )


def too_large(limit: int) -> Cut:
    """A reply that goes beyond `limits.reply`."""
    return Cut(
        f"The reply is larger than {limit // 1024 // 1024 or 1} MiB",
        hints=("the limit is limits.reply",),
        retryable=False,
    )
