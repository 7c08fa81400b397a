"""What bytes are, told by their content: pictures, PDF, recordings, text; it reads no file."""

from __future__ import annotations

from arawn.errors import UsageFault

TEXT_LIMIT = 10 * 1024 * 1024
MEDIA_LIMIT = 20 * 1024 * 1024
"""Bytes of a text, and of a picture, PDF or recording: about what the services take."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"fLaC\0", "audio/flac"),
    (b"fLaC\x80", "audio/flac"),
    (b"OggS\0", "audio/ogg"),
    (b"ID3\2", "audio/mpeg"),
    (b"ID3\3", "audio/mpeg"),
    (b"ID3\4", "audio/mpeg"),
)
"""Marks that are letters count together with the byte behind them: a text may begin with them too."""
_NOT_TAKEN = (
    (b"BM", "a BMP picture", "convert it to PNG"),
    (b"II*\0", "a TIFF picture", "convert it to PNG"),
    (b"MM\0*", "a TIFF picture", "convert it to PNG"),
    (b"PK\x03\x04", "a zip archive or an office document", "unpack it, or save it as PDF"),
    (b"\x1f\x8b", "gzip", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"BZh", "bzip2", "unpack it first"),
    (b"\xfd7zXZ", "xz", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unpack it first"),
    (b"\x7fELF", "a program", "send its source"),
    (b"\xd0\xcf\x11\xe0", "an old office document", "save it as PDF or text"),
    (b"\x1a\x45\xdf\xa3", "a video", "send a picture of it, or its sound as MP3"),
    (b"SQLite format 3\0", "a SQLite database", "send a dump of it"),
    (b"\0\0\1\0", "an icon", "convert it to PNG"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", "convert it to JPEG or PNG"),
    (b"\xff\x0a", "a JPEG XL picture", "convert it to JPEG or PNG"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", "convert it to JPEG or PNG"),
    (b"8BPS", "a Photoshop picture", "convert it to PNG"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (b"#!AMR", "an AMR recording", "convert it to MP3 or WAV"),
    (b"FORM", "an AIFF recording", "convert it to MP3 or WAV"),
    (b"MThd", "a MIDI file", "record it as MP3 or WAV"),
    (b"RIFF", "a video", "send a picture of it, or its sound as MP3"),
    (b"MZ", "a program", "send its source"),
)
_OFFICE = (b"[Content_Types].xml", b"mimetypeapplication/")
UNREADABLE = 0.3
"""From this share of characters that are no UTF-8 on, it is not read as text."""


def media_type(data: bytes) -> str:
    """The media type of what a model may take as it is, or "" for anything else.

    Sources: the formats' own documents (PNG, JFIF, GIF89a, RFC 8118, RIFF, RFC 3533, RFC 9639, id3.org).
    """
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if data[:6] in (b"GIF87a", b"GIF89a") and not data[6:13].decode("latin-1").isprintable():
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] in (b"WEBP", b"WAVE"):
        return "image/webp" if data[8:12] == b"WEBP" else "audio/wav"
    if _is_pdf(data):
        return "application/pdf"
    if _is_mpeg4(data) and (data[8:11] in (b"M4A", b"M4B") or _handlers(data) == {b"soun"}):
        return "audio/mp4"
    return _mpeg(data)


def _is_pdf(data: bytes) -> bool:
    """Whether it is a PDF: readers take one whose mark comes late, and a text may speak of the mark."""
    at = data[:1024].find(b"%PDF-")
    if at <= 0:
        return at == 0
    return not data[:at].strip() or b"%%EOF" in data[-1024:] or not _is_utf8(data[:4096])


def _is_utf8(data: bytes) -> bool:
    return len(data.decode("utf-8", "ignore").encode()) >= len(data) - 3  # the last character may be cut


def _is_mpeg4(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[:1] == b"\0"


def _handlers(data: bytes) -> set[bytes]:
    """What the tracks of an MPEG-4 file are: soun, vide (ISO/IEC 14496-12, the handler box)."""
    found = set()
    at = data.find(b"hdlr")
    while at >= 0:
        found.add(data[at + 12 : at + 16])
        at = data.find(b"hdlr", at + 4)
    return found & {b"soun", b"vide"}


def _mpeg(data: bytes) -> str:
    """Sound as MPEG frames: sync, version, layer, and no forbidden bit or sampling rate."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0 or data[1] >= 0xFE:
        return ""
    if data[1] >> 1 & 3:
        return "audio/mpeg" if data[2] >> 4 != 15 and data[2] >> 2 & 3 != 3 else ""
    return "audio/aac" if data[1] & 0xF6 == 0xF0 else ""


def text_of(data: bytes, name: str, most: float = UNREADABLE) -> str:
    """Text: UTF-8 with or without BOM, UTF-16 and UTF-32 with BOM; bad bytes become U+FFFD, CRLF becomes LF.

    Raises UsageFault for what is not text, saying what it is where that can be told, and where more than
    this share of it cannot be read.
    """
    wide = "utf-32" if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") else "utf-16"
    if wide == "utf-32" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode(wide, "replace").replace("\r\n", "\n").replace("\0", "\ufffd")
    what, advice = _binary(data)
    if what:
        raise UsageFault(f"{name} cannot be sent: it is {what}", hints=(advice,))
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if text.count("\ufffd") > most * len(text):
        raise UsageFault(
            f"{name} cannot be sent: it is not text in UTF-8",
            hints=(f"if it is text, convert it: iconv -f windows-1252 -t UTF-8 {name}",),
        )
    return text.replace("\r\n", "\n").replace("\0", "\ufffd")


def _binary(data: bytes) -> tuple[str, str]:
    """What is not text, and what to do about it; empty for what may be text."""
    if _is_mpeg4(data):
        brands = data[8:64]
        if not any(
            brand in brands for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
        ):
            return "a video", "send a picture of it, or its sound as MP3"
        return f"{'an AVIF' if b'avi' in brands else 'a HEIC'} picture", "convert it to JPEG or PNG"
    for beginning, what, advice in _NOT_TAKEN:
        if data.startswith(beginning) and (not beginning.isalnum() or b"\0" in data[:512]):
            if any(mark in data[:200] for mark in _OFFICE):
                return "an office document", "save it as PDF or text"
            return what, advice
    return ("not text", "send text, a picture, PDF or a recording") if b"\0" in data[:8192] else ("", "")
