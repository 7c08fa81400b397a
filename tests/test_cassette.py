"""Cassettes: what a run recorded it says again without network or key, and no key stands in the file."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dialects import DIALECTS
from fake_provider import (
    Behaviour,
    Conn,
    FakeProvider,
    Stream,
    body_reply,
    json_reply,
    openai_stream,
    raw,
    silent,
    sse,
    stall,
    torn,
)
from home import FAKE, configure
from http_kit import access
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn import backends
from arawn.backends.cassette import opened
from arawn.backends.cassette_cover import Body, Piece, address
from arawn.backends.cassette_match import difference
from arawn.backends.cassette_play import Player
from arawn.backends.cassette_record import Recorder
from arawn.backends.http import HttpBackend, Limits
from arawn.errors import UsageFault
from arawn.events import Collector, Text
from arawn.messages import Request, user
from arawn.secret import Redactor
from arawn.wire import Target

KEY = "mk4+Zr/tJ0c=vQ9w8x7y6z5A"
"""A key without a shape: only who has it can know it again."""
SHAPED = "sk-proj-abCD1234efGH5678ijKL"
CONFIG = (
    FAKE
    + """\
api_key = "$env:FAKE_KEY"
[backends.fake.retry]
initial_delay = "10ms"
max_delay = "20ms"
"""
)
NO_SOCKET = """
import sys
def told(event, args):
    if event.startswith("socket.") and event not in ("socket.gethostname",):
        raise SystemExit(f"a socket was used: {event} {args}")
sys.addaudithook(told)
sys.argv = ["arawn", *ARGS]
from arawn.__main__ import main
main()
"""


@pytest.fixture
def run(arawn: Callable, tmp_path: Path) -> Callable:
    """Run the program with a config that points at a fake; `record` and `replay` give it the cassette."""

    def call(fake: FakeProvider, *args: str, key: str = KEY, config: str = CONFIG, **more: Any) -> Any:
        env = {"FAKE_KEY": key, **more.pop("env", {})} if key else more.pop("env", {})
        return arawn(*args, config=config.format(url=fake.url), env=env, **more)

    return call


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "run.cassette"


def replay(env: dict[str, str], tape: Path, *args: str, stdin: str = "", **more: str) -> Any:
    """Replay where there is neither config nor key, and where any use of a socket ends the run."""
    empty = Path(env["HOME"]).parent / "elsewhere"
    empty.mkdir(exist_ok=True)
    program = NO_SOCKET.replace("ARGS", repr(["--replay", str(tape), *args]))
    return subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**env, "HOME": str(empty), **more}, cwd=empty, input=stdin, text=True, capture_output=True, timeout=20,
    )  # fmt: skip


def lines(tape: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tape.read_text("utf-8").splitlines()]


# --- the whole way round ---------------------------------------------------------------------------------


def test_a_run_is_said_again_without_key_config_or_network(run, env, tape) -> None:
    with FakeProvider(openai_stream(["Hel", "lo ", "there"], usage={"prompt_tokens": 3})) as fake:
        first = run(fake, "--record", str(tape), "ask", "--jsonl", "hi")
    assert first.returncode == 0, first.stderr
    again = replay(env, tape, "ask", "--jsonl", "hi")
    assert again.returncode == 0, again.stderr

    def events(text: str) -> list[Any]:
        found = [json.loads(line) for line in text.splitlines()]
        said = "".join(row["text"] for row in found if row["type"] == "text")  # pieces may come together
        rest = [row for row in found if row["type"] not in ("attempt", "text")]
        return [said, *((row["type"], row.get("text"), row.get("usage")) for row in rest)]

    assert events(first.stdout) == events(again.stdout)


def test_retries_are_said_again_in_their_order_and_not_waited_for(run, env, tape) -> None:
    slow = json_reply(429, {"error": {"message": "slow down"}}, retry_after="1")
    with FakeProvider(slow, json_reply(503, {"error": {"message": "busy"}}), openai_stream(["Hi"])) as fake:
        first = run(fake, "--record", str(tape), "ask", "hi")
    assert (first.returncode, first.stdout) == (0, "Hi\n"), first.stderr
    asked_to_wait = tape.read_text().replace('["retry-after","1"]', '["retry-after","26"]')
    tape.write_text(asked_to_wait)  # a replay that waited would be ended by the limit of the test
    again = replay(env, tape, "--verbose", "ask", "hi")
    assert "waiting 2" in again.stderr
    assert (again.returncode, again.stdout) == (0, "Hi\n")
    assert [word for word in again.stderr.split() if word in ("429", "503", "200")] == ["429", "503", "200"]


CHAT = "first\nsecond\n/retry\n"


def test_a_chat(run, env, tape) -> None:
    answers = [openai_stream([word]) for word in ("One", "Two", "Three")]
    with FakeProvider(*answers) as fake:
        first = run(fake, "--record", str(tape), "chat", stdin=CHAT)
    again = replay(env, tape, "chat", stdin=CHAT)
    assert first.stdout == again.stdout == "One\nTwo\nThree\n", first.stderr + again.stderr


def test_pages_model_lists_and_vectors(run, env, tape, home) -> None:
    def serve(conn: Conn) -> None:
        path = conn.request.path
        if path.startswith("/page"):
            body_reply(200, b"The page says 42.", "text/plain")(conn)
        elif path.endswith("/models"):
            json_reply(200, {"data": [{"id": "m-1"}, {"id": "m-2"}]})(conn)
        elif path.endswith("/embeddings"):
            json_reply(200, {"data": [{"index": 0, "embedding": [0.5, 0.25]}]})(conn)
        else:
            openai_stream(["42"])(conn)

    with FakeProvider(serve) as fake:
        config = CONFIG + '[files]\nallow_hosts = ["127.0.0.1"]\n'
        url = f"{fake.url}/page?token={quote(KEY, safe='')}&x=1"
        commands = {
            "page": ("ask", "what?", "-f", url),
            "list": ("model", "list"),
            "embed": ("embed", "text", "-m", "e-1"),
        }
        first = {}
        for name, args in commands.items():
            first[name] = run(fake, "--record", f"{tape}.{name}", *args, config=config)
            assert first[name].returncode == 0, first[name].stderr
    for name, args in commands.items():
        again = replay(env, Path(f"{tape}.{name}"), *args)
        assert (again.returncode, again.stdout) == (0, first[name].stdout), again.stderr
    assert (
        KEY not in Path(f"{tape}.page").read_text()
        and quote(KEY, safe="") not in Path(f"{tape}.page").read_text()
    )
    assert "m-2" in first["list"].stdout
    kept = list((home.parent / "elsewhere").rglob("models/*.json"))
    assert not kept, "a replay leaves no list behind that a real run would believe"


def test_a_local_server_that_was_found_is_found_again(env, arawn, tape) -> None:
    def serve(conn: Conn) -> None:
        if conn.request.method == "GET":
            return json_reply(200, {"models": [{"name": "llama3:8b"}]})(conn)
        return Stream(DIALECTS["ollama"].events("Local"), "application/x-ndjson")(conn)

    with FakeProvider(serve) as fake:
        first = arawn("--record", str(tape), "ask", "hi", env={"OLLAMA_HOST": fake.url})
    assert (first.returncode, first.stdout) == (0, "Local\n"), first.stderr
    again = replay(env, tape, "ask", "hi")
    assert (again.returncode, again.stdout) == (0, "Local\n"), again.stderr
    assert "llama3:8b" in again.stderr


def test_a_key_in_the_environment_that_chose_the_backend(env, arawn, tape) -> None:
    with FakeProvider(openai_stream(["Hi"])) as fake:
        told = {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": fake.url + "/v1"}
        first = arawn("--record", str(tape), "ask", "hi", env=told)
    again = replay(env, tape, "ask", "hi", ANTHROPIC_API_KEY="sk-ant-another-0123456789")
    assert first.stdout == again.stdout == "Hi\n", first.stderr + again.stderr
    assert KEY not in tape.read_text() and '"OPENAI_API_KEY":"****"' in tape.read_text()


def test_limits_of_money_hold_where_it_is_recorded_and_change_nothing_of_what_is_asked(
    run, env, tape
) -> None:
    known = CONFIG + "[catalog.m-1]\ninput_price = 10.0\noutput_price = 100.0\n[budget]\nper_day = "
    with FakeProvider(openai_stream(["Hi"])) as fake:
        done = run(fake, "--record", str(tape), "ask", "hi", config=known + "0.01\n")
        assert done.returncode == 7 and not fake.requests, done.stderr
        tape.unlink(missing_ok=True)
        done = run(fake, "--record", str(tape), "ask", "hi", config=known + "0.5\n")
        assert done.returncode == 0 and "max_tokens" not in fake.requests[0].json, done.stderr
    again = replay(env, tape, "ask", "hi")
    assert (again.returncode, again.stdout) == (0, "Hi\n"), again.stderr


@pytest.mark.parametrize("reference", ["$env:NOT_THERE", "$keyring:nobody", "$file:/nowhere/key"])
def test_a_reference_that_leads_nowhere_stops_no_replay(run, env, arawn, tape, tmp_path, reference) -> None:
    with FakeProvider(openai_stream(["Hi"])) as fake:
        run(fake, "--record", str(tape), "ask", "hi")
        kept = [line for line in lines(tape) if "config" not in line]  # so that the local settings hold
        tape.write_text("".join(json.dumps(line) + "\n" for line in kept))
        local = CONFIG.replace("$env:FAKE_KEY", reference) + '[backends.fake.headers]\nX-Own = "REF"\n'
        local = local.replace("REF", reference).replace(
            "[backends.fake.retry]", 'proxy = "REF"\n[backends.fake.retry]'
        )
        config = local.replace("REF", reference)
        again = run(fake, "--replay", str(tape), "ask", "hi", key="", config=config)
        assert len(fake.requests) == 1
    assert (again.returncode, again.stdout) == (0, "Hi\n"), again.stderr


# --- the door, without a program around it ---------------------------------------------------------------


def door(name: str, url: str, **limits: float) -> HttpBackend:
    return HttpBackend(Target("b", "custom", "the service", url, "m"), name, access(), Limits(**limits))


@contextmanager
def put_in(tape: Any) -> Iterator[Any]:
    backends.tape = tape
    try:
        yield tape
    finally:
        backends.tape = None


def asked(backend: HttpBackend, text: str = "hi") -> tuple[list[str], Any]:
    """The texts as they came, and how it ended: error class, sentence, exit code and whether to ask again."""
    collector, texts = Collector(), []
    try:
        for event in backend.stream(Request((user(text),))):
            collector.add(event)
            texts += [event.text] if isinstance(event, Text) else []
        ended: Any = collector.reply.finish
    except Exception as error:
        ended = (type(error).__name__, str(error), error.exit_code, error.retryable)
    finally:
        backend.close()
    return texts, ended


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_says_the_same_again(name: str, tmp_path: Path) -> None:
    spoken = DIALECTS[name]
    events = spoken.events("Zażółć ", "日本 ", "end")
    kind = "text/event-stream" if spoken.sse else "application/x-ndjson"
    place = str(tmp_path / "c")

    def serve(conn: Conn) -> None:
        if name == "replicate" and conn.request.method == "POST":
            return json_reply(201, {"id": "p", "status": "starting", "urls": {"stream": f"{fake.url}/s"}})(
                conn
            )
        return Stream(events, kind)(conn)

    with FakeProvider(serve) as fake:
        with put_in(Recorder(place, {}, str)):
            first = asked(door(name, fake.url))
        url = fake.url
    with put_in(Player(place)):
        again = asked(door(name, url))
    assert first == again and "".join(first[0]) == "Zażółć 日本 end"


OPENAI = DIALECTS["openai"]
FAULTS: dict[str, tuple[Behaviour, dict[str, float]]] = {
    "cut": (torn(Stream(OPENAI.events("Hel", "lo")), 3), {}),
    "reset": (torn(Stream(OPENAI.events("Hel", "lo")), 3, reset=True), {}),
    "no end mark": (Stream([*OPENAI.begin, OPENAI.piece("Hel")]), {}),
    "closed without an answer": (raw(b""), {}),
    "not HTTP": (raw(b"SSH-2.0-hello\r\n"), {}),
    "silent": (silent, {"first_event": 2}),
    "stalled": (stall(Stream(OPENAI.events("Hel", "lo")), 3), {"idle": 2}),
    "refused request": (json_reply(400, {"error": {"message": "no"}}), {}),
    "broken gzip": (body_reply(200, b"\x1f\x8bnope", "text/event-stream", content_encoding="gzip"), {}),
    "unknown packing": (body_reply(200, b"nope", "text/event-stream", content_encoding="br"), {}),
    "empty": (body_reply(200, b"", "application/json"), {}),
    "no content": (raw(b"HTTP/1.1 204 X\r\n\r\n"), {}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_raised_again_at_once(fault: str, tmp_path: Path) -> None:
    behaviour, limits = FAULTS[fault]
    place = str(tmp_path / "c")
    with FakeProvider(behaviour) as fake:
        with put_in(Recorder(place, {}, str)):
            first = asked(door("openai", fake.url, **limits))
        url = fake.url
    began = time.monotonic()
    with put_in(Player(place)):
        again = asked(door("openai", url, **limits))
    assert again == first and isinstance(first[1], tuple)
    assert time.monotonic() - began < 1.5


def test_nobody_listens(tmp_path: Path) -> None:
    place = str(tmp_path / "c")
    with put_in(Recorder(place, {}, str)):
        first = asked(door("openai", "http://127.0.0.1:9"))
    with put_in(Player(place)):
        assert asked(door("openai", "http://127.0.0.1:9")) == first
    assert first[1][0] == "Unreachable" and first[1][2] == 5


def test_a_name_that_is_not_found_is_not_looked_up_again(tmp_path: Path) -> None:
    place = str(tmp_path / "c")
    with put_in(Recorder(place, {}, str)):
        first = asked(door("openai", "http://nobody.invalid"))
    with put_in(Player(place)):
        assert asked(door("openai", "http://nobody.invalid")) == first
    assert first[1][0] in ("Unreachable", "TimedOut") and "nobody.invalid" in first[1][1]


def test_a_kept_connection_that_died_is_asked_twice_in_both(tmp_path: Path) -> None:
    """The second request goes out on a connection that the service closed; it is sent again."""

    def hang_up(conn: Conn) -> None:
        conn.reset()

    place = str(tmp_path / "c")

    def both(url: str) -> list[Any]:
        backend = door("openai", url)
        collector = []
        for _ in range(2):
            collector.append(
                "".join(e.text for e in backend.stream(Request((user("hi"),))) if isinstance(e, Text))
            )
        backend.close()
        return collector

    with FakeProvider(openai_stream(["One"]), hang_up, openai_stream(["Two"])) as fake:
        with put_in(Recorder(place, {}, str)):
            first = both(fake.url)
        url = fake.url
        assert len(fake.requests) == 3
    with put_in(Player(place)):
        assert both(url) == first == ["One", "Two"]


def test_a_reply_leads_on_and_its_headers_are_any_bytes(run, env, tape) -> None:
    """Also where the address that it leads to has a key in it."""

    def serve(conn: Conn) -> None:
        if conn.request.path.startswith("/page"):
            return raw(
                b"HTTP/1.1 302 X\r\nlocation: /there?x=1&access_token=opaque-0123456789\r\n"
                b"x-name: caf\xe9\r\ncontent-length: 0\r\n\r\n"
            )(conn)
        if conn.request.path.startswith("/there"):
            return body_reply(200, b"it is 42", "text/plain", x_name="\u00e9\u00e8")(conn)
        openai_stream(["42"])(conn)

    with FakeProvider(serve) as fake:
        config = CONFIG + '[files]\nallow_hosts = ["127.0.0.1"]\n'
        args = ("ask", "what?", "-f", f"{fake.url}/page")
        first = run(fake, "--record", str(tape), *args, config=config)
    again = replay(env, tape, *args)
    assert first.stdout == again.stdout == "42\n", first.stderr + again.stderr
    assert "opaque-0123456789" not in said_in(tape)


def test_pieces_keep_their_bounds(tmp_path: Path) -> None:
    """Even inside of a character."""
    whole = openai_stream(["日本", "語"])
    cut = [bytes([byte]) for byte in whole.body]
    place = str(tmp_path / "c")
    with FakeProvider(Stream(cut)) as fake, put_in(Recorder(place, {}, str)):
        assert "".join(asked(door("openai", fake.url))[0]) == "日本語"
    pieces = next(iter(Player(place)._exchanges.values())).pieces
    assert b"".join(pieces) == whole.body
    assert len(pieces) > len(whole.body) / 50, "as the network gave them"


# --- no key ----------------------------------------------------------------------------------------------


def shapes(key: str) -> set[str]:
    """The forms a key may take."""
    data = key.encode()
    found = {key, quote(key), quote(key, safe=""), quote(key, safe="").lower(), json.dumps(key)[1:-1]}
    for shift in range(3):
        coded = base64.b64encode(b"abc"[:shift] + data + b"xyz").decode()
        found.add(coded[4 if shift else 0 : -8])
        found.add(coded[4 if shift else 0 : -8].replace("+", "-").replace("/", "_"))
    return found


def said_in(tape: Path) -> str:
    """All that can be read out of a cassette: its text, what its base64 holds, and its answers joined."""
    text = tape.read_text("utf-8")
    joined = []
    for line in lines(tape):
        data = base64.b64decode(line["base64"]) if "base64" in line else str(line.get("text", "")).encode()
        joined.append(data)
        text += data.decode("latin-1")
    body = b"".join(joined).decode("utf-8", "replace")
    answers = "".join(json.loads('"' + part + '"') for part in contents(body))
    return text + body + answers


def contents(body: str) -> list[str]:
    import re

    return re.findall(r'"(?:content|text|delta)": ?"((?:[^"\\]|\\.)*)"', body)


def echo(conn: Conn) -> None:
    """A service that says everything back that it was told, in every way it can."""
    told = conn.request.headers["authorization"].removeprefix("Bearer ")
    coded = base64.b64encode(told.encode()).decode()
    pieces = [
        f"You sent {told}, ",
        f"Authorization: Bearer {told} ",
        f"or {quote(told, safe='')} or {coded}. ",
    ]
    spelt = [*pieces, *told, " and ", *[told[at : at + 3] for at in range(0, len(told), 3)], " end"]
    openai_stream(spelt)(conn)


def escaped(conn: Conn) -> None:
    """The key in a reply that writes each character as an escape."""
    told = conn.request.headers["authorization"].removeprefix("Bearer ")
    text = "".join(f"\\u{ord(char):04x}" for char in "key:\n" + told)
    body = sse({"choices": [{"delta": {"content": "MARK"}}]}).replace(b"MARK", text.encode())
    Stream([body, sse({"choices": [{"delta": {}, "finish_reason": "stop"}]}), b"data: [DONE]\n\n"])(conn)


def nested(conn: Conn) -> None:
    """The key in JSON that stands in a string of JSON, after an escaped line end, as models write code."""
    told = conn.request.headers["authorization"].removeprefix("Bearer ")
    text = json.dumps({"code": f"key =\n{told}"})
    openai_stream([text, "\n", *(text[at : at + 5] for at in range(0, len(text), 5))])(conn)


def packed(conn: Conn) -> None:
    told = conn.request.headers["authorization"].removeprefix("Bearer ")
    data = gzip.compress(openai_stream([f"packed {told}"]).body)
    body_reply(200, data, "text/event-stream", content_encoding="gzip")(conn)


def in_headers(conn: Conn) -> None:
    told = conn.request.headers["authorization"].removeprefix("Bearer ")
    conn.head(200, x_echo=told, set_cookie=f"session={told}", x_api_key="opaque-and-unknown-value")
    for event in openai_stream(["Hi"]).events:
        conn.chunk(event)
    conn.end()


def as_page(conn: Conn) -> None:
    told = conn.request.headers["authorization"].removeprefix("Bearer ")
    body_reply(401, f"<html>Wrong key: {told}\n{told}</html>".encode(), "text/html")(conn)


def in_two_reads(conn: Conn) -> None:
    """The key cut between two pieces of a body that is no JSON."""
    told = conn.request.headers["authorization"].removeprefix("Bearer ")
    conn.head(500, "text/plain")
    for part in (f"wrong key {told[:9]}", told[9:], " here"):
        conn.chunk(part.encode())
        time.sleep(0.02)
    conn.end()


@pytest.mark.parametrize("service", [echo, escaped, nested, packed, in_headers, as_page, in_two_reads])
@pytest.mark.parametrize("key", [KEY, SHAPED])
def test_no_key_from_a_reply(run, tape, key: str, service: Behaviour) -> None:
    with FakeProvider(service) as fake:
        done = run(fake, "--record", str(tape), "ask", "hi", key=key)
    assert "Traceback" not in done.stderr
    found = said_in(tape)
    assert not [form for form in shapes(key) if form in found]
    assert "opaque-and-unknown-value" not in found


@pytest.mark.parametrize("key", [KEY, SHAPED])
@pytest.mark.parametrize(
    "text",
    ["my key is {key}", "line\n{key}\nline", "x={quoted}", "{coded}", "Authorization: Basic {basic}", '{{"api_key": "{key}"}}'],
)  # fmt: skip
def test_no_key_from_a_request(run, env, tape, text: str, key: str) -> None:
    """Nor where it is another key than the backend's, as long as it has the shape of one."""
    said = text.format(
        key=key,
        quoted=quote(key, safe=""),
        coded=base64.b64encode(b"key=" + key.encode()).decode(),
        basic=base64.b64encode(f"user:{key}".encode()).decode(),
    )
    known = key if key == KEY else "another-key-0123456789"
    with FakeProvider(openai_stream(["Hi"])) as fake:
        done = run(fake, "--record", str(tape), "ask", said, "-s", f"system {key}", key=known)
        assert json.loads(fake.requests[0].body)["messages"][-1]["content"] == said, (
            "what is sent stays whole"
        )
    assert done.returncode == 0, done.stderr
    found = said_in(tape)
    assert not [form for form in shapes(key) | shapes(known) if form in found]
    again = replay(env, tape, "ask", said, "-s", f"system {key}")
    assert again.stdout == "Hi\n", again.stderr


def test_no_key_from_config_headers_and_environment(run, tape, home) -> None:
    (home / "key.txt").write_text("file-key-0123456789abcdef\n")
    (home / "key.txt").chmod(0o600)
    config = CONFIG.replace("[backends.fake.retry]", "[backends.fake.headers]\n" + "\n".join((
        'X-Own = "literal-header-value-1"', 'X-Auth-Token = "$env:OTHER_TOKEN"', "[backends.fake.retry]"
    ))) + '[backends.second]\nprovider = "custom"\nbase_url = "http://user2.example/v1"\nmodel = "m"\n' + (
        'api_key = "literal-key-of-the-second"\n[backends.third]\nprovider = "custom"\nmodel = "m"\n'
        f'base_url = "http://x.example/v1"\napi_key = "$file:{home}/key.txt"\n'
    )  # fmt: skip
    secrets = [KEY, "literal-header-value-1", "other-token-0123456789", "literal-key-of-the-second",
               "file-key-0123456789abcdef", "password-of-the-database"]  # fmt: skip
    with FakeProvider(openai_stream(["I know: " + " ".join(secrets[2:]) + " ok"])) as fake:
        told = {"OTHER_TOKEN": secrets[2], "DB_PASSWORD": secrets[5]}
        done = run(fake, "--record", str(tape), "ask", "hi", config=config, env=told)
    assert done.returncode == 0, done.stderr
    found = said_in(tape)
    assert not [value for value in secrets if value in found]
    assert "$env:FAKE_KEY" in found, "the name of the variable is no secret"


def test_a_file_that_goes_along_is_kept_as_its_digest(run, env, tape, tmp_path) -> None:
    from test_attach import PNG

    picture = tmp_path / "photo.png"
    picture.write_bytes(PNG + b"\0" * 4000 + KEY.encode())
    with FakeProvider(openai_stream(["A photo"])) as fake:
        done = run(fake, "--record", str(tape), "ask", "what?", "-f", str(picture))
    assert done.returncode == 0, done.stderr
    assert tape.stat().st_size < 4000 and "sha256" in tape.read_text()
    assert replay(env, tape, "ask", "what?", "-f", str(picture)).stdout == "A photo\n"
    picture.write_bytes(PNG + b"\1" * 4000)
    assert replay(env, tape, "ask", "what?", "-f", str(picture)).returncode == 5


@given(
    key=st.sampled_from([KEY, SHAPED, "p!ss;w,rd)key123"]),
    before=st.text(max_size=12), after=st.text(max_size=12),
    cuts=st.lists(st.integers(0, 60), max_size=8), kind=st.sampled_from(["json", "plain", "events", "replicate"]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_cut_lets_a_key_through(key: str, before: str, after: str, cuts: list[int], kind: str) -> None:
    """However the text is cut into events, and the body into pieces; and nothing else is touched."""
    redactor = Redactor()
    redactor.add(key)
    text = f"{before} {key} {after}".replace("\r", " ").encode("utf-8", "replace").decode()
    at = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[a:b] for a, b in zip(at, at[1:], strict=False)]
    if kind == "plain":
        pieces = [part.encode() for part in parts]
    elif kind == "replicate":
        parts = ["".join(part.split("\n")) for part in parts]
        text = "".join(parts)
        pieces = [f"event: output\ndata: {part}\n\n".encode() for part in parts]
    else:
        pieces = [sse({"choices": [{"delta": {"content": part}}]}) for part in parts]
        if kind == "json":
            whole = b"".join(pieces)
            pieces = [whole[a : a + 7] for a in range(0, len(whole), 7)]
    body = Body(redactor, {"plain": "text/plain", "json": "text/event-stream"}.get(kind, "text/event-stream"))
    given_on = [one for piece in pieces for one in body.add(Piece(0.0, piece))] + body.rest()
    assert [len(one.data) for one in given_on] == [len(piece) for piece in pieces]
    joined = b"".join(one.data for one in given_on).decode("utf-8", "replace")
    if kind in ("json", "events"):
        answer = "".join(json.loads(f'"{part}"') for part in contents(joined))
    elif kind == "replicate":
        answer = "".join(
            line.removeprefix("data: ") for line in joined.split("\n") if line.startswith("data: ")
        )
    else:
        answer = joined
    assert key not in answer and key not in joined
    assert "*" * len(key) in answer and len(answer) == len(text)
    if not redactor.spans(text.replace(key, "")):
        assert answer.startswith(text[:1])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://u:p@h/v1?key=abcdef&x=1", "https://h/v1?key=****&x=1"),
        ("https://h/v1?access_token=a&apiKey=b&sig=c#frag", "https://h/v1?access_token=****&apiKey=****&sig=****"),
        (f"https://h/{SHAPED}/v1", "https://h/****/v1"),
        ("https://h/v1/models?pageToken=n2&limit=5", "https://h/v1/models?pageToken=n2&limit=5"),
    ],
)  # fmt: skip
def test_addresses_without_keys(url: str, expected: str) -> None:
    assert address(url, Redactor()) == expected


# --- the file --------------------------------------------------------------------------------------------


def test_the_file_is_its_owners_alone_under_any_umask(run, tape) -> None:
    with FakeProvider(openai_stream(["Hi"])) as fake:
        done = run(fake, "--record", str(tape), "ask", "hi", preexec_fn=lambda: os.umask(0))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(tape.stat().st_mode) == 0o600


def test_an_empty_file_is_taken_and_made_private(run, tape) -> None:
    tape.touch(0o644)
    with FakeProvider(openai_stream(["Hi"])) as fake:
        assert run(fake, "--record", str(tape), "ask", "hi").returncode == 0
    assert stat.S_IMODE(tape.stat().st_mode) == 0o600 and tape.stat().st_size


def _file(place: Path) -> None:
    place.write_text("my notes")


def _folder(place: Path) -> None:
    place.mkdir()


def _link(place: Path) -> None:
    place.symlink_to(place.with_name("target"))


def _queue(place: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("make", [_file, _folder, _link, _queue])
def test_what_is_there_is_not_written_over(run, tape, make) -> None:
    make(tape)
    with FakeProvider(openai_stream(["Hi"])) as fake:
        done = run(fake, "--record", str(tape), "ask", "hi")
        assert not fake.requests
    assert done.returncode == 2 and str(tape) in done.stderr and "Traceback" not in done.stderr
    if make is _file:
        assert tape.read_text() == "my notes"


@pytest.mark.parametrize("place", ["/nowhere/x/run.cassette", "", "bad\ud800name"])
def test_a_place_that_cannot_be_written(place: str) -> None:
    with pytest.raises(UsageFault, match="--record"):
        Recorder(place, {}, str)


def test_both_flags_exclude_each_other(run, tape) -> None:
    with FakeProvider(openai_stream(["Hi"])) as fake:
        done = run(fake, "--record", str(tape), "--replay", str(tape), "ask", "hi")
    assert done.returncode == 2 and "exclude each other" in done.stderr and not tape.exists()
    assert opened(None, None, {}, str) is None


def test_a_full_disk_costs_no_answer(run, tape) -> None:
    def limited() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))

    words = [f"word{number} " for number in range(60)]
    with FakeProvider(openai_stream(words)) as fake:
        done = run(fake, "--record", str(tape), "ask", "--no-store", "hi", preexec_fn=limited)
    assert (done.returncode, done.stdout.split()) == (0, "".join(words).split()), done.stderr
    assert done.stderr.count("the recording ends here") == 1


def test_a_recording_that_was_killed_is_readable_as_far_as_it_went(
    run, env, arawn, tape, home, tmp_path
) -> None:
    with FakeProvider(stall(openai_stream(["Hello ", "there ", "wor", "ld"]), 3)) as fake:
        configure(home, CONFIG.format(url=fake.url))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "arawn", "--record", str(tape), "ask", "hi"],
            env={**env, "FAKE_KEY": KEY}, cwd=tmp_path, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        came = b""
        while b"wor" not in came:
            came += os.read(process.stdout.fileno(), 100)
        process.kill()
        process.wait()
        process.stdout.close()
    again = replay(env, tape, "ask", "hi")
    assert again.returncode == 5 and again.stdout.startswith("Hello there"), again.stderr


def test_every_beginning_of_a_recording_can_be_replayed(run, tape, tmp_path) -> None:
    slow = json_reply(503, {"error": {"message": "busy"}})
    with FakeProvider(slow, openai_stream(["Hello ", "there"])) as fake:
        run(fake, "--record", str(tape), "ask", "hi")
    data = tape.read_bytes()
    first = data.index(b"\n") + 1
    for end in range(first, len(data) + 1):
        part = tmp_path / "part"
        part.write_bytes(data[:end])
        Player(str(part))
    for end in range(first):
        part.write_bytes(data[:end])
        with pytest.raises(UsageFault, match="no cassette"):
            Player(str(part)) if end < first - 1 else _no(part)


def _no(part: Path) -> None:
    Player(str(part))
    raise UsageFault("no cassette: the whole first line is one")


HEAD = '{"arawn":"cassette","version":1}\n'
BROKEN = {
    "empty": "",
    "text": "hello\n",
    "binary": "\0\1\2\udcff",
    "another tool's": '{"version": 1, "interactions": []}\n',
    "a list": "[]\n",
    "no version": '{"arawn":"cassette"}\n',
    "version as text": '{"arawn":"cassette","version":"1"}\n',
    "env as text": '{"arawn":"cassette","version":1,"env":"x"}\n',
    "env of numbers": '{"arawn":"cassette","version":1,"env":{"OPENAI_API_KEY":1}}\n',
    "half a line in the middle": HEAD + '{"n":1,"requ\n{"n":1,"end":"end"}\n',
    "a reply without its request": HEAD + '{"n":1,"status":200,"headers":[]}\n',
    "no number": HEAD + '{"request":"GET","url":"http://x/"}\n',
    "no address": HEAD + '{"n":1,"request":"GET"}\n',
    "status of nothing": HEAD + '{"n":1,"request":"GET","url":"http://x/"}\n{"n":1,"status":7,"headers":[]}\n',
    "headers of numbers": HEAD + '{"n":1,"request":"GET","url":"x"}\n{"n":1,"status":200,"headers":[[1,2]]}\n',
    "bad base64": HEAD + '{"n":1,"request":"GET","url":"http://x/"}\n{"n":1,"base64":"%%"}\n',
    "bad config": HEAD + '{"config":[{"layer":"user","values":{"llm":{"backend":7}}}]}\n',
    "config of another kind": HEAD + '{"config":[{"layer":"user","values":{"ui":{"color":"always"}}}]}\n',
    "config over the flags": HEAD + '{"config":[{"layer":"flag","values":{}}]}\n',
    "half a character in a header": HEAD
    + '{"n":1,"request":"GET","url":"x"}\n{"n":1,"status":200,"headers":[["a","\\ud800"]]}\n',
    "deep": HEAD + "[" * 100_000 + "\n",
    "deep config": HEAD + '{"config":[{"layer":"user","values":' + '{"llm":' * 2000 + "1" + "}" * 2000 + "}]}\n",
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_a_damaged_or_foreign_file_is_said_so(broken: str, tape: Path) -> None:
    tape.write_bytes(BROKEN[broken].encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageFault) as told:
        Player(str(tape))
    assert told.value.exit_code == 2 and str(tape) in told.value.sentence


def test_a_damaged_file_from_the_outside(run, tape) -> None:
    tape.write_text(HEAD + "nonsense\n{}\n")
    with FakeProvider(openai_stream(["Hi"])) as fake:
        done = run(fake, "--replay", str(tape), "ask", "hi")
        assert not fake.requests
    assert done.returncode == 2 and "line 2 is damaged" in done.stderr and "Traceback" not in done.stderr


@given(st.binary(max_size=200), st.integers(0, 1500))
@settings(max_examples=60, deadline=None)
def test_bytes_of_any_kind_are_a_cassette_or_a_usage_fault(noise: bytes, at: int) -> None:
    import tempfile

    whole = (
        HEAD + '{"config":[{"layer":"user","values":{"llm":{"backend":"b"}}}]}\n'
        '{"n":1,"request":"POST","url":"http://x/y","headers":[],"body":{"a":[1,"b"]}}\n'
        '{"n":1,"status":200,"headers":[["a","b"]],"connected":true,"after":0.1}\n{"n":1,"text":"x","after":0}\n'
    ).encode()
    with tempfile.NamedTemporaryFile() as file:
        file.write(whole[: at % len(whole)] + noise + whole[at % len(whole) :])
        file.flush()
        try:
            Player(file.name)
        except UsageFault as fault:
            assert fault.exit_code == 2


def test_a_newer_form_is_said_so(tape: Path) -> None:
    tape.write_text('{"arawn":"cassette","version":2}\n')
    with pytest.raises(UsageFault, match="newer Arawn") as told:
        Player(str(tape))
    assert told.value.hints


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageFault, match="cannot be read"):
        Player("/nowhere/run.cassette")


# --- matching --------------------------------------------------------------------------------------------


def test_what_was_not_recorded_is_told(run, env, tape) -> None:
    with FakeProvider(openai_stream(["Hi"])) as fake:
        run(fake, "--record", str(tape), "ask", "hi")
    other = replay(env, tape, "ask", "something else")
    assert other.returncode == 5 and "POST" in other.stderr and "/v1/chat/completions" in other.stderr
    assert "messages[0].content" in other.stderr and "Traceback" not in other.stderr
    assert other.stderr.count("Error:") == 1 and "attempt 2" not in other.stderr, "asking again is no use"
    warmer = replay(env, tape, "-o", "llm.temperature=0.5", "ask", "hi")
    assert warmer.returncode == 5 and "temperature" in warmer.stderr
    page = replay(env, tape, "ask", "hi", "-f", "https://example.com/page")
    assert page.returncode == 5 and "GET https://example.com/page" in page.stderr
    as_json = replay(env, tape, "ask", "--json", "something else")
    assert json.loads(as_json.stdout)["error"]["code"] == "unreachable"


def test_once_recorded_is_once_played(run, env, tape) -> None:
    with FakeProvider(openai_stream(["One"]), openai_stream(["Two"])) as fake:
        run(fake, "--record", str(tape), "chat", stdin="a\n/retry\n")
    again = replay(env, tape, "chat", stdin="a\n/retry\n/retry\n")
    assert again.stdout.startswith("One\nTwo\n") and "once more than it was recorded" in again.stderr


U1, U2 = "6d0f9f0e-7f0c-4f6e-9a51-0123456789ab", "11111111-2222-3333-4444-555555555555"
ALIKE: list[tuple[Any, Any]] = [
    ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}),
    ({"t": 1}, {"t": 1.0}),
    ({"x": "hi", "seed": 1, "user": "u"}, {"x": "hi", "seed": 2}),
    ({"x": f"id {U1}"}, {"x": f"id {U2}"}),
    ({"x": "today is 2026-11-21"}, {"x": "today is 2027-01-02"}),
    ({"x": "at 2026-11-21T08:25:50Z."}, {"x": "at 2027-01-02T00:00:00.123+01:00."}),
    ({"x": "my key **** there"}, {"x": "my key secret-value there"}),
    ({"x": "**** and ****"}, {"x": "one and two"}),
    ({"x": "****"}, {"x": ""}),
    (None, None),
]
OTHERWISE: list[tuple[Any, Any, str]] = [
    ({"a": 1}, {"a": 2}, "a"),
    ({"a": 1}, {"a": "1"}, "a"),
    ({"a": 1}, {"a": True}, "a"),
    ({"a": 1}, {}, "a"),
    ({}, {"b": {"c": 1}}, "b"),
    ({"m": [{"c": "hi"}]}, {"m": [{"c": "ho"}]}, "m[0].c"),
    ({"m": [1]}, {"m": [1, 2]}, "the length of m"),
    ({"x": "key **** there"}, {"x": "key secret here"}, "x"),
    ({"x": "ab****ba"}, {"x": "aba"}, "x"),
    ({"x": "a****b****c"}, {"x": "a1c"}, "x"),
    ("a", None, "the body"),
    ([1], {"a": 1}, "the body"),
]


@pytest.mark.parametrize(("recorded", "asked"), ALIKE)
def test_only_what_changes_from_run_to_run_may_differ(recorded: Any, asked: Any) -> None:
    assert difference(recorded, asked) is None


@pytest.mark.parametrize(("recorded", "asked", "where"), OTHERWISE)
def test_everything_else_counts(recorded: Any, asked: Any, where: str) -> None:
    assert difference(recorded, asked) == where


def test_another_host_or_key_in_the_address_does_not_matter_but_the_right_one_is_taken_first(
    tape: Path,
) -> None:
    rows = [{"arawn": "cassette", "version": 1}]
    for number, host in enumerate(("one", "two"), 1):
        rows.append({"n": number, "request": "GET", "url": f"http://{host}.example/v1/models?key=****"})
        rows.append({"n": number, "status": 200, "headers": []})
        rows.append({"n": number, "text": host})
    tape.write_text("".join(json.dumps(row) + "\n" for row in rows))
    player = Player(str(tape))
    assert player.find("GET", "http://two.example/v1/models?key=abc", b"").pieces == [b"two"]
    assert player.find("GET", "http://three.example/v1/models?key=xyz", b"").pieces == [b"one"]


# --- the start -------------------------------------------------------------------------------------------


def test_without_the_flags_nothing_of_it_is_loaded(env, home, tmp_path) -> None:
    from test_startup import loaded

    with FakeProvider(openai_stream(["Hi"])) as fake:
        configure(home, CONFIG.format(url=fake.url))
        found = loaded(tmp_path, env, "ask", "hi", FAKE_KEY=KEY)
    assert not [name for name in found if "cassette" in name or name == "arawn.curl"]
