"""One short question in the middle of a chat, answered on the same line; it knows no backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import Output

from arawn.render.safe import clean

if TYPE_CHECKING:
    from arawn.repl.prompt.editor import Editor


def ask(editor: Editor, question: str) -> str:
    """What the person types behind `question`; "" where they leave it with Escape, Ctrl-C or Ctrl-D."""
    typed: list[str] = []
    buffer = Buffer(multiline=False)
    keys = KeyBindings()

    @keys.add("enter")
    def take(event: KeyPressEvent) -> None:
        typed.append(buffer.text)
        event.app.exit()

    for name in ("escape", "c-c", "c-d"):
        keys.add(name, eager=True)(lambda event: event.app.exit())

    def made(source: Input, out: Output) -> Application[None]:
        shown = clean(question, newlines=False).rstrip() + " "
        window = Window(
            BufferControl(buffer, input_processors=[BeforeInput(shown)]),
            wrap_lines=True,
            dont_extend_height=True,
        )
        app: Application[None] = Application(
            layout=Layout(window), key_bindings=keys, input=source, output=out, erase_when_done=False
        )
        app.ttimeoutlen = 0.1
        return app

    editor.run(made)
    return clean(typed[0], newlines=False) if typed else ""
