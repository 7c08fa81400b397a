"""Secrets: references become values that never show themselves; it knows no file of settings and no request.

References: `$env:VAR`, `$keyring:NAME`, `$file:PATH`, `${VAR}`, whole or in a longer text; `$$` is a dollar.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from arawn.errors import SecretFault

SERVICE = "arawn"
FILE_LIMIT = 64 * 1024
SHORTEST_BASE64 = 8
"""Fewer characters of a secret in base64 may be any word."""
_PATTERN = (
    r"\$\$|\$env:(?P<env>[A-Za-z_][A-Za-z0-9_]*)|\$\{(?P<var>[A-Za-z_][A-Za-z0-9_]*)\}"
    r"|\$keyring:(?P<keyring>[A-Za-z0-9_.@/-]+)|\$file:(?P<file>\S+)"
)
_KINDS = ("sk", "xai", "hf", "r8", "pplx", "fw", "nvapi", "ghp", "pat")
_SHAPES = (
    (
        tuple(kind + mark for kind in _KINDS for mark in "-_"),
        r"(?:\b|(?<=\\[nrt]))(?:(?:sk|gsk|xai|nvapi|github_pat)[-_][A-Za-z0-9_\-]{8,}"
        r"|(?:hf|r8|pplx|csk|fw|ghp)[-_][A-Za-z0-9]{12,})",  # pplx-embed-v1-4b is a model
    ),
    (("aiza",), r"(?:\b|(?<=\\[nrt]))AIza[A-Za-z0-9_\-]{20,}"),
    (("bearer",), r"(?i:\bbearer\s+)[A-Za-z0-9_\-.=+/~]{8,}"),
    (("key=",), r"(?<=key=)[^&\s\"']{6,}"),
    (("://",), r"(?<=://)[^/\s@:]+:[^/\s@]+(?=@)"),
)
"""Of each shape what a text of small letters has in it where it is: this is seen far sooner."""


class Secret:
    """A secret value. Only `reveal` gives it out; every other way of showing it gives asterisks."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str) -> None:
        self._value = value
        self.origin = origin

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def masked(self) -> str:
        """Asterisks, with the first and last four characters where it has 20 or more."""
        return f"{self._value[:4]}****{self._value[-4:]}" if len(self._value) >= 20 else "****"

    def __repr__(self) -> str:
        return "****"

    def __format__(self, spec: str) -> str:
        return "****"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not stored")


class Finding(NamedTuple):
    """What is known of one reference: where it points and whether it resolves; `problem` says why not."""

    reference: str
    place: str
    resolves: bool
    masked: str
    problem: str = ""
    remedy: str = ""


def _matches(text: str) -> Iterator[Any]:
    import re

    return re.finditer(_PATTERN, text)


def references(text: str) -> list[str]:
    """The references in a text, as written, `$$` left out."""
    if "$" not in text:
        return []
    if text.startswith("$file:"):
        return [text]
    return [found.group() for found in _matches(text) if found.group() != "$$"]


def place_of(reference: str) -> str:
    """Where a reference points, in words."""
    kind, _, name = reference.partition(":")
    if reference.startswith("${"):
        kind, name = "$env", reference[2:-1]
    words = {
        "$env": "environment variable",
        "$keyring": f"keyring entry of service {SERVICE}, user",
        "$file": "file",
    }
    return f"{words[kind]} {name}"


class Resolver:
    """Resolves references. Nothing is looked up before it is asked for; the keyring once for a name.

    `home` is the folder that relative `$file:` paths start from; `timeout` bounds every call of the keyring,
    in seconds; `waiting` is told when a keyring takes its time.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        home: Path,
        timeout: float = 3.0,
        interactive: bool = False,
        waiting: Callable[[str], None] | None = None,
        keyring: Any = None,
    ) -> None:
        self._env = env
        self._home = home
        self._timeout = timeout
        self._interactive = interactive
        self._waiting = waiting
        self._keyring = keyring
        self._seen: dict[str, str] = {}

    def resolve(self, text: str) -> Secret:
        """The value of a text with its references replaced once: a value is not looked at again.

        Raises SecretFault naming the reference, never a value.
        """
        if text.startswith("$file:"):
            return Secret(self._file(text[6:]), text)
        if "$" not in text:
            return Secret(text, "literal")
        made, at = [], 0
        for found in _matches(text):
            made += [text[at : found.start()], self._value(found)]
            at = found.end()
        said = references(text)
        return Secret("".join([*made, text[at:]]), " ".join(said) or "literal")

    def inspect(self, text: str) -> list[Finding]:
        """What becomes of each reference in a text; the text itself as one finding where it has none."""
        found = references(text)
        if not found:
            return [Finding("literal", "the config file itself", True, Secret(text, "literal").masked())]
        return [self._finding(reference) for reference in found]

    def _finding(self, reference: str) -> Finding:
        try:
            secret = self.resolve(reference)
        except SecretFault as fault:
            remedy = fault.hints[0] if fault.hints else ""
            return Finding(reference, place_of(reference), False, "", fault.sentence, remedy)
        return Finding(reference, place_of(reference), True, secret.masked())

    def _value(self, found: Any) -> str:
        if found.group() == "$$":
            return "$"
        variable = found["env"] or found["var"]
        if variable:
            return self._variable(variable)
        return self._entry(found["keyring"]) if found["keyring"] else self._file(found["file"])

    def _variable(self, name: str) -> str:
        value = self._env.get(name, "").strip()
        if not value:
            state = "is empty" if name in self._env else "is not set"
            raise SecretFault(
                f"The environment variable {name} {state}", hints=(f"set it like: export {name}=...",)
            )
        return value

    def _entry(self, name: str) -> str:
        if name not in self._seen:
            from arawn.keychain import Keychain

            chain = Keychain(self._timeout, self._keyring, self._interactive, self._waiting)
            self._seen[name] = chain.get(name)
        return self._seen[name]

    def _file(self, text: str) -> str:
        try:
            path = Path(os.path.expanduser(text))
            path = path if path.is_absolute() else self._home / path
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise SecretFault(f"The key file {path} cannot be read: {error.strerror}") from None
        except ValueError:  # a NUL, or half of a surrogate pair
            raise SecretFault("The key file cannot be read: that is not the name of a file") from None
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            os.close(handle)
            raise SecretFault(f"The key file {path} is no regular file")
        with os.fdopen(handle, "rb") as file:
            if os.name == "posix" and mode & 0o077:
                self._tell(f"the key file {path} can be read by others: chmod 600 {path}")
            data = file.read(FILE_LIMIT + 1)
        value = data.decode("utf-8", "replace").strip()
        if len(data) > FILE_LIMIT or not value:
            raise SecretFault(f"The key file {path} is {'larger than 64 KiB' if value else 'empty'}")
        return value

    def _tell(self, text: str) -> None:
        if self._waiting is not None:
            self._waiting(text)


def header_value(secret: Secret, place: str) -> str:
    """The value as it may stand in a header: printable ASCII without white space in it.

    Raises SecretFault that says what is wrong and where, never the value.
    """
    value = secret.reveal().strip()
    for number, char in enumerate(value, 1):
        if not "!" <= char <= "~":
            kind = "a space" if char == " " else "a control character" if ord(char) < 32 else "no plain ASCII"
            raise SecretFault(
                f"The key from {place} cannot be sent: its character {number} is {kind}",
                hints=("copy it again: quotation marks or a second line may have come along",),
            )
    if not value:
        raise SecretFault(f"The key from {place} is empty")
    return value


class Redactor:
    """Masks known secrets, in the forms they take on the way, and whatever has the shape of a key."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def add(self, value: str) -> None:
        """Mask this value from now on; very short ones would mask ordinary words and are left."""
        value = value.strip()
        if len(value) < 6 or value in self._known:
            return
        import json
        import re
        from urllib.parse import quote

        quoted = quote(value, safe="")
        forms = {
            value,
            quoted,
            quote(value),
            re.sub("%..", lambda escape: escape.group().lower(), quoted),
            json.dumps(value)[1:-1],
            value.encode("unicode_escape").decode(),
            *_in_base64(value.encode("utf-8", "replace")),
        }
        self._known = sorted({*self._known, *forms}, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """`text` without secrets."""
        for value in self._known:
            text = text.replace(value, "****")
        shape = _shape_in(text)
        return text if shape is None else shape.sub("****", text)

    def spans(self, text: str, *, shapes: bool = True) -> list[tuple[int, int]]:
        """Where secrets stand in `text`, from and up to; `shapes` False: those alone that are known."""
        found = []
        for value in self._known:
            at = text.find(value)
            while at >= 0:
                found.append((at, at + len(value)))
                at = text.find(value, at + 1)
        shape = _shape_in(text) if shapes else None
        if shape is not None:
            found += [match.span() for match in shape.finditer(text)]
        return found

    def begun(self, text: str) -> int:
        """Where at the end of `text` a known secret may begin that goes on after it; else its length."""
        longest = 0
        for value in self._known:
            for length in range(min(len(value) - 1, len(text)), longest, -1):
                if text.endswith(value[:length]):
                    longest = length
                    break
        return len(text) - longest


def _shape_in(text: str) -> Any:
    """The shapes of keys that `text` may have in it; None where there are none."""
    low = text.lower()
    shapes = [shape for marks, shape in _SHAPES if any(mark in low for mark in marks)]
    if not shapes:
        return None
    import re

    return re.compile("|".join(shapes))


def _in_base64(value: bytes) -> set[str]:
    """What `value` looks like inside of base64, whatever stands before it; short remains are left."""
    from binascii import b2a_base64

    forms = set()
    for shift, begin in enumerate((0, 2, 3)):  # the first characters depend on what stands before
        whole = b2a_base64(bytes(shift) + value, newline=False).decode().rstrip("=")
        part = whole[begin : len(whole) - bool((shift + len(value)) % 3)]
        if len(part) >= SHORTEST_BASE64:
            forms |= {part, part.replace("+", "-").replace("/", "_")}
    return forms
