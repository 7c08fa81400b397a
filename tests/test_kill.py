"""Processes that are killed, that start at once and that live long: the store and they themselves stay whole."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fake_provider import Conn, FakeProvider, openai_stream

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import common
import day
import kill

AT_ONCE = 16


def test_F_DB_03_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    tally = kill.kill(kills=50, processes=2, pairs=4, seed=7, folder=tmp_path)
    assert not tally.broken, "\n".join(tally.broken)
    assert sum(tally.kinds.values()) >= 50
    assert tally.counts["prompts that reached the service"] >= 30
    assert max(tally.lost_s) <= kill.ALLOWED_S


def test_F_DB_01_sixteen_first_runs_at_once(tmp_path: Path) -> None:
    def serve(conn: Conn) -> None:
        asked = conn.request.json["messages"][-1]["content"]
        openai_stream(["answer to ", asked])(conn)

    home = tmp_path / "home"
    with FakeProvider(serve) as fake:
        env = common.environment(home, fake.url)

        def ask(number: int) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*common.PROGRAM, "ask", f"question {number}"],
                env=env, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
            )  # fmt: skip

        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = list(pool.map(ask, range(AT_ONCE)))
    for number, one in enumerate(done):
        assert (one.returncode, one.stdout) == (0, f"answer to question {number}\n"), one.stderr
        assert "stored" not in one.stderr
        assert "waits" not in one.stderr
    listed = subprocess.run(
        [*common.PROGRAM, "session", "list", "--all", "--json"],
        env=env, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    titles = {info["title"] for info in json.loads(listed.stdout)}
    assert titles == {f"question {number}" for number in range(AT_ONCE)}
    assert not list(common.data_folder(home).glob("journal/*"))


def test_a_long_chat_stays_as_small_as_it_was() -> None:
    samples = day.live(hours=48, speed=0, lines=True, seed=1, tokens=90, every=1.0, limit=300)
    assert samples[-1].turns == 300
    table, wrong = day.judged(samples, warm=len(samples) // 5)
    assert not wrong, table
