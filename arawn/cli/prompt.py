"""What `ask` is to say: words, standard input and files become one prompt, flags the form of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import UsageFault

if TYPE_CHECKING:
    from arawn.attach import Attachment, Fetch
    from arawn.messages import FilePart, Format


class Prompt(NamedTuple):
    """The text, what goes beside it, all files that were taken, and what is to be told of them."""

    text: str
    parts: tuple[FilePart, ...] = ()
    files: tuple[Attachment, ...] = ()
    notes: tuple[str, ...] = ()


def compose(words: Sequence[str], piped: bytes | None, files: Sequence[str], fetch: Fetch) -> Prompt:
    """One prompt: `-` among the words is where piped text goes, else it follows the words.

    Files follow, texts each fenced under its name; `-` among them is what is piped in. Raises UsageFault
    where nothing but blanks remains, and for a file that cannot be sent. What is piped in as text is sent
    also where it cannot be read, and that is told.
    """
    words = [whole(word) for word in words]
    if piped is None and not files:
        return Prompt(_some(" ".join(word for word in words if word != "-")))
    from arawn.attach import STDIN, enclosed, from_bytes, parts, take

    taken = [from_bytes(piped or b"", "stdin") if name in STDIN else take(name, fetch) for name in files]
    is_file = any(name in STDIN for name in files)
    into = from_bytes(piped, "stdin", most=1.0) if piped and not is_file else None
    if into is not None and into.part is not None:
        taken.insert(0, into)
    inside = into.text if into is not None else ""
    text = " ".join(inside if word == "-" else word for word in words)
    if inside and "-" not in words:
        text = f"{text}\n\n{inside}" if text.strip() else inside
    if not any(file.part is not None or file.text.strip() for file in taken):
        _some(text)
    texts = [text] if text.strip() else []
    notes = tuple(_told(file) for file in (*taken, into) if file is not None and file.lost)
    return Prompt("\n\n".join([*texts, *enclosed(taken)]), parts(taken), tuple(taken), notes)


def _told(file: Attachment) -> str:
    count = "1 byte is" if file.lost == 1 else f"{file.lost:,} bytes are"
    return (
        f"{file.name}: {count} no UTF-8 and sent as \ufffd; "
        "if it is other text: iconv -f windows-1252 -t UTF-8"
    )


def _some(text: str) -> str:
    if not text.strip():
        raise UsageFault(
            "There is nothing to ask", hints=('arawn ask "Hello"', "or: some command | arawn ask -")
        )
    return text


def wanted_format(json_mode: bool, schema: str | None, keys: str | None) -> Format | None:
    """What `--json-mode`, `--schema` and `--keys` ask for. Raises UsageFault for a schema that is none."""
    said = [
        flag
        for flag, given in (
            ("--json-mode", json_mode),
            ("--schema", schema is not None),
            ("--keys", keys is not None),
        )
        if given
    ]
    if len(said) > 1:
        raise UsageFault(f"{said[0]} and {said[1]} exclude each other")
    if not said:
        return None
    from arawn.attach import read_text
    from arawn.messages import Format
    from arawn.structure import from_argument, from_keys

    if schema is not None:
        return Format(from_argument(schema, read_text))
    return Format(from_keys(keys)) if keys is not None else Format()


def whole(text: str) -> str:
    """What a shell handed over and was no UTF-8 arrives as lone surrogates; they cannot be sent."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
