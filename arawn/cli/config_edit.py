"""`arawn config edit`: a copy goes to the editor, and only a copy without mistakes comes back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from arawn.errors import ArawnError, ConfigFault, UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context

# An editor starts programs of its own; none of them needs a key.
_NAMES = """
    PATH HOME USER LOGNAME SHELL TERM TERMINFO COLORTERM LANG LANGUAGE TZ TMPDIR TEMP TMP EDITOR VISUAL
    DISPLAY WAYLAND_DISPLAY XAUTHORITY XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME
    XDG_CACHE_HOME SYSTEMROOT COMSPEC PATHEXT APPDATA LOCALAPPDATA USERPROFILE VIMINIT SSH_TTY TMUX
"""
_PASSED = frozenset(_NAMES.split())


def edit_file(context: Context) -> Path:
    """Edit the user's file; which one it is. Raises ConfigFault on mistakes, and keeps the old file."""
    from arawn.config.edit import check_text, write_config
    from arawn.config.load import user_file
    from arawn.config.read import read, shown_path
    from arawn.config.schema import example
    from arawn.config.write import locked, make_private_folder, write_private
    from arawn.repl import external

    path, named = user_file(context.env, context.config_file)
    raw = read(path)
    before = raw.data if raw else None
    real = Path(os.path.realpath(path))
    make_private_folder(real.parent)
    copy = real.parent / f".edit.{os.getpid()}.{real.name}"
    write_private(copy, example().encode() if before is None else before)
    keep = False
    try:
        _run([*external.command(context.env), str(copy)], context.env)
        fresh = read(copy, needed=True)
        data = fresh.data if fresh else b""
        keep = True
        with locked(path):
            now = read(path)
            if (now.data if now else None) != before:
                raise ConfigFault(
                    f"{shown_path(path)}: was changed by someone else meanwhile",
                    hints=(f"your text is kept in {shown_path(copy)}",),
                )
            _, mistakes = check_text(data, shown_path(path), context.env, named)
            if mistakes:
                raise ConfigFault("\n".join(mistakes))
            write_config(path, data, context.env)
        keep = False
    except ConfigFault as fault:
        hints = fault.hints or (f"the file is as it was; your text is kept in {shown_path(copy)}",)
        raise ConfigFault(fault.sentence, hints=hints) from None
    finally:
        if not keep:
            with contextlib.suppress(OSError):
                os.unlink(copy)
    return path


def _run(command: list[str], env: Mapping[str, str]) -> None:
    import subprocess

    passed = {name: value for name, value in env.items() if name in _PASSED or name.startswith("LC_")}
    try:
        code = subprocess.run(command, env=passed, check=False).returncode
    except OSError as error:
        raise UsageFault(
            f"the editor {command[0]!r} does not start ({error.strerror})", hints=("set $EDITOR",)
        ) from None
    if code:
        raise ArawnError(f"the editor ended with {code}; nothing was changed")
