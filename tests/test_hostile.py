"""Hostile text from every place it may come from: no attack reaches the terminal, what may be read does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hostile
import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream, sse
from home import FAKE, configure
from hostile import bad
from stages import wait_for
from term import Term

from arawn.events import Attempt, Usage
from arawn.messages import Message, TextPart, user
from arawn.session import Receipt, Session, Turn
from arawn.store.sessions import Store

ATTACK = (
    "\x1b]0;owned\x07\x1b[99;99H\x1b[2J\x1b[?1049h\x1bP$qm\x1b\\\x9b35m\u202e\u200b\x07\x08\x1b]52;c;eA==\x07"
    "\x1b[6n\x1b]8;;mailto:evil\x1b\\"
)
EVIL = f"vis{ATTACK}ible"
NEVER = (
    b"\x1b]", b"\x07", b"\x1b[99;99H", b"\x1b[2J", b"\x1b[3J", b"\x1b[?1049", b"\x1bP", b"\xc2\x9b", b"\x1b[6n",
    b"\x1b[35m", "\u202e".encode(), "\u200b".encode(), b"owned\x07",
)  # fmt: skip
BACKGROUND = b"\x1b]11;?\x1b\\"
"""A chat's own question for the colour of the background."""
PROGRAM = [sys.executable, "-P", "-m", "arawn"]
STREAMS = 2_000


@pytest.mark.parametrize("part", range(4))
def test_F_TERM_08_random_streams_with_random_cuts(part: int) -> None:
    """2,000 of them; benchmarks/hostile.py goes through 100,000."""
    size = STREAMS // 4
    wrong = [told for seed in range(part * size, (part + 1) * size) if (told := hostile.check(seed))]
    assert not wrong, wrong[0]


def test_F_TERM_08_a_check_that_sees_nothing_is_none() -> None:
    """What lets everything through is found at once."""
    assert all(bad(f"a{text}b") for text in ("\x1b[2J", "\x9b1m", "\u202e", "\x07", "\r", "\x1b]0;x\x07"))
    assert bad("\x1b[35;5m", colours=True) and not bad("\x1b[1mx\x1b[0m\r\x1b[K", colours=True)


# ---- the whole program, fed from every side


CONFIG = (
    FAKE
    + """\
[catalog.m-1]
input_price = 1.0
output_price = 1.0
[snippets]
s = {evil}
[roles.x]
system = {evil}
[tasks.t]
prompt = {evil}
"""
)


def toml(text: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08x}" if not char.isalnum() else char for char in text) + '"'


def serve(conn: Conn) -> None:
    """A service whose every word is hostile."""
    path = conn.request.path
    if path.endswith("/models"):
        json_reply(200, {"data": [{"id": EVIL}, {"id": "m-1"}]})(conn)
        return
    said = conn.request.said
    if "refuse" in str(said):
        json_reply(400, {"error": {"message": EVIL, "type": EVIL, "code": EVIL}})(conn)
        return
    stream = openai_stream([EVIL, " end"], usage={"prompt_tokens": 3, "completion_tokens": 2})
    call = {"index": 0, "id": EVIL, "function": {"name": EVIL, "arguments": '{"a": "' + "x\\u001b[2J" + '"}'}}
    delta = {"reasoning_content": EVIL + "\n", "tool_calls": [call]}
    stream.events.insert(0, sse({"model": EVIL, "choices": [{"index": 0, "delta": delta}]}))
    stream(conn)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    with FakeProvider(serve) as made:
        yield made


@pytest.fixture
def evil(env: dict[str, str], home: Path, fake: FakeProvider) -> dict[str, str]:
    """A home in which everything has a hostile name: config, sessions, files."""
    folder = configure(home, CONFIG.format(url=fake.url, evil=toml(EVIL))).parent
    (folder / "roles").mkdir()
    (folder / "roles" / "r.md").write_text(EVIL)
    store = Store(home / ".local/share/arawn", print)
    session = Session("evil00000001", title=EVIL, system=EVIL)
    attempt = Attempt(EVIL, EVIL, 500, error=EVIL)
    receipt = Receipt(
        EVIL, provider=EVIL, model=EVIL, finish="stop", finish_raw=EVIL, told=EVIL,
        usage=Usage(3, 2), attempts=(attempt,), cost_usd=0.5,
    )  # fmt: skip
    parent = None
    for number in range(2):
        said = (user(f"{EVIL} words {number}"), Message("assistant", (TextPart(f"{EVIL} answer {number}"),)))
        session.add(Turn(f"turn{number}", parent, said, receipt, time.time() - 50, session.id))
        parent = f"turn{number}"
    session.branches["main"] = parent or ""
    session.branches[EVIL] = "turn0"
    store.put(session, session.turns.values())
    store.close()
    (home / EVIL).write_text(f"{EVIL} in a file")
    (home / "in.jsonl").write_text('{"id": "vis\\u001b]0;owned\\u0007ible", "prompt": "hi"}\n')
    (home / "bad.toml").write_text(f"[{toml(EVIL)}]\nx = {toml(EVIL)}\n")
    (home / "foreign.json").write_text('{"title": "\\u001b[2J"}')
    return {**env, "COLUMNS": "100", "PYTHONWARNINGS": "ignore"}


SITES: dict[str, tuple[str, ...]] = {
    "answer, reasoning, tool": ("ask", "hi"),
    "reasoning shown": ("-o", "ui.reasoning=show", "ask", "hi"),
    "attempts": ("-v", "ask", "hi"),
    "error body": ("ask", "refuse"),
    "model name": ("ask", "-m", EVIL, "hi"),
    "backend name": ("ask", "-b", EVIL, "hi"),
    "file name": ("ask", "-f", EVIL, "hi"),
    "a file that is not there": ("ask", "-f", f"{EVIL}x", "hi"),
    "session that is not there": ("ask", "--resume", EVIL, "hi"),
    "role that is not there": ("ask", "--role", EVIL, "hi"),
    "option": ("-o", f"{EVIL}=1", "ask", "hi"),
    "option value": ("-o", f"ui.color={EVIL}", "ask", "hi"),
    "command": (EVIL,),
    "flag": ("ask", f"--{EVIL}"),
    "config that is not there": ("--config", EVIL + "x", "ask", "hi"),
    "config with mistakes": ("--config", "bad.toml", "ask", "hi"),
    "config show": ("config", "show"),
    "config get": ("config", "get", "snippets.s"),
    "config get that is not there": ("config", "get", EVIL),
    "config set": ("config", "set", EVIL, EVIL),
    "config check": ("config", "check"),
    "models": ("model", "list"),
    "model show": ("model", "show", EVIL),
    "backends": ("backend", "list"),
    "backend test": ("backend", "test"),
    "titles": ("session", "list"),
    "session": ("session", "show", "evil00000001"),
    "snippets of a search": ("session", "search", "words"),
    "nothing found": ("session", "search", f"{EVIL}zzz"),
    "tree": ("session", "graph", "evil00000001"),
    "session stats": ("session", "stats"),
    "rename": ("session", "rename", "evil00000001", EVIL),
    "export": ("session", "export", "evil00000001"),
    "import": ("session", "import", "foreign.json"),
    "import of nothing": ("session", "import", EVIL + "x"),
    "receipt": ("receipt", "evil00000001"),
    "usage": ("usage",),
    "usage by model": ("usage", "--by", "model"),
    "status": ("status",),
    "quote": ("quote", EVIL),
    "doctor": ("doctor", "--offline"),
    "curl": ("curl", "evil00000001"),
    "replay": ("replay", "evil00000001"),
    "resume": ("resume", "evil00000001"),
    "task": ("run", "t"),
    "task that is not there": ("run", EVIL),
    "batch": ("batch", "in.jsonl", "-o", "out.jsonl"),
    "batch without a file": ("batch", f"{EVIL}x", "-o", "out.jsonl"),
    "secret": ("secret", "test", EVIL),
    "trust": ("trust", EVIL),
    "help": ("help", EVIL),
    "compare": ("compare", "hi", "-b", "fake", "-b", f"fake:{EVIL}"),
    "embed": ("embed", "hi"),
    "record": ("--replay", EVIL + "x", "ask", "hi"),
}
SAYS_NOTHING_OF_IT = {
    "config that is not there", "config with mistakes", "config check", "session stats", "import", "status",
    "doctor", "curl", "backends", "trust", "secret", "usage", "option value", "replay", "resume", "embed",
    "import of nothing", "config set", "batch", "rename", "config get", "nothing found", "quote", "config show", "task", "backend test",
}  # fmt: skip


def shown(args: tuple[str, ...], env: dict[str, str], home: Path) -> tuple[str, bytes]:
    with Term([*PROGRAM, *args], env=env, cwd=home, rows=200, cols=100) as term:
        term.end(20)
        return term.screen, bytes(term.raw)


SPOKEN = (
    "answer, reasoning, tool",
    "reasoning shown",
    "error body",
    "model name",
    "file name",
    "tree",
    "compare",
)


@pytest.mark.parametrize(
    ("site", "accessible"), [(site, False) for site in SITES] + [(site, True) for site in SPOKEN]
)
def test_F_TERM_14_every_print_site(evil: dict[str, str], home: Path, site: str, accessible: bool) -> None:
    env = {**evil, **({"ACCESSIBLE": "1"} if accessible else {})}
    screen, raw = shown(SITES[site], env, home)
    assert not [each for each in NEVER if each in raw], ascii(raw.decode("utf-8", "replace"))
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    assert not bad(text, colours=True), ascii(text)
    assert "Traceback" not in screen
    if site not in SAYS_NOTHING_OF_IT:
        told = screen.replace("\n", "")
        assert "visible" in told or "vis\\" in told, "what may be read is there, or each sign spelled out"


# ---- a chat


@pytest.fixture
def chat(evil: dict[str, str], home: Path) -> Iterator[Callable[..., Term]]:
    with ExitStack() as stack:

        def begin(*args: str) -> Term:
            term = stack.enter_context(Term([*PROGRAM, *args, "chat"], env=evil, cwd=home, rows=60, cols=100))
            return term.prompt()

        yield begin


def sound(term: Term) -> None:
    """Of our own: prompt_toolkit's sequences, none of which an attack uses."""
    raw = bytes(term.raw).replace(BACKGROUND, b"")
    assert not [each for each in NEVER if each in raw], ascii(raw.decode("utf-8", "replace"))
    assert "Traceback" not in term.screen


def ended(term: Term) -> None:
    term.prompt().send("\x04")
    assert term.end() == 0
    sound(term)


def test_F_TERM_14_welcome_toolbar_and_prompt(chat: Callable[..., Term]) -> None:
    term = chat("-m", EVIL)
    term.wait("model visible")
    term.send("hi\r").wait("visible end")
    ended(term)


def test_F_TERM_14_the_picker(chat: Callable[..., Term]) -> None:
    term = chat()
    term.send("/resume\r").wait("Type to narrow").wait("You: visible")
    term.send("vis").until(lambda: "visible (visible)" in term.screen, "the title").send("\r")
    term.prompt().send("/tree\r").wait("● 2")
    ended(term)


COMMANDS = (
    "/tree", "/session", "/branch", "/why", "/cost", "/context", "/tokens", "/search words", "/model",
    "/backend", "/files", "/system", "/code", "/diff 1 2", "/curl", "/role", "/goto 1", "/help", "/set",
)  # fmt: skip


def test_F_TERM_14_slash_commands_over_a_hostile_session(chat: Callable[..., Term]) -> None:
    term = chat()
    term.send("/resume evil00000001\r").wait("visible")
    for said in COMMANDS:
        before = len(term.raw)
        term.prompt().send(f"{said}\r")
        term.until(
            lambda before=before, said=said: len(term.raw) > before + 20, f"{said} to say something", 6
        )
        wait_for(term, 0.15)
        sound(term)
    ended(term)


@pytest.mark.parametrize(
    "said",
    ["/backend {}", "/goto {}", "/attach {}", "/{}", "/save {}x/y", "/set {}=1", "/role {}", "/resume {}"],
)
def test_F_TERM_14_what_is_typed_and_told_back(chat: Callable[..., Term], said: str) -> None:
    """A terminal may paste what it likes; the controls in it are dropped as it comes in."""
    term = chat()
    typed = EVIL.replace("\x1b[", "\x9b").replace("\u202e\u200b", "")  # those are letters that one may type
    term.send("\x1b[200~" + said.format(typed) + "\x1b[201~")
    wait_for(term, 0.3)
    term.send("\r")
    wait_for(term, 0.5)
    sound(term)
    ended(term)


def test_F_TERM_14_completion_and_history(chat: Callable[..., Term], home: Path) -> None:
    place = home / ".local/state/arawn/history"
    place.parent.mkdir(parents=True)
    place.write_text(f"\n# then\n+old {EVIL}\n")
    term = chat()
    term.send("/model m").until(lambda: "m-1" in term.screen.split("arawn> /model m")[-1], "a model")
    sound(term)
    term.send("\x03")
    term.prompt().send("@vi")
    wait_for(term, 0.6)
    sound(term)
    term.send("\t")
    wait_for(term, 0.3)
    sound(term)
    term.send("\x03")
    term.prompt().send("\x1b[A").until(lambda: "old" in term.line, "what was typed before")
    sound(term)
    term.send("\x03")
    term.prompt().send("\x12ol").wait("old")
    sound(term)
    term.send("\x03")
    wait_for(term, 0.2)
    term.send("\x03")
    term.prompt()
    sound(term)


def test_F_TERM_14_faults_notices_and_comparisons(chat: Callable[..., Term]) -> None:
    term = chat()
    term.send("refuse\r").wait("Error:").wait("visible")
    term.prompt().send("hi\r").wait("the model asked for the tool visible").wait("visible end")
    term.prompt().send("/compare fake fake:m-2: hi\r").wait("Go on with which").send("\r")
    ended(term)
