"""Messages in an order that every service takes, whatever was broken off, imported or said elsewhere before.

What services refuse, each with an error 400: calls without results and results without calls (all of them);
one call id twice, texts of blanks alone (Anthropic); a user after a tool (Mistral); two users or two
assistants in a row (Perplexity, templates of local models); an answer with nothing in it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from arawn.messages import FilePart, Message, Part, TextPart, ToolCallPart, ToolResultPart

NOT_RUN = "(this call was not run)"
NO_ANSWER = "(no answer came)"
BEGINNING = "(the conversation begins with your answer)"
GAP = "\n\n"
LONGEST_NAME = 64


def orderly(messages: Sequence[Message]) -> tuple[Message, ...]:
    """`messages` with a result for every call and for nothing else, roles in turn, ids once, none empty."""
    made: list[Message] = []
    ids: set[str] = set()
    for place, message in enumerate(messages):
        if message.role == "tool":
            continue  # taken along with the message that called
        if message.role == "assistant":
            answer, results = _called(message, _following(messages, place), ids)
            _join(made, answer)
            if results:
                made.append(Message("tool", results))
        else:
            _join(made, message)
    if messages and messages[-1].role == "user" and (not made or made[-1].role != "user"):
        made.append(messages[-1])  # nothing but blanks, and yet what is asked
    return tuple(made)


def _join(made: list[Message], message: Message) -> None:
    """Add a message behind the others; one of the same role as the last becomes part of that."""
    parts = tuple(part for part in message.parts if not isinstance(part, TextPart) or part.text.strip())
    if not any(isinstance(part, TextPart | FilePart | ToolCallPart) for part in parts):
        return
    last = made[-1] if made else None
    if last is None and message.role == "assistant":
        made.append(Message("user", (TextPart(BEGINNING),)))
    elif last is not None and last.role == message.role:
        made[-1] = last._replace(parts=_glued(last.parts, parts))
        return
    elif last is not None and last.role == "tool" and message.role == "user":
        made.append(Message("assistant", (TextPart(NO_ANSWER),)))
    made.append(message._replace(parts=parts))


def _glued(one: tuple[Part, ...], other: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts of two messages as those of one; two texts that meet are told apart by an empty line."""
    end, beginning = one[-1], other[0]
    if isinstance(end, TextPart) and isinstance(beginning, TextPart):
        return (*one[:-1], TextPart(end.text.rstrip() + GAP + beginning.text), *other[1:])
    return (*one, *other)


def _following(messages: Sequence[Message], place: int) -> list[ToolResultPart]:
    """The results that stand right behind the message at `place`."""
    found: list[ToolResultPart] = []
    for message in messages[place + 1 :]:
        if message.role != "tool":
            break
        found += [part for part in message.parts if isinstance(part, ToolResultPart)]
    return found


def _called(
    message: Message, results: Iterable[ToolResultPart], ids: set[str]
) -> tuple[Message, tuple[ToolResultPart, ...]]:
    """A message of the model, its calls with ids that no earlier one has, and their results in order."""
    waiting = list(results)
    parts: list[Part] = []
    given: list[ToolResultPart] = []
    for part in message.parts:
        if not isinstance(part, ToolCallPart):
            parts.append(part)
            continue
        call = part._replace(id=_new(part.id, ids), name=_name(part.name))
        found = next((one for one in waiting if one.call_id == part.id), None)
        if found is not None:
            waiting.remove(found)
        else:
            found = ToolResultPart(call.id, call.name, NOT_RUN, failed=True)
        parts.append(call)
        given.append(found._replace(call_id=call.id, name=call.name))
    return message._replace(parts=tuple(parts)), tuple(given)


def _name(name: str) -> str:
    """The name of a tool as every service takes it: models make up others, and other services allow more."""
    return _fit(name) or "unnamed"


def _new(call_id: str, ids: set[str]) -> str:
    """`call_id`, or where an earlier call's is the same to some service, one like it."""
    made = call_id or "call"
    number = 1
    while _fit(made) in ids:
        number += 1
        made = f"{call_id[: LONGEST_NAME // 2] or 'call'}_{number}"
    ids.add(_fit(made))
    return made


def _fit(name: str) -> str:
    """What is left of a name or an id where letters, digits, `_` and `-` are all that is taken."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST_NAME]
