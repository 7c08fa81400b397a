"""Sessions out of Arawn and into it, in forms of our own and of others. It knows neither store nor terminal.

A form is a module beside this one with `write(sessions)`, `read(source, tell)` or both. What a file is, is
told by its content. Nothing is loaded before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from arawn.errors import UsageFault

if TYPE_CHECKING:
    from arawn.session import Session
    from arawn.transfer.source import Limits, Source

FORMATS = ("markdown", "html", "json", "jsonl")
"""What is written, and read back."""
FOREIGN = ("chatgpt", "claude", "llm", "aichat", "gptme")
"""What is read only: exports of ChatGPT and Claude, the files of llm, aichat and gptme."""
Tell = Callable[[str], None]


def export(sessions: Iterable[Session], form: str) -> Iterator[str]:
    """The text of a file with these sessions, in pieces. Raises UsageFault for a form that is not written."""
    if form not in FORMATS:
        raise UsageFault(f"There is no export as {form}", hints=(f"one of: {', '.join(FORMATS)}",))
    pieces: Iterator[str] = import_module(f"arawn.transfer.{form}").write(sessions)
    return pieces


def _silent(_: str) -> None:
    return None


def read(
    path: Path, form: str | None = None, tell: Tell = _silent, limits: Limits | None = None
) -> Iterator[Session]:
    """The sessions in a file, a folder or a zip archive; `form` where its content is not to be asked.

    `tell` is called with a line for each conversation, file or line that is passed over, untrusted words in
    it; the others come nevertheless. The same file gives the same ids. Raises UsageFault where nothing in it
    can be read, saying why.
    """
    from arawn.transfer.find import readers

    if form is not None and form not in FORMATS + FOREIGN:
        raise UsageFault(f"There is no import of {form}", hints=(f"one of: {', '.join(FORMATS + FOREIGN)}",))
    told: list[str] = []

    def note(line: str) -> None:
        told.append(line)
        tell(line)

    given = empty = 0
    fault: UsageFault | None = None
    for name, source in readers(path, form, note, limits):
        try:
            for session in _read(name, source, note):
                if name in FOREIGN and not session.turns:
                    empty += 1
                    continue
                given += 1
                yield session
        except UsageFault as error:
            fault = error
            note(error.sentence)
    if empty:
        tell(f"{empty} without a message {'is' if empty == 1 else 'are'} passed over")
    if not given:
        why = "\n".join(told[:3])
        raise fault or UsageFault(f"There is no conversation in {path} that could be read", detail=why)


def _read(name: str, source: Source, tell: Tell) -> Iterator[Session]:
    found: Iterator[Session] = import_module(f"arawn.transfer.{name}").read(source, tell)
    return found
