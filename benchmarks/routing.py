"""Routing under faults, and what it costs without: the program's own objects against providers on loopback.

python benchmarks/routing.py                 # 1,000 asks under 30 % faults, then the overhead
python benchmarks/routing.py --rounds 1000   # steadier
"""

from __future__ import annotations

import argparse
import collections
import io
import itertools
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common import spread
from fake_provider import Conn, FakeProvider, json_reply, openai_stream, torn

from arawn.app import App
from arawn.backends.health import Health
from arawn.config.load import load
from arawn.engine import Conversation
from arawn.errors import ArawnError
from arawn.events import Attempt, Notice, Text
from arawn.ports import Backend
from arawn.render.status import Status

ID = re.compile(rb"ask-(\d{5})")
WHOLE = openai_stream(["This is ", "the answer."])
MOST_MS = 1.0
KINDS = {
    "with what is remembered": {},
    "with nobody left in peace": {"patient": True},
    "cut in the middle too": {"patient": True, "middle": True},
}


class Shaky:
    """A provider that fails so often, in one of the ways in which nothing was said yet, or in the middle."""

    def __init__(self, share: float, seed: int, middle: bool) -> None:
        self.faults = 0
        self.answered: collections.Counter[str] = collections.Counter()
        self._share = share
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        busy = {"error": {"message": "busy"}}
        self._ways = (json_reply(429, busy), json_reply(503, busy), json_reply(529, busy), torn(WHOLE, 0))
        if middle:
            self._ways = (*self._ways, torn(WHOLE, 1), torn(WHOLE, 2))

    def __call__(self, conn: Conn) -> None:
        with self._lock:
            fails = self._chance.random() < self._share
            way = self._chance.choice(self._ways)
            self.faults += fails
            if not fails:
                self.answered[ID.findall(conn.request.body)[-1].decode()] += 1
        (way if fails else WHOLE)(conn)


class Storm(NamedTuple):
    """What came of many asks: those answered whole, faults that were met, requests, answers given twice."""

    asks: int
    whole: int
    faults: int
    requests: int
    twice: int
    untold: int
    seconds: float


def program(folder: Path, urls: Sequence[str], more: str = "") -> App:
    """The program over a config of its own with the backends a, b, ... at these places."""
    names = "abc"[: len(urls)]
    others = ", ".join(f'"{name}"' for name in names[1:])
    path = folder / "config.toml"
    path.write_text(
        f'[llm]\nbackend = "a"\nfallback_backends = [{others}]\n{more}\n'
        + "".join(
            f'[backends.{name}]\nprovider = "custom"\nbase_url = "{url}/v1"\nmodel = "m-{name}"\n'
            for name, url in zip(names, urls, strict=True)
        )
    )
    env = {"HOME": str(folder)}
    config = load(env=env, cwd=None, config_file=str(path), flags=())
    return App(config, env, Status(io.StringIO(), False, True, False))


def storm(
    folder: Path,
    asks: int = 1000,
    share: float = 0.3,
    seed: int = 1,
    threads: int = 4,
    *,
    patient: bool = False,
    middle: bool = False,
) -> Storm:
    """Ask so often, two of three backends failing, one conversation for each ask.

    patient: as if 700 s passed between any two looks at the clock, so that nobody is left in peace for long
    and the faults are really met. middle: answers are cut in their middle too, and gone on with.
    """
    shaky = [Shaky(share, seed, middle), Shaky(share, seed + 1, middle), Shaky(0.0, seed, False)]
    done: list[tuple[bool, bool]] = []
    numbers = iter(range(asks))
    lock = threading.Lock()
    began = time.monotonic()
    with FakeProvider(shaky[0]) as a, FakeProvider(shaky[1]) as b, FakeProvider(shaky[2]) as c:
        urls = [a.url, b.url, c.url]

        def work(place: int) -> None:
            own = folder / f"home-{patient}-{middle}-{place}"
            own.mkdir()
            more = f'strategy = "round-robin"\nfallback.mid_stream = {str(middle).lower()}'
            app = program(own, urls, more)
            if patient:
                hours = itertools.count(1e9, 700)
                app._health = Health(None, lambda: next(hours))
            backend = app.open(None, None).backend
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    break
                done.append(ask(backend, f"ask-{number:05}"))
            backend.close()
            app.settle()

        running = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        requests = len(a.requests) + len(b.requests) + len(c.requests)
    answered = sum((one.answered for one in shaky), collections.Counter[str]())
    return Storm(
        asks,
        sum(whole for whole, _ in done),
        sum(one.faults for one in shaky),
        requests,
        sum(1 for count in answered.values() if count > 1),
        sum(not told for _, told in done),
        time.monotonic() - began,
    )


def ask(backend: Backend, prompt: str) -> tuple[bool, bool]:
    """One ask: whether its answer is whole, and whether every switch was told."""
    conversation = Conversation()
    text, failed, told = "", 0, 0
    try:
        for event in conversation.ask(backend, prompt):
            if isinstance(event, Text):
                text += event.text
            elif isinstance(event, Attempt):
                failed += event.error is not None
            elif isinstance(event, Notice):
                told += "; asking " in event.text or "; continued by " in event.text
    except ArawnError:
        return False, failed == told
    return text == "This is the answer.", failed == told


def overhead(folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each request to a backend alone, and to the same with two that stand in, in turn."""
    with FakeProvider(WHOLE) as a, FakeProvider(WHOLE) as b, FakeProvider(WHOLE) as c:
        urls = [a.url, b.url, c.url]
        for name in ("alone", "routed"):
            (folder / name).mkdir()
        alone = program(folder / "alone", urls).open("a", None).backend
        routed = program(folder / "routed", urls).open(None, None).backend
        spent: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds + 20):
            for place, backend in random.sample(list(enumerate((alone, routed))), 2):
                began = time.perf_counter()
                assert ask(backend, f"ask-{number:05}")[0]
                if number >= 20:
                    spent[place].append((time.perf_counter() - began) * 1000)
        alone.close()
        routed.close()
        assert not b.requests and not c.requests
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--asks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        good = True
        for name, how in KINDS.items():
            made = storm(Path(folder), given.asks, seed=given.seed, **how)
            good = good and made.whole == made.asks and not made.twice and not made.untold
            print(
                f"{name}: {made.whole} of {made.asks} asks answered, {made.twice} twice, {made.untold} "
                f"switches untold; {made.faults} faults in {made.requests} requests, {made.seconds:.1f} s"
            )
        alone, routed = overhead(Path(folder), given.rounds)
    more = statistics.median(after - before for before, after in zip(alone, routed, strict=True))
    print("ms a request         min    median       max")
    print(f"alone          {spread(alone)}")
    print(f"routed         {spread(routed)}")
    print(
        f"overhead {more:.3f} ms (median of pairs; at most {MOST_MS:g}), "
        f"ratio {statistics.median(routed) / statistics.median(alone):.3f}"
    )
    return 0 if good and more <= MOST_MS else 1


if __name__ == "__main__":
    sys.exit(main())
