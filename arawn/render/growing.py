"""A line of a paragraph while it grows: from its first pipe on it may be the head of a table."""

from __future__ import annotations

from collections.abc import Callable


class Growing:
    """`feed` gets what is text for certain; what is not is held until the line below tells."""

    def __init__(self, feed: Callable[[str], None]) -> None:
        self._feed = feed
        self._said: list[str] = []
        self._held: list[str] | None = None

    def begin(self) -> None:
        """A new line."""
        self._said.clear()

    def add(self, text: str) -> None:
        """More of the line."""
        self._said.append(text)
        if self._held is not None:
            self._held.append(text)
            return
        pipe = text.find("|")
        if pipe >= 0:
            self._held = [text[pipe:]]
            text = text[:pipe]
        self._feed(text)

    @property
    def head(self) -> str | None:
        """The whole line, where it may be the head of a table."""
        return None if self._held is None else "".join(self._said)

    def release(self) -> None:
        """It was no head of a table."""
        held = self.taken()
        if held:
            self._feed(held)

    def taken(self) -> str:
        """What is held, which is not to be fed any more."""
        held, self._held = "".join(self._held or ()), None
        return held
