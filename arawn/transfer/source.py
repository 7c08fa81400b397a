"""Where sessions are read from: a file, a folder, a zip archive, never unpacked to disk. It knows no form.

What is read may be anybody's: sizes are held to, and a member of an archive is only ever looked up by the
name that the archive itself lists.
"""

from __future__ import annotations

import os
import stat
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import UsageFault
from arawn.media import MEDIA_LIMIT, media_type
from arawn.messages import FilePart, Part, TextPart
from arawn.transfer.shape import Tell, moment, shown

if TYPE_CHECKING:
    from zipfile import ZipFile


class Limits(NamedTuple):
    """What is taken at most: bytes of a file on disk, of a file as it is read (in an archive: unpacked), of
    all that is unpacked from one archive, and how many files an archive or a folder may hold."""

    file: int = 2 * 1024**3
    text: int = 1024**3
    unpacked: int = 4 * 1024**3
    members: int = 200_000


LIMITS = Limits()


class Source(NamedTuple):
    """One file: its name (in an archive: there), how it is called in sentences, its bytes, what it came with.

    `load(limit)` raises UsageFault where there are more bytes, or none can be had. `path` is set where it
    lies on disk by itself, `at` is when it was last changed (seconds since 1970, 0: unknown), `words` its
    text where that is known.
    """

    name: str
    label: str
    load: Callable[[int], bytes]
    limit: int
    path: Path | None = None
    at: float = 0.0
    beside: Mapping[str, Source] = {}
    words: str | None = None

    @property
    def stem(self) -> str:
        """Its own name without folder and ending."""
        return PurePosixPath(self.name.replace("\\", "/")).stem

    def text(self, tell: Tell) -> str:
        """Its text: UTF-8, or UTF-16 with a mark; bytes that are none become U+FFFD, which is told."""
        if self.words is not None:
            return self.words
        data = self.load(self.limit)
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16", "replace")
        data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            tell(f"{self.label} is not all UTF-8 (first at byte {error.start}): such bytes become U+FFFD")
            return data.decode("utf-8", "replace")


def open_file(path: Path, limits: Limits = LIMITS) -> Source:
    """A file on disk. Raises UsageFault for one that is not there, no file, empty or too large."""
    label = str(path)
    try:
        state = path.stat()
    except (OSError, ValueError) as error:
        raise UsageFault(f"{label}: {_why(error)}") from None
    if not stat.S_ISREG(state.st_mode):
        raise UsageFault(f"{label} is no file")
    if not state.st_size:
        raise UsageFault(f"{label} is empty")
    if state.st_size > limits.file:
        raise UsageFault(f"{label} is larger than {limits.file} bytes")
    return Source(
        str(path.absolute()), label, lambda limit: _read(path, limit), limits.text, path, state.st_mtime
    )


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or "not the name of a file"


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UsageFault(f"{path}: {_why(error)}") from None
    if len(data) > limit:
        raise UsageFault(f"{path} is larger than {limit} bytes")
    return data


def head(path: Path) -> bytes:
    """How a file begins."""
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise UsageFault(f"{path}: {_why(error)}") from None


def open_folder(path: Path, limits: Limits = LIMITS) -> dict[str, Source]:
    """The files under a folder by their names relative to it, in their order; links are not followed."""
    found: dict[str, Source] = {}
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            one = Path(folder, name)
            if one.is_symlink() or not one.is_file():
                continue
            if len(found) >= limits.members:
                raise UsageFault(f"{path} holds more than {limits.members} files")
            found[one.relative_to(path).as_posix()] = _in_folder(one, limits)
    return found


def _in_folder(path: Path, limits: Limits) -> Source:
    name = str(path.absolute())
    return Source(name, str(path), lambda limit: _read(path, limit), limits.text, path, path.stat().st_mtime)


def open_zip(path: Path, limits: Limits = LIMITS) -> dict[str, Source]:
    """The files of a zip archive by their names. Raises UsageFault, also later where one is read."""
    from zipfile import ZipFile

    try:
        archive = ZipFile(path)
        members = archive.infolist()
    except _zip_faults() as error:
        raise UsageFault(f"{path} is a damaged zip archive: {shown(str(error))}") from None
    if len(members) > limits.members:
        raise UsageFault(f"{path} holds more than {limits.members} files")
    meter = _Meter(path, limits)
    found = {}
    for one in members:
        if not one.is_dir():
            label, load = f"{shown(one.filename)} in {path}", meter.reader(archive, one.filename)
            found[one.filename] = Source(one.filename, label, load, limits.text, at=_when(one.date_time))
    return found


def _when(date: tuple[int, ...]) -> float:
    return moment("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*date))


class _Meter:
    """Counts what an archive unpacks to, so that a small file cannot become an endless one."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._spent = 0

    def reader(self, archive: ZipFile, name: str) -> Callable[[int], bytes]:
        return lambda limit: self._read(archive, name, limit)

    def _read(self, archive: ZipFile, name: str, limit: int) -> bytes:
        left = min(limit, self._limits.unpacked - self._spent)
        try:
            with archive.open(name) as file:
                data = file.read(left + 1)
        except _zip_faults() as error:
            why = shown(str(error))
            raise UsageFault(f"{shown(name)} in {self._path} cannot be unpacked: {why}") from None
        self._spent += len(data)
        if len(data) > left:
            raise UsageFault(
                f"{self._path} unpacks to more than is taken: {shown(name)} goes on behind {left} bytes"
            )
        return data


def _zip_faults() -> tuple[type[Exception], ...]:
    import lzma
    import struct
    import zlib
    from zipfile import BadZipFile

    known = (BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError)
    return (*known, RuntimeError, ValueError, KeyError, IndexError)


def file_part(source: Source | None, name: str) -> Part:
    """A picture, PDF or recording; a line of text in the place of one that is not there or is none."""
    if source is None:
        return TextPart(f"[{shown(name) or 'a file'}: not in the export]\n")
    try:
        data = source.load(MEDIA_LIMIT)
    except UsageFault:
        return TextPart(f"[{shown(name) or 'a file'}: too large, or damaged]\n")
    kind = media_type(data)
    if not kind:
        return TextPart(f"[{shown(name) or 'a file'}: of no kind that a model takes]\n")
    return FilePart(data, kind, name)


def data_file(url: str, name: str = "") -> Part:
    """The file of a data: URL; a line of text in the place of one that is elsewhere or of no kind known."""
    begins, _, data = url.partition(",")
    if not begins.startswith("data:") or not begins.endswith(";base64"):
        return TextPart(f"[{shown(name or url) or 'a file'}: not in the export]\n")
    try:
        found = b64decode(data, validate=True)
    except ValueError:
        return TextPart(f"[{shown(name) or 'a file'}: damaged in the export]\n")
    kind = media_type(found) or begins[5:-7]
    if not kind.startswith(("image/", "audio/")) and kind != "application/pdf":
        return TextPart(f"[{shown(name) or 'a file'}: {shown(kind)}, which no model takes]\n")
    return FilePart(found, kind, name)
