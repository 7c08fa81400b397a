"""The stages of a run in which Ctrl-C may come, each made to last: who is asked is slow, mute or not there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from fake_provider import Conn, FakeProvider, openai_stream, silent, sse
from home import configure
from term import Term

ROOT = Path(__file__).parents[1]
LIMIT_S = 0.2
"""Within which Ctrl-C is to have stopped everything."""
CONFIG = """
[llm]
backend = "fake"
[backends.fake]
provider = "custom"
base_url = "{url}"
model = "m-1"
api_key = "{key}"
[ui]
toolbar = false
"""
STUCK = """
import os, time

def stuck():
    "As a C library that waits: no signal ends it."
    import ctypes
    open(os.environ["STAGE_READY"], "w").close()
    mutex = ctypes.create_string_buffer(64)
    library = ctypes.CDLL(None)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)
"""
SITE = (
    STUCK
    + """
import socket
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: stuck() if host == "slow.test" else known(host, *rest, **more)
"""
)
RING = (
    STUCK
    + """
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 9
    def get_password(self, service, name):
        stuck()
    def set_password(self, service, name, value):
        pass
    def delete_password(self, service, name):
        pass
"""
)
EDITOR = """#!/bin/sh
echo opened > "$STAGE_READY"
exec sleep 30
"""


class Place(NamedTuple):
    """Where a stage is set up: folders of its own, and its clean-up."""

    home: Path
    stack: ExitStack

    @property
    def ready(self) -> Path:
        """A file that is made when the stage is reached, where the program cannot tell it itself."""
        return self.home / "ready"

    @property
    def data(self) -> Path:
        """Where sessions are kept."""
        return self.home / ".local/share/arawn"


class Set(NamedTuple):
    """A stage that is set up. `reached` tells whether the program is there."""

    reached: Callable[[Term], bool]
    url: str = "http://127.0.0.1:9/v1"
    config: str = ""
    env: Mapping[str, str] = {}
    key: str = "$env:STAGE_KEY"
    kept: str = ""
    """What came before Ctrl-C, and must still be there."""
    typed: str = "hi\r"


def _fake(place: Place, *behaviours: Callable[[Conn], None]) -> FakeProvider:
    return place.stack.enter_context(FakeProvider(*behaviours))


def _asked(fake: FakeProvider) -> Callable[[Term], bool]:
    return lambda term: any(request.path.endswith("completions") for request in fake.requests)


def _dns(place: Place) -> Set:
    (place.home / "sitecustomize.py").write_text(SITE)
    return Set(lambda term: place.ready.exists(), "https://slow.test/v1")


def _connecting(place: Place) -> Set:
    """A queue that is full: whoever knocks is not answered."""
    server = place.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    port = server.getsockname()[1]
    for _ in range(4):
        knock = place.stack.enter_context(socket.socket())
        knock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            knock.connect(("127.0.0.1", port))
    time.sleep(0.05)
    before = _knocking(port)
    return Set(lambda term: _knocking(port) > before, f"http://127.0.0.1:{port}/v1")


def _knocking(port: int) -> int:
    """Connections to a port that are not answered yet (state SYN_SENT)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    wanted = f":{port:04X}"
    return sum(line.split()[2].endswith(wanted) and line.split()[3] == "02" for line in lines)


def _tls(place: Place) -> Set:
    seen: list[bytes] = []

    def hear(conn: socket.socket) -> None:
        with conn, contextlib.suppress(OSError):
            seen.append(conn.recv(1))
            while conn.recv(4096):  # mute until the other side leaves
                pass

    import threading

    server = place.stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, _ = server.accept()
                threading.Thread(target=hear, args=(conn,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return Set(lambda term: bool(seen), f"https://127.0.0.1:{server.getsockname()[1]}/v1")


def _headers(place: Place) -> Set:
    fake = _fake(place, silent)
    return Set(_asked(fake), f"{fake.url}/v1")


def _retry(place: Place) -> Set:
    def busy(conn: Conn) -> None:
        conn.head(429, "application/json", 2, retry_after="30")
        conn.send(b"{}")

    fake = _fake(place, busy)
    return Set(lambda term: "attempt" in term.screen, f"{fake.url}/v1")


def _keyring(place: Place) -> Set:
    (place.home / "stuckring.py").write_text(RING)
    fake = _fake(place, openai_stream(["never"]))
    env = {"PYTHON_KEYRING_BACKEND": "stuckring.Keyring"}
    return Set(lambda term: place.ready.exists(), f"{fake.url}/v1", env=env, key="$keyring:k")


def _slowly(field: str) -> Callable[[Conn], None]:
    def behave(conn: Conn) -> None:
        conn.head()
        for number in range(500):
            delta = {field: f"w{number} "}
            conn.chunk(sse({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
            if conn.stopping.wait(0.02):
                return

    return behave


def _streaming(place: Place) -> Set:
    fake = _fake(place, _slowly("content"))
    return Set(lambda term: "w2 " in term.screen, f"{fake.url}/v1", kept="w0 w1 w2")


def _thinking(place: Place) -> Set:
    fake = _fake(place, _slowly("reasoning_content"))
    return Set(lambda term: "w3" in term.screen, f"{fake.url}/v1", '[ui]\nreasoning = "show"\n', kept="w0 w1")


def _answered(term: Term) -> bool:
    """The answer stands there; a moment later, the program is at what comes after it."""
    if "done at once." not in term.screen:
        return False
    wait_for(term, 0.3)
    return True


def _store(place: Place) -> Set:
    """Another Arawn writes for ever."""
    fake = _fake(place, openai_stream(["done at once. "]))
    place.data.mkdir(mode=0o700, parents=True, exist_ok=True)

    handle = os.open(place.data / ".sessions.db.lock", os.O_RDWR | os.O_CREAT, 0o600)
    place.stack.callback(os.close, handle)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return Set(_answered, f"{fake.url}/v1", kept="done at once")


def _store_of_others(place: Place) -> Set:
    """Some program that knows SQLite alone holds the store."""
    with contextlib.ExitStack():
        from arawn.store.sessions import Store

        place.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        Store(place.data, lambda line: None, 5.0).db.close()
    other = sqlite3.connect(place.data / "sessions.db", isolation_level=None, check_same_thread=False)
    place.stack.callback(other.close)
    other.execute("BEGIN IMMEDIATE")
    fake = _fake(place, openai_stream(["done at once. "]))

    return Set(_answered, f"{fake.url}/v1", kept="done at once")


def _budget(place: Place) -> Set:
    fake = _fake(place, openai_stream(["never"]))
    more = (
        "[catalog.m-1]\ninput_price = 1000.0\noutput_price = 1000.0\n"
        '[budget]\nper_turn = 0.01\naction = "ask"\n'
    )
    return Set(lambda term: "y/N" in term.screen, f"{fake.url}/v1", more)


def _editor(place: Place) -> Set:
    path = place.home / "editor"
    path.write_text(EDITOR)
    path.chmod(0o755)
    env = {"VISUAL": str(path)}
    return Set(lambda term: place.ready.exists(), env=env, typed="some text\x18\x05")


def _shell(place: Place) -> Set:
    def reached(term: Term) -> bool:
        if "begun" not in term.screen.split("sleep 30", 1)[-1]:
            return False
        wait_for(term, 0.2)  # dash loses a signal that comes while it starts a program
        return True

    return Set(reached, typed="!sh -c 'echo be''gun; sleep 30'\r")


def _picker(place: Place) -> Set:
    from arawn.messages import user
    from arawn.session import Session, Turn
    from arawn.store.sessions import Store

    store = Store(place.data, lambda line: None)
    session = Session("s1", title="of before")
    session.add(Turn("t1", None, (user("hello"),), session="s1"))
    store.put(session, session.turns.values())
    store.close()
    return Set(lambda term: "Type to narrow" in term.screen and "of before" in term.screen, typed="/resume\r")


def _models(place: Place) -> Set:
    """A service that does not say which models it has."""
    fake = _fake(place, silent)
    return Set(lambda term: bool(fake.requests), f"{fake.url}/v1", typed="/model\r")


STAGES: dict[str, Callable[[Place], Set]] = {
    "DNS": _dns,
    "connecting": _connecting,
    "TLS handshake": _tls,
    "before headers": _headers,
    "retry wait": _retry,
    "keyring wait": _keyring,
    "streaming": _streaming,
    "thinking": _thinking,
    "store of another Arawn": _store,
    "store of another program": _store_of_others,
    "budget question": _budget,
    "editor": _editor,
    "shell command": _shell,
    "picker": _picker,
    "list of models": _models,
}
CHAT_ONLY = ("editor", "shell command", "picker", "list of models")


def wait_for(term: Term, seconds: float) -> None:
    """Let the program go on for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        term.pump(0.02)


@contextlib.contextmanager
def begun(name: str, mode: str, home: Path, env: Mapping[str, str]) -> Iterator[tuple[Term, Set]]:
    """A run of `ask` or `chat` that stands in the stage."""
    with ExitStack() as stack:
        place = Place(home, stack)
        place.ready.unlink(missing_ok=True)
        made = STAGES[name](place)
        config = CONFIG.format(url=made.url, key=made.key)
        if made.config.startswith("[ui]\n"):
            config += made.config.removeprefix("[ui]\n")
        else:
            config += made.config
        configure(home, config)
        variables = {
            **env,
            "STAGE_KEY": "sk-stage-0123456789",
            "PYTHONWARNINGS": "error,ignore::ResourceWarning",  # of a socket that Ctrl-C took out of a library
            "STAGE_READY": str(place.ready),
            "PYTHONPATH": f"{home}:{ROOT}",
            **made.env,
        }
        words = ["ask", "hi"] if mode == "ask" else ["chat"]
        term = stack.enter_context(
            Term([sys.executable, "-P", "-m", "arawn", *words], env=variables, cwd=home)
        )
        if mode == "chat":
            term.until(lambda: term.line.rstrip() == "arawn>", "the prompt").send(made.typed)
        term.until(lambda: made.reached(term), f"the stage {name!r}")
        yield term, made


def slack(home: Path, env: Mapping[str, str]) -> float:
    """Seconds that the smallest program needs to end at Ctrl-C now: what a loaded machine adds."""
    code = "import time; print('ready', flush=True); time.sleep(30)"
    with Term([sys.executable, "-S", "-E", "-c", code], env=env, cwd=home) as term:
        term.wait("ready")
        began = time.monotonic()
        term.send("\x03").end(10)
        return time.monotonic() - began


def asked(name: str, home: Path, env: Mapping[str, str]) -> float:
    """Ctrl-C in a stage of `ask`: seconds until it is gone, with 130, the terminal as it was."""
    with begun(name, "ask", home, env) as (term, made):
        began = time.monotonic()
        term.send("\x03")
        while term.process.poll() is None and time.monotonic() - began < 15:
            term.pump(0.005)
        seconds = time.monotonic() - began
        code = term.end()
        assert code == 130, (code, term.screen)
        assert made.kept in term.screen and "Traceback" not in term.screen, term.screen
        assert term.restored
    return seconds


def chatted(name: str, home: Path, env: Mapping[str, str]) -> float:
    """The same in `chat`: seconds until the prompt is there again; then it talks on."""
    with begun(name, "chat", home, env) as (term, made):
        shown = term.raw.count(b"\x1b[?2004h")
        before = len(term.raw)
        began = time.monotonic()
        term.send("\x03")

        def back() -> bool:
            fresh = term.raw.count(b"\x1b[?2004h") > shown or name == "editor"
            return fresh and b"arawn>" in term.raw[before:] and term.line.startswith("arawn>")

        term.until(back if name != "shell command" else lambda: "y/N" in term.screen, "the prompt")
        seconds = time.monotonic() - began
        assert made.kept in term.screen and "Traceback" not in term.screen, term.screen
        wait_for(term, 0.1)
        if name == "shell command":
            term.send("n").until(lambda: term.line.rstrip() == "arawn>", "the prompt")
        if name == "editor":
            term.until(lambda: term.line == "arawn> some text", "the text as it was")
            term.send("\x03").until(lambda: term.line.rstrip() == "arawn>", "an empty prompt")
        term.send("/help quit\r").wait("/quit").until(lambda: term.line.rstrip() == "arawn>", "the prompt")
        term.send("\x04")
        code = term.end()
        assert code == 0, (code, term.screen)
        assert term.restored
    return seconds
