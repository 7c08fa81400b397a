"""Layers, places and defaults of the settings."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from arawn.config import schema
from arawn.config.load import Config, load, unknown_variables
from arawn.config.mask import leaves
from arawn.config.paths import paths
from arawn.errors import ConfigFault

ROOT = Path(__file__).parents[1]


def config(home: Path, text: str | None = None, *, cwd=None, flags=(), file=None, **env) -> Config:
    if text is not None:
        place = home / ".config/arawn/config.toml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return load(env={"HOME": str(home), **env}, cwd=cwd, config_file=file, flags=flags)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def trusted(env: dict[str, str], path: Path) -> None:
    from arawn.config.trust import allow

    allow(path, path.read_bytes(), env)


def test_later_layers_win_key_by_key(home: Path, tmp_path: Path) -> None:
    env = {"HOME": str(home), "ARAWN_LLM_MAX_TOKENS": "4"}
    write(
        home / ".arawn/arawn.toml", "[llm]\nmodel='1'\ntemperature=0.1\ntop_p=0.1\nmax_tokens=1\nsystem='1'"
    )
    write(home / ".config/arawn/config.toml", "[llm]\nmodel='2'\ntemperature=0.2\ntop_p=0.2\nmax_tokens=2")
    project = write(tmp_path / "p/.arawn/config.toml", "[llm]\nmodel='3'\ntemperature=0.3\nmax_tokens=3")
    trusted(env, project)
    (tmp_path / "p/a/b").mkdir(parents=True)
    got = load(env=env, cwd=tmp_path / "p/a/b", config_file=None, flags=[("llm.model", "5", "-o")])
    assert got.values["llm"] == {
        "model": "5",
        "temperature": 0.3,
        "top_p": 0.2,
        "max_tokens": 4,
        "system": "1",
    }
    origins = {key: got.origin(f"llm.{key}") for key in (*got.values["llm"], "stop")}
    assert {key: origin.layer for key, origin in origins.items()} == {
        "model": "flag",
        "temperature": "project",
        "top_p": "user",
        "max_tokens": "env",
        "system": "user",
        "stop": "default",
    }
    assert origins["model"].place == "-o"
    assert origins["max_tokens"].place == "ARAWN_LLM_MAX_TOKENS"
    assert origins["temperature"].place == f"{project}:3:1"
    assert origins["system"].place == f"{home}/.arawn/arawn.toml:6:1"
    assert [value for _, value in got.history("llm.model")] == ["1", "2", "3", "5"]
    assert len(got.files) == 3


def test_tables_of_one_backend_merge_over_files(home: Path) -> None:
    write(home / ".arawn/arawn.toml", '[backends.groq]\napi_key = "$env:A"\nheaders = { A = "1", B = "1" }')
    got = config(home, '[backends.groq]\nmodel = "m"\nheaders = { B = "2" }')
    assert got.backends == {"groq": {"api_key": "$env:A", "model": "m", "headers": {"A": "1", "B": "2"}}}


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        ("ARAWN_BACKEND", "ollama", "llm.backend", "ollama"),
        ("ARAWN_MODEL", "m", "llm.model", "m"),
        ("ARAWN_LOG_LEVEL", "debug", "logging.level", "debug"),
        ("ARAWN_PORT", "9000", "server.port", 9000),
        ("ARAWN_LIMITS_IDLE", "3", "limits.idle", 3.0),
        ("ARAWN_LIMITS_FRAME", "2 MiB", "limits.frame", 2 << 20),
        ("ARAWN_UI_MARKDOWN", "off", "ui.markdown", False),
        ("ARAWN_SERVER_RATE_LIMIT_REQUESTS_PER_MINUTE", "7", "server.rate_limit.requests_per_minute", 7),
        ("ARAWN_LLM_STOP", '["a", "b"]', "llm.stop", ["a", "b"]),
        ("ARAWN_LLM_STOP", "END", "llm.stop", ["END"]),
        ("ARAWN_MODEL", "", "llm.model", None),
    ],
)
def test_environment(home: Path, name: str, value: str, path: str, expected: object) -> None:
    assert config(home, **{name: value}).get(path) == expected


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("backends.ollama.model", "m", "m"),
        ("backends.ollama.headers.X-Foo", "1", "1"),
        ("backends.ollama.extra.seed", "7", 7),
        ("backends.ollama.extra.options.flag", "true", True),
        ('backends.ollama.headers."a.b"', "x", "x"),
        ("backends.ollama.retry.max_delay", "500ms", 0.5),
    ],
)
def test_flags_reach_every_setting(home: Path, path: str, text: str, expected: object) -> None:
    assert config(home, flags=[(path, text, "-o")]).get(path) == expected


def test_mistakes_of_variables_and_flags_name_their_place(home: Path) -> None:
    with pytest.raises(ConfigFault) as caught:
        config(home, ARAWN_LIMITS_IDLE="soon", flags=[("llm.modle", "x", "-o"), ("limits", "1", "-o")])
    lines = caught.value.sentence.split("\n")
    assert lines[0].startswith("ARAWN_LIMITS_IDLE: limits.idle: expected seconds")
    assert lines[1] == "-o: unknown key llm.modle; did you mean model?"
    assert lines[2] == "-o: limits is a table, not a key"


def test_unknown_variables_are_told() -> None:
    found = unknown_variables({"ARAWN_MODLE": "x", "ARAWN_HOME": "/x", "ARAWN_MODEL": "y", "OTHER": "z"})
    assert found == ["ARAWN_MODLE is no setting; did you mean ARAWN_MODEL?"]


def test_config_flag_and_variable_replace_the_user_file(home: Path, tmp_path: Path) -> None:
    write(home / ".arawn/arawn.toml", "[llm]\nsystem='legacy'")
    own = write(tmp_path / "own.toml", "[llm]\nmodel='own'")
    other = write(tmp_path / "other.toml", "[llm]\nmodel='other'")
    assert config(home, "[llm]\nmodel='user'", file=str(own)).values == {"llm": {"model": "own"}}
    assert config(home, ARAWN_CONFIG=str(other)).values == {"llm": {"model": "other"}}
    assert config(home, ARAWN_CONFIG=str(other), file=str(own)).get("llm.model") == "own"
    with pytest.raises(ConfigFault, match="there is no such file"):
        config(home, file=str(tmp_path / "gone.toml"))


def test_the_walk_ends_at_the_repository_and_before_the_home(home: Path, tmp_path: Path) -> None:
    write(tmp_path / ".arawn/config.toml", "[llm]\nmodel='above'")
    repo = tmp_path / "repo"
    (repo / ".git").mkdir(parents=True)
    (repo / "deep").mkdir()
    assert config(home, cwd=repo / "deep").values == {}
    assert config(home, cwd=tmp_path).get("llm.model") == "above"
    write(home / ".arawn/config.toml", "[llm]\nmodel='home'")
    (home / "project").mkdir()
    assert config(home, cwd=home / "project").values == {}
    assert config(home, cwd=home).values == {}


def test_defaults(home: Path) -> None:
    got = config(home)
    assert got.values == {} and got.files == () and got.notices == ()
    expected = {
        "limits.connect": 10.0,
        "limits.first_event": 120.0,
        "limits.idle": 90.0,
        "limits.keyring": 3.0,
        "limits.frame": 8 << 20,
        "limits.reply": 32 << 20,
        "limits.error_body": 64 << 10,
        "ui.color": "auto",
        "ui.reasoning": "line",
        "backends.any.retry.max_attempts": 3,
        "backends.any.retry.max_delay": 30.0,
        "logging.max_size": 10_000_000,
        "llm.temperature": None,
    }
    assert {path: got.get(path) for path in expected} == expected
    for row in schema.ROWS:
        got.get(row.path.replace("*", "name"))


def test_a_literal_key_works_and_is_told(home: Path) -> None:
    got = config(home, '[backends.groq]\napi_key = "gsk_canary"\n[backends.openai]\napi_key = "$env:K"')
    assert got.backends["groq"]["api_key"] == "gsk_canary"
    assert len(got.notices) == 2  # the second: others can read the file
    assert "config.toml:2:1" in got.notices[0] and "gsk_canary" not in "".join(got.notices)


def test_example_is_current_and_loads(home: Path) -> None:
    text = (ROOT / "config.example.toml").read_text()
    assert text == schema.example(), "python -m arawn.config.schema > config.example.toml"
    assert list(leaves(config(home, text).values)) == []
    whole = "\n".join(
        line.removeprefix("#") if line[:1] == "#" and line[1:2] != " " else line for line in text.split("\n")
    )
    got = config(home, whole)
    said = {".".join(path) for path in _paths(tomllib.loads(whole))}
    assert len(said) >= len(schema.ROWS) and got.backends
    assert all(row.doc.endswith(".") or ":" in row.doc for row in schema.ROWS)


def _paths(values: dict, path: tuple = ()) -> list[tuple]:
    found = []
    for name, value in values.items():
        found += _paths(value, (*path, name)) if isinstance(value, dict) else [(*path, name)]
    return found


def test_every_key_of_the_reference_is_known() -> None:
    shared = ROOT.parent / "shared/reference/config-and-secrets.md"
    if not shared.exists():
        pytest.skip("the reference folder is not here")
    table = shared.read_text().split("### 2.2")[1].split("### 3.1")[0]
    for line in table.splitlines():
        if not line.startswith("| `"):
            continue
        first, *more = line.split("|")[1].strip().strip("`").split("/")
        stem = first.rpartition(".")[0]
        for key in (first, *(stem + part for part in more)):
            names = tuple(key.replace("<name>", "x").split("."))
            assert isinstance(schema.find(names), schema.Row), key


def test_loading_is_cheap() -> None:
    code = "import sys, arawn.config.load; print([m for m in sys.modules if m in ('tomlkit','json','hashlib','difflib','urllib.parse','arawn.config.positions','dataclasses','tomllib')])"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert set(eval(done.stdout)) <= {"urllib.parse"}  # pathlib loads it on 3.11


@pytest.mark.parametrize(
    ("env", "config_dir", "data_dir"),
    [
        ({}, "~/.config/arawn", "~/.local/share/arawn"),
        ({"XDG_CONFIG_HOME": "/x", "XDG_DATA_HOME": "/d"}, "/x/arawn", "/d/arawn"),
        ({"XDG_CONFIG_HOME": "rel", "XDG_DATA_HOME": ""}, "~/.config/arawn", "~/.local/share/arawn"),
        ({"ARAWN_HOME": "/a", "XDG_CONFIG_HOME": "/x"}, "/a", "/a/data"),
        ({"ARAWN_HOME": "~/a", "ARAWN_DATA_DIR": "/dd"}, "~/a", "/dd"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="places of Linux")
def test_F_CONF_13_places(home: Path, env: dict[str, str], config_dir: str, data_dir: str) -> None:
    found = paths({"HOME": str(home), **env})
    assert str(found.config_dir) == config_dir.replace("~", str(home))
    assert str(found.data_dir) == data_dir.replace("~", str(home))
    assert found.user_file == found.config_dir / "config.toml"


@pytest.mark.skipif(sys.platform == "win32", reason="the user database of Unix")
@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_F_CONF_13_home_unset(env: dict[str, str]) -> None:
    import pwd

    assert str(paths(env).user_file).startswith(pwd.getpwuid(os.getuid()).pw_dir)
    assert load(env={"HOME": "/nonexistent"}, cwd=None, config_file=None, flags=()).values == {}


def test_F_CONF_06_references_are_not_resolved_by_loading(home: Path) -> None:
    tables = "\n".join(
        f'[backends.b{n}]\nprovider = "openai"\napi_key = "$keyring:none{n}"' for n in range(10)
    )
    got = config(home, tables + '\n[backends.groq]\napi_key = "$env:NOT_SET"')
    assert len(got.backends) == 11 and got.notices == ()


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot go there")
def test_F_CONF_16_cwd_deleted(home: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, sys; os.rmdir(os.getcwd())\n"
        "from arawn.config.load import load\n"
        "print(load(env=os.environ, cwd=None, config_file=None, flags=()).values)"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=gone, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes of Unix")
def test_F_CONF_15_read_only_home_is_read(home: Path) -> None:
    write(home / ".config/arawn/config.toml", "[llm]\nmodel='m'")
    for folder in (home / ".config/arawn", home / ".config", home):
        folder.chmod(0o500)
    try:
        before = sorted(home.rglob("*"))
        assert config(home).get("llm.model") == "m"
        assert sorted(home.rglob("*")) == before
    finally:
        for folder in (home, home / ".config", home / ".config/arawn"):
            folder.chmod(0o700)
