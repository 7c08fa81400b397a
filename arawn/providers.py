"""The provider table: one row a service, all that differs as data. It knows no wire format and no settings.

Sources: each provider's API reference, under the `docs` address of its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Provider(NamedTuple):
    """A service and how to reach it.

    `auth` names the header style: `bearer` (Authorization: Bearer KEY), `x-api-key`, or `none`.
    `key_env`, `model_env` and `base_env` are looked up in order; `NAME_API_KEY`, `NAME_MODEL` and
    `NAME_API_BASE` are read for every row without being listed. `options` go to the dialect.
    A `local` service needs no key; one with a `probe` path is looked for when nothing else is configured.
    `models` is the path of the model list below the base URL.
    """

    name: str
    label: str
    dialect: str
    base_url: str
    model: str = ""
    auth: str = "bearer"
    key_env: tuple[str, ...] = ()
    base_env: tuple[str, ...] = ()
    needs_key: bool = True
    local: bool = False
    probe: str = ""
    models: str = "/models"
    start_hint: str = ""
    docs: str = ""
    headers: Mapping[str, str] = {}
    options: Mapping[str, Any] = {}

    @property
    def key_names(self) -> tuple[str, ...]:
        """Environment variables that may hold the key, first wins."""
        own = f"{self.name.upper()}_API_KEY"
        return (own, *(name for name in self.key_env if name != own))

    @property
    def model_names(self) -> tuple[str, ...]:
        """Environment variables that may name the model."""
        return (f"{self.name.upper()}_MODEL",)

    @property
    def base_names(self) -> tuple[str, ...]:
        """Environment variables that may hold the base URL."""
        return (f"{self.name.upper()}_API_BASE", *self.base_env)


_ROWS = (
    Provider(
        "anthropic",
        "Anthropic",
        "anthropic",
        "https://api.anthropic.com",
        "claude-sonnet-4-20250514",
        auth="x-api-key",
        base_env=("ANTHROPIC_BASE_URL",),
        models="/v1/models",
        docs="https://console.anthropic.com/settings/keys",
        headers={"anthropic-version": "2023-06-01"},
    ),
    Provider(
        "openai",
        "OpenAI",
        "openai",
        "https://api.openai.com/v1",
        "gpt-4o",
        base_env=("OPENAI_BASE_URL",),
        docs="https://platform.openai.com/api-keys",
        options={
            "max_tokens_field": "max_completion_tokens",
            "account_headers": {"organization": "OpenAI-Organization", "project": "OpenAI-Project"},
        },
    ),
    Provider(
        "groq",
        "Groq",
        "openai",
        "https://api.groq.com/openai/v1",
        "llama-3.3-70b-versatile",
        docs="https://console.groq.com/keys",
    ),
    Provider(
        "mistral",
        "Mistral",
        "openai",
        "https://api.mistral.ai/v1",
        "mistral-small-latest",
        docs="https://console.mistral.ai/api-keys",
        options={"stream_usage": False},
    ),
    Provider(
        "deepseek",
        "DeepSeek",
        "openai",
        "https://api.deepseek.com/v1",
        "deepseek-chat",
        docs="https://platform.deepseek.com/api_keys",
    ),
    Provider(
        "openrouter",
        "OpenRouter",
        "openai",
        "https://openrouter.ai/api/v1",
        "openrouter/auto",
        docs="https://openrouter.ai/keys",
    ),
    Provider(
        "xai",
        "xAI",
        "openai",
        "https://api.x.ai/v1",
        "grok-4",
        docs="https://console.x.ai",
    ),
    Provider(
        "together",
        "Together",
        "openai",
        "https://api.together.xyz/v1",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        docs="https://api.together.ai/settings/api-keys",
    ),
    Provider(
        "fireworks",
        "Fireworks",
        "openai",
        "https://api.fireworks.ai/inference/v1",
        "accounts/fireworks/models/llama-v3p3-70b-instruct",
        docs="https://app.fireworks.ai/settings/users/api-keys",
    ),
    Provider(
        "cerebras",
        "Cerebras",
        "openai",
        "https://api.cerebras.ai/v1",
        "llama-3.3-70b",
        docs="https://cloud.cerebras.ai",
    ),
    Provider(
        "perplexity",
        "Perplexity",
        "openai",
        "https://api.perplexity.ai",
        "sonar",
        key_env=("PPLX_API_KEY",),
        docs="https://www.perplexity.ai/settings/api",
        options={"stream_usage": False},
    ),
    Provider(
        "ollama",
        "Ollama",
        "ollama",
        "http://localhost:11434",
        "llama3",
        base_env=("OLLAMA_HOST",),
        needs_key=False,
        local=True,
        probe="/api/tags",
        start_hint="is it running? `ollama serve`",
        docs="https://ollama.com/download",
    ),
    Provider(
        "lmstudio",
        "LM Studio",
        "openai",
        "http://localhost:1234/v1",
        needs_key=False,
        local=True,
        probe="/models",
        start_hint="is its server started? `lms server start`",
        docs="https://lmstudio.ai/docs",
    ),
    Provider(
        "llamacpp",
        "llama.cpp",
        "openai",
        "http://localhost:8080/v1",
        needs_key=False,
        local=True,
        start_hint="is it running? `llama-server -m MODEL.gguf`",
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
    ),
    Provider(
        "vllm",
        "vLLM",
        "openai",
        "http://localhost:8000/v1",
        needs_key=False,
        local=True,
        start_hint="is it running? `vllm serve MODEL`",
        docs="https://docs.vllm.ai",
    ),
    Provider("custom", "the custom service", "openai", "", needs_key=False),
)

PROVIDERS: Mapping[str, Provider] = {row.name: row for row in _ROWS}

GUIDE = "guide"
"""The name of the built-in offline backend that answers from the manual."""
