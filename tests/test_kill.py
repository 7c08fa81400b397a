"""Processes that are killed, that start at once and that live long: the store and they themselves stay whole."""

from __future__ import annotations

import sys
from pathlib import Path

from fake_provider import FakeProvider

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import day
import first
import kill


def test_F_DB_03_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    tally = kill.kill(kills=50, processes=2, pairs=4, seed=7, folder=tmp_path)
    assert not tally.broken, "\n".join(tally.broken)
    assert sum(tally.kinds.values()) >= 50
    assert tally.counts["prompts that reached the service"] >= 30
    assert max(tally.lost_s) <= kill.ALLOWED_S


def test_F_DB_01_sixteen_first_runs_at_once(tmp_path: Path) -> None:
    with FakeProvider(first.serve) as fake:
        assert first.at_once(tmp_path / "home", fake.url, 16) == []
        assert len(fake.requests) == 16


def test_a_long_chat_stays_as_small_as_it_was() -> None:
    samples = day.live(hours=48, speed=0, lines=True, seed=1, tokens=90, every=1.0, limit=300)
    assert samples[-1].turns == 300
    table, wrong = day.judged(samples, warm=len(samples) // 5)
    assert not wrong, table
