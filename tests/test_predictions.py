"""Replicate's course through the HTTP door: made, followed as a stream or asked after, ended on leaving."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fake_provider import Behaviour, Conn, FakeProvider, json_reply
from http_kit import access, heard

from arawn.backends.http import HttpBackend, Limits
from arawn.backends.routing import Retry, RetryPolicy
from arawn.errors import (
    ArawnError,
    AuthFault,
    ContextFault,
    Cut,
    EmptyAnswer,
    ModelFault,
    Overloaded,
    RateLimited,
    Refused,
    TimedOut,
)
from arawn.events import Attempt, Reply, Text
from arawn.messages import Request, user
from arawn.wire import Target

KEY = "r8_CANARY0123456789abcdef"
ASK = Request((user("hi"),))


class Replicate:
    """A service that makes predictions: replies by path, `URL` in them being its own address.

    A reaction is a behaviour, a list of them one a request (the last again and again), or what stands in a
    prediction as a mapping.
    """

    def __init__(self, **reactions: Any) -> None:
        self.reactions = {"make": {}, "cancel": {"status": "canceled"}, **reactions}
        self.fake = FakeProvider(self._behave)
        self.seen: dict[str, int] = {}

    def __enter__(self) -> Replicate:
        self.fake.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.fake.__exit__()

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.fake.requests]

    def prediction(self, **fields: Any) -> dict[str, Any]:
        own = f"{self.fake.url}/predictions/p1"
        urls = {"get": own, "cancel": f"{own}/cancel", "stream": f"{self.fake.url}/stream/p1"}
        urls |= fields.pop("urls", {})
        return {"id": "p1", "model": "o/m", "status": "starting", "error": None, "output": None,
                "urls": {name: url for name, url in urls.items() if url}, **fields}  # fmt: skip

    def _behave(self, conn: Conn) -> None:
        path = conn.request.path
        name = "cancel" if path.endswith("/cancel") else "stream" if path.startswith("/stream/") else "get"
        name = "make" if conn.request.method == "POST" and name == "get" else name
        reaction = self.reactions[name]
        number = self.seen[name] = self.seen.get(name, 0) + 1
        if isinstance(reaction, list):
            reaction = reaction[min(number, len(reaction)) - 1]
        if isinstance(reaction, dict):
            reaction = json_reply(201 if name == "make" else 200, self.prediction(**reaction))
        reaction(conn)

    def cancelled(self, within: float = 2.0) -> bool:
        until = time.monotonic() + within
        while "cancel" not in self.seen and time.monotonic() < until:
            time.sleep(0.005)
        return "cancel" in self.seen


def door(
    base: str, auth: str = "bearer", model: str = "o/m", poll_s: float = 0.02, **limits: Any
) -> HttpBackend:
    spans = Limits(**{"connect": 2, "first_event": 3, "idle": 1, **limits})
    target = Target("b", "custom", "the service", base, model, options={"poll_s": poll_s})
    return HttpBackend(target, "replicate", access(auth, KEY, headers={"x-own": "mine"}), spans)


def ask(backend: Any) -> tuple[Reply, ArawnError | None]:
    said = heard(lambda: backend.stream(ASK))
    backend.close()
    return said


def event(name: str, data: str) -> bytes:
    return f"event: {name}\nid: 1:0\n".encode() + b"".join(
        f"data: {line}\n".encode() for line in data.split("\n")
    ) + b"\n"  # fmt: skip


def streamed(*events: bytes, then: Callable[[Conn], object] = Conn.end) -> Behaviour:
    def behave(conn: Conn) -> None:
        conn.head()
        for part in events:
            conn.chunk(part)
        then(conn)

    return behave


HELLO = streamed(
    b": hi\n\n", event("logs", "loading"), event("output", "Hel"), event("output", "lo\nyou"), event("done", "{}"),
    b":408: 408 Request Timeout\n\n",
)  # fmt: skip
POLLED = {"urls": {"stream": None}}


def test_made_then_streamed() -> None:
    with Replicate(stream=HELLO) as service:
        reply, error = ask(door(service.fake.url))
    assert (reply.text, error) == ("Hello\nyou", None)
    assert service.paths == ["POST /models/o/m/predictions", "GET /stream/p1"]
    made, followed = service.fake.requests
    assert made.json["stream"] is True and made.json["input"]["prompt"] == "hi"
    assert made.headers["authorization"] == f"Bearer {KEY}"
    assert followed.headers["accept"] == "text/event-stream" and followed.body == b""
    (attempt,) = reply.attempts
    assert attempt.status == 200 and attempt.error is None and 0 < attempt.first_event_s <= attempt.total_s


def test_made_then_asked_after() -> None:
    going = {**POLLED, "status": "processing", "output": ["Hel"]}
    ended = {"status": "succeeded", "output": ["Hel", "lo"],
             "metrics": {"input_token_count": 3, "output_token_count": 2}}  # fmt: skip
    with Replicate(make=POLLED, get=[POLLED, going, ended]) as service:
        reply, error = ask(door(service.fake.url))
    assert (reply.text, error, reply.finish and reply.finish.model) == ("Hello", None, "o/m")
    assert (reply.usage.input, reply.usage.output) == (3, 2)
    assert service.paths == ["POST /models/o/m/predictions"] + ["GET /predictions/p1"] * 3
    assert {request.headers["authorization"] for request in service.fake.requests} == {f"Bearer {KEY}"}


def test_asked_after_without_an_address() -> None:
    with Replicate(
        make={"urls": {"stream": None, "get": None}}, get={"status": "succeeded", "output": "Hi"}
    ) as s:
        reply, error = ask(door(s.fake.url + "/"))
    assert (reply.text, error, s.paths[-1]) == ("Hi", None, "GET /predictions/p1")


@pytest.mark.parametrize("name", ["../../v1/account?x=", "a/b", "a\r\nb: c", "\ud83d", "", None, ["x"], 7])
@pytest.mark.parametrize(
    "urls", [{"stream": None, "get": None}, {"stream": "", "get": 7, "cancel": [1]}, None, "x"]
)
def test_a_name_that_is_no_name_leads_nowhere_else(name: Any, urls: Any) -> None:
    made = json_reply(201, {"id": name, "status": "starting", "urls": urls})
    with Replicate(make=made, get={"status": "succeeded", "output": "Hi"}) as service:
        reply, error = ask(door(service.fake.url))
    if name and isinstance(name, str):
        assert (reply.text, error) == ("Hi", None)
        assert service.paths[-1].startswith("GET /predictions/") and service.paths[-1].count("/") == 2
    else:
        assert isinstance(error, Cut) and len(service.paths) == 1


@pytest.mark.parametrize("output", ["Hello", ["Hello"], ["Hel", "lo"], ["", "Hello", ""]])
def test_done_at_once(output: Any) -> None:
    with Replicate(make={"status": "succeeded", "output": output}) as service:
        reply, error = ask(door(service.fake.url))
    assert (reply.text, error, len(service.paths)) == ("Hello", None, 1)


FAILED = [
    ({"error": "CUDA out of memory"}, Overloaded), ({"error": None}, Overloaded),
    ({"error": "Prompt length exceeds maximum input length: E1002 PromptTooLong"}, ContextFault),
    ({"error": {"detail": "it broke"}}, Overloaded),
]  # fmt: skip


@pytest.mark.parametrize("status", ["failed", "aborted"])
@pytest.mark.parametrize(("fields", "kind"), FAILED)
def test_a_prediction_that_fails_is_told_and_not_cancelled(status: str, fields: Any, kind: type) -> None:
    with Replicate(make=POLLED, get={"status": status, "input": {"prompt": "PRIVATE"}, **fields}) as service:
        _, error = ask(door(service.fake.url))
        assert not service.cancelled(0.1)
    assert type(error) is kind and "PRIVATE" not in error.detail
    assert not isinstance(fields["error"], str) or fields["error"] in error.detail


def test_a_stream_that_fails_keeps_what_came() -> None:
    failing = streamed(
        event("output", "Hel"), event("error", '{"detail": "worker died"}'), event("done", "{}")
    )
    with Replicate(stream=failing) as service:
        reply, error = ask(door(service.fake.url))
        assert not service.cancelled(0.1)
    assert reply.text == "Hel" and isinstance(error, Overloaded) and "worker died" in error.detail


@pytest.mark.parametrize("course", ["stream", "get"])
def test_cancelled_by_somebody_else(course: str) -> None:
    stream = streamed(event("output", "Hel"), event("done", '{"reason": "canceled"}'))
    make = POLLED if course == "get" else {}
    with Replicate(make=make, stream=stream, get={"status": "canceled"}) as service:
        _, error = ask(door(service.fake.url))
    assert isinstance(error, Cut) and not error.retryable and "canceled" in error.sentence


REFUSALS = [
    (401, {"title": "Unauthenticated", "detail": "You did not pass a valid authentication token"}, AuthFault),
    (402, {"title": "Insufficient credit", "detail": "You have insufficient credit to run this model"}, Refused),
    (404, {"detail": "The requested resource could not be found.", "status": 404}, Refused),
    (422, {"title": "Invalid version or not permitted", "detail": "The specified version does not exist (or perhaps"
           " you don't have permission to use it?)", "status": 422}, ModelFault),
    (422, {"title": "Input validation failed", "detail": "- input: prompt is required\n", "status": 422}, Refused),
    (429, {"detail": "Request was throttled. Expected available in 2 seconds.", "status": 429}, RateLimited),
]  # fmt: skip


@pytest.mark.parametrize(("status", "problem", "kind"), REFUSALS)
@pytest.mark.parametrize("where", ["make", "stream", "get"])
def test_F_NET_10_F_NET_11_problems_of_the_api(where: str, status: int, problem: Any, kind: type) -> None:
    reactions = {"make": POLLED if where == "get" else {}, where: json_reply(status, problem)}
    with Replicate(**reactions) as service:
        _, error = ask(door(service.fake.url))
    assert type(error) is kind and error.status == status
    assert problem["detail"].strip()[:20] in error.detail
    if status == 429:
        assert error.retry_after == 2.0


# leaving before the end


@pytest.mark.parametrize("course", ["stream", "get"])
@pytest.mark.parametrize("taken", [1, 2])
def test_closed_early_it_is_cancelled(course: str, taken: int) -> None:
    """However early: the first event tells no more than that it is starting."""
    going = streamed(event("output", "Hel"), event("output", "lo"), then=lambda conn: conn.wait_gone())
    make = POLLED if course == "get" else {}
    with Replicate(make=make, stream=going, get={**POLLED, "status": "processing"}) as service:
        backend = door(service.fake.url)
        events = backend.stream(ASK)
        for _ in range(taken):
            next(events)
        events.close()
        backend.close()
        assert service.cancelled()
    cancel = service.fake.requests[-1]
    assert (cancel.method, cancel.path) == ("POST", "/predictions/p1/cancel")
    assert cancel.headers["authorization"] == f"Bearer {KEY}" and service.seen["cancel"] == 1


@pytest.mark.parametrize("where", ["before the first piece", "after it", "between polls", "in a poll"])
def test_ctrl_c_cancels(where: str) -> None:
    silent = streamed(
        *([event("output", "Hel")] if where == "after it" else []), then=lambda c: c.wait_gone()
    )
    make = POLLED if "poll" in where else {}
    with Replicate(make=make, stream=silent, get=lambda conn: conn.wait_gone()) as service:
        poll_s = 5.0 if where == "between polls" else 0.02
        backend = door(service.fake.url, poll_s=poll_s, first_event=20, idle=20)
        timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            for _ in backend.stream(ASK):
                pass
        assert time.monotonic() - began < 3
        timer.join()
        backend.close()
        assert service.cancelled()


def test_a_mute_cancel_holds_nobody_up() -> None:
    going = streamed(event("output", "Hel"), then=lambda conn: conn.wait_gone())
    with Replicate(stream=going, cancel=lambda conn: conn.wait_gone()) as service:
        backend = door(service.fake.url, cancel=2)
        events = backend.stream(ASK)
        while not isinstance(next(events), Text):
            pass
        began = time.monotonic()
        events.close()
        assert time.monotonic() - began < 1.5, "the prompt is back at once"
        assert service.cancelled()
        backend.close()
        assert time.monotonic() - began < 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_of_the_whole_program_cancels(env: dict[str, str], tmp_path: Any, number: int) -> None:
    going = streamed(event("output", "Hel"), then=lambda conn: conn.wait_gone())
    with Replicate(stream=going) as service:
        variables = {**env, "REPLICATE_API_TOKEN": KEY, "REPLICATE_API_BASE": service.fake.url}
        program = subprocess.Popen(
            [sys.executable, "-P", "-m", "arawn", "ask", "-b", "replicate", "hi"], cwd=tmp_path,
            env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert program.stdout is not None and program.stdout.read(3) == b"Hel"
        began = time.monotonic()
        program.send_signal(number)
        _, told = program.communicate(timeout=10)
        assert time.monotonic() - began < 3
        assert program.returncode == 128 + number and b"Traceback" not in told and KEY.encode() not in told
        assert service.cancelled(0)


def test_what_went_wrong_on_the_way_is_cancelled_too() -> None:
    """Silence and a broken stream leave the work going, and each second of it is paid."""
    for then, kind in ((lambda conn: conn.wait_gone(), TimedOut), (Conn.reset, Cut), (Conn.end, Cut)):
        with Replicate(stream=streamed(event("output", "Hel"), then=then)) as service:
            reply, error = ask(door(service.fake.url, idle=0.2))
            assert reply.text == "Hel" and isinstance(error, kind) and service.cancelled()


def test_F_STREAM_02_a_prediction_that_never_ends() -> None:
    with Replicate(make=POLLED, get=POLLED) as service:
        began = time.monotonic()
        _, error = ask(door(service.fake.url, first_event=0.4))
        assert isinstance(error, TimedOut) and not error.retryable and time.monotonic() - began < 3
        assert "limits.first_event" in str(error.hints) and service.cancelled()


def test_F_NET_09_a_poll_without_an_answer_takes_no_longer_than_the_whole_may() -> None:
    def slow(conn: Conn) -> None:
        time.sleep(0.3)
        json_reply(200, service.prediction(**POLLED))(conn)

    with Replicate(make=POLLED, get=[slow, lambda conn: conn.wait_gone()]) as service:
        began = time.monotonic()
        _, error = ask(door(service.fake.url, first_event=0.5))
        assert isinstance(error, TimedOut) and time.monotonic() - began < 3


def test_F_NET_25_a_second_try_ends_the_first() -> None:
    streams = [streamed(then=Conn.reset), HELLO]
    with Replicate(stream=streams) as service:
        reply, error = ask(Retry(door(service.fake.url), RetryPolicy(initial_delay=0.01)))
    assert (reply.text, error) == ("Hello\nyou", None)
    assert service.paths == [
        "POST /models/o/m/predictions", "GET /stream/p1", "POST /predictions/p1/cancel",
        "POST /models/o/m/predictions", "GET /stream/p1",
    ]  # fmt: skip


def test_an_error_that_came_after_the_first_attempt_tells_its_status() -> None:
    with Replicate(make={}, stream=json_reply(503, {"detail": "busy"})) as service:
        events: list[Any] = []
        with pytest.raises(Overloaded):
            for happened in door(service.fake.url).stream(ASK):
                events.append(happened)
    assert isinstance(events[-1], Attempt) and (events[-1].status, events[-1].error) == (503, "overloaded")


# where the key goes


@pytest.mark.parametrize("auth", ["bearer", "x-api-key"])
@pytest.mark.parametrize("address", ["stream", "get", "cancel"])
def test_F_SECRET_08_another_origin_gets_no_key(auth: str, address: str) -> None:
    """Another port is another origin. Only what the address asks for is sent there."""
    replies = {"stream": HELLO, "get": json_reply(200, {"status": "succeeded", "output": "Hi"})}
    with FakeProvider(replies.get(address, json_reply(200, {}))) as other:
        urls = {
            "stream": None if address == "get" else f"{other.url}/stream/p1" if address == "stream" else ""
        }
        if address != "stream":
            urls[address] = f"{other.url}/predictions/p1/{address}"
        going = streamed(event("output", "Hel"), then=lambda conn: conn.wait_gone())
        if address == "cancel":
            del urls["stream"]
        with Replicate(make={"urls": urls}, stream=going) as service:
            backend = door(service.fake.url, auth)
            if address == "cancel":
                events = backend.stream(ASK)
                while not isinstance(next(events), Text):
                    pass
                events.close()
                backend.close()
            else:
                reply, error = ask(backend)
                assert error is None and reply.text.startswith("H")
        (foreign,) = other.requests
    assert KEY not in str(foreign.headers) and "x-own" not in foreign.headers
    assert KEY in str(service.fake.requests[0].headers)
    assert foreign.body in (b"", b"{}")


FOREIGN = ["http://stream.example/p1", "http://127.0.0.1:9@stream.example/p1", "http://[::1/p1", "file:///etc/passwd",
           "ftp://stream.example/x", "//stream.example/x", "stream", "javascript:alert(1)", " http://x.example/",
           "http://x.example\r\nauthorization: evil"]  # fmt: skip


@pytest.mark.parametrize("url", FOREIGN)
@pytest.mark.parametrize("name", ["stream", "get"])
def test_F_SECRET_11_addresses_that_are_not_asked(url: str, name: str) -> None:
    with Replicate(make={"urls": {"stream": None, name: url}}) as service:
        _, error = ask(door(service.fake.url))
        assert isinstance(error, Refused), error
        assert service.cancelled(0.5), "it is at work, and nobody will hear of it"
    assert KEY not in error.sentence + error.detail


def test_F_NET_21_a_stream_that_redirects_is_not_followed() -> None:
    with FakeProvider(HELLO) as other:
        moved = json_reply(302, {}, location=f"{other.url}/x")
        with Replicate(stream=moved) as service:
            _, error = ask(door(service.fake.url))
        assert isinstance(error, Refused) and not other.requests


def test_F_STREAM_21_a_stream_answered_by_a_document() -> None:
    """The stream's address may answer with the prediction itself, at work or done."""
    done = json_reply(200, {"status": "succeeded", "output": ["Hel", "lo"]})
    with Replicate(stream=done) as service:
        assert ask(door(service.fake.url))[0].text == "Hello"
    with Replicate(
        stream=[{**POLLED, "status": "processing"}], get={"status": "succeeded", "output": "Hello"}
    ) as s:
        assert ask(door(s.fake.url))[0].text == "Hello"


def test_F_STREAM_22_a_course_that_turns_in_a_circle_ends() -> None:
    with Replicate(stream={"status": "processing"}, get={"status": "processing"}) as service:
        _, error = ask(door(service.fake.url, first_event=0.4))
        assert isinstance(error, TimedOut) and len(service.paths) < 40, error


def test_F_STREAM_16_nothing_said() -> None:
    with Replicate(stream=streamed(event("done", "{}"))) as service:
        reply, error = ask(door(service.fake.url))
    assert error is None and reply.text == "", "the engine says that it is no answer"
    with Replicate(make=lambda conn: conn.head(204, length=0)) as service:
        assert isinstance(ask(door(service.fake.url))[1], EmptyAnswer)


def test_unknown_events_and_fields_break_nothing() -> None:
    odd = streamed(
        event("metrics", "5"), event("ping", "what?"), event("output", "Hi"), b"retry: 3\n\n", event("done", "odd"),
    )  # fmt: skip
    with Replicate(make={"new": {"field": [1]}, "status": "processing"}, stream=odd) as service:
        reply, error = ask(door(service.fake.url))
    assert (reply.text, error) == ("Hi", None)
