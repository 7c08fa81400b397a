"""Random streams of hostile text with random cuts, through every sink that writes to a terminal.

No forbidden character may come out, and what may be read must be as without the attack. One line is printed;
exit code 1 where a stream broke a promise, which is printed with its number: `--first NUMBER --streams 1`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time

from common import ROOT

sys.path.insert(0, str(ROOT / "tests"))
hostile = __import__("hostile")  # its folder is not known before that
PART = 500


def part(first: int) -> list[str]:
    """What went wrong in one part of the streams."""
    return [told for seed in range(first, first + PART) if (told := hostile.check(seed))]


def main() -> int:
    """Run all and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    began = time.monotonic()
    if args.streams < PART:
        wrong = [
            told for seed in range(args.first, args.first + args.streams) if (told := hostile.check(seed))
        ]
    else:
        wrong = []
        with multiprocessing.Pool(args.processes) as pool:
            for found in pool.imap_unordered(part, range(args.first, args.first + args.streams, PART)):
                wrong += found
    for told in wrong[:20]:
        print(told)
    print(
        f"{args.streams:,} hostile streams, {len(hostile.SINKS)} sinks: "
        f"{len(wrong)} with a fault, {time.monotonic() - began:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
