"""The request of a turn as a curl command: what the HTTP door sends, caught before it leaves.

It is built by all that builds a real request, with names of shell variables in the place of keys, so that it
cannot say anything else. It knows neither store nor terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.backends.cassette_cover import LONG_BASE64, SECRET_NAME
from arawn.backends.choose import Choice, provider_of
from arawn.backends.http_net import address, is_loopback
from arawn.config.load import Config
from arawn.doors import Doors
from arawn.errors import UsageFault
from arawn.gauge import oldest
from arawn.messages import Format, Request
from arawn.orderly import orderly
from arawn.ports import Backend
from arawn.providers import GUIDE
from arawn.secret import Secret, references
from arawn.session import Session, Turn, standing

if TYPE_CHECKING:
    from arawn.backends.http import HttpBackend

MARK = re.compile(r"@@ARAWN:(\w+)@@")
"""Stands where a key would, until it becomes the name of a variable."""
MADE_BY_CURL = ("host", "connection", "content-length")
HARMLESS = re.compile(r"[\w :;,./+=@%*-]*", re.A)
UNSEEN = re.compile(r"[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
ARGUMENT = 100_000
"""Bytes of one argument that every system takes (Linux: 131,071 bytes)."""
EXPECTS = 1_000_000
"""For a larger body curl would ask first whether it may be sent."""
SHOWN = 40


class Sent(NamedTuple):
    """A request as it would leave."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str


class _Caught(Exception):
    def __init__(self, sent: Sent) -> None:
        super().__init__()
        self.sent = sent


class _Net:
    """An httpx transport from which nothing comes out."""

    def handle_request(self, request: Any) -> Any:
        headers = tuple((name.lower(), value) for name, value in request.headers.multi_items())
        body = request.read().decode("utf-8", "replace")
        raise _Caught(Sent(request.method, str(request.url), headers, body))

    def close(self) -> None:
        """Nothing is open."""


class Names(Doors):
    """Doors that lead nowhere, with the name of a variable in the place of each key."""

    def __init__(self, config: Config, env: Mapping[str, str], backend: str) -> None:
        super().__init__(config, _with_a_key(config, env, backend))
        self.way = _Net()
        self.options: list[str] = []
        self._names: dict[str, str] = {}

    @property
    def env(self) -> Mapping[str, str]:
        """The environment, with the variable of a key that is not there."""
        return self._env

    def open(self, choice: Choice, timeout: float | None) -> HttpBackend:
        """The way to the service of `choice`, as far as to the transport."""
        table = choice.table
        proxy = self._plain(table.get("proxy"))
        self.options = [f"--proxy {shell(proxy)}"] if proxy else []
        if table.get("ca_bundle"):
            self.options.append(f"--cacert {shell(str(table['ca_bundle']))}")
        if table.get("insecure") and choice.base_url.startswith("https:"):
            self.options.append("--insecure")
        return super().open(choice, timeout)

    def _secret(self, text: str) -> Secret:
        """The text with a mark for each reference; a mark alone where it is the key itself."""
        found = references(text)
        for reference in found:
            text = text.replace(reference, self._mark(reference), 1)
        return Secret(text.replace("$$", "$") if found else self._hidden(text), "shown")

    def _plain(self, text: str | None) -> str | None:
        if not text or references(text):
            return super()._plain(text)
        return re.sub(r"(?<=//)[^/]*@", self._hidden(text) + "@", text)

    def _mark(self, reference: str) -> str:
        """The mark of a reference: a variable of the environment keeps its name."""
        if reference.startswith(("$env:", "${")):
            return f"@@ARAWN:{reference.removeprefix('$env:').strip('${}')}@@"
        return self._hidden(reference)

    def _hidden(self, key: str) -> str:
        if key not in self._names:
            self._names[key] = f"KEY{len(self._names) + 1 if self._names else ''}"
        return f"@@ARAWN:{self._names[key]}@@"

    def hide(self, sent: Sent) -> Sent:
        """A request without keys that stand in the config as they are, in a header or an address."""
        headers = tuple(
            (name, self._hidden(value) if self._is_key(name, value) else value)
            for name, value in sent.headers
        )
        url = re.sub(
            r"(?<=[?&])([^=&#]+)=([^&#]*)",
            lambda pair: f"{pair[1]}={self._hidden(pair[2])}" if SECRET_NAME.match(pair[1]) else pair[0],
            sent.url,
        )
        return sent._replace(headers=headers, url=url)

    def _is_key(self, name: str, value: str) -> bool:
        return not MARK.search(value) and (
            bool(SECRET_NAME.match(name)) or self.redactor.redact(value) != value
        )


def _with_a_key(config: Config, env: Mapping[str, str], backend: str) -> Mapping[str, str]:
    """`env` with the variable of the key that the backend wants: to show its name no key is needed."""
    row = provider_of(backend, config.backends.get(backend, {}), config)
    names = row.key_names
    if not row.needs_key or not names or any(env.get(name, "").strip() for name in names):
        return env
    return {**env, names[0]: "shown-by-its-name"}


def asked(turn: Turn, backend: str | None) -> tuple[str, str | None]:
    """The backend of a turn and its model, or `backend` and the one it has. Raises UsageFault for none."""
    receipt = turn.receipt
    if backend:
        return backend, None
    if receipt.backend in ("", GUIDE):
        raise UsageFault("That turn was answered without a request", hints=("another: arawn curl ID",))
    return receipt.backend, receipt.asked or None


def request_of(session: Session, turn: Turn) -> Request:
    """What was sent to have `turn` answered, as far as the session tells."""
    turns = list(standing(session.path(turn.parent)))
    left_out = turn.receipt.left_out
    while left_out > 0 and turns:
        left_out -= len(turns.pop(oldest(turns)).messages)
    messages = (*(message for one in turns for message in one.messages), turn.prompt)
    said = dict(turn.receipt.settings)
    form = said.get("format")
    return Request(
        orderly(messages),
        session.system,
        said.get("max_tokens"),
        said.get("temperature"),
        said.get("top_p"),
        tuple(said.get("stop", ())),
        format=Format(form.get("schema"), str(form.get("name", "answer"))) if form else None,
        reasoning=said.get("reasoning"),
        stream=said.get("stream") is not False,
        extra=said.get("extra", {}),
    )


def caught(names: Names, backend: Backend, request: Request) -> Sent:
    """The first request that `backend`, which was opened over `names`, would send. Raises UsageFault."""
    try:
        for _ in backend.stream(request):
            pass
    except _Caught as stop:
        return names.hide(stop.sent)
    finally:
        backend.close()
    raise UsageFault(f'"{backend.name}" answers without sending anything')


def command(sent: Sent, options: list[str], redact: Callable[[str], str], *, brief: bool = False) -> str:
    """One command for a POSIX shell. `brief`: for eyes, files in it shortened and nothing hidden in it."""
    body = masked(sent.body, redact)
    if brief:
        body = LONG_BASE64.sub(lambda run: f"{run[0][:SHOWN]}...[{len(run[0])} characters]", body)
        body = UNSEEN.sub(lambda one: f"\\u{ord(one[0]):04x}", body)
    lines = [f"curl -sSN {shell(sent.url)}", *options]
    if is_loopback(address(sent.url).host) and not options:  # as the door does, whatever the environment says
        lines.append("--noproxy '*'")
    if sent.method != ("POST" if body else "GET"):
        lines.append(f"-X {sent.method}")
    if set(sent.url) & set("[]{}"):
        lines.append("--globoff")
    lines += [f"-H {shell(f'{name}: {value}')}" for name, value in sent.headers if name not in MADE_BY_CURL]
    before, size = "", len(body.encode("utf-8", "replace"))
    if size > EXPECTS:
        lines.append("-H 'expect:'")
    if size > ARGUMENT:
        before = f"printf '%s' {shell(body)} |\n"
        lines.append("--data-binary @-")
    elif body:
        lines.append(f"--data-binary {shell(body)}")
    return before + " \\\n  ".join(lines)


def masked(body: str, redact: Callable[[str], str]) -> str:
    """A body without keys that somebody typed; as it is where there is none."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(item) for name, item in value.items()}
        if isinstance(value, list):
            return [clean(item) for item in value]
        return redact(value) if isinstance(value, str) else value

    try:
        said = json.loads(body) if body else None
    except ValueError:
        return redact(body)
    kept = clean(said)
    return body if kept == said else json.dumps(kept, ensure_ascii=False)


def shell(text: str) -> str:
    """`text` as one word of a POSIX shell; marks become variables."""
    parts = MARK.split(text)
    if len(parts) == 1:
        return quote(text)
    plain, names = parts[::2], parts[1::2]
    if all(HARMLESS.fullmatch(part) for part in plain):
        made = plain[0]
        for name, after in zip(names, plain[1:], strict=True):
            made += (f"${{{name}}}" if re.match(r"\w", after) else f"${name}") + after
        return f'"{made}"'
    return "".join(
        f'"${part}"' if number % 2 else quote(part) if part else "" for number, part in enumerate(parts)
    )
