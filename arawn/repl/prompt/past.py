"""What was typed before, as the prompt brings it back and suggests it; the file of it is another's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prompt_toolkit.auto_suggest import AutoSuggest, Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory

from arawn.render.safe import clean
from arawn.repl.prompt.folds import Folds
from arawn.repl.prompt.history import HistoryFile
from arawn.repl.tidying import tidy

LONGEST = 64 * 1024
"""Characters of a message that is still kept over sessions."""


class Past(InMemoryHistory):
    """Keeps entries in a HistoryFile too; a file that can't be used is told once and done without.

    In memory pastes stay folded; the file has them whole, as no other chat knows their marks.
    """

    def __init__(
        self, path: Path | None, folds: Folds, tell: Callable[[str], None], secret: Callable[[str], bool]
    ) -> None:
        self._file = HistoryFile(path) if path else None
        self._folds = folds
        self._tell = tell
        self._secret = secret
        super().__init__([clean(entry) for entry in self._do(HistoryFile.load) or ()])

    def _do(self, action: Callable[[HistoryFile], Any]) -> Any:
        if self._file is None:
            return None
        try:
            return action(self._file)
        except OSError as error:
            self._tell(f"no history is kept: {error.strerror or error}: {self._file.path}")
            self._file = None
            return None

    def append_string(self, string: str) -> None:
        """Take one entry; a space before it keeps it out, and so does a key in it."""
        entry = tidy(string)
        if not entry.strip() or entry.startswith(" "):
            return
        if self._secret(entry):
            self._tell("this line looks like it holds a key: it is not kept in the history")
            return
        super().append_string(entry)

    def store_string(self, string: str) -> None:
        """Keep one entry over sessions."""
        super().store_string(string)
        whole = self._folds.unfold(string)
        if len(whole) <= LONGEST:
            self._do(lambda file: file.append(whole))


class Suggested(AutoSuggest):
    """The rest of the newest entry that begins as what is typed, as far as its line goes.

    What holds a key is in no history, so it is never suggested.
    """

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        """What would follow the cursor at the end of the text."""
        text = document.text
        if not text.strip() or "\n" in text:
            return None
        for entry in reversed(buffer.history.get_strings()):
            if entry.startswith(text) and len(entry) > len(text):
                return Suggestion(entry[len(text) :].partition("\n")[0])
        return None
