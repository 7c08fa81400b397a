"""A line of the out file: what became of one question, whoever answered it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from arawn.errors import ArawnError
from arawn.events import Usage
from arawn.render.document import error as error_of
from arawn.sums import whole


class Line(NamedTuple):
    """What is known of a line. Of `usages` and `costs` (USD) sums are told; `digest` marks its question."""

    id: str | int
    digest: str
    text: str = ""
    finish: str = "error"
    usages: Sequence[Usage] = ()
    costs: Sequence[float | None] = ()
    backend: str = ""
    model: str = ""
    attempts: int = 0
    fault: ArawnError | None = None


def record(line: Line, redact: Callable[[str], str], has_data: bool) -> dict[str, Any]:
    """The JSON of a line; what is not known is null. `has_data`: JSON was asked for; it stands parsed too."""
    ok = line.fault is None
    made: dict[str, Any] = {"id": line.id, "ok": ok, "text": line.text}
    if has_data:
        made["data"] = json.loads(line.text) if ok else None
    return {
        **made,
        "finish": line.finish,
        "usage": {name: whole([getattr(one, name) for one in line.usages]) for name in ("input", "output")},
        "cost_usd": whole(line.costs),
        "backend": line.backend or None,
        "model": line.model or None,
        "attempts": line.attempts,
        "input": line.digest,
        "error": error_of(line.fault, redact),
    }
