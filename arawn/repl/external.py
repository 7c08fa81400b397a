"""A text in the person's own editor; it knows no prompt."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from arawn.errors import UsageFault
from arawn.programs import found
from arawn.repl import child
from arawn.repl.signals import Signals
from arawn.repl.tidying import tidy
from arawn.repl.typeahead import Quiet

KNOWN = ("notepad",) if sys.platform == "win32" else ("sensible-editor", "vi", "nano")
"""What is taken where nothing is said, as far as it is there."""


def command(env: Mapping[str, str]) -> list[str]:
    """The editor with its options: $VISUAL, else $EDITOR, else one that is there. Raises UsageFault."""
    for name in ("VISUAL", "EDITOR"):
        said = env.get(name, "").strip()
        if not said:
            continue
        try:
            words = shlex.split(said, posix=sys.platform != "win32")
        except ValueError:
            raise UsageFault(f"${name} cannot be read: {said}", hints=("is a quote missing?",)) from None
        if words:
            return [_placed(words[0], env), *words[1:]]
    place = next((at for name in KNOWN if (at := found(name, env.get("PATH")))), None)
    if place is None:
        raise UsageFault("There is no editor to open", hints=("set EDITOR to the one you use",))
    return [place]


def _placed(name: str, env: Mapping[str, str]) -> str:
    """Where the editor lies; what is named with a folder is as it was said."""
    place = name if os.path.dirname(name) else found(name, env.get("PATH"))
    if place is None:
        raise UsageFault(
            f"The editor {name} does not start: it is not on PATH",
            hints=("VISUAL and EDITOR say which one is opened",),
        )
    return place


def edited(text: str, env: Mapping[str, str], quiet: Quiet, signals: Signals) -> str:
    """The text as the editor left it. Raises UsageFault where it did not start, or did not end well.

    The text is in a file of a private folder, which is gone after it with all that the editor left there.
    """
    argv = command(env)
    with tempfile.TemporaryDirectory(prefix="arawn-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "message.md")
        file.touch(0o600)
        file.write_text(text + "\n" if text and not text.endswith("\n") else text, "utf-8")
        try:
            with quiet.lent():
                code = child.run([*argv, os.fspath(file)], signals)
        except OSError as error:
            raise UsageFault(
                f"The editor {argv[0]} does not start: {error.strerror or error}",
                hints=("VISUAL and EDITOR say which one is opened",),
            ) from None
        if code:
            raise UsageFault(f"The editor {argv[0]} ended with {code}; the text is as it was")
        try:
            made = file.read_bytes().decode("utf-8", "replace")
        except OSError as error:
            raise UsageFault(f"The editor left no text: {error.strerror}; it is as it was") from None
    return tidy(made.removeprefix("\ufeff")).removesuffix("\n")
