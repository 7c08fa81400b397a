"""Keys that are typed while an answer comes, as an editor without a screen takes them; it reads nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from arawn.render.measure import cells, fitting
from arawn.render.safe import clean
from arawn.repl.prompt.folds import Folds, is_long
from arawn.repl.tidying import tidy

PASTE, END = "\x1b[200~", "\x1b[201~"
BURST = 0.03
"""Seconds: keys that follow sooner were not typed by hand."""
_NEWLINES = ("\n", "\x1b\r", "\x1b\n", "\x1b[13;2u", "\x1b[27;2;13~")
"""Ctrl-J, Alt-Enter, and Shift-Enter as kitty's protocol and as xterm's modifyOtherKeys say it."""
_KEY = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[ -~]|\x1b[^\[O]|[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\x08\x0a-\x1f\x7f]+", re.S
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
_TEXT = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def ends_open(text: str) -> bool:
    """Whether a lone backslash at the end asks for another line (two of them are a backslash)."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def of_paste(data: str) -> tuple[str, bool, str]:
    """What of `data` is pasted, whether the paste ends in it, and the rest: keys, or the beginning of END."""
    found, mark, rest = data.partition(END)
    if mark:
        return found, True, rest
    keep = next((size for size in range(len(END) - 1, 0, -1) if data.endswith(END[:size])), 0)
    return data[: len(data) - keep], False, data[len(data) - keep :]


def told(queue: Sequence[str], text: str, columns: int, ascii: bool) -> str:
    """What waits and what is typed, in so many columns: of a message its beginning, of the text its end."""
    dots, line = ("...", " / ") if ascii else ("…", " ↵ ")
    waits = ""
    if queue:
        more = f" (and {len(queue) - 1} more)" if len(queue) > 1 else ""
        first = clean(queue[0].strip().replace("\n", line), newlines=False)
        room = (columns // 2 if text else columns) - len("queued: " + more)
        if cells(first) > room:
            first = first[: fitting(first, max(0, room - len(dots)))] + dots
        waits = f"queued: {first}{more} "
    shown = clean(text.replace("\n", line), newlines=False)
    room = columns - cells(waits) - len("> ")
    if cells(shown) > room:
        while shown and cells(shown) > room - len(dots):
            shown = shown[max(1, (cells(shown) - room) // 2) :]
        shown = dots + shown
    whole = waits + (f"> {shown}" if text else "")
    return whole[: fitting(whole, columns)].rstrip()


class Typed:
    """What was typed so far: `queue` are messages that were ended by Enter, `text` is what follows them.

    corrects: the first of the queue was sent by Ctrl-S, to be said at once. eof: Ctrl-D, where nothing was
    typed. waiting: an Enter that is one only if nothing more comes soon, else it was pasted.
    """

    def __init__(self, folds: Folds, clock: Callable[[], float] = time.monotonic) -> None:
        self._folds = folds
        self._clock = clock
        self.queue: list[str] = []
        self.text = ""
        self.corrects = False
        self.eof = False
        self.waiting = False
        self._newline_at = float("-inf")
        self._held = ""
        self._paste: list[str] | None = None

    @property
    def unfinished(self) -> bool:
        """Whether the rest of a paste or of a key is still to come."""
        return self.waiting or self._paste is not None or bool(self._held)

    @property
    def everything(self) -> str:
        """All that is not sent, as one text to be edited."""
        return "\n".join([*self.queue, *([self.text] if self.text else [])])

    def take(self) -> tuple[list[str], str]:
        """Messages and what follows them; from now on nothing is typed."""
        taken = self.queue, self.text
        self.queue, self.text, self.corrects, self.eof = [], "", False, False
        return taken

    def feed(self, data: str) -> None:
        """Take what came at once."""
        data, self._held = self._held + data, ""
        if self.waiting and _TEXT.search(data):
            self._newline()
        self.settle()
        while data:
            data = self._pasted(data) if self._paste is not None else self._keys(data)

    @property
    def doubtful(self) -> bool:
        """Whether it depends on what comes at once what the last key was: an Enter, or the key Esc."""
        return self.waiting or self._held == "\x1b" and self._paste is None

    def settle(self) -> None:
        """Nothing more came: an Enter that waited is one, and Esc began no other key."""
        if self._held == "\x1b" and self._paste is None:
            self._held = ""
        if self.waiting:
            self.waiting = False
            self._enter()

    def finish(self) -> None:
        """Nothing will come any more."""
        self.settle()
        if self._paste is not None:
            self._take_paste()
        self._held = ""

    def _pasted(self, data: str) -> str:
        """Take a piece of a paste; what follows its end."""
        if self._paste is None:
            return data
        found, ended, rest = of_paste(data)
        self._paste.append(found)
        if not ended:
            self._held = rest
            return ""
        self._take_paste()
        return rest

    def _take_paste(self) -> None:
        text, self._paste = tidy("".join(self._paste or ())), None
        self.text += self._folds.fold(text) if is_long(text) else text

    def _keys(self, data: str) -> str:
        """Take keys up to the end or a paste; what is left."""
        begun = _BEGUN.search(data)
        if begun:
            data, self._held = data[: begun.start()], begun[0]
        for found in _KEY.finditer(data):
            if found[0] == PASTE:
                self._paste = []
                rest = data[found.end() :] + self._held
                self._held = ""
                return rest
            self._key(found[0], data[found.end() :])
        return ""

    def _key(self, key: str, rest: str) -> None:
        match key:
            case "\r":
                self._pressed(rest)
            case "\x7f" | "\b":
                spans = self._folds.spans(self.text)
                mark = spans and spans[-1].end == len(self.text)
                self.text = self.text[: spans[-1].start] if mark else self.text[:-1]
            case "\x15":
                self.text = self.text[: self.text.rfind("\n") + 1]
            case "\x17":
                self.text = re.sub(r"\S+[^\S\n]*\Z|\n\Z", "", self.text)
            case "\x13":
                self._correct()
            case "\x04":
                self.eof = self.eof or not (self.text or self.queue)
            case _ if key in _NEWLINES:
                self.text += "\n"
            case _ if key[0] >= " " and key[0] != "\x7f" or key[0] == "\t":
                self.text += tidy(key)
                self.eof = False

    def _pressed(self, rest: str) -> None:
        """Enter: a new line where text follows it in one burst, as in a paste without marks."""
        if _TEXT.search(rest) or self._clock() - self._newline_at < BURST:
            self._newline()
        elif rest:
            self._enter()
        else:
            self.waiting = True

    def _newline(self) -> None:
        self.waiting = False
        self._newline_at = self._clock()
        self.text += "\n"

    def _enter(self) -> None:
        if ends_open(self.text):
            self.text = self.text[:-1] + "\n"
        elif self.text.strip():
            self.queue.append(self.text)
            self.text = ""

    def _correct(self) -> None:
        """Ctrl-S: what was typed goes first, and at once; with nothing typed, what waits longest."""
        if self.text.strip():
            self.queue.insert(0, self.text)
            self.text = ""
        self.corrects = self.corrects or bool(self.queue)
