"""Secrets: references resolve once, values never show, the keyring's states each have their sentence."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
import threading
import time
import types
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arawn.errors import SecretFault
from arawn.keychain import Keychain, names, remember
from arawn.secret import Redactor, Resolver, Secret, header_value, references

CANARY = "sk-CANARY-0123456789abcdef"


def keyring(entries=None, module="keyring.backends.SecretService", priority=5, get=None):
    """A stand-in for the keyring module, handed in at the door."""
    kind = type("Keyring", (), {"__module__": module, "priority": priority})
    made = kind()
    made.calls = []

    def read(self_or_service, name=None):
        made.calls.append(name)
        return (entries or {}).get(name) if get is None else get(name)

    made.get_password = lambda service, name: read(service, name)
    made.set_password = lambda service, name, value: entries.__setitem__(name, value)
    made.delete_password = lambda service, name: entries.pop(name)
    return types.SimpleNamespace(get_keyring=lambda: made, backend=made)


def resolver(tmp_path, env=None, ring=None, **more) -> Resolver:
    return Resolver(
        env or {}, home=tmp_path, timeout=more.pop("timeout", 0.3), keyring=ring or keyring(), **more
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$env:A", "one"), ("${A}", "one"), ("Bearer $env:A", "Bearer one"), ("x${A}y$env:B", "xoneytwo"),
        ("$$env:A", "$env:A"), ("$$", "$"), ("plain", "plain"), ("$5 and $", "$5 and $"), ("$keyring:k", "ring"),
        ("a $keyring:k b", "a ring b"), ("$env:NESTED", "$env:A"), ("$file:key", "filed"), ("x $file:key y", "x filed y"),
    ],
)  # fmt: skip
def test_references(tmp_path, text, value) -> None:
    (tmp_path / "key").write_text(" filed\n")
    (tmp_path / "key").chmod(0o600)
    env = {"A": "one", "B": "two", "NESTED": "$env:A"}
    assert resolver(tmp_path, env, keyring({"k": "ring\n"})).resolve(text).reveal() == value


@given(st.text(max_size=40) | st.text(max_size=9).map("$file:{}".format))
@example("$file:\ud800")
@example("$file:~\0")
@settings(max_examples=60, deadline=None)
def test_any_text_resolves_or_says_why(tmp_path_factory, text) -> None:
    try:
        resolver(tmp_path_factory.getbasetemp(), {"A": "one"}).resolve(text)
    except SecretFault as fault:
        assert fault.sentence and fault.exit_code == 3
    assert "".join(references(text)) in text or len(references(text)) > 1


@pytest.mark.parametrize(
    ("env", "word"), [({}, "is not set"), ({"X": ""}, "is empty"), ({"X": "  "}, "is empty")]
)
def test_F_SECRET_15_an_unset_variable_is_named(tmp_path, env, word) -> None:
    with pytest.raises(SecretFault) as caught:
        resolver(tmp_path, env).resolve("$env:X")
    assert word in caught.value.sentence and "export X=" in caught.value.hints[0]


@pytest.mark.parametrize("what", ["folder", "missing", "empty", "large", "fifo"])
def test_key_files_that_are_none(tmp_path, what) -> None:
    path = tmp_path / "key"
    {"folder": path.mkdir, "missing": lambda: None, "empty": lambda: path.write_text("\n"),
     "large": lambda: path.write_text("x" * 70_000), "fifo": lambda: os.mkfifo(path)}[what]()  # fmt: skip
    with pytest.raises(SecretFault):
        resolver(tmp_path).resolve("$file:key")


def test_F_SECRET_14_a_key_file_that_others_can_read(tmp_path) -> None:
    (tmp_path / "key").write_text("filed")
    (tmp_path / "key").chmod(0o644)
    told: list[str] = []
    assert resolver(tmp_path, waiting=told.append).resolve("$file:key").reveal() == "filed"
    assert "chmod 600" in told[0]


def test_a_secret_never_shows_itself() -> None:
    secret = Secret(CANARY, "$env:X")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>30}",
        repr([secret]),
        secret.masked(),
    ]
    assert not any("CANARY" in text for text in shown) and secret.masked() == "sk-C****cdef"
    assert Secret("short", "x").masked() == "****"
    for store in (json.dumps, pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            store(secret)
    assert secret == Secret(CANARY, "y") and secret != CANARY and len({secret, Secret(CANARY, "z")}) == 1


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "a\u2019b", "a b", "", "\n", "ключ"])
def test_F_SECRET_01_header_values(bad) -> None:
    with pytest.raises(SecretFault) as caught:
        header_value(Secret(bad, "x"), "the place")
    assert "the place" in caught.value.sentence and (not bad.strip() or bad not in caught.value.sentence)
    assert header_value(Secret(" key-1\n", "x"), "p") == "key-1"


@pytest.mark.parametrize(
    "text",
    [
        f"it said {CANARY} no", f"https://x/?key={CANARY}&y=1", "Authorization: Bearer abcdefghijklmnop1234",
        "gsk_abcdefghijklmnop", "AIzaSyA1234567890abcdefghijk", "https://user:passw0rd@host/", "sk-ant-api03-abcdefghijk",
        "hf_abcdefghijklmnop", "xai-abcdefghijklmnop",
    ],
)  # fmt: skip
def test_F_SECRET_16_key_shapes_are_masked(text) -> None:
    masked = Redactor().redact(text)
    assert (
        "****" in masked
        and "abcdefghijk" not in masked
        and "CANARY" not in masked
        and "passw0rd" not in masked
    )


@pytest.mark.parametrize(
    "begin",
    [
        "sk-", "sk_", "sk-ant-", "gsk_", "xai-", "hf_", "r8_", "pplx-", "csk-", "fw_", "nvapi-", "ghp_",
        "github_pat_", "AIza", "Bearer ", "BEARER\t", "key=", "://u:",
    ],
)  # fmt: skip
def test_a_key_of_every_kind_is_masked_alone_and_in_a_text(begin: str) -> None:
    key = "A1b2C3d4E5f6G7h8I9j0K1l2"
    for text in (f"{begin}{key}@", f"İ says {begin}{key}@ ſ"):
        assert key not in Redactor().redact(text) and Redactor().spans(text)


def test_known_values_are_masked_in_every_form() -> None:
    keeper = Redactor()
    keeper.add('we"ird/key+value\n')
    for text in ('we"ird/key+value', "we%22ird%2Fkey%2Bvalue", 'we\\"ird/key+value'):
        assert keeper.redact(f"a {text} b") == "a **** b"
    keeper.add("ab")
    assert keeper.redact("cabbage, sk-ip and pplx-embed-v1-4b") == "cabbage, sk-ip and pplx-embed-v1-4b"


def test_F_SECRET_02_a_fault_of_ours_shows_no_key(arawn, home) -> None:
    """A library that breaks in the middle: one sentence, a private note, no key anywhere."""
    config = f'[llm]\nbackend="b"\n[backends.b]\ndialect="openai"\nbase_url="{{url}}"\nmodel="m"\napi_key="{CANARY}"\n'
    with FakeProvider(openai_stream(["x"])) as fake:
        site = home / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(
            "import json\nreal = json.loads\n"
            "def broken(text, *a, **k):\n"
            f"    raise RuntimeError('inside: Bearer {CANARY} and {CANARY}')\n"
            "json.loads = broken\n"
        )
        done = arawn("ask", "hi", config=config.format(url=fake.url),
                     env={"PYTHONPATH": f"{site}{os.pathsep}" + os.getcwd()})  # fmt: skip
        loud = arawn("--debug", "ask", "hi", config=config.format(url=fake.url),
                     env={"PYTHONPATH": f"{site}{os.pathsep}" + os.getcwd()})  # fmt: skip
    assert done.returncode == loud.returncode == 70, done.stderr
    assert "Traceback" not in done.stderr and "Traceback" in loud.stderr
    crash = home / ".local" / "state" / "arawn" / "crash.txt"
    assert "RuntimeError" in crash.read_text() and crash.stat().st_mode & 0o077 == 0
    assert "CANARY" not in done.stderr + done.stdout + loud.stderr + crash.read_text()


def test_F_SECRET_07_children_get_no_keys(arawn, tmp_path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text(f"#!/bin/sh\nenv > {tmp_path}/env.txt\n")
    editor.chmod(0o700)
    arawn("config", "edit", config="[ui]\nmarkdown = true\n",
          env={"EDITOR": str(editor), "VISUAL": "", "OPENAI_API_KEY": CANARY, "MY_TOKEN": CANARY})  # fmt: skip
    seen = (tmp_path / "env.txt").read_text()
    assert "CANARY" not in seen and "PATH=" in seen


def fault_of(ring, name="k", **more) -> SecretFault:
    began = time.monotonic()
    with pytest.raises(SecretFault) as caught:
        Keychain(0.3, ring, **more).get(name)
    assert time.monotonic() - began < 3
    return caught.value


class NoKeyringError(Exception): ...


class KeyringLocked(Exception): ...


def raising(error):
    def get(name):
        raise error

    return keyring(get=get)


def test_F_KEYRING_01_no_keyring() -> None:
    for ring in (keyring(module="keyring.backends.fail"), raising(NoKeyringError())):
        fault = fault_of(ring)
        assert "no keyring" in fault.sentence and "$env:" in str(fault.hints) and fault.exit_code == 3


def test_F_KEYRING_02_a_mute_keyring() -> None:
    stop = threading.Event()
    told: list[str] = []
    ring = keyring(get=lambda name: stop.wait(20))
    with pytest.raises(SecretFault) as caught:
        Keychain(0.6, ring, waiting=told.append).get("k")
    stop.set()
    assert "does not answer" in caught.value.sentence and "limits.keyring" in str(caught.value.hints) and told


def test_F_KEYRING_03_a_prompt_that_nobody_sees() -> None:
    stop = threading.Event()
    fault = fault_of(keyring(get=lambda name: stop.wait(20)))
    stop.set()
    assert "unlock" in str(fault.hints)


def test_F_KEYRING_04_locked() -> None:
    fault = fault_of(raising(KeyringLocked()))
    assert "locked" in fault.sentence and "unlock" in str(fault.hints)


def test_F_KEYRING_05_a_keyring_in_plain_text_is_refused() -> None:
    fault = fault_of(keyring({"k": CANARY}, module="keyrings.alt.file", priority=0.5))
    assert "keyrings.alt.file" in fault.sentence and "CANARY" not in fault.sentence


@pytest.mark.parametrize("error", [SystemExit(3), ImportError("x"), RuntimeError("x"), KeyError("x")])
def test_F_KEYRING_06_a_broken_plugin(error) -> None:
    def broken():
        raise error

    fault = fault_of(types.SimpleNamespace(get_keyring=broken))
    assert "fails" in fault.sentence
    assert "fails" in fault_of(raising(error)).sentence


@pytest.mark.parametrize(("entry", "word"), [(None, "is not there"), ("", "is empty"), ("\n", "is empty")])
def test_F_KEYRING_07_missing_and_empty(entry, word) -> None:
    fault = fault_of(keyring({"k": entry}))
    assert word in fault.sentence and "service arawn, user k" in fault.sentence
    assert "arawn secret set k" in fault.hints[0]


def test_F_KEYRING_07_odd_values(tmp_path) -> None:
    ring = keyring({"long": "x" * 10_000, "newline": "key\n"})
    assert Keychain(1, ring).get("long") == "x" * 10_000 and Keychain(1, ring).get("newline") == "key"


def test_F_KEYRING_08_asked_only_when_needed_and_once(tmp_path, arawn) -> None:
    ring = keyring({"k": "v"})
    made = resolver(tmp_path, {"A": "1"}, ring)
    made.resolve("$env:A")
    assert ring.backend.calls == []
    made.resolve("$keyring:k $keyring:k")
    made.resolve("$keyring:k")
    assert ring.backend.calls == ["k"]
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "keyring.py").write_text("raise SystemExit('the keyring was asked')\n")
    path = f"{broken}{os.pathsep}{os.getcwd()}"
    config = '[backends.anthropic]\napi_key = "$keyring:k"\n[backends.ollama]\nmodel = "m"\n'
    for words in (["--help"], ["config", "show"], ["backend", "list"], ["secret", "list"]):
        done = arawn(*words, config=config, env={"PYTHONPATH": path})
        assert done.returncode == 0 and "was asked" not in done.stderr, done.stderr


def test_the_list_holds_names_only(tmp_path) -> None:
    index = tmp_path / "d" / "secrets.json"
    assert names(index) == []
    remember(index, "b", there=True)
    remember(index, "a", there=True)
    remember(index, "b", there=False)
    assert names(index) == ["a"] and index.stat().st_mode & 0o077 == 0
    index.write_text("{broken")
    assert names(index) == []


def test_secret_commands_without_a_keyring(arawn) -> None:
    env = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    done = arawn("secret", "set", "x", CANARY, env=env, stdin=CANARY)
    assert done.returncode == 2 and "CANARY" not in done.stdout + done.stderr
    done = arawn("secret", "set", "x", env=env, stdin=CANARY)
    assert done.returncode == 3 and "no keyring" in done.stderr and "CANARY" not in done.stderr
    assert arawn("secret", "set", "x", env=env, stdin="").returncode == 2
    assert arawn("secret", "delete", "x", env=env).returncode == 2
    assert arawn("secret", "test", "$env:NOPE", env=env).returncode == 3
    done = arawn("secret", "test", "$env:SOME", env={**env, "SOME": CANARY})
    assert done.returncode == 0 and "sk-C****cdef" in done.stdout and "CANARY" not in done.stdout
    assert arawn("secrets").returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
def test_no_key_is_asked_for_that_cannot_be_stored(env: dict[str, str], tmp_path: Path) -> None:
    from term import Term

    argv = [sys.executable, "-P", "-m", "arawn", "secret", "set", "x"]
    more = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    with Term(argv, env={**env, **more}, cwd=tmp_path) as term:
        assert term.end() == 3 and "There is no keyring" in term.screen and "Key for x" not in term.screen
