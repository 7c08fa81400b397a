"""What a chat needs of the program around it, as protocols and values; it knows no loop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TextIO

from arawn.messages import NOTHING, FilePart
from arawn.render.ending import Ending
from arawn.render.look import Look

if TYPE_CHECKING:
    from arawn.engine import Conversation
    from arawn.keeping import Keeper
    from arawn.ports import Backend, Journal, Planner
    from arawn.render.status import Status
    from arawn.render.thoughts import Mode
    from arawn.roles import Role, Roles
    from arawn.session import Session, Turn


class Opened(Protocol):
    """A backend ready to be asked; `why` says how it was chosen."""

    @property
    def backend(self) -> Backend:
        """What is asked."""

    @property
    def name(self) -> str:
        """The `[backends.NAME]` name."""

    @property
    def label(self) -> str:
        """What people call the provider."""

    @property
    def model(self) -> str:
        """The model that is asked."""

    @property
    def why(self) -> str:
        """How it was chosen."""

    @property
    def waiting(self) -> Callable[[], str]:
        """What is waited for while no answer comes."""

    @property
    def abort(self) -> Callable[[], None]:
        """Ends what it is at work on, for good."""


class Backends(Protocol):
    """What the chat needs of the program around it."""

    def open(self, backend: str | None, model: str | None) -> Opened:
        """Choose and build a backend, or raise an ArawnError."""

    def aside(self, backend: str, model: str | None) -> tuple[Opened, Backends]:
        """A backend, and a program that has it alone, so that those in use stay; or an ArawnError."""

    def planner(self, journal: Journal | None) -> Planner:
        """What sees that what is sent fits."""

    def backend_names(self) -> list[str]:
        """Every name `open` takes."""

    def model_names(self, opened: Opened) -> list[str]:
        """Model ids that the service lists now, or an ArawnError."""

    def fetch(self, url: str) -> tuple[bytes, str]:
        """What the web has at `url`, and where in the end, or an ArawnError."""

    def check_files(self, opened: Opened, files: Sequence[FilePart]) -> None:
        """Raises UsageFault for a file that this backend cannot take."""

    def curl(self, session: Session, turn: Turn, backend: str | None = None, *, brief: bool = False) -> str:
        """The request of a turn as a curl command without keys, or an ArawnError."""

    def title(self, session: Session) -> str | None:
        """What a model would call the session; None where none is asked. May raise an ArawnError."""

    def redact(self, text: str) -> str:
        """`text` without any key, known or only shaped like one."""


class Settings(NamedTuple):
    """How the chat looks and feels, from `[ui]`.

    named: backend and model that the words of `use NAME for this` mean; None where that is not understood.
    snippets: the texts that `#NAME` stands for. roles: those that `/role` knows; role: the one to begin with.
    sight: backend and model that pictures go to while the person has named no other.
    toolbar: a line below the prompt. private: nothing is kept, which the prompt tells.
    verbose: every attempt is told.
    """

    look: Look = Look()
    reasoning: Mode = "line"
    editing_mode: Literal["emacs", "vi"] = "emacs"
    named: Callable[[str], tuple[str | None, str | None] | None] | None = None
    sight: tuple[str, str | None] | None = None
    snippets: Mapping[str, str] = NOTHING
    ending: Ending = Ending()
    roles: Roles | None = None
    role: Role | None = None
    toolbar: bool = False
    private: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class Chat:
    """All that a chat needs. `history_file` None: none is kept. `source` is where messages come from."""

    app: Backends
    opened: Opened
    conversation: Conversation
    status: Status
    out: TextIO
    history_file: Path | None
    settings: Settings
    env: Mapping[str, str]
    keeper: Keeper | None = None
    source: TextIO | None = field(default_factory=lambda: sys.stdin)
