"""The slash commands about who is asked, and how: settings for this chat, and roles; they know no service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from arawn.errors import ArawnError, UsageFault
from arawn.folding import fold
from arawn.messages import SETTINGS
from arawn.repl.commands.registry import OFFERS, BackendName, FreeText, ModelName, command

if TYPE_CHECKING:
    from arawn.repl.loop import Repl
    from arawn.roles import Role

SettingText = str
RoleName = str
ReasoningWord = str

_UNSAID: Mapping[str, Any] = {"stop": (), "stream": True}
"""What stands for a setting that the chat leaves to the config, where that is not None."""
_EXTRA = "extra."


@command(group="who")
def backend(repl: Repl, name: BackendName = "") -> None:
    """Switch the backend. Without a name it shows them."""
    if name:
        repl.switch(name, None)
        return
    repl.tell_opened()
    repl.screen.say(fold("Backends: " + ", ".join(repl.app.backend_names()), repl.screen.columns, "  "))


@command(group="who")
def model(repl: Repl, name: ModelName = "") -> None:
    """Switch the model. Without a name it lists those of this backend."""
    if name:
        repl.switch(repl.opened.name, name)
        return
    repl.tell_opened()
    try:
        names = repl.fetch_models()
    except ArawnError as error:
        repl.screen.fault(error)
        return
    repl.screen.say(
        fold(
            "Models: " + (", ".join(names) if names else "this backend lists none"), repl.screen.columns, "  "
        )
    )


@command(group="who")
def system(repl: Repl, text: FreeText = "") -> None:
    """Set the system prompt. A dash clears it; without a text it is shown."""
    session = repl.conversation.session
    if text:
        session.system = None if text == "-" else text
    repl.screen.say(
        f"System prompt: {repl.app.redact(session.system)}"
        if session.system
        else "No system prompt of this chat."
    )


@command(group="who")
def json(repl: Repl, fields: FreeText = "") -> None:
    """Have answers in JSON. TEXT is the shape, such as 'name, age int'; off ends it."""
    if fields == "off":
        repl.conversation.format = None
        repl.screen.say("Answers are text again.")
        return
    from arawn.attach import read_text
    from arawn.messages import Format
    from arawn.structure import from_argument

    repl.conversation.format = Format(from_argument(fields, read_text)) if fields else Format()
    repl.screen.say("Answers are JSON now; /json off ends it.")


@command(group="who")
def set_(repl: Repl, said: SettingText = "") -> None:
    """Settings for this chat. KEY=VALUE sets one, KEY= leaves it to the config again; without any they are
    shown: temperature, top_p, max_tokens, stop, reasoning, stream, and extra.NAME for fields of a request."""
    key, equals, value = (part.strip() for part in said.partition("="))
    if key and not equals:
        key, _, value = key.partition(" ")
    if key:
        _known(key)
    if key and (equals or value):
        _set(repl, key, value.strip())
    for line in _shown(repl, key):
        repl.screen.say(line)


@command(group="who")
def reasoning(repl: Repl, how: ReasoningWord = "") -> None:
    """Show or hide thoughts. show has all of it, line one passing line, hide nothing; last shows those of the
    last answer."""
    from arawn.render.thoughts import MODES

    if how == "last":
        _last_thoughts(repl)
        return
    mode = next((mode for mode in MODES if mode == how), None)
    if how and mode is None:
        raise UsageFault(f"/reasoning takes {', '.join(MODES)} or last, not {how!r}")
    repl.thoughts.mode = mode or repl.thoughts.mode
    told = {"show": "is shown", "hide": "is hidden", "line": "is shown in one passing line"}
    repl.screen.say(f"Reasoning {told[repl.thoughts.mode]}.")


def _last_thoughts(repl: Repl) -> None:
    from arawn.messages import ReasoningPart

    turn = repl.session.current
    parts = [part for message in turn.messages for part in message.parts] if turn is not None else []
    text = "".join(part.text for part in parts if isinstance(part, ReasoningPart)) or repl.thoughts.last
    if not text.strip():
        raise UsageFault("The last answer came without reasoning")
    for line in text.strip("\n").split("\n"):
        repl.status.note(line)


def _known(key: str) -> None:
    if key in (*SETTINGS, "stream") or (key.startswith(_EXTRA) and len(key) > len(_EXTRA)):
        return
    import difflib

    near = difflib.get_close_matches(key.rpartition(".")[2], (*SETTINGS, "stream"), 1, 0.6)
    hints = (f"did you mean {near[0]}?",) if near else ()
    there = f"of this chat: {', '.join(SETTINGS)}, stream, {_EXTRA}NAME"
    raise UsageFault(f"There is no setting {key!r} of a chat", hints=(*hints, there))


def _set(repl: Repl, key: str, text: str) -> None:
    """Take one setting, or give it back to the config. Raises UsageFault for a value that does not fit."""
    from arawn.config.row import Row
    from arawn.config.schema import find
    from arawn.config.values import BadValue, from_text, parsed

    conversation = repl.conversation
    if key.startswith(_EXTRA):
        name = key.removeprefix(_EXTRA)
        rest = {one: value for one, value in conversation.extra.items() if one != name}
        conversation.extra = {**rest, name: parsed(text)} if text else rest
        return
    value: Any = _UNSAID.get(key)
    if text:
        row = find(("backends", "any", key))
        try:
            value = from_text(row, text) if isinstance(row, Row) else text
        except BadValue as bad:
            raise UsageFault(f"{key}: {bad}") from None
    setattr(conversation, key, tuple(value) if key == "stop" else value)


def _shown(repl: Repl, only: str) -> list[str]:
    """The settings with who says them: this chat, the config, or nobody."""
    conversation = repl.conversation
    config = getattr(repl.opened, "settings", {})
    rows: list[tuple[str, str]] = []
    for key in SETTINGS:
        here, there = getattr(conversation, key), config.get(key)
        if here not in (None, ()):
            rows.append((key, f"{_text(here)} (this chat)"))
        elif there not in (None, ()):
            rows.append((key, f"{_text(there)} (config)"))
        else:
            rows.append((key, "the service decides"))
    rows.append(("stream", "on" if conversation.stream else "off (this chat)"))
    rows += [(f"{_EXTRA}{name}", f"{value!r} (this chat)") for name, value in conversation.extra.items()]
    gone = [(only, "not said")] if only.startswith(_EXTRA) and only not in dict(rows) else []
    rows = [row for row in [*rows, *gone] if not only or row[0] == only]
    width = max(len(key) for key, _ in rows)
    return [f"{key:<{width}}  {value}" for key, value in rows]


def _text(value: Any) -> str:
    return ", ".join(map(repr, value)) if isinstance(value, tuple | list) else str(value)


class Plain(NamedTuple):
    """How a chat spoke before it took a role.

    `asked` is who answered then, None where the role changed nothing about it; (None, None) is whom the
    config chooses.
    """

    system: str | None
    settings: dict[str, Any]
    asked: tuple[str | None, str | None] | None = None


@command(group="who")
def role(repl: Repl, name: RoleName = "") -> None:
    """Speak as a role. Its system prompt, backend and settings hold from now on, and the session goes on;
    a dash ends it, and without a name the roles are listed."""
    roles = repl.settings.roles
    if roles is None:
        raise UsageFault("This chat knows no roles")
    if name == "-":
        if repl.role is None:
            raise UsageFault("This chat speaks as no role")
        leave(repl)
        repl.screen.say("No role any more.")
        return
    if name:
        _take(repl, roles.find(name))
        return
    names = roles.names()
    for one in names:
        repl.screen.say(f"{'*' if repl.role is not None and one == repl.role.name else ' '} {one}")
    if not names:
        repl.screen.say(
            f"There are no roles; [roles.NAME] in the config makes one, or {roles.folder}/NAME.md"
        )


def _take(repl: Repl, new: Role) -> None:
    """Speak as `new`; where its backend cannot be asked nothing changes. Raises an ArawnError."""
    before = repl.plain
    plain = before or _plain(repl)
    if new.backend or new.model:
        home = plain.asked or (repl.opened.name, repl.opened.model)
        repl.switch(new.backend or home[0], new.model)
        plain = plain._replace(asked=home)
    elif plain.asked is not None:
        repl.switch(*plain.asked)
        plain = plain._replace(asked=None)
    repl.plain, repl.role = plain, new
    repl.session.system = new.system if new.system is not None else plain.system
    _say(repl, {**plain.settings, **new.settings})
    repl.screen.say(f"Role {new.name}: {new.told}")


def leave(repl: Repl) -> None:
    """Speak as before the role again."""
    plain = repl.plain
    if plain is not None and plain.asked is not None:
        repl.switch(*plain.asked)
    forget(repl)
    if plain is not None:
        repl.session.system = plain.system


def forget(repl: Repl) -> None:
    """The role ends with its session: another has a system prompt of its own."""
    plain, repl.plain, repl.role = repl.plain, None, None
    if plain is not None:
        _say(repl, plain.settings)


def begun(role: Role | None) -> Plain | None:
    """How a chat that begins in a role would speak without it."""
    if role is None:
        return None
    return Plain(None, {}, (None, None) if role.backend or role.model else None)


def _plain(repl: Repl) -> Plain:
    settings = {key: getattr(repl.conversation, key) for key in SETTINGS}
    return Plain(repl.session.system, settings)


def _say(repl: Repl, settings: dict[str, Any]) -> None:
    for key in SETTINGS:
        setattr(repl.conversation, key, settings.get(key, _UNSAID.get(key)))


OFFERS["SettingText"] = lambda repl, begun: [f"{key}=" for key in (*SETTINGS, "stream")]
OFFERS["RoleName"] = lambda repl, begun: repl.settings.roles.names() if repl.settings.roles else []
OFFERS["ReasoningWord"] = lambda repl, begun: ["show", "hide", "line", "last"]
