"""The settings of how things look and feel, one row each."""

from __future__ import annotations

from typing import Any

from arawn.config.row import Row

COLORS = {
    "heading": ("Headings.", "bold magenta"),
    "strong": ("Bold text.", "bold"),
    "emphasis": ("Emphasised text.", "italic"),
    "strike": ("Text that is struck out.", "strike"),
    "code": ("Code inside a line.", "cyan"),
    "link": ("Links.", "underline"),
    "url": ("The address behind a link.", "dim"),
    "quote": ("The bar beside quoted text.", "dim"),
    "rule": ("Rules, and the lines of tables.", "dim"),
    "bullet": ("Marks of list items.", "none"),
    "dim": ("All that is said beside answers: notes, footers, reasoning.", "dim"),
    "reasoning": ("Reasoning; as dim when unset.", "dim"),
    "footer": ("The line after an answer; as dim when unset.", "dim"),
    "spinner": ("The line that says what is waited for; as dim when unset.", "dim"),
    "warning": ("Notes that matter.", "yellow"),
    "error": ("The word Error.", "bold red"),
    "added": ("What is new in a comparison, and in code.", "green"),
    "removed": ("What is gone in a comparison, and in code.", "red"),
    "prompt": ("The prompt of a chat.", "bold cyan"),
    "comment": ("Comments in code.", "dim"),
    "keyword": ("Keywords in code.", "blue"),
    "string": ("Strings in code.", "green"),
    "number": ("Numbers in code.", "cyan"),
    "function": ("Names of functions in code.", "yellow"),
    "type": ("Names of types in code.", "yellow"),
    "tag": ("Tags in code.", "blue"),
}
"""What can be coloured, by name: what it is, and how it looks in the sixteen colours."""
FOOTER = ("backend", "model", "tokens", "cost", "first", "speed", "time")


def _row(name: str, kind: str, default: Any, doc: str, **more: Any) -> Row:
    return Row(f"ui.{name}", kind, default, doc, True, **more)


UI: tuple[Row, ...] = (
    _row("color", "choice", "auto", "Colour on the terminal.", choices=("auto", "always", "never")),
    _row(
        "theme",
        "choice",
        "auto",
        "Colours for a dark or light background, by the terminal's own, or none but bold and underlined.",
        choices=("auto", "dark", "light", "none"),
    ),
    _row(
        "accessible",
        "bool",
        False,
        "Labels, sentences and plain lines on the terminal, for screen readers; ACCESSIBLE=1 sets it too.",
    ),
    _row("markdown", "bool", True, "Render Markdown on the terminal."),
    _row(
        "reasoning",
        "choice",
        "line",
        "Reasoning on a terminal: one passing line, shown whole, or hidden.",
        choices=("line", "show", "hide"),
    ),
    _row(
        "footer",
        "strings",
        list(FOOTER),
        "What the line after an answer tells, in this order; [] for no such line.",
        choices=FOOTER,
    ),
    _row(
        "notify",
        "choice",
        "off",
        "What tells that a long answer has ended: the bell, or a notice of the terminal (OSC 9).",
        choices=("off", "bell", "osc9"),
    ),
    _row("notify_after", "duration", "10s", "An answer that took so long is a long one.", low=0),
    _row("history", "bool", True, "Keep what is typed in chat for the next time."),
    _row(
        "keys",
        "choice",
        "auto",
        "Keys of the prompt; auto goes by inputrc, then by VISUAL and EDITOR.",
        choices=("auto", "emacs", "vi"),
    ),
    _row(
        "editing_mode",
        "choice",
        None,
        "The older name of ui.keys; it holds where that is auto.",
        choices=("emacs", "vi"),
    ),
    _row("toolbar", "bool", True, "A line below the prompt: who answers, how full the window is, the cost."),
    # Not harmless: a project that is not trusted could have a warning black on black.
    *(Row(f"ui.colors.{name}", "style", None, doc, example=words) for name, (doc, words) in COLORS.items()),
)
