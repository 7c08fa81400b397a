"""What bytes are, told by their content: pictures, PDF, recordings, text; it reads no file."""

from __future__ import annotations

from arawn.errors import UsageFault

TEXT_LIMIT = 10 * 1024 * 1024
MEDIA_LIMIT = 20 * 1024 * 1024
"""Bytes of a text, and of a picture, PDF or recording: about what the services take."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)
_NOT_TAKEN = (
    (b"BM", "a BMP picture", "convert it to PNG"),
    (b"II*\0", "a TIFF picture", "convert it to PNG"),
    (b"MM\0*", "a TIFF picture", "convert it to PNG"),
    (b"PK\x03\x04", "a zip archive or an office document", "save it as PDF or text"),
    (b"\x1f\x8b", "gzip", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"BZh", "bzip2", "unpack it first"),
    (b"\xfd7zXZ", "xz", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unpack it first"),
    (b"\x7fELF", "a program", "send its source"),
    (b"\xd0\xcf\x11\xe0", "an old office document", "save it as PDF or text"),
    (b"\x1a\x45\xdf\xa3", "a video", "send a picture of it, or its sound as MP3"),
    (b"SQLite format 3\0", "a SQLite database", "send a dump of it"),
)
_ADVICE_PICTURE = "convert it to JPEG or PNG"


def media_type(data: bytes) -> str:
    """The media type of what a model may take as it is, or "" for anything else.

    Sources: the signatures of the formats' own documents (PNG, JFIF, GIF89a, RFC 8118, RIFF, RFC 3533).
    """
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if data[:4] == b"RIFF" and data[8:12] in (b"WEBP", b"WAVE"):
        return "image/webp" if data[8:12] == b"WEBP" else "audio/wav"
    if b"%PDF-" in data[:1024]:
        return "application/pdf"
    if data[4:8] == b"ftyp" and data[8:11] in (b"M4A", b"M4B"):
        return "audio/mp4"
    if len(data) > 3 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] < 0xFE:
        layer = data[1] >> 1 & 3
        if layer:  # MPEG audio: sync, version, layer, and a bit rate that is not forbidden
            return "audio/mpeg" if data[2] >> 4 != 15 else ""
        return "audio/aac" if data[1] & 0xF6 == 0xF0 else ""
    return ""


def text_of(data: bytes, name: str) -> str:
    """Text: UTF-8 with or without BOM, UTF-16 with BOM; bad bytes become U+FFFD, CRLF becomes LF.

    Raises UsageFault for what is not text, saying what it is where that can be told.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").replace("\r\n", "\n").replace("\0", "\ufffd")
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        picture = brand[:3] in (b"hei", b"hev", b"mif", b"avi")
        raise _not_text(
            name,
            "a HEIC or AVIF picture" if picture else "a video",
            _ADVICE_PICTURE if picture else "send a picture of it, or its sound as MP3",
        )
    for beginning, what, advice in _NOT_TAKEN:
        if data.startswith(beginning) and (len(beginning) > 3 or b"\0" in data[:512]):
            raise _not_text(name, what, advice)
    if b"\0" in data[:8192]:
        raise _not_text(name, "not text", "send text, a picture, PDF or a recording")
    return (
        data.removeprefix(b"\xef\xbb\xbf")
        .decode("utf-8", "replace")
        .replace("\r\n", "\n")
        .replace("\0", "\ufffd")
    )


def _not_text(name: str, what: str, advice: str) -> UsageFault:
    return UsageFault(f"{name} cannot be sent: it is {what}", hints=(advice,))
