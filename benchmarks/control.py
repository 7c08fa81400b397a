"""Ctrl-C in every stage of `ask` and `chat`: how long until all has stopped, on a real terminal.

Each stage is made to last by a service, a keyring, a name server, an editor or another program that never
answers. The median of the runs is printed in milliseconds; exit code 1 where one is over 200.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import common
import stages

Measure = Callable[[str, Path, Mapping[str, str]], float]


def measured(measure: Measure, name: str, runs: int) -> float:
    """Milliseconds, the median of the runs, each in a home of its own."""
    times = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color"}
            env |= {"HOME": folder, "PYTHONPATH": str(common.ROOT)}
            times.append(measure(name, Path(folder), env) * 1000)
    return statistics.median(times)


def main() -> int:
    """Print a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("stages", nargs="*", default=list(stages.STAGES))
    args = parser.parse_args()
    worst = 0.0
    print(f"{'stage':<26}{'ask':>8}{'chat':>8}   ms, median of {args.runs}")
    for name in args.stages:
        row = []
        for measure in (stages.asked, stages.chatted):
            if measure is stages.asked and name in stages.CHAT_ONLY:
                row.append(f"{'-':>8}")
                continue
            took = measured(measure, name, args.runs)
            worst = max(worst, took)
            row.append(f"{took:>8.0f}")
        print(f"{name:<26}{''.join(row)}", flush=True)
    return 1 if worst > stages.LIMIT_S * 1000 else 0


if __name__ == "__main__":
    sys.exit(main())
