"""The lines that give the person's shell its keys; every start of a shell waits for this, so it is light."""

from __future__ import annotations

import os

SHELLS = ("bash", "zsh", "fish")
"""The shells that have a script here, `init.NAME`."""
KEY, EXPLAIN_KEY = "alt-m", "alt-z"
"""Free in all three shells, but for zsh's `execute-last-named-cmd` on Alt-z; no word of vi's begins so."""
OFF = "none"


class BadKey(ValueError):
    """A key that is none, or that a shell cannot do without."""


def script(shell: str, key: str = KEY, explain_key: str = EXPLAIN_KEY) -> str:
    """What a shell reads at its start. Raises BadKey, and KeyError for a shell that has no script."""
    if shell not in SHELLS:
        raise KeyError(shell)
    suggest, explain = spelled(key, shell), spelled(explain_key, shell)
    with open(os.path.join(os.path.dirname(__file__), f"init.{shell}"), encoding="utf-8") as file:
        source = file.read()
    kept = []
    for line in source.split("\n"):
        gone = ("@KEY@" in line and not suggest) or ("@EXPLAIN@" in line and not explain)
        if not gone:
            kept.append(line.replace("@KEY@", suggest).replace("@EXPLAIN@", explain))
    return "\n".join(kept)


def spelled(key: str, shell: str) -> str:
    """A key such as `alt-m` or `ctrl-x ctrl-a` as a shell writes it; "" for `none`. Raises BadKey."""
    if key.strip().lower() == OFF:
        return ""
    made = ""
    for part in key.split():
        kind, _, mark = part.rpartition("-")
        known = kind.lower() in ("alt", "ctrl") or (kind == "" and made)
        if not known or len(mark) != 1:
            raise BadKey(f"{key!r} is no key; one is for example alt-m, ctrl-g or 'ctrl-x m'")
        if not (mark.isascii() and mark.isalnum()) or (kind.lower() == "ctrl" and mark.lower() in _NEEDED):
            raise BadKey(f"{part!r} cannot be taken for this; take a letter that the shell does not need")
        mark = mark.lower() if kind.lower() == "ctrl" else mark
        made += _SPELLING[kind.lower()][SHELLS.index(shell)] + mark
    if not made:
        raise BadKey("an empty key; 'none' leaves one out")
    return made


_SPELLING = {"alt": ("\\e", "^[", "\\e"), "ctrl": ("\\C-", "^", "\\c"), "": ("", "", "")}
_NEEDED = "cdijmqsz"
"""With Ctrl these end, complete, send, stop or halt a line."""
