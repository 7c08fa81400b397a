"""A conversation as one text, for services that take nothing but a prompt; pure."""

from __future__ import annotations

from arawn.messages import Message, Request, TextPart, ToolCallPart, ToolResultPart


def transcript(request: Request, system: bool = True) -> str:
    """The prompt: a single question as it is, more of a conversation with the speakers named.

    With `system` the system prompt stands before it, where the service has no field for it.
    """
    turns = [(message.role, _said(message)) for message in request.messages]
    turns = [(role, said) for role, said in turns if said]
    if len(turns) == 1:
        text = turns[0][1]
    else:
        names = {"user": "User", "assistant": "Assistant", "tool": "Tool"}
        text = "\n\n".join([*(f"{names[role]}: {said}" for role, said in turns), "Assistant:"])
    return f"{request.system}\n\n{text}" if system and request.system else text


def _said(message: Message) -> str:
    said = []
    for part in message.parts:
        match part:
            case TextPart():
                said.append(part.text)
            case ToolCallPart():
                said.append(f"[call {part.name} {part.arguments}]")
            case ToolResultPart():
                said.append(part.content)
    return "\n".join(text for text in said if text)
