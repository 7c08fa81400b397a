"""The wire formats, a dialect a module. Pure: values in, values out; no I/O, no clock, no keys.

A dialect module `arawn.wire.NAME` has

    MEDIA: frozenset[str]                                kinds of file it can send: image, pdf, audio
    write(request: Request, target: Target) -> Call
    read(frames: Iterable[Frame], target: Target) -> Iterator[Event | Next]
    embed(texts, target, *, purpose, dimensions) -> Call    optional; read by `vectors`

The file name is the key (`-` written as `_`); there is no registry. What all read alike: `faults` (errors),
`listing` (model lists), `vectors` (embeddings).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from arawn.messages import NOTHING


class Target(NamedTuple):
    """Where a request goes, and what of the provider's row a dialect may depend on.

    `base_url` has no slash at its end. `options` are the row's fields for its dialect, e.g.
    `max_tokens_field`, `stream_usage`, `num_ctx`.
    """

    backend: str
    provider: str
    label: str
    base_url: str
    model: str
    options: Mapping[str, Any] = NOTHING


class Call(NamedTuple):
    """An HTTP request without its key: the door adds the authentication header.

    `memo` is what the dialect wants to know again when it reads the reply: it joins the target's options.
    `notices` tell the person what of the request this service cannot be told. `content` goes in the place of
    `body`, as it is.
    """

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = NOTHING
    method: str = "POST"
    memo: Mapping[str, Any] = NOTHING
    notices: tuple[str, ...] = ()
    content: bytes = b""


class Next(NamedTuple):
    """From a reader: the answer goes on in the reply to `call`, sent after `wait` seconds.

    `cancel` ends the work at the service when the person stops before the end.
    """

    call: Call
    cancel: Call | None = None
    wait: float = 0.0


def dialect(name: str) -> Any:
    """The module of a dialect, as the config names it."""
    return import_module("arawn.wire." + name.replace("-", "_"))
