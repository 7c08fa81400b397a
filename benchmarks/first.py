"""Many `arawn ask` at once in a home that has no store yet: is each of them answered and stored?

Exit code 1 where one is not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import common
from fake_provider import Conn, FakeProvider, openai_stream


def serve(conn: Conn) -> None:
    """Answer with the question."""
    openai_stream(["answer to ", conn.request.json["messages"][-1]["content"]])(conn)


def at_once(home: Path, url: str, count: int) -> list[str]:
    """What went wrong among `count` first runs in a fresh home, a line each."""
    env = common.environment(home, url)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*common.PROGRAM, *args], env=env, cwd=home, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=120, check=False,
        )  # fmt: skip

    with ThreadPoolExecutor(count) as pool:
        done = list(pool.map(lambda number: run("ask", f"question {number}"), range(count)))
    wrong = [
        f"question {number}: exit code {one.returncode}, {one.stdout!r}, {one.stderr!r}"
        for number, one in enumerate(done)
        if (one.returncode, one.stdout) != (0, f"answer to question {number}\n") or "store" in one.stderr
    ]
    titles = sorted(info["title"] for info in json.loads(run("session", "list", "--all", "--json").stdout))
    if titles != sorted(f"question {number}" for number in range(count)):
        wrong.append(f"stored: {titles}")
    if left := list(common.data_folder(home).glob("journal/*")):
        wrong.append(f"journals left: {left}")
    checked = run("session", "check")
    if checked.returncode:
        wrong.append(f"check: {checked.stdout}")
    return wrong


def main() -> int:
    """Run and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--rounds", type=int, default=50)
    given = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder, FakeProvider(serve) as fake:
        for count in given.processes:
            began, bad = time.monotonic(), 0
            for number in range(given.rounds):
                wrong = at_once(Path(folder) / f"{count}-{number}", fake.url, count)
                bad += bool(wrong)
                for line in wrong:
                    print(f"FAILED {line}")
            print(
                f"{given.rounds} times {count} first runs at once in {time.monotonic() - began:.0f} s: "
                f"{given.rounds - bad} times all answered and all stored"
            )
            failed += bad
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
