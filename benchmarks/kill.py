"""SIGKILL at random moments, over processes that share a store: what of what was said is lost?

A service on the loopback streams numbered words and notes when each left. `arawn ask`, `ask -c` into one
session, and `chat` (fed with lines, and on a terminal) are killed while they start, stream and store, and so
are `session list` and `session delete`. After each kill the store must hold every prompt whose request had
reached the service, every word sent a second before, every turn that was seen to end, whole; it must be
sound, and nobody may have printed a traceback. Exit code 1 where one of these promises is broken.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import common
from fake_provider import Conn, FakeProvider, sse

from arawn.store.care import check
from arawn.store.sessions import Store

PACE_S = 0.02
ALLOWED_S = 1.0
TAKEN_IN_S = 5.0
"""How long another process may hold a turn that it takes in."""
KEY = re.compile(r"q-\d+-\d+-\d+-(\d+)-end")
PASTES = b"\x1b[?2004h"
"""Marks of pastes are asked for twice a turn: at the prompt, and while an answer comes."""
KINDS = {"ask": 5, "continue": 5, "chat": 3, "terminal": 2, "list": 1, "delete": 2}
MOMENTS = {"stream": 14, "start": 2, "end": 4, "never": 1}
ROWS = """
SELECT p.text, coalesce(a.text, ''), t.unfinished, s.name FROM turn t
JOIN session s ON s.id = t.session
JOIN said x ON x.turn = t.id AND x.place = 0 JOIN message p ON p.id = x.message
LEFT JOIN said y ON y.turn = t.id AND y.place = 1 LEFT JOIN message a ON a.id = y.message"""


def answer(key: str) -> list[str]:
    """The words that a question is answered with; it says how many."""
    found = KEY.search(key)
    assert found is not None
    return [f"w{number} " for number in range(int(found[1]))]


def prompts(shown: bytes) -> int:
    """How often the editor has begun a line on a terminal."""
    return (shown.count(PASTES) + 1) // 2


class Service:
    """Streams at a known pace. `came` is when a question arrived, `sent` when each word had left."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}
        self.sent: dict[str, list[float]] = {}
        self.over: set[str] = set()
        self.moved = threading.Condition()

    def __call__(self, conn: Conn) -> None:
        now = time.monotonic()
        key = [m[0] for m in KEY.finditer(json.dumps(conn.request.json["messages"][-1]))][-1]
        with self.moved:
            self.came.setdefault(key, now)
            sent = self.sent[key] = []
            self.moved.notify_all()
        conn.head()
        for word in answer(key):
            conn.chunk(sse({"choices": [{"index": 0, "delta": {"content": word}}]}))
            sent.append(time.monotonic())
            time.sleep(PACE_S)
        conn.chunk(sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        conn.chunk(b"data: [DONE]\n\n")
        conn.end()
        with self.moved:
            self.over.add(key)
            self.moved.notify_all()


class Tally:
    """What was found, over all stores."""

    def __init__(self, kills: int) -> None:
        self.lock = threading.Lock()
        self.left = kills
        self.kinds: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.lost_s: list[float] = []
        self.broken: list[str] = []

    def break_(self, what: str, told: str) -> None:
        """A promise that was not kept."""
        with self.lock:
            self.counts[what] += 1
            self.broken.append(f"{what}: {told}")

    def killed(self, what: str) -> None:
        """One more."""
        with self.lock:
            self.left -= 1
            self.kinds[what] += 1


class Run:
    """One process. What it prints goes to a file, or through a terminal of its own into one."""

    def __init__(self, home: Home, kind: str, args: list[str], keys: list[str], name: str) -> None:
        self.kind, self.keys = kind, keys
        self.out, self.err = home.path / f"{name}.out", home.path / f"{name}.err"
        self._master = -1
        cwd = home.path / ("shared" if kind == "continue" else "own")
        cwd.mkdir(exist_ok=True)
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            if kind == "terminal":
                self._master, slave = pty.openpty()
                self.process = subprocess.Popen(
                    [*common.PROGRAM, *args],
                    env=home.env,
                    cwd=cwd,
                    stdin=slave,
                    stdout=slave,
                    stderr=slave,
                    start_new_session=True,
                )
                os.close(slave)
                self._drainer = threading.Thread(target=self._drain, daemon=True)
                self._drainer.start()
                return
            self.process = subprocess.Popen(
                [*common.PROGRAM, *args], env=home.env, cwd=cwd, stdin=subprocess.PIPE, stdout=out, stderr=err
            )
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("".join(f"{key}\n" for key in keys).encode() if kind == "chat" else b"")
            self.process.stdin.close()

    def _drain(self) -> None:
        """Types the next question whenever a prompt is drawn; asked where the cursor is, tells it."""
        lines = [*self.keys, "/quit"]
        typed, shown = 0, b""
        with open(self.out, "ab", buffering=0) as out:
            while True:
                try:
                    data = os.read(self._master, 65536)
                except OSError:
                    break
                if not data:
                    break
                out.write(data)
                shown += data
                with contextlib.suppress(OSError):
                    os.write(self._master, b"\x1b[1;1R" * data.count(b"\x1b[6n"))
                    if typed < min(len(lines), prompts(shown)):
                        os.write(self._master, lines[typed].encode() + b"\r")
                        typed += 1

    def ended(self) -> list[str]:
        """The questions that were seen to be answered to the end, by now."""
        if self.process.poll() == 0:
            return list(self.keys)
        shown = self.out.read_bytes()
        if self.kind == "terminal":  # the editor comes back when a turn is stored
            return self.keys[: max(0, prompts(shown) - 1)]
        return self.keys[: shown.count(b"\n")]

    def kill(self) -> float | None:
        """End it; when that was, None where it had ended by itself."""
        now = time.monotonic()
        alive = self.process.poll() is None
        if alive:
            self.process.kill()
        self.process.wait()
        if self._master >= 0:
            self._drainer.join(5)
            os.close(self._master)
        return now if alive else None


class Home:
    """A store, the processes over it, and what it must hold."""

    def __init__(self, path: Path, number: int, service: Service, url: str, tally: Tally, seed: int) -> None:
        self.path, self.number, self.service, self.tally = path, number, service, tally
        path.mkdir()
        self.env = common.environment(path, url)
        self.data = common.data_folder(path)
        self._lock = threading.Lock()
        self._asked = 0
        self._dice = random.Random(seed)
        self._held: dict[str, tuple[int, bool]] = {}
        """What was found of each question whose process is gone: words of its answer, whether it ended."""
        self._where: dict[str, str] = {}
        self._doomed: set[str] = set()
        self._alive: Counter[str] = Counter()

    def live(self, slot: int) -> None:
        """Start and kill until there were enough."""
        while self.tally.left > 0:
            with self._lock:
                run, moment = self._start(slot)
                self._alive[run.kind] += 1
            if moment == "never":
                run.process.wait(60)
            else:
                self._wait(run, moment)
            ended = run.ended()
            when = run.kill()
            if when is not None:
                self.tally.killed(run.kind if run.kind in ("list", "delete") else moment)
            elif run.process.returncode != 0:
                self.tally.break_("runs that failed", f"{run.kind}: {self._said_by(run)}")
            with self._lock:
                self._alive[run.kind] -= 1
                self._judge(run, when, ended if when is not None else list(run.keys))
            for path in (run.out, run.err):
                if b"Traceback" in path.read_bytes():
                    self.tally.break_("tracebacks", self._said_by(run))
                path.unlink()

    def _said_by(self, run: Run) -> str:
        """The end of what a run left behind for people to read."""
        crash = self.path / ".local" / "state" / "arawn" / "crash.txt"
        texts = [path.read_text(errors="replace") for path in (run.out, run.err, crash) if path.exists()]
        return "\n".join([f"exit code {run.process.returncode}", *(text[-600:] for text in texts)])

    def _start(self, slot: int) -> tuple[Run, str]:
        """The next process, and the moment at which to end it.

        What is said in a session just when it is deleted goes with it: no promise is broken by that, so
        nobody goes on in a session while one is deleted.
        """
        dice = self._dice
        kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
        moment = dice.choices(list(MOMENTS), list(MOMENTS.values()))[0]
        self._asked += 1
        name = f"r{self._asked}"
        spoken = any(ended for _, ended in self._held.values())
        if kind == "continue" and (self._alive["delete"] or not spoken):
            kind = "ask"
        alone = [k for k, s in self._where.items() if list(self._where.values()).count(s) == 1]
        found = [key for key in alone if key not in self._doomed]
        if kind == "delete" and (self._alive["continue"] or not found):
            kind = "list"
        if kind == "list":
            return Run(self, kind, ["session", "list"], [], name), "start"
        if kind == "delete":
            self._doomed.add(key := dice.choice(found))
            return Run(self, kind, ["session", "delete", "--yes", self._where[key]], [key], name), "start"
        count = {"chat": 3, "terminal": 2}.get(kind, 1)
        keys = [
            f"q-{self.number}-{slot}-{self._asked * 4 + turn}-{dice.randint(5, 150)}-end"
            for turn in range(count)
        ]
        args = {"ask": ["ask", *keys], "continue": ["ask", "-c", *keys]}.get(kind, ["chat"])
        return Run(self, kind, args, keys, name), moment

    def _wait(self, run: Run, moment: str) -> None:
        """Until the moment of the kill has come, or the process has ended."""
        dice = self._dice
        if moment == "start":
            until = time.monotonic() + dice.uniform(0, 0.4)
        else:
            key = dice.choice(run.keys)
            marks = self.service.came if moment == "stream" else self.service.over
            with self.service.moved:
                self.service.moved.wait_for(lambda: key in marks or run.process.poll() is not None, 20)
            whole = len(answer(key)) * PACE_S * 1.1
            until = time.monotonic() + (
                dice.uniform(0, whole) if moment == "stream" else dice.uniform(0, 0.1)
            )
        while time.monotonic() < until and run.process.poll() is None:
            time.sleep(min(0.005, max(0.0, until - time.monotonic())))

    def _judge(self, run: Run, when: float | None, ended: list[str]) -> None:
        """Hold the store against what went before; the next to open it takes in what was left."""
        rows = self._rows()
        until = time.monotonic() + TAKEN_IN_S
        due = {key for key in run.keys if key in self.service.came and run.kind != "delete"}
        while due - {prompt for prompt, *_ in rows} and time.monotonic() < until:
            time.sleep(0.05)  # the other process may be taking it in just now
            rows = self._rows()
        found: dict[str, tuple[str, bool, str]] = {}
        for prompt, text, unfinished, session in rows:
            if prompt in found:
                self.tally.break_("turns stored twice", prompt)
            found[prompt] = text, not unfinished, session
        if run.kind == "delete":
            self._judge_deletion(run, when, found)
        else:
            for key in run.keys:
                if key in self.service.came:
                    self._judge_turn(key, when, key in ended, found)
        for key, (words, whole) in self._held.items():
            text, is_whole, _ = found.get(key, ("", False, ""))
            less = key not in found or len(text.split()) < words or (whole and not is_whole)
            if less and key not in self._doomed:
                self.tally.break_("turns lost later", f"{key} in {self.data}")

    def _rows(self) -> list[tuple[str, str, int, str]]:
        """What the store holds, which must be sound; opening it takes in what was left behind."""
        told: list[str] = []
        store = Store(self.data, told.append)
        try:
            for problem in [*check(store), *told]:
                self.tally.break_("corrupt stores", f"{self.data}: {problem}")
            return store.read(lambda db: db.execute(ROWS).fetchall())
        finally:
            store.close()

    def _judge_turn(
        self, key: str, when: float | None, ended: bool, found: dict[str, tuple[str, bool, str]]
    ) -> None:
        tally, sent = self.tally, self.service.sent[key]
        tally.counts["prompts that reached the service"] += 1
        if key not in found:
            tally.break_("prompts lost", key)
            return
        text, whole, session = found[key]
        words = answer(key)
        got = len(text.split())
        if text.rstrip() != "".join(words[:got]).rstrip():
            tally.break_("answers that are not what was sent", f"{key}: {text!r}")
        if ended or when is None:
            tally.counts["turns seen to end"] += 1
            if got < len(words) or not whole:
                tally.break_("finished turns lost", f"{key}: {got} of {len(words)} words, whole: {whole}")
        elif got < len(sent) and sent[got] < when:
            age = when - sent[got]
            tally.lost_s.append(age)
            if age > ALLOWED_S:
                tally.break_("answers cut by more than a second", f"{key}: {age:.2f} s")
        else:
            tally.lost_s.append(0.0)
        self._held[key] = got, whole
        self._where[key] = session

    def _judge_deletion(self, run: Run, when: float | None, found: dict[str, tuple[str, bool, str]]) -> None:
        """All of it is gone or nothing is."""
        key = run.keys[0]
        words, whole = self._held[key]
        if key not in found:
            del self._held[key], self._where[key]
            return
        if when is None:
            self.tally.break_("deletions that left something", key)
        if len(found[key][0].split()) != words or found[key][1] != whole:
            self.tally.break_("deletions half done", key)
        self._doomed.discard(key)


def finish(home: Home) -> None:
    """What the program itself says of a store after all of it."""
    for args in (["session", "check"], ["session", "list", "--all", "--json"]):
        done = subprocess.run(
            [*common.PROGRAM, *args], env=home.env, cwd=home.path, capture_output=True, text=True, check=False
        )
        if done.returncode or done.stderr:
            home.tally.break_("corrupt stores", f"{args}: {done.stdout}{done.stderr}")
    left = [p.name for p in home.data.rglob("*") if p.suffix in (".jsonl", ".broken") or ".corrupt" in p.name]
    if left:
        home.tally.break_("journals left", f"{home.data}: {left}")


def kill(kills: int, processes: int, pairs: int, seed: int, folder: Path) -> Tally:
    """Kill so often, over so many stores that each have so many processes at once."""
    tally, service = Tally(kills), Service()
    with FakeProvider(service) as fake:
        homes = [Home(folder / f"home{n}", n, service, fake.url, tally, seed + n) for n in range(pairs)]
        threads = [
            threading.Thread(target=home.live, args=(slot,)) for home in homes for slot in range(processes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for home in homes:
            finish(home)
    return tally


def main() -> int:
    """Kill and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2, help="at once, over one store")
    parser.add_argument("--stores", type=int, default=2 * (os.cpu_count() or 1), help="at once")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill(given.kills, given.processes, given.stores, given.seed, Path(folder))
    print(
        f"{sum(tally.kinds.values())} kills in {time.monotonic() - began:.0f} s over {given.stores} stores "
        f"of {given.processes} processes at once (seed {given.seed}): "
        + ", ".join(f"{count} {kind}" for kind, count in tally.kinds.most_common())
    )
    for name in ("prompts that reached the service", "prompts lost", "turns seen to end"):
        print(f"{name:<36}{tally.counts[name]:>8}")
    for name in ("finished turns lost", "corrupt stores", "tracebacks", "runs that failed"):
        print(f"{name:<36}{tally.counts[name]:>8}")
    lost = tally.lost_s or [0.0]
    print(f"{'text lost, greatest':<36}{max(lost):>8.2f} s (median {statistics.median(lost):.2f} s)")
    for line in tally.broken[:10]:
        print(f"FAILED {line}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
