"""Changing the file: nothing else in it changes, nothing is ever lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from arawn.config.edit import set_value, unset_value, write_private
from arawn.errors import ConfigFault, UsageFault

ROOT = Path(__file__).parents[1]
unix = pytest.mark.skipif(sys.platform == "win32", reason="modes and links of Unix")


@pytest.fixture
def env(env: dict[str, str], home: Path) -> dict[str, str]:
    return env


@pytest.fixture
def file(home: Path) -> Path:
    path = home / ".config/arawn/config.toml"
    path.parent.mkdir(parents=True)
    return path


BEFORE = """\
# top comment
[llm]   # which one
backend = "groq"
temperature = 0.5   # not too wild

[backends.groq]
model = 'a'  # single quotes stay
api_key = "$env:GROQ_API_KEY"
headers = { X-A = "1" }

# the end
"""


@pytest.mark.parametrize(
    ("key", "text", "old", "new"),
    [
        ("llm.temperature", "0.7", "temperature = 0.5 ", "temperature = 0.7 "),
        ("llm.backend", "ollama", 'backend = "groq"', 'backend = "ollama"'),
        ("backends.groq.timeout", "2m", '"1" }\n', '"1" }\ntimeout = "2m"\n'),
        ("backends.groq.headers.X-B", "2", '"1" }', '"1", X-B = "2"}'),
        ("backends.groq.extra.seed", "7", '"1" }\n', '"1" }\n\n[backends.groq.extra]\nseed = 7\n'),
        ("ui.markdown", "no", "# the end\n", "# the end\n\n[ui]\nmarkdown = false\n"),
        ("limits.frame", "4 MiB", "# the end\n", '# the end\n\n[limits]\nframe = "4 MiB"\n'),
    ],
)
def test_F_CONF_11_comments_and_order_stay(
    env: dict[str, str], file: Path, key: str, text: str, old: str, new: str
) -> None:
    file.write_text(BEFORE)
    set_value(env, None, key, text)
    got = file.read_text()
    for line in BEFORE.splitlines():
        if line and old.split("\n")[0] not in line:
            assert line in got.splitlines()
    wanted = BEFORE.replace(old, new)
    assert tomllib.loads(got) == tomllib.loads(wanted)
    assert [line for line in got.splitlines() if "#" in line][0] == "# top comment"


def test_unset(env: dict[str, str], file: Path) -> None:
    file.write_text(BEFORE)
    unset_value(env, None, "llm.temperature")
    assert file.read_text() == BEFORE.replace("temperature = 0.5   # not too wild\n", "")
    with pytest.raises(ConfigFault, match=r"llm\.temperature is not set"):
        unset_value(env, None, "llm.temperature")
    unset_value(env, None, "backends.groq.headers.X-A")
    unset_value(env, None, "backends.groq")
    assert tomllib.loads(file.read_text()) == {"llm": {"backend": "groq"}, "backends": {}} or tomllib.loads(
        file.read_text()
    ) == {"llm": {"backend": "groq"}}


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("llm.temperature", "hot", "expected a number"),
        ("llm.modle", "x", "did you mean model?"),
        ("llm.backend", "nobody", "there is no backend"),
        ("backends.work.model", "x", "needs provider"),
        ("llm", "x", "is a table"),
        ("", "x", "unknown key"),
        ("llm..model", "x", "unknown key"),
        ("backends.groq.base_url", "https://u:canary@x", "user name"),
    ],
)
def test_bad_changes_are_refused(env: dict[str, str], file: Path, key: str, text: str, words: str) -> None:
    file.write_text(BEFORE)
    with pytest.raises(ConfigFault, match=words.replace("?", r"\?")) as caught:
        set_value(env, None, key, text)
    assert "canary" not in caught.value.sentence
    assert file.read_text() == BEFORE


@pytest.mark.parametrize(
    "key",
    [
        "backends.groq.api_key",
        "backends.groq.headers.Authorization",
        "server.auth.token",
        "mcp.servers.x.env.TOKEN",
    ],
)
def test_no_key_from_the_command_line(env: dict[str, str], file: Path, key: str) -> None:
    with pytest.raises(UsageFault) as caught:
        set_value(env, None, key, "sk-canary")
    assert "canary" not in caught.value.sentence + "".join(caught.value.hints)
    assert not file.exists()
    set_value(env, None, key, "$env:SOME_KEY")
    assert "$env:SOME_KEY" in file.read_text()


def test_an_old_mistake_does_not_keep_from_mending_another(env: dict[str, str], file: Path) -> None:
    file.write_text("[llm]\ntemprature = 1\nmax_tokens = 'x'\n")
    set_value(env, None, "llm.max_tokens", "5")
    unset_value(env, None, "llm.temprature")
    assert tomllib.loads(file.read_text()) == {"llm": {"max_tokens": 5}}


@pytest.mark.parametrize("text", ["[llm\nbackend = 'x'", "\x00", "a = 1\na = 2\n"])
def test_F_CONF_09_a_corrupt_file_is_kept(env: dict[str, str], file: Path, text: str) -> None:
    file.write_text(text)
    for change in (
        lambda: set_value(env, None, "llm.model", "x"),
        lambda: unset_value(env, None, "llm.model"),
    ):
        with pytest.raises(ConfigFault) as caught:
            change()
        assert "kept as it is" in caught.value.hints[0]
        assert file.read_text() == text


@unix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_F_SECRET_12_modes_under_any_umask(env: dict[str, str], home: Path, mask: int) -> None:
    old = os.umask(mask)
    try:
        path = set_value(env, None, "llm.model", "x")
        write_private(home / "a/b/state.json", b"{}")
    finally:
        os.umask(old)
    made = {home / "a", home / "a/b", home / ".config", path.parent, path, home / "a/b/state.json"}
    for item in made | set(path.parent.iterdir()) | set((home / "a/b").iterdir()):
        expected = 0o700 if item.is_dir() else 0o600
        assert stat.S_IMODE(item.stat().st_mode) == expected, item


@unix
def test_F_SECRET_12_wider_file_is_told_and_mended(env: dict[str, str], file: Path) -> None:
    from arawn.config.load import load

    file.write_text('[backends.groq]\napi_key = "gsk_canary"')
    file.chmod(0o644)
    notices = load(env=env, cwd=None, config_file=None, flags=()).notices
    assert any("chmod 600" in line for line in notices) and "canary" not in "".join(notices)
    set_value(env, None, "llm.model", "x")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@unix
def test_a_link_stays_a_link(env: dict[str, str], file: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles/arawn.toml"
    real.parent.mkdir()
    real.write_text(BEFORE)
    file.symlink_to(real)
    set_value(env, None, "llm.temperature", "0.9")
    assert file.is_symlink() and "0.9" in real.read_text()


def _set_one(home: str, number: int) -> None:
    set_value({"HOME": home}, None, f"aliases.n{number}", "groq/x")


def test_F_CONF_10_many_at_once(env: dict[str, str], home: Path, file: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        pool.starmap(_set_one, [(str(home), number) for number in range(16)])
    assert set(tomllib.loads(file.read_text())["aliases"]) == {f"n{number}" for number in range(16)}


@unix
def test_F_CONF_08_killed_at_any_moment(home: Path, file: Path) -> None:
    """The file is whole after every kill: the old content or the new one."""
    file.write_text(BEFORE)
    code = (
        "import os, sys, itertools\n"
        "from arawn.config.edit import set_value\n"
        "print('ready', flush=True)\n"
        "for n in itertools.count():\n"
        "    set_value(os.environ, None, 'llm.max_tokens', str(n + 1))\n"
    )
    env = {"HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    for round_ in range(8):
        child = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline()
        time.sleep(0.013 * (round_ + 1))
        until = time.monotonic() + 30
        while round_ == 7 and "max_tokens" not in file.read_text() and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        got = tomllib.loads(file.read_text())
        assert got["backends"]["groq"]["model"] == "a"
        assert stat.S_IMODE(file.stat().st_mode) in (0o600, 0o644)
    assert got["llm"]["max_tokens"] >= 1
    set_value({"HOME": str(home)}, None, "llm.max_tokens", "5")  # a dead one's lock does not hold others


@unix
def test_F_CONF_08_full_disk(env: dict[str, str], file: Path) -> None:
    file.write_text(BEFORE)
    code = (
        "import os, resource, signal\n"
        "from arawn.config.edit import set_value\n"
        "from arawn.errors import ConfigFault\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    set_value(os.environ, None, 'llm.model', 'x')\n"
        "except ConfigFault as fault:\n"
        "    print(fault.sentence)\n"
    )
    variables = {**env, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert "could not be written" in done.stdout, done.stderr
    assert file.read_text() == BEFORE
    assert not [item for item in file.parent.iterdir() if item.name.endswith(".tmp")]


def test_F_CONF_15_read_only_home(env: dict[str, str], home: Path) -> None:
    home.chmod(0o500)
    if os.access(home, os.W_OK):  # modes do not stop root; this does
        (home / ".config").touch()
    try:
        with pytest.raises(ConfigFault, match="could not be written"):
            set_value(env, None, "llm.model", "x")
    finally:
        home.chmod(0o700)
