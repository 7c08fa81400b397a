"""Bytes to frames: server-sent events, JSON lines or one document, whatever came; it knows no dialect."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from arawn.errors import Cut, EmptyAnswer

LIMIT = 8 * 1024 * 1024
DEPTH = 200
"""Levels of a JSON value: enough for any reply, and whatever walks or writes it later needs no more stack."""
WIDTH = 500_000
"""Objects and lists in a JSON value: one takes twenty times the memory of its text."""
SHOWN = 200
"""Characters of a text in the place of JSON that are told."""
BOM = b"\xef\xbb\xbf"


class Frame(NamedTuple):
    """One event of a stream, or one JSON value; `number` counts from 1."""

    event: str
    data: str
    number: int


class Followed(Frame):
    """A frame behind which another one is here already, so that what is made of both need not be two."""

    __slots__ = ()


def split(chunks: Iterable[bytes], content_type: str = "", limit: int = LIMIT) -> Iterator[Frame]:
    """Frames as they become whole.

    What it is is read off the first bytes, because content types lie: `{` or `[` begins JSON (one document,
    lines, or an array whose elements are the frames), anything else is the event stream of the WHATWG HTML
    standard. Raises EmptyAnswer for a web page or other text, Cut for a frame larger than `limit` bytes.
    """
    source = iter(chunks)
    start = _head(source)
    rest = _joined(start, source)
    if start[:1] in (b"{", b"["):
        return _json_values(rest, limit)
    if start[:1] == b"<" or (start and not _is_event_stream(start, content_type)):
        raise _no_api_answer(start, rest)
    return _events(rest, limit)


def document(chunks: Iterable[bytes], content_type: str = "", limit: int = LIMIT) -> Iterator[Any]:
    """The one JSON value of a whole reply, an array too; nothing where the reply is empty. Raises as `split`.

    `limit` holds for what is no JSON document; a document is as long as `chunks` are.
    """
    source = iter(chunks)
    start = _head(source)
    if start[:1] not in (b"{", b"["):
        for frame in split(_joined(start, source), content_type, limit):
            yield parse(frame)
            return
    else:
        text = b"".join([start, *source]).decode("utf-8", "replace")
        yield _value(lambda: _bounded(text, lambda: json.JSONDecoder().raw_decode(text)[0]), "The reply")


def _head(source: Iterator[bytes]) -> bytes:
    """The first bytes, without BOM and white space, as many as tell what it is."""
    head = b""
    for chunk in source:
        head += chunk
        start = head.removeprefix(BOM).lstrip()
        if start[:1] in (b"{", b"[", b"<", b":") or len(start) >= 8 or (start and b"\n" in start):
            return start
        head = head if start else head[: len(BOM)]
    return head.removeprefix(BOM).lstrip()


def _joined(head: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from source


def _is_event_stream(start: bytes, content_type: str) -> bool:
    if "event-stream" in content_type.lower():
        return True
    return start.startswith((b":", b"data", b"event", b"id", b"retry"))


def _no_api_answer(start: bytes, rest: Iterator[bytes]) -> EmptyAnswer:
    """A success that is no API reply: the sign-in page of a network, a proxy's notice."""
    text = start
    for chunk in rest:
        text += chunk
        if len(text) > 4096:
            break
    words = text[:4096].decode("utf-8", "replace")
    lower = words.lower()
    at, end = lower.find("<title"), lower.find("</title>")
    if 0 <= at < end:
        detail = f"HTML page: {words[words.find('>', at) + 1 : end].strip()}"
    else:
        detail = "HTML page" if "<html" in lower or "<!doctype" in lower else words[:200].strip()
    return EmptyAnswer(
        "The reply is not an API answer",
        detail=detail[:300],
        hints=("does base_url point at the API?", "is there a sign-in page between you and it?"),
    )


def _too_large(limit: int) -> Cut:
    return Cut(
        f"A single event of the reply is larger than {limit // 1024 // 1024 or 1} MiB",
        hints=("the limit is limits.frame",),
        retryable=False,
    )


def _events(chunks: Iterator[bytes], limit: int) -> Iterator[Frame]:
    """Server-sent events. Lines end in CR, LF or CRLF and nowhere else."""
    open_event = _Event(limit)
    for lines in _lines(chunks, limit):
        yield from open_event.take(lines)
        if open_event.size > limit:
            raise _too_large(limit)
    yield from open_event.take([""])  # the last blank line is often missing; a torn one fails to parse


class _Event:
    """The event that has begun; `size` are its bytes, above the limit nothing more is taken."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._name = ""
        self._data: list[str] = []
        self._number = 0
        self._bare = False

    def take(self, lines: list[str]) -> list[Frame]:
        """The events that end in these lines."""
        whole: list[Frame] = []
        for line in lines:
            if not line:
                if self._data:
                    self._number += 1
                    whole.append(Followed(self._name, "\n".join(self._data), self._number))
                self._name, self._data, self.size, self._bare = "", [], 0, False
                continue
            name, _, value = line.partition(":")
            if name == "data":
                self.size += len(line) + 1
                if self.size > self._limit:
                    break
                self._data.append(value[1:] if value[:1] == " " else value)
            elif name == "event":
                self._name = value.strip()
            elif self._bare or line[:1] == "{" or name == "error":
                self._raw(line, name, value)
        whole[-1:] = [Frame(*last) for last in whole[-1:]]
        return whole

    def _raw(self, line: str, name: str, value: str) -> None:
        """A line that is no field: JSON that a gateway put where the stream broke, or llama.cpp's error."""
        self._bare = name != "error"
        self._name = self._name if self._bare else name
        self.size += len(line) + 1
        if self.size <= self._limit:
            self._data.append(line if self._bare else value.strip())


def _lines(chunks: Iterator[bytes], limit: int) -> Iterator[list[str]]:
    """The lines that each chunk makes whole."""
    pending = bytearray()
    after_cr = False
    for piece in chunks:
        chunk = piece[1:] if after_cr and piece[:1] == b"\n" else piece
        if not chunk:
            after_cr = after_cr and not piece
            continue
        after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        whole, newline, rest = chunk.rpartition(b"\n")
        if newline:
            pending += whole
            yield pending.decode("utf-8", "replace").split("\n")
            pending.clear()
        pending += rest
        if len(pending) > limit:
            raise _too_large(limit)
    if pending:
        yield [pending.decode("utf-8", "replace")]


def _json_values(chunks: Iterator[bytes], limit: int) -> Iterator[Frame]:
    """Top-level JSON values, however they are separated; of a top-level array its elements."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    values = _Values()
    number = 0
    for chunk in chunks:
        for text in values.feed(decode(chunk)):
            number += 1
            yield Frame("", text, number)
        if values.size > limit:
            raise _too_large(limit)
    if values.size and not number:  # a lone document that was torn: let it fail by name
        yield Frame("", values.pending, 1)


class _Values:
    """Finds where values end by counting depth over the structural characters, each looked at once."""

    def __init__(self) -> None:
        import re

        self._search = re.compile(r'["\\{}\[\]]').search
        self._begun = bytearray()
        self._skip = 0
        self._start = -1
        self._depth = 0
        self._base = 0
        self._in_string = False
        self._seen = False

    @property
    def size(self) -> int:
        """Bytes of a value that has begun and not ended."""
        return len(self._begun)

    @property
    def pending(self) -> str:
        """The value that has begun and not ended."""
        return self._begun.decode()

    def feed(self, text: str) -> Iterator[str]:
        """Take a piece, yield the values that end in it."""
        at = self._skip
        self._start = 0 if self.size else -1
        while found := self._search(text, at):
            mark, at = found.group(), found.end()
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\":
                at += 1
            elif self._in_string:
                continue
            elif mark in "{[":
                self._open(mark, found.start())
            elif self._close():
                yield self._ended(text[self._start : at])
        self._skip = max(0, at - len(text))  # an escape whose character is still to come
        if self._start >= 0:
            self._begun += text[self._start :].encode()

    def _ended(self, text: str) -> str:
        """The whole value that ends in `text`."""
        if self._begun:
            self._begun += text.encode()
            text = self._begun.decode()
            self._begun.clear()
        self._start = -1
        return text

    def _open(self, mark: str, place: int) -> None:
        if mark == "[" and not self._seen and self._start < 0:
            self._base = 1
        elif self._start < 0:
            self._start = place
        self._seen = True
        self._depth += 1

    def _close(self) -> bool:
        self._depth -= 1
        return self._depth == self._base and self._start >= 0


def parse(frame: Frame) -> Any:
    """The JSON value of a frame. Raises Cut, naming the event, for what is no JSON that can be read."""
    data = frame.data
    if len(data) <= 2 * DEPTH:  # too short to be too wide or too deep
        try:
            value, end = _decode(data)
        except (ValueError, RecursionError):
            end = -1  # read once more, to be told why
        if end == len(data):
            return value
    said = "" if data[:1] in ("{", "[") else " ".join(encodable(data[:SHOWN]).split())
    return _value(lambda: loads(data), f"Event {frame.number} of the reply", said)


_decode = json.JSONDecoder().raw_decode


def loads(text: str) -> Any:
    """The JSON value of a text.

    Raises ValueError for none or one of more than WIDTH parts, RecursionError for one deeper than DEPTH.
    """
    return _bounded(text, lambda: json.loads(text))


def _bounded(text: str, load: Callable[[], Any]) -> Any:
    parts = text.count("[") + text.count("{")
    if parts > WIDTH:
        raise ValueError("too many parts")
    value = load()
    level, depth = [value] if parts > DEPTH else [], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise RecursionError
        inner = (node.values() if isinstance(node, dict) else node for node in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
    return value


def _value(load: Callable[[], Any], what: str, said: str = "") -> Any:
    """What `load` gives. Raises Cut, with what was `said` in the place of JSON."""
    try:
        return load()
    except RecursionError:
        why = "nested too deeply"
    except ValueError as error:
        known = {"too many parts": "it has too many parts", "integer string": "a number is too long"}
        why = next((words for mark, words in known.items() if mark in str(error)), "no valid JSON")
    raise Cut(f"{what} cannot be read: {why}", detail=said)


def encodable(text: str) -> str:
    """`text` with the halves of surrogate pairs joined, and U+FFFD for a lone one."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class Surrogates:
    """Joins surrogate pairs that a service split over two pieces; a lone one becomes U+FFFD."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """`text` as it can be encoded, with what was held back before it."""
        if self._held:
            text, self._held = self._held + text, ""
        if text.isascii():
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return encodable(text)

    def flush(self) -> str:
        """What is still held back."""
        held, self._held = self._held, ""
        return "\ufffd" if held else ""
