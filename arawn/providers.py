"""The provider table: one row a service, all that differs as data. It knows no wire format and no settings.

Sources: each provider's API reference, under the `docs` address of its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Dialect(NamedTuple):
    """What goes with a wire format whoever speaks it; a row's own values stand over these.

    `models` is the path of the model list below the base URL, empty where there is none.
    """

    auth: str = "bearer"
    headers: Mapping[str, str] = {}
    options: Mapping[str, Any] = {}
    models: str = "/models"


GUIDE = "guide"
"""The name of the built-in offline backend that answers from the manual."""
CUSTOM = "custom"
"""The row of a service that has none: the dialect and the address that a table gives it."""

_TILES = {"tile": 512, "each": 170, "base": 85, "longest": 2048, "shortest": 768}

DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect(options={"pictures": _TILES}),
    "openai-responses": Dialect(
        options={
            "reasoners": ("o1", "o3", "o4", "gpt-5", "codex"),
            "embed_dialect": "openai",
            "pictures": _TILES,
        }
    ),
    "anthropic": Dialect(
        "x-api-key",
        {"anthropic-version": "2023-06-01"},
        {
            "rungs": ("tool", "prompt"),
            "json_mode": False,
            "tool_excludes_reasoning": True,
            "adaptive": ("claude-",),
            "budgeted": (
                *("claude-3", "claude-sonnet-4-0", "claude-sonnet-4-2", "claude-sonnet-4-5"),
                *("claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-2", "claude-opus-4-5"),
                "claude-haiku-4-5",
            ),
            "sampled": ("claude-opus-4-6", "claude-sonnet-4-6"),
            "account_headers": {"beta": "anthropic-beta", "api_version": "anthropic-version"},
            "pictures": {"area": 750, "most": 1600},
        },
        "/v1/models?limit=1000",
    ),
    "gemini": Dialect(
        "x-goog-api-key",
        options={
            "thinking_levels": ("gemini-3",),
            "no_reasoning": (("gemini-2.5-pro", {"thinkingBudget": 128}), ("gemini-2.0", {}), ("gemma", {})),
            "embed_batch": 100,
            "untaken": frozenset({"image/gif"}),
            "pictures": {"tile": 768, "each": 258},
        },
        models="/models?pageSize=1000",
    ),
    "cohere": Dialect(options={"embed_batch": 96}, models="/v1/models?page_size=1000"),
    "ollama": Dialect(options={"think_levels": ("gpt-oss",)}, models="/api/tags"),
    "replicate": Dialect(options={"rungs": ("prompt",), "json_mode": False}),
    "huggingface": Dialect(options={"rungs": ("prompt",), "json_mode": False, "embed_batch": 32}, models=""),
}


class Provider(NamedTuple):
    """A service and how to reach it.

    `auth` names the header that holds the key: `bearer` (Authorization: Bearer KEY), another header by its
    name, or `none`; empty: what the dialect has. `key_env`, `model_env` and `base_env` are looked up in
    order after `NAME_API_KEY`, `NAME_MODEL` and `NAME_API_BASE`, which every row has without being listed.
    A `shy` row is chosen by itself for `NAME_API_KEY` alone: its other variables are commonly set for other
    things.
    A `local` service needs no key; one with a `probe` path is looked for when nothing else is configured.
    `models` is the path or address of the model list, where it is not the dialect's own. `families` is what
    people call its models, or itself, in one word.

    `options` go to the dialect and to what is built around it:
      media          kinds of file it takes, where that is less than its dialect can send
      untaken        media types that it does not take though it takes others of their kind
      efforts        off, low, medium, high -> fields that ask for this much reasoning
      budget         path of the field that takes a reasoning budget in tokens
      no_reasoning   (beginning of a model's name, fields) pairs that stand for reasoning off
      reasoning_back field in which reasoning goes back beside tool calls
      rungs          ways to get JSON that fits a schema, best first: native, tool, prompt
      json_mode      whether it can be told to answer in JSON of any shape
      dialects       (beginning of a model's name, dialect) pairs for models that speak another one
      embeds         False where it makes no embeddings though its dialect has them, True where it makes
                     them with a model that must be named
      embed_model, embed_batch, embed_dialect, dimensions_field    for embeddings
      deployments    models are deployments of a resource: see `arawn.wire.openai_write.url`
      version_env    variables that may hold the API version
      token_env      variables that may hold a token instead of a key: it goes as Bearer
      batch          style of its batch service: see `arawn.wire.batches`
      pictures       how it counts the tokens of a picture: see `arawn.tokens.of_picture`
      account_headers, max_tokens_field, stream_usage, pdf_field, call_id_length, unsampled, sampled
    """

    name: str
    label: str
    dialect: str
    base_url: str
    model: str = ""
    auth: str = ""
    key_env: tuple[str, ...] = ()
    model_env: tuple[str, ...] = ()
    base_env: tuple[str, ...] = ()
    needs_key: bool = True
    local: bool = False
    shy: bool = False
    probe: str = ""
    models: str = ""
    start_hint: str = ""
    docs: str = ""
    families: tuple[str, ...] = ()
    headers: Mapping[str, str] = {}
    options: Mapping[str, Any] = {}

    @property
    def key_names(self) -> tuple[str, ...]:
        """Environment variables that may hold the key, first wins."""
        return _names(f"{self.name.upper()}_API_KEY", self.key_env)

    @property
    def has_place(self) -> bool:
        """Whether it is known where it is: from the row, or from a variable its users set."""
        return bool(self.base_url or self.base_env)

    @property
    def telling_names(self) -> tuple[str, ...]:
        """Those of `key_names` that alone make this the backend to ask."""
        return self.key_names[:1] if self.shy else self.key_names

    @property
    def model_names(self) -> tuple[str, ...]:
        """Environment variables that may name the model."""
        return _names(f"{self.name.upper()}_MODEL", self.model_env)

    @property
    def base_names(self) -> tuple[str, ...]:
        """Environment variables that may hold the base URL."""
        return _names(f"{self.name.upper()}_API_BASE", self.base_env)


def _names(own: str, others: tuple[str, ...]) -> tuple[str, ...]:
    return (own, *(name for name in others if name != own))


_MP3_WAV = frozenset({"audio/flac", "audio/ogg", "audio/mp4", "audio/aac"})
_OPENAI: Mapping[str, Any] = {
    "untaken": _MP3_WAV,
    "max_tokens_field": "max_completion_tokens",
    "unsampled": ("o1", "o3", "o4", "gpt-5", "codex"),
    "sampled": ("gpt-5-chat", "gpt-5."),
    "no_reasoning": (
        ("gpt-5.", {"reasoning_effort": "none"}),
        ("gpt-5", {"reasoning_effort": "minimal"}),
        ("o", {"reasoning_effort": "low"}),
    ),
}
_THINKING: Mapping[str, Any] = {
    "off": {"thinking": {"type": "disabled"}},
    **dict.fromkeys(("low", "medium", "high"), {"thinking": {"type": "enabled"}}),
}
_TEMPLATE: Mapping[str, Any] = {
    "off": {"chat_template_kwargs": {"enable_thinking": False}},
    "low": {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "low"},
    "medium": {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "medium"},
    "high": {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "high"},
}
_IMAGES = frozenset({"image"})
_NONE: frozenset[str] = frozenset()

_ROWS = (
    Provider(
        "anthropic", "Anthropic", "anthropic", "https://api.anthropic.com", "claude-sonnet-4-20250514",
        base_env=("ANTHROPIC_BASE_URL",), families=("claude",),
        docs="https://console.anthropic.com/settings/keys", options={"batch": "anthropic"},
    ),
    Provider(
        "openai", "OpenAI", "openai", "https://api.openai.com/v1", "gpt-4o",
        base_env=("OPENAI_BASE_URL",), docs="https://platform.openai.com/api-keys",
        families=("gpt", "chatgpt"),
        options={
            **_OPENAI,
            "account_headers": {"organization": "OpenAI-Organization", "project": "OpenAI-Project"},
            "dialects": tuple((beginning, "openai-responses") for beginning in (
                "o1-pro", "o3-pro", "o3-deep", "o4-mini-deep", "gpt-5-pro", "gpt-5-codex", "gpt-5.1-codex",
                "codex",
            )),
            "embed_model": "text-embedding-3-small",
            "embed_batch": 2048,
            "batch": "openai",
        },
    ),
    Provider(
        "google", "Google Gemini", "gemini", "https://generativelanguage.googleapis.com/v1beta",
        "gemini-2.5-flash",
        key_env=("GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"), model_env=("GEMINI_MODEL",),
        base_env=("GEMINI_API_BASE", "GOOGLE_GEMINI_BASE_URL"),
        docs="https://aistudio.google.com/apikey", families=("gemini",),
        options={"embed_model": "gemini-embedding-001", "batch": "gemini"},
    ),
    Provider(
        "groq", "Groq", "openai", "https://api.groq.com/openai/v1", "llama-3.3-70b-versatile",
        docs="https://console.groq.com/keys",
        options={
            "media": _IMAGES,
            "no_reasoning": (("qwen", {"reasoning_effort": "none"}),),
            "embeds": False,
            "batch": "openai",
        },
    ),
    Provider(
        "mistral", "Mistral", "openai", "https://api.mistral.ai/v1", "mistral-small-latest",
        docs="https://console.mistral.ai/api-keys", families=("mixtral",),
        options={
            "stream_usage": False,
            "media": frozenset({"image", "pdf"}),
            "pdf_field": "document_url",
            "call_id_length": 9,
            "efforts": dict.fromkeys(("low", "medium", "high"), {"prompt_mode": "reasoning"}),
            "embed_model": "mistral-embed",
            "embed_batch": 128,
            "dimensions_field": "output_dimension",
            "batch": "mistral",
        },
    ),
    Provider(
        "deepseek", "DeepSeek", "openai", "https://api.deepseek.com/v1", "deepseek-chat",
        docs="https://platform.deepseek.com/api_keys",
        options={
            "embeds": False,
            "media": _NONE,
            "rungs": ("tool", "prompt"),
            "efforts": _THINKING,
            "reasoning_back": "reasoning_content",
        },
    ),
    Provider(
        "cohere", "Cohere", "cohere", "https://api.cohere.com", "command-a-03-2025",
        key_env=("CO_API_KEY",), base_env=("CO_API_URL",), families=("command",),
        docs="https://dashboard.cohere.com/api-keys", options={"embed_model": "embed-v4.0"},
    ),
    Provider(
        "azure", "Azure OpenAI", "openai", "", auth="api-key",
        key_env=("AZURE_OPENAI_API_KEY",),
        model_env=("AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_DEPLOYMENT_NAME"),
        base_env=("AZURE_OPENAI_ENDPOINT",), docs="https://ai.azure.com",
        options={
            **_OPENAI,
            "deployments": True,
            "token_env": ("AZURE_OPENAI_AD_TOKEN",),
            "version_env": ("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"),
            "embeds": True,
            "embed_batch": 2048,
        },
    ),
    Provider(
        "openrouter", "OpenRouter", "openai", "https://openrouter.ai/api/v1", "openrouter/auto",
        docs="https://openrouter.ai/keys",
        options={
            "efforts": {
                "off": {"reasoning": {"enabled": False}},
                **{effort: {"reasoning": {"effort": effort}} for effort in ("low", "medium", "high")},
            },
            "budget": ("reasoning", "max_tokens"),
        },
    ),
    Provider(
        "xai", "xAI", "openai", "https://api.x.ai/v1", "grok-4", docs="https://console.x.ai",
        families=("grok",), options={"media": _IMAGES},
    ),
    Provider(
        "together", "Together", "openai", "https://api.together.xyz/v1",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        key_env=("TOGETHERAI_API_KEY",), docs="https://api.together.ai/settings/api-keys",
        options={
            "media": _IMAGES,
            "no_reasoning": (("", {"reasoning": {"enabled": False}}),),
            "embed_model": "intfloat/multilingual-e5-large-instruct",
        },
    ),
    Provider(
        "fireworks", "Fireworks", "openai", "https://api.fireworks.ai/inference/v1",
        "accounts/fireworks/models/llama-v3p3-70b-instruct",
        docs="https://app.fireworks.ai/settings/users/api-keys",
        options={
            "media": _IMAGES,
            "no_reasoning": (("", {"reasoning_effort": "none"}),),
            "embed_model": "nomic-ai/nomic-embed-text-v1.5",
        },
    ),
    Provider(
        "cerebras", "Cerebras", "openai", "https://api.cerebras.ai/v1", "llama-3.3-70b",
        docs="https://cloud.cerebras.ai", options={"media": _NONE, "embeds": False},
    ),
    Provider(
        "perplexity", "Perplexity", "openai", "https://api.perplexity.ai", "sonar",
        key_env=("PPLX_API_KEY",), families=("sonar", "pplx"), docs="https://www.perplexity.ai/settings/api",
        options={
            "stream_usage": False,
            "media": _IMAGES,
            "rungs": ("native", "prompt"),
            "json_mode": False,
        },
    ),
    Provider(
        "nvidia", "NVIDIA", "openai", "https://integrate.api.nvidia.com/v1", "meta/llama-3.3-70b-instruct",
        key_env=("NIM_API_KEY",), docs="https://build.nvidia.com", options={"media": _IMAGES},
    ),
    Provider(
        "moonshot", "Moonshot AI", "openai", "https://api.moonshot.ai/v1", "kimi-latest",
        key_env=("KIMI_API_KEY",), families=("kimi",), base_env=("MOONSHOT_BASE_URL",),
        docs="https://platform.moonshot.ai/console/api-keys",
        options={
            "media": _IMAGES,
            "efforts": _THINKING,
            "reasoning_back": "reasoning_content",
            "embeds": False,
        },
    ),
    Provider(
        "zai", "Z.ai", "openai", "https://api.z.ai/api/paas/v4", "glm-4.6",
        key_env=("ZHIPUAI_API_KEY", "ZHIPU_API_KEY"), families=("glm",), docs="https://z.ai/manage-apikey/apikey-list",
        options={
            "media": _IMAGES,
            "rungs": ("tool", "prompt"),
            "efforts": _THINKING,
            "reasoning_back": "reasoning_content",
        },
    ),
    Provider(
        "replicate", "Replicate", "replicate", "https://api.replicate.com/v1",
        "meta/meta-llama-3-70b-instruct",
        key_env=("REPLICATE_API_TOKEN",), docs="https://replicate.com/account/api-tokens",
    ),
    Provider(
        "huggingface", "Hugging Face", "openai", "https://router.huggingface.co/v1",
        "meta-llama/Llama-3.3-70B-Instruct",
        key_env=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACEHUB_API_TOKEN"),
        model_env=("HF_MODEL",), shy=True, docs="https://huggingface.co/settings/tokens",
        options={
            "media": _IMAGES,
            "embed_dialect": "huggingface",
            "embed_model": "sentence-transformers/all-MiniLM-L6-v2",
            "embed_batch": 32,
        },
    ),
    Provider(
        "github", "GitHub Models", "openai", "https://models.github.ai/inference", "openai/gpt-4o-mini",
        key_env=("GITHUB_TOKEN",), shy=True, models="https://models.github.ai/catalog/models",
        docs="https://github.com/settings/tokens", options={"media": _IMAGES},
    ),
    Provider(
        "ollama", "Ollama", "ollama", "http://localhost:11434", "llama3",
        base_env=("OLLAMA_HOST",), needs_key=False, local=True, probe="/api/tags",
        start_hint="is it running? `ollama serve`", docs="https://ollama.com/download",
        options={"embed_model": "nomic-embed-text"},
    ),
    Provider(
        "lmstudio", "LM Studio", "openai", "http://localhost:1234/v1",
        needs_key=False, local=True, probe="/models",
        start_hint="is its server started? `lms server start`", docs="https://lmstudio.ai/docs",
        options={"media": _IMAGES, "embed_model": "text-embedding-nomic-embed-text-v1.5"},
    ),
    Provider(
        "llamacpp", "llama.cpp", "openai", "http://localhost:8080/v1",
        needs_key=False, local=True, families=("llama-server",),
        start_hint="is it running? `llama-server -m MODEL.gguf`",
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        options={"media": frozenset({"image", "audio"}), "untaken": _MP3_WAV, "efforts": _TEMPLATE},
    ),
    Provider(
        "vllm", "vLLM", "openai", "http://localhost:8000/v1",
        needs_key=False, local=True, start_hint="is it running? `vllm serve MODEL`",
        docs="https://docs.vllm.ai",
        options={"media": frozenset({"image", "audio"}), "efforts": _TEMPLATE},
    ),
    Provider(CUSTOM, "the custom service", "openai", "", needs_key=False, options={"embeds": True}),
)  # fmt: skip

PROVIDERS: Mapping[str, Provider] = {row.name: row for row in _ROWS}
FAMILIES: Mapping[str, str] = {word: row.name for row in _ROWS for word in row.families}


def services() -> list[str]:
    """The names of all rows but CUSTOM."""
    return [name for name in PROVIDERS if name != CUSTOM]
