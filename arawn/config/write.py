"""Writing a private file so that at any moment the old or the new content is there; not what it holds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from arawn.errors import UsageFault


def write_private(path: Path, data: bytes) -> None:
    """Replace the content of `path` by `data`: mode 0600 under any umask, in folders made with 0700.

    A symlink stays one: what it points to is replaced. On any error (a full disk) the old content is kept.
    Raises OSError.
    """
    target = Path(os.path.realpath(path))
    make_private_folder(target.parent)
    fresh = target.parent / f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(fresh, flags, 0o600)
    try:
        with open(handle, "wb") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(handle, 0o600)  # a umask such as 0777 takes more away than it should
            file.write(data)
            file.flush()
            os.fsync(handle)
        os.replace(fresh, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
    _sync_folder(target.parent)


def must_be_free(path: Path) -> None:
    """Raise UsageFault where a new file cannot get this name: it is taken, or its folder is not there."""
    if path.exists():
        raise UsageFault(
            f"{path} is there already", hints=("choose another name", f"or delete it: rm {path}")
        )
    if not path.parent.is_dir():
        raise UsageFault(f"There is no folder {path.parent}", hints=("make it first, or choose another",))


def make_private_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, mode 0700; one that exists is left as it is."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for part in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o700)
            os.chmod(part, 0o700)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock for changes of `path`, so that two at once both survive. Where locks are missing: none.

    The lock is a file beside it: the file itself is replaced by every change, and a lock on it would be lost.
    """
    target = Path(os.path.realpath(path))
    make_private_folder(target.parent)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(target.parent / f".{target.name}.lock", flags, 0o600)
    try:
        with contextlib.suppress(OSError, AttributeError):  # someone else's, or no modes here
            os.fchmod(handle, 0o600)
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:
        return
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not everywhere can a folder be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
