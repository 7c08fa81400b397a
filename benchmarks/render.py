"""Bytes and processor time of long Markdown answers on a terminal, piece by piece as a model sends them.

First an answer of everything at three lengths, then answers that are one block each, at two.
"""

from __future__ import annotations

import io
import re
import time

from arawn.render.markdown import MarkdownStream

BLOCK = (
    "Some plain words of a sentence with **bold** and `code` in it, going on for a while, 日本 too.\n\n"
    "- a list item with [a link](https://example.com/x)\n- another one\n\n"
    "```python\ndef f(x: int) -> int:\n    return x + 1  # note\n```\n\n"
    "| head | other |\n|---|---|\n| cell | value |\n\n## A heading\n\n"
)
SHAPES = {
    "prose": ("", "Some plain words of a sentence going on for a while, and so on it goes. "),
    "paragraph": ("", "Some **bold** words and `code` in a line with *em* too. "),
    "list": ("", "- an item with some words and **bold** in it\n"),
    "nested list": ("", "- a\n  - b words\n    - c words `x`\n"),
    "quote": ("", "> quoted words that go on\n"),
    "fence": ("```python\n", "def f(x: int) -> int:\n    return x + 1  # note\n"),
    "table": ("| a | b | c |\n|---|---|---|\n", "| a cell | `code` | words of it |\n"),
    "open marks": ("", "*a _b [c `d <e $f "),
    "East Asian": ("", "日本語の文章、"),
}


def pieces_of(text: str, count: int) -> list[str]:
    """So many pieces of the text, cut about as a model's tokens are."""
    return re.findall(r"\n+| ?[^\s]{1,5}| +", text)[:count]


def measured(pieces: list[str]) -> tuple[float, float]:
    """Seconds of the processor, and bytes written over bytes of the text."""
    out = io.StringIO()
    shown = MarkdownStream(out, lambda: 120, True)
    began = time.process_time()
    for piece in pieces:
        shown.feed(piece)
    shown.close()
    spent = time.process_time() - began
    return spent, len(out.getvalue().encode()) / len("".join(pieces).encode())


def main() -> None:
    """Print a line for each answer."""
    measured(pieces_of(BLOCK, 100))
    for count in (5_000, 20_000, 80_000):
        spent, ratio = measured(pieces_of(BLOCK * count, count))
        print(f"{count:>6} pieces: {ratio:.2f} bytes a byte, {spent / count * 1e6:.1f} µs a piece")
    for name, (before, text) in SHAPES.items():
        short, _ = measured(pieces_of(before + text * 5_000, 5_000))
        spent, ratio = measured(pieces_of(before + text * 20_000, 20_000))
        print(
            f"{name:>12}: {ratio:.2f} bytes a byte, {spent / 20_000 * 1e6:.1f} µs a piece, "
            f"20,000 pieces take {spent / short:.1f} times 5,000"
        )


if __name__ == "__main__":
    main()
