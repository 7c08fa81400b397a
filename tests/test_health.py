"""What is remembered of the backends, over processes and whatever happens to the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from fake_provider import Behaviour, FakeProvider
from http_kit import access
from routing_kit import Clock, answer, error, served

from arawn.backends.health import Health, Seen
from arawn.backends.http import HttpBackend, Limits
from arawn.backends.routing import Regions, Retry, RetryPolicy
from arawn.errors import ArawnError
from arawn.events import Attempt, Notice, collect
from arawn.messages import Request, user
from arawn.wire import Target
from arawn.wire.retry_after import requests_left

ASK = Request((user("hi"),))


def good(first: float = 0.5, reset: float | None = None) -> Attempt:
    return Attempt("a", "m", 200, None, first_event_s=first, total_s=1.0, reset_s=reset)


def bad(code: str, reset: float | None = None) -> Attempt:
    return Attempt("a", "m", None, code, reset_s=reset)


def noted(*attempts: Attempt, clock: Clock | None = None) -> Health:
    health = Health(None, clock or Clock(1000.0))
    for attempt in attempts:
        health.note(attempt)
    return health


@pytest.mark.parametrize(
    ("attempts", "rest"),
    [
        ([], 0),
        ([good()], 0),
        ([good(reset=30)], 30),
        ([bad("rate_limited", 60)], 60),
        ([bad("rate_limited")], 5),
        ([bad("rate_limited")] * 2, 10),
        ([bad("rate_limited")] * 20, 600),
        ([bad("rate_limited", 1e9)], 86400),
        ([bad("overloaded")] * 2, 0),
        ([bad("overloaded")] * 3, 30),
        ([bad("unreachable"), bad("timeout"), bad("cut")], 30),
        ([bad("overloaded")] * 4, 60),
        ([bad("overloaded")] * 40, 600),
        ([bad("overloaded"), good(), bad("overloaded"), bad("overloaded")], 0),
        ([bad("overloaded")] * 3 + [good()], 0),
        ([bad("rate_limited", 500), *[bad("overloaded")] * 3], 500),
        ([bad("auth")] * 9, 0),
        ([bad("refused")] * 9, 0),
        ([bad("context")] * 9, 0),
        ([bad("cancelled")] * 9, 0),
    ],
)
def test_how_long_one_is_left_in_peace(attempts: list[Attempt], rest: float) -> None:
    assert noted(*attempts).rest("a", "m") == rest


def test_the_circuit_is_half_open_afterwards() -> None:
    """One is let through: where it fails the rest is twice as long, where it answers all is well."""
    clock = Clock(1000.0)
    health = noted(*[bad("overloaded")] * 3, clock=clock)
    clock.now += 29
    assert health.rest("a", "m") == 1
    clock.now += 1
    assert health.rest("a", "m") == 0
    health.note(bad("overloaded"))
    assert health.rest("a", "m") == 60
    clock.now += 60
    health.note(good())
    assert health.rest("a", "m") == 0 and health.of("a", "m").in_a_row == 0
    health.note(bad("overloaded"))
    assert health.rest("a", "m") == 0


def test_times_are_a_running_mean() -> None:
    health = noted(good(1.0), good(2.0), bad("overloaded"))
    seen = health.of("a", "m")
    assert seen.first_event_s == pytest.approx(1.3) and (seen.asked, seen.failed) == (3, 1)
    assert seen.last_error == "overloaded"


def test_a_clock_that_was_set_back_does_not_close_a_backend_for_years() -> None:
    clock = Clock(2_000_000_000.0)
    health = noted(bad("rate_limited", 60), clock=clock)
    clock.now = 1_000_000_000.0
    assert health.rest("a", "m") == 0


def test_it_is_kept_for_the_next_process(tmp_path: Path) -> None:
    path, clock = tmp_path / "state" / "health.json", Clock(1000.0)
    health = Health(path, clock)
    health.note(bad("rate_limited", 60))
    clock.now += 50  # the answer of another took so long
    health.turn()
    health.save()
    again = Health(path, clock)
    assert again.rest("a", "m") == 10 and again.turn() == 1
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert again.all() == {("a", "m"): Seen(None, None, 1, 1, 1, "rate_limited", 1060.0, 1000.0, None)}


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, None),
        ({"x-ratelimit-remaining-requests": "59", "x-ratelimit-remaining-tokens": "7"}, 59),
        ({"anthropic-ratelimit-requests-remaining": "12", "anthropic-ratelimit-tokens-remaining": "7"}, 12),
        ({"X-RateLimit-Remaining": "3", "x-ratelimit-remaining-requests-day": "2"}, 2),
        ({"ratelimit-remaining": "0"}, 0),
        ({"ratelimit-remaining": "many"}, None),
        ({"ratelimit-remaining": "9" * 40}, None),
    ],
)
def test_what_is_left_of_a_limit(headers: dict[str, str], left: int | None) -> None:
    assert requests_left(headers) == left
    health = noted(good()._replace(left=left))
    assert health.of("a", "m").left == left


def test_what_is_long_ago_is_forgotten(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    health = Health(tmp_path / "health.json", clock)
    health.note(good())
    health.save()
    clock.now += 31 * 86400
    health.note(Attempt("b", "m", 200))
    health.save()
    assert list(Health(tmp_path / "health.json", clock).all()) == [("b", "m")]


ROW = [None, 0.5, 1, 0, 0, "", 0.0, 1.0]
DAMAGED = [
    b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"{}", b"[" * 100_000, b'{"version": 1}',
    b'{"version": 2, "turn": 0, "seen": {}}', b'{"version": 1, "turn": 1e999, "seen": {}}',
    b'{"version": 1, "turn": "x", "seen": {}}', b'{"version": 1, "turn": 0, "seen": []}',
    b'{"version": 1, "turn": 0, "seen": {"a": {}}, "x": 1}',
    *(
        json.dumps({"version": 1, "turn": 0, "seen": {"a\nm": row}}).encode()
        for row in (
            [*ROW, "3"], None, 5, "text", ["x"] * 8, [*ROW, 1, 1], [None, None, "1"], ["fast", 0.5, *ROW[2:]],
            [*ROW[:6], float("inf"), 1.0], [*ROW[:6], float("nan"), 1.0], [*ROW[:5], 7, 0.0, 1.0],
            [-1, *ROW[1:]], [*ROW[:6], 1e300, 1.0],
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("data", DAMAGED, ids=[str(number) for number in range(len(DAMAGED))])
def test_a_damaged_or_foreign_file_is_passed_over(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "health.json"
    path.write_bytes(data)
    health = Health(path, Clock(1000.0))
    assert health.rest("a", "m") == 0 and health.turn() == 0
    health.note(bad("rate_limited", 60))
    health.save()
    assert Health(path, Clock(1000.0)).rest("a", "m") == 60, "and it is whole afterwards"


def test_odd_places_are_no_trouble(tmp_path: Path) -> None:
    folder, pipe, big = tmp_path / "folder", tmp_path / "pipe", tmp_path / "big"
    folder.mkdir()
    os.mkfifo(pipe)
    big.write_bytes(b" " * (1 << 21))
    below = tmp_path / "big" / "health.json"
    for path in (folder, pipe, big, below, Path("/dev/null"), None):
        health = Health(path, Clock(1000.0))
        health.note(good())
        assert health.of("a", "m").asked == 1
        if path not in (Path("/dev/null"), pipe):
            health.save()
    assert folder.is_dir()


WORK = """
import sys
from pathlib import Path
from arawn.backends.health import Health
from arawn.events import Attempt
for number in range(10):
    health = Health(Path(sys.argv[1]))
    health.turn()
    health.note(Attempt("own" + sys.argv[2], "m", 200, None, first_event_s=0.1, total_s=0.2))
    health.note(Attempt("shared", "m", 200, None, first_event_s=0.1, total_s=0.2))
    health.save()
"""


def test_sixteen_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state" / "health.json"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([sys.executable, "-c", WORK, str(path), str(number)], env=env)
        for number in range(16)
    ]
    assert [process.wait(60) for process in running] == [0] * 16
    health = Health(path)
    assert health.of("shared", "m").asked == 160 and health.turn() == 160
    assert [health.of(f"own{number}", "m").asked for number in range(16)] == [10] * 16
    assert path.stat().st_mode & 0o777 == 0o600 and not list(path.parent.glob("*.tmp"))


# --- several endpoints of one backend


def places(
    fakes: list[FakeProvider], health: Health | None, clock: Clock, chance=lambda: 0.5, most: int = 3
) -> Retry:
    doors = []
    for fake in fakes:
        target = Target("azure", "custom", "Azure", f"{fake.url}/v1", "m", {})
        doors.append(HttpBackend(target, "openai", access("bearer"), Limits(first_event=2)))
    regions = Regions(doors, [fake.url for fake in fakes], health, chance)
    return Retry(regions, RetryPolicy(most), clock.sleep, clock, lambda: 1.0)


def asked(fakes: list[FakeProvider]) -> list[int]:
    return [len(fake.requests) for fake in fakes]


def test_endpoints_share_the_work_over_runs(tmp_path: Path) -> None:
    with served(answer(), answer(), answer()) as fakes:
        chances = iter([0.1, 0.5, 0.9, 0.5, 0.1, 0.9, 0.9, 0.5, 0.1])
        for _ in range(3):
            backend = places(fakes, Health(None), Clock(), lambda: next(chances))
            for _ in range(2):
                collect(backend.stream(ASK))
            backend.close()
    assert asked(fakes) == [2, 2, 2], "each run keeps to one, and its connection"
    assert [fake.connections for fake in fakes] == [1, 1, 1]


@pytest.mark.parametrize(
    ("serve", "code"), [(error(503), "overloaded"), (error(429, retry_after="60"), "rate_limited")]
)
def test_a_sick_endpoint_is_left_out_for_a_while(tmp_path: Path, serve: Behaviour, code: str) -> None:
    path, clock = tmp_path / "health.json", Clock(1000.0)
    with served(serve, answer()) as fakes:
        told: list[str] = []
        for _ in range(6):
            health = Health(path, clock)
            backend = places(fakes, health, Clock())
            told += [one.text for one in backend.stream(ASK) if isinstance(one, Notice)]
            backend.close()
            health.save()
        before = asked(fakes)
        clock.now += 61
        backend = places(fakes, Health(path, clock), Clock())
        collect(backend.stream(ASK))
        backend.close()
    times = 1 if code == "rate_limited" else 3
    assert before == [times, 6] and asked(fakes) == [times + 1, 7]
    assert len([line for line in told if "; asking " in line]) == times
    assert len([line for line in told if "is left out for" in line]) == 6 - times
    seen = Health(path, clock).of(f"azure at {fakes[0].url}", "m")
    assert (seen.failed, seen.last_error) == (times, code)


def test_all_endpoints_sick_are_asked_as_often_as_promised(tmp_path: Path) -> None:
    for most in (1, 2, 3, 5):
        with served(error(503), error(503)) as fakes:
            clock = Clock()
            backend = places(fakes, Health(None), clock, most=most)
            with pytest.raises(ArawnError):
                list(backend.stream(ASK))
            backend.close()
        assert sum(asked(fakes)) == most and max(asked(fakes)) - min(asked(fakes)) <= 1


def test_a_switch_is_told_only_where_one_is_made(tmp_path: Path) -> None:
    with served(error(503), error(503)) as fakes:
        backend = places(fakes, Health(None), Clock(), most=1)
        events = []
        with pytest.raises(ArawnError):
            events.extend(backend.stream(ASK))
        backend.close()
    assert sum(asked(fakes)) == 1 and not [one for one in events if isinstance(one, Notice)]
