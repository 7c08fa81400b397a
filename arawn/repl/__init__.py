"""The conversation on a terminal: reading a line, answering it, slash commands; it knows no wire format.

- A chat: `loop` is its state and its start, `chat` what it needs of the program around it, `talk` what
  becomes of what is typed, `show` one answer, `screen` all else that is shown, `signals` Ctrl-C and the end.
- Slash commands: `commands` is what one is; `*_commands` hold them, and `every_command` names those modules.
- The prompt: `editor` joins what is only there with prompt_toolkit (`input`, `fast`, `keys`, `completing`,
  `pasting`, `past`, `paint`, `reflow`; `picker` and `asking_back` beside it).
- What the prompt is given: `nearby` and `known` names, `folds` long pastes, `below` and `toolbar` the line
  under it, `mentions` files, `drafts` and `history` what is kept, `tidying` what may be typed at all.
- Beside an answer: `typeahead` rules the terminal's modes, `listening` reads, `typed` makes text of it.
- Other programs: `child` runs one on our terminal, `shell` a command, `external` the person's own editor.
"""
