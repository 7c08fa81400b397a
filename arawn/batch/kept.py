"""What is remembered of work at a batch service, so that one can come back for it; there is no key in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from arawn.config.write import write_private
from arawn.errors import ArawnError, UsageFault

VERSION = 1
SENDING = "sending"
"""In the place of a job's id, from before it is sent until the service has answered."""
UNSURE = (
    "it is not known whether the service took all of it: look there, for the name arawn-..., before you hand "
    "it over again"
)
"""What is told of such a job where no answer ever came."""


class Part(NamedTuple):
    """A job at the service: its id there, and how many lines it has."""

    job: str
    lines: int


class Kept(NamedTuple):
    """Work that was handed over. `ids` are the lines' ids with the marks of what they say, in their order.

    `structured` tells that JSON is wanted, of the schema `form` where there is one; `out` is where the
    answers were said to go. `made` is seconds since 1970, `hold` what holds the money for it.
    """

    id: str
    backend: str
    provider: str
    model: str
    base_url: str
    style: str
    dialect: str
    made: float
    source: str
    ids: tuple[tuple[str | int, str], ...]
    parts: tuple[Part, ...] = ()
    form: Mapping[str, Any] | None = None
    structured: bool = False
    out: str = ""
    hold: str = ""


class Shelf:
    """The folder in which it is kept, a file for each."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "batches"

    def put(self, kept: Kept) -> None:
        """Keep, in the place of what was kept under that id. Raises ArawnError."""
        made = {"version": VERSION, **kept._asdict()}
        made["parts"] = [part._asdict() for part in kept.parts]
        data = json.dumps(made, ensure_ascii=False).encode("utf-8", "replace")
        try:
            write_private(self._folder / f"{kept.id}.json", data)
        except OSError as error:
            raise ArawnError(
                f"What is needed to come back cannot be kept: {self._folder}: {error.strerror}"
            ) from None

    def all(self) -> list[Kept]:
        """Everything that is kept, the oldest first."""
        found = [self._read(path) for path in self._folder.glob("*.json")]
        return sorted((kept for kept in found if kept is not None), key=lambda kept: kept.made)

    def find(self, word: str | None) -> Kept:
        """What is meant by an id or its beginning; the last one for None. Raises UsageFault."""
        kept = self.all()
        if not kept:
            raise UsageFault(
                "Nothing was handed to a batch service", hints=("arawn batch IN.jsonl --provider-batch",)
            )
        near = [one for one in kept if word is None or one.id.startswith(word)]
        if not near or (word is not None and len(near) > 1):
            what = f"{len(near)} batches begin" if near else "No batch begins"
            raise UsageFault(f"{what} with {word!r}", hints=("arawn batch status lists them",))
        return near[-1]

    def forget(self, kept: Kept) -> None:
        """Keep it no longer."""
        (self._folder / f"{kept.id}.json").unlink(missing_ok=True)

    @staticmethod
    def _read(path: Path) -> Kept | None:
        try:
            made = json.loads(path.read_bytes())
            if made.pop("version") != VERSION:
                return None
            made["parts"] = tuple(Part(**part) for part in made["parts"])
            made["ids"] = tuple((id, digest) for id, digest in made["ids"])
            return Kept(**made)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


def new_id() -> str:
    """A short id by the time."""
    import secrets

    return time.strftime("%m%d-%H%M%S", time.localtime()) + "-" + secrets.token_hex(2)
