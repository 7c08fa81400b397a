"""What the benchmarks that run the program share: where it is, a home of its own, numbers in a table."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT, ROOT / "tests"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

PROGRAM = [sys.executable, "-P", "-m", "arawn"]
CONFIG = (
    '[llm]\nbackend = "fake"\n[backends.fake]\nprovider = "custom"\nbase_url = "{url}/v1"\n'
    'model = "m-1"\napi_key = "$env:BENCH_KEY"\n'
)


def environment(home: Path, url: str, more: str = "") -> dict[str, str]:
    """The variables of a run in a home of its own whose config asks `url`; `more` is added to the config."""
    folder = home / ".config" / "arawn"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(CONFIG.format(url=url) + more)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(ROOT),
        "BENCH_KEY": "sk-bench-0123456789abcdef",
    }


def data_folder(home: Path) -> Path:
    """Where that home keeps its sessions."""
    from arawn.config.paths import paths

    return paths({"HOME": str(home)}).data_dir


def spread(values: Sequence[float]) -> str:
    """Smallest, median and greatest."""
    return f"{min(values):>9.2f} {statistics.median(values):>9.2f} {max(values):>9.2f}"
