"""What all commands share: the global options, the config they lead to, and the status line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from arawn.errors import ArawnError, UsageFault

if TYPE_CHECKING:
    from arawn.app import App
    from arawn.backends.cassette import Tape
    from arawn.config.load import Config
    from arawn.render.look import Look
    from arawn.render.status import Status
    from arawn.render.theme import Theme

COLOR = ("auto", "always", "never")
"""What `--color` takes."""


def is_terminal(stream: IO[Any] | None) -> bool:
    """Whether `stream` is a terminal; a closed or missing one is not."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def need_output() -> None:
    """Raises ArawnError where standard output is closed: nobody could read an answer that was paid for."""
    if sys.stdout is None:
        raise ArawnError("Standard output is closed; nothing was sent")


class Context:
    """The options given before or after the command; `take` merges what each place said."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.config_file: str | None = None
        self.flags: list[tuple[str, str, str]] = []
        self.backend: str | None = None
        self.model: str | None = None
        self.pick: str | None = None
        self.race: tuple[str, ...] = ()
        self.color: str | None = None
        self.accessible = False
        self.quiet = False
        self.verbose = False
        self.debug = bool(env.get("ARAWN_DEBUG"))
        self.printed = False
        self._tape: Tape | None = None
        self._config: Config | None = None
        self._status: Status | None = None
        self._look: Look | None = None
        self._theme: Theme | None = None
        self._app: App | None = None

    def take(
        self,
        backend: str | None = None,
        model: str | None = None,
        options: list[str] | None = None,
        quiet: bool = False,
    ) -> None:
        """Add the options of one place; what stands nearer to the command wins."""
        self.backend = backend or self.backend
        self.model = model or self.model
        self.quiet = self.quiet or quiet
        for option in options or ():
            key, equals, value = option.partition("=")
            if not equals or not key:
                raise UsageFault(
                    f"-o takes KEY=VALUE, not {option!r}", hints=("for example -o limits.idle=30",)
                )
            self.flags.append((key.strip(), value, "-o"))

    def route(self, work: str) -> str:
        """Have this run ask whom `[llm.routing]` names for `work`, where nobody else is named; why, or ""."""
        from arawn.backends.names import route

        found = route(self.load(), work)
        if found is None or self.backend or self.model or self.race or self.pick:
            return ""
        self.take(*found)
        return f"llm.routing.{work}"

    def paint(self, color: str | None) -> None:
        """What `--color` says. Raises UsageFault for another word than it takes."""
        if color is None:
            return
        if color not in COLOR:
            raise UsageFault(
                f"--color takes {', '.join(COLOR[:-1])} or {COLOR[-1]}, not {color!r}",
                hints=("auto: colour where it goes to a terminal that has it",),
            )
        self.color = color

    def put_in(self, record: str | None, replay: str | None) -> None:
        """Have all HTTP of this run recorded in one file or answered from another. Raises UsageFault."""
        from arawn import backends
        from arawn.backends.cassette import opened

        tape = opened(record, replay, self.env, self._warn)
        if tape is not None:
            self._tape = backends.tape = tape
            self.env = tape.env(self.env)

    def _warn(self, line: str) -> None:
        self.status.warn(line)  # made only now: what the config says of colour may be known by then

    def load(self) -> Config:
        """The effective config, read once. Raises ConfigFault with all mistakes."""
        if self._config is None:
            from arawn.config.load import load

            if self.color is not None:
                self.flags.append(("ui.color", self.color, "--color"))
            if self.accessible:
                self.flags.append(("ui.accessible", "true", "--accessible"))
            config = load(env=self.env, cwd=_cwd(), config_file=self.config_file, flags=self.flags)
            self._config = config if self._tape is None else self._tape.config(config)
        return self._config

    def warned(self) -> Config:
        """The effective config; what it warns of is said."""
        config = self.load()
        for notice in config.notices:
            self.status.warn(notice)
        return config

    def say(self, key: str, value: str, who: str) -> None:
        """A setting that this command itself insists on."""
        self.flags.append((key, value, who))
        self._config = self._app = None

    @property
    def status(self) -> Status:
        """The line for people, on stderr."""
        if self._status is None:
            from arawn.render.status import Status
            from arawn.render.terminal import ascii_only, color_wanted, redraws

            tty = is_terminal(sys.stderr)
            if tty and self.spoken:
                self._status = self._labelled()
                return self._status
            choice = self.color or (str(self._config.get("ui.color")) if self._config else "auto")
            color = color_wanted(self.env, tty, choice)
            live = tty and redraws(self.env)
            ascii = ascii_only(self.env, getattr(sys.stderr, "encoding", None))
            theme = self.theme if color and self._config else None
            self._status = Status(sys.stderr, color, self.quiet, live, theme, ascii, tty)
        return self._status

    @property
    def spoken(self) -> bool:
        """Whether what is shown on a terminal is read aloud, as far as that is known."""
        from arawn.render.look import accessible_wanted

        config = self._config
        return accessible_wanted(self.env, bool(config.get("ui.accessible")) if config else self.accessible)

    def _labelled(self) -> Status:
        from arawn.render.labelled import AccessibleStatus
        from arawn.render.terminal import ascii_only

        ascii = ascii_only(self.env, getattr(sys.stderr, "encoding", None))
        return AccessibleStatus(sys.stderr, self.quiet, tty=True, ascii=ascii)

    @property
    def theme(self) -> Theme:
        """The colours by name."""
        if self._theme is None:
            from arawn.config.paths import paths
            from arawn.render.look import theme_of

            stream = sys.stdout if is_terminal(sys.stdout) else sys.stderr
            handle = stream.fileno() if is_terminal(stream) else -1
            self._theme = theme_of(self.load().get, self.env, paths(self.env).state_dir, handle)
        return self._theme

    @property
    def look(self) -> Look:
        """How answers look on standard output."""
        if self._look is None:
            from arawn.render.look import look_of

            get, tty = self.load().get, is_terminal(sys.stdout)
            self._look = look_of(get, self.env, sys.stdout, tty, self.theme if tty else None)
        return self._look

    @property
    def app(self) -> App:
        """The program joined from its parts."""
        if self._app is None:
            from arawn.app import App

            self._app = App(self.load(), self.env, self.status)
        return self._app

    def another_app(self, status: Status | None = None) -> App:
        """One more of the program, over the same config: for a thread of its own."""
        return self.app.another(status or self.status)

    def redact(self, text: str) -> str:
        """`text` without any key, known or only shaped like one."""
        if self._app is not None:
            return self._app.redact(text)
        from arawn.secret import Redactor

        return Redactor().redact(text)


def _cwd() -> Path | None:
    try:
        return Path(os.getcwd())
    except OSError:
        return None
