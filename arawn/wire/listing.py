"""Model lists, in every shape the services give them; pure, it knows no provider.

Shapes: `data` (OpenAI and its copies, Anthropic), `models` (Gemini, Cohere, Ollama), a bare list (Together,
GitHub), `results` (Replicate). Beside the name some say what a model can do, and that is taken too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from arawn.wire.reading import count, table, tables, word

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
    cached_price: float | None = None
    vision: bool | None = None
    audio: bool | None = None
    pdf: bool | None = None
    tools: bool | None = None
    schema: bool | None = None
    reasoning: bool | None = None
    embedding: bool | None = None
    family: str | None = None
    parameters: str | None = None
    quantization: str | None = None
    size: int | None = None
    """Of the file, in bytes."""

    @property
    def said(self) -> dict[str, Any]:
        """What the service says beside the name."""
        return {key: value for key, value in self._asdict().items() if key != "name" and value is not None}


def entries(payload: Any) -> list[Entry]:
    """The models of one reply, in its order; what has no name is left out."""
    rows: Any = payload
    if isinstance(payload, Mapping):
        lists = (payload.get(key) for key in ("data", "models", "results"))
        rows = next((rows for rows in lists if isinstance(rows, list)), None)
    return [_entry(row, name) for row in tables(rows) if (name := _name(row))]


def next_page(payload: Any) -> dict[str, str] | None:
    """The query parameters that lead to the next page, or None at the end."""
    said = table(payload)
    for key, parameter in (("nextPageToken", "pageToken"), ("next_page_token", "page_token")):
        if word(said.get(key)):
            return {parameter: word(said[key])}
    if said.get("has_more") and word(said.get("last_id")):
        return {"after_id": word(said["last_id"])}
    return _cursor(said.get("next"))


def _cursor(address: Any) -> dict[str, str] | None:
    """The cursor in the address of a next page; the address itself may lead anywhere and is not followed."""
    try:
        found = parse_qs(urlsplit(address).query) if isinstance(address, str) else {}
    except ValueError:
        return None
    return {"cursor": found["cursor"][0]} if found.get("cursor") else None


def _name(row: Mapping[str, Any]) -> str:
    owner, name = word(row.get("owner")), word(row.get("name"))
    if owner and name and "id" not in row:
        return f"{owner}/{name}"
    return next((found for key in ("id", "name", "model", "key") if (found := word(row.get(key)))), "")


def _entry(row: Mapping[str, Any], name: str) -> Entry:
    can = table(row.get("capabilities"))
    kinds, loose = _kinds(row), _loose(row)
    offers = _words(row, "supported_parameters") + _words(row, "supported_features")
    hosts = tables(row.get("providers"))
    prices = table(row.get("pricing"))
    kind = row.get("type")
    return Entry(
        name,
        context=_first([row, table(row.get("meta")), table(row.get("limits")), *hosts], CONTEXT),
        output=_first([row, table(row.get("top_provider")), table(row.get("limits"))], OUTPUT),
        input_price=_price(prices, "prompt", "input"),
        output_price=_price(prices, "completion", "output"),
        cached_price=_price(prices, "input_cache_read", "cache_read"),
        vision=_say(
            _able(can, "vision", "image_input"),
            _able(row, "supports_vision", "supports_image_input", "supports_image_in"),
            _among("image", kinds),
            kind == "vlm" or "vision" in loose or "clip" in _families(row) or None,
        ),
        audio=_say(_among("audio", kinds), _able(can, "audio")),
        pdf=_say(_able(can, "pdf_input"), _among("file", kinds) or None),
        tools=_say(
            _able(can, "function_calling", "tools", "trained_for_tool_use"),
            _able(row, "supports_tools"),
            _hosted(hosts, "supports_tools"),
            _among("tools", offers),
            _tools(loose),
        ),
        schema=_say(
            _able(can, "structured_outputs"),
            _hosted(hosts, "supports_structured_output"),
            _among("structured_outputs", offers),
            "json_schema" in loose or "structured_outputs" in loose or None,
        ),
        reasoning=_say(
            _able(can, "reasoning", "thinking"),
            _able(row, "thinking", "supports_reasoning"),
            _among("reasoning", offers),
            "reasoning" in loose or "thinking" in loose or None,
        ),
        embedding=_embeds(row, can),
        **about_file(row),
    )


def _kinds(row: Mapping[str, Any]) -> list[str]:
    """What may go in: text, image, audio, file."""
    about = table(row.get("architecture"))
    said = _words(row, "input_modalities") or _words(about, "input_modalities")
    shape = about.get("modality")
    if not said and isinstance(shape, str) and "->" in shape:
        said = shape.partition("->")[0].split("+")
    return said or _words(row, "supported_input_modalities")


def _loose(row: Mapping[str, Any]) -> list[str]:
    """Abilities that are listed in words; what is missing there need not be missing."""
    said = _words(row, "features") + _words(row, "capabilities")
    return [name.lower().replace("-", "_") for name in said]


def _tools(loose: list[str]) -> bool | None:
    names = ("tools", "tool_use", "tool_calling", "function_calling")
    return any(name in loose for name in names) if loose else None


def _families(row: Mapping[str, Any]) -> list[str]:
    return _words(table(row.get("details")), "families")


def about_file(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a local server tells of the file: family, parameters, quantization, size; None where nothing."""
    about, meta = table(row.get("details")), table(row.get("meta"))
    packed = row.get("quantization")
    packed = table(packed).get("name") if isinstance(packed, Mapping) else packed
    size = _first([row], ("size", "size_bytes")) or count(meta, "size")
    return {
        "family": _text(about.get("family"), row.get("arch")),
        "parameters": _text(about.get("parameter_size"), row.get("params_string")),
        "quantization": _text(about.get("quantization_level"), packed, meta.get("ftype")),
        "size": size,
    }


def _text(*values: Any) -> str | None:
    return next((word(value)[:80] for value in values if isinstance(value, str) and value), None)


def _say(*values: Any) -> bool | None:
    """The first of them that says yes or no."""
    return next((value for value in values if isinstance(value, bool)), None)


def _words(row: Mapping[str, Any], key: str) -> list[str]:
    value = row.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _among(name: str, words: Iterable[str]) -> bool | None:
    words = list(words)
    return name in words if words else None


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
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        return round(value * scale, 6) if 0 <= value < 1e6 else None
    return None


def _embeds(row: Mapping[str, Any], can: Mapping[str, Any]) -> bool | None:
    """Whether it makes vectors, where the row names what it can be asked for."""
    methods = _words(row, "supportedGenerationMethods") + _words(row, "endpoints")
    if methods:
        return any("embed" in method.lower() for method in methods)
    kinds = _words(row, "output_modalities") + _words(table(row.get("architecture")), "output_modalities")
    named = row.get("type") in ("embedding", "embeddings") or "embeddings" in kinds
    if named or any("bert" in family for family in _families(row)):
        return True
    return can["embeddings"] if isinstance(can.get("embeddings"), bool) else None
