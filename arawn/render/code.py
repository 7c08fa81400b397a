"""Colours for lines of code while it grows; what it cannot colour it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from arawn.render.styles import STYLES

LONGEST = 1000
_NAMES = (
    ("Comment", "comment"),
    ("Keyword", "keyword"),
    ("String", "string"),
    ("Number", "number"),
    ("Name.Function", "function"),
    ("Name.Class", "type"),
    ("Name.Tag", "tag"),
    ("Generic.Inserted", "added"),
    ("Generic.Deleted", "removed"),
)
_QUOTING = ("string", "interp", "regex", "comment", "heredoc")


class Colours:
    """Colours lines of one language, given in order; an unknown one stays plain."""

    def __init__(self, language: str, styles: Mapping[str, str] = STYLES) -> None:
        self._names = styles
        self._styles: dict[Any, str] = {}
        self._lexer: Any = _lexer(language) if language else None
        self._stack = ["root"]
        self._stateful = self._lexer is not None and _stateful(self._lexer)
        self._comments = self._stateful and _has_block_comments(self._lexer)
        self._commented = False

    def line(self, text: str) -> Iterator[tuple[str, str]]:
        """(text, style) pieces of a line."""
        if self._lexer is None or len(text) > LONGEST or not text.strip():
            yield text, ""
            return
        pieces: list[tuple[str, str]] = []
        tokens = self._grown(text + "\n") if self._stateful else self._lexer.get_tokens(text + "\n")
        for kind, piece in tokens:
            style = self._style(kind)
            if pieces and (style == pieces[-1][1] or not piece.strip()):
                pieces[-1] = (pieces[-1][0] + piece, pieces[-1][1])
            else:
                pieces.append((piece, style))
        if "".join(piece for piece, _ in pieces).rstrip("\n") != text.rstrip("\n"):
            pieces = [(text, "")]  # a lexer that changes the text is of no use
        for piece, style in pieces:
            yield piece.rstrip("\n"), style

    def _grown(self, text: str) -> Iterator[tuple[Any, str]]:
        """The loop of pygments' RegexLexer, whose state is kept from line to line."""
        from pygments.token import Comment, Error

        at = 0
        while at < len(text):
            if self._commented or (self._comments and self._opens_comment(text, at)):
                end = text.find("*/", at + (0 if self._commented else 2))
                self._commented = end < 0
                end = len(text) if end < 0 else end + 2
                yield Comment, text[at:end]
                at = end
                continue
            for match, action, state in self._lexer._tokens[self._stack[-1]]:
                found = match(text, at)
                if not found:
                    continue
                if isinstance(action, tuple):
                    yield action, found.group()
                elif action is not None:
                    yield from ((kind, piece) for _, kind, piece in action(self._lexer, found))
                moved = found.end() > at or state is not None
                at = found.end()
                self._move(state)
                if moved:
                    break
            else:
                if text[at] == "\n":
                    self._stack = ["root"]
                yield Error, text[at]
                at += 1

    def _opens_comment(self, text: str, at: int) -> bool:
        return (
            text.startswith("/*", at)
            and "*/" not in text[at + 2 :]
            and not any(name in self._stack[-1] for name in _QUOTING)
        )

    def _move(self, state: Any) -> None:
        """Enter or leave states as the lexer's table says."""
        if state is None:
            return
        if isinstance(state, int):
            del self._stack[max(1, len(self._stack) + state) :]
            return
        for name in state if isinstance(state, tuple) else (state,):
            if name == "#pop":
                del self._stack[max(1, len(self._stack) - 1) :]
            else:
                self._stack.append(self._stack[-1] if name == "#push" else name)

    def _style(self, kind: Any) -> str:
        if kind not in self._styles:
            name = str(kind)
            found = next((style for part, style in _NAMES if part in name), "")
            self._styles[kind] = self._names.get(found, "")
        return self._styles[kind]


def warm() -> None:
    """Load pygments, and with its Python what many of its languages need."""
    _lexer("python")


@lru_cache(maxsize=64)
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except (ClassNotFound, ValueError):
        return None


def _stateful(lexer: Any) -> bool:
    """Whether its table alone tells what it does, so that it can be run line by line."""
    from pygments.lexer import ExtendedRegexLexer, RegexLexer

    if not isinstance(lexer, RegexLexer) or isinstance(lexer, ExtendedRegexLexer):
        return False
    code = type(lexer).get_tokens_unprocessed.__code__
    return "stack" in code.co_varnames[: code.co_argcount]


def _has_block_comments(lexer: Any) -> bool:
    from pygments.token import Comment

    first = next(iter(lexer.get_tokens_unprocessed("/* a\n b */\n")), None)
    return first is not None and first[1] in Comment
