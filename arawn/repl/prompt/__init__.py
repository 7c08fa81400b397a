"""The prompt: a line editor that knows nothing of backends or answers.

- `editor` joins what is only there with prompt_toolkit: `input` and `fast` read keys, `keys` binds them,
  `completing`, `pasting`, `past`, `paint`, `reflow`; `picker` and `asking_back` stand beside it.
- Without it: `folds` long pastes, `drafts` and `history` what is kept, `nearby` file names, `inputrc` keys.
"""
