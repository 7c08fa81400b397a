"""Faults around keys and what is kept (F-SECRET, F-KEYRING, F-CONF) that need the whole program to be seen."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream
from home import FAKE, configure
from hypothesis import example, given, settings
from hypothesis import strategies as st
from term import Term

from arawn.errors import SecretFault
from arawn.keychain import Keychain
from arawn.secret import Resolver

CANARY = "sk-CANARY0123456789abcdef"
CONFIG = FAKE + 'api_key = "$env:FAKE_KEY"\n'
KEY = {"FAKE_KEY": CANARY}
ANSWER = openai_stream(["Hello"])


def files(home: Path) -> list[Path]:
    """Everything the program made under a home folder."""
    return [path for path in sorted(home.rglob("*")) if not path.is_symlink()]


def holding(home: Path, word: str) -> list[str]:
    """The files that hold a word."""
    return [str(path) for path in files(home) if path.is_file() and word.encode() in path.read_bytes()]


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_F_SECRET_13_all_that_is_made_is_for_its_owner_alone(arawn, home) -> None:
    """Under a umask that takes nothing away: settings, sessions with their logs and locks, lists, caches."""
    wide = {"preexec_fn": lambda: os.umask(0), "env": KEY}
    with FakeProvider(ANSWER) as fake:
        for folder in (home / ".config", home / ".config" / "arawn"):
            folder.mkdir(mode=0o700)
        (home / ".config" / "arawn" / "config.toml").touch(0o600)
        assert arawn("config", "set", "ui.history", "true", **wide).returncode == 0
        wide["config"] = CONFIG.format(url=fake.url)
        assert arawn("ask", "hi", **wide).stdout == "Hello\n"
        assert arawn("session", "backup", **wide).returncode == 0
        arawn("model", "list", **wide)
        assert arawn("secret", "set", "x", stdin="k", **wide).returncode == 3
    made = files(home)
    assert len(made) > 8
    wrong = {str(path): oct(path.stat().st_mode) for path in made if path.stat().st_mode & 0o077}
    own = (
        home / ".config",
        home / ".local",
        home / ".local" / "share",
        home / ".local" / "state",
        home / ".cache",
    )
    assert not {name for name in wrong if Path(name) not in own}, wrong
    assert not any(path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o111 for path in made)


# Where Python's own audit sees a connection or a name that is looked up.
AUDIT = """
import sys
seen = open({place!r}, "a")
def hear(event, args):
    if event == "socket.connect" and not isinstance(args[1], (str, bytes)):
        seen.write(f"{{args[1][1]}}\\n")
    elif event == "socket.getaddrinfo" and args[0] not in ("127.0.0.1", None):
        seen.write(f"{{args[0]}}\\n")
    seen.flush()
sys.addaudithook(hear)
sys.argv[:] = ["arawn", *sys.argv[1:]]
from arawn.__main__ import main
main()
"""


def test_F_SECRET_17_no_connection_but_to_the_backend(arawn, tmp_path) -> None:
    seen = tmp_path / "seen"
    program = (sys.executable, "-P", "-c", AUDIT.format(place=str(seen)))
    with FakeProvider(ANSWER) as fake:
        more = {"program": program, "config": CONFIG.format(url=fake.url), "env": KEY}
        for words in ("session list", "usage", "config show", "secret list", "quote hi",
                      "doctor --offline", "help privacy", "status"):  # fmt: skip
            arawn(*words.split(), **more)
        assert seen.read_text() == ""
        arawn("backend", "list", **more)
        asked = set(seen.read_text().split())
        assert not {name for name in asked if not name.isdigit()} - {"localhost", "127.0.0.1"}, "this machine"
        seen.write_text("")
        assert arawn("ask", "hi", **more).stdout == "Hello\n"
        arawn("backend", "test", "fake", **more)
        arawn("doctor", **more)
        port = fake.url.rpartition(":")[2]
    assert set(seen.read_text().split()) == {port}


LIMITS = """
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
sys.argv[:] = ["arawn", *sys.argv[1:]]
import arawn.secret
before = arawn.secret.Resolver.resolve
def resolve(self, text):
    print("held under", resource.getrlimit(resource.RLIMIT_CORE)[0], file=sys.stderr)
    return before(self, text)
arawn.secret.Resolver.resolve = resolve
execv = os.execv
def instead(path, words):
    print("run under", resource.getrlimit(resource.RLIMIT_CORE)[0] == hard, file=sys.stderr, flush=True)
    execv(path, words)
os.execv = instead
from arawn.__main__ import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_F_SECRET_18_no_core_is_dumped_while_keys_are_held(arawn) -> None:
    program = (sys.executable, "-P", "-c", LIMITS)
    with FakeProvider(ANSWER) as fake:
        done = arawn("ask", "hi", program=program, config=CONFIG.format(url=fake.url), env=KEY)
    assert done.returncode == 0 and "held under 0" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX")
def test_F_SECRET_18_a_command_of_ones_own_has_its_limit_back(env, home, tmp_path) -> None:
    with FakeProvider(openai_stream(["echo done"])) as fake:
        configure(home, CONFIG.format(url=fake.url))
        argv = [sys.executable, "-P", "-c", LIMITS, "cmd", "say done"]
        with Term(argv, env={**env, **KEY, "SHELL": "/bin/sh"}, cwd=tmp_path) as term:
            term.wait("[r]un", 10).send("r").wait("run under True", 10)
            assert term.end() == 0


def test_F_SECRET_20_what_is_exported_holds_no_key(arawn, home, tmp_path) -> None:
    """Neither the key that was used, nor one that somebody typed, nor one that a reply told."""
    answer = openai_stream([f"Yours is {CANARY[:12]}", f"{CANARY[12:]}, mine gsk_CANARYabcdef0123456789"])
    with FakeProvider(answer) as fake:
        config = CONFIG.format(url=fake.url)
        assert (
            arawn("ask", f"is {CANARY} mine? ghp_CANARYabcdef0123456789", config=config, env=KEY).returncode
            == 0
        )
    id = arawn("session", "list").stdout.split()[0]
    told = ""
    for form in ("md", "html", "json", "jsonl"):
        to = tmp_path / f"out.{form}"
        done = arawn("session", "export", id, "--output", str(to))
        told += (to.read_text() if to.exists() else "") + done.stdout
    assert "Yours is" in told and "CANARY" not in told
    assert holding(home, "CANARY") == [], "nor is it kept"


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX")
@pytest.mark.parametrize("way", ["--private", "ui.history"])
def test_F_SECRET_21_what_is_typed_is_kept_nowhere(env, home, tmp_path, way) -> None:
    """Neither as history nor as a draft; without a store not as a session either."""
    with FakeProvider(ANSWER) as fake:
        configure(home, CONFIG.format(url=fake.url))
        words = (
            ["chat", "--private"] if way == "--private" else ["chat", "--no-store", "-o", "ui.history=false"]
        )
        argv = [sys.executable, "-P", "-m", "arawn", *words]
        with Term(argv, env={**env, **KEY}, cwd=tmp_path) as term:

            def at(typed: str) -> Term:
                return term.until(lambda: term.line.rstrip().endswith(f"> {typed}".rstrip()), typed, 10)

            at("").send("the plums in the icebox")
            at("the plums in the icebox").send("\r").wait("Hello", 10)
            at("").send("more plums")
            at("more plums").send("\x03")
            at("").send("\x04")
            assert term.end() == 0
        assert "plums" in fake.requests[0].json["messages"][0]["content"]
    assert holding(home, "plums") == []


def test_F_SECRET_21_what_was_kept_can_be_purged(arawn, home) -> None:
    """A deleted session leaves no byte; F_DB_17 holds it for every table, and with a reader there."""
    with FakeProvider(ANSWER) as fake:
        arawn("ask", "the plums in the icebox", config=CONFIG.format(url=fake.url), env=KEY)
    assert holding(home, "plums")
    id = arawn("session", "list").stdout.split()[0]
    assert arawn("session", "delete", id, "--yes").returncode == 0
    assert holding(home, "plums") == []


def test_F_SECRET_22_a_log_of_session_keys_is_told(arawn, tmp_path) -> None:
    with FakeProvider(ANSWER) as fake:
        more = {"config": CONFIG.format(url=fake.url), "env": {**KEY, "SSLKEYLOGFILE": str(tmp_path / "log")}}
        for words in (("ask", "hi"), ("doctor",)):
            done = arawn(*words, **more)
            assert (done.stdout + done.stderr).count("SSLKEYLOGFILE is set") == 1
        assert "SSLKEYLOGFILE" not in arawn("ask", "hi", **{**more, "env": KEY}).stderr


BUS = "DBUS_SESSION_BUS_ADDRESS"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="a bus is a Unix socket")
def test_F_KEYRING_09_the_bus_of_somebody_else(arawn, tmp_path) -> None:
    """It lets nobody in but its owner, as it does after sudo: told at once, and what to do."""
    place = str(tmp_path / "bus")
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(place)
        bus.listen()

        def refuse() -> None:
            while True:
                try:
                    with bus.accept()[0] as conn:
                        conn.recv(4096)
                        conn.sendall(b"REJECTED EXTERNAL\r\n")
                        conn.recv(4096)
                except OSError:
                    return

        threading.Thread(target=refuse, daemon=True).start()
        done = arawn("secret", "test", "$keyring:k", env={BUS: f"unix:path={place}"})
        bus.shutdown(socket.SHUT_RDWR)
    assert done.returncode == 3 and "There is no keyring on this machine" in done.stderr
    assert "$env:" in done.stderr and "Traceback" not in done.stderr


def test_F_KEYRING_09_root_by_sudo_is_told_whose_keyring_it_is(monkeypatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    kind = type("Keyring", (), {"__module__": "keyring.backends.fail", "priority": 0})
    with pytest.raises(SecretFault) as caught:
        Keychain(1, types.SimpleNamespace(get_keyring=kind)).get("k")
    assert "ann has one" in caught.value.sentence and caught.value.hints[0] == "run it without sudo"


class DBusErrorResponse(Exception):
    """What the library of the bus raises when who was asked went away."""


def _failing(times: int, error: Exception):
    """A keyring that fails so many times, and then gives the key; and how often it was asked."""
    asked: list[str] = []

    def ask(self: object, service: str, name: str, value: str = "") -> str:
        asked.append(name)
        if len(asked) <= times:
            raise error
        return "value"

    members = {"__module__": "keyring.backends.SecretService", "priority": 5}
    kind = type("Keyring", (), {**members, "get_password": ask, "set_password": ask})
    return types.SimpleNamespace(get_keyring=kind), asked


@pytest.mark.parametrize("error", [DBusErrorResponse("gone"), ConnectionResetError(104, "reset"), EOFError()])
def test_F_KEYRING_10_a_daemon_that_goes_away_is_asked_once_more(error) -> None:
    ring, asked = _failing(1, error)
    assert Keychain(1, ring).get("k") == "value" and len(asked) == 2
    ring, asked = _failing(1, error)
    Keychain(1, ring).set("k", "v")
    assert len(asked) == 2
    ring, asked = _failing(9, error)
    with pytest.raises(SecretFault, match="The keyring fails") as caught:
        Keychain(1, ring).get("k")
    assert len(asked) == 2 and "$env:" in str(caught.value.hints)


def test_F_KEYRING_10_who_says_no_is_not_asked_again() -> None:
    ring, asked = _failing(9, type("KeyringLocked", (Exception,), {})())
    with pytest.raises(SecretFault, match="locked"):
        Keychain(1, ring).get("k")
    assert len(asked) == 1


KEPT = """
import keyring.backend, keyring.errors
class Keyring(keyring.backend.KeyringBackend):
    priority = 9
    def get_password(self, service, name): return "value"
    def set_password(self, service, name, value): pass
    def delete_password(self, service, name): pass
"""


def test_F_KEYRING_10_many_stored_at_once_are_all_listed(arawn, tmp_path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "kept.py").write_text(KEPT)
    path = f"{tmp_path / 'lib'}{os.pathsep}{Path(__file__).parents[1]}"
    more = {"env": {"PYTHONPATH": path, "PYTHON_KEYRING_BACKEND": "kept.Keyring"}}
    (tmp_path / "work").mkdir()
    names = [f"k{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda name: arawn("secret", "set", name, stdin="v", **more), names))
    assert [one.returncode for one in done] == [0] * 8, done[0].stderr
    assert arawn("secret", "list", **more).stdout.split() == names
    told = arawn("doctor", **more).stdout
    assert "kept.Keyring answers" in told and "chosen by PYTHON_KEYRING_BACKEND=kept.Keyring" in told


def test_F_KEYRING_11_a_backend_named_by_the_environment_is_not_taken_from_the_folder(
    arawn, home, tmp_path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{KEPT}")
    more = {"env": {"PYTHON_KEYRING_BACKEND": "evil.Keyring"}, "cwd": work}
    for program in ((sys.executable, "-m", "arawn"), (sys.executable, "-P", "-m", "arawn")):
        done = arawn("secret", "test", "$keyring:k", program=program, **more)
        assert done.returncode == 3 and "The keyring fails" in done.stderr
        assert "PYTHON_KEYRING_BACKEND=evil.Keyring" in arawn("doctor", program=program, **more).stdout
    assert not (tmp_path / "ran").exists()
    rc = home / ".config" / "python_keyring" / "keyringrc.cfg"
    rc.parent.mkdir(parents=True)
    rc.write_text("[backend]\ndefault-keyring=keyring.backends.fail.Keyring\n")
    assert f"chosen by {rc}" in arawn("doctor").stdout


VALUES = st.text(st.sampled_from("$${}ABenv:file:keyringx /\\"), max_size=24)


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES, VALUES)
@example("$env:B", "$env:A", "")  # one names the other
@example("$$env:A", "", "")
@example("x" * 1_000_000, "", "")
def test_F_CONF_07_a_value_is_looked_at_once(a, b, around) -> None:
    """What a reference gives is never taken for a reference: no nesting, no cycle, nothing grows."""
    made = Resolver({"A": a, "B": b}, home=Path("/nonexistent"))
    if a.strip():
        assert made.resolve("$env:A").reveal() == a.strip()
        assert made.resolve("<${A}$$env:A$env:A>").reveal() == f"<{a.strip()}$env:A{a.strip()}>"
    plain = around.replace("$", "")
    assert made.resolve(plain).reveal() == plain
    assert made.resolve("$$" + plain).reveal() == "$" + plain, "and $$ is a dollar"


NEWER = """config_version = 9
[llm]
backend = "fake"
[backends.fake]
provider = "custom"
base_url = "http://127.0.0.1:9/v1"
thinking_budget_policy = "auto"
[hologram]
depth = 3
"""


def test_F_CONF_12_settings_of_a_newer_arawn_are_named(arawn, home) -> None:
    """After a downgrade nothing is passed over in silence, and nothing is taken out of the file."""
    done = arawn("ask", "hi", config=NEWER)
    assert done.returncode == 3
    for place in (":1:1: unknown key config_version", ":7:1: unknown key backends.fake.thinking_budget_policy",
                  ":8:2: unknown key hologram"):  # fmt: skip
        assert f"config.toml{place}" in done.stderr
    assert (home / ".config" / "arawn" / "config.toml").read_text() == NEWER
    for words in (("--version",), ("config", "check"), ("doctor",), ("session", "list")):
        assert "Traceback" not in arawn(*words).stderr


def test_F_CONF_12_state_of_a_newer_arawn_costs_no_answer(arawn, home) -> None:
    with FakeProvider(ANSWER) as fake:
        config = CONFIG.format(url=fake.url)
        assert arawn("ask", "hi", config=config, env=KEY).stdout == "Hello\n"
        arawn("model", "list", env=KEY)
        states = [*(home / ".local" / "state").rglob("*.json"), *(home / ".cache").rglob("*.json")]
        assert states
        for content in ('{"version": 99, "models": {"a": [1]}, "new": true}', "[]", "null", "\x00"):
            for path in states:
                path.write_text(content)
            done = arawn("ask", "hi", env=KEY)
            assert done.returncode == 0 and done.stdout == "Hello\n", (content, done.stderr)
            assert "Traceback" not in arawn("model", "list", env=KEY).stderr
