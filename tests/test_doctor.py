"""`arawn doctor`: what is broken around the program, in words, without a secret."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, json_reply

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
    assert all(line.startswith(("ok", "warn", "      - ")) for line in plain.stdout.splitlines())


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
