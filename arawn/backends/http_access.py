"""What a request says of who sends it: its headers and its key; it opens no connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from arawn.backends.http_net import address, is_loopback
from arawn.errors import Refused, SecretFault
from arawn.wire import Target

if TYPE_CHECKING:
    from arawn.secret import Secret

SECRET_WORDS = frozenset(("authorization", "auth", "key", "apikey", "token", "secret", "password", "cookie"))
"""A header with one of these words in its name is taken for a key."""


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


PLAIN = {
    "accept": "text/event-stream, application/json",
    "accept-encoding": "identity",
    "connection": "keep-alive",
    "content-type": "application/json",
    "user-agent": "arawn",
}


def request_headers(access: Access, target: Target, url: str) -> dict[str, str]:
    """The headers of a request to `url`, names in lower case; the key is asked for here and not before.

    An address that a reply named gets neither key nor own headers where it is not the backend's own place.
    Raises SecretFault for a key that fits in no header, and for any key that would go over plain http to
    another machine; Refused for a foreign address that is not as safe as the backend's own.
    """
    base, place = address(target.base_url), address(url)
    if (place.scheme, place.netloc) != (base.scheme, base.netloc):
        if place.scheme != "https" and not (is_loopback(base.host) and is_loopback(place.host)):
            raise Refused(
                f'Backend "{target.backend}" leads to {place.scheme}://{place.host}, which is not asked',
                hints=("base_url: is it the service you mean?",),
            )
        return dict(PLAIN)
    headers = PLAIN | {name.lower(): value for name, value in access.headers().items()}
    key = access.key() if access.auth != "none" else None
    if key is not None:
        from arawn.secret import header_value

        value = header_value(key, access.key_place)
        name = "authorization" if access.auth == "bearer" else access.auth
        headers.setdefault(name, f"Bearer {value}" if access.auth == "bearer" else value)
    open_way = base.scheme == "http" and not is_loopback(base.host) and not access.insecure
    if open_way and (base.user or any(SECRET_WORDS & set(name.split("-")) for name in headers)):
        raise SecretFault(
            f'The key of backend "{target.backend}" is not sent over plain http to {base.host}',
            hints=("use https:// in base_url", f"or insecure = true under [backends.{target.backend}]"),
        )
    return headers
