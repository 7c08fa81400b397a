"""Where a program lies, by its name; it runs none."""

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
