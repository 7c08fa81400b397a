"""A real Secret Service: gnome-keyring under a private D-Bus, thrown away afterwards."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream
from home import configure

ROOT = Path(__file__).parents[1]
NEEDED = ("dbus-run-session", "gnome-keyring-daemon", "secret-tool")
missing = [name for name in NEEDED if shutil.which(name) is None]
missing += ["secretstorage"] if importlib.util.find_spec("secretstorage") is None else []
pytestmark = [
    pytest.mark.keyring,
    pytest.mark.skipif(
        bool(missing), reason=f"no real Secret Service here: {', '.join(missing)} not installed"
    ),
]
CANARY = "sk-CANARY-0123456789abcdef"
UNLOCK = "echo | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; "
LOCKED = "gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1; "
ARAWN = f"{sys.executable} -P -m arawn"

MUTE = """
import sys, time
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
bus = open_dbus_connection(bus="SESSION")
bus.send_and_get_reply(message_bus.RequestName(sys.argv[1]))
print("ready", flush=True)
time.sleep(30)
"""


@pytest.fixture
def session(env, home, tmp_path):
    """Run shell lines inside a private session bus with this test's home."""
    runtime = home / "run"
    runtime.mkdir(mode=0o700)

    def run(lines: str, before: str = UNLOCK, timeout: float = 30, **more: str):
        variables = {
            **env,
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            **more,
        }
        done = subprocess.run(
            ["dbus-run-session", "--", "sh", "-c", before + lines], env=variables, cwd=tmp_path,
            capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert "CANARY" not in done.stdout + done.stderr
        return done

    return run


def test_store_test_list_delete(session) -> None:
    done = session(
        f"printf '{CANARY}' | {ARAWN} secret set groq && {ARAWN} secret list && {ARAWN} secret test groq"
        f" && {ARAWN} secret delete groq --yes && {ARAWN} secret list; {ARAWN} secret test groq"
    )
    assert done.stdout.splitlines()[0] == "groq" and "sk-C****cdef" in done.stdout
    assert done.returncode == 3 and "is not there" in done.stderr


def test_a_key_seeded_by_another_program_reaches_the_backend_alone(session, home) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        configure(
            home,
            f'[llm]\nbackend = "x"\n[backends.x]\ndialect = "openai"\nbase_url = "{fake.url}"\nmodel = "m"\n'
            'api_key = "$keyring:k2"\n',
        )
        done = session(
            f"printf '{CANARY}\\n' | secret-tool store --label=t service arawn username k2; {ARAWN} ask hi;"
            f" {ARAWN} config show --secrets"
        )
    assert done.stdout.startswith("Hello\n") and done.returncode == 0, done.stderr
    assert fake.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    for path in home.rglob("*"):
        if path.is_file():
            assert b"CANARY" not in path.read_bytes(), path


def test_F_KEYRING_04_a_locked_keyring(session) -> None:
    assert session(f"printf '{CANARY}' | {ARAWN} secret set k").returncode == 0
    done = session(f"{ARAWN} secret test k", before=LOCKED)
    assert done.returncode == 3 and "keyring" in done.stderr, done.stderr


def test_F_KEYRING_01_no_bus_at_all(arawn) -> None:
    done = arawn("secret", "test", "k", env={"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"})
    assert done.returncode == 3 and "$env:" in done.stderr


@pytest.mark.parametrize("name", ["org.freedesktop.secrets"])
def test_F_KEYRING_02_a_service_that_owns_the_name_and_is_mute(session, tmp_path, name) -> None:
    (tmp_path / "mute.py").write_text(MUTE)
    done = session(
        f"{sys.executable} {tmp_path}/mute.py {name} > {tmp_path}/ready & mute=$!; "
        f"while ! grep -q ready {tmp_path}/ready; do sleep 0.05; done; "
        f"ARAWN_LIMITS_KEYRING=1 {ARAWN} secret test k; code=$?; kill $mute; exit $code",
        before="",
    )
    assert done.returncode == 3 and "does not answer" in done.stderr, done.stderr


def test_F_KEYRING_03_a_prompter_that_nobody_answers(session, tmp_path) -> None:
    assert session(f"printf '{CANARY}' | {ARAWN} secret set k").returncode == 0
    (tmp_path / "mute.py").write_text(MUTE)
    done = session(
        f"{sys.executable} {tmp_path}/mute.py org.gnome.keyring.SystemPrompter > {tmp_path}/ready & mute=$!; "
        f"while ! grep -q ready {tmp_path}/ready; do sleep 0.05; done; "
        f"ARAWN_LIMITS_KEYRING=1 {ARAWN} secret test k; code=$?; kill $mute; exit $code",
        before=LOCKED,
    )
    assert done.returncode == 3 and "keyring" in done.stderr, done.stderr


def test_the_environment_of_these_tests_is_private(session, home) -> None:
    done = session("printf '%s' \"$HOME\"")
    assert done.stdout == str(home) and os.environ.get("HOME") != str(home) and ROOT.is_dir()
