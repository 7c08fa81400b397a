"""How vectors are written: a JSON array a line, or one versioned document, for a failure too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from arawn.errors import ArawnError
from arawn.render.document import error
from arawn.wire.vectors import Vectors

NONE = Vectors(())


def lines(made: Vectors) -> Iterator[str]:
    """Each vector as a line, its end included."""
    for vector in made.vectors:
        yield json.dumps(vector, separators=(",", ":")) + "\n"


def document(
    made: Vectors | None = None,
    *,
    backend: str = "",
    provider: str = "",
    model: str = "",
    fault: ArawnError | None = None,
    redact: Callable[[str], str] = str,
) -> dict[str, Any]:
    """The document of one run: vectors in the order of the texts, or the fault. Unknown is null."""
    vectors = made or NONE
    return {
        "version": 1,
        "ok": made is not None,
        "backend": backend or None,
        "provider": provider or None,
        "model": vectors.model or model or None,
        "dimensions": vectors.dimensions or None,
        "count": len(vectors.vectors),
        "embeddings": [
            {"text_index": index, "vector": list(vector)} for index, vector in enumerate(vectors.vectors)
        ],
        "usage": {"input": vectors.usage.input},
        "error": error(fault, redact),
    }
