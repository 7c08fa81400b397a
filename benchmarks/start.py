"""Times whole runs: start to request, first token to visible, end of answer to exit, `--version`.

A loopback server stamps when the request is whole and when each token leaves; this process stamps when the
bytes arrive on the pipe. One clock (CLOCK_MONOTONIC) serves both.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
FIRST, LAST = "Kestrel", "Omega"
CONFIG = (
    '[llm]\nbackend = "fake"\n[backends.fake]\nprovider = "custom"\nbase_url = "{url}/v1"\n'
    'model = "m"\napi_key = "sk-bench-0123456789"\n'
)


class Server:
    """Answers every POST with two tokens as server-sent events; the stamps of the last request are kept.

    `pause`: seconds before each token.
    """

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.stamps: dict[str, int] = {}
        self.pause = 0.02
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            conn, _ = self.socket.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._answer(conn)
            conn.close()

    def _answer(self, conn: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += conn.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = [line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:]]
        length = int(dict(lines).get(b"content-length", b"0"))
        while len(body) < length:
            body += conn.recv(65536)
        self.stamps["request"] = time.monotonic_ns()
        conn.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        time.sleep(self.pause)
        self.stamps["first"] = time.monotonic_ns()
        conn.sendall(self._event({"content": FIRST + " "}))
        time.sleep(self.pause)
        last = (
            self._event({"content": LAST})
            + self._event({}, "stop")
            + self._chunk(b"data: [DONE]\n\n")
            + b"0\r\n\r\n"
        )
        self.stamps["end"] = time.monotonic_ns()
        conn.sendall(last)

    def _event(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._chunk(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")

    @staticmethod
    def _chunk(data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data)


def run(argv: list[str], env: dict[str, str]) -> tuple[int, int, int]:
    """(start, first byte that shows the first token, exit), in nanoseconds."""
    start = time.monotonic_ns()
    process = subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    seen, got = 0, b""
    while piece := os.read(process.stdout.fileno(), 65536):
        got += piece
        if not seen and FIRST.encode() in got:
            seen = time.monotonic_ns()
    process.wait()
    return start, seen, time.monotonic_ns()


def main() -> None:
    """Measure and print a table of medians with ratios to the floor."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=21)
    runs = parser.parse_args().runs
    server = Server()
    arawn = str(Path(sys.executable).with_name("arawn"))
    with tempfile.TemporaryDirectory() as home:
        Path(home, "config.toml").write_text(CONFIG.format(url=server.url))
        env = {"PATH": os.environ["PATH"], "HOME": home, "ARAWN_HOME": home, "BENCH_URL": server.url}
        asked = {
            "floor": [sys.executable, str(HERE / "floor.py"), "ask", "hi"],
            "arawn": [arawn, "ask", "hi"],
        }
        plain = {"python": [sys.executable, "-c", "pass"], "arawn --version": [arawn, "--version"]}
        table: dict[str, list[float]] = {}
        for number in range(runs + 1):
            for name, argv in asked.items():
                start, seen, end = run(argv, env)
                if number:
                    stamps = server.stamps
                    for what, value in (
                        ("start to request", stamps["request"] - start),
                        ("first token to visible", seen - stamps["first"]),
                        ("end to exit", end - stamps["end"]),
                    ):
                        table.setdefault(f"{name}: {what}", []).append(value / 1e6)
            for name, argv in plain.items():
                start, _, end = run(argv, env)
                if number:
                    table.setdefault(f"{name}: whole run", []).append((end - start) / 1e6)
    print(f"{'ms, ' + str(runs) + ' runs':<40} {'min':>8} {'median':>8} {'max':>8}")
    for name, values in table.items():
        print(f"{name:<40} {min(values):>8.2f} {statistics.median(values):>8.2f} {max(values):>8.2f}")
    middle = {name: statistics.median(values) for name, values in table.items()}
    for what in ("start to request", "first token to visible", "end to exit"):
        print(f"arawn / floor, {what}: {middle[f'arawn: {what}'] / middle[f'floor: {what}']:.2f}")
    version = middle["arawn --version: whole run"] / middle["python: whole run"]
    print(f"--version / python -c pass: {version:.2f}")


if __name__ == "__main__":
    main()
