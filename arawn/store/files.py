"""Private files and locks between processes; it does not know what is in the files."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from arawn.config.write import make_private_folder

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
TICK = 0.005
_stopped: Callable[[], bool] = bool


@contextlib.contextmanager
def impatient(stopped: Callable[[], bool]) -> Iterator[None]:
    """While it lasts nobody waits on for a file that another process holds once `stopped` says so."""
    global _stopped  # who waits for files is far below who is asked to stop
    before, _stopped = _stopped, stopped
    try:
        yield
    finally:
        _stopped = before


def may_wait(until: float) -> bool:
    """Whether to wait on, at most until that time of the monotonic clock."""
    return time.monotonic() < until and not _stopped()


def create(path: Path) -> int:
    """Open `path` for writing, made with mode 0600 under any umask where it is missing. Raises OSError.

    A symbolic link is not followed, and the folders above are made with 0700.
    """
    make_private_folder(path.parent)
    handle = os.open(path, _FLAGS, 0o600)
    if hasattr(os, "fchmod"):
        with contextlib.suppress(OSError):  # a file of somebody else's, or a file system without modes
            os.fchmod(handle, 0o600)
    return handle


def make(path: Path) -> None:
    """Make an empty file with mode 0600 where there is none, and let nobody else read one that is there.

    A file that is there is not opened: closing it would drop the locks that SQLite holds on it for this
    process (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    Raises OSError.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        os.close(create(path))
        return
    if mode & 0o077:
        with contextlib.suppress(OSError):  # a file of somebody else's, or a file system without modes
            os.chmod(path, mode & 0o700)


def try_lock(handle: int) -> bool:
    """Take the lock of an open file; False where another process has it. Without locks: True."""
    try:
        import fcntl
    except ImportError:
        return _try_lock_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _try_lock_windows(handle: int) -> bool:
    import importlib

    msvcrt = importlib.import_module("msvcrt")
    os.lseek(handle, 1 << 40, os.SEEK_SET)  # far behind the content, which others may read meanwhile
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        os.lseek(handle, 0, os.SEEK_END)
    return True


@contextlib.contextmanager
def locked(path: Path, seconds: float) -> Iterator[bool]:
    """Hold the lock file `path`, waiting for it so long; gives whether it was got. Raises OSError."""
    handle = create(path)
    until = time.monotonic() + seconds
    try:
        got = try_lock(handle)
        while not got and may_wait(until):
            time.sleep(TICK)
            got = try_lock(handle)
        yield got
    finally:
        os.close(handle)
