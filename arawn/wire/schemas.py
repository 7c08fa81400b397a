"""What services demand of a JSON Schema; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def strict_ready(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes `schema`: every object closed, all its properties required.

    Source: https://platform.openai.com/docs/guides/structured-outputs.
    """
    if isinstance(schema, list):
        return all(strict_ready(item) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties")
        names = set(properties) if isinstance(properties, Mapping) else set()
        if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != names:
            return False
    return all(strict_ready(value) for value in schema.values())
