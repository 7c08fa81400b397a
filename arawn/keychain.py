"""The only door to `keyring`: every call is late and bounded in time, each state has its own sentence.

Source of the states: measurements of keyring 25 with Secret Service, without D-Bus, locked and mute.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from arawn.errors import SecretFault

SERVICE = "arawn"
PROMPT_LIMIT = 60.0
"""Seconds a person gets to unlock the keyring, where there is one at the terminal."""
LEAST_PRIORITY = 1
"""Backends below this keep secrets in plain text (keyrings.alt) or are none at all."""
_GONE = ("DBusErrorResponse", "SecretServiceNotAvailableException")
ELSEWHERE = 'the environment works everywhere: api_key = "$env:NAME"'


class Keychain:
    """The system's keyring for service `arawn`. All methods raise SecretFault with a remedy."""

    def __init__(
        self,
        timeout: float = 3.0,
        module: Any = None,
        interactive: bool = False,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self._timeout = timeout
        self._module = module
        self._interactive = interactive
        self._waiting = waiting

    def get(self, name: str) -> str:
        """The value stored under `name`, white space at its ends removed."""
        value = self._call(lambda backend: backend.get_password(SERVICE, name), f"read {name}")
        text = value.strip() if isinstance(value, str) else ""
        if not text:
            state = "is empty" if isinstance(value, str) else "is not there"
            raise SecretFault(
                f"The keyring entry of service {SERVICE}, user {name} {state}",
                hints=(f"arawn secret set {name}",),
            )
        return text

    def set(self, name: str, value: str) -> None:
        """Store `value` under `name`."""
        self._call(lambda backend: backend.set_password(SERVICE, name, value), f"store {name}")

    def delete(self, name: str) -> None:
        """Remove the entry `name`."""
        self.get(name)
        self._call(lambda backend: backend.delete_password(SERVICE, name), f"delete {name}")

    def has(self, name: str) -> bool:
        """Whether there is an entry `name`."""
        return self._call(lambda backend: backend.get_password(SERVICE, name), f"read {name}") is not None

    def kind(self) -> str:
        """What keyring there is, by the name of its class; of a chain of them all."""
        made = self._call(lambda backend: getattr(backend, "backends", None) or [backend], "say what it is")
        return ", ".join(f"{type(one).__module__}.{type(one).__name__}" for one in made)

    def _call(self, work: Callable[[Any], Any], what: str) -> Any:
        """Run `work` with the backend in a thread that can be left behind: a mute daemon never answers."""
        box: dict[str, Any] = {}

        def run() -> None:
            try:
                try:
                    box["value"] = work(self._backend())
                except Exception as error:
                    if not _passing(error):
                        raise
                    box["value"] = work(self._backend())
            except BaseException as error:  # a broken plugin may even raise SystemExit
                box["error"] = error

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(min(0.5, self._timeout))
        if thread.is_alive():
            self._wait(thread)
        if thread.is_alive():
            raise SecretFault(
                f"The keyring does not answer (asked to {what}, waited {self._timeout:g} s)",
                hints=(
                    "unlock it in a desktop session, or restart its service",
                    ELSEWHERE,
                    "the limit is limits.keyring",
                ),
            )
        if "error" in box:
            raise _ours(box["error"], what)
        return box.get("value")

    def _wait(self, thread: threading.Thread) -> None:
        if self._waiting is not None:
            self._waiting("waiting for the keyring; it may ask to be unlocked (Ctrl-C stops)")
        limit = PROMPT_LIMIT if self._interactive else self._timeout
        thread.join(max(0.0, limit - 0.5))

    def _backend(self) -> Any:
        module = self._module
        if module is None:
            module = _library()
        backend = module.get_keyring()
        kind = type(backend)
        name = f"{kind.__module__}.{kind.__name__}"
        if kind.__module__.endswith("backends.fail"):
            raise _none("or install one: gnome-keyring or KWallet, with D-Bus")
        priority = getattr(backend, "priority", 0)
        if priority < LEAST_PRIORITY and not kind.__module__.endswith("backends.chainer"):
            raise SecretFault(
                f"The only keyring here is {name}, which does not protect what it stores, so it is not used",
                hints=(ELSEWHERE, "or install gnome-keyring or KWallet"),
            )
        return backend


def _library() -> Any:
    """The library, kept from trying what another system's keyring needs.

    Its part for macOS looks for that system's libraries when it is imported: elsewhere that runs a compiler
    and a linker, found by PATH, for nothing.
    """
    import sys

    if sys.platform != "darwin":
        modules: dict[str, Any] = sys.modules
        modules.setdefault("keyring.backends.macOS.api", None)  # its import fails, as it would anyway
    import keyring

    return keyring


def chosen_by(env: Mapping[str, str]) -> list[str]:
    """What besides the system says which keyring is used: a variable, a file of the library's."""
    said = [f"PYTHON_KEYRING_BACKEND={name}"] if (name := env.get("PYTHON_KEYRING_BACKEND")) else []
    home = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME", ""), ".config")
    file = Path(home, "python_keyring", "keyringrc.cfg")
    return [*said, str(file)] if file.is_absolute() and file.exists() else said


def _none(*more: str) -> SecretFault:
    """That there is no keyring; to who became root by sudo, whose keyring there is."""
    person = os.environ.get("SUDO_USER")
    if person and hasattr(os, "geteuid") and os.geteuid() == 0:
        return SecretFault(
            f"There is no keyring for root; {person} has one of their own",
            hints=("run it without sudo", ELSEWHERE),
        )
    return SecretFault("There is no keyring on this machine", hints=(ELSEWHERE, *more))


def _passing(error: Exception) -> bool:
    """Whether what serves the keyring went away meanwhile: the bus starts it anew for the next call."""
    return isinstance(error, (ConnectionError, EOFError)) or type(error).__name__ in _GONE


def _ours(error: BaseException, what: str) -> SecretFault:
    if isinstance(error, SecretFault):
        return error
    kind = type(error).__name__
    if kind == "NoKeyringError":
        return _none()
    if kind == "KeyringLocked":
        return SecretFault(
            f"The keyring is locked (asked to {what})",
            hints=("unlock it: log in to the desktop, or gnome-keyring-daemon --unlock", ELSEWHERE),
        )
    if kind == "PasswordDeleteError":
        return SecretFault(f"The keyring could not {what}: there is no such entry")
    return SecretFault(
        f"The keyring fails (asked to {what}): {kind}",
        hints=(ELSEWHERE, "python -m keyring --list-backends shows what is installed"),
    )


def names(index: Path) -> list[str]:
    """The names of the entries that were stored, from our own list; keyrings cannot be asked for theirs."""
    try:
        found = json.loads(index.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return sorted({name for name in found if isinstance(name, str)}) if isinstance(found, list) else []


def remember(index: Path, name: str, *, there: bool) -> None:
    """Note in our list that an entry is there, or no more. The list holds names, never values; mode 0600."""
    kept = {*names(index), name} if there else set(names(index)) - {name}
    index.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = index.with_suffix(f".{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(sorted(kept), file)
    temporary.replace(index)
