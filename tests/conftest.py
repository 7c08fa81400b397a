"""What all tests share: a private home, a way to run the program, and the table of faults at the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from home import configure

if TYPE_CHECKING:
    from term import Start, Term

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
# Started in the background of a shell, the tests and all they start would ignore Ctrl-C and Ctrl-Backslash.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGQUIT"):
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
FAULT = re.compile(r"test_F_([A-Z]+)_(\d+)")

# The faults that block a release, by family.
BLOCKING = {
    "TERM": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14),
    "SECRET": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
    "KEYRING": (1, 2, 3, 5),
    "TRUST": (1, 2, 3, 4, 5, 6, 11),
    "CONF": (1, 2, 6, 8, 9, 15),
    "NET": (1, 2, 4, 9, 10, 11, 12, 13, 15, 17, 19, 20, 21, 22),
    "DB": (1, 2, 3, 5, 6),
    "STREAM": (1, 2, 4, 5, 6, 7, 8, 10, 11, 14, 16, 18),
}
_results: dict[tuple[str, int], list[str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test of a fault ended; where several processes run the tests, the first of them is told."""
    found = FAULT.match(report.nodeid.partition("::")[2])
    if found and (report.when == "call" or report.outcome != "passed"):
        _results.setdefault((found[1], int(found[2])), []).append(report.outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _results:
        return
    terminalreporter.section("faults")
    for family in dict.fromkeys([*BLOCKING, *sorted(name for name, _ in _results)]):
        seen = {number: got for (name, number), got in _results.items() if name == family}
        blocking = BLOCKING.get(family, ())
        good = [number for number, got in seen.items() if set(got) == {"passed"}]
        line = f"{family:<8} {len(good):>3} of {len(seen):>3} pass"
        if blocking:
            line += f"; P0 {sum(n in good for n in blocking):>2} of {len(blocking)}"
        missing = [f"F-{family}-{n:02}" for n in blocking if n not in good]
        others = [f"F-{family}-{n:02}" for n in seen if n not in good and n not in blocking]
        terminalreporter.write_line(
            line + (f"  not passing: {' '.join(missing + others)}" if missing + others else "")
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """A whole run must hold a test for every blocking fault."""
    if (
        len(session.config.args) != 1
        or not session.config.args[0].endswith("tests")
        or session.config.option.keyword
    ):
        return
    named = {(found[1], int(found[2])) for item in session.items if (found := FAULT.match(item.name))}
    missing = [
        f"F-{family}-{n:02}"
        for family, numbers in BLOCKING.items()
        for n in numbers
        if (family, n) not in named
    ]
    if missing:
        raise pytest.UsageError(f"no test for {' '.join(missing)}")


class Outcome(subprocess.CompletedProcess[str]):
    """What a run left: returncode, stdout, stderr."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A private, empty home folder."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    """An environment with nothing in it but the private home."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home.parent),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def arawn(env: dict[str, str], tmp_path: Path) -> Callable[..., Outcome]:
    """Run the program: `arawn("ask", "hi", stdin="", env={...}, config="...")`; output decoded as UTF-8."""

    def run(*args: str, stdin: str | bytes | None = "", config: str | None = None, **more) -> Outcome:
        variables = {**env, **more.pop("env", {})}
        if config is not None:
            configure(tmp_path / "home", config)
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*more.pop("program", (sys.executable, "-P", "-m", "arawn")), *args],
            input=data,
            capture_output=True,
            env=variables,
            cwd=more.pop("cwd", work),
            timeout=more.pop("timeout", 30),
            **more,
        )
        return Outcome(
            done.args,
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )

    return run


@pytest.fixture
def start(env: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start a scripted chat on a terminal; keywords in capitals go into its environment."""
    from term import DRIVER, Term

    with ExitStack() as stack:

        def begin(rows: int = 24, cols: int = 80, before: str = "", **more: object) -> Term:
            variables = {**env, **{name: str(value) for name, value in more.items()}}
            argv = [sys.executable, str(DRIVER)]
            return stack.enter_context(
                Term(argv, env=variables, cwd=tmp_path, rows=rows, cols=cols, before=before)
            )

        yield begin
