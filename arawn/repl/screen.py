"""What a chat shows beside answers: lines of its own, faults, what was said before; it decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from arawn.errors import ArawnError

if TYPE_CHECKING:
    from arawn.differing import Piece
    from arawn.render.foot import Foot
    from arawn.render.look import Sink
    from arawn.repl.chat import Chat


class Screen:
    """The output of a chat. `code` is the exit code of the last fault, else 0.

    foot: what stands below an answer while it grows, where anything does.
    """

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self.code = 0
        self.foot: Foot | None = None

    @property
    def on_terminal(self) -> bool:
        """Whether what is said goes to somebody's eyes."""
        return self._chat.settings.look.tty

    @property
    def out(self) -> TextIO:
        """Where it goes; what is written there must be clean."""
        return self._chat.out

    @property
    def columns(self) -> int | None:
        """How wide the terminal is; None without one."""
        from arawn.render.terminal import width

        return width(self._chat.out.fileno(), self._chat.env) if self.on_terminal else None

    @property
    def ascii(self) -> bool:
        """Whether the output shows ASCII alone."""
        return (
            self._chat.settings.look.ascii
            or "utf" not in (getattr(self._chat.out, "encoding", "") or "utf-8").lower()
        )

    def say(self, line: str, whole: bool = False) -> None:
        """A line of our own, ended between words at the edge of a terminal; what it quotes may be anybody's.

        What holds columns or lines stays as it is, and so does what is `whole`, to be taken as it stands.
        """
        from arawn.render.safe import clean
        from arawn.render.terminal import in_ascii

        if self._chat.settings.look.accessible:
            line = line.replace(" · ", ", ")
        if self.ascii:
            line = in_ascii(line)
        line = clean(line)
        if not (whole or "\n" in line or "  " in line):
            from arawn.folding import fold

            line = fold(line, self.columns)
        self._chat.out.write(line + "\n")
        self._chat.out.flush()

    def sink(self, raw: bool = False, label: str = "") -> Sink:
        """Where an answer goes; `raw`: it is no Markdown; `label` says whose it is, where that is needed."""
        return self._chat.settings.look.sink(self._chat.out, self._chat.env, raw=raw, label=label)

    def clip(self, text: str) -> bool:
        """Have the terminal put a text on its clipboard; whether it may."""
        from arawn.clipboard import by_terminal

        sequence = by_terminal(text, self._chat.env) if self.on_terminal else ""
        self._chat.out.write(sequence)
        self._chat.out.flush()
        return bool(sequence)

    def growing(self, raw: bool = False, label: str = "") -> Sink:
        """The same for an answer that comes now; where it is rendered, with what is typed below it."""
        look, env = self._chat.settings.look, self._chat.env
        if self.foot is None or raw or not look.markdown:
            return self.sink(raw, label)
        from arawn.render.foot import Over

        return Over(self.foot, lambda out: look.sink(out, env))

    def text(self, text: str) -> None:
        """An answer of before, as it was shown then."""
        sink = self.sink()
        sink.feed(text)
        sink.close()

    def difference(self, found: list[Piece]) -> None:
        """Two answers as one, with what only one of them has marked."""
        from arawn.render.difference import drawn

        look = self._chat.settings.look
        self._chat.out.write(drawn(found, look.color, look.theme) + "\n")
        self._chat.out.flush()

    def fault(self, error: ArawnError) -> None:
        """Tell a fault, without keys, so that the chat goes on."""
        error.redact(self._chat.app.redact)
        self.code = error.exit_code
        self._chat.status.clear()
        self._chat.status.error(error)


def is_clean(text: str) -> bool:
    """Whether `text` can stand on a terminal as it is."""
    from arawn.render.safe import clean

    return clean(text, newlines=False) == text
