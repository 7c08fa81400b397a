"""Writing an export to a file: the form by its ending, the mode private, never half a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from arawn.errors import StoreFault, UsageFault
from arawn.transfer import export

if TYPE_CHECKING:
    from arawn.session import Session

ENDINGS = {
    ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".json": "json",
    ".jsonl": "jsonl",
}  # fmt: skip


def write_file(
    sessions: Iterable[Session], name: str, form: str | None = None, hint: str = "or give --format"
) -> Path:
    """Write sessions to `name`, which must not be there yet. Raises UsageFault, StoreFault.

    `hint` says how else than by the ending the form can be told, "" where it cannot.
    """
    from arawn.config.write import must_be_free, write_private

    path = Path(name).expanduser()
    form = form or ENDINGS.get(path.suffix.lower())
    if form is None:
        raise UsageFault(
            f"{name} does not tell the form",
            hints=(f"end it in one of {', '.join(ENDINGS)}", *((hint,) if hint else ())),
        )
    must_be_free(path)
    try:
        write_private(path, "".join(export(sessions, form)).encode("utf-8", "replace"))
    except OSError as error:
        raise StoreFault(f"{path} cannot be written: {error.strerror or error}") from None
    return path
