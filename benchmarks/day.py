"""A day of chat, a hundred times as fast: does one process stay as small as it was?

A real `arawn chat` on a terminal (or fed with lines) gets turns in the rhythm of a day: bursts, pauses, a
night. Memory, open files and threads are read from /proc between the turns. Exit code 1 where memory grows
by more than 20 MB after the first hour, or the number of open files or threads does.
"""

from __future__ import annotations

import argparse
import os
import pty
import random
import select
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import common
from fake_provider import Conn, FakeProvider, openai_stream, sse

TEXT = "the river bends where old stones lie and every answer finds its way home under quiet light"
WORDS = TEXT.split()
CODE = """
```python
def area(width: float, height: float) -> float:
    return width * height
```
"""
GROWTH_MB = 20.0
NIGHT = (9, 16)  # hours of the day, which begins as the person comes
PASTE_ON, PASTE_OFF = b"\x1b[?2004h", b"\x1b[?2004l"  # the editor sends them as it begins and ends a line
COMMANDS = ("/tree", "/session", "/undo", "/retry", "/search river", "/fork", "/branch")


class Sample(NamedTuple):
    """hours: into the day. Memory in MB; open files; threads; turns until then."""

    hours: float
    memory: float
    files: int
    threads: int
    turns: int


class Service:
    """Answers in Markdown of some hundred words, quickly; a few times it fails as services do."""

    def __init__(self, seed: int, tokens: int) -> None:
        self.done = threading.Event()
        self._random = random.Random(seed)
        self._tokens = tokens

    def __call__(self, conn: Conn) -> None:
        chance = self._random.random()
        words = self._random.choices(WORDS, k=self._random.randint(self._tokens // 3, self._tokens))
        pieces = ["## An answer\n\n", *(f"{word} " for word in words), CODE, "and that is all."]
        try:
            if chance < 0.01:
                conn.head(503, "application/json", 2, retry_after="0")
                conn.send(b"{}")
                return
            whole = openai_stream(pieces, usage={"prompt_tokens": 900, "completion_tokens": len(pieces)})
            if chance < 0.03:  # torn in the middle
                conn.head()
                conn.chunk(b"".join(whole.events[: len(whole.events) // 2]))
                conn.sock.close()
            else:
                conn.head()
                for at in range(0, len(whole.events), 20):
                    conn.chunk(b"".join(whole.events[at : at + 20]))
                    time.sleep(0.002)
                conn.chunk(sse({"choices": []}))
                conn.end()
        finally:
            self.done.set()


class OnTerminal:
    """A chat on a pseudo terminal, whose questions about the cursor are answered."""

    def __init__(self, argv: list[str], env: dict[str, str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=folder, start_new_session=True
        )
        os.close(slave)
        self._tail = b""
        self._seen = threading.Condition()
        self._drainer = threading.Thread(target=self._drain, daemon=True)
        self._drainer.start()
        self._ready(30)

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            for _ in range(data.count(b"\x1b[6n")):
                os.write(self._master, b"\x1b[1;1R")
            if b"Traceback" in data:
                sys.stderr.write(data.decode("utf-8", "replace"))
            with self._seen:
                self._tail = (self._tail + data)[-4096:]
                self._seen.notify_all()

    def _ready(self, seconds: float) -> None:
        """Until a fresh prompt stands there and nothing more is drawn."""
        end = time.monotonic() + seconds
        with self._seen:
            while time.monotonic() < end:
                _, _, fresh = self._tail.rpartition(PASTE_OFF)
                drawn = PASTE_ON in fresh and b"arawn>" in fresh
                if not self._seen.wait(0.05) and drawn:
                    return
        raise TimeoutError(f"no prompt; the terminal shows {self._tail[-500:]!r}")

    def say(self, text: str) -> None:
        """Type a line, and clear one that is there."""
        with self._seen:
            self._tail = b""
        os.write(self._master, b"\x15" + text.encode() + b"\r")

    def settled(self) -> None:
        """Until the next prompt."""
        self._ready(60)

    def close(self) -> None:
        """End it and let go of its terminal."""
        self.process.kill()
        self.process.wait()
        self._drainer.join(5)
        os.close(self._master)


class OnPipes:
    """A chat that is fed with lines; what it prints to `/session` tells that it is done."""

    def __init__(self, argv: list[str], env: dict[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=folder
        )

    def say(self, text: str) -> None:
        """Give it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def settled(self) -> None:
        """Until it has answered all that was said."""
        assert self.process.stdout is not None
        self.say("/nothing-of-that-name")
        got = b""
        while b"nothing-of-that-name" not in got:
            if not select.select([self.process.stdout], [], [], 60)[0]:
                raise TimeoutError(f"no answer; so far {got[-500:]!r}")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise EOFError(f"the chat ended; it said {got[-500:]!r}")
            got += piece
        if b"Traceback" in got:
            sys.stderr.write(got.decode("utf-8", "replace"))

    def close(self) -> None:
        """End it and let go of its pipes."""
        self.process.kill()
        self.process.communicate()


def look(pid: int, hours: float, turns: int) -> Sample:
    """What a process holds now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    memory = int(status["VmRSS"].split()[0]) / 1024
    return Sample(hours, memory, len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]), turns)


def rhythm(hours: float, seed: int) -> list[tuple[float, str]]:
    """(second of the day, what is said): bursts of turns, pauses between them, a night of seven hours."""
    dice = random.Random(seed)
    made: list[tuple[float, str]] = []
    at = 60.0
    while at < hours * 3600:
        if NIGHT[0] < (at / 3600) % 24 < NIGHT[1]:
            at = at // 86400 * 86400 + NIGHT[1] * 3600 + 60
            continue
        if dice.random() < 0.6:
            made.append((at, "/clear"))
        for _ in range(min(30, 1 + int(dice.expovariate(1 / 8)))):
            text = " ".join(dice.choices(WORDS, k=dice.randint(4, 40)))
            made.append((at, f"{text} {len(made)}?"))
            at += min(300.0, dice.lognormvariate(3.6, 0.8))
            if dice.random() < 0.15:
                made.append((at, dice.choice(COMMANDS)))
        at += dice.expovariate(1 / 1200)
    return [(when, text) for when, text in made if when < hours * 3600]


def live(
    hours: float, speed: float, lines: bool, seed: int, tokens: int, every: float, limit: int = 0
) -> list[Sample]:
    """The samples of such a day, at most `limit` turns of it; speed 0 waits for nothing but the answers."""
    service = Service(seed, tokens)
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder, FakeProvider(service) as fake:
        home = Path(folder)
        env = common.environment(home, fake.url)
        chat = (OnPipes if lines else OnTerminal)([*common.PROGRAM, "chat"], env, home)
        began, turns, shown = time.monotonic(), 0, 0.0
        try:
            for at, text in rhythm(hours, seed):
                while speed and (left := at / speed - (time.monotonic() - began)) > 0:
                    time.sleep(min(left, every))
                    samples.append(look(chat.process.pid, (time.monotonic() - began) * speed / 3600, turns))
                service.done.clear()
                fake.requests.clear()
                chat.say(text)
                if not text.startswith("/"):
                    turns += 1
                    service.done.wait(60)
                chat.settled()
                samples.append(look(chat.process.pid, at / 3600, turns))
                if at / 3600 - shown >= 1:
                    shown = at / 3600
                    print(f"hour {shown:5.1f}: {samples[-1]}", file=sys.stderr, flush=True)
                if limit and turns >= limit:
                    break
            while speed and (left := hours * 3600 / speed - (time.monotonic() - began)) > 0:
                time.sleep(min(left, every))
                samples.append(look(chat.process.pid, (time.monotonic() - began) * speed / 3600, turns))
        finally:
            chat.close()
    return samples


def judged(samples: list[Sample], warm: int) -> tuple[str, list[str]]:
    """A table of what was measured after the first `warm` samples, and what of it is not as promised."""
    rest = samples[warm:]
    tenth = max(1, len(rest) // 10)
    rows, wrong = [f"{'':<12}{'first':>9}{'last':>9}{'greatest':>10}{'a turn':>10}"], []
    for name, column in (("memory MB", 1), ("open files", 2), ("threads", 3)):
        values = [float(sample[column]) for sample in rest]
        first, last = statistics.median(values[:tenth]), statistics.median(values[-tenth:])
        turns = [float(sample.turns) for sample in rest]
        slope = statistics.linear_regression(turns, values).slope if len(set(turns)) > 1 else 0.0
        rows.append(f"{name:<12}{first:>9.1f}{last:>9.1f}{max(values):>10.1f}{slope:>10.4f}")
        grown = max(values) - first if column == 1 else last - first
        if grown > (GROWTH_MB if column == 1 else 0):
            wrong.append(f"{name}: grew by {grown:.1f}")
    return "\n".join(rows), wrong


def main() -> int:
    """Live the day and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--speed", type=float, default=100.0, help="0: as fast as the answers come")
    parser.add_argument("--lines", action="store_true", help="feed lines through a pipe, without a terminal")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    samples = live(given.hours, given.speed, given.lines, given.seed, 700, 1.0)
    warm = sum(sample.hours < given.hours / 24 for sample in samples)
    table, wrong = judged(samples, warm)
    print(
        f"{given.hours:g} h at {given.speed:g} times the speed in {time.monotonic() - began:.0f} s: "
        f"{samples[-1].turns} turns, {len(samples)} samples, {warm} of them before the count"
    )
    print(table)
    for line in wrong:
        print(f"FAILED {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
