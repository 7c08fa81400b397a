"""What Tab offers at the prompt: commands and their arguments, `@` for files, `#` for snippets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from arawn.render.safe import clean

Candidates = Callable[[str], Iterable[tuple[str, str]]]
"""Gives (what to insert, its help) for a slash command as far as it is typed."""
_NAMED = re.compile(r'(?<!\S)(@"[^"\n]*|[@#]\S*)\Z')
WIDE = 60
"""Characters that are shown of what a snippet stands for."""


def is_command(text: str) -> bool:
    """Whether `text` is a slash command: one line that begins with exactly one slash."""
    return text.startswith("/") and not text.startswith("//") and "\n" not in text


def named(text: str) -> str:
    """What is being named by @ or # at the end of `text`, with the sign; "" for nothing."""
    found = _NAMED.search(text)
    return found[1] if found else ""


class Completions(Completer):
    """Completes what is known at the cursor; anything else is prose."""

    def __init__(
        self,
        candidates: Candidates,
        files: Callable[[str], list[str]],
        snippets: Callable[[], Mapping[str, str]],
    ) -> None:
        self._candidates = candidates
        self._files = files
        self._snippets = snippets

    def wanted(self, text: str) -> bool:
        """Whether there may be something to complete behind `text`."""
        return is_command(text) or bool(named(text))

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What could stand at the cursor."""
        text = document.text_before_cursor
        begun = named(text)
        if is_command(text):
            word = text.rpartition(" ")[2]
            for name, help_text in self._candidates(text):
                yield Completion(name, start_position=-len(word), display_meta=help_text)
        elif begun.startswith("@"):
            yield from self._of_files(begun)
        elif begun:
            for name, meant in sorted(self._snippets().items()):
                if name.startswith(begun[1:]):
                    shown = clean(" ".join(meant[: 2 * WIDE].split()))[:WIDE]
                    yield Completion(f"#{name}", start_position=-len(begun), display_meta=shown)

    def _of_files(self, begun: str) -> Iterable[Completion]:
        quoted = begun.startswith('@"')
        for name in self._files(begun[2:] if quoted else begun[1:]):
            if clean(name, newlines=False) != name or '"' in name:
                continue
            if quoted or re.search(r"\s", name):
                text = f'@"{name}' + ("" if name.endswith("/") else '"')
            else:
                text = f"@{name}"
            yield Completion(text, start_position=-len(begun), display=name)
