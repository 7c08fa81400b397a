"""Takes keys out of what is recorded: addresses, headers, requests, and replies piece by piece.

In a reply each character of a key becomes an asterisk, so that its pieces keep their lengths. It knows
neither files nor httpx.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from arawn.secret import Redactor

MASK = "****"
PLAIN_HEADERS = frozenset(
    ("accept", "accept-encoding", "anthropic-beta", "anthropic-version", "connection", "content-length")
    + ("content-type", "host", "openai-beta", "prefer", "user-agent")
)
"""Headers of a request that hold no key; of all others the name alone is recorded."""
SECRET_NAME = re.compile(
    r"^(.*[-_])?(api[-_]?key|key|token|secret|passw(or)?d|auth(orization)?|credentials?|cookie|sig(nature)?)$"
    r"|^(access|auth|refresh|session|id)token$",
    re.I,
)
LONG_BASE64 = re.compile(r"(?:data:[\w/+.;=-]{0,100},)?[A-Za-z0-9+/_-]{1024,}={0,2}")
"""A file on its way: its digest is enough to know it again."""
ENCODED = re.compile(r"[A-Za-z0-9+/_-]{20,100000}={0,2}")
QUERY = re.compile(r"""([?&]([\w.%-]{1,60})=)([^&\s"'<>#\\]{4,})""")
"""Name and value in an address, wherever it stands."""
STRING = re.compile(r'(?:"([^"\\\n]*(?:\\.[^"\\\n]*)*)"\s*:\s*)?"([^"\\\n]*(?:\\.[^"\\\n]*)*)"')
"""A string of JSON, after the name it has in its object where it has one."""
ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.S)
EVENT_DATA = re.compile(r"^data: ?(?![{\[])(.*)$", re.M)
BREAK = re.compile(r"(?<!bearer)(?<!bearer )[^A-Za-z0-9_.=+/~%:@?&*-]", re.I)
"""After one of these no key goes on."""
PIECEWISE = frozenset(
    ("arguments", "content", "data", "delta", "generated_text", "output", "partial_json", "reasoning")
    + ("reasoning_content", "refusal", "response", "text", "thinking", "transcript")
)
"""Names of strings that go on in the next event."""
BETWEEN = '" '
"""Stands between strings that have nothing to do with each other; no key goes over it."""
LONGEST_WORD = 4096
HELD = 256 * 1024
"""Bytes of a reply that wait for a place where they can be written."""


def address(url: str, redactor: Redactor) -> str:
    """A URL without user name and fragment, and with every key in its path and query masked."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    pairs = [
        (name, MASK if SECRET_NAME.match(name) else text(value, redactor))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='*:,/')}" for name, value in pairs)
    return urlunsplit((parts.scheme, netloc, redactor.redact(parts.path), query, ""))


def sent_headers(headers: Iterable[tuple[str, str]], redactor: Redactor) -> list[list[str]]:
    """The headers of a request; those that may hold a key by their names alone."""
    return [
        [name.lower(), redactor.redact(value) if name.lower() in PLAIN_HEADERS else MASK]
        for name, value in headers
    ]


def got_headers(headers: Iterable[tuple[str, str]], redactor: Redactor) -> list[list[str]]:
    """The headers of a reply, those that say how its bytes were packed left out."""
    return [
        [name.lower(), _got_header(name.lower(), value, redactor)]
        for name, value in headers
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]


def _got_header(name: str, value: str, redactor: Redactor) -> str:
    if SECRET_NAME.match(name):
        return MASK
    try:
        return address(value, redactor) if name.endswith("location") else text(value, redactor)
    except ValueError:  # no address at all
        return MASK


def text(value: str, redactor: Redactor) -> str:
    """A text without keys, those in base64 included."""
    masked = QUERY.sub(lambda pair: pair[1] + MASK if SECRET_NAME.match(pair[2]) else pair[0], value)
    masked = redactor.redact(masked)
    return ENCODED.sub(lambda run: MASK if _hides(run.group(), redactor) else run.group(), masked)


def value(said: Any, redactor: Redactor, name: str = "") -> Any:
    """A JSON value without keys; of a file in it there is its length and digest."""
    if isinstance(said, Mapping):
        return {redactor.redact(str(key)): value(item, redactor, str(key)) for key, item in said.items()}
    if isinstance(said, list | tuple):
        return [value(item, redactor, name) for item in said]
    if not isinstance(said, str):
        return said
    if SECRET_NAME.match(name) and name != "key":
        return MASK
    if len(said) >= 1024 and LONG_BASE64.fullmatch(said):
        from hashlib import sha256

        return f"[base64, {len(said)} characters, sha256 {sha256(said.encode()).hexdigest()}]"
    return text(said, redactor)


def _hides(run: str, redactor: Redactor) -> bool:
    """Whether a run of base64 has a key in it."""
    from binascii import Error, a2b_base64

    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        inner = a2b_base64(plain[: len(plain) - (len(plain) % 4 == 1)] + "==").decode("ascii", "replace")
    except (Error, ValueError):
        return False
    return redactor.redact(inner) != inner


class Piece(NamedTuple):
    """A piece of a body, and the seconds since the one before."""

    after: float
    data: bytes


class Body:
    """The pieces of one reply. Each is given on, without keys, once no key can go on in what comes next."""

    def __init__(self, redactor: Redactor, kind: str) -> None:
        self._redactor = redactor
        self._kind = kind.lower()
        self._held: list[Piece] = []
        self._size = 0

    def add(self, piece: Piece) -> list[Piece]:
        """What may be written now."""
        self._held.append(piece)
        self._size += len(piece.data)
        if self._size > HELD:
            return self._given(len(self._held) - 1, all_of_it=True)
        if not piece.data.endswith(b"\n") and self._structured:
            return []
        return self._given(len(self._held))

    def rest(self) -> list[Piece]:
        """What is left at the end of the body."""
        return self._given(len(self._held), all_of_it=True)

    @property
    def _structured(self) -> bool:
        begun = self._held[0].data.lstrip()[:1] if self._held else b""
        return "json" in self._kind or "event-stream" in self._kind or begun in (b"{", b"[", b'"')

    def _given(self, count: int, all_of_it: bool = False) -> list[Piece]:
        """As many of the first `count` pieces as may be written, masked; all of them with `all_of_it`."""
        data = b"".join(piece.data for piece in self._held)
        said = data.decode("ascii", "replace").replace("\r", "\n")
        keys = (_keys if self._structured else _plain)(said, self._redactor)
        if not all_of_it:
            count = self._settled(count, said, keys)
        if not count:
            return []
        masked = bytearray(data)
        for first, last in keys.spans:
            masked[first:last] = b"*" * (last - first)
        given = _split(self._held[:count], masked)
        # what stays is looked at again, and a key that was cut in two at the limit stays masked
        left = (masked if all_of_it else data)[sum(len(piece.data) for piece in given) :]
        self._held, self._size = _split(self._held[count:], left), len(left)
        return given

    def _settled(self, count: int, said: str, keys: Keys) -> int:
        """How many of the first `count` pieces end where no key can go on; in lines, at the end of one."""
        found = end = 0
        for number, piece in enumerate(self._held[:count], 1):
            end += len(piece.data)
            ended = said[end - 1 : end] == "\n" or not self._structured
            if ended and end <= keys.settled and not any(first < end < last for first, last in keys.whole):
                found = number
        return found


def _split(pieces: list[Piece], data: bytes | bytearray) -> list[Piece]:
    """The pieces with what stands in their places in `data`."""
    made, at = [], 0
    for piece in pieces:
        made.append(Piece(piece.after, bytes(data[at : at + len(piece.data)])))
        at += len(piece.data)
    return made


class Keys(NamedTuple):
    """Where keys stand, each with all its places in `whole`, and up to where none can become longer."""

    spans: list[tuple[int, int]]
    whole: list[tuple[int, int]]
    settled: int


class _Thread:
    """Texts from several places of a body as one, and where each character of it stands in the body."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._starts: list[int] = []
        self._rows: list[tuple[int, int, int]] = []
        self.length = 0

    def add(self, said: str, at: int, width: int) -> None:
        """`said` stands at `at`, in `width` characters there."""
        if said:
            self._starts.append(self.length)
            self._rows.append((at, len(said), width))
            self._texts.append(said)
            self.length += len(said)

    def string(self, raw: str, at: int) -> None:
        """The text inside of a JSON string; an escape is one character."""
        last = 0
        if "\\" in raw:
            for escape in ESCAPE.finditer(raw):
                self.add(raw[last : escape.start()], at + last, escape.start() - last)
                self.add(_unescaped(escape.group()), at + escape.start(), len(escape.group()))
                last = escape.end()
        self.add(raw[last:], at + last, len(raw) - last)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._texts)

    def places(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Where the characters from `first` up to `last` stand in the body."""
        number = max(0, bisect_right(self._starts, first) - 1)
        while number < len(self._rows) and self._starts[number] < last:
            start, (at, length, width) = self._starts[number], self._rows[number]
            low, high = max(first - start, 0), min(last - start, length)
            if at >= 0 and low < high:
                yield (at + low, at + high) if length == width else (at, at + width)
            number += 1


def _unescaped(escape: str) -> str:
    if escape[1] == "u" and len(escape) == 6:
        return chr(int(escape[2:], 16))
    return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(escape[1], escape[1])


def _keys(said: str, redactor: Redactor) -> Keys:
    """The keys in JSON or in events."""
    alone, between, threads, outside = _Thread(), _Thread(), dict[str, _Thread](), list(said)
    for found in STRING.finditer(said):
        for group in (1, 2):
            if found[group]:
                alone.string(found[group], found.start(group))
                alone.add(BETWEEN, -1, len(BETWEEN))
        if found[1] in PIECEWISE and found[2]:
            threads.setdefault(found[1], _Thread()).string(found[2], found.start(2))
        outside[found.start() : found.end()] = '"' * (found.end() - found.start())
    for line in EVENT_DATA.finditer(said):
        threads.setdefault("data", _Thread()).string(line[1].rstrip("\r"), line.start(1))
    between.add("".join(outside), 0, len(said))
    spans = redactor.spans(said, shapes=False)
    hulls = list(spans)
    settled = redactor.begun(said)
    for thread in (alone, between, *threads.values()):
        whole = thread.text
        for first, last in _found(whole, redactor):
            places = list(thread.places(first, last))
            spans += places
            hulls += [(places[0][0], places[-1][1])] if places else []
        if thread in threads.values():
            settled = min([settled, *(at for at, _ in thread.places(_open(whole, redactor), thread.length))])
    return Keys(spans, hulls, settled)


def _plain(said: str, redactor: Redactor) -> Keys:
    """The same for a text of any kind."""
    spans = list(_found(said, redactor))
    return Keys(spans, spans, _open(said, redactor))


def _found(said: str, redactor: Redactor) -> Iterator[tuple[int, int]]:
    yield from redactor.spans(said)
    yield from (pair.span(3) for pair in QUERY.finditer(said) if SECRET_NAME.match(pair[2]))
    for run in ENCODED.finditer(said):
        if _hides(run.group(), redactor):
            yield run.span()


def _open(said: str, redactor: Redactor) -> int:
    """Where the last word begins, which may go on."""
    begin = max(0, len(said) - LONGEST_WORD)
    breaks = list(BREAK.finditer(said, begin))
    return min(breaks[-1].end() if breaks else begin, redactor.begun(said))
