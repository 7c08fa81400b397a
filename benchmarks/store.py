"""A store of 100,000 sessions of 10 turns: what do its size and its keeping cost?

Whole commands are timed in turn, with that store, with an empty one and with one that holds a single session
of 10 turns, so that a noisy machine is noisy for all. Exit code 1 where a promise is broken: listing and
opening the newest under 1.5 times the time of the small store, a search under 100 ms beyond the start, an
`ask` not slower by more than 2 ms.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import common
from start import Server, run

from arawn.events import Attempt, Usage
from arawn.messages import Message, TextPart, user
from arawn.session import MAIN, Receipt, Session, Turn
from arawn.store import trees
from arawn.store.care import stats
from arawn.store.sessions import Store

TURNS = 10
RARE, PHRASE = "kestrelwood", "数据库迁移"
FOLDER = "/home/someone/projects/thing"
SYLLABLES = "ba ko ri ten mal su der pi no va ler gin ta shu mo el ra fo ni can"
NEWEST = 1_790_000_000.0


class Words:
    """Texts of made-up words, as often as words are (Zipf); some with code, some in Chinese."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        words = {
            "".join(self._dice.choices(SYLLABLES.split(), k=self._dice.randint(1, 4))) for _ in range(40_000)
        }
        self.words = sorted(words, key=lambda word: (len(word), word))
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(self.words))))
        self.common = self.words[0]

    def text(self, least: int, most: int) -> str:
        """A text of so many words."""
        dice = self._dice
        said = " ".join(
            dice.choices(self.words, cum_weights=self._weights, k=dice.randint(least, most))
        ).capitalize()
        chance = dice.random()
        if chance < 0.03:
            letters = "".join(chr(0x4E00 + int(dice.expovariate(1 / 300))) for _ in range(30))
            return f"{letters[:15]}{PHRASE if chance < 0.001 else ''}{letters[15:]}。"
        if chance < 0.12:
            return f"{said}:\n\n```python\ndef {dice.choice(self.words)}(value):\n    return value + 1\n```\n"
        return f"{said}."


def sessions(count: int, seed: int) -> Iterator[Session]:
    """So many sessions, oldest first; the word RARE is in one of them."""
    words, dice = Words(seed), random.Random(seed)
    for number in range(count):
        session = Session(f"s{number:011d}")
        session.folder, session.created = f"{FOLDER}{number % 50}", NEWEST - (count - number) * 600.0
        for place in range(TURNS):
            answer = words.text(15, 80) + (f" {RARE}" if number == count // 3 and place == 4 else "")
            backend, model = dice.choice((("openai", "gpt-5.2"), ("claude", "claude-opus-4-5")))
            usage = Usage(dice.randint(50, 3000), dice.randint(20, 300), cached=0)
            attempt = Attempt(backend, model, 200, None, 0.0, 0.61, 2.4)
            receipt = Receipt(
                backend, backend, model, "stop", "stop", usage=usage, attempts=(attempt,), cost_usd=0.0021
            )
            said = (user(words.text(4, 20)), Message("assistant", (TextPart(answer),)))
            at = session.created + place * 30.0
            session.add(Turn(f"t{number:08d}{place:03d}", session.head, said, receipt, at, session.id))
        yield session


def fill(folder: Path, made: Iterator[Session]) -> None:
    """Put sessions into the store of a data folder, quickly."""
    store = Store(folder, print)
    store.db.connection.execute("PRAGMA synchronous = OFF")
    store.db.connection.execute("PRAGMA cache_size = -400000")
    batch: list[Session] = []

    def put() -> None:
        with store.db.writing() as db:
            for session in batch:
                row = trees.session_row(db, session, "")
                for turn in session.turns.values():
                    trees.put_turn(db, row, turn)
                trees.put_heads(db, row, session)
        batch.clear()

    for session in made:
        session.branch = MAIN
        batch.append(session)
        if len(batch) >= 2000:
            put()
            print(f"\r{session.id}", end="", file=sys.stderr, flush=True)
    put()
    store.db.empty_log()
    store.close()
    print(file=sys.stderr)


class Bench:
    """Times commands in the homes of a folder, in turn."""

    def __init__(self, folder: Path, server: Server, count: int, seed: int) -> None:
        self.server = server
        self.env: dict[str, dict[str, str]] = {}
        self.data: dict[str, Path] = {}
        self.table: dict[str, dict[str, list[float]]] = {}
        for name in ("full", "one", "empty"):
            home = folder / name
            self.env[name] = common.environment(home, server.url)
            self.data[name] = common.data_folder(home)
        began = time.monotonic()
        if not self.data["full"].exists():
            fill(self.data["full"], sessions(count, seed))
            print(f"{count} sessions made in {time.monotonic() - began:.0f} s")
        for name, number in (("one", 1), ("empty", 0)):
            shutil.rmtree(self.data[name], ignore_errors=True)
            fill(self.data[name], sessions(number, seed))

    def measure(self, commands: dict[str, tuple[str, list[str]]], rounds: int) -> None:
        """Run each command (home, arguments) `rounds` times after one that does not count."""
        for number in range(rounds + 1):
            order = list(commands.items())
            for name, (home, args) in order if number % 2 else reversed(order):
                asks = args[0] == "ask"
                self.server.pause = 0.4 if name.startswith("slow") else 0.02
                start, seen, end = run([*common.PROGRAM, *args], self.env[home])
                if not number:
                    continue
                row = self.table.setdefault(name, {})
                row.setdefault("whole", []).append((end - start) / 1e6)
                if asks:
                    row.setdefault("first token", []).append(
                        (seen - start - (self.server.stamps["first"] - self.server.stamps["request"])) / 1e6
                    )
                    row.setdefault("to request", []).append((self.server.stamps["request"] - start) / 1e6)
                    row.setdefault("end to exit", []).append((end - self.server.stamps["end"]) / 1e6)

    def median(self, name: str, what: str = "whole") -> float:
        """In milliseconds."""
        return statistics.median(self.table[name][what])

    def beyond(self, one: str, other: str, what: str = "whole") -> float:
        """How much the first quartile is higher: what else the machine does makes the rest of them slow."""
        first, second = (statistics.quantiles(self.table[name][what], n=4)[0] for name in (one, other))
        return first - second


def commands() -> dict[str, tuple[str, list[str]]]:
    """What is timed: a name, a home, arguments."""
    words = Words(1)
    return {
        "list, full": ("full", ["session", "list"]),
        "list, empty": ("empty", ["session", "list"]),
        "show newest, full": ("full", ["session", "show"]),
        "show newest, one": ("one", ["session", "show"]),
        "search rare word": ("full", ["session", "search", RARE]),
        "search common word": ("full", ["session", "search", words.common]),
        "search common words": ("full", ["session", "search", *words.words[:3]]),
        "search beginning": ("full", ["session", "search", words.words[100][:3] + "*"]),
        "search phrase": ("full", ["session", "search", f"{words.words[0]} {words.words[1]}"]),
        "search CJK phrase": ("full", ["session", "search", PHRASE]),
        "search nothing": ("full", ["session", "search", "thiswordisnowhere"]),
        "search before a time": ("full", ["session", "search", "--until", "2025-10-10", words.common]),
        "search filtered": ("full", ["session", "search", "--role", "user", "--by", "nobody", words.common]),
    }


def asks() -> dict[str, tuple[str, list[str]]]:
    """The same for questions."""
    return {
        "ask, full": ("full", ["ask", "hi"]),
        "ask, empty": ("empty", ["ask", "hi"]),
        "ask --no-store": ("empty", ["ask", "--no-store", "hi"]),
        "ask -c, full": ("full", ["ask", "-c", "hi"]),
        "ask -c, one": ("one", ["ask", "-c", "hi"]),
    }


def slow_asks() -> dict[str, tuple[str, list[str]]]:
    """Questions whose answer takes as long as answers do."""
    return {
        "slow ask, full": ("full", ["ask", "hi"]),
        "slow ask, empty": ("empty", ["ask", "hi"]),
        "slow ask --no-store": ("empty", ["ask", "--no-store", "hi"]),
    }


def judged(bench: Bench) -> list[str]:
    """Print what is promised beside what was measured; returns what is broken."""
    wrong = []

    def promise(what: str, value: float, most: float, unit: str) -> None:
        print(f"{what:<58}{value:>8.2f} {unit:<3} (promised: {most:g})")
        if value > most:
            wrong.append(what)

    for what, mine, other in (
        ("session list / that of an empty store", "list, full", "list, empty"),
        ("session show / that of a single session", "show newest, full", "show newest, one"),
        ("ask -c / that of a single session", "ask -c, full", "ask -c, one"),
    ):
        promise(what, bench.median(mine) / bench.median(other), 1.5, "x")
    for name in bench.table:
        if name.startswith("search"):
            promise(f"{name} beyond session list", bench.beyond(name, "list, full"), 100, "ms")
    for name in ("ask", "slow ask"):
        # The rest of a run is the service's, and what else the machine does.
        for what in ("first token", "end to exit"):
            value = bench.beyond(f"{name}, full", f"{name}, empty", what)
            promise(f"{name}, full beyond empty: {what}", value, 2, "ms")
    for name in ("ask", "slow ask"):
        for what in ("whole", "first token", "end to exit"):
            value = bench.beyond(f"{name}, empty", f"{name} --no-store", what)
            print(f"{f'{name} beyond {name} --no-store: {what}':<58}{value:>8.2f} ms")
    return wrong


def main() -> int:
    """Make the store where it is missing, measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the store here, and use it if it is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as fleeting:
        folder = given.folder or Path(fleeting)
        bench = Bench(folder, Server(), given.sessions, given.seed)
        store = Store(bench.data["full"], print)
        counts = stats(store)
        store.close()
        os.chdir(folder)
        bench.measure(commands(), given.runs)
        bench.measure(asks(), 2 * given.runs)
        bench.measure(slow_asks(), given.runs)
    size, text = counts["bytes"] / 1e6, counts["text_bytes"] / 1e6
    print(
        f"{counts['sessions']:,} sessions, {counts['turns']:,} turns: {size:,.0f} MB for {text:,.0f} MB of "
        f"text, {size / text:.2f} times"
    )
    print(f"{'ms, ' + str(given.runs) + ' runs':<34}{'min':>9} {'median':>9} {'max':>9}")
    for name, row in bench.table.items():
        for what, values in row.items():
            print(f"{name + ': ' + what:<34}{common.spread(values)}")
    wrong = judged(bench)
    for line in wrong:
        print(f"FAILED {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
