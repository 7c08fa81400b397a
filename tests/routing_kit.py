"""Backends that fail as told, in a program of our own around them: real requests on loopback, virtual time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fake_provider import (
    Behaviour,
    Conn,
    FakeProvider,
    json_reply,
    openai_stream,
    silent,
    torn,
)

from arawn.backends.choose import Choice, choose
from arawn.backends.configured import Configured, Known
from arawn.backends.health import Health
from arawn.backends.race import Race
from arawn.backends.router import Ready, Router
from arawn.backends.routing import Retry
from arawn.catalog import Facts
from arawn.config.load import load
from arawn.doors import Doors, options, retry_policy, settings_of, system_of
from arawn.fitting import kinds
from arawn.routing import Parts, at_once, several

TEXT = "It is a whole answer."
KEYS = {
    "a": "sk-CANARY-aaaaaaaaaaaaaaaaaaaa",
    "b": "sk-CANARY-bbbbbbbbbbbbbbbbbbbb",
    "c": "sk-CANARY-cccccccc",
}
TICK = 0.5


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= TICK, "a wait is told several times a second"
        self.now += seconds


def error(status: int, message: str = "no", **headers: str) -> Behaviour:
    return json_reply(status, {"error": {"message": message}}, **headers)


def answer(text: str = TEXT) -> Behaviour:
    return openai_stream([text[:4], text[4:]], usage={"prompt_tokens": 3, "completion_tokens": 2})


def late(conn: Conn) -> None:
    """An answer that begins when the other was asked for sure."""
    time.sleep(0.2)
    answer()(conn)


class Fault(NamedTuple):
    """A way to fail: what is served, its error code, whether the next is asked by default."""

    serve: Behaviour | None
    code: str
    switches: bool
    retried: bool = True
    """Whether the last one left is asked again."""


FAULTS = {
    "400": Fault(error(400), "refused", False),
    "401": Fault(error(401), "auth", False),
    "403": Fault(error(403), "auth", False),
    "404": Fault(error(404), "refused", False),
    "404 model": Fault(error(404, "model not found"), "model", False),
    "408": Fault(error(408), "timeout", True),
    "413": Fault(error(413), "context", True, False),
    "429": Fault(error(429), "rate_limited", True),
    "429 after 20 s": Fault(error(429, retry_after="20"), "rate_limited", True),
    "429 after an hour": Fault(error(429, retry_after="3600"), "rate_limited", True, False),
    "429 no quota": Fault(error(429, "insufficient_quota"), "rate_limited", True, False),
    "500": Fault(error(500), "overloaded", True),
    "502": Fault(error(502), "unreachable", True),
    "503": Fault(error(503), "overloaded", True),
    "504": Fault(error(504), "timeout", True),
    "529": Fault(error(529), "overloaded", True),
    "timeout before headers": Fault(silent, "timeout", True),
    "refused connection": Fault(None, "unreachable", True, False),
    "cut before the first event": Fault(torn(openai_stream(["x"]), 0), "cut", True),
    "context overflow": Fault(error(400, "context_length_exceeded"), "context", True, False),
}
"""Those where nothing was shown yet."""


class Kit:
    """A config over fake providers a, b and c, and what routing makes of it."""

    def __init__(self, folder: Path, urls: Sequence[str], more: str = "", llm: str = "") -> None:
        path = folder / "config.toml"
        names = "abc"[: len(urls)]
        others = ", ".join(f'"{name}"' for name in names[1:])
        tables = [
            f'[backends.{name}]\nprovider = "custom"\nbase_url = "{url}/v1"\nmodel = "m-{name}"\n'
            f'api_key = "{KEYS[name]}"\n'
            for name, url in zip(names, urls, strict=True)
        ]
        path.write_text(
            f'[llm]\nbackend = "a"\nfallback_backends = [{others}]\n{llm}\n'
            '[limits]\nfirst_event = "400ms"\nidle = "400ms"\nconnect = "2s"\n' + "".join(tables) + more
        )
        env = {"HOME": str(folder)}
        self.config = load(env=env, cwd=None, config_file=str(path), flags=())
        self.clock = Clock()
        self.health = Health(folder / "health.json", Clock(1000.0))
        self.facts: dict[str, Facts] = {}
        self.doors = Doors(self.config, env)
        self.parts = Parts(self.config, env, self.open, self.known, self.takes, self.health)

    def open(self, name: str, model: str | None, attempts: int | None, last: bool) -> Ready:
        choice = choose(self.config, {}, name, model)
        assert choice is not None
        door = self.doors.open(choice, None)
        policy = retry_policy(self.config, choice, attempts)
        if not last:
            policy = policy._replace(longest_asked=policy.max_delay)
        retry = Retry(door, policy, self.clock.sleep, self.clock, lambda: 1.0)
        known = Known(lambda: self.takes(choice), list, lambda: ("prompt",))
        settings, system = settings_of(self.config, choice), system_of(self.config, choice)
        return Ready(Configured(retry, settings, system, options(choice, {}), known), door.abort)

    def known(self, choice: Choice, model: str) -> Facts:
        return self.facts.get(choice.name, Facts(model, "custom"))

    def takes(self, choice: Choice) -> frozenset[str]:
        return kinds(choice.dialect, choice.provider.options)

    def routed(self) -> Router | Race:
        made = several(self.parts, None, None)
        assert made is not None
        return made

    def race(self, *names: str) -> Race:
        return at_once(self.parts, names)


@contextlib.contextmanager
def served(*behaviours: Behaviour | None) -> Iterator[list[FakeProvider]]:
    """A fake provider each, one that refuses connections where there is no behaviour."""
    with contextlib.ExitStack() as stack:
        fakes = []
        for behave in behaviours:
            fake = FakeProvider(behave or silent)
            if behave is None:
                with fake:
                    fakes.append(fake)
            else:
                fakes.append(stack.enter_context(fake))
        yield fakes


def nobody_asks(before: set[threading.Thread], limit: float = 2.0) -> bool:
    """Whether all threads that were started since `before` end within the limit."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if not [one for one in threading.enumerate() if one not in before and is_ours(one)]:
            return True
        time.sleep(0.01)
    return False


def is_ours(thread: threading.Thread) -> bool:
    return "_work" in thread.name
