"""A batch that is killed and resumed: is a line lost, is one paid twice, how fast is it, does memory grow?

A service on the loopback (a process of its own) counts the requests of every id. `arawn batch` is killed with
SIGKILL at two random moments and run again each time. What was answered and written must not be asked again;
a request that was under way at a kill may be: those are counted, and there can be no more of them at a kill
than the width. Then a whole run is held against a plain httpx loop of the same width, which posts the same
bodies and writes the same answers, and the memory of the run at its end against that near its beginning. Exit
code 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import queue
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import ProxyHandler, build_opener

import common

SHARE = 0.8
"""Of the throughput of the plain loop."""
GROWTH = 1.15
"""Memory at most, as a multiple of that after a fifth of the lines: ids and their places are kept, 0.4 KiB a
line, and nothing else."""


class Service(asyncio.Protocol):
    """Answers with the last prompt after a while; counts requests by the first word of it, the id."""

    counts: dict[str, int] = {}
    delay = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, rest = self.data.partition(b"\r\n\r\n")
            lower = head.lower()
            at = lower.find(b"content-length:")
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            self.data = rest[length:]
            self.answer(head, rest[:length])

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /counts"):
            self.send(json.dumps(self.counts).encode())
            return
        said = json.loads(body)["messages"][-1]["content"]
        id = said.split(" ", 1)[0]
        self.counts[id] = self.counts.get(id, 0) + 1
        reply = {
            "id": "c", "object": "chat.completion", "model": "m-1",
            "choices": [{"index": 0, "message": {"content": f"echo {said}"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        }  # fmt: skip
        made = json.dumps(reply).encode()
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay * random.uniform(0.5, 1.5), self.send, made)
        else:
            self.send(made)

    def send(self, body: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
                body
            )
            self.transport.write(head + body)


async def serve(delay: float) -> None:
    Service.delay = delay
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def service(delay: float) -> Iterator[str]:
    """The address of a service in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--delay", str(delay)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def counts(url: str) -> dict[str, int]:
    """How often each id was asked."""
    with build_opener(ProxyHandler({})).open(f"{url}/counts", timeout=10) as reply:
        found: dict[str, int] = json.loads(reply.read())
    return found


def questions(path: Path, count: int) -> None:
    """A file of questions of some length."""
    filler = "Tell me in a sentence what this is about. " * 8
    with open(path, "w") as file:
        for number in range(count):
            file.write(json.dumps({"id": f"q{number}", "prompt": f"q{number} {filler}"}) + "\n")


def command(folder: Path, width: int) -> list[str]:
    return [
        *common.PROGRAM, "batch", str(folder / "in.jsonl"), "-o", str(folder / "out.jsonl"),
        "--concurrency", str(width), "--json", "-q",
    ]  # fmt: skip


class Killed(NamedTuple):
    """What came of a run that was killed: lines lost, asked again though written, and asked twice in all."""

    lost: int
    paid_twice: int
    asked_twice: int
    under_way: list[int]
    sorted: bool


def killed(folder: Path, count: int, width: int, delay: float, seed: int, kills: int = 2) -> Killed:
    """Kill a run at random moments, resume it, and count."""
    chance = random.Random(seed)
    questions(folder / "in.jsonl", count)
    out = folder / "out.jsonl"
    with service(delay) as url:
        env = common.environment(folder / "home", url)
        written: dict[str, int] = {}
        under_way = []
        for kill in range(kills):
            until = int(count * (kill + chance.uniform(0.2, 0.8)) / (kills + 1))
            process = subprocess.Popen(command(folder, width), env=env, stdout=subprocess.DEVNULL)
            while process.poll() is None and _lines(out) < until:
                time.sleep(0.002)
            assert process.poll() is None, "it ended before it was killed"
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(2 * delay + 0.1)  # what was under way reaches the service's count
            asked = counts(url)
            done = _ids(out)
            under_way.append(len(set(asked) - set(done)))
            written = {id: asked[id] for id in done} | written
        done_ = subprocess.run(command(folder, width), env=env, capture_output=True, check=False)
        assert done_.returncode == 0, done_.stderr
        asked = counts(url)
    ids = _ids(out)
    wanted = [f"q{number}" for number in range(count)]
    return Killed(
        len(set(wanted) - set(ids)),
        sum(asked[id] > before for id, before in written.items()),
        sum(times - 1 for times in asked.values()),
        under_way,
        ids == wanted,
    )


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def _ids(path: Path) -> list[str]:
    """The ids of the whole lines."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line)["id"] for line in lines]


class Whole(NamedTuple):
    """A run to its end: lines a second, and its memory in MiB after a fifth of the lines and at the end."""

    rate: float
    early: float
    late: float


def whole(folder: Path, count: int, width: int, url: str) -> Whole:
    """A run, and the memory it takes."""
    out = folder / "out.jsonl"
    out.unlink(missing_ok=True)
    env = common.environment(folder / "home", url)
    process = subprocess.Popen(command(folder, width), env=env, stdout=subprocess.PIPE, text=True)
    seen: list[tuple[int, float]] = []
    while process.poll() is None:
        seen.append((out.stat().st_size if out.exists() else 0, _memory(process.pid)))
        time.sleep(0.05)
    assert process.stdout is not None
    made = json.loads(process.stdout.read())
    process.stdout.close()
    assert made["answered"] == count, made
    size = out.stat().st_size
    early = [memory for at, memory in seen if at > size / 5] or [0.0]
    late = [memory for _, memory in seen if memory] or [0.0]
    return Whole(count / made["seconds"], early[0], max(late))


def _memory(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in text.splitlines() if line.startswith("VmRSS")]
    return int(found[0]) / 1024 if found else 0.0


def plain(folder: Path, width: int, url: str) -> float:
    """Lines a second of a plain httpx loop: a client a thread, the same bodies, the same answers written."""
    done = subprocess.run(
        [sys.executable, __file__, "--plain", url, "--folder", str(folder), "--concurrency", str(width)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(common.ROOT)},
    )  # fmt: skip
    return float(done.stdout)


def plain_loop(folder: Path, width: int, url: str) -> float:
    from arawn.backends.http_net import load_httpx

    httpx = load_httpx()
    todo: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    lock = threading.Lock()
    began = time.perf_counter()
    count = 0
    with open(folder / "in.jsonl") as asked_file:
        for line in asked_file:
            todo.put(line)
            count += 1
    for _ in range(width):
        todo.put(None)
    with open(folder / "plain.jsonl", "w") as out:

        def work() -> None:
            with httpx.Client(trust_env=False, timeout=60) as client:
                while (line := todo.get()) is not None:
                    asked = json.loads(line)
                    body = {"model": "m-1", "messages": [{"role": "user", "content": asked["prompt"]}]}
                    reply = client.post(
                        f"{url}/v1/chat/completions", json=body, headers={"authorization": "Bearer sk-x"}
                    )
                    reply.raise_for_status()
                    said = reply.json()
                    text = said["choices"][0]["message"]["content"]
                    made = json.dumps({"id": asked["id"], "text": text, "usage": said["usage"]}) + "\n"
                    with lock:
                        out.write(made)
                        out.flush()

        threads = [threading.Thread(target=work) for _ in range(width)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return count / (time.perf_counter() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds an answer takes, about")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--plain", metavar="URL")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.delay))
        return 0
    if args.plain:
        print(plain_loop(args.folder, args.concurrency, args.plain))
        return 0
    with tempfile.TemporaryDirectory() as name:
        return report(Path(name), args)


def report(folder: Path, args: argparse.Namespace) -> int:
    """Run everything and print it; 1 where a promise is broken."""
    print(f"{args.lines:,} lines, {args.concurrency} at a time, about {args.delay * 1000:.0f} ms an answer")
    broken = []
    came = killed(folder, args.lines, args.concurrency, args.delay, args.seed)
    print(
        f"killed {len(came.under_way)} times and resumed: {came.lost} lost, {came.paid_twice} asked again "
        f"though written, {came.asked_twice} asked again that were under way (at the kills: "
        f"{', '.join(map(str, came.under_way))})"
    )
    if came.lost or came.paid_twice or not came.sorted:
        broken.append("a line was lost, paid twice, or out of order")
    if any(at > args.concurrency for at in came.under_way):
        broken.append("more was under way than at a time")
    shares, growths = [], []
    for delay in (args.delay, 0.0):
        with service(delay) as url:
            for _ in range(args.runs):
                loop = plain(folder, args.concurrency, url)
                ours = whole(folder, args.lines, args.concurrency, url)
                shares.append(ours.rate / loop)
                growths.append(ours.late / ours.early if ours.early else 1.0)
                print(
                    f"delay {delay * 1000:3.0f} ms: {ours.rate:6.0f} lines/s, plain httpx {loop:6.0f}/s, "
                    f"share {shares[-1]:.2f}; memory {ours.early:.0f} MiB after a fifth, {ours.late:.0f} MiB "
                    "at most"
                )
    share = statistics.median(shares[: args.runs])
    print(f"median share {share:.2f}; without any delay {statistics.median(shares[args.runs :]):.2f}")
    if share < SHARE:
        broken.append(f"share {share:.2f} is below {SHARE}")
    if statistics.median(growths) > GROWTH:
        broken.append("memory grows")
    for line in broken:
        print(f"BROKEN: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
