"""`arawn doctor`: what is broken around the program, in words, without a secret."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
import trustme
from fake_provider import Conn, FakeProvider, json_reply, silent
from http_kit import tls_server

KEY = "sk-CANARY-0123456789abcdef"
CONFIG = '[backends.mine]\nbase_url = "{url}/v1"\nmodel = "m"\napi_key = "{key}"\n'


def rows(done) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in json.loads(done.stdout)["checks"]:
        found.setdefault(row["what"], []).append(row)
    return found


def test_all_is_well(arawn) -> None:
    with FakeProvider(json_reply(404, {})) as fake:
        config = CONFIG.format(url=fake.url, key="$env:MY_KEY")
        done = arawn("doctor", "--json", config=config, env={"MY_KEY": KEY})
        plain = arawn("doctor", config=config, env={"MY_KEY": KEY})
    found = rows(done)
    assert done.returncode == plain.returncode == 0, plain.stdout
    assert found["secret"][0]["detail"] == "backends.mine.api_key = $env:MY_KEY resolves"
    assert "mine: http://127.0.0.1" in found["network"][0]["detail"]
    assert "httpx" in found["packages"][0]["detail"] and "Python" in found["arawn"][0]["detail"]
    assert KEY not in done.stdout + plain.stdout + plain.stderr
    assert not any("authorization" in request.headers for request in fake.requests)
    assert all(line.startswith(("ok    ", "warn  ", "      - ")) for line in plain.stdout.splitlines())


def test_what_is_broken_is_told_with_a_remedy(arawn) -> None:
    config = CONFIG.format(url="http://127.0.0.1:9", key="$env:NOT_SET")
    done = arawn(
        "doctor",
        "--json",
        config=config,
        env={"SSL_CERT_FILE": "/nothing/here.pem", "HTTPS_PROXY": "wat://x"},
    )
    found = rows(done)
    assert done.returncode == 1
    assert found["secret"][0]["state"] == "fail" and "NOT_SET" in found["secret"][0]["remedy"]
    assert found["network"][0]["state"] == "fail"
    assert any("SSL_CERT_FILE" in row["detail"] for row in found["TLS"] if row["state"] == "fail")
    assert any("HTTPS_PROXY" in row["detail"] for row in found["proxy"] if row["state"] == "fail")


def test_a_config_that_cannot_be_read_is_one_finding_among_others(arawn) -> None:
    done = arawn("doctor", "--json", config="[backends\n")
    assert done.returncode == 1 and rows(done)["config"][0]["state"] == "fail"
    assert rows(done)["arawn"][0]["state"] == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_files_that_others_can_read(arawn, env) -> None:
    file = Path(env["HOME"]) / ".config" / "arawn" / "config.toml"
    file.parent.mkdir(parents=True)
    file.parent.chmod(0o755)
    done = arawn("doctor", "--offline", config="[ui]\nmarkdown = true\n")
    file.chmod(0o644)
    done = arawn("doctor", "--offline", "--json")
    found = rows(done)
    assert found["file"][0]["state"] == "warn" and f"chmod 600 {file}" in found["file"][0]["remedy"]
    assert found["folder"][0]["state"] == "warn" and done.returncode == 0, "a warning is no failure"
    assert "network" not in found


def test_a_clock_that_is_off(arawn) -> None:
    def old(conn: Conn) -> None:
        conn.head(200, length=0, date="Mon, 01 Jan 2001 00:00:00 GMT")

    with FakeProvider(old) as fake:
        done = arawn("doctor", "--json", config=CONFIG.format(url=fake.url, key=KEY))
    assert rows(done)["clock"][0]["state"] == "warn"


def test_every_mistake_of_the_config_is_a_finding_of_its_own(arawn) -> None:
    done = arawn("doctor", "--json", "--offline", config='[llm]\nbackend = "grok"\ntemprature = 1\n')
    found = rows(done)["config"]
    assert done.returncode == 1 and [row["state"] for row in found] == ["fail", "fail"]
    assert "temprature" in str(found) and "grok" in str(found)


def test_what_is_worth_a_word_is_a_warning(arawn) -> None:
    config = CONFIG.format(url="http://127.0.0.1:9", key=KEY)
    done = arawn("doctor", "--json", "--offline", config=config, env={"ARAWN_MODLE": "x"})
    found = rows(done)
    assert done.returncode == 0 and KEY not in done.stdout
    assert "stands in the file itself" in str(found["config"]) and "ARAWN_MODEL?" in str(found["variable"])


def test_secrets_wherever_they_are_referred_to(arawn) -> None:
    config = (
        CONFIG.format(url="http://127.0.0.1:9", key="$env:HERE")
        + """headers = { X-Team = "Team $env:GONE_1" }
[embeddings.openai]
api_key = "$env:GONE_2"
[mcp.servers.fetch]
command = "fetch"
env = { TOKEN = "$env:GONE_3" }
"""
    )
    done = arawn("doctor", "--json", "--offline", config=config, env={"HERE": KEY})
    states = {row["detail"].partition(" = ")[0]: row["state"] for row in rows(done)["secret"]}
    assert states == {
        "backends.mine.api_key": "ok",
        "backends.mine.headers.X-Team": "fail",
        "embeddings.openai.api_key": "fail",
        "mcp.servers.fetch.env.TOKEN": "warn",
    }


def test_a_project_file_may_be_read_by_all(arawn, tmp_path: Path) -> None:
    folder = tmp_path / "work" / ".arawn"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[ui]\nmarkdown = false\n")
    (folder / "config.toml").chmod(0o644)
    done = arawn("doctor", "--offline", "--json")
    assert ".arawn/config.toml" in rows(done)["config"][0]["detail"]
    assert not any("chmod" in row["remedy"] for row in json.loads(done.stdout)["checks"])


SECRETS = [
    {"HTTPS_PROXY": "http://joe:CANARY@127.0.0.1:9"},
    {"HTTPS_PROXY": "wat://joe:CANARY@x"},
    {"ALL_PROXY": "http://joe:CANARY@127.0.0.1:9"},
]


@pytest.mark.parametrize("variables", SECRETS, ids=str)
def test_no_secret_in_what_it_says(arawn, variables) -> None:
    config = '[backends.mine]\nbase_url = "https://service.example/v1?token=CANARY"\nmodel = "m"\n'
    config += 'proxy = "$env:MY_PROXY"\n'
    env = {**variables, "MY_PROXY": "http://joe:CANARY@127.0.0.1:9", "OPENAI_API_KEY": "sk-CANARY-0123456789"}
    for args in (("doctor",), ("doctor", "--json")):
        done = arawn(*args, config=config, env=env)
        assert "CANARY" not in done.stdout + done.stderr and done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.fixture
def secure(tmp_path: Path):
    """The address of a server whose certificate nobody knows, and the file of who made it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with tls_server(authority, "localhost", b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n") as server:
        yield f"https://localhost:{server.getsockname()[1]}", tmp_path / "ca.pem"


def test_certificates_are_checked_as_the_backend_has_them(arawn, secure) -> None:
    url, bundle = secure
    config = CONFIG.format(url=url, key="$env:K")
    plain = rows(arawn("doctor", "--json", config=config, env={"K": KEY}))["network"][0]
    own = rows(arawn("doctor", "--json", config=f'{config}ca_bundle = "{bundle}"\n', env={"K": KEY}))
    blind = rows(arawn("doctor", "--json", config=f"{config}insecure = true\n", env={"K": KEY}))
    assert plain["state"] == "fail" and "not trusted" in plain["detail"] and plain["remedy"]
    assert (own["network"][0]["state"], blind["network"][0]["state"]) == ("ok", "ok")


def test_a_file_of_certificates_that_holds_none(arawn, tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    done = arawn("doctor", "--json", "--offline", env={"SSL_CERT_FILE": str(tmp_path / "junk.pem")})
    found = rows(done)["TLS"][0]
    assert found["state"] == "fail" and "SSL_CERT_FILE" in found["detail"] + found["remedy"]
    done = arawn("doctor", "--json", "--offline", env={"REQUESTS_CA_BUNDLE": "/not/ours"})
    assert rows(done)["TLS"][0]["state"] == "ok", "another program's variable"


def test_mute_services_are_asked_all_at_once(arawn) -> None:
    with FakeProvider(silent) as mute:
        config = "".join(
            CONFIG.format(url=mute.url, key="$env:K").replace("mine", f"b{n}") for n in range(12)
        )
        began = time.monotonic()
        done = arawn("doctor", "--json", config=config, env={"K": KEY})
    found = rows(done)["network"]
    assert time.monotonic() - began < 9 and len(found) == 12 and {row["state"] for row in found} == {"fail"}
    assert all("within 5 s" in row["detail"] for row in found)


def test_without_output_it_ends_quietly(arawn) -> None:
    done = arawn("doctor", "--offline", program=("sh", "-c", '"$0" -P -m arawn "$@" >&-', sys.executable))
    assert "Traceback" not in done.stderr and done.returncode in (0, 1)
