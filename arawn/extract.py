"""Fenced blocks in an answer, and the one command that an answer proposes; pure, it runs nothing.

A fence is what CommonMark 0.31 (section 4.5) takes for one, at any indentation: models indent those in lists.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_OPEN = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([^\n]*?)[ \t]*$")
_SHELL_NAMES = """
    sh bash zsh fish ksh dash shell console shellscript shell-session terminal
    powershell pwsh ps1 cmd bat
"""
_SHELLS = frozenset(_SHELL_NAMES.split())
_PROMPT = re.compile(r"^[ \t]*(?:\$|❯|PS>)[ \t]+")
_INLINE = re.compile(r"^(`+)[ ]?([^`\n]+?)[ ]?\1$")
_SENTENCE = re.compile(r"[^\s/.*][.!?:…]$")
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*=|[A-Z]\w+-[A-Z]|[a-z0-9_./~$({\[!\"'\\-]")
_MARKS = re.compile(r"(?:^|\s)-{1,2}\w|[|<>=/~*$;&]|\.\w")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_LOOP = re.compile(r"(?:for|while|until|if|case)\s.*;")
_WORDS = """
    the a an is are was not no you i it can cannot can't could that this there sorry to of with and or your my
    be have which would should unable need please here
"""
_PROSE = frozenset(_WORDS.split())


class Block(NamedTuple):
    """A fenced block: the first word after its fence, and its text without the fences."""

    language: str
    text: str
    closed: bool = True


class Proposal(NamedTuple):
    """A command, and what else the answer said around it."""

    command: str
    beside: str = ""


def blocks(answer: str) -> list[Block]:
    """All fenced blocks in their order; one that is never closed goes on to the end."""
    return [part for part in _parts(answer) if isinstance(part, Block)]


def first(answer: str) -> str | None:
    """The text of the first fenced block; None without one."""
    found = blocks(answer)
    return found[0].text if found else None


def every(answer: str) -> str | None:
    """The texts of all fenced blocks with an empty line between them; None without one."""
    found = blocks(answer)
    return "\n\n".join(block.text for block in found) if found else None


def _parts(answer: str) -> list[Block | str]:
    """The answer as blocks and the lines outside of them."""
    made: list[Block | str] = []
    fence = indent = language = ""
    inside: list[str] = []
    for line in answer.replace("\r\n", "\n").split("\n"):
        found = _OPEN.match(line)
        if fence:
            if found and found[2][0] == fence[0] and len(found[2]) >= len(fence) and not found[3]:
                made.append(Block(language, "\n".join(inside)))
                fence = ""
            else:
                inside.append(_dedented(line, indent))
        elif found and not (found[2][0] == "`" and "`" in found[3]):
            indent, fence, inside = found[1], found[2], []
            language = found[3].partition(" ")[0].strip("{}.").lower()
        else:
            made.append(line)
    if fence:
        made.append(Block(language, "\n".join(inside).rstrip("\n"), closed=False))
    return made


def _dedented(line: str, indent: str) -> str:
    """A line inside of a block without what its fence was indented by."""
    taken = 0
    while taken < len(indent) and line[taken : taken + 1] in (" ", "\t"):
        taken += 1
    return line[taken:]


def proposal(answer: str) -> Proposal | None:
    """The one command that an answer proposes; None where it proposes none.

    In a fenced block it is a command: the first in a shell's language, else the first. Without a block the
    whole answer must be one, on one line: a sentence that only mentions a command proposes nothing.
    """
    parts = _parts(answer)
    found = [part for part in parts if isinstance(part, Block) and part.text.strip()]
    if found:
        chosen = next((block for block in found if block.language in _SHELLS), found[0])
        command = _bare(chosen.text)
        said = [part if isinstance(part, str) else part.text for part in parts if part is not chosen]
        beside = "\n".join(line for line in said if line.strip())
        return Proposal(command, beside) if command else None
    lines = [line.strip() for line in answer.replace("\r\n", "\n").split("\n") if line.strip()]
    if len(lines) != 1:
        return None
    inline = _INLINE.match(lines[0])
    if inline is not None:
        return Proposal(_bare(inline[2]))
    return Proposal(_bare(lines[0])) if is_like_command(_bare(lines[0])) else None


def _bare(text: str) -> str:
    """A block without the prompts before its commands, its comments and empty lines at both ends."""
    lines = text.strip("\n").split("\n")
    prompts = [line for line in lines if _PROMPT.match(line)]
    if prompts and _PROMPT.match(lines[0]):  # a session as it is seen: the rest is output
        lines = [_PROMPT.sub("", line) for line in prompts]
    while lines and (not lines[0].strip() or lines[0].lstrip().startswith("#")):
        del lines[0]
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("# ")):
        del lines[-1]
    return "\n".join(lines).strip()


def is_like_command(line: str) -> bool:
    """Whether a line reads as a command rather than as a sentence."""
    if _NAME.match(line) is None or line.endswith("?"):
        return False
    if _LOOP.match(line):
        return True
    plain = _QUOTED.sub(" ", line)
    words = plain.lower().split()
    if len(_PROSE.intersection(words)) > 1:
        return False
    marked = _MARKS.search(plain) is not None
    if _SENTENCE.search(line) and not marked:
        return False
    return marked or len(words) <= 4
