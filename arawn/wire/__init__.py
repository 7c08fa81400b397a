"""The wire formats, a dialect a module. Pure: values in, values out; no I/O, no clock, no keys.

A dialect module `arawn.wire.NAME` has

    write(request: Request, target: Target) -> Call
    read(frames: Iterable[Frame], target: Target) -> Iterator[Event]
    fault(status: int, headers: Mapping[str, str], body: bytes) -> Fault      (shared: `arawn.wire.faults`)

The file name is the key; there is no registry.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = NOTHING
    method: str = "POST"
    memo: Mapping[str, Any] = NOTHING
