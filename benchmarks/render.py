"""Bytes and processor time of long Markdown answers on a terminal, piece by piece as a model sends them."""

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


def main() -> None:
    """Print a line for each length: bytes written over bytes of the text, microseconds a piece."""
    pieces = re.findall(r"\n+| ?[^\s]{1,5}| +", BLOCK)
    for count in (5_000, 20_000, 80_000):
        answer = (pieces * (count // len(pieces) + 1))[:count]
        out = io.StringIO()
        shown = MarkdownStream(out, lambda: 80, True)
        began = time.process_time()
        for piece in answer:
            shown.feed(piece)
        shown.close()
        spent = time.process_time() - began
        ratio = len(out.getvalue().encode()) / len("".join(answer).encode())
        print(f"{count:>6} pieces: {ratio:.2f} bytes a byte, {spent / count * 1e6:.1f} µs a piece")


if __name__ == "__main__":
    main()
