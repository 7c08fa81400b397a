"""Every mistake in a file: found, all at once, with its place and without any key."""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arawn.config import schema
from arawn.config.load import load
from arawn.config.positions import locate, positions
from arawn.errors import ConfigFault


def mistakes(path: Path, data: bytes | str) -> list[str]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    try:
        load(env={"HOME": str(path.parent)}, cwd=None, config_file=str(path), flags=())
    except ConfigFault as fault:
        assert fault.exit_code == 3
        return fault.sentence.replace(f"{path}", "F").split("\n")
    return []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.toml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[llm]\nbackend = groq\n", ["F:2:11: invalid value", "    backend = groq"]),
        ("[llm\n", ["F:1:5: expected ']' at the end of a table declaration", "    [llm"]),
        ("a = 1\na = 2\n", ["F:2:6: cannot overwrite a value", "    a = 2"]),
        ('[llm]\nmodel = "x', ["F:2:11: unterminated string at the end of the file", '    model = "x']),
        ('[backends.x]\napi_key = "sk-canary\n', ["F:2:21: illegal character '\\n'", "    api_key = ****"]),
        ("[llm]\nmodel = 'a' # \x00\n", ["F:2:13: ", "    model = 'a' # \\x00"]),
    ],
)
def test_F_CONF_01_syntax(file: Path, text: str, expected: list[str]) -> None:
    found = mistakes(file, text)
    assert len(found) == len(expected)
    assert re.match(r"F:\d+:\d+: ", found[0])
    assert found[0].startswith(expected[0][:4]) and found[1] == expected[1]
    assert found[0].endswith("; a text stands in quotation marks") == ("invalid value" in expected[0])
    assert "canary" not in "".join(found)


MISTAKES = """\
[llm]
backend = "gorq"
temprature = 0.3
temperature = "hot"
max_tokens = 0
top_p = nan
system = 3

[backends.work]
provider = "opnai"
api_key = 12345
modle = "x"
timeout = "-3s"

["backends".'ollama']
headers = { "X-A" = 3 }
retry = { max_attempts = 0, max_dealy = 3 }
stop = [1]
insecure = "yes"

[openai]
api_key = "sk-canary"

[limits]
idle = "3 parsecs"
frame = true
zzz = 3

[server]
port = 99999
"""


def test_F_CONF_02_all_mistakes_at_once(file: Path) -> None:
    assert mistakes(file, MISTAKES) == [
        "F:3:1: unknown key llm.temprature; did you mean temperature?",
        "F:4:1: llm.temperature: expected a number, found the string 'hot'",
        "F:5:1: llm.max_tokens: must be at least 1, not 0",
        "F:6:1: llm.top_p: is not a usable number",
        "F:7:1: llm.system: expected a string, found the number 3",
        "F:10:1: backends.work.provider: no provider is called 'opnai'; did you mean \"openai\"?",
        "F:11:1: backends.work.api_key: expected a string, found a whole number",
        "F:12:1: unknown key backends.work.modle; did you mean model?",
        "F:13:1: backends.work.timeout: must be at least 0, not -3",
        "F:16:13: backends.ollama.headers.X-A: expected a string, found a whole number",
        "F:17:11: backends.ollama.retry.max_attempts: must be at least 1, not 0",
        "F:17:29: unknown key backends.ollama.retry.max_dealy; did you mean max_delay?",
        "F:18:1: backends.ollama.stop: expected only strings in it",
        "F:19:1: backends.ollama.insecure: expected true or false, found the string 'yes'",
        "F:21:2: unknown key openai; did you mean [backends.openai]?",
        'F:25:1: limits.idle: expected seconds, or a text such as "30s" or "2m", found the string \'3 parsecs\'',
        'F:26:1: limits.frame: expected bytes, or a text such as "8 MiB", found true',
        "F:27:1: unknown key limits.zzz",
        "F:30:1: server.port: must be at most 65535, not 99999",
        "F:2:1: llm.backend: there is no backend 'gorq'; did you mean \"groq\"?",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[backends.work]\nmodel='x'", "F:1:2: [backends.work] needs provider"),
        ("[backends.work]\ndialect='openai'", "F:1:2: [backends.work] needs base_url"),
        ("[backends.work]\nprovider='custom'", "needs base_url"),
        ("[backends.opnai]\nmodel='x'", 'did you mean "openai"?'),
        ("[backends.guide]\nmodel='x'", "takes no settings"),
        ("[llm]\nbackend='mine'", "a [backends.mine] table would make it"),
        ("[llm]\nbackend='grok'", "there is no backend 'grok'; did you mean \"xai\"?"),
        ("[backends.claude]\nmodel='x'", 'did you mean "anthropic"?'),
        ("[backends.x]\nprovider='Gemini'", 'did you mean "google"?'),
        ("[backends.x]\nprovider='ollama'\ndialect='opena'", 'did you mean "openai"?'),
        ("model = 'x'", "did you mean llm.model?"),
        ("backend = 'x'", "did you mean llm.backend or [backends]?"),
        ("[backends.x]\nurl = 'http://x'", "did you mean base_url?"),
        ("[llm]\napi_key = 'sk-canary'", "did you mean backends.NAME.api_key?"),
        ("[ui]\ncolor = 'Always'", 'did you mean "always"?'),
        ("[backends.groq]\nextra = { a = 1979-05-27 }", "JSON cannot"),
        ('[backends.groq]\nmodel = "a\\u001bb"', "control character"),
        ('[backends.groq]\nheaders = { A = "a\\r\\nB: c" }', "control character"),
        ("[llm]\nmax_tokens = " + "9" * 5000, "too large"),
        ("[llm]\nmax_tokens = 99999999999999999999", "usable number"),
        ("[llm]\ntemperature = inf", "usable number"),
        ("llm = 3", "expected a table"),
        ("[[llm]]", "expected a table"),
        ("[limits]\nidle = 0", "more than 0"),
    ],
)
def test_F_CONF_02_one_mistake(file: Path, text: str, words: str) -> None:
    found = mistakes(file, text)
    assert len(found) == 1 and words in found[0] and re.match(r"F:\d+:\d+: ", found[0])
    assert "canary" not in found[0]


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**6), st.floats(-1, 3), st.sampled_from(["x", "", "3s"])
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(schema.ROWS), VALUES), max_size=6), st.randoms())
def test_F_CONF_02_never_anything_but_a_fault(tmp_path: Path, said: list, rng) -> None:
    lines = []
    for row, value in said:
        key = row.path.replace("*", rng.choice(["groq", "work", "x y"])).split(".")
        name = ".".join(f'"{part}"' for part in key)
        if rng.random() < 0.2:
            name = name.replace("e", "o", 1)
        lines.append(f"{name} = {schema.toml_value([] if value is None else value)}")
    for line in mistakes(tmp_path / "c.toml", "\n".join(lines)):
        assert re.match(r"F:\d+:\d+: |    ", line), line


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xef\xbb\xbf[llm]\nmodel = 'x'\n", None),
        (b"", None),
        (b"# only\n", None),
        (b"[llm]\r\nmodel = 'x'\r\n", None),
        ("[llm]\nmodel = 'é'".encode("latin-1"), "F:2:10: is not UTF-8"),
        ("[llm]".encode("utf-16"), "UTF-16"),
        (b"[llm]\rmodel = 'x'\r", "CR alone"),
        (b"[llm]\nmodel = 'x\x00'", "F:2:"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deep"),
        (b"a = " + b"{a=" * 5000 + b"1" + b"}" * 5000, "nested too deep"),
        (b".".join([b"a"] * 500_000) + b" = 1", "F:1:1: is nested too deep"),
        (b"[backends.groq]\nextra." + b".".join([b"a"] * 100) + b" = 1", "nested more than"),
        (b"[llm]\nsystem = '" + b"word " * 200_000 + b"'", None),
        (b"a" * 1_000_000, "expected '='"),
        (b"\n".join(b"k%d = 1" % n for n in range(60_000)), "unknown key k0"),
        (b"#" * (1 << 20) + b"\n", "larger than 1 MiB"),
    ],
)
def test_F_CONF_03_odd_bytes(file: Path, data: bytes, words: str | None) -> None:
    found = mistakes(file, data)
    assert (words in found[0]) if words else found == []


def _directory(path: Path) -> None:
    path.mkdir()


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_directory, "is not a file"),
        (lambda path: os.mkfifo(path), "is not a file"),
        (_dangling, "is a link to nothing"),
        (_loop, "cannot be read"),
        (lambda path: None, None),
    ],
)
def test_F_CONF_04_no_file(tmp_path: Path, make, words: str | None) -> None:
    path = tmp_path / ".config/arawn/config.toml"
    path.parent.mkdir(parents=True)
    make(path)
    done = []

    def run() -> None:
        try:
            load(env={"HOME": str(tmp_path)}, cwd=None, config_file=None, flags=())
            done.append("")
        except ConfigFault as fault:
            done.append(fault.sentence)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert done, "it waits for something"
    assert (words in done[0]) if words else done == [""]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("$evn:KEY_canary", "did you mean $env:?"),
        ("$ENV:KEY_canary", "did you mean $env:?"),
        ("$cmd:canary x", "a dollar itself is written $$"),
        ("${{secrets.canary}}", "none of $env:NAME, ${NAME}, $keyring:NAME and $file:PATH"),
        ("$env:", "none of $env:NAME"),
        ("$env:KEY", None),
        ("${KEY}-canary", None),
        ("$$evn:canary", None),
        ("$canary", None),
    ],
)
def test_a_reference_that_is_none_is_not_sent_as_a_key(file: Path, key: str, words: str | None) -> None:
    found = mistakes(file, f"[backends.x]\nprovider = 'custom'\nbase_url = 'http://x'\napi_key = '{key}'\n")
    assert [words in one for one in found] == ([True] if words else [])
    assert "canary" not in "".join(found)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
def test_F_CONF_05_unreadable(file: Path) -> None:
    assert mistakes(file, "[llm]\nmodle = 1")  # what a fault imports is loaded while that is allowed
    file.chmod(0)
    root = os.access(file, os.R_OK)  # modes do not stop root
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigFault, match="may not be read"):
            load(env={"HOME": "/nonexistent"}, cwd=None, config_file=str(file), flags=())
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost:11434", None),
        ("https://example.com/v1/", None),
        ("https://bücher.example/v1", None),
        ("http://[::1]:8080/v1", None),
        ("ftp://example.com", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("example.com", "http:// or https://"),
        ("", "http:// or https://"),
        ("https://user:canary@example.com", "user name"),
        ("https://canary@example.com", "user name"),
        ("https://example.com:99999", "65535"),
        ("https://example.com:x", "65535"),
        ("https://", "no host"),
        ("https://example.com/\\nHost: x", "control character"),
        ("https://exa mple.com", "space"),
        ("https://example.com?key=canary", "before ?"),
        ("https://[::1", "not an address"),
    ],
)
def test_F_CONF_14_addresses(file: Path, url: str, words: str | None) -> None:
    found = mistakes(file, f'[backends.groq]\nbase_url = "{url}"')
    assert (len(found) == 1 and words in found[0]) if words else found == []
    assert "canary" not in "".join(found)


PLACES = '''\
# [no.table]
top = """
[not.a.table]
key = 1
"""
"quoted.key" = 'x' # = "
a . "b c".d = [ 1, [2,
  3], {e = {f.g = 1}} ] # ]
[t]  # comment
x = { y = { z = 1 }, "q" = '}' }
s = \'\'\'[z]
k = 2\'\'\'
date = 1979-05-27 07:32:00
[[many]]
n = 1
[many.sub]
m = 1
[[many]]
n = 2
[ "esc\\u0061ped" . 'lit' ]
v = "a\\"]#"
last = 1
'''


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("top",), (2, 1)),
        (("quoted.key",), (6, 1)),
        (("a",), (7, 1)),
        (("a", "b c", "d"), (7, 1)),
        (("a", "b c", "d", 1), (7, 20)),
        (("a", "b c", "d", 2, "e", "f", "g"), (8, 13)),
        (("t",), (9, 2)),
        (("t", "x", "y", "z"), (10, 13)),
        (("t", "x", "q"), (10, 22)),
        (("t", "s"), (11, 1)),
        (("t", "date"), (13, 1)),
        (("many", 0, "n"), (15, 1)),
        (("many", 0, "sub", "m"), (17, 1)),
        (("many", 1, "n"), (19, 1)),
        (("escaped", "lit", "v"), (21, 1)),
        (("escaped", "lit", "last"), (22, 1)),
        (("t", "gone"), (9, 2)),
        (("gone",), (1, 1)),
    ],
)
def test_places(path: tuple, place: tuple[int, int]) -> None:
    import tomllib

    tomllib.loads(PLACES)
    assert locate(positions(PLACES), path) == place
    assert locate(positions(PLACES.replace("\n", "\r\n")), path) == place


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="[]{}=.,\"'\n# ab1\\", max_size=60))
def test_places_of_anything_end(text: str) -> None:
    positions(text)
