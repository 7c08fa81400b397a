"""Model lists, in every shape the services give them; pure, it knows no provider.

Shapes: `data` (OpenAI and its copies, Anthropic), `models` (Gemini, Cohere, Ollama), a bare list (Together,
GitHub), `results` (Replicate). Beside the name some say what a model can do, and that is taken too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from arawn.wire.reading import count, table, tables

CONTEXT = (
    "context_length",
    "context_window",
    "max_context_length",
    "inputTokenLimit",
    "max_input_tokens",
    "max_model_len",
    "n_ctx",
)
OUTPUT = (
    "max_completion_tokens",
    "outputTokenLimit",
    "max_output_tokens",
    "max_output_length",
    "max_tokens",
)
"""Under these names the services tell the limits of a model."""


class Entry(NamedTuple):
    """A model as the service lists it; None: it does not say. Sizes in tokens, prices in USD per million."""

    name: str
    context: int | None = None
    output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    vision: bool | None = None
    audio: bool | None = None
    pdf: bool | None = None
    tools: bool | None = None
    schema: bool | None = None
    reasoning: bool | None = None
    embedding: bool | None = None

    @property
    def said(self) -> dict[str, Any]:
        """What the service says beside the name."""
        return {key: value for key, value in self._asdict().items() if key != "name" and value is not None}


def entries(payload: Any) -> list[Entry]:
    """The models of one reply, in its order; what has no name is left out."""
    rows: Any = payload
    if isinstance(payload, Mapping):
        rows = next((payload[key] for key in ("data", "models", "results") if key in payload), None)
    return [_entry(row, name) for row in tables(rows) if (name := _name(row))]


def next_page(payload: Any) -> dict[str, str] | None:
    """The query parameters that lead to the next page, or None at the end."""
    said = table(payload)
    token = said.get("nextPageToken")
    if isinstance(token, str) and token:
        return {"pageToken": token}
    token = said.get("next_page_token")
    if isinstance(token, str) and token:
        return {"page_token": token}
    last = said.get("last_id")
    if said.get("has_more") and isinstance(last, str) and last:
        return {"after_id": last}
    following = said.get("next")
    if isinstance(following, str) and "cursor=" in following:
        return {"cursor": following.partition("cursor=")[2].partition("&")[0]}
    return None


def _name(row: Mapping[str, Any]) -> str:
    owner = row.get("owner")
    if isinstance(owner, str) and isinstance(row.get("name"), str) and "id" not in row:
        return f"{owner}/{row['name']}"
    for key in ("id", "name", "model"):
        if isinstance(row.get(key), str) and row[key]:
            return str(row[key])
    return ""


def _entry(row: Mapping[str, Any], name: str) -> Entry:
    can = table(row.get("capabilities"))
    kinds = _words(row, "input_modalities") or _words(table(row.get("architecture")), "input_modalities")
    offers = _words(row, "supported_parameters")
    hosts = tables(row.get("providers"))
    prices = table(row.get("pricing"))
    return Entry(
        name,
        context=_first([row, table(row.get("meta")), table(row.get("limits")), *hosts], CONTEXT),
        output=_first([row, table(row.get("top_provider")), table(row.get("limits"))], OUTPUT),
        input_price=_price(prices, "prompt", "input"),
        output_price=_price(prices, "completion", "output"),
        vision=_say(_able(can, "vision", "image_input"), row.get("supports_vision"), _among("image", kinds)),
        audio=_say(_among("audio", kinds), _able(can, "audio")),
        pdf=_say(_able(can, "pdf_input"), _among("file", kinds) or None),
        tools=_say(
            _able(can, "function_calling", "tools"),
            _hosted(hosts, "supports_tools"),
            _among("tools", offers),
        ),
        schema=_say(
            _able(can, "structured_outputs"),
            _hosted(hosts, "supports_structured_output"),
            _among("structured_outputs", offers),
        ),
        reasoning=_say(_able(can, "reasoning", "thinking"), row.get("thinking"), _among("reasoning", offers)),
        embedding=_embeds(row, can),
    )


def _say(*values: Any) -> bool | None:
    """The first of them that says yes or no."""
    return next((value for value in values if isinstance(value, bool)), None)


def _words(row: Mapping[str, Any], key: str) -> list[str]:
    value = row.get(key)
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _among(word: str, words: Iterable[str]) -> bool | None:
    words = list(words)
    return word in words if words else None


def _first(places: Iterable[Mapping[str, Any]], keys: tuple[str, ...]) -> int | None:
    for place in places:
        for key in keys:
            found = count(place, key)
            if found:
                return found
    return None


def _able(can: Mapping[str, Any], *names: str) -> bool | None:
    """An ability as true or false, or as an object that says `supported`."""
    for name in names:
        value = can.get(name)
        value = value.get("supported") if isinstance(value, Mapping) else value
        if isinstance(value, bool):
            return value
    return None


def _hosted(hosts: Iterable[Mapping[str, Any]], key: str) -> bool | None:
    said = [host[key] for host in hosts if isinstance(host.get(key), bool)]
    return any(said) if said else None


def _price(prices: Mapping[str, Any], by_token: str, by_million: str) -> float | None:
    """USD per million tokens: OpenRouter writes texts per token, others numbers per million."""
    for key, scale in ((by_token, 1e6), (by_million, 1.0)):
        try:
            value = float(prices[key])
        except (KeyError, TypeError, ValueError):
            continue
        return round(value * scale, 6) if 0 <= value < 1e6 else None
    return None


def _embeds(row: Mapping[str, Any], can: Mapping[str, Any]) -> bool | None:
    """Whether it makes vectors, where the row names what it can be asked for."""
    methods = _words(row, "supportedGenerationMethods") + _words(row, "endpoints")
    if methods:
        return any(method in ("embedContent", "batchEmbedContents", "embed") for method in methods)
    families = _words(table(row.get("details")), "families")
    if any("bert" in family for family in families) or row.get("type") in ("embedding", "embeddings"):
        return True
    return can["embeddings"] if isinstance(can.get("embeddings"), bool) else None
