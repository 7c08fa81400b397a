"""How many columns a text takes, and where it may be broken: one measure for all that is drawn."""

from __future__ import annotations

from collections.abc import Iterator

_EAST = (
    *((0x2E80, 0x2FDF), (0x2FF0, 0x303E), (0x3041, 0x312F), (0x3190, 0x33FF), (0x3400, 0x4DBF)),
    *((0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF01, 0xFF60), (0xFFE0, 0xFFE6), (0x20000, 0x3FFFD)),
)
"""Characters between which a line may end."""
_NARROW = (
    *((0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x2FF), (0x370, 0x377), (0x391, 0x3A1), (0x3A3, 0x481)),
    *((0x1E00, 0x1EFF), (0x2010, 0x2027), (0x2500, 0x257F)),
)
NARROW = "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _NARROW) + "]"
"""A character that takes one column, whatever stands beside it, as a regular expression."""
_WIDE = (
    (0x3001, 0x3029),
    (0x3041, 0x3096),
    (0x30A0, 0x30FF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xFF01, 0xFF60),
)
_SIMPLE: dict[str, int] = {}


def _simple(char: str) -> int:
    """Columns of a character that stands for itself alone; 0 where wcwidth must be asked."""
    number = ord(char)
    width = 1 if _within(number, _NARROW) else 2 if _within(number, _WIDE) else 0
    if len(_SIMPLE) < 10_000:
        _SIMPLE[char] = width
    return width


def _within(number: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= number <= last for first, last in ranges)


def cells(text: str) -> int:
    """Columns that a text takes: as wcwidth says, which is loaded for what is not the simplest."""
    if text.isascii():
        return len(text)
    total = 0
    for char in text:
        columns = _SIMPLE[char] if char in _SIMPLE else _simple(char)
        if not columns:
            break
        total += columns
    else:
        return total
    from wcwidth import wcswidth, wcwidth

    width: int = wcswidth(text)
    return width if width >= 0 else sum(max(0, wcwidth(char)) for char in text)


def atoms(text: str) -> Iterator[tuple[str, bool]]:
    """Spaces, East Asian characters and words, each with whether it is East Asian."""
    begin = -1
    for at, char in enumerate(text):
        east = char >= "\u2e80" and _within(ord(char), _EAST)
        if char != " " and not east:
            begin = at if begin < 0 else begin
            continue
        if begin >= 0:
            yield text[begin:at], False
            begin = -1
        yield char, east
    if begin >= 0:
        yield text[begin:], False


def warm() -> None:
    """Load wcwidth."""
    cells("\u0301")


def clusters(text: str) -> Iterator[str]:
    """The characters that a person sees, each with what joins it: marks, selectors, joiners, flags."""
    held, flag = "", False
    for char in text:
        new_flag = "\U0001f1e6" <= char <= "\U0001f1ff"
        joins = bool(held) and (
            held[-1] == "\u200d"
            or "\U0001f3fb" <= char <= "\U0001f3ff"
            or (flag and new_flag)
            or (not char.isascii() and cells(char) == 0)
        )
        if held and not joins:
            yield held
            held = ""
        flag = new_flag and not (joins and flag)
        held += char
    if held:
        yield held


def fitting(text: str, room: int) -> int:
    """How many characters of a text fit into so many columns."""
    if text.isascii():
        return max(0, min(len(text), room))
    taken = 0
    for cluster in clusters(text):
        room -= cells(cluster)
        if room < 0:
            break
        taken += len(cluster)
    return taken
