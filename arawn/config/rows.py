"""Every setting as data, one row each; how a value is checked or where it comes from is not known here."""

from __future__ import annotations

from typing import Any

from arawn.config.row import Row
from arawn.config.rows_roles import ROLES
from arawn.config.rows_routing import ROUTING
from arawn.config.rows_ui import UI
from arawn.providers import DIALECTS

LEVELS = ("error", "warn", "info", "debug", "trace")


def _asking(table: str, whom: str) -> tuple[Row, ...]:
    """The settings of a request, which [llm] and every backend have alike."""
    return (
        Row(f"{table}.system", "str", None, f"System prompt{whom}.", True, example="Answer in one sentence."),
        Row(
            f"{table}.temperature",
            "float",
            None,
            "Randomness of the answer; the service's own default when unset.",
            True,
            low=0,
            high=2,
            example=0.7,
        ),
        Row(
            f"{table}.top_p",
            "float",
            None,
            "Share of probability to sample from.",
            True,
            low=0,
            high=1,
            example=0.9,
        ),
        Row(f"{table}.max_tokens", "int", None, "Longest answer, in tokens.", True, low=1, example=4096),
        Row(f"{table}.stop", "strings", None, "Texts at which the answer ends.", True, example=["END"]),
        Row(
            f"{table}.reasoning",
            "effort",
            None,
            "How much the model may think first: off, low, medium, high, or a budget in tokens.",
            True,
            example="medium",
        ),
    )


_LLM = (
    Row(
        "llm.backend",
        "str",
        None,
        "Backend to ask: a [backends.NAME], a provider, or guide.",
        example="anthropic",
    ),
    Row(
        "llm.model",
        "str",
        None,
        "Model to ask, for [llm].backend alone; over the backend's own.",
        True,
        example="claude-sonnet-4-20250514",
    ),
    *_asking("llm", " for every conversation"),
    Row(
        "llm.routing.*",
        "str",
        None,
        "Backend for some work, NAME or NAME:MODEL: title names new sessions, compact (or summarization) "
        "sums up old turns, vision takes pictures, code_generation makes commands (arawn cmd), the name of a "
        "task in [tasks] is for that task. What the person names goes over it.",
        example="groq",
    ),
)

AUTHS = ("bearer", "api-key", "x-api-key", "x-goog-api-key", "none")

_B = "backends.*"
_BACKENDS = (
    Row(f"{_B}.provider", "provider", None, "The service; not needed where NAME is one.", example="openai"),
    Row(f"{_B}.dialect", "choice", None, "Wire format, for a custom service.", choices=tuple(DIALECTS)),
    Row(f"{_B}.base_url", "url", None, "Address of the API.", example="http://localhost:11434"),
    Row(
        f"{_B}.auth",
        "choice",
        None,
        "Header that holds the key; the dialect's own when unset.",
        choices=AUTHS,
    ),
    Row(
        f"{_B}.endpoint",
        "url",
        None,
        "Address of the resource, for services that have one.",
        example="https://my-resource.openai.azure.com",
    ),
    Row(
        f"{_B}.endpoints",
        "strings",
        None,
        "The same in several regions; the next is asked where one fails.",
        example=["https://my-eu.openai.azure.com", "https://my-us.openai.azure.com"],
    ),
    Row(f"{_B}.models", "map", None, "Models by keys of yours: -m @KEY.", example={"generator": "gpt-4o"}),
    Row(f"{_B}.priority", "int", None, "Its place among those that stand in for each other, 1 first.", low=0),
    Row(
        f"{_B}.deployment",
        "str",
        None,
        "Deployment to ask, for services that have them.",
        example="my-gpt-4o",
    ),
    Row(
        f"{_B}.deployments",
        "map",
        None,
        "Deployments by the names of their models.",
        example={"gpt-4o": "my-gpt-4o"},
    ),
    Row(
        f"{_B}.api_version",
        "str",
        None,
        "API version, for services that have one; Azure's v1 paths when unset.",
        example="2024-10-21",
    ),
    Row(
        f"{_B}.beta",
        "str",
        None,
        "Beta features of Anthropic's API to switch on.",
        example="context-1m-2025-08-07",
    ),
    Row(
        f"{_B}.token", "secret", None, "Token instead of a key, such as Entra's.", example="$env:AZURE_TOKEN"
    ),
    Row(
        f"{_B}.api_key",
        "secret",
        None,
        "Key: $keyring:NAME, $env:VAR, $file:PATH, or itself.",
        example="$env:ANTHROPIC_API_KEY",
    ),
    Row(f"{_B}.model", "str", None, "Model to ask, in the service's own spelling.", True, example="gpt-4o"),
    *_asking(_B, " for this backend; over [llm].system"),
    Row(
        f"{_B}.timeout", "duration", None, "Longest wait for any one step of an answer.", low=0, example="2m"
    ),
    Row(f"{_B}.headers", "map", None, "Headers to add.", example={"X-Title": "arawn"}),
    Row(f"{_B}.extra", "free", None, "Fields to add to the request as they are.", example={"seed": 1}),
    Row(f"{_B}.organization", "str", None, "Account's organization, where the service has one."),
    Row(f"{_B}.project", "str", None, "Account's project, where the service has one."),
    Row(f"{_B}.proxy", "secret", None, "Proxy for this backend.", example="http://proxy.example:3128"),
    Row(f"{_B}.ca_bundle", "path", None, "Certificates to trust, a PEM file."),
    Row(f"{_B}.insecure", "bool", False, "Do not check the server's certificate."),
    Row(f"{_B}.allow_hosts", "strings", None, "Other hosts that may get this backend's key."),
    Row(
        f"{_B}.keep_alive",
        "str",
        None,
        "How long Ollama keeps the model loaded: a duration, 0, or -1 for ever.",
        example="10m",
    ),
    Row(f"{_B}.cache", "bool", True, "Mark long prompts to be cached, where that is to be said (Anthropic)."),
    Row(f"{_B}.num_ctx", "int", None, "Context to ask Ollama for, in tokens.", low=1, example=8192),
    Row(f"{_B}.context", "int", None, "Context of the model, in tokens.", low=1),
    Row(f"{_B}.stream", "bool", True, "Ask for the answer as it comes."),
    Row(f"{_B}.retry.max_attempts", "int", 3, "Requests for one turn, at most.", low=1, high=10),
    Row(f"{_B}.retry.initial_delay", "duration", "1s", "Wait before the second request.", low=0),
    Row(f"{_B}.retry.max_delay", "duration", "30s", "Longest wait between requests.", low=0),
    Row(f"{_B}.retry.backoff_multiplier", "float", 2.0, "How much longer each wait is.", low=1),
)

_LIMITS = (
    Row("limits.connect", "duration", 10, "Until a connection stands.", low=0),
    Row("limits.first_event", "duration", 120, "Until the answer begins.", low=0),
    Row("limits.idle", "duration", 90, "Between two pieces of an answer.", low=0),
    Row("limits.keyring", "duration", 3, "Until the keyring has answered.", low=0),
    Row("limits.frame", "size", "8 MiB", "Largest single event of a stream.", low=1),
    Row("limits.reply", "size", "32 MiB", "Largest answer.", low=1),
    Row("limits.error_body", "size", "64 KiB", "What is read of an error reply.", low=1),
)

_FILES = (
    Row(
        "files.allow_hosts",
        "strings",
        None,
        "Hosts of inner networks that -f URL may fetch from.",
        example=["wiki.intranet.example"],
    ),
)

_MODELS = (
    Row(
        "aliases.*",
        "str",
        None,
        "A short name for -m: BACKEND:MODEL, or a model.",
        example="groq:llama-3.1-8b-instant",
    ),
    Row(
        "catalog.*.context",
        "int",
        None,
        "What you know better of a model, NAME or BACKEND:NAME: its window.",
        low=1,
    ),
    Row("catalog.*.output", "int", None, "Its longest answer, in tokens.", low=1),
    Row("catalog.*.input_price", "float", None, "USD per million prompt tokens.", low=0, example=2.5),
    Row("catalog.*.output_price", "float", None, "USD per million tokens of answers.", low=0, example=10.0),
    Row(
        "catalog.*.cached_price", "float", None, "USD per million cached prompt tokens.", low=0, example=1.25
    ),
    *(
        Row(f"catalog.*.{name}", "bool", None, doc)
        for name, doc in (
            ("vision", "Whether it takes pictures."),
            ("audio", "Whether it takes recordings."),
            ("pdf", "Whether it takes PDF."),
            ("tools", "Whether it calls tools."),
            ("schema", "Whether the service holds its answers to a schema."),
            ("reasoning", "Whether it thinks first."),
        )
    ),
)


_EMBEDDINGS = (
    Row(
        "embeddings.backend",
        "str",
        "local",
        "Who computes embeddings, a backend's name; while there is no local model, who answers in a chat.",
    ),
    Row(
        "embeddings.model",
        "str",
        "all-MiniLM-L6-v2",
        "Embedding model, for [embeddings].backend alone.",
    ),
    Row(
        "embeddings.*.api_key",
        "secret",
        None,
        "Key for embeddings, where it is not the backend's own.",
        example="$env:OPENAI_API_KEY",
    ),
    Row(
        "embeddings.*.model",
        "str",
        None,
        "Embedding model of that backend.",
        example="text-embedding-3-small",
    ),
    Row("embeddings.*.base_url", "url", None, "Address for embeddings, where it is another one."),
    Row("embeddings.*.dimensions", "int", None, "Length of its vectors.", low=1, example=1536),
)


def _later(path: str, kind: str, default: Any, doc: str, **more: Any) -> Row:
    return Row(path, kind, default, doc, effect=False, **more)


_LATER = (
    _later("memory.database", "path", "memory.db", "Memory file, in the data folder."),
    _later("memory.indexing.enabled", "bool", True, "Learn from finished sessions."),
    _later("memory.indexing.backend", "str", "default", "Backend that extracts facts; default: [llm]."),
    _later("memory.indexing.model", "str", None, "Its model.", example="gpt-4o-mini"),
    _later("memory.recall.limit", "int", 5, "Memories recalled for a turn, at most.", low=0),
    _later("memory.recall.threshold", "float", 0.6, "Lowest score that is recalled.", low=0, high=1),
    _later("memory.recall.include_graph", "bool", True, "Use relations between facts."),
    _later("server.port", "int", 8080, "Port to listen on.", low=0, high=65535),
    _later("server.bind", "str", "127.0.0.1", "Address to listen on."),
    _later("server.auth.enabled", "bool", False, "Ask callers for the token."),
    _later("server.auth.token", "secret", None, "The token.", example="$env:ARAWN_AUTH_TOKEN"),
    _later("server.rate_limit.requests_per_minute", "int", 60, "Requests of one caller.", low=1),
    _later("server.rate_limit.burst", "int", 10, "Requests at once.", low=1),
    _later("mcp.enabled", "bool", True, "Use MCP servers."),
    _later("mcp.servers.*.command", "str", None, "Program to start.", example="mcp-server-fetch"),
    _later("mcp.servers.*.args", "strings", None, "Its arguments.", example=["--verbose"]),
    _later("mcp.servers.*.env", "map", None, "Its environment.", example={"TOKEN": "$env:TOKEN"}),
    _later("mcp.servers.*.url", "url", None, "Address, for a server that runs already."),
    _later(
        "mcp.servers.*.headers",
        "map",
        None,
        "Headers for it.",
        example={"Authorization": "Bearer $env:MCP_TOKEN"},
    ),
    _later("agent.max_iterations", "int", 25, "Model calls for one question, at most.", low=1),
    _later("agent.tool_timeout", "duration", 30, "Longest run of a tool.", low=0),
    _later("agent.recall.enabled", "bool", True, "Recall memories."),
    _later("agent.recall.limit", "int", 5, "As in [memory.recall].", low=0),
    _later("agent.recall.threshold", "float", 0.6, "As in [memory.recall].", low=0, high=1),
    _later("workstreams.enabled", "bool", True, "Keep conversations by topic."),
    _later("workstreams.storage_path", "path", None, "Where they are kept.", example="~/.arawn/workstreams"),
    _later("workstreams.max_history", "int", 1000, "Messages kept of each.", low=1),
    _later("workstreams.context_window", "int", 50, "Messages sent along.", low=1),
    _later("logging.level", "choice", "info", "What is logged.", choices=LEVELS),
    _later("logging.file", "path", None, "Log file.", example="~/.arawn/arawn.log"),
    _later("logging.max_size", "size", "10MB", "Size at which a new file is begun.", low=1),
    _later("logging.max_files", "int", 5, "Old files kept.", low=0),
    _later("plugins.directories", "strings", None, "Where plugins are.", example=["~/.arawn/plugins"]),
)

_STORE = (
    Row("store.enabled", "bool", True, "Keep every session in the data folder."),
    Row(
        "store.keep",
        "duration",
        None,
        "Delete sessions so long after their last turn; pinned ones stay.",
        low=0,
        example="90d",
    ),
    Row("store.mask_keys", "bool", True, "Store **** in the place of what looks like a key."),
)

_CONTEXT = (
    Row(
        "context.policy",
        "choice",
        "compact",
        "When a session outgrows its model: refuse, drop the oldest turns, or compact (sum them up).",
        True,
        choices=("refuse", "drop", "compact"),
    ),
    Row(
        "context.reserve",
        "int",
        None,
        "Tokens kept for the answer; max_tokens, else a quarter of the window, at most 4096.",
        True,
        low=1,
        example=8192,
    ),
    Row(
        "context.compact_at",
        "float",
        0.85,
        "Share of the window at which it is summed up.",
        True,
        low=0.1,
        high=1,
    ),
    Row("context.keep", "int", 4, "Last turns that are never summed up while they fit.", True, low=0),
)

_ALL = (
    *_LLM,
    *ROUTING,
    *ROLES,
    *_BACKENDS,
    *_LIMITS,
    *UI,
    *_FILES,
    *_MODELS,
    *_EMBEDDINGS,
    *_STORE,
    *_CONTEXT,
    *_LATER,
)
_TABLES = list(dict.fromkeys(row.path.rpartition(".")[0] for row in _ALL))
ROWS: tuple[Row, ...] = tuple(sorted(_ALL, key=lambda row: _TABLES.index(row.path.rpartition(".")[0])))
