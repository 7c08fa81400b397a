"""Writes the man page from the command tree, the settings and the manual, as roff or as plain text.

`python -m arawn.cli.man_page` writes `arawn/manual/arawn.1`; a test tells when it is stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from arawn.cli.completion_tree import Node, Option, tree

PLACE = Path(__file__).parents[1] / "manual" / "arawn.1"
WIDTH = 78


class Part(NamedTuple):
    """A piece of the page: `head`, `sub`, `text`, `item` (a tag and its text) or `example`."""

    kind: str
    text: str
    tag: str = ""


EXAMPLES = (
    ("Ask one question:", 'arawn ask "Why is the sky blue?"'),
    ("Words and a pipe are joined:", 'git diff | arawn ask "Write a commit message"'),
    ("The first block of code alone:", 'arawn ask -x "A Python script that counts words" > count.py'),
    ("One command, with a choice before it is run:", 'arawn cmd "find files over 100 MB"'),
    ("Go on with the last session:", 'arawn ask -c "And in one sentence?"'),
)
PLACES = (
    ("~/.config/arawn/config.toml", "Your config; `arawn config path` tells where it is here."),
    (".arawn/config.toml", "A project's config, in its folder or above; see `arawn help trust`."),
    ("~/.local/share/arawn/sessions.db", "The sessions; `arawn session stats` tells about them."),
    ("~/.local/state/arawn/", "What was seen of the backends, and the history of the chat."),
    ("~/.cache/arawn/", "Lists of models. It may be deleted."),
)
OWN = (
    ("ARAWN_CONFIG", "The config file, in the place of the user's."),
    ("ARAWN_HOME", "One folder for config, data, state and cache."),
    ("ARAWN_DATA_DIR", "The folder of the sessions alone."),
    ("ARAWN_DEBUG", "Like --debug."),
    ("ARAWN_BACKEND, ARAWN_MODEL", "Whom to ask."),
    (
        "ARAWN_SECTION_KEY",
        "Any setting whose path has no name of yours, as in ARAWN_LIMITS_IDLE for limits.idle.",
    ),
    ("ACCESSIBLE", "Like --accessible."),
    ("NO_COLOR, FORCE_COLOR, CLICOLOR, CLICOLOR_FORCE", "Colours off or on; --color goes over them."),
    ("SHELL", "The shell that commands are made for and run by, and that completions are installed for."),
    ("VISUAL, EDITOR, PAGER", "What edits, and what shows this page where there is no man."),
    ("XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME, XDG_CACHE_HOME", "Where the folders below begin."),
)


def parts() -> Iterator[Part]:
    """The whole page."""
    nodes = tree()
    yield Part("head", "NAME")
    yield Part("text", "arawn - a command-line assistant for every model backend you have")
    yield Part("head", "SYNOPSIS")
    yield Part("example", "arawn [OPTIONS] COMMAND [ARGUMENTS]\narawn\ncommand | arawn")
    yield Part("head", "DESCRIPTION")
    yield Part(
        "text",
        "Arawn asks models, hosted or local, through one config file: one question (ask) or one conversation "
        "(chat). Alone on a terminal it is `arawn chat`; with something piped in it is `arawn ask`. The "
        "answer goes to standard output, everything else to standard error.",
    )
    yield Part("text", "The manual is in the program: `arawn help` lists its pages.")
    yield Part("head", "OPTIONS")
    yield Part("text", "These stand before the command.")
    yield from map(_option, nodes[0].options)
    yield Part("head", "COMMANDS")
    for node in nodes[1:]:
        yield from _command(node)
    yield Part("head", "EXIT STATUS")
    yield from _codes()
    yield Part("head", "ENVIRONMENT")
    for name, text in OWN:
        yield Part("item", text, name)
    yield Part("item", "Keys of the services. `arawn backend list` tells which are set.", ", ".join(_keys()))
    yield Part("head", "FILES")
    for name, text in PLACES:
        yield Part("item", text, name)
    yield Part("head", "EXAMPLES")
    for text, line in EXAMPLES:
        yield Part("text", text)
        yield Part("example", line)


def _command(node: Node) -> Iterator[Part]:
    arguments = " ".join(node.metavars)
    yield Part("sub", f"arawn {node.key} {arguments}".rstrip())
    for paragraph in node.text.split("\n\n"):
        yield Part("text", " ".join(paragraph.split()))
    own = [option for option in node.options if "--help" not in option.names]
    yield from map(_option, own)


def _option(option: Option) -> Part:
    value = f" {option.metavar}" if option.metavar else ""
    return Part("item", option.help.rstrip(".") + ".", ", ".join(option.names) + value)


def _codes() -> Iterator[Part]:
    """The table of the manual."""
    from arawn.manual import text

    for codes, meaning in re.findall(r"^\| (\d+|130, 143) \| (.*?) \|", text("errors"), re.M):
        yield Part("item", meaning[:1].upper() + meaning[1:] + ".", codes)


def _keys() -> list[str]:
    from arawn.providers import PROVIDERS

    return list(dict.fromkeys(name for row in PROVIDERS.values() if row.needs_key for name in row.key_names))


def roff() -> str:
    """The page as man(7) has it: what groff and mandoc both take, ASCII alone."""
    from arawn import __version__

    lines = [
        '.\\" Made by python -m arawn.cli.man_page; edit nothing here.',
        f'.TH ARAWN 1 "" "arawn {__version__}" "Arawn"',
        ".nh",
        ".ad l",
    ]
    for part in parts():
        match part.kind:
            case "head":
                lines.append(f".SH {part.text}")
            case "sub":
                lines.append(f'.SS "{_escaped(part.text)}"')
            case "item":
                lines += [".TP", f".B {_escaped(part.tag)}", _prose(part.text)]
            case "example":
                lines += [".PP", ".nf", ".RS 4", *map(_line, part.text.split("\n")), ".RE", ".fi"]
            case _:
                lines += [".PP", _prose(part.text)]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> str:
    """A paragraph; what stands between backticks is bold."""
    pieces = re.split(r"`([^`]+)`", text)
    made = [f"\\fB{_escaped(piece)}\\fR" if at % 2 else _escaped(piece) for at, piece in enumerate(pieces)]
    line = "".join(made)
    return "\\&" + line if line.startswith((".", "'")) else line


def _line(text: str) -> str:
    line = _escaped(text)
    return "\\&" + line if line.startswith((".", "'")) else line


def _escaped(text: str) -> str:
    named = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("`", "\\(ga")
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in named)


def plain() -> str:
    """The page as text, for a pipe and where there is no man."""
    from textwrap import fill, indent

    lines: list[str] = []
    for part in parts():
        text = part.text.replace("`", "")
        match part.kind:
            case "head":
                lines.append(part.text + "\n")
            case "sub":
                lines.append("  " + part.text + "\n")
            case "item":
                body = fill(text, WIDTH, initial_indent=" " * 11, subsequent_indent=" " * 11)
                tag = fill(part.tag, WIDTH, initial_indent=" " * 7, subsequent_indent=" " * 7)
                lines.append(tag + "\n" + body + "\n")
            case "example":
                lines.append(indent(part.text, " " * 11) + "\n")
            case _:
                lines.append(fill(text, WIDTH, initial_indent=" " * 7, subsequent_indent=" " * 7) + "\n")
    return "\n".join(lines)


if __name__ == "__main__":
    PLACE.write_text(roff(), "utf-8")
