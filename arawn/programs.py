"""Where a program lies, by its name, and whether one still runs; it starts none."""

from __future__ import annotations

import os


def found(name: str, path: str | None) -> str | None:
    """The place of a program, or None; `path` is the PATH to look in, None for the system's own.

    A folder of PATH that is not absolute ("", ".", "bin") is another one in every place a person stands in:
    what lies there may be a stranger's, and is left. A name with a folder in it is taken as it is.
    """
    from shutil import which

    if os.path.dirname(name):
        return which(name)
    folders = (os.defpath if path is None else path).split(os.pathsep)
    kept = os.pathsep.join(folder for folder in folders if os.path.isabs(folder))
    place = which(name, path=kept) if kept else None
    return place if place and os.path.isabs(place) else None  # Windows looks in the current folder, too


def runs(process: int) -> bool:
    """Whether there is a process of this number, as far as that can be known."""
    if os.name != "posix":  # elsewhere signal 0 is Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is somebody else's, or nothing is known of it
        pass
    return True
