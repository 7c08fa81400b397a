"""The settings of choosing among backends: standing in, sharing, budgets, tasks; one row each."""

from __future__ import annotations

from arawn.config.row import Row

STRATEGIES = ("fallback", "round-robin", "weighted", "cost-optimized", "fastest", "hedge")
FAULTS = (
    "unreachable",
    "timeout",
    "rate_limited",
    "overloaded",
    "context",
    "auth",
    "model",
    "cut",
    "empty",
    "refused",
)
SWITCH_ON = ("unreachable", "timeout", "rate_limited", "overloaded", "context")
BUDGET_ACTIONS = ("refuse", "ask", "warn", "cheaper")

_F = "llm.fallback"
_ROUTING = (
    Row(
        "llm.fallback_backends",
        "strings",
        None,
        "Who is asked, in this order, where the backend cannot answer: NAME or NAME:MODEL.",
        example=["openai", "ollama"],
    ),
    Row("llm.strategy", "choice", "fallback", "Who of them is asked first.", choices=STRATEGIES),
    Row(
        "llm.hedge_after", "duration", 3, "With hedge: silence after which a second one is asked too.", low=0
    ),
    Row("llm.weights.*", "float", None, "With weighted: a backend's share.", low=0, example=2),
    Row(f"{_F}.enabled", "bool", True, "Whether others stand in; false asks the one backend alone."),
    Row(
        f"{_F}.max_retries",
        "int",
        None,
        "How often one backend is asked again before the next is; unset: only the last one is.",
        low=0,
        high=20,
        example=3,
    ),
    Row(f"{_F}.retry_delay_ms", "int", 1000, "Longest wait before the first repetition.", low=0),
    Row(f"{_F}.max_delay_ms", "int", 30000, "Longest wait before any.", low=0),
    Row(f"{_F}.backoff_multiplier", "float", 2, "By how much waits grow.", low=1),
    Row(
        f"{_F}.on",
        "strings",
        list(SWITCH_ON),
        f"The faults after which the next is asked; of {', '.join(FAULTS)}.",
    ),
    Row(
        f"{_F}.mid_stream", "bool", False, "Go on with another backend where an answer is cut in its middle."
    ),
    Row(
        "llm.defaults.temperature",
        "float",
        None,
        "Randomness, for every backend.",
        low=0,
        high=2,
        example=0.7,
    ),
    Row(
        "llm.defaults.top_p",
        "float",
        None,
        "Share of probability, for every backend.",
        low=0,
        high=1,
        example=0.9,
    ),
    Row("llm.defaults.max_tokens", "int", None, "Longest answer, for every backend.", low=1, example=4096),
    Row("llm.defaults.embedding_backend", "str", None, "Who computes embeddings.", example="openai"),
)

_BUDGET = (
    *(
        Row(
            f"budget.per_{span}",
            "float",
            None,
            f"Most USD {what}, projected before each answer.",
            low=0,
            example=usd,
        )
        for span, what, usd in (
            ("turn", "for one answer", 0.5),
            ("session", "for a session", 2.0),
            ("day", "a day", 5.0),
            ("month", "a month", 50.0),
        )
    ),
    Row(
        "budget.action", "choice", "refuse", "What happens where it would be passed.", choices=BUDGET_ACTIONS
    ),
    Row("budget.backends.*.per_day", "float", None, "Most USD a day at this backend.", low=0, example=1.0),
    Row(
        "budget.backends.*.per_month", "float", None, "Most USD a month at this backend.", low=0, example=20.0
    ),
)

_TASKS = (
    Row(
        "tasks.*.prompt",
        "str",
        None,
        "What is asked; {input} and {NAME} of other tasks stand in it.",
        example="Summarize: {input}",
    ),
    Row(
        "tasks.*.requires",
        "strings",
        None,
        "Tasks that come first; their answers are {NAME}.",
        example=["summary"],
    ),
    Row("tasks.*.backend", "str", None, "Who answers.", example="groq"),
    Row("tasks.*.model", "str", None, "With which model.", example="llama-3.3-70b-versatile"),
    Row("tasks.*.system", "str", None, "Its system prompt.", example="Answer in one sentence."),
    Row(
        "tasks.*.schema",
        "str",
        None,
        "The shape of its answer: a file, a JSON Schema, or fields.",
        example="name, age int",
    ),
    Row("tasks.*.files", "strings", None, "Files sent along.", example=["style.md"]),
    Row("tasks.*.max_tokens", "int", None, "Its longest answer, in tokens.", low=1, example=1024),
    Row("tasks.*.temperature", "float", None, "Its randomness.", low=0, high=2, example=0.2),
)

_W = "model_selector.weights"
_SELECTOR = (
    Row("model_selector.enabled", "bool", False, 'In chat, "use NAME for this: ..." chooses for that turn.'),
    Row(f"{_W}.context", "float", 1, "How much a large window counts.", low=0),
    Row(f"{_W}.speed", "float", 1, "How much speed counts.", low=0),
    Row(f"{_W}.cost", "float", 1, "How much a low price counts.", low=0),
    Row(f"{_W}.quality", "float", 1, "How much quality counts.", low=0),
    Row(f"{_W}.specialisation", "float", 1, "How much fitness for the work counts.", low=0),
)


def _later(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Settings whose feature comes later."""
    return tuple(row._replace(effect=False) for row in rows)


ROUTING: tuple[Row, ...] = (*_ROUTING, *_BUDGET, *_TASKS, *_SELECTOR)
