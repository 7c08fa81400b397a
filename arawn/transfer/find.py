"""What a file is, told by its content, and which reader takes it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from arawn.errors import UsageFault
from arawn.transfer.shape import FAULTS, Tell, elements
from arawn.transfer.source import LIMITS, Limits, Source, head, open_file, open_folder, open_zip

Reader = tuple[str, Source]
_CONVERSATIONS = re.compile(r"conversations([-_]\d+)?\.json")
_ENDINGS = (".json", ".jsonl", ".md", ".markdown", ".html", ".htm", ".yaml", ".yml", ".db")
_AICHAT = re.compile(r"^# CHAT:", re.M)
_SESSION_YAML = re.compile(r"^(compressed_)?messages:", re.M)
_MODEL_YAML = re.compile(r"^model:", re.M)


def readers(path: Path, form: str | None, tell: Tell, limits: Limits | None) -> Iterator[Reader]:
    """The readers for what lies at `path`, each with its source. Raises UsageFault where there is none."""
    held = limits or LIMITS
    if os.path.isdir(path):
        yield from _inside(open_folder(path, held), str(path), form, tell)
        return
    source = open_file(path, held)
    begins = head(path)
    if begins.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _inside(open_zip(path, held), str(path), form, tell)
        return
    if path.name == "conversation.jsonl":  # gptme's: branches and name lie beside it
        source = source._replace(beside=open_folder(path.resolve().parent, held))
    yield _one(source, form, begins, tell)


def _one(source: Source, form: str | None, begins: bytes, tell: Tell) -> Reader:
    if begins.startswith(b"SQLite format 3\0"):
        if form not in (None, "llm") or source.path is None:
            raise UsageFault(f"{source.label} is a SQLite database, which only llm's can be read from")
        return "llm", source
    if form == "llm":
        raise UsageFault(f"{source.label} is no SQLite database, as llm's logs.db is one")
    text = source.text(tell)
    name = form or told_by(text)
    if not name:
        raise UsageFault(
            f"{source.label} is of no form that can be imported",
            hints=("name its form where it has one: --format", "arawn help transfer"),
        )
    return name, source._replace(words=text)


def _inside(files: Mapping[str, Source], label: str, form: str | None, tell: Tell) -> Iterator[Reader]:
    """What of an archive or a folder holds conversations."""
    exports = [one for name, one in files.items() if _CONVERSATIONS.fullmatch(PurePosixPath(name).name)]
    logs = [name for name in files if PurePosixPath(name).name == "conversation.jsonl"]
    if exports:
        found = [one._replace(beside=files) for one in exports]
    elif logs:
        found = [files[name]._replace(beside=_within(files, PurePosixPath(name).parent)) for name in logs]
    else:
        found = [one for name, one in files.items() if name.lower().endswith(_ENDINGS)]
    if not found:
        raise UsageFault(f"{label} holds no file that can be imported")
    for one in found:
        try:
            yield _one(one, form, head(one.path) if one.path else b"", tell)
        except UsageFault as error:
            if len(found) == 1:
                raise
            tell(error.sentence)


def _within(files: Mapping[str, Source], folder: PurePosixPath) -> dict[str, Source]:
    begins = "" if str(folder) == "." else f"{folder}/"
    return {name[len(begins) :]: one for name, one in files.items() if name.startswith(begins)}


def told_by(text: str) -> str:
    """The form of a text, "" where it is of none."""
    begins = text.lstrip()[:200_000]
    if begins.startswith(("{", "[")):
        return _json(text)
    if re.search(r"^<!-- arawn:session ", text, re.M):
        return "markdown"
    if '<script type="application/json" class="arawn-session">' in text:
        return "html"
    if _AICHAT.search(begins) or (_MODEL_YAML.search(begins) and _SESSION_YAML.search(begins)):
        return "aichat"
    return ""


def _json(text: str) -> str:
    """By the first elements that tell; a line of JSON with more behind it is one of many lines."""
    whole = text.lstrip()
    try:
        values = list(islice(elements(whole), 50))
    except FAULTS:
        values = []
    values = values or [*_first(whole)]
    return next((name for value in values if (name := _shape(value))), "")


def _first(whole: str) -> Iterator[Any]:
    """What can be read of lines, or of a list that breaks off."""
    for line in whole.split("\n", 50)[:50]:
        try:
            yield from elements(line)
        except FAULTS:
            continue
    try:
        yield from elements(whole)
    except FAULTS:
        return


def _shape(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    held = [value.get(key) for key in ("conversations", "sessions")]
    inner: list[Any] = [one for listed in held if isinstance(listed, list) for one in listed[:50]]
    for key, name in (
        ("arawn", "json"),
        ("mapping", "chatgpt"),
        ("chat_messages", "claude"),
        ("messages", "jsonl"),
    ):
        if key in value:
            return name
    if {"role", "content"} <= set(value):
        return "gptme"
    return next((name for one in inner if (name := _shape(one))), "")
