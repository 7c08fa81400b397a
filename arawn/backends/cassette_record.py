"""Writes what a run asks and is answered into a cassette, as it comes and without keys.

Trouble with the file costs no answer: it is told once, and the recording ends there.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from arawn import __version__
from arawn.backends import cassette_cover as cover
from arawn.backends.cassette import VERSION, asked_settings, variables
from arawn.config.load import Config, refers
from arawn.errors import ArawnError, SecretFault, UsageFault
from arawn.secret import Redactor, Resolver

TELLING = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.I)
"""Environment variables whose value is taken for a key, whoever set them."""
SHORTEST = 12


class Recorder:
    """The Tape of `--record`. Raises UsageFault where the file cannot be begun."""

    replays = False

    def __init__(self, place: str, env: Mapping[str, str], tell: Callable[[str], None]) -> None:
        self.redactor = Redactor()
        self._env = env
        self._tell = tell
        self._lock = threading.Lock()
        self._count = 0
        self._place = place
        keys, others = variables()
        for name, value in env.items():
            telling = TELLING.search(name) and len(value) >= SHORTEST and not value.startswith("/")
            if name in keys or telling:
                self.redactor.add(value)
        said = {name: cover.MASK for name in keys if env.get(name, "").strip()}
        said |= {name: cover.text(env[name], self.redactor) for name in others if env.get(name, "").strip()}
        self._file: int | None = _begun(place)
        self.write({"arawn": "cassette", "version": VERSION, "by": __version__, "env": said})

    def transport(self, make: Callable[[], Any]) -> Any:
        """The transport to the network, with this around it."""
        inner = make()
        from arawn.backends.http_cassette import Recording

        return Recording(inner, self)

    def probed(self, url: str, ask: Callable[[], Any]) -> Any:
        """What is there, written down."""
        answer = ask()
        self.write({"probe": cover.address(url, self.redactor), "answer": cover.value(answer, self.redactor)})
        return answer

    def env(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """As it is."""
        return env

    def config(self, config: Config) -> Config:
        """As it is; what it says of backends is written down, and its keys are known from here on."""
        from arawn.config.mask import masked

        layers = []
        for name, values in asked_settings(config):
            for table in (*values.get("backends", {}).values(), *values.get("embeddings", {}).values()):
                self._learn(table)
            layers.append({"layer": name, "values": self._shown(masked((), values))})
        for table in config.backends.values():
            self._learn(table)
        self.write({"config": layers})
        return config

    def begin(self, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes) -> Exchange:
        """A request is about to be sent."""
        with self._lock:
            self._count += 1
            number = self._count
        made: dict[str, Any] = {
            "n": number,
            "request": method,
            "url": cover.address(url, self.redactor),
            "headers": cover.sent_headers(headers, self.redactor),
        }
        try:
            made["body"] = cover.value(json.loads(body), self.redactor) if body else None
        except (ValueError, RecursionError):
            made["text"] = cover.text(body.decode("utf-8", "replace"), self.redactor)
        self.write(made)
        return Exchange(self, number)

    def write(self, line: Mapping[str, Any]) -> None:
        """One line more, at once. Never raises."""
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-8", "replace") + b"\n"
        with self._lock:
            if self._file is None:
                return
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError as error:
                with suppress(OSError):
                    os.close(self._file)
                self._file = None
                self._tell(f"the recording ends here: {self._place}: {error.strerror}")

    def _shown(self, values: Any) -> Any:
        """Masked settings without the last characters of keys, which are shown to a person."""
        if isinstance(values, Mapping):
            return {name: self._shown(item) for name, item in values.items()}
        if isinstance(values, list | tuple):
            return [self._shown(item) for item in values]
        if not isinstance(values, str):
            return values
        hidden = values.startswith(cover.MASK) and not refers(values)
        return cover.MASK if hidden else cover.text(values, self.redactor)

    def _learn(self, table: Any) -> None:
        """The keys of a backend's table, as far as they are known without asking a keyring."""
        if not isinstance(table, Mapping):
            return
        headers = table.get("headers")
        named = {name: table.get(name) for name in ("api_key", "token", "proxy")}
        if isinstance(headers, Mapping):
            named |= {str(name): item for name, item in headers.items()}
        for name, text in named.items():
            if not isinstance(text, str) or "$keyring:" in text:
                continue
            if refers(text):
                from arawn.config.paths import paths

                with suppress(SecretFault):
                    self.redactor.add(
                        Resolver(self._env, home=paths(self._env).config_dir).resolve(text).reveal()
                    )
            elif cover.SECRET_NAME.match(name):
                self.redactor.add(text)


class Exchange:
    """One request and its reply, written down as they go on."""

    def __init__(self, tape: Recorder, number: int) -> None:
        self._tape = tape
        self._number = number
        self._body: cover.Body | None = None
        self._last = time.monotonic()
        self._over = False

    def head(self, status: int, headers: Iterable[tuple[str, str]], connected: bool) -> None:
        """The reply has begun; `connected` tells that a connection was opened for it."""
        redactor = self._tape.redactor
        kept = cover.got_headers(headers, redactor)
        self._body = cover.Body(redactor, dict(kept).get("content-type", ""))
        self._write(status=status, headers=kept, connected=connected, after=self._passed())

    def piece(self, data: bytes) -> None:
        """A piece of the body."""
        if self._body is not None and data:
            self._pieces(self._body.add(cover.Piece(self._passed(), data)))

    def fault(self, error: Exception, connected: bool = True) -> None:
        """The reply did not come, or broke off."""
        self._rest()
        redact = self._tape.redactor.redact
        told: dict[str, Any] = {"fault": type(error).__name__, "said": redact(str(error))}
        if isinstance(error, ArawnError):
            told |= {"detail": redact(error.detail), "hints": [redact(hint) for hint in error.hints]}
        self._write(**told, connected=connected, after=self._passed())
        self._over = True

    def end(self, how: str = "end") -> None:
        """The body came to its end, or nobody wanted more of it ("left")."""
        if not self._over:
            self._rest()
            self._write(end=how)
            self._over = True

    def _rest(self) -> None:
        if self._body is not None:
            self._pieces(self._body.rest())

    def _pieces(self, pieces: Iterable[cover.Piece]) -> None:
        for piece in pieces:
            self._write(**in_json(piece.data), after=piece.after)

    def _write(self, **line: Any) -> None:
        self._tape.write({"n": self._number, **line})

    def _passed(self) -> float:
        now = time.monotonic()
        passed, self._last = now - self._last, now
        return round(passed, 4)


def in_json(data: bytes) -> dict[str, str]:
    """A piece of a body as it stands in a line: text where it is such, else base64."""
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        from base64 import b64encode

        return {"base64": b64encode(data).decode()}


def _begun(place: str) -> int:
    """The file, new or empty, for its owner alone. Raises UsageFault."""
    flags = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        try:
            return os.open(place, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            found = os.lstat(place)
            if not os.path.isfile(place) or os.path.islink(place) or found.st_size:
                raise UsageFault(
                    f"--record {place}: it is there already, and nothing is written over it",
                    hints=("choose another name", f"or delete it: rm {place}"),
                ) from None
            handle = os.open(place, flags)
            if os.name == "posix":
                os.fchmod(handle, 0o600)
            return handle
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or "that is not the name of a file"
        raise UsageFault(f"--record {place}: it cannot be written: {reason}") from None
