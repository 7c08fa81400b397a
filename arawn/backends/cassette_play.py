"""Reads a cassette and finds the reply to each request in it, in the order they were recorded.

The file may be anybody's: everything in it is checked, and what is damaged is said in a sentence.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from arawn.backends import cassette_cover as cover
from arawn.backends.cassette import GROUPS, VERSION, replaced, variables
from arawn.backends.cassette_match import difference
from arawn.config.load import Config, Layer
from arawn.errors import ServiceFault, UsageFault
from arawn.secret import Redactor

NO_KEY = "replayed-without-a-key"
LAYERS = ("user", "project", "env")


class NotRecorded(ServiceFault):
    """The cassette does not hold what was asked; exit code 5."""

    code = "unreachable"
    exit_code = 5


class Played:
    """One recorded exchange. Without a `status` no reply came; `ended` tells that its body came to an end."""

    def __init__(self, line: Mapping[str, Any]) -> None:
        self.method = _text(line["request"])
        self.url = _text(line["url"])
        self.body = line["text"] if "text" in line else line.get("body")
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.pieces: list[bytes] = []
        self.fault: tuple[str, str] | None = None
        self.detail = ""
        self.hints: tuple[str, ...] = ()
        self.connected = True
        self.ended = False

    def take(self, line: Mapping[str, Any]) -> None:
        """One line more of it. Raises KeyError, TypeError or ValueError for one that is damaged."""
        if "connected" in line:
            self.connected = bool(line["connected"])
        if "status" in line:
            self.status = int(line["status"])
            self.headers = [(_text(name), _text(value)) for name, value in line["headers"]]
            for name, value in self.headers:
                (name + value).encode("utf-8")
            if not 100 <= self.status <= 999:
                raise ValueError("status")
        elif "fault" in line:
            self.fault = (_text(line["fault"]), _text(line["said"]))
            self.detail = _text(line.get("detail", ""))
            self.hints = tuple(_text(hint) for hint in line.get("hints", ()))
        elif "end" in line:
            self.ended = True
        elif "base64" in line:
            from base64 import b64decode

            self.pieces.append(b64decode(_text(line["base64"]), validate=True))
        else:
            self.pieces.append(_text(line["text"]).encode("utf-8"))


class Player:
    """The Tape of `--replay`. Raises UsageFault for a file that is no cassette, or a damaged one."""

    replays = True

    def __init__(self, place: str) -> None:
        self.redactor = Redactor()
        self._place = place
        self._lock = threading.Lock()
        self._exchanges: dict[int, Played] = {}
        self._probes: dict[str, list[Any]] = {}
        self._layers: list[Layer] | None = None
        self._env: dict[str, str] = {}
        for number, line in _lines(place):
            try:
                self._take(line, number == 1)
            except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
                raise _damaged(place, number) from None
        self._left = list(self._exchanges.values())

    def _take(self, line: Mapping[str, Any], first: bool) -> None:
        if first:
            keys, others = variables()
            env = {_text(name): _text(item) for name, item in line.get("env", {}).items()}
            self._env = {name: NO_KEY for name in env if name in keys}
            self._env |= {name: item for name, item in env.items() if name in others}
        elif "config" in line:
            self._layers = [_layer(row, self._place) for row in line["config"]]
        elif "probe" in line:
            self._probes.setdefault(_text(line["probe"]), []).append(line["answer"])
        elif "request" in line:
            self._exchanges[int(line["n"])] = Played(line)
        else:
            self._exchanges[int(line["n"])].take(line)

    def transport(self, make: Callable[[], Any]) -> Any:
        """What answers in the place of the network."""
        from arawn.backends.http_cassette import Playing

        return Playing(self)

    def probed(self, url: str, ask: Callable[[], Any]) -> Any:
        """What was there, in its order, the last again and again; None where nobody looked."""
        with self._lock:
            answers = self._probes.get(cover.address(url, self.redactor), [])
            return None if not answers else answers.pop(0) if len(answers) > 1 else answers[0]

    def env(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """`env` with the variables that choose a backend as they were; keys are none."""
        keys, others = variables()
        kept = {name: item for name, item in env.items() if name not in keys and name not in others}
        return kept | self._env

    def config(self, config: Config) -> Config:
        """`config` with what is asked as it was."""
        return config if self._layers is None else replaced(config, self._layers)

    def find(self, method: str, url: str, body: bytes) -> Played:
        """The first exchange not yet played that answers this request. Raises NotRecorded."""
        asked, masked = _body(body, _AsItIs()), _body(body, self.redactor)
        where = cover.address(url, self.redactor)
        with self._lock:
            like = [one for one in self._left if one.method == method and _path(one.url) == _path(where)]
            found = [one for one in like if _same(one.body, asked, masked)]
            exact = [one for one in found if one.url == where]
            if found:
                played = (exact or found)[0]
                self._left.remove(played)
                return played
            raise self._not_recorded(method, where, asked, like)

    def _not_recorded(self, method: str, url: str, asked: Any, like: list[Played]) -> NotRecorded:
        if like:
            hint = f"what differs first: {difference(like[0].body, asked)}"
        elif any(one.method == method and _path(one.url) == _path(url) for one in self._exchanges.values()):
            hint = "it was asked for once more than it was recorded"
        else:
            hint = f"{len(self._left)} of its {len(self._exchanges)} requests are left"
        return NotRecorded(
            f"{self._place} holds no answer to {method} {url}",
            hints=(hint, "a replay asks what was recorded, in the same words and with the same settings"),
        )


class _AsItIs(Redactor):
    """Leaves keys in: a mask in the recording is like any of them, and which were known then is not known."""

    def redact(self, text: str) -> str:
        """`text`."""
        return text


def _body(body: bytes, redactor: Redactor) -> Any:
    try:
        return cover.value(json.loads(body), redactor) if body else None
    except (ValueError, RecursionError):
        return cover.text(body.decode("utf-8", "replace"), redactor)


def _same(recorded: Any, *forms: Any) -> bool:
    return any(difference(recorded, asked) is None for asked in forms)


def _lines(place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines by number, from 1. A last one that was not written whole is left out."""
    try:
        with open(place, "rb") as file:
            rows = file.read().split(b"\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or "that is not the name of a file"
        raise UsageFault(f"--replay {place}: it cannot be read: {reason}") from None
    for number, row in enumerate(rows, 1):
        if number > 1 and number == len(rows):
            return  # all before ends with a line end: this is nothing, or half a line
        try:
            line = json.loads(row)
        except (ValueError, RecursionError):
            line = None
        if number == 1:
            _check(place, line)
        if not isinstance(line, dict):
            raise _damaged(place, number)
        yield number, line


def _check(place: str, line: Any) -> None:
    if not isinstance(line, dict) or line.get("arawn") != "cassette":
        raise UsageFault(f"--replay {place}: it is no cassette of Arawn")
    version = line.get("version")
    if not isinstance(version, int) or version < 1:
        raise _damaged(place, 1)
    if version > VERSION:
        raise UsageFault(
            f"--replay {place}: a newer Arawn wrote it (form {version}; this one reads {VERSION})",
            hints=("update Arawn",),
        )


def _damaged(place: str, number: int) -> UsageFault:
    return UsageFault(
        f"--replay {place}: line {number} is damaged", hints=("record it again: --record FILE",)
    )


def _layer(row: Any, place: str) -> Layer:
    """Settings as they were recorded, checked like those of a file. Raises ValueError."""
    name, values = _text(row["layer"]), row["values"]
    if name not in LAYERS or not set(values) <= set(GROUPS):
        raise ValueError("layer")
    return Layer(name, _checked((), values), None, {(group,): place for group in values})


def _checked(path: tuple[str, ...], value: Any) -> Any:
    """A setting in its final type. Raises ValueError where there is none such or its value does not fit."""
    from arawn.config.row import Row
    from arawn.config.schema import find
    from arawn.config.values import coerce

    spec = find(path)
    if isinstance(spec, Row):
        return coerce(spec, value)  # its BadValue is a ValueError
    if spec is None or not isinstance(value, dict):
        raise ValueError("setting")
    return {name: _checked((*path, name), item) for name, item in value.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value


def _path(url: str) -> str:
    return urlsplit(url).path
