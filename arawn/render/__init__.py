"""What a person sees: the filter for foreign text, Markdown, plain text, status line, JSON document."""
