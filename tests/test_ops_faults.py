"""Faults of the machine around the program (F-OPS), and of programs found by PATH (F-TRUST-12)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_provider import FakeProvider, openai_stream

from arawn import clipboard
from arawn.errors import ArawnError
from arawn.programs import found
from arawn.repl import external
from arawn.repl.prompt import nearby
from arawn.shell.place import run_with

NAMES = "git vi nano sensible-editor false man less xclip xsel wl-copy wl-paste zsh ld gcc cc"
RELATIVE = ".::bin:./bin:../work"


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds programs of known names, which note that they ran; one stands in it."""
    folder = tmp_path / "work"
    (folder / "bin").mkdir(parents=True)
    for name in NAMES.split():
        for file in (folder / name, folder / "bin" / name):
            file.write_text(f"#!/bin/sh\n: > {tmp_path}/ran\n")
            file.chmod(0o755)
    monkeypatch.chdir(folder)
    return tmp_path / "ran"


def _nothing(work: Callable[[], object]) -> object:
    try:
        return work()
    except ArawnError as fault:
        return fault.sentence


def test_F_TRUST_12_a_program_of_the_folder_is_not_taken(strange, monkeypatch) -> None:
    env = {"PATH": RELATIVE, "DISPLAY": ":0", "WAYLAND_DISPLAY": "w", "SHELL": "zsh"}
    monkeypatch.setenv("PATH", RELATIVE)
    assert subprocess.run(["git"], check=False).returncode == 0 and strange.exists(), "the trap works"
    strange.unlink()
    for name in NAMES.split():
        assert found(name, RELATIVE) is None, name
    assert "no editor" in str(_nothing(lambda: external.command(env)))
    assert "not on PATH" in str(_nothing(lambda: external.command({**env, "EDITOR": "vi"})))
    assert "installed" in str(_nothing(lambda: clipboard.copy("text", env, "linux")))
    assert "installed" in str(_nothing(lambda: clipboard.paste_image(env, "linux")))
    assert run_with(env, platform="linux") == ["/bin/sh", "-c"]
    assert nearby._tracked() is None
    assert not strange.exists()


def test_F_TRUST_12_what_is_on_the_way_in_absolute_folders_is_taken(strange) -> None:
    good = strange.parent / "good"
    good.mkdir()
    (good / "vi").write_text("#!/bin/sh\n")
    (good / "vi").chmod(0o755)
    assert found("vi", f".:{good}") == str(good / "vi")
    assert found("./vi", "") == "./vi", "a person who names a folder means it"
    assert external.command({"PATH": f".:{good}", "EDITOR": "vi -u NONE"}) == [str(good / "vi"), "-u", "NONE"]


def test_F_TRUST_12_no_command_runs_what_lies_in_the_folder(arawn, strange) -> None:
    """The library of keyrings would have run a linker of the folder, looking for what another system has."""
    path = f".:{os.environ['PATH']}"
    for args in (("doctor",), ("config", "edit"), ("man",), ("secret", "test"), ("secret", "set", "x")):
        arawn(*args, env={"PATH": path, "EDITOR": "no-such-editor"}, stdin="k", cwd=strange.parent / "work")
        assert not strange.exists(), args


CONFIG = '[llm]\nbackend = "fake"\n[backends.fake]\nprovider = "custom"\nbase_url = "{url}/v1"\nmodel = "m"\n'
# The program with something done to this Python first; what is done stands between the two.
BEFORE = "import sys\nsys.argv[:] = ['arawn', *sys.argv[1:]]\n"
AFTER = "\nfrom arawn.__main__ import main\nmain()\n"
BROKEN = "this is [ no toml"


@pytest.fixture
def with_lack(arawn) -> Callable:
    """Run the program where this Python lacks something: `with_lack("lines of Python", "ask", "hi")`."""

    def run(lack: str, *args: str, **more):
        return arawn(*args, program=(sys.executable, "-P", "-c", BEFORE + lack + AFTER), **more)

    return run


def quiet(done, *words: str) -> None:
    """It ended with a sentence, and with no traceback."""
    told = done.stderr + done.stdout
    assert "Traceback" not in told and "Exception" not in told, told
    assert all(word in told for word in words), told


# What a program opens, connects to and starts, as Python's own audit tells it.
AUDIT = """
seen = open({place!r}, "a")
def hear(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.exec", "sqlite3.connect"):
        seen.write(f"{{event}}\\n")
    elif event == "import" and args[0] in ("keyring", "sqlite3", "_sqlite3", "socket"):
        seen.write(f"import {{args[0]}}\\n")
    elif event == "open" and str(args[0]).startswith({home!r}):
        seen.write(f"open {{args[0]}}\\n")
    seen.flush()
sys.addaudithook(hear)
"""


@pytest.mark.parametrize(
    "args",
    [
        ("--version",),
        ("--help",),
        ("ask", "--help"),
        ("session", "list", "--help"),
        ("help",),
        ("help", "secrets"),
        ("shell-init", "bash"),
        ("config", "path"),
        ("man", "--roff"),
    ],
    ids=" ".join,
)
def test_F_OPS_01_help_touches_nothing(with_lack, home, tmp_path, args) -> None:
    (home / ".local" / "share" / "arawn").mkdir(parents=True)
    (home / ".local" / "share" / "arawn" / "sessions.db").write_text("this is no database")
    seen = tmp_path / "seen"
    audit = AUDIT.format(place=str(seen), home=f"{home}/.")
    done = with_lack(audit, *args, config=BROKEN)
    assert done.returncode == 0 and done.stdout and not done.stderr
    assert seen.read_text() == ""


def test_F_OPS_01_completions_know_names_without_a_check_of_the_config(with_lack, home, tmp_path) -> None:
    seen = tmp_path / "seen"
    audit = AUDIT.format(place=str(seen), home=f"{home}/.")
    done = with_lack(audit, "completions", "values", "backend", config=BROKEN)
    assert done.returncode == 0 and "openai" in done.stdout and not done.stderr
    assert {line.split()[0] for line in seen.read_text().splitlines()} == {"open"}


NO_MODULE = """
from importlib.machinery import PathFinder
look = PathFinder.find_spec
def missing(name, *args, **more):
    return None if name.partition(".")[0] == {name!r} else look(name, *args, **more)
PathFinder.find_spec = missing
"""


@pytest.mark.parametrize(
    ("name", "args", "word"),
    [
        ("httpx", ("ask", "hi"), "The package httpx, which Arawn needs"),
        ("tomlkit", ("config", "set", "ui.history", "false"), "The package tomlkit, which Arawn needs"),
        ("fastjsonschema", ("ask", "hi", "--schema", '{"type": "object"}'), "The package fastjsonschema"),
        ("typer", ("ask", "hi"), "Arawn does not start: No module named 'typer'"),
    ],
)
def test_F_OPS_02_a_missing_package_is_named(with_lack, name, args, word) -> None:
    with FakeProvider(openai_stream(["{}"])) as fake:
        done = with_lack(NO_MODULE.format(name=name), *args, config=CONFIG.format(url=fake.url))
    assert done.returncode == 1
    quiet(done, word)


def test_F_OPS_02_the_extra_for_socks_is_named(with_lack) -> None:
    config = CONFIG.format(url="https://service.example") + 'api_key = "$env:K"\n'
    done = with_lack(
        NO_MODULE.format(name="socksio"),
        "ask",
        "hi",
        config=config,
        env={"ALL_PROXY": "socks5://127.0.0.1:9", "K": "k"},
    )
    assert done.returncode == 3
    quiet(done, "arawn[socks]")


LITTLE = """
import resource
import arawn.cli
with open("/proc/self/statm") as statm:
    size = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + {more},) * 2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of the address space is Linux's")
def test_F_OPS_03_out_of_memory(arawn, with_lack) -> None:
    """Wherever it ends: one sentence, no traceback, and the sessions are whole."""
    with FakeProvider(openai_stream(["Hello"])) as fake:
        assert arawn("ask", "one", config=CONFIG.format(url=fake.url)).stdout == "Hello\n"
        for more in (0, 2_000_000, 8_000_000, 20_000_000):
            done = with_lack(LITTLE.format(more=more), "ask", "hi")
            assert done.returncode == 1 or done.returncode == 0 < more, done.stderr
            quiet(done, "memory" if done.returncode else "Hello")
        assert arawn("ask", "two").stdout == "Hello\n"
    assert "one" in (told := arawn("session", "list").stdout) and "two" in told


FEW = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_F_OPS_04_twenty_files_are_enough(with_lack) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        done = with_lack(FEW.format(most=20), "ask", "hi", config=CONFIG.format(url=fake.url))
    assert done.returncode == 0 and done.stdout == "Hello\n"
    quiet(done)


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
@pytest.mark.parametrize("args", [("ask", "hi"), ("session", "list"), ("nonsense",)], ids=" ".join)
def test_F_OPS_04_too_few_files_are_told(with_lack, home, args) -> None:
    for most in (3, 4, 5, 6, 7):
        for early in ("import arawn.__main__\n", "import arawn.__main__, arawn.cli\n"):
            with FakeProvider(openai_stream(["Hello"])) as fake:
                lack = early + FEW.format(most=most)
                done = with_lack(lack, *args, config=CONFIG.format(url=fake.url))
            assert done.returncode in (0, 1, 2), done.stderr
            quiet(done, "Error: " if done.returncode else "")


# As where the system grants no more processes, which root is never refused.
NO_FORK = """
import _posixsubprocess, errno, os, subprocess
def refuse(*args, **more):
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
_posixsubprocess.fork_exec = os.fork = refuse
if hasattr(subprocess, "_fork_exec"):
    subprocess._fork_exec = refuse
"""
NO_THREAD = """
import _thread, threading
def never(*args, **more):
    raise RuntimeError("can't start new thread")
_thread.start_new_thread = threading._start_new_thread = never
if hasattr(threading, "_start_joinable_thread"):
    threading._start_joinable_thread = never
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes start otherwise there")
def test_F_OPS_05_no_more_processes(with_lack) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        assert with_lack(NO_FORK, "ask", "hi", config=CONFIG.format(url=fake.url)).stdout == "Hello\n"
    done = with_lack(NO_FORK, "config", "edit", env={"EDITOR": "true"})
    assert done.returncode == 2
    quiet(done, "does not start", "temporarily unavailable")


@pytest.mark.parametrize(
    "args",
    [
        ("ask", "hi"),
        ("compare", "hi", "-b", "fake", "-b", "guide"),
        ("doctor",),
        ("secret", "test", "fake"),
        ("cmd", "hi"),
    ],
    ids=" ".join,
)
def test_F_OPS_05_no_more_threads(with_lack, args) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        config = CONFIG.format(url=fake.url) + 'api_key = "$keyring:k"\n' * (args[0] == "secret")
        done = with_lack(NO_THREAD, *args, config=config)
    assert done.returncode in (1, 3)
    quiet(done, "thread")


CANARY = "sk-CANARY0123456789abcdef"
# Every command there is, which breaks as soon as it does something.
RAISING = f"""
import arawn.cli
def broken(self, ctx):
    raise RuntimeError("in the middle: {CANARY} \\x1b]0;title\\x07 here")
from typer.core import TyperCommand
TyperCommand.invoke = broken
TyperCommand.parse_args = lambda self, ctx, args: args
"""
EVERY = """
import contextlib, io, os
from arawn.cli import run
from arawn.cli.completion_tree import tree
for node in (one for one in tree() if one.path and not one.commands):
    words = list(node.path)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = run(words)
    print(code, repr(said.getvalue()), *words)
os._exit(0)
"""


def test_F_OPS_10_whatever_breaks_in_any_command(with_lack, home) -> None:
    done = with_lack(RAISING + EVERY)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) > 50, done.stderr
    crash = home / ".local" / "state" / "arawn" / "crash.txt"
    for line in lines:
        assert line.startswith("70 ") and line.count("Error: ") == 1 and str(crash) in line, line
        assert "CANARY" not in line and "Traceback" not in line
    written = crash.read_text()
    assert "RuntimeError: in the middle: ****" in written and "CANARY" not in written
    assert "\x1b" not in written and "\x07" not in written, "it is read on a terminal"
    assert crash.stat().st_mode & 0o777 == 0o600 and crash.parent.stat().st_mode & 0o077 == 0


THREAD = f"""
import arawn.store.journal as journal
def broken(self):
    raise RuntimeError("beside it: {CANARY}")
journal.Writer._keep_up = broken
"""


def test_F_OPS_10_what_breaks_in_a_thread_is_written_down(with_lack, home) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        config = CONFIG.format(url=fake.url)
        done = with_lack(THREAD, "ask", "hi", config=config)
        loud = with_lack(THREAD, "--debug", "ask", "hi", config=config)
    assert done.returncode == 0 and done.stdout == "Hello\n"
    quiet(done)
    crash = home / ".local" / "state" / "arawn" / "crash.txt"
    assert "RuntimeError: beside it: ****" in crash.read_text() and "RuntimeError" in loud.stderr
    assert "CANARY" not in crash.read_text() + done.stderr + loud.stderr


def test_F_TERM_15_a_traceback_cannot_act_on_the_terminal(with_lack) -> None:
    done = with_lack(RAISING, "--debug", "ask", "hi")
    assert done.returncode == 70 and "RuntimeError" in done.stderr
    assert "\x1b" not in done.stderr and "\x07" not in done.stderr and "CANARY" not in done.stderr


HOSTILE = "a\x1b]0;title\x07b\x1b[31mred\r\nback\b \u202e end"


def test_F_TERM_15_files_and_pipes_get_every_byte(arawn, tmp_path) -> None:
    """What no terminal shows is the text itself: as an answer in a pipe, as an export, as a recording."""
    to, tape = tmp_path / "out.json", tmp_path / "tape.json"
    with FakeProvider(openai_stream([HOSTILE[:9], HOSTILE[9:]])) as fake:
        done = arawn("--record", str(tape), "ask", "hi", config=CONFIG.format(url=fake.url))
    assert done.returncode == 0 and done.stdout == HOSTILE + "\n"
    assert arawn("session", "export", "--output", str(to)).returncode == 0
    assert HOSTILE in _texts(json.loads(to.read_text()))
    for file in (to, tape):
        assert "\x1b" not in file.read_text() and "\x07" not in file.read_text(), (
            "JSON writes them as escapes"
        )
    assert "\x1b" not in done.stderr


def _texts(value: object) -> list[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]


READER = f"""
import arawn.wire.openai as wire
def broken(*args):
    raise RuntimeError("of the reader: {CANARY}")
wire.read = broken
"""


@pytest.mark.parametrize(
    "words", ["ask hi", "ask --race fake:a,fake:b hi", "compare hi -b fake:a -b fake:b", "cmd hi"]
)
def test_F_OPS_10_whatever_breaks_where_several_are_asked(with_lack, home, words) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        done = with_lack(READER, *words.split(), config=CONFIG.format(url=fake.url))
    crash = home / ".local" / "state" / "arawn" / "crash.txt"
    assert done.returncode == 70
    quiet(done, "A fault of Arawn's own (RuntimeError)", str(crash))
    assert "RuntimeError: of the reader: ****" in crash.read_text()
    assert "CANARY" not in done.stdout + done.stderr + crash.read_text()


DYING = f"""
import arawn.interrupt as interrupt
class Dying:
    def __del__(self):
        raise ValueError("while it goes: {CANARY}")
before = interrupt.begin
def begun():
    before()
    globals()["kept"] = Dying()
interrupt.begin = begun
import arawn.cli.context as context
load = context.Context.load
def loaded(self):
    import warnings
    globals().pop("kept", None)
    warnings.warn("of a library", RuntimeWarning)
    return load(self)
context.Context.load = loaded
"""


def test_F_OPS_10_what_breaks_while_it_is_thrown_away_is_not_shown(with_lack, home) -> None:
    with FakeProvider(openai_stream(["Hello"])) as fake:
        config = CONFIG.format(url=fake.url)
        done = with_lack(DYING, "ask", "hi", config=config, env={"PYTHONWARNINGS": ""})
    assert done.returncode == 0 and done.stdout == "Hello\n" and "of a library" not in done.stderr
    quiet(done)
    assert "while it goes: ****" in (home / ".local" / "state" / "arawn" / "crash.txt").read_text()
    assert "CANARY" not in done.stderr


PRESSED = """
import os, signal, time
import arawn.cli.context as context
class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        time.sleep(0.001)
def loaded(self):
    Dying()
    time.sleep(60)
context.Context.load = loaded
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_F_TTY_08_a_signal_that_python_swallows_comes_again(with_lack, name: str, code: int) -> None:
    """What is raised in `__del__` or by a weak reference is told and dropped, and the program would go on."""
    done = with_lack(PRESSED.format(name=name), "ask", "hi")
    assert done.returncode == code
    quiet(done)
