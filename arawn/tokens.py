"""How many tokens a request may be, by its characters and bytes; it knows no service and no tokenizer.

Tokenizers learn their pieces from text, so words, numbers and signs cost alike in all of them: WORD and what
follows are fitted to the prompt tokens that services counted for recorded prompts, and agree with the about
4 characters to a token that OpenAI and Google give for English (help.openai.com/articles/4936856,
ai.google.dev/gemini-api/docs/tokens) and the measured 0.5 of Cyrillic and 0.6 to 1.0 of Chinese, Japanese and
Korean for each character. What a service puts before a prompt (a template, rules of its own, up to 1,500
tokens where it was recorded) no text tells: `arawn.context` learns that from what the service counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import ceil, inf

from arawn.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

WORD, LETTER, DIGIT, SIGN, LINE, BLANK = 0.4, 0.15, 0.6, 0.8, 0.5, 1 / 16
LONG_WORD, UNREADABLE = 12, 0.35
"""Letters of a word from which on it is none (base64, hashes), and what each further one costs."""
NARROW, WIDE, ASTRAL = 0.5, 1.0, 2.5
"""A character of two bytes in UTF-8 (accents, Greek, Cyrillic, Arabic), of three (CJK, Indic), of four."""
MESSAGE, REPLY = 4, 3
"""Around each message and before the answer (OpenAI's cookbook, How to count tokens with tiktoken)."""
CALL, TOOL = 12, 16
"""Around a call or its result, and around the description of a tool."""
PDF_PAGE, PDF_PAGE_BYTES = 2000, 60_000
"""docs.anthropic.com, PDF support: 1,500 to 3,000 a page; bytes of a page where none can be counted."""
AUDIO_BYTES = 500
"""ai.google.dev: 32 tokens a second, at the 16 kB a second of an MP3; sound in WAV has twice the bytes."""
PICTURE = 1500
"""Where its size cannot be told."""

PictureRule = Mapping[str, float]
"""How a service counts the tokens of a picture by its pixels.

By area: a token for so many pixels (`area`), at `most` so many tokens (docs.anthropic.com, Vision). By tiles:
so many tokens (`each`) for every `tile` of that side, over a `base`, after the sides were shrunk to at most
`longest` and `shortest` (platform.openai.com, Images and vision; ai.google.dev, Count tokens).
"""
PATCHES: PictureRule = {"area": 28 * 28, "most": 4096}
"""Where nothing is known of the service: a token for each patch, as Qwen and Mistral have it."""

_LETTERS = bytes(code for code in range(128) if chr(code).isalpha())
_DIGITS = b"0123456789"
_BLANKS = b" \t\n\r\f\v"
_SIGNS = bytes(code for code in range(33, 127) if not chr(code).isalnum())


def of_text(text: str) -> float:
    """Tokens of a text; a megabyte takes about 50 ms."""
    if not text:
        return 0.0
    plain = text.encode("ascii", "ignore")
    words = len(plain.split())
    letters = len(plain) - len(plain.translate(None, _LETTERS))
    signs = len(plain) - len(plain.translate(None, _SIGNS))
    digits = len(plain) - len(plain.translate(None, _DIGITS))
    blanks = len(plain) - len(plain.translate(None, _BLANKS))
    lines = plain.count(b"\n")
    found = WORD * words + LETTER * letters + DIGIT * digits + SIGN * signs + LINE * lines
    found += max(0.0, letters - LONG_WORD * (words + signs / 2)) * UNREADABLE
    found += max(0, blanks - lines - words) * BLANK
    return found + (_beyond_ascii(text, len(plain)) if len(plain) < len(text) else 0.0)


def _beyond_ascii(text: str, plain: int) -> float:
    """Tokens of the characters that are not ASCII, told apart by their length in UTF-8."""
    others = len(text) - plain
    astral = len(text.encode("utf-16-le", "surrogatepass")) // 2 - len(text)
    size = len(text.encode("utf-8", "surrogatepass")) - plain
    wide = size - 4 * astral - 2 * (others - astral)
    return ASTRAL * astral + WIDE * wide + NARROW * (others - astral - wide)


def of_part(part: Part, pictures: PictureRule = PATCHES) -> float:
    """Tokens of a part of a message; `pictures` is the rule that holds for pictures."""
    match part:
        case TextPart():
            return of_text(part.text)
        case FilePart():
            return of_file(part, pictures)
        case ReasoningPart():
            return 0.0  # what was thought goes back to few, and is not counted again by those
        case ToolCallPart():
            return CALL + of_text(part.name) + of_text(part.arguments)
        case ToolResultPart():
            return CALL + of_text(part.content)


def of_message(message: Message, pictures: PictureRule = PATCHES) -> float:
    """Tokens of a message with what goes around it."""
    return MESSAGE + sum(of_part(part, pictures) for part in message.parts)


def of_messages(messages: Iterable[Message], pictures: PictureRule = PATCHES) -> float:
    """Tokens of several messages."""
    return sum(of_message(message, pictures) for message in messages)


def of_request(request: Request, pictures: PictureRule = PATCHES) -> float:
    """Tokens of a whole request: system prompt, tools, the form of the answer, messages."""
    found = REPLY + of_messages(request.messages, pictures)
    if request.system:
        found += MESSAGE + of_text(request.system)
    for tool in request.tools:
        found += TOOL + of_text(f"{tool.name} {tool.description} {json.dumps(dict(tool.parameters))}")
    if request.format is not None and request.format.schema is not None:
        found += TOOL + of_text(json.dumps(dict(request.format.schema)))
    return found


def of_file(part: FilePart, pictures: PictureRule = PATCHES) -> float:
    """Tokens of a picture by its size, of a PDF by its pages, of a recording by its bytes."""
    if part.kind == "image":
        return of_picture(picture_size(part.data), pictures)
    if part.kind == "pdf":
        pages = part.data.count(b"/Type /Page") + part.data.count(b"/Type/Page")
        pages -= part.data.count(b"/Type /Pages") + part.data.count(b"/Type/Pages")
        return PDF_PAGE * max(1, pages if pages > 0 else ceil(len(part.data) / PDF_PAGE_BYTES))
    return len(part.data) / (AUDIO_BYTES * (2 if "wav" in part.media_type else 1))


def of_picture(size: tuple[int, int] | None, rule: PictureRule = PATCHES) -> float:
    """Tokens of a picture of so many pixels, by its tiles (see PictureRule) or else by its area."""
    if size is None or not all(0 < side < 100_000 for side in size):
        return PICTURE
    width, height = size
    if "tile" not in rule:
        return min(rule["most"], width * height / rule["area"])
    shrink = min(1.0, rule.get("longest", inf) / max(size), rule.get("shortest", inf) / min(size))
    tiles = ceil(width * shrink / rule["tile"]) * ceil(height * shrink / rule["tile"])
    return rule.get("base", 0) + rule["each"] * tiles


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, JPEG or WebP in pixels; None where its head does not say."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:4] == b"GIF8" and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp(data)
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """From the first frame header (ITU T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        mark = data[at + 1]
        if mark == 0xFF:
            at += 1
        elif 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    """From the first chunk (RFC 9649)."""
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            sides = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
            return next(sides), next(sides)
    return None
