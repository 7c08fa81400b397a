"""The slash commands about files, and what is taken out of answers: code, copies; they know no model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from arawn.errors import ArawnError, UsageFault
from arawn.repl.commands.registry import OFFERS, PathName, command, paths

if TYPE_CHECKING:
    from arawn.extract import Block
    from arawn.repl.loop import Repl
    from arawn.session import Turn

CodeNumber = str
CopyWords = str
SaveWords = str

_CODE = re.compile(r"code(?:\s+(\d+))?")
_SAVE = re.compile(r"(?P<file>.*?)\s*(?P<code>\bcode(?:\s+\d+)?)?", re.S)
_ENCLOSED = re.compile(r"^(\S[^\n]*):\n(`{3,})\n(.*?)\n\2$", re.M | re.S)


@command(group="with")
def attach(repl: Repl, name: PathName = "") -> None:
    """Send a file or page along. It goes with the next message; a dash drops all."""
    if name == "-":
        repl.attached.clear()
    elif name:
        repl.attach(name)
    files = ", ".join(f"{file.name} ({file.kind}, {file.size:,} bytes)" for file in repl.attached)
    repl.screen.say(f"With the next message: {files}" if files else "Nothing is attached.")


@command(group="with")
def files(repl: Repl) -> None:
    """What was sent along. With which turn of this session, and what goes with the next message."""
    rows = [
        (f"turn {repl.session.number(turn.id)}", *file)
        for turn in repl.session.path()
        for file in _sent(turn)
    ]
    rows += [("next", file.name, file.kind, file.size) for file in repl.attached]
    if not rows:
        repl.screen.say("Nothing was sent along, and nothing is attached.")
    for when, name, kind, size in rows:
        repl.screen.say(f"{when:<8}  {name}  {kind}, {size:,} bytes")


def _sent(turn: Turn) -> list[tuple[str, str, int]]:
    """Name, kind and bytes of what went along with a prompt: texts stand enclosed in it."""
    prompt = turn.prompt.text if turn.kind == "said" else ""
    texts = [
        (found[1], "text", len(found[3].encode("utf-8", "replace"))) for found in _ENCLOSED.finditer(prompt)
    ]
    return texts + [(file.name or file.kind, file.kind, len(file.data)) for file in turn.files]


@command(group="out")
def code(repl: Repl, number: CodeNumber = "") -> None:
    """Show the code blocks. Of the last answer; with a number that one alone, as it is."""
    found = _blocks(repl)
    if number:
        repl.screen.say(_block(found, number).text, whole=True)
        return
    for place, block in enumerate(found, 1):
        lines = block.text.split("\n")
        first = next((line.strip() for line in lines if line.strip()), "")
        many = "1 line" if len(lines) == 1 else f"{len(lines):,} lines"
        repl.screen.say(f"{place:>2}  {block.language or 'text':<10}  {many:>9}  {first[:44]}".rstrip())
    repl.screen.say("/code N shows one, /copy code N copies it, /save FILE code N writes it.")


@command(group="out")
def copy(repl: Repl, what: CopyWords = "") -> None:
    """Copy answer or code. To the clipboard: the last answer, its code block N, or all that was said."""
    from arawn import clipboard

    if what == "all":
        taken = Taken(_all(repl), "all that was said")
    elif what and not _CODE.fullmatch(what):
        raise UsageFault(f"/copy takes nothing, code, code N or all, not {what!r}")
    else:
        taken = _taken(repl, what)
    told = f"{taken.what}, {len(taken.text):,} characters"
    try:
        repl.screen.say(f"Copied {told}, with {clipboard.copy(taken.text)}.")
    except ArawnError as fault:
        if not repl.screen.clip(taken.text):
            raise
        repl.screen.say(f"Copied {told}, through the terminal, if it allows that (OSC 52). {fault.sentence}.")


@command(group="out")
def save(repl: Repl, what: SaveWords = "") -> None:
    """Write it to a file. The last answer into FILE, or its code block N alone."""
    from pathlib import Path

    from arawn.attach import as_typed
    from arawn.config.write import must_be_free, write_private
    from arawn.errors import StoreFault

    found = _SAVE.fullmatch(what)
    name = as_typed(found["file"]) if found else ""
    if found is None or not name:
        raise UsageFault("/save takes a file", hints=("/save FILE code N writes one block of code",))
    taken = _taken(repl, found["code"] or "")
    path = Path(name).expanduser()
    must_be_free(path)
    text = taken.text if taken.text.endswith("\n") else taken.text + "\n"
    try:
        write_private(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise StoreFault(f"{path} cannot be written: {error.strerror or error}") from None
    repl.screen.say(f"Written: {path} ({taken.what}, {len(text):,} characters)")


class Taken(NamedTuple):
    """A text, and what it is."""

    text: str
    what: str


def _taken(repl: Repl, words: str) -> Taken:
    """The last answer, or with `code` and perhaps a number a block of it."""
    found = _CODE.fullmatch(words)
    if found is None:
        return Taken(_answer(repl), "the last answer")
    there = _blocks(repl)
    if not found[1] and len(there) > 1:
        raise UsageFault(f"The last answer has {len(there)} code blocks", hints=("/code lists them: code N",))
    number = found[1] or "1"
    return Taken(_block(there, number).text, f"code block {number}")


def _answer(repl: Repl) -> str:
    turn = repl.session.current
    if turn is None or not turn.answer:
        raise UsageFault("There is no answer yet")
    return turn.answer


def _blocks(repl: Repl) -> list[Block]:
    from arawn.extract import blocks

    found = blocks(_answer(repl))
    if not found:
        raise UsageFault("The last answer has no code blocks")
    return found


def _block(found: list[Block], number: str) -> Block:
    if not number.isdecimal() or not 0 < int(number) <= len(found):
        there = "1 alone" if len(found) == 1 else f"1 to {len(found)}"
        raise UsageFault(f"There is no code block {number!r}", hints=(f"the last answer has {there}",))
    return found[int(number) - 1]


def _all(repl: Repl) -> str:
    """What was said up to here, as Markdown."""
    said = []
    for turn in repl.session.path():
        if turn.kind == "said":
            said.append(f"## You\n\n{turn.prompt.text}\n")
            said.append(f"## {turn.receipt.model or 'Answer'}\n\n{turn.answer}\n")
    if not said:
        raise UsageFault("Nothing was said yet")
    return "\n".join(said)


def _numbers(repl: Repl) -> list[str]:
    from arawn.extract import blocks

    turn = repl.session.current
    return [str(number) for number in range(1, len(blocks(turn.answer if turn else "")) + 1)]


def _after_code(repl: Repl, begun: str, otherwise: list[str]) -> list[str]:
    return _numbers(repl) if begun.split(" ")[-2:-1] == ["code"] else otherwise


OFFERS["CodeNumber"] = lambda repl, begun: _numbers(repl)
OFFERS["CopyWords"] = lambda repl, begun: _after_code(repl, begun, ["all", "code"])
OFFERS["SaveWords"] = lambda repl, begun: _after_code(
    repl, begun, ["code", *paths(begun)] if " " in begun else paths(begun)
)
