"""The settings of roles and snippets, one row each.

A project that is not trusted may say how a role of its name speaks, not whom it asks or which file it reads;
its snippets, whose text is sent unseen, it may not bring at all.
"""

from __future__ import annotations

from arawn.config.row import Row

_R = "roles.*"
ROLES: tuple[Row, ...] = (
    Row(f"{_R}.system", "str", None, "Its system prompt.", True, example="You review code. Be brief."),
    Row(
        f"{_R}.file",
        "path",
        None,
        "A file with the system prompt, or with more of it; relative to this one.",
        example="reviewer.md",
    ),
    Row(f"{_R}.backend", "str", None, "Who answers: a [backends.NAME] or a provider.", example="groq"),
    Row(f"{_R}.model", "str", None, "With which model.", example="llama-3.3-70b-versatile"),
    Row(f"{_R}.temperature", "float", None, "Its randomness.", True, low=0, high=2, example=0.2),
    Row(f"{_R}.top_p", "float", None, "Its share of probability.", True, low=0, high=1, example=0.9),
    Row(f"{_R}.max_tokens", "int", None, "Its longest answer, in tokens.", True, low=1, example=2048),
    Row(f"{_R}.stop", "strings", None, "Texts at which its answers end.", True, example=["END"]),
    Row(
        f"{_R}.reasoning",
        "effort",
        None,
        "How much it may think first: off, low, medium, high, or tokens.",
        True,
        example="low",
    ),
    Row(
        "snippets.*",
        "str",
        None,
        "A text that #NAME in a chat message stands for.",
        example="Answer in three short bullet points.",
    ),
)
