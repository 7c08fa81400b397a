"""Which certificates are trusted and which proxy is asked; it knows no HTTP."""

from __future__ import annotations

import os
import socket
import ssl
from importlib.util import find_spec
from urllib.parse import urlsplit

from arawn.backends.http_net import is_loopback
from arawn.errors import ConfigFault

COMMON_NAME = bytes((0x55, 4, 3))
ORGANISATION = bytes((0x55, 4, 10))
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
ISSUER_S = 2.0
"""What may be spent on learning whose certificate was refused."""


def context(ca_bundle: str | None, insecure: bool = False) -> ssl.SSLContext:
    """The system's store (SSL_CERT_FILE and SSL_CERT_DIR honoured), or `ca_bundle` beside it.

    `insecure` takes any certificate, as the person asked for. Raises ConfigFault naming the file or variable
    that cannot be read.
    """
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        told = os.environ.get(variable)
        fits = os.path.isdir if variable == "SSL_CERT_DIR" else os.path.isfile
        if told and not all(fits(part) for part in told.split(os.pathsep if fits is os.path.isdir else "\0")):
            raise ConfigFault(f"{variable} names {told}, which is not there", hints=(f"unset {variable}",))
    made = ssl.create_default_context()
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    known = ssl.get_default_verify_paths()
    if not (known.cafile or known.capath):
        import certifi

        made.load_verify_locations(certifi.where())
    try:
        if ca_bundle:
            made.load_verify_locations(os.path.expanduser(ca_bundle))
        elif os.environ.get("SSL_CERT_FILE"):
            made.load_verify_locations(os.environ["SSL_CERT_FILE"])
    except (OSError, ssl.SSLError):
        place = f"ca_bundle {ca_bundle}" if ca_bundle else "SSL_CERT_FILE"
        raise ConfigFault(f"{place}: no certificates can be read from it") from None
    return made


def proxy_for(scheme: str, host: str, own: str | None, own_place: str) -> tuple[str, str]:
    """The proxy on the way to `host` and where it is set; empty for none.

    The setting wins; the environment's proxies count except for this machine and what NO_PROXY names.
    Raises ConfigFault naming the place where it is no address of a proxy: libraries notice late, or not.
    """
    if own:
        return _checked(own, own_place), own_place
    if is_loopback(host):
        return "", ""
    from urllib.request import getproxies_environment, proxy_bypass

    found = getproxies_environment()
    kind = scheme if found.get(scheme) else "all"
    if not found.get(kind) or proxy_bypass(host):
        return "", ""
    names = [name for name, value in os.environ.items() if name.lower() == f"{kind}_proxy" and value]
    place = next(iter(sorted(names, reverse=True)), f"{kind}_proxy")
    return _checked(found[kind], place), place


def _checked(value: str, place: str) -> str:
    address = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(address)
        fits = bool(parts.hostname) and (parts.port or 1) > 0 and parts.scheme in PROXY_SCHEMES
    except ValueError:
        fits = False
    if not fits:
        raise ConfigFault(
            f"{place} is not the address of a proxy",
            hints=(f"it looks like http://HOST:PORT: correct {place}, or unset it",),
        )
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigFault(
            f"{place} names a SOCKS proxy, and what speaks SOCKS is not installed",
            hints=("pip install 'arawn[socks]'",),
        )
    return address


def issuer_of(host: str, port: int) -> str:
    """Who issued the certificate that `host` shows, as far as it says; empty where that cannot be learnt.

    A handshake of its own that verifies nothing and sends nothing: Python tells why a certificate is refused,
    but not whose it was, and that is what one needs to know behind a company's proxy.
    """
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), ISSUER_S) as plain,
            blind.wrap_socket(plain, server_hostname=host) as secure,
        ):
            return issuer(secure.getpeercert(True) or b"")
    except (OSError, ValueError, IndexError):
        return ""


def issuer(certificate: bytes) -> str:
    """Common name or organisation of the issuer in a DER certificate (RFC 5280, section 4.1).

    Raises ValueError or IndexError for what is no certificate.
    """
    signed = _parts(_parts(certificate)[0][1])[0][1]
    fields = [value for tag, value in _parts(signed) if tag != 0xA0]  # the version may be left out
    names: dict[bytes, str] = {}
    for _, group in _parts(fields[2]):
        for _, pair in _parts(group):
            (_, kind), (tag, text) = _parts(pair)[:2]
            names[kind] = text.decode("utf-16-be" if tag == 0x1E else "utf-8", "replace")
    found = names.get(COMMON_NAME) or names.get(ORGANISATION) or ""
    return "".join(char for char in found if char.isprintable())[:100]


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of the DER values that stand side by side in `data`."""
    found = []
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length > 0x7F:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        found.append((tag, data[at : at + length]))
        at += length
    return found
