"""A chat over a backend that plays by the words it hears; run by test_repl.py in a terminal of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from arawn.__main__ import leave
from arawn.budget import agreed
from arawn.engine import Conversation
from arawn.errors import ArawnError, AuthFault, ConfigFault, Unreachable, UsageFault
from arawn.events import Event, Finish, Notice, Reasoning, Text, Usage, Wait
from arawn.messages import Request
from arawn.render.look import Look
from arawn.render.status import Status
from arawn.repl.loop import Chat, Settings, run

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m"


def escaped(text: str) -> str:
    return "'" + text.encode("unicode_escape").decode() + "'"


class Echo:
    """Tells how many messages it was sent and what the last one said."""

    def __init__(self, name: str, model: str) -> None:
        self.name, self.model = name, model
        self.failed = False

    def stream(self, request: Request) -> Iterator[Event]:
        said = request.messages[-1].text
        if said == "flaky" and not self.failed:
            self.failed = True
            raise Unreachable("Cannot connect to One", detail=f"no route {HOSTILE}")
        if said == "denied":
            raise AuthFault("No key of this kind")
        if said == "boom":
            raise RuntimeError("a fault of ours")
        yield from getattr(self, f"_{said}", self._plain)(request, said)
        yield Usage(12, 40)
        yield Finish(
            "stop", citations=({"title": f"A {HOSTILE}page", "url": "http://x/"},) if said == "cite" else ()
        )

    def _plain(self, request: Request, said: str) -> Iterator[Event]:
        heard = " | ".join(message.text for message in request.messages)
        yield Text(f"{self.name} {self.model} heard {len(request.messages)}: {escaped(heard)}")
        if request.system:
            yield Text(f" under {escaped(request.system)}")

    def _slow(self, request: Request, said: str) -> Iterator[Event]:
        for number in range(200):
            yield Text(f"w{number} ")
            time.sleep(0.02)

    def _hang(self, request: Request, said: str) -> Iterator[Event]:
        time.sleep(30)
        yield Text("never")

    def _wait(self, request: Request, said: str) -> Iterator[Event]:
        for number in range(100):
            yield Wait(10 - number / 10, 10, "429", 2, 3)
            time.sleep(0.1)

    def _brief(self, request: Request, said: str) -> Iterator[Event]:
        yield Text("begun, ")
        time.sleep(0.4)
        yield Text("brief done")

    def _late(self, request: Request, said: str) -> Iterator[Event]:
        yield Text("begun, ")
        time.sleep(0.4)
        raise Unreachable("Lost One")

    def _agree(self, request: Request, said: str) -> Iterator[Event]:
        yield Notice("Ask all the same? y/N", warning=True)
        yield Text(f"agreed: {agreed()}")

    def _think(self, request: Request, said: str) -> Iterator[Event]:
        yield Reasoning("let me see")
        yield Notice(f"a note {HOSTILE}here")
        yield Text("thought")

    def _bold(self, request: Request, said: str) -> Iterator[Event]:
        yield from (Text("a **stro"), Text("ng** word\n"))

    def close(self) -> None:
        pass


class App:
    def open(self, backend: str | None, model: str | None) -> SimpleNamespace:
        name = backend or "one"
        if name not in self.backend_names():
            raise ConfigFault(f'No backend "{name}"')
        echo = Echo(name, model or "m-1")
        return SimpleNamespace(
            backend=echo,
            name=name,
            label=name.title(),
            model=echo.model,
            why="tests",
            waiting=lambda: f"waiting for {name}",
        )

    def backend_names(self) -> list[str]:
        return ["one", "two"]

    def model_names(self, opened: SimpleNamespace) -> list[str]:
        time.sleep(float(os.environ.get("MODELS_TAKE", "0")))
        if opened.name == "two":
            raise ArawnError("two tells no models")
        return ["m-1", "max-9", f"m{HOSTILE}bad"]

    def check_files(self, opened: SimpleNamespace, files: object) -> None:
        if opened.name == "two" and files:
            raise UsageFault("two takes no files")

    def fetch(self, url: str) -> tuple[bytes, str]:
        return b"words of " + url.encode(), url

    def redact(self, text: str) -> str:
        return text.replace("sk-CANARY", "****")


def main() -> int:
    env = os.environ
    color = "COLOR" in env
    app = App()
    return run(
        Chat(
            app=app,
            opened=app.open(None, None),
            conversation=Conversation(),
            status=Status(sys.stderr, color, False, sys.stderr.isatty()),
            out=sys.stdout,
            history_file=Path(env["HISTORY"]) if "HISTORY" in env else None,
            settings=Settings(
                Look(sys.stdout.isatty(), color, "MARKDOWN" in env),
                editing_mode="vi" if "VI" in env else "emacs",
                reasoning="show",
                snippets={"brief": "Be brief.", "two-lines": "one\ntwo"},
                toolbar="TOOLBAR" in env,
                private="PRIVATE" in env,
            ),
            env=env,
        )
    )


if __name__ == "__main__":
    leave(main())
