"""Sessions from the command line: going on, listing, finding, receipts, resuming, replaying, deleting."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_provider import Conn, FakeProvider, openai_stream, sse

from arawn.store.sessions import Store

CONFIG = """
[llm]
backend = "fake"
[backends.fake]
dialect = "openai"
base_url = "{url}/v1"
model = "m-1"
[backends.other]
dialect = "openai"
base_url = "{url}/v1"
model = "m-2"
"""


def config(fake: FakeProvider, more: str = "") -> str:
    return CONFIG.format(url=fake.url) + more


def data(home: Path) -> Path:
    return home / ".local" / "share" / "arawn"


def echo(conn: Conn) -> None:
    """Answers with how many messages it was sent and what the last one says."""
    asked = conn.request.json["messages"]
    openai_stream([f"heard {len(asked)}: ", str(asked[-1]["content"])])(conn)


def cut(conn: Conn) -> None:
    """Begins an answer and breaks the line."""
    conn.head()
    for word in ("one ", "two ", "thr"):
        made = {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        conn.chunk(sse(made))
    conn.reset()


def test_ask_and_ask_again(arawn: Callable, home: Path) -> None:
    with FakeProvider(echo) as fake:
        first = arawn("ask", "--json", "blue", config=config(fake))
        id = json.loads(first.stdout)["session"]
        assert re.fullmatch(r"[0-9a-z]{12}", id)
        assert arawn("ask", "-c", "and?").stdout == "heard 3: and?\n"
        assert arawn("ask", "new one").stdout == "heard 1: new one\n"
        assert arawn("ask", "--resume", id[:6], "more").stdout == "heard 5: more\n"
        assert arawn("ask", "--resume", "blue", "more").stdout == "heard 7: more\n"
        sent = [message["content"] for message in fake.requests[1].json["messages"]]
    assert sent == ["blue", "heard 1: blue", "and?"]
    listed = json.loads(arawn("session", "list", "--json").stdout)
    assert [(one["title"], one["turns"]) for one in listed] == [("blue", 4), ("new one", 1)]
    assert arawn("sessions").stdout.splitlines()[0].split()[0] == id
    shown = arawn("session", "show", id).stdout
    assert shown.count("--- ") == 8 and "heard 3: and?" in shown


def test_it_goes_on_with_the_backend_that_answered(arawn: Callable) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "-b", "other", "hi", config=config(fake))
        arawn("ask", "-c", "more")
        arawn("ask", "-c", "-b", "fake", "more")
        assert [request.json["model"] for request in fake.requests] == ["m-2", "m-2", "m-1"]


def test_without_a_command(arawn: Callable) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "blue", config=config(fake))
        assert arawn("-c", stdin="and?").stdout == "heard 3: and?\n"
        assert arawn("--resume", "blue", stdin="more").stdout == "heard 5: more\n"
        done = arawn("-c", "ask", "hi")
        assert done.returncode == 2 and "after the command" in done.stderr and len(fake.requests) == 3


def test_nothing_to_go_on_with(arawn: Callable) -> None:
    with FakeProvider(echo) as fake:
        done = arawn("ask", "-c", "hi", config=config(fake))
        assert done.returncode == 2 and "no session" in done.stderr and not fake.requests
        assert arawn("ask", "--resume", "nowhere", "hi").returncode == 2
        assert arawn("ask", "-c", "--resume", "x", "hi").returncode == 2
        assert arawn("ask", "-c", "--no-store", "hi").returncode == 2
    assert arawn("session", "show").returncode == 2
    assert arawn("resume").returncode == 0 and arawn("session", "list", "--json").stdout == "[]\n"


def test_a_folder_has_its_own_last_session(arawn: Callable, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with FakeProvider(echo) as fake:
        arawn("ask", "in one", config=config(fake), cwd=tmp_path / "one")
        arawn("ask", "in two", cwd=tmp_path / "two")
        arawn("ask", "-c", "more", cwd=tmp_path / "one")
        assert fake.requests[-1].json["messages"][0]["content"] == "in one"
        arawn("ask", "-c", "more", cwd=tmp_path)
        assert fake.requests[-1].json["messages"][0]["content"] == "in one", "elsewhere the last of all"
    found = json.loads(arawn("session", "list", "--here", "--json", cwd=tmp_path / "two").stdout)
    assert [one["title"] for one in found] == ["in two"]


@pytest.mark.parametrize("how", [("--no-store",), ("--private",), ("-o", "store.enabled=false")])
def test_keep_nothing(arawn: Callable, home: Path, how: tuple[str, ...]) -> None:
    with FakeProvider(echo) as fake:
        done = arawn("ask", "--json", *how, "secret plans", config=config(fake))
    assert json.loads(done.stdout)["session"] is None and done.returncode == 0
    assert not data(home).exists()
    for path in home.rglob("*"):
        assert not path.is_file() or b"secret plans" not in path.read_bytes()


def test_private_asks_this_machine_alone(arawn: Callable) -> None:
    done = arawn("ask", "--private", "-b", "openai", "hi", env={"OPENAI_API_KEY": "sk-0123456789abcdef0123"})
    assert done.returncode == 3 and "this machine alone" in done.stderr and done.stdout == ""
    cloud = '[backends.o]\nprovider = "ollama"\nmodel = "big:cloud"\nbase_url = "http://127.0.0.1:1"\n'
    done = arawn("ask", "--private", "-b", "o", "hi", config=cloud)
    assert done.returncode == 3 and "runs elsewhere" in done.stderr


def test_keys_are_not_stored(arawn: Callable, home: Path) -> None:
    key = "sk-proj-" + "A1b2" * 10
    with FakeProvider(echo) as fake:
        done = arawn("ask", f"why is {key} wrong", config=config(fake))
        assert key in fake.requests[0].body.decode() and "looks like a key" in done.stderr
        assert arawn("session", "list").stdout.count("why is **** wrong") == 1
        for path in data(home).rglob("*"):
            assert not path.is_file() or key.encode() not in path.read_bytes(), path
        arawn("ask", "-o", "store.mask_keys=false", f"why is {key} wrong")
    assert key in arawn("session", "show").stdout


def test_everything_is_private(arawn: Callable, home: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "hi", config=config(fake), preexec_fn=lambda: os.umask(0))
    found = list(data(home).rglob("*"))
    assert found
    for path in [data(home), *found]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path} {mode:o}"


def test_an_answer_that_was_cut_is_resumed(arawn: Callable) -> None:
    with FakeProvider(cut, openai_stream(["two thr", "ee four"])) as fake:
        done = arawn("ask", "count", config=config(fake))
        assert done.returncode == 5 and done.stdout == "one two thr\n"
        assert "unfinished" in arawn("session", "list").stdout
        shown = arawn("resume", "--show")
        assert shown.stdout == "one two thr\n" and len(fake.requests) == 1
        kept = json.loads(arawn("resume", "--show", "--json").stdout)
        assert (kept["text"], kept["ok"], kept["finish"]) == ("one two thr", False, "cut")
        assert kept["error"]["code"] == "cut" and kept["session"] and len(fake.requests) == 1
        again = arawn("resume", "-b", "other")
        assert again.returncode == 0 and again.stdout == "one two three four\n", again.stderr
        assert "[continued by other · m-2]" in again.stderr
        sent = fake.requests[1].json["messages"]
        assert [m["role"] for m in sent] == ["user", "assistant", "user"] and sent[1][
            "content"
        ] == "one two thr"
        assert "nothing to go on with" in arawn("resume").stderr
    found = json.loads(arawn("receipt", "--json").stdout)
    assert found["seams"] == [{"at": 11, "backend": "other", "model": "m-2"}] and found["finish"] == "stop"
    graph = json.loads(arawn("session", "graph", "--json").stdout)
    assert len(graph["turns"]) == 2 and graph["turns"][1]["parent"] is None


def test_resume_takes_what_broke_off_before_what_never_was_answered(arawn: Callable) -> None:
    def deny(conn: Conn) -> None:
        body = b'{"error": {"message": "no", "code": "invalid_api_key"}}'
        conn.head(401, "application/json", len(body))
        conn.send(body)

    with FakeProvider(cut, deny, openai_stream([" four"])) as fake:
        arawn("ask", "count", config=config(fake))
        assert arawn("ask", "denied").returncode == 4
        done = arawn("resume")
        assert done.stdout == "one two thr four\n" and "count\nbroke off: The connection" in done.stderr
        again = arawn("resume", "--show")
        assert "denied\nfailed before any answer: Authentication failed" in again.stderr
        done = arawn("resume")
        assert done.stdout == " four\n" and "failed before any answer: Authentication" in done.stderr
        assert "nothing to go on with" in arawn("resume").stderr


def test_resume_after_kill(arawn: Callable, env: dict[str, str], home: Path, tmp_path: Path) -> None:
    """F-DB-03: the prompt is there, and what came up to a second before."""

    def slow(conn: Conn) -> None:
        conn.head()
        for number in range(400):
            delta = {"content": f"w{number} "}
            conn.chunk(sse({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
            time.sleep(0.02)

    with FakeProvider(slow, openai_stream(["the end"])) as fake:
        arawn("--version", config=config(fake))
        program = [sys.executable, "-P", "-m", "arawn", "ask", "a long story"]
        with subprocess.Popen(program, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
            assert running.stdout is not None
            while b"w40" not in running.stdout.read1():
                pass
            running.kill()
        shown = arawn("resume", "--show")
        assert "w10 w11 w12" in shown.stdout and "ended before" in shown.stderr
        done = arawn("resume")
    assert done.stdout.startswith("w0 w1 ") and done.stdout.endswith("the end\n")
    assert not list((data(home) / "journal").iterdir())


def test_a_turn_that_was_kept_as_a_file_is_gone_on_with(arawn: Callable, tmp_path: Path) -> None:
    """As the file says where it was said, the session stands there once it is taken in."""
    with FakeProvider(echo) as fake:
        arawn("ask", "one", config=config(fake))
        session = json.loads(arawn("session", "show", "--json").stdout)
        message = {"role": "user", "parts": [{"type": "text", "text": "two"}]}
        first = {"arawn": "journal", "version": 1, "turn": "t00000000002", "parent": session["head"]}
        first |= {"at": time.time(), "backend": "fake", "model": "m-1", "message": message}
        first["session"] = {"id": session["id"], "branch": "main"}
        path = tmp_path / "kept.jsonl"
        lines = (first, {"text": "the answer"})
        path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
        assert arawn("session", "import", str(path)).stdout == "1 session, 1 turn taken in\n"
        assert arawn("session", "import", str(path)).stdout == "0 sessions, 0 turns taken in\n"
        assert arawn("ask", "-c", "three").stdout == "heard 5: three\n"
        assert [one["content"] for one in fake.requests[1].json["messages"]][2:4] == ["two", "the answer"]


def test_search(arawn: Callable) -> None:
    with FakeProvider(openai_stream(["A checkpoint moves pages.\n```sql\nPRAGMA x\n```"]), echo) as fake:
        arawn("ask", "What is a Prüfpunkt?", config=config(fake))
        arawn("ask", "-b", "other", "天気はどうですか")
    assert "[checkpoint]" in arawn("session", "search", "CHECKPOINT").stdout
    assert "[Prüfpunkt]" in arawn("session", "search", "prufpunkt").stdout
    for words, count in (
        (["天気"], 2), (["天"], 2), (["天", "--role", "user"], 1), (["check*"], 1), (["checkp"], 1),
        (['"moves pages"'], 1), (['"pages moves"'], 0), (["nothing"], 0), (["checkpoint", "--by", "other"], 0),
        (["checkpoint", "--code"], 1), (["Prüfpunkt", "--code"], 0), (["checkpoint", "--since", "1h"], 1),
        (["checkpoint", "--until", "1h"], 0), (["checkpoint", "--since", "2020-01-01"], 1),
        (["天", "--of", "m-"], 2), (["天", "--folder", "/nowhere"], 0),
    ):  # fmt: skip
        hits = json.loads(arawn("session", "search", "--json", *words).stdout)
        assert len(hits) == count, words
    assert arawn("session", "search", "x", "--since", "yesterday").returncode == 2
    assert arawn("session", "search", "x", "--role", "me").returncode == 2


def test_rename_pin_delete(arawn: Callable, home: Path) -> None:
    with FakeProvider(echo) as fake:
        for words in ("first zebrafish", "second", "third"):
            arawn("ask", words, config=config(fake))
    assert arawn("session", "rename", "second", "the", "2nd").returncode == 0
    assert arawn("session", "pin", "2nd").returncode == 0
    titles = [one["title"] for one in json.loads(arawn("session", "list", "--json").stdout)]
    assert titles == ["the 2nd", "third", "first zebrafish"]
    done = arawn("session", "delete", "zebrafish")
    assert done.returncode == 2 and "--yes" in done.stderr
    assert arawn("session", "delete", "zebrafish", "--yes").returncode == 0
    assert arawn("session", "delete", "zebrafish", "--yes").returncode == 2
    for path in data(home).rglob("*"):
        assert not path.is_file() or b"zebrafish" not in path.read_bytes(), path
    assert arawn("session", "search", "zebrafish", "--json").stdout == "[]\n"
    assert arawn("session", "delete").returncode == 2
    gone = arawn("session", "delete", "--before", "0s", "--yes", "--json")
    assert len(json.loads(gone.stdout)["deleted"]) == 1, "the pinned one stays"
    assert arawn("session", "check").stdout == "sound\n"


def test_old_sessions_are_cleared_away(arawn: Callable, home: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "old", config=config(fake))
        store = Store(data(home), print)
        with store.db.writing() as db:
            db.execute("UPDATE turn SET at = at - 864000")
        store.close()
        done = arawn("ask", "new", "-o", "store.keep=9d")
    assert "cleared away by [store] keep: 1 session" in done.stderr
    assert [one["title"] for one in json.loads(arawn("session", "list", "--json").stdout)] == ["new"]


def test_a_replay_is_no_session(arawn: Callable, home: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("--record", "run.cassette", "ask", "hi", config=config(fake))
    again = arawn("--replay", "run.cassette", "ask", "hi")
    assert again.stdout == "heard 1: hi\n"
    assert [one["turns"] for one in json.loads(arawn("session", "list", "--json").stdout)] == [1]


def test_receipt(arawn: Callable, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 16)
    usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
    with FakeProvider(openai_stream(["a dot"], usage=usage)) as fake:
        prices = '[catalog."m-1"]\ninput_price = 2.0\noutput_price = 10.0\n'
        done = arawn(
            "ask", "--json", "-f", "dot.png", "-o", "llm.temperature=0.5", "look", config=config(fake, prices)
        )
    answer, found = json.loads(done.stdout), json.loads(arawn("receipt", "--json").stdout)
    assert found["session"] == answer["session"] and answer["usage"].items() <= found["usage"].items()
    assert found["cost_usd"] == answer["cost_usd"] == pytest.approx(0.0025)
    assert found["settings"]["temperature"] == 0.5 and found["attempts"][0]["status"] == 200
    assert found["files"][0]["name"] == "dot.png" and len(found["files"][0]["sha256"]) == 64
    told = arawn("receipt", found["turn"][:6]).stdout
    assert "dot.png" in told and "temperature 0.5" in told and "$" in told
    assert arawn("receipt", "nothing").returncode == 2


def test_replay(arawn: Callable) -> None:
    with FakeProvider(
        openai_stream(["blue sky"]), openai_stream(["two"]), openai_stream(["grey sky"]), echo
    ) as fake:
        id = json.loads(arawn("ask", "--json", "one?", config=config(fake)).stdout)["session"]
        arawn("ask", "-c", "two?")
        done = arawn("replay", id, "-b", "other", "--json")
        made = json.loads(done.stdout)
        assert done.returncode == 0 and made["failed"] == 0 and len(made["turns"]) == 2
        assert made["turns"][0]["after"]["text"] == "grey sky" and 0 < made["turns"][0]["likeness"] < 1
        assert made["turns"][1]["after"]["text"] == "heard 3: two?", "asked after what was said then"
        assert fake.requests[3].json["messages"][1]["content"] == "blue sky"
        told = arawn("replay", id, "-b", "other").stdout
        assert "[-" in told and "{+" in told and "2 turns" in told
    assert json.loads(arawn("session", "list", "--json").stdout)[0]["turns"] == 2, "nothing was added"
    assert arawn("replay", id, "-b", "other").returncode == 1, "nobody is there any more"


def test_a_title_by_a_model(arawn: Callable) -> None:
    with FakeProvider(openai_stream(["the answer"]), openai_stream(['Title: "Blue things"']), echo) as fake:
        more = '[llm.routing]\ntitle = "other:cheap"\n'
        arawn("ask", "tell me about blue", config=config(fake, more))
        assert fake.requests[1].json["model"] == "cheap"
        arawn("ask", "-c", "more")
        assert len(fake.requests) == 3, "one title a session"
    assert json.loads(arawn("session", "list", "--json").stdout)[0]["title"] == "Blue things"
    with FakeProvider(echo) as fake:
        done = arawn("ask", "again", config=config(fake, '[llm.routing]\ntitle = "nobody"\n'))
    assert done.returncode == 0 and "no better title" in done.stderr and "again" in arawn("session").stdout


def test_backup_and_stats(arawn: Callable, tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "hi", config=config(fake))
    copy = tmp_path / "copy.db"
    assert arawn("session", "backup", str(copy)).returncode == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert arawn("session", "backup", str(copy)).returncode == 2
    counted = json.loads(arawn("session", "stats", "--json").stdout)
    assert (counted["sessions"], counted["turns"], counted["messages"]) == (1, 1, 2)


def test_export_and_import(arawn: Callable, home: Path, tmp_path: Path) -> None:
    with FakeProvider(echo) as fake:
        arawn("ask", "hi", config=config(fake))
        arawn("ask", "-c", "more")
    before = arawn("session", "export", "--json").stdout
    for ending in ("md", "html", "json"):
        path = tmp_path / f"out.{ending}"
        assert arawn("session", "export", "-O", str(path)).returncode == 0
        assert arawn("session", "export", "-O", str(path)).returncode == 2, "nothing is overwritten"
        again = json.loads(arawn("session", "import", str(path), "--json").stdout)
        assert again == {"sessions": 0, "turns": 0}, "it is here already"
        assert arawn("session", "delete", "hi", "--yes").returncode == 0
        assert json.loads(arawn("session", "import", str(path), "--json").stdout) == {
            "sessions": 1,
            "turns": 2,
        }
        assert arawn("session", "export", "hi", "--json").stdout == before
    with FakeProvider(echo) as fake:
        arawn("session", "export", "hi", "-O", str(tmp_path / "again.json"))
        arawn("session", "delete", "hi", "--yes")
        arawn("ask", "own", config=config(fake))
        arawn("session", "import", str(tmp_path / "again.json"))
        assert json.loads(arawn("session", "list", "--json").stdout)[0]["title"] == "own"
        assert arawn("ask", "-c", "more").stdout == "heard 3: more\n"
    assert arawn("session", "import", str(tmp_path / "nothing")).returncode == 2
    assert arawn("session", "export", "--format", "x").returncode == 2


def test_what_the_store_could_not_take_is_imported(arawn: Callable, home: Path, tmp_path: Path) -> None:
    """The data folder is a file: the answer is whole, and a file with it is named."""
    data(home).parent.mkdir(parents=True)
    data(home).write_text("not a folder")
    (tmp_path / "tmp").mkdir()
    with FakeProvider(echo) as fake:
        done = arawn("ask", "hello", config=config(fake), env={"TMPDIR": str(tmp_path / "tmp")})
    assert done.returncode == 0 and done.stdout == "heard 1: hello\n"
    path = re.search(r"kept in (\S+):", done.stderr)
    assert path, done.stderr
    assert stat.S_IMODE(Path(path[1]).stat().st_mode) == 0o600
    data(home).unlink()
    assert json.loads(arawn("session", "import", path[1], "--json").stdout) == {"sessions": 1, "turns": 1}
    assert "heard 1: hello" in arawn("session", "show").stdout


def test_words_from_elsewhere_cannot_fool_the_terminal(arawn: Callable) -> None:
    with FakeProvider(openai_stream(["\x1b]0;owned\x07red \x1b[31malert"])) as fake:
        arawn("ask", "say \x1b[2J it", config=config(fake))
    for command in (["list"], ["show"], ["graph"], ["search", "alert"], ["export"]):
        out = arawn("session", *command).stdout
        assert "\x1b" not in out or command == ["export"], command
    assert "\x1b" not in arawn("resume", "--show").stdout + arawn("receipt").stdout


def test_an_answer_that_broke_off_is_shown_on_a_terminal_without_its_controls(
    arawn: Callable, home: Path, env
) -> None:
    def evil(conn: Conn) -> None:
        conn.head()
        made = {
            "choices": [{"index": 0, "delta": {"content": "half \x1b]0;owned\x07way"}, "finish_reason": None}]
        }
        conn.chunk(sse({"model": "m\x1b[31m", **made}))
        conn.reset()

    with FakeProvider(evil) as fake:
        assert arawn("ask", "q", config=config(fake)).returncode == 5
    store = Store(data(home), pytest.fail)
    session = store.load(store.listing()[0].id)
    turn = next(iter(session.turns.values()))
    red = turn.receipt._replace(model="m\x1b[31m")
    store.put(session, [turn._replace(id="red", parent=turn.id, receipt=red)])
    store.close()
    assert "\x1b" not in arawn("session", "stats").stdout
    main, side = pty.openpty()
    subprocess.run(
        [sys.executable, "-P", "-m", "arawn", "resume", "--show"], stdout=side, stderr=subprocess.DEVNULL,
        env=env, cwd=home, timeout=30, check=True,
    )  # fmt: skip
    os.close(side)
    shown = os.read(main, 4096)
    os.close(main)
    assert b"half" in shown and b"way" in shown and b"owned" not in shown, shown
