"""What a person sees: the filter for foreign text, Markdown, plain text, status line, JSON document.

- First of all: `safe` filters whatever is not ours; `look` chooses what shows an answer.
- Markdown: `markdown` cuts lines, `blocks` says what each is, `sheet` draws it with `inline`, `spans`,
  `table` and `code`, and `writer` puts it on the terminal as `measure` counts columns.
- Read aloud: `accessible` cuts lines, `telling` tells them, `sentences` writes them; `labelled` for status.
- For people, on stderr: `status`, with `live` for what moves, `thoughts` for reasoning, `ending` for the end.
- Colours: `theme`, `styles`, and `backdrop` for whether a terminal is dark; `terminal` is what it can do.
- `beside` shows several answers, `difference` two as one; the rest are lists and documents, each by its name.
"""
