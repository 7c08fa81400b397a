"""A session of a person in tmux, as text and pictures for the manual: types, waits, and looks at the screen.

Two services on the loopback answer from a script, so that every run shows the same. Writes
`arawn/manual/tour.md` and the pictures beside it (`screens/*.svg`), or elsewhere with `--folder`.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import common
from fake_provider import Conn, FakeProvider, sse
from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 96, 34
LONGEST_S = 20.0
PACE_S = 0.012
SETTLED_S = 0.35
REASONED = "The person wants sizes. find can tell them, du is for folders. "

FIND = """\
To see the **ten largest files** below a folder:

```sh
find . -type f -printf '%s %p\\n' | sort -rn | head
```

- `-printf '%s %p'` gives *bytes and path* ([manual](https://www.gnu.org/software/findutils/manual/)),
- `sort -rn` puts the largest first.

| tool | counts | follows links |
|:--|--:|:-:|
| `find -printf %s` | bytes of the file | no |
| `du -b` | bytes below a folder | no |
| `ls -lS` | one folder alone | no |
"""
SHORT = "Use `du -ah . | sort -rh | head`: it counts folders, too, and shows sizes that people can read."
LONG = "".join(
    f"{number}. line {number} of a long answer that nobody wants to read to its end\n"
    for number in range(1, 90)
)
WORDS = re.compile(r"\S+\s*|\s+")
CONFIG = """
[backends.cloud]
provider = "custom"
base_url = "{url}/v1"
model = "large-2"
api_key = "$env:BENCH_KEY"
[backends.local]
provider = "custom"
base_url = "{url}/v1"
model = "small-1"
api_key = "$env:BENCH_KEY"
[catalog."cloud:large-2"]
context = 200000
input_price = 3.0
output_price = 15.0
[catalog."local:small-1"]
context = 32000
input_price = 0.0
output_price = 0.0
"""


class Step(NamedTuple):
    """What is typed (tmux's names of keys), what must then be seen, and what a picture of it is called."""

    keys: tuple[str, ...]
    seen: str
    picture: str = ""
    told: str = ""
    still: bool = True
    """Whether the screen must have come to rest."""


STEPS = (
    Step(("arawn chat", "Enter"), r"/help", told="Begin: who answers is said at once."),
    Step(
        ("How do I find large files?", "Enter"),
        r"one folder alone[^>]+arawn>",
        "answer",
        "An answer is Markdown, printed once; below it stands what it took.",
    ),
    Step(("/re",), r"/resume", "menu", "Commands, their arguments, files and models complete with Tab."),
    Step(
        ("C-c", "/retry local", "Enter"), r"people can read[^>]+arawn>", told="The same question elsewhere."
    ),
    Step(("/tree", "Enter"), r"◀ here\s+arawn>", "tree", "Nothing is lost: both answers stay in the tree."),
    Step(("/why", "Enter"), r"attempt 1[^>]+arawn>", "why", "Every answer has its receipt."),
    Step(
        ("/compare cloud local: Which of both is quicker?", "Enter"),
        r"Go on with which",
        "compare",
        "The same question to several at once; the one that is chosen goes on, the others stay beside it.",
    ),
    Step(("2", "Enter"), r"Going on with[^>]+arawn>"),
    Step(("Tell me a long story", "Enter"), r"12\. line", still=False),
    Step(("C-c",), r"stopped[^>]+arawn>", "stopped", "Ctrl-C stops an answer; what came is kept."),
    Step(("/quit", "Enter"), r"Goodbye"),
    Step(("arawn session list", "Enter"), r"large files", "list", "All of it is there the next time."),
)


def serve(conn: Conn) -> None:
    """Answer by the question and by the model that is asked."""
    asked = conn.request.json
    if conn.request.method != "POST" or asked is None:
        conn.head(404, length=0)
        return
    said = str(asked["messages"][-1]["content"])
    text = LONG if "long" in said else SHORT if asked["model"] == "small-1" else FIND
    conn.head()
    for word in WORDS.findall(REASONED):
        conn.chunk(sse({"choices": [{"index": 0, "delta": {"reasoning_content": word}}]}))
        time.sleep(PACE_S)
    words = WORDS.findall(text)
    for word in words:
        conn.chunk(sse({"choices": [{"index": 0, "delta": {"content": word}}]}))
        time.sleep(PACE_S)
    usage = {"prompt_tokens": 40 + len(said), "completion_tokens": len(words)}
    conn.chunk(sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}))
    conn.chunk(b"data: [DONE]\n\n")
    conn.end()


class Tmux:
    """A server of its own with one window; it ends with the block."""

    def __init__(self, socket: Path, env: dict[str, str]) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._env = env

    def __enter__(self) -> Tmux:
        size = ["-x", str(COLUMNS), "-y", str(LINES)]
        self.run("new-session", "-d", *size, "-s", "tour", "bash --norc --noprofile -i")
        self.run("set-option", "-g", "history-limit", "5000")
        self.run("set-option", "-g", "status", "off")
        return self

    def __exit__(self, *_: object) -> None:
        self.run("kill-server")

    def run(self, *words: str) -> str:
        return subprocess.run(
            [*self._tmux, *words], env=self._env, check=True, capture_output=True, text=True
        ).stdout

    def type(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            named = key in ("Enter", "Tab", "Escape") or re.fullmatch(r"[CM]-.", key)
            self.run("send-keys", "-t", "tour", *([key] if named else ["-l", key]))
            time.sleep(0.1)

    def screen(self, colour: bool = False, whole: bool = False) -> str:
        more = [*(["-e"] if colour else []), *(["-S", "-"] if whole else [])]
        return self.run("capture-pane", "-p", "-t", "tour", *more)

    def wait(self, seen: str, after: int, still: bool) -> None:
        """Until `seen` stands below the first `after` characters and, if `still`, nothing moves any more."""
        until = time.monotonic() + LONGEST_S
        before, since = "", time.monotonic()
        while time.monotonic() < until:
            now = self.screen(whole=True).rstrip()
            if now != before:
                before, since = now, time.monotonic()
            rests = not still or time.monotonic() - since >= SETTLED_S
            if rests and re.search(seen, now[after:]):
                return
            time.sleep(0.05)
        raise TimeoutError(f"{seen!r} was not seen in:\n{self.screen(whole=True)}")


def picture(screen: str, title: str, path: Path) -> None:
    """A screen as an SVG file that needs nothing from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.rstrip("\n")), no_wrap=True, crop=True)
    svg = console.export_svg(title=title)
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def tour(folder: Path) -> None:
    """Go through all steps and write what was seen."""
    screens = folder / "screens"
    screens.mkdir(parents=True, exist_ok=True)
    with FakeProvider(serve) as fake, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        home = Path(made) / "home"
        home.mkdir()
        env = common.environment(home, fake.url, CONFIG.format(url=fake.url))
        config = home / ".config" / "arawn" / "config.toml"
        config.write_text(config.read_text().replace('backend = "fake"', 'backend = "cloud"'))
        (home / "bin").mkdir()
        program = home / "bin" / "arawn"
        program.write_text("#!/bin/sh\nexec " + " ".join(common.PROGRAM) + ' "$@"\n')
        program.chmod(0o755)
        env |= {
            "PATH": f"{program.parent}:{env['PATH']}",
            "PS1": "$ ",
            "SHELL": "/bin/bash",
            "COLORTERM": "truecolor",
        }
        lines = [HEAD]
        with Tmux(Path(made) / "tmux", env) as tmux:
            tmux.type((f"PS1='$ '; cd {home}; clear", "Enter"))
            time.sleep(0.5)
            tmux.run("clear-history", "-t", "tour")
            for step in STEPS:
                before = tmux.screen(whole=True)
                after = max(before.rfind("arawn>"), before.rfind("$ "), 0)
                tmux.type(step.keys)
                tmux.wait(step.seen, after, step.still)
                if step.told:
                    lines.append(
                        f"- {step.told}"
                        + (f" ([picture](screens/{step.picture}.svg))" if step.picture else "")
                    )
                if step.picture:
                    picture(tmux.screen(colour=True), "arawn", screens / f"{step.picture}.svg")
            text = "\n".join(line.rstrip() for line in tmux.screen(whole=True).rstrip().splitlines())
    page = "\n".join([*lines, "", "## The whole screen", "", "```text", text, "```", ""])
    (folder / "tour.md").write_text(page, encoding="utf-8")


HEAD = """\
# A tour

A session as a terminal shows it, typed by a script (`benchmarks/tour.py`) against services on this machine.

## What is seen
<!-- words: tour demo screenshot picture example session look -->
"""


def main() -> int:
    """Make the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=common.ROOT / "arawn" / "manual")
    given = parser.parse_args()
    if shutil.which("tmux") is None:
        print("tmux is needed for this", file=sys.stderr)
        return 2
    tour(given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
