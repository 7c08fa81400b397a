"""The conversation on a terminal: reading a line, answering it, slash commands; it knows no wire format.

- A chat: `loop` is its state and its start, `chat` what it needs of the program around it, `talk` what
  becomes of what is typed, `show` one answer, `screen` all else that is shown, `signals` Ctrl-C and the end.
- `commands`: `registry` says what a slash command is, a module a group holds them.
- `prompt`: the line editor on prompt_toolkit, and what it is given.
- What the chat puts around the prompt: `below` and `toolbar` the line under it, `known` names to complete,
  `mentions` files that go along, `tidying` what may be typed at all.
- Beside an answer: `typeahead` rules the terminal's modes, `listening` reads, `typed` makes text of it.
- Other programs: `child` runs one on our terminal, `shell` a command, `external` the person's own editor.
"""
