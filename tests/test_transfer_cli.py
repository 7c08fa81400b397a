"""Export and import by the commands: from one store into another, to a file and to a terminal."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from term import Term
from test_transfer import chat
from test_transfer_foreign import CLAUDE, TALK, put
from test_transfer_llm import RESPONSES, database

from arawn.messages import user
from arawn.record import session_out
from arawn.session import Receipt, Turn
from arawn.transfer import export, read


@pytest.mark.parametrize("ending", ["md", "html", "json"])
def test_what_goes_out_of_one_store_comes_into_another(arawn: Callable, tmp_path: Path, ending: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    put(source, [TALK], "a.json")
    put(source, [CLAUDE], "b.json")
    assert arawn("session", "import", str(source)).stdout == "2 sessions, 6 turns taken in\n"
    before = {one.id: session_out(one) for one in read(source)}
    out = tmp_path / f"all.{ending}"
    done = arawn("session", "export", "--all", "-O", str(out))
    assert done.returncode == 0 and stat.S_IMODE(out.stat().st_mode) == 0o600
    assert {one.id: session_out(one) for one in read(out)} == before
    other = tmp_path / "other"
    done = arawn("session", "import", str(out), env={"XDG_DATA_HOME": str(other)})
    assert done.stdout == "2 sessions, 6 turns taken in\n"
    again = arawn("session", "export", "--all", "--format", "json", env={"XDG_DATA_HOME": str(other)})
    assert {one["id"]: one for one in json.loads(again.stdout)} == before


def test_what_broke_off_elsewhere_is_not_resumed_unasked(arawn: Callable, tmp_path: Path) -> None:
    session = chat(("hi", "hello"))
    session.add(Turn("t9", session.head, (user("and then?"),), Receipt(), 1.7e9, session.id))
    path = put(tmp_path, "".join(export([session], "json")))
    assert arawn("session", "import", str(path)).returncode == 0
    done = arawn("resume", "--show")
    assert done.returncode == 0 and done.stdout == "" and "nothing to go on with" in done.stderr
    assert arawn("resume", "--show", session.id).returncode == 0


def test_the_same_file_twice_is_taken_in_once(arawn: Callable, tmp_path: Path) -> None:
    path = database(tmp_path / "logs.db", *RESPONSES)
    assert json.loads(arawn("session", "import", "--json", str(path)).stdout)["sessions"] == 2
    assert json.loads(arawn("session", "import", "--json", str(path)).stdout)["sessions"] == 0


def test_what_cannot_be_read_is_said_and_the_rest_is_taken_in(arawn: Callable, tmp_path: Path) -> None:
    done = arawn("session", "import", str(put(tmp_path, [{"mapping": "\x1b[31m"}, TALK])))
    assert done.returncode == 0 and "conversation 1 is passed over" in done.stderr
    assert done.stdout.startswith("1 session, 4 turns") and "\x1b" not in done.stderr
    for name, text in (("a.txt", "Hello"), ("b.zip", "PK\x03\x04")):
        done = arawn("session", "import", str(put(tmp_path, text, name)))
        assert done.returncode == 2 and done.stderr.startswith("Error: ") and "Traceback" not in done.stderr


def test_an_export_to_a_terminal_does_nothing_there(
    arawn: Callable, env: dict[str, str], tmp_path: Path
) -> None:
    hostile = "a\x1b]0;title\x07b\x1b[31mred"
    path = put(tmp_path, "".join(export([chat((hostile, hostile))], "json")))
    assert arawn("session", "import", str(path)).returncode == 0
    assert hostile in arawn("session", "export").stdout
    with Term([sys.executable, "-P", "-m", "arawn", "session", "export"], env=env) as term:
        term.wait("arawn:close")
        assert term.end() == 0
        assert b"\x1b]0;" not in term.raw and b"\x1b[31m" not in term.raw


def test_a_key_is_nowhere_in_what_is_taken_in_renamed_and_given_out(
    arawn: Callable, home: Path, tmp_path: Path
) -> None:
    """Those with the shape of one, and that of a backend, whatever it looks like."""
    shaped, own = "sk-proj-" + "A1b2" * 10, "Qq7Qq7Qq7Qq7Qq7"
    config = f'[backends.mine]\nprovider = "custom"\nbase_url = "http://127.0.0.1:1"\napi_key = "{own}"\n'
    session = chat((f"why is {shaped} wrong", f"{own} is right"))
    session.title = f"About {shaped}"
    session.system, session.branches[f"b-{shaped}"] = f"You know {own}", session.head
    path = put(tmp_path, "".join(export([session], "json")))

    def is_in(text: str) -> list[str]:
        return [key for key in (shaped, own) if key in text]

    kept = ("-o", "store.mask_keys=false")
    assert arawn(*kept, "session", "import", str(path), config=config).stdout.startswith("1 session")
    assert is_in(arawn(*kept, "session", "export", "--format", "json").stdout) == [shaped, own]
    for form in ("markdown", "html", "json", "jsonl"):
        done = arawn("session", "export", "--format", form)
        assert "****" in done.stdout and not is_in(done.stdout), form
    file = tmp_path / "out.json"
    arawn("session", "export", "-O", str(file))
    assert not is_in(file.read_text())

    other = {"XDG_DATA_HOME": str(tmp_path / "other")}
    assert arawn("session", "import", str(path), env=other).stdout.startswith("1 session")
    done = arawn("session", "rename", session.id, f"{shaped} and {own}", env=other)
    assert done.stdout == f"{session.id}: **** and ****\n"
    lines = f"/resume {session.id}\n/rename at {shaped}\n/export {tmp_path / 'chat.json'}\n"
    assert "Title: at ****" in arawn("chat", "--model", "m", stdin=lines, env=other).stdout
    files = [file for file in (tmp_path / "other").rglob("*") if file.is_file()]
    assert files and not is_in("".join(file.read_bytes().decode("latin-1") for file in files))
    assert "****" in (tmp_path / "chat.json").read_text()
