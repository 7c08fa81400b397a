"""Which certificates are trusted, and what in the environment makes a client impossible."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

from arawn.errors import ArawnError, ConfigFault


def context(ca_bundle: str | None) -> ssl.SSLContext:
    """The system's store (SSL_CERT_FILE and SSL_CERT_DIR honoured), or `ca_bundle` beside it.

    Raises ConfigFault naming the file or variable that cannot be read.
    """
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        told = os.environ.get(variable)
        fits = os.path.isdir if variable == "SSL_CERT_DIR" else os.path.isfile
        if told and not all(fits(part) for part in told.split(os.pathsep if fits is os.path.isdir else "\0")):
            raise ConfigFault(f"{variable} names {told}, which is not there", hints=(f"unset {variable}",))
    made = ssl.create_default_context()
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


def check_proxies() -> None:
    """Raise ConfigFault for a proxy variable that names no proxy; libraries notice late, or not at all."""
    from urllib.parse import urlsplit

    for name, value in os.environ.items():
        if name.upper() not in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") or not value:
            continue
        parts = urlsplit(value if "://" in value else f"http://{value}")
        try:
            fits = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
        if not fits or parts.scheme not in ("http", "https", "socks5", "socks5h"):
            raise ConfigFault(
                f"{name} is not the address of a proxy", hints=(f"unset {name}, or correct it",)
            )


def environment_fault(error: Exception, redact: Callable[[str], str]) -> ArawnError:
    """A client that could not be built, with the variables that may be the cause."""
    names = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
    found = [name for name in os.environ if name.upper() in names and os.environ[name]]
    named = ", ".join(sorted(found)) or "the proxy setting"
    socks = "; SOCKS needs: pip install 'arawn[socks]'" if "socks" in str(error).lower() else ""
    return ConfigFault(f"{named}: the proxy cannot be used{socks}", detail=redact(str(error))[:200])
