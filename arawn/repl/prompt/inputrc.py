"""Which keys the person is used to, Emacs' or vi's, by what their other programs go by."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import Literal

Keys = Literal["emacs", "vi"]
VI = ("vi", "vim", "nvim", "view", "gvim", "nvi", "elvis", "vis")
READ = 64 * 1024
_MODE = re.compile(r"^\s*set\s+editing-mode\s+(vi|emacs)\b", re.M | re.I)


def keys(said: str, env: Mapping[str, str]) -> Keys:
    """The keys of the prompt: what is `said`; for "auto" the mode that inputrc sets, else vi's where $VISUAL
    or $EDITOR is one, else Emacs'.
    """
    if said in ("emacs", "vi"):
        return "vi" if said == "vi" else "emacs"
    mode = _of_inputrc(env)
    if mode:
        return "vi" if mode == "vi" else "emacs"
    editor = env.get("VISUAL") or env.get("EDITOR") or ""
    try:
        word = (shlex.split(editor) or [""])[0]
    except ValueError:
        word = ""
    return "vi" if os.path.basename(word) in VI else "emacs"


def _of_inputrc(env: Mapping[str, str]) -> str:
    """The editing mode that readline is told, "" where it is told none."""
    path = env.get("INPUTRC") or os.path.join(env.get("HOME", ""), ".inputrc")
    try:
        handle = os.open(os.path.expanduser(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as file:
            found = _MODE.findall(file.read(READ).decode("utf-8", "replace"))
    except OSError:
        return ""
    return found[-1].lower() if found else ""
